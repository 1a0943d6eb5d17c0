
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The variables of the module.
 *
 * None is cached by nginx: a subrequest shares its parent's cache, and may
 * be somebody else's by "profile_bearer".  What is costly is kept in the
 * request's context.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_module.h"
#include "ngx_http_profile_reply.h"
#include "ngx_http_profile_request.h"
#include "ngx_http_profile_variables.h"


static ngx_int_t ngx_http_profile_variable_workspace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_profile_variable_key(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_profile_variable_entity(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_profile_variable_result(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_profile_variable_refreshed(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_profile_variable_generation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_profile_request_t *ngx_http_profile_look(
    ngx_http_request_t *r, ngx_http_profile_result_e *result);
static ngx_http_profile_result_e ngx_http_profile_look_ahead(
    ngx_http_request_t *r, ngx_http_profile_request_t *ctx);
static ngx_int_t ngx_http_profile_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uint64_t number);
static ngx_int_t ngx_http_profile_variable_text(ngx_http_variable_value_t *v,
    ngx_str_t *text);


/* The data of two variables with one handler. */

#define NGX_HTTP_PROFILE_REFRESHED_AT  0
#define NGX_HTTP_PROFILE_AGE           1


static ngx_http_variable_t  ngx_http_profile_variables[] = {

    { ngx_string("profile_workspace"), NULL,
      ngx_http_profile_variable_workspace, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_key"), NULL,
      ngx_http_profile_variable_key, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_entity"), NULL,
      ngx_http_profile_variable_entity, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_result"), NULL,
      ngx_http_profile_variable_result, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_refreshed_at"), NULL,
      ngx_http_profile_variable_refreshed, NGX_HTTP_PROFILE_REFRESHED_AT,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_age"), NULL,
      ngx_http_profile_variable_refreshed, NGX_HTTP_PROFILE_AGE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("profile_generation"), NULL,
      ngx_http_profile_variable_generation, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_str_t  ngx_http_profile_no_age = ngx_string("0");


static ngx_int_t
ngx_http_profile_variable_workspace(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, NULL);

    return ngx_http_profile_variable_number(r, v,
                                            ctx == NULL ? 0 : ctx->workspace);
}


static ngx_int_t
ngx_http_profile_variable_key(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, NULL);

    return ngx_http_profile_variable_text(v,
                                          ctx == NULL ? NULL : &ctx->key_name);
}


static ngx_int_t
ngx_http_profile_variable_entity(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, NULL);

    return ngx_http_profile_variable_number(r, v,
                                            ctx == NULL ? 0 : ctx->entity.id);
}


/* Before the reply there is a result only where it is clear already. */

static ngx_int_t
ngx_http_profile_variable_result(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_profile_result_e    result;
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, &result);

    if (ctx == NULL || (!ctx->done && result == NGX_HTTP_PROFILE_FOUND)) {
        return ngx_http_profile_variable_text(v, NULL);
    }

    return ngx_http_profile_variable_text(v,
               &ngx_http_profile_count_names[ngx_http_profile_classify(
                                                                  result)]);
}


static ngx_int_t
ngx_http_profile_variable_refreshed(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    uint64_t                     refreshed, now;
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, NULL);

    if (ctx == NULL || ctx->entity.id == 0 || ctx->entity.incarnation == 0) {
        return ngx_http_profile_variable_text(v, NULL);
    }

    refreshed = ngx_http_profile_store_refreshed(ctx->store, &ctx->entity);

    if (data == NGX_HTTP_PROFILE_REFRESHED_AT) {
        return ngx_http_profile_variable_number(r, v, refreshed);
    }

    /* the loader's clock may be ahead, if only by a fraction of a second */

    now = (uint64_t) ngx_time();

    if (refreshed >= now) {
        return ngx_http_profile_variable_text(v, &ngx_http_profile_no_age);
    }

    return ngx_http_profile_variable_number(r, v, now - refreshed);
}


static ngx_int_t
ngx_http_profile_variable_generation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_profile_request_t  *ctx;

    ctx = ngx_http_profile_look(r, NULL);

    return ngx_http_profile_variable_number(r, v,
                                            ctx == NULL ? 0
                                                        : ctx->generation);
}


/*
 * The context, as the content handler has left it or as it would be now.
 * NULL outside of "profile_api", and in the value of "profile_bearer", which
 * cannot know what comes of itself.
 */

static ngx_http_profile_request_t *
ngx_http_profile_look(ngx_http_request_t *r,
    ngx_http_profile_result_e *result)
{
    ngx_http_profile_result_e     now;
    ngx_http_profile_request_t   *ctx;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    if (plcf->api != 1) {
        return NULL;
    }

    ctx = ngx_http_profile_request(r);
    if (ctx == NULL || ctx->busy) {
        return NULL;
    }

    now = ctx->looked ? ctx->result : ngx_http_profile_look_ahead(r, ctx);

    if (result != NULL) {
        *result = ctx->done ? ctx->result : now;
    }

    return ctx;
}


static ngx_http_profile_result_e
ngx_http_profile_look_ahead(ngx_http_request_t *r,
    ngx_http_profile_request_t *ctx)
{
    profile_error_t               err;
    const profile_view_t         *view;
    ngx_http_profile_result_e     result;
    ngx_http_profile_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_profile_module);

    result = ngx_http_profile_identify(r, ctx);

    if (result != NGX_HTTP_PROFILE_FOUND) {
        return result;
    }

    view = ngx_http_profile_store_begin(plcf->store, &err);

    if (view == NULL) {
        return NGX_HTTP_PROFILE_STORE_UNAVAILABLE;
    }

    result = ngx_http_profile_resolve(r, ctx, view);

    ngx_http_profile_store_end(plcf->store);

    return result;
}


/* No number is 0: ids, generations and times begin with 1. */

static ngx_int_t
ngx_http_profile_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uint64_t number)
{
    ngx_str_t  text;

    if (number == 0) {
        return ngx_http_profile_variable_text(v, NULL);
    }

    text.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "%uL", number) - text.data;

    return ngx_http_profile_variable_text(v, &text);
}


/* What is not found is a "-" in a log and empty everywhere else. */

static ngx_int_t
ngx_http_profile_variable_text(ngx_http_variable_value_t *v, ngx_str_t *text)
{
    if (text == NULL || text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = text->len;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->data = text->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_profile_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_profile_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}
