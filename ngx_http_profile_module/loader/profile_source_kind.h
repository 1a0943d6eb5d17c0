
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The kinds of sources, for profile_source.c alone.
 */


#ifndef _PROFILE_SOURCE_KIND_H_INCLUDED_
#define _PROFILE_SOURCE_KIND_H_INCLUDED_


#include "profile_source.h"


/*
 * Each does for its own data what the function of the same name does for a
 * source.  data is NULL where open has failed.
 */

typedef struct {
    int          (*open)(void **data,
                         const profile_source_options_t *options,
                         profile_error_t *err);
    void         (*close)(void *data);
    int          (*next)(void *data, profile_error_t *err);
    int          (*read)(void *data, u_char *buf, size_t size, size_t *n,
                         profile_error_t *err);
    const char  *(*name)(const void *data, uint32_t number);
    void         (*position)(const void *data, uint64_t *done,
                             uint64_t *total);
} profile_source_kind_t;


extern const profile_source_kind_t  profile_source_files;
extern const profile_source_kind_t  profile_source_program;
extern const profile_source_kind_t  profile_source_stdin;


#endif /* _PROFILE_SOURCE_KIND_H_INCLUDED_ */
