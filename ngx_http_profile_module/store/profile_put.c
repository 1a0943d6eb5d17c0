
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Puts values into a writer's transaction, and deletes them.
 */


#include <string.h>

#include "profile_writing.h"


/* LMDB moves values of more than about half a page to pages of their own. */

#define PROFILE_PAGE           4096
#define PROFILE_OVERFLOW_SIZE  2000

/* The largest value, but for records and lists, whose size is not known. */

#define PROFILE_SMALL_MAX      (PROFILE_ENTITY_SIZE + 2 * PROFILE_NAME_MAX)

_Static_assert(PROFILE_CURSOR_MAX <= PROFILE_NAME_MAX,
               "a cursor fits where an entity does");


static int profile_put_small(profile_writer_t *writer, u_char *buf,
    size_t len, const u_char *data, size_t size, profile_error_t *err);
static int profile_put_document(profile_writer_t *writer, u_char *buf,
    size_t len, int tag, const profile_document_t *document, unsigned flags,
    profile_error_t *err);
static void profile_put_page(profile_writer_t *writer, const u_char *value);
static int profile_put_delete(profile_writer_t *writer, u_char *buf,
    size_t len, profile_error_t *err);
static int profile_put_check_name(const profile_bytes_t *name,
    profile_error_t *err);


int
profile_writer_put_meta(profile_writer_t *writer, const profile_meta_t *meta,
    profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_META_SIZE];

    profile_encode_meta(value, meta);

    return profile_put_small(writer, buf, profile_encode_meta_key(buf),
                             value, PROFILE_META_SIZE, err);
}


int
profile_writer_put_key(profile_writer_t *writer, const u_char *digest,
    const profile_key_t *key, profile_error_t *err)
{
    int     rc;
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_SMALL_MAX];

    rc = profile_put_check_name(&key->name, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_encode_key(value, digest, key);

    return profile_put_small(writer, buf, profile_encode_key_key(buf, digest),
                             value, profile_key_size(key), err);
}


int
profile_writer_delete_key(profile_writer_t *writer, const u_char *digest,
    profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_delete(writer, buf,
                              profile_encode_key_key(buf, digest), err);
}


int
profile_writer_put_workspace(profile_writer_t *writer,
    const profile_workspace_t *workspace, profile_error_t *err)
{
    int     rc;
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_SMALL_MAX];

    rc = profile_put_check_name(&workspace->name, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_encode_workspace(value, workspace);

    return profile_put_small(writer, buf,
                             profile_encode_workspace_key(buf, workspace->id),
                             value, profile_workspace_size(workspace), err);
}


int
profile_writer_delete_workspace(profile_writer_t *writer, uint32_t id,
    profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_delete(writer, buf,
                              profile_encode_workspace_key(buf, id), err);
}


int
profile_writer_put_list(profile_writer_t *writer,
    const profile_document_t *list, profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_document(writer, buf,
                                profile_encode_list_key(buf, list->workspace),
                                PROFILE_TAG_LIST, list, 0, err);
}


int
profile_writer_delete_list(profile_writer_t *writer, uint32_t workspace,
    profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_delete(writer, buf,
                              profile_encode_list_key(buf, workspace), err);
}


int
profile_writer_put_entity(profile_writer_t *writer,
    const profile_entity_t *entity, profile_error_t *err)
{
    int     rc;
    size_t  len;
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_SMALL_MAX];

    rc = profile_put_check_name(&entity->name, err);

    if (rc == PROFILE_OK) {
        rc = profile_put_check_name(&entity->primary_key, err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_encode_entity(value, entity);

    len = profile_encode_entity_key(buf, entity->workspace, entity->id);

    return profile_put_small(writer, buf, len, value,
                             profile_entity_size(entity), err);
}


int
profile_writer_delete_entity(profile_writer_t *writer, uint32_t workspace,
    uint32_t id, profile_error_t *err)
{
    int     rc;
    u_char  buf[PROFILE_KEY_MAX];

    profile_notes_forget(writer, workspace, id);

    rc = profile_writer_delete_cursor(writer, workspace, id, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    return profile_put_delete(writer, buf,
                              profile_encode_entity_key(buf, workspace, id),
                              err);
}


int
profile_writer_put_cursor(profile_writer_t *writer,
    const profile_cursor_t *cursor, profile_error_t *err)
{
    int     rc;
    size_t  len;
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_SMALL_MAX];

    rc = profile_put_check_name(&cursor->column, err);

    if (rc == PROFILE_OK) {
        rc = profile_put_check_name(&cursor->value, err);
    }

    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_encode_cursor(value, cursor);

    len = profile_encode_cursor_key(buf, cursor->workspace, cursor->entity);

    return profile_put_small(writer, buf, len, value,
                             profile_cursor_size(cursor), err);
}


int
profile_writer_delete_cursor(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_delete(writer, buf,
                              profile_encode_cursor_key(buf, workspace,
                                                        entity),
                              err);
}


int
profile_writer_new_incarnation(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, uint32_t *incarnation, profile_error_t *err)
{
    int               rc;
    profile_meta_t    meta;
    profile_orphan_t  orphan;

    rc = profile_view_meta(&writer->view, &meta, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (meta.next_incarnation == UINT32_MAX) {
        return profile_error(err, PROFILE_FAILED,
                             "%s has used up its numbers for loads; remove "
                             "CURRENT to load everything into a new "
                             "generation", writer->view.path);
    }

    *incarnation = meta.next_incarnation++;

    rc = profile_writer_put_meta(writer, &meta, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    orphan.incarnation = *incarnation;
    orphan.workspace = workspace;
    orphan.entity = entity;

    return profile_writer_orphan(writer, &orphan, err);
}


int
profile_writer_adopt(profile_writer_t *writer, uint32_t incarnation,
    profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX];

    return profile_put_delete(writer, buf,
                              profile_encode_orphan_key(buf, incarnation),
                              err);
}


int
profile_writer_orphan(profile_writer_t *writer,
    const profile_orphan_t *orphan, profile_error_t *err)
{
    u_char  buf[PROFILE_KEY_MAX], value[PROFILE_ORPHAN_SIZE];

    profile_encode_orphan(value, orphan);

    return profile_put_small(writer, buf,
                             profile_encode_orphan_key(buf,
                                                       orphan->incarnation),
                             value, PROFILE_ORPHAN_SIZE, err);
}


int
profile_writer_purge(profile_writer_t *writer, uint32_t incarnation,
    unsigned count, int *done, profile_error_t *err)
{
    int          rc;
    u_char       buf[PROFILE_KEY_MAX];
    MDB_val      key, value;
    MDB_cursor  *cursor;

    *done = 0;

    rc = mdb_cursor_open(writer->view.txn, writer->view.dbi, &cursor);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_open",
                                  writer->view.path);
    }

    while (count-- != 0) {

        key.mv_data = buf;
        key.mv_size = profile_encode_record_prefix(buf, incarnation);

        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

        if (rc == MDB_NOTFOUND
            || (rc == 0
                && (key.mv_size < PROFILE_RECORD_PREFIX_SIZE
                    || memcmp(key.mv_data, buf, PROFILE_RECORD_PREFIX_SIZE)
                       != 0)))
        {
            rc = 0;
            *done = 1;
            break;
        }

        if (rc == 0) {
            writer->pending += key.mv_size + value.mv_size;

            rc = mdb_cursor_del(cursor, 0);
        }

        if (rc != 0) {
            break;
        }

        writer->dirty = 1;
    }

    mdb_cursor_close(cursor);

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_del",
                                  writer->view.path);
    }

    return *done ? profile_writer_adopt(writer, incarnation, err)
                 : PROFILE_OK;
}


int
profile_writer_put_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    const profile_document_t *record, profile_error_t *err)
{
    size_t  len;
    u_char  buf[PROFILE_KEY_MAX];

    len = profile_encode_record_key(buf, entity->incarnation, id->data,
                                    id->len);

    return profile_put_document(writer, buf, len, PROFILE_TAG_RECORD, record,
                                0, err);
}


int
profile_writer_append_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    const profile_document_t *record, profile_error_t *err)
{
    size_t  len;
    u_char  buf[PROFILE_KEY_MAX];

    len = profile_encode_record_key(buf, entity->incarnation, id->data,
                                    id->len);

    return profile_put_document(writer, buf, len, PROFILE_TAG_RECORD, record,
                                MDB_APPEND, err);
}


int
profile_writer_delete_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    profile_error_t *err)
{
    size_t  len;
    u_char  buf[PROFILE_KEY_MAX];

    len = profile_encode_record_key(buf, entity->incarnation, id->data,
                                    id->len);

    writer->pending += PROFILE_PAGE;

    return profile_put_delete(writer, buf, len, err);
}


static int
profile_put_small(profile_writer_t *writer, u_char *buf, size_t len,
    const u_char *data, size_t size, profile_error_t *err)
{
    int      rc;
    MDB_val  key, value;

    key.mv_data = buf;
    key.mv_size = len;

    rc = mdb_get(writer->view.txn, writer->view.dbi, &key, &value);

    if (rc != 0 && rc != MDB_NOTFOUND) {

        /* mdb_put() would only say that something failed before */

        return profile_error_lmdb(err, rc, "mdb_get", writer->view.path);
    }

    if (rc == 0
        && value.mv_size == size
        && memcmp(value.mv_data, data, size) == 0)
    {
        return PROFILE_OK;
    }

    value.mv_data = (void *) data;
    value.mv_size = size;

    rc = mdb_put(writer->view.txn, writer->view.dbi, &key, &value, 0);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_put", writer->view.path);
    }

    writer->dirty = 1;
    writer->pending += PROFILE_PAGE;
    writer->written += len + size;

    return PROFILE_OK;
}


static int
profile_put_document(profile_writer_t *writer, u_char *buf, size_t len,
    int tag, const profile_document_t *document, unsigned flags,
    profile_error_t *err)
{
    int      rc;
    size_t   size;
    MDB_val  key, value;

    size = profile_document_size(document);

    key.mv_data = buf;
    key.mv_size = len;
    value.mv_data = NULL;
    value.mv_size = size;

    rc = mdb_put(writer->view.txn, writer->view.dbi, &key, &value,
                 flags|MDB_RESERVE);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_put", writer->view.path);
    }

    profile_encode_document(value.mv_data, tag, document);

    if (!(flags & MDB_APPEND)) {
        profile_put_page(writer, value.mv_data);
    }

    writer->dirty = 1;
    writer->written += len + size;
    writer->pending += len + size;
    writer->put += len + size;

    if (size > PROFILE_OVERFLOW_SIZE) {
        writer->pending += PROFILE_PAGE;
    }

    return PROFILE_OK;
}


/*
 * A value somewhere in the tree may be the first that its page is touched
 * for, which then is copied whole.  Puts in the order of keys go to the same
 * page many times; that shows in the addresses of the values.
 */

static void
profile_put_page(profile_writer_t *writer, const u_char *value)
{
    uintptr_t  place;

    place = (uintptr_t) value;

    if ((place > writer->last ? place - writer->last : writer->last - place)
        >= PROFILE_PAGE)
    {
        writer->pending += PROFILE_PAGE;
    }

    writer->last = place;
}


static int
profile_put_delete(profile_writer_t *writer, u_char *buf, size_t len,
    profile_error_t *err)
{
    int      rc;
    MDB_val  key;

    key.mv_data = buf;
    key.mv_size = len;

    rc = mdb_del(writer->view.txn, writer->view.dbi, &key, NULL);

    if (rc == MDB_NOTFOUND) {
        return PROFILE_OK;
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_del", writer->view.path);
    }

    writer->dirty = 1;

    return PROFILE_OK;
}


static int
profile_put_check_name(const profile_bytes_t *name, profile_error_t *err)
{
    if (name->len > PROFILE_NAME_MAX) {
        return profile_error(err, PROFILE_FAILED,
                             "a name is longer than %d bytes",
                             PROFILE_NAME_MAX);
    }

    return PROFILE_OK;
}
