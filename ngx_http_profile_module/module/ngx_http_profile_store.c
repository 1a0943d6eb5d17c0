
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

#include "ngx_http_profile_store.h"


static void ngx_http_profile_store_timer(ngx_event_t *ev);
static void ngx_http_profile_store_open(ngx_http_profile_store_t *store);
static void ngx_http_profile_store_refresh(ngx_http_profile_store_t *store);


void
ngx_http_profile_store_start(ngx_http_profile_store_t *store,
    ngx_cycle_t *cycle)
{
    store->started = 1;

    store->event.handler = ngx_http_profile_store_timer;
    store->event.data = store;
    store->event.log = cycle->log;

    /* a worker that has been told to quit does not wait for this timer */

    store->event.cancelable = 1;

    ngx_http_profile_store_open(store);

    ngx_add_timer(&store->event, store->interval);
}


void
ngx_http_profile_store_stop(ngx_http_profile_store_t *store)
{
    if (store->event.timer_set) {
        ngx_del_timer(&store->event);
    }

    profile_reader_close(store->reader);

    store->reader = NULL;
    store->started = 0;
}


const profile_view_t *
ngx_http_profile_store_begin(ngx_http_profile_store_t *store)
{
    profile_error_t        err;
    const profile_view_t  *view;

    if (!store->started) {

        /* a single process starts no new one for a new configuration */

        ngx_http_profile_store_start(store, (ngx_cycle_t *) ngx_cycle);
    }

    if (store->reader == NULL) {
        return NULL;
    }

    if (profile_reader_begin(store->reader, &view, &err) != PROFILE_OK) {
        ngx_http_profile_store_report(store, &err);
        return NULL;
    }

    return view;
}


void
ngx_http_profile_store_end(ngx_http_profile_store_t *store)
{
    profile_reader_end(store->reader);
}


void
ngx_http_profile_store_report(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    size_t      len;
    uint32_t    crc;
    ngx_uint_t  i, n;

    len = ngx_strlen(err->text);
    crc = ngx_crc32_short((u_char *) err->text, len);
    n = ngx_min(store->nreported, NGX_HTTP_PROFILE_STORE_REPORTS);

    for (i = 0; i < n; i++) {
        if (store->reported[i] == crc) {
            return;
        }
    }

    store->reported[store->nreported % NGX_HTTP_PROFILE_STORE_REPORTS] = crc;
    store->nreported++;

    /* the level that is logged where nothing else is configured */

    ngx_log_error(NGX_LOG_ERR, store->event.log, 0,
                  "profile store \"%V\": %s", &store->directory, err->text);
}


static void
ngx_http_profile_store_timer(ngx_event_t *ev)
{
    ngx_http_profile_store_t  *store;

    store = ev->data;

    if (store->reader == NULL) {
        ngx_http_profile_store_open(store);

    } else {
        ngx_http_profile_store_refresh(store);
    }

    ngx_add_timer(ev, store->interval);
}


static void
ngx_http_profile_store_open(ngx_http_profile_store_t *store)
{
    ngx_uint_t       level;
    profile_error_t  err;

    if (profile_reader_open(&store->reader, (char *) store->directory.data,
                            &err)
        != PROFILE_OK)
    {
        store->reader = NULL;
        ngx_http_profile_store_report(store, &err);
        return;
    }

    /* whoever was told that it failed is told that it no longer does */

    level = (store->nreported != 0) ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    store->nreported = 0;

    ngx_log_error(level, store->event.log, 0,
                  "profile store \"%V\": generation %uD is open",
                  &store->directory,
                  profile_reader_generation(store->reader));
}


/* What fails here leaves the generation in use that was in use before. */

static void
ngx_http_profile_store_refresh(ngx_http_profile_store_t *store)
{
    uint32_t         generation;
    profile_error_t  err;

    generation = profile_reader_generation(store->reader);

    if (profile_reader_refresh(store->reader, &err) != PROFILE_OK) {
        ngx_http_profile_store_report(store, &err);
        return;
    }

    if (profile_reader_generation(store->reader) == generation) {
        return;
    }

    store->nreported = 0;

    ngx_log_error(NGX_LOG_NOTICE, store->event.log, 0,
                  "profile store \"%V\": generation %uD is open, "
                  "generation %uD is closed", &store->directory,
                  profile_reader_generation(store->reader), generation);
}
