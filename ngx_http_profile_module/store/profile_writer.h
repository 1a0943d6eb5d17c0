
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Writes a store: what the loader does.  One writer for each store, kept so
 * by a lock; readers are never in its way nor it in theirs.
 *
 * Everything between begin and commit becomes visible at once, or not at
 * all.  A commit of nothing writes nothing, and to put what is there
 * already counts as nothing, except for records and lists, which the caller
 * compares.
 *
 * What a put is given may point into the writer's own view: it is copied
 * before anything there moves.
 *
 * After a failed put, delete or commit the transaction is of no more use:
 * abort it.
 */


#ifndef _PROFILE_WRITER_H_INCLUDED_
#define _PROFILE_WRITER_H_INCLUDED_


#include "profile_view.h"


typedef struct profile_writer_s  profile_writer_t;


/*
 * Opens the store in directory, and makes it first where there is none; a
 * new folder is given to group unless that is NULL.  PROFILE_BUSY where
 * another writer has it.  The caller closes it; closing NULL does nothing.
 */

int profile_writer_open(profile_writer_t **writer, const char *directory,
    const gid_t *group, profile_error_t *err);
void profile_writer_close(profile_writer_t *writer);

/*
 * The same for a store that is there, to be read and rewritten: also where
 * the live generation is sealed.  Only a snapshot of it can be had.
 */

int profile_writer_open_source(profile_writer_t **writer,
    const char *directory, profile_error_t *err);

/*
 * Makes room in the map for bytes more, which take memory addresses and
 * nothing else.  Not between begin and commit, nor with a snapshot.
 */

int profile_writer_reserve(profile_writer_t *writer, uint64_t bytes,
    profile_error_t *err);

/* A transaction, and a view that sees what it wrote. */

int profile_writer_begin(profile_writer_t *writer,
    const profile_view_t **view, profile_error_t *err);
int profile_writer_commit(profile_writer_t *writer, profile_error_t *err);
void profile_writer_abort(profile_writer_t *writer);

/*
 * A view of the last commit, which stays as it is whatever is written
 * meanwhile.  One at a time; pages that it sees are not used again.
 */

int profile_writer_snapshot(profile_writer_t *writer,
    const profile_view_t **view, profile_error_t *err);
void profile_writer_release(profile_writer_t *writer);

/* An estimate of the memory that the transaction takes, in bytes. */

uint64_t profile_writer_pending(const profile_writer_t *writer);

/* Bytes written to the data file since it was opened. */

uint64_t profile_writer_written(const profile_writer_t *writer);

/*
 * Notes when the entity was refreshed, outside any transaction, for a
 * refresh that changed nothing; put_entity says it for one that did.  What
 * was noted of a failure is removed.
 */

int profile_writer_refreshed(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, uint64_t seconds, profile_error_t *err);

/*
 * Notes why a refresh failed, for "status": one line, control characters
 * made harmless, cut at PROFILE_FAILURE_TEXT bytes.  It holds no key, record
 * id or content of a row.  It stays until the entity is refreshed: after
 * one that changed something, say so by succeeded.
 */

int profile_writer_failed(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, uint64_t seconds, const char *text,
    profile_error_t *err);
void profile_writer_succeeded(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity);

/*
 * To delete what is not there is no error.  An entity's cursor goes with the
 * entity.
 */

int profile_writer_put_key(profile_writer_t *writer, const u_char *digest,
    const profile_key_t *key, profile_error_t *err);
int profile_writer_delete_key(profile_writer_t *writer,
    const u_char *digest, profile_error_t *err);
int profile_writer_put_workspace(profile_writer_t *writer,
    const profile_workspace_t *workspace, profile_error_t *err);
int profile_writer_delete_workspace(profile_writer_t *writer, uint32_t id,
    profile_error_t *err);
int profile_writer_put_list(profile_writer_t *writer,
    const profile_document_t *list, profile_error_t *err);
int profile_writer_delete_list(profile_writer_t *writer, uint32_t workspace,
    profile_error_t *err);
int profile_writer_put_entity(profile_writer_t *writer,
    const profile_entity_t *entity, profile_error_t *err);
int profile_writer_delete_entity(profile_writer_t *writer,
    uint32_t workspace, uint32_t id, profile_error_t *err);
int profile_writer_put_cursor(profile_writer_t *writer,
    const profile_cursor_t *cursor, profile_error_t *err);
int profile_writer_delete_cursor(profile_writer_t *writer,
    uint32_t workspace, uint32_t entity, profile_error_t *err);

/*
 * Incarnations.  A new one is an orphan until it is adopted: a loader that
 * dies leaves nothing but orphans, which the next one purges.
 */

int profile_writer_new_incarnation(profile_writer_t *writer,
    uint32_t workspace, uint32_t entity, uint32_t *incarnation,
    profile_error_t *err);
int profile_writer_adopt(profile_writer_t *writer, uint32_t incarnation,
    profile_error_t *err);
int profile_writer_orphan(profile_writer_t *writer,
    const profile_orphan_t *orphan, profile_error_t *err);

/*
 * Deletes at most count records of an orphan, and the orphan with the last
 * of them; *done then is not 0.
 */

int profile_writer_purge(profile_writer_t *writer, uint32_t incarnation,
    unsigned count, int *done, profile_error_t *err);

/*
 * Records of the incarnation that entity names.  append is for a new
 * incarnation that is the last of the store, in the order of the ids.
 */

int profile_writer_put_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    const profile_document_t *record, profile_error_t *err);
int profile_writer_append_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    const profile_document_t *record, profile_error_t *err);
int profile_writer_delete_record(profile_writer_t *writer,
    const profile_entity_t *entity, const profile_bytes_t *id,
    profile_error_t *err);


#endif /* _PROFILE_WRITER_H_INCLUDED_ */
