
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Which pages a snapshot lists as free.
 */


#ifndef _PROFILE_FREE_H_INCLUDED_
#define _PROFILE_FREE_H_INCLUDED_


#include "profile_lmdb.h"


typedef struct {
    u_char    *bits;        /* one for each page: it is listed */
    uint64_t   npages;
    size_t     page_size;
} profile_free_t;


/* PROFILE_DAMAGED where the list names a page twice, or one that is none. */

int profile_free_read(profile_free_t *pages, const profile_view_t *view,
    profile_error_t *err);
void profile_free_release(profile_free_t *pages);

/* Whether a page that holds an entry's key or value is listed. */

int profile_free_has(const profile_free_t *pages, const MDB_val *key,
    const MDB_val *value);


#endif /* _PROFILE_FREE_H_INCLUDED_ */
