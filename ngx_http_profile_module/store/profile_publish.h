
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes stores and generations, and publishes them.  Only writers do.
 */


#ifndef _PROFILE_PUBLISH_H_INCLUDED_
#define _PROFILE_PUBLISH_H_INCLUDED_


#include "profile_dir.h"


#define PROFILE_DIR_MODE   0750
#define PROFILE_DATA_MODE  0640
#define PROFILE_LOCK_MODE  0660

/* what is about to be renamed */
#define PROFILE_PUBLISH_TEMPORARY  ".new"

/* in a generation that has not been published: see profile_generations.h */
#define PROFILE_MAKING_FILE        ".making"


/* Everything in a store has the owner and the group of its folder. */

typedef struct {
    uid_t  uid;
    gid_t  gid;
} profile_owner_t;


/*
 * Makes the folder unless it exists: its owner is the user, its group the
 * one that group points to or, where that is NULL, the user's.  An existing
 * folder must hold a store or nothing.
 */

int profile_publish_directory(const char *directory, const gid_t *group,
    profile_owner_t *owner, profile_error_t *err);

/*
 * Makes the folder of the next generation with empty files in it, not
 * published, and marked so.  Where CURRENT was lost, an existing generation
 * is left alone.
 */

int profile_publish_prepare(const char *directory,
    const profile_owner_t *owner, profile_generation_t *gen,
    profile_error_t *err);

/* Makes a file of a store, or does nothing if it exists. */

int profile_publish_file(const char *path, mode_t mode,
    const profile_owner_t *owner, profile_error_t *err);

/*
 * The same for LMDB's lock file, with space on the disk for its slots: they
 * are written as memory, and where a disk is full that is a SIGBUS.
 */

int profile_publish_lock(const char *path, const profile_owner_t *owner,
    profile_error_t *err);

/*
 * Writes text to a file in a folder: whoever reads it sees the old text or
 * the new one, whole, also after a power cut.
 */

int profile_publish_replace(const char *directory, const char *name,
    const char *text, const profile_owner_t *owner, profile_error_t *err);

/* Makes the generation the live one, atomically and durably. */

int profile_publish(const char *directory, const profile_owner_t *owner,
    const profile_generation_t *gen, profile_error_t *err);

/*
 * Ends what profile_publish() has begun, for the generation that CURRENT
 * names: whoever made it the live one may have been killed right after that.
 */

int profile_publish_finish(const char *directory,
    const profile_generation_t *gen, profile_error_t *err);


#endif /* _PROFILE_PUBLISH_H_INCLUDED_ */
