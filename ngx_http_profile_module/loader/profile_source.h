
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Where rows come from: a series of byte streams, each with a name.
 */


#ifndef _PROFILE_SOURCE_H_INCLUDED_
#define _PROFILE_SOURCE_H_INCLUDED_


#include "profile_config.h"


typedef struct profile_source_s  profile_source_t;


/* What a source needs to know; all of it must live as long. */

typedef struct {
    const profile_config_t         *config;
    const profile_config_source_t  *from;
    const char                     *label;    /* before what a command says */
    const char                     *cursor;   /* "" where there is none */
} profile_source_options_t;


/*
 * Finds the files, or starts the command.  PROFILE_FAILED where there are
 * no files.  Errors of a source are all PROFILE_FAILED.
 */

int profile_source_open(profile_source_t **source,
    const profile_source_options_t *options, profile_error_t *err);

/* Ends what is still running.  Closing NULL does nothing. */

void profile_source_close(profile_source_t *source);

/* Goes to the next stream; PROFILE_NOT_FOUND after the last. */

int profile_source_next(profile_source_t *source, profile_error_t *err);

/*
 * Reads at most size bytes of the stream; *n is 0 at its end.  Where it
 * must not have ended, as when a command exits with another status than 0
 * or compressed data is cut off, this is PROFILE_FAILED, and never an end.
 */

int profile_source_read(profile_source_t *source, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);

/* The number of the current stream, from 0, and the name of any. */

uint32_t profile_source_number(const profile_source_t *source);
const char *profile_source_name(const profile_source_t *source,
    uint32_t number);

/*
 * How many bytes have been read, and how many there are in all; *total is 0
 * where nobody knows.  Of compressed files these are the compressed bytes.
 */

void profile_source_position(const profile_source_t *source, uint64_t *done,
    uint64_t *total);


#endif /* _PROFILE_SOURCE_H_INCLUDED_ */
