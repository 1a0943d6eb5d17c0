
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Sends what was found, or says why not.  Both finish the request: return
 * what they return.
 */


#ifndef _NGX_HTTP_PROFILE_REPLY_H_INCLUDED_
#define _NGX_HTTP_PROFILE_REPLY_H_INCLUDED_


#include "ngx_http_profile_module.h"


ngx_int_t ngx_http_profile_send_document(ngx_http_request_t *r,
    ngx_http_profile_reply_t *reply);

/* Any result but NGX_HTTP_PROFILE_FOUND. */

ngx_int_t ngx_http_profile_send_error(ngx_http_request_t *r,
    ngx_http_profile_result_e result);

/* A page that is neither, and that nobody may keep. */

ngx_int_t ngx_http_profile_send_page(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, ngx_str_t *body);

/* The class that a result is counted in, by its status. */

ngx_http_profile_count_e ngx_http_profile_classify(
    ngx_http_profile_result_e result);


#endif /* _NGX_HTTP_PROFILE_REPLY_H_INCLUDED_ */
