
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Owners and modes of a store's files, as the loader finds them.  Only
 * writers look at them: a reader says what it may not read.
 */


#ifndef _PROFILE_MODES_H_INCLUDED_
#define _PROFILE_MODES_H_INCLUDED_


#include "profile_store.h"


/*
 * Sees to it that the file has the group gid and at least the bits of mode,
 * and leaves further bits alone.  PROFILE_DENIED where that takes another
 * user.
 */

int profile_modes_require(const char *path, mode_t mode, gid_t gid,
    profile_error_t *err);

/* Whether this user may do to the file what access() calls mode. */

int profile_modes_access(const char *path, int mode, profile_error_t *err);


#endif /* _PROFILE_MODES_H_INCLUDED_ */
