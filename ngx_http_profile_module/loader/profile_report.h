
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Invalid rows: the first ten by source and line, then how many of each
 * kind.
 */


#ifndef _PROFILE_REPORT_H_INCLUDED_
#define _PROFILE_REPORT_H_INCLUDED_


#include "profile_row.h"
#include "profile_source.h"


#define PROFILE_REPORT_ROWS  10


typedef struct {
    uint64_t              order;       /* of all rows, from 1 */
    uint64_t              line;
    uint32_t              stream;
    profile_row_reason_e  reason;
} profile_report_row_t;


/* All zero is an empty one.  Threads have their own, which are then added. */

typedef struct {
    uint64_t              invalid;
    uint64_t              counts[PROFILE_ROW_REASONS];
    profile_report_row_t  rows[PROFILE_REPORT_ROWS];    /* in order */
    size_t                nrows;
} profile_report_t;


void profile_report_row(profile_report_t *report,
    const profile_report_row_t *row);
void profile_report_add(profile_report_t *report,
    const profile_report_t *other);

/* label is "WORKSPACE/ENTITY"; the source knows the streams' names. */

void profile_report_say(const profile_report_t *report, const char *label,
    const profile_source_t *source);


#endif /* _PROFILE_REPORT_H_INCLUDED_ */
