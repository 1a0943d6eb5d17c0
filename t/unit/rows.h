
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads sources in any format, in pieces of any size, and shows the rows:
 * they must be the same however the bytes come in.
 */


#ifndef _PROFILE_ROWS_H_INCLUDED_
#define _PROFILE_ROWS_H_INCLUDED_


#include "profile_format.h"
#include "scratch.h"
#include "tap.h"


typedef struct {
    const profile_format_t   *format;
    profile_config_t          config;
    profile_config_source_t   from;
    profile_source_options_t  options;
    profile_source_t         *source;
    profile_input_t           input;
    void                     *reader;
} rows_t;


/* chunk is what is read at once, 0 what the loader reads. */

static inline void
rows_open(rows_t *rows, const profile_config_entity_t *entity,
    const char *glob, size_t chunk)
{
    profile_error_t  err;

    memset(rows, 0, sizeof(rows_t));

    (void) scratch("%s", "");
    rows->config.directory = scratch_directory;
    rows->from.file = glob;
    rows->options.config = &rows->config;
    rows->options.from = &rows->from;
    rows->options.label = "";
    rows->options.cursor = "";

    if (profile_source_open(&rows->source, &rows->options, &err)
        != PROFILE_OK)
    {
        need(0, err.text);
    }

    profile_input_init(&rows->input, rows->source);

    if (chunk != 0) {
        rows->input.chunk = chunk;
        rows->input.size = chunk;
        rows->input.buf = profile_realloc(rows->input.buf, chunk);
    }

    rows->format = profile_format(entity->format);
    rows->reader = rows->format->create(entity, &rows->input);
}


static inline void
rows_close(rows_t *rows)
{
    rows->format->free(rows->reader);
    profile_input_free(&rows->input);
    profile_source_close(rows->source);
}


static inline int
rows_next(rows_t *rows, profile_raw_t *raw, profile_row_reason_e *reason,
    profile_error_t *err)
{
    return rows->format->next(rows->reader, raw, reason, err);
}


/* "stream:line:text;" for each row, and what the reader fails with. */

static inline const char *
rows_all(const profile_config_entity_t *entity, const char *glob,
    size_t chunk)
{
    int                      rc;
    rows_t                   rows;
    size_t                   i, len;
    profile_raw_t            raw;
    profile_error_t          err;
    profile_buffer_t         json;
    profile_row_reason_e     reason;

    static char              all[16384];

    rows_open(&rows, entity, glob, chunk);
    memset(&json, 0, sizeof(profile_buffer_t));
    len = 0;
    all[0] = '\0';

    for ( ;; ) {
        rc = rows_next(&rows, &raw, &reason, &err);

        if (rc != PROFILE_OK) {
            break;
        }

        if (reason == PROFILE_ROW_VALID && rows.format->decode != NULL) {
            json.len = 0;
            reason = rows.format->decode(&raw, &json);
            raw.text = json.data;
            raw.len = json.len;
        }

        len += (size_t) snprintf(all + len, sizeof(all) - len, "%u:%llu:",
                                 (unsigned) raw.stream,
                                 (unsigned long long) raw.line);

        if (reason != PROFILE_ROW_VALID) {
            len += (size_t) snprintf(all + len, sizeof(all) - len, "[%s];",
                                     profile_row_reason(reason));
            continue;
        }

        need(raw.len < sizeof(all) - len - 100, "rows are short");

        for (i = 0; i < raw.len; i++) {
            all[len++] = (raw.text[i] == '\0') ? '?' : (char) raw.text[i];
        }

        all[len++] = ';';
        all[len] = '\0';
    }

    if (rc != PROFILE_NOT_FOUND) {
        (void) snprintf(all + len, sizeof(all) - len, "FAILED %s", err.text);
    }

    free(json.data);
    rows_close(&rows);

    return all;
}


/* One check: all rows of these bytes, however they are read. */

static inline void
rows_are(const profile_config_entity_t *entity, const char *text, size_t len,
    const char *want, const char *what)
{
    size_t       i;
    const char  *got;

    static const size_t  chunks[] = { 1, 2, 3, 4, 5, 7, 16, 0 };

    scratch_write(scratch("rows"), text, len);

    for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {

        got = rows_all(entity, "rows", chunks[i]);

        if (strcmp(got, want) != 0) {
            (void) printf("# %zu bytes at once\n", chunks[i]);
            break;
        }
    }

    is_str(got, want, "%s", what);
}


#endif /* _PROFILE_ROWS_H_INCLUDED_ */
