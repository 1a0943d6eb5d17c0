
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256 by libcrypto.
 */


#include <openssl/evp.h>

#include "profile_digest.h"
#include "profile_loader.h"


/* Fetched once: to look the algorithm up takes longer than to use it. */

static EVP_MD      *profile_digest_md;
static EVP_MD_CTX  *profile_digest_ctx;


void
profile_digest(const void *data, size_t len, u_char *out)
{
    if (profile_digest_md == NULL) {
        profile_digest_md = EVP_MD_fetch(NULL, "SHA256", NULL);
        profile_digest_ctx = EVP_MD_CTX_new();
    }

    if (profile_digest_md == NULL
        || profile_digest_ctx == NULL
        || !EVP_DigestInit_ex2(profile_digest_ctx, profile_digest_md, NULL)
        || !EVP_DigestUpdate(profile_digest_ctx, data, len)
        || !EVP_DigestFinal_ex(profile_digest_ctx, out, NULL))
    {
        profile_say("libcrypto cannot compute SHA-256");
        exit(PROFILE_EXIT_STORE);
    }
}
