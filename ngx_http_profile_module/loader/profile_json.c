
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Cuts the elements out of one array for each stream, which is all of the
 * text or lies in objects at the entity's path.  Strings and brackets are
 * followed only as far as that takes: an element that is broken inside is a
 * row like others, for which the row's parser finds the reason.
 */


#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "profile_format.h"
#include "profile_json_text.h"


/* A byte of a name takes six where it is written as \u0041. */

#define PROFILE_JSON_NAME_MAX(len)  (2 + 6 * (len))


typedef struct {
    profile_json_text_t    text;
    char                  *path;       /* a copy, cut into names */
    const char           **names;
    size_t                 nnames;
    size_t                 level;      /* objects of the path that are open */
    unsigned               stream:1;   /* one is open, within its array */
    unsigned               first:1;    /* the object or array just began */
    unsigned               found:1;    /* the object's member on the path */
} profile_json_t;


static void *profile_json_create(const profile_config_entity_t *entity,
    profile_input_t *input);
static void profile_json_free(void *reader);
static void profile_json_path(profile_json_t *json, const char *path);
static int profile_json_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);
static int profile_json_open(profile_json_t *json, profile_error_t *err);
static int profile_json_walk(profile_json_t *json, profile_error_t *err);
static int profile_json_enter(profile_json_t *json, profile_error_t *err);
static int profile_json_leave(profile_json_t *json, profile_error_t *err);
static int profile_json_member(profile_json_t *json, profile_error_t *err);
static int profile_json_member_name(profile_json_t *json, int *match,
    profile_error_t *err);
static int profile_json_same(const profile_bytes_t *string,
    const char *name);
static int profile_json_element(profile_json_t *json, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);
static int profile_json_comma(profile_json_t *json, const char *what,
    profile_error_t *err);


const profile_format_t  profile_format_json = {
    profile_json_create,
    profile_json_free,
    profile_json_next,
    NULL
};


static void *
profile_json_create(const profile_config_entity_t *entity,
    profile_input_t *input)
{
    profile_json_t  *json;

    json = profile_alloc(sizeof(profile_json_t));
    memset(json, 0, sizeof(profile_json_t));

    json->text.input = input;

    if (entity->path != NULL) {
        profile_json_path(json, entity->path);
    }

    return json;
}


static void
profile_json_free(void *reader)
{
    profile_json_t *json = reader;

    if (json != NULL) {
        free(json->names);
        free(json->path);
        free(json);
    }
}


static void
profile_json_path(profile_json_t *json, const char *path)
{
    char    *p;
    size_t   n;

    n = strlen(path) + 1;
    json->path = profile_alloc(n);
    memcpy(json->path, path, n);

    /* no path has more names than bytes */

    json->names = profile_alloc(n * sizeof(char *));

    for (p = json->path; p != NULL; json->nnames++) {
        json->names[json->nnames] = strsep(&p, ".");
    }
}


static int
profile_json_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    profile_json_t *json = reader;

    int  rc;

    for ( ;; ) {

        if (!json->stream) {
            rc = profile_json_open(json, err);
            if (rc != PROFILE_OK) {
                return rc;
            }

            json->stream = 1;
        }

        rc = profile_json_element(json, raw, reason, err);
        if (rc != PROFILE_NOT_FOUND) {
            return rc;
        }

        /* there is no other array: this ends the text, or fails */

        rc = profile_json_walk(json, err);
        if (rc != PROFILE_NOT_FOUND) {
            return rc;
        }

        json->stream = 0;
    }
}


/* The next stream, as far as its array's first element. */

static int
profile_json_open(profile_json_t *json, profile_error_t *err)
{
    int                   rc, ch;
    profile_json_text_t  *text;

    text = &json->text;

    rc = profile_input_open(text->input, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    text->line = 1;
    json->level = 0;

    rc = profile_json_text_peek(text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (json->nnames == 0 && ch == '{') {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: expected an "
                             "array, found an object; if the array lies in "
                             "it, say where with \"path\"",
                             profile_json_text_name(text),
                             (unsigned long long) text->line);
    }

    rc = profile_json_enter(json, err);

    return (rc != PROFILE_OK || json->nnames == 0)
           ? rc : profile_json_walk(json, err);
}


/*
 * Goes on through the members of the path's objects: to the first element
 * of the array; PROFILE_NOT_FOUND at the end of the text.
 */

static int
profile_json_walk(profile_json_t *json, profile_error_t *err)
{
    int  rc, ch, array;

    while (json->level != 0) {

        rc = profile_json_text_peek(&json->text, &ch, err);

        if (rc == PROFILE_OK) {
            rc = (ch == '}') ? profile_json_leave(json, err)
                             : profile_json_member(json, err);
        }

        if (rc == PROFILE_NOT_FOUND) {
            continue;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        array = (json->level == json->nnames);

        rc = profile_json_enter(json, err);

        if (rc != PROFILE_OK || array) {
            return rc;
        }
    }

    rc = profile_json_text_peek(&json->text, &ch, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch != EOF) {
        return profile_json_text_expected(&json->text, "the end of the text",
                                          ch, err);
    }

    return PROFILE_NOT_FOUND;
}


/* Into the next object of the path, or into the array that it leads to. */

static int
profile_json_enter(profile_json_t *json, profile_error_t *err)
{
    int          rc, ch, array;
    const char  *what;

    rc = profile_json_text_peek(&json->text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    array = (json->level == json->nnames);

    if (ch != (array ? '[' : '{')) {
        what = (json->nnames == 0) ? "an array"
               : array ? "an array at the end of \"path\""
                       : "an object, through which \"path\" leads";
        return profile_json_text_expected(&json->text, what, ch, err);
    }

    profile_json_text_take(&json->text, 1);
    json->first = 1;

    if (!array) {
        json->level++;
        json->found = 0;
    }

    return PROFILE_OK;
}


/* PROFILE_NOT_FOUND: nothing is to be entered. */

static int
profile_json_leave(profile_json_t *json, profile_error_t *err)
{
    if (!json->found) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: the object that "
                             "ends here has no member \"%.100s\", which "
                             "\"path\" names",
                             profile_json_text_name(&json->text),
                             (unsigned long long) json->text.line,
                             json->names[json->level - 1]);
    }

    profile_json_text_take(&json->text, 1);

    json->level--;
    json->first = 0;
    json->found = 1;

    return PROFILE_NOT_FOUND;
}


/*
 * A member of the path's object: PROFILE_OK before the value of the one
 * that the path names, PROFILE_NOT_FOUND after any other.
 */

static int
profile_json_member(profile_json_t *json, profile_error_t *err)
{
    int                   rc, ch, match, whole;
    profile_bytes_t       value;
    profile_json_text_t  *text;

    text = &json->text;

    if (!json->first) {
        rc = profile_json_comma(json, "a comma or \"}\"", err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    json->first = 0;

    rc = profile_json_member_name(json, &match, err);

    if (rc == PROFILE_OK) {
        rc = profile_json_text_peek(text, &ch, err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch != ':') {
        return profile_json_text_expected(text, "a colon", ch, err);
    }

    profile_json_text_take(text, 1);

    if (match) {
        return PROFILE_OK;
    }

    rc = profile_json_text_value(text, 0, &value, &whole, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_json_text_take(text, value.len);

    return PROFILE_NOT_FOUND;
}


static int
profile_json_member_name(profile_json_t *json, int *match,
    profile_error_t *err)
{
    int                   rc, ch, whole;
    const char           *name;
    profile_bytes_t       value;
    profile_json_text_t  *text;

    text = &json->text;
    name = json->names[json->level - 1];

    rc = profile_json_text_peek(text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch != '"') {
        return profile_json_text_expected(text, "a member's name", ch, err);
    }

    rc = profile_json_text_value(text, PROFILE_JSON_NAME_MAX(strlen(name)),
                                 &value, &whole, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    *match = whole && profile_json_same(&value, name);

    if (*match && json->found) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: the member "
                             "\"%.100s\" is there twice, so that \"path\" "
                             "may mean either",
                             profile_json_text_name(text),
                             (unsigned long long) text->line, name);
    }

    if (*match) {
        json->found = 1;
    }

    profile_json_text_take(text, value.len);

    return PROFILE_OK;
}


/* Names are the same however they are escaped. */

static int
profile_json_same(const profile_bytes_t *string, const char *name)
{
    int      same;
    json_t  *value;

    if (memchr(string->data, '\\', string->len) == NULL) {
        return string->len - 2 == strlen(name)
               && memcmp(string->data + 1, name, string->len - 2) == 0;
    }

    value = json_loadb((const char *) string->data, string->len,
                       JSON_DECODE_ANY, NULL);

    same = (value != NULL && strcmp(json_string_value(value), name) == 0);

    json_decref(value);

    return same;
}


/* The array's next element; PROFILE_NOT_FOUND when it has ended. */

static int
profile_json_element(profile_json_t *json, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    int                   rc, ch, whole;
    profile_bytes_t       value;
    profile_json_text_t  *text;

    text = &json->text;

    rc = profile_json_text_peek(text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch == ']') {
        profile_json_text_take(text, 1);
        json->first = 0;
        return PROFILE_NOT_FOUND;
    }

    if (!json->first) {
        rc = profile_json_comma(json, "a comma or \"]\"", err);

        if (rc == PROFILE_OK) {
            rc = profile_json_text_peek(text, &ch, err);
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    json->first = 0;

    raw->line = text->line;
    raw->stream = profile_source_number(text->input->source);
    raw->columns = NULL;

    rc = profile_json_text_value(text, PROFILE_ROW_MAX, &value, &whole, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    raw->text = value.data;
    raw->len = value.len;
    *reason = whole ? PROFILE_ROW_VALID : PROFILE_ROW_LONG;

    profile_json_text_take(text, value.len);

    return PROFILE_OK;
}


static int
profile_json_comma(profile_json_t *json, const char *what,
    profile_error_t *err)
{
    int  rc, ch;

    rc = profile_json_text_peek(&json->text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch != ',') {
        return profile_json_text_expected(&json->text, what, ch, err);
    }

    profile_json_text_take(&json->text, 1);

    return PROFILE_OK;
}
