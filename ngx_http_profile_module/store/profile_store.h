
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What every part of the store shares with its users: outcomes, errors and
 * limits.  The byte format is described in docs/store-format.md.
 */


#ifndef _PROFILE_STORE_H_INCLUDED_
#define _PROFILE_STORE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


/*
 * The outcome of every store function that returns int.  Only
 * PROFILE_NOT_FOUND says that a thing does not exist in a healthy store;
 * whatever else is not PROFILE_OK leaves that question open.
 */

typedef enum {
    PROFILE_OK = 0,
    PROFILE_NOT_FOUND,
    PROFILE_ABSENT,         /* there is no store at this place (yet) */
    PROFILE_DENIED,         /* the user may not do this */
    PROFILE_FOREIGN,        /* not a store, or one of another version */
    PROFILE_DAMAGED,        /* a store, but its content cannot be trusted */
    PROFILE_LOCKLESS,       /* LMDB would read a live store without a lock */
    PROFILE_BUSY,           /* another loader is at work */
    PROFILE_NO_SPACE,       /* the disk, a quota or a file size limit */
    PROFILE_FAILED          /* anything else; the text says what */
} profile_rc_e;


#define PROFILE_ERROR_TEXT     512

/*
 * A failure as a sentence for the operator: what failed, on what, and what
 * to do.  It never holds a key or a record id.  Set only when a function
 * returns something other than PROFILE_OK and PROFILE_NOT_FOUND.
 */

typedef struct {
    int   code;
    char  text[PROFILE_ERROR_TEXT];
} profile_error_t;


#define PROFILE_DIGEST_SIZE    32       /* SHA-256 of a key */
#define PROFILE_HASH_SIZE      16       /* of a body, the source of its ETag */
#define PROFILE_RECORD_ID_MAX  500      /* bytes */
#define PROFILE_NAME_MAX       1000     /* bytes, of anything with a name */
#define PROFILE_CURSOR_MAX     1000     /* bytes, of a cursor's value */

/* LMDB keeps the size of a value in 32 bits; leave room for the header */
#define PROFILE_BODY_MAX       (UINT32_MAX - 4096)

/*
 * The lock file's size, and so the number of readers, is fixed by whoever
 * creates it: the loader and the workers must ask for the same.  A slot
 * takes 64 bytes.  Each reload adds a set of workers while the old drain.
 */

#define PROFILE_MAX_READERS    1024

/* LMDB begins with two meta pages, of 4096 bytes at least */

#define PROFILE_DATA_MIN       8192

/* a number, and a name where there is one */

#define PROFILE_WHO_TEXT       64

#define PROFILE_DATA_FILE      "data.mdb"
#define PROFILE_LOCK_FILE      "lock.mdb"


/*
 * Writes a number, as in "user 33" or "33:33", to text, which holds
 * PROFILE_WHO_TEXT bytes; returns text.
 */

typedef const char *(*profile_who_pt)(char *text, long id);

/*
 * How messages name users and groups: with their names, if a program says
 * how.  Otherwise it is by number: to find a name may take a question to a
 * directory on the network, for which a worker must not wait.
 */

void profile_error_names(profile_who_pt user, profile_who_pt group);
const char *profile_error_user(char *text, uid_t uid);
const char *profile_error_group(char *text, gid_t gid);

int profile_error(profile_error_t *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int profile_error_errno(profile_error_t *err, int err_no, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
int profile_error_lmdb(profile_error_t *err, int rc, const char *call,
    const char *path);


#endif /* _PROFILE_STORE_H_INCLUDED_ */
