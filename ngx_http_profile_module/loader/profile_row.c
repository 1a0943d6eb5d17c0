
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Checks a row with jansson and keeps the row's own bytes.
 *
 * jansson turns numbers into C's, and refuses those that do not fit.  A row
 * may hold any number, so each is checked here, against the grammar, and
 * jansson is shown its ordinal instead: the first such value of the row is
 * 0, the next 1.  What jansson then finds for the primary key leads back to
 * the digits as they were written.
 *
 * A string that is a value and plain, of printable ASCII without escapes, is
 * right as it stands, and so is replaced as well: 17 becomes "=17".  Most
 * bytes of most rows are of this kind, and jansson takes ten times as long
 * over them.  Other strings are shown whole, after a letter that tells them
 * apart; names of members are shown as they are.
 */


#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "profile_buffer.h"
#include "profile_row.h"


#define PROFILE_BODY_PREFIX  "{\"data\":"

#define profile_row_bytes(c)  (UINT64_C(0x0101010101010101) * (c))


#define PROFILE_ROW_ORDINAL  '='      /* then the ordinal */
#define PROFILE_ROW_WHOLE    'x'      /* then the string */


/* A value that jansson is not shown, in the row's text. */

typedef struct {
    size_t  offset;
    size_t  len;
} profile_row_span_t;


struct profile_row_parser_s {
    const profile_row_members_t  *members;
    profile_buffer_t              body;
    profile_buffer_t              shown;       /* to jansson */
    profile_row_span_t           *spans;
    size_t                        nspans;
    size_t                        size;        /* of spans */
    u_char                        id[PROFILE_RECORD_ID_MAX];
    u_char                        cursor[PROFILE_CURSOR_MAX];
};


static int profile_row_scan(profile_row_parser_t *parser,
    const u_char *text, size_t len);
static size_t profile_row_string(profile_row_parser_t *parser,
    const u_char *text, const u_char *p, const u_char *last,
    const u_char **start);
static const u_char *profile_row_plain(const u_char *p, const u_char *last);
static int profile_row_is_name(const u_char *p, const u_char *last);
static size_t profile_row_number(const u_char *p, const u_char *last);
static size_t profile_row_digits(const u_char *p, const u_char *last);
static void profile_row_replace(profile_row_parser_t *parser,
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
        free(parser->spans);
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
    parser->nspans = 0;

    profile_buffer_append(&parser->body, PROFILE_BODY_PREFIX,
                          sizeof(PROFILE_BODY_PREFIX) - 1);

    p = text;
    last = text + len;
    start = p;          /* of what has not been shown */

    while (p < last) {

        switch (*p) {

        case ' ':
        case '\t':
        case '\r':
        case '\n':
            profile_buffer_append(&parser->body, start, (size_t) (p - start));
            profile_buffer_append(&parser->shown, start,
                                  (size_t) (p + 1 - start));
            start = ++p;
            continue;

        case '"':
            n = profile_row_string(parser, text, p, last, &start);
            break;

        case '-':
        case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
            n = profile_row_number(p, last);

            if (n == 0) {
                return -1;
            }

            profile_buffer_append(&parser->body, start,
                                  (size_t) (p + n - start));
            profile_buffer_append(&parser->shown, start,
                                  (size_t) (p - start));
            profile_row_replace(parser, (size_t) (p - text), n);
            start = p + n;
            break;

        default:
            n = 1;
            break;
        }

        p += n;
    }

    profile_buffer_append(&parser->body, start, (size_t) (last - start));
    profile_buffer_append(&parser->shown, start, (size_t) (last - start));
    profile_buffer_append(&parser->body, "}", 1);

    return 0;
}


/*
 * The length of a string with its quotes.  A value is shown here, and *start
 * moves behind it; a name is left to what follows.
 */

static size_t
profile_row_string(profile_row_parser_t *parser, const u_char *text,
    const u_char *p, const u_char *last, const u_char **start)
{
    size_t         n;
    const u_char  *end, *next;

    end = profile_row_plain(p + 1, last);
    next = end;

    while (next < last && *next != '"') {
        next += (*next == '\\' && last - next > 1) ? 2 : 1;
    }

    if (next == last) {

        /* it has no end: jansson will say so */

        return (size_t) (last - p);
    }

    n = (size_t) (next + 1 - p);

    if (profile_row_is_name(next + 1, last)) {
        return n;
    }

    profile_buffer_append(&parser->body, *start, (size_t) (p + n - *start));
    profile_buffer_append(&parser->shown, *start, (size_t) (p + 1 - *start));
    *start = p + n;

    if (next == end) {
        profile_buffer_append(&parser->shown, (u_char []) {
                              PROFILE_ROW_ORDINAL }, 1);
        profile_row_replace(parser, (size_t) (p + 1 - text), n - 2);
        profile_buffer_append(&parser->shown, "\"", 1);

    } else {
        profile_buffer_append(&parser->shown, (u_char []) {
                              PROFILE_ROW_WHOLE }, 1);
        profile_buffer_append(&parser->shown, p + 1, n - 1);
    }

    return n;
}


/* The first byte that is not printable ASCII, or a quote or a backslash. */

static const u_char *
profile_row_plain(const u_char *p, const u_char *last)
{
    uint64_t  word, odd;

    while (last - p >= (ptrdiff_t) sizeof(uint64_t)) {

        memcpy(&word, p, sizeof(uint64_t));

        /*
         * Eight bytes at once.  A byte's highest bit becomes set where the
         * byte is below 0x20, is zero after the exclusive or, or has it set
         * itself.  A borrow may set it in a byte after one that is found,
         * never in one of eight that are all plain.
         */

        odd = word
              | (word - profile_row_bytes(0x20))
              | ((word ^ profile_row_bytes('"')) - profile_row_bytes(1))
              | ((word ^ profile_row_bytes('\\')) - profile_row_bytes(1));

        if (odd & profile_row_bytes(0x80)) {
            break;
        }

        p += sizeof(uint64_t);
    }

    while (p < last && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }

    return p;
}


static int
profile_row_is_name(const u_char *p, const u_char *last)
{
    while (p < last
           && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
    {
        p++;
    }

    return p < last && *p == ':';
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


/* Shows the ordinal of a value in its place. */

static void
profile_row_replace(profile_row_parser_t *parser, size_t offset, size_t len)
{
    u_char  *p, ordinal[3 * sizeof(size_t)];
    size_t   n;

    if (parser->nspans == parser->size) {
        parser->size = (parser->size == 0) ? 64 : parser->size * 2;
        parser->spans = profile_realloc(parser->spans,
                                        parser->size
                                        * sizeof(profile_row_span_t));
    }

    parser->spans[parser->nspans].offset = offset;
    parser->spans[parser->nspans].len = len;

    p = ordinal + sizeof(ordinal);
    n = parser->nspans++;

    do {
        *--p = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n != 0);

    profile_buffer_append(&parser->shown, p,
                          (size_t) (ordinal + sizeof(ordinal) - p));
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
    size_t                     n;
    const char                *shown;
    const profile_row_span_t  *span;

    if (json_is_string(value)) {

        shown = json_string_value(value);

        if (shown[0] == PROFILE_ROW_WHOLE) {
            bytes->data = (const u_char *) shown + 1;
            bytes->len = json_string_length(value) - 1;
            return 0;
        }

        n = strtoull(shown + 1, NULL, 10);

    } else if (json_is_integer(value)) {
        n = (size_t) json_integer_value(value);

    } else {
        return -1;
    }

    span = &parser->spans[n];
    bytes->data = text + span->offset;
    bytes->len = span->len;

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
