
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Looks things up in a snapshot.
 */


#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile_lmdb.h"


struct profile_scan_s {
    MDB_cursor        *cursor;
    MDB_cursor_op      op;
    const char        *path;
    profile_entity_t   entity;
};


static int profile_view_get(const profile_view_t *view, u_char *buf,
    size_t len, MDB_val *value, profile_error_t *err);
static int profile_view_next(const profile_view_t *view,
    profile_walk_t *walk, MDB_val *value, profile_error_t *err);
static int profile_view_is_at(const profile_walk_t *walk, const u_char *key,
    size_t len);
static int profile_view_damaged(const char *path, const char *what,
    profile_error_t *err);


int
profile_view_meta(const profile_view_t *view, profile_meta_t *meta,
    profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf, profile_encode_meta_key(buf), &value,
                          err);

    if (rc == PROFILE_NOT_FOUND) {
        return profile_error(err, PROFILE_FOREIGN,
                             "%s is an LMDB database, but not a profile "
                             "store, or somebody emptied it; check the path, "
                             "or load it again", view->path);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_decode_meta(value.mv_data, value.mv_size, meta);

    if (rc == PROFILE_FOREIGN && meta->version == 0) {
        return profile_error(err, PROFILE_FOREIGN,
                             "%s is an LMDB database, but not a profile "
                             "store; check the path", view->path);
    }

    if (rc == PROFILE_FOREIGN) {
        return profile_error(err, PROFILE_FOREIGN,
                             "%s has format version %u, this program reads "
                             "version %u; use programs of one release and "
                             "load the store again", view->path,
                             meta->version, PROFILE_FORMAT_VERSION);
    }

    if (rc != PROFILE_OK) {
        return profile_view_damaged(view->path, "the version record", err);
    }

    if (!meta->complete) {
        return profile_error(err, PROFILE_DAMAGED,
                             "%s was not finished by the program that made "
                             "it; load the store again", view->path);
    }

    return PROFILE_OK;
}


int
profile_view_check(const profile_view_t *view, profile_error_t *err)
{
    profile_meta_t  meta;

    return profile_view_meta(view, &meta, err);
}


int
profile_view_key(const profile_view_t *view, const u_char *digest,
    profile_key_t *key, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf, profile_encode_key_key(buf, digest),
                          &value, err);

    if (rc == PROFILE_NOT_FOUND) {

        /* a store that somebody emptied knows no keys: that is no answer */

        rc = profile_view_check(view, err);

        return (rc == PROFILE_OK) ? PROFILE_NOT_FOUND : rc;
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_key(value.mv_data, value.mv_size, digest, key)
        != PROFILE_OK)
    {
        return profile_view_damaged(view->path, "a key", err);
    }

    return PROFILE_OK;
}


int
profile_view_workspace(const profile_view_t *view, uint32_t id,
    profile_workspace_t *workspace, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf, profile_encode_workspace_key(buf, id),
                          &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_workspace(value.mv_data, value.mv_size, workspace)
        != PROFILE_OK
        || workspace->id != id)
    {
        return profile_view_damaged(view->path, "a workspace", err);
    }

    return PROFILE_OK;
}


int
profile_view_list(const profile_view_t *view, uint32_t workspace,
    profile_document_t *list, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf, profile_encode_list_key(buf, workspace),
                          &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_document(value.mv_data, value.mv_size,
                                PROFILE_TAG_LIST, list)
        != PROFILE_OK
        || list->workspace != workspace
        || list->entity != 0)
    {
        return profile_view_damaged(view->path, "an entity list", err);
    }

    return PROFILE_OK;
}


int
profile_view_entity(const profile_view_t *view, uint32_t workspace,
    uint32_t id, profile_entity_t *entity, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf,
                          profile_encode_entity_key(buf, workspace, id),
                          &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_entity(value.mv_data, value.mv_size, entity)
        != PROFILE_OK
        || entity->workspace != workspace
        || entity->id != id)
    {
        return profile_view_damaged(view->path, "an entity", err);
    }

    return PROFILE_OK;
}


int
profile_view_cursor(const profile_view_t *view, uint32_t workspace,
    uint32_t entity, profile_cursor_t *cursor, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_get(view, buf,
                          profile_encode_cursor_key(buf, workspace, entity),
                          &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_cursor(value.mv_data, value.mv_size, cursor)
        != PROFILE_OK
        || cursor->workspace != workspace
        || cursor->entity != entity)
    {
        return profile_view_damaged(view->path, "a cursor", err);
    }

    return PROFILE_OK;
}


int
profile_view_record(const profile_view_t *view,
    const profile_entity_t *entity, const u_char *id, size_t len,
    profile_document_t *record, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    if (len == 0 || len > PROFILE_RECORD_ID_MAX) {
        return PROFILE_NOT_FOUND;
    }

    len = profile_encode_record_key(buf, entity->incarnation, id, len);

    rc = profile_view_get(view, buf, len, &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_document(value.mv_data, value.mv_size,
                                PROFILE_TAG_RECORD, record)
        != PROFILE_OK
        || record->workspace != entity->workspace
        || record->entity != entity->id)
    {
        return profile_view_damaged(view->path, "a record", err);
    }

    return PROFILE_OK;
}


void
profile_walk_keys(profile_walk_t *walk)
{
    walk->key[0] = PROFILE_TAG_KEY;
    walk->prefix = 1;
    walk->len = 1;
}


void
profile_walk_workspaces(profile_walk_t *walk)
{
    walk->key[0] = PROFILE_TAG_WORKSPACE;
    walk->prefix = 1;
    walk->len = 1;
}


void
profile_walk_entities(profile_walk_t *walk, uint32_t workspace)
{
    (void) profile_encode_entity_key(walk->key, workspace, 0);
    walk->prefix = PROFILE_WORKSPACE_KEY_SIZE;
    walk->len = PROFILE_WORKSPACE_KEY_SIZE;
}


void
profile_walk_orphans(profile_walk_t *walk)
{
    walk->key[0] = PROFILE_TAG_ORPHAN;
    walk->prefix = 1;
    walk->len = 1;
}


int
profile_view_next_key(const profile_view_t *view, profile_walk_t *walk,
    u_char *digest, profile_key_t *key, profile_error_t *err)
{
    int            rc;
    MDB_val        value;
    const u_char  *p;

    rc = profile_view_next(view, walk, &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_key_key(walk->key, walk->len - 1, &p) != PROFILE_OK
        || profile_decode_key(value.mv_data, value.mv_size, p, key)
           != PROFILE_OK)
    {
        return profile_view_damaged(view->path, "a key", err);
    }

    memcpy(digest, p, PROFILE_DIGEST_SIZE);

    return PROFILE_OK;
}


int
profile_view_next_workspace(const profile_view_t *view, profile_walk_t *walk,
    profile_workspace_t *workspace, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_next(view, walk, &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_workspace(value.mv_data, value.mv_size, workspace)
        != PROFILE_OK
        || !profile_view_is_at(walk, buf,
                               profile_encode_workspace_key(buf,
                                                            workspace->id)))
    {
        return profile_view_damaged(view->path, "a workspace", err);
    }

    return PROFILE_OK;
}


int
profile_view_next_entity(const profile_view_t *view, profile_walk_t *walk,
    profile_entity_t *entity, profile_error_t *err)
{
    int      rc;
    u_char   buf[PROFILE_KEY_MAX];
    MDB_val  value;

    rc = profile_view_next(view, walk, &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_entity(value.mv_data, value.mv_size, entity)
        != PROFILE_OK
        || !profile_view_is_at(walk, buf,
                               profile_encode_entity_key(buf,
                                                         entity->workspace,
                                                         entity->id)))
    {
        return profile_view_damaged(view->path, "an entity", err);
    }

    return PROFILE_OK;
}


int
profile_view_next_orphan(const profile_view_t *view, profile_walk_t *walk,
    profile_orphan_t *orphan, profile_error_t *err)
{
    int      rc;
    MDB_val  value;

    rc = profile_view_next(view, walk, &value, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_decode_orphan_key(walk->key, walk->len - 1,
                                  &orphan->incarnation)
        != PROFILE_OK
        || profile_decode_orphan(value.mv_data, value.mv_size, orphan)
           != PROFILE_OK)
    {
        return profile_view_damaged(view->path, "a list of old records",
                                    err);
    }

    return PROFILE_OK;
}


int
profile_scan_open(profile_scan_t **scanp, const profile_view_t *view,
    const profile_entity_t *entity, profile_error_t *err)
{
    int              rc;
    profile_scan_t  *scan;

    scan = malloc(sizeof(profile_scan_t));
    if (scan == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot scan %s",
                                   view->path);
    }

    scan->op = MDB_SET_RANGE;
    scan->path = view->path;
    scan->entity = *entity;

    rc = mdb_cursor_open(view->txn, view->dbi, &scan->cursor);
    if (rc != 0) {
        free(scan);
        return profile_error_lmdb(err, rc, "mdb_cursor_open", view->path);
    }

    *scanp = scan;

    return PROFILE_OK;
}


int
profile_scan_next(profile_scan_t *scan, profile_bytes_t *id,
    profile_document_t *record, profile_error_t *err)
{
    int       rc;
    u_char    buf[PROFILE_KEY_MAX];
    MDB_val   key, value;
    uint32_t  incarnation;

    key.mv_data = buf;
    key.mv_size = profile_encode_record_prefix(buf,
                                               scan->entity.incarnation);

    rc = mdb_cursor_get(scan->cursor, &key, &value, scan->op);

    if (rc == MDB_NOTFOUND) {
        return PROFILE_NOT_FOUND;
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_get", scan->path);
    }

    scan->op = MDB_NEXT;

    if (profile_decode_record_key(key.mv_data, key.mv_size, &incarnation, id)
        != PROFILE_OK)
    {
        return profile_view_damaged(scan->path, "a record's key", err);
    }

    if (incarnation != scan->entity.incarnation) {
        return PROFILE_NOT_FOUND;
    }

    if (profile_decode_document(value.mv_data, value.mv_size,
                                PROFILE_TAG_RECORD, record)
        != PROFILE_OK
        || record->workspace != scan->entity.workspace
        || record->entity != scan->entity.id)
    {
        return profile_view_damaged(scan->path, "a record", err);
    }

    return PROFILE_OK;
}


void
profile_scan_close(profile_scan_t *scan)
{
    if (scan != NULL) {
        mdb_cursor_close(scan->cursor);
        free(scan);
    }
}


static int
profile_view_get(const profile_view_t *view, u_char *buf, size_t len,
    MDB_val *value, profile_error_t *err)
{
    int      rc;
    MDB_val  key;

    key.mv_data = buf;
    key.mv_size = len;

    rc = mdb_get(view->txn, view->dbi, &key, value);

    if (rc == 0) {
        return PROFILE_OK;
    }

    if (rc == MDB_NOTFOUND) {
        return PROFILE_NOT_FOUND;
    }

    return profile_error_lmdb(err, rc, "mdb_get", view->path);
}


/*
 * The value of the first key that is not less than the walk's and shares
 * its prefix.  The walk then holds that key with a zero byte added, the
 * least key that is greater.
 */

static int
profile_view_next(const profile_view_t *view, profile_walk_t *walk,
    MDB_val *value, profile_error_t *err)
{
    int          rc;
    MDB_val      key;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(view->txn, view->dbi, &cursor);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_open", view->path);
    }

    key.mv_data = walk->key;
    key.mv_size = walk->len;

    rc = mdb_cursor_get(cursor, &key, value, MDB_SET_RANGE);

    mdb_cursor_close(cursor);

    if (rc == MDB_NOTFOUND) {
        return PROFILE_NOT_FOUND;
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_get", view->path);
    }

    if (key.mv_size < walk->prefix
        || memcmp(key.mv_data, walk->key, walk->prefix) != 0)
    {
        return PROFILE_NOT_FOUND;
    }

    if (key.mv_size > PROFILE_KEY_MAX) {
        return profile_view_damaged(view->path, "a key", err);
    }

    memcpy(walk->key, key.mv_data, key.mv_size);
    walk->key[key.mv_size] = 0;
    walk->len = key.mv_size + 1;

    return PROFILE_OK;
}


/* Whether the step of a walk that was just made led to this key. */

static int
profile_view_is_at(const profile_walk_t *walk, const u_char *key, size_t len)
{
    return walk->len - 1 == len && memcmp(walk->key, key, len) == 0;
}


static int
profile_view_damaged(const char *path, const char *what,
    profile_error_t *err)
{
    return profile_error(err, PROFILE_DAMAGED,
                         "%s: the value of %s is damaged or is not the one "
                         "that was asked for; load the store again", path,
                         what);
}
