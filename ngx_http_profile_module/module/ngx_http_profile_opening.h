
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Remembers which file a worker is opening, for those that come after it.
 *
 * LMDB 0.9 has no checksums, and a damaged page may end the process that
 * reads it.  Where that is a page which is read when a store is opened, nginx
 * would start workers as fast as it can, each of which ends at once, and
 * nothing else on that server would be answered.
 */


#ifndef _NGX_HTTP_PROFILE_OPENING_H_INCLUDED_
#define _NGX_HTTP_PROFILE_OPENING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_http_profile_opening_s  ngx_http_profile_opening_t;


/* While the configuration is read; NULL: an error that was logged. */

ngx_shm_zone_t *ngx_http_profile_opening_add(ngx_conf_t *cf,
    ngx_str_t *store);

/*
 * Before a file is opened that has this fingerprint, and after it.
 * NGX_DECLINED: it has ended others a short while ago.  *opening may become
 * NULL, where so many are at it that it cannot be noted.
 */

ngx_int_t ngx_http_profile_opening_begin(ngx_shm_zone_t *zone,
    uint64_t fingerprint, ngx_http_profile_opening_t **opening);
void ngx_http_profile_opening_end(ngx_http_profile_opening_t *opening);


#endif /* _NGX_HTTP_PROFILE_OPENING_H_INCLUDED_ */
