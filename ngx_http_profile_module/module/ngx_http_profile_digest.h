
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256 of keys.  The store knows keys by their digests only.
 */


#ifndef _NGX_HTTP_PROFILE_DIGEST_H_INCLUDED_
#define _NGX_HTTP_PROFILE_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/evp.h>

#include "profile_store.h"


/* Belongs to one process; set to zero before its first use. */

typedef struct {
    EVP_MD      *md;
    EVP_MD_CTX  *ctx;
} ngx_http_profile_digest_t;


/*
 * The digest of a key, of PROFILE_DIGEST_SIZE bytes.  The first call
 * fetches the algorithm, which takes far longer than a digest.
 */

ngx_int_t ngx_http_profile_digest(ngx_http_profile_digest_t *digest,
    ngx_str_t *key, u_char *out);
void ngx_http_profile_digest_done(ngx_http_profile_digest_t *digest);


#endif /* _NGX_HTTP_PROFILE_DIGEST_H_INCLUDED_ */
