
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A text that grows.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_profile_text.h"


#define NGX_HTTP_PROFILE_TEXT_SIZE  8192


/* What stands for a byte that is no part of a character: U+FFFD. */

#define NGX_HTTP_PROFILE_TEXT_BAD      "\xef\xbf\xbd"
#define NGX_HTTP_PROFILE_TEXT_BAD_LEN  (sizeof(NGX_HTTP_PROFILE_TEXT_BAD) - 1)


static ngx_int_t ngx_http_profile_text_utf8(ngx_http_profile_text_t *text,
    u_char **data, size_t *len);
static size_t ngx_http_profile_text_char(u_char *p, u_char *last);
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

    if (ngx_http_profile_text_utf8(text, &data, &len) != NGX_OK) {
        return;
    }

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

    if (ngx_http_profile_text_utf8(text, &data, &len) != NGX_OK) {
        return;
    }

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


/*
 * The folder of a store may have any name, and a message that was cut may
 * end within a character, but both forms have to be UTF-8.  Makes a copy
 * where something has to be replaced.
 */

static ngx_int_t
ngx_http_profile_text_utf8(ngx_http_profile_text_t *text, u_char **data,
    size_t *len)
{
    size_t   n, bad;
    u_char  *p, *last, *out;

    bad = 0;
    last = *data + *len;

    for (p = *data; p < last; p += ngx_max(n, 1)) {
        n = ngx_http_profile_text_char(p, last);
        bad += (n == 0);
    }

    if (bad == 0) {
        return NGX_OK;
    }

    out = ngx_pnalloc(text->pool,
                      *len + bad * NGX_HTTP_PROFILE_TEXT_BAD_LEN);
    if (out == NULL) {
        text->failed = 1;
        return NGX_ERROR;
    }

    p = *data;
    *data = out;

    for ( /* void */ ; p < last; p += ngx_max(n, 1)) {
        n = ngx_http_profile_text_char(p, last);

        out = (n == 0) ? ngx_cpymem(out, NGX_HTTP_PROFILE_TEXT_BAD,
                                    NGX_HTTP_PROFILE_TEXT_BAD_LEN)
                       : ngx_cpymem(out, p, n);
    }

    *len = out - *data;

    return NGX_OK;
}


/*
 * The length of the character at p, or 0 where that is none in the sense of
 * RFC 3629.  ngx_utf8_decode() takes more for one.
 */

static size_t
ngx_http_profile_text_char(u_char *p, u_char *last)
{
    size_t    i, len;
    uint32_t  ch, least;

    if (*p < 0x80) {
        return 1;
    }

    if ((*p & 0xe0) == 0xc0) {
        len = 2;
        least = 0x80;

    } else if ((*p & 0xf0) == 0xe0) {
        len = 3;
        least = 0x800;

    } else if ((*p & 0xf8) == 0xf0) {
        len = 4;
        least = 0x10000;

    } else {
        return 0;
    }

    if ((size_t) (last - p) < len) {
        return 0;
    }

    ch = *p & (0x7f >> len);

    for (i = 1; i < len; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        ch = ch << 6 | (p[i] & 0x3f);
    }

    if (ch < least || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
        return 0;
    }

    return len;
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
