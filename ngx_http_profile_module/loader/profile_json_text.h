
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A JSON text of any size, read value by value.  Strings and brackets are
 * followed, as far as it takes to find a value's end; what is between them
 * may be anything.
 */


#ifndef _PROFILE_JSON_TEXT_H_INCLUDED_
#define _PROFILE_JSON_TEXT_H_INCLUDED_


#include <stdio.h>

#include "profile_codec.h"
#include "profile_input.h"


/* The text begins at the input's start, which is on the line. */

typedef struct {
    profile_input_t  *input;
    uint64_t          line;
} profile_json_text_t;


/* What follows white space, which goes; EOF at the end of the stream. */

int profile_json_text_peek(profile_json_text_t *text, int *ch,
    profile_error_t *err);

/* Goes past bytes that have been looked at. */

void profile_json_text_take(profile_json_text_t *text, size_t len);

/*
 * Finds the value that begins here, or PROFILE_FAILED.  Its bytes are good
 * until the input is filled again, and are yet to be taken.  If there are
 * more than max, whole is 0, value is only the last of them, and the line is
 * theirs.
 */

int profile_json_text_value(profile_json_text_t *text, size_t max,
    profile_bytes_t *value, int *whole, profile_error_t *err);

/* PROFILE_FAILED: ch was found where something else must be. */

int profile_json_text_expected(const profile_json_text_t *text,
    const char *what, int ch, profile_error_t *err);

/* The stream's name, for messages. */

const char *profile_json_text_name(const profile_json_text_t *text);


#endif /* _PROFILE_JSON_TEXT_H_INCLUDED_ */
