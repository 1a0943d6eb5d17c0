
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A window on the bytes of a source.
 */


#include <string.h>

#include "profile_input.h"


/* Fuzzers have less: to allocate it would take most of their time. */

#ifndef PROFILE_INPUT_SIZE
#define PROFILE_INPUT_SIZE  (256 * 1024)
#endif

#define PROFILE_INPUT_BOM   "\xef\xbb\xbf"


void
profile_input_init(profile_input_t *input, profile_source_t *source)
{
    memset(input, 0, sizeof(profile_input_t));

    input->source = source;
    input->size = PROFILE_INPUT_SIZE;
    input->chunk = PROFILE_INPUT_SIZE;
    input->buf = profile_alloc(input->size);
}


void
profile_input_free(profile_input_t *input)
{
    free(input->buf);
    input->buf = NULL;
}


int
profile_input_open(profile_input_t *input, profile_error_t *err)
{
    int     rc;
    size_t  len;

    rc = profile_source_next(input->source, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    input->start = 0;
    input->end = 0;
    input->eof = 0;

    len = sizeof(PROFILE_INPUT_BOM) - 1;

    while (input->end < len && !input->eof) {
        rc = profile_input_fill(input, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    /* some programs start every text so */

    if (input->end >= len && memcmp(input->buf, PROFILE_INPUT_BOM, len) == 0)
    {
        input->start = len;
    }

    return PROFILE_OK;
}


int
profile_input_fill(profile_input_t *input, profile_error_t *err)
{
    int     rc;
    size_t  n, room;

    if (input->start != 0) {
        memmove(input->buf, input->buf + input->start,
                input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }

    if (input->end == input->size) {
        input->size *= 2;
        input->buf = profile_realloc(input->buf, input->size);
    }

    room = input->size - input->end;

    if (room > input->chunk) {
        room = input->chunk;
    }

    rc = profile_source_read(input->source, input->buf + input->end, room, &n,
                             err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    input->end += n;
    input->eof = (n == 0);

    return PROFILE_OK;
}
