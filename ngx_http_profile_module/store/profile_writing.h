
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the writer's two files share: profile_writer.c opens the store and
 * runs transactions, profile_put.c writes values.
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
    uint64_t               written;
    unsigned               creating:1;
    unsigned               dirty:1;
    profile_owner_t        owner;
    profile_generation_t   generation;
    char                   directory[PATH_MAX];
};


int profile_writer_put_meta(profile_writer_t *writer,
    const profile_meta_t *meta, profile_error_t *err);


#endif /* _PROFILE_WRITING_H_INCLUDED_ */
