
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Records of anything; the first byte says which columns must be there.
 */


#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    profile_config_entity_t  entity;

    if (size == 0) {
        return 0;
    }

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_CSV;
    entity.primary_key = "id";

    if (data[0] & 1) {
        entity.refresh.cursor = "at";
    }

    if (data[0] & 2) {
        entity.refresh.deleted = "gone";
    }

    return fuzz_format(&entity, data + 1, size - 1);
}
