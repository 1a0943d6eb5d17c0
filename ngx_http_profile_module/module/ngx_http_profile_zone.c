
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Memory that workers share.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_module.h"
#include "ngx_http_profile_zone.h"


typedef struct {
    size_t   size;
    void    *memory;
} ngx_http_profile_zone_ctx_t;


static ngx_int_t ngx_http_profile_zone_init(ngx_shm_zone_t *zone,
    void *data);


ngx_shm_zone_t *
ngx_http_profile_zone_add(ngx_conf_t *cf, const char *purpose,
    ngx_str_t *store, size_t size)
{
    ngx_str_t                     name;
    ngx_shm_zone_t               *zone;
    ngx_http_profile_zone_ctx_t  *ctx;

    name.data = ngx_pnalloc(cf->pool, sizeof("profile_:") - 1
                                      + ngx_strlen(purpose) + store->len);
    if (name.data == NULL) {
        return NULL;
    }

    name.len = ngx_sprintf(name.data, "profile_%s:%V", purpose, store)
               - name.data;

    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_profile_zone_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    /* and what nginx's allocator needs for itself */

    zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize + 2 * size,
                                 &ngx_http_profile_module);
    if (zone == NULL) {
        return NULL;
    }

    ctx->size = size;
    ctx->memory = NULL;

    zone->init = ngx_http_profile_zone_init;
    zone->data = ctx;

    return zone;
}


void *
ngx_http_profile_zone_memory(ngx_shm_zone_t *zone)
{
    ngx_http_profile_zone_ctx_t  *ctx;

    ctx = zone->data;

    return ctx->memory;
}


/* data is that of the zone of the configuration before, if it had one. */

static ngx_int_t
ngx_http_profile_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_profile_zone_ctx_t *old = data;

    u_char                       *p;
    ngx_slab_pool_t              *pool;
    ngx_http_profile_zone_ctx_t  *ctx;

    ctx = zone->data;

    if (old != NULL) {
        ctx->memory = old->memory;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        ctx->memory = pool->data;
        return NGX_OK;
    }

    p = ngx_slab_calloc(pool, ctx->size + NGX_HTTP_PROFILE_ZONE_LINE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->memory = ngx_align_ptr(p, NGX_HTTP_PROFILE_ZONE_LINE);
    pool->data = ctx->memory;

    return NGX_OK;
}
