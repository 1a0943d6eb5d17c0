
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A text that grows, for pages whose length nobody knows beforehand.
 *
 * A failure sticks: callers write on, and ask once at the end.
 */


#ifndef _NGX_HTTP_PROFILE_TEXT_H_INCLUDED_
#define _NGX_HTTP_PROFILE_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* The longest piece that one call of ngx_http_profile_text() may add. */

#define NGX_HTTP_PROFILE_TEXT_PIECE  512


typedef struct {
    ngx_pool_t  *pool;
    ngx_str_t    text;
    size_t       size;
    unsigned     failed:1;          /* no memory */
} ngx_http_profile_text_t;


void ngx_http_profile_text_init(ngx_http_profile_text_t *text,
    ngx_pool_t *pool);

/* Adds what ngx_sprintf() makes of fmt. */

void ngx_http_profile_text(ngx_http_profile_text_t *text, const char *fmt,
    ...);

/*
 * A string of JSON, with its quotes; the value of a label of Prometheus.
 * What is not UTF-8 in data becomes U+FFFD.
 */

void ngx_http_profile_text_json(ngx_http_profile_text_t *text, u_char *data,
    size_t len);
void ngx_http_profile_text_label(ngx_http_profile_text_t *text, u_char *data,
    size_t len);


#endif /* _NGX_HTTP_PROFILE_TEXT_H_INCLUDED_ */
