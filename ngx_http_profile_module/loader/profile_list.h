
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A workspace's entity list, ready for the wire.
 */


#ifndef _PROFILE_LIST_H_INCLUDED_
#define _PROFILE_LIST_H_INCLUDED_


#include "profile_writer.h"


/*
 * Writes the list of a workspace's loaded entities, as they stand in the
 * writer's transaction, unless the same list is there already.
 */

int profile_list_put(profile_writer_t *writer, const profile_view_t *view,
    uint32_t workspace, uint32_t now, profile_error_t *err);

/*
 * The text of that list as the view shows its entities, with a final zero
 * byte; the caller frees it.
 */

int profile_list_text(const profile_view_t *view, uint32_t workspace,
    char **text, profile_error_t *err);


#endif /* _PROFILE_LIST_H_INCLUDED_ */
