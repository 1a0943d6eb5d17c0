
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The command check: every entry of the live generation, one snapshot of
 * it, compared with all that is known about it.
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "profile_commands.h"
#include "profile_guard.h"
#include "profile_list.h"
#include "profile_reader.h"
#include "profile_row.h"
#include "profile_text.h"
#include "profile_user.h"


/* More would say no more. */

#define PROFILE_CHECK_REPORTS  10

/* What a body has around its row: {"data":} */

#define PROFILE_CHECK_BEFORE   8
#define PROFILE_CHECK_AROUND   9


typedef struct {
    const char             *directory;
    profile_guard_place_t  *place;
    const profile_view_t   *view;
    profile_audit_t        *audit;
    uint32_t                generation;
    uint64_t                damages;
    struct timespec         start;

    /* of the entity whose records are being read; 0: none yet */

    uint32_t                incarnation;
    profile_row_parser_t   *parser;
    profile_row_members_t   members;
    char                    primary_key[PROFILE_NAME_MAX + 1];
    char                    name[PROFILE_NAME_MAX + 4]; /* in a plain body */
    size_t                  name_len;
} profile_check_t;


static int profile_check_run(void *data, profile_guard_place_t *place);
static int profile_check_snapshot(profile_check_t *check,
    profile_error_t *err);
static int profile_check_entries(profile_check_t *check,
    profile_error_t *err);
static int profile_check_document(profile_check_t *check,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_check_list(profile_check_t *check,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_check_record(profile_check_t *check,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_check_has_id(const profile_check_t *check,
    const profile_bytes_t *body, const profile_bytes_t *id);
static int profile_check_entity(profile_check_t *check,
    const profile_audit_entry_t *entry, profile_error_t *err);
static void profile_check_report(profile_check_t *check,
    const profile_audit_entry_t *entry);
static int profile_check_end(const profile_check_t *check);


int
profile_command_check(const profile_options_t *options)
{
    int                rc;
    char              *directory;
    profile_check_t    check;
    profile_error_t    err;
    profile_config_t  *config;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    directory = profile_config_path(config, config->store);

    rc = profile_user_become(directory, &err);

    if (rc == PROFILE_OK) {
        memset(&check, 0, sizeof(profile_check_t));

        check.directory = directory;
        check.members.primary_key = check.primary_key;
        check.parser = profile_row_parser_create(&check.members);
        (void) clock_gettime(CLOCK_MONOTONIC, &check.start);

        rc = profile_guard(profile_check_run, &check, directory);

        profile_row_parser_free(check.parser);

    } else {
        rc = profile_say_store(&err);
    }

    free(directory);
    profile_config_free(config);

    return rc;
}


static int
profile_check_run(void *data, profile_guard_place_t *place)
{
    profile_check_t *check = data;

    int                rc;
    profile_error_t    err;
    profile_reader_t  *reader;

    check->place = place;

    rc = profile_reader_open(&reader, check->directory, PROFILE_READAHEAD_ON,
                             &err);
    if (rc != PROFILE_OK) {
        return profile_say_store(&err);
    }

    check->generation = profile_reader_generation(reader);

    rc = profile_reader_begin(reader, &check->view, &err);

    if (rc == PROFILE_OK) {
        rc = profile_check_snapshot(check, &err);
        profile_reader_end(reader);
    }

    rc = (rc == PROFILE_OK) ? profile_check_end(check)
                            : profile_say_store(&err);

    profile_audit_close(check->audit);
    profile_reader_close(reader);

    return rc;
}


static int
profile_check_snapshot(profile_check_t *check, profile_error_t *err)
{
    int  rc;

    rc = profile_audit_open(&check->audit, check->view, err);

    return (rc == PROFILE_OK) ? profile_check_entries(check, err) : rc;
}


static int
profile_check_entries(profile_check_t *check, profile_error_t *err)
{
    int                    rc;
    profile_audit_entry_t  entry;

    for ( ;; ) {
        rc = profile_audit_next(check->audit, &entry, err);

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        profile_guard_place(check->place, &entry);

        if (entry.damage == NULL) {
            rc = profile_check_document(check, &entry, err);
            if (rc != PROFILE_OK) {
                return rc;
            }
        }

        if (entry.damage != NULL) {
            profile_check_report(check, &entry);
        }
    }
}


static int
profile_check_document(profile_check_t *check, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    if (profile_guard_hash(entry) != PROFILE_OK) {
        entry->damage = "does not have the hash that is stored with it";
        return PROFILE_OK;
    }

    if (!profile_text_is_utf8(entry->text[0].data, entry->text[0].len)
        || !profile_text_is_utf8(entry->text[1].data, entry->text[1].len))
    {
        entry->damage = "holds a text that is not UTF-8";
        return PROFILE_OK;
    }

    switch (entry->tag) {

    case PROFILE_TAG_LIST:
        return profile_check_list(check, entry, err);

    case PROFILE_TAG_RECORD:
        return entry->orphan ? PROFILE_OK
                             : profile_check_record(check, entry, err);

    default:
        return PROFILE_OK;
    }
}


static int
profile_check_list(profile_check_t *check, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int    rc;
    char  *text;

    rc = profile_list_text(check->view, entry->workspace, &text, err);

    if (rc == PROFILE_DAMAGED) {

        /* an entity, which says so itself when its turn comes */

        return PROFILE_OK;
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (entry->document.body.len != strlen(text)
        || memcmp(entry->document.body.data, text, strlen(text)) != 0)
    {
        entry->damage = "is not that of its entities";
    }

    free(text);

    return PROFILE_OK;
}


/* No hash is of the id: it is compared with what the body says. */

static int
profile_check_record(profile_check_t *check, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int               rc;
    uint32_t          incarnation;
    profile_row_t     row;
    profile_bytes_t   id, body;

    if (entry->incarnation != check->incarnation) {

        rc = profile_check_entity(check, entry, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    body = entry->document.body;

    (void) profile_decode_record_key(entry->key.data, entry->key.len,
                                     &incarnation, &id);

    if (profile_check_has_id(check, &body, &id)) {
        return PROFILE_OK;
    }

    if (body.len < PROFILE_CHECK_AROUND
        || profile_row_parse(check->parser,
                             body.data + PROFILE_CHECK_BEFORE,
                             body.len - PROFILE_CHECK_AROUND, &row)
           != PROFILE_ROW_VALID
        || profile_bytes_compare(&row.id, &id) != 0)
    {
        entry->damage = "does not have the record id that its body says";
    }

    return PROFILE_OK;
}


/*
 * Whether the id stands behind the first member with the primary key's name,
 * which spares most records the parser.  That a damaged id is found there,
 * in another object than the row, is beyond belief.
 */

static int
profile_check_has_id(const profile_check_t *check,
    const profile_bytes_t *body, const profile_bytes_t *id)
{
    size_t         quote;
    const u_char  *p, *last;

    last = body->data + body->len;
    p = memmem(body->data, body->len, check->name, check->name_len);

    if (p == NULL) {
        return 0;
    }

    p += check->name_len;
    quote = (p < last && *p == '"');

    if ((size_t) (last - p) < id->len + 2 * quote + 1
        || memcmp(p + quote, id->data, id->len) != 0)
    {
        return 0;
    }

    p += quote + id->len;

    return quote ? *p == '"' : (*p == ',' || *p == '}');
}


static int
profile_check_entity(profile_check_t *check,
    const profile_audit_entry_t *entry, profile_error_t *err)
{
    int               rc;
    profile_entity_t  entity;

    rc = profile_view_entity(check->view, entry->workspace, entry->entity,
                             &entity, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    memcpy(check->primary_key, entity.primary_key.data,
           entity.primary_key.len);
    check->primary_key[entity.primary_key.len] = '\0';
    check->name_len = (size_t) snprintf(check->name, sizeof(check->name),
                                        "\"%s\":", check->primary_key);
    check->incarnation = entry->incarnation;

    return PROFILE_OK;
}


static void
profile_check_report(profile_check_t *check,
    const profile_audit_entry_t *entry)
{
    char  name[PROFILE_AUDIT_TEXT];

    if (++check->damages <= PROFILE_CHECK_REPORTS) {
        profile_say("%s %s", profile_audit_name(entry, name), entry->damage);
    }
}


static int
profile_check_end(const profile_check_t *check)
{
    const profile_audit_counts_t  *counts;

    if (check->damages != 0) {
        profile_say("generation %u of %s has %llu damages; restore it or "
                    "load it again", check->generation, check->directory,
                    (unsigned long long) check->damages);
        return PROFILE_EXIT_STORE;
    }

    counts = profile_audit_counts(check->audit);

    (void) printf("generation %u: no damage: %llu workspaces, %llu keys, "
                  "%llu entities, %llu records, %llu bytes, %llu records to "
                  "be deleted, %.1f s\n", check->generation,
                  (unsigned long long) counts->workspaces,
                  (unsigned long long) counts->keys,
                  (unsigned long long) counts->entities,
                  (unsigned long long) counts->records,
                  (unsigned long long) counts->bytes,
                  (unsigned long long) counts->orphans,
                  profile_elapsed(&check->start));

    return PROFILE_EXIT_DONE;
}
