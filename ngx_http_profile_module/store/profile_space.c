
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Room on the disk, asked for before LMDB runs out of it.
 */


#include <sys/statvfs.h>
#include <unistd.h>

#include "profile_writing.h"


/* A larger transaction may be on the disk in part before it is committed. */

#define PROFILE_SPACE_MAX  (UINT64_C(256) * 1024 * 1024)


static uint64_t profile_space_reusable(profile_writer_t *writer);


int
profile_writer_space(const profile_writer_t *writer, uint64_t *bytes)
{
    struct statvfs  fs;

    if (statvfs(writer->directory, &fs) == -1) {
        return PROFILE_FAILED;
    }

    *bytes = (uint64_t) (geteuid() == 0 ? fs.f_bfree : fs.f_bavail)
             * fs.f_frsize;

    return PROFILE_OK;
}


/*
 * What was put is the least that the commit writes: it stands on pages that
 * are written anew.  So one that would fit is never refused; one that does
 * not may still fail, and then LMDB says so.
 */

int
profile_writer_check_space(profile_writer_t *writer, profile_error_t *err)
{
    uint64_t  have;

    if (writer->put > PROFILE_SPACE_MAX
        || profile_writer_space(writer, &have) != PROFILE_OK
        || have >= writer->put)
    {
        return PROFILE_OK;
    }

    have += profile_space_reusable(writer);

    if (have >= writer->put) {
        return PROFILE_OK;
    }

    return profile_error(err, PROFILE_NO_SPACE,
                         "a commit needs %llu bytes, %s has %llu; make room "
                         "and run again", (unsigned long long) writer->put,
                         writer->directory, (unsigned long long) have);
}


/*
 * Pages of the file that a commit can write to without making it longer,
 * and more: some of them may be in use by a reader.
 */

static uint64_t
profile_space_reusable(profile_writer_t *writer)
{
    int              fd;
    MDB_txn         *txn;
    uint64_t         bytes, used;
    struct stat      st;
    profile_error_t  ignored;

    bytes = 0;

    if (mdb_txn_begin(writer->env, NULL, MDB_RDONLY, &txn) != 0) {
        return UINT64_MAX / 2;
    }

    if (profile_usage_free(txn, writer->view.path, &bytes, &ignored)
        != PROFILE_OK)
    {
        bytes = UINT64_MAX / 2;
    }

    mdb_txn_abort(txn);

    used = profile_length_used(writer->env);

    if (mdb_env_get_fd(writer->env, &fd) == 0
        && fstat(fd, &st) == 0
        && (uint64_t) st.st_size > used)
    {
        bytes += (uint64_t) st.st_size - used;
    }

    return bytes;
}
