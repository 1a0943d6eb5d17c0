
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Keeps a store's live generation open and lends views of it.
 */


#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile_lmdb.h"
#include "profile_reader.h"


struct profile_reader_s {
    profile_env_t        *env;
    profile_readahead_e   readahead;
    profile_identity_t    current;      /* of CURRENT at the last look */
    char                  directory[PATH_MAX];
};


#define PROFILE_READER_TRIES  3
#define PROFILE_READER_PRIME  1000000007    /* keeps numbers apart */


static int profile_reader_follow(const char *directory,
    profile_readahead_e readahead, profile_env_t **env,
    profile_generation_t *gen, profile_error_t *err);
static const char *profile_reader_path(const profile_reader_t *reader);


int
profile_reader_open(profile_reader_t **readerp, const char *directory,
    profile_readahead_e readahead, profile_error_t *err)
{
    int                    rc;
    size_t                 len;
    profile_reader_t      *reader;
    profile_generation_t   gen;

    len = strlen(directory);

    if (len >= PATH_MAX) {
        return profile_error(err, PROFILE_FAILED,
                             "the path of the store is too long");
    }

    reader = malloc(sizeof(profile_reader_t));
    if (reader == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot open %s", directory);
    }

    rc = profile_reader_follow(directory, readahead, &reader->env, &gen, err);
    if (rc != PROFILE_OK) {
        free(reader);
        return rc;
    }

    reader->readahead = readahead;
    reader->current = gen.current;
    memcpy(reader->directory, directory, len + 1);
    *readerp = reader;

    return PROFILE_OK;
}


void
profile_reader_close(profile_reader_t *reader)
{
    if (reader != NULL) {
        profile_env_close(reader->env);
        free(reader);
    }
}


int
profile_reader_refresh(profile_reader_t *reader, profile_error_t *err)
{
    int                    rc;
    profile_env_t         *env;
    profile_generation_t   gen;

    gen.current = reader->current;

    if (!profile_dir_changed(reader->directory, &gen)) {

        rc = profile_env_verify(reader->env, err);

        return (rc == PROFILE_OK) ? profile_env_reopen(reader->env, err) : rc;
    }

    /* where CURRENT names the same generation, this adds a reference */

    rc = profile_reader_follow(reader->directory, reader->readahead, &env,
                               &gen, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_env_close(reader->env);

    reader->env = env;
    reader->current = gen.current;

    return PROFILE_OK;
}


int
profile_reader_pending(const profile_reader_t *reader)
{
    profile_generation_t  gen;

    gen.current = reader->current;

    return reader->env->env == NULL
           || profile_dir_changed(reader->directory, &gen);
}


int
profile_reader_fingerprint(const char *directory, uint64_t *fingerprint,
    profile_error_t *err)
{
    int                    rc;
    char                   path[PATH_MAX];
    struct stat            st;
    profile_generation_t   gen;

    rc = profile_dir_current(directory, &gen, err);

    if (rc == PROFILE_OK) {
        rc = profile_path(path, sizeof(path), gen.path, PROFILE_DATA_FILE,
                          err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (stat(path, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s", path);
    }

    *fingerprint = (uint64_t) st.st_dev;
    *fingerprint = *fingerprint * PROFILE_READER_PRIME + (uint64_t) st.st_ino;
    *fingerprint = *fingerprint * PROFILE_READER_PRIME
                   + (uint64_t) st.st_size;
    *fingerprint = *fingerprint * PROFILE_READER_PRIME
                   + (uint64_t) st.st_mtim.tv_sec;
    *fingerprint = *fingerprint * PROFILE_READER_PRIME
                   + (uint64_t) st.st_mtim.tv_nsec;

    return PROFILE_OK;
}


uint32_t
profile_reader_generation(const profile_reader_t *reader)
{
    return reader->env->generation.number;
}


int
profile_reader_sealed(const profile_reader_t *reader)
{
    return reader->env->generation.sealed;
}


void
profile_reader_snapshot(const profile_reader_t *reader,
    profile_snapshot_t *snapshot)
{
    snapshot->opening = reader->env->opening;
    snapshot->transaction = mdb_txn_id(reader->env->view.txn);
}


profile_env_t *
profile_reader_env(const profile_reader_t *reader)
{
    return reader->env;
}


int
profile_reader_info(profile_reader_t *reader, profile_reader_info_t *info,
    profile_error_t *err)
{
    int          fd, rc;
    MDB_envinfo  env;
    struct stat  st;

    rc = profile_env_reopen(reader->env, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = mdb_env_info(reader->env->env, &env);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_env_info",
                                  profile_reader_path(reader));
    }

    rc = mdb_env_get_fd(reader->env->env, &fd);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_env_get_fd",
                                  profile_reader_path(reader));
    }

    if (fstat(fd, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s/"
                                   PROFILE_DATA_FILE,
                                   profile_reader_path(reader));
    }

    info->generation = reader->env->generation.number;
    info->sealed = reader->env->generation.sealed;
    info->transaction = env.me_last_txnid;
    info->size = (uint64_t) st.st_size;
    info->used = profile_length_used(reader->env->env);
    info->max_readers = env.me_maxreaders;

    return profile_slots_used(reader->env->env, profile_reader_path(reader),
                              0, &info->readers, err);
}


uint64_t
profile_reader_refreshed(const profile_reader_t *reader,
    const profile_entity_t *entity)
{
    uint64_t  seconds;

    seconds = profile_dir_refreshed(&reader->env->generation,
                                    entity->workspace, entity->id);

    return (seconds > entity->refreshed) ? seconds : entity->refreshed;
}


int
profile_reader_failed(const profile_reader_t *reader,
    const profile_entity_t *entity, profile_failure_t *failure)
{
    return profile_dir_failed(&reader->env->generation, entity->workspace,
                              entity->id, failure);
}


int
profile_reader_begin(profile_reader_t *reader, const profile_view_t **view,
    profile_error_t *err)
{
    *view = &reader->env->view;

    return profile_env_begin(reader->env, err);
}


void
profile_reader_end(profile_reader_t *reader)
{
    profile_env_end(reader->env);
}


/*
 * Opens what CURRENT names.  The loader removes a generation that nobody
 * has open: where that came between the look and the opening, CURRENT names
 * another one by now.
 */

static int
profile_reader_follow(const char *directory, profile_readahead_e readahead,
    profile_env_t **env, profile_generation_t *gen, profile_error_t *err)
{
    int  i, rc;

    i = 0;

    do {
        memset(gen, 0, sizeof(profile_generation_t));

        rc = profile_dir_current(directory, gen, err);

        if (rc == PROFILE_OK) {
            rc = profile_env_open(env, gen, readahead, err);
        }

    } while (rc != PROFILE_OK
             && ++i < PROFILE_READER_TRIES
             && profile_dir_changed(directory, gen));

    return rc;
}


static const char *
profile_reader_path(const profile_reader_t *reader)
{
    return reader->env->generation.path;
}
