
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The two conditions that can make a request fail.
 */


#ifndef _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_
#define _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_


#include "ngx_http_profile_module.h"


/*
 * Whether If-Match and If-Unmodified-Since let the document be sent.  Takes
 * what is decided out of the request's headers, so that nginx's own filter
 * decides the rest and nothing else.
 */

ngx_uint_t ngx_http_profile_condition_holds(ngx_http_request_t *r,
    ngx_http_profile_reply_t *reply);


#endif /* _NGX_HTTP_PROFILE_CONDITION_H_INCLUDED_ */
