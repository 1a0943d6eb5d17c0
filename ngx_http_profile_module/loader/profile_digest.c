
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * SHA-256 by libcrypto.
 */


#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "profile_digest.h"
#include "profile_loader.h"


/* Fetched once: to look the algorithm up takes longer than to use it. */

static EVP_MD      *profile_digest_md;
static EVP_MD_CTX  *profile_digest_ctx;


static void *profile_digest_alloc(size_t size, const char *file, int line);
static void *profile_digest_realloc(void *p, size_t size, const char *file,
    int line);
static void profile_digest_free(void *p, const char *file, int line);


void
profile_digest_init(void)
{
    (void) CRYPTO_set_mem_functions(profile_digest_alloc,
                                    profile_digest_realloc,
                                    profile_digest_free);
}


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


static void *
profile_digest_alloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return profile_alloc(size);
}


static void *
profile_digest_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return profile_realloc(p, size);
}


static void
profile_digest_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;

    free(p);
}
