
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A text that grows.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_profile_text.h"


#define NGX_HTTP_PROFILE_TEXT_SIZE  8192


static u_char *ngx_http_profile_text_reserve(ngx_http_profile_text_t *text,
    size_t len);


void
ngx_http_profile_text_init(ngx_http_profile_text_t *text, ngx_pool_t *pool)
{
    ngx_memzero(text, sizeof(ngx_http_profile_text_t));

    text->pool = pool;
}


void
ngx_http_profile_text(ngx_http_profile_text_t *text, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    p = ngx_http_profile_text_reserve(text, NGX_HTTP_PROFILE_TEXT_PIECE);
    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(p, p + NGX_HTTP_PROFILE_TEXT_PIECE, fmt, args);
    va_end(args);

    text->text.len = p - text->text.data;
}


void
ngx_http_profile_text_json(ngx_http_profile_text_t *text, u_char *data,
    size_t len)
{
    u_char     *p;
    uintptr_t   escapes;

    escapes = ngx_escape_json(NULL, data, len);

    p = ngx_http_profile_text_reserve(text, len + escapes + 2);
    if (p == NULL) {
        return;
    }

    *p++ = '"';
    p = (u_char *) ngx_escape_json(p, data, len);
    *p++ = '"';

    text->text.len = p - text->text.data;
}


void
ngx_http_profile_text_label(ngx_http_profile_text_t *text, u_char *data,
    size_t len)
{
    size_t   i;
    u_char  *p;

    p = ngx_http_profile_text_reserve(text, len * 2 + 2);
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    for (i = 0; i < len; i++) {

        if (data[i] == '\n') {
            *p++ = '\\';
            *p++ = 'n';
            continue;
        }

        if (data[i] == '"' || data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = data[i];
    }

    *p++ = '"';

    text->text.len = p - text->text.data;
}


/* Room for len bytes more, and where they begin; NULL without memory. */

static u_char *
ngx_http_profile_text_reserve(ngx_http_profile_text_t *text, size_t len)
{
    size_t   size;
    u_char  *p;

    if (text->failed) {
        return NULL;
    }

    if (text->size - text->text.len < len) {

        size = ngx_max(text->size * 2, NGX_HTTP_PROFILE_TEXT_SIZE);
        size = ngx_max(size, text->text.len + len);

        p = ngx_palloc(text->pool, size);
        if (p == NULL) {
            text->failed = 1;
            return NULL;
        }

        if (text->text.len != 0) {
            ngx_memcpy(p, text->text.data, text->text.len);
            (void) ngx_pfree(text->pool, text->text.data);
        }

        text->text.data = p;
        text->size = size;
    }

    return text->text.data + text->text.len;
}
