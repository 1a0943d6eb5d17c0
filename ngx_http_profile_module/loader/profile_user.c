
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Becomes the user who owns a store, and names users in messages.
 */


#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_user.h"


/*
 * Enough for an entry of any size that makes sense.  What is larger, or what
 * nobody answers, has no name here.
 */

#define PROFILE_USER_ENTRY  8192


static const char *profile_user_user(char *text, long id);
static const char *profile_user_group(char *text, long id);
static const char *profile_user_text(char *text, long id, const char *name);


void
profile_user_names(void)
{
    profile_error_names(profile_user_user, profile_user_group);
}


int
profile_user_become(const char *directory, profile_error_t *err)
{
    int             rc;
    char            owner[PROFILE_WHO_TEXT];
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
        rc = errno;

        return profile_error_errno(err, rc, "cannot become user %s, who owns "
                                   "%s",
                                   profile_error_user(owner, st.st_uid),
                                   directory);
    }

    /* what a command looks for at home is at its user's, not at root's */

    if (user != NULL
        && (setenv("HOME", user->pw_dir, 1) == -1
            || setenv("USER", user->pw_name, 1) == -1
            || setenv("LOGNAME", user->pw_name, 1) == -1))
    {
        rc = errno;

        return profile_error_errno(err, rc, "cannot become user %s, who owns "
                                   "%s",
                                   profile_error_user(owner, st.st_uid),
                                   directory);
    }

    return PROFILE_OK;
}


static const char *
profile_user_user(char *text, long id)
{
    char            buf[PROFILE_USER_ENTRY];
    struct passwd   entry;
    struct passwd  *found;

    if (getpwuid_r((uid_t) id, &entry, buf, sizeof(buf), &found) != 0) {
        found = NULL;
    }

    return profile_user_text(text, id, (found != NULL) ? found->pw_name : NULL);
}


static const char *
profile_user_group(char *text, long id)
{
    char           buf[PROFILE_USER_ENTRY];
    struct group   entry;
    struct group  *found;

    if (getgrgid_r((gid_t) id, &entry, buf, sizeof(buf), &found) != 0) {
        found = NULL;
    }

    return profile_user_text(text, id, (found != NULL) ? found->gr_name : NULL);
}


/* As id(1) prints it. */

static const char *
profile_user_text(char *text, long id, const char *name)
{
    if (name == NULL) {
        (void) snprintf(text, PROFILE_WHO_TEXT, "%ld", id);

    } else {
        (void) snprintf(text, PROFILE_WHO_TEXT, "%ld(%.32s)", id, name);
    }

    return text;
}
