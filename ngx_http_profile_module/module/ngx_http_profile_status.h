
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The page that says how a store is doing: for monitoring, and for a load
 * balancer that asks whether this server can answer.
 */


#ifndef _NGX_HTTP_PROFILE_STATUS_H_INCLUDED_
#define _NGX_HTTP_PROFILE_STATUS_H_INCLUDED_


#include "ngx_http_profile_module.h"
#include "ngx_http_profile_text.h"


/* Values of the directive "profile_status". */

#define NGX_HTTP_PROFILE_STATUS_NONE        0
#define NGX_HTTP_PROFILE_STATUS_JSON        1
#define NGX_HTTP_PROFILE_STATUS_PROMETHEUS  2


/* How a store is doing, as far as the answer's status goes. */

typedef enum {
    NGX_HTTP_PROFILE_STATE_OK = 0,
    NGX_HTTP_PROFILE_STATE_DEGRADED,        /* serves, but does not follow */
    NGX_HTTP_PROFILE_STATE_STALE,           /* serves what is too old */
    NGX_HTTP_PROFILE_STATE_UNAVAILABLE
} ngx_http_profile_state_e;


/* Texts are copies in the request's pool. */

typedef struct {
    uint32_t                    id;
    uint32_t                    workspace;
    ngx_uint_t                  ready;
    uint64_t                    records;
    uint64_t                    bytes;
    uint64_t                    changed;
    uint64_t                    refreshed;
    ngx_str_t                   name;
} ngx_http_profile_status_entity_t;


typedef struct {
    uint32_t                    id;
    ngx_str_t                   name;
    ngx_array_t                 entities;   /* of the above */
} ngx_http_profile_status_workspace_t;


typedef struct {
    ngx_http_profile_state_e    state;
    ngx_str_t                   reason;     /* empty where it is OK */
    ngx_http_profile_store_t   *store;
    profile_reader_info_t       info;       /* zeros where unavailable */
    ngx_http_profile_sums_t     sums;
    ngx_array_t                 workspaces;
    uint64_t                    now;
} ngx_http_profile_status_t;


ngx_int_t ngx_http_profile_status_handler(ngx_http_request_t *r);

/* An entity's age in seconds. */

uint64_t ngx_http_profile_status_age(ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity);

/* The two forms of the page. */

void ngx_http_profile_status_json(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text);
void ngx_http_profile_status_prometheus(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text);


#endif /* _NGX_HTTP_PROFILE_STATUS_H_INCLUDED_ */
