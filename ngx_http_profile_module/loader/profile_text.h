
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Text as bytes, and as JSON, which has to be UTF-8: what comes from
 * elsewhere, such as a path or a damaged store, need not be.
 */


#ifndef _PROFILE_TEXT_H_INCLUDED_
#define _PROFILE_TEXT_H_INCLUDED_


#include <jansson.h>

#include "profile_codec.h"


/* Borrows the text. */

profile_bytes_t profile_text_bytes(const char *text);

int profile_text_is_utf8(const void *text, size_t len);

/* A JSON string: of text that is not UTF-8, with ? for what is not ASCII. */

json_t *profile_text_json(const void *text, size_t len);


#endif /* _PROFILE_TEXT_H_INCLUDED_ */
