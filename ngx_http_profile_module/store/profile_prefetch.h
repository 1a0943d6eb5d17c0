
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads from the disk what a lookup is about to need, so that the lookup
 * does not have to wait for it.
 *
 * This is for a thread beside the one that the reader belongs to.  Nothing
 * comes back: whatever happens, the lookup is made afterwards as ever, in
 * its own snapshot, and what the thread could not do costs it a wait.
 *
 *     the reader's thread     any thread     the reader's thread
 *     begin                   run            end, then the lookup
 */


#ifndef _PROFILE_PREFETCH_H_INCLUDED_
#define _PROFILE_PREFETCH_H_INCLUDED_


#include "profile_reader.h"


/* The caller sets all but env, and touches nothing while it runs. */

typedef struct {
    struct profile_env_s  *env;
    u_char                 digest[PROFILE_DIGEST_SIZE];
    uint32_t               entity;      /* 0: the list of the entities */
    size_t                 len;
    u_char                 id[PROFILE_RECORD_ID_MAX];
} profile_prefetch_t;


/*
 * The generation that the reader has open stays open until end, though the
 * reader may have gone on to another one.
 */

void profile_prefetch_begin(profile_prefetch_t *prefetch,
    profile_reader_t *reader);
void profile_prefetch_run(const profile_prefetch_t *prefetch);
void profile_prefetch_end(profile_prefetch_t *prefetch);

/*
 * Instead of end in a process that is about to exit: run may still come,
 * and then does nothing.
 */

void profile_prefetch_abandon(profile_prefetch_t *prefetch);


#endif /* _PROFILE_PREFETCH_H_INCLUDED_ */
