
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What all sources have in common.
 */


#include <string.h>

#include "profile_source_kind.h"
#include "profile_stream.h"


struct profile_source_s {
    const profile_source_kind_t  *kind;
    void                         *data;
    uint32_t                      streams;    /* that have been opened */
    uint64_t                      done;
    uint64_t                      total;
};


static void profile_source_note(profile_source_t *source);


int
profile_source_open(profile_source_t **sourcep,
    const profile_source_options_t *options, profile_error_t *err)
{
    int                             rc;
    void                           *data;
    profile_source_t               *source;
    const profile_source_kind_t    *kind;
    const profile_config_source_t  *from;

    from = options->from;

    kind = from->standard_input ? &profile_source_stdin
           : (from->command != NULL) ? &profile_source_program
                                     : &profile_source_files;

    rc = profile_stream_interrupted(err);

    if (rc == PROFILE_OK) {
        rc = kind->open(&data, options, err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    source = profile_alloc(sizeof(profile_source_t));
    memset(source, 0, sizeof(profile_source_t));

    source->kind = kind;
    source->data = data;

    kind->position(data, &source->done, &source->total);

    *sourcep = source;

    return PROFILE_OK;
}


void
profile_source_close(profile_source_t *source)
{
    if (source != NULL) {
        source->kind->close(source->data);
        free(source);
    }
}


int
profile_source_next(profile_source_t *source, profile_error_t *err)
{
    int  rc;

    rc = profile_stream_interrupted(err);

    if (rc == PROFILE_OK) {
        rc = source->kind->next(source->data, err);
    }

    if (rc == PROFILE_OK) {
        source->streams++;
    }

    return rc;
}


int
profile_source_read(profile_source_t *source, u_char *buf, size_t size,
    size_t *n, profile_error_t *err)
{
    int  rc;

    rc = source->kind->read(source->data, buf, size, n, err);

    if (rc == PROFILE_OK) {
        profile_source_note(source);
    }

    return rc;
}


uint32_t
profile_source_number(const profile_source_t *source)
{
    return source->streams - 1;
}


const char *
profile_source_name(const profile_source_t *source, uint32_t number)
{
    return source->kind->name(source->data, number);
}


/* Another thread than the one that reads may want to know. */

void
profile_source_position(const profile_source_t *source, uint64_t *done,
    uint64_t *total)
{
    *done = __atomic_load_n(&source->done, __ATOMIC_RELAXED);
    *total = source->total;
}


static void
profile_source_note(profile_source_t *source)
{
    uint64_t  done, total;

    source->kind->position(source->data, &done, &total);

    __atomic_store_n(&source->done, done, __ATOMIC_RELAXED);
}
