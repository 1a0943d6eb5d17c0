
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Text that comes from elsewhere, such as a path or a damaged store, and so
 * need not be UTF-8, as JSON has to be.
 */


#ifndef _PROFILE_TEXT_H_INCLUDED_
#define _PROFILE_TEXT_H_INCLUDED_


#include <stddef.h>

#include <jansson.h>


int profile_text_is_utf8(const void *text, size_t len);

/* A JSON string: of text that is not UTF-8, with ? for what is not ASCII. */

json_t *profile_text_json(const void *text, size_t len);


#endif /* _PROFILE_TEXT_H_INCLUDED_ */
