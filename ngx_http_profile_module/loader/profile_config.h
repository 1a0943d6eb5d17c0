
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The configuration file: what there is to be in the store.  Everything
 * that can be wrong with it is found before anything is touched.
 */


#ifndef _PROFILE_CONFIG_H_INCLUDED_
#define _PROFILE_CONFIG_H_INCLUDED_


#include <limits.h>

#include <jansson.h>

#include "profile_loader.h"


typedef struct {
    const char  *name;
    u_char       digest[PROFILE_DIGEST_SIZE];
    uint64_t     expires;               /* 0: never */
} profile_config_key_t;


/* One of the three. */

typedef struct {
    const char   *file;                 /* a glob, as it was written */
    const char  **command;              /* arguments, NULL after the last */
    int           standard_input;
} profile_config_source_t;


/* In the order of the words in the file. */

typedef enum {
    PROFILE_FORMAT_NDJSON = 0,
    PROFILE_FORMAT_JSON,
    PROFILE_FORMAT_CSV
} profile_format_e;


typedef struct {
    int          incremental;
    const char  *cursor;                /* a column, if incremental */
    const char  *deleted;               /* a column, or NULL */
} profile_config_refresh_t;


typedef struct {
    uint32_t                  id;
    uint32_t                  library;
    const char               *name;
    const char               *primary_key;
    profile_config_source_t   source;
    profile_format_e          format;
    const char               *path;         /* of the JSON array, or NULL */
    profile_config_refresh_t  refresh;
    double                    max_invalid;  /* percent */
    double                    max_delete;
} profile_config_entity_t;


typedef struct {
    uint32_t                  id;
    const char               *name;
    int                       enabled;
    profile_config_key_t     *keys;
    size_t                    nkeys;
    profile_config_entity_t  *entities;
    size_t                    nentities;
} profile_config_workspace_t;


/* Strings belong to the tree, which lives as long as the configuration. */

typedef struct {
    json_t                      *tree;
    const char                  *directory;     /* of the file, its own */
    const char                  *store;
    gid_t                       *group;         /* NULL: the user's own */
    profile_config_workspace_t  *workspaces;
    size_t                       nworkspaces;
} profile_config_t;


/*
 * Reads and checks the file.  Every mistake is said with its place in the
 * file; NULL then.
 */

profile_config_t *profile_config_read(const char *file);
void profile_config_free(profile_config_t *config);

/*
 * The path of a file that the configuration names, relative to its own
 * folder; the caller frees it.
 */

char *profile_config_path(const profile_config_t *config, const char *path);

/* By id where text is a number, else by name; NULL if there is none. */

profile_config_workspace_t *profile_config_workspace(
    const profile_config_t *config, const char *text);
profile_config_entity_t *profile_config_entity(
    const profile_config_workspace_t *workspace, const char *text);


#endif /* _PROFILE_CONFIG_H_INCLUDED_ */
