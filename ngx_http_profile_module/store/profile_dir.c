
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Finds the live generation of a store.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_dir.h"


static int profile_dir_read(const char *directory, char *name, size_t size,
    profile_identity_t *id, profile_error_t *err);
static int profile_dir_line(const char *path, char *line, size_t size,
    struct stat *st);


void
profile_identity(profile_identity_t *id, const struct stat *st)
{
    id->dev = st->st_dev;
    id->ino = st->st_ino;
    id->mtime = st->st_mtim;
}


int
profile_identity_equal(const profile_identity_t *one,
    const profile_identity_t *two)
{
    return one->dev == two->dev
           && one->ino == two->ino
           && one->mtime.tv_sec == two->mtime.tv_sec
           && one->mtime.tv_nsec == two->mtime.tv_nsec;
}


int
profile_path(char *path, size_t size, const char *directory,
    const char *name, profile_error_t *err)
{
    int  n;

    n = snprintf(path, size, "%s/%s", directory, name);

    if (n < 0 || (size_t) n >= size) {
        return profile_error(err, PROFILE_FAILED,
                             "%.200s...: the path is too long", directory);
    }

    return PROFILE_OK;
}


/*
 * Only what the loader writes is a name: nothing in CURRENT may lead out of
 * the store.
 */

int
profile_dir_number(const char *name, uint32_t *number)
{
    int                 n;
    char                again[PROFILE_GENERATION_SIZE];
    char               *end;
    unsigned long long  value;

    if (strncmp(name, "gen-", 4) != 0 || name[4] < '0' || name[4] > '9') {
        return PROFILE_FOREIGN;
    }

    errno = 0;
    value = strtoull(name + 4, &end, 10);

    if (errno != 0 || *end != '\0' || value == 0 || value > UINT32_MAX) {
        return PROFILE_FOREIGN;
    }

    *number = (uint32_t) value;

    n = snprintf(again, sizeof(again), PROFILE_GENERATION_NAME, *number);

    if (n < 0 || (size_t) n >= sizeof(again) || strcmp(again, name) != 0) {
        return PROFILE_FOREIGN;
    }

    return PROFILE_OK;
}


int
profile_dir_current(const char *directory, profile_generation_t *gen,
    profile_error_t *err)
{
    int          rc;
    char         name[64], path[PATH_MAX];
    struct stat  st;

    rc = profile_dir_read(directory, name, sizeof(name), &gen->current, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_dir_number(name, &gen->number) != PROFILE_OK) {
        return profile_error(err, PROFILE_FOREIGN,
                             "%s/" PROFILE_CURRENT_FILE " does not name a "
                             "generation, as \"gen-000001\" would; restore "
                             "it", directory);
    }

    rc = profile_path(path, sizeof(path), directory, name, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    /*
     * LMDB names the lock file after the path it is given: two names for
     * one folder would be safe, but two for one file are not.
     */

    if (realpath(path, gen->path) == NULL) {
        rc = profile_error_errno(err, errno, "%s, which "
                                 PROFILE_CURRENT_FILE
                                 " names, cannot be opened; restore it",
                                 path);

        if (rc == PROFILE_ABSENT) {

            /* what was there is lost: that is not as if it never was */

            err->code = PROFILE_DAMAGED;
        }

        return err->code;
    }

    rc = profile_path(path, sizeof(path), gen->path, PROFILE_SEALED_FILE,
                      err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    gen->sealed = (stat(path, &st) == 0);

    return PROFILE_OK;
}


int
profile_dir_changed(const char *directory, const profile_generation_t *gen)
{
    char                path[PATH_MAX];
    struct stat         st;
    profile_error_t     err;
    profile_identity_t  id;

    if (profile_path(path, sizeof(path), directory, PROFILE_CURRENT_FILE,
                     &err)
        != PROFILE_OK)
    {
        return 1;
    }

    if (stat(path, &st) == -1) {
        return 1;
    }

    profile_identity(&id, &st);

    return !profile_identity_equal(&id, &gen->current);
}


uint64_t
profile_dir_refreshed(const profile_generation_t *gen, uint32_t workspace,
    uint32_t entity)
{
    char                 name[PROFILE_REFRESHED_SIZE], path[PATH_MAX];
    char                 line[32], *end;
    struct stat          st;
    profile_error_t      err;
    unsigned long long   seconds;

    (void) snprintf(name, sizeof(name), PROFILE_REFRESHED_NAME, workspace,
                    entity);

    if (profile_path(path, sizeof(path), gen->path, name, &err) != PROFILE_OK
        || profile_dir_line(path, line, sizeof(line), &st) == -1)
    {
        return 0;
    }

    errno = 0;
    seconds = strtoull(line, &end, 10);

    return (line[0] < '0' || line[0] > '9' || *end != '\0' || errno != 0)
           ? 0 : seconds;
}


int
profile_dir_failed(const profile_generation_t *gen, uint32_t workspace,
    uint32_t entity, profile_failure_t *failure)
{
    char              name[PROFILE_FAILED_SIZE], path[PATH_MAX];
    char              line[PROFILE_FAILURE_TEXT + 32], *end;
    struct stat       st;
    profile_error_t   err;

    (void) snprintf(name, sizeof(name), PROFILE_FAILED_NAME, workspace,
                    entity);

    if (profile_path(path, sizeof(path), gen->path, name, &err) != PROFILE_OK
        || profile_dir_line(path, line, sizeof(line), &st) == -1
        || line[0] < '0' || line[0] > '9')
    {
        return 0;
    }

    errno = 0;
    failure->seconds = strtoull(line, &end, 10);

    if (errno != 0 || *end != ' ') {
        return 0;
    }

    (void) snprintf(failure->text, sizeof(failure->text), "%s", end + 1);

    return 1;
}


/*
 * The identity is taken from the descriptor that is read, so that a
 * generation published meanwhile is noticed by the next look.
 */

static int
profile_dir_read(const char *directory, char *name, size_t size,
    profile_identity_t *id, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX], user[PROFILE_WHO_TEXT];
    struct stat  st;

    rc = profile_path(path, sizeof(path), directory, PROFILE_CURRENT_FILE,
                      err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (profile_dir_line(path, name, size, &st) == -1) {
        rc = errno;

        if (rc == ENOENT || rc == ENOTDIR) {
            return profile_error(err, PROFILE_ABSENT,
                                 "there is no store yet: %s does not exist; "
                                 "profile-loader sync makes it", path);
        }

        return profile_error_errno(err, rc, "user %s cannot read %s",
                                   profile_error_user(user, geteuid()), path);
    }

    profile_identity(id, &st);

    return PROFILE_OK;
}


/* A file's one line without its newline; -1 with errno. */

static int
profile_dir_line(const char *path, char *line, size_t size, struct stat *st)
{
    int      fd, rc;
    ssize_t  n;

    /* what is no file must not make a worker wait */

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NONBLOCK);
    if (fd == -1) {
        return -1;
    }

    n = -1;

    if (fstat(fd, st) != -1) {
        n = read(fd, line, size - 1);
    }

    rc = errno;
    (void) close(fd);
    errno = rc;

    if (n == -1) {
        return -1;
    }

    if (n != 0 && line[n - 1] == '\n') {
        n--;
    }

    line[n] = '\0';

    if (strlen(line) != (size_t) n) {

        /* a zero byte would hide what follows it */

        line[0] = '\0';
    }

    return 0;
}
