
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: a call by which a program reads a store fails, as
 * the file FAULT_CONTROL says (fail_control.h).  Counted are those that
 * concern the folder FAULT_FOLDER and what is in it.
 */


#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fail_control.h"


#define FAIL_NEXT(name)                                                       \
    __typeof__(&name)  next;                                                  \
                                                                              \
    *(void **) &next = dlsym(RTLD_NEXT, #name)


static int fail_path(const char *path);
static int fail_fd(int fd);
static int fail_concerns(const char *path);


static fail_control_t  *fail_control;
static const char      *fail_folder;


__attribute__((constructor)) static void
fail_configure(void)
{
    fail_folder = getenv("FAULT_FOLDER");

    if (fail_folder != NULL) {
        fail_control = fail_control_open();
    }
}


#define FAIL_CALL(type, name, params, args, concerns, failure)                \
type                                                                          \
name params                                                                   \
{                                                                             \
    FAIL_NEXT(name);                                                          \
                                                                              \
    return (concerns) ? (failure) : next args;                                \
}


FAIL_CALL(int, stat, (const char *restrict path, struct stat *restrict st),
          (path, st), fail_path(path), -1)
FAIL_CALL(int, stat64,
          (const char *restrict path, struct stat64 *restrict st),
          (path, st), fail_path(path), -1)
FAIL_CALL(int, fstat, (int fd, struct stat *st), (fd, st), fail_fd(fd), -1)
FAIL_CALL(int, fstat64, (int fd, struct stat64 *st), (fd, st), fail_fd(fd),
          -1)
FAIL_CALL(int, faccessat, (int fd, const char *path, int mode, int flags),
          (fd, path, mode, flags), fail_path(path), -1)
FAIL_CALL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len),
          fail_fd(fd), -1)
FAIL_CALL(ssize_t, pread, (int fd, void *buf, size_t len, off_t offset),
          (fd, buf, len, offset), fail_fd(fd), -1)
FAIL_CALL(ssize_t, pread64, (int fd, void *buf, size_t len, off64_t offset),
          (fd, buf, len, offset), fail_fd(fd), -1)
FAIL_CALL(void *, mmap,
          (void *p, size_t len, int prot, int flags, int fd, off_t offset),
          (p, len, prot, flags, fd, offset), fd != -1 && fail_fd(fd),
          MAP_FAILED)
FAIL_CALL(void *, mmap64,
          (void *p, size_t len, int prot, int flags, int fd, off64_t offset),
          (p, len, prot, flags, fd, offset), fd != -1 && fail_fd(fd),
          MAP_FAILED)


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    FAIL_NEXT(open);

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fail_path(path) ? -1 : next(path, flags, mode);
}


int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    FAIL_NEXT(open64);

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fail_path(path) ? -1 : next(path, flags, mode);
}


int
fcntl(int fd, int cmd, ...)
{
    void    *argument;
    va_list  args;

    FAIL_NEXT(fcntl);

    va_start(args, cmd);
    argument = va_arg(args, void *);
    va_end(args);

    return fail_fd(fd) ? -1 : next(fd, cmd, argument);
}


int
fcntl64(int fd, int cmd, ...)
{
    void    *argument;
    va_list  args;

    FAIL_NEXT(fcntl64);

    va_start(args, cmd);
    argument = va_arg(args, void *);
    va_end(args);

    return fail_fd(fd) ? -1 : next(fd, cmd, argument);
}


static int
fail_path(const char *path)
{
    return fail_control != NULL
           && fail_control->at >= 0
           && fail_concerns(path);
}


static int
fail_fd(int fd)
{
    char     name[64], path[PATH_MAX];
    ssize_t  n;

    if (fail_control == NULL || fail_control->at < 0) {
        return 0;
    }

    (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);

    n = readlink(name, path, sizeof(path) - 1);
    if (n <= 0) {
        return 0;
    }

    path[n] = '\0';

    return fail_concerns(path);
}


static int
fail_concerns(const char *path)
{
    if (strncmp(path, fail_folder, strlen(fail_folder)) != 0
        || !fail_control_now(fail_control))
    {
        return 0;
    }

    errno = (int) fail_control->number;

    return 1;
}
