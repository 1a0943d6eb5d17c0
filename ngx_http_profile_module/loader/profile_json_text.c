
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A JSON text of any size, read value by value.
 */


#include <string.h>

#include "profile_json_text.h"


/* How far into a value one is. */

typedef struct {
    size_t    depth;
    unsigned  string:1;
    unsigned  escaped:1;   /* the next byte, in a string */
    unsigned  word:1;      /* a number or the like: no string, no brackets */
} profile_json_scan_t;


static const u_char *profile_json_scan(profile_json_scan_t *scan,
    const u_char *p, const u_char *last);
static const u_char *profile_json_scan_word(const u_char *p,
    const u_char *last);
static const u_char *profile_json_scan_string(profile_json_scan_t *scan,
    const u_char *p, const u_char *last);
static const char *profile_json_text_found(int ch);


int
profile_json_text_peek(profile_json_text_t *text, int *ch,
    profile_error_t *err)
{
    int               rc;
    size_t            i;
    profile_input_t  *input;

    input = text->input;

    for ( ;; ) {

        for (i = input->start; i < input->end; i++) {
            if (input->buf[i] != ' '
                && input->buf[i] != '\t'
                && input->buf[i] != '\r'
                && input->buf[i] != '\n')
            {
                break;
            }
        }

        profile_json_text_take(text, i - input->start);

        if (i < input->end) {
            *ch = input->buf[i];
            return PROFILE_OK;
        }

        if (input->eof) {
            *ch = EOF;
            return PROFILE_OK;
        }

        rc = profile_input_fill(input, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


void
profile_json_text_take(profile_json_text_t *text, size_t len)
{
    const u_char  *p, *last;

    p = text->input->buf + text->input->start;
    last = p + len;

    text->input->start += len;

    while (p < last) {

        p = memchr(p, '\n', (size_t) (last - p));

        if (p == NULL) {
            return;
        }

        text->line++;
        p++;
    }
}


int
profile_json_text_value(profile_json_text_t *text, size_t max,
    profile_bytes_t *value, int *whole, profile_error_t *err)
{
    int                   rc, ch;
    size_t                len;
    uint64_t              line;
    const u_char         *p, *last;
    profile_input_t      *input;
    profile_json_scan_t   scan;

    input = text->input;

    rc = profile_json_text_peek(text, &ch, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (ch == EOF || ch == ',' || ch == ':' || ch == ']' || ch == '}') {
        return profile_json_text_expected(text, "a value", ch, err);
    }

    memset(&scan, 0, sizeof(profile_json_scan_t));
    scan.word = (ch != '"' && ch != '[' && ch != '{');

    line = text->line;
    len = 0;
    *whole = 1;

    for ( ;; ) {
        last = input->buf + input->end;

        p = profile_json_scan(&scan, input->buf + input->start + len, last);

        if (p == NULL && input->eof) {

            if (!scan.word) {
                text->line = line;
                return profile_json_text_expected(text, "an end of the value "
                                                  "that begins here", EOF,
                                                  err);
            }

            p = last;
        }

        if (p != NULL) {
            break;
        }

        len = input->end - input->start;

        if (len > max) {
            profile_json_text_take(text, len);
            len = 0;
            *whole = 0;
        }

        rc = profile_input_fill(input, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    value->data = input->buf + input->start;
    value->len = (size_t) (p - value->data);

    if (value->len > max) {
        *whole = 0;
    }

    return PROFILE_OK;
}


int
profile_json_text_expected(const profile_json_text_t *text, const char *what,
    int ch, profile_error_t *err)
{
    return profile_error(err, PROFILE_FAILED,
                         "%s:%llu: expected %s, found %s",
                         profile_json_text_name(text),
                         (unsigned long long) text->line, what,
                         profile_json_text_found(ch));
}


const char *
profile_json_text_name(const profile_json_text_t *text)
{
    profile_source_t  *source;

    source = text->input->source;

    return profile_source_name(source, profile_source_number(source));
}


/* Where the value ends, or NULL if it goes on after last. */

static const u_char *
profile_json_scan(profile_json_scan_t *scan, const u_char *p,
    const u_char *last)
{
    if (scan->word) {
        return profile_json_scan_word(p, last);
    }

    while (p < last) {

        if (scan->string) {
            p = profile_json_scan_string(scan, p, last);

            if (!scan->string && scan->depth == 0) {
                return p;
            }

            continue;
        }

        switch (*p++) {

        case '"':
            scan->string = 1;
            break;

        case '{':
        case '[':
            scan->depth++;
            break;

        case '}':
        case ']':
            scan->depth--;

            if (scan->depth == 0) {
                return p;
            }

            break;
        }
    }

    return NULL;
}


static const u_char *
profile_json_scan_word(const u_char *p, const u_char *last)
{
    for ( /* void */ ; p < last; p++) {

        switch (*p) {

        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case '"':
        case ',':
        case ':':
        case '[':
        case ']':
        case '{':
        case '}':
            return p;
        }
    }

    return NULL;
}


/* Goes to the end of the string, or to last. */

static const u_char *
profile_json_scan_string(profile_json_scan_t *scan, const u_char *p,
    const u_char *last)
{
    while (p < last) {

        if (scan->escaped) {
            scan->escaped = 0;

        } else if (*p == '\\') {
            scan->escaped = 1;

        } else if (*p == '"') {
            scan->string = 0;
            return p + 1;
        }

        p++;
    }

    return p;
}


/* Tells what is there without showing it. */

static const char *
profile_json_text_found(int ch)
{
    switch (ch) {

    case EOF:
        return "the end of the stream";

    case '{':
        return "an object";

    case '[':
        return "an array";

    case '"':
        return "a string";

    case '}':
        return "\"}\"";

    case ']':
        return "\"]\"";

    case ',':
        return "a comma";

    case ':':
        return "a colon";

    default:
        return (ch == '-' || (ch >= '0' && ch <= '9')) ? "a number"
                                                       : "something else";
    }
}
