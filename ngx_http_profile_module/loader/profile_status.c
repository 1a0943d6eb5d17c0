
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The command status: what the store holds.
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "profile_buffer.h"
#include "profile_commands.h"
#include "profile_reader.h"
#include "profile_text.h"
#include "profile_usage.h"
#include "profile_user.h"


static int profile_status_read(const char *directory, json_t **status,
    profile_error_t *err);
static int profile_status_workspaces(const profile_reader_t *reader,
    const profile_view_t *view, json_t *list, profile_error_t *err);
static int profile_status_keys(const profile_view_t *view,
    profile_buffer_t *keys, profile_error_t *err);
static json_int_t profile_status_count(const profile_buffer_t *keys,
    uint32_t workspace, size_t *next);
static int profile_status_compare(const void *one, const void *two);
static int profile_status_entities(const profile_reader_t *reader,
    const profile_view_t *view, uint32_t workspace, json_t *list,
    profile_error_t *err);
static int profile_status_entity(const profile_reader_t *reader,
    const profile_view_t *view, const profile_entity_t *entity, json_t *list,
    profile_error_t *err);
static json_t *profile_status_bytes(const profile_bytes_t *bytes);
static json_t *profile_status_age(uint64_t seconds);
static json_t *profile_status_error(const profile_failure_t *failure);
static json_t *profile_status_time(uint64_t seconds);
static void profile_status_print(json_t *status);
static void profile_status_print_entity(json_t *entity);
static const char *profile_status_text(json_t *object, const char *name);
static long long profile_status_number(json_t *object, const char *name);


int
profile_command_status(const profile_options_t *options)
{
    int                rc;
    char              *directory;
    json_t            *status;
    profile_error_t    err;
    profile_config_t  *config;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    directory = profile_config_path(config, config->store);

    rc = profile_user_become(directory, &err);

    if (rc == PROFILE_OK) {
        rc = profile_status_read(directory, &status, &err);
    }

    if (rc != PROFILE_OK) {
        rc = profile_say_store(&err);

    } else if (options->json) {
        (void) json_dumpf(status, stdout, JSON_INDENT(2));
        (void) putchar('\n');
        json_decref(status);

    } else {
        profile_status_print(status);
        json_decref(status);
    }

    free(directory);
    profile_config_free(config);

    return rc;
}


static int
profile_status_read(const char *directory, json_t **status,
    profile_error_t *err)
{
    int                     rc;
    json_t                 *workspaces;
    profile_usage_t         usage;
    profile_reader_t       *reader;
    profile_reader_info_t   info;
    const profile_view_t   *view;

    rc = profile_reader_open(&reader, directory, PROFILE_READAHEAD_AUTO, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    workspaces = json_array();

    rc = profile_reader_info(reader, &info, err);

    if (rc == PROFILE_OK) {
        rc = profile_usage(reader, &usage, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_reader_begin(reader, &view, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_status_workspaces(reader, view, workspaces, err);
        profile_reader_end(reader);
    }

    profile_reader_close(reader);

    if (rc != PROFILE_OK) {
        json_decref(workspaces);
        return rc;
    }

    *status = json_pack("{s:o,s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}",
                        "store",
                        profile_text_json(directory, strlen(directory)),
                        "generation", (json_int_t) info.generation,
                        "sealed", info.sealed,
                        "transaction", (json_int_t) info.transaction,
                        "size", (json_int_t) info.size,
                        "used", (json_int_t) info.used,
                        "free", (json_int_t) usage.free,
                        "readers", (json_int_t) usage.readers,
                        "stale_readers", (json_int_t) usage.stale,
                        "max_readers", (json_int_t) info.max_readers,
                        "workspaces", workspaces);

    if (*status == NULL) {
        return profile_error(err, PROFILE_FAILED, "out of memory");
    }

    return PROFILE_OK;
}


static int
profile_status_workspaces(const profile_reader_t *reader,
    const profile_view_t *view, json_t *list, profile_error_t *err)
{
    int                   rc;
    size_t                next;
    json_t               *name, *entities;
    json_int_t            count;
    profile_walk_t        walk;
    profile_buffer_t      keys;
    profile_workspace_t   workspace;

    next = 0;
    memset(&keys, 0, sizeof(profile_buffer_t));

    profile_walk_workspaces(&walk);

    rc = profile_status_keys(view, &keys, err);

    while (rc == PROFILE_OK) {
        rc = profile_view_next_workspace(view, &walk, &workspace, err);

        if (rc != PROFILE_OK) {
            break;
        }

        name = profile_status_bytes(&workspace.name);
        entities = json_array();
        count = profile_status_count(&keys, workspace.id, &next);

        rc = profile_status_entities(reader, view, workspace.id, entities,
                                     err);

        (void) json_array_append_new(list,
                                     json_pack("{s:I,s:o,s:I,s:o}",
                                               "id",
                                               (json_int_t) workspace.id,
                                               "name", name,
                                               "keys", count,
                                               "entities", entities));
    }

    free(keys.data);

    return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
}


/* The workspace of each key, in order: keys are walked through only once. */

static int
profile_status_keys(const profile_view_t *view, profile_buffer_t *keys,
    profile_error_t *err)
{
    int             rc;
    u_char          digest[PROFILE_DIGEST_SIZE];
    profile_key_t   key;
    profile_walk_t  walk;

    profile_walk_keys(&walk);

    for ( ;; ) {
        rc = profile_view_next_key(view, &walk, digest, &key, err);

        if (rc != PROFILE_OK) {
            break;
        }

        profile_buffer_append(keys, &key.workspace, sizeof(uint32_t));
    }

    if (rc != PROFILE_NOT_FOUND) {
        return rc;
    }

    if (keys->len != 0) {
        qsort(keys->data, keys->len / sizeof(uint32_t), sizeof(uint32_t),
              profile_status_compare);
    }

    return PROFILE_OK;
}


/* Workspaces come in order, too: next is where the one before has ended. */

static json_int_t
profile_status_count(const profile_buffer_t *keys, uint32_t workspace,
    size_t *next)
{
    uint32_t    owner;
    json_int_t  count;

    for (count = 0; *next < keys->len; *next += sizeof(uint32_t)) {

        memcpy(&owner, keys->data + *next, sizeof(uint32_t));

        if (owner > workspace) {
            break;
        }

        count += (owner == workspace);
    }

    return count;
}


static int
profile_status_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}


static int
profile_status_entities(const profile_reader_t *reader,
    const profile_view_t *view, uint32_t workspace, json_t *list,
    profile_error_t *err)
{
    int               rc;
    profile_walk_t    walk;
    profile_entity_t  entity;

    profile_walk_entities(&walk, workspace);

    for ( ;; ) {
        rc = profile_view_next_entity(view, &walk, &entity, err);

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        rc = profile_status_entity(reader, view, &entity, list, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


static int
profile_status_entity(const profile_reader_t *reader,
    const profile_view_t *view, const profile_entity_t *entity, json_t *list,
    profile_error_t *err)
{
    int                rc, failed;
    json_t            *item, *value;
    uint64_t           refreshed;
    profile_cursor_t   cursor;
    profile_failure_t  failure;

    rc = profile_view_cursor(view, entity->workspace, entity->id, &cursor,
                             err);

    if (rc == PROFILE_OK) {
        value = profile_status_bytes(&cursor.value);

    } else if (rc == PROFILE_NOT_FOUND) {
        value = json_null();

    } else {
        return rc;
    }

    refreshed = profile_reader_refreshed(reader, entity);
    failed = profile_reader_failed(reader, entity, &failure);

    item = json_pack("{s:I,s:o,s:I,s:o,s:b,s:I,s:I,"
                     "s:o,s:o,s:o,s:o,s:o,s:o}",
                     "id", (json_int_t) entity->id,
                     "name", profile_status_bytes(&entity->name),
                     "library_id", (json_int_t) entity->library,
                     "primary_key",
                     profile_status_bytes(&entity->primary_key),
                     "ready", entity->incarnation != 0,
                     "records", (json_int_t) entity->records,
                     "bytes", (json_int_t) entity->bytes,
                     "changed_at", profile_status_time(entity->changed),
                     "refreshed_at", profile_status_time(refreshed),
                     "age", profile_status_age(refreshed),
                     "cursor", value,
                     "failed_at",
                     profile_status_time(failed ? failure.seconds : 0),
                     "error", profile_status_error(failed ? &failure : NULL));

    if (json_array_append_new(list, item) != 0) {
        return profile_error(err, PROFILE_FAILED, "out of memory");
    }

    return PROFILE_OK;
}


/* A damaged store is to be shown as well as it can be. */

static json_t *
profile_status_bytes(const profile_bytes_t *bytes)
{
    return profile_text_json(bytes->data, bytes->len);
}


/* Seconds since then, for monitoring; a clock that was set back counts 0. */

static json_t *
profile_status_age(uint64_t seconds)
{
    uint64_t  now;

    if (seconds == 0) {
        return json_null();
    }

    now = (uint64_t) time(NULL);

    return json_integer((now > seconds) ? (json_int_t) (now - seconds) : 0);
}


static json_t *
profile_status_error(const profile_failure_t *failure)
{
    json_t  *text;

    if (failure == NULL) {
        return json_null();
    }

    text = json_string(failure->text);

    /* somebody wrote to the file, or a path was not UTF-8 */

    return (text != NULL) ? text : json_string("(the text is not UTF-8)");
}


static json_t *
profile_status_time(uint64_t seconds)
{
    char  buf[PROFILE_TIME_SIZE];

    return (seconds == 0) ? json_null()
                          : json_string(profile_time(buf, seconds));
}


static void
profile_status_print(json_t *status)
{
    size_t   i, j;
    json_t  *workspace, *entity;

    (void) printf("%s: generation %lld%s, transaction %lld, %lld bytes, "
                  "%lld of them free, %lld of %lld reader slots used, "
                  "%lld stale ones cleared\n",
                  profile_status_text(status, "store"),
                  profile_status_number(status, "generation"),
                  json_is_true(json_object_get(status, "sealed"))
                  ? " (sealed)" : "",
                  profile_status_number(status, "transaction"),
                  profile_status_number(status, "size"),
                  profile_status_number(status, "free"),
                  profile_status_number(status, "readers"),
                  profile_status_number(status, "max_readers"),
                  profile_status_number(status, "stale_readers"));

    json_array_foreach(json_object_get(status, "workspaces"), i, workspace) {

        (void) printf("workspace %lld %s: %lld keys\n",
                      profile_status_number(workspace, "id"),
                      profile_status_text(workspace, "name"),
                      profile_status_number(workspace, "keys"));

        json_array_foreach(json_object_get(workspace, "entities"), j, entity)
        {
            profile_status_print_entity(entity);
        }
    }
}


static void
profile_status_print_entity(json_t *entity)
{
    (void) printf("  entity %lld %s: ", profile_status_number(entity, "id"),
                  profile_status_text(entity, "name"));

    if (json_is_true(json_object_get(entity, "ready"))) {
        (void) printf("%lld records, %lld bytes, changed %s, refreshed %s, "
                      "%lld s ago\n",
                      profile_status_number(entity, "records"),
                      profile_status_number(entity, "bytes"),
                      profile_status_text(entity, "changed_at"),
                      profile_status_text(entity, "refreshed_at"),
                      profile_status_number(entity, "age"));

    } else {
        (void) printf("not loaded yet\n");
    }

    if (profile_status_text(entity, "cursor") != NULL) {
        (void) printf("    cursor %s\n",
                      profile_status_text(entity, "cursor"));
    }

    if (profile_status_text(entity, "error") != NULL) {
        (void) printf("    failed %s: %s\n",
                      profile_status_text(entity, "failed_at"),
                      profile_status_text(entity, "error"));
    }
}


static const char *
profile_status_text(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}


static long long
profile_status_number(json_t *object, const char *name)
{
    return (long long) json_integer_value(json_object_get(object, name));
}
