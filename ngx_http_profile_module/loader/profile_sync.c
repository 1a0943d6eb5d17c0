
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The commands that write: sync and apply.
 */


#include <stdlib.h>

#include "profile_apply.h"
#include "profile_commands.h"
#include "profile_generations.h"
#include "profile_refresh.h"
#include "profile_signal.h"
#include "profile_user.h"


static int profile_sync_find(const profile_options_t *options,
    const profile_config_t *config, profile_config_workspace_t **workspace,
    profile_config_entity_t **entity);
static int profile_sync_open(const profile_config_t *config,
    profile_writer_t **writer);
static int profile_sync_apply(const profile_config_t *config,
    profile_writer_t *writer);
static int profile_sync_entities(const profile_options_t *options,
    const profile_config_t *config, profile_writer_t *writer,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity);
static int profile_sync_purge(profile_writer_t *writer);


int
profile_command_sync(const profile_options_t *options)
{
    int                          rc, status;
    profile_writer_t            *writer;
    profile_config_t            *config;
    profile_generations_t        generations;
    profile_config_entity_t     *entity;
    profile_config_workspace_t  *workspace;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    writer = NULL;

    status = profile_sync_find(options, config, &workspace, &entity);

    if (status == PROFILE_EXIT_DONE) {
        status = profile_sync_open(config, &writer);
    }

    if (status == PROFILE_EXIT_DONE) {
        status = profile_sync_apply(config, writer);
    }

    if (status == PROFILE_EXIT_DONE) {
        status = profile_sync_entities(options, config, writer, workspace,
                                       entity);

        if (status != PROFILE_EXIT_STORE) {
            rc = profile_sync_purge(writer);

            if (rc != PROFILE_EXIT_DONE) {
                status = rc;
            }
        }
    }

    if (status == PROFILE_EXIT_DONE) {
        profile_generations_clean(writer, &generations);
    }

    profile_writer_close(writer);
    profile_config_free(config);

    return status;
}


int
profile_command_apply(const profile_options_t *options)
{
    int                status;
    profile_writer_t  *writer;
    profile_config_t  *config;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    writer = NULL;

    status = profile_sync_open(config, &writer);

    if (status == PROFILE_EXIT_DONE) {
        status = profile_sync_apply(config, writer);
    }

    profile_writer_close(writer);
    profile_config_free(config);

    return status;
}


/* Both are NULL where the command line names none. */

static int
profile_sync_find(const profile_options_t *options,
    const profile_config_t *config, profile_config_workspace_t **workspace,
    profile_config_entity_t **entity)
{
    *workspace = NULL;
    *entity = NULL;

    if (options->workspace != NULL) {

        *workspace = profile_config_workspace(config, options->workspace);

        if (*workspace == NULL) {
            profile_say("there is no workspace \"%s\" in %s",
                        options->workspace, options->config);
            return PROFILE_EXIT_CONFIGURATION;
        }

    } else if (options->entity != NULL) {

        if (config->nworkspaces != 1) {
            profile_say("--entity needs --workspace where there are several");
            return PROFILE_EXIT_CONFIGURATION;
        }

        *workspace = &config->workspaces[0];

    } else {
        return PROFILE_EXIT_DONE;
    }

    if (!(*workspace)->enabled) {
        profile_say("workspace \"%s\" is disabled in %s",
                    (*workspace)->name, options->config);
        return PROFILE_EXIT_CONFIGURATION;
    }

    if (options->entity == NULL) {
        return PROFILE_EXIT_DONE;
    }

    *entity = profile_config_entity(*workspace, options->entity);

    if (*entity == NULL) {
        profile_say("there is no entity \"%s\" in workspace \"%s\" of %s",
                    options->entity, (*workspace)->name, options->config);
        return PROFILE_EXIT_CONFIGURATION;
    }

    return PROFILE_EXIT_DONE;
}


static int
profile_sync_open(const profile_config_t *config, profile_writer_t **writer)
{
    int               rc;
    char             *directory;
    const char       *network;
    profile_error_t   err;

    directory = profile_config_path(config, config->store);

    rc = profile_user_become(directory, &err);

    if (rc == PROFILE_OK) {
        rc = profile_writer_open(writer, directory, config->group, &err);
    }

    if (rc != PROFILE_OK) {
        *writer = NULL;
        rc = profile_say_store(&err);

    } else {
        network = profile_dir_network(directory);

        if (network != NULL) {
            profile_say("%s is on %s, where locks and maps are not safe to "
                        "share: keep it on a local disk, and copy sealed "
                        "generations elsewhere", directory, network);
        }
    }

    free(directory);

    return rc;
}


static int
profile_sync_apply(const profile_config_t *config, profile_writer_t *writer)
{
    profile_error_t  err;

    if (profile_apply(writer, config, &err) != PROFILE_OK) {
        return profile_say_store(&err);
    }

    return profile_sync_purge(writer);
}


static int
profile_sync_entities(const profile_options_t *options,
    const profile_config_t *config, profile_writer_t *writer,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity)
{
    int                rc, status;
    size_t             i, j;
    profile_refresh_t  refresh;

    status = PROFILE_EXIT_DONE;

    refresh.config = config;
    refresh.writer = writer;
    refresh.full = options->full;
    refresh.allow_shrink = options->allow_shrink;
    refresh.json = options->json;

    for (i = 0; i < config->nworkspaces; i++) {

        refresh.workspace = &config->workspaces[i];

        if (!refresh.workspace->enabled
            || (workspace != NULL && workspace != refresh.workspace))
        {
            continue;
        }

        for (j = 0; j < refresh.workspace->nentities; j++) {

            refresh.entity = &refresh.workspace->entities[j];

            if (entity != NULL && entity != refresh.entity) {
                continue;
            }

            rc = profile_refresh(&refresh);

            if (rc == PROFILE_EXIT_STORE || profile_interrupted()) {
                return rc;
            }

            if (rc != PROFILE_EXIT_DONE) {
                status = rc;
            }
        }
    }

    return status;
}


static int
profile_sync_purge(profile_writer_t *writer)
{
    profile_error_t  err;

    if (profile_purge(writer, &err) != PROFILE_OK) {
        return profile_say_store(&err);
    }

    return PROFILE_EXIT_DONE;
}
