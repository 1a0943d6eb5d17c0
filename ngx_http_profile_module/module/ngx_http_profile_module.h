
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Types that the module's files share.
 */


#ifndef _NGX_HTTP_PROFILE_MODULE_H_INCLUDED_
#define _NGX_HTTP_PROFILE_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif

#include "ngx_http_profile_digest.h"
#include "ngx_http_profile_store.h"


typedef struct {
    ngx_array_t                 stores;    /* of ngx_http_profile_store_t * */
    ngx_http_profile_digest_t   digest;
} ngx_http_profile_main_conf_t;


typedef struct {
    ngx_http_profile_store_t   *store;
    ngx_http_complex_value_t   *bearer;
    ngx_str_t                   realm;
    ngx_str_t                   challenge;
    ngx_str_t                   challenge_invalid;
    ngx_str_t                   cache_control;
    ngx_msec_t                  check_interval;
    ngx_uint_t                  readahead;
    time_t                      max_age;        /* 0: any age will do */
#if (NGX_THREADS)
    ngx_thread_pool_t          *threads;        /* NULL: no */
#endif
    ngx_flag_t                  api;
    ngx_uint_t                  status;
} ngx_http_profile_loc_conf_t;


/*
 * The outcome of a request, in the order of their statuses.  All but
 * NGX_HTTP_PROFILE_FOUND have a reply of their own.
 */

typedef enum {
    NGX_HTTP_PROFILE_FOUND = 0,
    NGX_HTTP_PROFILE_INVALID_BODY,
    NGX_HTTP_PROFILE_MISSING_RECORD_ID,
    NGX_HTTP_PROFILE_INVALID_RECORD_ID,
    NGX_HTTP_PROFILE_INVALID_CREDENTIALS,
    NGX_HTTP_PROFILE_MISSING_CREDENTIALS,
    NGX_HTTP_PROFILE_INVALID_KEY,
    NGX_HTTP_PROFILE_NOT_FOUND,
    NGX_HTTP_PROFILE_ENTITY_NOT_FOUND,
    NGX_HTTP_PROFILE_RECORD_NOT_FOUND,
    NGX_HTTP_PROFILE_METHOD_NOT_ALLOWED,
    NGX_HTTP_PROFILE_PRECONDITION_FAILED,
    NGX_HTTP_PROFILE_STORE_UNAVAILABLE,
    NGX_HTTP_PROFILE_ENTITY_NOT_READY
} ngx_http_profile_result_e;


/*
 * A copy of what the store holds: it outlives the snapshot.  A body that is not
 * to be sent, as that of a 304 or to HEAD, has a length and no data.
 */

typedef struct {
    ngx_uint_t                  status;
    ngx_str_t                   body;
    ngx_str_t                   etag;
    time_t                      changed;
} ngx_http_profile_reply_t;


ngx_int_t ngx_http_profile_handler(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_profile_module;


#endif /* _NGX_HTTP_PROFILE_MODULE_H_INCLUDED_ */
