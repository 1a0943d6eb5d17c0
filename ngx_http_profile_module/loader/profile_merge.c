
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

#include "profile_digest.h"
#include "profile_list.h"
#include "profile_loader.h"
#include "profile_merge.h"


#define PROFILE_MERGE_IN_PLACE  (UINT64_C(96) * 1024 * 1024)
#define PROFILE_MERGE_BATCH     (UINT64_C(32) * 1024 * 1024)

/* at most, beside three times the body: half-filled pages and long ids */

#define PROFILE_MERGE_OVERHEAD  1300


typedef enum {
    PROFILE_MERGE_DONE,
    PROFILE_MERGE_TOO_MUCH       /* for one transaction */
} profile_merge_outcome_e;


/* The heads of the two ordered lists that are merged. */

typedef struct {
    profile_scan_t      *scan;
    profile_bytes_t      id;
    profile_document_t   record;
    int                  ended;
} profile_merge_old_t;


typedef struct {
    profile_sorted_t     row;
    int                  ended;
    u_char               last[PROFILE_RECORD_ID_MAX];
    size_t               last_len;
    unsigned             has_last:1;
} profile_merge_new_t;


typedef struct {
    profile_merge_t          *merge;
    const profile_entity_t   *old;         /* what the rows meet */
    profile_entity_t          target;      /* the incarnation written to */
    profile_merge_old_t       left;
    profile_merge_new_t       right;
    uint64_t                  duplicates;
    unsigned                  rebuild:1;
    profile_merge_outcome_e   outcome;
} profile_merge_pass_t;


static int profile_merge_entity(profile_merge_t *merge,
    const profile_view_t *snapshot, profile_entity_t *old,
    profile_error_t *err);
static int profile_merge_in_place(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    profile_merge_outcome_e *outcome, profile_error_t *err);
static int profile_merge_rebuild(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    const profile_entity_t *base, profile_error_t *err);
static int profile_merge_pass(profile_merge_pass_t *pass,
    const profile_view_t *snapshot, profile_error_t *err);
static int profile_merge_step(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_next_old(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_next_new(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_compare(const profile_merge_pass_t *pass);
static int profile_merge_keep(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_put(profile_merge_pass_t *pass, uint32_t changed,
    profile_error_t *err);
static int profile_merge_drop(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_batch(profile_merge_pass_t *pass,
    profile_error_t *err);
static int profile_merge_publish(profile_merge_t *merge,
    const profile_entity_t *old, uint32_t incarnation, profile_error_t *err);


int
profile_merge(profile_merge_t *merge, profile_error_t *err)
{
    int                    rc;
    uint64_t               bytes;
    profile_entity_t       old;
    const profile_view_t  *snapshot;

    /* the map cannot grow while the snapshot is held: ask for enough */

    bytes = profile_sort_bytes(merge->rows) * 3
            + profile_sort_rows(merge->rows) * PROFILE_MERGE_OVERHEAD;

    rc = profile_writer_reserve(merge->writer, bytes, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_snapshot(merge->writer, &snapshot, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_view_entity(snapshot, merge->workspace, merge->entity, &old,
                             err);

    if (rc == PROFILE_NOT_FOUND) {
        rc = profile_error(err, PROFILE_DAMAGED, "entity %u of workspace %u "
                           "is missing; load the store again",
                           (unsigned) merge->entity,
                           (unsigned) merge->workspace);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_entity(merge, snapshot, &old, err);
    }

    profile_writer_abort(merge->writer);
    profile_writer_release(merge->writer);

    return rc;
}


static int
profile_merge_entity(profile_merge_t *merge, const profile_view_t *snapshot,
    profile_entity_t *old, profile_error_t *err)
{
    int                      rc;
    profile_entity_t         base;
    profile_merge_outcome_e  outcome;

    base = *old;

    if (old->primary_key.len != merge->primary_key.len
        || memcmp(old->primary_key.data, merge->primary_key.data,
                  old->primary_key.len)
           != 0)
    {
        /* the old records have other ids: there is nothing to merge with */

        base.incarnation = 0;
    }

    if (base.incarnation == 0) {
        return profile_merge_rebuild(merge, snapshot, old, &base, err);
    }

    rc = profile_merge_in_place(merge, snapshot, old, &outcome, err);

    if (rc == PROFILE_OK && outcome == PROFILE_MERGE_TOO_MUCH) {
        profile_writer_abort(merge->writer);

        rc = profile_merge_rebuild(merge, snapshot, old, &base, err);
    }

    return rc;
}


static int
profile_merge_in_place(profile_merge_t *merge,
    const profile_view_t *snapshot, const profile_entity_t *old,
    profile_merge_outcome_e *outcome, profile_error_t *err)
{
    int                   rc;
    profile_merge_pass_t  pass;

    rc = profile_writer_begin(merge->writer, NULL, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    memset(&pass, 0, sizeof(profile_merge_pass_t));
    pass.merge = merge;
    pass.old = old;
    pass.target = *old;

    rc = profile_merge_pass(&pass, snapshot, err);

    *outcome = pass.outcome;

    if (rc != PROFILE_OK
        || pass.outcome == PROFILE_MERGE_TOO_MUCH
        || merge->refused)
    {
        return rc;
    }

    if (merge->counts.added == 0
        && merge->counts.changed == 0
        && merge->counts.deleted == 0)
    {
        return profile_writer_refreshed(merge->writer, merge->workspace,
                                        merge->entity, merge->now, err);
    }

    pass.target.records = merge->counts.records;
    pass.target.bytes = merge->counts.bytes;
    pass.target.changed = merge->now;
    pass.target.refreshed = merge->now;

    rc = profile_writer_put_entity(merge->writer, &pass.target, err);

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(merge->writer, err);
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
        rc = profile_merge_pass(&pass, snapshot, err);
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


static int
profile_merge_pass(profile_merge_pass_t *pass,
    const profile_view_t *snapshot, profile_error_t *err)
{
    int               rc;
    profile_merge_t  *merge;

    merge = pass->merge;
    memset(&merge->counts, 0, sizeof(profile_merge_counts_t));

    rc = profile_sort_rewind(merge->rows, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (pass->old->incarnation == 0) {
        pass->left.ended = 1;

    } else {
        rc = profile_scan_open(&pass->left.scan, snapshot, pass->old, err);

        if (rc == PROFILE_OK) {
            rc = profile_merge_next_old(pass, err);
        }
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_next_new(pass, err);
    }

    while (rc == PROFILE_OK
           && pass->outcome == PROFILE_MERGE_DONE
           && !(pass->left.ended && pass->right.ended))
    {
        rc = profile_merge_step(pass, err);
    }

    profile_scan_close(pass->left.scan);
    pass->left.scan = NULL;

    if (pass->old->incarnation == 0
        && pass->old->records > merge->counts.records)
    {
        /* other ids, but so many fewer of them */

        merge->counts.deleted = pass->old->records - merge->counts.records;
    }

    if (rc == PROFILE_OK && pass->outcome == PROFILE_MERGE_DONE) {
        merge->refused = merge->refuse(merge->data, &merge->counts,
                                       pass->old->records);
    }

    return rc;
}


static int
profile_merge_step(profile_merge_pass_t *pass, profile_error_t *err)
{
    int                      rc, order;
    uint32_t                 changed;
    profile_merge_counts_t  *counts;

    counts = &pass->merge->counts;
    order = profile_merge_compare(pass);

    if (order < 0) {
        counts->deleted++;

        rc = profile_merge_drop(pass, err);

        return (rc == PROFILE_OK) ? profile_merge_next_old(pass, err) : rc;
    }

    counts->records++;
    counts->bytes += pass->right.row.body.len;

    if (order > 0) {
        counts->added++;

        rc = profile_merge_put(pass, pass->merge->now, err);

    } else if (pass->left.record.body.len == pass->right.row.body.len
               && memcmp(pass->left.record.body.data,
                         pass->right.row.body.data,
                         pass->right.row.body.len)
                  == 0)
    {
        counts->unchanged++;

        rc = profile_merge_keep(pass, err);

    } else {
        counts->changed++;

        /* two changes in one second must not share a Last-Modified */

        changed = pass->left.record.changed + 1;

        rc = profile_merge_put(pass, (changed > pass->merge->now)
                                     ? changed : pass->merge->now, err);
    }

    if (rc == PROFILE_OK && order == 0) {
        rc = profile_merge_next_old(pass, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_next_new(pass, err);
    }

    return rc;
}


static int
profile_merge_next_old(profile_merge_pass_t *pass, profile_error_t *err)
{
    int  rc;

    rc = profile_scan_next(pass->left.scan, &pass->left.id,
                           &pass->left.record, err);

    if (rc == PROFILE_NOT_FOUND) {
        pass->left.ended = 1;
        return PROFILE_OK;
    }

    return rc;
}


/* The first row of an id counts; those that follow it are duplicates. */

static int
profile_merge_next_new(profile_merge_pass_t *pass, profile_error_t *err)
{
    int                   rc;
    profile_sorted_t     *row;
    profile_merge_new_t  *right;

    right = &pass->right;
    row = &right->row;

    for ( ;; ) {
        rc = profile_sort_next(pass->merge->rows, row, err);

        if (rc == PROFILE_NOT_FOUND) {
            right->ended = 1;
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        if (!right->has_last
            || right->last_len != row->id.len
            || memcmp(right->last, row->id.data, row->id.len) != 0)
        {
            break;
        }

        /* a second pass meets the same ones again */

        if (++pass->duplicates > pass->merge->duplicates) {
            pass->merge->duplicates = pass->duplicates;
            pass->merge->duplicate(pass->merge->data, row);
        }
    }

    memcpy(right->last, row->id.data, row->id.len);
    right->last_len = row->id.len;
    right->has_last = 1;

    return PROFILE_OK;
}


/* Less than zero: the old id comes first, and is not among the new. */

static int
profile_merge_compare(const profile_merge_pass_t *pass)
{
    if (pass->left.ended) {
        return 1;
    }

    if (pass->right.ended) {
        return -1;
    }

    return profile_bytes_compare(&pass->left.id, &pass->right.row.id);
}


static int
profile_merge_keep(profile_merge_pass_t *pass, profile_error_t *err)
{
    int  rc;

    if (!pass->rebuild) {
        return PROFILE_OK;
    }

    rc = profile_writer_append_record(pass->merge->writer, &pass->target,
                                      &pass->left.id, &pass->left.record,
                                      err);

    return (rc == PROFILE_OK) ? profile_merge_batch(pass, err) : rc;
}


static int
profile_merge_put(profile_merge_pass_t *pass, uint32_t changed,
    profile_error_t *err)
{
    int                  rc;
    u_char               hash[PROFILE_DIGEST_SIZE];
    profile_document_t   record;
    profile_sorted_t    *row;
    profile_merge_t     *merge;

    merge = pass->merge;
    row = &pass->right.row;

    profile_digest(row->body.data, row->body.len, hash);

    record.workspace = merge->workspace;
    record.entity = merge->entity;
    record.changed = changed;
    record.hash = hash;
    record.body = row->body;

    if (pass->rebuild) {
        rc = profile_writer_append_record(merge->writer, &pass->target,
                                          &row->id, &record, err);
    } else {
        rc = profile_writer_put_record(merge->writer, &pass->target,
                                       &row->id, &record, err);
    }

    return (rc == PROFILE_OK) ? profile_merge_batch(pass, err) : rc;
}


static int
profile_merge_drop(profile_merge_pass_t *pass, profile_error_t *err)
{
    int  rc;

    if (pass->rebuild) {
        return PROFILE_OK;
    }

    rc = profile_writer_delete_record(pass->merge->writer, &pass->target,
                                      &pass->left.id, err);

    return (rc == PROFILE_OK) ? profile_merge_batch(pass, err) : rc;
}


static int
profile_merge_batch(profile_merge_pass_t *pass, profile_error_t *err)
{
    int                rc;
    uint64_t           pending;
    profile_writer_t  *writer;

    writer = pass->merge->writer;
    pending = profile_writer_pending(writer);

    if (!pass->rebuild) {

        if (pending > PROFILE_MERGE_IN_PLACE) {
            pass->outcome = PROFILE_MERGE_TOO_MUCH;
        }

        return PROFILE_OK;
    }

    if (pending < PROFILE_MERGE_BATCH) {
        return PROFILE_OK;
    }

    rc = profile_writer_commit(writer, err);

    return (rc == PROFILE_OK) ? profile_writer_begin(writer, NULL, err) : rc;
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
        rc = profile_list_put(merge->writer, view, merge->workspace,
                              merge->now, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(merge->writer, err);
    }

    return rc;
}
