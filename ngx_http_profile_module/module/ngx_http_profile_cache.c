
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A table of keys and one of entities.  Each has one place in its table,
 * whoever comes last has it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_profile_cache.h"


static ngx_uint_t ngx_http_profile_cache_holds(
    ngx_http_profile_cache_t *cache, const profile_snapshot_t *snapshot);
static void ngx_http_profile_cache_follow(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot);
static ngx_http_profile_cache_key_t *ngx_http_profile_cache_key_place(
    ngx_http_profile_cache_t *cache, const u_char *digest);
static ngx_http_profile_cache_entity_t *ngx_http_profile_cache_entity_place(
    ngx_http_profile_cache_t *cache, uint32_t workspace, uint32_t id);


const profile_key_t *
ngx_http_profile_cache_key(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, const u_char *digest)
{
    ngx_http_profile_cache_key_t  *place;

    if (!ngx_http_profile_cache_holds(cache, snapshot)) {
        return NULL;
    }

    place = ngx_http_profile_cache_key_place(cache, digest);

    if (place->epoch != cache->epoch
        || ngx_memcmp(place->digest, digest, PROFILE_DIGEST_SIZE) != 0)
    {
        return NULL;
    }

    return &place->key;
}


void
ngx_http_profile_cache_add_key(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, const u_char *digest,
    const profile_key_t *key)
{
    ngx_http_profile_cache_key_t  *place;

    if (key->name.len > NGX_HTTP_PROFILE_CACHE_NAME) {
        return;
    }

    ngx_http_profile_cache_follow(cache, snapshot);

    place = ngx_http_profile_cache_key_place(cache, digest);

    place->epoch = cache->epoch;
    ngx_memcpy(place->digest, digest, PROFILE_DIGEST_SIZE);

    place->key = *key;
    place->key.name.data = place->name;
    ngx_memcpy(place->name, key->name.data, key->name.len);
}


const profile_entity_t *
ngx_http_profile_cache_entity(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, uint32_t workspace, uint32_t id)
{
    ngx_http_profile_cache_entity_t  *place;

    if (!ngx_http_profile_cache_holds(cache, snapshot)) {
        return NULL;
    }

    place = ngx_http_profile_cache_entity_place(cache, workspace, id);

    if (place->epoch != cache->epoch
        || place->entity.workspace != workspace
        || place->entity.id != id)
    {
        return NULL;
    }

    return &place->entity;
}


void
ngx_http_profile_cache_add_entity(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot, const profile_entity_t *entity)
{
    ngx_http_profile_cache_entity_t  *place;

    ngx_http_profile_cache_follow(cache, snapshot);

    place = ngx_http_profile_cache_entity_place(cache, entity->workspace,
                                                entity->id);

    place->epoch = cache->epoch;
    place->entity = *entity;
    ngx_memzero(&place->entity.name, sizeof(profile_bytes_t));
    ngx_memzero(&place->entity.primary_key, sizeof(profile_bytes_t));
}


static ngx_uint_t
ngx_http_profile_cache_holds(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot)
{
    return cache->snapshot.opening == snapshot->opening
           && cache->snapshot.transaction == snapshot->transaction;
}


static void
ngx_http_profile_cache_follow(ngx_http_profile_cache_t *cache,
    const profile_snapshot_t *snapshot)
{
    if (!ngx_http_profile_cache_holds(cache, snapshot)) {
        cache->epoch++;
        cache->snapshot = *snapshot;
    }
}


static ngx_http_profile_cache_key_t *
ngx_http_profile_cache_key_place(ngx_http_profile_cache_t *cache,
    const u_char *digest)
{
    return &cache->keys[(digest[0] << 8 | digest[1])
                        % NGX_HTTP_PROFILE_CACHE_KEYS];
}


static ngx_http_profile_cache_entity_t *
ngx_http_profile_cache_entity_place(ngx_http_profile_cache_t *cache,
    uint32_t workspace, uint32_t id)
{
    return &cache->entities[(workspace * 31 + id)
                            % NGX_HTTP_PROFILE_CACHE_ENTITIES];
}
