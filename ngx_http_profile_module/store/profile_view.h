
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Lookups in one snapshot of a store, or in a writer's own transaction.
 *
 * A view is lent by profile_reader_begin(), profile_writer_begin() or
 * profile_writer_snapshot() and lives as long as these say.  What a lookup
 * returns points into the store: it lives as long as its view and, in a
 * writer's transaction, until the next write.
 *
 * PROFILE_NOT_FOUND is said of a thing that a healthy store does not hold;
 * each value is checked to be whole and to be the one that was asked for.
 */


#ifndef _PROFILE_VIEW_H_INCLUDED_
#define _PROFILE_VIEW_H_INCLUDED_


#include "profile_codec.h"


typedef struct profile_view_s  profile_view_t;


/* Whether it is a store at all, and not one that somebody has emptied. */

int profile_view_check(const profile_view_t *view, profile_error_t *err);

int profile_view_key(const profile_view_t *view, const u_char *digest,
    profile_key_t *key, profile_error_t *err);
int profile_view_workspace(const profile_view_t *view, uint32_t id,
    profile_workspace_t *workspace, profile_error_t *err);
int profile_view_list(const profile_view_t *view, uint32_t workspace,
    profile_document_t *list, profile_error_t *err);
int profile_view_entity(const profile_view_t *view, uint32_t workspace,
    uint32_t id, profile_entity_t *entity, profile_error_t *err);
int profile_view_cursor(const profile_view_t *view, uint32_t workspace,
    uint32_t entity, profile_cursor_t *cursor, profile_error_t *err);
int profile_view_record(const profile_view_t *view,
    const profile_entity_t *entity, const u_char *id, size_t len,
    profile_document_t *record, profile_error_t *err);


/*
 * Walks in key order: set one up, then call next until it returns
 * PROFILE_NOT_FOUND.  What was returned may be deleted between two steps.
 */

typedef struct {
    size_t  prefix;
    size_t  len;
    u_char  key[PROFILE_KEY_MAX + 1];
} profile_walk_t;


void profile_walk_keys(profile_walk_t *walk);
void profile_walk_workspaces(profile_walk_t *walk);
void profile_walk_entities(profile_walk_t *walk, uint32_t workspace);
void profile_walk_orphans(profile_walk_t *walk);

/* digest is a buffer of PROFILE_DIGEST_SIZE bytes */

int profile_view_next_key(const profile_view_t *view, profile_walk_t *walk,
    u_char *digest, profile_key_t *key, profile_error_t *err);
int profile_view_next_workspace(const profile_view_t *view,
    profile_walk_t *walk, profile_workspace_t *workspace,
    profile_error_t *err);
int profile_view_next_entity(const profile_view_t *view,
    profile_walk_t *walk, profile_entity_t *entity, profile_error_t *err);
int profile_view_next_orphan(const profile_view_t *view,
    profile_walk_t *walk, profile_orphan_t *orphan, profile_error_t *err);


/*
 * A scan of an entity's records in the order of their ids, for millions of
 * them.  The view must be a snapshot, not a transaction that writes.
 */

typedef struct profile_scan_s  profile_scan_t;

int profile_scan_open(profile_scan_t **scan, const profile_view_t *view,
    const profile_entity_t *entity, profile_error_t *err);
int profile_scan_next(profile_scan_t *scan, profile_bytes_t *id,
    profile_document_t *record, profile_error_t *err);
void profile_scan_close(profile_scan_t *scan);


#endif /* _PROFILE_VIEW_H_INCLUDED_ */
