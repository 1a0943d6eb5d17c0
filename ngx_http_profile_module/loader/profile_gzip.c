
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Decompresses with zlib.  Its gzread() takes a file that is cut off for
 * one that has ended, leaves out what follows the last member, and cannot
 * read a pipe that a signal may interrupt.
 */


#include <limits.h>
#include <string.h>

#include <zlib.h>

#include "profile_gzip.h"


#define PROFILE_GZIP_BUFFER  (64 * 1024)

/* the largest window, and zlib's word for gzip's header and trailer */

#define PROFILE_GZIP_WINDOW  (15 + 16)


struct profile_gzip_s {
    profile_stream_t  *stream;
    z_stream           z;
    unsigned           member:1;     /* one has begun */
    unsigned           members:1;    /* one has ended */
    unsigned           eof:1;
    u_char             in[PROFILE_GZIP_BUFFER];
};


static int profile_gzip_member(profile_gzip_t *gzip, profile_error_t *err);
static int profile_gzip_fill(profile_gzip_t *gzip, profile_error_t *err);
static int profile_gzip_error(const profile_gzip_t *gzip, const char *reason,
    profile_error_t *err);
static void *profile_gzip_alloc(void *data, unsigned items, unsigned size);
static void profile_gzip_release(void *data, void *p);


profile_gzip_t *
profile_gzip_create(profile_stream_t *stream)
{
    profile_gzip_t  *gzip;

    gzip = profile_alloc(sizeof(profile_gzip_t));
    memset(gzip, 0, sizeof(profile_gzip_t));

    gzip->stream = stream;
    gzip->z.zalloc = profile_gzip_alloc;
    gzip->z.zfree = profile_gzip_release;

    if (inflateInit2(&gzip->z, PROFILE_GZIP_WINDOW) != Z_OK) {
        profile_say("zlib %s is not the one that this was built for",
                    zlibVersion());
        exit(PROFILE_EXIT_STORE);
    }

    return gzip;
}


void
profile_gzip_free(profile_gzip_t *gzip)
{
    if (gzip != NULL) {
        (void) inflateEnd(&gzip->z);
        free(gzip);
    }
}


int
profile_gzip_read(profile_gzip_t *gzip, u_char *buf, size_t size, size_t *n,
    profile_error_t *err)
{
    int        rc;
    unsigned   room;
    z_stream  *z;

    *n = 0;
    z = &gzip->z;
    room = (size > UINT_MAX) ? UINT_MAX : (unsigned) size;

    while (*n == 0) {

        rc = gzip->member ? profile_gzip_fill(gzip, err)
                          : profile_gzip_member(gzip, err);
        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        z->next_out = buf;
        z->avail_out = room;

        switch (inflate(z, Z_NO_FLUSH)) {

        case Z_OK:
            break;

        case Z_STREAM_END:
            gzip->member = 0;
            gzip->members = 1;
            (void) inflateReset(z);
            break;

        case Z_BUF_ERROR:
            if (gzip->eof) {
                return profile_gzip_error(gzip, "it was cut off", err);
            }

            break;

        default:
            return profile_gzip_error(gzip, (z->msg != NULL) ? z->msg
                                            : "its data is damaged", err);
        }

        *n = room - z->avail_out;
    }

    return PROFILE_OK;
}


/* Begins a member; PROFILE_NOT_FOUND where there is no other. */

static int
profile_gzip_member(profile_gzip_t *gzip, profile_error_t *err)
{
    int              rc;
    const z_stream  *z;

    z = &gzip->z;

    while (z->avail_in < 2 && !gzip->eof) {
        rc = profile_gzip_fill(gzip, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    if (z->avail_in == 0 && gzip->members) {
        return PROFILE_NOT_FOUND;
    }

    if (z->avail_in < 2 || z->next_in[0] != 0x1f || z->next_in[1] != 0x8b) {
        return profile_gzip_error(gzip, gzip->members
                                        ? "something else follows its data"
                                        : "it is not in the gzip format",
                                  err);
    }

    gzip->member = 1;

    return PROFILE_OK;
}


/* Reads more where there is less than the two bytes of a signature. */

static int
profile_gzip_fill(profile_gzip_t *gzip, profile_error_t *err)
{
    int        rc;
    size_t     n;
    z_stream  *z;

    z = &gzip->z;

    if (z->avail_in >= 2 || gzip->eof) {
        return PROFILE_OK;
    }

    if (z->avail_in != 0) {
        gzip->in[0] = z->next_in[0];
    }

    rc = profile_stream_read(gzip->stream, gzip->in + z->avail_in,
                             sizeof(gzip->in) - z->avail_in, &n, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    z->next_in = gzip->in;
    z->avail_in += (unsigned) n;
    gzip->eof = (n == 0);

    return PROFILE_OK;
}


static int
profile_gzip_error(const profile_gzip_t *gzip, const char *reason,
    profile_error_t *err)
{
    return profile_error(err, PROFILE_FAILED, "cannot decompress %s: %s",
                         gzip->stream->name, reason);
}


static void *
profile_gzip_alloc(void *data, unsigned items, unsigned size)
{
    (void) data;

    return profile_alloc((size_t) items * size);
}


static void
profile_gzip_release(void *data, void *p)
{
    (void) data;

    free(p);
}
