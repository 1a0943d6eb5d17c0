
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The conditions of a request, but for If-Modified-Since.
 */


#ifndef _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_
#define _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_


#include "ngx_http_profile_module.h"


typedef enum {
    NGX_HTTP_PROFILE_CONDITION_NONE = 0,        /* the document is sent */
    NGX_HTTP_PROFILE_CONDITION_NOT_MODIFIED,
    NGX_HTTP_PROFILE_CONDITION_FAILED
} ngx_http_profile_condition_e;


/*
 * Compares with the reply's etag and time of change.  Takes what is decided
 * out of the request's headers, and the 200 of an "error_page", which would
 * take the place of a 304, so that nginx's own filter decides the rest and
 * nothing else.
 */

ngx_http_profile_condition_e ngx_http_profile_condition(
    ngx_http_request_t *r, ngx_http_profile_reply_t *reply);


#endif /* _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_ */
