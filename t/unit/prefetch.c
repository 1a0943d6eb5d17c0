
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reading ahead in threads: it reads what the lookup needs, and the reader
 * grows, is replaced, is shut and is closed while threads are at it.
 *
 * A process of its own reads, since this one writes.  It keeps four threads
 * busy, as nginx would, and makes its lookups meanwhile.
 */


#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "profile_prefetch.h"
#include "store.h"


#define PREFETCH_THREADS  4
#define PREFETCH_LOOKUPS  300
#define PREFETCH_REPEAT   50
#define PREFETCH_HOLD_MS  500
#define PREFETCH_BIG      4000000

/* A sanitizer has page faults of its own for each page that is read. */

#if (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define PREFETCH_SANITIZED  1
#else
#define PREFETCH_SANITIZED  0
#endif


typedef enum {
    PREFETCH_OPEN = 0,      /* text: the store */
    PREFETCH_LOOKUP,        /* number: how many failed */
    PREFETCH_REFRESH,
    PREFETCH_HOLD,          /* keep a thread inside of its snapshot */
    PREFETCH_HELD,          /* a lookup; number: it did not wait for it */
    PREFETCH_FAULTS,        /* number: in the thread; text: in the lookup */
    PREFETCH_CLOSE,
    PREFETCH_ABANDON
} prefetch_op_e;


typedef enum {
    PREFETCH_IDLE = 0,
    PREFETCH_READY,
    PREFETCH_DONE,
    PREFETCH_QUIT
} prefetch_state_e;


typedef struct {
    pthread_t            thread;
    prefetch_state_e     state;
    profile_prefetch_t   prefetch;
} prefetch_slot_t;


static void prefetch_writer(const char *store, uint32_t generation);
static void prefetch_grown(peer_t *peer);
static void prefetch_generations(peer_t *peer);
static void prefetch_lock(peer_t *peer);
static void prefetch_reads(peer_t *peer);
static void prefetch_ends(peer_t *peer, peer_t *other);
static int prefetch_ask(peer_t *peer, prefetch_op_e op, const char *text);

static void prefetch_peer(int fd);
static int prefetch_do(const peer_ask_t *ask, peer_answer_t *answer,
    profile_error_t *err);
static void prefetch_want(profile_prefetch_t *prefetch, int kind);
static void prefetch_hold(void);
static uint64_t prefetch_held_lookup(profile_error_t *err);
static void prefetch_start(void);
static void *prefetch_thread(void *data);
static void prefetch_pump(void);
static void prefetch_finish(int abandon);
static uint64_t prefetch_lookups(profile_error_t *err);
static int prefetch_lookup(profile_error_t *err);
static int prefetch_faults(peer_answer_t *answer, profile_error_t *err);
static long prefetch_count_faults(void);


static pthread_mutex_t    prefetch_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t     prefetch_changed = PTHREAD_COND_INITIALIZER;
static prefetch_slot_t    prefetch_slots[PREFETCH_THREADS];
static profile_reader_t  *prefetch_reader;

static int                prefetch_gate;        /* atomic, as are these */
static int                prefetch_held;
static int                prefetch_looked_up;
static int                prefetch_early;


int
main(void)
{
    int     i;
    peer_t  peers[2];

    (void) scratch("%s", "");

    for (i = 0; i < 2; i++) {
        peer_start(&peers[i], prefetch_peer);
    }

    prefetch_grown(&peers[0]);
    prefetch_generations(&peers[0]);
    prefetch_lock(&peers[0]);
    prefetch_reads(&peers[0]);
    prefetch_ends(&peers[0], &peers[1]);

    for (i = 0; i < 2; i++) {
        is_int(peer_stop(&peers[i], 0), 0, "process %d ends well", i);
    }

    return done();
}


/* The map of readers is as large as the file says when they open it. */

static void
prefetch_grown(peer_t *peer)
{
    int                  i, failed;
    char                *big;
    profile_bytes_t      id;
    profile_error_t      err;
    profile_entity_t     entity;
    profile_writer_t    *writer;
    profile_document_t   document;

    (void) store_generation(scratch("store"), 1, 1, 1048576);

    need(prefetch_ask(peer, PREFETCH_OPEN, scratch("store")) == PROFILE_OK,
         peer->answer.text);

    /* which lets the map grow, too, but does not need it */

    prefetch_writer(scratch("store"), 1);

    is_int(prefetch_ask(peer, PREFETCH_LOOKUP, ""), PROFILE_OK,
           "lookups while threads read");
    is_int(peer->answer.number, 0, "none of them fails");

    big = malloc(PREFETCH_BIG + 1);
    need(big != NULL, "malloc()");
    memset(big, 'b', PREFETCH_BIG);
    big[PREFETCH_BIG] = '\0';

    must(profile_writer_open(&writer, scratch("store"), NULL, &err), &err);
    entity = store_entity(1, 2, 3);
    document = store_document(1, 2, big);
    failed = 0;

    (void) prefetch_ask(peer, PREFETCH_HOLD, "");

    for (i = 0; i < 5; i++) {
        must(profile_writer_reserve(writer,
                                    (uint64_t) (i + 1) * 1073741824, &err),
             &err);
        must(profile_writer_begin(writer, NULL, &err), &err);
        id.data = (const u_char *) "bbbbbb";
        id.len = (size_t) i + 1;
        must(profile_writer_put_record(writer, &entity, &id, &document,
                                       &err), &err);
        must(profile_writer_commit(writer, &err), &err);

        if (i == 0) {
            is_int(prefetch_ask(peer, PREFETCH_HELD, ""), PROFILE_OK,
                   "the map grows while a thread reads it");
            is_int(peer->answer.number, 0, "that thread is waited for");
        }

        failed += (prefetch_ask(peer, PREFETCH_LOOKUP, "") != PROFILE_OK
                   || peer->answer.number != 0);
    }

    is_int(failed, 0, "none fails where the map grows");

    profile_writer_close(writer);
    free(big);
}


static void
prefetch_generations(peer_t *peer)
{
    int       i, failed;
    uint32_t  n;

    failed = 0;

    for (i = 0; i < 20; i++) {
        n = store_generation(scratch("store"), 1, 1, 0);
        prefetch_writer(scratch("store"), n);

        failed += (prefetch_ask(peer, PREFETCH_REFRESH, "") != PROFILE_OK
                   || prefetch_ask(peer, PREFETCH_LOOKUP, "") != PROFILE_OK
                   || peer->answer.number != 0);
    }

    is_int(failed, 0, "nor where a generation follows another");
}


static void
prefetch_lock(peer_t *peer)
{
    int   i, failed;
    char  command[PATH_MAX * 2];

    failed = 0;

    for (i = 0; i < 20; i++) {
        (void) snprintf(command, sizeof(command),
                        "cd %s/gen-000021 && mv lock.mdb old && cp -p old "
                        "lock.mdb", scratch("store"));
        need(system(command) == 0, "mv and cp");

        failed += (prefetch_ask(peer, PREFETCH_REFRESH, "") != PROFILE_OK
                   || prefetch_ask(peer, PREFETCH_LOOKUP, "") != PROFILE_OK
                   || peer->answer.number != 0);
    }

    is_int(failed, 0, "nor where the environment is shut and opened again");
}


/* Page faults are counted: that memory has been read shows nowhere else. */

static void
prefetch_reads(peer_t *peer)
{
    long                 faults;
    char                *big;
    profile_bytes_t      id;
    profile_error_t      err;
    profile_entity_t     entity;
    profile_writer_t    *writer;
    profile_document_t   document;

    big = malloc(PREFETCH_BIG + 1);
    need(big != NULL, "malloc()");
    memset(big, 'b', PREFETCH_BIG);
    big[PREFETCH_BIG] = '\0';

    must(profile_writer_open(&writer, scratch("store"), NULL, &err), &err);
    must(profile_writer_begin(writer, NULL, &err), &err);
    entity = store_entity(1, 2, 3);
    document = store_document(1, 2, big);
    id = store_bytes("big");
    must(profile_writer_put_record(writer, &entity, &id, &document, &err),
         &err);
    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);
    free(big);

    (void) prefetch_ask(peer, PREFETCH_CLOSE, "");
    need(prefetch_ask(peer, PREFETCH_OPEN, scratch("store")) == PROFILE_OK,
         peer->answer.text);

    is_int(prefetch_ask(peer, PREFETCH_FAULTS, ""), PROFILE_OK,
           "a large record");
    faults = strtol(peer->answer.text, NULL, 10);

    ok(PREFETCH_SANITIZED || faults * 2 < (long) peer->answer.number,
       "%ld faults in the lookup, %ld before it", faults,
       (long) peer->answer.number);
}


static void
prefetch_ends(peer_t *peer, peer_t *other)
{
    is_int(prefetch_ask(peer, PREFETCH_CLOSE, ""), PROFILE_OK,
           "all ends, and the reader is closed");
    is_int(peer->answer.number, 0, "nothing of the store is mapped then");

    need(prefetch_ask(other, PREFETCH_OPEN, scratch("store")) == PROFILE_OK,
         other->answer.text);
    is_int(prefetch_ask(other, PREFETCH_LOOKUP, ""), PROFILE_OK,
           "another process");
    is_int(prefetch_ask(other, PREFETCH_ABANDON, ""), PROFILE_OK,
           "which is going to exit, while threads wait for their turn");
    is_int(other->answer.number, 0, "nothing of the store is mapped then");
}


static int
prefetch_ask(peer_t *peer, prefetch_op_e op, const char *text)
{
    return peer_ask(peer, (peer_op_e) op, 0, 0, text);
}


static void
prefetch_writer(const char *store, uint32_t generation)
{
    profile_key_t          key;
    profile_bytes_t        id;
    profile_error_t        err;
    profile_entity_t       entity;
    profile_writer_t      *writer;
    profile_document_t     list, record;
    profile_workspace_t    workspace;

    must(profile_writer_open(&writer, store, NULL, &err), &err);
    must(profile_writer_begin(writer, NULL, &err), &err);

    key.workspace = 1;
    key.expires = 0;
    key.name = store_bytes("web");
    must(profile_writer_put_key(writer, STORE_KEY, &key, &err), &err);

    workspace.id = 1;
    workspace.name = store_bytes("Acme");
    must(profile_writer_put_workspace(writer, &workspace, &err), &err);

    list = store_document(1, 0, "{\"data\":[]}");
    must(profile_writer_put_list(writer, &list, &err), &err);

    entity = store_entity(1, 2, 3);
    entity.changed = generation;
    must(profile_writer_put_entity(writer, &entity, &err), &err);

    record = store_document(1, 2, "{\"data\":{}}");
    id = store_bytes("a");
    must(profile_writer_put_record(writer, &entity, &id, &record, &err),
         &err);

    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);
}


/* -- the process that reads ---------------------------------------------- */

static void
prefetch_peer(int fd)
{
    peer_ask_t       ask;
    peer_answer_t    answer;
    profile_error_t  err;

    prefetch_start();

    while (read(fd, &ask, sizeof(ask)) == sizeof(ask)) {

        memset(&answer, 0, sizeof(answer));
        memset(&err, 0, sizeof(err));

        answer.rc = prefetch_do(&ask, &answer, &err);

        if (answer.rc != PROFILE_OK) {
            memcpy(answer.text, err.text, sizeof(err.text));
        }

        if (write(fd, &answer, sizeof(answer)) != sizeof(answer)) {
            break;
        }
    }

    prefetch_finish(0);
}


static int
prefetch_do(const peer_ask_t *ask, peer_answer_t *answer,
    profile_error_t *err)
{
    int  rc;

    rc = PROFILE_OK;

    switch (ask->op) {

    case PREFETCH_OPEN:
        prefetch_start();
        rc = profile_reader_open(&prefetch_reader, ask->text,
                                 PROFILE_READAHEAD_AUTO, err);
        break;

    case PREFETCH_LOOKUP:
        answer->number = prefetch_lookups(err);
        break;

    case PREFETCH_REFRESH:
        (void) prefetch_lookups(err);
        rc = profile_reader_refresh(prefetch_reader, err);
        break;

    case PREFETCH_HOLD:
        prefetch_hold();
        break;

    case PREFETCH_HELD:
        answer->number = prefetch_held_lookup(err);
        break;

    case PREFETCH_FAULTS:
        rc = prefetch_faults(answer, err);
        break;

    case PREFETCH_CLOSE:
    case PREFETCH_ABANDON:
        prefetch_pump();
        prefetch_finish(ask->op == PREFETCH_ABANDON);
        answer->number = (uint64_t) (system("exec grep -q data.mdb "
                                            "/proc/$PPID/maps") == 0);
        break;
    }

    return rc;
}


static void
prefetch_want(profile_prefetch_t *prefetch, int kind)
{
    static const char  *ids[] = { "", "a", "none", "bbb" };

    memcpy(prefetch->digest, STORE_KEY, PROFILE_DIGEST_SIZE);
    prefetch->entity = (kind == 0) ? 0 : 2;
    prefetch->len = strlen(ids[kind]);
    memcpy(prefetch->id, ids[kind], prefetch->len);
}


/*
 * In place of LMDB's own: a prefetch is held at its end, until the lookup has
 * been made or, since that should wait, for a short while.
 */

void
mdb_txn_abort(MDB_txn *txn)
{
    int              i;
    void           (*call)(MDB_txn *);
    struct timespec  ms;

    ms.tv_sec = 0;
    ms.tv_nsec = 1000000;

    if (__atomic_load_n(&prefetch_gate, __ATOMIC_SEQ_CST)
        && syscall(SYS_gettid) != getpid())
    {
        __atomic_store_n(&prefetch_held, 1, __ATOMIC_SEQ_CST);

        for (i = 0; i < PREFETCH_HOLD_MS; i++) {

            if (__atomic_load_n(&prefetch_looked_up, __ATOMIC_SEQ_CST)) {
                __atomic_store_n(&prefetch_early, 1, __ATOMIC_SEQ_CST);
                break;
            }

            (void) nanosleep(&ms, NULL);
        }

        __atomic_store_n(&prefetch_gate, 0, __ATOMIC_SEQ_CST);
    }

    *(void **) &call = dlsym(RTLD_NEXT, "mdb_txn_abort");
    call(txn);
}


static void
prefetch_hold(void)
{
    struct timespec  ms;

    ms.tv_sec = 0;
    ms.tv_nsec = 1000000;

    __atomic_store_n(&prefetch_gate, 1, __ATOMIC_SEQ_CST);

    while (!__atomic_load_n(&prefetch_held, __ATOMIC_SEQ_CST)) {
        prefetch_pump();
        (void) nanosleep(&ms, NULL);
    }
}


static uint64_t
prefetch_held_lookup(profile_error_t *err)
{
    if (prefetch_lookup(err) != PROFILE_OK) {
        return 2;
    }

    __atomic_store_n(&prefetch_looked_up, 1, __ATOMIC_SEQ_CST);

    while (__atomic_load_n(&prefetch_gate, __ATOMIC_SEQ_CST)) {
        (void) sched_yield();
    }

    return (uint64_t) __atomic_load_n(&prefetch_early, __ATOMIC_SEQ_CST);
}


static void
prefetch_start(void)
{
    int  i;

    for (i = 0; i < PREFETCH_THREADS; i++) {

        if (prefetch_slots[i].thread != 0) {
            continue;
        }

        prefetch_slots[i].state = PREFETCH_IDLE;
        need(pthread_create(&prefetch_slots[i].thread, NULL, prefetch_thread,
                            &prefetch_slots[i]) == 0, "pthread_create()");
    }
}


static void *
prefetch_thread(void *data)
{
    prefetch_slot_t *slot = data;

    int  i;

    (void) pthread_mutex_lock(&prefetch_mutex);

    for ( ;; ) {

        while (slot->state == PREFETCH_IDLE || slot->state == PREFETCH_DONE) {
            (void) pthread_cond_wait(&prefetch_changed, &prefetch_mutex);
        }

        if (slot->state == PREFETCH_QUIT) {
            break;
        }

        (void) pthread_mutex_unlock(&prefetch_mutex);

        /* for long enough to be met at it */

        for (i = 0; i < PREFETCH_REPEAT; i++) {
            profile_prefetch_run(&slot->prefetch);
        }

        (void) pthread_mutex_lock(&prefetch_mutex);

        slot->state = PREFETCH_DONE;
        (void) pthread_cond_broadcast(&prefetch_changed);
    }

    (void) pthread_mutex_unlock(&prefetch_mutex);

    return NULL;
}


/* Ends what is done, and begins the next. */

static void
prefetch_pump(void)
{
    int               i;
    prefetch_slot_t  *slot;

    (void) pthread_mutex_lock(&prefetch_mutex);

    for (i = 0; i < PREFETCH_THREADS; i++) {
        slot = &prefetch_slots[i];

        if (slot->state == PREFETCH_DONE) {
            profile_prefetch_end(&slot->prefetch);
            slot->state = PREFETCH_IDLE;
        }

        if (slot->state == PREFETCH_IDLE) {
            prefetch_want(&slot->prefetch, i);
            profile_prefetch_begin(&slot->prefetch, prefetch_reader);
            slot->state = PREFETCH_READY;
        }
    }

    (void) pthread_cond_broadcast(&prefetch_changed);
    (void) pthread_mutex_unlock(&prefetch_mutex);
}


/*
 * Closes the reader, and waits for the threads: before it, or after it where
 * they are abandoned.
 */

static void
prefetch_finish(int abandon)
{
    int               i;
    prefetch_slot_t  *slot;

    (void) pthread_mutex_lock(&prefetch_mutex);

    for (i = 0; i < PREFETCH_THREADS; i++) {
        slot = &prefetch_slots[i];

        if (abandon && slot->state != PREFETCH_IDLE) {
            profile_prefetch_abandon(&slot->prefetch);
        }
    }

    if (abandon) {
        profile_reader_close(prefetch_reader);
        prefetch_reader = NULL;
    }

    for (i = 0; i < PREFETCH_THREADS; i++) {
        slot = &prefetch_slots[i];

        while (slot->state == PREFETCH_READY) {
            (void) pthread_cond_wait(&prefetch_changed, &prefetch_mutex);
        }

        if (slot->state == PREFETCH_DONE && !abandon) {
            profile_prefetch_end(&slot->prefetch);
        }

        slot->state = PREFETCH_QUIT;
    }

    (void) pthread_cond_broadcast(&prefetch_changed);
    (void) pthread_mutex_unlock(&prefetch_mutex);

    for (i = 0; i < PREFETCH_THREADS; i++) {
        if (prefetch_slots[i].thread != 0) {
            (void) pthread_join(prefetch_slots[i].thread, NULL);
            prefetch_slots[i].thread = 0;
        }
    }

    profile_reader_close(prefetch_reader);
    prefetch_reader = NULL;
}


static uint64_t
prefetch_lookups(profile_error_t *err)
{
    int              i;
    uint64_t         failed;
    struct timespec  pause;

    /* the first lookup is the one that finds what has changed */

    prefetch_pump();

    pause.tv_sec = 0;
    pause.tv_nsec = 300000;

    (void) nanosleep(&pause, NULL);

    failed = 0;

    for (i = 0; i < PREFETCH_LOOKUPS; i++) {
        prefetch_pump();
        failed += (prefetch_lookup(err) != PROFILE_OK);
    }

    return failed;
}


static int
prefetch_lookup(profile_error_t *err)
{
    int                    rc;
    profile_key_t          key;
    profile_entity_t       entity;
    profile_document_t     found;
    const profile_view_t  *view;

    rc = profile_reader_begin(prefetch_reader, &view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_view_key(view, STORE_KEY, &key, err);

    if (rc == PROFILE_OK) {
        rc = profile_view_entity(view, 1, 2, &entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_record(view, &entity, (const u_char *) "a", 1,
                                 &found, err);
    }

    if (rc == PROFILE_OK && found.body.len != sizeof("{\"data\":{}}") - 1) {
        rc = PROFILE_DAMAGED;
    }

    profile_reader_end(prefetch_reader);

    return rc;
}


static int
prefetch_faults(peer_answer_t *answer, profile_error_t *err)
{
    int                    rc;
    long                   faults;
    size_t                 i;
    profile_entity_t       entity;
    profile_document_t     found;
    profile_prefetch_t     prefetch;
    const volatile u_char  *p;
    const profile_view_t  *view;

    prefetch_want(&prefetch, 1);
    prefetch.len = 3;
    memcpy(prefetch.id, "big", 3);

    faults = prefetch_count_faults();

    profile_prefetch_begin(&prefetch, prefetch_reader);
    profile_prefetch_run(&prefetch);
    profile_prefetch_end(&prefetch);

    answer->number = (uint64_t) (prefetch_count_faults() - faults);
    faults = prefetch_count_faults();

    rc = profile_reader_begin(prefetch_reader, &view, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_view_entity(view, 1, 2, &entity, err);

    if (rc == PROFILE_OK) {
        rc = profile_view_record(view, &entity, (const u_char *) "big", 3,
                                 &found, err);
    }

    if (rc == PROFILE_OK) {
        p = found.body.data;

        for (i = 0; i < found.body.len; i += 4096) {
            (void) p[i];
        }
    }

    profile_reader_end(prefetch_reader);

    (void) snprintf(answer->text, sizeof(answer->text), "%ld",
                    prefetch_count_faults() - faults);

    return rc;
}


static long
prefetch_count_faults(void)
{
    struct rusage  usage;

    (void) getrusage(RUSAGE_SELF, &usage);

    return usage.ru_minflt + usage.ru_majflt;
}
