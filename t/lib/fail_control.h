
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A file by which a test steers the failures of a program that is running,
 * mapped by it and by all that it forks.
 */


#ifndef _PROFILE_FAIL_CONTROL_H_INCLUDED_
#define _PROFILE_FAIL_CONTROL_H_INCLUDED_


#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef struct {
    int64_t  at;       /* the call that fails, from 0; -1: none is counted */
    int64_t  calls;    /* so many have been counted */
    int64_t  failed;   /* so many have failed */
    int64_t  number;   /* the error's number, where there is a choice */
} fail_control_t;


static inline fail_control_t *
fail_control_open(void)
{
    int          fd;
    void        *p;
    const char  *path;

    path = getenv("FAULT_CONTROL");
    if (path == NULL) {
        return NULL;
    }

    fd = open(path, O_RDWR|O_CLOEXEC);
    if (fd == -1) {
        return NULL;
    }

    p = mmap(NULL, sizeof(fail_control_t), PROT_READ|PROT_WRITE, MAP_SHARED,
             fd, 0);
    (void) close(fd);

    return (p == MAP_FAILED) ? NULL : p;
}


/* Whether this call fails. */

static inline int
fail_control_now(fail_control_t *control)
{
    if (control->at < 0
        || __atomic_fetch_add(&control->calls, 1, __ATOMIC_RELAXED)
           != control->at)
    {
        return 0;
    }

    control->failed++;

    return 1;
}


#endif /* _PROFILE_FAIL_CONTROL_H_INCLUDED_ */
