
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What a request asks for: its path and its query string.
 */


#ifndef _NGX_HTTP_PROFILE_ROUTE_H_INCLUDED_
#define _NGX_HTTP_PROFILE_ROUTE_H_INCLUDED_


#include "ngx_http_profile_module.h"


typedef enum {
    NGX_HTTP_PROFILE_ROUTE_NONE = 0,
    NGX_HTTP_PROFILE_ROUTE_ENTITIES,
    NGX_HTTP_PROFILE_ROUTE_RECORD
} ngx_http_profile_route_e;


/*
 * The route of the part of uri that follows the location's prefix.  *entity
 * is set for a record: 0, which no entity has, where the path does not hold
 * an id in its one form.
 */

ngx_uint_t ngx_http_profile_route(ngx_str_t *uri, ngx_str_t *prefix,
    uint32_t *entity);

/*
 * The decoded record_id of a query string.  id->data is a buffer of
 * PROFILE_RECORD_ID_MAX bytes, id->len is set.
 */

ngx_http_profile_result_e ngx_http_profile_record_id(ngx_str_t *args,
    ngx_str_t *id);


#endif /* _NGX_HTTP_PROFILE_ROUTE_H_INCLUDED_ */
