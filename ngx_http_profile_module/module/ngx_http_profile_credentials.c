
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads the key out of a request.
 *
 * A form that holds no key (another scheme, another user, nothing after the
 * scheme) is passed over as if it were absent: it may be meant for somebody
 * else.  A form that is ours but cannot be read is remembered as malformed,
 * so that the caller is told so unless another form is usable.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_credentials.h"


static ngx_int_t ngx_http_profile_authentication(ngx_http_request_t *r,
    ngx_str_t *key);
static ngx_int_t ngx_http_profile_bearer(ngx_str_t *value, ngx_str_t *key);
static ngx_int_t ngx_http_profile_basic(ngx_http_request_t *r,
    ngx_str_t *value, ngx_str_t *key);
static ngx_uint_t ngx_http_profile_base64(ngx_str_t *encoded);
static ngx_int_t ngx_http_profile_scheme(ngx_str_t *value, const char *scheme,
    size_t len, ngx_str_t *rest);
static ngx_int_t ngx_http_profile_check_key(ngx_str_t *key);


ngx_int_t
ngx_http_profile_credentials(ngx_http_request_t *r,
    ngx_http_complex_value_t *bearer, ngx_str_t *key)
{
    ngx_int_t   rc;
    ngx_str_t  *authorization;
    ngx_uint_t  malformed;

    if (bearer != NULL) {

        if (ngx_http_complex_value(r, bearer, key) != NGX_OK) {
            return NGX_ABORT;
        }

        return ngx_http_profile_check_key(key);
    }

    malformed = 0;

    authorization = (r->headers_in.authorization == NULL)
                    ? NULL : &r->headers_in.authorization->value;

    if (authorization != NULL) {
        rc = ngx_http_profile_bearer(authorization, key);

        if (rc == NGX_OK) {
            return NGX_OK;
        }

        malformed |= (rc == NGX_ERROR);
    }

    rc = ngx_http_profile_authentication(r, key);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    malformed |= (rc == NGX_ERROR);

    if (authorization != NULL) {
        rc = ngx_http_profile_basic(r, authorization, key);

        if (rc == NGX_OK || rc == NGX_ABORT) {
            return rc;
        }

        malformed |= (rc == NGX_ERROR);
    }

    return malformed ? NGX_ERROR : NGX_DECLINED;
}


/*
 * The vendor's documents, though not its clients, call the header so.
 * Where it is needed, two of them are malformed whatever they hold: a proxy
 * and this server might not choose the same one.
 */

static ngx_int_t
ngx_http_profile_authentication(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header, *found;

    found = NULL;
    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len != sizeof("Authentication") - 1
            || ngx_strncasecmp(header[i].key.data,
                               (u_char *) "Authentication",
                               sizeof("Authentication") - 1)
               != 0)
        {
            continue;
        }

        if (found != NULL) {
            return NGX_ERROR;
        }

        found = &header[i];
    }

    if (found == NULL) {
        return NGX_DECLINED;
    }

    return ngx_http_profile_bearer(&found->value, key);
}


static ngx_int_t
ngx_http_profile_bearer(ngx_str_t *value, ngx_str_t *key)
{
    ngx_int_t  rc;

    rc = ngx_http_profile_scheme(value, "bearer", sizeof("bearer") - 1, key);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_profile_check_key(key);
}


static ngx_int_t
ngx_http_profile_basic(ngx_http_request_t *r, ngx_str_t *value,
    ngx_str_t *key)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   encoded, decoded;

    rc = ngx_http_profile_scheme(value, "basic", sizeof("basic") - 1,
                                 &encoded);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_http_profile_base64(&encoded)) {
        return NGX_ERROR;
    }

    decoded.len = ngx_base64_decoded_length(encoded.len);

    decoded.data = ngx_pnalloc(r->pool, decoded.len + 1);
    if (decoded.data == NULL) {
        return NGX_ABORT;
    }

    if (ngx_decode_base64(&decoded, &encoded) != NGX_OK) {
        return NGX_ERROR;
    }

    last = decoded.data + decoded.len;
    p = ngx_strlchr(decoded.data, last, ':');

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (p - decoded.data != sizeof("bearer") - 1
        || ngx_strncmp(decoded.data, "bearer", sizeof("bearer") - 1) != 0)
    {
        return NGX_DECLINED;
    }

    /* a key may hold a colon: all that follows the first one is the key */

    key->data = p + 1;
    key->len = last - key->data;

    return ngx_http_profile_check_key(key);
}


/* nginx's decoder stops at the padding, whatever follows it. */

static ngx_uint_t
ngx_http_profile_base64(ngx_str_t *encoded)
{
    size_t  i, padding;

    padding = 0;

    for (i = 0; i < encoded->len; i++) {

        if (encoded->data[i] == '=') {
            padding++;

        } else if (padding != 0) {
            return 0;
        }
    }

    return padding <= 2;
}


static ngx_int_t
ngx_http_profile_scheme(ngx_str_t *value, const char *scheme, size_t len,
    ngx_str_t *rest)
{
    u_char  *p, *last;

    if (value->len < len
        || ngx_strncasecmp(value->data, (u_char *) scheme, len) != 0)
    {
        return NGX_DECLINED;
    }

    p = value->data + len;
    last = value->data + value->len;

    if (p == last) {
        return NGX_DECLINED;
    }

    if (*p == '\t') {
        return NGX_ERROR;
    }

    if (*p != ' ') {
        return NGX_DECLINED;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last) {
        return NGX_DECLINED;
    }

    rest->data = p;
    rest->len = last - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_profile_check_key(ngx_str_t *key)
{
    size_t  i;

    if (key->len == 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < key->len; i++) {
        if (key->data[i] < 0x21 || key->data[i] > 0x7e) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
