
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What is known about a request: who asks, which entity for, and what came
 * of it. The content handler and the variables share it.
 *
 * A variable may ask long before the content handler runs, in a snapshot of
 * its own, and the store may have changed by then.  So what was looked up is
 * kept along with its snapshot: in the same one nothing is looked up twice,
 * and in another one nothing of the old one counts.
 */


#ifndef _NGX_HTTP_PROFILE_REQUEST_H_INCLUDED_
#define _NGX_HTTP_PROFILE_REQUEST_H_INCLUDED_


#include "ngx_http_profile_module.h"
#include "ngx_http_profile_route.h"


/* Nothing in it points into the store. */

typedef struct {
    ngx_http_profile_store_t    *store;         /* of snapshot and below */
    profile_snapshot_t           snapshot;
    uint32_t                     generation;

    ngx_str_t                    key;           /* the request's own bytes */
    u_char                       digest[PROFILE_DIGEST_SIZE];
    ngx_http_profile_result_e    access;
    uint32_t                     workspace;
    uint64_t                     expires;
    ngx_str_t                    key_name;

    ngx_uint_t                   route;
    ngx_http_profile_result_e    found;         /* what entity is, if routed */
    profile_entity_t             entity;        /* without its texts */

    uint64_t                     started;       /* the lookup, if counted */
    ngx_http_profile_result_e    result;        /* of the whole, if done */
    unsigned                     done:1;
    unsigned                     looked:1;      /* and all above is of it */
    unsigned                     busy:1;        /* reading the key */
} ngx_http_profile_request_t;


/*
 * Before anything else in a content handler: discards the body and checks
 * the method.  NGX_OK, with *result as far as the request has come, or what
 * the handler has to return.
 */

ngx_int_t ngx_http_profile_accept(ngx_http_request_t *r,
    ngx_http_profile_result_e *result);

/* The request's context, made where there is none.  NULL: no memory. */

ngx_http_profile_request_t *ngx_http_profile_request(ngx_http_request_t *r);

/*
 * Reads the credentials.  Before a snapshot begins: "profile_bearer" may
 * hold variables, and so anything.
 */

ngx_http_profile_result_e ngx_http_profile_identify(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx);

/*
 * Finds, in the snapshot that has begun, whose key it is and the entity that
 * the path names.  Returns the former; ctx->route and ctx->found say the
 * latter where that is NGX_HTTP_PROFILE_FOUND.
 */

ngx_http_profile_result_e ngx_http_profile_resolve(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx, const profile_view_t *view);

/*
 * What a lookup that has found nothing means: result, but for a store that
 * somebody has emptied since the key was found.
 */

ngx_http_profile_result_e ngx_http_profile_absent(
    ngx_http_profile_store_t *store, const profile_view_t *view,
    ngx_http_profile_result_e result);

/* Reports why the store could not be read; the result to go on with. */

ngx_http_profile_result_e ngx_http_profile_unavailable(
    ngx_http_profile_store_t *store, profile_error_t *err);


#endif /* _NGX_HTTP_PROFILE_REQUEST_H_INCLUDED_ */
