
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Checks owners and modes, and sets them right.
 */


#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_modes.h"


/*
 * By the path and not by a descriptor: to close one of the lock file would
 * take away the locks that this process has on it.
 */

int
profile_modes_require(const char *path, mode_t mode, gid_t gid,
    profile_error_t *err)
{
    int          rc;
    char         user[PROFILE_WHO_TEXT], group[PROFILE_WHO_TEXT];
    char         owner[PROFILE_WHO_TEXT], owners[PROFILE_WHO_TEXT];
    struct stat  st;

    if (stat(path, &st) == -1) {
        return profile_error_errno(err, errno, "cannot stat %s", path);
    }

    if (st.st_gid == gid && (st.st_mode & mode) == mode) {
        return PROFILE_OK;
    }

    /* the group first: the bits are for the right one only */

    if ((st.st_gid == gid || chown(path, (uid_t) -1, gid) == 0)
        && chmod(path, (st.st_mode & 07777) | mode) == 0)
    {
        return PROFILE_OK;
    }

    rc = errno;

    return profile_error_errno(err, rc, "user %s may not give %s, which "
                               "belongs to %s:%s with mode %04o, the group "
                               "%s and the mode %04o; do it as its owner or "
                               "as root",
                               profile_error_user(user, geteuid()), path,
                               profile_error_user(owner, st.st_uid),
                               profile_error_group(owners, st.st_gid),
                               (unsigned) (st.st_mode & 07777),
                               profile_error_group(group, gid),
                               (unsigned) mode);
}


int
profile_modes_access(const char *path, int mode, profile_error_t *err)
{
    int          rc;
    char         user[PROFILE_WHO_TEXT], owner[PROFILE_WHO_TEXT];
    char         owners[PROFILE_WHO_TEXT];
    struct stat  st;

    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0) {
        return PROFILE_OK;
    }

    rc = errno;

    if (rc != EACCES || stat(path, &st) == -1) {
        return profile_error_errno(err, rc, "user %s cannot use %s",
                                   profile_error_user(user, geteuid()), path);
    }

    return profile_error_errno(err, rc, "user %s may not %s %s, which "
                               "belongs to %s:%s with mode %04o; start "
                               "profile-loader as user %s or as root",
                               profile_error_user(user, geteuid()),
                               (mode & W_OK) ? "write" : "read", path,
                               profile_error_user(owner, st.st_uid),
                               profile_error_group(owners, st.st_gid),
                               (unsigned) (st.st_mode & 07777), owner);
}
