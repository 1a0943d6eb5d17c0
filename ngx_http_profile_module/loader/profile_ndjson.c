
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Cuts streams into lines.
 */


#include <string.h>

#include "profile_format.h"


typedef struct {
    profile_input_t  *input;
    size_t            scanned;     /* bytes after start without a newline */
    uint64_t          line;
    unsigned          stream:1;    /* one is open */
    unsigned          skipping:1;  /* the rest of a line too long */
} profile_ndjson_t;


static void *profile_ndjson_create(const profile_config_entity_t *entity,
    profile_input_t *input);
static void profile_ndjson_free(void *reader);
static int profile_ndjson_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);
static int profile_ndjson_line(profile_ndjson_t *ndjson,
    profile_raw_t *raw, profile_row_reason_e *reason, profile_error_t *err);
static int profile_ndjson_blank(const profile_raw_t *raw);


const profile_format_t  profile_format_ndjson = {
    profile_ndjson_create,
    profile_ndjson_free,
    profile_ndjson_next,
    NULL
};


static void *
profile_ndjson_create(const profile_config_entity_t *entity,
    profile_input_t *input)
{
    profile_ndjson_t  *ndjson;

    (void) entity;

    ndjson = profile_alloc(sizeof(profile_ndjson_t));
    memset(ndjson, 0, sizeof(profile_ndjson_t));

    ndjson->input = input;

    return ndjson;
}


static void
profile_ndjson_free(void *reader)
{
    free(reader);
}


static int
profile_ndjson_next(void *reader, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    profile_ndjson_t *ndjson = reader;

    int  rc;

    for ( ;; ) {

        if (!ndjson->stream) {
            rc = profile_input_open(ndjson->input, err);
            if (rc != PROFILE_OK) {
                return rc;
            }

            ndjson->stream = 1;
            ndjson->scanned = 0;
            ndjson->line = 0;
        }

        rc = profile_ndjson_line(ndjson, raw, reason, err);

        if (rc == PROFILE_NOT_FOUND) {
            ndjson->stream = 0;
            continue;
        }

        if (rc == PROFILE_OK
            && *reason == PROFILE_ROW_VALID
            && profile_ndjson_blank(raw))
        {
            continue;
        }

        return rc;
    }
}


/* The next line of the open stream; PROFILE_NOT_FOUND at its end. */

static int
profile_ndjson_line(profile_ndjson_t *ndjson, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    int               rc;
    size_t            len;
    u_char           *newline, *text;
    profile_input_t  *input;

    input = ndjson->input;

    for ( ;; ) {

        text = input->buf + input->start;
        len = input->end - input->start;

        newline = memchr(text + ndjson->scanned, '\n',
                         len - ndjson->scanned);

        if (newline != NULL || input->eof) {
            break;
        }

        ndjson->scanned = len;

        if (len > PROFILE_ROW_MAX) {
            ndjson->skipping = 1;
            input->start = input->end;
            ndjson->scanned = 0;
        }

        rc = profile_input_fill(input, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    if (newline == NULL && len == 0 && !ndjson->skipping) {
        return PROFILE_NOT_FOUND;
    }

    if (newline != NULL) {
        len = (size_t) (newline - text);
    }

    input->start += (newline != NULL) ? len + 1 : len;
    ndjson->scanned = 0;

    raw->text = text;
    raw->len = len;
    raw->columns = NULL;
    raw->line = ++ndjson->line;
    raw->stream = profile_source_number(input->source);

    *reason = (ndjson->skipping || len > PROFILE_ROW_MAX)
              ? PROFILE_ROW_LONG : PROFILE_ROW_VALID;

    ndjson->skipping = 0;

    return PROFILE_OK;
}


static int
profile_ndjson_blank(const profile_raw_t *raw)
{
    size_t  i;

    for (i = 0; i < raw->len; i++) {
        if (raw->text[i] != ' '
            && raw->text[i] != '\t'
            && raw->text[i] != '\r')
        {
            return 0;
        }
    }

    return 1;
}
