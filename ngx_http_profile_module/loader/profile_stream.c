
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads a descriptor.
 */


#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "profile_signal.h"
#include "profile_stream.h"


int
profile_stream_read(profile_stream_t *stream, u_char *buf, size_t size,
    size_t *n, profile_error_t *err)
{
    int            rc;
    ssize_t        got;
    struct pollfd  fds[2];

    for ( ;; ) {
        rc = profile_stream_interrupted(err);

        if (rc == PROFILE_OK && stream->waits) {
            fds[0].fd = stream->fd;
            fds[0].events = POLLIN;

            rc = profile_stream_poll(fds, 1, -1, stream->name, err);

            if (rc == PROFILE_OK && fds[0].revents == 0) {
                continue;
            }
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        got = read(stream->fd, buf, size);

        if (got >= 0) {
            *n = (size_t) got;
            stream->done += *n;
            return PROFILE_OK;
        }

        if (errno != EINTR && errno != EAGAIN) {
            return profile_error(err, PROFILE_FAILED, "cannot read %s: %s",
                                 stream->name, strerror(errno));
        }
    }
}


void
profile_stream_close(profile_stream_t *stream)
{
    if (stream->fd != -1) {
        (void) close(stream->fd);
        stream->fd = -1;
    }
}


int
profile_stream_poll(struct pollfd *fds, nfds_t n, int milliseconds,
    const char *name, profile_error_t *err)
{
    nfds_t  i;

    fds[n].fd = profile_signal_descriptor();
    fds[n].events = POLLIN;

    if (poll(fds, n + 1, milliseconds) == -1) {

        if (errno != EINTR) {
            return profile_error(err, PROFILE_FAILED, "cannot wait for %s: "
                                 "%s", name, strerror(errno));
        }

        for (i = 0; i < n; i++) {
            fds[i].revents = 0;
        }
    }

    return profile_stream_interrupted(err);
}


int
profile_stream_interrupted(profile_error_t *err)
{
    if (profile_interrupted()) {
        return profile_error(err, PROFILE_FAILED, "interrupted by a signal");
    }

    return PROFILE_OK;
}
