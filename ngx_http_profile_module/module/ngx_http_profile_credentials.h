
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads the key out of a request.
 */


#ifndef _NGX_HTTP_PROFILE_CREDENTIALS_H_INCLUDED_
#define _NGX_HTTP_PROFILE_CREDENTIALS_H_INCLUDED_


#include "ngx_http_profile_module.h"


/*
 * The key of the first usable credentials: "Authorization: Bearer",
 * "Authentication: Bearer", "Authorization: Basic" with the user "bearer".
 * Where bearer is set its value is the key, and the request's headers are
 * not looked at.
 *
 * NGX_OK; NGX_DECLINED where there are none; NGX_ERROR where there are none
 * but something malformed; NGX_ABORT on an internal error.
 */

ngx_int_t ngx_http_profile_credentials(ngx_http_request_t *r,
    ngx_http_complex_value_t *bearer, ngx_str_t *key);


#endif /* _NGX_HTTP_PROFILE_CREDENTIALS_H_INCLUDED_ */
