
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The reader: it opens nothing that it cannot trust and says why, opens
 * nothing twice, follows a store that grows or is replaced, and never says
 * "not found" where it does not know.
 */


#include "store.h"


static void reader_open(void);
static void reader_refused(void);
static void reader_refuse(const char *store, int code, const char *what);
static void reader_users(peer_t *peer);
static void reader_sealed(peer_t *peer);
static void reader_read_only(peer_t *peer);
static void reader_lookups(void);
static void reader_damaged(void);
static void reader_damage(const char *what, const u_char *key, size_t len,
    const void *value, size_t size);
static int reader_look(int n, profile_error_t *err);
static int reader_walk(int n, profile_error_t *err);
static void reader_scan(void);
static void reader_emptied(peer_t *peer);
static void reader_grown(peer_t *peer);
static void reader_no_memory(peer_t *peer);
static void reader_refresh(peer_t *peer);
static void reader_same_generation(void);
static void reader_shared(peer_t *peer, peer_t *victim);
static void reader_info(void);
static void reader_refreshed(void);
static void reader_fill(const char *store);
static void reader_rename(const char *store, const char *text);


/* What reader_fill() puts in, and reader_look() looks for. */

enum {
    READER_KEY,
    READER_WORKSPACE,
    READER_LIST,
    READER_ENTITY,
    READER_RECORD,
    READER_THINGS
};

static const char  *reader_things[READER_THINGS] = {
    "key", "workspace", "list", "entity", "record"
};


int
main(void)
{
    int     i, descriptors;
    peer_t  peers[8];

    (void) scratch("%s", "");

    /* no process may be made while this one reads */

    for (i = 0; i < 8; i++) {
        peer_start(&peers[i], peer_run);
    }

    descriptors = scratch_descriptors();

    reader_open();
    reader_refused();
    reader_users(&peers[0]);
    reader_sealed(&peers[1]);
    reader_read_only(&peers[2]);
    reader_lookups();
    reader_damaged();
    reader_scan();
    reader_emptied(&peers[3]);
    reader_grown(&peers[3]);
    reader_no_memory(&peers[4]);
    reader_refresh(&peers[5]);
    reader_same_generation();
    reader_shared(&peers[3], &peers[6]);
    reader_info();
    reader_refreshed();

    is_int(scratch_descriptors(), descriptors - 2,
           "no descriptor is left, but for those of two processes that ended");

    for (i = 0; i < 8; i++) {
        if (i != 4 && i != 6) {
            is_int(peer_stop(&peers[i], 0), 0, "process %d ends well", i);
        }
    }

    return done();
}


static void
reader_open(void)
{
    char               *path;
    const char         *store;
    profile_error_t     err;
    profile_reader_t   *reader;

    store = scratch("open");

    is_int(profile_reader_open(&reader, store,
                               PROFILE_READAHEAD_AUTO, &err), PROFILE_ABSENT,
           "no store");
    ok(strstr(err.text, store) != NULL
       && strstr(err.text, "profile-loader") != NULL, "%s", err.text);
    ok(!scratch_exists(store), "and none is made");

    scratch_mkdir(store);
    is_int(profile_reader_open(&reader, store,
                               PROFILE_READAHEAD_AUTO, &err), PROFILE_ABSENT,
           "an empty folder");

    (void) store_generation(store, 1, 1, 0);
    is_int(profile_reader_open(&reader, store,
                               PROFILE_READAHEAD_AUTO, &err),
           PROFILE_OK, "a store");
    is_int(profile_reader_generation(reader), 1, "its generation");
    profile_reader_close(reader);

    is_int(profile_reader_open(&reader, store,
                               PROFILE_READAHEAD_AUTO, &err), PROFILE_OK,
           "it can be opened again");
    profile_reader_close(reader);
    profile_reader_close(NULL);
    ok(1, "to close nothing is allowed");

    path = malloc(PATH_MAX + 1);
    need(path != NULL, "malloc()");
    memset(path, 'x', PATH_MAX);
    path[0] = '/';
    path[PATH_MAX] = '\0';
    is_int(profile_reader_open(&reader, path,
                               PROFILE_READAHEAD_AUTO, &err), PROFILE_FAILED,
           "too long a path");
    free(path);
}


static void
reader_refused(void)
{
    char         *data;
    size_t        len, i;
    MDB_dbi       dbi;
    MDB_txn      *txn;
    const char   *store, *path, *lock;
    u_char        garbage[65536];

    store = scratch("refused");
    path = scratch("refused/gen-000001/data.mdb");
    lock = scratch("refused/gen-000001/lock.mdb");

    reader_fill(store);
    data = scratch_read(path, &len);

    for (i = 0; i < sizeof(garbage); i++) {
        garbage[i] = (u_char) (i * i >> 3);
    }

    need(unlink(lock) == 0, "unlink()");
    reader_refuse(store, PROFILE_ABSENT, "no lock file");
    ok(!scratch_exists(lock), "and none is made");
    scratch_text(lock, "");

    scratch_write(path, "", 0);
    reader_refuse(store, PROFILE_DAMAGED, "no bytes");

    scratch_write(path, data, 1);
    reader_refuse(store, PROFILE_DAMAGED, "1 byte");

    scratch_write(path, data, 4095);
    reader_refuse(store, PROFILE_DAMAGED, "4095 bytes");

    scratch_write(path, data, 4096);
    reader_refuse(store, PROFILE_DAMAGED, "4096 bytes");

    scratch_write(path, data, 8192);
    reader_refuse(store, PROFILE_DAMAGED, "8192 bytes");

    scratch_write(path, data, len / 2);
    reader_refuse(store, PROFILE_DAMAGED, "half of the bytes");

    scratch_write(path, data, len - 1);
    reader_refuse(store, PROFILE_DAMAGED, "one byte too few");

    scratch_write(path, garbage, sizeof(garbage));
    reader_refuse(store, PROFILE_FOREIGN, "garbage");

    memset(garbage, 0, sizeof(garbage));
    scratch_write(path, garbage, sizeof(garbage));
    reader_refuse(store, PROFILE_FOREIGN, "zeroes");

    memcpy(garbage, "SQLite format 3", 16);
    scratch_write(path, garbage, sizeof(garbage));
    reader_refuse(store, PROFILE_FOREIGN, "SQLite");

    /* LMDB's own version follows its magic, in both of its first pages */

    memcpy(garbage, data, 8192);
    garbage[20] = 3;
    garbage[4096 + 20] = 3;
    scratch_write(path, garbage, sizeof(garbage));
    reader_refuse(store, PROFILE_FOREIGN, "a database of LMDB 1.0");

    need(unlink(path) == 0, "unlink()");
    scratch_mkdir(path);
    reader_refuse(store, PROFILE_FOREIGN, "a folder");
    need(rmdir(path) == 0, "rmdir()");

    reader_refuse(store, PROFILE_ABSENT, "no data file");
    ok(!scratch_exists(path), "and none is made");

    txn = store_raw_begin(scratch("refused/gen-000001"), 0, &dbi);
    store_raw_put(txn, dbi, "some", 4, "thing", 5);
    store_raw_commit(txn);
    reader_refuse(store, PROFILE_FOREIGN, "somebody else's database");

    txn = store_raw_begin(scratch("refused/gen-000001"), 0, &dbi);
    store_raw_put(txn, dbi, "\1", 1, "profile", 7);
    store_raw_commit(txn);
    reader_refuse(store, PROFILE_FOREIGN, "a short version record");

    txn = store_raw_begin(scratch("refused/gen-000001"), 0, &dbi);
    store_raw_put(txn, dbi, "\1", 1, "profile\0\0\0\0\1\0\0\0\1", 16);
    store_raw_commit(txn);
    reader_refuse(store, PROFILE_DAMAGED, "half a version record");

    scratch_write(path, data, len);
    (void) unlink(lock);
    scratch_text(lock, "");
    reader_refuse(store, PROFILE_OK, "(the whole file is read again)");

    scratch_text(scratch("refused/CURRENT"), "gen-1\n");
    reader_refuse(store, PROFILE_FOREIGN, "CURRENT names nothing");
    free(data);

    (void) store_generation(scratch("version"), 2, 1, 0);
    reader_refuse(scratch("version"), PROFILE_FOREIGN, "another version");
    (void) store_generation(scratch("version"), UINT32_MAX, 1, 0);
    reader_refuse(scratch("version"), PROFILE_FOREIGN, "a distant version");
    (void) store_generation(scratch("version"), 1, 0, 0);
    reader_refuse(scratch("version"), PROFILE_DAMAGED, "an unfinished one");
}


static void
reader_refuse(const char *store, int code, const char *what)
{
    int                 rc, descriptors;
    profile_error_t     err;
    profile_reader_t   *reader;

    descriptors = scratch_descriptors();

    rc = profile_reader_open(&reader, store, PROFILE_READAHEAD_AUTO, &err);
    is_int(rc, code, "refused: %s", what);

    if (rc == PROFILE_OK) {
        profile_reader_close(reader);

    } else {
        ok(strstr(err.text, store) != NULL && err.code == code, "%s",
           err.text);
    }

    if (scratch_descriptors() != descriptors) {
        ok(0, "a descriptor is left");
    }
}


/* Workers are somebody else; what they lack can be given as they run. */

static void
reader_users(peer_t *peer)
{
    int          rc;
    const char  *store, *generation, *data, *lock;

    if (geteuid() != 0) {
        skip(10, "needs root");
        return;
    }

    store = scratch("users");
    generation = scratch("users/gen-000001");
    data = scratch("users/gen-000001/data.mdb");
    lock = scratch("users/gen-000001/lock.mdb");

    (void) store_generation(store, 1, 1, 0);
    need(chmod(store, 0755) == 0
         && chmod(generation, 0755) == 0
         && chmod(scratch("users/CURRENT"), 0644) == 0
         && chmod(data, 0644) == 0
         && chmod(lock, 0666) == 0, "chmod()");

    (void) peer_ask(peer, PEER_USER, 0, 0, "");
    rc = peer_ask(peer, PEER_OPEN, 0, 0, store);

    if (rc != PROFILE_OK) {
        skip(10, "nobody may enter the folder for temporary files");
        return;
    }

    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");

    need(chmod(lock, 0644) == 0, "chmod()");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_DENIED,
           "a lock file that the worker may not write");
    ok(strstr(peer->answer.text, lock) != NULL
       && strstr(peer->answer.text, "65534") != NULL
       && strstr(peer->answer.text, "0644; profile-loader apply ") != NULL,
       "%s",
       peer->answer.text);

    need(chmod(lock, 0222) == 0, "chmod()");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_DENIED,
           "one that it may not read");
    need(chmod(lock, 0666) == 0, "chmod()");

    need(chmod(data, 0600) == 0, "chmod()");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_DENIED,
           "data that it may not read");
    ok(strstr(peer->answer.text, data) != NULL
       && strstr(peer->answer.text, "0600") != NULL, "%s",
       peer->answer.text);
    need(chmod(data, 0644) == 0, "chmod()");

    need(chmod(generation, 0700) == 0, "chmod()");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_DENIED,
           "a generation that it may not enter");
    need(chmod(generation, 0755) == 0, "chmod()");

    need(chmod(store, 0700) == 0, "chmod()");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_DENIED,
           "a store that it may not enter");
    ok(strstr(peer->answer.text, store) != NULL, "%s", peer->answer.text);
    need(chmod(store, 0755) == 0, "chmod()");

    need(unlink(lock) == 0 && chmod(generation, 0777) == 0, "unlink()");
    rc = peer_ask(peer, PEER_OPEN, 0, 0, store);
    ok(rc == PROFILE_ABSENT && !scratch_exists(lock),
       "a lock file that it might make, but must not");
    scratch_text(lock, "");
    need(chmod(lock, 0666) == 0, "chmod()");

    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_OK,
           "all is well again");
}


static void
reader_sealed(peer_t *peer)
{
    const char      *store, *lock;

    store = scratch("sealed");
    lock = scratch("sealed/gen-000001/lock.mdb");

    (void) store_generation(store, 1, 1, 0);
    scratch_text(scratch("sealed/gen-000001/SEALED"), "");
    need(unlink(lock) == 0, "unlink()");

    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_OK,
           "a sealed generation needs no lock file");
    ok(!scratch_exists(lock), "and none is made");
    ok(peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 1, "it can be read");
    peer_must(peer, PEER_INFO, 0, 0, "");
    is_int(peer->answer.info.sealed, 1, "it says that it is sealed");
    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");

    if (geteuid() != 0) {
        skip(1, "needs root");
        return;
    }

    need(chmod(store, 0755) == 0
         && chmod(scratch("sealed/gen-000001"), 0555) == 0
         && chmod(scratch("sealed/CURRENT"), 0444) == 0
         && chmod(scratch("sealed/gen-000001/data.mdb"), 0444) == 0,
         "chmod()");

    (void) peer_ask(peer, PEER_USER, 0, 0, "");

    if (peer_ask(peer, PEER_OPEN, 0, 0, store) == PROFILE_DENIED) {
        skip(1, "nobody may enter the folder for temporary files");
        return;
    }

    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK,
           "nobody needs to write anything");
}


/* LMDB would read it without a lock, and pages would change meanwhile. */

static void
reader_read_only(peer_t *peer)
{
    const char  *store;

    store = scratch("read-only");
    (void) store_generation(store, 1, 1, 0);

    (void) peer_ask(peer, PEER_READ_ONLY, 0, 0, store);

    if (peer->answer.number != 1) {
        skip(3, "cannot mount a folder");
        return;
    }

    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_LOCKLESS,
           "a live store on a read-only mount");
    ok(strstr(peer->answer.text, store) != NULL, "%s", peer->answer.text);

    scratch_text(scratch("read-only/gen-000001/SEALED"), "");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_OK,
           "a sealed one");
}


static void
reader_lookups(void)
{
    int               i;
    profile_error_t   err;

    reader_fill(scratch("lookups"));

    for (i = 0; i < READER_THINGS; i++) {
        need(symlink("lookups", scratch("look")) == 0, "symlink()");
        is_int(reader_look(i, &err), PROFILE_OK, "a %s is found",
               reader_things[i]);
        (void) unlink(scratch("look"));
    }

    (void) store_generation(scratch("empty"), 1, 1, 0);
    need(symlink("empty", scratch("look")) == 0, "symlink()");

    for (i = READER_WORKSPACE; i < READER_THINGS; i++) {
        is_int(reader_look(i, &err), PROFILE_NOT_FOUND, "no %s is found",
               reader_things[i]);
    }

    (void) unlink(scratch("look"));
}


/* Under the right key, but not what was asked for. */

static void
reader_damaged(void)
{
    size_t                len, i;
    u_char                key[PROFILE_KEY_MAX], value[256], other[256];
    profile_key_t         one;
    profile_entity_t      entity;
    profile_document_t    document;
    profile_workspace_t   workspace;

    one.workspace = 1;
    one.expires = 0;
    one.name = store_bytes("web");
    profile_encode_key(value, STORE_KEY, &one);
    len = profile_encode_key_key(key, STORE_KEY);
    reader_damage("a key cut short", key, len, value, PROFILE_KEY_SIZE);
    reader_damage("a key without bytes", key, len, value, 0);
    value[1] = 1;
    reader_damage("a key with unknown flags", key, len, value,
                  profile_key_size(&one));

    workspace.id = 2;
    workspace.name = store_bytes("Globex");
    profile_encode_workspace(value, &workspace);
    len = profile_encode_workspace_key(key, 1);
    reader_damage("another workspace", key, len, value,
                  profile_workspace_size(&workspace));
    reader_damage("half a workspace", key, len, value, 5);

    document = store_document(2, 0, "{\"data\":[\"secret\"]}");
    profile_encode_document(value, PROFILE_TAG_LIST, &document);
    len = profile_encode_list_key(key, 1);
    reader_damage("another workspace's list", key, len, value,
                  profile_document_size(&document));

    document = store_document(1, 2, "{\"data\":[]}");
    profile_encode_document(value, PROFILE_TAG_LIST, &document);
    reader_damage("a list that belongs to an entity", key, len, value,
                  profile_document_size(&document));

    document = store_document(1, 0, "{\"data\":[]}");
    profile_encode_document(value, PROFILE_TAG_RECORD, &document);
    reader_damage("a record for a list", key, len, value,
                  profile_document_size(&document));

    entity = store_entity(9, 2, 3);
    profile_encode_entity(value, &entity);
    len = profile_encode_entity_key(key, 1, 2);
    reader_damage("another workspace's entity", key, len, value,
                  profile_entity_size(&entity));

    entity = store_entity(1, 9, 3);
    profile_encode_entity(value, &entity);
    reader_damage("another entity", key, len, value,
                  profile_entity_size(&entity));
    reader_damage("an entity without its names", key, len, value,
                  PROFILE_ENTITY_SIZE);

    len = profile_encode_record_key(key, 3, (const u_char *) "a", 1);

    document = store_document(9, 2, "{\"data\":\"secret\"}");
    profile_encode_document(value, PROFILE_TAG_RECORD, &document);
    reader_damage("another workspace's record", key, len, value,
                  profile_document_size(&document));

    document = store_document(1, 9, "{\"data\":\"secret\"}");
    profile_encode_document(value, PROFILE_TAG_RECORD, &document);
    reader_damage("another entity's record", key, len, value,
                  profile_document_size(&document));

    document = store_document(1, 2, "{\"data\":{}}");
    profile_encode_document(value, PROFILE_TAG_LIST, &document);
    reader_damage("a list for a record", key, len, value,
                  profile_document_size(&document));

    profile_encode_document(value, PROFILE_TAG_RECORD, &document);

    for (i = 0; i <= PROFILE_DOCUMENT_SIZE; i += 8) {
        memcpy(other, value, sizeof(other));
        reader_damage("a record cut short", key, len, other, i);
    }

    other[3]++;
    reader_damage("a record with another header", key, len, other,
                  profile_document_size(&document));
}


/* Neither the lookup nor the walk or scan may return it. */

static void
reader_damage(const char *what, const u_char *key, size_t len,
    const void *value, size_t size)
{
    int               n, rc;
    MDB_dbi           dbi;
    MDB_txn          *txn;
    profile_error_t   err;

    reader_fill(scratch("look"));

    txn = store_raw_begin(scratch("look/gen-000001"), 0, &dbi);
    store_raw_put(txn, dbi, key, len, value, size);
    store_raw_commit(txn);

    n = (key[0] == PROFILE_TAG_KEY) ? READER_KEY
        : (key[0] == PROFILE_TAG_WORKSPACE) ? READER_WORKSPACE
        : (key[0] == PROFILE_TAG_LIST) ? READER_LIST
        : (key[0] == PROFILE_TAG_ENTITY) ? READER_ENTITY : READER_RECORD;

    rc = reader_look(n, &err);

    ok(rc == PROFILE_DAMAGED
       && strstr(err.text, scratch("look")) != NULL
       && strstr(err.text, "secret") == NULL, "refused: %s (%zu bytes)",
       what, size);

    if (n != READER_LIST && n != READER_RECORD) {
        is_int(reader_walk(n, &err), PROFILE_DAMAGED, "nor walked: %s", what);
    }

    scratch_remove(scratch("look"));
}


static int
reader_look(int n, profile_error_t *err)
{
    int                     rc;
    profile_key_t           key;
    profile_entity_t        entity;
    profile_reader_t       *reader;
    profile_document_t      document;
    profile_workspace_t     workspace;
    const profile_view_t   *view;

    must(profile_reader_open(&reader, scratch("look"),
                             PROFILE_READAHEAD_AUTO, err), err);
    must(profile_reader_begin(reader, &view, err), err);

    entity = store_entity(1, 2, 3);

    switch (n) {

    case READER_KEY:
        rc = profile_view_key(view, STORE_KEY, &key, err);
        break;

    case READER_WORKSPACE:
        rc = profile_view_workspace(view, 1, &workspace, err);
        break;

    case READER_LIST:
        rc = profile_view_list(view, 1, &document, err);
        break;

    case READER_ENTITY:
        rc = profile_view_entity(view, 1, 2, &entity, err);
        break;

    default:
        rc = profile_view_record(view, &entity, (const u_char *) "a", 1,
                                 &document, err);
    }

    profile_reader_end(reader);
    profile_reader_close(reader);

    return rc;
}


static int
reader_walk(int n, profile_error_t *err)
{
    int                     rc;
    u_char                  digest[PROFILE_DIGEST_SIZE];
    profile_key_t           key;
    profile_walk_t          walk;
    profile_entity_t        entity;
    profile_reader_t       *reader;
    profile_workspace_t     workspace;
    const profile_view_t   *view;

    must(profile_reader_open(&reader, scratch("look"), PROFILE_READAHEAD_AUTO,
                             err), err);
    must(profile_reader_begin(reader, &view, err), err);

    switch (n) {

    case READER_KEY:
        profile_walk_keys(&walk);
        rc = profile_view_next_key(view, &walk, digest, &key, err);
        break;

    case READER_WORKSPACE:
        profile_walk_workspaces(&walk);
        rc = profile_view_next_workspace(view, &walk, &workspace, err);
        break;

    default:
        profile_walk_entities(&walk, 1);
        rc = profile_view_next_entity(view, &walk, &entity, err);
    }

    profile_reader_end(reader);
    profile_reader_close(reader);

    return rc;
}


static void
reader_scan(void)
{
    int                     i, right;
    char                    want[16];
    size_t                  len;
    u_char                  key[PROFILE_KEY_MAX], value[64];
    MDB_dbi                 dbi;
    MDB_txn                *txn;
    profile_bytes_t         id;
    profile_error_t         err;
    profile_scan_t         *scan;
    profile_entity_t        entity;
    profile_reader_t       *reader;
    profile_document_t      record;
    const profile_view_t   *view;

    (void) store_generation(scratch("scan"), 1, 1, 0);

    txn = store_raw_begin(scratch("scan/gen-000001"), 0, &dbi);
    record = store_document(1, 2, "{}");
    profile_encode_document(value, PROFILE_TAG_RECORD, &record);

    for (i = 0; i < 30; i++) {
        (void) snprintf(want, sizeof(want), "%03d", i % 10);
        len = profile_encode_record_key(key, 4 + (uint32_t) i / 10,
                                        (u_char *) want, 3);
        store_raw_put(txn, dbi, key, len, value,
                      profile_document_size(&record));
    }

    /* one in the last of them that is not theirs */

    record = store_document(9, 2, "{}");
    profile_encode_document(value, PROFILE_TAG_RECORD, &record);
    len = profile_encode_record_key(key, 6, (u_char *) "005", 3);
    store_raw_put(txn, dbi, key, len, value, profile_document_size(&record));
    store_raw_commit(txn);

    must(profile_reader_open(&reader, scratch("scan"),
                             PROFILE_READAHEAD_AUTO, &err), &err);
    must(profile_reader_begin(reader, &view, &err), &err);

    entity = store_entity(1, 2, 5);
    must(profile_scan_open(&scan, view, &entity, &err), &err);
    right = 1;

    for (i = 0; profile_scan_next(scan, &id, &record, &err) == PROFILE_OK;
         i++)
    {
        (void) snprintf(want, sizeof(want), "%03d", i);
        right &= (id.len == 3 && memcmp(id.data, want, 3) == 0);
    }

    ok(right && i == 10, "one incarnation's records in order");
    profile_scan_close(scan);

    entity = store_entity(1, 2, 3);
    must(profile_scan_open(&scan, view, &entity, &err), &err);
    is_int(profile_scan_next(scan, &id, &record, &err), PROFILE_NOT_FOUND,
           "none of one before");
    profile_scan_close(scan);

    entity = store_entity(1, 2, 7);
    must(profile_scan_open(&scan, view, &entity, &err), &err);
    is_int(profile_scan_next(scan, &id, &record, &err), PROFILE_NOT_FOUND,
           "nor of one after");
    profile_scan_close(scan);

    entity = store_entity(1, 2, 6);
    must(profile_scan_open(&scan, view, &entity, &err), &err);

    for (i = 0; profile_scan_next(scan, &id, &record, &err) == PROFILE_OK;
         i++)
    { /* void */ }

    ok(i == 5 && err.code == PROFILE_DAMAGED,
       "a record of another workspace ends a scan with an error");
    profile_scan_close(scan);
    profile_scan_close(NULL);

    profile_reader_end(reader);
    profile_reader_close(reader);
}


/* What a tool of LMDB can do to a live store. */

static void
reader_emptied(peer_t *peer)
{
    int               rc;
    MDB_dbi           dbi;
    MDB_txn          *txn;

    (void) store_generation(scratch("emptied"), 1, 1, 0);
    peer_must(peer, PEER_OPEN, 0, 0, scratch("emptied"));
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK, "a key");

    txn = store_raw_begin(scratch("emptied/gen-000001"), 0, &dbi);
    need(mdb_drop(txn, dbi, 0) == 0, "mdb_drop()");
    store_raw_commit(txn);

    rc = peer_ask(peer, PEER_KEY, 0, 0, "");
    is_int(rc, PROFILE_FOREIGN, "an emptied store does not deny the key");
    ok(strstr(peer->answer.text, scratch("emptied")) != NULL, "%s",
       peer->answer.text);

    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");
    is_int(peer_ask(peer, PEER_OPEN, 0, 0, scratch("emptied")),
           PROFILE_FOREIGN, "nor is it opened");
}


static void
reader_grown(peer_t *peer)
{
    int                 i, failed;
    char               *big;
    profile_bytes_t     id;
    profile_error_t     err;
    profile_entity_t    entity;
    profile_writer_t   *writer;
    profile_document_t  document;

    big = malloc(4000001);
    need(big != NULL, "malloc()");
    memset(big, 'b', 4000000);
    big[4000000] = '\0';

    /* a reader's map is as large as the file said when it was opened */

    (void) store_generation(scratch("grown"), 1, 1, 1048576);
    peer_must(peer, PEER_OPEN, 0, 0, scratch("grown"));
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK, "a small map");

    must(profile_writer_open(&writer, scratch("grown"), NULL, &err), &err);
    entity = store_entity(1, 2, 3);
    document = store_document(1, 2, big);
    failed = 0;

    for (i = 0; i < 5; i++) {
        must(profile_writer_reserve(writer,
                                    (uint64_t) (i + 1) * 1073741824, &err),
             &err);
        must(profile_writer_begin(writer, NULL, &err), &err);
        must(profile_writer_put_entity(writer, &entity, &err), &err);
        id.data = (const u_char *) "abcdef";
        id.len = (size_t) i + 1;
        must(profile_writer_put_record(writer, &entity, &id, &document,
                                       &err), &err);
        must(profile_writer_commit(writer, &err), &err);

        failed += (peer_ask(peer, PEER_KEY, 0, 0, "") != PROFILE_OK);
    }

    is_int(failed, 0, "the reader follows as the map grows");
    is_int(strlen(peer_record(peer, 1, 2, "abcde")), PATH_MAX - 1,
           "and reads what did not fit before");

    peer_must(peer, PEER_INFO, 0, 0, "");
    ok(peer->answer.info.used > 16000000, "%llu bytes are in use",
       (unsigned long long) peer->answer.info.used);

    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");
    profile_writer_close(writer);
    free(big);
}


/* Under a limit on virtual memory: errors, again and again, no crash. */

static void
reader_no_memory(peer_t *peer)
{
    int                 i, rc;
    char               *big;
    profile_bytes_t     id;
    profile_error_t     err;
    profile_entity_t    entity;
    profile_writer_t   *writer;
    profile_document_t  document;

    if (scratch_instrumented()) {
        skip(5, "needs memory without instruments");
        (void) peer_stop(peer, 0);
        return;
    }

    big = malloc(4000001);
    need(big != NULL, "malloc()");
    memset(big, 'b', 4000000);
    big[4000000] = '\0';

    (void) store_generation(scratch("memory"), 1, 1, 1048576);
    peer_must(peer, PEER_OPEN, 0, 0, scratch("memory"));
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK, "a small map");
    (void) peer_ask(peer, PEER_NO_MEMORY, 0, 0, "");

    must(profile_writer_open(&writer, scratch("memory"), NULL, &err), &err);
    entity = store_entity(1, 2, 3);
    document = store_document(1, 2, big);
    id = store_bytes("a");
    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_put_record(writer, &entity, &id, &document, &err),
         &err);
    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);
    free(big);

    for (i = 0; i < 3; i++) {
        rc = peer_ask(peer, PEER_KEY, 0, 0, "");
        ok(rc == PROFILE_FAILED && peer->answer.text[0] != '\0',
           "it has grown, and there is no memory: %s", peer->answer.text);
    }

    is_int(peer_stop(peer, 0), 0, "the process ends well");
}


static void
reader_refresh(peer_t *peer)
{
    int               i, failed;
    uint64_t          descriptors;
    const char       *store;

    store = scratch("refresh");

    (void) store_generation(store, 1, 1, 0);
    peer_must(peer, PEER_OPEN, 0, 0, store);
    peer_must(peer, PEER_DESCRIPTORS, 0, 0, "");
    descriptors = peer->answer.number;

    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_OK,
           "nothing is new");

    (void) store_generation(store, 1, 1, 0);
    ok(peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 1, "what is new waits to be asked for");
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_OK, "asked for");
    ok(peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 2, "it is read");
    ok(peer_ask(peer, PEER_INFO, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 2
       && peer->answer.info.generation == 2, "and known");

    peer_must(peer, PEER_DESCRIPTORS, 0, 0, "");
    is_int(peer->answer.number, (long long) descriptors,
           "the old one is let go");

    reader_rename(store, "gen-000002\n");
    ok(peer_ask(peer, PEER_REFRESH, 0, 0, "") == PROFILE_OK
       && peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 2, "the same one, published again");
    peer_must(peer, PEER_DESCRIPTORS, 0, 0, "");
    is_int(peer->answer.number, (long long) descriptors,
           "is not opened twice");

    /* whatever goes wrong, the one at hand stays */

    reader_rename(store, "rubbish\n");
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_FOREIGN,
           "CURRENT names nothing");
    ok(peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 2, "the old generation stays");

    reader_rename(store, "gen-000099\n");
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_DAMAGED,
           "CURRENT names a missing generation");
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK,
           "the old one stays");

    (void) unlink(scratch("refresh/CURRENT"));
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_ABSENT,
           "CURRENT is gone");
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK,
           "the old one stays");

    (void) store_generation(store, 2, 1, 0);
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_FOREIGN,
           "a generation of another version");
    is_int(peer_ask(peer, PEER_REFRESH, 0, 0, ""), PROFILE_FOREIGN,
           "which is not forgotten");
    ok(peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 2, "the old one stays");
    peer_must(peer, PEER_DESCRIPTORS, 0, 0, "");
    is_int(peer->answer.number, (long long) descriptors,
           "nothing of the new one does");

    (void) store_generation(store, 1, 1, 0);
    ok(peer_ask(peer, PEER_REFRESH, 0, 0, "") == PROFILE_OK
       && peer_ask(peer, PEER_KEY, 0, 0, "") == PROFILE_OK
       && peer->answer.number == 4, "a good one is taken");

    scratch_remove(scratch("refresh/gen-000004"));
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_OK,
           "its files may go while it is read");

    failed = 0;

    for (i = 0; i < 30; i++) {
        (void) store_generation(store, 1, 1, 0);
        failed += (peer_ask(peer, PEER_REFRESH, 0, 0, "") != PROFILE_OK
                   || peer_ask(peer, PEER_KEY, 0, 0, "") != PROFILE_OK
                   || peer_ask(peer, PEER_INFO, 0, 0, "") != PROFILE_OK
                   || peer->answer.info.generation != (uint32_t) i + 4);
        scratch_remove(scratch("refresh/gen-%06d", i + 3));
    }

    is_int(failed, 0, "30 generations, one after the other");
    peer_must(peer, PEER_DESCRIPTORS, 0, 0, "");
    is_int(peer->answer.number, (long long) descriptors, "none stays open");
}


/* Both of two readers see what the other one's refresh has brought. */

static void
reader_same_generation(void)
{
    const char        *store;
    profile_error_t    err;
    profile_reader_t  *one, *two;

    store = scratch("two");
    (void) store_generation(store, 1, 1, 0);
    must(profile_reader_open(&one, store, PROFILE_READAHEAD_AUTO, &err), &err);

    (void) store_generation(store, 1, 1, 0);
    must(profile_reader_open(&two, store, PROFILE_READAHEAD_AUTO, &err), &err);

    ok(profile_reader_generation(one) == 1
       && profile_reader_generation(two) == 2,
       "two readers of different generations");

    must(profile_reader_refresh(one, &err), &err);
    ok(profile_reader_generation(one) == 2
       && profile_reader_generation(two) == 2, "one catches up");

    profile_reader_close(two);
    must(profile_reader_refresh(one, &err), &err);
    is_int(profile_reader_generation(one), 2, "the other one ends");
    profile_reader_close(one);
}


/*
 * A second descriptor of a lock file, once closed, takes the process's
 * locks away: others then take this reader for dead.
 */

static void
reader_shared(peer_t *peer, peer_t *victim)
{
    int                     descriptors;
    const char             *store, *generation;
    profile_key_t           key;
    profile_error_t         err;
    profile_reader_t       *one, *two, *three;
    const profile_view_t   *view;

    store = scratch("shared");
    generation = scratch("shared/gen-000001");
    (void) store_generation(store, 1, 1, 0);
    need(symlink("shared", scratch("shared-link")) == 0, "symlink()");

    must(profile_reader_open(&one, store, PROFILE_READAHEAD_AUTO, &err), &err);

    /* that the other process can tell at all */

    peer_must(victim, PEER_OPEN, 0, 0, store);
    (void) peer_stop(victim, SIGKILL);
    peer_must(peer, PEER_CHECK, 0, 0, generation);
    is_int(peer->answer.number, 1, "a killed reader is dead");

    descriptors = scratch_descriptors();

    must(profile_reader_open(&two, scratch("shared-link"),
                             PROFILE_READAHEAD_AUTO, &err), &err);
    must(profile_reader_open(&three, scratch("shared/../shared/."),
                             PROFILE_READAHEAD_AUTO, &err),
         &err);
    is_int(scratch_descriptors(), descriptors,
           "one generation by three names is opened once");

    profile_reader_close(two);
    peer_must(peer, PEER_CHECK, 0, 0, generation);
    is_int(peer->answer.number, 0,
           "with one of them closed the others are not dead");

    profile_reader_close(one);
    peer_must(peer, PEER_CHECK, 0, 0, generation);
    is_int(peer->answer.number, 0, "nor is the last one");

    must(profile_reader_begin(three, &view, &err), &err);
    is_int(profile_view_key(view, STORE_KEY, &key, &err), PROFILE_OK,
           "which goes on reading");
    profile_reader_end(three);
    profile_reader_close(three);
}


static void
reader_info(void)
{
    uint64_t                transaction;
    const char             *store;
    struct stat             st;
    profile_error_t         err;
    profile_reader_t       *reader;
    profile_reader_info_t   info;

    store = scratch("info");
    reader_fill(store);

    must(profile_reader_open(&reader, store,
                             PROFILE_READAHEAD_AUTO, &err), &err);
    must(profile_reader_info(reader, &info, &err), &err);
    need(stat(scratch("info/gen-000001/data.mdb"), &st) == 0, "stat()");

    is_int(info.generation, 1, "the generation");
    is_int(info.sealed, 0, "not sealed");
    is_int((long long) info.size, st.st_size, "the file's size");
    ok(info.used > 0 && info.used <= info.size, "bytes in use");
    is_int(info.max_readers, PROFILE_MAX_READERS, "slots for readers");
    is_int(info.readers, 1, "one is in use");
    transaction = info.transaction;
    ok(transaction > 0, "transactions");
    profile_reader_close(reader);
}


static void
reader_refreshed(void)
{
    const char        *note;
    profile_error_t    err;
    profile_entity_t   entity;
    profile_reader_t  *reader;

    (void) store_generation(scratch("noted"), 1, 1, 0);
    note = scratch("noted/gen-000001/refreshed-1-2");
    entity = store_entity(1, 2, 3);
    entity.refreshed = 1000;

    must(profile_reader_open(&reader, scratch("noted"),
                             PROFILE_READAHEAD_AUTO, &err), &err);

    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "an entity's own time");
    scratch_text(note, "2000\n");
    is_int((long long) profile_reader_refreshed(reader, &entity), 2000,
           "the time of a later refresh that changed nothing");
    scratch_text(note, "500\n");
    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "that of an earlier one");
    scratch_text(note, "");
    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "an empty note");
    scratch_text(note, "soon\n");
    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "a note that is no number");
    scratch_text(note, "-1\n");
    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "a negative one");
    scratch_text(note, "99999999999999999999999999\n");
    is_int((long long) profile_reader_refreshed(reader, &entity), 1000,
           "one that is no number for us");

    profile_reader_close(reader);
}


/* A store with one of each, made by the writer. */

static void
reader_fill(const char *store)
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
    must(profile_writer_put_entity(writer, &entity, &err), &err);

    record = store_document(1, 2, "{\"data\":{}}");
    id = store_bytes("a");
    must(profile_writer_put_record(writer, &entity, &id, &record, &err),
         &err);

    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);
}


static void
reader_rename(const char *store, const char *text)
{
    char             path[PATH_MAX], current[PATH_MAX];
    profile_error_t  err;

    must(profile_path(path, sizeof(path), store, ".x", &err), &err);
    must(profile_path(current, sizeof(current), store, "CURRENT", &err),
         &err);

    scratch_text(path, text);
    need(rename(path, current) == 0, "rename()");
}
