
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Counts free pages, and asks who reads.
 */


#include <string.h>
#include <unistd.h>

#include "profile_lmdb.h"
#include "profile_usage.h"


/* LMDB's own database of free pages */

#define PROFILE_USAGE_FREE_DBI  0


int
profile_usage(profile_reader_t *reader, profile_usage_t *usage,
    profile_error_t *err)
{
    int                    rc;
    profile_env_t         *env;
    const profile_view_t  *view;

    rc = profile_reader_begin(reader, &view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    env = profile_reader_env(reader);

    rc = profile_usage_free(view->txn, view->path, &usage->free, err);

    if (rc == PROFILE_OK) {
        rc = profile_slots_used(env->env, view->path, (long) getpid(),
                                &usage->readers, err);
    }

    usage->stale = env->stale;

    profile_reader_end(reader);

    return rc;
}


int
profile_usage_free(MDB_txn *txn, const char *path, uint64_t *bytes,
    profile_error_t *err)
{
    int          rc;
    size_t       pages;
    MDB_val      key, value;
    MDB_stat     stat;
    MDB_cursor  *cursor;

    *bytes = 0;

    rc = mdb_stat(txn, PROFILE_USAGE_FREE_DBI, &stat);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_stat", path);
    }

    rc = mdb_cursor_open(txn, PROFILE_USAGE_FREE_DBI, &cursor);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_open", path);
    }

    for ( ;; ) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);

        if (rc != 0) {
            break;
        }

        /* a list of page numbers begins with their count */

        if (value.mv_size >= sizeof(size_t)) {
            memcpy(&pages, value.mv_data, sizeof(size_t));
            *bytes += (uint64_t) pages * stat.ms_psize;
        }
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND)
           ? PROFILE_OK
           : profile_error_lmdb(err, rc, "mdb_cursor_get", path);
}
