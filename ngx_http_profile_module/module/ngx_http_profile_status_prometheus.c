
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The status page in Prometheus' text format: names, units and types as its
 * conventions have them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_status.h"


typedef enum {
    NGX_HTTP_PROFILE_METRIC_INFO = 0,
    NGX_HTTP_PROFILE_METRIC_READY,
    NGX_HTTP_PROFILE_METRIC_RECORDS,
    NGX_HTTP_PROFILE_METRIC_BYTES,
    NGX_HTTP_PROFILE_METRIC_CHANGED,
    NGX_HTTP_PROFILE_METRIC_REFRESHED,
    NGX_HTTP_PROFILE_METRIC_AGE
} ngx_http_profile_metric_e;


static void ngx_http_profile_prometheus_gauge(ngx_http_profile_text_t *text,
    const char *name, const char *help, uint64_t value);
static void ngx_http_profile_prometheus_head(ngx_http_profile_text_t *text,
    const char *name, const char *type, const char *help);
static void ngx_http_profile_prometheus_store(
    ngx_http_profile_status_t *status, ngx_http_profile_text_t *text);
static void ngx_http_profile_prometheus_requests(
    ngx_http_profile_sums_t *sums, ngx_http_profile_text_t *text);
static void ngx_http_profile_prometheus_lookups(
    ngx_http_profile_sums_t *sums, ngx_http_profile_text_t *text);
static void ngx_http_profile_prometheus_entities(
    ngx_http_profile_status_t *status, ngx_http_profile_metric_e metric,
    const char *name, const char *help, ngx_http_profile_text_t *text);
static void ngx_http_profile_prometheus_entity(
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    ngx_http_profile_status_entity_t *entity,
    ngx_http_profile_metric_e metric, const char *name,
    ngx_http_profile_text_t *text);
static uint64_t ngx_http_profile_prometheus_value(
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity,
    ngx_http_profile_metric_e metric);


/* Of an entity, each with the labels of the first. */

static struct {
    ngx_http_profile_metric_e   metric;
    const char                 *name;
    const char                 *help;
} ngx_http_profile_metrics[] = {

    { NGX_HTTP_PROFILE_METRIC_INFO, "profile_entity_info",
      "The names of an entity and of its workspace." },

    { NGX_HTTP_PROFILE_METRIC_READY, "profile_entity_ready",
      "Whether the entity's first load is complete." },

    { NGX_HTTP_PROFILE_METRIC_RECORDS, "profile_entity_records",
      "Records of the entity." },

    { NGX_HTTP_PROFILE_METRIC_BYTES, "profile_entity_body_bytes",
      "Bytes of the bodies of the entity's records." },

    { NGX_HTTP_PROFILE_METRIC_CHANGED,
      "profile_entity_changed_timestamp_seconds",
      "When the entity's content last changed." },

    { NGX_HTTP_PROFILE_METRIC_REFRESHED,
      "profile_entity_refreshed_timestamp_seconds",
      "When the entity was last refreshed." },

    { NGX_HTTP_PROFILE_METRIC_AGE, "profile_entity_age_seconds",
      "Time since the entity was last refreshed." }
};


void
ngx_http_profile_status_prometheus(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    ngx_uint_t  i, n;

    ngx_http_profile_prometheus_gauge(text, "profile_up",
               "Whether the store can be served.",
               status->state != NGX_HTTP_PROFILE_STATE_UNAVAILABLE);

    if (status->state != NGX_HTTP_PROFILE_STATE_UNAVAILABLE) {
        ngx_http_profile_prometheus_store(status, text);
    }

    ngx_http_profile_prometheus_requests(&status->sums, text);
    ngx_http_profile_prometheus_lookups(&status->sums, text);

    if (status->state == NGX_HTTP_PROFILE_STATE_UNAVAILABLE) {
        return;
    }

    n = sizeof(ngx_http_profile_metrics) / sizeof(ngx_http_profile_metrics[0]);

    for (i = 0; i < n; i++) {
        ngx_http_profile_prometheus_entities(status,
                                           ngx_http_profile_metrics[i].metric,
                                           ngx_http_profile_metrics[i].name,
                                           ngx_http_profile_metrics[i].help,
                                           text);
    }
}


static void
ngx_http_profile_prometheus_gauge(ngx_http_profile_text_t *text,
    const char *name, const char *help, uint64_t value)
{
    ngx_http_profile_prometheus_head(text, name, "gauge", help);
    ngx_http_profile_text(text, "%s %uL\n", name, value);
}


static void
ngx_http_profile_prometheus_head(ngx_http_profile_text_t *text,
    const char *name, const char *type, const char *help)
{
    ngx_http_profile_text(text, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                          name, type);
}


static void
ngx_http_profile_prometheus_store(ngx_http_profile_status_t *status,
    ngx_http_profile_text_t *text)
{
    ngx_http_profile_prometheus_gauge(text, "profile_degraded",
               "Whether the store is served but not followed.",
               status->store->trouble != 0);

    ngx_http_profile_prometheus_gauge(text, "profile_store_generation",
               "The generation that is served.", status->info.generation);

    ngx_http_profile_prometheus_gauge(text, "profile_store_sealed",
               "Whether the generation is sealed.",
               (uint64_t) status->info.sealed);

    ngx_http_profile_prometheus_gauge(text, "profile_store_transaction",
               "The last transaction of the generation.",
               status->info.transaction);

    ngx_http_profile_prometheus_gauge(text, "profile_store_size_bytes",
               "The size of the data file.", status->info.size);

    ngx_http_profile_prometheus_gauge(text, "profile_store_used_bytes",
               "Bytes of the data file's pages, free ones included.",
               status->info.used);

    ngx_http_profile_prometheus_gauge(text, "profile_store_readers",
               "Reader slots in use.", status->info.readers);

    ngx_http_profile_prometheus_gauge(text, "profile_store_readers_max",
               "Reader slots that there are.", status->info.max_readers);
}


static void
ngx_http_profile_prometheus_requests(ngx_http_profile_sums_t *sums,
    ngx_http_profile_text_t *text)
{
    ngx_uint_t  i;

    ngx_http_profile_prometheus_head(text, "profile_requests_total",
                                     "counter", "Requests by their result.");

    for (i = 0; i < NGX_HTTP_PROFILE_COUNT_N; i++) {
        ngx_http_profile_text(text,
                              "profile_requests_total{result=\"%V\"} %uL\n",
                              &ngx_http_profile_count_names[i],
                              sums->requests[i]);
    }
}


static void
ngx_http_profile_prometheus_lookups(ngx_http_profile_sums_t *sums,
    ngx_http_profile_text_t *text)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    ngx_http_profile_prometheus_head(text, "profile_lookup_duration_seconds",
                                     "histogram",
                                     "Time in the store for a request.");

    for (i = 0; i < NGX_HTTP_PROFILE_BUCKETS; i++) {
        count += sums->lookups[i];

        ngx_http_profile_text(text, "profile_lookup_duration_seconds_bucket"
                              "{le=\"%V\"} %uL\n",
                              &ngx_http_profile_bounds[i].seconds, count);
    }

    count += sums->lookups[i];

    ngx_http_profile_text(text, "profile_lookup_duration_seconds_bucket"
                          "{le=\"+Inf\"} %uL\n"
                          "profile_lookup_duration_seconds_sum %uL.%09uL\n"
                          "profile_lookup_duration_seconds_count %uL\n",
                          count,
                          sums->nanoseconds / NGX_HTTP_PROFILE_NANOSECONDS,
                          sums->nanoseconds % NGX_HTTP_PROFILE_NANOSECONDS,
                          count);
}


static void
ngx_http_profile_prometheus_entities(ngx_http_profile_status_t *status,
    ngx_http_profile_metric_e metric, const char *name, const char *help,
    ngx_http_profile_text_t *text)
{
    ngx_uint_t                            i, n;
    ngx_http_profile_status_entity_t     *entity;
    ngx_http_profile_status_workspace_t  *workspace;

    ngx_http_profile_prometheus_head(text, name, "gauge", help);

    workspace = status->workspaces.elts;

    for (i = 0; i < status->workspaces.nelts; i++) {

        entity = workspace[i].entities.elts;

        for (n = 0; n < workspace[i].entities.nelts; n++) {
            ngx_http_profile_prometheus_entity(status, &workspace[i],
                                               &entity[n], metric, name,
                                               text);
        }
    }
}


static void
ngx_http_profile_prometheus_entity(ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    ngx_http_profile_status_entity_t *entity,
    ngx_http_profile_metric_e metric, const char *name,
    ngx_http_profile_text_t *text)
{
    /* what has not been loaded has neither an age nor a size */

    if (!entity->ready && metric > NGX_HTTP_PROFILE_METRIC_READY) {
        return;
    }

    ngx_http_profile_text(text, "%s{workspace=\"%uD\",entity=\"%uD\"", name,
                          workspace->id, entity->id);

    if (metric == NGX_HTTP_PROFILE_METRIC_INFO) {
        ngx_http_profile_text(text, ",workspace_name=");
        ngx_http_profile_text_label(text, workspace->name.data,
                                    workspace->name.len);
        ngx_http_profile_text(text, ",entity_name=");
        ngx_http_profile_text_label(text, entity->name.data,
                                    entity->name.len);
    }

    ngx_http_profile_text(text, "} %uL\n",
                          ngx_http_profile_prometheus_value(status, entity,
                                                            metric));
}


static uint64_t
ngx_http_profile_prometheus_value(ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity,
    ngx_http_profile_metric_e metric)
{
    switch (metric) {

    case NGX_HTTP_PROFILE_METRIC_READY:
        return entity->ready;

    case NGX_HTTP_PROFILE_METRIC_RECORDS:
        return entity->records;

    case NGX_HTTP_PROFILE_METRIC_BYTES:
        return entity->bytes;

    case NGX_HTTP_PROFILE_METRIC_CHANGED:
        return entity->changed;

    case NGX_HTTP_PROFILE_METRIC_REFRESHED:
        return entity->refreshed;

    case NGX_HTTP_PROFILE_METRIC_AGE:
        return ngx_http_profile_status_age(status, entity);

    default:
        return 1;
    }
}
