
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Opens a store for writing, and its transactions.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "profile_generations.h"
#include "profile_modes.h"
#include "profile_writing.h"


#define PROFILE_LOADER_LOCK       ".loader.lock"
#define PROFILE_LOADER_LOCK_MODE  0600

/* nanoseconds, and how often it is tried meanwhile */

#define PROFILE_LOADER_LOCK_WAIT   300000000
#define PROFILE_LOADER_LOCK_TRIES  15

/*
 * The map must always have room for one transaction: its pages are new
 * ones, since those it frees cannot be used before it ends.
 */

#define PROFILE_MAP_RESERVE  (UINT64_C(512) * 1024 * 1024)
#define PROFILE_MAP_UNIT     (UINT64_C(64) * 1024 * 1024)

/* The file grows by less than so many times what is pending, and a little. */

#define PROFILE_GROWTH       3
#define PROFILE_GROWTH_UNIT  (UINT64_C(1024) * 1024)


static int profile_writer_open_as(profile_writer_t **writerp,
    const char *directory, const gid_t *group, unsigned source,
    profile_error_t *err);
static void profile_writer_shut(profile_writer_t *writer);
static int profile_writer_find(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_check_open(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_lock(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_try_lock(int fd);
static int profile_writer_check(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_check_data(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_check_lock(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_require(const profile_writer_t *writer,
    const char *directory, const char *name, mode_t mode,
    profile_error_t *err);
static int profile_writer_start(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_create(profile_writer_t *writer,
    profile_error_t *err);
static int profile_writer_fill(profile_writer_t *writer,
    profile_error_t *err);


int
profile_writer_open(profile_writer_t **writerp, const char *directory,
    const gid_t *group, profile_error_t *err)
{
    return profile_writer_open_as(writerp, directory, group, 0, err);
}


int
profile_writer_open_source(profile_writer_t **writerp, const char *directory,
    profile_error_t *err)
{
    int                   rc;
    profile_generation_t  gen;

    /* what is not there must not be made */

    rc = profile_dir_current(directory, &gen, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    return profile_writer_open_as(writerp, directory, NULL, 1, err);
}


void
profile_writer_close(profile_writer_t *writer)
{
    if (writer == NULL) {
        return;
    }

    profile_writer_shut(writer);

    if (writer->lock != -1) {
        (void) close(writer->lock);
    }

    free(writer);
}


int
profile_writer_reserve(profile_writer_t *writer, uint64_t bytes,
    profile_error_t *err)
{
    int          rc;
    uint64_t     need;
    MDB_envinfo  info;

    rc = profile_writer_check_open(writer, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    need = profile_length_used(writer->env) + bytes + PROFILE_MAP_RESERVE;

    if (mdb_env_info(writer->env, &info) == 0 && info.me_mapsize >= need) {
        return PROFILE_OK;
    }

    /* half as much again, so that growing stays rare */

    need += need / 2;
    need += PROFILE_MAP_UNIT - need % PROFILE_MAP_UNIT;

    if (need > SIZE_MAX) {
        return profile_error_errno(err, ENOMEM, "%s: the map cannot grow",
                                   writer->generation.path);
    }

    rc = mdb_env_set_mapsize(writer->env, (size_t) need);

    if (rc != 0) {

        /* the old map is gone, and LMDB must not be called without one */

        mdb_env_close(writer->env);
        writer->env = NULL;

        return profile_error_lmdb(err, rc, "mdb_env_set_mapsize",
                                  writer->generation.path);
    }

    return PROFILE_OK;
}


int
profile_writer_begin(profile_writer_t *writer, const profile_view_t **view,
    profile_error_t *err)
{
    int  rc, dead;

    rc = (writer->snapshot.txn == NULL)
         ? profile_writer_reserve(writer, 0, err)
         : profile_writer_check_open(writer, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    /* a worker that was killed while it read would keep pages for ever */

    rc = mdb_reader_check(writer->env, &dead);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_reader_check",
                                  writer->generation.path);
    }

    rc = mdb_txn_begin(writer->env, NULL, 0, &writer->view.txn);
    if (rc != 0) {
        writer->view.txn = NULL;
        return profile_error_lmdb(err, rc, "mdb_txn_begin",
                                  writer->generation.path);
    }

    writer->dirty = 0;
    writer->pending = 0;
    writer->put = 0;

    if (view != NULL) {
        *view = &writer->view;
    }

    return PROFILE_OK;
}


int
profile_writer_commit(profile_writer_t *writer, profile_error_t *err)
{
    int  rc;

    if (!writer->dirty) {
        profile_writer_abort(writer);
        return PROFILE_OK;
    }

    rc = profile_writer_check_space(writer, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_length_before(writer->env, PROFILE_GROWTH_UNIT
                                       + PROFILE_GROWTH * writer->pending);

    rc = mdb_txn_commit(writer->view.txn);

    /* LMDB has freed it, whatever the outcome */

    writer->view.txn = NULL;

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_txn_commit",
                                  writer->generation.path);
    }

    return profile_length_after(writer->env, writer->generation.path, err);
}


void
profile_writer_abort(profile_writer_t *writer)
{
    if (writer->view.txn != NULL) {
        mdb_txn_abort(writer->view.txn);
        writer->view.txn = NULL;
    }
}


int
profile_writer_snapshot(profile_writer_t *writer,
    const profile_view_t **view, profile_error_t *err)
{
    int  rc;

    rc = profile_writer_check_open(writer, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = mdb_txn_begin(writer->env, NULL, MDB_RDONLY, &writer->snapshot.txn);
    if (rc != 0) {
        writer->snapshot.txn = NULL;
        return profile_error_lmdb(err, rc, "mdb_txn_begin",
                                  writer->generation.path);
    }

    *view = &writer->snapshot;

    return PROFILE_OK;
}


void
profile_writer_release(profile_writer_t *writer)
{
    if (writer->snapshot.txn != NULL) {
        mdb_txn_abort(writer->snapshot.txn);
        writer->snapshot.txn = NULL;
    }
}


uint64_t
profile_writer_pending(const profile_writer_t *writer)
{
    return writer->pending;
}


uint64_t
profile_writer_written(const profile_writer_t *writer)
{
    return writer->written;
}


static int
profile_writer_open_as(profile_writer_t **writerp, const char *directory,
    const gid_t *group, unsigned source, profile_error_t *err)
{
    int                rc;
    profile_writer_t  *writer;

    writer = calloc(1, sizeof(profile_writer_t));
    if (writer == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot open %s", directory);
    }

    writer->lock = -1;
    writer->source = source;

    rc = profile_publish_directory(directory, group, &writer->owner, err);

    if (rc == PROFILE_OK) {
        (void) snprintf(writer->directory, sizeof(writer->directory), "%s",
                        directory);

        rc = profile_writer_lock(writer, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_find(writer, err);
    }

    if (rc != PROFILE_OK) {
        profile_writer_close(writer);
        return rc;
    }

    *writerp = writer;

    return PROFILE_OK;
}


static void
profile_writer_shut(profile_writer_t *writer)
{
    profile_writer_abort(writer);
    profile_writer_release(writer);

    if (writer->env != NULL) {
        mdb_env_close(writer->env);
        writer->env = NULL;
    }
}


/* The live generation is opened, or a first one made. */

static int
profile_writer_find(profile_writer_t *writer, profile_error_t *err)
{
    int  rc;

    rc = profile_writer_require(writer, writer->directory,
                                PROFILE_CURRENT_FILE, PROFILE_DATA_MODE, err);

    if (rc == PROFILE_OK) {
        rc = profile_dir_current(writer->directory, &writer->generation,
                                 err);
    }

    if (rc == PROFILE_ABSENT && !writer->source) {
        return profile_writer_create(writer, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_publish_finish(writer->directory, &writer->generation,
                                    err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_check(writer, err);
    }

    return (rc == PROFILE_OK) ? profile_writer_start(writer, err) : rc;
}


static int
profile_writer_check_open(profile_writer_t *writer, profile_error_t *err)
{
    if (writer->env == NULL) {
        return profile_error(err, PROFILE_FAILED,
                             "%s is shut, since its map could not grow",
                             writer->generation.path);
    }

    return PROFILE_OK;
}


static int
profile_writer_lock(profile_writer_t *writer, profile_error_t *err)
{
    int   rc;
    char  path[PATH_MAX];

    rc = profile_path(path, sizeof(path), writer->directory,
                      PROFILE_LOADER_LOCK, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    /* whoever may open it could hold the lock: the workers' group may not */

    rc = profile_publish_file(path, PROFILE_LOADER_LOCK_MODE, &writer->owner,
                              err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_modes_access(path, R_OK|W_OK, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    writer->lock = open(path, O_RDWR|O_CLOEXEC);
    if (writer->lock == -1) {
        return profile_error_errno(err, errno, "cannot open %s", path);
    }

    if (profile_writer_try_lock(writer->lock) == -1) {

        if (errno == EWOULDBLOCK) {
            return profile_error(err, PROFILE_BUSY,
                                 "%s: another profile-loader is running; "
                                 "wait for it, or end it (\"fuser %s\" "
                                 "tells its process)", writer->directory,
                                 path);
        }

        return profile_error_errno(err, errno, "cannot lock %s", path);
    }

    return PROFILE_OK;
}


/*
 * A loader that was killed as it started a command leaves a child that shares
 * its lock, for the moment until the child notices.
 */

static int
profile_writer_try_lock(int fd)
{
    int              rc, i;
    struct timespec  pause;

    pause.tv_sec = 0;
    pause.tv_nsec = PROFILE_LOADER_LOCK_WAIT / PROFILE_LOADER_LOCK_TRIES;

    for (i = 0; /* void */ ; i++) {
        rc = flock(fd, LOCK_EX|LOCK_NB);

        if (rc == 0
            || errno != EWOULDBLOCK
            || i == PROFILE_LOADER_LOCK_TRIES)
        {
            return rc;
        }

        (void) nanosleep(&pause, NULL);
    }
}


/* LMDB would make a new and empty database out of a missing or empty file. */

static int
profile_writer_check(profile_writer_t *writer, profile_error_t *err)
{
    int          rc;
    const char  *gen;
    struct stat  st;

    gen = writer->generation.path;

    if (writer->generation.sealed && !writer->source) {
        return profile_error(err, PROFILE_DENIED,
                             "%s is sealed and is never written again; "
                             "\"profile-loader compact\" makes a live "
                             "generation of it", gen);
    }

    rc = PROFILE_OK;

    if (stat(gen, &st) == 0 && S_ISDIR(st.st_mode)) {
        rc = profile_modes_require(gen, PROFILE_DIR_MODE, writer->owner.gid,
                                   err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_check_data(writer, err);
    }

    if (rc == PROFILE_OK && !writer->generation.sealed) {
        rc = profile_writer_check_lock(writer, err);
    }

    return rc;
}


static int
profile_writer_check_data(profile_writer_t *writer, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    const char  *gen;
    struct stat  st;

    gen = writer->generation.path;

    rc = profile_path(path, sizeof(path), gen, PROFILE_DATA_FILE, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (stat(path, &st) == -1) {

        if (errno == ENOENT) {
            return profile_error(err, PROFILE_DAMAGED,
                                 "%s is missing; restore it or, to load "
                                 "everything again, remove %s/"
                                 PROFILE_CURRENT_FILE, path,
                                 writer->directory);
        }

        return profile_error_errno(err, errno, "cannot stat %s", path);
    }

    if (!S_ISREG(st.st_mode) || st.st_size < PROFILE_DATA_MIN) {
        return profile_error(err, PROFILE_DAMAGED,
                             "%s is not a database or was truncated; restore "
                             "it or, to load everything again, remove %s/"
                             PROFILE_CURRENT_FILE, path, writer->directory);
    }

    rc = profile_writer_require(writer, gen, PROFILE_DATA_FILE,
                                PROFILE_DATA_MODE, err);

    return (rc == PROFILE_OK && !writer->generation.sealed)
           ? profile_modes_access(path, R_OK|W_OK, err) : rc;
}


static int
profile_writer_check_lock(profile_writer_t *writer, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    const char  *gen;

    gen = writer->generation.path;

    rc = profile_path(path, sizeof(path), gen, PROFILE_LOCK_FILE, err);

    if (rc == PROFILE_OK) {
        rc = profile_publish_lock(path, &writer->owner, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_require(writer, gen, PROFILE_LOCK_FILE,
                                    PROFILE_LOCK_MODE, err);
    }

    return (rc == PROFILE_OK)
           ? profile_modes_access(path, R_OK|W_OK, err) : rc;
}


/* What is not there is missed, or made, elsewhere. */

static int
profile_writer_require(const profile_writer_t *writer, const char *directory,
    const char *name, mode_t mode, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    struct stat  st;

    rc = profile_path(path, sizeof(path), directory, name, err);

    if (rc != PROFILE_OK || stat(path, &st) == -1) {
        return rc;
    }

    return profile_modes_require(path, mode, writer->owner.gid, err);
}


static int
profile_writer_start(profile_writer_t *writer, profile_error_t *err)
{
    int                    rc;
    unsigned               flags;
    uint32_t               stale;
    const char            *path;
    profile_meta_t         meta;
    const profile_view_t  *view;

    path = writer->generation.path;
    writer->view.path = path;
    writer->snapshot.path = path;

    /* a snapshot and a transaction side by side in one thread */

    flags = MDB_NOTLS;

    if (writer->generation.sealed) {
        flags |= MDB_RDONLY|MDB_NOLOCK;
    }

    stale = 0;

    rc = profile_open(&writer->env, path, flags, PROFILE_DATA_MODE, &stale,
                      err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_length_check(writer->env, path, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_snapshot(writer, &view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (!writer->generation.sealed) {
        rc = profile_pair_check(writer->env, writer->snapshot.txn, path, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    rc = mdb_dbi_open(writer->snapshot.txn, NULL, 0, &writer->snapshot.dbi);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_dbi_open", path);
    }

    writer->view.dbi = writer->snapshot.dbi;

    if (!writer->creating) {
        rc = profile_view_meta(&writer->snapshot, &meta, err);
    }

    profile_writer_release(writer);

    return rc;
}


/*
 * One that fails leaves nothing behind: cron would leave something every
 * minute, until there is room for nothing else.
 */

static int
profile_writer_create(profile_writer_t *writer, profile_error_t *err)
{
    int  rc;

    rc = profile_publish_prepare(writer->directory, &writer->owner,
                                 &writer->generation, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_fill(writer, err);

    if (rc == PROFILE_OK) {
        rc = profile_publish(writer->directory, &writer->owner,
                             &writer->generation, err);
    }

    if (rc != PROFILE_OK) {
        profile_writer_shut(writer);
        profile_generations_discard(writer->directory, &writer->generation);
    }

    return rc;
}


static int
profile_writer_fill(profile_writer_t *writer, profile_error_t *err)
{
    int             rc;
    profile_meta_t  meta;

    writer->creating = 1;

    rc = profile_writer_start(writer, err);

    writer->creating = 0;

    if (rc == PROFILE_OK) {
        rc = profile_writer_begin(writer, NULL, err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    meta.version = PROFILE_FORMAT_VERSION;
    meta.complete = 1;
    meta.created = (uint64_t) time(NULL);
    meta.next_incarnation = 1;

    rc = profile_writer_put_meta(writer, &meta, err);

    return (rc == PROFILE_OK) ? profile_writer_commit(writer, err) : rc;
}
