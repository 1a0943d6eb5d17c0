
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Opens generations, each at most once in a process.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "profile_lmdb.h"


static int profile_env_check_files(profile_env_t *env,
    profile_error_t *err);
static int profile_env_check_access(const char *path, int mode,
    profile_error_t *err);
static int profile_env_start(profile_env_t *env, profile_error_t *err);
static int profile_env_reads_ahead(const profile_env_t *env);
static int profile_env_check_lock(profile_env_t *env, profile_error_t *err);
static int profile_env_resize(profile_env_t *env);
static void profile_env_lock_out(profile_env_t *env);
static void profile_env_let_in(profile_env_t *env);
static void profile_env_free(profile_env_t *env);


/*
 * All that this process has open.  This belongs to the process and to
 * nothing smaller: closing a second descriptor of a lock file drops the
 * locks of the first, and others would then take this reader for dead and
 * reuse the pages it reads.
 */

static profile_env_t  *profile_envs;

/* How many there were: a file that was opened again has another number. */

static uint64_t  profile_env_openings;


int
profile_env_open(profile_env_t **envp, const profile_generation_t *gen,
    profile_readahead_e readahead, profile_error_t *err)
{
    int             rc;
    profile_env_t  *env, *open;

    env = calloc(1, sizeof(profile_env_t));
    if (env == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot open %s", gen->path);
    }

    env->generation = *gen;
    env->view.path = env->generation.path;
    env->readahead = readahead;
    env->references = 1;

    (void) pthread_mutex_init(&env->mutex, NULL);
    (void) pthread_cond_init(&env->idle, NULL);

    rc = profile_env_check_files(env, err);
    if (rc != PROFILE_OK) {
        profile_env_free(env);
        return rc;
    }

    for (open = profile_envs; open != NULL; open = open->next) {

        if (open->dev == env->dev && open->ino == env->ino) {
            profile_env_free(env);

            rc = profile_env_reopen(open, err);
            if (rc != PROFILE_OK) {
                return rc;
            }

            open->references++;
            *envp = open;

            return PROFILE_OK;
        }
    }

    rc = profile_env_start(env, err);
    if (rc != PROFILE_OK) {
        profile_env_free(env);
        return rc;
    }

    env->next = profile_envs;
    profile_envs = env;
    *envp = env;

    return PROFILE_OK;
}


void
profile_env_close(profile_env_t *env)
{
    profile_env_t  **p;

    if (env == NULL || --env->references != 0) {
        return;
    }

    for (p = &profile_envs; *p != env; p = &(*p)->next) { /* void */ }

    *p = env->next;

    profile_env_free(env);
}


int
profile_env_begin(profile_env_t *env, profile_error_t *err)
{
    int          rc;
    const char  *call;

    if (env->env == NULL) {
        return profile_error(err, PROFILE_FAILED,
                             "%s is shut after a failure, which was said "
                             "before, and is tried again shortly",
                             env->generation.path);
    }

    call = "mdb_txn_renew";
    rc = mdb_txn_renew(env->view.txn);

    if (rc == MDB_MAP_RESIZED) {

        /* the loader has let the map grow; nothing of it is in use here */

        call = "mdb_env_set_mapsize";
        rc = profile_env_resize(env);

        if (rc == 0) {
            call = "mdb_txn_renew";
            rc = mdb_txn_renew(env->view.txn);
        }
    }

    if (rc != 0) {
        profile_env_shut(env);

        return profile_error_lmdb(err, rc, call, env->generation.path);
    }

    return PROFILE_OK;
}


void
profile_env_end(profile_env_t *env)
{
    mdb_txn_reset(env->view.txn);
}


int
profile_env_verify(profile_env_t *env, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    struct stat  st;

    if (env->env == NULL) {
        return PROFILE_OK;
    }

    rc = profile_path(path, sizeof(path), env->generation.path,
                      PROFILE_LOCK_FILE, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (!env->generation.sealed
        && (stat(path, &st) == -1
            || st.st_dev != env->lock_dev
            || st.st_ino != env->lock_ino))
    {
        profile_env_shut(env);
        return PROFILE_OK;
    }

    rc = profile_path(path, sizeof(path), env->generation.path,
                      PROFILE_DATA_FILE, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (stat(path, &st) == 0
        && st.st_dev == env->dev
        && st.st_ino == env->ino)
    {
        return PROFILE_OK;
    }

    return profile_error(err, PROFILE_DAMAGED,
                         "%s was removed or replaced while it was open; the "
                         "old one stays in use, and what the loader writes "
                         "is not seen; to replace data, publish a generation",
                         path);
}


int
profile_env_reopen(profile_env_t *env, profile_error_t *err)
{
    int  rc;

    if (env->env != NULL) {
        return PROFILE_OK;
    }

    profile_env_lock_out(env);

    rc = profile_env_check_files(env, err);

    if (rc == PROFILE_OK) {
        rc = profile_env_start(env, err);
    }

    if (rc != PROFILE_OK) {
        profile_env_shut(env);
        return rc;
    }

    profile_env_let_in(env);

    return PROFILE_OK;
}


/*
 * LMDB would say "permission denied" or "bad file descriptor", or create a
 * lock file that belongs to the wrong user; say it better, and first.  The
 * lock file must not be opened here, not even for a moment: see
 * profile_envs.
 */

static int
profile_env_check_files(profile_env_t *env, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    struct stat  st;

    rc = profile_path(path, sizeof(path), env->generation.path,
                      PROFILE_DATA_FILE, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_env_check_access(path, R_OK, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (stat(path, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s", path);
    }

    if (!S_ISREG(st.st_mode)) {
        return profile_error(err, PROFILE_FOREIGN, "%s is not a file", path);
    }

    /* what is shorter than the two meta pages makes LMDB say odd things */

    if (st.st_size < PROFILE_DATA_MIN) {
        return profile_error(err, PROFILE_DAMAGED,
                             "%s has only %lld bytes: it was truncated or "
                             "is still being made; restore it, or let "
                             "profile-loader load it again", path,
                             (long long) st.st_size);
    }

    env->dev = st.st_dev;
    env->ino = st.st_ino;
    env->size = (uint64_t) st.st_size;

    if (env->generation.sealed) {
        return PROFILE_OK;
    }

    rc = profile_path(path, sizeof(path), env->generation.path,
                      PROFILE_LOCK_FILE, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_env_check_access(path, R_OK|W_OK, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (stat(path, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s", path);
    }

    env->lock_dev = st.st_dev;
    env->lock_ino = st.st_ino;

    return PROFILE_OK;
}


static int
profile_env_check_access(const char *path, int mode, profile_error_t *err)
{
    int          rc;
    char         user[PROFILE_WHO_TEXT], group[PROFILE_WHO_TEXT];
    char         owner[PROFILE_WHO_TEXT], owners[PROFILE_WHO_TEXT];
    struct stat  st;

    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0) {
        return PROFILE_OK;
    }

    rc = errno;

    if (rc == ENOENT && (mode & W_OK)) {
        return profile_error(err, PROFILE_ABSENT,
                             "%s is missing; profile-loader apply makes it",
                             path);
    }

    if (rc == ENOENT) {
        return profile_error(err, PROFILE_ABSENT,
                             "%s is missing; restore it or, to load "
                             "everything again, remove CURRENT", path);
    }

    if (rc == EROFS) {
        return profile_error(err, PROFILE_LOCKLESS,
                             "%s is on a read-only mount, where LMDB would "
                             "read without a lock while the loader writes; "
                             "mount it writable, or seal the store", path);
    }

    if (rc == EACCES && stat(path, &st) == 0) {
        return profile_error(err, PROFILE_DENIED,
                             "user %s (group %s) may not %s %s, which "
                             "belongs to %s:%s with mode %04o; "
                             "profile-loader apply sets it right, where the "
                             "store's folder has the group of nginx's "
                             "workers",
                             profile_error_user(user, geteuid()),
                             profile_error_group(group, getegid()),
                             (mode & W_OK) ? "write" : "read", path,
                             profile_error_user(owner, st.st_uid),
                             profile_error_group(owners, st.st_gid),
                             (unsigned) (st.st_mode & 07777));
    }

    return profile_error_errno(err, rc, "user %s cannot use %s",
                               profile_error_user(user, geteuid()), path);
}


static int
profile_env_start(profile_env_t *env, profile_error_t *err)
{
    int              rc;
    unsigned         flags;
    const char      *path;
    profile_meta_t   meta;

    path = env->generation.path;

    /* the slot belongs to the transaction, so that it can be kept */

    flags = MDB_RDONLY|MDB_NOTLS;

    if (env->generation.sealed) {
        flags |= MDB_NOLOCK;
    }

    if (!profile_env_reads_ahead(env)) {
        flags |= MDB_NORDAHEAD;
    }

    rc = profile_open(&env->env, path, flags, 0640, &env->stale, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &env->view.txn);
    if (rc != 0) {
        env->view.txn = NULL;
        return profile_error_lmdb(err, rc, "mdb_txn_begin", path);
    }

    rc = profile_env_check_lock(env, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (!env->generation.sealed) {
        rc = profile_pair_check(env->env, env->view.txn, path, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    rc = profile_length_check(env->env, path, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = mdb_dbi_open(env->view.txn, NULL, 0, &env->view.dbi);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_dbi_open", path);
    }

    rc = profile_view_meta(&env->view, &meta, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    mdb_txn_reset(env->view.txn);

    env->opening = ++profile_env_openings;

    return PROFILE_OK;
}


/* As of now: a store that grows is looked at again when it is next opened. */

static int
profile_env_reads_ahead(const profile_env_t *env)
{
    if (env->readahead != PROFILE_READAHEAD_AUTO) {
        return env->readahead == PROFILE_READAHEAD_ON;
    }

    return env->size <= profile_memory() / 2;
}


/*
 * On a read-only file system LMDB goes on without a lock table, and says so
 * nowhere but in the number of readers.  Pages could then change under us.
 */

static int
profile_env_check_lock(profile_env_t *env, profile_error_t *err)
{
    MDB_envinfo  info;

    if (env->generation.sealed) {
        return PROFILE_OK;
    }

    if (mdb_env_info(env->env, &info) != 0 || info.me_numreaders == 0) {
        return profile_error(err, PROFILE_LOCKLESS,
                             "%s is not sealed, and LMDB reads it without a "
                             "lock; make its lock file writable, or seal the "
                             "store", env->generation.path);
    }

    return PROFILE_OK;
}


static int
profile_env_resize(profile_env_t *env)
{
    int  rc;

    profile_env_lock_out(env);

    rc = mdb_env_set_mapsize(env->env, 0);

    profile_env_let_in(env);

    return rc;
}


void
profile_env_shut(profile_env_t *env)
{
    profile_env_lock_out(env);

    if (env->view.txn != NULL) {
        mdb_txn_abort(env->view.txn);
        env->view.txn = NULL;
    }

    if (env->env != NULL) {
        mdb_env_close(env->env);
        env->env = NULL;
    }

    profile_env_let_in(env);
}


int
profile_env_enter(profile_env_t *env)
{
    int  rc;

    (void) pthread_mutex_lock(&env->mutex);

    rc = PROFILE_FAILED;

    if (!env->closed && env->env != NULL) {
        env->running++;
        rc = PROFILE_OK;
    }

    (void) pthread_mutex_unlock(&env->mutex);

    return rc;
}


void
profile_env_leave(profile_env_t *env)
{
    (void) pthread_mutex_lock(&env->mutex);

    if (--env->running == 0) {
        (void) pthread_cond_signal(&env->idle);
    }

    (void) pthread_mutex_unlock(&env->mutex);
}


/* Those that are in are reading, each a page or two: this is soon over. */

static void
profile_env_lock_out(profile_env_t *env)
{
    (void) pthread_mutex_lock(&env->mutex);

    env->closed = 1;

    while (env->running != 0) {
        (void) pthread_cond_wait(&env->idle, &env->mutex);
    }

    (void) pthread_mutex_unlock(&env->mutex);
}


static void
profile_env_let_in(profile_env_t *env)
{
    (void) pthread_mutex_lock(&env->mutex);
    env->closed = 0;
    (void) pthread_mutex_unlock(&env->mutex);
}


static void
profile_env_free(profile_env_t *env)
{
    profile_env_shut(env);

    (void) pthread_cond_destroy(&env->idle);
    (void) pthread_mutex_destroy(&env->mutex);

    free(env);
}
