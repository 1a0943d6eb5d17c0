
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads the configuration file, and finds things in it.
 */


#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profile_config_table.h"


static json_t *profile_config_parse(const char *file);
static char *profile_config_load(const char *file, size_t *len);
static char *profile_config_directory(const char *file);
static int profile_config_number(const char *text, uint32_t *id);


profile_config_t *
profile_config_read(const char *file)
{
    profile_place_t    root;
    profile_config_t  *config;

    config = profile_alloc(sizeof(profile_config_t));
    memset(config, 0, sizeof(profile_config_t));

    config->tree = profile_config_parse(file);
    config->directory = profile_config_directory(file);

    memset(&root, 0, sizeof(profile_place_t));
    root.file = file;

    if (config->tree == NULL
        || profile_object_read(&root, config->tree, profile_config_members,
                               config)
           != 0
        || profile_config_check(config, &root) != 0)
    {
        profile_config_free(config);
        return NULL;
    }

    return config;
}


void
profile_config_free(profile_config_t *config)
{
    size_t                       i, j;
    profile_config_workspace_t  *workspace;

    if (config == NULL) {
        return;
    }

    for (i = 0; i < config->nworkspaces; i++) {

        workspace = &config->workspaces[i];

        for (j = 0; j < workspace->nentities; j++) {
            free(workspace->entities[j].source.command);
        }

        free(workspace->keys);
        free(workspace->entities);
    }

    free(config->workspaces);
    free(config->group);
    free((char *) config->directory);
    json_decref(config->tree);
    free(config);
}


char *
profile_config_path(const profile_config_t *config, const char *path)
{
    char    *full;
    size_t   size;

    if (path[0] == '/') {
        full = profile_alloc(strlen(path) + 1);
        return strcpy(full, path);
    }

    size = strlen(config->directory) + 1 + strlen(path) + 1;
    full = profile_alloc(size);

    (void) snprintf(full, size, "%s/%s", config->directory, path);

    return full;
}


profile_config_workspace_t *
profile_config_workspace(const profile_config_t *config, const char *text)
{
    size_t    i;
    uint32_t  id;

    profile_config_workspace_t  *workspace;

    if (profile_config_number(text, &id) != 0) {
        id = 0;
    }

    for (i = 0; i < config->nworkspaces; i++) {

        workspace = &config->workspaces[i];

        if ((id != 0) ? workspace->id == id
                      : strcmp(workspace->name, text) == 0)
        {
            return workspace;
        }
    }

    return NULL;
}


profile_config_entity_t *
profile_config_entity(const profile_config_workspace_t *workspace,
    const char *text)
{
    size_t    i;
    uint32_t  id;

    profile_config_entity_t  *entity;

    if (profile_config_number(text, &id) != 0) {
        id = 0;
    }

    for (i = 0; i < workspace->nentities; i++) {

        entity = &workspace->entities[i];

        if ((id != 0) ? entity->id == id : strcmp(entity->name, text) == 0) {
            return entity;
        }
    }

    return NULL;
}


static json_t *
profile_config_parse(const char *file)
{
    char          *text;
    size_t         len;
    json_t        *tree;
    json_error_t   error;

    text = profile_config_load(file, &len);

    if (text == NULL) {
        return NULL;
    }

    /* jansson 2.14 overlooks a zero byte that follows a number or a word */

    if (memchr(text, '\0', len) != NULL) {
        profile_say("%s: holds a zero byte", file);
        free(text);
        return NULL;
    }

    tree = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (tree == NULL) {
        profile_say("%s:%d:%d: %s", file, error.line, error.column,
                    error.text);
    }

    free(text);

    return tree;
}


/* The whole file; the caller frees it. */

static char *
profile_config_load(const char *file, size_t *len)
{
    FILE    *f;
    char    *text;
    size_t   size;

    f = fopen(file, "re");

    if (f == NULL) {
        profile_say("%s: cannot open the configuration: %s", file,
                    strerror(errno));
        return NULL;
    }

    text = NULL;
    size = 0;
    *len = 0;

    do {
        size = (size == 0) ? 4096 : size * 2;
        text = profile_realloc(text, size);
        *len += fread(text + *len, 1, size - *len, f);

    } while (*len == size);

    if (ferror(f)) {
        profile_say("%s: cannot read the configuration: %s", file,
                    strerror(errno));
        free(text);
        text = NULL;
    }

    (void) fclose(f);

    return text;
}


static char *
profile_config_directory(const char *file)
{
    char        *directory;
    size_t       len;
    const char  *slash;

    slash = strrchr(file, '/');

    if (slash == NULL) {
        file = ".";
        len = 1;

    } else {
        len = (slash == file) ? 1 : (size_t) (slash - file);
    }

    directory = profile_alloc(len + 1);
    memcpy(directory, file, len);
    directory[len] = '\0';

    return directory;
}


static int
profile_config_number(const char *text, uint32_t *id)
{
    char                *end;
    unsigned long long   n;

    if (text[0] < '0' || text[0] > '9') {
        return -1;
    }

    n = strtoull(text, &end, 10);

    if (*end != '\0') {
        return -1;
    }

    /* a number that is no id may still be a name */

    *id = (n == 0 || n > UINT32_MAX) ? 0 : (uint32_t) n;

    return 0;
}
