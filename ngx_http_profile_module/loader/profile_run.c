
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A sorted run of rows.
 */


#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "profile_loader.h"
#include "profile_run.h"


#define PROFILE_RUN_BUFFER_MAX  (256 * 1024)
#define PROFILE_RUN_BUFFER_MIN  4096


static int profile_run_fill(profile_run_t *run, profile_error_t *err);


size_t
profile_run_need(const profile_sorted_t *row)
{
    return sizeof(profile_run_head_t) + row->id.len + row->body.len;
}


void
profile_run_put(u_char *p, const profile_sorted_t *row)
{
    profile_run_head_t  head;

    memset(&head, 0, sizeof(profile_run_head_t));

    head.order = row->order;
    head.line = row->line;
    head.stream = row->stream;
    head.body = (uint32_t) row->body.len;
    head.id = (uint32_t) row->id.len;

    memcpy(p, &head, sizeof(profile_run_head_t));
    p += sizeof(profile_run_head_t);

    memcpy(p, row->id.data, row->id.len);

    if (row->body.len != 0) {
        memcpy(p + row->id.len, row->body.data, row->body.len);
    }
}


void
profile_run_row(const u_char *p, profile_sorted_t *row)
{
    profile_run_head_t  head;

    memcpy(&head, p, sizeof(profile_run_head_t));
    p += sizeof(profile_run_head_t);

    row->id.data = p;
    row->id.len = head.id;
    row->body.data = p + head.id;
    row->body.len = head.body;
    row->order = head.order;
    row->line = head.line;
    row->stream = head.stream;
}


size_t
profile_run_size(const u_char *p)
{
    profile_run_head_t  head;

    memcpy(&head, p, sizeof(profile_run_head_t));

    return sizeof(profile_run_head_t) + head.id + head.body;
}


int
profile_run_compare(const u_char *one, const u_char *two)
{
    int               rc;
    profile_sorted_t  a, b;

    profile_run_row(one, &a);
    profile_run_row(two, &b);

    rc = profile_bytes_compare(&a.id, &b.id);

    return (rc != 0) ? rc : (a.order > b.order) - (a.order < b.order);
}


void
profile_run_buffer(profile_run_t *run, size_t memory)
{
    run->buffer = (memory > PROFILE_RUN_BUFFER_MAX) ? PROFILE_RUN_BUFFER_MAX
                : (memory < PROFILE_RUN_BUFFER_MIN) ? PROFILE_RUN_BUFFER_MIN
                                                    : memory;
}


void
profile_run_free(profile_run_t *run)
{
    free(run->buf);
    run->buf = NULL;
}


int
profile_run_rewind(profile_run_t *run, profile_error_t *err)
{
    run->row = NULL;
    run->next = 0;
    run->offset = run->start;
    run->pos = 0;
    run->last = 0;

    return profile_run_next(run, err);
}


int
profile_run_next(profile_run_t *run, profile_error_t *err)
{
    int  rc;

    if (run->entries != NULL) {
        run->row = (run->next == run->nentries)
                   ? NULL : run->arena + run->entries[run->next++].offset;

        return PROFILE_OK;
    }

    if (run->row != NULL) {
        run->pos += profile_run_size(run->row);
    }

    rc = profile_run_fill(run, err);

    run->row = (rc != PROFILE_OK || run->pos == run->last)
               ? NULL : run->buf + run->pos;

    return rc;
}


/* Lets the buffer hold the next row whole, if there is one. */

static int
profile_run_fill(profile_run_t *run, profile_error_t *err)
{
    size_t   have, need, want;
    ssize_t  n;

    for ( ;; ) {

        have = run->last - run->pos;

        need = sizeof(profile_run_head_t);
        if (have >= need) {
            need = profile_run_size(run->buf + run->pos);
        }

        if (have >= need || (have == 0 && run->offset == run->end)) {
            return PROFILE_OK;
        }

        if (run->pos != 0) {
            memmove(run->buf, run->buf + run->pos, have);
            run->pos = 0;
            run->last = have;
        }

        if (run->size < need || run->size == 0) {
            run->size = (need > run->buffer) ? need : run->buffer;
            run->buf = profile_realloc(run->buf, run->size);
        }

        want = run->size - run->last;
        if ((off_t) want > run->end - run->offset) {
            want = (size_t) (run->end - run->offset);
        }

        n = pread(run->fd, run->buf + run->last, want, run->offset);

        if (n <= 0) {

            if (n == -1 && errno == EINTR) {
                continue;
            }

            return profile_error_errno(err, (n == 0) ? EIO : errno,
                                       "cannot read a temporary file in %s",
                                       run->directory);
        }

        run->last += (size_t) n;
        run->offset += n;
    }
}
