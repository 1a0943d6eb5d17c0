
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The status page in JSON: the names of "profile-loader status --json",
 * where both show the same.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_status.h"


static void ngx_http_profile_json_store(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text);
static void ngx_http_profile_json_counters(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text);
static void ngx_http_profile_json_workspaces(
    ngx_http_profile_status_t *status, ngx_http_profile_text_t *text);
static void ngx_http_profile_json_entity(ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity, ngx_http_profile_text_t *text);
static void ngx_http_profile_json_time(ngx_http_profile_text_t *text,
    const char *name, uint64_t seconds);


/* In the order of ngx_http_profile_state_e. */

static const char  *ngx_http_profile_states[] = {
    "\"status\":200,\"code\":\"ok\"",
    "\"status\":200,\"code\":\"degraded\"",
    "\"status\":503,\"code\":\"entity_stale\"",
    "\"status\":503,\"code\":\"store_unavailable\""
};


void
ngx_http_profile_status_json(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    ngx_http_profile_text(text, "{%s,\"message\":",
                          ngx_http_profile_states[status->state]);

    ngx_http_profile_text_json(text, status->reason.data,
                               status->reason.len);

    ngx_http_profile_json_store(status, text);
    ngx_http_profile_json_counters(status, text);
    ngx_http_profile_json_workspaces(status, text);

    ngx_http_profile_text(text, "}\n");
}


static void
ngx_http_profile_json_store(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    ngx_http_profile_text(text, ",\"store\":");

    ngx_http_profile_text_json(text, status->store->directory.data,
                               status->store->directory.len);

    if (status->state == NGX_HTTP_PROFILE_STATE_UNAVAILABLE) {
        ngx_http_profile_text(text, ",\"generation\":null,\"sealed\":null,"
                              "\"transaction\":null,\"size\":null,"
                              "\"used\":null,\"readers\":null,"
                              "\"max_readers\":null");
        return;
    }

    ngx_http_profile_text(text, ",\"generation\":%uD,\"sealed\":%s,"
                          "\"transaction\":%uL,\"size\":%uL,\"used\":%uL,"
                          "\"readers\":%uD,\"max_readers\":%uD",
                          status->info.generation,
                          status->info.sealed ? "true" : "false",
                          status->info.transaction, status->info.size,
                          status->info.used, status->info.readers,
                          status->info.max_readers);
}


static void
ngx_http_profile_json_counters(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    uint64_t                  count;
    ngx_uint_t                i;
    ngx_http_profile_sums_t  *sums;

    sums = &status->sums;

    for (i = 0; i < NGX_HTTP_PROFILE_COUNT_N; i++) {
        ngx_http_profile_text(text, "%s\"%V\":%uL",
                              i == 0 ? ",\"requests\":{" : ",",
                              &ngx_http_profile_count_names[i],
                              sums->requests[i]);
    }

    count = 0;

    for (i = 0; i < NGX_HTTP_PROFILE_BUCKETS + 1; i++) {
        count += sums->lookups[i];
    }

    ngx_http_profile_text(text, "},\"lookups\":{\"count\":%uL,"
                          "\"seconds\":%uL.%09uL,\"buckets\":[", count,
                          sums->nanoseconds / NGX_HTTP_PROFILE_NANOSECONDS,
                          sums->nanoseconds % NGX_HTTP_PROFILE_NANOSECONDS);

    count = 0;

    for (i = 0; i < NGX_HTTP_PROFILE_BUCKETS; i++) {
        count += sums->lookups[i];

        ngx_http_profile_text(text, "%s{\"le\":%V,\"count\":%uL}",
                              i == 0 ? "" : ",",
                              &ngx_http_profile_bounds[i].seconds, count);
    }

    ngx_http_profile_text(text, "]}");
}


static void
ngx_http_profile_json_workspaces(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    ngx_uint_t                            i, n;
    ngx_http_profile_status_entity_t     *entity;
    ngx_http_profile_status_workspace_t  *workspace;

    workspace = status->workspaces.elts;

    ngx_http_profile_text(text, ",\"workspaces\":[");

    for (i = 0; i < status->workspaces.nelts; i++) {

        ngx_http_profile_text(text, "%s{\"id\":%uD,\"name\":",
                              i == 0 ? "" : ",", workspace[i].id);
        ngx_http_profile_text_json(text, workspace[i].name.data,
                                   workspace[i].name.len);
        ngx_http_profile_text(text, ",\"entities\":[");

        entity = workspace[i].entities.elts;

        for (n = 0; n < workspace[i].entities.nelts; n++) {

            if (n != 0) {
                ngx_http_profile_text(text, ",");
            }

            ngx_http_profile_json_entity(status, &entity[n], text);
        }

        ngx_http_profile_text(text, "]}");
    }

    ngx_http_profile_text(text, "]");
}


static void
ngx_http_profile_json_entity(ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity, ngx_http_profile_text_t *text)
{
    ngx_http_profile_text(text, "{\"id\":%uD,\"name\":", entity->id);
    ngx_http_profile_text_json(text, entity->name.data, entity->name.len);
    ngx_http_profile_text(text, ",\"ready\":%s,\"records\":%uL,"
                          "\"bytes\":%uL",
                          entity->ready ? "true" : "false", entity->records,
                          entity->bytes);

    ngx_http_profile_json_time(text, "changed_at", entity->changed);
    ngx_http_profile_json_time(text, "refreshed_at", entity->refreshed);

    if (entity->refreshed == 0) {
        ngx_http_profile_text(text, ",\"age\":null}");
        return;
    }

    ngx_http_profile_text(text, ",\"age\":%uL}",
                          ngx_http_profile_status_age(status, entity));
}


static void
ngx_http_profile_json_time(ngx_http_profile_text_t *text, const char *name,
    uint64_t seconds)
{
    ngx_tm_t  tm;

    if (seconds == 0) {
        ngx_http_profile_text(text, ",\"%s\":null", name);
        return;
    }

    ngx_gmtime((time_t) seconds, &tm);

    ngx_http_profile_text(text,
                          ",\"%s\":\"%4d-%02d-%02dT%02d:%02d:%02dZ\"", name,
                          tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                          tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}
