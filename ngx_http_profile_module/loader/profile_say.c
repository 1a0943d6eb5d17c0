
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Messages, memory and time, the same in all of the loader.
 */


#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "profile_loader.h"
#include "profile_progress.h"


void
profile_say(const char *fmt, ...)
{
    char      line[2048];
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    (void) vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);

    /* a name in a configuration must not forge a line or move a cursor */

    for (p = (u_char *) line; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }

    profile_progress_clear();

    /* one call for one line: others may write to the same log */

    (void) fprintf(stderr, "profile-loader: %s\n", line);
}


int
profile_say_store(const profile_error_t *err)
{
    profile_say("%s", err->text);

    return (err->code == PROFILE_BUSY) ? PROFILE_EXIT_BUSY
                                       : PROFILE_EXIT_STORE;
}


/*
 * The loader holds nothing that would have to be undone: an unfinished
 * transaction is as good as none, and the next run goes on from there.
 */

void *
profile_alloc(size_t size)
{
    return profile_realloc(NULL, size);
}


void *
profile_realloc(void *p, size_t size)
{
    p = realloc(p, (size == 0) ? 1 : size);

    if (p == NULL) {
        profile_say("out of memory: %zu bytes are not to be had", size);

        /* other threads may be at work: nothing of theirs is torn down */

        _exit(PROFILE_EXIT_STORE);
    }

    return p;
}


const char *
profile_time(char *buf, uint64_t seconds)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) seconds;

    if (gmtime_r(&t, &tm) == NULL
        || strftime(buf, PROFILE_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        buf[0] = '\0';
    }

    return buf;
}


double
profile_elapsed(const struct timespec *start)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return (double) (now.tv_sec - start->tv_sec)
           + (double) (now.tv_nsec - start->tv_nsec) / 1e9;
}
