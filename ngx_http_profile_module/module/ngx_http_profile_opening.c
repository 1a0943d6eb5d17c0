
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Notes which file a worker is opening.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_profile_opening.h"
#include "ngx_http_profile_zone.h"


#define NGX_HTTP_PROFILE_OPENINGS         64

/* One may have been killed just then, two hardly. */

#define NGX_HTTP_PROFILE_OPENING_DEATHS   2

/*
 * Milliseconds after which a file is given another chance.  Not by the time
 * of day, which may be set.
 */

#define NGX_HTTP_PROFILE_OPENING_FORGET   60000


struct ngx_http_profile_opening_s {
    ngx_atomic_t  pid;                  /* 0: free */
    uint64_t      fingerprint;
    ngx_msec_t    begun;
};


static ngx_uint_t ngx_http_profile_opening_deaths(
    ngx_http_profile_opening_t *openings, uint64_t fingerprint);
static ngx_http_profile_opening_t *ngx_http_profile_opening_take(
    ngx_http_profile_opening_t *openings, uint64_t fingerprint);
static ngx_uint_t ngx_http_profile_opening_recent(
    ngx_http_profile_opening_t *opening, uint64_t fingerprint);
static ngx_uint_t ngx_http_profile_opening_dead(ngx_atomic_uint_t pid);


ngx_shm_zone_t *
ngx_http_profile_opening_add(ngx_conf_t *cf, ngx_str_t *store)
{
    return ngx_http_profile_zone_add(cf, "opening", store,
                                     NGX_HTTP_PROFILE_OPENINGS
                                     * sizeof(ngx_http_profile_opening_t));
}


ngx_int_t
ngx_http_profile_opening_begin(ngx_shm_zone_t *zone, uint64_t fingerprint,
    ngx_http_profile_opening_t **opening)
{
    ngx_http_profile_opening_t  *openings;

    openings = ngx_http_profile_zone_memory(zone);

    *opening = NULL;

    if (ngx_http_profile_opening_deaths(openings, fingerprint)
        >= NGX_HTTP_PROFILE_OPENING_DEATHS)
    {
        return NGX_DECLINED;
    }

    *opening = ngx_http_profile_opening_take(openings, fingerprint);

    return NGX_OK;
}


void
ngx_http_profile_opening_end(ngx_http_profile_opening_t *opening)
{
    if (opening != NULL) {
        opening->fingerprint = 0;
        ngx_memory_barrier();
        opening->pid = 0;
    }
}


static ngx_uint_t
ngx_http_profile_opening_deaths(ngx_http_profile_opening_t *openings,
    uint64_t fingerprint)
{
    ngx_uint_t         i, deaths;
    ngx_atomic_uint_t  pid;

    deaths = 0;

    for (i = 0; i < NGX_HTTP_PROFILE_OPENINGS; i++) {
        pid = openings[i].pid;

        if (pid != 0
            && ngx_http_profile_opening_recent(&openings[i], fingerprint)
            && ngx_http_profile_opening_dead(pid))
        {
            deaths++;
        }
    }

    return deaths;
}


/* One that is free, or whose dead owner no longer matters. */

static ngx_http_profile_opening_t *
ngx_http_profile_opening_take(ngx_http_profile_opening_t *openings,
    uint64_t fingerprint)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  pid;

    for (i = 0; i < NGX_HTTP_PROFILE_OPENINGS; i++) {
        pid = openings[i].pid;

        if (pid != 0
            && (ngx_http_profile_opening_recent(&openings[i], fingerprint)
                || !ngx_http_profile_opening_dead(pid)))
        {
            continue;
        }

        if (ngx_atomic_cmp_set(&openings[i].pid, pid,
                               (ngx_atomic_uint_t) ngx_pid))
        {
            openings[i].fingerprint = fingerprint;
            openings[i].begun = ngx_current_msec;

            return &openings[i];
        }
    }

    return NULL;
}


/* Another worker's clock may be a little ahead of what this one has read. */

static ngx_uint_t
ngx_http_profile_opening_recent(ngx_http_profile_opening_t *opening,
    uint64_t fingerprint)
{
    return opening->fingerprint == fingerprint
           && (ngx_msec_int_t) (ngx_current_msec - opening->begun)
              < NGX_HTTP_PROFILE_OPENING_FORGET;
}


/* One that has ended and is not waited for yet counts as alive. */

static ngx_uint_t
ngx_http_profile_opening_dead(ngx_atomic_uint_t pid)
{
    return kill((ngx_pid_t) pid, 0) == -1 && ngx_errno == ESRCH;
}
