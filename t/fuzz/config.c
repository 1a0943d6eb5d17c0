
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Configurations of anything: read and freed, or refused.
 */


#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                       i, j;
    profile_config_t            *config;
    profile_config_entity_t     *entity;
    profile_config_workspace_t  *workspace;

    fuzz_file(FUZZ_FILE, data, size);

    config = profile_config_read("/proc/self/fd/100");

    if (config != NULL) {

        fuzz_assert(config->store != NULL);

        for (i = 0; i < config->nworkspaces; i++) {

            workspace = &config->workspaces[i];
            fuzz_assert(workspace->id != 0 && workspace->name != NULL);

            for (j = 0; j < workspace->nentities; j++) {

                entity = &workspace->entities[j];

                fuzz_assert(entity->id != 0
                            && entity->name != NULL
                            && entity->primary_key != NULL);
                fuzz_assert((entity->source.file != NULL)
                            + (entity->source.command != NULL)
                            + entity->source.standard_input == 1);
            }
        }
    }

    profile_config_free(config);
    (void) close(FUZZ_FILE);

    return 0;
}
