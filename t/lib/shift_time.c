
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: the time of day is wrong.  It differs from the real
 * one by the seconds that the file FAULT_CLOCK holds, which may change at any
 * moment.  Clocks that only go forward are left alone, as by whoever sets
 * the time.
 */


#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static time_t shift_seconds(void);


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    int  rc;

    int  (*next)(struct timeval *tv, void *tz);

    *(void **) &next = dlsym(RTLD_NEXT, "gettimeofday");

    rc = next(tv, tz);
    tv->tv_sec += shift_seconds();

    return rc;
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int  rc;

    int  (*next)(clockid_t id, struct timespec *ts);

    *(void **) &next = dlsym(RTLD_NEXT, "clock_gettime");

    rc = next(id, ts);

    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        ts->tv_sec += shift_seconds();
    }

    return rc;
}


time_t
time(time_t *t)
{
    time_t           now;
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now = ts.tv_sec;

    if (t != NULL) {
        *t = now;
    }

    return now;
}


static time_t
shift_seconds(void)
{
    int          fd;
    char         text[32];
    ssize_t      n;
    const char  *path;

    path = getenv("FAULT_CLOCK");
    if (path == NULL) {
        return 0;
    }

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    return (time_t) strtol(text, NULL, 10);
}
