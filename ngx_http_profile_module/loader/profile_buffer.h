
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Bytes that grow.
 */


#ifndef _PROFILE_BUFFER_H_INCLUDED_
#define _PROFILE_BUFFER_H_INCLUDED_


#include <stddef.h>
#include <sys/types.h>


/* All zero is an empty one; free data when it is of no more use. */

typedef struct {
    u_char  *data;
    size_t   len;
    size_t   size;
} profile_buffer_t;


void profile_buffer_append(profile_buffer_t *buffer, const void *data,
    size_t len);


#endif /* _PROFILE_BUFFER_H_INCLUDED_ */
