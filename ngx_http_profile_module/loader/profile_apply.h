
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes the store's workspaces, keys and entities those of the
 * configuration.
 */


#ifndef _PROFILE_APPLY_H_INCLUDED_
#define _PROFILE_APPLY_H_INCLUDED_


#include "profile_config.h"
#include "profile_writer.h"


/*
 * One small commit: a revoked key is refused, and what was removed is gone,
 * from the next request on.
 */

int profile_apply(profile_writer_t *writer, const profile_config_t *config,
    profile_error_t *err);

/*
 * Deletes the records that nothing points to any more, in batches that keep
 * transactions small.
 */

int profile_purge(profile_writer_t *writer, profile_error_t *err);


#endif /* _PROFILE_APPLY_H_INCLUDED_ */
