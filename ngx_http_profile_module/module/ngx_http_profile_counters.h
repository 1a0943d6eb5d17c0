
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Counts requests and measures lookups, for all workers together.
 *
 * The counters live in shared memory that nginx hands from one configuration
 * to the next, so a reload keeps them.  A store that no "profile_status"
 * shows has none, and pays nothing.
 */


#ifndef _NGX_HTTP_PROFILE_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_PROFILE_COUNTERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* What "$profile_result" says, and the 304s among the hits. */

typedef enum {
    NGX_HTTP_PROFILE_COUNT_HIT = 0,
    NGX_HTTP_PROFILE_COUNT_NOT_MODIFIED,
    NGX_HTTP_PROFILE_COUNT_MISS,
    NGX_HTTP_PROFILE_COUNT_DENIED,
    NGX_HTTP_PROFILE_COUNT_INVALID,
    NGX_HTTP_PROFILE_COUNT_UNAVAILABLE,
    NGX_HTTP_PROFILE_COUNT_N
} ngx_http_profile_count_e;

extern ngx_str_t  ngx_http_profile_count_names[NGX_HTTP_PROFILE_COUNT_N];


/* The times of lookups are counted by their upper bounds. */

#define NGX_HTTP_PROFILE_BUCKETS      14
#define NGX_HTTP_PROFILE_NANOSECONDS  1000000000

typedef struct {
    uint64_t   nanoseconds;
    ngx_str_t  seconds;
} ngx_http_profile_bound_t;

extern ngx_http_profile_bound_t  ngx_http_profile_bounds[];


typedef struct {
    ngx_shm_zone_t  *zone;                  /* NULL: nothing is counted */
} ngx_http_profile_counters_t;


/* Not cumulative: a lookup is in one bucket, the last one has no bound. */

typedef struct {
    uint64_t  requests[NGX_HTTP_PROFILE_COUNT_N];
    uint64_t  lookups[NGX_HTTP_PROFILE_BUCKETS + 1];
    uint64_t  nanoseconds;
} ngx_http_profile_sums_t;


/*
 * While the configuration is read: counters for the store of this name, once
 * for each set.
 */

ngx_int_t ngx_http_profile_counters_add(ngx_conf_t *cf, ngx_str_t *store,
    ngx_http_profile_counters_t *counters);

void ngx_http_profile_count(ngx_http_profile_counters_t *counters,
    ngx_http_profile_count_e count);

/* The time of a lookup, from the return value of the first to the second. */

uint64_t ngx_http_profile_lookup_begin(ngx_http_profile_counters_t *counters);
void ngx_http_profile_lookup_end(ngx_http_profile_counters_t *counters,
    uint64_t started);

void ngx_http_profile_counters_sum(ngx_http_profile_counters_t *counters,
    ngx_http_profile_sums_t *sums);


#endif /* _NGX_HTTP_PROFILE_COUNTERS_H_INCLUDED_ */
