
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The members of the configuration: their names, types and values.
 */


#include <grp.h>
#include <string.h>
#include <time.h>

#include "profile_config_table.h"


#define PROFILE_MAX_INVALID  1       /* percent */
#define PROFILE_MAX_DELETE   50


static void profile_config_init_workspace(void *element);
static void profile_config_init_entity(void *element);
static int profile_config_digest(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_hex(char ch);
static int profile_config_expires(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_group(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_word(json_t *value, const char *const *words);
static int profile_config_format(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_json_path(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);
static int profile_config_source(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_command(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_stdin(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_refresh(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
static int profile_config_mode(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);


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

    profile_optional("file", profile_member_string,
                     profile_config_source_t, file),
    profile_optional("command", profile_config_command,
                     profile_config_source_t, command),
    profile_optional("stdin", profile_config_stdin,
                     profile_config_source_t, standard_input),

    profile_end
};


static const profile_member_t  profile_config_refresh_members[] = {

    profile_required("mode", profile_config_mode,
                     profile_config_refresh_t, incremental),
    profile_optional("cursor", profile_member_name,
                     profile_config_refresh_t, cursor),
    profile_optional("deleted", profile_member_name,
                     profile_config_refresh_t, deleted),

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

    profile_required("format", profile_config_format,
                     profile_config_entity_t, format),
    profile_optional("path", profile_config_json_path,
                     profile_config_entity_t, path),

    { "source", profile_config_source,
      offsetof(profile_config_entity_t, source), 1,
      profile_config_source_members, 0, 0, NULL },

    { "refresh", profile_config_refresh,
      offsetof(profile_config_entity_t, refresh), 0,
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


const profile_member_t  profile_config_members[] = {

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


/* The number of the word that value is, or -1. */

static int
profile_config_word(json_t *value, const char *const *words)
{
    int  i;

    for (i = 0; words[i] != NULL; i++) {
        if (json_is_string(value)
            && strcmp(json_string_value(value), words[i]) == 0)
        {
            return i;
        }
    }

    return -1;
}


static int
profile_config_format(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    int                       i;
    static const char *const  words[] = { "ndjson", "json", "csv", NULL };

    (void) member;

    i = profile_config_word(value, words);

    if (i < 0) {
        return profile_place_say(place, "must be \"ndjson\", \"json\" or "
                                 "\"csv\"");
    }

    *(profile_format_e *) out = (profile_format_e) i;

    return 0;
}


/* Names with dots between them: none may be empty. */

static int
profile_config_json_path(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    const char  *path;

    if (profile_member_string(place, value, member, out) != 0) {
        return -1;
    }

    path = *(const char **) out;

    if (path[0] == '.'
        || path[strlen(path) - 1] == '.'
        || strstr(path, "..") != NULL)
    {
        return profile_place_say(place, "must be names with dots between "
                                 "them, such as \"data.rows\"");
    }

    return 0;
}


static int
profile_config_source(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    profile_config_source_t  *source = out;

    if (profile_object_read(place, value, member->members, out) != 0) {
        return -1;
    }

    if ((source->file != NULL) + (source->command != NULL)
        + source->standard_input != 1)
    {
        return profile_place_say(place, "must have one of \"file\", "
                                 "\"command\" and \"stdin\"");
    }

    return 0;
}


/* The strings belong to the tree, the array to the source. */

static int
profile_config_command(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    size_t            n;
    json_t           *argument;
    const char      **command;
    profile_place_t   inside;

    (void) member;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        return profile_place_say(place, "must be an array: a program and "
                                 "its arguments");
    }

    n = json_array_size(value);

    command = profile_alloc((n + 1) * sizeof(char *));
    command[n] = NULL;
    *(const char ***) out = command;

    inside = (profile_place_t) { place, NULL, 0, NULL };

    for (inside.index = 0; inside.index < n; inside.index++) {

        argument = json_array_get(value, inside.index);

        /* an argument may be empty, a program not */

        if (!json_is_string(argument)
            || (inside.index == 0 && json_string_length(argument) == 0))
        {
            return profile_place_say(&inside, "must be a string");
        }

        command[inside.index] = json_string_value(argument);
    }

    return 0;
}


static int
profile_config_stdin(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    (void) member;

    if (!json_is_true(value)) {
        return profile_place_say(place, "must be true, or not be there");
    }

    *(int *) out = 1;

    return 0;
}


static int
profile_config_refresh(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    profile_config_refresh_t  *refresh = out;

    if (profile_object_read(place, value, member->members, out) != 0) {
        return -1;
    }

    if (refresh->incremental && refresh->cursor == NULL) {
        return profile_place_say(place, "needs \"cursor\", the column that "
                                 "tells what has changed");
    }

    if (!refresh->incremental
        && (refresh->cursor != NULL || refresh->deleted != NULL))
    {
        return profile_place_say(place, "\"cursor\" and \"deleted\" are for "
                                 "the mode \"incremental\"");
    }

    return 0;
}


static int
profile_config_mode(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    int                       i;
    static const char *const  words[] = { "full", "incremental", NULL };

    (void) member;

    i = profile_config_word(value, words);

    if (i < 0) {
        return profile_place_say(place,
                                 "must be \"full\" or \"incremental\"");
    }

    *(int *) out = i;

    return 0;
}
