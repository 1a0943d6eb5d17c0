
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads and checks the configuration file.
 */


#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "profile_config.h"
#include "profile_member.h"


#define PROFILE_MAX_INVALID  1       /* percent */
#define PROFILE_MAX_DELETE   50


static json_t *profile_config_parse(const char *file);
static char *profile_config_load(const char *file, size_t *len);
static char *profile_config_directory(const char *file);
static int profile_config_check(const profile_config_t *config,
    const profile_place_t *root);
static int profile_config_check_keys(const profile_config_t *config,
    const profile_place_t *root);
static int profile_config_duplicate(const profile_place_t *root,
    const char *array, const char *member, size_t workspace, size_t one,
    size_t two);
static void profile_config_init_workspace(void *element);
static void profile_config_init_entity(void *element);
static int profile_config_digest(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_hex(char ch);
static int profile_config_expires(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_group(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_format(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_mode(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_number(const char *text, uint32_t *id);


#define profile_required(name, read, type, field)                             \
    { name, read, offsetof(type, field), 1, NULL, 0, 0, NULL }

#define profile_optional(name, read, type, field)                             \
    { name, read, offsetof(type, field), 0, NULL, 0, 0, NULL }

#define profile_end  { NULL, NULL, 0, 0, NULL, 0, 0, NULL }


static const profile_member_t  profile_config_key_members[] = {

    profile_required("name", profile_member_name,
                     profile_config_key_t, name),
    profile_required("sha256", profile_config_digest,
                     profile_config_key_t, digest),
    profile_optional("expires", profile_config_expires,
                     profile_config_key_t, expires),

    profile_end
};


static const profile_member_t  profile_config_source_members[] = {

    profile_required("file", profile_member_string,
                     profile_config_source_t, file),

    profile_end
};


static const profile_member_t  profile_config_refresh_members[] = {

    { "mode", profile_config_mode, 0, 1, NULL, 0, 0, NULL },

    profile_end
};


static const profile_member_t  profile_config_entity_members[] = {

    profile_required("id", profile_member_id,
                     profile_config_entity_t, id),
    profile_required("name", profile_member_name,
                     profile_config_entity_t, name),
    profile_optional("library_id", profile_member_id,
                     profile_config_entity_t, library),
    profile_required("primary_key", profile_member_name,
                     profile_config_entity_t, primary_key),
    profile_optional("max_invalid", profile_member_percent,
                     profile_config_entity_t, max_invalid),
    profile_optional("max_delete", profile_member_percent,
                     profile_config_entity_t, max_delete),

    { "source", profile_member_object,
      offsetof(profile_config_entity_t, source), 1,
      profile_config_source_members, 0, 0, NULL },

    { "format", profile_config_format, 0, 1, NULL, 0, 0, NULL },

    { "refresh", profile_member_object, 0, 0,
      profile_config_refresh_members, 0, 0, NULL },

    profile_end
};


static const profile_member_t  profile_config_workspace_members[] = {

    profile_required("id", profile_member_id,
                     profile_config_workspace_t, id),
    profile_required("name", profile_member_name,
                     profile_config_workspace_t, name),
    profile_optional("enabled", profile_member_bool,
                     profile_config_workspace_t, enabled),

    { "keys", profile_member_array,
      offsetof(profile_config_workspace_t, keys), 0,
      profile_config_key_members, sizeof(profile_config_key_t),
      offsetof(profile_config_workspace_t, nkeys), NULL },

    { "entities", profile_member_array,
      offsetof(profile_config_workspace_t, entities), 0,
      profile_config_entity_members, sizeof(profile_config_entity_t),
      offsetof(profile_config_workspace_t, nentities),
      profile_config_init_entity },

    profile_end
};


static const profile_member_t  profile_config_members[] = {

    profile_required("store", profile_member_string,
                     profile_config_t, store),
    profile_optional("group", profile_config_group,
                     profile_config_t, group),

    { "workspaces", profile_member_array,
      offsetof(profile_config_t, workspaces), 1,
      profile_config_workspace_members, sizeof(profile_config_workspace_t),
      offsetof(profile_config_t, nworkspaces),
      profile_config_init_workspace },

    profile_end
};


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
        || profile_config_check(config, &root) != 0
        || profile_config_check_keys(config, &root) != 0)
    {
        profile_config_free(config);
        return NULL;
    }

    return config;
}


void
profile_config_free(profile_config_t *config)
{
    size_t  i;

    if (config == NULL) {
        return;
    }

    for (i = 0; i < config->nworkspaces; i++) {
        free(config->workspaces[i].keys);
        free(config->workspaces[i].entities);
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
profile_config_check(const profile_config_t *config,
    const profile_place_t *root)
{
    size_t                             i, j, k;
    const profile_config_workspace_t  *one, *two;

    for (i = 0; i < config->nworkspaces; i++) {

        one = &config->workspaces[i];

        for (j = 0; j < i; j++) {

            two = &config->workspaces[j];

            if (one->id == two->id) {
                return profile_config_duplicate(root, NULL, "id", i, i, j);
            }

            if (strcmp(one->name, two->name) == 0) {
                return profile_config_duplicate(root, NULL, "name", i, i, j);
            }
        }

        for (j = 0; j < one->nentities; j++) {
            for (k = 0; k < j; k++) {

                if (one->entities[j].id == one->entities[k].id) {
                    return profile_config_duplicate(root, "entities", "id",
                                                    i, j, k);
                }

                if (strcmp(one->entities[j].name, one->entities[k].name)
                    == 0)
                {
                    return profile_config_duplicate(root, "entities", "name",
                                                    i, j, k);
                }
            }
        }

        for (j = 0; j < one->nkeys; j++) {
            for (k = 0; k < j; k++) {

                if (strcmp(one->keys[j].name, one->keys[k].name) == 0) {
                    return profile_config_duplicate(root, "keys", "name",
                                                    i, j, k);
                }
            }
        }
    }

    return 0;
}


/* One key cannot open two workspaces. */

static int
profile_config_check_keys(const profile_config_t *config,
    const profile_place_t *root)
{
    size_t                             i, j, k, l;
    profile_place_t                    list, item, keys, key, digest;
    const profile_config_workspace_t  *one, *two;

    list = (profile_place_t) { root, "workspaces", 0, NULL };
    item = (profile_place_t) { &list, NULL, 0, NULL };
    keys = (profile_place_t) { &item, "keys", 0, NULL };
    key = (profile_place_t) { &keys, NULL, 0, NULL };
    digest = (profile_place_t) { &key, "sha256", 0, NULL };

    for (i = 0; i < config->nworkspaces; i++) {
        one = &config->workspaces[i];

        for (j = 0; j < one->nkeys; j++) {
            for (k = 0; k <= i; k++) {
                two = &config->workspaces[k];

                for (l = 0; l < ((k == i) ? j : two->nkeys); l++) {

                    if (memcmp(one->keys[j].digest, two->keys[l].digest,
                               PROFILE_DIGEST_SIZE)
                        != 0)
                    {
                        continue;
                    }

                    item.index = i;
                    key.index = j;

                    return profile_place_say(&digest, "is a duplicate of "
                                             "workspaces[%zu].keys[%zu]."
                                             "sha256", k, l);
                }
            }
        }
    }

    return 0;
}


/*
 * Of the workspaces themselves (array is NULL) or of an array in the given
 * workspace.
 */

static int
profile_config_duplicate(const profile_place_t *root, const char *array,
    const char *member, size_t workspace, size_t one, size_t two)
{
    profile_place_t  list, item, inner, element, field;

    list = (profile_place_t) { root, "workspaces", 0, NULL };
    item = (profile_place_t) { &list, NULL, workspace, NULL };
    inner = (profile_place_t) { &item, array, 0, NULL };
    element = (profile_place_t) { &inner, NULL, one, NULL };
    field = (profile_place_t) { (array == NULL) ? &item : &element, member,
                                0, NULL };

    if (array == NULL) {
        return profile_place_say(&field, "is a duplicate of "
                                 "workspaces[%zu].%s", two, member);
    }

    return profile_place_say(&field, "is a duplicate of "
                             "workspaces[%zu].%s[%zu].%s", workspace, array,
                             two, member);
}


static void
profile_config_init_workspace(void *element)
{
    profile_config_workspace_t *workspace = element;

    workspace->enabled = 1;
}


static void
profile_config_init_entity(void *element)
{
    profile_config_entity_t *entity = element;

    entity->library = 1;
    entity->max_invalid = PROFILE_MAX_INVALID;
    entity->max_delete = PROFILE_MAX_DELETE;
}


static int
profile_config_digest(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    int          high, low;
    size_t       i;
    u_char      *digest;
    const char  *text;

    (void) member;

    digest = out;

    if (!json_is_string(value)
        || json_string_length(value) != PROFILE_DIGEST_SIZE * 2)
    {
        return profile_place_say(place, "must be a string of %d hexadecimal "
                                 "digits, as \"profile-loader key\" prints "
                                 "them", PROFILE_DIGEST_SIZE * 2);
    }

    text = json_string_value(value);

    for (i = 0; i < PROFILE_DIGEST_SIZE; i++) {

        high = profile_config_hex(text[2 * i]);
        low = profile_config_hex(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return profile_place_say(place,
                                     "must hold hexadecimal digits only");
        }

        digest[i] = (u_char) (high << 4 | low);
    }

    return 0;
}


static int
profile_config_hex(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    if (ch >= 'a' && ch <= 'f') {
        return ch - 'a' + 10;
    }

    if (ch >= 'A' && ch <= 'F') {
        return ch - 'A' + 10;
    }

    return -1;
}


/* strptime() and timegm() accept the 31st of February: write it back. */

static int
profile_config_expires(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    char         again[PROFILE_TIME_SIZE];
    time_t       t;
    struct tm    tm;
    const char  *text, *end;

    (void) member;

    text = json_is_string(value) ? json_string_value(value) : "";

    memset(&tm, 0, sizeof(struct tm));
    end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    t = (end == NULL || *end != '\0') ? 0 : timegm(&tm);

    if (t <= 0 || strcmp(profile_time(again, (uint64_t) t), text) != 0) {
        return profile_place_say(place, "must be a time in UTC, such as "
                                 "\"2027-01-01T00:00:00Z\"");
    }

    *(uint64_t *) out = (uint64_t) t;

    return 0;
}


static int
profile_config_group(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    gid_t         *gid;
    const char    *name;
    struct group  *group;

    if (profile_member_string(place, value, member, &name) != 0) {
        return -1;
    }

    group = getgrnam(name);

    if (group == NULL) {
        return profile_place_say(place, "there is no group \"%s\"", name);
    }

    gid = profile_alloc(sizeof(gid_t));
    *gid = group->gr_gid;
    *(gid_t **) out = gid;

    return 0;
}


static int
profile_config_format(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    (void) member;
    (void) out;

    if (!json_is_string(value)
        || strcmp(json_string_value(value), "ndjson") != 0)
    {
        return profile_place_say(place, "must be \"ndjson\"");
    }

    return 0;
}


static int
profile_config_mode(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    (void) member;
    (void) out;

    if (!json_is_string(value)
        || strcmp(json_string_value(value), "full") != 0)
    {
        return profile_place_say(place, "must be \"full\"");
    }

    return 0;
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
