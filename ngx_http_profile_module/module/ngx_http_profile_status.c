
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Collects what the status page shows.
 *
 * The store is read in one snapshot, as for any request; what makes the page
 * slower than others is the look into a file for each entity.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_reply.h"
#include "ngx_http_profile_request.h"
#include "ngx_http_profile_status.h"


static ngx_int_t ngx_http_profile_status_collect(ngx_http_request_t *r,
    ngx_http_profile_status_t *status);
static int ngx_http_profile_status_read(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, profile_error_t *err);
static int ngx_http_profile_status_workspaces(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, const profile_view_t *view,
    profile_error_t *err);
static int ngx_http_profile_status_entities(ngx_http_request_t *r,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    const profile_view_t *view, profile_error_t *err);
static int ngx_http_profile_status_entity(ngx_http_request_t *r,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    const profile_entity_t *found, profile_error_t *err);
static int ngx_http_profile_status_copy(ngx_http_request_t *r,
    ngx_str_t *text, const profile_bytes_t *bytes, profile_error_t *err);
static int ngx_http_profile_status_check(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, profile_error_t *err);
static int ngx_http_profile_status_check_age(time_t max_age,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity, profile_error_t *err);


static ngx_str_t  ngx_http_profile_status_types[] = {
    ngx_null_string,
    ngx_string("application/json"),
    ngx_string("text/plain; version=0.0.4; charset=utf-8")
};


ngx_int_t
ngx_http_profile_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_uint_t                    code;
    ngx_http_profile_text_t       text;
    ngx_http_profile_result_e     result;
    ngx_http_profile_status_t     status;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    rc = ngx_http_profile_accept(r, &result);

    if (rc != NGX_OK) {
        return rc;
    }

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return ngx_http_profile_send_error(r, result);
    }

    if (ngx_http_profile_status_collect(r, &status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_profile_text_init(&text, r->pool);

    if (plcf->status == NGX_HTTP_PROFILE_STATUS_PROMETHEUS) {
        ngx_http_profile_status_prometheus(&status, &text);

    } else {
        ngx_http_profile_status_json(&status, &text);
    }

    if (text.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    code = (status.state < NGX_HTTP_PROFILE_STATE_STALE)
           ? NGX_HTTP_OK : NGX_HTTP_SERVICE_UNAVAILABLE;

    return ngx_http_profile_send_page(r, code,
                                 &ngx_http_profile_status_types[plcf->status],
                                 &text.text);
}


uint64_t
ngx_http_profile_status_age(ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity)
{
    /* the loader's clock may be ahead, if only by a fraction of a second */

    return (entity->refreshed > status->now) ? 0
                                             : status->now - entity->refreshed;
}


static ngx_int_t
ngx_http_profile_status_collect(ngx_http_request_t *r,
    ngx_http_profile_status_t *status)
{
    int                           rc;
    size_t                        len;
    profile_error_t               err;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    ngx_memzero(status, sizeof(ngx_http_profile_status_t));

    status->store = plcf->store;
    status->now = (uint64_t) ngx_time();

    ngx_http_profile_counters_sum(&plcf->store->counters, &status->sums);

    if (ngx_array_init(&status->workspaces, r->pool, 4,
                       sizeof(ngx_http_profile_status_workspace_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_profile_status_read(r, status, &err);

    if (rc != PROFILE_OK) {
        status->state = NGX_HTTP_PROFILE_STATE_UNAVAILABLE;
        status->workspaces.nelts = 0;

    } else {
        rc = ngx_http_profile_status_check(r, status, &err);
    }

    if (rc == PROFILE_OK) {
        return NGX_OK;
    }

    len = ngx_strlen(err.text);

    status->reason.data = ngx_pnalloc(r->pool, len);
    if (status->reason.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(status->reason.data, err.text, len);
    status->reason.len = len;

    return NGX_OK;
}


static int
ngx_http_profile_status_read(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, profile_error_t *err)
{
    int                        rc;
    const profile_view_t      *view;
    ngx_http_profile_store_t  *store;

    store = status->store;

    view = ngx_http_profile_store_begin(store, err);

    if (view == NULL) {
        return PROFILE_FAILED;
    }

    /* that of an emptied database has no workspaces, and no errors either */

    rc = profile_view_check(view, err);

    if (rc == PROFILE_OK) {
        rc = ngx_http_profile_status_workspaces(r, status, view, err);
    }

    ngx_http_profile_store_end(store);

    if (rc == PROFILE_OK) {
        rc = profile_reader_info(store->reader, &status->info, err);
    }

    if (rc != PROFILE_OK) {
        ngx_http_profile_store_report(store, err);
    }

    return rc;
}


static int
ngx_http_profile_status_workspaces(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, const profile_view_t *view,
    profile_error_t *err)
{
    int                                   rc;
    profile_walk_t                        walk;
    profile_workspace_t                   found;
    ngx_http_profile_status_workspace_t  *workspace;

    profile_walk_workspaces(&walk);

    for ( ;; ) {
        rc = profile_view_next_workspace(view, &walk, &found, err);

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }

        workspace = ngx_array_push(&status->workspaces);

        if (workspace == NULL
            || ngx_array_init(&workspace->entities, r->pool, 4,
                              sizeof(ngx_http_profile_status_entity_t))
               != NGX_OK)
        {
            return profile_error(err, PROFILE_FAILED, "out of memory");
        }

        workspace->id = found.id;

        rc = ngx_http_profile_status_copy(r, &workspace->name, &found.name,
                                          err);

        if (rc == PROFILE_OK) {
            rc = ngx_http_profile_status_entities(r, status, workspace, view,
                                                  err);
        }

        if (rc != PROFILE_OK) {
            return rc;
        }
    }
}


static int
ngx_http_profile_status_entities(ngx_http_request_t *r,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    const profile_view_t *view, profile_error_t *err)
{
    int               rc;
    profile_walk_t    walk;
    profile_entity_t  found;

    profile_walk_entities(&walk, workspace->id);

    for ( ;; ) {
        rc = profile_view_next_entity(view, &walk, &found, err);

        if (rc == PROFILE_OK) {
            rc = ngx_http_profile_status_entity(r, status, workspace, &found,
                                                err);
        }

        if (rc != PROFILE_OK) {
            return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
        }
    }
}


static int
ngx_http_profile_status_entity(ngx_http_request_t *r,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_workspace_t *workspace,
    const profile_entity_t *found, profile_error_t *err)
{
    ngx_http_profile_status_entity_t  *entity;

    entity = ngx_array_push(&workspace->entities);
    if (entity == NULL) {
        return profile_error(err, PROFILE_FAILED, "out of memory");
    }

    entity->id = found->id;
    entity->workspace = found->workspace;
    entity->ready = (found->incarnation != 0);
    entity->records = found->records;
    entity->bytes = found->bytes;
    entity->changed = found->changed;
    entity->refreshed = profile_reader_refreshed(status->store->reader,
                                                 found);

    return ngx_http_profile_status_copy(r, &entity->name, &found->name, err);
}


static int
ngx_http_profile_status_copy(ngx_http_request_t *r, ngx_str_t *text,
    const profile_bytes_t *bytes, profile_error_t *err)
{
    text->data = ngx_pnalloc(r->pool, bytes->len);
    if (text->data == NULL) {
        return profile_error(err, PROFILE_FAILED, "out of memory");
    }

    ngx_memcpy(text->data, bytes->data, bytes->len);
    text->len = bytes->len;

    return PROFILE_OK;
}


/* What is served, but not as it should be.  What is too old comes first. */

static int
ngx_http_profile_status_check(ngx_http_request_t *r,
    ngx_http_profile_status_t *status, profile_error_t *err)
{
    int                                   rc;
    ngx_uint_t                            i, n;
    ngx_http_profile_loc_conf_t          *plcf;
    ngx_http_profile_status_entity_t     *entity;
    ngx_http_profile_status_workspace_t  *workspace;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);
    workspace = status->workspaces.elts;

    for (i = 0; plcf->max_age != 0 && i < status->workspaces.nelts; i++) {

        entity = workspace[i].entities.elts;

        for (n = 0; n < workspace[i].entities.nelts; n++) {

            rc = ngx_http_profile_status_check_age(plcf->max_age, status,
                                                   &entity[n], err);
            if (rc != PROFILE_OK) {
                status->state = NGX_HTTP_PROFILE_STATE_STALE;
                return rc;
            }
        }
    }

    if (status->store->trouble != 0) {
        status->state = NGX_HTTP_PROFILE_STATE_DEGRADED;
        *err = status->store->reason;

        return err->code;
    }

    return PROFILE_OK;
}


static int
ngx_http_profile_status_check_age(time_t max_age,
    ngx_http_profile_status_t *status,
    ngx_http_profile_status_entity_t *entity, profile_error_t *err)
{
    uint64_t  age;

    if (!entity->ready) {
        return profile_error(err, PROFILE_ABSENT,
                             "entity %u of workspace %u has not been loaded "
                             "yet", (unsigned) entity->id,
                             (unsigned) entity->workspace);
    }

    age = ngx_http_profile_status_age(status, entity);

    if (age > (uint64_t) max_age) {
        return profile_error(err, PROFILE_ABSENT,
                             "entity %u of workspace %u was refreshed %llu "
                             "seconds ago, more than the %lld of "
                             "profile_max_age", (unsigned) entity->id,
                             (unsigned) entity->workspace,
                             (unsigned long long) age, (long long) max_age);
    }

    return PROFILE_OK;
}
