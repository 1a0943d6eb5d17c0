
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the loader's fuzzers share: bytes become files that have a path but
 * no place on a disk, and rows go the way that they go in a refresh.
 */


#ifndef _PROFILE_FUZZ_H_INCLUDED_
#define _PROFILE_FUZZ_H_INCLUDED_


#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "target.h"
#include "profile_buffer.h"
#include "profile_format.h"


/* The descriptors of two files, next to each other for a glob. */

#define FUZZ_FILE  100

/* Splits the data into two files; never a part of UTF-8. */

#define FUZZ_SPLIT  0xfe


static inline void
fuzz_file(int fd, const uint8_t *data, size_t size)
{
    int  file;

    file = memfd_create("fuzz", MFD_CLOEXEC);

    fuzz_assert(file != -1
                && write(file, data, size) == (ssize_t) size
                && dup2(file, fd) == fd);

    (void) close(file);
}


static inline void
fuzz_add(profile_buffer_t *buffer, const void *data, size_t len)
{
    profile_buffer_append(buffer, &len, sizeof(len));
    profile_buffer_append(buffer, data, len);
}


/* What is stored must be what the API promises. */

static inline void
fuzz_check(const profile_row_t *row)
{
    json_t        *tree;
    const char    *body;
    json_error_t   error;

    body = (const char *) row->body.data;

    fuzz_assert(row->id.len > 0 && row->id.len <= PROFILE_RECORD_ID_MAX);
    fuzz_assert(row->cursor.len <= PROFILE_CURSOR_MAX);
    fuzz_assert(row->body.len >= 10
                && memcmp(body, "{\"data\":{", 9) == 0
                && memcmp(body + row->body.len - 2, "}}", 2) == 0);

    /* numbers that jansson cannot hold are checked by the row's parser */

    tree = json_loadb(body, row->body.len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_INT_AS_REAL, &error);

    fuzz_assert((tree != NULL && json_object_size(tree) == 1)
                || json_error_code(&error) == json_error_numeric_overflow
                || json_error_code(&error) == json_error_stack_overflow);

    json_decref(tree);
}


/* CSV that is UTF-8 is JSON once it is decoded. */

static inline void
fuzz_check_decoded(const profile_buffer_t *json)
{
    json_t        *tree;
    json_error_t   error;

    tree = json_loadb((const char *) json->data, json->len,
                      JSON_REJECT_DUPLICATES, &error);

    fuzz_assert(json_is_object(tree)
                || json_error_code(&error) == json_error_invalid_utf8);

    json_decref(tree);
}


static inline profile_row_reason_e
fuzz_row(const profile_format_t *format, profile_row_parser_t *parser,
    const profile_raw_t *raw, profile_buffer_t *json, profile_row_t *row)
{
    u_char                *text;
    profile_row_reason_e   reason;

    json->len = 0;

    if (format->decode != NULL) {
        reason = format->decode(raw, json);

        if (reason != PROFILE_ROW_VALID) {
            return reason;
        }

        fuzz_check_decoded(json);

    } else {
        profile_buffer_append(json, raw->text, raw->len);
    }

    /* the sanitizer sees what is read beyond an allocation's end */

    text = profile_alloc(json->len);
    memcpy(text, json->data, json->len);

    reason = profile_row_parse(parser, text, json->len, row);

    free(text);

    return reason;
}


/* Adds all that the rows of the source are to log. */

static inline void
fuzz_rows(const profile_config_entity_t *entity, profile_source_t *source,
    size_t chunk, profile_buffer_t *log)
{
    int                      rc;
    void                    *reader;
    profile_raw_t            raw;
    profile_row_t            row;
    profile_error_t          err;
    profile_input_t          input;
    profile_buffer_t         json;
    profile_row_reason_e     reason;
    profile_row_parser_t    *parser;
    profile_row_members_t    members;
    const profile_format_t  *format;

    members.primary_key = entity->primary_key;
    members.cursor = entity->refresh.cursor;
    members.deleted = entity->refresh.deleted;

    memset(&json, 0, sizeof(profile_buffer_t));
    profile_input_init(&input, source);

    if (chunk != 0) {
        input.chunk = chunk;
        input.size = chunk;
        input.buf = profile_realloc(input.buf, chunk);
    }

    format = profile_format(entity->format);
    reader = format->create(entity, &input);
    parser = profile_row_parser_create(&members);

    while ((rc = format->next(reader, &raw, &reason, &err)) == PROFILE_OK) {

        if (reason == PROFILE_ROW_VALID) {
            fuzz_assert(raw.len <= PROFILE_ROW_MAX);
            reason = fuzz_row(format, parser, &raw, &json, &row);
        }

        fuzz_add(log, &raw.line, sizeof(raw.line));
        fuzz_add(log, &raw.stream, sizeof(raw.stream));
        fuzz_add(log, &reason, sizeof(reason));

        if (reason == PROFILE_ROW_VALID) {
            fuzz_check(&row);
            fuzz_add(log, row.id.data, row.id.len);
            fuzz_add(log, row.body.data, row.body.len);
            fuzz_add(log, row.cursor.data, row.cursor.len);
            fuzz_add(log, &row.deleted, sizeof(row.deleted));
        }
    }

    fuzz_assert(rc == PROFILE_NOT_FOUND || rc == PROFILE_FAILED);

    if (rc == PROFILE_FAILED) {
        fuzz_assert(strlen(err.text) < sizeof(err.text));
        fuzz_add(log, err.text, strlen(err.text));
    }

    profile_row_parser_free(parser);
    format->free(reader);
    profile_input_free(&input);
    free(json.data);
}


static inline void
fuzz_source(const profile_config_entity_t *entity, const char *glob,
    size_t chunk, profile_buffer_t *log)
{
    profile_error_t           err;
    profile_config_t          config;
    profile_source_t         *source;
    profile_config_source_t   from;
    profile_source_options_t  options;

    memset(&config, 0, sizeof(profile_config_t));
    memset(&from, 0, sizeof(profile_config_source_t));

    config.directory = "/";
    from.file = glob;
    options = (profile_source_options_t) { &config, &from, "fuzz", "" };

    fuzz_assert(profile_source_open(&source, &options, &err) == PROFILE_OK);

    fuzz_rows(entity, source, chunk, log);
    profile_source_close(source);
}


/* The rows are the same, however large the pieces are that come in. */

static inline int
fuzz_format(const profile_config_entity_t *entity, const uint8_t *data,
    size_t size)
{
    size_t             i, chunks[2];
    const char        *glob;
    const uint8_t     *split;
    profile_buffer_t   log, other;

    /* a call of the system for every byte would take too long */

    chunks[0] = 1 + size / 200;
    chunks[1] = 61;

    glob = "/proc/self/fd/100";
    split = memchr(data, FUZZ_SPLIT, size);

    if (split == NULL) {
        fuzz_file(FUZZ_FILE, data, size);

    } else {
        glob = "/proc/self/fd/10[01]";
        fuzz_file(FUZZ_FILE, data, (size_t) (split - data));
        fuzz_file(FUZZ_FILE + 1, split + 1,
                  (size_t) (data + size - split - 1));
    }

    memset(&log, 0, sizeof(profile_buffer_t));
    memset(&other, 0, sizeof(profile_buffer_t));

    fuzz_source(entity, glob, 0, &log);

    for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {

        other.len = 0;
        fuzz_source(entity, glob, chunks[i], &other);

        fuzz_assert(log.len == other.len
                    && (log.len == 0
                        || memcmp(log.data, other.data, log.len) == 0));
    }

    free(log.data);
    free(other.data);

    (void) close(FUZZ_FILE);
    (void) close(FUZZ_FILE + 1);

    return 0;
}


#endif /* _PROFILE_FUZZ_H_INCLUDED_ */
