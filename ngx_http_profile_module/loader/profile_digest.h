
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256.
 */


#ifndef _PROFILE_DIGEST_H_INCLUDED_
#define _PROFILE_DIGEST_H_INCLUDED_


#include <stddef.h>
#include <sys/types.h>


/* Writes PROFILE_DIGEST_SIZE bytes. */

void profile_digest(const void *data, size_t len, u_char *out);


#endif /* _PROFILE_DIGEST_H_INCLUDED_ */
