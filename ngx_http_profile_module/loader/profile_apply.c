
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes the store's workspaces, keys and entities those of the
 * configuration.
 */


#include <string.h>
#include <time.h>

#include "profile_apply.h"
#include "profile_list.h"
#include "profile_signal.h"
#include "profile_text.h"


#define PROFILE_PURGE_RECORDS  20000


static int profile_apply_all(profile_writer_t *writer,
    const profile_view_t *view, const profile_config_t *config,
    profile_error_t *err);
static int profile_apply_old_keys(profile_writer_t *writer,
    const profile_view_t *view, const profile_config_t *config,
    profile_error_t *err);
static int profile_apply_has_key(const profile_config_t *config,
    uint32_t workspace, const u_char *digest);
static int profile_apply_old_workspaces(profile_writer_t *writer,
    const profile_view_t *view, const profile_config_t *config,
    profile_error_t *err);
static int profile_apply_old_entities(profile_writer_t *writer,
    const profile_view_t *view, uint32_t id,
    const profile_config_workspace_t *workspace, profile_error_t *err);
static int profile_apply_workspace(profile_writer_t *writer,
    const profile_view_t *view, const profile_config_workspace_t *workspace,
    uint32_t now, profile_error_t *err);
static int profile_apply_keys(profile_writer_t *writer,
    const profile_config_workspace_t *workspace, profile_error_t *err);
static int profile_apply_entity(profile_writer_t *writer,
    const profile_view_t *view, uint32_t workspace,
    const profile_config_entity_t *wanted, profile_error_t *err);
static const profile_config_workspace_t *profile_apply_find(
    const profile_config_t *config, uint32_t id);
static const profile_config_entity_t *profile_apply_find_entity(
    const profile_config_workspace_t *workspace, uint32_t id);


int
profile_apply(profile_writer_t *writer, const profile_config_t *config,
    profile_error_t *err)
{
    int                    rc;
    const profile_view_t  *view;

    rc = profile_writer_begin(writer, &view, err);

    if (rc == PROFILE_OK) {
        rc = profile_apply_all(writer, view, config, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(writer, err);
    }

    profile_writer_abort(writer);

    return rc;
}


int
profile_purge(profile_writer_t *writer, profile_error_t *err)
{
    int                    rc, done;
    profile_walk_t         walk;
    profile_orphan_t       orphan;
    const profile_view_t  *view;

    while (!profile_interrupted()) {

        rc = profile_writer_begin(writer, &view, err);

        if (rc == PROFILE_OK) {
            profile_walk_orphans(&walk);
            rc = profile_view_next_orphan(view, &walk, &orphan, err);
        }

        if (rc == PROFILE_OK) {
            rc = profile_writer_purge(writer, orphan.incarnation,
                                      PROFILE_PURGE_RECORDS, &done, err);
        }

        if (rc == PROFILE_OK) {
            rc = profile_writer_commit(writer, err);
        }

        profile_writer_abort(writer);

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }
    }

    /* the next run goes on */

    return PROFILE_OK;
}


static int
profile_apply_all(profile_writer_t *writer, const profile_view_t *view,
    const profile_config_t *config, profile_error_t *err)
{
    int                                rc;
    size_t                             i;
    uint32_t                           now;
    const profile_config_workspace_t  *workspace;

    now = (uint32_t) time(NULL);

    rc = profile_apply_old_keys(writer, view, config, err);

    if (rc == PROFILE_OK) {
        rc = profile_apply_old_workspaces(writer, view, config, err);
    }

    for (i = 0; i < config->nworkspaces && rc == PROFILE_OK; i++) {

        workspace = &config->workspaces[i];

        if (workspace->enabled) {
            rc = profile_apply_workspace(writer, view, workspace, now, err);
        }
    }

    return rc;
}


static int
profile_apply_old_keys(profile_writer_t *writer, const profile_view_t *view,
    const profile_config_t *config, profile_error_t *err)
{
    int             rc;
    u_char          digest[PROFILE_DIGEST_SIZE];
    profile_key_t   key;
    profile_walk_t  walk;

    profile_walk_keys(&walk);

    for ( ;; ) {
        rc = profile_view_next_key(view, &walk, digest, &key, err);

        if (rc == PROFILE_NOT_FOUND) {
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        if (profile_apply_has_key(config, key.workspace, digest)) {
            continue;
        }

        rc = profile_writer_delete_key(writer, digest, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


static int
profile_apply_has_key(const profile_config_t *config, uint32_t workspace,
    const u_char *digest)
{
    size_t                             i;
    const profile_config_workspace_t  *wanted;

    wanted = profile_apply_find(config, workspace);

    if (wanted == NULL) {
        return 0;
    }

    for (i = 0; i < wanted->nkeys; i++) {
        if (memcmp(wanted->keys[i].digest, digest, PROFILE_DIGEST_SIZE) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
profile_apply_old_workspaces(profile_writer_t *writer,
    const profile_view_t *view, const profile_config_t *config,
    profile_error_t *err)
{
    int                                rc;
    uint32_t                           id;
    profile_walk_t                     walk;
    profile_workspace_t                old;
    const profile_config_workspace_t  *wanted;

    profile_walk_workspaces(&walk);

    for ( ;; ) {
        rc = profile_view_next_workspace(view, &walk, &old, err);

        if (rc == PROFILE_NOT_FOUND) {
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        id = old.id;
        wanted = profile_apply_find(config, id);

        rc = profile_apply_old_entities(writer, view, id, wanted, err);

        if (rc == PROFILE_OK && wanted == NULL) {
            rc = profile_writer_delete_list(writer, id, err);

            if (rc == PROFILE_OK) {
                rc = profile_writer_delete_workspace(writer, id, err);
            }
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


/* All of them where workspace is NULL. */

static int
profile_apply_old_entities(profile_writer_t *writer,
    const profile_view_t *view, uint32_t id,
    const profile_config_workspace_t *workspace, profile_error_t *err)
{
    int               rc;
    uint32_t          entity;
    profile_walk_t    walk;
    profile_orphan_t  orphan;
    profile_entity_t  old;

    profile_walk_entities(&walk, id);

    for ( ;; ) {
        rc = profile_view_next_entity(view, &walk, &old, err);

        if (rc == PROFILE_NOT_FOUND) {
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        if (workspace != NULL
            && profile_apply_find_entity(workspace, old.id) != NULL)
        {
            continue;
        }

        entity = old.id;

        if (old.incarnation != 0) {
            orphan.incarnation = old.incarnation;
            orphan.workspace = id;
            orphan.entity = entity;

            rc = profile_writer_orphan(writer, &orphan, err);
        }

        if (rc == PROFILE_OK) {
            rc = profile_writer_delete_entity(writer, id, entity, err);
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


static int
profile_apply_workspace(profile_writer_t *writer, const profile_view_t *view,
    const profile_config_workspace_t *workspace, uint32_t now,
    profile_error_t *err)
{
    int                  rc;
    size_t               i;
    profile_workspace_t  new;

    new.id = workspace->id;
    new.name = profile_text_bytes(workspace->name);

    rc = profile_writer_put_workspace(writer, &new, err);

    if (rc == PROFILE_OK) {
        rc = profile_apply_keys(writer, workspace, err);
    }

    for (i = 0; i < workspace->nentities && rc == PROFILE_OK; i++) {
        rc = profile_apply_entity(writer, view, workspace->id,
                                  &workspace->entities[i], err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_list_put(writer, view, workspace->id, now, err);
    }

    return rc;
}


static int
profile_apply_keys(profile_writer_t *writer,
    const profile_config_workspace_t *workspace, profile_error_t *err)
{
    int                          rc;
    size_t                       i;
    profile_key_t                key;
    const profile_config_key_t  *wanted;

    for (i = 0; i < workspace->nkeys; i++) {

        wanted = &workspace->keys[i];

        key.workspace = workspace->id;
        key.expires = wanted->expires;
        key.name = profile_text_bytes(wanted->name);

        rc = profile_writer_put_key(writer, wanted->digest, &key, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    return PROFILE_OK;
}


/*
 * The primary key of an entity is that of its records: a new one counts
 * when the entity is next loaded.
 */

static int
profile_apply_entity(profile_writer_t *writer, const profile_view_t *view,
    uint32_t workspace, const profile_config_entity_t *wanted,
    profile_error_t *err)
{
    int               rc;
    profile_entity_t  entity;

    rc = profile_view_entity(view, workspace, wanted->id, &entity, err);

    if (rc == PROFILE_NOT_FOUND) {
        memset(&entity, 0, sizeof(profile_entity_t));

        entity.workspace = workspace;
        entity.id = wanted->id;
        entity.primary_key = profile_text_bytes(wanted->primary_key);

    } else if (rc != PROFILE_OK) {
        return rc;
    }

    entity.library = wanted->library;
    entity.name = profile_text_bytes(wanted->name);

    return profile_writer_put_entity(writer, &entity, err);
}


/* A workspace that is disabled is as good as none. */

static const profile_config_workspace_t *
profile_apply_find(const profile_config_t *config, uint32_t id)
{
    size_t  i;

    for (i = 0; i < config->nworkspaces; i++) {
        if (config->workspaces[i].id == id) {
            return config->workspaces[i].enabled ? &config->workspaces[i]
                                                 : NULL;
        }
    }

    return NULL;
}


static const profile_config_entity_t *
profile_apply_find_entity(const profile_config_workspace_t *workspace,
    uint32_t id)
{
    size_t  i;

    for (i = 0; i < workspace->nentities; i++) {
        if (workspace->entities[i].id == id) {
            return &workspace->entities[i];
        }
    }

    return NULL;
}
