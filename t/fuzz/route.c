
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Paths of anything below prefixes of anything.  A path that is taken can be
 * written again from what was understood of it; a path that is not cannot be
 * one of ours.
 */


#include "standin.h"
#include "ngx_http_profile_route.h"


/* Where the prefix ends and the rest begins, if the data says so. */

#define ROUTE_SPLIT  0xfe


static ngx_uint_t route_call(const ngx_str_t *uri, const ngx_str_t *prefix,
    uint32_t *entity);
static ngx_uint_t route_read(const ngx_str_t *uri, const ngx_str_t *prefix,
    uint32_t *entity);
static void route_written(const ngx_str_t *uri, const ngx_str_t *prefix,
    ngx_uint_t route, uint32_t entity);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t       entity, other;
    ngx_str_t      uri, prefix;
    ngx_uint_t     route;
    fuzz_input_t   input;
    const uint8_t  *split;

    static const ngx_str_t  prefixes[] = {
        ngx_string(""), ngx_string("/"), ngx_string("/api"),
        ngx_string("/api/v1/")
    };

    input.data = data;
    input.size = size;

    prefix = prefixes[fuzz_byte(&input) % 4];
    split = (input.size == 0) ? NULL
                              : memchr(input.data, ROUTE_SPLIT, input.size);

    if (split != NULL) {
        /* the prefix is of the data, and the path need not begin with it */
        prefix.data = (u_char *) input.data;
        prefix.len = (size_t) (split - input.data);
        uri.data = (u_char *) split + 1;
        uri.len = input.size - prefix.len - 1;

    } else {
        uri.len = prefix.len + input.size;
        uri.data = malloc(uri.len);
        fuzz_assert(uri.data != NULL || uri.len == 0);

        if (uri.len != 0) {
            memcpy(ngx_cpymem(uri.data, prefix.data, prefix.len), input.data,
                   input.size);
        }
    }

    entity = 0;
    route = route_call(&uri, &prefix, &entity);

    fuzz_assert(route == route_read(&uri, &prefix, &other));

    if (route == NGX_HTTP_PROFILE_ROUTE_RECORD) {
        fuzz_assert(entity == other);
    }

    route_written(&uri, &prefix, route, entity);

    if (split == NULL) {
        free(uri.data);
    }

    return 0;
}


static ngx_uint_t
route_call(const ngx_str_t *uri, const ngx_str_t *prefix, uint32_t *entity)
{
    ngx_str_t   own_uri, own_prefix;
    ngx_uint_t  route;

    own_uri = fuzz_str(uri->data, uri->len);
    own_prefix = fuzz_str(prefix->data, prefix->len);

    route = ngx_http_profile_route(&own_uri, &own_prefix, entity);

    free(own_uri.data);
    free(own_prefix.data);

    return route;
}


/* Takes off what must be there, from both ends. */

static ngx_uint_t
route_read(const ngx_str_t *uri, const ngx_str_t *prefix, uint32_t *entity)
{
    char                *path, *p, *end, id[16];
    size_t               i;
    ngx_uint_t           route;
    unsigned long long   n;

    route = NGX_HTTP_PROFILE_ROUTE_NONE;

    path = malloc(uri->len + 1);
    fuzz_assert(path != NULL);

    if (uri->len < prefix->len
        || (prefix->len != 0
            && memcmp(uri->data, prefix->data, prefix->len) != 0))
    {
        goto done;
    }

    /* a string: 0x01 is as wrong as the zero byte that nginx lets in none */

    for (i = 0; i < uri->len; i++) {
        path[i] = (uri->data[i] == '\0') ? '\x01' : (char) uri->data[i];
    }

    path[uri->len] = '\0';
    p = path + prefix->len;
    end = path + uri->len;

    if (prefix->len == 0 || prefix->data[prefix->len - 1] != '/') {
        if (*p++ != '/') {
            goto done;
        }
    }

    if (end > p && end[-1] == '/') {
        *--end = '\0';
    }

    if (strcmp(p, "entities") == 0) {
        route = NGX_HTTP_PROFILE_ROUTE_ENTITIES;
        goto done;
    }

    if (end - p <= (ptrdiff_t) strlen("entities//record")
        || strncmp(p, "entities/", 9) != 0
        || strcmp(end - 7, "/record") != 0)
    {
        goto done;
    }

    p += 9;
    end[-7] = '\0';

    if (strchr(p, '/') != NULL) {
        goto done;
    }

    route = NGX_HTTP_PROFILE_ROUTE_RECORD;
    *entity = 0;

    n = strtoull(p, NULL, 10);

    if (n <= UINT32_MAX) {
        (void) sprintf(id, "%llu", n);
        *entity = (strcmp(id, p) == 0) ? (uint32_t) n : 0;
    }

done:

    free(path);

    return route;
}


/* Of two paths that are understood alike, only a slash may differ. */

static void
route_written(const ngx_str_t *uri, const ngx_str_t *prefix,
    ngx_uint_t route, uint32_t entity)
{
    char    rest[64];
    size_t  len, skip;

    if (route == NGX_HTTP_PROFILE_ROUTE_NONE
        || (route == NGX_HTTP_PROFILE_ROUTE_RECORD && entity == 0))
    {
        return;
    }

    len = (size_t) sprintf(rest, "/entities");

    if (route == NGX_HTTP_PROFILE_ROUTE_RECORD) {
        len += (size_t) sprintf(rest + len, "/%u/record", entity);
    }

    rest[len++] = '/';

    skip = (prefix->len != 0 && prefix->data[prefix->len - 1] == '/');

    fuzz_assert(prefix->len == 0
                || memcmp(uri->data, prefix->data, prefix->len) == 0);
    fuzz_assert(uri->len - prefix->len == len - skip
                || uri->len - prefix->len == len - skip - 1);
    fuzz_assert(memcmp(uri->data + prefix->len, rest + skip,
                       uri->len - prefix->len)
                == 0);
}
