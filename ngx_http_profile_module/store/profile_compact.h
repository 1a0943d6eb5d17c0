
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Rewrites the live generation into the next one, entry by entry: what
 * nobody points at is left behind, and so are deleted bytes, which a copy
 * of whole pages would take along.
 */


#ifndef _PROFILE_COMPACT_H_INCLUDED_
#define _PROFILE_COMPACT_H_INCLUDED_


#include "profile_audit.h"
#include "profile_writer.h"


/*
 * Called with each entry before it is copied.  PROFILE_DAMAGED where the
 * hash of its document is wrong; anything else that is not PROFILE_OK ends
 * the copy as well, with the error that the function has set.
 */

typedef int (*profile_compact_check_pt)(void *data,
    const profile_audit_entry_t *entry, profile_error_t *err);


typedef struct {
    profile_compact_check_pt   check;
    void                      *data;
    int                        seal;
} profile_compact_t;


typedef struct {
    uint32_t  generation;    /* its number */
    uint64_t  records;
    uint64_t  before;        /* bytes of the data files */
    uint64_t  after;
} profile_compacted_t;


/*
 * Copies, syncs and publishes.  On failure what was made is removed, and
 * the old generation stays the live one.  PROFILE_DAMAGED where there is
 * anything wrong with what is to be copied.
 *
 * After success the writer has nothing open any more but the loader's lock:
 * clean up with profile_generations_clean(), and close it.
 */

int profile_compact(profile_writer_t *writer,
    const profile_compact_t *compact, profile_compacted_t *result,
    profile_error_t *err);


#endif /* _PROFILE_COMPACT_H_INCLUDED_ */
