
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256.
 */


#ifndef _PROFILE_DIGEST_H_INCLUDED_
#define _PROFILE_DIGEST_H_INCLUDED_


#include <stddef.h>
#include <sys/types.h>


/*
 * Lets libcrypto have its memory from where the loader ends when there is
 * none: it crashes in some places itself.  Before anything else of it.
 */

void profile_digest_init(void);

/* Writes PROFILE_DIGEST_SIZE bytes. */

void profile_digest(const void *data, size_t len, u_char *out);


#endif /* _PROFILE_DIGEST_H_INCLUDED_ */
