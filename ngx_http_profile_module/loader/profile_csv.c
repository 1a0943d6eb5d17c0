
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Cuts streams into the records of RFC 4180, of which the first of each
 * stream is its header.  Only newlines and quotes matter here: a quote
 * opens a field where the field begins, and nowhere else, and a newline
 * outside of quotes ends the record.
 */


#include <string.h>

#include "profile_csv_columns.h"
#include "profile_format.h"


typedef struct profile_csv_header_s  profile_csv_header_t;

struct profile_csv_header_s {
    profile_csv_header_t   *older;
    profile_csv_columns_t  *columns;
};


typedef struct {
    const profile_config_entity_t  *entity;
    profile_input_t                *input;
    profile_csv_header_t           *header;      /* the current one */
    size_t                          scanned;     /* bytes after start */
    uint64_t                        line;        /* of the record */
    uint64_t                        skipped;     /* newlines before start */
    unsigned                        stream:1;    /* one is open */
    unsigned                        quoted:1;    /* after what is scanned */
    unsigned                        skipping:1;  /* the record is too long */
} profile_csv_t;


static void *profile_csv_create(const profile_config_entity_t *entity,
    profile_input_t *input);
static void profile_csv_free(void *reader);
static int profile_csv_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);
static int profile_csv_open(profile_csv_t *csv, profile_error_t *err);
static int profile_csv_header(profile_csv_t *csv, const profile_raw_t *raw,
    profile_row_reason_e reason, profile_error_t *err);
static int profile_csv_check(const profile_csv_t *csv,
    const profile_csv_columns_t *columns, uint64_t line,
    profile_error_t *err);
static int profile_csv_record(profile_csv_t *csv, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);
static int profile_csv_find(profile_csv_t *csv, size_t *len,
    profile_error_t *err);
static const u_char *profile_csv_scan(profile_csv_t *csv,
    const u_char *text, const u_char *last);
static void profile_csv_skip(profile_csv_t *csv);
static uint64_t profile_csv_newlines(const u_char *p, size_t len);
static const char *profile_csv_name(const profile_csv_t *csv);
static profile_row_reason_e profile_csv_decode(const profile_raw_t *raw,
    profile_buffer_t *json);


const profile_format_t  profile_format_csv = {
    profile_csv_create,
    profile_csv_free,
    profile_csv_next,
    profile_csv_decode
};


static void *
profile_csv_create(const profile_config_entity_t *entity,
    profile_input_t *input)
{
    profile_csv_t  *csv;

    csv = profile_alloc(sizeof(profile_csv_t));
    memset(csv, 0, sizeof(profile_csv_t));

    csv->entity = entity;
    csv->input = input;

    return csv;
}


static void
profile_csv_free(void *reader)
{
    profile_csv_t *csv = reader;

    profile_csv_header_t  *header;

    if (csv == NULL) {
        return;
    }

    while (csv->header != NULL) {
        header = csv->header;
        csv->header = header->older;

        profile_csv_columns_free(header->columns);
        free(header);
    }

    free(csv);
}


static int
profile_csv_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    profile_csv_t *csv = reader;

    int  rc;

    for ( ;; ) {

        if (!csv->stream) {
            rc = profile_csv_open(csv, err);
            if (rc != PROFILE_OK) {
                return rc;
            }

            csv->stream = 1;
        }

        rc = profile_csv_record(csv, raw, reason, err);
        if (rc != PROFILE_NOT_FOUND) {
            return rc;
        }

        csv->stream = 0;
    }
}


/* The next stream, and its header. */

static int
profile_csv_open(profile_csv_t *csv, profile_error_t *err)
{
    int                   rc;
    profile_raw_t         raw;
    profile_row_reason_e  reason;

    rc = profile_input_open(csv->input, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    csv->line = 1;

    rc = profile_csv_record(csv, &raw, &reason, err);

    if (rc == PROFILE_NOT_FOUND) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: expected a "
                             "header with the names of the columns, found "
                             "the end of the stream", profile_csv_name(csv),
                             (unsigned long long) csv->line);
    }

    return (rc == PROFILE_OK) ? profile_csv_header(csv, &raw, reason, err)
                              : rc;
}


/* Rows that others have yet to decode keep the headers of their streams. */

static int
profile_csv_header(profile_csv_t *csv, const profile_raw_t *raw,
    profile_row_reason_e reason, profile_error_t *err)
{
    int                     rc;
    profile_csv_header_t   *header;
    profile_csv_columns_t  *columns;

    columns = NULL;

    if (reason == PROFILE_ROW_VALID) {
        columns = profile_csv_columns_create(raw->text, raw->len, &reason);
    }

    if (reason != PROFILE_ROW_VALID) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: expected a "
                             "header with the names of the columns, found a "
                             "record that is invalid: %s",
                             profile_csv_name(csv),
                             (unsigned long long) raw->line,
                             profile_row_reason(reason));
    }

    if (csv->header != NULL
        && profile_csv_columns_equal(csv->header->columns, columns))
    {
        profile_csv_columns_free(columns);
        return PROFILE_OK;
    }

    rc = profile_csv_check(csv, columns, raw->line, err);

    if (rc != PROFILE_OK) {
        profile_csv_columns_free(columns);
        return rc;
    }

    header = profile_alloc(sizeof(profile_csv_header_t));

    header->columns = columns;
    header->older = csv->header;
    csv->header = header;

    return PROFILE_OK;
}


static int
profile_csv_check(const profile_csv_t *csv,
    const profile_csv_columns_t *columns, uint64_t line,
    profile_error_t *err)
{
    char        name[101];
    size_t      i;
    const char  *wanted[3];

    static const char *const  members[3] = { "primary_key", "cursor",
                                             "deleted" };

    if (profile_csv_columns_duplicate(columns, name, sizeof(name))) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: the header has "
                             "the column \"%s\" twice",
                             profile_csv_name(csv),
                             (unsigned long long) line, name);
    }

    wanted[0] = csv->entity->primary_key;
    wanted[1] = csv->entity->refresh.cursor;
    wanted[2] = csv->entity->refresh.deleted;

    for (i = 0; i < 3; i++) {

        if (wanted[i] != NULL && !profile_csv_columns_have(columns, wanted[i]))
        {
            return profile_error(err, PROFILE_FAILED, "%s:%llu: the header "
                                 "has no column \"%.100s\", which is the "
                                 "entity's %s", profile_csv_name(csv),
                                 (unsigned long long) line, wanted[i],
                                 members[i]);
        }
    }

    return PROFILE_OK;
}


/* The stream's next record; PROFILE_NOT_FOUND at its end. */

static int
profile_csv_record(profile_csv_t *csv, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    int               rc;
    size_t            len;
    const u_char     *text;
    profile_input_t  *input;

    input = csv->input;

    for ( ;; ) {
        csv->scanned = 0;
        csv->skipped = 0;
        csv->quoted = 0;
        csv->skipping = 0;

        rc = profile_csv_find(csv, &len, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        text = input->buf + input->start;
        input->start += len;

        raw->text = text;
        raw->line = csv->line;

        csv->line += csv->skipped + profile_csv_newlines(text, len);

        if (len != 0 && text[len - 1] == '\n') {
            len--;
        }

        if (len > PROFILE_ROW_MAX) {
            csv->skipping = 1;
        }

        if (len != 0 && text[len - 1] == '\r') {
            len--;
        }

        if (len != 0 || csv->skipping) {
            break;
        }
    }

    raw->len = len;
    raw->columns = (csv->header == NULL) ? NULL : csv->header->columns;
    raw->stream = profile_source_number(input->source);

    *reason = csv->skipping ? PROFILE_ROW_LONG : PROFILE_ROW_VALID;

    return PROFILE_OK;
}


/* *len is that of the record, its newline included. */

static int
profile_csv_find(profile_csv_t *csv, size_t *len, profile_error_t *err)
{
    int               rc;
    const u_char     *newline, *text;
    profile_input_t  *input;

    input = csv->input;

    for ( ;; ) {
        text = input->buf + input->start;
        newline = profile_csv_scan(csv, text, input->buf + input->end);

        if (newline != NULL) {
            *len = (size_t) (newline + 1 - text);
            return PROFILE_OK;
        }

        if (input->eof) {
            break;
        }

        if (csv->scanned > PROFILE_ROW_MAX) {
            profile_csv_skip(csv);
        }

        rc = profile_input_fill(input, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    if (csv->quoted) {
        return profile_error(err, PROFILE_FAILED, "%s:%llu: in the record "
                             "that begins here, a quoted field does not end "
                             "before the stream does", profile_csv_name(csv),
                             (unsigned long long) csv->line);
    }

    *len = input->end - input->start;

    return (*len == 0) ? PROFILE_NOT_FOUND : PROFILE_OK;
}


/* The newline that ends the record, or NULL if it is not there yet. */

static const u_char *
profile_csv_scan(profile_csv_t *csv, const u_char *text, const u_char *last)
{
    const u_char  *p, *end, *quote;

    p = text + csv->scanned;
    end = NULL;

    for ( ;; ) {

        if (csv->quoted) {
            quote = memchr(p, '"', (size_t) (last - p));

            if (quote == NULL) {
                p = last;
                break;
            }

            if (quote + 1 == last && !csv->input->eof) {
                p = quote;
                break;
            }

            p = quote + 1;

            if (p < last && *p == '"') {
                p++;
                continue;
            }

            csv->quoted = 0;
        }

        /* each newline is looked for once, however many fields are quoted */

        if (end == NULL || end < p) {
            end = memchr(p, '\n', (size_t) (last - p));

            if (end == NULL) {
                end = last;
            }
        }

        quote = memchr(p, '"', (size_t) (end - p));

        if (quote == NULL) {
            p = end;
            break;
        }

        csv->quoted = (quote == text || quote[-1] == ',');
        p = quote + 1;
    }

    csv->scanned = (size_t) (p - text);

    return (!csv->quoted && p < last) ? p : NULL;
}


/* A field's first quote is known by the byte before it, which stays. */

static void
profile_csv_skip(profile_csv_t *csv)
{
    size_t            len;
    profile_input_t  *input;

    input = csv->input;
    len = csv->scanned - 1;

    csv->skipped += profile_csv_newlines(input->buf + input->start, len);
    csv->skipping = 1;
    csv->scanned = 1;

    input->start += len;
}


static uint64_t
profile_csv_newlines(const u_char *p, size_t len)
{
    uint64_t       n;
    const u_char  *last;

    last = p + len;

    for (n = 0; p < last; n++) {

        p = memchr(p, '\n', (size_t) (last - p));

        if (p == NULL) {
            break;
        }

        p++;
    }

    return n;
}


static const char *
profile_csv_name(const profile_csv_t *csv)
{
    profile_source_t  *source;

    source = csv->input->source;

    return profile_source_name(source, profile_source_number(source));
}


static profile_row_reason_e
profile_csv_decode(const profile_raw_t *raw, profile_buffer_t *json)
{
    return profile_csv_columns_decode(raw->columns, raw->text, raw->len,
                                      json);
}
