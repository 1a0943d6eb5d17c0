
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Finds out who asks, and for which entity.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_credentials.h"
#include "ngx_http_profile_request.h"


static ngx_http_profile_result_e ngx_http_profile_read_key(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx);
static void ngx_http_profile_forget(ngx_http_profile_request_t *ctx);
static ngx_http_profile_result_e ngx_http_profile_resolve_key(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx,
    const profile_view_t *view);
static ngx_http_profile_result_e ngx_http_profile_accept_key(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx,
    const profile_key_t *key);
static void ngx_http_profile_resolve_entity(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view);
static ngx_http_profile_result_e ngx_http_profile_find_entity(
    ngx_http_profile_request_t *ctx, const profile_view_t *view,
    uint32_t id);
static ngx_http_profile_result_e ngx_http_profile_look_entity(
    ngx_http_profile_request_t *ctx, const profile_view_t *view,
    uint32_t id);


ngx_int_t
ngx_http_profile_accept(ngx_http_request_t *r,
    ngx_http_profile_result_e *result)
{
    ngx_int_t  rc;

    /* before any reply: a body left unread would be read as a request */

    rc = ngx_http_discard_request_body(r);

    if (rc == NGX_HTTP_BAD_REQUEST) {

        /* where the next request begins is not known */

        r->keepalive = 0;

        *result = NGX_HTTP_PROFILE_INVALID_BODY;

        return NGX_OK;
    }

    *result = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
              ? NGX_HTTP_PROFILE_FOUND : NGX_HTTP_PROFILE_METHOD_NOT_ALLOWED;

    return rc;
}


ngx_http_profile_request_t *
ngx_http_profile_request(ngx_http_request_t *r)
{
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_profile_module);

    if (ctx == NULL) {

        /*
         * set by ngx_pcalloc():
         *
         *     ctx->snapshot = { 0, 0 };
         *     ctx->generation = 0;
         *     ctx->key = { 0, NULL };
         *     ctx->workspace = 0;
         *     ctx->entity = { 0 };
         *     ctx->done = 0;
         *     ctx->looked = 0;
         *     ctx->busy = 0;
         */

        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_profile_request_t));
        if (ctx == NULL) {
            return NULL;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_profile_module);
    }

    return ctx;
}


ngx_http_profile_result_e
ngx_http_profile_identify(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx)
{
    ngx_http_profile_result_e  result;

    result = ngx_http_profile_read_key(r, ctx);

    if (result != NGX_HTTP_PROFILE_FOUND) {
        ngx_http_profile_forget(ctx);
    }

    return result;
}


static ngx_http_profile_result_e
ngx_http_profile_read_key(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx)
{
    ngx_int_t                      rc;
    ngx_str_t                      key;
    profile_error_t                err;
    ngx_http_profile_loc_conf_t   *plcf;
    ngx_http_profile_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_profile_module);

    ctx->busy = 1;

    rc = ngx_http_profile_credentials(r, plcf->bearer, &key);

    ctx->busy = 0;

    if (rc == NGX_DECLINED) {
        return NGX_HTTP_PROFILE_MISSING_CREDENTIALS;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_PROFILE_INVALID_CREDENTIALS;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    if (key.len == ctx->key.len
        && ngx_memcmp(key.data, ctx->key.data, key.len) == 0)
    {
        return NGX_HTTP_PROFILE_FOUND;
    }

    /* "profile_bearer" may change in the course of a request */

    ngx_http_profile_forget(ctx);

    if (ngx_http_profile_digest(&pmcf->digest, &key, ctx->digest) != NGX_OK) {
        (void) profile_error(&err, PROFILE_FAILED, "keys cannot be looked "
                             "up: libcrypto has no SHA-256");
        return ngx_http_profile_unavailable(plcf->store, &err);
    }

    ctx->key = key;

    return NGX_HTTP_PROFILE_FOUND;
}


static void
ngx_http_profile_forget(ngx_http_profile_request_t *ctx)
{
    ctx->snapshot.opening = 0;
    ctx->generation = 0;
    ctx->key.len = 0;
    ctx->workspace = 0;
    ctx->key_name.len = 0;
    ctx->entity.id = 0;
}


ngx_http_profile_result_e
ngx_http_profile_resolve(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view)
{
    profile_snapshot_t            snapshot;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    profile_reader_snapshot(plcf->store->reader, &snapshot);

    if (ctx->store != plcf->store
        || ctx->snapshot.opening != snapshot.opening
        || ctx->snapshot.transaction != snapshot.transaction)
    {
        ctx->store = plcf->store;
        ctx->snapshot = snapshot;
        ctx->generation = profile_reader_generation(plcf->store->reader);
        ctx->entity.id = 0;

        ctx->access = ngx_http_profile_resolve_key(r, ctx, view);
    }

    if (ctx->access == NGX_HTTP_PROFILE_FOUND
        && ctx->expires != 0
        && ctx->expires <= (uint64_t) ngx_time())
    {
        ctx->access = NGX_HTTP_PROFILE_INVALID_KEY;
    }

    if (ctx->access != NGX_HTTP_PROFILE_FOUND) {
        ctx->workspace = 0;
        ctx->key_name.len = 0;
        ctx->entity.id = 0;

        return ctx->access;
    }

    ngx_http_profile_resolve_entity(r, ctx, view);

    return NGX_HTTP_PROFILE_FOUND;
}


/* Unknown, revoked, expired and disabled keys must look the same. */

static ngx_http_profile_result_e
ngx_http_profile_resolve_key(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view)
{
    int                   rc;
    profile_key_t         key;
    profile_error_t       err;
    const profile_key_t  *cached;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "profile authenticate");

    cached = ngx_http_profile_cache_key(&ctx->store->cache, &ctx->snapshot,
                                        ctx->digest);
    if (cached != NULL) {
        return ngx_http_profile_accept_key(r, ctx, cached);
    }

    rc = profile_view_key(view, ctx->digest, &key, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return NGX_HTTP_PROFILE_INVALID_KEY;
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(ctx->store, &err);
    }

    ngx_http_profile_cache_add_key(&ctx->store->cache, &ctx->snapshot,
                                   ctx->digest, &key);

    return ngx_http_profile_accept_key(r, ctx, &key);
}


static ngx_http_profile_result_e
ngx_http_profile_accept_key(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_key_t *key)
{
    ctx->key_name.data = ngx_pnalloc(r->pool, key->name.len);
    if (ctx->key_name.data == NULL) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    ngx_memcpy(ctx->key_name.data, key->name.data, key->name.len);

    ctx->key_name.len = key->name.len;
    ctx->workspace = key->workspace;
    ctx->expires = key->expires;

    return NGX_HTTP_PROFILE_FOUND;
}


/* The path may have been rewritten since the last time. */

static void
ngx_http_profile_resolve_entity(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view)
{
    uint32_t                   id;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ctx->route = ngx_http_profile_route(&r->uri, &clcf->name, &id);

    if (ctx->route != NGX_HTTP_PROFILE_ROUTE_RECORD) {
        ctx->entity.id = 0;
        return;
    }

    if (ctx->entity.id == 0 || ctx->entity.id != id) {
        ctx->found = ngx_http_profile_find_entity(ctx, view, id);
    }
}


static ngx_http_profile_result_e
ngx_http_profile_find_entity(ngx_http_profile_request_t *ctx,
    const profile_view_t *view, uint32_t id)
{
    const profile_entity_t     *cached;
    ngx_http_profile_result_e   result;

    cached = ngx_http_profile_cache_entity(&ctx->store->cache, &ctx->snapshot,
                                           ctx->workspace, id);
    if (cached != NULL) {
        ctx->entity = *cached;

    } else {
        result = ngx_http_profile_look_entity(ctx, view, id);

        if (result != NGX_HTTP_PROFILE_FOUND) {
            ctx->entity.id = 0;
            return result;
        }
    }

    return (ctx->entity.incarnation == 0)
           ? NGX_HTTP_PROFILE_ENTITY_NOT_READY : NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_look_entity(ngx_http_profile_request_t *ctx,
    const profile_view_t *view, uint32_t id)
{
    int              rc;
    profile_error_t  err;

    rc = profile_view_entity(view, ctx->workspace, id, &ctx->entity, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return ngx_http_profile_absent(ctx->store, view,
                                       NGX_HTTP_PROFILE_ENTITY_NOT_FOUND);
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(ctx->store, &err);
    }

    ngx_http_profile_cache_add_entity(&ctx->store->cache, &ctx->snapshot,
                                      &ctx->entity);

    /* these point into the snapshot */

    ctx->entity.name.len = 0;
    ctx->entity.primary_key.len = 0;

    return NGX_HTTP_PROFILE_FOUND;
}


ngx_http_profile_result_e
ngx_http_profile_absent(ngx_http_profile_store_t *store,
    const profile_view_t *view, ngx_http_profile_result_e result)
{
    profile_error_t  err;

    if (profile_view_check(view, &err) != PROFILE_OK) {
        return ngx_http_profile_unavailable(store, &err);
    }

    return result;
}


ngx_http_profile_result_e
ngx_http_profile_unavailable(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    ngx_http_profile_store_report(store, err);

    return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
}
