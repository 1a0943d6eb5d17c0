
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: a disk that is full, failing, or about to lose its
 * power.  It counts the calls that change files in the folder FAULT_FOLDER,
 * from 0.
 *
 * FAULT_AT and FAULT_HOW say what happens at one of them:
 *
 *     fail     it fails with the number FAULT_ERRNO and does nothing
 *     fails    so does every later one
 *     short    a write stops half-way, the later ones fail
 *     after    it does its work, and fails all the same, as a write that
 *              cannot be synced
 *     kill     the process is killed before it
 *     stop     the process is stopped before it, until a SIGCONT
 *
 * FAULT_LOG names a file that gets each of them, as fail_io.h says, once it
 * has been done.
 *
 * Only in the program that FAULT_PROGRAM names, not in what that starts.
 * There time() stands still where something is to fail.  That it did is noted
 * by making the file FAULT_MARK.
 */


#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fail_io.h"


#define FAULT_TIME  1750000000

#define FAULT_NEXT(name)                                                      \
    __typeof__(&name)  next;                                                  \
                                                                              \
    *(void **) &next = dlsym(RTLD_NEXT, #name)


typedef enum {
    FAULT_NONE,
    FAULT_FAIL,
    FAULT_FAILS,
    FAULT_SHORT,
    FAULT_AFTER,
    FAULT_KILL,
    FAULT_STOP
} fault_how_e;


static void fault_configure(void);
static int fault_path(int fd, char *path);
static int fault_concerns(const char *path);
static int fault_begin(int fd, char *path);
static int fault_begin_path(const char *given, char *path);
static int fault_resolve(const char *given, char *path);
static int fault_now(void);
static int fault_end(int failed, int rc);
static void fault_mark(void);
static void fault_log(fault_op_e op, const char *path, uint64_t offset,
    uint64_t len, const struct iovec *iov, int iovcnt);
static ssize_t fault_write(int fd, const struct iovec *iov, int iovcnt,
    off_t offset, int positioned);
static int fault_open(const char *path, int flags, mode_t mode);


/* A call is counted, done and logged as one. */

static pthread_mutex_t  fault_mutex = PTHREAD_MUTEX_INITIALIZER;

static long          fault_calls;
static long          fault_at = -1;
static fault_how_e   fault_how;
static int           fault_errno = EIO;
static int           fault_log_fd = -1;
static const char   *fault_folder;
static size_t        fault_folder_len;
static const char   *fault_mark_path;


__attribute__((constructor)) static void
fault_configure(void)
{
    const char  *how, *text;

    static const char  *hows[] = {
        "none", "fail", "fails", "short", "after", "kill", "stop"
    };

    text = getenv("FAULT_PROGRAM");

    if (text == NULL || strcmp(text, program_invocation_short_name) != 0) {
        return;
    }

    fault_folder = getenv("FAULT_FOLDER");
    fault_folder_len = (fault_folder != NULL) ? strlen(fault_folder) : 0;
    fault_mark_path = getenv("FAULT_MARK");

    text = getenv("FAULT_AT");
    how = getenv("FAULT_HOW");

    if (text != NULL && how != NULL) {
        fault_at = atol(text);

        while (strcmp(hows[fault_how], how) != 0) {
            fault_how++;
        }
    }

    text = getenv("FAULT_ERRNO");

    if (text != NULL) {
        fault_errno = atoi(text);
    }

    text = getenv("FAULT_LOG");

    if (text != NULL) {
        fault_log_fd = (int) syscall(SYS_openat, AT_FDCWD, text,
                                     O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC,
                                     0600);
        fault_log(FAULT_OP_START, "", 0, 0, NULL, 0);
    }
}


/* Two runs that do the same leave the same bytes behind. */

time_t
time(time_t *t)
{
    time_t           now;
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    now = (fault_at >= 0) ? FAULT_TIME : ts.tv_sec;

    if (t != NULL) {
        *t = now;
    }

    return now;
}


ssize_t
write(int fd, const void *buf, size_t len)
{
    struct iovec  iov;

    iov.iov_base = (void *) buf;
    iov.iov_len = len;

    return fault_write(fd, &iov, 1, 0, 0);
}


ssize_t
writev(int fd, const struct iovec *iov, int iovcnt)
{
    return fault_write(fd, iov, iovcnt, 0, 0);
}


ssize_t
pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    struct iovec  iov;

    iov.iov_base = (void *) buf;
    iov.iov_len = len;

    return fault_write(fd, &iov, 1, offset, 1);
}


ssize_t
pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
    return pwrite(fd, buf, len, offset);
}


ssize_t
pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
    return fault_write(fd, iov, iovcnt, offset, 1);
}


ssize_t
pwritev64(int fd, const struct iovec *iov, int iovcnt, off64_t offset)
{
    return pwritev(fd, iov, iovcnt, offset);
}


#define FAULT_FD_CALL(name, params, args, op, off)                            \
int                                                                           \
name params                                                                   \
{                                                                             \
    int   rc, failed;                                                         \
    char  path[PATH_MAX];                                                     \
                                                                              \
    FAULT_NEXT(name);                                                         \
                                                                              \
    if (!fault_begin(fd, path)) {                                             \
        return next args;                                                     \
    }                                                                         \
                                                                              \
    failed = fault_now();                                                     \
    rc = (failed == FAULT_FAIL) ? -1 : next args;                             \
                                                                              \
    if (rc == 0) {                                                            \
        fault_log(op, path, (uint64_t) (off), 0, NULL, 0);                    \
    }                                                                         \
                                                                              \
    return fault_end(failed, rc);                                             \
}


FAULT_FD_CALL(fsync, (int fd), (fd), FAULT_OP_SYNC, 0)
FAULT_FD_CALL(fdatasync, (int fd), (fd), FAULT_OP_SYNC, 0)
FAULT_FD_CALL(ftruncate, (int fd, off_t size), (fd, size),
              FAULT_OP_TRUNCATE, size)
FAULT_FD_CALL(ftruncate64, (int fd, off64_t size), (fd, size),
              FAULT_OP_TRUNCATE, size)

/* These give space and change no byte, nor what a power cut leaves. */

FAULT_FD_CALL(fallocate, (int fd, int mode, off_t offset, off_t len),
              (fd, mode, offset, len), FAULT_OP_TRUNCATE, offset + len)
FAULT_FD_CALL(fallocate64, (int fd, int mode, off64_t offset, off64_t len),
              (fd, mode, offset, len), FAULT_OP_TRUNCATE, offset + len)


/* This one returns the number. */

int
posix_fallocate(int fd, off_t offset, off_t len)
{
    int   rc, failed;
    char  path[PATH_MAX];

    FAULT_NEXT(posix_fallocate);

    if (!fault_begin(fd, path)) {
        return next(fd, offset, len);
    }

    failed = fault_now();
    rc = (failed == FAULT_FAIL) ? 0 : next(fd, offset, len);

    if (rc == 0 && failed != FAULT_FAIL) {
        fault_log(FAULT_OP_TRUNCATE, path, (uint64_t) (offset + len), 0,
                  NULL, 0);
    }

    return (fault_end(failed, 0) == 0) ? rc : fault_errno;
}


int
posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return posix_fallocate(fd, offset, len);
}


#define FAULT_PATH_CALL(name, params, args, op)                               \
int                                                                           \
name params                                                                   \
{                                                                             \
    int   rc, failed;                                                         \
    char  path[PATH_MAX];                                                     \
                                                                              \
    FAULT_NEXT(name);                                                         \
                                                                              \
    if (!fault_begin_path(file, path)) {                                      \
        return next args;                                                     \
    }                                                                         \
                                                                              \
    failed = fault_now();                                                     \
    rc = (failed == FAULT_FAIL) ? -1 : next args;                             \
                                                                              \
    if (rc == 0) {                                                            \
        fault_log(op, path, 0, 0, NULL, 0);                                   \
    }                                                                         \
                                                                              \
    return fault_end(failed, rc);                                             \
}


FAULT_PATH_CALL(mkdir, (const char *file, mode_t mode), (file, mode),
                FAULT_OP_MKDIR)
FAULT_PATH_CALL(unlink, (const char *file), (file), FAULT_OP_UNLINK)
FAULT_PATH_CALL(rmdir, (const char *file), (file), FAULT_OP_UNLINK)


int
rename(const char *from, const char *to)
{
    int           rc, failed;
    char          path[PATH_MAX], target[PATH_MAX];
    struct iovec  iov;

    FAULT_NEXT(rename);

    if (!fault_begin_path(from, path)) {
        return next(from, to);
    }

    (void) fault_resolve(to, target);

    failed = fault_now();
    rc = (failed == FAULT_FAIL) ? -1 : next(from, to);

    if (rc == 0) {
        iov.iov_base = target;
        iov.iov_len = strlen(target);
        fault_log(FAULT_OP_RENAME, path, 0, iov.iov_len, &iov, 1);
    }

    return fault_end(failed, rc);
}


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fault_open(path, flags, mode);
}


int
open64(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    va_start(args, flags);
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return fault_open(path, flags, mode);
}


/* Only what makes or empties a file changes anything. */

static int
fault_open(const char *file, int flags, mode_t mode)
{
    int          fd, failed, existed;
    char         path[PATH_MAX];
    struct stat  st;

    FAULT_NEXT(open64);

    if ((flags & O_TMPFILE) == O_TMPFILE
        || !(flags & (O_CREAT|O_TRUNC))
        || !fault_begin_path(file, path))
    {
        return next(file, flags, mode);
    }

    existed = (lstat(path, &st) == 0);

    failed = fault_now();
    fd = (failed == FAULT_FAIL) ? -1 : next(file, flags, mode);

    if (fd != -1 && !existed) {
        fault_log(FAULT_OP_CREATE, path, 0, 0, NULL, 0);

    } else if (fd != -1 && (flags & O_TRUNC)) {
        fault_log(FAULT_OP_TRUNCATE, path, 0, 0, NULL, 0);
    }

    if (failed == FAULT_AFTER && fd != -1) {
        (void) close(fd);
    }

    if (failed) {
        (void) fault_end(failed, -1);
        return -1;
    }

    (void) pthread_mutex_unlock(&fault_mutex);

    return fd;
}


static ssize_t
fault_write(int fd, const struct iovec *iov, int iovcnt, off_t offset,
    int positioned)
{
    int           failed, flags, saved;
    char          path[PATH_MAX];
    ssize_t       n;
    struct iovec  half;

    __typeof__(&writev)     write_next;
    __typeof__(&pwritev64)  pwrite_next;

    *(void **) &write_next = dlsym(RTLD_NEXT, "writev");
    *(void **) &pwrite_next = dlsym(RTLD_NEXT, "pwritev64");

    if (!fault_begin(fd, path)) {
        return positioned ? pwrite_next(fd, iov, iovcnt, offset)
                          : write_next(fd, iov, iovcnt);
    }

    flags = fcntl(fd, F_GETFL);

    if (!positioned) {
        offset = (flags & O_APPEND) ? lseek(fd, 0, SEEK_END)
                                    : lseek(fd, 0, SEEK_CUR);
    }

    failed = fault_now();

    if (failed == FAULT_SHORT) {
        half = iov[0];
        half.iov_len = (half.iov_len + 1) / 2;
        iov = &half;
        iovcnt = 1;
        failed = 0;
    }

    if (failed == FAULT_FAIL) {
        n = -1;

    } else {
        n = positioned ? pwrite_next(fd, iov, iovcnt, offset)
                       : write_next(fd, iov, iovcnt);
        saved = errno;

        if (n > 0) {
            fault_log((flags & (O_DSYNC|O_SYNC)) ? FAULT_OP_WRITE_SYNC
                                                 : FAULT_OP_WRITE,
                      path, (uint64_t) offset, (uint64_t) n, iov, iovcnt);
        }

        errno = saved;
    }

    return (fault_end(failed, 0) == 0) ? n : -1;
}


/*
 * Whether a call concerns us; then the mutex is held until fault_end().
 * The name is that of the file when it is called.
 */

static int
fault_begin(int fd, char *path)
{
    if (fault_folder == NULL || !fault_path(fd, path)) {
        return 0;
    }

    (void) pthread_mutex_lock(&fault_mutex);

    return 1;
}


static int
fault_begin_path(const char *given, char *path)
{
    if (!fault_resolve(given, path)) {
        return 0;
    }

    (void) pthread_mutex_lock(&fault_mutex);

    return 1;
}


static int
fault_resolve(const char *given, char *path)
{
    const char  *slash;
    char         folder[PATH_MAX];

    if (fault_folder == NULL) {
        return 0;
    }

    /* the file itself may not exist: its folder does */

    slash = strrchr(given, '/');

    if (slash == NULL) {
        folder[0] = '.';
        folder[1] = '\0';
        slash = given - 1;

    } else {
        (void) snprintf(folder, sizeof(folder), "%.*s",
                        (int) (slash - given) + 1, given);
    }

    if (realpath(folder, path) == NULL) {
        return 0;
    }

    (void) snprintf(path + strlen(path), PATH_MAX - strlen(path), "/%s",
                    slash + 1);

    return fault_concerns(path);
}


static int
fault_path(int fd, char *path)
{
    char     link[64];
    ssize_t  n;

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

    n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) {
        return 0;
    }

    path[n] = '\0';

    return fault_concerns(path);
}


static int
fault_concerns(const char *path)
{
    return strncmp(path, fault_folder, fault_folder_len) == 0
           && (path[fault_folder_len] == '/'
               || path[fault_folder_len] == '\0');
}


/* What happens to this call: FAULT_NONE, _FAIL, _SHORT or _AFTER. */

static int
fault_now(void)
{
    long  n;

    n = fault_calls++;

    if (fault_at < 0 || n < fault_at) {
        return FAULT_NONE;
    }

    if (n > fault_at) {
        return (fault_how == FAULT_FAILS || fault_how == FAULT_SHORT)
               ? FAULT_FAIL : FAULT_NONE;
    }

    fault_mark();

    switch (fault_how) {

    case FAULT_KILL:
        (void) kill(getpid(), SIGKILL);
        return FAULT_FAIL;

    case FAULT_STOP:
        (void) kill(getpid(), SIGSTOP);
        return FAULT_NONE;

    case FAULT_AFTER:
    case FAULT_SHORT:
        return (int) fault_how;

    case FAULT_NONE:
        return FAULT_NONE;

    default:
        return FAULT_FAIL;
    }
}


static int
fault_end(int failed, int rc)
{
    int  saved;

    saved = errno;
    (void) pthread_mutex_unlock(&fault_mutex);
    errno = saved;

    if (failed == FAULT_FAIL || failed == FAULT_AFTER) {
        errno = fault_errno;
        return -1;
    }

    return rc;
}


static void
fault_mark(void)
{
    int  fd;

    if (fault_mark_path == NULL) {
        return;
    }

    fd = (int) syscall(SYS_openat, AT_FDCWD, fault_mark_path,
                       O_WRONLY|O_CREAT|O_CLOEXEC, 0600);
    if (fd != -1) {
        (void) syscall(SYS_close, fd);
    }
}


static void
fault_log(fault_op_e op, const char *path, uint64_t offset, uint64_t len,
    const struct iovec *iov, int iovcnt)
{
    int           i, n;
    size_t        part;
    fault_entry_t entry;
    struct iovec  parts[1026];

    if (fault_log_fd == -1) {
        return;
    }

    memset(&entry, 0, sizeof(fault_entry_t));
    entry.op = op;
    entry.path = (uint32_t) strlen(path);
    entry.offset = offset;
    entry.len = len;

    parts[0].iov_base = &entry;
    parts[0].iov_len = sizeof(fault_entry_t);
    parts[1].iov_base = (void *) path;
    parts[1].iov_len = entry.path;
    n = 2;

    for (i = 0; i < iovcnt && len > 0; i++) {
        part = (iov[i].iov_len < len) ? iov[i].iov_len : (size_t) len;
        parts[n].iov_base = iov[i].iov_base;
        parts[n].iov_len = part;
        len -= part;
        n++;
    }

    (void) syscall(SYS_writev, fault_log_fd, parts, n);
}
