
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * nginx's own filter makes a 304 of If-None-Match and If-Modified-Since, and
 * is left to do so, but for a date beside a tag.  It would also answer If-Match
 * and If-Unmodified-Since, but with a 412 in HTML, so these two are decided
 * here, before it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_condition.h"


static ngx_uint_t ngx_http_profile_condition_lists(ngx_str_t *list,
    ngx_str_t *etag);


ngx_uint_t
ngx_http_profile_condition_holds(ngx_http_request_t *r,
    ngx_http_profile_reply_t *reply)
{
    time_t            since;
    ngx_table_elt_t  *match;

    if (r != r->main) {
        return 1;
    }

    match = r->headers_in.if_match;

    if (match != NULL) {

        if (!ngx_http_profile_condition_lists(&match->value,
                                              &reply->etag))
        {
            return 0;
        }

        /* decided: nginx's filter reads lists in a way of its own */

        r->headers_in.if_match = NULL;
    }

    if (r->headers_in.if_unmodified_since != NULL) {

        /* what is no date is ignored: RFC 9110, 13.1.4 */

        since = ngx_parse_http_time(
                               r->headers_in.if_unmodified_since->value.data,
                               r->headers_in.if_unmodified_since->value.len);

        if (match == NULL && since != NGX_ERROR && reply->changed > since)
        {
            return 0;
        }

        r->headers_in.if_unmodified_since = NULL;
    }

    if (r->headers_in.if_none_match != NULL) {

        /*
         * Beside a tag a date does not count: RFC 9110, 13.1.3.  nginx's
         * filter wants both to match, and the date is another one where a
         * second server with the same record has sent it.
         */

        r->headers_in.if_modified_since = NULL;
    }

    return 1;
}


/*
 * The strong comparison of RFC 9110: a weak tag, as gzip makes of ours,
 * matches nothing.
 */

static ngx_uint_t
ngx_http_profile_condition_lists(ngx_str_t *list, ngx_str_t *etag)
{
    u_char  *p, *last, *tag;

    p = list->data;
    last = list->data + list->len;

    if (list->len == 1 && *p == '*') {
        return 1;
    }

    while (p < last) {

        while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
            p++;
        }

        tag = p;

        if (last - p > 1 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }

        if (p == last || *p++ != '"') {
            return 0;
        }

        while (p < last && *p != '"') {
            p++;
        }

        if (p++ == last) {
            return 0;
        }

        if ((size_t) (p - tag) == etag->len
            && ngx_memcmp(tag, etag->data, etag->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
