
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the files that read the configuration share: profile_config.c reads
 * the file, profile_config_table.c knows its members, profile_config_check.c
 * what must hold between them.
 */


#ifndef _PROFILE_CONFIG_TABLE_H_INCLUDED_
#define _PROFILE_CONFIG_TABLE_H_INCLUDED_


#include "profile_config.h"
#include "profile_member.h"


/* Of a profile_config_t. */

extern const profile_member_t  profile_config_members[];

/* 0, or -1 when it has said what is wrong. */

int profile_config_check(const profile_config_t *config,
    const profile_place_t *root);


#endif /* _PROFILE_CONFIG_TABLE_H_INCLUDED_ */
