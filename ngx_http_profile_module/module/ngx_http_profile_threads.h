
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Lets a thread of nginx's pools wait for the disk in place of the worker.
 */


#ifndef _NGX_HTTP_PROFILE_THREADS_H_INCLUDED_
#define _NGX_HTTP_PROFILE_THREADS_H_INCLUDED_


#include "ngx_http_profile_request.h"


#if (NGX_THREADS)

/*
 * NGX_OK: a thread reads what the request needs, and r->write_event_handler
 * is called when it has, with r->aio unset.  NGX_DECLINED: nobody does, the
 * lookup can be made at once.  The request has been identified.
 */

ngx_int_t ngx_http_profile_prefetch(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx);

/* At the end of a process, whose requests may still wait. */

void ngx_http_profile_prefetch_stop(ngx_http_profile_store_t *store);

#endif


#endif /* _NGX_HTTP_PROFILE_THREADS_H_INCLUDED_ */
