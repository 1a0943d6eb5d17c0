
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Stores to test with, also such as no writer would make, and processes
 * that read them: LMDB allows a process to open a database only once.
 */


#ifndef _PROFILE_UNIT_STORE_H_INCLUDED_
#define _PROFILE_UNIT_STORE_H_INCLUDED_


#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "profile_lmdb.h"
#include "profile_publish.h"
#include "profile_reader.h"
#include "profile_writer.h"
#include "scratch.h"
#include "tap.h"


#define STORE_HASH  ((const u_char *) "0123456789abcdef")
#define STORE_KEY   ((const u_char *) "0123456789abcdef0123456789abcdef")


typedef enum {
    PEER_OPEN,          /* text: the store */
    PEER_CLOSE,
    PEER_REFRESH,
    PEER_BEGIN,
    PEER_END,
    PEER_KEY,           /* STORE_KEY; number: its workspace */
    PEER_ENTITY,        /* number: its incarnation */
    PEER_LIST,          /* text: the body */
    PEER_RECORD,        /* text: the id, then the body */
    PEER_INFO,          /* number: the generation, info: all of it */
    PEER_USER,          /* become nobody */
    PEER_NO_MEMORY,     /* no more addresses than are in use */
    PEER_READ_ONLY,     /* text: a folder; number: 1 if it is so now */
    PEER_CHECK,         /* number: readers that LMDB takes for dead */
    PEER_DESCRIPTORS    /* number: how many are open */
} peer_op_e;


typedef struct {
    int       op;
    uint32_t  workspace;
    uint32_t  entity;
    char      text[PATH_MAX];
} peer_ask_t;


typedef struct {
    int                    rc;
    uint64_t               number;
    profile_reader_info_t  info;
    char                   text[PATH_MAX];
} peer_answer_t;


typedef struct {
    pid_t          pid;
    int            fd;
    peer_answer_t  answer;
} peer_t;


static inline void
must(int rc, const profile_error_t *err)
{
    if (rc != PROFILE_OK) {
        (void) printf("# %d: %s\n", rc,
                      (rc == PROFILE_NOT_FOUND) ? "not found" : err->text);
        need(0, "the store");
    }
}


static inline profile_bytes_t
store_bytes(const char *text)
{
    profile_bytes_t  bytes;

    bytes.data = (const u_char *) text;
    bytes.len = strlen(text);

    return bytes;
}


static inline profile_document_t
store_document(uint32_t workspace, uint32_t entity, const char *body)
{
    profile_document_t  document;

    document.workspace = workspace;
    document.entity = entity;
    document.changed = 1700000000;
    document.hash = STORE_HASH;
    document.body = store_bytes(body);

    return document;
}


static inline profile_entity_t
store_entity(uint32_t workspace, uint32_t id, uint32_t incarnation)
{
    profile_entity_t  entity;

    memset(&entity, 0, sizeof(profile_entity_t));

    entity.workspace = workspace;
    entity.id = id;
    entity.library = 1;
    entity.incarnation = incarnation;
    entity.name = store_bytes("Users");
    entity.primary_key = store_bytes("id");

    return entity;
}


/* Opens a database as anybody could; closed again before others open it. */

static inline MDB_txn *
store_raw_begin(const char *path, size_t size, MDB_dbi *dbi)
{
    MDB_env  *env;
    MDB_txn  *txn;

    need(mdb_env_create(&env) == 0, "mdb_env_create()");
    need(mdb_env_set_maxreaders(env, PROFILE_MAX_READERS) == 0,
         "mdb_env_set_maxreaders()");
    need(size == 0 || mdb_env_set_mapsize(env, size) == 0,
         "mdb_env_set_mapsize()");
    need(mdb_env_open(env, path, MDB_NOTLS, 0640) == 0, "mdb_env_open()");
    need(mdb_txn_begin(env, NULL, 0, &txn) == 0, "mdb_txn_begin()");
    need(mdb_dbi_open(txn, NULL, 0, dbi) == 0, "mdb_dbi_open()");

    return txn;
}


static inline void
store_raw_put(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t len,
    const void *data, size_t size)
{
    MDB_val  k, v;

    k.mv_data = (void *) key;
    k.mv_size = len;
    v.mv_data = (void *) data;
    v.mv_size = size;

    need(mdb_put(txn, dbi, &k, &v, 0) == 0, "mdb_put()");
}


static inline void
store_raw_commit(MDB_txn *txn)
{
    MDB_env  *env;

    env = mdb_txn_env(txn);
    need(mdb_txn_commit(txn) == 0, "mdb_txn_commit()");
    mdb_env_close(env);
}


/*
 * Makes and publishes a generation with the version record and STORE_KEY
 * for a workspace of the generation's number.
 */

static inline uint32_t
store_generation(const char *directory, uint32_t version, uint32_t complete,
    size_t size)
{
    size_t                 len;
    u_char                 buf[PROFILE_KEY_MAX], value[64];
    MDB_dbi                dbi;
    MDB_txn               *txn;
    profile_key_t          key;
    profile_meta_t         meta;
    profile_error_t        err;
    profile_owner_t        owner;
    profile_generation_t   gen;

    must(profile_publish_directory(directory, NULL, &owner, &err), &err);
    must(profile_publish_prepare(directory, &owner, &gen, &err), &err);

    txn = store_raw_begin(gen.path, size, &dbi);

    memset(&meta, 0, sizeof(profile_meta_t));
    meta.version = version;
    meta.complete = complete;
    meta.next_incarnation = 1;
    profile_encode_meta(value, &meta);
    len = profile_encode_meta_key(buf);
    store_raw_put(txn, dbi, buf, len, value, PROFILE_META_SIZE);

    key.workspace = gen.number;
    key.expires = 0;
    key.name = store_bytes("web");
    profile_encode_key(value, STORE_KEY, &key);
    len = profile_encode_key_key(buf, STORE_KEY);
    store_raw_put(txn, dbi, buf, len, value, profile_key_size(&key));

    store_raw_commit(txn);

    must(profile_publish(directory, &owner, &gen, &err), &err);

    return gen.number;
}


static inline int
peer_lookup(const profile_view_t *view, const peer_ask_t *ask,
    peer_answer_t *answer, profile_error_t *err)
{
    int                  rc;
    profile_key_t        key;
    profile_entity_t     entity;
    profile_document_t   document;

    if (ask->op == PEER_KEY) {
        rc = profile_view_key(view, STORE_KEY, &key, err);
        answer->number = (rc == PROFILE_OK) ? key.workspace : 0;
        return rc;
    }

    if (ask->op == PEER_LIST) {
        rc = profile_view_list(view, ask->workspace, &document, err);

    } else {
        rc = profile_view_entity(view, ask->workspace, ask->entity, &entity,
                                 err);
        if (rc != PROFILE_OK || ask->op == PEER_ENTITY) {
            answer->number = (rc == PROFILE_OK) ? entity.incarnation : 0;
            return rc;
        }

        rc = profile_view_record(view, &entity, (const u_char *) ask->text,
                                 strlen(ask->text), &document, err);
    }

    if (rc == PROFILE_OK) {
        (void) snprintf(answer->text, sizeof(answer->text), "%.*s",
                        (int) document.body.len,
                        (const char *) document.body.data);
    }

    return rc;
}


static inline void
peer_user(void)
{
    need(setgroups(0, NULL) == 0
         && setgid(65534) == 0
         && setuid(65534) == 0, "to become nobody");
}


static inline void
peer_no_memory(void)
{
    long            pages;
    FILE           *file;
    struct rlimit   limit;

    pages = 0;
    file = fopen("/proc/self/statm", "r");
    need(file != NULL && fscanf(file, "%ld", &pages) == 1, "statm");
    (void) fclose(file);

    need(getrlimit(RLIMIT_AS, &limit) == 0, "getrlimit()");
    limit.rlim_cur = ((rlim_t) pages + 256) * 4096;
    need(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit()");
}


/* For this process alone; not everybody may do it. */

static inline uint64_t
peer_read_only(const char *path)
{
    return unshare(CLONE_NEWNS) == 0
           && mount("none", "/", "", MS_REC|MS_PRIVATE, NULL) == 0
           && mount(path, path, "", MS_BIND, NULL) == 0
           && mount("none", path, "", MS_REMOUNT|MS_BIND|MS_RDONLY, NULL)
              == 0;
}


static inline uint64_t
peer_check(const char *path)
{
    int       dead;
    MDB_env  *env;

    dead = -1;
    need(mdb_env_create(&env) == 0
         && mdb_env_open(env, path, MDB_NOTLS, 0640) == 0
         && mdb_reader_check(env, &dead) == 0, "mdb_reader_check()");
    mdb_env_close(env);

    return (uint64_t) dead;
}


static inline void
peer_run(int fd)
{
    peer_ask_t              ask;
    peer_answer_t           answer;
    profile_error_t         err;
    profile_reader_t       *reader;
    const profile_view_t   *view;

    reader = NULL;
    view = NULL;

    while (read(fd, &ask, sizeof(ask)) == sizeof(ask)) {

        memset(&answer, 0, sizeof(answer));
        memset(&err, 0, sizeof(err));

        switch (ask.op) {

        case PEER_OPEN:
            answer.rc = profile_reader_open(&reader, ask.text,
                                            PROFILE_READAHEAD_AUTO, &err);
            break;

        case PEER_CLOSE:
            profile_reader_close(reader);
            reader = NULL;
            break;

        case PEER_REFRESH:
            answer.rc = profile_reader_refresh(reader, &err);
            break;

        case PEER_BEGIN:
            answer.rc = profile_reader_begin(reader, &view, &err);
            break;

        case PEER_END:
            profile_reader_end(reader);
            view = NULL;
            break;

        case PEER_INFO:
            answer.rc = profile_reader_info(reader, &answer.info, &err);
            answer.number = profile_reader_generation(reader);
            break;

        case PEER_USER:
            peer_user();
            break;

        case PEER_NO_MEMORY:
            peer_no_memory();
            break;

        case PEER_READ_ONLY:
            answer.number = peer_read_only(ask.text);
            break;

        case PEER_CHECK:
            answer.number = peer_check(ask.text);
            break;

        case PEER_DESCRIPTORS:
            answer.number = (uint64_t) scratch_descriptors();
            break;

        default:

            if (view != NULL) {
                answer.rc = peer_lookup(view, &ask, &answer, &err);
                break;
            }

            answer.rc = profile_reader_begin(reader, &view, &err);

            if (answer.rc == PROFILE_OK) {
                answer.rc = peer_lookup(view, &ask, &answer, &err);
                profile_reader_end(reader);
            }

            view = NULL;
        }

        if (answer.rc != PROFILE_OK && answer.rc != PROFILE_NOT_FOUND) {
            memcpy(answer.text, err.text, sizeof(err.text));
        }

        if (write(fd, &answer, sizeof(answer)) != sizeof(answer)) {
            break;
        }
    }

    if (reader != NULL && view != NULL) {
        profile_reader_end(reader);
    }

    profile_reader_close(reader);
}


/*
 * A process of its own that keeps none of this one's descriptors: a
 * loader's lock would live on in it.  The caller has no reader open.
 */

static inline void
peer_start(peer_t *peer, void (*run)(int fd))
{
    int  i, fd[2];

    need(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair()");

    peer->pid = fork();
    need(peer->pid != -1, "fork()");

    if (peer->pid == 0) {
        for (i = 3; i < 256; i++) {
            if (i != fd[1]) {
                (void) close(i);
            }
        }

        run(fd[1]);
        _exit(0);
    }

    (void) close(fd[1]);
    peer->fd = fd[0];
}


/* Returns the wait status: 0 after a life without a crash. */

static inline int
peer_stop(peer_t *peer, int signal)
{
    int  status;

    if (signal != 0) {
        (void) kill(peer->pid, signal);
    }

    (void) close(peer->fd);
    need(waitpid(peer->pid, &status, 0) == peer->pid, "waitpid()");

    return status;
}


/* PROFILE_FAILED and no text where the process has ended. */

static inline int
peer_ask(peer_t *peer, peer_op_e op, uint32_t workspace, uint32_t entity,
    const char *text)
{
    peer_ask_t      ask;
    peer_answer_t  *answer;

    answer = &peer->answer;

    memset(&ask, 0, sizeof(ask));
    ask.op = (int) op;
    ask.workspace = workspace;
    ask.entity = entity;
    (void) snprintf(ask.text, sizeof(ask.text), "%s", text);

    if (send(peer->fd, &ask, sizeof(ask), MSG_NOSIGNAL) != sizeof(ask)
        || recv(peer->fd, answer, sizeof(*answer), MSG_WAITALL)
           != sizeof(*answer))
    {
        memset(answer, 0, sizeof(*answer));
        answer->rc = PROFILE_FAILED;
    }

    return answer->rc;
}


/* For what a test does not look at, but needs. */

static inline void
peer_must(peer_t *peer, peer_op_e op, uint32_t workspace, uint32_t entity,
    const char *text)
{
    if (peer_ask(peer, op, workspace, entity, text) != PROFILE_OK) {
        need(0, peer->answer.text);
    }
}


/* The body of a record as the process sees it, "-" where there is none. */

static inline const char *
peer_record(peer_t *peer, uint32_t workspace, uint32_t entity,
    const char *id)
{
    int  rc;

    rc = peer_ask(peer, PEER_RECORD, workspace, entity, id);

    return (rc == PROFILE_NOT_FOUND) ? "-" : peer->answer.text;
}


#endif /* _PROFILE_UNIT_STORE_H_INCLUDED_ */
