
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What one thread makes of batches: rows in a shard of a sort, a report of
 * those that are invalid, and the greatest cursor.
 */


#ifndef _PROFILE_PARSER_H_INCLUDED_
#define _PROFILE_PARSER_H_INCLUDED_


#include <stdatomic.h>

#include "profile_batch.h"
#include "profile_report.h"
#include "profile_sort.h"


typedef struct {

    /* set by the caller, the rest to zero */

    const profile_format_t       *format;
    const profile_row_members_t  *members;
    profile_sort_t               *rows;
    unsigned                      shard;

    atomic_int                   *failed;    /* set where run gives up */

    /* of rows with the same id, the last counts and not the first */

    unsigned                      newest:1;

    /* the outcome */

    profile_report_t              report;
    profile_buffer_t              cursor;     /* of length 0: none seen */
} profile_parser_t;


/*
 * Parses batches from full until it is closed and hands them to empty.
 * After a failure it does so still, without parsing.
 */

int profile_parser_run(profile_parser_t *parser, profile_queue_t *full,
    profile_queue_t *empty, profile_error_t *err);


#endif /* _PROFILE_PARSER_H_INCLUDED_ */
