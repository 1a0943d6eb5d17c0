
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Refreshes one entity.
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "profile_format.h"
#include "profile_merge.h"
#include "profile_refresh.h"
#include "profile_report.h"


#define PROFILE_SORT_MEMORY  (64 * 1024 * 1024)

/* An entity with fewer records may lose all of them. */

#define PROFILE_SHRINK_RECORDS  100


typedef struct {
    const profile_refresh_t  *refresh;
    profile_source_t         *source;
    profile_sort_t           *rows;
    profile_report_t          report;
    profile_merge_t           merge;
    uint64_t                  read;        /* rows, valid or not */
    uint64_t                  written;     /* bytes, before it began */
    struct timespec           start;
    char                      label[2 * PROFILE_NAME_MAX + 2];
} profile_refresh_run_t;


static int profile_refresh_read(profile_refresh_run_t *run,
    profile_error_t *err);
static int profile_refresh_rows(profile_refresh_run_t *run, void *reader,
    profile_row_parser_t *parser, profile_error_t *err);
static int profile_refresh_merge(profile_refresh_run_t *run);
static void profile_refresh_duplicate(void *data,
    const profile_sorted_t *row);
static int profile_refresh_refuse(void *data,
    const profile_merge_counts_t *counts, uint64_t old);
static void profile_refresh_summary(const profile_refresh_run_t *run);
static double profile_refresh_seconds(const struct timespec *start);
static size_t profile_refresh_memory(void);


int
profile_refresh(const profile_refresh_t *refresh)
{
    int                        rc;
    char                      *directory;
    profile_error_t            err;
    profile_refresh_run_t      run;
    profile_source_options_t   options;

    memset(&run, 0, sizeof(profile_refresh_run_t));

    run.refresh = refresh;
    run.written = profile_writer_written(refresh->writer);
    (void) clock_gettime(CLOCK_MONOTONIC, &run.start);

    (void) snprintf(run.label, sizeof(run.label), "%s/%s",
                    refresh->workspace->name, refresh->entity->name);

    profile_report_init(&run.report, run.label);

    directory = profile_config_path(refresh->config, refresh->config->store);
    run.rows = profile_sort_create(directory, profile_refresh_memory());

    options.config = refresh->config;
    options.from = &refresh->entity->source;
    options.label = run.label;
    options.cursor = "";

    rc = profile_source_open(&run.source, &options, &err);

    if (rc == PROFILE_OK) {
        rc = profile_refresh_read(&run, &err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_refresh_merge(&run);

    } else if (rc == PROFILE_FAILED) {
        profile_say("%s: %s; the old data stays", run.label, err.text);
        rc = PROFILE_EXIT_ENTITY;

    } else {
        profile_say("%s: %s", run.label, err.text);
        rc = PROFILE_EXIT_STORE;
    }

    profile_report_end(&run.report);

    profile_source_close(run.source);
    profile_sort_free(run.rows);
    free(directory);

    return rc;
}


static int
profile_refresh_read(profile_refresh_run_t *run, profile_error_t *err)
{
    int                             rc;
    void                           *reader;
    profile_input_t                 input;
    profile_row_members_t           members;
    profile_row_parser_t           *parser;
    const profile_config_entity_t  *entity;

    entity = run->refresh->entity;
    members.primary_key = entity->primary_key;
    members.cursor = entity->refresh.cursor;
    members.deleted = entity->refresh.deleted;

    profile_input_init(&input, run->source);
    reader = profile_format(entity->format)->create(entity, &input);
    parser = profile_row_parser_create(&members);

    rc = profile_refresh_rows(run, reader, parser, err);

    profile_row_parser_free(parser);
    profile_format(entity->format)->free(reader);
    profile_input_free(&input);

    return rc;
}


static int
profile_refresh_rows(profile_refresh_run_t *run, void *reader,
    profile_row_parser_t *parser, profile_error_t *err)
{
    int                      rc;
    profile_raw_t            raw;
    profile_row_t            row;
    profile_buffer_t         json;
    profile_sorted_t         sorted;
    profile_row_reason_e     reason;
    const profile_format_t  *format;

    memset(&json, 0, sizeof(profile_buffer_t));
    format = profile_format(run->refresh->entity->format);

    for ( ;; ) {
        rc = format->next(reader, &raw, &reason, err);

        if (rc != PROFILE_OK) {
            free(json.data);
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        run->read++;

        if (reason == PROFILE_ROW_VALID && format->decode != NULL) {
            json.len = 0;
            reason = format->decode(&raw, &json);
            raw.text = json.data;
            raw.len = json.len;
        }

        if (reason == PROFILE_ROW_VALID) {
            reason = profile_row_parse(parser, raw.text, raw.len, &row);
        }

        if (reason != PROFILE_ROW_VALID) {
            profile_report_row(&run->report,
                               profile_source_name(run->source, raw.stream),
                               raw.line, reason);
            continue;
        }

        sorted.id = row.id;
        sorted.body = row.body;
        sorted.stream = raw.stream;
        sorted.line = raw.line;

        rc = profile_sort_add(run->rows, &sorted, err);
        if (rc != PROFILE_OK) {
            free(json.data);
            return rc;
        }
    }
}


static int
profile_refresh_merge(profile_refresh_run_t *run)
{
    int                             rc;
    profile_merge_t                *merge;
    profile_error_t                 err;
    const profile_config_entity_t  *entity;

    entity = run->refresh->entity;
    merge = &run->merge;

    merge->writer = run->refresh->writer;
    merge->rows = run->rows;
    merge->workspace = run->refresh->workspace->id;
    merge->entity = entity->id;
    merge->primary_key.data = (const u_char *) entity->primary_key;
    merge->primary_key.len = strlen(entity->primary_key);
    merge->now = (uint32_t) time(NULL);
    merge->duplicate = profile_refresh_duplicate;
    merge->refuse = profile_refresh_refuse;
    merge->data = run;

    rc = profile_merge(merge, &err);

    if (rc != PROFILE_OK) {
        profile_say("%s: %s", run->label, err.text);
        return PROFILE_EXIT_STORE;
    }

    if (merge->refused) {
        return PROFILE_EXIT_ENTITY;
    }

    profile_refresh_summary(run);

    return PROFILE_EXIT_DONE;
}


static void
profile_refresh_duplicate(void *data, const profile_sorted_t *row)
{
    profile_refresh_run_t *run = data;

    profile_report_row(&run->report,
                       profile_source_name(run->source, row->stream),
                       row->line, PROFILE_ROW_DUPLICATE_KEY);
}


/* A feed that went wrong must not be taken for the truth. */

static int
profile_refresh_refuse(void *data, const profile_merge_counts_t *counts,
    uint64_t old)
{
    profile_refresh_run_t *run = data;

    double                          limit;
    const profile_config_entity_t  *entity;

    entity = run->refresh->entity;
    limit = (double) run->read * entity->max_invalid / 100;

    if ((double) run->report.invalid > limit) {
        profile_say("%s: %llu of %llu rows are invalid, more than "
                    "max_invalid (%g %%) allows; the old data stays",
                    run->label, (unsigned long long) run->report.invalid,
                    (unsigned long long) run->read, entity->max_invalid);
        return 1;
    }

    limit = (double) old * entity->max_delete / 100;

    if (!run->refresh->allow_shrink
        && old > PROFILE_SHRINK_RECORDS
        && (double) counts->deleted > limit)
    {
        profile_say("%s: %llu of %llu records would be deleted, more than "
                    "max_delete (%g %%) allows; the old data stays; where "
                    "this is right, use --allow-shrink", run->label,
                    (unsigned long long) counts->deleted,
                    (unsigned long long) old, entity->max_delete);
        return 1;
    }

    return 0;
}


static void
profile_refresh_summary(const profile_refresh_run_t *run)
{
    double                         seconds;
    const profile_merge_counts_t  *counts;

    counts = &run->merge.counts;
    seconds = profile_refresh_seconds(&run->start);

    (void) printf("%s: %llu rows, %llu invalid, %llu added, %llu changed, "
                  "%llu deleted, %llu unchanged, %.1f s, %.0f rows/s, "
                  "%llu bytes written\n", run->label,
                  (unsigned long long) run->read,
                  (unsigned long long) run->report.invalid,
                  (unsigned long long) counts->added,
                  (unsigned long long) counts->changed,
                  (unsigned long long) counts->deleted,
                  (unsigned long long) counts->unchanged, seconds,
                  (double) run->read / seconds,
                  (unsigned long long)
                      (profile_writer_written(run->refresh->writer)
                       - run->written));
    (void) fflush(stdout);
}


static double
profile_refresh_seconds(const struct timespec *start)
{
    double           seconds;
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    seconds = (double) (now.tv_sec - start->tv_sec)
              + (double) (now.tv_nsec - start->tv_nsec) / 1e9;

    return (seconds > 1e-6) ? seconds : 1e-6;
}


/* Small values let a test sort a few rows as if they were millions. */

static size_t
profile_refresh_memory(void)
{
    char        *end;
    const char  *text;
    size_t       memory;

    text = getenv("PROFILE_SORT_MEMORY");

    if (text == NULL) {
        return PROFILE_SORT_MEMORY;
    }

    memory = strtoull(text, &end, 10);

    return (*end != '\0' || memory == 0) ? PROFILE_SORT_MEMORY : memory;
}
