
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Merges sorted rows with what an entity holds.
 *
 * A few changes are written in place, in one transaction.  A first load,
 * a new primary key, or more changes than one transaction should hold in
 * memory, are written as a new incarnation: appended in order, in bounded
 * transactions, seen by nobody until a last and tiny one points the entity
 * at it.
 */


#include <string.h>

#include "profile_list.h"
#include "profile_merge_pass.h"


/* at most, beside three times the body: half-filled pages and long ids */

#define PROFILE_MERGE_OVERHEAD  1300


static int profile_merge_reserve(profile_merge_t *merge,
    profile_error_t *err);
static int profile_merge_find(profile_merge_t *merge,
    const profile_view_t **snapshot, profile_entity_t *old,
    profile_error_t *err);
static int profile_merge_entity(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    profile_error_t *err);
static int profile_merge_in_place(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    int *too_much, profile_error_t *err);
static int profile_merge_commit(profile_merge_t *merge,
    profile_entity_t *target, profile_error_t *err);
static int profile_merge_rebuild(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    const profile_entity_t *base, profile_error_t *err);
static int profile_merge_publish(profile_merge_t *merge,
    const profile_entity_t *old, uint32_t incarnation, profile_error_t *err);
static int profile_merge_put_cursor(const profile_merge_t *merge,
    profile_error_t *err);


int
profile_merge(profile_merge_t *merge, profile_error_t *err)
{
    int                    rc;
    profile_entity_t       old;
    const profile_view_t  *snapshot;

    rc = profile_merge_reserve(merge, err);

    if (rc == PROFILE_OK) {
        rc = profile_merge_find(merge, &snapshot, &old, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_entity(merge, snapshot, &old, err);
    }

    profile_writer_abort(merge->writer);
    profile_writer_release(merge->writer);

    return rc;
}


/* The map cannot grow while a snapshot is held: ask for enough before. */

static int
profile_merge_reserve(profile_merge_t *merge, profile_error_t *err)
{
    int                    rc;
    uint64_t               bytes, records;
    profile_entity_t       old;
    const profile_view_t  *snapshot;

    rc = profile_merge_find(merge, &snapshot, &old, err);

    profile_writer_release(merge->writer);

    if (rc != PROFILE_OK) {
        return rc;
    }

    bytes = profile_sort_bytes(merge->rows);
    records = profile_sort_rows(merge->rows);

    if (merge->upsert) {
        bytes += old.bytes;
        records += old.records;
    }

    return profile_writer_reserve(merge->writer, bytes * 3
                                  + records * PROFILE_MERGE_OVERHEAD, err);
}


static int
profile_merge_find(profile_merge_t *merge, const profile_view_t **snapshot,
    profile_entity_t *old, profile_error_t *err)
{
    int  rc;

    rc = profile_writer_snapshot(merge->writer, snapshot, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_view_entity(*snapshot, merge->workspace, merge->entity, old,
                             err);

    if (rc == PROFILE_NOT_FOUND) {
        rc = profile_error(err, PROFILE_DAMAGED, "entity %u of workspace %u "
                           "is missing; load the store again",
                           (unsigned) merge->entity,
                           (unsigned) merge->workspace);
    }

    return rc;
}


static int
profile_merge_entity(profile_merge_t *merge, const profile_view_t *snapshot,
    const profile_entity_t *old, profile_error_t *err)
{
    int               rc, too_much;
    profile_entity_t  base;

    base = *old;

    if (profile_bytes_compare(&old->primary_key, &merge->primary_key) != 0) {

        /* the old records have other ids: there is nothing to merge with */

        base.incarnation = 0;
    }

    if (base.incarnation == 0) {
        return profile_merge_rebuild(merge, snapshot, old, &base, err);
    }

    rc = profile_merge_in_place(merge, snapshot, old, &too_much, err);

    if (rc == PROFILE_OK && too_much) {
        profile_writer_abort(merge->writer);

        rc = profile_merge_rebuild(merge, snapshot, old, &base, err);
    }

    return rc;
}


static int
profile_merge_in_place(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    int *too_much, profile_error_t *err)
{
    int                   rc;
    profile_merge_pass_t  pass;

    *too_much = 0;

    rc = profile_writer_begin(merge->writer, NULL, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    memset(&pass, 0, sizeof(profile_merge_pass_t));
    pass.merge = merge;
    pass.snapshot = snapshot;
    pass.old = old;
    pass.target = *old;

    rc = profile_merge_pass(&pass, err);

    *too_much = pass.too_much;

    if (rc != PROFILE_OK || pass.too_much || merge->refused) {
        return rc;
    }

    return profile_merge_commit(merge, &pass.target, err);
}


/* What a pass in place wrote, or only that there was nothing to write. */

static int
profile_merge_commit(profile_merge_t *merge, profile_entity_t *target,
    profile_error_t *err)
{
    int                            rc, changed;
    const profile_merge_counts_t  *counts;

    counts = &merge->counts;
    changed = (counts->added + counts->changed + counts->deleted != 0);

    rc = profile_merge_put_cursor(merge, err);

    if (rc == PROFILE_OK && changed) {
        target->records = counts->records;
        target->bytes = counts->bytes;
        target->changed = merge->now;
        target->refreshed = merge->now;

        rc = profile_writer_put_entity(merge->writer, target, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(merge->writer, err);
    }

    if (rc == PROFILE_OK && !changed) {
        rc = profile_writer_refreshed(merge->writer, merge->workspace,
                                      merge->entity, merge->now, err);
    }

    return rc;
}


static int
profile_merge_rebuild(profile_merge_t *merge, const profile_view_t *snapshot,
    const profile_entity_t *old, const profile_entity_t *base,
    profile_error_t *err)
{
    int                   rc;
    profile_merge_pass_t  pass;

    memset(&pass, 0, sizeof(profile_merge_pass_t));
    pass.merge = merge;
    pass.snapshot = snapshot;
    pass.old = base;
    pass.target = *old;
    pass.rebuild = 1;

    rc = profile_writer_begin(merge->writer, NULL, err);

    if (rc == PROFILE_OK) {
        rc = profile_writer_new_incarnation(merge->writer, merge->workspace,
                                            merge->entity,
                                            &pass.target.incarnation, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(merge->writer, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_begin(merge->writer, NULL, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_pass(&pass, err);
    }

    if (rc != PROFILE_OK || merge->refused) {
        return rc;
    }

    rc = profile_writer_commit(merge->writer, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    return profile_merge_publish(merge, old, pass.target.incarnation, err);
}


/* The new records, the list that names them and the end of the old ones. */

static int
profile_merge_publish(profile_merge_t *merge, const profile_entity_t *old,
    uint32_t incarnation, profile_error_t *err)
{
    int                    rc;
    profile_orphan_t       orphan;
    profile_entity_t       entity;
    const profile_view_t  *view;

    rc = profile_writer_begin(merge->writer, &view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    entity = *old;
    entity.incarnation = incarnation;
    entity.records = merge->counts.records;
    entity.bytes = merge->counts.bytes;
    entity.changed = merge->now;
    entity.refreshed = merge->now;
    entity.primary_key = merge->primary_key;

    rc = profile_writer_put_entity(merge->writer, &entity, err);

    if (rc == PROFILE_OK) {
        rc = profile_writer_adopt(merge->writer, incarnation, err);
    }

    if (rc == PROFILE_OK && old->incarnation != 0) {
        orphan.incarnation = old->incarnation;
        orphan.workspace = merge->workspace;
        orphan.entity = merge->entity;

        rc = profile_writer_orphan(merge->writer, &orphan, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_put_cursor(merge, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_list_put(merge->writer, view, merge->workspace,
                              merge->now, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(merge->writer, err);
    }

    return rc;
}


/* In the transaction of the rows that it stands for, or of none. */

static int
profile_merge_put_cursor(const profile_merge_t *merge, profile_error_t *err)
{
    profile_cursor_t  cursor;

    if (merge->cursor.len == 0) {
        return profile_writer_delete_cursor(merge->writer, merge->workspace,
                                            merge->entity, err);
    }

    cursor.workspace = merge->workspace;
    cursor.entity = merge->entity;
    cursor.column = merge->cursor_column;
    cursor.value = merge->cursor;

    return profile_writer_put_cursor(merge->writer, &cursor, err);
}
