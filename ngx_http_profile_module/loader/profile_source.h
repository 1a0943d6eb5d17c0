
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Where rows come from: a series of byte streams, each with a name.
 */


#ifndef _PROFILE_SOURCE_H_INCLUDED_
#define _PROFILE_SOURCE_H_INCLUDED_


#include "profile_config.h"


typedef struct profile_source_s  profile_source_t;


/*
 * Finds the files of an entity's source.  PROFILE_FAILED where there are
 * none.  Errors of a source are all PROFILE_FAILED.
 */

int profile_source_open(profile_source_t **source,
    const profile_config_t *config, const profile_config_source_t *from,
    profile_error_t *err);
void profile_source_close(profile_source_t *source);

/* Goes to the next stream; PROFILE_NOT_FOUND after the last. */

int profile_source_next(profile_source_t *source, profile_error_t *err);

/*
 * Reads at most size bytes of the stream; *n is 0 at its end.
 */

int profile_source_read(profile_source_t *source, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);

/* The number of the current stream, from 0, and the name of any. */

uint32_t profile_source_number(const profile_source_t *source);
const char *profile_source_name(const profile_source_t *source,
    uint32_t number);


#endif /* _PROFILE_SOURCE_H_INCLUDED_ */
