
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What a worker has lately found in a store: whose keys are, and entities.
 *
 * All of it is of one snapshot.  The first lookup in another one finds
 * nothing of it any more, so that a revoked key ends with the commit that
 * revokes it.  Only keys that were found are kept: whoever guesses fills
 * nothing, and pays for the whole lookup each time.
 */


#ifndef _NGX_HTTP_PROFILE_CACHE_H_INCLUDED_
#define _NGX_HTTP_PROFILE_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "profile_reader.h"


#define NGX_HTTP_PROFILE_CACHE_KEYS      512
#define NGX_HTTP_PROFILE_CACHE_ENTITIES  256

/* A key whose name is longer is looked up each time. */

#define NGX_HTTP_PROFILE_CACHE_NAME      64


typedef struct {
    uint64_t          epoch;
    profile_key_t     key;
    u_char            digest[PROFILE_DIGEST_SIZE];
    u_char            name[NGX_HTTP_PROFILE_CACHE_NAME];
} ngx_http_profile_cache_key_t;


typedef struct {
    uint64_t          epoch;
    profile_entity_t  entity;
} ngx_http_profile_cache_entity_t;


/*
 * Belongs to one process; set to zero before its first use.  What is of
 * another epoch was of another snapshot, and does not count.
 */

typedef struct {
    uint64_t                         epoch;       /* of snapshot, from 1 on */
    profile_snapshot_t               snapshot;
    ngx_http_profile_cache_key_t     keys[NGX_HTTP_PROFILE_CACHE_KEYS];
    ngx_http_profile_cache_entity_t  entities[NGX_HTTP_PROFILE_CACHE_ENTITIES];
} ngx_http_profile_cache_t;


/*
 * Whose the key with this digest is, or NULL.  It may change with the next
 * call.  Whether the key has expired is for the caller to see.
 */

const profile_key_t *ngx_http_profile_cache_key(
    ngx_http_profile_cache_t *cache, const profile_snapshot_t *snapshot,
    const u_char *digest);
void ngx_http_profile_cache_add_key(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, const u_char *digest,
    const profile_key_t *key);

/* An entity without its texts, or NULL; likewise. */

const profile_entity_t *ngx_http_profile_cache_entity(
    ngx_http_profile_cache_t *cache, const profile_snapshot_t *snapshot,
    uint32_t workspace, uint32_t id);
void ngx_http_profile_cache_add_entity(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, const profile_entity_t *entity);


#endif /* _NGX_HTTP_PROFILE_CACHE_H_INCLUDED_ */
