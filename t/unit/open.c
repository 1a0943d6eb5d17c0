
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Locks that LMDB has destroyed: who opens a store just when another process
 * is the last to close it goes on as soon as that is possible, with LMDB's
 * versions that have the fault and with others.
 */


#include "store.h"

#include <pthread.h>
#include <sys/mman.h>


/* Of LMDB 0.9's lock file: magic, format, then the mutex of the readers. */

#define OPEN_MUTEX  8


static void open_heals(void);
static void open_gives_up(void);
static pid_t open_broken(const char *store);
static void open_hold(const char *path, int fd);
static void open_end(void);


static int    open_waits, open_until;
static pid_t  open_holder;


int
main(void)
{
    (void) scratch("%s", "");

    open_heals();
    open_gives_up();

    return done();
}


/* The store's own; instead of passing time it says when the holder goes. */

int
nanosleep(const struct timespec *ts, struct timespec *rest)
{
    (void) rest;

    ok(ts->tv_sec == 0 && ts->tv_nsec > 0 && ts->tv_nsec < 100000000,
       "a wait of %ld us", ts->tv_nsec / 1000);

    if (++open_waits == open_until) {
        open_end();
    }

    return 0;
}


static void
open_heals(void)
{
    const char             *store;
    profile_error_t         err;
    profile_reader_t       *reader;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    store = "heals";
    (void) store_generation(scratch("%s", store), PROFILE_FORMAT_VERSION, 1,
                            1024 * 1024);

    open_holder = open_broken(scratch("%s", store));
    open_waits = 0;
    open_until = 3;

    must(profile_reader_open(&reader, scratch("%s", store),
                             PROFILE_READAHEAD_AUTO, &err), &err);

    is_int(open_waits, 3, "a reader waits until the holder has gone");

    must(profile_reader_begin(reader, &view, &err), &err);
    profile_reader_end(reader);
    profile_reader_close(reader);

    open_holder = open_broken(scratch("%s", store));
    open_waits = 0;

    must(profile_writer_open(&writer, scratch("%s", store), NULL, &err),
         &err);

    is_int(open_waits, 3, "a writer likewise");

    must(profile_writer_begin(writer, NULL, &err), &err);
    profile_writer_abort(writer);
    profile_writer_close(writer);
}


static void
open_gives_up(void)
{
    const char        *store;
    profile_error_t    err;
    profile_reader_t  *reader;

    store = "gives-up";
    (void) store_generation(scratch("%s", store), PROFILE_FORMAT_VERSION, 1,
                            1024 * 1024);

    open_holder = open_broken(scratch("%s", store));
    open_waits = 0;
    open_until = -1;

    is_int(profile_reader_open(&reader, scratch("%s", store),
                               PROFILE_READAHEAD_AUTO, &err),
           PROFILE_FAILED, "locks that stay destroyed");
    ok(strstr(err.text, "mdb_txn_begin() failed: Invalid argument") != NULL,
       "are said: %s", err.text);
    is_int(open_waits, 7, "after a while");

    open_end();

    must(profile_reader_open(&reader, scratch("%s", store),
                             PROFILE_READAHEAD_AUTO, &err), &err);
    profile_reader_close(reader);
}


/* A process that has the generation open, as one with a destroyed mutex. */

static pid_t
open_broken(const char *store)
{
    int    fds[2];
    char   c, path[PATH_MAX];
    pid_t  pid;

    (void) snprintf(path, sizeof(path), "%s/gen-000001", store);

    need(pipe(fds) == 0, "pipe()");

    pid = fork();
    need(pid != -1, "fork()");

    if (pid == 0) {
        open_hold(path, fds[1]);
    }

    (void) close(fds[1]);

    need(read(fds[0], &c, 1) == 1, "a holder of destroyed locks");

    (void) close(fds[0]);

    return pid;
}


static void
open_hold(const char *path, int fd)
{
    int       lock;
    char     *map, file[PATH_MAX + 16];
    MDB_env  *env;
    MDB_txn  *txn;

    (void) snprintf(file, sizeof(file), "%s/lock.mdb", path);

    /* closed before LMDB opens it: that drops this process' locks */

    lock = open(file, O_RDWR);
    map = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, lock, 0);

    if (lock == -1 || map == MAP_FAILED || close(lock) != 0) {
        _exit(1);
    }

    if (mdb_env_create(&env) != 0
        || mdb_env_open(env, path, MDB_RDONLY|MDB_NOTLS, 0640) != 0
        || pthread_mutex_destroy((pthread_mutex_t *) (map + OPEN_MUTEX)) != 0
        || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != EINVAL
        || write(fd, "x", 1) != 1)
    {
        _exit(1);
    }

    for ( ;; ) {
        (void) pause();
    }
}


static void
open_end(void)
{
    (void) kill(open_holder, SIGKILL);
    need(waitpid(open_holder, NULL, 0) == open_holder, "waitpid()");
}
