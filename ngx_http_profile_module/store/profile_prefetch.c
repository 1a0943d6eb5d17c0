
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads ahead of a lookup, in another thread.
 */


#include "profile_lmdb.h"
#include "profile_prefetch.h"


/* No system has smaller pages. */

#define PROFILE_PREFETCH_PAGE  4096


static void profile_prefetch_lookup(const profile_prefetch_t *prefetch,
    const profile_view_t *view);
static void profile_prefetch_touch(const profile_bytes_t *body);


void
profile_prefetch_begin(profile_prefetch_t *prefetch,
    profile_reader_t *reader)
{
    prefetch->env = profile_reader_env(reader);
    prefetch->env->references++;
}


/*
 * A transaction of its own, begun and ended here: one that was kept would
 * have to be looked after when the environment is shut.
 */

void
profile_prefetch_run(const profile_prefetch_t *prefetch)
{
    profile_env_t   *env;
    profile_view_t   view;

    env = prefetch->env;

    if (profile_env_enter(env) != PROFILE_OK) {
        return;
    }

    view = env->view;

    if (mdb_txn_begin(env->env, NULL, MDB_RDONLY, &view.txn) == 0) {
        profile_prefetch_lookup(prefetch, &view);
        mdb_txn_abort(view.txn);
    }

    profile_env_leave(env);
}


void
profile_prefetch_end(profile_prefetch_t *prefetch)
{
    profile_env_close(prefetch->env);
}


void
profile_prefetch_abandon(profile_prefetch_t *prefetch)
{
    profile_env_shut(prefetch->env);
}


/* The steps of a request; the last one that succeeds is the last one. */

static void
profile_prefetch_lookup(const profile_prefetch_t *prefetch,
    const profile_view_t *view)
{
    profile_key_t        key;
    profile_error_t      err;
    profile_entity_t     entity;
    profile_document_t   found;

    if (profile_view_key(view, prefetch->digest, &key, &err) != PROFILE_OK) {
        return;
    }

    if (prefetch->entity == 0) {

        if (profile_view_list(view, key.workspace, &found, &err)
            == PROFILE_OK)
        {
            profile_prefetch_touch(&found.body);
        }

        return;
    }

    if (profile_view_entity(view, key.workspace, prefetch->entity, &entity,
                            &err)
        != PROFILE_OK
        || entity.incarnation == 0)
    {
        return;
    }

    if (profile_view_record(view, &entity, prefetch->id, prefetch->len,
                            &found, &err)
        == PROFILE_OK)
    {
        profile_prefetch_touch(&found.body);
    }
}


/* A body of more than half a page has pages of its own. */

static void
profile_prefetch_touch(const profile_bytes_t *body)
{
    size_t                   i;
    const volatile u_char   *p;

    p = body->data;

    for (i = 0; i < body->len; i += PROFILE_PREFETCH_PAGE) {
        (void) p[i];
    }

    if (body->len != 0) {
        (void) p[body->len - 1];
    }
}
