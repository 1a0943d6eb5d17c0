
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Keeps a store open in a worker.
 *
 * Lines about a store go to the cycle's log and never to a request's, which
 * would add the request line and with it somebody's record id.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_profile_opening.h"
#include "ngx_http_profile_store.h"
#include "ngx_http_profile_threads.h"


/* seconds after which a cause that is still there is worth another line */

#define NGX_HTTP_PROFILE_STORE_FORGET  3600

/* milliseconds before it may give way to another, where there are too many */

#define NGX_HTTP_PROFILE_STORE_KEEP    60000


static void ngx_http_profile_store_timer(ngx_event_t *ev);
static void ngx_http_profile_store_follow(ngx_http_profile_store_t *store);
static int ngx_http_profile_store_refresh(ngx_http_profile_store_t *store,
    profile_error_t *err);
static int ngx_http_profile_store_open(ngx_http_profile_store_t *store,
    profile_error_t *err);
static void ngx_http_profile_store_warn(ngx_http_profile_store_t *store);
static uint32_t ngx_http_profile_store_cause(profile_error_t *err);
static void ngx_http_profile_store_log(ngx_http_profile_store_t *store,
    profile_error_t *err);


void
ngx_http_profile_store_start(ngx_http_profile_store_t *store,
    ngx_cycle_t *cycle)
{
    store->event.handler = ngx_http_profile_store_timer;
    store->event.data = store;
    store->event.log = cycle->log;

    /* a worker that has been told to quit does not wait for this timer */

    store->event.cancelable = 1;

    ngx_http_profile_store_follow(store);

    ngx_add_timer(&store->event, store->interval);
}


void
ngx_http_profile_store_stop(ngx_http_profile_store_t *store)
{
    if (store->event.timer_set) {
        ngx_del_timer(&store->event);
    }

#if (NGX_THREADS)
    ngx_http_profile_prefetch_stop(store);
#endif

    profile_reader_close(store->reader);

    store->reader = NULL;
}


const profile_view_t *
ngx_http_profile_store_begin(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    const profile_view_t  *view;

    if (store->reader == NULL) {

        /* why was logged when it was found */

        *err = store->reason;

        return NULL;
    }

    if (profile_reader_begin(store->reader, &view, err) != PROFILE_OK) {
        ngx_http_profile_store_report(store, err);
        return NULL;
    }

    return view;
}


void
ngx_http_profile_store_end(ngx_http_profile_store_t *store)
{
    profile_reader_end(store->reader);
}


uint64_t
ngx_http_profile_store_refreshed(ngx_http_profile_store_t *store,
    const profile_entity_t *entity)
{
    uint32_t                  generation;
    ngx_http_profile_note_t  *note;

    generation = profile_reader_generation(store->reader);

    note = &store->notes[(entity->workspace * 31 + entity->id)
                         % NGX_HTTP_PROFILE_STORE_NOTES];

    if (note->generation == generation
        && note->workspace == entity->workspace
        && note->entity == entity->id
        && ngx_current_msec - note->read < store->interval)
    {
        return ngx_max(note->refreshed, entity->refreshed);
    }

    note->generation = generation;
    note->workspace = entity->workspace;
    note->entity = entity->id;
    note->refreshed = profile_reader_refreshed(store->reader, entity);
    note->read = ngx_current_msec;

    return note->refreshed;
}


void
ngx_http_profile_store_report(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    uint32_t                    cause;
    ngx_uint_t                  i, n;
    ngx_http_profile_report_t  *report;

    if (ngx_time() >= store->forget) {
        store->nreported = 0;
        store->forget = ngx_time() + NGX_HTTP_PROFILE_STORE_FORGET;
    }

    cause = ngx_http_profile_store_cause(err);
    n = ngx_min(store->nreported, NGX_HTTP_PROFILE_STORE_REPORTS);

    for (i = 0; i < n; i++) {
        if (store->reported[i].cause == cause) {
            return;
        }
    }

    report = &store->reported[store->nreported
                              % NGX_HTTP_PROFILE_STORE_REPORTS];

    if (n == NGX_HTTP_PROFILE_STORE_REPORTS
        && ngx_current_msec - report->time < NGX_HTTP_PROFILE_STORE_KEEP)
    {
        return;
    }

    report->cause = cause;
    report->time = ngx_current_msec;
    store->nreported++;

    ngx_http_profile_store_log(store, err);
}


static void
ngx_http_profile_store_timer(ngx_event_t *ev)
{
    ngx_http_profile_store_t  *store;

    store = ev->data;

    ngx_http_profile_store_follow(store);

    ngx_add_timer(ev, store->interval);
}


/*
 * Opens the store, or looks for a new generation.  What fails leaves in use
 * what was in use before, and is logged when it begins and when it ends.
 */

static void
ngx_http_profile_store_follow(ngx_http_profile_store_t *store)
{
    int              rc;
    uint32_t         cause;
    profile_error_t  err;

    rc = ngx_http_profile_store_refresh(store, &err);

    if (rc != PROFILE_OK) {
        cause = ngx_http_profile_store_cause(&err);

        if (cause != store->trouble) {
            store->trouble = cause;
            store->reason = err;
            ngx_http_profile_store_log(store, &err);
        }

        return;
    }

    if (store->trouble != 0) {
        store->trouble = 0;

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "profile store \"%V\": generation %uD is available "
                      "again", &store->directory,
                      profile_reader_generation(store->reader));
    }
}


static int
ngx_http_profile_store_refresh(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    int       rc;
    uint32_t  old, new;

    old = (store->reader == NULL) ? 0
                                  : profile_reader_generation(store->reader);

    rc = (store->reader == NULL || profile_reader_pending(store->reader))
         ? ngx_http_profile_store_open(store, err)
         : profile_reader_refresh(store->reader, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    new = profile_reader_generation(store->reader);

    if (new == old) {
        return PROFILE_OK;
    }

    store->nreported = 0;

    if (old == 0) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "profile store \"%V\": generation %uD is open",
                      &store->directory, new);
    } else {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "profile store \"%V\": generation %uD is open, "
                      "generation %uD is closed", &store->directory, new,
                      old);
    }

    ngx_http_profile_store_warn(store);

    return PROFILE_OK;
}


/* What is to be opened may end this worker, as it has perhaps ended others. */

static int
ngx_http_profile_store_open(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    int                          rc;
    uint64_t                     fingerprint;
    profile_error_t              ignored;
    ngx_http_profile_opening_t  *opening;

    opening = NULL;

    /* where it cannot be told what it is, opening says so better */

    rc = profile_reader_fingerprint((char *) store->directory.data,
                                    &fingerprint, &ignored);

    if (rc == PROFILE_OK
        && ngx_http_profile_opening_begin(store->openings, fingerprint,
                                          &opening)
           != NGX_OK)
    {
        return profile_error(err, PROFILE_DAMAGED,
                             "the generation that CURRENT names has ended "
                             "workers that opened it, as a damaged page does; "
                             "it is opened again in a minute, or once it has "
                             "changed; restore it or load it again");
    }

    rc = (store->reader == NULL)
         ? profile_reader_open(&store->reader,
                               (char *) store->directory.data,
                               store->readahead, err)
         : profile_reader_refresh(store->reader, err);

    ngx_http_profile_opening_end(opening);

    return rc;
}


/* Nobody writes to a sealed generation, so there is nothing to agree on. */

static void
ngx_http_profile_store_warn(ngx_http_profile_store_t *store)
{
    const char  *network;

    network = profile_dir_network((char *) store->directory.data);

    if (network == NULL || profile_reader_sealed(store->reader)) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "profile store \"%V\": it is on %s, where locks and maps "
                  "are not safe to share; use a local disk, or seal it",
                  &store->directory, network);
}


/* Never 0. */

static uint32_t
ngx_http_profile_store_cause(profile_error_t *err)
{
    return ngx_crc32_short((u_char *) err->text, ngx_strlen(err->text)) | 1;
}


/* At the level that is logged where nothing else is configured. */

static void
ngx_http_profile_store_log(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "profile store \"%V\": %s", &store->directory, err->text);
}
