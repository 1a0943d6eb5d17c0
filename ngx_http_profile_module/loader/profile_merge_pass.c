
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * One pass over the rows of a merge.
 *
 * A pass that has to see every old record walks both ordered lists side by
 * side.  A few changes to many records are looked up one by one instead.
 */


#include <string.h>

#include "profile_digest.h"
#include "profile_merge_pass.h"
#include "profile_progress.h"
#include "profile_signal.h"


#define PROFILE_MERGE_IN_PLACE  (UINT64_C(96) * 1024 * 1024)
#define PROFILE_MERGE_BATCH     (UINT64_C(32) * 1024 * 1024)
#define PROFILE_MERGE_PROGRESS  1024        /* rows */


/* The heads of the two ordered lists. */

typedef struct {
    profile_scan_t      *scan;            /* NULL: records are looked up */
    profile_bytes_t      id;
    profile_document_t   record;
    unsigned             ended:1;
} profile_merge_old_t;


typedef struct {
    profile_sorted_t     row;
    u_char               last[PROFILE_RECORD_ID_MAX];
    size_t               last_len;        /* 0: none yet */
    unsigned             ended:1;
} profile_merge_new_t;


typedef struct {
    profile_merge_pass_t    *pass;
    profile_merge_t         *merge;
    profile_merge_counts_t  *counts;
    profile_merge_old_t      left;
    profile_merge_new_t      right;
    uint64_t                 rows;
    uint64_t                 duplicates;
} profile_merge_walk_t;


static int profile_merge_start(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_walk(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_step(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_meet(profile_merge_walk_t *walk, int *order,
    profile_error_t *err);
static int profile_merge_old(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_row(profile_merge_walk_t *walk, int found,
    profile_error_t *err);
static int profile_merge_next_old(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_next_new(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_keep(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_put(profile_merge_walk_t *walk, uint32_t changed,
    profile_error_t *err);
static int profile_merge_drop(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_batch(profile_merge_walk_t *walk,
    profile_error_t *err);
static int profile_merge_same(const profile_bytes_t *one,
    const profile_bytes_t *two);


int
profile_merge_pass(profile_merge_pass_t *pass, profile_error_t *err)
{
    int                    rc;
    profile_merge_t       *merge;
    profile_merge_walk_t   walk;

    merge = pass->merge;
    pass->too_much = 0;

    memset(&walk, 0, sizeof(profile_merge_walk_t));
    walk.pass = pass;
    walk.merge = merge;
    walk.counts = &merge->counts;

    profile_progress_begin("merging");

    rc = profile_merge_start(&walk, err);

    if (rc == PROFILE_OK) {
        rc = profile_merge_walk(&walk, err);
    }

    profile_scan_close(walk.left.scan);
    profile_progress_end();

    if (rc != PROFILE_OK || pass->too_much) {
        return rc;
    }

    if (pass->old->incarnation == 0
        && pass->old->records > merge->counts.records)
    {
        /* other ids, but so many fewer of them */

        merge->counts.deleted = pass->old->records - merge->counts.records;
    }

    merge->refused = merge->refuse(merge->data, &merge->counts,
                                   pass->old->records);

    return PROFILE_OK;
}


static int
profile_merge_start(profile_merge_walk_t *walk, profile_error_t *err)
{
    int                      rc;
    profile_merge_pass_t    *pass;
    const profile_entity_t  *old;

    pass = walk->pass;
    old = pass->old;

    memset(walk->counts, 0, sizeof(profile_merge_counts_t));

    rc = profile_sort_rewind(walk->merge->rows, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (old->incarnation == 0) {
        walk->left.ended = 1;

    } else if (walk->merge->upsert && !pass->rebuild) {

        /* what the rows do not name is counted as it stands */

        walk->left.ended = 1;
        walk->counts->records = old->records;
        walk->counts->bytes = old->bytes;

    } else {
        rc = profile_scan_open(&walk->left.scan, pass->snapshot, old, err);

        if (rc == PROFILE_OK) {
            rc = profile_merge_next_old(walk, err);
        }
    }

    return (rc == PROFILE_OK) ? profile_merge_next_new(walk, err) : rc;
}


static int
profile_merge_walk(profile_merge_walk_t *walk, profile_error_t *err)
{
    int  rc;

    while (!walk->pass->too_much
           && !(walk->left.ended && walk->right.ended))
    {
        if (profile_interrupted()) {
            return profile_error(err, PROFILE_FAILED,
                                 "interrupted by a signal");
        }

        rc = profile_merge_step(walk, err);
        if (rc != PROFILE_OK) {
            return rc;
        }

        if (walk->rows % PROFILE_MERGE_PROGRESS == 0) {
            profile_progress(walk->rows, walk->rows,
                             profile_sort_rows(walk->merge->rows));
        }
    }

    return PROFILE_OK;
}


static int
profile_merge_step(profile_merge_walk_t *walk, profile_error_t *err)
{
    int  rc, order;

    rc = profile_merge_meet(walk, &order, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (order < 0) {
        rc = profile_merge_old(walk, err);

        return (rc == PROFILE_OK) ? profile_merge_next_old(walk, err) : rc;
    }

    rc = profile_merge_row(walk, order == 0, err);

    if (rc == PROFILE_OK && order == 0 && walk->left.scan != NULL) {
        rc = profile_merge_next_old(walk, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_merge_next_new(walk, err);
    }

    return rc;
}


/*
 * Less than zero: the old id comes first, and is not among the new; zero:
 * left has what the new one meets.
 */

static int
profile_merge_meet(profile_merge_walk_t *walk, int *order,
    profile_error_t *err)
{
    int                      rc;
    const profile_bytes_t   *id;
    const profile_entity_t  *old;

    old = walk->pass->old;
    id = &walk->right.row.id;

    if (walk->left.scan != NULL) {
        *order = walk->left.ended ? 1
                 : walk->right.ended ? -1
                 : profile_bytes_compare(&walk->left.id, id);

        return PROFILE_OK;
    }

    *order = 1;

    if (old->incarnation == 0) {
        return PROFILE_OK;
    }

    rc = profile_view_record(walk->pass->snapshot, old, id->data, id->len,
                             &walk->left.record, err);

    if (rc == PROFILE_NOT_FOUND) {
        return PROFILE_OK;
    }

    if (rc == PROFILE_OK) {
        *order = 0;

        /* counted again below, if it stays */

        walk->left.id = *id;
        walk->counts->records--;
        walk->counts->bytes -= walk->left.record.body.len;
    }

    return rc;
}


/* A record that no row names. */

static int
profile_merge_old(profile_merge_walk_t *walk, profile_error_t *err)
{
    if (walk->merge->upsert) {
        return profile_merge_keep(walk, err);
    }

    return profile_merge_drop(walk, err);
}


/* A row, and the record with the same id where one was found. */

static int
profile_merge_row(profile_merge_walk_t *walk, int found,
    profile_error_t *err)
{
    uint32_t                 changed, now;
    const profile_bytes_t   *body;
    profile_merge_counts_t  *counts;

    now = walk->merge->now;
    body = &walk->right.row.body;
    counts = walk->counts;

    if (body->len == 0) {
        return found ? profile_merge_drop(walk, err) : PROFILE_OK;
    }

    if (!found) {
        counts->added++;

        return profile_merge_put(walk, now, err);
    }

    if (profile_merge_same(&walk->left.record.body, body)) {
        counts->unchanged++;

        return profile_merge_keep(walk, err);
    }

    counts->changed++;

    /* two changes in one second must not share a Last-Modified */

    changed = walk->left.record.changed + 1;

    return profile_merge_put(walk, (changed > now) ? changed : now, err);
}


static int
profile_merge_next_old(profile_merge_walk_t *walk, profile_error_t *err)
{
    int  rc;

    rc = profile_scan_next(walk->left.scan, &walk->left.id,
                           &walk->left.record, err);

    if (rc == PROFILE_NOT_FOUND) {
        walk->left.ended = 1;
        return PROFILE_OK;
    }

    return rc;
}


/* The first row of an id counts; those that follow it are duplicates. */

static int
profile_merge_next_new(profile_merge_walk_t *walk, profile_error_t *err)
{
    int                   rc;
    profile_merge_t      *merge;
    profile_sorted_t     *row;
    profile_merge_new_t  *right;

    merge = walk->merge;
    right = &walk->right;
    row = &right->row;

    for ( ;; ) {
        rc = profile_sort_next(merge->rows, row, err);

        if (rc == PROFILE_NOT_FOUND) {
            right->ended = 1;
            return PROFILE_OK;
        }

        if (rc != PROFILE_OK) {
            return rc;
        }

        walk->rows++;

        if (right->last_len != row->id.len
            || memcmp(right->last, row->id.data, row->id.len) != 0)
        {
            break;
        }

        /* a second pass meets the same ones again */

        if (++walk->duplicates > merge->duplicates) {
            merge->duplicates = walk->duplicates;
            merge->duplicate(merge->data, row);
        }
    }

    memcpy(right->last, row->id.data, row->id.len);
    right->last_len = row->id.len;

    return PROFILE_OK;
}


static int
profile_merge_keep(profile_merge_walk_t *walk, profile_error_t *err)
{
    int  rc;

    walk->counts->records++;
    walk->counts->bytes += walk->left.record.body.len;

    if (!walk->pass->rebuild) {
        return PROFILE_OK;
    }

    rc = profile_writer_append_record(walk->merge->writer,
                                      &walk->pass->target, &walk->left.id,
                                      &walk->left.record, err);

    return (rc == PROFILE_OK) ? profile_merge_batch(walk, err) : rc;
}


static int
profile_merge_put(profile_merge_walk_t *walk, uint32_t changed,
    profile_error_t *err)
{
    int                  rc;
    u_char               hash[PROFILE_DIGEST_SIZE];
    profile_merge_t     *merge;
    profile_sorted_t    *row;
    profile_document_t   record;

    merge = walk->merge;
    row = &walk->right.row;

    walk->counts->records++;
    walk->counts->bytes += row->body.len;

    profile_digest(row->body.data, row->body.len, hash);

    record.workspace = merge->workspace;
    record.entity = merge->entity;
    record.changed = changed;
    record.hash = hash;
    record.body = row->body;

    if (walk->pass->rebuild) {
        rc = profile_writer_append_record(merge->writer, &walk->pass->target,
                                          &row->id, &record, err);
    } else {
        rc = profile_writer_put_record(merge->writer, &walk->pass->target,
                                       &row->id, &record, err);
    }

    return (rc == PROFILE_OK) ? profile_merge_batch(walk, err) : rc;
}


static int
profile_merge_drop(profile_merge_walk_t *walk, profile_error_t *err)
{
    int  rc;

    walk->counts->deleted++;

    if (walk->pass->rebuild) {
        return PROFILE_OK;
    }

    rc = profile_writer_delete_record(walk->merge->writer,
                                      &walk->pass->target, &walk->left.id,
                                      err);

    return (rc == PROFILE_OK) ? profile_merge_batch(walk, err) : rc;
}


static int
profile_merge_batch(profile_merge_walk_t *walk, profile_error_t *err)
{
    int                rc;
    uint64_t           pending;
    profile_writer_t  *writer;

    writer = walk->merge->writer;
    pending = profile_writer_pending(writer);

    if (!walk->pass->rebuild) {
        walk->pass->too_much = (pending > PROFILE_MERGE_IN_PLACE);
        return PROFILE_OK;
    }

    if (pending < PROFILE_MERGE_BATCH) {
        return PROFILE_OK;
    }

    rc = profile_writer_commit(writer, err);

    return (rc == PROFILE_OK) ? profile_writer_begin(writer, NULL, err) : rc;
}


static int
profile_merge_same(const profile_bytes_t *one, const profile_bytes_t *two)
{
    return one->len == two->len && memcmp(one->data, two->data, one->len) == 0;
}
