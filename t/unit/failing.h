
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The functions of LMDB and of the C library that the store calls, each of
 * which fails when it is told to.  A program's own definitions come before
 * those of its libraries; what LMDB itself calls is left alone.
 *
 * While failing.armed is not 0 the calls are counted, from 0, and that with
 * the number failing.at fails: LMDB's with failing.code, the others with
 * failing.error.
 */


#ifndef _PROFILE_UNIT_FAILING_H_INCLUDED_
#define _PROFILE_UNIT_FAILING_H_INCLUDED_


#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <lmdb.h>


typedef struct {
    int          armed;
    int          calls;
    int          at;
    int          code;
    int          error;
    int          inside;        /* of a function of LMDB */
    const char  *name;          /* what has failed, NULL: nothing yet */
} failing_t;


static failing_t  failing;


static inline int
failing_now(const char *name)
{
    if (!failing.armed || failing.inside || failing.calls++ != failing.at) {
        return 0;
    }

    failing.name = name;
    errno = failing.error;

    return 1;
}


#define FAILING_NEXT(name)                                                    \
    static __typeof__(&name)  next;                                           \
                                                                              \
    if (next == NULL) {                                                       \
        *(void **) &next = dlsym(RTLD_NEXT, #name);                           \
    }


/* A function of LMDB; undo is done where it fails. */

#define FAILING_LMDB(name, undo, params, args)                                \
    int                                                                       \
    name params                                                               \
    {                                                                         \
        int  rc;                                                              \
                                                                              \
        FAILING_NEXT(name)                                                    \
                                                                              \
        if (failing_now(#name)) {                                             \
            undo;                                                             \
            return failing.code;                                              \
        }                                                                     \
                                                                              \
        failing.inside++;                                                     \
        rc = next args;                                                       \
        failing.inside--;                                                     \
                                                                              \
        return rc;                                                            \
    }


#define FAILING_LIBC(type, failed, name, params, args)                        \
    type                                                                      \
    name params                                                               \
    {                                                                         \
        FAILING_NEXT(name)                                                    \
                                                                              \
        return failing_now(#name) ? (failed) : next args;                     \
    }


FAILING_LMDB(mdb_env_create, (void) 0, (MDB_env **env), (env))
FAILING_LMDB(mdb_env_open, (void) 0,
             (MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode),
             (env, path, flags, mode))
FAILING_LMDB(mdb_env_set_mapsize, (void) 0, (MDB_env *env, size_t size),
             (env, size))
FAILING_LMDB(mdb_env_set_maxreaders, (void) 0,
             (MDB_env *env, unsigned readers), (env, readers))
FAILING_LMDB(mdb_env_get_fd, (void) 0, (MDB_env *env, mdb_filehandle_t *fd),
             (env, fd))
FAILING_LMDB(mdb_env_info, (void) 0, (MDB_env *env, MDB_envinfo *info),
             (env, info))
FAILING_LMDB(mdb_env_stat, (void) 0, (MDB_env *env, MDB_stat *stat),
             (env, stat))
FAILING_LMDB(mdb_env_sync, (void) 0, (MDB_env *env, int force), (env, force))
FAILING_LMDB(mdb_txn_begin, (void) 0,
             (MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
             (env, parent, flags, txn))
FAILING_LMDB(mdb_txn_commit, mdb_txn_abort(txn), (MDB_txn *txn), (txn))
FAILING_LMDB(mdb_txn_renew, (void) 0, (MDB_txn *txn), (txn))
FAILING_LMDB(mdb_dbi_open, (void) 0,
             (MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi),
             (txn, name, flags, dbi))
FAILING_LMDB(mdb_stat, (void) 0, (MDB_txn *txn, MDB_dbi dbi, MDB_stat *stat),
             (txn, dbi, stat))
FAILING_LMDB(mdb_get, (void) 0,
             (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data),
             (txn, dbi, key, data))
FAILING_LMDB(mdb_put, (void) 0,
             (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data,
              unsigned flags), (txn, dbi, key, data, flags))
FAILING_LMDB(mdb_del, (void) 0,
             (MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data),
             (txn, dbi, key, data))
FAILING_LMDB(mdb_cursor_open, (void) 0,
             (MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor),
             (txn, dbi, cursor))
FAILING_LMDB(mdb_cursor_get, (void) 0,
             (MDB_cursor *cursor, MDB_val *key, MDB_val *data,
              MDB_cursor_op op), (cursor, key, data, op))
FAILING_LMDB(mdb_cursor_del, (void) 0, (MDB_cursor *cursor, unsigned flags),
             (cursor, flags))
FAILING_LMDB(mdb_reader_check, (void) 0, (MDB_env *env, int *dead),
             (env, dead))
FAILING_LMDB(mdb_reader_list, (void) 0,
             (MDB_env *env, MDB_msg_func *func, void *ctx), (env, func, ctx))

FAILING_LIBC(int, -1, stat, (const char *path, struct stat *st), (path, st))
FAILING_LIBC(int, -1, lstat, (const char *path, struct stat *st), (path, st))
FAILING_LIBC(int, -1, fstat, (int fd, struct stat *st), (fd, st))
FAILING_LIBC(int, -1, statvfs, (const char *path, struct statvfs *fs),
             (path, fs))
FAILING_LIBC(int, -1, faccessat,
             (int fd, const char *path, int mode, int flags),
             (fd, path, mode, flags))
FAILING_LIBC(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
FAILING_LIBC(int, -1, rmdir, (const char *path), (path))
FAILING_LIBC(int, -1, unlink, (const char *path), (path))
FAILING_LIBC(int, -1, rename, (const char *from, const char *to), (from, to))
FAILING_LIBC(int, -1, chmod, (const char *path, mode_t mode), (path, mode))
FAILING_LIBC(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
FAILING_LIBC(int, -1, chown, (const char *path, uid_t uid, gid_t gid),
             (path, uid, gid))
FAILING_LIBC(int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FAILING_LIBC(int, -1, fsync, (int fd), (fd))
FAILING_LIBC(int, -1, ftruncate, (int fd, off_t len), (fd, len))
FAILING_LIBC(int, failing.error, posix_fallocate,
             (int fd, off_t offset, off_t len), (fd, offset, len))
FAILING_LIBC(int, -1, flock, (int fd, int op), (fd, op))
FAILING_LIBC(ssize_t, -1, read, (int fd, void *buf, size_t len),
             (fd, buf, len))
FAILING_LIBC(ssize_t, -1, write, (int fd, const void *buf, size_t len),
             (fd, buf, len))
FAILING_LIBC(DIR *, NULL, opendir, (const char *path), (path))
FAILING_LIBC(char *, NULL, realpath, (const char *path, char *resolved),
             (path, resolved))


/* It closes all the same: whether there was an error is known too late. */

int
close(int fd)
{
    int  rc;

    FAILING_NEXT(close)

    if (failing.armed && !failing.inside && failing_now("close")) {
        (void) next(fd);
        errno = failing.error;
        return -1;
    }

    rc = next(fd);

    return rc;
}


int
open(const char *path, int flags, ...)
{
    mode_t   mode;
    va_list  args;

    FAILING_NEXT(open)

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);

    return failing_now("open") ? -1 : next(path, flags, mode);
}


/*
 * Memory.  Not where a sanitizer has functions of its own; and what the C
 * library allocates before it can find the next definition is not here.
 */

#ifndef __SANITIZE_ADDRESS__

FAILING_LIBC(void *, NULL, malloc, (size_t size), (size))
FAILING_LIBC(void *, NULL, calloc, (size_t n, size_t size), (n, size))
FAILING_LIBC(void *, NULL, realloc, (void *p, size_t size), (p, size))

#endif


#endif /* _PROFILE_UNIT_FAILING_H_INCLUDED_ */
