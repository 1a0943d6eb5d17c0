
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Removes generations that are of no more use.
 */


#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile_generations.h"
#include "profile_writing.h"


#define PROFILE_GENERATIONS_GRACE  60     /* seconds */


typedef enum {
    PROFILE_GENERATION_FREE = 0,
    PROFILE_GENERATION_USED,
    PROFILE_GENERATION_UNKNOWN
} profile_generation_use_e;


static void profile_generations_look(profile_writer_t *writer,
    const profile_generation_t *live, const char *name,
    profile_generations_t *generations);
static int profile_generations_stat(const char *path, const char *name);
static int profile_generations_is_empty(const char *path);
static profile_generation_use_e profile_generations_use(const char *path);
static profile_generation_use_e profile_generations_count(const char *path);
static int profile_generations_is_ours(const char *name);


void
profile_generations_clean(profile_writer_t *writer,
    profile_generations_t *generations)
{
    DIR                   *dir;
    struct dirent         *entry;
    profile_error_t        ignored;
    profile_generation_t   live;

    memset(generations, 0, sizeof(profile_generations_t));

    /* where it is not known which one is live, none is old */

    if (profile_dir_current(writer->directory, &live, &ignored) != PROFILE_OK)
    {
        return;
    }

    dir = opendir(writer->directory);
    if (dir == NULL) {
        return;
    }

    while ((entry = readdir(dir)) != NULL) {
        profile_generations_look(writer, &live, entry->d_name, generations);
    }

    (void) closedir(dir);
}


int
profile_generations_remove(const char *path)
{
    DIR              *dir;
    char              file[PATH_MAX];
    struct dirent    *entry;
    profile_error_t   ignored;

    dir = opendir(path);
    if (dir == NULL) {
        return PROFILE_FAILED;
    }

    /* first: if this is killed, the next one sees that nobody needs the rest */

    if (profile_path(file, sizeof(file), path, PROFILE_DATA_FILE, &ignored)
        == PROFILE_OK)
    {
        (void) unlink(file);
    }

    while ((entry = readdir(dir)) != NULL) {

        if (profile_generations_is_ours(entry->d_name)
            && profile_path(file, sizeof(file), path, entry->d_name, &ignored)
               == PROFILE_OK)
        {
            (void) unlink(file);
        }
    }

    (void) closedir(dir);

    return (rmdir(path) == 0) ? PROFILE_OK : PROFILE_FAILED;
}


void
profile_generations_discard(const char *directory,
    const profile_generation_t *gen)
{
    int                   rc;
    profile_error_t       ignored;
    profile_generation_t  live;

    rc = profile_dir_current(directory, &live, &ignored);

    if (rc == PROFILE_ABSENT
        || (rc == PROFILE_OK && live.number != gen->number))
    {
        (void) profile_generations_remove(gen->path);
    }
}


static void
profile_generations_look(profile_writer_t *writer,
    const profile_generation_t *live, const char *name,
    profile_generations_t *generations)
{
    char              path[PATH_MAX], real[PATH_MAX];
    uint32_t          number;
    struct stat       st;
    profile_error_t   ignored;

    /* a link may lead anywhere, to the live one too */

    if (profile_dir_number(name, &number) != PROFILE_OK
        || number == live->number
        || profile_path(path, sizeof(path), writer->directory, name, &ignored)
           != PROFILE_OK
        || lstat(path, &st) == -1
        || !S_ISDIR(st.st_mode)
        || realpath(path, real) == NULL
        || strcmp(real, live->path) == 0
        || (writer->env != NULL
            && strcmp(real, writer->generation.path) == 0))
    {
        return;
    }

    /* one that was never finished: only its mark can tell */

    if (profile_generations_stat(path, PROFILE_MAKING_FILE) == 0
        || profile_generations_is_empty(path))
    {
        (void) profile_generations_remove(path);
        return;
    }

    if (number > live->number) {
        return;
    }

    switch (profile_generations_use(path)) {

    case PROFILE_GENERATION_USED:
        generations->used++;
        return;

    case PROFILE_GENERATION_UNKNOWN:

        /* the time of the machine's clock, whichever way it was set */

        if (llabs((long long) time(NULL) - live->current.mtime.tv_sec)
            < PROFILE_GENERATIONS_GRACE)
        {
            generations->recent++;
            return;
        }

        break;

    case PROFILE_GENERATION_FREE:
        break;
    }

    if (profile_generations_remove(path) == PROFILE_OK) {
        generations->removed++;
    }
}


/* 0 if it is there, ENOENT if it is not, or why neither is known. */

static int
profile_generations_stat(const char *path, const char *name)
{
    char              file[PATH_MAX];
    struct stat       st;
    profile_error_t   ignored;

    if (profile_path(file, sizeof(file), path, name, &ignored) != PROFILE_OK)
    {
        return ENAMETOOLONG;
    }

    return (stat(file, &st) == 0) ? 0 : errno;
}


/* A folder that was made, and nothing after it. */

static int
profile_generations_is_empty(const char *path)
{
    int             n;
    DIR            *dir;
    struct dirent  *entry;

    dir = opendir(path);
    if (dir == NULL) {
        return 0;
    }

    n = 0;

    while ((entry = readdir(dir)) != NULL) {
        n += (strcmp(entry->d_name, ".") != 0
              && strcmp(entry->d_name, "..") != 0);
    }

    (void) closedir(dir);

    return n == 0;
}


/*
 * LMDB must not be asked where there is no lock file, which it would make,
 * nor of a generation that this process has open: closing it a second time
 * would drop the locks of the first.
 */

static profile_generation_use_e
profile_generations_use(const char *path)
{
    /* its removal had begun */

    if (profile_generations_stat(path, PROFILE_DATA_FILE) == ENOENT) {
        return PROFILE_GENERATION_FREE;
    }

    if (profile_generations_stat(path, PROFILE_SEALED_FILE) == 0
        || profile_generations_stat(path, PROFILE_LOCK_FILE) != 0)
    {
        return PROFILE_GENERATION_UNKNOWN;
    }

    return profile_generations_count(path);
}


/* No page of the data is read: it may be damaged, which crashes LMDB. */

static profile_generation_use_e
profile_generations_count(const char *path)
{
    int                        dead;
    MDB_env                   *env;
    uint32_t                   readers;
    profile_error_t            ignored;
    profile_generation_use_e   use;

    if (mdb_env_create(&env) != 0) {
        return PROFILE_GENERATION_USED;
    }

    use = PROFILE_GENERATION_UNKNOWN;

    if (mdb_env_set_maxreaders(env, PROFILE_MAX_READERS) == 0
        && mdb_env_open(env, path, MDB_RDONLY|MDB_NOTLS, PROFILE_LOCK_MODE)
           == 0
        && mdb_reader_check(env, &dead) == 0
        && profile_slots_used(env, path, 0, &readers, &ignored)
           == PROFILE_OK)
    {
        use = (readers == 0) ? PROFILE_GENERATION_FREE
                             : PROFILE_GENERATION_USED;
    }

    mdb_env_close(env);

    return use;
}


static int
profile_generations_is_ours(const char *name)
{
    int       end;
    unsigned  workspace, entity;

    if (strcmp(name, PROFILE_DATA_FILE) == 0
        || strcmp(name, PROFILE_LOCK_FILE) == 0
        || strcmp(name, PROFILE_SEALED_FILE) == 0
        || strcmp(name, PROFILE_MAKING_FILE) == 0
        || strcmp(name, PROFILE_PUBLISH_TEMPORARY) == 0)
    {
        return 1;
    }

    end = 0;

    (void) sscanf(name, PROFILE_REFRESHED_NAME "%n", &workspace, &entity,
                  &end);

    if (end == 0) {
        (void) sscanf(name, PROFILE_FAILED_NAME "%n", &workspace, &entity,
                      &end);
    }

    return end != 0 && name[end] == '\0';
}
