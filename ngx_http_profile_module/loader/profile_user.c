
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Becomes the user who owns a store.
 */


#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_user.h"


int
profile_user_become(const char *directory, profile_error_t *err)
{
    int             rc;
    struct stat     st;
    struct passwd  *user;

    if (geteuid() != 0
        || stat(directory, &st) == -1
        || st.st_uid == 0)
    {
        return PROFILE_OK;
    }

    user = getpwuid(st.st_uid);

    rc = (user != NULL) ? initgroups(user->pw_name, st.st_gid)
                        : setgroups(1, &st.st_gid);

    if (rc == -1 || setgid(st.st_gid) == -1 || setuid(st.st_uid) == -1) {
        return profile_error_errno(err, errno, "cannot become user %ld, who "
                                   "owns %s", (long) st.st_uid, directory);
    }

    /* what a command looks for at home is at its user's, not at root's */

    if (user != NULL
        && (setenv("HOME", user->pw_dir, 1) == -1
            || setenv("USER", user->pw_name, 1) == -1
            || setenv("LOGNAME", user->pw_name, 1) == -1))
    {
        return profile_error_errno(err, errno, "cannot become user %ld, who "
                                   "owns %s", (long) st.st_uid, directory);
    }

    return PROFILE_OK;
}
