
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The formats of sources.
 */


#include "profile_format.h"


const profile_format_t *
profile_format(profile_format_e format)
{
    switch (format) {

    case PROFILE_FORMAT_JSON:
        return &profile_format_json;

    case PROFILE_FORMAT_CSV:
        return &profile_format_csv;

    default:
        return &profile_format_ndjson;
    }
}
