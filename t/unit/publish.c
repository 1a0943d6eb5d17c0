
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Making stores and generations: whose they are, what they must not be
 * made of, and that CURRENT is always one whole name.
 */


#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "profile_publish.h"
#include "scratch.h"
#include "tap.h"


static void publish_new(void);
static void publish_existing(void);
static void publish_other_things(void);
static void publish_next(void);
static void publish_file(void);
static void publish_current(void);
static void publish_atomic(void);
static void publish_finish(void);
static void publish_denied(void);
static int publish_synced(const char *path);
static gid_t publish_group(void);
static int publish_owned(const char *path, const profile_owner_t *owner);
static long long publish_prepare(const char *store,
    profile_generation_t *gen);


static struct stat  publish_last_sync;
static const char  *publish_unfinished;
static int          publish_seen;


/* Instead of those in libc, and do what those do. */

int
fchown(int fd, uid_t uid, gid_t gid)
{
    if (publish_unfinished != NULL && scratch_exists(publish_unfinished)) {
        publish_seen = 1;
    }

    return (int) syscall(SYS_fchown, fd, uid, gid);
}


int
fsync(int fd)
{
    (void) fstat(fd, &publish_last_sync);

    return (int) syscall(SYS_fsync, fd);
}


int
main(void)
{
    int     descriptors;
    mode_t  mask;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    /* the strictest and the laxest user: neither has a say in the modes */

    mask = umask(0077);
    publish_new();
    (void) umask(0);
    publish_next();
    (void) umask(mask);

    publish_existing();
    publish_other_things();
    publish_file();
    publish_current();
    publish_atomic();
    publish_finish();
    publish_denied();

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
publish_new(void)
{
    gid_t                  group;
    const char            *store;
    struct stat            st;
    profile_error_t        err;
    profile_owner_t        owner;
    profile_generation_t   gen;

    group = publish_group();
    store = scratch("new");

    publish_unfinished = store;

    is_int(profile_publish_directory(store, &group, &owner, &err),
           PROFILE_OK, "a new folder");
    ok(!publish_seen, "is not there before it has its owner");
    is_int(scratch_entries(scratch("%s", "")), 1, "nor under another name");

    publish_unfinished = NULL;

    ok(owner.uid == geteuid() && owner.gid == group,
       "belongs to the user and the group that was named");
    is_int(scratch_mode(store), 0750, "its mode");
    ok(publish_owned(store, &owner), "its owner and group");

    is_int(profile_publish_prepare(store, &owner, &gen, &err), PROFILE_OK,
           "a generation");
    is_int(gen.number, 1, "the first one");
    is_int(gen.sealed, 0, "not sealed");
    is_str(gen.path, scratch("new/gen-000001"), "its folder");
    is_int(scratch_mode(gen.path), 0750, "the folder's mode");
    is_int(scratch_mode(scratch("new/gen-000001/data.mdb")), 0640,
           "the data's mode");
    is_int(scratch_mode(scratch("new/gen-000001/lock.mdb")), 0660,
           "the lock's mode, with which workers may write it");
    ok(publish_owned(gen.path, &owner)
       && publish_owned(scratch("new/gen-000001/data.mdb"), &owner)
       && publish_owned(scratch("new/gen-000001/lock.mdb"), &owner),
       "all have the store's owner and group");
    ok(stat(scratch("new/gen-000001/data.mdb"), &st) == 0 && st.st_size == 0,
       "the data is empty");
    ok(!scratch_exists(scratch("new/CURRENT")), "nothing is published");

    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_OK,
           "published");
    is_int(scratch_mode(scratch("new/CURRENT")), 0640, "CURRENT's mode");
    ok(publish_owned(scratch("new/CURRENT"), &owner),
       "CURRENT's owner and group");
    is_int(scratch_entries(store), 2, "and nothing else is there");

    is_int(profile_publish_directory(scratch("new2"), NULL, &owner, &err),
           PROFILE_OK, "a new folder for no group");
    ok(owner.uid == geteuid() && owner.gid == getegid(),
       "belongs to the user and his group");

    is_int(profile_publish_directory(scratch("no/where"), NULL, &owner,
                                     &err),
           PROFILE_ABSENT, "no folder is made for the folder");
    ok(strstr(err.text, scratch("no/where")) != NULL, "%s", err.text);
}


static void
publish_existing(void)
{
    const char       *store;
    struct stat       st;
    profile_error_t   err;
    profile_owner_t   owner;

    store = scratch("existing");
    scratch_mkdir(store);
    need(chmod(store, 0711) == 0, "chmod()");
    need(stat(store, &st) == 0, "stat()");

    is_int(profile_publish_directory(store, NULL, &owner, &err), PROFILE_OK,
           "an empty folder is taken");
    ok(owner.uid == st.st_uid && owner.gid == st.st_gid,
       "its owner and group are the store's");
    is_int(scratch_mode(store), 0751,
           "it gets the bits that a store needs, and keeps its own");

    if (geteuid() == 0) {
        need(chown(store, 12345, 54321) == 0, "chown()");
        ok(profile_publish_directory(store, NULL, &owner, &err) == PROFILE_OK
           && owner.uid == 12345
           && owner.gid == 54321, "that of somebody else, too");

        ok(profile_publish_file(scratch("existing/x"), 0600, &owner, &err)
           == PROFILE_OK
           && publish_owned(scratch("existing/x"), &owner),
           "whose files are made");
    } else {
        skip(2, "needs root");
    }

    scratch_text(scratch("plain"), "");
    is_int(profile_publish_directory(scratch("plain"), NULL, &owner, &err),
           PROFILE_FAILED, "a file is no folder");
    ok(scratch_exists(scratch("plain")), "and stays");
}


static void
publish_other_things(void)
{
    int               rc;
    size_t            i;
    const char       *store;
    profile_error_t   err;
    profile_owner_t   owner;

    static const char  *allowed[] = {
        ".hidden", ".loader.lock", ".new", "lost+found", "CURRENT",
        "gen-000001", "gen-000002.old"
    };
    static const char  *refused[] = {
        "data", "index.html", "current", "CURRENT~", "lost", "lost+found2",
        "gen", "Gen-000001", "data.mdb"
    };

    store = scratch("things");
    scratch_mkdir(store);

    for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        scratch_text(scratch("things/%s", allowed[i]), "");
        is_int(profile_publish_directory(store, NULL, &owner, &err),
               PROFILE_OK, "%s is no obstacle", allowed[i]);
    }

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        scratch_text(scratch("things/%s", refused[i]), "");
        rc = profile_publish_directory(store, NULL, &owner, &err);
        ok(rc == PROFILE_FOREIGN && strstr(err.text, refused[i]) != NULL,
           "%s is", refused[i]);
        ok(strstr(err.text, store) != NULL, "%s", err.text);
        (void) unlink(scratch("things/%s", refused[i]));
    }

    is_int(scratch_entries(store),
           (int) (sizeof(allowed) / sizeof(allowed[0])),
           "nothing was made there");
}


/* A generation may still be read when nobody knows its number any more. */

static void
publish_next(void)
{
    const char            *store;
    profile_error_t        err;
    profile_owner_t        owner;
    profile_generation_t   gen;

    store = scratch("next");
    need(profile_publish_directory(store, NULL, &owner, &err) == PROFILE_OK,
         "a store");

    is_int(publish_prepare(store, &gen), 1, "a first generation");
    is_int(publish_prepare(store, &gen), 2, "a second one, unpublished");
    is_int(scratch_mode(gen.path), 0750, "its mode with a lax umask");
    is_int(scratch_mode(scratch("next/gen-000002/lock.mdb")), 0660,
           "the lock's");

    scratch_text(scratch("next/CURRENT"), "gen-000001\n");
    is_int(publish_prepare(store, &gen), 3,
           "the next one does not ask CURRENT");

    (void) unlink(scratch("next/CURRENT"));
    is_int(publish_prepare(store, &gen), 4, "nor needs it");

    scratch_mkdir(scratch("next/gen-000010"));
    scratch_mkdir(scratch("next/gen-000009x"));
    scratch_mkdir(scratch("next/gen-x"));
    scratch_text(scratch("next/gen-000020"), "");
    is_int(publish_prepare(store, &gen), 21, "after the highest number");

    scratch_mkdir(scratch("next/gen-999999"));
    is_int(publish_prepare(store, &gen), 1000000, "with seven digits");
    is_str(gen.path, scratch("next/gen-1000000"), "its folder");

    scratch_mkdir(scratch("next/gen-4294967294"));
    is_int(publish_prepare(store, &gen), UINT32_MAX, "the very last");

    is_int(profile_publish_prepare(scratch("nowhere"), &owner, &gen, &err),
           PROFILE_ABSENT, "none in a folder that is not there");
}


static void
publish_file(void)
{
    char             *text;
    const char       *path;
    profile_error_t   err;
    profile_owner_t   owner;

    owner.uid = geteuid();
    owner.gid = publish_group();
    path = scratch("a-file");

    is_int(profile_publish_file(path, 0604, &owner, &err), PROFILE_OK,
           "a file is made");
    is_int(scratch_mode(path), 0604, "its mode");
    ok(publish_owned(path, &owner), "its owner and group");

    scratch_text(path, "content");
    need(chmod(path, 0600) == 0, "chmod()");
    is_int(profile_publish_file(path, 0640, &owner, &err), PROFILE_OK,
           "one that exists is no error");
    is_int(scratch_mode(path), 0600, "and keeps its mode");

    text = scratch_read(path, NULL);
    is_str(text, "content", "and its content");
    free(text);

    is_int(profile_publish_file(scratch("nowhere/file"), 0640, &owner, &err),
           PROFILE_ABSENT, "a folder has to be there");
}


static void
publish_current(void)
{
    char                  *text;
    const char            *store;
    struct stat            old, new;
    profile_error_t        err;
    profile_owner_t        owner;
    profile_generation_t   gen;

    store = scratch("current");
    need(profile_publish_directory(store, NULL, &owner, &err) == PROFILE_OK,
         "a store");

    need(publish_prepare(store, &gen) == 1, "a generation");
    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_OK,
           "a generation is published");
    text = scratch_read(scratch("current/CURRENT"), NULL);
    is_str(text, "gen-000001\n", "CURRENT names it");
    free(text);
    need(stat(scratch("current/CURRENT"), &old) == 0, "stat()");

    /* what a loader left that was killed */

    scratch_text(scratch("current/.new"), "gen-999999 and more\n");

    need(publish_prepare(store, &gen) == 2, "a generation");
    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_OK,
           "and another one");
    text = scratch_read(scratch("current/CURRENT"), NULL);
    is_str(text, "gen-000002\n", "which CURRENT names, in place of it");
    free(text);

    ok(stat(scratch("current/CURRENT"), &new) == 0
       && new.st_ino != old.st_ino, "it is another file");
    is_int(scratch_entries(store), 3, "no temporary one is left");

    gen.number = UINT32_MAX;
    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_OK,
           "the longest name");
    text = scratch_read(scratch("current/CURRENT"), NULL);
    is_str(text, "gen-4294967295\n", "is whole");
    free(text);

    (void) snprintf(gen.path, sizeof(gen.path), "%s",
                    scratch("current/gen-000077"));
    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_ABSENT,
           "a generation whose folder is not there is not published");

    need(rename(scratch("current/CURRENT"), scratch("current/x")) == 0,
         "rename()");
    scratch_mkdir(scratch("current/CURRENT"));
    (void) snprintf(gen.path, sizeof(gen.path), "%s",
                    scratch("current/gen-000001"));
    is_int(profile_publish(store, &owner, &gen, &err), PROFILE_FAILED,
           "a folder in place of CURRENT");
    is_int(scratch_entries(store), 4, "no temporary file is left of it");
}


/* Whoever looks while it changes finds a name, the old or the new one. */

static void
publish_atomic(void)
{
    int                    i, fd[2], status;
    pid_t                  pid;
    const char            *store;
    profile_error_t        err;
    profile_owner_t        owner;
    profile_generation_t   gen, seen;

    store = scratch("atomic");
    need(profile_publish_directory(store, NULL, &owner, &err) == PROFILE_OK
         && publish_prepare(store, &gen) == 1
         && publish_prepare(store, &gen) == 2
         && profile_publish(store, &owner, &gen, &err) == PROFILE_OK,
         "a store");

    need(pipe(fd) == 0, "pipe()");
    pid = fork();
    need(pid != -1, "fork()");

    if (pid == 0) {
        (void) close(fd[1]);
        need(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0, "fcntl()");

        do {
            if (profile_dir_current(store, &seen, &err) != PROFILE_OK
                || (seen.number != 1 && seen.number != 2))
            {
                _exit(1);
            }
        } while (read(fd[0], &i, 1) == -1);

        _exit(0);
    }

    (void) close(fd[0]);

    for (i = 0; i < 50; i++) {
        gen.number = 1 + (uint32_t) i % 2;
        need(profile_publish(store, &owner, &gen, &err) == PROFILE_OK,
             "profile_publish()");
    }

    (void) close(fd[1]);
    need(waitpid(pid, &status, 0) == pid, "waitpid()");

    is_int(status, 0, "published 50 times, and always whole");
}


/*
 * Who is killed after the rename has not synced it.  The next one must do
 * that before it commits to what may not be the live one after a power cut.
 */

static void
publish_finish(void)
{
    char                  *mark;
    const char            *store;
    profile_error_t        err;
    profile_generation_t   gen;

    store = scratch("finish");
    (void) mkdir(store, 0750);

    is_int(publish_prepare(store, &gen), 1, "a generation");

    mark = strdup(scratch("finish/gen-000001/" PROFILE_MAKING_FILE));
    scratch_text(scratch("finish/CURRENT"), "gen-000001\n");

    (void) publish_synced(store);
    ok(scratch_exists(mark), "is marked when it becomes the live one");

    is_int(profile_publish_finish(store, &gen, &err), PROFILE_OK,
           "the next one ends what was begun");
    ok(publish_synced(store), "syncs the folder");
    ok(!scratch_exists(mark), "and takes the mark away");

    is_int(profile_publish_finish(store, &gen, &err), PROFILE_OK,
           "once it has ended");
    ok(!publish_synced(store), "there is nothing to sync");

    free(mark);
}


static void
publish_denied(void)
{
    gid_t             group;
    profile_error_t   err;
    profile_owner_t   owner;

    if (geteuid() == 0) {
        skip(3, "root may do it");
        return;
    }

    group = 0;
    is_int(profile_publish_directory(scratch("denied"), &group, &owner,
                                     &err),
           PROFILE_DENIED, "a group that the user is not in");
    ok(strstr(err.text, scratch("denied")) != NULL, "%s", err.text);
    ok(!scratch_exists(scratch("denied")), "leaves no folder");
}


static int
publish_synced(const char *path)
{
    int          synced;
    struct stat  st;

    synced = (stat(path, &st) == 0
              && publish_last_sync.st_dev == st.st_dev
              && publish_last_sync.st_ino == st.st_ino);

    memset(&publish_last_sync, 0, sizeof(struct stat));

    return synced;
}


/* A group that is not the user's first one, where there is such a group. */

static gid_t
publish_group(void)
{
    int    i, n;
    gid_t  groups[64];

    if (geteuid() == 0) {
        return 54321;
    }

    n = getgroups(64, groups);

    for (i = 0; i < n; i++) {
        if (groups[i] != getegid()) {
            return groups[i];
        }
    }

    return getegid();
}


static int
publish_owned(const char *path, const profile_owner_t *owner)
{
    struct stat  st;

    return stat(path, &st) == 0
           && st.st_uid == owner->uid
           && st.st_gid == owner->gid;
}


/* The number of the generation that is made. */

static long long
publish_prepare(const char *store, profile_generation_t *gen)
{
    int              rc;
    profile_error_t  err;
    profile_owner_t  owner;

    owner.uid = geteuid();
    owner.gid = getegid();

    rc = profile_publish_prepare(store, &owner, gen, &err);

    if (rc != PROFILE_OK) {
        (void) printf("# %s\n", err.text);
        return -1;
    }

    return gen->number;
}
