
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Lookups that wait for the disk let all other requests of the worker wait.
 * With "profile_threads" a thread first reads the pages that the lookup is
 * going to need.  The lookup is then made in the event loop as ever, from
 * memory: so there is one way to answer a request, and what a thread does,
 * or fails to do, cannot change a reply.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_threads.h"
#include "profile_prefetch.h"


#if (NGX_THREADS)


/* A worker that is to quit waits for timers, but not for threads. */

#define NGX_HTTP_PROFILE_THREADS_WAIT  60000


typedef struct {
    profile_prefetch_t   prefetch;
    ngx_queue_t          queue;       /* of the store's prefetches */
} ngx_http_profile_prefetch_t;


static ngx_int_t ngx_http_profile_prefetch_wanted(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, profile_prefetch_t *prefetch);
static ngx_int_t ngx_http_profile_prefetch_post(ngx_http_request_t *r,
    ngx_thread_task_t *task);
static void ngx_http_profile_prefetch_run(void *data, ngx_log_t *log);
static void ngx_http_profile_prefetch_done(ngx_event_t *ev);


ngx_int_t
ngx_http_profile_prefetch(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx)
{
    ngx_thread_task_t            *task;
    ngx_http_profile_prefetch_t  *pf;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    /* not every event method can be told that a thread is done */

    if (plcf->threads == NULL
        || plcf->store->reader == NULL
        || ngx_notify == NULL)
    {
        return NGX_DECLINED;
    }

    task = ngx_thread_task_alloc(r->pool,
                                 sizeof(ngx_http_profile_prefetch_t));
    if (task == NULL) {
        return NGX_DECLINED;
    }

    pf = task->ctx;

    if (ngx_http_profile_prefetch_wanted(r, ctx, &pf->prefetch) != NGX_OK) {
        return NGX_DECLINED;
    }

    profile_prefetch_begin(&pf->prefetch, plcf->store->reader);

    if (ngx_http_profile_prefetch_post(r, task) != NGX_OK) {
        profile_prefetch_end(&pf->prefetch);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&plcf->store->prefetches, &pf->queue);

    return NGX_OK;
}


void
ngx_http_profile_prefetch_stop(ngx_http_profile_store_t *store)
{
    ngx_queue_t                  *q;
    ngx_http_profile_prefetch_t  *pf;

    while (!ngx_queue_empty(&store->prefetches)) {

        q = ngx_queue_head(&store->prefetches);
        ngx_queue_remove(q);

        pf = ngx_queue_data(q, ngx_http_profile_prefetch_t, queue);

        profile_prefetch_abandon(&pf->prefetch);
    }
}


/* What gets an error anyway is answered at once. */

static ngx_int_t
ngx_http_profile_prefetch_wanted(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, profile_prefetch_t *prefetch)
{
    ngx_str_t                  id;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_memcpy(prefetch->digest, ctx->digest, PROFILE_DIGEST_SIZE);

    switch (ngx_http_profile_route(&r->uri, &clcf->name, &prefetch->entity)) {

    case NGX_HTTP_PROFILE_ROUTE_ENTITIES:

        prefetch->entity = 0;

        return NGX_OK;

    case NGX_HTTP_PROFILE_ROUTE_RECORD:

        id.data = prefetch->id;

        if (prefetch->entity == 0
            || ngx_http_profile_record_id(&r->args, &id)
               != NGX_HTTP_PROFILE_FOUND)
        {
            return NGX_DECLINED;
        }

        prefetch->len = id.len;

        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_profile_prefetch_post(ngx_http_request_t *r,
    ngx_thread_task_t *task)
{
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    task->handler = ngx_http_profile_prefetch_run;
    task->event.data = r;
    task->event.handler = ngx_http_profile_prefetch_done;
    task->event.log = r->connection->log;

    if (ngx_thread_task_post(plcf->threads, task) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_add_timer(&task->event, NGX_HTTP_PROFILE_THREADS_WAIT);

    r->main->blocked++;
    r->aio = 1;

    return NGX_OK;
}


/* In a thread: nothing of nginx may be used, the log included. */

static void
ngx_http_profile_prefetch_run(void *data, ngx_log_t *log)
{
    ngx_http_profile_prefetch_t *pf = data;

    profile_prefetch_run(&pf->prefetch);
}


static void
ngx_http_profile_prefetch_done(ngx_event_t *ev)
{
    ngx_connection_t             *c;
    ngx_thread_task_t            *task;
    ngx_http_request_t           *r;
    ngx_http_profile_prefetch_t  *pf;

    if (ev->timedout) {
        ev->timedout = 0;
        ngx_add_timer(ev, NGX_HTTP_PROFILE_THREADS_WAIT);

        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, c->log, 0, "profile prefetched");

    task = (ngx_thread_task_t *)
               ((u_char *) ev - offsetof(ngx_thread_task_t, event));
    pf = task->ctx;

    ngx_queue_remove(&pf->queue);

    profile_prefetch_end(&pf->prefetch);

    r->main->blocked--;
    r->aio = 0;

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}


#endif
