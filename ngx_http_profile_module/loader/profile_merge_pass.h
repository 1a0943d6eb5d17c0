
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * One pass over the rows of a merge: meets each with what the entity holds
 * and writes what comes of it.
 */


#ifndef _PROFILE_MERGE_PASS_H_INCLUDED_
#define _PROFILE_MERGE_PASS_H_INCLUDED_


#include "profile_merge.h"


typedef struct {
    profile_merge_t         *merge;
    const profile_view_t    *snapshot;
    const profile_entity_t  *old;           /* what the rows meet */
    profile_entity_t         target;        /* the incarnation written to */
    unsigned                 rebuild:1;     /* target is a new one */

    /* the outcome: more than one transaction should hold in memory */

    unsigned                 too_much:1;
} profile_merge_pass_t;


/*
 * Runs in the writer's transaction; a rebuild commits it in batches and
 * begins the next.  Fills the merge's counts and asks its refuse.
 */

int profile_merge_pass(profile_merge_pass_t *pass, profile_error_t *err);


#endif /* _PROFILE_MERGE_PASS_H_INCLUDED_ */
