
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What a generation's file and its lock table are used for.  Only the
 * loader asks: to count free pages takes a walk through all of them.
 */


#ifndef _PROFILE_USAGE_H_INCLUDED_
#define _PROFILE_USAGE_H_INCLUDED_


#include "profile_reader.h"


typedef struct {
    uint64_t  free;       /* bytes of pages that later commits can use */
    uint32_t  readers;    /* slots of other processes that are alive */
    uint32_t  stale;      /* slots of dead ones, which are cleared by now */
} profile_usage_t;


/* Not between the reader's begin and end. */

int profile_usage(profile_reader_t *reader, profile_usage_t *usage,
    profile_error_t *err);


#endif /* _PROFILE_USAGE_H_INCLUDED_ */
