
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes the replies.
 *
 * An error is sent as a reply with a body, not returned as a status, so
 * that an "error_page" meant for the pages of a site does not put HTML
 * before a client that expects JSON.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_reply.h"


/* seconds; a first load takes minutes rather than seconds */

#define NGX_HTTP_PROFILE_NOT_READY_RETRY  10


#define NGX_HTTP_PROFILE_DATE_LEN                                             \
    (sizeof("Thu, 01 Jan 1970 00:00:00 GMT") - 1)

#define NGX_HTTP_PROFILE_DATES            64


typedef struct {
    ngx_uint_t  status;
    ngx_str_t   body;
} ngx_http_profile_error_t;


typedef struct {
    time_t      time;
    u_char      text[NGX_HTTP_PROFILE_DATE_LEN];   /* of no time if zero */
} ngx_http_profile_date_t;


static ngx_int_t ngx_http_profile_last_modified(ngx_http_request_t *r,
    time_t changed);
static ngx_int_t ngx_http_profile_send(ngx_http_request_t *r,
    ngx_str_t *body, ngx_str_t *cache_control);
static ngx_int_t ngx_http_profile_output(ngx_http_request_t *r,
    ngx_str_t *type, ngx_str_t *body);
static void ngx_http_profile_content(ngx_http_request_t *r, ngx_str_t *type,
    size_t len);
static ngx_int_t ngx_http_profile_error_headers(ngx_http_request_t *r,
    ngx_http_profile_result_e result);
static ngx_int_t ngx_http_profile_retry_later(ngx_http_request_t *r);
static ngx_int_t ngx_http_profile_retry_after(ngx_http_request_t *r,
    ngx_uint_t seconds);
static ngx_int_t ngx_http_profile_cache_control(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_table_elt_t *ngx_http_profile_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);


#define ngx_http_profile_error(status, code, message)                         \
    { status, ngx_string("{\"status\":" #status ",\"code\":\"" code "\","     \
                         "\"message\":\"" message "\"}") }


/*
 * In the order of ngx_http_profile_result_e.  Clients rely on the codes.
 * The texts are constants: nothing of a request may come back in them.
 */

static ngx_http_profile_error_t  ngx_http_profile_errors[] = {

    { 0, ngx_null_string },

    ngx_http_profile_error(400, "invalid_body",
        "The body of the request is malformed."),

    ngx_http_profile_error(400, "missing_record_id",
        "Give the record's primary key in the parameter record_id."),

    ngx_http_profile_error(400, "invalid_record_id",
        "The parameter record_id must be given once, be form-encoded, "
        "and not be longer than 500 bytes."),

    ngx_http_profile_error(400, "invalid_credentials",
        "The credentials are malformed or given twice."),

    ngx_http_profile_error(401, "missing_credentials",
        "Give a key in the header Authorization: Bearer."),

    ngx_http_profile_error(401, "invalid_key",
        "The key is not valid."),

    ngx_http_profile_error(404, "not_found",
        "There is no such endpoint."),

    ngx_http_profile_error(404, "entity_not_found",
        "There is no such entity."),

    ngx_http_profile_error(404, "record_not_found",
        "The entity has no record with this primary key."),

    ngx_http_profile_error(405, "method_not_allowed",
        "Only GET and HEAD are allowed."),

    ngx_http_profile_error(412, "precondition_failed",
        "What is there is not what the request's condition names."),

    ngx_http_profile_error(503, "store_unavailable",
        "The data cannot be read at present."),

    ngx_http_profile_error(503, "entity_not_ready",
        "The entity has not been loaded yet.")
};


static ngx_str_t  ngx_http_profile_json = ngx_string("application/json");
static ngx_str_t  ngx_http_profile_no_store = ngx_string("no-store");

static ngx_str_t  ngx_http_profile_vary_name = ngx_string("Vary");
static ngx_str_t  ngx_http_profile_vary =
    ngx_string("Authorization, Authentication");

static ngx_str_t  ngx_http_profile_cache_control_name =
    ngx_string("Cache-Control");
static ngx_str_t  ngx_http_profile_challenge_name =
    ngx_string("WWW-Authenticate");
static ngx_str_t  ngx_http_profile_retry_after_name =
    ngx_string("Retry-After");
static ngx_str_t  ngx_http_profile_etag_name = ngx_string("ETag");
static ngx_str_t  ngx_http_profile_last_modified_name =
    ngx_string("Last-Modified");
static ngx_str_t  ngx_http_profile_allow_name = ngx_string("Allow");
static ngx_str_t  ngx_http_profile_allow = ngx_string("GET, HEAD");


/* Dates as this process last wrote them. */

static ngx_http_profile_date_t
    ngx_http_profile_dates[NGX_HTTP_PROFILE_DATES];


ngx_int_t
ngx_http_profile_send_document(ngx_http_request_t *r,
    ngx_http_profile_reply_t *reply)
{
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    r->headers_out.status = reply->status;

    if (ngx_http_profile_last_modified(r, reply->changed) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.etag = ngx_http_profile_header(r,
                                                  &ngx_http_profile_etag_name,
                                                  &reply->etag);
    if (r->headers_out.etag == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_profile_send(r, &reply->body, &plcf->cache_control);
}


ngx_int_t
ngx_http_profile_send_error(ngx_http_request_t *r,
    ngx_http_profile_result_e result)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "profile error: %ui, status: %ui", (ngx_uint_t) result,
                   ngx_http_profile_errors[result].status);

    r->headers_out.status = ngx_http_profile_errors[result].status;

    /* "error_page ... =200" may lead here: an error is not made a 304 */

    r->disable_not_modified = 1;

    if (ngx_http_profile_error_headers(r, result) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_profile_send(r, &ngx_http_profile_errors[result].body,
                                 &ngx_http_profile_no_store);
}


ngx_int_t
ngx_http_profile_send_page(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    r->headers_out.status = status;

    r->disable_not_modified = 1;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_profile_retry_later(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_profile_cache_control(r, &ngx_http_profile_no_store)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_profile_output(r, type, body);
}


ngx_http_profile_count_e
ngx_http_profile_classify(ngx_http_profile_result_e result)
{
    switch (ngx_http_profile_errors[result].status) {

    case 0:
        return NGX_HTTP_PROFILE_COUNT_HIT;

    case NGX_HTTP_UNAUTHORIZED:
        return NGX_HTTP_PROFILE_COUNT_DENIED;

    case NGX_HTTP_NOT_FOUND:
        return NGX_HTTP_PROFILE_COUNT_MISS;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_HTTP_PROFILE_COUNT_UNAVAILABLE;

    default:
        return NGX_HTTP_PROFILE_COUNT_INVALID;
    }
}


/*
 * nginx would write the same header, at a tenth of what a request costs:
 * many records changed in one refresh, so that their date is at hand.
 */

static ngx_int_t
ngx_http_profile_last_modified(ngx_http_request_t *r, time_t changed)
{
    ngx_str_t                 value;
    ngx_http_profile_date_t  *date;

    date = &ngx_http_profile_dates[(uint64_t) changed
                                   % NGX_HTTP_PROFILE_DATES];

    if (date->time != changed || date->text[0] == '\0') {
        (void) ngx_http_time(date->text, changed);
        date->time = changed;
    }

    value.len = NGX_HTTP_PROFILE_DATE_LEN;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value.data, date->text, value.len);

    r->headers_out.last_modified_time = changed;

    r->headers_out.last_modified = ngx_http_profile_header(r,
                                       &ngx_http_profile_last_modified_name,
                                       &value);

    return (r->headers_out.last_modified == NULL) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_profile_send(ngx_http_request_t *r, ngx_str_t *body,
    ngx_str_t *cache_control)
{
    if (ngx_http_profile_cache_control(r, cache_control) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_profile_header(r, &ngx_http_profile_vary_name,
                                &ngx_http_profile_vary)
        == NULL)
    {
        return NGX_ERROR;
    }

    return ngx_http_profile_output(r, &ngx_http_profile_json, body);
}


static ngx_int_t
ngx_http_profile_output(ngx_http_request_t *r, ngx_str_t *type,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    /* everything is allocated before the header is sent */

    b = NULL;

    if (body->data != NULL) {
        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }
    }

    if (r->headers_out.status != NGX_HTTP_NOT_MODIFIED) {
        ngx_http_profile_content(r, type, body->len);
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (b == NULL) {

        /* a filter that waits for the body has kept the header */

        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_http_profile_content(ngx_http_request_t *r, ngx_str_t *type, size_t len)
{
    u_char  *p;

    /* "gzip_types" and the like compare a type without its parameters */

    p = ngx_strlchr(type->data, type->data + type->len, ';');

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = (p == NULL) ? type->len
                                                  : (size_t) (p - type->data);
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = len;
}


static ngx_int_t
ngx_http_profile_error_headers(ngx_http_request_t *r,
    ngx_http_profile_result_e result)
{
    ngx_str_t                    *challenge;
    ngx_table_elt_t              *h;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    switch (result) {

    case NGX_HTTP_PROFILE_MISSING_CREDENTIALS:
    case NGX_HTTP_PROFILE_INVALID_KEY:

        challenge = (result == NGX_HTTP_PROFILE_INVALID_KEY)
                    ? &plcf->challenge_invalid : &plcf->challenge;

        h = ngx_http_profile_header(r, &ngx_http_profile_challenge_name,
                                    challenge);
        if (h == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.www_authenticate = h;

        return NGX_OK;

    case NGX_HTTP_PROFILE_METHOD_NOT_ALLOWED:

        h = ngx_http_profile_header(r, &ngx_http_profile_allow_name,
                                    &ngx_http_profile_allow);

        return (h == NULL) ? NGX_ERROR : NGX_OK;

    case NGX_HTTP_PROFILE_STORE_UNAVAILABLE:

        return ngx_http_profile_retry_later(r);

    case NGX_HTTP_PROFILE_ENTITY_NOT_READY:

        return ngx_http_profile_retry_after(r,
                                            NGX_HTTP_PROFILE_NOT_READY_RETRY);

    default:
        return NGX_OK;
    }
}


/* The store is tried again as often as this. */

static ngx_int_t
ngx_http_profile_retry_later(ngx_http_request_t *r)
{
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    return ngx_http_profile_retry_after(r,
                                        (plcf->store->interval + 999) / 1000);
}


static ngx_int_t
ngx_http_profile_retry_after(ngx_http_request_t *r, ngx_uint_t seconds)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", seconds) - value.data;

    if (ngx_http_profile_header(r, &ngx_http_profile_retry_after_name, &value)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Made known to nginx, so that "expires" replaces the header and does not
 * add a second one.
 */

static ngx_int_t
ngx_http_profile_cache_control(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_table_elt_t   *h;
#if (nginx_version < 1023000)
    ngx_table_elt_t  **cc;
#endif

    if (value->len == 0) {
        return NGX_OK;
    }

    h = ngx_http_profile_header(r, &ngx_http_profile_cache_control_name,
                                value);
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)

    r->headers_out.cache_control = h;

#else

    if (r->headers_out.cache_control.elts == NULL
        && ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                          sizeof(ngx_table_elt_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cc = ngx_array_push(&r->headers_out.cache_control);
    if (cc == NULL) {
        return NGX_ERROR;
    }

    *cc = h;

#endif

    return NGX_OK;
}


static ngx_table_elt_t *
ngx_http_profile_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key = *name;
    h->value = *value;

    return h;
}
