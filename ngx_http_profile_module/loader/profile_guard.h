
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads a store that may be damaged: LMDB has no checksums, and a damaged
 * page can end the process that reads it.
 */


#ifndef _PROFILE_GUARD_H_INCLUDED_
#define _PROFILE_GUARD_H_INCLUDED_


#include "profile_audit.h"


/* What was read last; a process that has died leaves it behind. */

typedef struct {
    uint32_t  workspace;
    uint32_t  entity;
    uint64_t  ordinal;        /* of the record; 0 before the first */
} profile_guard_place_t;


typedef int (*profile_guard_pt)(void *data, profile_guard_place_t *place);


/*
 * Calls run in a process of its own and returns the exit status that it
 * returns.  Where LMDB ends that process, says so and returns
 * PROFILE_EXIT_STORE.  SIGINT, SIGTERM and SIGHUP are passed on, and where
 * they end the other process they end this one as well.  Nothing of the
 * store may be open here.
 */

int profile_guard(profile_guard_pt run, void *data, const char *directory);

/* Where the entry stands. */

void profile_guard_place(profile_guard_place_t *place,
    const profile_audit_entry_t *entry);

/* PROFILE_DAMAGED where the hash of a record or a list is not its body's. */

int profile_guard_hash(const profile_audit_entry_t *entry);


#endif /* _PROFILE_GUARD_H_INCLUDED_ */
