
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Merges the sorted runs of all shards.
 */


#include <string.h>

#include "profile_loader.h"
#include "profile_run.h"
#include "profile_shard.h"
#include "profile_sort.h"


struct profile_sort_s {
    profile_shard_t  **shards;
    unsigned           nshards;
    size_t             memory;
    profile_run_t     *runs;         /* of all shards, once they are sorted */
    size_t             nruns;
    size_t            *heap;         /* of runs, the least row first */
    size_t             nheap;
    unsigned           sorted:1;
    unsigned           started:1;    /* heap[0] has been returned */
};


static int profile_sort_collect(profile_sort_t *sort, profile_error_t *err);
static int profile_sort_less(const profile_sort_t *sort, size_t one,
    size_t two);
static void profile_sort_sift(profile_sort_t *sort, size_t i);


profile_sort_t *
profile_sort_create(const char *directory, size_t memory, unsigned shards)
{
    unsigned         i;
    profile_sort_t  *sort;

    sort = profile_alloc(sizeof(profile_sort_t));
    memset(sort, 0, sizeof(profile_sort_t));

    sort->memory = memory;
    sort->nshards = shards;
    sort->shards = profile_alloc(shards * sizeof(profile_shard_t *));

    for (i = 0; i < shards; i++) {
        sort->shards[i] = profile_shard_create(directory, memory / shards);
    }

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
        profile_run_free(&sort->runs[i]);
    }

    for (i = 0; i < sort->nshards; i++) {
        profile_shard_free(sort->shards[i]);
    }

    free(sort->runs);
    free(sort->heap);
    free(sort->shards);
    free(sort);
}


int
profile_sort_add(profile_sort_t *sort, unsigned shard,
    const profile_sorted_t *row, profile_error_t *err)
{
    return profile_shard_add(sort->shards[shard], row, err);
}


void
profile_sort_finish(profile_sort_t *sort, unsigned shard)
{
    profile_shard_finish(sort->shards[shard]);
}


int
profile_sort_rewind(profile_sort_t *sort, profile_error_t *err)
{
    int     rc;
    size_t  i;

    if (!sort->sorted) {
        rc = profile_sort_collect(sort, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        sort->sorted = 1;
    }

    sort->nheap = 0;
    sort->started = 0;

    for (i = 0; i < sort->nruns; i++) {

        rc = profile_run_rewind(&sort->runs[i], err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        if (sort->runs[i].row != NULL) {
            sort->heap[sort->nheap++] = i;
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
    int             rc;
    profile_run_t  *run;

    if (sort->started) {
        run = &sort->runs[sort->heap[0]];

        rc = profile_run_next(run, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        if (run->row == NULL) {
            sort->heap[0] = sort->heap[--sort->nheap];
        }

        profile_sort_sift(sort, 0);
    }

    if (sort->nheap == 0) {
        sort->started = 0;
        return PROFILE_NOT_FOUND;
    }

    sort->started = 1;
    profile_run_row(sort->runs[sort->heap[0]].row, row);

    return PROFILE_OK;
}


uint64_t
profile_sort_rows(const profile_sort_t *sort)
{
    unsigned  i;
    uint64_t  rows;

    rows = 0;

    for (i = 0; i < sort->nshards; i++) {
        rows += sort->shards[i]->rows;
    }

    return rows;
}


uint64_t
profile_sort_bytes(const profile_sort_t *sort)
{
    unsigned  i;
    uint64_t  bytes;

    bytes = 0;

    for (i = 0; i < sort->nshards; i++) {
        bytes += sort->shards[i]->bytes;
    }

    return bytes;
}


/* Takes over the runs of all shards. */

static int
profile_sort_collect(profile_sort_t *sort, profile_error_t *err)
{
    int               rc;
    size_t            n;
    unsigned          i;
    profile_shard_t  *shard;

    n = 0;

    for (i = 0; i < sort->nshards; i++) {

        rc = profile_shard_close(sort->shards[i], err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        n += sort->shards[i]->nruns;
    }

    sort->runs = profile_alloc(n * sizeof(profile_run_t));
    sort->heap = profile_alloc(n * sizeof(size_t));

    for (i = 0; i < sort->nshards; i++) {

        shard = sort->shards[i];

        if (shard->nruns == 0) {
            continue;
        }

        memcpy(sort->runs + sort->nruns, shard->runs,
               shard->nruns * sizeof(profile_run_t));
        sort->nruns += shard->nruns;
        shard->nruns = 0;
    }

    for (n = 0; n < sort->nruns; n++) {
        profile_run_buffer(&sort->runs[n], sort->memory / sort->nruns);
    }

    return PROFILE_OK;
}


static int
profile_sort_less(const profile_sort_t *sort, size_t one, size_t two)
{
    int  rc;

    rc = profile_run_compare(sort->runs[one].row, sort->runs[two].row);

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
