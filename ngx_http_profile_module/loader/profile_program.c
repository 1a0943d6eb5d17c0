
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The source that is a command: what it writes is one stream, and how it
 * ends decides whether that was all.
 */


#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile_image.h"
#include "profile_relay.h"
#include "profile_source_kind.h"
#include "profile_stream.h"


#define PROFILE_PROGRAM_CHUNK  (16 * 1024)
#define PROFILE_PROGRAM_PAUSE  50           /* milliseconds */


typedef struct {
    profile_process_t   process;
    profile_relay_t     relay;
    const char         *name;
    uint64_t            done;
    unsigned            begun:1;
    unsigned            ended:1;
} profile_program_t;


static int profile_program_open(void **data,
    const profile_source_options_t *options, profile_error_t *err);
static void profile_program_close(void *data);
static int profile_program_next(void *data, profile_error_t *err);
static int profile_program_read(void *data, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);
static int profile_program_out(profile_program_t *program, u_char *buf,
    size_t size, size_t *n, profile_error_t *err);
static size_t profile_program_relay(profile_program_t *program);
static int profile_program_end(profile_program_t *program,
    profile_error_t *err);
static int profile_program_wait(profile_program_t *program, int *status,
    profile_error_t *err);
static void profile_program_drain(profile_program_t *program);
static const char *profile_program_name(const void *data, uint32_t number);
static void profile_program_position(const void *data, uint64_t *done,
    uint64_t *total);


const profile_source_kind_t  profile_source_program = {
    profile_program_open,
    profile_program_close,
    profile_program_next,
    profile_program_read,
    profile_program_name,
    profile_program_position
};


static int
profile_program_open(void **data, const profile_source_options_t *options,
    profile_error_t *err)
{
    int                       rc;
    profile_program_t        *program;
    profile_process_image_t   image;

    program = profile_alloc(sizeof(profile_program_t));
    memset(program, 0, sizeof(profile_program_t));

    program->name = options->from->command[0];
    profile_relay_init(&program->relay, options->label);

    profile_image_create(&image, options);
    rc = profile_process_start(&program->process, &image, err);
    profile_image_free(&image);

    if (rc != PROFILE_OK) {
        free(program);
        return rc;
    }

    *data = program;

    return PROFILE_OK;
}


static void
profile_program_close(void *data)
{
    profile_program_t *program = data;

    profile_program_drain(program);
    profile_process_end(&program->process);
    free(program);
}


static int
profile_program_next(void *data, profile_error_t *err)
{
    profile_program_t *program = data;

    (void) err;

    if (program->begun) {
        return PROFILE_NOT_FOUND;
    }

    program->begun = 1;

    return PROFILE_OK;
}


static int
profile_program_read(void *data, u_char *buf, size_t size, size_t *n,
    profile_error_t *err)
{
    profile_program_t *program = data;

    int            rc;
    struct pollfd  fds[3];

    *n = 0;

    while (!program->ended && *n == 0) {

        fds[0].fd = program->process.out;
        fds[0].events = POLLIN;
        fds[1].fd = program->process.err;
        fds[1].events = POLLIN;

        rc = profile_stream_poll(fds, 2, -1, program->name, err);

        if (rc == PROFILE_OK && fds[1].revents != 0) {
            (void) profile_program_relay(program);
        }

        if (rc == PROFILE_OK && fds[0].revents != 0) {
            rc = profile_program_out(program, buf, size, n, err);
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    return PROFILE_OK;
}


static int
profile_program_out(profile_program_t *program, u_char *buf, size_t size,
    size_t *n, profile_error_t *err)
{
    ssize_t  got;

    got = read(program->process.out, buf, size);

    if (got == 0) {
        return profile_program_end(program, err);
    }

    if (got > 0) {
        *n = (size_t) got;
        program->done += *n;

    } else if (errno != EINTR && errno != EAGAIN) {
        return profile_error(err, PROFILE_FAILED, "cannot read %s: %s",
                             program->name, strerror(errno));
    }

    return PROFILE_OK;
}


/* Passes a piece of standard error on; 0 where there is none. */

static size_t
profile_program_relay(profile_program_t *program)
{
    char     buf[PROFILE_PROGRAM_CHUNK];
    ssize_t  n;

    n = read(program->process.err, buf, sizeof(buf));

    if (n > 0) {
        profile_relay(&program->relay, buf, (size_t) n);
        return (size_t) n;
    }

    /* closed: poll() would not wait any more */

    if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        (void) close(program->process.err);
        program->process.err = -1;
    }

    return 0;
}


/* The program has closed its standard output. */

static int
profile_program_end(profile_program_t *program, profile_error_t *err)
{
    int  rc, status;

    (void) close(program->process.out);
    program->process.out = -1;

    rc = profile_program_wait(program, &status, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_program_drain(program);

    if (WIFSIGNALED(status)) {
        return profile_error(err, PROFILE_FAILED, "%s was ended by signal "
                             "%d", program->name, WTERMSIG(status));
    }

    if (WEXITSTATUS(status) != 0) {
        return profile_error(err, PROFILE_FAILED, "%s ended with status %d",
                             program->name, WEXITSTATUS(status));
    }

    program->ended = 1;

    return PROFILE_OK;
}


/* Most end at once; the others may still have something to say. */

static int
profile_program_wait(profile_program_t *program, int *status,
    profile_error_t *err)
{
    int            rc, pause;
    struct pollfd  fds[2];

    pause = 1;

    for ( ;; ) {
        rc = profile_process_ended(&program->process, status, err);

        if (rc != PROFILE_NOT_FOUND) {
            return rc;
        }

        fds[0].fd = program->process.err;
        fds[0].events = POLLIN;

        rc = profile_stream_poll(fds, 1, pause, program->name, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        if (fds[0].revents != 0) {
            (void) profile_program_relay(program);

        } else if (pause < PROFILE_PROGRAM_PAUSE) {
            pause *= 2;
        }
    }
}


/*
 * What the program has said, and no more than that: what it has started may
 * keep standard error open, and go on for ever.
 */

static void
profile_program_drain(profile_program_t *program)
{
    int     size;
    size_t  n;

    if (program->process.err != -1) {
        size = fcntl(program->process.err, F_GETPIPE_SZ);

        while (size > 0) {
            n = profile_program_relay(program);
            size = (n == 0) ? 0 : size - (int) n;
        }
    }

    profile_relay_end(&program->relay);
}


static const char *
profile_program_name(const void *data, uint32_t number)
{
    const profile_program_t *program = data;

    (void) number;

    return program->name;
}


static void
profile_program_position(const void *data, uint64_t *done, uint64_t *total)
{
    const profile_program_t *program = data;

    *done = program->done;
    *total = 0;
}
