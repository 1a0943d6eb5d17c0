
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Texts of anything; the first byte chooses the array's path.
 */


#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    profile_config_entity_t  entity;

    static const char *const  paths[] = { NULL, "a", "a.b", "data.r\"ws" };

    if (size == 0) {
        return 0;
    }

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;
    entity.primary_key = "id";
    entity.path = paths[data[0] % 4];

    return fuzz_format(&entity, data + 1, size - 1);
}
