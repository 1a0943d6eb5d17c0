
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The commands.  Each says what it has to say and returns an exit status.
 */


#ifndef _PROFILE_COMMANDS_H_INCLUDED_
#define _PROFILE_COMMANDS_H_INCLUDED_


#include "profile_config.h"


typedef struct {
    const char  *config;
    const char  *workspace;      /* NULL: all */
    const char  *entity;
    int          full;
    int          allow_shrink;
    int          json;
    char       **arguments;      /* of the command, NULL at the end */
} profile_options_t;


int profile_command_sync(const profile_options_t *options);
int profile_command_apply(const profile_options_t *options);
int profile_command_key(const profile_options_t *options);
int profile_command_status(const profile_options_t *options);
int profile_command_get(const profile_options_t *options);
int profile_command_check(const profile_options_t *options);
int profile_command_compact(const profile_options_t *options);
int profile_command_seal(const profile_options_t *options);


#endif /* _PROFILE_COMMANDS_H_INCLUDED_ */
