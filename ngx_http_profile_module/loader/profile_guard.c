
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A process of its own for what a damaged store may crash.
 */


#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile_digest.h"
#include "profile_dir.h"
#include "profile_guard.h"
#include "profile_loader.h"
#include "profile_signal.h"


static void profile_guard_child(profile_guard_pt run, void *data,
    profile_guard_place_t *place);
static int profile_guard_wait(pid_t pid, const char *directory,
    const profile_guard_place_t *place);
static void profile_guard_signal(int number);
static void profile_guard_crashed(int number, const char *directory,
    const profile_guard_place_t *place);


static volatile pid_t  profile_guarded;


int
profile_guard(profile_guard_pt run, void *data, const char *directory)
{
    int                     rc;
    pid_t                   pid, parent;
    profile_guard_place_t  *place;

    place = mmap(NULL, sizeof(profile_guard_place_t), PROT_READ|PROT_WRITE,
                 MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (place == MAP_FAILED) {
        profile_say("out of memory");
        return PROFILE_EXIT_STORE;
    }

    /* what is buffered would be printed by both */

    (void) fflush(stdout);

    parent = getpid();
    pid = fork();

    if (pid == -1) {
        profile_say("cannot start a process: %s", strerror(errno));
        (void) munmap(place, sizeof(profile_guard_place_t));
        return PROFILE_EXIT_STORE;
    }

    if (pid == 0) {

        /* it must not outlive whoever tells what became of it */

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent) {
            _exit(PROFILE_EXIT_STORE);
        }

        profile_guard_child(run, data, place);
    }

    rc = profile_guard_wait(pid, directory, place);

    (void) munmap(place, sizeof(profile_guard_place_t));

    return rc;
}


void
profile_guard_place(profile_guard_place_t *place,
    const profile_audit_entry_t *entry)
{
    place->workspace = entry->workspace;
    place->entity = entry->entity;
    place->ordinal = (entry->tag == PROFILE_TAG_RECORD) ? entry->ordinal : 0;
}


int
profile_guard_hash(const profile_audit_entry_t *entry)
{
    u_char                     hash[PROFILE_DIGEST_SIZE];
    const profile_document_t  *document;

    document = &entry->document;

    if (document->body.len == 0) {
        return PROFILE_OK;
    }

    profile_digest(document->body.data, document->body.len, hash);

    return (memcmp(hash, document->hash, PROFILE_HASH_SIZE) == 0)
           ? PROFILE_OK : PROFILE_DAMAGED;
}


/* A crash is expected here: it leaves no core, and nobody else reports it. */

static void
profile_guard_child(profile_guard_pt run, void *data,
    profile_guard_place_t *place)
{
    int            rc;
    struct rlimit  limit;

    limit.rlim_cur = 0;
    limit.rlim_max = 0;

    (void) setrlimit(RLIMIT_CORE, &limit);
    (void) signal(SIGSEGV, SIG_DFL);
    (void) signal(SIGBUS, SIG_DFL);
    (void) signal(SIGABRT, SIG_DFL);
    (void) signal(SIGFPE, SIG_DFL);

    profile_signal_catch(SIG_DFL);

    rc = run(data, place);

    if (fflush(stdout) != 0 || ferror(stdout)) {
        profile_say("cannot write to standard output");
        rc = (rc == PROFILE_EXIT_DONE) ? PROFILE_EXIT_ENTITY : rc;
    }

    _exit(rc);
}


static int
profile_guard_wait(pid_t pid, const char *directory,
    const profile_guard_place_t *place)
{
    int  status;

    profile_guarded = pid;

    profile_signal_catch(profile_guard_signal);

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            profile_say("cannot wait for a process: %s", strerror(errno));
            return PROFILE_EXIT_STORE;
        }
    }

    profile_signal_catch(SIG_DFL);

    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }

    switch (WTERMSIG(status)) {

    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGFPE:
    case SIGILL:
        profile_guard_crashed(WTERMSIG(status), directory, place);
        return PROFILE_EXIT_STORE;

    default:

        /* whoever has started this learns how it really ended */

        (void) signal(WTERMSIG(status), SIG_DFL);
        (void) raise(WTERMSIG(status));

        return PROFILE_EXIT_STORE;
    }
}


static void
profile_guard_signal(int number)
{
    (void) kill(profile_guarded, number);
}


static void
profile_guard_crashed(int number, const char *directory,
    const profile_guard_place_t *place)
{
    char                   where[128];
    const char            *path;
    profile_error_t        ignored;
    profile_generation_t   gen;

    path = (profile_dir_current(directory, &gen, &ignored) == PROFILE_OK)
           ? gen.path : directory;

    if (place->entity == 0) {
        (void) snprintf(where, sizeof(where), "at its beginning");

    } else {
        (void) snprintf(where, sizeof(where),
                        "after record %llu of entity %u of workspace %u",
                        (unsigned long long) place->ordinal, place->entity,
                        place->workspace);
    }

    profile_say("%s/" PROFILE_DATA_FILE " is damaged: LMDB ended with signal "
                "%d %s; restore it or, to load everything again, remove %s/"
                PROFILE_CURRENT_FILE, path, number, where, directory);
}
