
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A data file must be as long as its pages: what lies beyond its end is a
 * SIGBUS for whoever reads it.
 *
 * LMDB itself may leave the file shorter, where its last pages were freed
 * by the transaction that would have written them first.  So the writer
 * makes the file long enough before it commits, and as long as its pages
 * afterwards; killed in between it leaves one that is too long, which does
 * no harm.  One that is too short has been truncated.
 */


#include <errno.h>
#include <unistd.h>

#include "profile_lmdb.h"


static int profile_length_measure(MDB_env *env, const char *path, int *fd,
    uint64_t *size, uint64_t *used, profile_error_t *err);


int
profile_length_check(MDB_env *env, const char *path, profile_error_t *err)
{
    int       fd, rc;
    uint64_t  size, used;

    rc = profile_length_measure(env, path, &fd, &size, &used, err);

    if (rc != PROFILE_OK || size >= used) {
        return rc;
    }

    return profile_error(err, PROFILE_DAMAGED,
                         "%s/" PROFILE_DATA_FILE " was truncated: it has "
                         "%llu bytes, but its pages take %llu; restore it "
                         "or, to load everything again, remove "
                         PROFILE_CURRENT_FILE, path,
                         (unsigned long long) size,
                         (unsigned long long) used);
}


void
profile_length_before(MDB_env *env, uint64_t bytes)
{
    int              fd;
    uint64_t         size, used;
    profile_error_t  ignored;

    /* where this fails, as for a limit of size, the commit will say so */

    if (profile_length_measure(env, "", &fd, &size, &used, &ignored)
        == PROFILE_OK
        && size < used + bytes)
    {
        (void) !ftruncate(fd, (off_t) (used + bytes));
    }
}


int
profile_length_after(MDB_env *env, const char *path, profile_error_t *err)
{
    int       fd, rc;
    uint64_t  size, used;

    rc = profile_length_measure(env, path, &fd, &size, &used, err);

    if (rc != PROFILE_OK || size == used) {
        return rc;
    }

    /* no snapshot has a page beyond those of the last commit */

    if (ftruncate(fd, (off_t) used) == -1 && size < used) {
        return profile_error_errno(err, errno, "cannot extend %s/"
                                   PROFILE_DATA_FILE, path);
    }

    return PROFILE_OK;
}


uint64_t
profile_length_used(MDB_env *env)
{
    MDB_stat     stat;
    MDB_envinfo  info;

    if (mdb_env_stat(env, &stat) != 0 || mdb_env_info(env, &info) != 0) {
        return 0;
    }

    return ((uint64_t) info.me_last_pgno + 1) * stat.ms_psize;
}


static int
profile_length_measure(MDB_env *env, const char *path, int *fd,
    uint64_t *size, uint64_t *used, profile_error_t *err)
{
    int          rc;
    struct stat  st;

    rc = mdb_env_get_fd(env, fd);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_env_get_fd", path);
    }

    /* a file is cut to this length: never to one that nobody has said */

    *used = profile_length_used(env);
    if (*used == 0) {
        return profile_error_lmdb(err, EINVAL, "mdb_env_info", path);
    }

    if (fstat(*fd, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s/"
                                   PROFILE_DATA_FILE, path);
    }

    *size = (uint64_t) st.st_size;

    return PROFILE_OK;
}
