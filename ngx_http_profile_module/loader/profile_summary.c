
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What came of an entity's refresh.
 */


#include <stdio.h>
#include <string.h>

#include "profile_summary.h"
#include "profile_text.h"


void
profile_summary_text(const profile_summary_t *summary)
{
    const profile_merge_counts_t  *counts;

    if (summary->error != NULL) {
        return;
    }

    counts = &summary->counts;

    (void) printf("%s: %llu rows, %llu invalid, %llu added, %llu changed, "
                  "%llu deleted, %llu unchanged, %.1f s, %.0f rows/s, "
                  "%llu bytes written\n", summary->label,
                  (unsigned long long) summary->read,
                  (unsigned long long) summary->invalid,
                  (unsigned long long) counts->added,
                  (unsigned long long) counts->changed,
                  (unsigned long long) counts->deleted,
                  (unsigned long long) counts->unchanged, summary->seconds,
                  (double) summary->read / summary->seconds,
                  (unsigned long long) summary->written);
    (void) fflush(stdout);
}


void
profile_summary_json(const profile_summary_t *summary)
{
    json_t                        *line, *error;
    const profile_merge_counts_t  *counts;

    counts = &summary->counts;

    /* it may hold the name of a file */

    error = (summary->error == NULL)
            ? json_null()
            : profile_text_json(summary->error, strlen(summary->error));

    line = json_pack("{s:I,s:I,s:s,s:b,s:o,s:s}",
                     "workspace", (json_int_t) summary->workspace->id,
                     "entity", (json_int_t) summary->entity->id,
                     "name", summary->label,
                     "done", summary->error == NULL,
                     "error", error,
                     "mode", summary->upsert ? "incremental" : "full");

    /* that of a refresh that failed has not been stored */

    if (line != NULL && summary->error == NULL && summary->cursor.len != 0) {
        (void) json_object_set_new(line, "cursor",
                                   json_stringn((const char *)
                                                summary->cursor.data,
                                                summary->cursor.len));
    }

    if (line == NULL
        || json_object_update_new(line,
               json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I}",
                         "rows", (json_int_t) summary->read,
                         "invalid", (json_int_t) summary->invalid,
                         "added", (json_int_t) counts->added,
                         "changed", (json_int_t) counts->changed,
                         "deleted", (json_int_t) counts->deleted,
                         "unchanged", (json_int_t) counts->unchanged,
                         "records", (json_int_t) counts->records,
                         "seconds", summary->seconds,
                         "rows_per_second",
                         (double) summary->read / summary->seconds,
                         "bytes_written", (json_int_t) summary->written))
           != 0
        || json_dumpf(line, stdout, JSON_COMPACT|JSON_REAL_PRECISION(6)) != 0)
    {
        profile_say("%s: out of memory for the summary", summary->label);

    } else {
        (void) putchar('\n');
        (void) fflush(stdout);
    }

    json_decref(line);
}
