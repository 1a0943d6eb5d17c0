
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Rows on their way between threads.
 */


#include <pthread.h>
#include <string.h>

#include "profile_batch.h"
#include "profile_loader.h"


#define PROFILE_BATCH_TEXT  (256 * 1024)
#define PROFILE_BATCH_ROWS  4096

/* a batch that held a huge row gives the memory back */

#define PROFILE_BATCH_KEEP  (4 * PROFILE_BATCH_TEXT)


struct profile_queue_s {
    pthread_mutex_t    mutex;
    pthread_cond_t     cond;
    profile_batch_t   *first;
    profile_batch_t  **last;
    unsigned           closed:1;
};


profile_batch_t *
profile_batch_create(void)
{
    profile_batch_t  *batch;

    batch = profile_alloc(sizeof(profile_batch_t));
    memset(batch, 0, sizeof(profile_batch_t));

    return batch;
}


void
profile_batch_free(profile_batch_t *batch)
{
    if (batch != NULL) {
        free(batch->text.data);
        free(batch->rows);
        free(batch);
    }
}


void
profile_batch_add(profile_batch_t *batch, const profile_raw_t *raw,
    profile_row_reason_e reason)
{
    profile_batch_row_t  *row;

    if (batch->nrows == batch->max_rows) {
        batch->max_rows = (batch->max_rows == 0) ? 256 : batch->max_rows * 2;
        batch->rows = profile_realloc(batch->rows,
                                      batch->max_rows
                                      * sizeof(profile_batch_row_t));
    }

    row = &batch->rows[batch->nrows++];

    row->offset = batch->text.len;
    row->len = (reason == PROFILE_ROW_VALID) ? raw->len : 0;
    row->columns = raw->columns;
    row->line = raw->line;
    row->stream = raw->stream;
    row->reason = reason;

    profile_buffer_append(&batch->text, raw->text, row->len);
}


int
profile_batch_full(const profile_batch_t *batch)
{
    return batch->text.len >= PROFILE_BATCH_TEXT
           || batch->nrows >= PROFILE_BATCH_ROWS;
}


void
profile_batch_reset(profile_batch_t *batch, uint64_t first)
{
    if (batch->text.size > PROFILE_BATCH_KEEP) {
        free(batch->text.data);
        memset(&batch->text, 0, sizeof(profile_buffer_t));
    }

    batch->text.len = 0;
    batch->nrows = 0;
    batch->first = first;
}


void
profile_batch_row(const profile_batch_t *batch, size_t i, profile_raw_t *raw,
    profile_row_reason_e *reason)
{
    const profile_batch_row_t  *row;

    row = &batch->rows[i];

    raw->text = batch->text.data + row->offset;
    raw->len = row->len;
    raw->columns = row->columns;
    raw->line = row->line;
    raw->stream = row->stream;

    *reason = row->reason;
}


profile_queue_t *
profile_queue_create(void)
{
    profile_queue_t  *queue;

    queue = profile_alloc(sizeof(profile_queue_t));
    memset(queue, 0, sizeof(profile_queue_t));

    (void) pthread_mutex_init(&queue->mutex, NULL);
    (void) pthread_cond_init(&queue->cond, NULL);
    queue->last = &queue->first;

    return queue;
}


void
profile_queue_free(profile_queue_t *queue)
{
    profile_batch_t  *batch;

    while (queue->first != NULL) {
        batch = queue->first;
        queue->first = batch->next;
        profile_batch_free(batch);
    }

    (void) pthread_cond_destroy(&queue->cond);
    (void) pthread_mutex_destroy(&queue->mutex);
    free(queue);
}


void
profile_queue_put(profile_queue_t *queue, profile_batch_t *batch)
{
    (void) pthread_mutex_lock(&queue->mutex);

    batch->next = NULL;
    *queue->last = batch;
    queue->last = &batch->next;

    (void) pthread_cond_signal(&queue->cond);
    (void) pthread_mutex_unlock(&queue->mutex);
}


profile_batch_t *
profile_queue_get(profile_queue_t *queue)
{
    profile_batch_t  *batch;

    (void) pthread_mutex_lock(&queue->mutex);

    while (queue->first == NULL && !queue->closed) {
        (void) pthread_cond_wait(&queue->cond, &queue->mutex);
    }

    batch = queue->first;

    if (batch != NULL) {
        queue->first = batch->next;

        if (queue->first == NULL) {
            queue->last = &queue->first;
        }
    }

    (void) pthread_mutex_unlock(&queue->mutex);

    return batch;
}


void
profile_queue_close(profile_queue_t *queue)
{
    (void) pthread_mutex_lock(&queue->mutex);

    queue->closed = 1;

    (void) pthread_cond_broadcast(&queue->cond);
    (void) pthread_mutex_unlock(&queue->mutex);
}
