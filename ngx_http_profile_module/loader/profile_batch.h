
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Rows on their way from the thread that reads to those that parse.
 */


#ifndef _PROFILE_BATCH_H_INCLUDED_
#define _PROFILE_BATCH_H_INCLUDED_


#include "profile_format.h"


typedef struct {
    size_t                offset;       /* in the batch's text */
    size_t                len;
    const void           *columns;
    uint64_t              line;
    uint32_t              stream;
    profile_row_reason_e  reason;
} profile_batch_row_t;


typedef struct profile_batch_s  profile_batch_t;

struct profile_batch_s {
    profile_batch_t      *next;
    profile_buffer_t      text;
    profile_batch_row_t  *rows;
    size_t                nrows;
    size_t                max_rows;
    uint64_t              first;        /* order of the first row */
};


profile_batch_t *profile_batch_create(void);
void profile_batch_free(profile_batch_t *batch);

/* Copies the row; raw has no text unless reason is PROFILE_ROW_VALID. */

void profile_batch_add(profile_batch_t *batch, const profile_raw_t *raw,
    profile_row_reason_e reason);
int profile_batch_full(const profile_batch_t *batch);

/* Empties it for rows from order first on. */

void profile_batch_reset(profile_batch_t *batch, uint64_t first);

/* The i-th row as it was added. */

void profile_batch_row(const profile_batch_t *batch, size_t i,
    profile_raw_t *raw, profile_row_reason_e *reason);


/*
 * A queue of batches between threads.  get waits for one, and returns NULL
 * once the queue is closed and empty.
 */

typedef struct profile_queue_s  profile_queue_t;

profile_queue_t *profile_queue_create(void);
void profile_queue_free(profile_queue_t *queue);     /* and what is in it */
void profile_queue_put(profile_queue_t *queue, profile_batch_t *batch);
profile_batch_t *profile_queue_get(profile_queue_t *queue);
void profile_queue_close(profile_queue_t *queue);


#endif /* _PROFILE_BATCH_H_INCLUDED_ */
