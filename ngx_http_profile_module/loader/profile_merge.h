
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Merges sorted rows with what an entity holds, and makes the outcome
 * visible all at once.
 */


#ifndef _PROFILE_MERGE_H_INCLUDED_
#define _PROFILE_MERGE_H_INCLUDED_


#include "profile_sort.h"
#include "profile_writer.h"


typedef struct {
    uint64_t  records;       /* afterwards */
    uint64_t  bytes;         /* of their bodies */
    uint64_t  added;
    uint64_t  changed;
    uint64_t  deleted;
    uint64_t  unchanged;
} profile_merge_counts_t;


typedef struct profile_merge_s  profile_merge_t;

struct profile_merge_s {

    /* set by the caller, the rest to zero */

    profile_writer_t         *writer;
    profile_sort_t           *rows;
    uint32_t                  workspace;
    uint32_t                  entity;
    profile_bytes_t           primary_key;
    uint32_t                  now;

    /* what the rows do not name stays, instead of being deleted */

    unsigned                  upsert:1;

    /* becomes the entity's; of length 0: the entity is to have none */

    profile_bytes_t           cursor_column;
    profile_bytes_t           cursor;

    /* called for each row whose id was there before it */

    void                    (*duplicate)(void *data,
                                         const profile_sorted_t *row);

    /* asked when all is counted, and nothing visible: 0 lets it happen */

    int                     (*refuse)(void *data,
                                      const profile_merge_counts_t *counts,
                                      uint64_t old);
    void                     *data;

    /* the outcome */

    profile_merge_counts_t    counts;
    uint64_t                  duplicates;
    int                       refused;
};


/*
 * PROFILE_OK also where it was refused.  Anything else is a failure of the
 * store or, where profile_interrupted() says so, a signal; nothing has become
 * visible then.
 */

int profile_merge(profile_merge_t *merge, profile_error_t *err);


#endif /* _PROFILE_MERGE_H_INCLUDED_ */
