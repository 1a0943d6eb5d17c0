
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Lines of anything.
 */


#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const profile_config_entity_t  entity = {
        .format = PROFILE_FORMAT_NDJSON,
        .primary_key = "id",
        .refresh = { .cursor = "at", .deleted = "gone" }
    };

    return fuzz_format(&entity, data, size);
}
