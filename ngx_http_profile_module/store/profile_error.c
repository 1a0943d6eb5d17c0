
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Turns failures of the system and of LMDB into one outcome and a sentence.
 */


#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <lmdb.h>

#include "profile_store.h"


static int profile_error_code(int err_no);
static void profile_error_append(profile_error_t *err, const char *text);
static int profile_error_lock_empty(const char *path);
static const char *profile_error_number(char *text, long id);


static profile_who_pt  profile_error_who_user = profile_error_number;
static profile_who_pt  profile_error_who_group = profile_error_number;


void
profile_error_names(profile_who_pt user, profile_who_pt group)
{
    profile_error_who_user = user;
    profile_error_who_group = group;
}


const char *
profile_error_user(char *text, uid_t uid)
{
    return profile_error_who_user(text, (long) uid);
}


const char *
profile_error_group(char *text, gid_t gid)
{
    return profile_error_who_group(text, (long) gid);
}


/*
 * Sets the error and returns its code, so that a caller may write
 * "return profile_error(err, PROFILE_..., ...)".
 */

int
profile_error(profile_error_t *err, int code, const char *fmt, ...)
{
    va_list  args;

    err->code = code;

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    return code;
}


/* The same for a failed system call: the code follows from err_no. */

int
profile_error_errno(profile_error_t *err, int err_no, const char *fmt, ...)
{
    va_list  args;

    err->code = profile_error_code(err_no);

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    profile_error_append(err, ": ");
    profile_error_append(err, strerror(err_no));

    return err->code;
}


/*
 * The same for a failed call of LMDB on the database in the folder path.
 * MDB_NOTFOUND is an outcome, not an error, and must not come here unless
 * it is one, as for a page that should exist.
 */

int
profile_error_lmdb(profile_error_t *err, int rc, const char *call,
    const char *path)
{
    switch (rc) {

    case MDB_INVALID:
        return profile_error(err, PROFILE_FOREIGN,
                             "%s is not an LMDB 0.9 database (random bytes, "
                             "or written by LMDB 1.0, which 0.9 cannot read); "
                             "restore it, or let profile-loader make a new "
                             "store", path);

    case MDB_VERSION_MISMATCH:
        return profile_error(err, PROFILE_FOREIGN,
                             "%s was written by another version of LMDB, "
                             "or on a machine of another kind; use the same "
                             "LMDB for profile-loader and nginx", path);

    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_NOTFOUND:
    case MDB_INCOMPATIBLE:
        return profile_error(err, PROFILE_DAMAGED,
                             "%s is damaged: %s() failed: %s; restore it or "
                             "load it again", path, call, mdb_strerror(rc));

    case MDB_READERS_FULL:
        return profile_error(err, PROFILE_FAILED,
                             "%s has no free reader slot: %s() failed; end "
                             "idle readers, or have profile-loader clear "
                             "dead ones", path, call);

    case EIO:

        /* LMDB's word for a write that was cut short, too */

        return profile_error(err, PROFILE_NO_SPACE,
                             "%s: %s() failed: the disk is full or failing",
                             path, call);

    case EAGAIN:
        return profile_error(err, PROFILE_FAILED,
                             "%s: %s() failed: a reader with this process id "
                             "exists already, as happens when containers "
                             "with own process ids share a live store; "
                             "share the pid namespace or seal the store",
                             path, call);

    case EINVAL:

        if (profile_error_lock_empty(path)) {
            return profile_error(err, PROFILE_FAILED,
                                 "%s: %s() failed: "
                                 PROFILE_LOCK_FILE " was emptied while it "
                                 "was in use; remove that file and run "
                                 "profile-loader apply", path, call);
        }

        break;
    }

    return profile_error(err, profile_error_code(rc), "%s: %s() failed: %s",
                         path, call, mdb_strerror(rc));
}


static int
profile_error_code(int err_no)
{
    switch (err_no) {

    case ENOENT:
        return PROFILE_ABSENT;

    case EACCES:
    case EPERM:
    case EROFS:
        return PROFILE_DENIED;

    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case MDB_MAP_FULL:
        return PROFILE_NO_SPACE;

    default:
        return PROFILE_FAILED;
    }
}


static void
profile_error_append(profile_error_t *err, const char *text)
{
    size_t  len;

    len = strlen(err->text);

    (void) snprintf(err->text + len, sizeof(err->text) - len, "%s", text);
}


/*
 * LMDB gives an empty lock file its size where nobody else has it open, and
 * otherwise maps it as it is, which the system refuses.
 */

static int
profile_error_lock_empty(const char *path)
{
    int          n;
    char         file[PATH_MAX];
    struct stat  st;

    n = snprintf(file, sizeof(file), "%s/" PROFILE_LOCK_FILE, path);

    return n > 0
           && (size_t) n < sizeof(file)
           && stat(file, &st) == 0
           && st.st_size == 0;
}


static const char *
profile_error_number(char *text, long id)
{
    (void) snprintf(text, PROFILE_WHO_TEXT, "%ld", id);

    return text;
}
