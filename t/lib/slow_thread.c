
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload into nginx: a disk that lets threads wait for as long
 * as a test wants.
 *
 * Where a thread other than the first one begins a transaction, a byte is
 * added to the file "entered" in the folder SLOW_THREAD, and the thread goes
 * on when there is no file "gate" there, or after a minute.  The first thread
 * never waits.
 */


#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>


#define SLOW_THREAD_TRIES  60000


typedef struct MDB_env  MDB_env;
typedef struct MDB_txn  MDB_txn;


int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags,
    MDB_txn **txn);

static void slow_thread_wait(void);


static int   (*slow_thread_begin)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
static char    slow_thread_gate[PATH_MAX];
static char    slow_thread_entered[PATH_MAX];


__attribute__((constructor)) static void
slow_thread_init(void)
{
    const char  *folder;

    folder = getenv("SLOW_THREAD");

    if (folder != NULL) {
        (void) snprintf(slow_thread_gate, PATH_MAX, "%s/gate", folder);
        (void) snprintf(slow_thread_entered, PATH_MAX, "%s/entered", folder);
    }
}


int
mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    if (syscall(SYS_gettid) != getpid()) {
        slow_thread_wait();

    } else if (slow_thread_begin == NULL) {

        /* nginx opens its stores before there is anything for a thread */

        *(void **) &slow_thread_begin = dlsym(RTLD_NEXT, "mdb_txn_begin");

        if (slow_thread_begin == NULL) {

            /* RTLD_NEXT does not see what belongs to a module */

            *(void **) &slow_thread_begin =
                dlsym(dlopen("liblmdb.so.0", RTLD_NOW|RTLD_NOLOAD),
                      "mdb_txn_begin");
        }
    }

    return slow_thread_begin(env, parent, flags, txn);
}


static void
slow_thread_wait(void)
{
    int              fd, i;
    struct timespec  ms;

    fd = open(slow_thread_entered, O_WRONLY|O_CREAT|O_APPEND, 0666);

    if (fd != -1) {
        (void) !write(fd, "x", 1);
        (void) close(fd);
    }

    ms.tv_sec = 0;
    ms.tv_nsec = 1000000;

    for (i = 0; i < SLOW_THREAD_TRIES; i++) {

        if (access(slow_thread_gate, F_OK) != 0) {
            return;
        }

        (void) nanosleep(&ms, NULL);
    }
}
