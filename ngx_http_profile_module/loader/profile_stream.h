
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reading a descriptor so that a signal ends it, also where nothing comes.
 */


#ifndef _PROFILE_STREAM_H_INCLUDED_
#define _PROFILE_STREAM_H_INCLUDED_


#include <poll.h>

#include "profile_loader.h"


typedef struct {
    int          fd;          /* -1: none is open */
    const char  *name;        /* for messages */
    uint64_t     done;        /* bytes that were read */
    unsigned     waits:1;     /* no plain file: there may be nothing yet */
} profile_stream_t;


/* At most size bytes; *n is 0 at the end. */

int profile_stream_read(profile_stream_t *stream, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);

/* Closing a stream that is not open does nothing. */

void profile_stream_close(profile_stream_t *stream);

/*
 * poll() for n descriptors; there must be room for one more.  Milliseconds,
 * or -1 to wait for ever.  PROFILE_OK also where nothing has happened.
 */

int profile_stream_poll(struct pollfd *fds, nfds_t n, int milliseconds,
    const char *name, profile_error_t *err);

/* PROFILE_FAILED if there was a signal, else PROFILE_OK. */

int profile_stream_interrupted(profile_error_t *err);


#endif /* _PROFILE_STREAM_H_INCLUDED_ */
