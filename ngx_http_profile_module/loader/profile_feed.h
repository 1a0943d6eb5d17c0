
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Turns a source into sorted rows.  The calling thread reads and cuts, as
 * many others as there are processors parse.
 */


#ifndef _PROFILE_FEED_H_INCLUDED_
#define _PROFILE_FEED_H_INCLUDED_


#include "profile_buffer.h"
#include "profile_report.h"
#include "profile_sort.h"


typedef struct {

    /* set by the caller, the rest to zero */

    const profile_config_entity_t  *entity;
    profile_source_t               *source;
    const char                     *directory;   /* for temporary files */

    /* of rows with the same id, the last counts and not the first */

    unsigned                        newest:1;

    /* the outcome, also of a failure; the caller frees rows and cursor */

    profile_sort_t                 *rows;
    uint64_t                        read;        /* rows, valid or not */
    profile_report_t                report;
    profile_buffer_t                cursor;      /* the greatest, if any */
} profile_feed_t;


/* PROFILE_FAILED: the source; anything else: there is no room to sort. */

int profile_feed(profile_feed_t *feed, profile_error_t *err);


#endif /* _PROFILE_FEED_H_INCLUDED_ */
