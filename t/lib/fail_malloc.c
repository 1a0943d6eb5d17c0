
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: memory is lacking once.  The FAULT_MALLOC-th
 * allocation of a process, counted from 0, fails, and no other.  Then the
 * file that FAULT_MARK names is made, so that a test knows that it happened.
 *
 * libcrypto allocates thousands of times before it is of use: its calls are
 * counted only where FAULT_LIBCRYPTO is set, and then no others.
 *
 * A program that goes on, as nginx does, is steered by the file FAULT_CONTROL,
 * which may change at any moment (fail_control.h).
 *
 * Only in the program that FAULT_PROGRAM names, not in what that starts.
 * There time() stands still, so that two runs that do the same leave the
 * same bytes behind.
 */


#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fail_control.h"


/* What dlsym() itself allocates before malloc() is known. */

#define FAULT_EARLY   8192

#define FAULT_TIME    1750000000
#define FAULT_FRAMES  8


void fault_stop(void);
static int fault_now(void);
static int fault_in(const char *name);
static void fault_init(void);
static void fault_configure(void);
static void *fault_early(size_t size);


static void  *(*fault_malloc)(size_t size);
static void  *(*fault_calloc)(size_t n, size_t size);
static void  *(*fault_realloc)(void *p, size_t size);
static void   (*fault_free)(void *p);
static int    (*fault_posix_memalign)(void **p, size_t align, size_t size);
static void  *(*fault_aligned_alloc)(size_t align, size_t size);

static int           fault_libcrypto;
static long          fault_calls;
static long          fault_at = -1;
static fail_control_t  *fault_control;
static int           fault_state;    /* 1: looking up, 2: ready */
static const char   *fault_mark;
static size_t        fault_used;
static _Alignas(16) char  fault_arena[FAULT_EARLY];


void *
malloc(size_t size)
{
    if (fault_malloc == NULL) {
        fault_init();

        if (fault_malloc == NULL) {
            return fault_early(size);
        }
    }

    return fault_now() ? NULL : fault_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    if (fault_calloc == NULL) {
        fault_init();

        if (fault_calloc == NULL) {
            return fault_early(n * size);
        }
    }

    return fault_now() ? NULL : fault_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    if (fault_realloc == NULL) {
        fault_init();
    }

    return fault_now() ? NULL : fault_realloc(p, size);
}


void
free(void *p)
{
    if ((char *) p >= fault_arena && (char *) p < fault_arena + FAULT_EARLY) {
        return;
    }

    if (fault_free == NULL) {
        fault_init();
    }

    fault_free(p);
}


int
posix_memalign(void **p, size_t align, size_t size)
{
    if (fault_posix_memalign == NULL) {
        fault_init();
    }

    return fault_now() ? ENOMEM : fault_posix_memalign(p, align, size);
}


void *
aligned_alloc(size_t align, size_t size)
{
    if (fault_aligned_alloc == NULL) {
        fault_init();
    }

    return fault_now() ? NULL : fault_aligned_alloc(align, size);
}


/* For what comes after the program and is not meant, see coverage.c. */

void
fault_stop(void)
{
    fault_at = -1;
}


time_t
time(time_t *t)
{
    time_t           now;
    struct timespec  ts;

    if (fault_state == 0) {
        fault_init();
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now = (fault_at >= 0) ? FAULT_TIME : ts.tv_sec;

    if (t != NULL) {
        *t = now;
    }

    return now;
}


static int
fault_now(void)
{
    int  fd;

    if (fault_control != NULL) {

        if (fault_control->at < 0 || fault_in("pthread_getattr_np")) {
            return 0;
        }

        errno = ENOMEM;

        return fail_control_now(fault_control);
    }

    if (fault_at < 0
        || fault_in("pthread_getattr_np")
        || fault_libcrypto != fault_in("libcrypto"))
    {
        return 0;
    }

    if (__atomic_fetch_add(&fault_calls, 1, __ATOMIC_RELAXED) != fault_at) {
        return 0;
    }

    if (fault_mark != NULL) {
        fd = (int) syscall(SYS_openat, AT_FDCWD, fault_mark,
                           O_WRONLY|O_CREAT|O_CLOEXEC, 0600);
        if (fd != -1) {
            (void) syscall(SYS_close, fd);
        }
    }

    errno = ENOMEM;

    return 1;
}


/*
 * Whether one of the next callers is in a library, or in a function, of that
 * name.  libcrypto's memory comes by way of the loader.  The function is what
 * AddressSanitizer calls while it starts a thread: where there is no memory
 * for that it gives up, which is its own affair.
 */

static int
fault_in(const char *name)
{
    int       i, n;
    void     *frames[FAULT_FRAMES];
    Dl_info   info;

    n = backtrace(frames, FAULT_FRAMES);

    for (i = 0; i < n; i++) {
        if (dladdr(frames[i], &info) != 0
            && (strstr(info.dli_fname, name) != NULL
                || (info.dli_sname != NULL
                    && strcmp(info.dli_sname, name) == 0)))
        {
            return 1;
        }
    }

    return 0;
}


static void
fault_init(void)
{
    if (fault_state != 0) {
        return;
    }

    fault_state = 1;

    *(void **) &fault_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **) &fault_realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **) &fault_free = dlsym(RTLD_NEXT, "free");
    *(void **) &fault_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **) &fault_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **) &fault_malloc = dlsym(RTLD_NEXT, "malloc");

    fault_state = 2;
}


/* The first allocations come before there is an environment. */

__attribute__((constructor)) static void
fault_configure(void)
{
    void        *frames[FAULT_FRAMES];
    const char  *at, *program;

    fault_init();

    /* the first time it loads a library, which allocates */

    (void) backtrace(frames, FAULT_FRAMES);

    at = getenv("FAULT_MALLOC");
    program = getenv("FAULT_PROGRAM");

    if (program != NULL
        && strcmp(program, program_invocation_short_name) == 0)
    {
        fault_control = fail_control_open();
    }

    if (at != NULL
        && program != NULL
        && strcmp(program, program_invocation_short_name) == 0)
    {
        fault_mark = getenv("FAULT_MARK");
        fault_libcrypto = (getenv("FAULT_LIBCRYPTO") != NULL);
        fault_at = atol(at);
    }
}


static void *
fault_early(size_t size)
{
    void  *p;

    size = (size + 15) & ~(size_t) 15;

    if (size > FAULT_EARLY - fault_used) {
        return NULL;
    }

    p = fault_arena + fault_used;
    fault_used += size;

    return p;
}
