
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Refreshes one entity.
 */


#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "profile_cursor.h"
#include "profile_feed.h"
#include "profile_merge.h"
#include "profile_progress.h"
#include "profile_refresh.h"
#include "profile_signal.h"
#include "profile_summary.h"
#include "profile_text.h"


/* An entity with fewer records may lose all of them. */

#define PROFILE_SHRINK_RECORDS  100


typedef struct {
    const profile_refresh_t  *refresh;
    profile_feed_t            feed;
    profile_merge_t           merge;
    profile_buffer_t          cursor;      /* a string, while it is stored */
    char                     *directory;   /* of the rows' temporary files */
    uint64_t                  records;     /* stored ones, before it began */
    unsigned                  loaded:1;    /* whether there is old data */
    uint64_t                  written;     /* bytes, before it began */
    struct timespec           start;
    char                      label[2 * PROFILE_NAME_MAX + 2];
    char                      error[PROFILE_ERROR_TEXT];
} profile_refresh_run_t;


static int profile_refresh_run(profile_refresh_run_t *run);
static int profile_refresh_begin(profile_refresh_run_t *run,
    profile_error_t *err);
static int profile_refresh_stored(profile_refresh_run_t *run,
    const profile_view_t *view, profile_error_t *err);
static int profile_refresh_cursor(profile_refresh_run_t *run,
    const profile_view_t *view, const profile_entity_t *entity,
    profile_error_t *err);
static int profile_refresh_feed(profile_refresh_run_t *run,
    profile_error_t *err);
static int profile_refresh_merge(profile_refresh_run_t *run,
    profile_error_t *err);
static void profile_refresh_advance(profile_refresh_run_t *run);
static void profile_refresh_duplicate(void *data,
    const profile_sorted_t *row);
static int profile_refresh_refuse(void *data,
    const profile_merge_counts_t *counts, uint64_t old);
static int profile_refresh_invalid(profile_refresh_run_t *run);
static int profile_refresh_failed(profile_refresh_run_t *run, int status,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void profile_refresh_note(const profile_refresh_run_t *run,
    int status);
static void profile_refresh_summary(const profile_refresh_run_t *run,
    int status);
static double profile_refresh_seconds(const struct timespec *start);


int
profile_refresh(const profile_refresh_t *refresh)
{
    int                    status;
    profile_refresh_run_t  run;

    memset(&run, 0, sizeof(profile_refresh_run_t));

    run.refresh = refresh;
    run.written = profile_writer_written(refresh->writer);
    (void) clock_gettime(CLOCK_MONOTONIC, &run.start);

    (void) snprintf(run.label, sizeof(run.label), "%s/%s",
                    refresh->workspace->name, refresh->entity->name);

    profile_progress_label(run.label);

    status = profile_refresh_run(&run);

    profile_progress_label(NULL);

    if (run.feed.source != NULL) {
        profile_report_say(&run.feed.report, run.label, run.feed.source);
    }

    if (status != PROFILE_EXIT_DONE) {
        profile_say("%s: %s", run.label, run.error);
    }

    profile_refresh_note(&run, status);
    profile_refresh_summary(&run, status);

    profile_source_close(run.feed.source);
    profile_sort_free(run.feed.rows);
    free(run.directory);
    free(run.feed.cursor.data);
    free(run.cursor.data);

    return status;
}


static int
profile_refresh_run(profile_refresh_run_t *run)
{
    int              rc;
    profile_error_t  err;

    rc = profile_refresh_begin(run, &err);

    if (rc == PROFILE_OK) {
        rc = profile_refresh_feed(run, &err);
    }

    if (rc == PROFILE_FAILED) {
        return profile_refresh_failed(run, PROFILE_EXIT_ENTITY, "%s",
                                      err.text);
    }

    if (rc == PROFILE_OK) {

        if (profile_refresh_invalid(run)) {
            return PROFILE_EXIT_ENTITY;
        }

        rc = profile_refresh_merge(run, &err);
    }

    if (rc == PROFILE_OK) {
        return run->merge.refused ? PROFILE_EXIT_ENTITY : PROFILE_EXIT_DONE;
    }

    if (profile_interrupted()) {
        return profile_refresh_failed(run, PROFILE_EXIT_ENTITY, "%s",
                                      err.text);
    }

    return profile_refresh_failed(run, PROFILE_EXIT_STORE, "%s", err.text);
}


/* Decides what kind of refresh this is, and from where it goes on. */

static int
profile_refresh_begin(profile_refresh_run_t *run, profile_error_t *err)
{
    int                             rc;
    profile_merge_t                *merge;
    const profile_view_t           *view;
    const profile_refresh_t        *refresh;
    const profile_config_entity_t  *entity;

    refresh = run->refresh;
    entity = refresh->entity;
    merge = &run->merge;

    merge->writer = refresh->writer;
    merge->workspace = refresh->workspace->id;
    merge->entity = entity->id;
    merge->primary_key = profile_text_bytes(entity->primary_key);
    merge->duplicate = profile_refresh_duplicate;
    merge->refuse = profile_refresh_refuse;
    merge->data = run;

    rc = profile_writer_snapshot(refresh->writer, &view, err);

    if (rc == PROFILE_OK) {
        rc = profile_refresh_stored(run, view, err);
        profile_writer_release(refresh->writer);
    }

    profile_buffer_append(&run->cursor, "", 1);

    /* PROFILE_FAILED is said of sources here */

    return (rc == PROFILE_FAILED) ? PROFILE_DAMAGED : rc;
}


static int
profile_refresh_stored(profile_refresh_run_t *run,
    const profile_view_t *view, profile_error_t *err)
{
    int                       rc;
    profile_entity_t          entity;
    const profile_refresh_t  *refresh;

    refresh = run->refresh;

    rc = profile_view_entity(view, run->merge.workspace, run->merge.entity,
                             &entity, err);

    if (rc == PROFILE_NOT_FOUND) {
        return PROFILE_OK;
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    run->records = entity.records;
    run->loaded = (entity.incarnation != 0);

    if (!refresh->entity->refresh.incremental || refresh->full) {
        return PROFILE_OK;
    }

    return profile_refresh_cursor(run, view, &entity, err);
}


/*
 * The cursor counts only for the records that it was stored with, and for
 * the column that it was taken from; else all starts over.
 */

static int
profile_refresh_cursor(profile_refresh_run_t *run,
    const profile_view_t *view, const profile_entity_t *entity,
    profile_error_t *err)
{
    int               rc;
    profile_bytes_t   column;
    profile_merge_t  *merge;
    profile_cursor_t  cursor;

    merge = &run->merge;
    column = profile_text_bytes(run->refresh->entity->refresh.cursor);

    rc = profile_view_cursor(view, merge->workspace, merge->entity, &cursor,
                             err);

    if (rc == PROFILE_NOT_FOUND) {
        return PROFILE_OK;
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (entity->incarnation == 0
        || profile_bytes_compare(&entity->primary_key, &merge->primary_key)
           != 0
        || profile_bytes_compare(&cursor.column, &column) != 0)
    {
        return PROFILE_OK;
    }

    profile_buffer_append(&run->cursor, cursor.value.data, cursor.value.len);
    merge->upsert = 1;

    return PROFILE_OK;
}


static int
profile_refresh_feed(profile_refresh_run_t *run, profile_error_t *err)
{
    int                        rc;
    profile_feed_t            *feed;
    const profile_refresh_t   *refresh;
    profile_source_options_t   options;

    refresh = run->refresh;
    feed = &run->feed;

    options.config = refresh->config;
    options.from = &refresh->entity->source;
    options.label = run->label;
    options.cursor = (const char *) run->cursor.data;

    rc = profile_source_open(&feed->source, &options, err);
    if (rc != PROFILE_OK) {
        feed->source = NULL;
        return rc;
    }

    run->directory = profile_config_path(refresh->config,
                                         refresh->config->store);

    feed->entity = refresh->entity;
    feed->directory = run->directory;
    feed->newest = (refresh->entity->refresh.incremental != 0);

    return profile_feed(feed, err);
}


static int
profile_refresh_merge(profile_refresh_run_t *run, profile_error_t *err)
{
    profile_merge_t                 *merge;
    const profile_config_refresh_t  *refresh;

    merge = &run->merge;
    refresh = &run->refresh->entity->refresh;

    merge->rows = run->feed.rows;
    merge->now = (uint32_t) time(NULL);

    if (refresh->incremental) {
        profile_refresh_advance(run);

        merge->cursor_column = profile_text_bytes(refresh->cursor);
    }

    return profile_merge(merge, err);
}


/* The cursor moves on and never back: to the greatest value ever seen. */

static void
profile_refresh_advance(profile_refresh_run_t *run)
{
    profile_bytes_t   seen, stored;
    profile_merge_t  *merge;

    merge = &run->merge;

    seen = (profile_bytes_t) { run->feed.cursor.len, run->feed.cursor.data };
    stored = profile_text_bytes((const char *) run->cursor.data);

    merge->cursor = (seen.len == 0
                     || (stored.len != 0
                         && profile_cursor_compare(&stored, &seen) >= 0))
                    ? stored : seen;
}


static void
profile_refresh_duplicate(void *data, const profile_sorted_t *row)
{
    profile_refresh_run_t *run = data;

    profile_report_row_t  invalid;

    invalid.order = run->feed.newest ? UINT64_MAX - row->order : row->order;
    invalid.line = row->line;
    invalid.stream = row->stream;
    invalid.reason = PROFILE_ROW_DUPLICATE_KEY;

    profile_report_row(&run->feed.report, &invalid);
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

    if (profile_refresh_invalid(run)) {
        return 1;
    }

    limit = (double) old * entity->max_delete / 100;

    if (!run->refresh->allow_shrink
        && old > PROFILE_SHRINK_RECORDS
        && (double) counts->deleted > limit)
    {
        (void) profile_refresh_failed(run, PROFILE_EXIT_ENTITY,
                    "%llu of %llu records would be deleted, more than "
                    "max_delete (%g %%) allows; where this is right, use "
                    "--allow-shrink",
                    (unsigned long long) counts->deleted,
                    (unsigned long long) old, entity->max_delete);
        return 1;
    }

    return 0;
}


static int
profile_refresh_invalid(profile_refresh_run_t *run)
{
    double                          limit;
    const profile_feed_t           *feed;
    const profile_config_entity_t  *entity;

    feed = &run->feed;
    entity = run->refresh->entity;
    limit = (double) feed->read * entity->max_invalid / 100;

    if ((double) feed->report.invalid <= limit) {
        return 0;
    }

    (void) profile_refresh_failed(run, PROFILE_EXIT_ENTITY,
                "%llu of %llu rows are invalid, more than max_invalid "
                "(%g %%) allows",
                (unsigned long long) feed->report.invalid,
                (unsigned long long) feed->read, entity->max_invalid);

    return 1;
}


/* Notes what went wrong, and what is served all the same; returns status. */

static int
profile_refresh_failed(profile_refresh_run_t *run, int status,
    const char *fmt, ...)
{
    size_t   len;
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(run->error, sizeof(run->error), fmt, args);
    va_end(args);

    if (status == PROFILE_EXIT_ENTITY) {
        len = strlen(run->error);

        (void) snprintf(run->error + len, sizeof(run->error) - len, "%s",
                        run->loaded ? "; the old data stays"
                                    : "; nothing has been loaded yet");
    }

    return status;
}


/* For status: best effort, as the store may be what failed. */

static void
profile_refresh_note(const profile_refresh_run_t *run, int status)
{
    profile_error_t           ignored;
    const profile_refresh_t  *refresh;

    refresh = run->refresh;

    if (profile_interrupted()) {
        return;
    }

    if (status == PROFILE_EXIT_DONE) {
        profile_writer_succeeded(refresh->writer, refresh->workspace->id,
                                 refresh->entity->id);
        return;
    }

    (void) profile_writer_failed(refresh->writer, refresh->workspace->id,
                                 refresh->entity->id,
                                 (uint64_t) time(NULL), run->error,
                                 &ignored);
}


static void
profile_refresh_summary(const profile_refresh_run_t *run, int status)
{
    profile_summary_t         summary;
    const profile_refresh_t  *refresh;

    refresh = run->refresh;

    summary.workspace = refresh->workspace;
    summary.entity = refresh->entity;
    summary.label = run->label;
    summary.error = (status == PROFILE_EXIT_DONE) ? NULL : run->error;
    summary.upsert = run->merge.upsert;
    summary.read = run->feed.read;
    summary.invalid = run->feed.report.invalid;

    if (status == PROFILE_EXIT_DONE) {
        summary.counts = run->merge.counts;

    } else {

        /* what was counted has not been stored */

        memset(&summary.counts, 0, sizeof(profile_merge_counts_t));
        summary.counts.records = run->records;
    }

    summary.cursor = run->merge.cursor;
    summary.seconds = profile_refresh_seconds(&run->start);
    summary.written = profile_writer_written(refresh->writer) - run->written;

    if (refresh->json) {
        profile_summary_json(&summary);

    } else {
        profile_summary_text(&summary);
    }
}


/* Never zero: rows are divided by it. */

static double
profile_refresh_seconds(const struct timespec *start)
{
    double  seconds;

    seconds = profile_elapsed(start);

    return (seconds > 1e-6) ? seconds : 1e-6;
}
