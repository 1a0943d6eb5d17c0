
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Checks a row with jansson and keeps the row's own bytes.
 *
 * jansson turns numbers into C's, and refuses those that do not fit.  A row
 * may hold any number, so each is checked here, against the grammar, and
 * jansson is shown its ordinal instead: the first number of the row is 0,
 * the next 1.  The value that jansson then finds for the primary key leads
 * back to the digits as they were written.
 */


#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "profile_buffer.h"
#include "profile_row.h"


#define PROFILE_BODY_PREFIX  "{\"data\":"


typedef struct {
    size_t  offset;
    size_t  len;
} profile_row_number_t;


struct profile_row_parser_s {
    const profile_row_members_t  *members;
    profile_buffer_t              body;
    profile_buffer_t              shown;       /* to jansson */
    profile_row_number_t         *numbers;
    size_t                        nnumbers;
    size_t                        size;        /* of numbers */
    u_char                        id[PROFILE_RECORD_ID_MAX];
    u_char                        cursor[PROFILE_CURSOR_MAX];
};


static int profile_row_scan(profile_row_parser_t *parser,
    const u_char *text, size_t len);
static void profile_row_copy(profile_row_parser_t *parser,
    const u_char *start, const u_char *end);
static size_t profile_row_string(const u_char *p, const u_char *last);
static size_t profile_row_number(const u_char *p, const u_char *last);
static size_t profile_row_digits(const u_char *p, const u_char *last);
static void profile_row_add_number(profile_row_parser_t *parser,
    size_t offset, size_t len);
static profile_row_reason_e profile_row_error(const json_error_t *error);
static profile_row_reason_e profile_row_members(
    profile_row_parser_t *parser, json_t *tree, const u_char *text,
    profile_row_t *row);
static profile_row_reason_e profile_row_key(profile_row_parser_t *parser,
    json_t *value, const u_char *text, profile_row_t *row);
static profile_row_reason_e profile_row_cursor(profile_row_parser_t *parser,
    json_t *value, const u_char *text, profile_row_t *row);
static profile_row_reason_e profile_row_deleted(
    const profile_row_parser_t *parser, json_t *value, const u_char *text,
    profile_row_t *row);
static int profile_row_text(const profile_row_parser_t *parser,
    json_t *value, const u_char *text, profile_bytes_t *bytes);
static profile_row_reason_e profile_row_integer(const u_char *p, size_t len);


static const char  *profile_row_reasons[PROFILE_ROW_REASONS] = {
    "valid",
    "invalid JSON",
    "invalid UTF-8",
    "a NUL character",
    "nested too deeply",
    "a duplicate member",
    "not an object",
    "no primary key",
    "primary key is null",
    "primary key is neither a string nor an integer",
    "primary key is empty",
    "primary key is longer than 500 bytes",
    "longer than 32 MiB",
    "quotes out of place",
    "not as many fields as the header",
    "no cursor",
    "cursor is neither a string nor a number",
    "cursor is longer than 1000 bytes",
    "neither deleted nor not",
    "duplicate primary key"
};


profile_row_parser_t *
profile_row_parser_create(const profile_row_members_t *members)
{
    profile_row_parser_t  *parser;

    parser = profile_alloc(sizeof(profile_row_parser_t));
    memset(parser, 0, sizeof(profile_row_parser_t));

    parser->members = members;

    return parser;
}


void
profile_row_parser_free(profile_row_parser_t *parser)
{
    if (parser != NULL) {
        free(parser->body.data);
        free(parser->shown.data);
        free(parser->numbers);
        free(parser);
    }
}


profile_row_reason_e
profile_row_parse(profile_row_parser_t *parser, const u_char *text,
    size_t len, profile_row_t *row)
{
    json_t                *tree;
    json_error_t           error;
    profile_row_reason_e   reason;

    /* jansson 2.14 overlooks a zero byte that follows a number or a word */

    if (memchr(text, '\0', len) != NULL) {
        return PROFILE_ROW_NUL;
    }

    if (profile_row_scan(parser, text, len) != 0) {
        return PROFILE_ROW_SYNTAX;
    }

    tree = json_loadb((char *) parser->shown.data, parser->shown.len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, &error);

    if (tree == NULL) {
        return profile_row_error(&error);
    }

    reason = json_is_object(tree)
             ? profile_row_members(parser, tree, text, row)
             : PROFILE_ROW_NOT_OBJECT;

    json_decref(tree);

    row->body.data = parser->body.data;
    row->body.len = parser->body.len;

    return reason;
}


const char *
profile_row_reason(profile_row_reason_e reason)
{
    return profile_row_reasons[reason];
}


/*
 * Fills the body and what jansson is shown.  White space stays in the
 * latter, where it may separate what must not touch.
 */

static int
profile_row_scan(profile_row_parser_t *parser, const u_char *text,
    size_t len)
{
    size_t         n;
    const u_char  *p, *last, *start;

    parser->body.len = 0;
    parser->shown.len = 0;
    parser->nnumbers = 0;

    profile_buffer_append(&parser->body, PROFILE_BODY_PREFIX,
                          sizeof(PROFILE_BODY_PREFIX) - 1);

    p = text;
    last = text + len;
    start = p;

    while (p < last) {

        switch (*p) {

        case '"':
            p += profile_row_string(p, last);
            continue;

        case ' ':
        case '\t':
        case '\r':
        case '\n':
            profile_row_copy(parser, start, p);
            profile_buffer_append(&parser->shown, p, 1);
            start = ++p;
            continue;

        case '-':
        case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
            n = profile_row_number(p, last);

            if (n == 0) {
                return -1;
            }

            profile_row_copy(parser, start, p);
            profile_buffer_append(&parser->body, p, n);
            profile_row_add_number(parser, (size_t) (p - text), n);
            p += n;
            start = p;
            continue;

        default:
            p++;
            continue;
        }
    }

    profile_row_copy(parser, start, last);
    profile_buffer_append(&parser->body, "}", 1);

    return 0;
}


static void
profile_row_copy(profile_row_parser_t *parser, const u_char *start,
    const u_char *end)
{
    profile_buffer_append(&parser->body, start, (size_t) (end - start));
    profile_buffer_append(&parser->shown, start, (size_t) (end - start));
}


/* The length of a string with its quotes; jansson looks at what is inside. */

static size_t
profile_row_string(const u_char *p, const u_char *last)
{
    const u_char  *start;

    start = p++;

    while (p < last && *p != '"') {
        p += (*p == '\\' && last - p > 1) ? 2 : 1;
    }

    if (p < last) {
        p++;
    }

    return (size_t) (p - start);
}


/* The length of a number, 0 for what is none: RFC 8259, section 6. */

static size_t
profile_row_number(const u_char *p, const u_char *last)
{
    size_t         n;
    const u_char  *start;

    start = p;

    if (*p == '-') {
        p++;
    }

    n = profile_row_digits(p, last);

    if (n == 0 || (n > 1 && *p == '0')) {
        return 0;
    }

    p += n;

    if (p < last && *p == '.') {
        p++;
        n = profile_row_digits(p, last);

        if (n == 0) {
            return 0;
        }

        p += n;
    }

    if (p < last && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        n = profile_row_digits(p, last);

        if (n == 0) {
            return 0;
        }

        p += n;
    }

    /* the digits that jansson is shown must not meet others */

    if (p < last && strchr(" \t\r\n,]}", *p) == NULL) {
        return 0;
    }

    return (size_t) (p - start);
}


static size_t
profile_row_digits(const u_char *p, const u_char *last)
{
    const u_char  *start;

    start = p;

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    return (size_t) (p - start);
}


static void
profile_row_add_number(profile_row_parser_t *parser, size_t offset,
    size_t len)
{
    int   n;
    char  ordinal[3 * sizeof(size_t)];

    if (parser->nnumbers == parser->size) {
        parser->size = (parser->size == 0) ? 64 : parser->size * 2;
        parser->numbers = profile_realloc(parser->numbers,
                                          parser->size
                                          * sizeof(profile_row_number_t));
    }

    parser->numbers[parser->nnumbers].offset = offset;
    parser->numbers[parser->nnumbers].len = len;

    n = snprintf(ordinal, sizeof(ordinal), "%zu", parser->nnumbers);
    profile_buffer_append(&parser->shown, ordinal, (size_t) n);

    parser->nnumbers++;
}


static profile_row_reason_e
profile_row_error(const json_error_t *error)
{
    switch (json_error_code(error)) {

    case json_error_invalid_utf8:
        return PROFILE_ROW_UTF8;

    case json_error_duplicate_key:
        return PROFILE_ROW_DUPLICATE_MEMBER;

    case json_error_null_character:
    case json_error_null_byte_in_key:
        return PROFILE_ROW_NUL;

    case json_error_stack_overflow:
        return PROFILE_ROW_DEPTH;

    default:
        return PROFILE_ROW_SYNTAX;
    }
}


static profile_row_reason_e
profile_row_members(profile_row_parser_t *parser, json_t *tree,
    const u_char *text, profile_row_t *row)
{
    profile_row_reason_e          reason;
    const profile_row_members_t  *members;

    members = parser->members;
    row->deleted = 0;
    row->cursor.len = 0;
    row->cursor.data = parser->cursor;

    reason = profile_row_key(parser,
                             json_object_get(tree, members->primary_key),
                             text, row);

    if (reason == PROFILE_ROW_VALID && members->cursor != NULL) {
        reason = profile_row_cursor(parser,
                                    json_object_get(tree, members->cursor),
                                    text, row);
    }

    if (reason == PROFILE_ROW_VALID && members->deleted != NULL) {
        reason = profile_row_deleted(parser,
                                     json_object_get(tree, members->deleted),
                                     text, row);
    }

    return reason;
}


static profile_row_reason_e
profile_row_key(profile_row_parser_t *parser, json_t *value,
    const u_char *text, profile_row_t *row)
{
    profile_bytes_t       bytes;
    profile_row_reason_e  reason;

    if (value == NULL) {
        return PROFILE_ROW_NO_KEY;
    }

    if (json_is_null(value)) {
        return PROFILE_ROW_NULL_KEY;
    }

    if (profile_row_text(parser, value, text, &bytes) != 0) {
        return PROFILE_ROW_KEY_TYPE;
    }

    if (json_is_integer(value)) {
        reason = profile_row_integer(bytes.data, bytes.len);
        if (reason != PROFILE_ROW_VALID) {
            return reason;
        }
    }

    if (bytes.len == 0) {
        return PROFILE_ROW_EMPTY_KEY;
    }

    if (bytes.len > PROFILE_RECORD_ID_MAX) {
        return PROFILE_ROW_LONG_KEY;
    }

    memcpy(parser->id, bytes.data, bytes.len);

    row->id.data = parser->id;
    row->id.len = bytes.len;

    return PROFILE_ROW_VALID;
}


/* An empty one would mean the beginning when it is asked for. */

static profile_row_reason_e
profile_row_cursor(profile_row_parser_t *parser, json_t *value,
    const u_char *text, profile_row_t *row)
{
    profile_bytes_t  bytes;

    if (value == NULL || json_is_null(value)) {
        return PROFILE_ROW_NO_CURSOR;
    }

    if (profile_row_text(parser, value, text, &bytes) != 0) {
        return PROFILE_ROW_CURSOR_TYPE;
    }

    if (bytes.len == 0) {
        return PROFILE_ROW_NO_CURSOR;
    }

    if (bytes.len > PROFILE_CURSOR_MAX) {
        return PROFILE_ROW_LONG_CURSOR;
    }

    memcpy(parser->cursor, bytes.data, bytes.len);
    row->cursor.len = bytes.len;

    return PROFILE_ROW_VALID;
}


/* CSV has no booleans, and databases spell theirs in several ways. */

static profile_row_reason_e
profile_row_deleted(const profile_row_parser_t *parser, json_t *value,
    const u_char *text, profile_row_t *row)
{
    size_t                    i;
    profile_bytes_t           bytes;
    static const char *const  words[] = { "", "f", "t", "false", "true",
                                          "0", "1", NULL };

    if (value == NULL || json_is_null(value)) {
        return PROFILE_ROW_VALID;
    }

    if (json_is_boolean(value)) {
        row->deleted = json_is_true(value);
        return PROFILE_ROW_VALID;
    }

    if (profile_row_text(parser, value, text, &bytes) != 0) {
        return PROFILE_ROW_DELETED;
    }

    for (i = 0; words[i] != NULL; i++) {

        if (bytes.len == strlen(words[i])
            && strncasecmp((const char *) bytes.data, words[i], bytes.len)
               == 0)
        {
            /* those that mean true stand at even places */

            row->deleted = (i != 0 && i % 2 == 0);
            return PROFILE_ROW_VALID;
        }
    }

    return PROFILE_ROW_DELETED;
}


/* A string's characters, or a number as it is written; else -1. */

static int
profile_row_text(const profile_row_parser_t *parser, json_t *value,
    const u_char *text, profile_bytes_t *bytes)
{
    const profile_row_number_t  *number;

    if (json_is_string(value)) {
        bytes->data = (const u_char *) json_string_value(value);
        bytes->len = json_string_length(value);
        return 0;
    }

    if (!json_is_integer(value)) {
        return -1;
    }

    number = &parser->numbers[json_integer_value(value)];
    bytes->data = text + number->offset;
    bytes->len = number->len;

    return 0;
}


static profile_row_reason_e
profile_row_integer(const u_char *p, size_t len)
{
    const u_char  *last;

    last = p + len;

    if (*p == '-') {
        p++;
    }

    return (p + profile_row_digits(p, last) == last) ? PROFILE_ROW_VALID
                                                     : PROFILE_ROW_KEY_TYPE;
}
