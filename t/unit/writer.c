
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The writer: one at a time, visible to readers all at once or not at all,
 * and nothing is written where there is nothing new.
 */


#include "profile_writing.h"
#include "store.h"


static void writer_create(peer_t *peer);
static void writer_refused(void);
static void writer_refuse(const char *store, int code, const char *what);
static void writer_sealed(void);
static void writer_lock_file(void);
static void writer_visible(peer_t *peer);
static void writer_nothing(void);
static void writer_same(void);
static void writer_values(void);
static void writer_cursors(void);
static void writer_names(void);
static void writer_walks(void);
static void writer_snapshot(void);
static void writer_incarnations(void);
static void writer_exhausted(void);
static void writer_purge(void);
static void writer_append(void);
static void writer_reserve(void);
static void writer_no_memory(void);
static void writer_no_memory_run(int fd);
static void writer_extend(peer_t *peer);
static void writer_killed(void);
static void writer_killed_run(int fd);
static void writer_dead_reader(void);
static void writer_refreshed(void);
static profile_writer_t *writer_open(const char *store);
static void writer_put(profile_writer_t *writer, uint32_t incarnation,
    const char *id, const char *body);
static uint64_t writer_mapsize(profile_writer_t *writer);
static unsigned writer_count(const profile_view_t *view,
    uint32_t incarnation);


int
main(void)
{
    int     descriptors;
    peer_t  peer;

    (void) scratch("%s", "");
    peer_start(&peer, peer_run);
    descriptors = scratch_descriptors();

    writer_create(&peer);
    writer_refused();
    writer_sealed();
    writer_lock_file();
    writer_visible(&peer);
    writer_nothing();
    writer_same();
    writer_values();
    writer_cursors();
    writer_names();
    writer_walks();
    writer_snapshot();
    writer_incarnations();
    writer_exhausted();
    writer_purge();
    writer_append();
    writer_reserve();
    writer_no_memory();
    writer_extend(&peer);
    writer_killed();
    writer_dead_reader();
    writer_refreshed();

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");
    is_int(peer_stop(&peer, 0), 0, "the reading process ends well");

    return done();
}


static void
writer_create(peer_t *peer)
{
    gid_t                   group;
    const char             *store;
    profile_error_t         err;
    profile_meta_t          meta;
    profile_writer_t       *writer, *second;
    const profile_view_t   *view;

    store = scratch("create");
    group = getegid();

    is_int(profile_writer_open(&writer, store, &group, &err), PROFILE_OK,
           "a store is made");
    is_int(scratch_entries(store), 3, "CURRENT, a generation and a lock");
    is_int(scratch_mode(scratch("create/.loader.lock")), 0600,
           "the lock's mode");
    is_int(scratch_mode(scratch("create/gen-000001/data.mdb")), 0640,
           "the data's mode");
    is_int(scratch_mode(scratch("create/gen-000001/lock.mdb")), 0660,
           "the mode of LMDB's lock");

    must(profile_writer_snapshot(writer, &view, &err), &err);
    ok(profile_view_meta(view, &meta, &err) == PROFILE_OK
       && meta.version == PROFILE_FORMAT_VERSION
       && meta.complete == 1
       && meta.next_incarnation == 1
       && meta.created > 1700000000, "its version record");
    profile_writer_release(writer);

    is_int(peer_ask(peer, PEER_OPEN, 0, 0, store), PROFILE_OK,
           "it can be read at once");
    is_int(peer_ask(peer, PEER_KEY, 0, 0, ""), PROFILE_NOT_FOUND,
           "and holds no key");
    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");

    is_int(profile_writer_open(&second, store, NULL, &err), PROFILE_BUSY,
           "a second writer has to wait");
    ok(strstr(err.text, scratch("create/")) != NULL, "%s", err.text);

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", "{\"data\":1}");
    is_int(profile_writer_commit(writer, &err), PROFILE_OK,
           "the first one is not disturbed");
    profile_writer_close(writer);

    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_OK,
           "the next one may");
    is_int(scratch_entries(store), 3, "and makes nothing new");

    must(profile_writer_snapshot(writer, &view, &err), &err);
    is_int(writer_count(view, 1), 1, "what was written is there");

    /* with a snapshot and a transaction open */

    must(profile_writer_begin(writer, NULL, &err), &err);
    profile_writer_close(writer);

    profile_writer_close(NULL);
    ok(1, "to close nothing is allowed");
}


/* Whatever is not a store stays as it is, to the byte. */

static void
writer_refused(void)
{
    int                rc;
    char              *data;
    size_t             len;
    u_char             zero[8192];
    MDB_dbi            dbi;
    MDB_txn           *txn;
    const char        *store, *path;
    profile_error_t    err;
    profile_writer_t  *writer;

    memset(zero, 0, sizeof(zero));

    scratch_mkdir(scratch("other"));
    scratch_text(scratch("other/file"), "");
    is_int(profile_writer_open(&writer, scratch("other"), NULL, &err),
           PROFILE_FOREIGN, "a folder with other things");
    is_int(scratch_entries(scratch("other")), 1, "nothing is made there");

    rc = profile_writer_open(&writer, scratch("no/where"), NULL, &err);
    ok(rc != PROFILE_OK && rc != PROFILE_NOT_FOUND,
       "a folder in a folder that is not there: %s", err.text);

    store = scratch("refused");
    path = scratch("refused/gen-000001/data.mdb");
    profile_writer_close(writer_open(store));

    data = scratch_read(path, &len);
    need(len >= 3 * 4096, "a store of three pages");

    scratch_write(path, "", 0);
    writer_refuse(store, PROFILE_DAMAGED, "no bytes");

    scratch_write(path, data, 4095);
    writer_refuse(store, PROFILE_DAMAGED, "4095 bytes");

    scratch_write(path, data, 4096);
    writer_refuse(store, PROFILE_DAMAGED, "4096 bytes");

    scratch_write(path, data, 8192);
    writer_refuse(store, PROFILE_DAMAGED, "8192 bytes");

    scratch_write(path, data, len - 1);
    writer_refuse(store, PROFILE_DAMAGED, "one byte too few");

    scratch_write(path, zero, sizeof(zero));
    writer_refuse(store, PROFILE_FOREIGN, "zeroes");

    need(unlink(path) == 0, "unlink()");
    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_DAMAGED,
           "refused: no data file");
    ok(!scratch_exists(path), "and none is made");

    scratch_mkdir(path);
    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_DAMAGED,
           "refused: a folder in its place");
    need(rmdir(path) == 0, "rmdir()");

    txn = store_raw_begin(scratch("refused/gen-000001"), 0, &dbi);
    store_raw_put(txn, dbi, "some", 4, "thing", 5);
    store_raw_commit(txn);
    writer_refuse(store, PROFILE_FOREIGN, "somebody else's database");

    scratch_write(path, data, len);
    scratch_text(scratch("refused/CURRENT"), "gen-1\n");
    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_FOREIGN,
           "refused: CURRENT names nothing");
    is_int(scratch_entries(store), 3, "and no generation is made");

    scratch_text(scratch("refused/CURRENT"), "gen-000099\n");
    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_DAMAGED,
           "refused: CURRENT names a missing generation");
    is_int(scratch_entries(store), 3, "and none is made in its place");

    free(data);

    (void) store_generation(scratch("version"), 2, 1, 0);
    writer_refuse(scratch("version"), PROFILE_FOREIGN, "another version");

    (void) store_generation(scratch("unfinished"), 1, 0, 0);
    writer_refuse(scratch("unfinished"), PROFILE_DAMAGED,
                  "an unfinished generation");
}


static void
writer_refuse(const char *store, int code, const char *what)
{
    int                rc;
    char              *before, *after, path[PATH_MAX];
    size_t             len, len2;
    profile_error_t    err;
    profile_writer_t  *writer;

    must(profile_path(path, sizeof(path), store, "gen-000001/data.mdb",
                      &err), &err);

    before = scratch_read(path, &len);
    rc = profile_writer_open(&writer, store, NULL, &err);
    after = scratch_read(path, &len2);

    is_int(rc, code, "refused: %s", what);
    ok(strstr(err.text, store) != NULL, "%s", err.text);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "and the file's bytes stay");

    if (rc == PROFILE_OK) {
        profile_writer_close(writer);
    }

    free(before);
    free(after);
}


static void
writer_sealed(void)
{
    const char        *store;
    profile_error_t    err;
    profile_writer_t  *writer;

    store = scratch("sealed");
    profile_writer_close(writer_open(store));
    scratch_text(scratch("sealed/gen-000001/SEALED"), "");

    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_DENIED,
           "a sealed generation is not written");
    ok(strstr(err.text, "sealed") != NULL, "%s", err.text);
}


/* LMDB would make one that belongs to the wrong user. */

static void
writer_lock_file(void)
{
    mode_t       mask;
    const char  *store, *path;

    store = scratch("lock");
    path = scratch("lock/gen-000001/lock.mdb");
    profile_writer_close(writer_open(store));

    need(unlink(path) == 0, "unlink()");
    mask = umask(0077);
    profile_writer_close(writer_open(store));
    (void) umask(mask);

    is_int(scratch_mode(path), 0660, "a lost lock file is made again");
}


static void
writer_visible(peer_t *peer)
{
    const char             *store;
    profile_error_t         err;
    profile_bytes_t         id;
    profile_entity_t        entity;
    profile_writer_t       *writer;
    profile_document_t      list, seen;
    const profile_view_t   *view;

    store = scratch("visible");
    writer = writer_open(store);
    peer_must(peer, PEER_OPEN, 0, 0, store);

    entity = store_entity(1, 2, 7);
    list = store_document(1, 0, "{\"data\":[2]}");
    id = store_bytes("a");

    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_put_list(writer, &list, &err), &err);
    writer_put(writer, 7, "a", "one");

    ok(profile_view_record(view, &entity, id.data, id.len, &seen, &err)
       == PROFILE_OK, "the transaction sees what it wrote");
    is_int(peer_ask(peer, PEER_ENTITY, 1, 2, ""), PROFILE_NOT_FOUND,
           "others see nothing of it");
    is_int(peer_ask(peer, PEER_LIST, 1, 0, ""), PROFILE_NOT_FOUND,
           "no list either");

    profile_writer_abort(writer);
    is_int(peer_ask(peer, PEER_ENTITY, 1, 2, ""), PROFILE_NOT_FOUND,
           "nor after an abort");

    must(profile_writer_begin(writer, &view, &err), &err);
    is_int(profile_view_entity(view, 1, 2, &entity, &err), PROFILE_NOT_FOUND,
           "the next transaction neither");

    entity = store_entity(1, 2, 7);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_put_list(writer, &list, &err), &err);
    writer_put(writer, 7, "a", "one");
    must(profile_writer_commit(writer, &err), &err);

    is_str(peer_record(peer, 1, 2, "a"), "one", "a commit is seen");
    ok(peer_ask(peer, PEER_LIST, 1, 0, "") == PROFILE_OK
       && strcmp(peer->answer.text, "{\"data\":[2]}") == 0, "all of it");

    /* a snapshot over two commits, the second of which deletes */

    peer_must(peer, PEER_BEGIN, 0, 0, "");
    is_str(peer_record(peer, 1, 2, "a"), "one", "a snapshot begins");

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 7, "a", "two");
    writer_put(writer, 7, "b", "new");
    must(profile_writer_commit(writer, &err), &err);

    is_str(peer_record(peer, 1, 2, "a"), "one", "it stays as it was");
    is_str(peer_record(peer, 1, 2, "b"), "-", "without what is new");

    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_delete_record(writer, &entity, &id, &err), &err);
    must(profile_writer_delete_list(writer, 1, &err), &err);
    must(profile_writer_commit(writer, &err), &err);

    is_str(peer_record(peer, 1, 2, "a"), "one", "and with what is gone");
    is_int(peer_ask(peer, PEER_LIST, 1, 0, ""), PROFILE_OK, "the list too");

    (void) peer_ask(peer, PEER_END, 0, 0, "");
    is_str(peer_record(peer, 1, 2, "a"), "-", "the next one sees it gone");
    is_str(peer_record(peer, 1, 2, "b"), "new", "and what is new");
    is_int(peer_ask(peer, PEER_LIST, 1, 0, ""), PROFILE_NOT_FOUND,
           "and no list");

    (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");
    profile_writer_close(writer);
}


static void
writer_nothing(void)
{
    int                i;
    char              *before, *after;
    size_t             len, len2;
    const char        *path;
    profile_error_t    err;
    profile_writer_t  *writer;

    writer = writer_open(scratch("nothing"));
    path = scratch("nothing/gen-000001/data.mdb");
    before = scratch_read(path, &len);

    for (i = 0; i < 3; i++) {
        must(profile_writer_begin(writer, NULL, &err), &err);
        must(profile_writer_commit(writer, &err), &err);
    }

    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "a commit of nothing leaves the file's bytes");
    free(after);

    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_delete_key(writer, STORE_KEY, &err), &err);
    must(profile_writer_delete_workspace(writer, 1, &err), &err);
    must(profile_writer_delete_list(writer, 1, &err), &err);
    must(profile_writer_delete_entity(writer, 1, 1, &err), &err);
    must(profile_writer_delete_cursor(writer, 1, 1, &err), &err);
    must(profile_writer_adopt(writer, 1, &err), &err);
    must(profile_writer_commit(writer, &err), &err);

    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "so does to delete what is not there");
    free(after);

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", "one");
    profile_writer_close(writer);

    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "and to close in the middle");
    free(after);
    free(before);
}


static void
writer_same(void)
{
    char                  *before, *after;
    size_t                 len, len2;
    uint64_t               written;
    const char            *path;
    profile_key_t          key;
    profile_error_t        err;
    profile_entity_t       entity;
    profile_orphan_t       orphan;
    profile_writer_t      *writer;
    profile_workspace_t    workspace;

    writer = writer_open(scratch("same"));
    path = scratch("same/gen-000001/data.mdb");

    key.workspace = 1;
    key.expires = 5;
    key.name = store_bytes("web");
    workspace.id = 1;
    workspace.name = store_bytes("Acme");
    entity = store_entity(1, 1, 0);
    orphan.incarnation = 9;
    orphan.workspace = 1;
    orphan.entity = 1;

    written = profile_writer_written(writer);
    must(profile_writer_begin(writer, NULL, &err), &err);
    is_int(profile_writer_pending(writer), 0, "nothing is pending");
    must(profile_writer_put_key(writer, STORE_KEY, &key, &err), &err);
    must(profile_writer_put_workspace(writer, &workspace, &err), &err);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_orphan(writer, &orphan, &err), &err);
    ok(profile_writer_pending(writer) > 0, "something is pending");
    must(profile_writer_commit(writer, &err), &err);
    is_int(profile_writer_written(writer) - written,
           33 + 27 + 5 + 20 + 9 + 71 + 5 + 20, "bytes are counted");

    before = scratch_read(path, &len);
    written = profile_writer_written(writer);

    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_put_key(writer, STORE_KEY, &key, &err), &err);
    must(profile_writer_put_workspace(writer, &workspace, &err), &err);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_orphan(writer, &orphan, &err), &err);
    is_int(profile_writer_pending(writer), 0,
           "to put what is there leaves nothing pending");
    must(profile_writer_commit(writer, &err), &err);

    is_int(profile_writer_written(writer), (long long) written,
           "nothing is counted");
    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "and the file's bytes stay");
    free(after);

    /* the same length, another byte */

    key.expires = 6;
    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_put_key(writer, STORE_KEY, &key, &err), &err);
    must(profile_writer_commit(writer, &err), &err);

    after = scratch_read(path, &len2);
    ok(len != len2 || memcmp(before, after, len) != 0,
       "to put something else changes them");
    free(after);
    free(before);

    profile_writer_close(writer);
}


static void
writer_values(void)
{
    u_char                  long_id[PROFILE_RECORD_ID_MAX];
    profile_key_t           key, key2;
    profile_error_t         err;
    profile_bytes_t         id;
    profile_entity_t        entity, entity2;
    profile_writer_t       *writer;
    profile_document_t      document, document2;
    profile_workspace_t     workspace, workspace2;
    const profile_view_t   *view;

    writer = writer_open(scratch("values"));
    must(profile_writer_begin(writer, &view, &err), &err);

    key.workspace = UINT32_MAX;
    key.expires = UINT64_MAX;
    key.name = store_bytes("a key");
    must(profile_writer_put_key(writer, STORE_KEY, &key, &err), &err);
    ok(profile_view_key(view, STORE_KEY, &key2, &err) == PROFILE_OK
       && key2.workspace == UINT32_MAX
       && key2.expires == UINT64_MAX
       && key2.name.len == 5, "a key");
    must(profile_writer_delete_key(writer, STORE_KEY, &err), &err);
    is_int(profile_view_key(view, STORE_KEY, &key2, &err), PROFILE_NOT_FOUND,
           "is deleted");

    workspace.id = UINT32_MAX;
    workspace.name = store_bytes("Acme");
    must(profile_writer_put_workspace(writer, &workspace, &err), &err);
    ok(profile_view_workspace(view, UINT32_MAX, &workspace2, &err)
       == PROFILE_OK
       && workspace2.name.len == 4, "a workspace");
    is_int(profile_view_workspace(view, 1, &workspace2, &err),
           PROFILE_NOT_FOUND, "and no other");
    must(profile_writer_delete_workspace(writer, UINT32_MAX, &err), &err);
    is_int(profile_view_workspace(view, UINT32_MAX, &workspace2, &err),
           PROFILE_NOT_FOUND, "is deleted");

    entity = store_entity(1, 2, 3);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    ok(profile_view_entity(view, 1, 2, &entity2, &err) == PROFILE_OK
       && entity2.incarnation == 3, "an entity");
    is_int(profile_view_entity(view, 2, 1, &entity2, &err),
           PROFILE_NOT_FOUND, "and no other");

    document = store_document(1, 0, "{\"data\":[]}");
    must(profile_writer_put_list(writer, &document, &err), &err);
    ok(profile_view_list(view, 1, &document2, &err) == PROFILE_OK
       && document2.body.len == 11
       && document2.changed == 1700000000
       && memcmp(document2.hash, STORE_HASH, PROFILE_HASH_SIZE) == 0,
       "a list");
    is_int(profile_view_list(view, 2, &document2, &err), PROFILE_NOT_FOUND,
           "and no other");

    memset(long_id, 0xff, sizeof(long_id));
    id.data = long_id;
    id.len = sizeof(long_id);
    document = store_document(1, 2, "body");
    must(profile_writer_put_record(writer, &entity, &id, &document, &err),
         &err);
    ok(profile_view_record(view, &entity, long_id, sizeof(long_id),
                           &document2, &err)
       == PROFILE_OK, "a record with the longest id");
    is_int(profile_view_record(view, &entity, long_id, sizeof(long_id) - 1,
                               &document2, &err),
           PROFILE_NOT_FOUND, "and none with a shorter one");
    is_int(profile_view_record(view, &entity, long_id, sizeof(long_id) + 1,
                               &document2, &err),
           PROFILE_NOT_FOUND, "nor a longer one");
    is_int(profile_view_record(view, &entity, long_id, 0, &document2, &err),
           PROFILE_NOT_FOUND, "nor an empty one");

    entity2 = store_entity(1, 2, 4);
    is_int(profile_view_record(view, &entity2, long_id, sizeof(long_id),
                               &document2, &err),
           PROFILE_NOT_FOUND, "nor in another incarnation");

    must(profile_writer_delete_record(writer, &entity, &id, &err), &err);
    is_int(profile_view_record(view, &entity, long_id, sizeof(long_id),
                               &document2, &err),
           PROFILE_NOT_FOUND, "is deleted");
    is_int(profile_writer_delete_record(writer, &entity, &id, &err),
           PROFILE_OK, "and may be deleted again");

    profile_writer_close(writer);
}


/* One for each entity, and none without its entity. */

static void
writer_cursors(void)
{
    char                   *before, *after, name[PROFILE_NAME_MAX + 2];
    size_t                  len, len2;
    uint64_t                written;
    const char             *path;
    profile_error_t         err;
    profile_entity_t        entity;
    profile_cursor_t        cursor, seen;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    writer = writer_open(scratch("cursors"));
    path = scratch("cursors/gen-000001/data.mdb");

    cursor.workspace = 1;
    cursor.entity = 2;
    cursor.column = store_bytes("updated_at");
    cursor.value = store_bytes("2026-01-01");

    written = profile_writer_written(writer);
    must(profile_writer_begin(writer, &view, &err), &err);
    entity = store_entity(1, 2, 0);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    is_int(profile_view_cursor(view, 1, 2, &seen, &err), PROFILE_NOT_FOUND,
           "no cursor");
    must(profile_writer_put_cursor(writer, &cursor, &err), &err);
    ok(profile_view_cursor(view, 1, 2, &seen, &err) == PROFILE_OK
       && seen.workspace == 1
       && seen.entity == 2
       && profile_bytes_compare(&seen.column, &cursor.column) == 0
       && profile_bytes_compare(&seen.value, &cursor.value) == 0,
       "a cursor");
    ok(profile_view_cursor(view, 2, 1, &seen, &err) == PROFILE_NOT_FOUND
       && profile_view_cursor(view, 1, 1, &seen, &err) == PROFILE_NOT_FOUND,
       "and no other");
    must(profile_writer_commit(writer, &err), &err);
    is_int(profile_writer_written(writer) - written,
           9 + 71 + 9 + 24 + 10 + 10, "its bytes are counted");

    /* to put what is there, or to delete what is not, writes nothing */

    before = scratch_read(path, &len);
    written = profile_writer_written(writer);
    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_put_cursor(writer, &cursor, &err), &err);
    must(profile_writer_delete_cursor(writer, 1, 1, &err), &err);
    must(profile_writer_delete_cursor(writer, 2, 2, &err), &err);
    is_int(profile_writer_pending(writer), 0, "the same: nothing is pending");
    must(profile_writer_commit(writer, &err), &err);
    is_int(profile_writer_written(writer), (long long) written,
           "nothing is written");
    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "and the file's bytes stay");
    free(before);
    free(after);

    /* another value, another column, and one that is its own */

    cursor.value = store_bytes("2026-01-02");
    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_put_cursor(writer, &cursor, &err), &err);
    ok(profile_view_cursor(view, 1, 2, &seen, &err) == PROFILE_OK
       && profile_bytes_compare(&seen.value, &cursor.value) == 0,
       "it moves on");
    seen.column = store_bytes("id");
    must(profile_writer_put_cursor(writer, &seen, &err), &err);
    ok(profile_view_cursor(view, 1, 2, &seen, &err) == PROFILE_OK
       && seen.column.len == 2
       && profile_bytes_compare(&seen.value, &cursor.value) == 0,
       "its value may be the one in the view");
    profile_writer_abort(writer);

    must(profile_writer_snapshot(writer, &view, &err), &err);
    ok(profile_view_cursor(view, 1, 2, &seen, &err) == PROFILE_OK
       && seen.column.len == 10
       && memcmp(seen.value.data, "2026-01-01", 10) == 0,
       "an abort leaves the old one");
    profile_writer_release(writer);

    /* what is too long, and what is as long as it may be */

    memset(name, 'n', sizeof(name));
    cursor.column = (profile_bytes_t) { PROFILE_NAME_MAX,
                                        (const u_char *) name };
    cursor.value = cursor.column;
    must(profile_writer_begin(writer, &view, &err), &err);
    ok(profile_writer_put_cursor(writer, &cursor, &err) == PROFILE_OK
       && profile_view_cursor(view, 1, 2, &seen, &err) == PROFILE_OK
       && seen.value.len == PROFILE_CURSOR_MAX, "%d bytes of each",
       PROFILE_CURSOR_MAX);
    cursor.value.len++;
    is_int(profile_writer_put_cursor(writer, &cursor, &err), PROFILE_FAILED,
           "one more of the value");
    cursor.value.len--;
    cursor.column.len++;
    is_int(profile_writer_put_cursor(writer, &cursor, &err), PROFILE_FAILED,
           "or of the column");
    profile_writer_abort(writer);

    /* a neighbour's stays when an entity goes, and goes by itself */

    cursor.column = store_bytes("updated_at");
    cursor.value = store_bytes("5");
    cursor.entity = 3;
    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_put_cursor(writer, &cursor, &err), &err);
    must(profile_writer_delete_entity(writer, 1, 2, &err), &err);
    is_int(profile_view_cursor(view, 1, 2, &seen, &err), PROFILE_NOT_FOUND,
           "a cursor goes with its entity");
    is_int(profile_view_cursor(view, 1, 3, &seen, &err), PROFILE_OK,
           "the others stay");
    must(profile_writer_delete_cursor(writer, 1, 3, &err), &err);
    is_int(profile_view_cursor(view, 1, 3, &seen, &err), PROFILE_NOT_FOUND,
           "until they are deleted");
    must(profile_writer_commit(writer, &err), &err);

    profile_writer_close(writer);
}


static void
writer_names(void)
{
    int                    rc;
    char                   name[PROFILE_NAME_MAX + 2];
    profile_key_t          key;
    profile_error_t        err;
    profile_entity_t       entity;
    profile_writer_t      *writer;
    profile_workspace_t    workspace;

    writer = writer_open(scratch("names"));
    must(profile_writer_begin(writer, NULL, &err), &err);

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';

    key.workspace = 1;
    key.expires = 0;
    key.name = store_bytes(name);
    key.name.len--;
    workspace.id = 1;
    workspace.name = key.name;
    entity = store_entity(1, 1, 0);
    entity.name = key.name;
    entity.primary_key = key.name;

    ok(profile_writer_put_key(writer, STORE_KEY, &key, &err) == PROFILE_OK
       && profile_writer_put_workspace(writer, &workspace, &err)
          == PROFILE_OK
       && profile_writer_put_entity(writer, &entity, &err) == PROFILE_OK,
       "names of %d bytes", PROFILE_NAME_MAX);

    key.name.len++;
    workspace.name.len++;
    is_int(profile_writer_put_key(writer, STORE_KEY, &key, &err),
           PROFILE_FAILED, "a key with too long a name");
    is_int(profile_writer_put_workspace(writer, &workspace, &err),
           PROFILE_FAILED, "a workspace with one");

    entity.name.len++;
    is_int(profile_writer_put_entity(writer, &entity, &err), PROFILE_FAILED,
           "an entity with one");
    entity.name.len--;
    entity.primary_key.len++;
    rc = profile_writer_put_entity(writer, &entity, &err);
    is_int(rc, PROFILE_FAILED, "or with too long a primary key");
    ok(strstr(err.text, "1000") != NULL, "%s", err.text);

    profile_writer_close(writer);
}


static void
writer_walks(void)
{
    int                     i, right;
    u_char                  digest[PROFILE_DIGEST_SIZE];
    u_char                  got[PROFILE_DIGEST_SIZE];
    profile_key_t           key;
    profile_walk_t          walk;
    profile_error_t         err;
    profile_entity_t        entity;
    profile_orphan_t        orphan;
    profile_writer_t       *writer;
    profile_workspace_t     workspace;
    const profile_view_t   *view;

    static const uint32_t  ids[] = { 1, 2, 255, 256, 65536, 0x7fffffff,
                                     0xfffffffe, 0xffffffff };
    const int              n = sizeof(ids) / sizeof(ids[0]);

    writer = writer_open(scratch("walks"));
    must(profile_writer_begin(writer, &view, &err), &err);

    profile_walk_keys(&walk);
    right = (profile_view_next_key(view, &walk, got, &key, &err)
             == PROFILE_NOT_FOUND);
    profile_walk_workspaces(&walk);
    right &= (profile_view_next_workspace(view, &walk, &workspace, &err)
              == PROFILE_NOT_FOUND);
    profile_walk_entities(&walk, 1);
    right &= (profile_view_next_entity(view, &walk, &entity, &err)
              == PROFILE_NOT_FOUND);
    profile_walk_orphans(&walk);
    right &= (profile_view_next_orphan(view, &walk, &orphan, &err)
              == PROFILE_NOT_FOUND);
    ok(right, "walks of nothing");

    key.expires = 0;
    key.name = store_bytes("k");
    workspace.name = store_bytes("w");

    for (i = n - 1; i >= 0; i--) {
        memset(digest, 0xff, sizeof(digest));
        digest[sizeof(digest) - 1] = (u_char) i;
        key.workspace = ids[i];
        must(profile_writer_put_key(writer, digest, &key, &err), &err);

        workspace.id = ids[i];
        must(profile_writer_put_workspace(writer, &workspace, &err), &err);

        entity = store_entity(2, ids[i], 0);
        must(profile_writer_put_entity(writer, &entity, &err), &err);
        entity = store_entity(UINT32_MAX, ids[i], 0);
        must(profile_writer_put_entity(writer, &entity, &err), &err);

        orphan.incarnation = ids[i];
        orphan.workspace = ids[i];
        orphan.entity = 1;
        must(profile_writer_orphan(writer, &orphan, &err), &err);
    }

    entity = store_entity(1, 77, 0);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    entity = store_entity(3, 77, 0);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    writer_put(writer, 1, "a", "record");

    right = 1;
    profile_walk_keys(&walk);
    for (i = 0; profile_view_next_key(view, &walk, got, &key, &err)
                == PROFILE_OK; i++)
    {
        right &= (i < n
                  && got[0] == 0xff
                  && got[sizeof(got) - 1] == i
                  && key.workspace == ids[i]);
    }
    ok(right && i == n, "all keys, in order");

    right = 1;
    profile_walk_workspaces(&walk);
    for (i = 0; profile_view_next_workspace(view, &walk, &workspace, &err)
                == PROFILE_OK; i++)
    {
        right &= (i < n && workspace.id == ids[i]);
    }
    ok(right && i == n, "all workspaces, in order");

    right = 1;
    profile_walk_entities(&walk, 2);
    for (i = 0; profile_view_next_entity(view, &walk, &entity, &err)
                == PROFILE_OK; i++)
    {
        right &= (i < n && entity.workspace == 2 && entity.id == ids[i]);
    }
    ok(right && i == n, "a workspace's entities and no other's, in order");

    right = 1;
    profile_walk_entities(&walk, UINT32_MAX);
    for (i = 0; profile_view_next_entity(view, &walk, &entity, &err)
                == PROFILE_OK; i++)
    {
        right &= (i < n
                  && entity.workspace == UINT32_MAX
                  && entity.id == ids[i]);
    }
    ok(right && i == n, "those of the last workspace");

    /* what was returned may go */

    right = 1;
    profile_walk_orphans(&walk);
    for (i = 0; profile_view_next_orphan(view, &walk, &orphan, &err)
                == PROFILE_OK; i++)
    {
        right &= (i < n
                  && orphan.incarnation == ids[i]
                  && orphan.workspace == ids[i]);
        must(profile_writer_adopt(writer, orphan.incarnation, &err), &err);
    }
    ok(right && i == n, "all orphans, each deleted as it comes");

    profile_walk_orphans(&walk);
    is_int(profile_view_next_orphan(view, &walk, &orphan, &err),
           PROFILE_NOT_FOUND, "none is left");

    profile_writer_close(writer);
}


static void
writer_snapshot(void)
{
    profile_error_t         err;
    profile_writer_t       *writer;
    const profile_view_t   *snapshot;

    writer = writer_open(scratch("snapshot"));

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", "one");
    must(profile_writer_commit(writer, &err), &err);

    must(profile_writer_snapshot(writer, &snapshot, &err), &err);

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "b", "two");
    is_int(writer_count(snapshot, 1), 1, "a snapshot beside a transaction");
    must(profile_writer_commit(writer, &err), &err);
    is_int(writer_count(snapshot, 1), 1, "stays as it was after the commit");

    profile_writer_release(writer);
    must(profile_writer_snapshot(writer, &snapshot, &err), &err);
    is_int(writer_count(snapshot, 1), 2, "the next one sees it");
    profile_writer_release(writer);
    profile_writer_release(writer);

    profile_writer_close(writer);
}


static void
writer_incarnations(void)
{
    uint32_t                one, two;
    profile_walk_t          walk;
    profile_error_t         err;
    profile_orphan_t        orphan;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    writer = writer_open(scratch("incarnations"));

    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_new_incarnation(writer, 5, 6, &one, &err), &err);
    must(profile_writer_new_incarnation(writer, 5, 7, &two, &err), &err);
    ok(one == 1 && two == 2, "incarnations count up from 1");

    profile_walk_orphans(&walk);
    ok(profile_view_next_orphan(view, &walk, &orphan, &err) == PROFILE_OK
       && orphan.incarnation == 1
       && orphan.workspace == 5
       && orphan.entity == 6, "a new one is an orphan");
    ok(profile_view_next_orphan(view, &walk, &orphan, &err) == PROFILE_OK
       && orphan.incarnation == 2
       && orphan.entity == 7, "each of them");

    must(profile_writer_adopt(writer, one, &err), &err);
    profile_walk_orphans(&walk);
    ok(profile_view_next_orphan(view, &walk, &orphan, &err) == PROFILE_OK
       && orphan.incarnation == 2, "until it is adopted");
    must(profile_writer_commit(writer, &err), &err);

    profile_writer_close(writer);
    writer = writer_open(scratch("incarnations"));

    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_new_incarnation(writer, 5, 6, &one, &err), &err);
    is_int(one, 3, "the next run goes on counting");
    profile_writer_abort(writer);

    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_new_incarnation(writer, 5, 6, &one, &err), &err);
    is_int(one, 3, "what was aborted does not count");
    profile_writer_close(writer);
}


static void
writer_exhausted(void)
{
    uint32_t                one;
    profile_meta_t          meta;
    profile_error_t         err;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    writer = writer_open(scratch("exhausted"));

    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_view_meta(view, &meta, &err), &err);
    meta.next_incarnation = UINT32_MAX - 1;
    must(profile_writer_put_meta(writer, &meta, &err), &err);

    ok(profile_writer_new_incarnation(writer, 1, 1, &one, &err) == PROFILE_OK
       && one == UINT32_MAX - 1, "the last incarnation");
    is_int(profile_writer_new_incarnation(writer, 1, 1, &one, &err),
           PROFILE_FAILED, "there is none after it");
    ok(strstr(err.text, scratch("exhausted")) != NULL, "%s", err.text);

    profile_writer_close(writer);
}


static void
writer_purge(void)
{
    int                     i, done, steps, right;
    char                    id[16];
    uint32_t                one;
    unsigned                left;
    profile_walk_t          walk;
    profile_error_t         err;
    profile_orphan_t        orphan;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    writer = writer_open(scratch("purge"));
    must(profile_writer_begin(writer, &view, &err), &err);
    must(profile_writer_new_incarnation(writer, 1, 1, &one, &err), &err);
    must(profile_writer_new_incarnation(writer, 1, 1, &one, &err), &err);
    must(profile_writer_new_incarnation(writer, 1, 1, &one, &err), &err);

    for (i = 0; i < 25; i++) {
        (void) snprintf(id, sizeof(id), "%d", i);
        writer_put(writer, 1, id, "before");
        writer_put(writer, 2, id, "purged");
        writer_put(writer, 3, id, "after");
    }

    must(profile_writer_commit(writer, &err), &err);

    right = 1;
    done = 0;

    for (steps = 0; !done && steps < 10; steps++) {
        must(profile_writer_begin(writer, &view, &err), &err);
        must(profile_writer_purge(writer, 2, 10, &done, &err), &err);

        left = writer_count(view, 2);
        right &= (left == ((steps < 2) ? 25U - 10 * (unsigned) (steps + 1)
                                       : 0));

        if (!done) {
            profile_walk_orphans(&walk);
            (void) profile_view_next_orphan(view, &walk, &orphan, &err);
            right &= (profile_view_next_orphan(view, &walk, &orphan, &err)
                      == PROFILE_OK
                      && orphan.incarnation == 2);
        }

        must(profile_writer_commit(writer, &err), &err);
    }

    ok(right && steps == 3, "25 records go in batches of 10");

    must(profile_writer_begin(writer, &view, &err), &err);
    ok(writer_count(view, 1) == 25 && writer_count(view, 3) == 25,
       "their neighbours stay");
    profile_walk_orphans(&walk);
    ok(profile_view_next_orphan(view, &walk, &orphan, &err) == PROFILE_OK
       && orphan.incarnation == 1
       && profile_view_next_orphan(view, &walk, &orphan, &err) == PROFILE_OK
       && orphan.incarnation == 3
       && profile_view_next_orphan(view, &walk, &orphan, &err)
          == PROFILE_NOT_FOUND, "the orphan goes with the last of them");

    must(profile_writer_purge(writer, 2, 10, &done, &err), &err);
    is_int(done, 1, "to purge nothing is soon done");

    for (steps = 0, done = 0; !done && steps < 5; steps++) {
        must(profile_writer_purge(writer, 3, 25, &done, &err), &err);
    }

    ok(done && writer_count(view, 3) == 0,
       "a batch as large as the rest, at the end of the tree");

    must(profile_writer_purge(writer, 1, 0, &done, &err), &err);
    ok(!done && writer_count(view, 1) == 25, "a batch of none");
    must(profile_writer_purge(writer, 1, 1000, &done, &err), &err);
    ok(done && writer_count(view, 1) == 0, "one that is larger");

    profile_writer_close(writer);
}


static void
writer_append(void)
{
    int                     i, rc;
    char                    id[16];
    profile_error_t         err;
    profile_bytes_t         bytes;
    profile_entity_t        entity;
    profile_writer_t       *writer;
    profile_document_t      document;
    const profile_view_t   *view;

    writer = writer_open(scratch("append"));
    entity = store_entity(1, 2, 5);
    document = store_document(1, 2, "{\"data\":{}}");

    must(profile_writer_begin(writer, &view, &err), &err);

    for (i = 0; i < 1000; i++) {
        (void) snprintf(id, sizeof(id), "%04d", i);
        bytes = store_bytes(id);
        must(profile_writer_append_record(writer, &entity, &bytes, &document,
                                          &err), &err);
    }

    must(profile_writer_commit(writer, &err), &err);

    must(profile_writer_begin(writer, &view, &err), &err);
    is_int(writer_count(view, 5), 1000, "1000 records in order");

    bytes = store_bytes("0500");
    rc = profile_writer_append_record(writer, &entity, &bytes, &document,
                                      &err);
    is_int(rc, PROFILE_FAILED, "one out of order fails");
    ok(strstr(err.text, scratch("append")) != NULL
       && strstr(err.text, "0500") == NULL, "%s", err.text);
    profile_writer_abort(writer);

    must(profile_writer_begin(writer, &view, &err), &err);
    bytes = store_bytes("0999");
    is_int(profile_writer_append_record(writer, &entity, &bytes, &document,
                                        &err),
           PROFILE_FAILED, "the last one again fails");
    profile_writer_abort(writer);

    must(profile_writer_begin(writer, &view, &err), &err);
    entity.incarnation = 4;
    bytes = store_bytes("9999");
    is_int(profile_writer_append_record(writer, &entity, &bytes, &document,
                                        &err),
           PROFILE_FAILED, "one of an older incarnation fails");
    profile_writer_abort(writer);

    must(profile_writer_begin(writer, &view, &err), &err);
    is_int(writer_count(view, 5), 1000, "nothing came of them");
    entity.incarnation = 6;
    bytes = store_bytes("0");
    is_int(profile_writer_append_record(writer, &entity, &bytes, &document,
                                        &err),
           PROFILE_OK, "one of a newer incarnation is the last of all");
    profile_writer_close(writer);
}


static void
writer_reserve(void)
{
    uint64_t                 before, bytes;
    profile_error_t          err;
    profile_writer_t        *writer;

    writer = writer_open(scratch("reserve"));
    must(profile_writer_begin(writer, NULL, &err), &err);
    profile_writer_abort(writer);

    before = writer_mapsize(writer);
    ok(before >= UINT64_C(512) * 1024 * 1024,
       "there is always room for a transaction");

    must(profile_writer_reserve(writer, 0, &err), &err);
    is_int(writer_mapsize(writer), (long long) before,
           "to ask for nothing changes nothing");

    bytes = before * 2;
    must(profile_writer_reserve(writer, bytes, &err), &err);
    ok(writer_mapsize(writer) >= bytes, "the map grows");
    before = writer_mapsize(writer);

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", "one");
    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);

    writer = writer_open(scratch("reserve"));
    ok(writer_mapsize(writer) >= before, "and stays so");
    ok(scratch_entries(scratch("reserve")) == 3, "it is no file that grows");
    profile_writer_close(writer);
}


/* Such as under a limit on virtual memory: an error, not a crash. */

static void
writer_no_memory(void)
{
    peer_t  peer;

    if (scratch_instrumented()) {
        skip(1, "needs memory without instruments");
        return;
    }

    peer_start(&peer, writer_no_memory_run);
    is_int(peer_stop(&peer, 0), 0, "a map that cannot grow is an error, and "
           "so is what follows");
}


static void
writer_no_memory_run(int fd)
{
    int                rc;
    profile_error_t    err;
    profile_writer_t  *writer;

    (void) fd;

    writer = writer_open(scratch("no-memory"));
    rc = profile_writer_reserve(writer, UINT64_C(1) << 50, &err);

    if (rc == PROFILE_OK || rc == PROFILE_NOT_FOUND) {
        _exit(1);
    }

    /* the loader goes on with its next entity */

    (void) profile_writer_reserve(writer, 0, &err);

    if (profile_writer_begin(writer, NULL, &err) == PROFILE_OK) {
        writer_put(writer, 1, "a", "one");
        (void) profile_writer_commit(writer, &err);
    }

    profile_writer_close(writer);
}


/* LMDB may leave the file shorter than its pages; readers must not see. */

static void
writer_extend(peer_t *peer)
{
    int                 i, short_of, failed;
    char               *big, id[16];
    size_t              size;
    profile_error_t     err;
    profile_bytes_t     bytes;
    profile_entity_t    entity;
    profile_writer_t   *writer;

    writer = writer_open(scratch("extend"));
    entity = store_entity(1, 2, 1);
    big = malloc(200001);
    need(big != NULL, "malloc()");

    short_of = 0;
    failed = 0;

    for (i = 0; i < 60; i++) {

        size = (size_t) (i * 7919) % 200000;
        memset(big, 'b', size + 1);
        big[size + 1] = '\0';

        must(profile_writer_begin(writer, NULL, &err), &err);
        writer_put(writer, 1, "keep", "something");
        (void) snprintf(id, sizeof(id), "%d", i % 5);
        writer_put(writer, 1, id, big);

        if (i % 3 != 0) {
            bytes = store_bytes(id);
            must(profile_writer_delete_record(writer, &entity, &bytes, &err),
                 &err);
        }

        must(profile_writer_commit(writer, &err), &err);

        failed += (peer_ask(peer, PEER_OPEN, 0, 0, scratch("extend"))
                   != PROFILE_OK);
        (void) peer_ask(peer, PEER_INFO, 0, 0, "");
        short_of += (peer->answer.info.size < peer->answer.info.used);
        (void) peer_ask(peer, PEER_CLOSE, 0, 0, "");
    }

    is_int(short_of, 0, "after each of 60 commits the file has all pages");
    is_int(failed, 0, "and can be opened");

    free(big);
    profile_writer_close(writer);
}


static void
writer_killed(void)
{
    int                     i;
    char                    byte;
    peer_t                  peer;
    profile_error_t         err;
    profile_writer_t       *writer;
    const profile_view_t   *view;

    for (i = 0; i < 3; i++) {
        peer_start(&peer, writer_killed_run);
        need(read(peer.fd, &byte, 1) == 1, "a writer at work");

        is_int(profile_writer_open(&writer, scratch("killed"), NULL, &err),
               PROFILE_BUSY, "another process writes");
        (void) peer_stop(&peer, SIGKILL);

        is_int(profile_writer_open(&writer, scratch("killed"), NULL, &err),
               PROFILE_OK, "its lock ends with it");
        must(profile_writer_begin(writer, &view, &err), &err);
        ok(writer_count(view, 1) == 1 && writer_count(view, 2) == 0,
           "and so does its transaction");
        profile_writer_close(writer);
    }
}


static void
writer_killed_run(int fd)
{
    profile_error_t    err;
    profile_writer_t  *writer;

    writer = writer_open(scratch("killed"));
    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", "one");
    must(profile_writer_commit(writer, &err), &err);

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 2, "a", "one");

    if (write(fd, "w", 1) == 1) {
        (void) pause();
    }
}


/* A worker that dies while it reads must not make the file grow for ever. */

static void
writer_dead_reader(void)
{
    int                 i;
    char               *big;
    peer_t              peer;
    struct stat         st;
    profile_error_t     err;
    profile_writer_t   *writer;

    big = malloc(50001);
    need(big != NULL, "malloc()");
    memset(big, 'b', 50000);
    big[50000] = '\0';

    peer_start(&peer, peer_run);
    writer = writer_open(scratch("dead"));

    must(profile_writer_begin(writer, NULL, &err), &err);
    writer_put(writer, 1, "a", big);
    must(profile_writer_commit(writer, &err), &err);

    peer_must(&peer, PEER_OPEN, 0, 0, scratch("dead"));
    peer_must(&peer, PEER_BEGIN, 0, 0, "");
    (void) peer_stop(&peer, SIGKILL);

    for (i = 0; i < 40; i++) {
        must(profile_writer_begin(writer, NULL, &err), &err);
        big[0] = (char) ('A' + i % 20);
        writer_put(writer, 1, "a", big);
        must(profile_writer_commit(writer, &err), &err);
    }

    need(stat(scratch("dead/gen-000001/data.mdb"), &st) == 0, "stat()");
    ok(st.st_size < 500000, "40 times 50000 bytes take %lld",
       (long long) st.st_size);

    free(big);
    profile_writer_close(writer);
}


static void
writer_refreshed(void)
{
    char                  *before, *after;
    size_t                 len, len2;
    const char            *path;
    profile_error_t        err;
    profile_writer_t      *writer;
    profile_generation_t   gen;

    writer = writer_open(scratch("refreshed"));
    path = scratch("refreshed/gen-000001/data.mdb");
    must(profile_dir_current(scratch("refreshed"), &gen, &err), &err);

    is_int(profile_dir_refreshed(&gen, 1, 2), 0, "never refreshed");

    before = scratch_read(path, &len);
    is_int(profile_writer_refreshed(writer, 1, 2, 1800000000, &err),
           PROFILE_OK, "a refresh is noted");
    is_int(profile_dir_refreshed(&gen, 1, 2), 1800000000, "and known");
    is_int(profile_dir_refreshed(&gen, 2, 1), 0, "for this entity alone");
    is_int(profile_writer_refreshed(writer, UINT32_MAX, UINT32_MAX,
                                    UINT64_MAX, &err),
           PROFILE_OK, "the largest numbers");
    ok(profile_dir_refreshed(&gen, UINT32_MAX, UINT32_MAX) == UINT64_MAX,
       "come back");
    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "the database's bytes stay");
    free(before);
    free(after);

    is_int(scratch_entries(gen.path), 4, "no temporary file is left");

    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_delete_entity(writer, 1, 2, &err), &err);
    must(profile_writer_commit(writer, &err), &err);
    is_int(profile_dir_refreshed(&gen, 1, 2), 0, "it goes with the entity");

    profile_writer_close(writer);
}


static profile_writer_t *
writer_open(const char *store)
{
    profile_error_t    err;
    profile_writer_t  *writer;

    must(profile_writer_open(&writer, store, NULL, &err), &err);

    return writer;
}


/* A record of entity 2 of workspace 1, whatever its incarnation is. */

static void
writer_put(profile_writer_t *writer, uint32_t incarnation, const char *id,
    const char *body)
{
    profile_bytes_t     bytes;
    profile_error_t     err;
    profile_entity_t    entity;
    profile_document_t  document;

    entity = store_entity(1, 2, incarnation);
    document = store_document(1, 2, body);
    bytes = store_bytes(id);

    must(profile_writer_put_record(writer, &entity, &bytes, &document, &err),
         &err);
}


static uint64_t
writer_mapsize(profile_writer_t *writer)
{
    MDB_envinfo  info;

    need(mdb_env_info(writer->env, &info) == 0, "mdb_env_info()");

    return info.me_mapsize;
}


static unsigned
writer_count(const profile_view_t *view, uint32_t incarnation)
{
    unsigned             n;
    profile_bytes_t      id;
    profile_error_t      err;
    profile_scan_t      *scan;
    profile_entity_t     entity;
    profile_document_t   record;

    entity = store_entity(1, 2, incarnation);

    must(profile_scan_open(&scan, view, &entity, &err), &err);

    for (n = 0; profile_scan_next(scan, &id, &record, &err) == PROFILE_OK;
         n++)
    { /* void */ }

    profile_scan_close(scan);

    return n;
}
