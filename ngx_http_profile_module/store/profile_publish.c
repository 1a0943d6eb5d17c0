
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes stores and generations, and publishes them.
 */


#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_generations.h"
#include "profile_modes.h"
#include "profile_publish.h"


/* LMDB's slots are 64 bytes; it adds its own header */

#define PROFILE_LOCK_SIZE  (PROFILE_MAX_READERS * 64)


static int profile_publish_new(const char *directory,
    const profile_owner_t *owner, profile_error_t *err);
static int profile_publish_check(const char *directory,
    profile_error_t *err);
static int profile_publish_fill(const char *path,
    const profile_owner_t *owner, profile_error_t *err);
static int profile_publish_last(const char *directory, uint32_t *number,
    profile_error_t *err);
static int profile_publish_write(const char *path,
    const profile_owner_t *owner, const char *text, profile_error_t *err);
static int profile_publish_make(const char *path, mode_t mode, off_t size,
    const profile_owner_t *owner, profile_error_t *err);
static int profile_publish_own(int fd, const char *path, mode_t mode,
    const profile_owner_t *owner, profile_error_t *err);
static int profile_publish_end(const char *directory,
    const profile_generation_t *gen, profile_error_t *err);
static int profile_publish_sync(const char *directory,
    profile_error_t *err);


int
profile_publish_directory(const char *directory, const gid_t *group,
    profile_owner_t *owner, profile_error_t *err)
{
    int          fd, rc;
    struct stat  st;

    if (lstat(directory, &st) == -1 && errno == ENOENT) {

        owner->uid = geteuid();
        owner->gid = (group != NULL) ? *group : getegid();

        rc = profile_publish_new(directory, owner, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    fd = open(directory, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        rc = errno;

        return (rc == EACCES)
               ? profile_modes_access(directory, R_OK|X_OK, err)
               : profile_error_errno(err, rc, "cannot open the folder %s",
                                     directory);
    }

    if (fstat(fd, &st) == -1) {
        rc = errno;
        (void) close(fd);
        return profile_error_errno(err, rc, "cannot stat %s", directory);
    }

    (void) close(fd);

    owner->uid = st.st_uid;
    owner->gid = st.st_gid;

    rc = profile_publish_check(directory, err);

    return (rc == PROFILE_OK)
           ? profile_modes_require(directory, PROFILE_DIR_MODE, owner->gid,
                                   err)
           : rc;
}


/*
 * Under another name until it has its owner and its mode: another loader, or
 * the next one after this was killed, would take what it finds for what it
 * is to be.
 */

static int
profile_publish_new(const char *directory, const profile_owner_t *owner,
    profile_error_t *err)
{
    int     n, fd, rc;
    char    path[PATH_MAX];
    size_t  len;

    len = strlen(directory);

    while (len > 1 && directory[len - 1] == '/') {
        len--;
    }

    n = snprintf(path, sizeof(path), "%.*s.new-%ld", (int) len, directory,
                 (long) getpid());

    if (n < 0 || (size_t) n >= sizeof(path)) {
        return profile_error(err, PROFILE_FAILED,
                             "%.200s...: the path is too long", directory);
    }

    /* one that was killed may have had this number, too */

    (void) rmdir(path);

    if (mkdir(path, PROFILE_DIR_MODE) == -1) {
        return profile_error_errno(err, errno, "cannot make the folder %s",
                                   directory);
    }

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    rc = (fd == -1)
         ? profile_error_errno(err, errno, "cannot open the folder %s", path)
         : profile_publish_own(fd, directory, PROFILE_DIR_MODE, owner, err);

    if (fd != -1) {
        (void) close(fd);
    }

    /* one that is there by now, with something in it, is as good */

    if (rc == PROFILE_OK
        && rename(path, directory) == -1
        && errno != EEXIST && errno != ENOTEMPTY)
    {
        rc = profile_error_errno(err, errno, "cannot make the folder %s",
                                 directory);
    }

    (void) rmdir(path);

    return rc;
}


int
profile_publish_prepare(const char *directory, const profile_owner_t *owner,
    profile_generation_t *gen, profile_error_t *err)
{
    int       rc;
    char      name[PROFILE_GENERATION_SIZE], made[PATH_MAX];
    uint32_t  number;

    rc = profile_publish_last(directory, &number, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    memset(gen, 0, sizeof(profile_generation_t));
    gen->number = number + 1;

    (void) snprintf(name, sizeof(name), PROFILE_GENERATION_NAME,
                    gen->number);

    rc = profile_path(made, sizeof(made), directory, name, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (mkdir(made, PROFILE_DIR_MODE) == -1) {
        return profile_error_errno(err, errno, "cannot make the folder %s",
                                   made);
    }

    rc = profile_publish_fill(made, owner, err);

    if (rc == PROFILE_OK && realpath(made, gen->path) == NULL) {
        rc = profile_error_errno(err, errno, "cannot open the folder %s",
                                 made);
    }

    if (rc != PROFILE_OK) {
        (void) profile_generations_remove(made);
    }

    return rc;
}


int
profile_publish_file(const char *path, mode_t mode,
    const profile_owner_t *owner, profile_error_t *err)
{
    return profile_publish_make(path, mode, 0, owner, err);
}


int
profile_publish_lock(const char *path, const profile_owner_t *owner,
    profile_error_t *err)
{
    return profile_publish_make(path, PROFILE_LOCK_MODE, PROFILE_LOCK_SIZE,
                                owner, err);
}


int
profile_publish_replace(const char *directory, const char *name,
    const char *text, const profile_owner_t *owner, profile_error_t *err)
{
    int   rc;
    char  path[PATH_MAX], temporary[PATH_MAX];

    rc = profile_path(path, sizeof(path), directory, name, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_path(temporary, sizeof(temporary), directory,
                      PROFILE_PUBLISH_TEMPORARY, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_publish_write(temporary, owner, text, err);

    if (rc == PROFILE_OK && rename(temporary, path) == -1) {
        rc = profile_error_errno(err, errno, "cannot rename %s to %s",
                                 temporary, path);
    }

    if (rc != PROFILE_OK) {
        (void) unlink(temporary);
    }

    return rc;
}


int
profile_publish(const char *directory, const profile_owner_t *owner,
    const profile_generation_t *gen, profile_error_t *err)
{
    int   rc;
    char  line[PROFILE_GENERATION_SIZE + 1], path[PATH_MAX];

    /*
     * What CURRENT names must not be lost where CURRENT is not: the
     * generation's entries, its own in the folder, the folder's.
     */

    rc = profile_publish_sync(gen->path, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_publish_sync(directory, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_path(path, sizeof(path), directory, "..", err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    /* who may not read the folder above cannot sync it */

    rc = profile_publish_sync(path, err);
    if (rc != PROFILE_OK && rc != PROFILE_DENIED) {
        return rc;
    }

    (void) snprintf(line, sizeof(line), PROFILE_GENERATION_NAME "\n",
                    gen->number);

    rc = profile_publish_replace(directory, PROFILE_CURRENT_FILE, line, owner,
                                 err);

    return (rc == PROFILE_OK) ? profile_publish_end(directory, gen, err)
                              : rc;
}


int
profile_publish_finish(const char *directory,
    const profile_generation_t *gen, profile_error_t *err)
{
    int          rc;
    char         path[PATH_MAX];
    struct stat  st;

    rc = profile_path(path, sizeof(path), gen->path, PROFILE_MAKING_FILE,
                      err);

    return (rc == PROFILE_OK && stat(path, &st) == 0)
           ? profile_publish_end(directory, gen, err) : rc;
}


/*
 * What is committed to the generation from now on is lost where CURRENT is.
 * The mark goes last: a power cut must not leave one that looks finished.
 */

static int
profile_publish_end(const char *directory, const profile_generation_t *gen,
    profile_error_t *err)
{
    int   rc;
    char  path[PATH_MAX];

    rc = profile_publish_sync(directory, err);

    if (rc == PROFILE_OK) {
        rc = profile_path(path, sizeof(path), gen->path, PROFILE_MAKING_FILE,
                          err);
    }

    if (rc == PROFILE_OK) {
        (void) unlink(path);
    }

    return rc;
}


/*
 * A folder with other things in it was named by mistake more likely than on
 * purpose.  Hidden files and what mkfs leaves do not count.
 */

static int
profile_publish_check(const char *directory, profile_error_t *err)
{
    DIR            *dir;
    struct dirent  *entry;

    dir = opendir(directory);
    if (dir == NULL) {
        return profile_error_errno(err, errno, "cannot open the folder %s",
                                   directory);
    }

    for ( ;; ) {
        entry = readdir(dir);

        if (entry == NULL) {
            (void) closedir(dir);
            return PROFILE_OK;
        }

        if (entry->d_name[0] == '.'
            || strncmp(entry->d_name, "gen-", 4) == 0
            || strcmp(entry->d_name, PROFILE_CURRENT_FILE) == 0
            || strcmp(entry->d_name, "lost+found") == 0)
        {
            continue;
        }

        (void) profile_error(err, PROFILE_FOREIGN,
                             "%s is not a store: it holds \"%.100s\"; name a "
                             "new folder, or an empty one", directory,
                             entry->d_name);
        (void) closedir(dir);

        return PROFILE_FOREIGN;
    }
}


/* The mark comes first, so that nothing is there without it. */

static int
profile_publish_fill(const char *path, const profile_owner_t *owner,
    profile_error_t *err)
{
    int     fd, rc;
    char    file[PATH_MAX];
    size_t  i;

    static const struct {
        const char  *name;
        mode_t       mode;
        off_t        size;
    } files[] = {
        { PROFILE_MAKING_FILE, PROFILE_DATA_MODE, 0 },
        { PROFILE_DATA_FILE, PROFILE_DATA_MODE, 0 },
        { PROFILE_LOCK_FILE, PROFILE_LOCK_MODE, PROFILE_LOCK_SIZE }
    };

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return profile_error_errno(err, errno, "cannot open the folder %s",
                                   path);
    }

    rc = profile_publish_own(fd, path, PROFILE_DIR_MODE, owner, err);

    (void) close(fd);

    for (i = 0; i < 3 && rc == PROFILE_OK; i++) {

        rc = profile_path(file, sizeof(file), path, files[i].name, err);

        if (rc == PROFILE_OK) {
            rc = profile_publish_make(file, files[i].mode, files[i].size,
                                      owner, err);
        }
    }

    return rc;
}


/* The greatest number of a generation's folder, as long as one can follow. */

static int
profile_publish_last(const char *directory, uint32_t *number,
    profile_error_t *err)
{
    DIR            *dir;
    uint32_t        n;
    struct dirent  *entry;

    *number = 0;

    dir = opendir(directory);
    if (dir == NULL) {
        return profile_error_errno(err, errno, "cannot open the folder %s",
                                   directory);
    }

    while ((entry = readdir(dir)) != NULL) {

        if (profile_dir_number(entry->d_name, &n) == PROFILE_OK
            && n > *number
            && n < UINT32_MAX)
        {
            *number = n;
        }
    }

    (void) closedir(dir);

    return PROFILE_OK;
}


static int
profile_publish_write(const char *path, const profile_owner_t *owner,
    const char *text, profile_error_t *err)
{
    int      fd, rc;
    size_t   len;
    ssize_t  n;

    fd = open(path, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, PROFILE_DATA_MODE);
    if (fd == -1) {
        return profile_error_errno(err, errno, "cannot make %s", path);
    }

    rc = profile_publish_own(fd, path, PROFILE_DATA_MODE, owner, err);

    if (rc == PROFILE_OK) {
        len = strlen(text);
        n = write(fd, text, len);

        if (n == -1) {
            rc = profile_error_errno(err, errno, "cannot write %s", path);

        } else if ((size_t) n != len) {
            rc = profile_error_errno(err, ENOSPC, "cannot write %s", path);
        }
    }

    if (rc == PROFILE_OK && fsync(fd) == -1) {
        rc = profile_error_errno(err, errno, "cannot sync %s", path);
    }

    if (close(fd) == -1 && rc == PROFILE_OK) {
        rc = profile_error_errno(err, errno, "cannot close %s", path);
    }

    return rc;
}


/* An existing file is left as it is. */

static int
profile_publish_make(const char *path, mode_t mode, off_t size,
    const profile_owner_t *owner, profile_error_t *err)
{
    int  fd, rc, failed;

    fd = open(path, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, mode);

    if (fd == -1) {

        if (errno == EEXIST) {
            return PROFILE_OK;
        }

        return profile_error_errno(err, errno, "cannot make %s", path);
    }

    rc = profile_publish_own(fd, path, mode, owner, err);

    if (rc == PROFILE_OK && size != 0) {
        failed = posix_fallocate(fd, 0, size);

        if (failed != 0) {
            rc = profile_error_errno(err, failed, "cannot make %s", path);
        }
    }

    (void) close(fd);

    if (rc != PROFILE_OK) {
        (void) unlink(path);
    }

    return rc;
}


/* The user's umask and primary group have no say in a store. */

static int
profile_publish_own(int fd, const char *path, mode_t mode,
    const profile_owner_t *owner, profile_error_t *err)
{
    int   rc;
    char  user[PROFILE_WHO_TEXT], group[PROFILE_WHO_TEXT];

    if (fchown(fd, owner->uid, owner->gid) == -1) {
        rc = errno;

        return profile_error_errno(err, rc, "cannot give %s to user %s and "
                                   "group %s; the loader's user must own the "
                                   "store and be in that group", path,
                                   profile_error_user(user, owner->uid),
                                   profile_error_group(group, owner->gid));
    }

    if (fchmod(fd, mode) == -1) {
        return profile_error_errno(err, errno, "cannot set the mode of %s",
                                   path);
    }

    return PROFILE_OK;
}


static int
profile_publish_sync(const char *directory, profile_error_t *err)
{
    int  fd, rc;

    fd = open(directory, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return profile_error_errno(err, errno, "cannot open %s", directory);
    }

    rc = PROFILE_OK;

    if (fsync(fd) == -1) {
        rc = profile_error_errno(err, errno, "cannot sync %s", directory);
    }

    (void) close(fd);

    return rc;
}
