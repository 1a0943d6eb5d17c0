
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The user that the loader works as, and the names of others.
 */


#ifndef _PROFILE_USER_H_INCLUDED_
#define _PROFILE_USER_H_INCLUDED_


#include "profile_store.h"


/*
 * Run as root over a store that another user owns, becomes that user, with
 * the store's group and the user's HOME, USER and LOGNAME for commands;
 * otherwise does nothing.  A file that root made there would be one that its
 * owner cannot write.
 */

int profile_user_become(const char *directory, profile_error_t *err);

/* From here on messages name users and groups, beside their numbers. */

void profile_user_names(void);


#endif /* _PROFILE_USER_H_INCLUDED_ */
