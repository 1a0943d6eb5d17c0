
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes a workspace's entity list.
 */


#include <string.h>

#include <jansson.h>

#include "profile_digest.h"
#include "profile_list.h"
#include "profile_loader.h"


static int profile_list_entities(const profile_view_t *view,
    uint32_t workspace, json_t *list, profile_error_t *err);


int
profile_list_put(profile_writer_t *writer, const profile_view_t *view,
    uint32_t workspace, uint32_t now, profile_error_t *err)
{
    int                  rc;
    char                *text;
    u_char               hash[PROFILE_DIGEST_SIZE];
    profile_document_t   old, new;

    rc = profile_list_text(view, workspace, &text, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    new.workspace = workspace;
    new.entity = 0;
    new.changed = now;
    new.hash = hash;
    new.body.data = (u_char *) text;
    new.body.len = strlen(text);

    rc = profile_view_list(view, workspace, &old, err);

    if (rc == PROFILE_NOT_FOUND
        || (rc == PROFILE_OK
            && (old.body.len != new.body.len
                || memcmp(old.body.data, text, new.body.len) != 0)))
    {
        if (rc == PROFILE_OK && old.changed >= now) {
            new.changed = old.changed + 1;
        }

        profile_digest(text, new.body.len, hash);

        rc = profile_writer_put_list(writer, &new, err);
    }

    free(text);

    return rc;
}


int
profile_list_text(const profile_view_t *view, uint32_t workspace,
    char **text, profile_error_t *err)
{
    int      rc;
    json_t  *list, *body;

    list = json_array();
    body = json_pack("{s:o}", "data", list);

    rc = profile_list_entities(view, workspace, list, err);

    *text = (body == NULL) ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);

    if (*text == NULL) {
        return profile_error(err, PROFILE_FAILED, "out of memory");
    }

    if (rc != PROFILE_OK) {
        free(*text);
    }

    return rc;
}


static int
profile_list_entities(const profile_view_t *view, uint32_t workspace,
    json_t *list, profile_error_t *err)
{
    int               rc;
    json_t           *name;
    profile_walk_t    walk;
    profile_entity_t  entity;

    profile_walk_entities(&walk, workspace);

    for ( ;; ) {
        rc = profile_view_next_entity(view, &walk, &entity, err);

        if (rc == PROFILE_NOT_FOUND) {
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        if (entity.incarnation == 0) {
            continue;
        }

        name = json_stringn((const char *) entity.name.data, entity.name.len);

        if (name == NULL) {
            return profile_error(err, PROFILE_DAMAGED, "entity %u of "
                                 "workspace %u has a name that is not UTF-8; "
                                 "load the store again", entity.id,
                                 workspace);
        }

        if (json_array_append_new(list, json_pack("{s:I,s:o,s:I}",
                                      "id", (json_int_t) entity.id,
                                      "name", name,
                                      "library_id",
                                      (json_int_t) entity.library))
            != 0)
        {
            return profile_error(err, PROFILE_FAILED, "out of memory");
        }
    }
}
