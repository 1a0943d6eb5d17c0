
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The content handler: who asks, for what, and what the store says.
 *
 * The key is checked here and not in the access phase, which subrequests
 * and "satisfy any" pass by.  Key, entity and record come from one
 * snapshot, and all that is needed of it is copied before it ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_condition.h"
#include "ngx_http_profile_reply.h"
#include "ngx_http_profile_request.h"
#include "ngx_http_profile_threads.h"


/* the hash in hexadecimal digits, between quotes */

#define NGX_HTTP_PROFILE_ETAG_LEN  (PROFILE_HASH_SIZE * 2 + 2)


static ngx_int_t ngx_http_profile_answer(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, ngx_http_profile_result_e result);
#if (NGX_THREADS)
static void ngx_http_profile_resume(ngx_http_request_t *r);
#endif
static ngx_http_profile_result_e ngx_http_profile_find(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, ngx_http_profile_reply_t *reply);
static ngx_http_profile_result_e ngx_http_profile_find_document(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx,
    const profile_view_t *view, profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_find_list(
    ngx_http_profile_request_t *ctx, const profile_view_t *view,
    profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_find_record(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx,
    const profile_view_t *view, profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_not_ready(
    ngx_http_profile_request_t *ctx);
static ngx_http_profile_result_e ngx_http_profile_make_reply(
    ngx_http_request_t *r, profile_document_t *found,
    ngx_http_profile_reply_t *reply);
static ngx_int_t ngx_http_profile_copy_etag(ngx_http_request_t *r,
    profile_document_t *found, ngx_http_profile_reply_t *reply);
static ngx_int_t ngx_http_profile_copy_body(ngx_http_request_t *r,
    profile_document_t *found, ngx_http_profile_reply_t *reply);
static ngx_http_profile_count_e ngx_http_profile_counted(
    ngx_http_request_t *r, ngx_http_profile_result_e result);


ngx_int_t
ngx_http_profile_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_profile_result_e     result;
    ngx_http_profile_request_t   *ctx;
    ngx_http_profile_loc_conf_t  *plcf;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "profile handler");

    rc = ngx_http_profile_accept(r, &result);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_profile_request(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_identify(r, ctx);
        ctx->looked = (result != NGX_HTTP_PROFILE_FOUND);
    }

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return ngx_http_profile_answer(r, ctx, result);
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    ctx->started = ngx_http_profile_lookup_begin(&plcf->store->counters);

#if (NGX_THREADS)

    if (ngx_http_profile_prefetch(r, ctx) == NGX_OK) {
        r->write_event_handler = ngx_http_profile_resume;
        r->main->count++;

        return NGX_DONE;
    }

#endif

    return ngx_http_profile_answer(r, ctx, NGX_HTTP_PROFILE_FOUND);
}


#if (NGX_THREADS)

/* Events of the connection come here, too. */

static void
ngx_http_profile_resume(ngx_http_request_t *r)
{
    ngx_http_profile_request_t  *ctx;

    if (r->aio) {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_profile_module);

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_finalize_request(r,
                              ngx_http_profile_answer(r, ctx,
                                                      NGX_HTTP_PROFILE_FOUND));
}

#endif


/* result is NGX_HTTP_PROFILE_FOUND where a lookup is still to be made. */

static ngx_int_t
ngx_http_profile_answer(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, ngx_http_profile_result_e result)
{
    ngx_int_t                     rc;
    ngx_http_profile_reply_t      reply;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_find(r, ctx, &reply);
        ctx->looked = 1;
    }

    ctx->result = result;
    ctx->done = 1;

    rc = (result == NGX_HTTP_PROFILE_FOUND)
         ? ngx_http_profile_send_document(r, &reply)
         : ngx_http_profile_send_error(r, result);

    ngx_http_profile_count(&plcf->store->counters,
                           ngx_http_profile_counted(r, result));

    return rc;
}


static ngx_http_profile_result_e
ngx_http_profile_find(ngx_http_request_t *r, ngx_http_profile_request_t *ctx,
    ngx_http_profile_reply_t *reply)
{
    profile_error_t               err;
    profile_document_t            found;
    const profile_view_t         *view;
    ngx_http_profile_store_t     *store;
    ngx_http_profile_result_e     result;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);
    store = plcf->store;

    view = ngx_http_profile_store_begin(store, &err);

    if (view == NULL) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    result = ngx_http_profile_resolve(r, ctx, view);

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_find_document(r, ctx, view, &found);
    }

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_make_reply(r, &found, reply);
    }

    ngx_http_profile_store_end(store);

    ngx_http_profile_lookup_end(&store->counters, ctx->started);

    return result;
}


static ngx_http_profile_result_e
ngx_http_profile_find_document(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view,
    profile_document_t *found)
{
    switch (ctx->route) {

    case NGX_HTTP_PROFILE_ROUTE_ENTITIES:
        return ngx_http_profile_find_list(ctx, view, found);

    case NGX_HTTP_PROFILE_ROUTE_RECORD:
        return ngx_http_profile_find_record(r, ctx, view, found);

    default:
        return NGX_HTTP_PROFILE_NOT_FOUND;
    }
}


static ngx_http_profile_result_e
ngx_http_profile_find_list(ngx_http_profile_request_t *ctx,
    const profile_view_t *view, profile_document_t *found)
{
    int              rc;
    profile_error_t  err;

    rc = profile_view_list(view, ctx->workspace, found, &err);

    if (rc == PROFILE_NOT_FOUND) {

        /* every workspace that has a key has a list */

        (void) profile_error(&err, PROFILE_DAMAGED, "the entity list of "
                             "workspace %u is missing; load the store again",
                             (unsigned) ctx->workspace);
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(ctx->store, &err);
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_find_record(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view,
    profile_document_t *found)
{
    int                        rc;
    u_char                     buf[PROFILE_RECORD_ID_MAX];
    ngx_str_t                  record_id;
    profile_error_t            err;
    ngx_http_profile_result_e  result;

    record_id.data = buf;

    result = ngx_http_profile_record_id(&r->args, &record_id);

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return result;
    }

    if (ctx->found == NGX_HTTP_PROFILE_ENTITY_NOT_READY) {
        return ngx_http_profile_not_ready(ctx);
    }

    if (ctx->found != NGX_HTTP_PROFILE_FOUND) {
        return ctx->found;
    }

    rc = profile_view_record(view, &ctx->entity, record_id.data,
                             record_id.len, found, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return ngx_http_profile_absent(ctx->store, view,
                                       NGX_HTTP_PROFILE_RECORD_NOT_FOUND);
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(ctx->store, &err);
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_not_ready(ngx_http_profile_request_t *ctx)
{
    profile_error_t  err;

    (void) profile_error(&err, PROFILE_ABSENT, "entity %u of workspace %u "
                         "has not been loaded yet; run profile-loader sync, "
                         "and see what it says", (unsigned) ctx->entity.id,
                         (unsigned) ctx->workspace);

    ngx_http_profile_store_report(ctx->store, &err);

    return NGX_HTTP_PROFILE_ENTITY_NOT_READY;
}


/* What nobody is sent is not copied: it would be fetched from memory. */

static ngx_http_profile_result_e
ngx_http_profile_make_reply(ngx_http_request_t *r,
    profile_document_t *found, ngx_http_profile_reply_t *reply)
{
    if (ngx_http_profile_copy_etag(r, found, reply) != NGX_OK) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    reply->status = NGX_HTTP_OK;
    reply->changed = (time_t) found->changed;
    reply->body.len = found->body.len;
    reply->body.data = NULL;

    switch (ngx_http_profile_condition(r, reply)) {

    case NGX_HTTP_PROFILE_CONDITION_FAILED:
        return NGX_HTTP_PROFILE_PRECONDITION_FAILED;

    case NGX_HTTP_PROFILE_CONDITION_NOT_MODIFIED:
        reply->status = NGX_HTTP_NOT_MODIFIED;
        return NGX_HTTP_PROFILE_FOUND;

    default: /* NGX_HTTP_PROFILE_CONDITION_NONE */
        break;
    }

    /* "auth_request" wants no body of its subrequest either */

    if (r->header_only || (r == r->main && r->method == NGX_HTTP_HEAD)) {
        return NGX_HTTP_PROFILE_FOUND;
    }

    return (ngx_http_profile_copy_body(r, found, reply) == NGX_OK)
           ? NGX_HTTP_PROFILE_FOUND : NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
}


static ngx_int_t
ngx_http_profile_copy_etag(ngx_http_request_t *r, profile_document_t *found,
    ngx_http_profile_reply_t *reply)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_HTTP_PROFILE_ETAG_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    reply->etag.len = NGX_HTTP_PROFILE_ETAG_LEN;
    reply->etag.data = p;

    *p++ = '"';
    p = ngx_hex_dump(p, (u_char *) found->hash, PROFILE_HASH_SIZE);
    *p = '"';

    return NGX_OK;
}


static ngx_int_t
ngx_http_profile_copy_body(ngx_http_request_t *r, profile_document_t *found,
    ngx_http_profile_reply_t *reply)
{
    reply->body.data = ngx_pnalloc(r->pool, found->body.len);
    if (reply->body.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(reply->body.data, found->body.data, found->body.len);

    return NGX_OK;
}


/* A filter may make a 304, while the header is sent. */

static ngx_http_profile_count_e
ngx_http_profile_counted(ngx_http_request_t *r,
    ngx_http_profile_result_e result)
{
    if (result == NGX_HTTP_PROFILE_FOUND
        && r->headers_out.status == NGX_HTTP_NOT_MODIFIED)
    {
        return NGX_HTTP_PROFILE_COUNT_NOT_MODIFIED;
    }

    return ngx_http_profile_classify(result);
}
