
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * One thread's part of a sort: takes rows and makes sorted runs of them.
 */


#ifndef _PROFILE_SHARD_H_INCLUDED_
#define _PROFILE_SHARD_H_INCLUDED_


#include "profile_run.h"


typedef struct {
    const char           *directory;
    size_t                memory;
    u_char               *arena;        /* rows, one after the other */
    size_t                len;
    size_t                size;
    profile_run_entry_t  *entries;
    size_t                nentries;
    size_t                max_entries;
    int                   fd;
    off_t                 written;
    profile_run_t        *runs;
    size_t                nruns;
    uint64_t              rows;
    uint64_t              bytes;
    unsigned              sorted:1;     /* what is in memory */
} profile_shard_t;


profile_shard_t *profile_shard_create(const char *directory, size_t memory);
void profile_shard_free(profile_shard_t *shard);

int profile_shard_add(profile_shard_t *shard, const profile_sorted_t *row,
    profile_error_t *err);

/* Sorts what is in memory: there are no more rows. */

void profile_shard_finish(profile_shard_t *shard);

/* Makes the last run.  The runs live as long as the shard. */

int profile_shard_close(profile_shard_t *shard, profile_error_t *err);


#endif /* _PROFILE_SHARD_H_INCLUDED_ */
