
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Bytes that grow.
 */


#include <string.h>

#include "profile_buffer.h"
#include "profile_loader.h"


#define PROFILE_BUFFER_START  4096


void
profile_buffer_append(profile_buffer_t *buffer, const void *data, size_t len)
{
    if (buffer->size - buffer->len < len) {

        do {
            buffer->size = (buffer->size == 0) ? PROFILE_BUFFER_START
                                               : buffer->size * 2;
        } while (buffer->size - buffer->len < len);

        buffer->data = profile_realloc(buffer->data, buffer->size);
    }

    if (len != 0) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
    }
}
