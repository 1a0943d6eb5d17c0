
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
#include "ngx_http_profile_credentials.h"
#include "ngx_http_profile_module.h"
#include "ngx_http_profile_reply.h"
#include "ngx_http_profile_route.h"


/* the hash in hexadecimal digits, between quotes */

#define NGX_HTTP_PROFILE_ETAG_LEN  (PROFILE_HASH_SIZE * 2 + 2)


static ngx_http_profile_result_e ngx_http_profile_authenticate(
    ngx_http_request_t *r, u_char *digest);
static ngx_http_profile_result_e ngx_http_profile_find(ngx_http_request_t *r,
    u_char *digest, ngx_http_profile_reply_t *reply);
static ngx_http_profile_result_e ngx_http_profile_find_key(
    ngx_http_profile_store_t *store, const profile_view_t *view,
    u_char *digest, profile_key_t *key);
static ngx_http_profile_result_e ngx_http_profile_find_document(
    ngx_http_request_t *r, ngx_http_profile_store_t *store,
    const profile_view_t *view, profile_key_t *key,
    profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_find_list(
    ngx_http_profile_store_t *store, const profile_view_t *view,
    profile_key_t *key, profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_find_record(
    ngx_http_request_t *r, ngx_http_profile_store_t *store,
    const profile_view_t *view, profile_key_t *key, uint32_t id,
    profile_document_t *found);
static ngx_http_profile_result_e ngx_http_profile_unavailable(
    ngx_http_profile_store_t *store, profile_error_t *err);
static ngx_http_profile_result_e ngx_http_profile_copy(ngx_http_request_t *r,
    profile_document_t *found, ngx_http_profile_reply_t *reply);


ngx_int_t
ngx_http_profile_handler(ngx_http_request_t *r)
{
    u_char                      digest[PROFILE_DIGEST_SIZE];
    ngx_int_t                   rc;
    ngx_http_profile_reply_t    reply;
    ngx_http_profile_result_e   result;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "profile handler");

    /* before any reply: a body left unread would be read as a request */

    rc = ngx_http_discard_request_body(r);

    if (rc == NGX_HTTP_BAD_REQUEST) {

        /* where the next request begins is not known */

        r->keepalive = 0;

        return ngx_http_profile_send_error(r, NGX_HTTP_PROFILE_INVALID_BODY);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_profile_send_error(r,
                                         NGX_HTTP_PROFILE_METHOD_NOT_ALLOWED);
    }

    result = ngx_http_profile_authenticate(r, digest);

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_find(r, digest, &reply);
    }

    if (result == NGX_HTTP_PROFILE_FOUND
        && !ngx_http_profile_condition_holds(r, &reply))
    {
        result = NGX_HTTP_PROFILE_PRECONDITION_FAILED;
    }

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return ngx_http_profile_send_error(r, result);
    }

    return ngx_http_profile_send_document(r, &reply);
}


/* The digest of the request's key, which may still be no key of the store. */

static ngx_http_profile_result_e
ngx_http_profile_authenticate(ngx_http_request_t *r, u_char *digest)
{
    ngx_int_t                      rc;
    ngx_str_t                      key;
    ngx_http_profile_loc_conf_t   *plcf;
    ngx_http_profile_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_profile_module);

    rc = ngx_http_profile_credentials(r, plcf->bearer, &key);

    if (rc == NGX_DECLINED) {
        return NGX_HTTP_PROFILE_MISSING_CREDENTIALS;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_PROFILE_INVALID_CREDENTIALS;
    }

    if (rc != NGX_OK
        || ngx_http_profile_digest(&pmcf->digest, &key, digest) != NGX_OK)
    {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_find(ngx_http_request_t *r, u_char *digest,
    ngx_http_profile_reply_t *reply)
{
    profile_key_t                 key;
    profile_document_t            found;
    const profile_view_t         *view;
    ngx_http_profile_store_t     *store;
    ngx_http_profile_result_e     result;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);
    store = plcf->store;

    view = ngx_http_profile_store_begin(store);

    if (view == NULL) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    result = ngx_http_profile_find_key(store, view, digest, &key);

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_find_document(r, store, view, &key, &found);
    }

    if (result == NGX_HTTP_PROFILE_FOUND) {
        result = ngx_http_profile_copy(r, &found, reply);
    }

    ngx_http_profile_store_end(store);

    return result;
}


/* Unknown, revoked, expired and disabled keys must look the same. */

static ngx_http_profile_result_e
ngx_http_profile_find_key(ngx_http_profile_store_t *store,
    const profile_view_t *view, u_char *digest, profile_key_t *key)
{
    int              rc;
    profile_error_t  err;

    rc = profile_view_key(view, digest, key, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return NGX_HTTP_PROFILE_INVALID_KEY;
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(store, &err);
    }

    if (key->expires != 0 && key->expires <= (uint64_t) ngx_time()) {
        return NGX_HTTP_PROFILE_INVALID_KEY;
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_find_document(ngx_http_request_t *r,
    ngx_http_profile_store_t *store, const profile_view_t *view,
    profile_key_t *key, profile_document_t *found)
{
    uint32_t                   id;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    switch (ngx_http_profile_route(&r->uri, &clcf->name, &id)) {

    case NGX_HTTP_PROFILE_ROUTE_ENTITIES:
        return ngx_http_profile_find_list(store, view, key, found);

    case NGX_HTTP_PROFILE_ROUTE_RECORD:
        return ngx_http_profile_find_record(r, store, view, key, id, found);

    default:
        return NGX_HTTP_PROFILE_NOT_FOUND;
    }
}


static ngx_http_profile_result_e
ngx_http_profile_find_list(ngx_http_profile_store_t *store,
    const profile_view_t *view, profile_key_t *key,
    profile_document_t *found)
{
    int              rc;
    profile_error_t  err;

    rc = profile_view_list(view, key->workspace, found, &err);

    if (rc == PROFILE_NOT_FOUND) {

        /* every workspace that has a key has a list */

        (void) profile_error(&err, PROFILE_DAMAGED, "the entity list of "
                             "workspace %u is missing; load the store again",
                             (unsigned) key->workspace);
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(store, &err);
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_find_record(ngx_http_request_t *r,
    ngx_http_profile_store_t *store, const profile_view_t *view,
    profile_key_t *key, uint32_t id, profile_document_t *found)
{
    int                        rc;
    u_char                     buf[PROFILE_RECORD_ID_MAX];
    ngx_str_t                  record_id;
    profile_error_t            err;
    profile_entity_t           entity;
    ngx_http_profile_result_e  result;

    record_id.data = buf;

    result = ngx_http_profile_record_id(&r->args, &record_id);

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return result;
    }

    rc = profile_view_entity(view, key->workspace, id, &entity, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return NGX_HTTP_PROFILE_ENTITY_NOT_FOUND;
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(store, &err);
    }

    if (entity.incarnation == 0) {
        (void) profile_error(&err, PROFILE_ABSENT, "entity %u of workspace "
                             "%u has not been loaded yet; run profile-loader "
                             "sync, and see what it says", (unsigned) id,
                             (unsigned) key->workspace);
        ngx_http_profile_store_report(store, &err);

        return NGX_HTTP_PROFILE_ENTITY_NOT_READY;
    }

    rc = profile_view_record(view, &entity, record_id.data, record_id.len,
                             found, &err);

    if (rc == PROFILE_NOT_FOUND) {
        return NGX_HTTP_PROFILE_RECORD_NOT_FOUND;
    }

    if (rc != PROFILE_OK) {
        return ngx_http_profile_unavailable(store, &err);
    }

    return NGX_HTTP_PROFILE_FOUND;
}


static ngx_http_profile_result_e
ngx_http_profile_unavailable(ngx_http_profile_store_t *store,
    profile_error_t *err)
{
    ngx_http_profile_store_report(store, err);

    return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
}


static ngx_http_profile_result_e
ngx_http_profile_copy(ngx_http_request_t *r, profile_document_t *found,
    ngx_http_profile_reply_t *reply)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_HTTP_PROFILE_ETAG_LEN + found->body.len);
    if (p == NULL) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    reply->etag.len = NGX_HTTP_PROFILE_ETAG_LEN;
    reply->etag.data = p;

    *p++ = '"';
    p = ngx_hex_dump(p, (u_char *) found->hash, PROFILE_HASH_SIZE);
    *p++ = '"';

    ngx_memcpy(p, found->body.data, found->body.len);

    reply->body.len = found->body.len;
    reply->body.data = p;
    reply->changed = (time_t) found->changed;

    return NGX_HTTP_PROFILE_FOUND;
}
