
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A store's folder: which generation is the live one.
 *
 *     DIRECTORY/CURRENT      the name of the live generation
 *     DIRECTORY/gen-000017/  data.mdb, lock.mdb and, if sealed, SEALED;
 *                            refreshed-W-E and failed-W-E for entity E of
 *                            workspace W
 *
 * A generation has its own folder, and so its own lock file, because LMDB
 * loses data when a file is renamed over one that is open: the old and the
 * new would share the lock file, which holds the number of the last
 * transaction.
 */


#ifndef _PROFILE_DIR_H_INCLUDED_
#define _PROFILE_DIR_H_INCLUDED_


#include <limits.h>
#include <sys/stat.h>

#include "profile_store.h"


#define PROFILE_CURRENT_FILE     "CURRENT"
#define PROFILE_SEALED_FILE      "SEALED"
#define PROFILE_GENERATION_NAME  "gen-%06u"
#define PROFILE_REFRESHED_NAME   "refreshed-%u-%u"
#define PROFILE_FAILED_NAME      "failed-%u-%u"

/* with two numbers of ten digits at most, and the final zero byte */
#define PROFILE_GENERATION_SIZE  (4 + 10 + 1)
#define PROFILE_REFRESHED_SIZE   (10 + 10 + 1 + 10 + 1)
#define PROFILE_FAILED_SIZE      (7 + 10 + 1 + 10 + 1)


/* Tells one version of a file from another, as far as stat() can. */

typedef struct {
    dev_t            dev;
    ino_t            ino;
    struct timespec  mtime;
} profile_identity_t;


typedef struct {
    uint32_t            number;
    int                 sealed;
    char                path[PATH_MAX];   /* without symbolic links */
    profile_identity_t  current;          /* of CURRENT when it was read */
} profile_generation_t;


/* Why a refresh failed: one line, cut at the size, without its newline. */

#define PROFILE_FAILURE_TEXT     1024

typedef struct {
    uint64_t  seconds;        /* since 1970 */
    char      text[PROFILE_FAILURE_TEXT];
} profile_failure_t;


void profile_identity(profile_identity_t *id, const struct stat *st);
int profile_identity_equal(const profile_identity_t *one,
    const profile_identity_t *two);

/*
 * Joins a folder and a name into path, which holds size bytes.  PROFILE_OK,
 * or PROFILE_FAILED if it would not fit.
 */

int profile_path(char *path, size_t size, const char *directory,
    const char *name, profile_error_t *err);

/* The number in a generation's name.  Nothing else is such a name. */

int profile_dir_number(const char *name, uint32_t *number);

/*
 * Reads CURRENT and finds the folder that it names.  PROFILE_ABSENT where
 * there is no store, or no CURRENT in it.
 */

int profile_dir_current(const char *directory, profile_generation_t *gen,
    profile_error_t *err);

/*
 * Whether CURRENT may name another generation than gen, or is gone: one
 * stat(), cheap enough to be asked every second.
 */

int profile_dir_changed(const char *directory,
    const profile_generation_t *gen);

/*
 * When an entity was last refreshed, in seconds since 1970; 0 where nothing
 * says so.  This stands in a file of its own and not in the database, so
 * that a refresh that finds nothing changed writes no page.
 */

uint64_t profile_dir_refreshed(const profile_generation_t *gen,
    uint32_t workspace, uint32_t entity);

/* Why the last refresh of an entity failed: 1, or 0 where nothing says so. */

int profile_dir_failed(const profile_generation_t *gen, uint32_t workspace,
    uint32_t entity, profile_failure_t *failure);

/*
 * The name of the folder's file system, where it is one that machines share;
 * otherwise NULL.  A live store there is not safe: locks and maps may differ
 * from what another machine, or this one's other mount, has.
 */

const char *profile_dir_network(const char *directory);


#endif /* _PROFILE_DIR_H_INCLUDED_ */
