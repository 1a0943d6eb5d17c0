
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the store's own files share and nobody else may see: LMDB itself.
 */


#ifndef _PROFILE_LMDB_H_INCLUDED_
#define _PROFILE_LMDB_H_INCLUDED_


#include <lmdb.h>
#include <pthread.h>

#include "profile_dir.h"
#include "profile_reader.h"


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


/*
 * Opens the database in the folder path, with locks that work; *env is NULL
 * where that failed.  Slots of the dead that were cleared are added to
 * *stale.
 */

int profile_open(MDB_env **env, const char *path, unsigned flags, mode_t mode,
    uint32_t *stale, profile_error_t *err);


/* A generation that is open for reading in this process. */

typedef struct profile_env_s  profile_env_t;

struct profile_env_s {
    MDB_env               *env;        /* NULL: shut, see begin */
    profile_view_t         view;       /* reset, but between begin and end */
    dev_t                  dev;        /* of the data file */
    ino_t                  ino;
    uint64_t               size;       /* of it, when it was opened */
    uint64_t               opening;    /* no other one has this number */
    dev_t                  lock_dev;
    ino_t                  lock_ino;
    profile_readahead_e    readahead;
    uint32_t               stale;      /* slots of the dead, cleared */
    unsigned               references;
    profile_env_t         *next;
    profile_generation_t   generation;

    pthread_mutex_t        mutex;      /* of what follows, and see enter */
    pthread_cond_t         idle;       /* running is 0 */
    unsigned               running;
    unsigned               closed;
};


/*
 * Opens the generation, or adds a reference where this process has it open
 * already.  Checks all that can be checked at once: permissions, the lock,
 * the file's length, the store's version.
 */

int profile_env_open(profile_env_t **env, const profile_generation_t *gen,
    profile_readahead_e readahead, profile_error_t *err);
void profile_env_close(profile_env_t *env);

/*
 * What makes begin fail stays: a map that could not follow the growth of
 * the file, or a reader slot that was taken away.  begin then shuts the
 * environment, and fails until reopen, which does nothing otherwise,
 * succeeds.
 */

int profile_env_begin(profile_env_t *env, profile_error_t *err);
void profile_env_end(profile_env_t *env);

/*
 * Whether the files are still those that are open.  With another lock file
 * the loader would no longer know of this reader, nor this reader of
 * commits: the environment is shut.  With another data file, as by mv, it
 * goes on with the old one, which is an error all the same.
 */

int profile_env_verify(profile_env_t *env, profile_error_t *err);
int profile_env_reopen(profile_env_t *env, profile_error_t *err);
void profile_env_shut(profile_env_t *env);

/*
 * For threads other than the one that all else belongs to.  Between enter
 * and leave the environment is neither shut nor mapped anew: these wait for
 * the threads that are in, and let no other in.  PROFILE_FAILED then, and
 * where it is shut.
 */

int profile_env_enter(profile_env_t *env);
void profile_env_leave(profile_env_t *env);


/*
 * The length of the data file, see profile_length.c.  used is the bytes
 * that the pages take, free ones too, or 0 where LMDB does not say it;
 * before and after go around a commit, which may add bytes.
 */

int profile_length_check(MDB_env *env, const char *path,
    profile_error_t *err);
void profile_length_before(MDB_env *env, uint64_t bytes);
int profile_length_after(MDB_env *env, const char *path,
    profile_error_t *err);
uint64_t profile_length_used(MDB_env *env);


/*
 * The bytes of memory that this process may use: the machine's, or those of
 * the control groups that it is in.
 */

uint64_t profile_memory(void);


/* Whether the lock file is that of the data file; txn only reads. */

int profile_pair_check(MDB_env *env, MDB_txn *txn, const char *path,
    profile_error_t *err);


/* A reader's generation, which stays the reader's. */

profile_env_t *profile_reader_env(const profile_reader_t *reader);


/*
 * Bytes of the free pages as the last commit lists them, those that a
 * reader keeps from being used included.  txn only reads: LMDB does not
 * show its list to one that writes.
 */

int profile_usage_free(MDB_txn *txn, const char *path, uint64_t *bytes,
    profile_error_t *err);

/*
 * Slots of the lock table that are taken, but for those of the process
 * except; the dead are counted unless mdb_reader_check() came first.
 */

int profile_slots_used(MDB_env *env, const char *path, long except,
    uint32_t *count, profile_error_t *err);


#endif /* _PROFILE_LMDB_H_INCLUDED_ */
