
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Refreshes one entity: source, rows, check, sort, merge, commit.
 */


#ifndef _PROFILE_REFRESH_H_INCLUDED_
#define _PROFILE_REFRESH_H_INCLUDED_


#include "profile_config.h"
#include "profile_writer.h"


typedef struct {
    const profile_config_t            *config;
    const profile_config_workspace_t  *workspace;
    const profile_config_entity_t     *entity;
    profile_writer_t                  *writer;
    int                                full;
    int                                allow_shrink;
    int                                json;
} profile_refresh_t;


/*
 * Says what came of it, a line on standard output or on standard error.
 * Returns PROFILE_EXIT_DONE, PROFILE_EXIT_ENTITY when the entity keeps its
 * old data, or PROFILE_EXIT_STORE.
 */

int profile_refresh(const profile_refresh_t *refresh);


#endif /* _PROFILE_REFRESH_H_INCLUDED_ */
