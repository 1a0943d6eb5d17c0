
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The variables of the module.
 */


#ifndef _NGX_HTTP_PROFILE_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_PROFILE_VARIABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* To be called before the configuration is read. */

ngx_int_t ngx_http_profile_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PROFILE_VARIABLES_H_INCLUDED_ */
