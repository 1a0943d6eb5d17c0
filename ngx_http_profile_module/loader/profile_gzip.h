
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Decompresses a stream in the gzip format (RFC 1952).
 */


#ifndef _PROFILE_GZIP_H_INCLUDED_
#define _PROFILE_GZIP_H_INCLUDED_


#include "profile_stream.h"


typedef struct profile_gzip_s  profile_gzip_t;


/* Borrows the stream, which must live as long. */

profile_gzip_t *profile_gzip_create(profile_stream_t *stream);

/* Freeing NULL does nothing. */

void profile_gzip_free(profile_gzip_t *gzip);

/*
 * At most size bytes of what was compressed; *n is 0 at the end.  One
 * compressed file after the other is one stream.  PROFILE_FAILED where
 * anything is wrong: what comes last is checked like all before it.
 */

int profile_gzip_read(profile_gzip_t *gzip, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);


#endif /* _PROFILE_GZIP_H_INCLUDED_ */
