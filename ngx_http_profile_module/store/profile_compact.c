
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Rewrites the live generation into the next one.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile_compact.h"
#include "profile_generations.h"
#include "profile_writing.h"


/* What a transaction may hold, in memory and in new pages. */

#define PROFILE_COMPACT_BATCH    (UINT64_C(32) * 1024 * 1024)

/*
 * The copy has no more pages than the original has in use, but for the few
 * that each transaction writes anew.
 */

#define PROFILE_COMPACT_SPARE    (UINT64_C(1024) * 1024)
#define PROFILE_COMPACT_RESERVE  (UINT64_C(512) * 1024 * 1024)


typedef struct {
    profile_writer_t         *writer;
    const profile_compact_t  *compact;
    const profile_view_t     *view;        /* of the original */
    MDB_env                  *env;         /* of the copy */
    MDB_txn                  *txn;
    MDB_dbi                   dbi;
    uint64_t                  pending;
    uint64_t                  used;        /* bytes of the original */
    profile_generation_t      generation;  /* the copy */
    profile_meta_t            meta;
} profile_compact_run_t;


static int profile_compact_make(profile_compact_run_t *run,
    profile_compacted_t *result, profile_error_t *err);
static int profile_compact_space(profile_compact_run_t *run,
    profile_error_t *err);
static int profile_compact_open(profile_compact_run_t *run,
    profile_error_t *err);
static int profile_compact_copy(profile_compact_run_t *run,
    profile_compacted_t *result, profile_error_t *err);
static int profile_compact_entries(profile_compact_run_t *run,
    profile_audit_t *audit, profile_error_t *err);
static int profile_compact_check(profile_compact_run_t *run,
    const profile_audit_entry_t *entry, profile_error_t *err);
static int profile_compact_entry(profile_compact_run_t *run,
    const profile_audit_entry_t *entry, profile_error_t *err);
static int profile_compact_put(profile_compact_run_t *run,
    const profile_bytes_t *key, const profile_bytes_t *value, unsigned flags,
    profile_error_t *err);
static int profile_compact_meta(profile_compact_run_t *run,
    uint32_t complete, profile_error_t *err);
static int profile_compact_begin(profile_compact_run_t *run,
    profile_error_t *err);
static int profile_compact_commit(profile_compact_run_t *run,
    profile_error_t *err);
static int profile_compact_finish(profile_compact_run_t *run,
    profile_compacted_t *result, profile_error_t *err);
static int profile_compact_seal(profile_compact_run_t *run,
    profile_error_t *err);
static void profile_compact_close(profile_compact_run_t *run);


int
profile_compact(profile_writer_t *writer, const profile_compact_t *compact,
    profile_compacted_t *result, profile_error_t *err)
{
    int                    rc;
    profile_compact_run_t  run;

    memset(&run, 0, sizeof(profile_compact_run_t));
    memset(result, 0, sizeof(profile_compacted_t));

    run.writer = writer;
    run.compact = compact;

    rc = profile_writer_snapshot(writer, &run.view, err);

    if (rc == PROFILE_OK) {
        rc = profile_compact_make(&run, result, err);
    }

    profile_writer_release(writer);

    if (rc != PROFILE_OK) {
        return rc;
    }

    result->generation = run.generation.number;

    /* nobody may look into a lock file that this process has open */

    mdb_env_close(writer->env);
    writer->env = NULL;

    return PROFILE_OK;
}


static int
profile_compact_make(profile_compact_run_t *run, profile_compacted_t *result,
    profile_error_t *err)
{
    int  rc;

    rc = profile_view_meta(run->view, &run->meta, err);

    if (rc == PROFILE_OK) {
        rc = profile_compact_space(run, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_publish_prepare(run->writer->directory,
                                     &run->writer->owner, &run->generation,
                                     err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_compact_open(run, err);

    if (rc == PROFILE_OK) {
        rc = profile_compact_copy(run, result, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_compact_finish(run, result, err);
    }

    profile_compact_close(run);

    if (rc == PROFILE_OK && run->compact->seal) {
        rc = profile_compact_seal(run, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_publish(run->writer->directory, &run->writer->owner,
                             &run->generation, err);
    }

    if (rc != PROFILE_OK) {
        profile_generations_discard(run->writer->directory,
                                    &run->generation);
    }

    return rc;
}


static int
profile_compact_space(profile_compact_run_t *run, profile_error_t *err)
{
    int       rc;
    uint64_t  need, have, free;

    run->used = profile_length_used(run->writer->env);

    rc = profile_usage_free(run->view->txn, run->view->path, &free, err);

    if (rc != PROFILE_OK
        || profile_writer_space(run->writer, &have) != PROFILE_OK)
    {
        return rc;
    }

    need = run->used + PROFILE_COMPACT_SPARE;
    need -= (free < run->used) ? free : run->used;

    if (have >= need) {
        return PROFILE_OK;
    }

    return profile_error(err, PROFILE_NO_SPACE,
                         "a new generation needs up to %llu bytes, %s has "
                         "%llu; make room and run again",
                         (unsigned long long) need, run->writer->directory,
                         (unsigned long long) have);
}


/* Nobody reads it before it is published, so it is synced once, then. */

static int
profile_compact_open(profile_compact_run_t *run, profile_error_t *err)
{
    int          rc;
    uint64_t     size;
    const char  *call, *path;

    path = run->generation.path;
    size = 2 * run->used + PROFILE_COMPACT_RESERVE;

    if (size > SIZE_MAX) {
        return profile_error_errno(err, ENOMEM, "%s: the map cannot grow",
                                   path);
    }

    call = "mdb_env_create";
    rc = mdb_env_create(&run->env);

    if (rc != 0) {
        run->env = NULL;
    }

    if (rc == 0) {
        call = "mdb_env_set_maxreaders";
        rc = mdb_env_set_maxreaders(run->env, PROFILE_MAX_READERS);
    }

    if (rc == 0) {
        call = "mdb_env_set_mapsize";
        rc = mdb_env_set_mapsize(run->env, (size_t) size);
    }

    if (rc == 0) {
        call = "mdb_env_open";
        rc = mdb_env_open(run->env, path, MDB_NOTLS|MDB_NOSYNC,
                          PROFILE_DATA_MODE);
    }

    return (rc == 0) ? PROFILE_OK
                     : profile_error_lmdb(err, rc, call, path);
}


static int
profile_compact_copy(profile_compact_run_t *run, profile_compacted_t *result,
    profile_error_t *err)
{
    int               rc;
    profile_audit_t  *audit;

    rc = profile_audit_open(&audit, run->view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_compact_begin(run, err);

    if (rc == PROFILE_OK) {
        rc = profile_compact_entries(run, audit, err);
    }

    /* complete with the last commit, not before */

    if (rc == PROFILE_OK) {
        rc = profile_compact_meta(run, 1, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_compact_commit(run, err);
    }

    result->records = profile_audit_counts(audit)->records;

    profile_audit_close(audit);

    return rc;
}


static int
profile_compact_entries(profile_compact_run_t *run, profile_audit_t *audit,
    profile_error_t *err)
{
    int                    rc;
    profile_audit_entry_t  entry;

    for ( ;; ) {
        rc = profile_audit_next(audit, &entry, err);

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        rc = profile_compact_check(run, &entry, err);

        if (rc == PROFILE_OK) {
            rc = profile_compact_entry(run, &entry, err);
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


static int
profile_compact_check(profile_compact_run_t *run,
    const profile_audit_entry_t *entry, profile_error_t *err)
{
    int          rc;
    char         name[PROFILE_AUDIT_TEXT];
    const char  *damage;

    damage = entry->damage;

    if (damage == NULL) {
        rc = run->compact->check(run->compact->data, entry, err);

        if (rc != PROFILE_DAMAGED) {
            return rc;
        }

        damage = "does not have the hash that is stored with it";
    }

    return profile_error(err, PROFILE_DAMAGED,
                         "%s is damaged: %s %s; it stays the live one; "
                         "restore it or load it again", run->view->path,
                         profile_audit_name(entry, name), damage);
}


static int
profile_compact_entry(profile_compact_run_t *run,
    const profile_audit_entry_t *entry, profile_error_t *err)
{
    int  rc;

    switch (entry->tag) {

    case PROFILE_TAG_META:
        return profile_compact_meta(run, 0, err);

    case PROFILE_TAG_ORPHAN:
        return PROFILE_OK;

    case PROFILE_TAG_RECORD:

        if (entry->orphan) {
            return PROFILE_OK;
        }

        break;

    case PROFILE_TAG_ENTITY:

        rc = profile_notes_copy(&run->writer->generation, &run->generation,
                                &run->writer->owner, entry->workspace,
                                entry->entity, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        break;
    }

    rc = profile_compact_put(run, &entry->key, &entry->value, MDB_APPEND,
                             err);

    if (rc != PROFILE_OK || run->pending < PROFILE_COMPACT_BATCH) {
        return rc;
    }

    rc = profile_compact_commit(run, err);

    return (rc == PROFILE_OK) ? profile_compact_begin(run, err) : rc;
}


static int
profile_compact_put(profile_compact_run_t *run, const profile_bytes_t *key,
    const profile_bytes_t *value, unsigned flags, profile_error_t *err)
{
    int      rc;
    MDB_val  k, v;

    k.mv_data = (void *) key->data;
    k.mv_size = key->len;
    v.mv_data = (void *) value->data;
    v.mv_size = value->len;

    rc = mdb_put(run->txn, run->dbi, &k, &v, flags);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_put", run->generation.path);
    }

    run->pending += key->len + value->len;

    return PROFILE_OK;
}


static int
profile_compact_meta(profile_compact_run_t *run, uint32_t complete,
    profile_error_t *err)
{
    u_char           buf[PROFILE_KEY_MAX], meta[PROFILE_META_SIZE];
    profile_bytes_t  key, value;

    run->meta.complete = complete;
    run->meta.created = (uint64_t) time(NULL);

    profile_encode_meta(meta, &run->meta);

    key.data = buf;
    key.len = profile_encode_meta_key(buf);
    value.data = meta;
    value.len = PROFILE_META_SIZE;

    return profile_compact_put(run, &key, &value, 0, err);
}


static int
profile_compact_begin(profile_compact_run_t *run, profile_error_t *err)
{
    int  rc;

    rc = mdb_txn_begin(run->env, NULL, 0, &run->txn);
    if (rc != 0) {
        run->txn = NULL;
        return profile_error_lmdb(err, rc, "mdb_txn_begin",
                                  run->generation.path);
    }

    rc = mdb_dbi_open(run->txn, NULL, 0, &run->dbi);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_dbi_open",
                                  run->generation.path);
    }

    run->pending = 0;

    return PROFILE_OK;
}


static int
profile_compact_commit(profile_compact_run_t *run, profile_error_t *err)
{
    int  rc;

    rc = mdb_txn_commit(run->txn);
    run->txn = NULL;

    return (rc == 0) ? PROFILE_OK
                     : profile_error_lmdb(err, rc, "mdb_txn_commit",
                                          run->generation.path);
}


static int
profile_compact_finish(profile_compact_run_t *run,
    profile_compacted_t *result, profile_error_t *err)
{
    int  rc;

    rc = profile_length_after(run->env, run->generation.path, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = mdb_env_sync(run->env, 1);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_env_sync",
                                  run->generation.path);
    }

    result->before = run->used;
    result->after = profile_length_used(run->env);

    return PROFILE_OK;
}


/* A sealed generation is read without locks, so it has no file for them. */

static int
profile_compact_seal(profile_compact_run_t *run, profile_error_t *err)
{
    int               rc;
    char              path[PATH_MAX];
    profile_error_t   ignored;

    rc = profile_path(path, sizeof(path), run->generation.path,
                      PROFILE_SEALED_FILE, err);

    if (rc == PROFILE_OK) {
        rc = profile_publish_file(path, PROFILE_DATA_MODE,
                                  &run->writer->owner, err);
    }

    if (rc == PROFILE_OK
        && profile_path(path, sizeof(path), run->generation.path,
                        PROFILE_LOCK_FILE, &ignored)
           == PROFILE_OK)
    {
        (void) unlink(path);
    }

    return rc;
}


static void
profile_compact_close(profile_compact_run_t *run)
{
    if (run->txn != NULL) {
        mdb_txn_abort(run->txn);
        run->txn = NULL;
    }

    if (run->env != NULL) {
        mdb_env_close(run->env);
        run->env = NULL;
    }
}
