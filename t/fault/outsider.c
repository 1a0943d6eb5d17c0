
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What programs that know LMDB, but not this project, do to a generation.
 *
 *     outsider open FOLDER SLOTS
 *         makes the lock file, for SLOTS readers, and keeps it open
 *
 *     outsider hold FOLDER
 *         reads, and holds the snapshot
 *
 *     outsider write FOLDER
 *         begins to write, and gets no further
 *
 *     outsider drop FOLDER
 *         empties the database
 *
 * All but the last say "ready" and wait for a signal.
 */


#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>


static void outsider_must(int rc, const char *call);


int
main(int argc, char **argv)
{
    MDB_env     *env;
    MDB_dbi      dbi;
    MDB_txn     *txn;
    const char  *what;

    if (argc < 3) {
        (void) fprintf(stderr, "outsider: see its source\n");
        return 2;
    }

    what = argv[1];

    /* a test that is killed does not leave this running */

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

    outsider_must(mdb_env_create(&env), "mdb_env_create");

    if (argc == 4) {
        outsider_must(mdb_env_set_maxreaders(env, (unsigned) atoi(argv[3])),
                      "mdb_env_set_maxreaders");
    }

    outsider_must(mdb_env_open(env, argv[2], 0, 0660), "mdb_env_open");

    if (strcmp(what, "open") != 0) {
        outsider_must(mdb_txn_begin(env, NULL,
                                    (strcmp(what, "hold") == 0)
                                    ? MDB_RDONLY : 0,
                                    &txn),
                      "mdb_txn_begin");
    }

    if (strcmp(what, "drop") == 0) {
        outsider_must(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
        outsider_must(mdb_drop(txn, dbi, 0), "mdb_drop");
        outsider_must(mdb_txn_commit(txn), "mdb_txn_commit");
        mdb_env_close(env);

        return 0;
    }

    (void) printf("ready\n");
    (void) fflush(stdout);

    for ( ;; ) {
        (void) pause();
    }
}


static void
outsider_must(int rc, const char *call)
{
    if (rc != 0) {
        (void) fprintf(stderr, "outsider: %s: %s\n", call, mdb_strerror(rc));
        exit(1);
    }
}
