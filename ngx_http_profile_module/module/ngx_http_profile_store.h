
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A store as a worker keeps it: opened at the worker's start or as soon as
 * it can be, followed from generation to generation by a timer.
 */


#ifndef _NGX_HTTP_PROFILE_STORE_H_INCLUDED_
#define _NGX_HTTP_PROFILE_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_profile_cache.h"
#include "ngx_http_profile_counters.h"
#include "profile_reader.h"


#define NGX_HTTP_PROFILE_STORE_REPORTS  256
#define NGX_HTTP_PROFILE_STORE_NOTES    64


/* When an entity was refreshed, as it was read a short while ago. */

typedef struct {
    uint32_t           workspace;
    uint32_t           entity;
    uint32_t           generation;     /* 0: nothing yet */
    uint64_t           refreshed;
    ngx_msec_t         read;
} ngx_http_profile_note_t;


/* What was logged, and when. */

typedef struct {
    uint32_t           cause;
    ngx_msec_t         time;
} ngx_http_profile_report_t;


/*
 * Made by the configuration, one for each directory that it names; the
 * lower half belongs to one process.
 */

typedef struct {
    ngx_str_t                     directory;   /* zero-terminated */
    ngx_msec_t                    interval;    /* UNSET: never used */
    ngx_uint_t                    readahead;   /* UNSET: the same */
    ngx_http_profile_counters_t   counters;
    ngx_shm_zone_t               *openings;    /* NULL: never used */

    profile_reader_t             *reader;
    ngx_http_profile_cache_t      cache;
    ngx_event_t                   event;
    ngx_uint_t                    nreported;
    ngx_http_profile_report_t     reported[NGX_HTTP_PROFILE_STORE_REPORTS];
    time_t                        forget;      /* when what was reported */
    uint32_t                      trouble;     /* 0: none, see reason */
    profile_error_t               reason;      /* to open or to follow */
    ngx_http_profile_note_t       notes[NGX_HTTP_PROFILE_STORE_NOTES];
#if (NGX_THREADS)
    ngx_queue_t                   prefetches;  /* that are under way */
#endif
} ngx_http_profile_store_t;


/*
 * Opens the store if it can and sets the timer that goes on trying.  Only
 * in a process that serves requests: an LMDB environment must not be
 * carried over fork().
 */

void ngx_http_profile_store_start(ngx_http_profile_store_t *store,
    ngx_cycle_t *cycle);
void ngx_http_profile_store_stop(ngx_http_profile_store_t *store);

/*
 * One snapshot of the store.  NULL if there is none to be had: this is
 * reported, and told in *err.  Between begin and end nothing may wait.
 */

const profile_view_t *ngx_http_profile_store_begin(
    ngx_http_profile_store_t *store, profile_error_t *err);
void ngx_http_profile_store_end(ngx_http_profile_store_t *store);

/*
 * When an entity was last refreshed, at most an interval behind: it takes a
 * look into a file, and every line of an access log may ask for it.
 */

uint64_t ngx_http_profile_store_refreshed(ngx_http_profile_store_t *store,
    const profile_entity_t *entity);

/*
 * Logs why a request failed, each cause once in an hour; where there are more
 * causes than can be remembered, as many of them in a minute.
 */

void ngx_http_profile_store_report(ngx_http_profile_store_t *store,
    profile_error_t *err);


#endif /* _NGX_HTTP_PROFILE_STORE_H_INCLUDED_ */
