
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Compares the stand-ins of t/fuzz/standin.h with nginx's own functions.  It is
 * loaded into nginx (t/fuzz.t), whose program exports its functions for the
 * sake of modules, and runs before nginx does.  It prints how often they have
 * agreed, or with what they have not, and ends the process.
 */


#define _GNU_SOURCE

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <dlfcn.h>


/* The stand-ins under names of their own. */

#define ngx_strncasecmp         compare_strncasecmp
#define ngx_decode_base64       compare_decode_base64
#define ngx_pnalloc             compare_pnalloc
#define ngx_http_complex_value  compare_complex_value
#define ngx_parse_http_time     compare_parse_http_time

#include "../fuzz/standin.h"


#define COMPARE_RUNS  400000
#define COMPARE_SIZE  16


typedef ngx_int_t (*compare_strncasecmp_pt)(u_char *s1, u_char *s2, size_t n);
typedef ngx_int_t (*compare_base64_pt)(ngx_str_t *dst, ngx_str_t *src);


static void compare_nginx(void) __attribute__((constructor));
static void compare_case(compare_strncasecmp_pt function);
static void compare_base64(compare_base64_pt function);
static void compare_differ(const char *name, const u_char *data, size_t len);
static size_t compare_text(u_char *p, const char *likely);
static uint32_t compare_rand(void);


static void
compare_nginx(void)
{
    compare_base64_pt       base64;
    compare_strncasecmp_pt  strncasecmp_;

    /* POSIX's way to make a function of what dlsym() returns */

    *(void **) &base64 = dlsym(RTLD_DEFAULT, "ngx_decode_base64");
    *(void **) &strncasecmp_ = dlsym(RTLD_DEFAULT, "ngx_strncasecmp");

    if (base64 == NULL || strncasecmp_ == NULL) {
        return;
    }

    compare_case(strncasecmp_);
    compare_base64(base64);

    (void) fflush(stdout);
    _exit(0);
}


static void
compare_case(compare_strncasecmp_pt function)
{
    size_t     n;
    u_char     one[COMPARE_SIZE], two[COMPARE_SIZE];
    ngx_int_t  i, got, want;

    for (i = 0; i < COMPARE_RUNS; i++) {

        n = compare_text(one, "bBeEaArR[{@`");
        memcpy(two, one, COMPARE_SIZE);

        if (n != 0) {
            two[compare_rand() % n] ^= (i % 2) ? 0x20 : compare_rand() % 256;
        }

        got = compare_strncasecmp(one, two, n);
        want = function(one, two, n);

        if (got != want) {
            compare_differ("ngx_strncasecmp", one, n);
            return;
        }
    }

    printf("ngx_strncasecmp: %d\n", COMPARE_RUNS);
}


static void
compare_base64(compare_base64_pt function)
{
    u_char     text[COMPARE_SIZE], one[COMPARE_SIZE], two[COMPARE_SIZE];
    ngx_int_t  i;
    ngx_str_t  src, dst, dst2;

    src.data = text;
    dst.data = one;
    dst2.data = two;

    for (i = 0; i < COMPARE_RUNS; i++) {

        src.len = compare_text(text, "AQgwzZ09+/-_=YmVhcmVyOg");
        dst.len = 0;
        dst2.len = 0;
        memset(one, 0xa5, COMPARE_SIZE);
        memset(two, 0xa5, COMPARE_SIZE);

        if (compare_decode_base64(&dst, &src) != function(&dst2, &src)
            || dst.len != dst2.len
            || memcmp(one, two, COMPARE_SIZE) != 0)
        {
            compare_differ("ngx_decode_base64", text, src.len);
            return;
        }
    }

    printf("ngx_decode_base64: %d\n", COMPARE_RUNS);
}


static void
compare_differ(const char *name, const u_char *data, size_t len)
{
    size_t  i;

    printf("%s differs:", name);

    for (i = 0; i < len; i++) {
        printf(" %02x", data[i]);
    }

    printf("\n");
}


/* Mostly of likely characters, and now and then of any. */

static size_t
compare_text(u_char *p, const char *likely)
{
    size_t    i;
    uint32_t  any;

    any = compare_rand() % 8;

    for (i = 0; i < COMPARE_SIZE; i++) {
        p[i] = (compare_rand() % 32 < any)
               ? (u_char) compare_rand()
               : (u_char) likely[compare_rand() % strlen(likely)];
    }

    return compare_rand() % (COMPARE_SIZE + 1);
}


static uint32_t
compare_rand(void)
{
    static uint32_t  state = 2463534242;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;

    return state;
}
