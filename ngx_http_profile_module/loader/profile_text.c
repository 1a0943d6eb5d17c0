
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes bytes and JSON strings of text.
 */


#include <string.h>

#include "profile_loader.h"
#include "profile_text.h"


profile_bytes_t
profile_text_bytes(const char *text)
{
    profile_bytes_t  bytes;

    bytes.data = (const u_char *) text;
    bytes.len = strlen(text);

    return bytes;
}


int
profile_text_is_utf8(const void *text, size_t len)
{
    json_t  *string;

    if (len == 0) {
        return 1;
    }

    string = json_stringn(text, len);
    json_decref(string);

    return string != NULL;
}


json_t *
profile_text_json(const void *text, size_t len)
{
    u_char  *copy, *p;
    json_t  *string;

    string = json_stringn(text, len);

    if (string != NULL) {
        return string;
    }

    copy = profile_alloc(len);
    memcpy(copy, text, len);

    for (p = copy; p < copy + len; p++) {
        if (*p >= 0x80) {
            *p = '?';
        }
    }

    string = json_stringn((char *) copy, len);
    free(copy);

    return string;
}
