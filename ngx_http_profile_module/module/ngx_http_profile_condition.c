
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Decides what RFC 9110, 13.2.2, says, but for If-Modified-Since, which is
 * left to nginx's own filter, as a directive of nginx's says how to read it.
 * That filter would answer If-Match and If-Unmodified-Since with a 412 in
 * HTML, and If-None-Match after the document has been copied.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_condition.h"


static ngx_uint_t ngx_http_profile_condition_lists(ngx_str_t *list,
    ngx_str_t *etag, ngx_uint_t weak);


ngx_http_profile_condition_e
ngx_http_profile_condition(ngx_http_request_t *r,
    ngx_http_profile_reply_t *reply)
{
    time_t            since;
    ngx_table_elt_t  *match, *none_match;

    if (r != r->main) {
        return NGX_HTTP_PROFILE_CONDITION_NONE;
    }

    /*
     * "error_page" may have led here with a status that nginx puts in place of
     * ours.  A 200 is what it is to be anyway; under any other there are no
     * conditions, as there are none for nginx's filter.
     */

    if (r->err_status == NGX_HTTP_OK) {
        r->err_status = 0;
    }

    if (r->err_status) {
        return NGX_HTTP_PROFILE_CONDITION_NONE;
    }

    /* what is decided is taken away: nginx's filter is not to decide again */

    match = r->headers_in.if_match;
    r->headers_in.if_match = NULL;

    if (match != NULL
        && !ngx_http_profile_condition_lists(&match->value, &reply->etag, 0))
    {
        return NGX_HTTP_PROFILE_CONDITION_FAILED;
    }

    if (r->headers_in.if_unmodified_since != NULL) {

        /* what is no date is ignored: RFC 9110, 13.1.4 */

        since = ngx_parse_http_time(
                               r->headers_in.if_unmodified_since->value.data,
                               r->headers_in.if_unmodified_since->value.len);

        r->headers_in.if_unmodified_since = NULL;

        if (match == NULL && since != NGX_ERROR && reply->changed > since) {
            return NGX_HTTP_PROFILE_CONDITION_FAILED;
        }
    }

    none_match = r->headers_in.if_none_match;

    if (none_match == NULL || r->disable_not_modified) {
        return NGX_HTTP_PROFILE_CONDITION_NONE;
    }

    /* beside a tag a date does not count: RFC 9110, 13.1.3 */

    r->headers_in.if_none_match = NULL;
    r->headers_in.if_modified_since = NULL;

    return ngx_http_profile_condition_lists(&none_match->value, &reply->etag,
                                            1)
           ? NGX_HTTP_PROFILE_CONDITION_NOT_MODIFIED
           : NGX_HTTP_PROFILE_CONDITION_NONE;
}


/*
 * RFC 9110, 8.8.3.2: a weak tag, as gzip makes of ours, matches nothing by the
 * strong comparison, and by the weak one what it is made of.
 */

static ngx_uint_t
ngx_http_profile_condition_lists(ngx_str_t *list, ngx_str_t *etag,
    ngx_uint_t weak)
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

            if (weak) {
                tag = p;
            }
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
