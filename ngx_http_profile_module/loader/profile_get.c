
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The command get: one record, as the API would serve it.
 */


#include <stdio.h>
#include <string.h>

#include "profile_commands.h"
#include "profile_reader.h"
#include "profile_user.h"


static int profile_get_read(const profile_config_t *config,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity, const char *record_id);
static int profile_get_record(const profile_view_t *view,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity, const char *record_id,
    profile_error_t *err);


int
profile_command_get(const profile_options_t *options)
{
    int                          rc;
    profile_config_t            *config;
    profile_config_entity_t     *entity;
    profile_config_workspace_t  *workspace;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    rc = PROFILE_EXIT_CONFIGURATION;

    workspace = profile_config_workspace(config, options->arguments[0]);

    entity = (workspace == NULL)
             ? NULL : profile_config_entity(workspace, options->arguments[1]);

    if (entity == NULL) {
        profile_say("there is no %s \"%s\" in %s",
                    (workspace == NULL) ? "workspace" : "entity",
                    options->arguments[(workspace == NULL) ? 0 : 1],
                    options->config);

    } else if (!workspace->enabled) {
        profile_say("workspace \"%s\" is disabled in %s", workspace->name,
                    options->config);

    } else {
        rc = profile_get_read(config, workspace, entity,
                              options->arguments[2]);
    }

    profile_config_free(config);

    return rc;
}


/* The exit status. */

static int
profile_get_read(const profile_config_t *config,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity, const char *record_id)
{
    int                    rc;
    char                  *directory;
    profile_error_t        err;
    profile_reader_t      *reader;
    const profile_view_t  *view;

    directory = profile_config_path(config, config->store);
    reader = NULL;

    rc = profile_user_become(directory, &err);

    if (rc == PROFILE_OK) {
        rc = profile_reader_open(&reader, directory,
                                 PROFILE_READAHEAD_AUTO, &err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_reader_begin(reader, &view, &err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_get_record(view, workspace, entity, record_id, &err);
        profile_reader_end(reader);
    }

    if (rc == PROFILE_OK) {
        rc = PROFILE_EXIT_DONE;

    } else if (rc == PROFILE_NOT_FOUND) {
        rc = PROFILE_EXIT_ENTITY;

    } else {
        rc = profile_say_store(&err);
    }

    profile_reader_close(reader);
    free(directory);

    return rc;
}


/* Prints the record, or says why there is none. */

static int
profile_get_record(const profile_view_t *view,
    const profile_config_workspace_t *workspace,
    const profile_config_entity_t *entity, const char *record_id,
    profile_error_t *err)
{
    int                 rc;
    profile_entity_t    stored;
    profile_document_t  record;

    rc = profile_view_entity(view, workspace->id, entity->id, &stored, err);

    if (rc == PROFILE_NOT_FOUND
        || (rc == PROFILE_OK && stored.incarnation == 0))
    {
        profile_say("%s/%s has not been loaded yet; run profile-loader sync",
                    workspace->name, entity->name);
        return PROFILE_NOT_FOUND;
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_record(view, &stored, (const u_char *) record_id,
                                 strlen(record_id), &record, err);
    }

    if (rc == PROFILE_NOT_FOUND) {
        profile_say("%s/%s has no such record", workspace->name,
                    entity->name);
    }

    if (rc == PROFILE_OK) {
        (void) fwrite(record.body.data, 1, record.body.len, stdout);
        (void) putchar('\n');
    }

    return rc;
}
