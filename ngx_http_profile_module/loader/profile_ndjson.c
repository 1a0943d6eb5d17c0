
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Cuts streams into lines.
 */


#include <string.h>

#include "profile_ndjson.h"


#define PROFILE_NDJSON_BUFFER  (256 * 1024)
#define PROFILE_BOM            "\xef\xbb\xbf"


struct profile_ndjson_s {
    profile_source_t  *source;
    u_char            *buf;
    size_t             size;
    size_t             start;       /* of what has not been returned */
    size_t             scanned;     /* bytes after start without a newline */
    size_t             end;         /* of what has been read */
    uint64_t           line;
    unsigned           stream:1;    /* one is open */
    unsigned           eof:1;       /* of it */
    unsigned           skipping:1;  /* the rest of a line too long */
};


static int profile_ndjson_line(profile_ndjson_t *ndjson,
    profile_raw_t *raw, profile_row_reason_e *reason, profile_error_t *err);
static int profile_ndjson_fill(profile_ndjson_t *ndjson,
    profile_error_t *err);
static int profile_ndjson_open(profile_ndjson_t *ndjson,
    profile_error_t *err);
static int profile_ndjson_blank(const profile_raw_t *raw);


profile_ndjson_t *
profile_ndjson_create(profile_source_t *source)
{
    profile_ndjson_t  *ndjson;

    ndjson = profile_alloc(sizeof(profile_ndjson_t));
    memset(ndjson, 0, sizeof(profile_ndjson_t));

    ndjson->source = source;
    ndjson->size = PROFILE_NDJSON_BUFFER;
    ndjson->buf = profile_alloc(ndjson->size);

    return ndjson;
}


void
profile_ndjson_free(profile_ndjson_t *ndjson)
{
    if (ndjson != NULL) {
        free(ndjson->buf);
        free(ndjson);
    }
}


int
profile_ndjson_next(profile_ndjson_t *ndjson, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err)
{
    int  rc;

    for ( ;; ) {

        if (!ndjson->stream) {
            rc = profile_ndjson_open(ndjson, err);
            if (rc != PROFILE_OK) {
                return rc;
            }
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
    int      rc;
    size_t   len;
    u_char  *newline, *text;

    for ( ;; ) {

        text = ndjson->buf + ndjson->start;
        len = ndjson->end - ndjson->start;

        newline = memchr(text + ndjson->scanned, '\n',
                         len - ndjson->scanned);

        if (newline != NULL || ndjson->eof) {
            break;
        }

        ndjson->scanned = len;

        if (len > PROFILE_ROW_MAX) {
            ndjson->skipping = 1;
            ndjson->start = ndjson->end;
            ndjson->scanned = 0;
        }

        rc = profile_ndjson_fill(ndjson, err);
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

    ndjson->start += (newline != NULL) ? len + 1 : len;
    ndjson->scanned = 0;

    raw->text = text;
    raw->len = len;
    raw->line = ++ndjson->line;
    raw->stream = profile_source_number(ndjson->source);

    *reason = (ndjson->skipping || len > PROFILE_ROW_MAX)
              ? PROFILE_ROW_LONG : PROFILE_ROW_VALID;

    ndjson->skipping = 0;

    return PROFILE_OK;
}


static int
profile_ndjson_fill(profile_ndjson_t *ndjson, profile_error_t *err)
{
    int     rc;
    size_t  n;

    if (ndjson->start != 0) {
        memmove(ndjson->buf, ndjson->buf + ndjson->start,
                ndjson->end - ndjson->start);
        ndjson->end -= ndjson->start;
        ndjson->start = 0;
    }

    if (ndjson->end == ndjson->size) {
        ndjson->size *= 2;
        ndjson->buf = profile_realloc(ndjson->buf, ndjson->size);
    }

    rc = profile_source_read(ndjson->source, ndjson->buf + ndjson->end,
                             ndjson->size - ndjson->end, &n, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    ndjson->end += n;
    ndjson->eof = (n == 0);

    return PROFILE_OK;
}


static int
profile_ndjson_open(profile_ndjson_t *ndjson, profile_error_t *err)
{
    int  rc;

    rc = profile_source_next(ndjson->source, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    ndjson->stream = 1;
    ndjson->eof = 0;
    ndjson->line = 0;
    ndjson->start = 0;
    ndjson->scanned = 0;
    ndjson->end = 0;

    while (ndjson->end < sizeof(PROFILE_BOM) - 1 && !ndjson->eof) {
        rc = profile_ndjson_fill(ndjson, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    /* some programs start every text so */

    if (ndjson->end >= sizeof(PROFILE_BOM) - 1
        && memcmp(ndjson->buf, PROFILE_BOM, sizeof(PROFILE_BOM) - 1) == 0)
    {
        ndjson->start = sizeof(PROFILE_BOM) - 1;
    }

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
