
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Sorts rows by id with bounded memory.
 *
 * Rows lie one after the other in an arena.  What is sorted is an index:
 * the first eight bytes of each id as a number, which decide most
 * comparisons without a look at the row, and the place of the row.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile_loader.h"
#include "profile_sort.h"


#define PROFILE_SORT_START       (1024 * 1024)
#define PROFILE_SORT_BUFFER      (256 * 1024)
#define PROFILE_SORT_BUFFER_MIN  4096


/* A row in the arena and in a run: this, the id, the body. */

typedef struct {
    uint32_t  id;
    uint32_t  stream;
    uint64_t  line;
    uint64_t  body;
} profile_sort_head_t;


typedef struct {
    uint64_t  prefix;
    uint64_t  offset;
} profile_sort_entry_t;


typedef struct {
    off_t    offset;       /* in the file, of what has not been read */
    off_t    start;
    off_t    end;
    u_char  *buf;
    size_t   size;
    size_t   pos;          /* in buf, of the run's first row */
    size_t   last;
} profile_sort_run_t;


struct profile_sort_s {
    const char            *directory;
    size_t                 memory;
    u_char                *arena;
    size_t                 len;
    size_t                 size;
    profile_sort_entry_t  *entries;
    size_t                 nentries;
    size_t                 max_entries;
    size_t                 next;         /* entry, when there are no runs */
    int                    fd;
    off_t                  written;
    profile_sort_run_t    *runs;
    size_t                 nruns;
    size_t                 buffer;       /* bytes for each, when merged */
    size_t                *heap;         /* of runs, the least row first */
    size_t                 nheap;
    uint64_t               rows;
    uint64_t               bytes;
    unsigned               sorted:1;
    unsigned               started:1;    /* heap[0] has been returned */
};


static uint64_t profile_sort_prefix(const u_char *id, size_t len);
static void profile_sort_row(const u_char *p, profile_sorted_t *row);
static size_t profile_sort_size(const u_char *p);
static int profile_sort_compare_ids(const u_char *one, const u_char *two);
static int profile_sort_compare(const void *one, const void *two,
    void *arena);
static int profile_sort_spill(profile_sort_t *sort, profile_error_t *err);
static int profile_sort_open(profile_sort_t *sort, profile_error_t *err);
static int profile_sort_write(profile_sort_t *sort, const u_char *p,
    size_t len, profile_error_t *err);
static int profile_sort_fill(profile_sort_t *sort, profile_sort_run_t *run,
    profile_error_t *err);
static int profile_sort_less(const profile_sort_t *sort, size_t one,
    size_t two);
static void profile_sort_sift(profile_sort_t *sort, size_t i);


profile_sort_t *
profile_sort_create(const char *directory, size_t memory)
{
    profile_sort_t  *sort;

    sort = profile_alloc(sizeof(profile_sort_t));
    memset(sort, 0, sizeof(profile_sort_t));

    sort->directory = directory;
    sort->memory = memory;
    sort->fd = -1;

    return sort;
}


void
profile_sort_free(profile_sort_t *sort)
{
    size_t  i;

    if (sort == NULL) {
        return;
    }

    for (i = 0; i < sort->nruns; i++) {
        free(sort->runs[i].buf);
    }

    if (sort->fd != -1) {
        (void) close(sort->fd);
    }

    free(sort->runs);
    free(sort->heap);
    free(sort->arena);
    free(sort->entries);
    free(sort);
}


int
profile_sort_add(profile_sort_t *sort, const profile_sorted_t *row,
    profile_error_t *err)
{
    int                   rc;
    u_char               *p;
    size_t                need;
    profile_sort_head_t   head;

    need = sizeof(profile_sort_head_t) + row->id.len + row->body.len;

    if (sort->nentries != 0
        && sort->len + need
           + (sort->nentries + 1) * sizeof(profile_sort_entry_t)
           > sort->memory)
    {
        rc = profile_sort_spill(sort, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    while (sort->size - sort->len < need) {
        sort->size = (sort->size == 0) ? PROFILE_SORT_START : sort->size * 2;
        sort->arena = profile_realloc(sort->arena, sort->size);
    }

    if (sort->nentries == sort->max_entries) {
        sort->max_entries = (sort->max_entries == 0) ? 1024
                                                     : sort->max_entries * 2;
        sort->entries = profile_realloc(sort->entries,
                                        sort->max_entries
                                        * sizeof(profile_sort_entry_t));
    }

    sort->entries[sort->nentries].prefix = profile_sort_prefix(row->id.data,
                                                               row->id.len);
    sort->entries[sort->nentries].offset = sort->len;
    sort->nentries++;

    head.id = (uint32_t) row->id.len;
    head.stream = row->stream;
    head.line = row->line;
    head.body = row->body.len;

    p = sort->arena + sort->len;
    memcpy(p, &head, sizeof(profile_sort_head_t));
    p += sizeof(profile_sort_head_t);
    memcpy(p, row->id.data, row->id.len);
    memcpy(p + row->id.len, row->body.data, row->body.len);

    sort->len += need;
    sort->bytes += row->body.len;
    sort->rows++;

    return PROFILE_OK;
}


int
profile_sort_rewind(profile_sort_t *sort, profile_error_t *err)
{
    int                  rc;
    size_t               i;
    profile_sort_run_t  *run;

    sort->next = 0;

    if (sort->nruns == 0) {

        if (!sort->sorted && sort->nentries != 0) {
            qsort_r(sort->entries, sort->nentries,
                    sizeof(profile_sort_entry_t), profile_sort_compare,
                    sort->arena);
        }

        sort->sorted = 1;

        return PROFILE_OK;
    }

    if (!sort->sorted) {

        if (sort->nentries != 0) {
            rc = profile_sort_spill(sort, err);
            if (rc != PROFILE_OK) {
                return rc;
            }
        }

        /* the memory is needed for the runs' buffers */

        free(sort->arena);
        free(sort->entries);

        sort->arena = NULL;
        sort->entries = NULL;
        sort->size = 0;
        sort->max_entries = 0;
        sort->heap = profile_alloc(sort->nruns * sizeof(size_t));
        sort->buffer = sort->memory / sort->nruns;
        sort->sorted = 1;

        if (sort->buffer > PROFILE_SORT_BUFFER) {
            sort->buffer = PROFILE_SORT_BUFFER;
        }

        if (sort->buffer < PROFILE_SORT_BUFFER_MIN) {
            sort->buffer = PROFILE_SORT_BUFFER_MIN;
        }
    }

    sort->nheap = sort->nruns;
    sort->started = 0;

    for (i = 0; i < sort->nruns; i++) {

        run = &sort->runs[i];
        run->offset = run->start;
        run->pos = 0;
        run->last = 0;
        sort->heap[i] = i;

        rc = profile_sort_fill(sort, run, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    for (i = sort->nheap / 2; i > 0; i--) {
        profile_sort_sift(sort, i - 1);
    }

    return PROFILE_OK;
}


int
profile_sort_next(profile_sort_t *sort, profile_sorted_t *row,
    profile_error_t *err)
{
    int                  rc;
    profile_sort_run_t  *run;

    if (sort->nruns == 0) {

        if (sort->next == sort->nentries) {
            return PROFILE_NOT_FOUND;
        }

        profile_sort_row(sort->arena + sort->entries[sort->next++].offset,
                         row);

        return PROFILE_OK;
    }

    if (sort->started) {
        run = &sort->runs[sort->heap[0]];
        run->pos += profile_sort_size(run->buf + run->pos);

        rc = profile_sort_fill(sort, run, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        if (run->pos == run->last) {
            sort->heap[0] = sort->heap[--sort->nheap];
        }

        profile_sort_sift(sort, 0);
    }

    if (sort->nheap == 0) {
        sort->started = 0;
        return PROFILE_NOT_FOUND;
    }

    sort->started = 1;
    run = &sort->runs[sort->heap[0]];
    profile_sort_row(run->buf + run->pos, row);

    return PROFILE_OK;
}


uint64_t
profile_sort_rows(const profile_sort_t *sort)
{
    return sort->rows;
}


uint64_t
profile_sort_bytes(const profile_sort_t *sort)
{
    return sort->bytes;
}


static uint64_t
profile_sort_prefix(const u_char *id, size_t len)
{
    size_t    i;
    uint64_t  prefix;

    prefix = 0;

    for (i = 0; i < sizeof(uint64_t); i++) {
        prefix = prefix << 8 | ((i < len) ? id[i] : 0);
    }

    return prefix;
}


static void
profile_sort_row(const u_char *p, profile_sorted_t *row)
{
    profile_sort_head_t  head;

    memcpy(&head, p, sizeof(profile_sort_head_t));
    p += sizeof(profile_sort_head_t);

    row->id.data = p;
    row->id.len = head.id;
    row->body.data = p + head.id;
    row->body.len = head.body;
    row->stream = head.stream;
    row->line = head.line;
}


static size_t
profile_sort_size(const u_char *p)
{
    profile_sort_head_t  head;

    memcpy(&head, p, sizeof(profile_sort_head_t));

    return sizeof(profile_sort_head_t) + head.id + head.body;
}


static int
profile_sort_compare_ids(const u_char *one, const u_char *two)
{
    profile_sorted_t  a, b;

    profile_sort_row(one, &a);
    profile_sort_row(two, &b);

    return profile_bytes_compare(&a.id, &b.id);
}


static int
profile_sort_compare(const void *one, const void *two, void *arena)
{
    int                          rc;
    const u_char                *base;
    const profile_sort_entry_t  *a, *b;

    a = one;
    b = two;
    base = arena;

    if (a->prefix != b->prefix) {
        return (a->prefix > b->prefix) ? 1 : -1;
    }

    rc = profile_sort_compare_ids(base + a->offset, base + b->offset);

    if (rc != 0) {
        return rc;
    }

    return (a->offset > b->offset) - (a->offset < b->offset);
}


/* Writes all that the arena holds as one run, in order. */

static int
profile_sort_spill(profile_sort_t *sort, profile_error_t *err)
{
    int                  rc;
    size_t               i, n, len;
    u_char              *buf, *p;
    profile_sort_run_t  *run;

    rc = profile_sort_open(sort, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    qsort_r(sort->entries, sort->nentries, sizeof(profile_sort_entry_t),
            profile_sort_compare, sort->arena);

    sort->runs = profile_realloc(sort->runs, (sort->nruns + 1)
                                             * sizeof(profile_sort_run_t));
    run = &sort->runs[sort->nruns];
    memset(run, 0, sizeof(profile_sort_run_t));

    run->start = sort->written;
    buf = profile_alloc(PROFILE_SORT_BUFFER);
    len = 0;

    for (i = 0; i < sort->nentries && rc == PROFILE_OK; i++) {

        p = sort->arena + sort->entries[i].offset;
        n = profile_sort_size(p);

        if (n > PROFILE_SORT_BUFFER - len) {
            rc = profile_sort_write(sort, buf, len, err);
            len = 0;
        }

        if (rc == PROFILE_OK && n > PROFILE_SORT_BUFFER) {
            rc = profile_sort_write(sort, p, n, err);
            continue;
        }

        memcpy(buf + len, p, n);
        len += n;
    }

    if (rc == PROFILE_OK) {
        rc = profile_sort_write(sort, buf, len, err);
    }

    free(buf);

    run->end = sort->written;
    sort->nruns++;
    sort->nentries = 0;
    sort->len = 0;

    return rc;
}


static int
profile_sort_open(profile_sort_t *sort, profile_error_t *err)
{
    char  path[4096];

    if (sort->fd != -1) {
        return PROFILE_OK;
    }

    sort->fd = open(sort->directory, O_TMPFILE|O_RDWR|O_CLOEXEC, 0600);

    if (sort->fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR)) {

        (void) snprintf(path, sizeof(path), "%s/.sort-XXXXXX",
                        sort->directory);

        sort->fd = mkostemp(path, O_CLOEXEC);

        if (sort->fd != -1) {
            (void) unlink(path);
        }
    }

    if (sort->fd == -1) {
        return profile_error_errno(err, errno,
                                   "cannot make a temporary file in %s",
                                   sort->directory);
    }

    return PROFILE_OK;
}


static int
profile_sort_write(profile_sort_t *sort, const u_char *p, size_t len,
    profile_error_t *err)
{
    ssize_t  n;

    while (len != 0) {

        n = write(sort->fd, p, len);

        if (n == -1) {

            if (errno == EINTR) {
                continue;
            }

            return profile_error_errno(err, errno,
                                       "cannot write a temporary file in %s",
                                       sort->directory);
        }

        p += n;
        len -= (size_t) n;
        sort->written += n;
    }

    return PROFILE_OK;
}


/* Lets the buffer hold the run's next row whole, if there is one. */

static int
profile_sort_fill(profile_sort_t *sort, profile_sort_run_t *run,
    profile_error_t *err)
{
    size_t   have, need, want;
    ssize_t  n;

    for ( ;; ) {

        have = run->last - run->pos;

        need = sizeof(profile_sort_head_t);
        if (have >= need) {
            need = profile_sort_size(run->buf + run->pos);
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
            run->size = (need > sort->buffer) ? need : sort->buffer;
            run->buf = profile_realloc(run->buf, run->size);
        }

        want = run->size - run->last;
        if ((off_t) want > run->end - run->offset) {
            want = (size_t) (run->end - run->offset);
        }

        n = pread(sort->fd, run->buf + run->last, want, run->offset);

        if (n <= 0) {

            if (n == -1 && errno == EINTR) {
                continue;
            }

            return profile_error_errno(err, (n == 0) ? EIO : errno,
                                       "cannot read a temporary file in %s",
                                       sort->directory);
        }

        run->last += (size_t) n;
        run->offset += n;
    }
}


/* Runs are numbered in the order of their rows, which decides a tie. */

static int
profile_sort_less(const profile_sort_t *sort, size_t one, size_t two)
{
    int                        rc;
    const profile_sort_run_t  *a, *b;

    a = &sort->runs[one];
    b = &sort->runs[two];

    rc = profile_sort_compare_ids(a->buf + a->pos, b->buf + b->pos);

    return (rc != 0) ? rc < 0 : one < two;
}


static void
profile_sort_sift(profile_sort_t *sort, size_t i)
{
    size_t  child, run;

    for ( ;; ) {

        child = 2 * i + 1;

        if (child >= sort->nheap) {
            return;
        }

        if (child + 1 < sort->nheap
            && profile_sort_less(sort, sort->heap[child + 1],
                                 sort->heap[child]))
        {
            child++;
        }

        if (!profile_sort_less(sort, sort->heap[child], sort->heap[i])) {
            return;
        }

        run = sort->heap[i];
        sort->heap[i] = sort->heap[child];
        sort->heap[child] = run;

        i = child;
    }
}
