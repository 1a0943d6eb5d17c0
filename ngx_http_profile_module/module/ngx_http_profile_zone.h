
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Memory of a store that all workers share, and that nginx hands from one
 * configuration to the next: a reload keeps it.
 */


#ifndef _NGX_HTTP_PROFILE_ZONE_H_INCLUDED_
#define _NGX_HTTP_PROFILE_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_PROFILE_ZONE_LINE  64      /* of a cache */


/*
 * While the configuration is read: size bytes for the store of this name,
 * zeros at first, aligned to a cache line.  What it is for is in the zone's
 * name.  NULL: no memory, or the name is somebody else's.
 */

ngx_shm_zone_t *ngx_http_profile_zone_add(ngx_conf_t *cf,
    const char *purpose, ngx_str_t *store, size_t size);

/* The memory, once the configuration is in force. */

void *ngx_http_profile_zone_memory(ngx_shm_zone_t *zone);


#endif /* _NGX_HTTP_PROFILE_ZONE_H_INCLUDED_ */
