
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the module's files call of nginx.  They themselves are compiled with
 * nginx's headers and by its Makefile, as for the module, but the functions
 * of nginx are in its program, and there is none here.  Its sources are not
 * in Debian's nginx-dev, and need not be fetched for three functions:
 *
 *     ngx_strncasecmp(), ngx_decode_base64()   mean what nginx's mean, which
 *                                              t/fuzz.t compares them with
 *     ngx_pnalloc()                            an allocation of its own for
 *                                              each piece: what is read or
 *                                              written beyond one is seen,
 *                                              as it would not be in a pool
 *
 * What two others return is the fuzzer's to choose.  They are nginx's own
 * business, and the module must be right whatever comes out of them.
 */


#ifndef _PROFILE_STANDIN_H_INCLUDED_
#define _PROFILE_STANDIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "target.h"


#define FUZZ_PIECES  4


typedef struct {
    ngx_uint_t   no_memory;
    ngx_uint_t   npieces;
    void        *pieces[FUZZ_PIECES];

    ngx_int_t    complex_rc;         /* ngx_http_complex_value() */
    ngx_str_t    complex;
    ngx_str_t    text;               /* what is to be parsed as a time */
    time_t       time;               /* ngx_parse_http_time() */
} fuzz_nginx_t;


static fuzz_nginx_t  fuzz_nginx;


ngx_int_t
ngx_strncasecmp(u_char *s1, u_char *s2, size_t n)
{
    size_t      i;
    ngx_int_t   c1, c2;

    for (i = 0; i < n; i++) {

        c1 = s1[i] + (s1[i] >= 'A' && s1[i] <= 'Z' ? 'a' - 'A' : 0);
        c2 = s2[i] + (s2[i] >= 'A' && s2[i] <= 'Z' ? 'a' - 'A' : 0);

        if (c1 != c2) {
            return c1 - c2;
        }

        if (c1 == '\0') {
            return 0;
        }
    }

    return 0;
}


ngx_int_t
ngx_decode_base64(ngx_str_t *dst, ngx_str_t *src)
{
    size_t       i;
    uint32_t     bits;
    const char  *digit;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (i = 0; i < src->len && src->data[i] != '='; i++) {
        if (src->data[i] == '\0' || strchr(digits, src->data[i]) == NULL) {
            return NGX_ERROR;
        }
    }

    if (i % 4 == 1) {
        return NGX_ERROR;
    }

    dst->len = 0;
    bits = 0;

    for (i = 0; i < src->len && src->data[i] != '='; i++) {

        digit = strchr(digits, src->data[i]);
        bits = bits << 6 | (uint32_t) (digit - digits);

        if (i % 4 != 0) {
            dst->data[dst->len++] = (u_char) (bits >> (6 - i % 4 * 2));
        }
    }

    return NGX_OK;
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    void  *p;

    (void) pool;

    if (fuzz_nginx.no_memory) {
        return NULL;
    }

    fuzz_assert(size != 0 && fuzz_nginx.npieces < FUZZ_PIECES);

    p = malloc(size);
    fuzz_assert(p != NULL);

    fuzz_nginx.pieces[fuzz_nginx.npieces++] = p;

    return p;
}


ngx_int_t
ngx_http_complex_value(ngx_http_request_t *r, ngx_http_complex_value_t *val,
    ngx_str_t *value)
{
    (void) r;

    fuzz_assert(val != NULL);

    if (fuzz_nginx.complex_rc == NGX_OK) {
        *value = fuzz_nginx.complex;
    }

    return fuzz_nginx.complex_rc;
}


time_t
ngx_parse_http_time(u_char *value, size_t len)
{
    fuzz_assert(value == fuzz_nginx.text.data && len == fuzz_nginx.text.len);

    return fuzz_nginx.time;
}


/* Frees what was allocated, as nginx does at the end of a request. */

static inline void
fuzz_nginx_reset(void)
{
    while (fuzz_nginx.npieces > 0) {
        free(fuzz_nginx.pieces[--fuzz_nginx.npieces]);
    }

    memset(&fuzz_nginx, 0, sizeof(fuzz_nginx_t));
}


/* A string of nginx: not terminated, and exactly as long as it is. */

static inline ngx_str_t
fuzz_str(const void *data, size_t len)
{
    ngx_str_t  str;

    str.len = len;
    str.data = fuzz_copy(data, len);

    return str;
}


#endif /* _PROFILE_STANDIN_H_INCLUDED_ */
