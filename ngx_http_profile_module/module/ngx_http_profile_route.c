
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads a request's path and query string.
 *
 * nginx's own ngx_http_arg() takes a name in any case, the first of several
 * values and does not decode: good enough for a cache key, but here two
 * readings of one request could be two persons' records.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_route.h"


#define NGX_HTTP_PROFILE_ENTITY_DIGITS  10


static ngx_uint_t ngx_http_profile_skip(u_char **p, u_char *last,
    const char *word, size_t len);
static uint32_t ngx_http_profile_entity_id(u_char *p, u_char *last);
static ngx_int_t ngx_http_profile_decode(u_char *p, u_char *last,
    ngx_str_t *out, size_t size);
static ngx_int_t ngx_http_profile_hex(u_char ch);


ngx_uint_t
ngx_http_profile_route(ngx_str_t *uri, ngx_str_t *prefix, uint32_t *entity)
{
    u_char  *p, *last, *id;

    /* "rewrite ... break" may leave a path of another location */

    if (uri->len < prefix->len
        || ngx_memcmp(uri->data, prefix->data, prefix->len) != 0)
    {
        return NGX_HTTP_PROFILE_ROUTE_NONE;
    }

    p = uri->data + prefix->len;
    last = uri->data + uri->len;

    /* "location /api" serves /api/entities but not /apientities */

    if (prefix->len == 0 || prefix->data[prefix->len - 1] != '/') {
        if (p == last || *p++ != '/') {
            return NGX_HTTP_PROFILE_ROUTE_NONE;
        }
    }

    if (last - p > 1 && last[-1] == '/') {
        last--;
    }

    if (!ngx_http_profile_skip(&p, last, "entities",
                               sizeof("entities") - 1))
    {
        return NGX_HTTP_PROFILE_ROUTE_NONE;
    }

    if (p == last) {
        return NGX_HTTP_PROFILE_ROUTE_ENTITIES;
    }

    if (*p++ != '/') {
        return NGX_HTTP_PROFILE_ROUTE_NONE;
    }

    id = p;

    while (p < last && *p != '/') {
        p++;
    }

    *entity = ngx_http_profile_entity_id(id, p);

    if (p == id
        || !ngx_http_profile_skip(&p, last, "/record", sizeof("/record") - 1)
        || p != last)
    {
        return NGX_HTTP_PROFILE_ROUTE_NONE;
    }

    return NGX_HTTP_PROFILE_ROUTE_RECORD;
}


ngx_http_profile_result_e
ngx_http_profile_record_id(ngx_str_t *args, ngx_str_t *id)
{
    u_char      *p, *last, *end, *equal, buf[sizeof("record_id") - 1];
    ngx_str_t    name;
    ngx_uint_t   found;

    found = 0;
    id->len = 0;

    p = args->data;
    last = args->data + args->len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        equal = ngx_strlchr(p, end, '=');
        if (equal == NULL) {
            equal = end;
        }

        name.data = buf;

        if (ngx_http_profile_decode(p, equal, &name, sizeof(buf)) != NGX_OK
            || name.len != sizeof("record_id") - 1
            || ngx_memcmp(buf, "record_id", sizeof("record_id") - 1) != 0)
        {
            continue;
        }

        if (found) {
            return NGX_HTTP_PROFILE_INVALID_RECORD_ID;
        }

        found = 1;

        if (equal == end) {
            continue;
        }

        if (ngx_http_profile_decode(equal + 1, end, id,
                                    PROFILE_RECORD_ID_MAX)
            != NGX_OK)
        {
            return NGX_HTTP_PROFILE_INVALID_RECORD_ID;
        }
    }

    return (id->len == 0) ? NGX_HTTP_PROFILE_MISSING_RECORD_ID
                          : NGX_HTTP_PROFILE_FOUND;
}


static ngx_uint_t
ngx_http_profile_skip(u_char **p, u_char *last, const char *word, size_t len)
{
    if ((size_t) (last - *p) < len || ngx_memcmp(*p, word, len) != 0) {
        return 0;
    }

    *p += len;

    return 1;
}


/* An id has one form: "01" or "+1" are no names of entity 1. */

static uint32_t
ngx_http_profile_entity_id(u_char *p, u_char *last)
{
    uint64_t  id;

    if (p == last || last - p > NGX_HTTP_PROFILE_ENTITY_DIGITS || *p == '0') {
        return 0;
    }

    for (id = 0; p < last; p++) {

        if (*p < '0' || *p > '9') {
            return 0;
        }

        id = id * 10 + (*p - '0');
    }

    return (id > UINT32_MAX) ? 0 : (uint32_t) id;
}


/*
 * Decodes a field of a form.  NGX_DECLINED for what is no such field: a
 * percent sign without two hexadecimal digits, a zero byte, or more than
 * size bytes.
 */

static ngx_int_t
ngx_http_profile_decode(u_char *p, u_char *last, ngx_str_t *out, size_t size)
{
    u_char      ch;
    ngx_int_t   high, low;

    out->len = 0;

    for ( /* void */ ; p < last; p++) {

        ch = *p;

        if (ch == '+') {
            ch = ' ';

        } else if (ch == '%') {

            if (last - p < 3) {
                return NGX_DECLINED;
            }

            high = ngx_http_profile_hex(p[1]);
            low = ngx_http_profile_hex(p[2]);

            if (high < 0 || low < 0) {
                return NGX_DECLINED;
            }

            ch = (u_char) (high << 4 | low);
            p += 2;
        }

        if (ch == '\0' || out->len == size) {
            return NGX_DECLINED;
        }

        out->data[out->len++] = ch;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_profile_hex(u_char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    if (ch >= 'a' && ch <= 'f') {
        return ch - 'a' + 10;
    }

    return NGX_ERROR;
}
