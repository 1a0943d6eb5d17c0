
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Checks what concerns more than one member of the configuration.
 */


#include <string.h>

#include "profile_config_table.h"


static int profile_config_check_names(const profile_config_t *config,
    const profile_place_t *root);
static int profile_config_check_keys(const profile_config_t *config,
    const profile_place_t *root);
static int profile_config_check_sources(const profile_config_t *config,
    const profile_place_t *root);
static int profile_config_duplicate(const profile_place_t *root,
    const char *array, const char *member, size_t workspace, size_t one,
    size_t two);


int
profile_config_check(const profile_config_t *config,
    const profile_place_t *root)
{
    if (profile_config_check_names(config, root) != 0
        || profile_config_check_keys(config, root) != 0)
    {
        return -1;
    }

    return profile_config_check_sources(config, root);
}


static int
profile_config_check_names(const profile_config_t *config,
    const profile_place_t *root)
{
    size_t                             i, j, k;
    const profile_config_workspace_t  *one, *two;

    for (i = 0; i < config->nworkspaces; i++) {

        one = &config->workspaces[i];

        for (j = 0; j < i; j++) {

            two = &config->workspaces[j];

            if (one->id == two->id) {
                return profile_config_duplicate(root, NULL, "id", i, i, j);
            }

            if (strcmp(one->name, two->name) == 0) {
                return profile_config_duplicate(root, NULL, "name", i, i, j);
            }
        }

        for (j = 0; j < one->nentities; j++) {
            for (k = 0; k < j; k++) {

                if (one->entities[j].id == one->entities[k].id) {
                    return profile_config_duplicate(root, "entities", "id",
                                                    i, j, k);
                }

                if (strcmp(one->entities[j].name, one->entities[k].name)
                    == 0)
                {
                    return profile_config_duplicate(root, "entities", "name",
                                                    i, j, k);
                }
            }
        }

        for (j = 0; j < one->nkeys; j++) {
            for (k = 0; k < j; k++) {

                if (strcmp(one->keys[j].name, one->keys[k].name) == 0) {
                    return profile_config_duplicate(root, "keys", "name",
                                                    i, j, k);
                }
            }
        }
    }

    return 0;
}


/* One key cannot open two workspaces. */

static int
profile_config_check_keys(const profile_config_t *config,
    const profile_place_t *root)
{
    size_t                             i, j, k, l;
    profile_place_t                    list, item, keys, key, digest;
    const profile_config_workspace_t  *one, *two;

    list = (profile_place_t) { root, "workspaces", 0, NULL };
    item = (profile_place_t) { &list, NULL, 0, NULL };
    keys = (profile_place_t) { &item, "keys", 0, NULL };
    key = (profile_place_t) { &keys, NULL, 0, NULL };
    digest = (profile_place_t) { &key, "sha256", 0, NULL };

    for (i = 0; i < config->nworkspaces; i++) {
        one = &config->workspaces[i];

        for (j = 0; j < one->nkeys; j++) {
            for (k = 0; k <= i; k++) {
                two = &config->workspaces[k];

                for (l = 0; l < ((k == i) ? j : two->nkeys); l++) {

                    if (memcmp(one->keys[j].digest, two->keys[l].digest,
                               PROFILE_DIGEST_SIZE)
                        != 0)
                    {
                        continue;
                    }

                    item.index = i;
                    key.index = j;

                    return profile_place_say(&digest, "is a duplicate of "
                                             "workspaces[%zu].keys[%zu]."
                                             "sha256", k, l);
                }
            }
        }
    }

    return 0;
}


static int
profile_config_check_sources(const profile_config_t *config,
    const profile_place_t *root)
{
    size_t                             i, j;
    unsigned                           found;
    profile_place_t                    list, item, entities, place, member;
    const profile_config_entity_t     *entity;
    const profile_config_workspace_t  *workspace;

    list = (profile_place_t) { root, "workspaces", 0, NULL };
    item = (profile_place_t) { &list, NULL, 0, NULL };
    entities = (profile_place_t) { &item, "entities", 0, NULL };
    place = (profile_place_t) { &entities, NULL, 0, NULL };
    member = (profile_place_t) { &place, NULL, 0, NULL };

    found = 0;

    for (i = 0; i < config->nworkspaces; i++) {

        workspace = &config->workspaces[i];
        item.index = i;

        for (j = 0; j < workspace->nentities; j++) {

            entity = &workspace->entities[j];
            place.index = j;

            if (entity->path != NULL && entity->format != PROFILE_FORMAT_JSON)
            {
                member.name = "path";
                return profile_place_say(&member,
                                         "is for the format \"json\"");
            }

            if (entity->source.standard_input && found++) {
                member.name = "source";
                return profile_place_say(&member, "only one entity can be "
                                         "read from standard input");
            }
        }
    }

    return 0;
}


/*
 * Of the workspaces themselves (array is NULL) or of an array in the given
 * workspace.
 */

static int
profile_config_duplicate(const profile_place_t *root, const char *array,
    const char *member, size_t workspace, size_t one, size_t two)
{
    profile_place_t  list, item, inner, element, field;

    list = (profile_place_t) { root, "workspaces", 0, NULL };
    item = (profile_place_t) { &list, NULL, workspace, NULL };
    inner = (profile_place_t) { &item, array, 0, NULL };
    element = (profile_place_t) { &inner, NULL, one, NULL };
    field = (profile_place_t) { (array == NULL) ? &item : &element, member,
                                0, NULL };

    if (array == NULL) {
        return profile_place_say(&field, "is a duplicate of "
                                 "workspaces[%zu].%s", two, member);
    }

    return profile_place_say(&field, "is a duplicate of "
                             "workspaces[%zu].%s[%zu].%s", workspace, array,
                             two, member);
}
