
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Says which rows are invalid, and why.  A row's content is somebody's data
 * and is not said.
 */


#include <string.h>

#include "profile_report.h"


static void profile_report_keep(profile_report_t *report,
    const profile_report_row_t *row);


void
profile_report_row(profile_report_t *report, const profile_report_row_t *row)
{
    report->invalid++;
    report->counts[row->reason]++;

    profile_report_keep(report, row);
}


void
profile_report_add(profile_report_t *report, const profile_report_t *other)
{
    size_t  i;

    report->invalid += other->invalid;

    for (i = 0; i < PROFILE_ROW_REASONS; i++) {
        report->counts[i] += other->counts[i];
    }

    for (i = 0; i < other->nrows; i++) {
        profile_report_keep(report, &other->rows[i]);
    }
}


void
profile_report_say(const profile_report_t *report, const char *label,
    const profile_source_t *source)
{
    size_t                       i;
    const profile_report_row_t  *row;

    for (i = 0; i < report->nrows; i++) {

        row = &report->rows[i];

        profile_say("%s: %s:%llu: %s", label,
                    profile_source_name(source, row->stream),
                    (unsigned long long) row->line,
                    profile_row_reason(row->reason));
    }

    for (i = 0; i < PROFILE_ROW_REASONS; i++) {

        if (report->counts[i] != 0) {
            profile_say("%s: %llu invalid: %s", label,
                        (unsigned long long) report->counts[i],
                        profile_row_reason((profile_row_reason_e) i));
        }
    }
}


/* Threads and the merge meet rows in an order of their own. */

static void
profile_report_keep(profile_report_t *report,
    const profile_report_row_t *row)
{
    size_t  i;

    i = report->nrows;

    while (i > 0 && report->rows[i - 1].order > row->order) {
        i--;
    }

    if (i == PROFILE_REPORT_ROWS) {
        return;
    }

    if (report->nrows < PROFILE_REPORT_ROWS) {
        report->nrows++;
    }

    memmove(&report->rows[i + 1], &report->rows[i],
            (report->nrows - i - 1) * sizeof(profile_report_row_t));

    report->rows[i] = *row;
}
