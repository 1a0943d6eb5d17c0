
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256 by libcrypto, prepared once for each process.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_profile_digest.h"


static ngx_int_t ngx_http_profile_digest_init(
    ngx_http_profile_digest_t *digest);


ngx_int_t
ngx_http_profile_digest(ngx_http_profile_digest_t *digest, ngx_str_t *key,
    u_char *out)
{
    if (digest->md == NULL
        && ngx_http_profile_digest_init(digest) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!EVP_DigestInit_ex2(digest->ctx, digest->md, NULL)
        || !EVP_DigestUpdate(digest->ctx, key->data, key->len)
        || !EVP_DigestFinal_ex(digest->ctx, out, NULL))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_profile_digest_done(ngx_http_profile_digest_t *digest)
{
    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);

    digest->ctx = NULL;
    digest->md = NULL;
}


static ngx_int_t
ngx_http_profile_digest_init(ngx_http_profile_digest_t *digest)
{
    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->ctx = EVP_MD_CTX_new();

    if (digest->md == NULL || digest->ctx == NULL) {
        ngx_http_profile_digest_done(digest);
        return NGX_ERROR;
    }

    return NGX_OK;
}
