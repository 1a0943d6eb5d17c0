
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Parses batches of rows.
 */


#include <string.h>

#include "profile_cursor.h"
#include "profile_loader.h"
#include "profile_parser.h"


static int profile_parser_batch(profile_parser_t *parser,
    const profile_batch_t *batch, profile_row_parser_t *row_parser,
    profile_buffer_t *json, profile_error_t *err);
static profile_row_reason_e profile_parser_row(profile_parser_t *parser,
    profile_raw_t *raw, profile_row_parser_t *row_parser,
    profile_buffer_t *json, profile_row_t *row);
static void profile_parser_cursor(profile_parser_t *parser,
    const profile_row_t *row);


int
profile_parser_run(profile_parser_t *parser, profile_queue_t *full,
    profile_queue_t *empty, profile_error_t *err)
{
    int                    rc;
    profile_batch_t       *batch;
    profile_buffer_t       json;
    profile_row_parser_t  *row_parser;

    memset(&json, 0, sizeof(profile_buffer_t));
    row_parser = profile_row_parser_create(parser->members);

    rc = PROFILE_OK;

    for ( ;; ) {
        batch = profile_queue_get(full);

        if (batch == NULL) {
            break;
        }

        if (rc == PROFILE_OK) {
            rc = profile_parser_batch(parser, batch, row_parser, &json, err);

            if (rc != PROFILE_OK) {
                atomic_store(parser->failed, 1);
            }
        }

        profile_queue_put(empty, batch);
    }

    if (rc == PROFILE_OK) {
        profile_sort_finish(parser->rows, parser->shard);
    }

    profile_row_parser_free(row_parser);
    free(json.data);

    return rc;
}


static int
profile_parser_batch(profile_parser_t *parser, const profile_batch_t *batch,
    profile_row_parser_t *row_parser, profile_buffer_t *json,
    profile_error_t *err)
{
    int                    rc;
    size_t                 i;
    uint64_t               order;
    profile_raw_t          raw;
    profile_row_t          row;
    profile_sorted_t       sorted;
    profile_report_row_t   invalid;
    profile_row_reason_e   reason;

    for (i = 0; i < batch->nrows; i++) {

        order = batch->first + i;
        profile_batch_row(batch, i, &raw, &reason);

        if (reason == PROFILE_ROW_VALID) {
            reason = profile_parser_row(parser, &raw, row_parser, json, &row);
        }

        if (reason != PROFILE_ROW_VALID) {
            invalid = (profile_report_row_t) { order, raw.line, raw.stream,
                                               reason };
            profile_report_row(&parser->report, &invalid);
            continue;
        }

        profile_parser_cursor(parser, &row);

        sorted.id = row.id;
        sorted.body = row.body;
        sorted.body.len = row.deleted ? 0 : row.body.len;
        sorted.order = parser->newest ? UINT64_MAX - order : order;
        sorted.line = raw.line;
        sorted.stream = raw.stream;

        rc = profile_sort_add(parser->rows, parser->shard, &sorted, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    return PROFILE_OK;
}


static profile_row_reason_e
profile_parser_row(profile_parser_t *parser, profile_raw_t *raw,
    profile_row_parser_t *row_parser, profile_buffer_t *json,
    profile_row_t *row)
{
    profile_row_reason_e  reason;

    if (parser->format->decode == NULL) {
        return profile_row_parse(row_parser, raw->text, raw->len, row);
    }

    json->len = 0;
    reason = parser->format->decode(raw, json);

    return (reason == PROFILE_ROW_VALID)
           ? profile_row_parse(row_parser, json->data, json->len, row)
           : reason;
}


static void
profile_parser_cursor(profile_parser_t *parser, const profile_row_t *row)
{
    profile_bytes_t  greatest;

    if (row->cursor.len == 0) {
        return;
    }

    greatest.data = parser->cursor.data;
    greatest.len = parser->cursor.len;

    if (greatest.len == 0
        || profile_cursor_compare(&row->cursor, &greatest) > 0)
    {
        parser->cursor.len = 0;
        profile_buffer_append(&parser->cursor, row->cursor.data,
                              row->cursor.len);
    }
}
