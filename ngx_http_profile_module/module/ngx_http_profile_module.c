
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Serves a workspace's entity list and records out of a profile store: the
 * directives, and what happens at the start and the end of a process.
 *
 * There are no globals: all hangs on the configuration of a cycle, so that
 * an old one may go on serving while a new one starts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_profile_module.h"
#include "ngx_http_profile_opening.h"
#include "ngx_http_profile_status.h"
#include "ngx_http_profile_variables.h"


static char *ngx_http_profile_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_profile_api(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_profile_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_profile_threads(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_profile_header_value(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_profile_interval(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_profile_age(ngx_conf_t *cf, void *post, void *data);
static ngx_http_profile_store_t *ngx_http_profile_add_store(ngx_conf_t *cf,
    ngx_str_t *directory);
static void *ngx_http_profile_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_profile_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_profile_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_http_profile_inherit(ngx_conf_t *cf,
    ngx_http_profile_loc_conf_t *prev, ngx_http_profile_loc_conf_t *conf);
static char *ngx_http_profile_use_store(ngx_conf_t *cf,
    ngx_http_profile_loc_conf_t *conf);
static char *ngx_http_profile_challenges(ngx_conf_t *cf,
    ngx_http_profile_loc_conf_t *conf);
static ngx_int_t ngx_http_profile_challenge(ngx_conf_t *cf, ngx_str_t *realm,
    const char *parameters, ngx_str_t *challenge);
static ngx_int_t ngx_http_profile_init_process(ngx_cycle_t *cycle);
static void ngx_http_profile_cleanup(void *data);


static ngx_conf_post_t  ngx_http_profile_header_value_post = {
    ngx_http_profile_header_value
};


static ngx_conf_post_t  ngx_http_profile_interval_post = {
    ngx_http_profile_interval
};


static ngx_conf_enum_t  ngx_http_profile_readahead[] = {
    { ngx_string("auto"), PROFILE_READAHEAD_AUTO },
    { ngx_string("on"), PROFILE_READAHEAD_ON },
    { ngx_string("off"), PROFILE_READAHEAD_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_post_t  ngx_http_profile_age_post = {
    ngx_http_profile_age
};


static ngx_command_t  ngx_http_profile_commands[] = {

    { ngx_string("profile_store"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_profile_store,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("profile_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_profile_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("profile_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_profile_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("profile_max_age"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, max_age),
      &ngx_http_profile_age_post },

    { ngx_string("profile_bearer"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, bearer),
      NULL },

    { ngx_string("profile_realm"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, realm),
      &ngx_http_profile_header_value_post },

    { ngx_string("profile_cache_control"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, cache_control),
      &ngx_http_profile_header_value_post },

    { ngx_string("profile_check_interval"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, check_interval),
      &ngx_http_profile_interval_post },

    { ngx_string("profile_readahead"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_profile_loc_conf_t, readahead),
      &ngx_http_profile_readahead },

    { ngx_string("profile_threads"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_profile_threads,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_profile_module_ctx = {
    ngx_http_profile_add_variables,        /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_profile_create_main_conf,     /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_profile_create_loc_conf,      /* create location configuration */
    ngx_http_profile_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_profile_module = {
    NGX_MODULE_V1,
    &ngx_http_profile_module_ctx,          /* module context */
    ngx_http_profile_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_profile_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Never fails: a worker that cannot start is not started again, and a store
 * that is missing now may be there soon.  The cache manager and the cache
 * loader come here too, and must not open a store.
 */

static ngx_int_t
ngx_http_profile_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_profile_store_t      **stores;
    ngx_http_profile_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_profile_module);
    if (pmcf == NULL) {
        return NGX_OK;
    }

    stores = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {
        if (stores[i]->interval != NGX_CONF_UNSET_MSEC) {
            ngx_http_profile_store_start(stores[i], cycle);
        }
    }

    return NGX_OK;
}


/* With the pool of the cycle, at the end of a worker. */

static void
ngx_http_profile_cleanup(void *data)
{
    ngx_http_profile_main_conf_t  *pmcf = data;

    ngx_uint_t                  i;
    ngx_http_profile_store_t  **stores;

    stores = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {
        ngx_http_profile_store_stop(stores[i]);
    }

    ngx_http_profile_digest_done(&pmcf->digest);
}


static void *
ngx_http_profile_create_main_conf(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_profile_main_conf_t  *pmcf;

    /*
     * set by ngx_pcalloc():
     *
     *     pmcf->digest = { NULL, NULL };
     */

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_profile_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pmcf->stores, cf->pool, 1,
                       sizeof(ngx_http_profile_store_t *))
        != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_profile_cleanup;
    cln->data = pmcf;

    return pmcf;
}


static void *
ngx_http_profile_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_profile_loc_conf_t  *plcf;

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->bearer = NULL;
     *     plcf->realm = { 0, NULL };
     *     plcf->challenge = { 0, NULL };
     *     plcf->challenge_invalid = { 0, NULL };
     *     plcf->cache_control = { 0, NULL };
     */

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_profile_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    plcf->store = NGX_CONF_UNSET_PTR;
    plcf->check_interval = NGX_CONF_UNSET_MSEC;
    plcf->readahead = NGX_CONF_UNSET_UINT;
#if (NGX_THREADS)
    plcf->threads = NGX_CONF_UNSET_PTR;
#endif
    plcf->max_age = NGX_CONF_UNSET;
    plcf->api = NGX_CONF_UNSET;
    plcf->status = NGX_CONF_UNSET_UINT;

    return plcf;
}


static char *
ngx_http_profile_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_profile_loc_conf_t *prev = parent;
    ngx_http_profile_loc_conf_t *conf = child;

    ngx_conf_merge_ptr_value(conf->store, prev->store, NULL);
    ngx_conf_merge_str_value(conf->realm, prev->realm, "profile");
    ngx_conf_merge_str_value(conf->cache_control, prev->cache_control,
                             "private, no-cache");
    ngx_conf_merge_msec_value(conf->check_interval, prev->check_interval,
                              1000);

    ngx_conf_merge_uint_value(conf->readahead, prev->readahead,
                              PROFILE_READAHEAD_AUTO);
    ngx_conf_merge_sec_value(conf->max_age, prev->max_age, 0);

#if (NGX_THREADS)
    ngx_conf_merge_ptr_value(conf->threads, prev->threads, NULL);
#endif

    if (conf->bearer == NULL) {
        conf->bearer = prev->bearer;
    }

    ngx_http_profile_inherit(cf, prev, conf);

    if (!conf->api && conf->status == NGX_HTTP_PROFILE_STATUS_NONE) {
        return NGX_CONF_OK;
    }

    if (ngx_http_profile_use_store(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_profile_challenges(cf, conf);
}


/* "if" and "limit_except" blocks are parts of their location. */

static void
ngx_http_profile_inherit(ngx_conf_t *cf, ngx_http_profile_loc_conf_t *prev,
    ngx_http_profile_loc_conf_t *conf)
{
    ngx_uint_t                 part;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    part = (clcf->noname && clcf->handler == NULL);

    if (conf->api == NGX_CONF_UNSET) {
        conf->api = (part && prev->api == 1);

        if (conf->api) {
            clcf->handler = ngx_http_profile_handler;
        }
    }

    if (conf->status == NGX_CONF_UNSET_UINT) {
        conf->status = NGX_HTTP_PROFILE_STATUS_NONE;

        if (part
            && prev->status != NGX_CONF_UNSET_UINT
            && prev->status != NGX_HTTP_PROFILE_STATUS_NONE)
        {
            conf->status = prev->status;
            clcf->handler = ngx_http_profile_status_handler;
        }
    }
}


static char *
ngx_http_profile_use_store(ngx_conf_t *cf, ngx_http_profile_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->store == NULL) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" in location \"%V\" requires "
                           "\"profile_store\"",
                           conf->api ? "profile_api" : "profile_status",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    /* a worker opens the store once, for all of its locations */

    if (conf->store->readahead != NGX_CONF_UNSET_UINT
        && conf->store->readahead != conf->readahead)
    {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"profile_readahead\" in location \"%V\" differs "
                           "from that of another location with the store "
                           "\"%V\"", &clcf->name, &conf->store->directory);
        return NGX_CONF_ERROR;
    }

    conf->store->readahead = conf->readahead;

    if (conf->store->openings == NULL) {
        conf->store->openings = ngx_http_profile_opening_add(cf,
                                                     &conf->store->directory);
        if (conf->store->openings == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    /* it is looked at as often as its most eager location asks */

    conf->store->interval = ngx_min(conf->store->interval,
                                    conf->check_interval);

    if (conf->status != NGX_HTTP_PROFILE_STATUS_NONE
        && ngx_http_profile_counters_add(cf, &conf->store->directory,
                                         &conf->store->counters)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_profile_challenges(ngx_conf_t *cf, ngx_http_profile_loc_conf_t *conf)
{
    if (ngx_http_profile_challenge(cf, &conf->realm, "", &conf->challenge)
        != NGX_OK
        || ngx_http_profile_challenge(cf, &conf->realm,
                                      ", error=\"invalid_token\"",
                                      &conf->challenge_invalid)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* The realm is a quoted string of HTTP. */

static ngx_int_t
ngx_http_profile_challenge(ngx_conf_t *cf, ngx_str_t *realm,
    const char *parameters, ngx_str_t *challenge)
{
    size_t   i, len;
    u_char  *p;

    len = sizeof("Bearer realm=\"\"") - 1 + realm->len * 2
          + ngx_strlen(parameters);

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    challenge->data = p;

    p = ngx_cpymem(p, "Bearer realm=\"", sizeof("Bearer realm=\"") - 1);

    for (i = 0; i < realm->len; i++) {

        if (realm->data[i] == '"' || realm->data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = realm->data[i];
    }

    *p++ = '"';
    p = ngx_cpymem(p, parameters, ngx_strlen(parameters));

    challenge->len = p - challenge->data;

    return NGX_OK;
}


static char *
ngx_http_profile_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_profile_loc_conf_t *plcf = conf;

    ngx_str_t  directory, *value;

    if (plcf->store != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    directory = value[1];

    if (directory.len == 0) {
        return "must not be empty";
    }

    if (ngx_conf_full_name(cf->cycle, &directory, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* one store, with one timer and one set of counters, has one name */

    while (directory.len > 1 && directory.data[directory.len - 1] == '/') {
        directory.data[--directory.len] = '\0';
    }

    plcf->store = ngx_http_profile_add_store(cf, &directory);

    return (plcf->store == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static ngx_http_profile_store_t *
ngx_http_profile_add_store(ngx_conf_t *cf, ngx_str_t *directory)
{
    ngx_uint_t                      i;
    ngx_http_profile_store_t       *store, **stores;
    ngx_http_profile_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profile_module);

    stores = pmcf->stores.elts;

    for (i = 0; i < pmcf->stores.nelts; i++) {

        if (stores[i]->directory.len == directory->len
            && ngx_strncmp(stores[i]->directory.data, directory->data,
                           directory->len)
               == 0)
        {
            return stores[i];
        }
    }

    /*
     * set by ngx_pcalloc():
     *
     *     store->counters = { NULL };
     *     store->openings = NULL;
     *     store->reader = NULL;
     *     store->cache = { 0 };
     *     store->event = { 0 };
     *     store->nreported = 0;
     *     store->forget = 0;
     *     store->trouble = 0;
     *     store->notes = { 0 };
     */

    store = ngx_pcalloc(cf->pool, sizeof(ngx_http_profile_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->directory = *directory;
    store->interval = NGX_CONF_UNSET_MSEC;
    store->readahead = NGX_CONF_UNSET_UINT;

#if (NGX_THREADS)
    ngx_queue_init(&store->prefetches);
#endif

    stores = ngx_array_push(&pmcf->stores);
    if (stores == NULL) {
        return NULL;
    }

    *stores = store;

    return store;
}


static char *
ngx_http_profile_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_profile_loc_conf_t *plcf = conf;

    const char                *kind;
    ngx_http_core_loc_conf_t  *clcf;

    if (plcf->api != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    if (plcf->status != NGX_CONF_UNSET_UINT) {
        return "cannot be used beside \"profile_status\"";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    kind = clcf->named ? "named"
           : clcf->exact_match ? "exact"
#if (NGX_PCRE)
           : clcf->regex != NULL ? "regular expression"
#endif
           : NULL;

    if (kind != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"profile_api\" cannot be used in the %s location "
                           "\"%V\", it serves what follows a prefix",
                           kind, &clcf->name);
        return NGX_CONF_ERROR;
    }

    plcf->api = 1;
    clcf->handler = ngx_http_profile_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_profile_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_profile_loc_conf_t *plcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (plcf->status != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (plcf->api != NGX_CONF_UNSET) {
        return "cannot be used beside \"profile_api\"";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 1 || ngx_strcmp(value[1].data, "json") == 0) {
        plcf->status = NGX_HTTP_PROFILE_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        plcf->status = NGX_HTTP_PROFILE_STATUS_PROMETHEUS;

    } else {
        return "must be \"json\" or \"prometheus\"";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_profile_status_handler;

    return NGX_CONF_OK;
}


/* The pool itself may be defined later: nginx looks whether it is. */

static char *
ngx_http_profile_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
#if (NGX_THREADS)

    ngx_http_profile_loc_conf_t *plcf = conf;

    ngx_str_t  *value, *name;

    if (plcf->threads != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        plcf->threads = NULL;
        return NGX_CONF_OK;
    }

    name = (ngx_strcmp(value[1].data, "on") == 0) ? NULL : &value[1];

    plcf->threads = ngx_thread_pool_add(cf, name);

    return (plcf->threads == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;

#else

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    return "is unsupported: nginx was built without threads";

#endif
}


/* What is sent in a header must not end it. */

static char *
ngx_http_profile_header_value(ngx_conf_t *cf, void *post, void *data)
{
    ngx_str_t *value = data;

    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
            return "must not hold control characters";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_profile_interval(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *interval = data;

    return (*interval == 0) ? "must not be zero" : NGX_CONF_OK;
}


static char *
ngx_http_profile_age(ngx_conf_t *cf, void *post, void *data)
{
    time_t *age = data;

    return (*age == 0) ? "must not be zero" : NGX_CONF_OK;
}
