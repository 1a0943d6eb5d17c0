
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Invalid rows: the first ten by name, then how many of each kind.
 */


#ifndef _PROFILE_REPORT_H_INCLUDED_
#define _PROFILE_REPORT_H_INCLUDED_


#include "profile_row.h"


#define PROFILE_REPORT_ROWS  10


/* label is "WORKSPACE/ENTITY" and must live as long. */

typedef struct {
    const char  *label;
    uint64_t     invalid;
    uint64_t     counts[PROFILE_ROW_REASONS];
} profile_report_t;


void profile_report_init(profile_report_t *report, const char *label);
void profile_report_row(profile_report_t *report, const char *source,
    uint64_t line, profile_row_reason_e reason);
void profile_report_end(const profile_report_t *report);


#endif /* _PROFILE_REPORT_H_INCLUDED_ */
