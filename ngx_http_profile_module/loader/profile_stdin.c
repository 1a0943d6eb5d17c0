
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The source that is standard input: one stream.
 */


#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_source_kind.h"
#include "profile_stream.h"


typedef struct {
    profile_stream_t  stream;
    uint64_t          total;
    unsigned          begun:1;
} profile_stdin_t;


static int profile_stdin_open(void **data,
    const profile_source_options_t *options, profile_error_t *err);
static void profile_stdin_close(void *data);
static int profile_stdin_next(void *data, profile_error_t *err);
static int profile_stdin_read(void *data, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);
static const char *profile_stdin_name(const void *data, uint32_t number);
static void profile_stdin_position(const void *data, uint64_t *done,
    uint64_t *total);


const profile_source_kind_t  profile_source_stdin = {
    profile_stdin_open,
    profile_stdin_close,
    profile_stdin_next,
    profile_stdin_read,
    profile_stdin_name,
    profile_stdin_position
};


static int
profile_stdin_open(void **data, const profile_source_options_t *options,
    profile_error_t *err)
{
    off_t             offset;
    struct stat       st;
    profile_stdin_t  *in;

    (void) options;
    (void) err;

    in = profile_alloc(sizeof(profile_stdin_t));
    memset(in, 0, sizeof(profile_stdin_t));

    in->stream.fd = STDIN_FILENO;
    in->stream.name = "standard input";
    in->stream.waits = 1;

    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode)) {

        in->stream.waits = 0;

        /* somebody may have read the beginning */

        offset = lseek(STDIN_FILENO, 0, SEEK_CUR);

        if (offset >= 0 && offset < st.st_size) {
            in->total = (uint64_t) (st.st_size - offset);
        }
    }

    *data = in;

    return PROFILE_OK;
}


static void
profile_stdin_close(void *data)
{
    free(data);
}


static int
profile_stdin_next(void *data, profile_error_t *err)
{
    profile_stdin_t *in = data;

    (void) err;

    if (in->begun) {
        return PROFILE_NOT_FOUND;
    }

    in->begun = 1;

    return PROFILE_OK;
}


static int
profile_stdin_read(void *data, u_char *buf, size_t size, size_t *n,
    profile_error_t *err)
{
    profile_stdin_t *in = data;

    return profile_stream_read(&in->stream, buf, size, n, err);
}


static const char *
profile_stdin_name(const void *data, uint32_t number)
{
    const profile_stdin_t *in = data;

    (void) number;

    return in->stream.name;
}


static void
profile_stdin_position(const void *data, uint64_t *done, uint64_t *total)
{
    const profile_stdin_t *in = data;

    *done = in->stream.done;
    *total = in->total;
}
