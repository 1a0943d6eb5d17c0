
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the writer's files share: profile_writer.c opens the store and runs
 * transactions, profile_put.c writes values, profile_notes.c what stands
 * beside them, profile_space.c looks for room, profile_compact.c rewrites.
 */


#ifndef _PROFILE_WRITING_H_INCLUDED_
#define _PROFILE_WRITING_H_INCLUDED_


#include "profile_lmdb.h"
#include "profile_publish.h"
#include "profile_writer.h"


struct profile_writer_s {
    MDB_env               *env;
    profile_view_t         view;         /* of the transaction, if any */
    profile_view_t         snapshot;     /* of the snapshot, if any */
    int                    lock;         /* of the loader, a descriptor */
    uint64_t               pending;
    uintptr_t              last;         /* where the last put went */
    uint64_t               written;
    uint64_t               put;          /* bytes, in the transaction */
    unsigned               creating:1;
    unsigned               dirty:1;
    unsigned               source:1;     /* to be read and no more */
    profile_owner_t        owner;
    profile_generation_t   generation;
    char                   directory[PATH_MAX];
};


int profile_writer_put_meta(profile_writer_t *writer,
    const profile_meta_t *meta, profile_error_t *err);


/* Bytes that this user may still fill on the store's disk. */

int profile_writer_space(const profile_writer_t *writer, uint64_t *bytes);

/* PROFILE_NO_SPACE where the transaction certainly does not fit. */

int profile_writer_check_space(profile_writer_t *writer,
    profile_error_t *err);


/* What is noted beside the database about one entity. */

void profile_notes_forget(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity);
int profile_notes_copy(const profile_generation_t *from,
    const profile_generation_t *to, const profile_owner_t *owner,
    uint32_t workspace, uint32_t entity, profile_error_t *err);


#endif /* _PROFILE_WRITING_H_INCLUDED_ */
