
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Turns a source into sorted rows.
 */


#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "profile_cursor.h"
#include "profile_feed.h"
#include "profile_loader.h"
#include "profile_parser.h"
#include "profile_progress.h"
#include "profile_signal.h"


#define PROFILE_FEED_THREADS  8          /* at most */
#define PROFILE_FEED_MEMORY   (64 * 1024 * 1024)


typedef struct profile_feed_run_s  profile_feed_run_t;


typedef struct {
    profile_feed_run_t  *run;
    pthread_t            thread;
    profile_parser_t     parser;
    profile_error_t      err;
    int                  rc;
} profile_feed_thread_t;


struct profile_feed_run_s {
    profile_feed_t          *feed;
    const profile_format_t  *format;
    void                    *reader;
    profile_input_t          input;
    profile_row_members_t    members;
    profile_queue_t         *full;
    profile_queue_t         *empty;
    atomic_int               failed;      /* a thread gave up */
    profile_feed_thread_t    threads[PROFILE_FEED_THREADS];
    unsigned                 nthreads;
};


static unsigned profile_feed_processors(void);
static size_t profile_feed_memory(void);
static int profile_feed_start(profile_feed_run_t *run, unsigned wanted,
    profile_error_t *err);
static void *profile_feed_thread(void *data);
static int profile_feed_rows(profile_feed_run_t *run, profile_error_t *err);
static int profile_feed_batch(profile_feed_run_t *run,
    profile_batch_t *batch, profile_error_t *err);
static int profile_feed_end(profile_feed_run_t *run, int rc,
    profile_error_t *err);
static void profile_feed_cursor(profile_feed_t *feed,
    const profile_buffer_t *cursor);


int
profile_feed(profile_feed_t *feed, profile_error_t *err)
{
    int                              rc;
    unsigned                         n;
    profile_feed_run_t               run;
    const profile_config_refresh_t  *refresh;

    memset(&run, 0, sizeof(profile_feed_run_t));

    refresh = &feed->entity->refresh;

    run.feed = feed;
    run.format = profile_format(feed->entity->format);
    run.members.primary_key = feed->entity->primary_key;
    run.members.cursor = refresh->cursor;
    run.members.deleted = refresh->deleted;
    run.full = profile_queue_create();
    run.empty = profile_queue_create();

    profile_input_init(&run.input, feed->source);
    run.reader = run.format->create(feed->entity, &run.input);

    n = profile_feed_processors();
    feed->rows = profile_sort_create(feed->directory, profile_feed_memory(),
                                     n);

    rc = profile_feed_start(&run, n, err);

    if (rc == PROFILE_OK) {
        rc = profile_feed_rows(&run, err);
    }

    rc = profile_feed_end(&run, rc, err);

    /* not before: rows point to columns that belong to the reader */

    run.format->free(run.reader);
    profile_input_free(&run.input);

    profile_queue_free(run.full);
    profile_queue_free(run.empty);

    return rc;
}


static unsigned
profile_feed_processors(void)
{
    int        n;
    cpu_set_t  set;

    n = (sched_getaffinity(0, sizeof(cpu_set_t), &set) == 0)
        ? CPU_COUNT(&set) : 1;

    return (n > PROFILE_FEED_THREADS) ? PROFILE_FEED_THREADS : (unsigned) n;
}


/* Small values let a test sort a few rows as if they were millions. */

static size_t
profile_feed_memory(void)
{
    char        *end;
    const char  *text;
    size_t       memory;

    text = getenv("PROFILE_SORT_MEMORY");

    if (text == NULL) {
        return PROFILE_FEED_MEMORY;
    }

    memory = strtoull(text, &end, 10);

    return (*end != '\0' || memory == 0) ? PROFILE_FEED_MEMORY : memory;
}


/* Signals are for the calling thread: its reads are to be interrupted. */

static int
profile_feed_start(profile_feed_run_t *run, unsigned wanted,
    profile_error_t *err)
{
    int                     rc;
    sigset_t                all, old;
    unsigned                i;
    profile_feed_thread_t  *thread;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    rc = 0;

    for (i = 0; i < wanted && rc == 0; i++) {

        thread = &run->threads[i];

        thread->run = run;
        thread->parser.format = run->format;
        thread->parser.failed = &run->failed;
        thread->parser.members = &run->members;
        thread->parser.rows = run->feed->rows;
        thread->parser.shard = i;
        thread->parser.newest = run->feed->newest;

        rc = pthread_create(&thread->thread, NULL, profile_feed_thread,
                            thread);

        if (rc == 0) {
            run->nthreads++;

            /* one to be filled while the other is parsed */

            profile_queue_put(run->empty, profile_batch_create());
            profile_queue_put(run->empty, profile_batch_create());
        }
    }

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    /* fewer than wanted will do */

    if (run->nthreads == 0) {
        return profile_error(err, PROFILE_FAILED, "cannot start a thread: %s",
                             strerror(rc));
    }

    return PROFILE_OK;
}


static void *
profile_feed_thread(void *data)
{
    profile_feed_thread_t *thread = data;

    thread->rc = profile_parser_run(&thread->parser, thread->run->full,
                                    thread->run->empty, &thread->err);

    return NULL;
}


/* Reads all rows, a batch at a time. */

static int
profile_feed_rows(profile_feed_run_t *run, profile_error_t *err)
{
    int               rc;
    uint64_t          done, total;
    profile_batch_t  *batch;

    profile_progress_begin("reading");

    do {
        batch = profile_queue_get(run->empty);
        profile_batch_reset(batch, run->feed->read + 1);

        rc = profile_feed_batch(run, batch, err);

        profile_queue_put(run->full, batch);

        profile_source_position(run->feed->source, &done, &total);
        profile_progress(run->feed->read, done, total);

        if (rc == PROFILE_OK && profile_interrupted()) {
            rc = profile_error(err, PROFILE_FAILED,
                               "interrupted by a signal");
        }

    } while (rc == PROFILE_OK && !atomic_load(&run->failed));

    profile_progress_end();

    return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
}


/* PROFILE_NOT_FOUND after the last row. */

static int
profile_feed_batch(profile_feed_run_t *run, profile_batch_t *batch,
    profile_error_t *err)
{
    int                   rc;
    profile_raw_t         raw;
    profile_row_reason_e  reason;

    while (!profile_batch_full(batch)) {

        rc = run->format->next(run->reader, &raw, &reason, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        profile_batch_add(batch, &raw, reason);
        run->feed->read++;
    }

    return PROFILE_OK;
}


/* Waits for the threads and takes what they found. */

static int
profile_feed_end(profile_feed_run_t *run, int rc, profile_error_t *err)
{
    unsigned                i;
    profile_feed_thread_t  *thread;

    profile_queue_close(run->full);

    for (i = 0; i < run->nthreads; i++) {

        thread = &run->threads[i];
        (void) pthread_join(thread->thread, NULL);

        if (thread->rc != PROFILE_OK) {

            /* the disk that is sorted on, whatever is wrong with it */

            *err = thread->err;
            err->code = PROFILE_NO_SPACE;
            rc = PROFILE_NO_SPACE;
        }

        profile_report_add(&run->feed->report, &thread->parser.report);
        profile_feed_cursor(run->feed, &thread->parser.cursor);
        free(thread->parser.cursor.data);
    }

    return rc;
}


static void
profile_feed_cursor(profile_feed_t *feed, const profile_buffer_t *cursor)
{
    profile_bytes_t  one, two;

    one = (profile_bytes_t) { cursor->len, cursor->data };
    two = (profile_bytes_t) { feed->cursor.len, feed->cursor.data };

    if (one.len != 0
        && (two.len == 0 || profile_cursor_compare(&one, &two) > 0))
    {
        feed->cursor.len = 0;
        profile_buffer_append(&feed->cursor, one.data, one.len);
    }
}
