
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Says which rows are invalid, and why.  A row's content is somebody's data
 * and is not said.
 */


#include <string.h>

#include "profile_report.h"


void
profile_report_init(profile_report_t *report, const char *label)
{
    memset(report, 0, sizeof(profile_report_t));

    report->label = label;
}


void
profile_report_row(profile_report_t *report, const char *source,
    uint64_t line, profile_row_reason_e reason)
{
    report->counts[reason]++;

    if (report->invalid++ < PROFILE_REPORT_ROWS) {
        profile_say("%s: %s:%llu: %s", report->label, source,
                    (unsigned long long) line, profile_row_reason(reason));
    }
}


void
profile_report_end(const profile_report_t *report)
{
    size_t  i;

    for (i = 0; i < PROFILE_ROW_REASONS; i++) {

        if (report->counts[i] != 0) {
            profile_say("%s: %llu invalid: %s", report->label,
                        (unsigned long long) report->counts[i],
                        profile_row_reason((profile_row_reason_e) i));
        }
    }
}
