
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes of a command in the configuration what a new process needs.
 */


#ifndef _PROFILE_IMAGE_H_INCLUDED_
#define _PROFILE_IMAGE_H_INCLUDED_


#include "profile_process.h"
#include "profile_source.h"


/*
 * The arguments with the cursor in them, the environment with the cursor in
 * it, and the paths of the program: no shell has a part in any of it.
 */

void profile_image_create(profile_process_image_t *image,
    const profile_source_options_t *options);
void profile_image_free(profile_process_image_t *image);


#endif /* _PROFILE_IMAGE_H_INCLUDED_ */
