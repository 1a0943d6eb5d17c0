
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: for the module, and for nobody else in the process,
 * libcrypto has no SHA-256.
 */


#include <dlfcn.h>
#include <openssl/evp.h>
#include <string.h>


EVP_MD *
EVP_MD_fetch(OSSL_LIB_CTX *ctx, const char *algorithm, const char *properties)
{
    Dl_info   info;

    EVP_MD  *(*next)(OSSL_LIB_CTX *ctx, const char *algorithm,
                     const char *properties);

    if (dladdr(__builtin_return_address(0), &info) != 0
        && strstr(info.dli_fname, "ngx_http_profile_module") != NULL)
    {
        return NULL;
    }

    *(void **) &next = dlsym(RTLD_NEXT, "EVP_MD_fetch");

    return next(ctx, algorithm, properties);
}
