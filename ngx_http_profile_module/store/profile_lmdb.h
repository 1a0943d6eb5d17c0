
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the store's own files share and nobody else may see: LMDB itself.
 */


#ifndef _PROFILE_LMDB_H_INCLUDED_
#define _PROFILE_LMDB_H_INCLUDED_


#include <lmdb.h>

#include "profile_dir.h"
#include "profile_view.h"


#if (MDB_VERSION_MAJOR != 0)
#error "LMDB 1.0 has another file format; LMDB 0.9 is needed"
#endif


struct profile_view_s {
    MDB_txn     *txn;
    MDB_dbi      dbi;
    const char  *path;         /* of the generation, for error texts */
};


/*
 * Reads and checks the version record, which says that a database is a
 * finished store of this format.  PROFILE_FOREIGN where it is somebody
 * else's or of another version.
 */

int profile_view_meta(const profile_view_t *view, profile_meta_t *meta,
    profile_error_t *err);


/* A generation that is open for reading in this process. */

typedef struct profile_env_s  profile_env_t;

struct profile_env_s {
    MDB_env               *env;        /* NULL: shut, see begin */
    profile_view_t         view;       /* reset, but between begin and end */
    dev_t                  dev;
    ino_t                  ino;
    unsigned               references;
    profile_env_t         *next;
    profile_generation_t   generation;
};


/*
 * Opens the generation, or adds a reference where this process has it open
 * already.  Checks all that can be checked at once: permissions, the lock,
 * the file's length, the store's version.
 */

int profile_env_open(profile_env_t **env, const profile_generation_t *gen,
    profile_error_t *err);
void profile_env_close(profile_env_t *env);

/*
 * A map that cannot follow the growth of the file leaves LMDB's environment
 * of no use but to be closed.  begin then shuts it, and fails until reopen,
 * which does nothing otherwise, succeeds.
 */

int profile_env_begin(profile_env_t *env, profile_error_t *err);
void profile_env_end(profile_env_t *env);
int profile_env_reopen(profile_env_t *env, profile_error_t *err);


/* The bytes that an open database's pages take, those it has freed too. */

uint64_t profile_lmdb_used(MDB_env *env);


#endif /* _PROFILE_LMDB_H_INCLUDED_ */
