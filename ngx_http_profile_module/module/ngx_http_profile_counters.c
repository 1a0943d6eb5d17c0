
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Counters in shared memory.
 *
 * Each worker has a part of its own, on cache lines of its own, so that
 * workers do not wait for each other's.  Still they add atomically: while
 * nginx reloads, an old worker and a new one have the same number, and with
 * more workers than parts some share one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <time.h>

#include "ngx_http_profile_counters.h"
#include "ngx_http_profile_zone.h"


#define NGX_HTTP_PROFILE_COUNTERS_PARTS  64


typedef struct {
    ngx_atomic_t  requests[NGX_HTTP_PROFILE_COUNT_N];
    ngx_atomic_t  lookups[NGX_HTTP_PROFILE_BUCKETS + 1];
    ngx_atomic_t  nanoseconds;
} ngx_http_profile_part_t;


/* The size of a part, in whole cache lines. */

#define NGX_HTTP_PROFILE_COUNTERS_PART                                        \
    ngx_align(sizeof(ngx_http_profile_part_t), NGX_HTTP_PROFILE_ZONE_LINE)

#define NGX_HTTP_PROFILE_COUNTERS_SIZE                                        \
    (NGX_HTTP_PROFILE_COUNTERS_PARTS * NGX_HTTP_PROFILE_COUNTERS_PART)


static ngx_http_profile_part_t *ngx_http_profile_part(
    ngx_http_profile_counters_t *counters, ngx_uint_t i);
static uint64_t ngx_http_profile_now(void);


ngx_str_t  ngx_http_profile_count_names[NGX_HTTP_PROFILE_COUNT_N] = {
    ngx_string("hit"),
    ngx_string("not_modified"),
    ngx_string("miss"),
    ngx_string("denied"),
    ngx_string("invalid"),
    ngx_string("unavailable")
};


ngx_http_profile_bound_t  ngx_http_profile_bounds[] = {
    { 1000, ngx_string("0.000001") },
    { 2500, ngx_string("0.0000025") },
    { 5000, ngx_string("0.000005") },
    { 10000, ngx_string("0.00001") },
    { 25000, ngx_string("0.000025") },
    { 50000, ngx_string("0.00005") },
    { 100000, ngx_string("0.0001") },
    { 250000, ngx_string("0.00025") },
    { 500000, ngx_string("0.0005") },
    { 1000000, ngx_string("0.001") },
    { 2500000, ngx_string("0.0025") },
    { 5000000, ngx_string("0.005") },
    { 25000000, ngx_string("0.025") },
    { 100000000, ngx_string("0.1") }
};


ngx_int_t
ngx_http_profile_counters_add(ngx_conf_t *cf, ngx_str_t *store,
    ngx_http_profile_counters_t *counters)
{
    if (counters->zone != NULL) {
        return NGX_OK;
    }

    counters->zone = ngx_http_profile_zone_add(cf, "status", store,
                                               NGX_HTTP_PROFILE_COUNTERS_SIZE);

    return (counters->zone == NULL) ? NGX_ERROR : NGX_OK;
}


void
ngx_http_profile_count(ngx_http_profile_counters_t *counters,
    ngx_http_profile_count_e count)
{
    ngx_http_profile_part_t  *part;

    if (counters->zone == NULL) {
        return;
    }

    part = ngx_http_profile_part(counters, ngx_worker);

    (void) ngx_atomic_fetch_add(&part->requests[count], 1);
}


uint64_t
ngx_http_profile_lookup_begin(ngx_http_profile_counters_t *counters)
{
    return (counters->zone == NULL) ? 0 : ngx_http_profile_now();
}


void
ngx_http_profile_lookup_end(ngx_http_profile_counters_t *counters,
    uint64_t started)
{
    uint64_t                  elapsed;
    ngx_uint_t                i;
    ngx_http_profile_part_t  *part;

    if (counters->zone == NULL) {
        return;
    }

    elapsed = ngx_http_profile_now() - started;

    for (i = 0; i < NGX_HTTP_PROFILE_BUCKETS; i++) {
        if (elapsed <= ngx_http_profile_bounds[i].nanoseconds) {
            break;
        }
    }

    part = ngx_http_profile_part(counters, ngx_worker);

    (void) ngx_atomic_fetch_add(&part->lookups[i], 1);
    (void) ngx_atomic_fetch_add(&part->nanoseconds,
                                (ngx_atomic_int_t) elapsed);
}


void
ngx_http_profile_counters_sum(ngx_http_profile_counters_t *counters,
    ngx_http_profile_sums_t *sums)
{
    ngx_uint_t                i, n;
    ngx_http_profile_part_t  *part;

    ngx_memzero(sums, sizeof(ngx_http_profile_sums_t));

    for (n = 0; n < NGX_HTTP_PROFILE_COUNTERS_PARTS; n++) {
        part = ngx_http_profile_part(counters, n);

        for (i = 0; i < NGX_HTTP_PROFILE_COUNT_N; i++) {
            sums->requests[i] += part->requests[i];
        }

        for (i = 0; i < NGX_HTTP_PROFILE_BUCKETS + 1; i++) {
            sums->lookups[i] += part->lookups[i];
        }

        sums->nanoseconds += part->nanoseconds;
    }
}


static ngx_http_profile_part_t *
ngx_http_profile_part(ngx_http_profile_counters_t *counters, ngx_uint_t i)
{
    u_char  *p;

    p = ngx_http_profile_zone_memory(counters->zone);

    return (ngx_http_profile_part_t *)
           (p + i % NGX_HTTP_PROFILE_COUNTERS_PARTS
                * NGX_HTTP_PROFILE_COUNTERS_PART);
}


static uint64_t
ngx_http_profile_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * NGX_HTTP_PROFILE_NANOSECONDS
           + (uint64_t) ts.tv_nsec;
}
