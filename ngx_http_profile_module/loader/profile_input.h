
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A window on the bytes of a source, stream after stream, for those who cut
 * it into rows: as many bytes as they need lie in it side by side.
 */


#ifndef _PROFILE_INPUT_H_INCLUDED_
#define _PROFILE_INPUT_H_INCLUDED_


#include "profile_source.h"


typedef struct {
    profile_source_t  *source;
    u_char            *buf;
    size_t             size;
    size_t             chunk;    /* what is read at once, at most */
    size_t             start;    /* the user moves it on */
    size_t             end;      /* of what has been read */
    unsigned           eof:1;    /* there is nothing after end */
} profile_input_t;


/* Borrows the source, which must live as long. */

void profile_input_init(profile_input_t *input, profile_source_t *source);
void profile_input_free(profile_input_t *input);

/*
 * Goes to the source's next stream and past the byte order mark that it may
 * begin with; PROFILE_NOT_FOUND after the last.
 */

int profile_input_open(profile_input_t *input, profile_error_t *err);

/*
 * Reads more behind end, or sets eof.  What lies between start and end may
 * move, so that start becomes 0.
 */

int profile_input_fill(profile_input_t *input, profile_error_t *err);


#endif /* _PROFILE_INPUT_H_INCLUDED_ */
