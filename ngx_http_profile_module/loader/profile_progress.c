
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Progress of a refresh on a terminal.
 */


#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "profile_progress.h"


#define PROFILE_PROGRESS_INTERVAL  0.25   /* seconds */


/* There is one terminal. */

static struct {
    const char  *label;
    const char  *what;       /* NULL: nothing, or nobody watches */
    double       start;
    double       next;
    int          shown;
} profile_progress_line;


static double profile_progress_now(void);


void
profile_progress_label(const char *label)
{
    profile_progress_line.label = label;
}


void
profile_progress_begin(const char *what)
{
    if (profile_progress_line.label == NULL || !isatty(STDERR_FILENO)) {
        return;
    }

    profile_progress_line.what = what;
    profile_progress_line.start = profile_progress_now();
    profile_progress_line.next = profile_progress_line.start
                                 + PROFILE_PROGRESS_INTERVAL;
}


void
profile_progress(uint64_t rows, uint64_t done, uint64_t total)
{
    double  now, seconds;

    if (profile_progress_line.what == NULL) {
        return;
    }

    now = profile_progress_now();

    if (now < profile_progress_line.next) {
        return;
    }

    profile_progress_line.next = now + PROFILE_PROGRESS_INTERVAL;
    seconds = now - profile_progress_line.start;

    profile_progress_clear();
    profile_progress_line.shown = 1;

    (void) fprintf(stderr, "%s: %s, %llu rows, %.0f rows/s",
                   profile_progress_line.label, profile_progress_line.what,
                   (unsigned long long) rows, (double) rows / seconds);

    if (total != 0 && done != 0 && done <= total) {
        (void) fprintf(stderr, ", %.0f %%, %.0f s left",
                       (double) done * 100 / (double) total,
                       seconds * (double) (total - done) / (double) done);
    }

    (void) fflush(stderr);
}


void
profile_progress_end(void)
{
    profile_progress_clear();
    profile_progress_line.what = NULL;
}


void
profile_progress_clear(void)
{
    if (profile_progress_line.shown) {
        (void) fputs("\r\033[K", stderr);
        (void) fflush(stderr);
        profile_progress_line.shown = 0;
    }
}


static double
profile_progress_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}
