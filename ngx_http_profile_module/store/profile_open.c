
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Opens an environment of LMDB whose locks work.
 *
 * LMDB 0.9.27 to 0.9.31, Debian 13's among them, destroy the mutexes in the
 * lock file when the last process that has it open closes it.  Who opens it
 * just then waits for that process to be gone, and goes on with mutexes that
 * are none: every transaction fails with EINVAL, and those of all others who
 * open it later, until nobody has it open any more.  The next one then makes
 * the mutexes anew.
 */


#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "profile_lmdb.h"


/* 1 ms, then twice as long each time: 127 ms at most, which stalls a worker */

#define PROFILE_OPEN_TRIES  8


static int profile_open_try(MDB_env **env, const char *path, unsigned flags,
    mode_t mode, uint32_t *stale, const char **call);
static void profile_open_wait(int tries);


int
profile_open(MDB_env **env, const char *path, unsigned flags, mode_t mode,
    uint32_t *stale, profile_error_t *err)
{
    int          i, rc;
    const char  *call;

    for (i = 0; /* void */ ; i++) {

        rc = profile_open_try(env, path, flags, mode, stale, &call);

        if (rc == 0) {
            return PROFILE_OK;
        }

        if (*env != NULL) {
            mdb_env_close(*env);
            *env = NULL;
        }

        if (rc != EINVAL || i == PROFILE_OPEN_TRIES - 1) {
            return profile_error_lmdb(err, rc, call, path);
        }

        profile_open_wait(i);
    }
}


static int
profile_open_try(MDB_env **env, const char *path, unsigned flags, mode_t mode,
    uint32_t *stale, const char **call)
{
    int       rc, dead;
    MDB_txn  *txn;

    *call = "mdb_env_create";
    rc = mdb_env_create(env);

    if (rc != 0) {
        *env = NULL;
        return rc;
    }

    *call = "mdb_env_set_maxreaders";
    rc = mdb_env_set_maxreaders(*env, PROFILE_MAX_READERS);

    if (rc != 0) {
        return rc;
    }

    *call = "mdb_env_open";
    rc = mdb_env_open(*env, path, flags, mode);

    if (rc != 0) {
        return rc;
    }

    /* killed workers leave their slots; nobody else clears them for nginx */

    dead = 0;

    (void) mdb_reader_check(*env, &dead);

    *stale += (uint32_t) dead;

    *call = "mdb_txn_begin";
    rc = mdb_txn_begin(*env, NULL, MDB_RDONLY, &txn);

    if (rc == 0) {
        mdb_txn_abort(txn);
    }

    return rc;
}


/* Others who wait for the same are not to do so in step. */

static void
profile_open_wait(int tries)
{
    struct timespec  ts;

    ts.tv_sec = 0;
    ts.tv_nsec = 1000000L * (1L << tries) - 1000L * (getpid() % 500);

    (void) nanosleep(&ts, NULL);
}
