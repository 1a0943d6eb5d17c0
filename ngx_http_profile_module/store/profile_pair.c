
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A data file and its lock file belong together: the latter counts the
 * former's commits, and LMDB believes it when it chooses a snapshot.  Where
 * somebody has renamed another data file over the one that is in use, that
 * shows an old snapshot or none at all, and the next commit destroys what is
 * there.
 */


#include "profile_lmdb.h"


#define PROFILE_PAIR_TRIES  3


/*
 * A commit writes the data file first.  So the lock file is never ahead of
 * it and, but for a moment in which others commit, at most one behind it:
 * where a writer was killed in between.
 */

int
profile_pair_check(MDB_env *env, MDB_txn *txn, const char *path,
    profile_error_t *err)
{
    int          i, rc;
    size_t       seen;
    MDB_envinfo  info;

    for (i = 0; i < PROFILE_PAIR_TRIES; i++) {

        seen = mdb_txn_id(txn);

        rc = mdb_env_info(env, &info);
        if (rc != 0) {
            return profile_error_lmdb(err, rc, "mdb_env_info", path);
        }

        if (seen == info.me_last_txnid || seen + 1 == info.me_last_txnid) {
            return PROFILE_OK;
        }

        mdb_txn_reset(txn);

        rc = mdb_txn_renew(txn);
        if (rc != 0) {
            return profile_error_lmdb(err, rc, "mdb_txn_renew", path);
        }
    }

    return profile_error(err, PROFILE_DAMAGED,
                         "%s/" PROFILE_DATA_FILE " is not the file that "
                         PROFILE_LOCK_FILE " beside it belongs to, as after "
                         "one was moved over another that is in use; publish "
                         "it as a generation of its own", path);
}
