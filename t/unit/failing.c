
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Each call that the store makes fails once: of LMDB, of the system, for
 * memory.  A failure may be harmless; else it must come out as an error with
 * a text, never as "no such record", leave no descriptor behind, and a store
 * that holds what it held before or what it was to hold.
 */


/* Functions that check sizes would hide those that are to fail. */

#undef _FORTIFY_SOURCE

#include "failing.h"

#include "profile_audit.h"
#include "profile_compact.h"
#include "profile_generations.h"
#include "profile_usage.h"
#include "profile_writing.h"
#include "store.h"


#define FAILING_LIMIT    4000
#define FAILING_RECORDS  3

#define FAILING_KEY  ((const u_char *) "fedcba9876543210fedcba9876543210")

#define FAILING_OLD  "{\"data\":[]}"
#define FAILING_NEW  "{\"data\":[{}]}"


/* A piece of work, and what is done before it without a failure. */

typedef struct {
    const char  *name;
    void       (*before)(const char *store);
    int        (*run)(const char *store, profile_error_t *err);
    void       (*after)(const char *store);
    int          retry;            /* it must succeed once nothing fails */
    int          min;              /* so many calls can fail */
} failing_work_t;


static void failing_work(const failing_work_t *work, int code, int error);
static void failing_wrong(const failing_work_t *work, int *wrong,
    const char *what);
static void failing_make(const char *store);
static void failing_none(const char *store);
static void failing_sealed(const char *store);
static void failing_old_ones(const char *store);
static void failing_reader(const char *store);
static int failing_read(const char *store, profile_error_t *err);
static int failing_look(const profile_view_t *view, profile_error_t *err);
static int failing_walks(const profile_view_t *view, profile_error_t *err);
static int failing_scan(const profile_view_t *view,
    const profile_entity_t *entity, profile_error_t *err);
static int failing_follow(const char *store, profile_error_t *err);
static void failing_followed(const char *store);
static int failing_create(const char *store, profile_error_t *err);
static int failing_write(const char *store, profile_error_t *err);
static int failing_load(profile_writer_t *writer, profile_error_t *err);
static int failing_delete(profile_writer_t *writer, profile_error_t *err);
static int failing_check(const char *store, profile_error_t *err);
static int failing_compact(const char *store, profile_error_t *err);
static int failing_seal(const char *store, profile_error_t *err);
static int failing_rewrite(const char *store, int seal,
    profile_error_t *err);
static int failing_clean(const char *store, profile_error_t *err);
static int failing_entry(void *data, const profile_audit_entry_t *entry,
    profile_error_t *err);
static void failing_whole(const char *store);


/* What is looked at after each attempt: the store's list, or nothing. */

static int                failing_state;
static profile_reader_t  *failing_open;

static const failing_work_t  failing_works[] = {
    { "reading", failing_make, failing_read, failing_whole, 1, 40 },
    { "reading a sealed one", failing_sealed, failing_read, failing_whole,
      1, 40 },
    { "following", failing_reader, failing_follow, failing_followed, 1, 15 },
    { "making", failing_none, failing_create, failing_whole, 1, 40 },
    { "writing", failing_make, failing_write, failing_whole, 1, 60 },
    { "checking", failing_make, failing_check, failing_whole, 1, 30 },
    { "compacting", failing_make, failing_compact, failing_whole, 1, 60 },
    { "sealing", failing_make, failing_seal, failing_whole, 1, 60 },
    { "cleaning", failing_old_ones, failing_clean, failing_whole, 1, 20 }
};


int
main(void)
{
    size_t  i;

    /* thousands of stores are made and synced: in memory, if that can be */

    if (access("/dev/shm", W_OK|X_OK) == 0) {
        (void) setenv("TMPDIR", "/dev/shm", 1);
    }

    (void) scratch("%s", "");

    for (i = 0; i < sizeof(failing_works) / sizeof(failing_works[0]); i++) {
        failing_work(&failing_works[i], EIO, EIO);
        failing_work(&failing_works[i], MDB_CORRUPTED, EACCES);
        failing_work(&failing_works[i], ENOSPC, ENOSPC);
    }

    return done();
}


static void
failing_work(const failing_work_t *work, int code, int error)
{
    int               n, rc, wrong, descriptors;
    const char       *store;
    profile_error_t   err;

    wrong = 0;
    descriptors = 0;
    store = scratch("store");

    for (n = 0; n < FAILING_LIMIT; n++) {

        scratch_remove(store);
        work->before(store);

        /* one descriptor more, while they are counted */

        descriptors = scratch_descriptors();

        memset(&err, 0, sizeof(profile_error_t));
        memset(&failing, 0, sizeof(failing_t));
        failing.at = n;
        failing.code = code;
        failing.error = error;
        failing.armed = 1;

        rc = work->run(store, &err);

        failing.armed = 0;

        if (rc == PROFILE_NOT_FOUND) {
            failing_wrong(work, &wrong, "it was taken for a missing entry");

        } else if (rc != PROFILE_OK && err.text[0] == '\0') {
            failing_wrong(work, &wrong, "there is no text");
        }

        if (scratch_descriptors() > descriptors) {
            failing_wrong(work, &wrong, "a descriptor is left");
        }

        if (failing.name != NULL && work->retry
            && work->run(store, &err) != PROFILE_OK)
        {
            failing_wrong(work, &wrong, err.text);
        }

        failing_state = 0;
        work->after(store);

        if (failing_state != 1) {
            failing_wrong(work, &wrong, "the store is not what it was");
        }

        if (failing.name == NULL) {
            break;
        }
    }

    is_int(wrong, 0, "%s: each of %d calls has failed, with %d and %d",
           work->name, n, code, error);
    ok(n >= work->min && n < FAILING_LIMIT, "%s: all of the calls",
       work->name);
}


static void
failing_wrong(const failing_work_t *work, int *wrong, const char *what)
{
    if ((*wrong)++ < 8) {
        (void) printf("# %s, call %d, %s: %s\n", work->name, failing.at,
                      (failing.name == NULL) ? "none" : failing.name, what);
    }
}


/* A store with one of everything. */

static void
failing_make(const char *store)
{
    profile_error_t  err;

    must(failing_create(store, &err), &err);
}


static void
failing_none(const char *store)
{
    (void) store;
}


static void
failing_sealed(const char *store)
{
    profile_error_t  err;

    failing_make(store);
    must(failing_seal(store, &err), &err);
}


/* Two that nobody reads, and one that was never finished. */

static void
failing_old_ones(const char *store)
{
    char  path[PATH_MAX];

    failing_make(store);
    (void) store_generation(store, PROFILE_FORMAT_VERSION, 1, 0);
    (void) store_generation(store, PROFILE_FORMAT_VERSION, 1, 0);

    (void) snprintf(path, sizeof(path), "%s/gen-000009", store);
    scratch_mkdir(path);
    (void) snprintf(path, sizeof(path), "%s/gen-000009/.making", store);
    scratch_text(path, "");
}


static void
failing_reader(const char *store)
{
    profile_error_t  err;

    failing_make(store);
    must(profile_reader_open(&failing_open, store, PROFILE_READAHEAD_AUTO,
                             &err), &err);
    (void) store_generation(store, PROFILE_FORMAT_VERSION, 1, 0);
}


static int
failing_read(const char *store, profile_error_t *err)
{
    int                     rc;
    profile_usage_t         usage;
    profile_entity_t        entity;
    profile_reader_t       *reader;
    profile_failure_t       failure;
    const profile_view_t   *view;
    profile_reader_info_t   info;

    rc = profile_reader_open(&reader, store, PROFILE_READAHEAD_AUTO, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_reader_info(reader, &info, err);

    if (rc == PROFILE_OK) {
        rc = profile_usage(reader, &usage, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_reader_begin(reader, &view, err);
    }

    if (rc == PROFILE_OK) {
        rc = failing_look(view, err);

        if (rc == PROFILE_OK) {
            rc = failing_walks(view, err);
        }

        profile_reader_end(reader);
    }

    entity = store_entity(1, 2, 1);
    (void) profile_reader_refreshed(reader, &entity);
    (void) profile_reader_failed(reader, &entity, &failure);

    if (rc == PROFILE_OK) {
        rc = profile_reader_refresh(reader, err);
    }

    profile_reader_close(reader);

    return rc;
}


static int
failing_look(const profile_view_t *view, profile_error_t *err)
{
    int                  rc;
    profile_key_t        key;
    profile_cursor_t     cursor;
    profile_entity_t     entity;
    profile_document_t   document;
    profile_workspace_t  workspace;

    rc = profile_view_key(view, STORE_KEY, &key, err);

    if (rc == PROFILE_OK) {
        rc = profile_view_workspace(view, 1, &workspace, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_list(view, 1, &document, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_cursor(view, 1, 2, &cursor, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_entity(view, 1, 2, &entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_view_record(view, &entity, (const u_char *) "0", 1,
                                 &document, err);
    }

    if (rc == PROFILE_OK) {
        rc = failing_scan(view, &entity, err);
    }

    return rc;
}


/* Every walk to its end, which is the only "not found" there is. */

static int
failing_walks(const profile_view_t *view, profile_error_t *err)
{
    int                  rc;
    u_char               digest[PROFILE_DIGEST_SIZE];
    profile_key_t        key;
    profile_walk_t       walk;
    profile_entity_t     entity;
    profile_orphan_t     orphan;
    profile_workspace_t  workspace;

    profile_walk_keys(&walk);

    while ((rc = profile_view_next_key(view, &walk, digest, &key, err))
           == PROFILE_OK)
    {
        /* void */
    }

    if (rc == PROFILE_NOT_FOUND) {
        profile_walk_workspaces(&walk);

        while ((rc = profile_view_next_workspace(view, &walk, &workspace,
                                                 err)) == PROFILE_OK)
        {
            /* void */
        }
    }

    if (rc == PROFILE_NOT_FOUND) {
        profile_walk_entities(&walk, 1);

        while ((rc = profile_view_next_entity(view, &walk, &entity, err))
               == PROFILE_OK)
        {
            /* void */
        }
    }

    if (rc == PROFILE_NOT_FOUND) {
        profile_walk_orphans(&walk);

        while ((rc = profile_view_next_orphan(view, &walk, &orphan, err))
               == PROFILE_OK)
        {
            /* void */
        }
    }

    return (rc == PROFILE_NOT_FOUND) ? PROFILE_OK : rc;
}


static int
failing_scan(const profile_view_t *view, const profile_entity_t *entity,
    profile_error_t *err)
{
    int                  n, rc;
    profile_scan_t      *scan;
    profile_bytes_t      id;
    profile_document_t   record;

    rc = profile_scan_open(&scan, view, entity, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    for (n = 0; /* void */ ; n++) {

        rc = profile_scan_next(scan, &id, &record, err);

        if (rc != PROFILE_OK) {
            break;
        }
    }

    profile_scan_close(scan);

    /* an early end is the caller's to see */

    return (rc == PROFILE_NOT_FOUND && n == FAILING_RECORDS) ? PROFILE_OK
                                                             : rc;
}


/* The old generation stays in use where the new one cannot be opened. */

static int
failing_follow(const char *store, profile_error_t *err)
{
    int                    rc;
    profile_key_t          key;
    const profile_view_t  *view;

    (void) store;

    rc = profile_reader_refresh(failing_open, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_reader_begin(failing_open, &view, err);

    if (rc == PROFILE_OK) {
        rc = profile_view_key(view, STORE_KEY, &key, err);
        profile_reader_end(failing_open);
    }

    return rc;
}


static void
failing_followed(const char *store)
{
    profile_error_t  err;

    (void) store;

    failing_state = failing_follow(store, &err) == PROFILE_OK
                    && profile_reader_generation(failing_open) == 2;

    profile_reader_close(failing_open);
    failing_open = NULL;
}


static int
failing_create(const char *store, profile_error_t *err)
{
    int                rc;
    gid_t              group;
    profile_writer_t  *writer;

    group = getegid();
    rc = profile_writer_open(&writer, store, &group, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_begin(writer, NULL, err);

    if (rc == PROFILE_OK) {
        rc = failing_load(writer, err);

        if (rc == PROFILE_OK) {
            rc = profile_writer_commit(writer, err);
        } else {
            profile_writer_abort(writer);
        }
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_refreshed(writer, 1, 2, 1700000001, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_failed(writer, 1, 2, 1700000002, "why", err);
    }

    profile_writer_close(writer);

    return rc;
}


static int
failing_load(profile_writer_t *writer, profile_error_t *err)
{
    int                  i, rc;
    char                 id[16];
    profile_key_t        key;
    profile_bytes_t      bytes;
    profile_cursor_t     cursor;
    profile_entity_t     entity;
    profile_document_t   list, record;
    profile_workspace_t  workspace;

    entity = store_entity(1, 2, 0);
    record = store_document(1, 2, "{\"data\":{}}");
    list = store_document(1, 0, FAILING_OLD);

    entity.records = FAILING_RECORDS;
    entity.bytes = FAILING_RECORDS * record.body.len;

    workspace.id = 1;
    workspace.name = store_bytes("Acme");

    key.workspace = 1;
    key.expires = 0;
    key.name = store_bytes("web");

    cursor.workspace = 1;
    cursor.entity = 2;
    cursor.column = store_bytes("at");
    cursor.value = store_bytes("2026");

    rc = profile_writer_new_incarnation(writer, 1, 2, &entity.incarnation,
                                        err);

    for (i = 0; i < FAILING_RECORDS && rc == PROFILE_OK; i++) {
        (void) snprintf(id, sizeof(id), "%d", i);
        bytes = store_bytes(id);
        rc = profile_writer_append_record(writer, &entity, &bytes, &record,
                                          err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_workspace(writer, &workspace, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_key(writer, STORE_KEY, &key, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_list(writer, &list, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_entity(writer, &entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_cursor(writer, &cursor, err);
    }

    return (rc == PROFILE_OK) ? profile_writer_adopt(writer,
                                                 entity.incarnation, err)
                              : rc;
}


/* Changes the list, and makes and deletes all else that there can be. */

static int
failing_write(const char *store, profile_error_t *err)
{
    int                    rc;
    uint64_t               space;
    profile_writer_t      *writer;
    profile_document_t     list;
    const profile_view_t  *view;

    rc = profile_writer_open(&writer, store, NULL, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_reserve(writer, 64 * 1024 * 1024, err);

    if (rc == PROFILE_OK) {
        rc = profile_writer_snapshot(writer, &view, err);
        profile_writer_release(writer);
    }

    (void) profile_writer_space(writer, &space);

    if (rc == PROFILE_OK) {
        rc = profile_writer_begin(writer, &view, err);
    }

    if (rc == PROFILE_OK) {

        list = store_document(1, 0, FAILING_NEW);
        rc = profile_writer_put_list(writer, &list, err);

        if (rc == PROFILE_OK) {
            rc = failing_look(view, err);
        }

        if (rc == PROFILE_OK) {
            rc = failing_delete(writer, err);
        }

        if (rc == PROFILE_OK) {
            rc = profile_writer_commit(writer, err);
        } else {
            profile_writer_abort(writer);
        }
    }

    profile_writer_succeeded(writer, 1, 2);
    profile_writer_close(writer);

    return rc;
}


static int
failing_delete(profile_writer_t *writer, profile_error_t *err)
{
    int                  finished, rc;
    uint32_t             incarnation;
    profile_key_t        key;
    profile_bytes_t      id;
    profile_entity_t     entity;
    profile_document_t   record;
    profile_workspace_t  workspace;

    finished = 0;
    id = store_bytes("x");
    record = store_document(3, 4, "{\"data\":{\"x\":1}}");

    workspace.id = 3;
    workspace.name = store_bytes("Other");

    key.workspace = 3;
    key.expires = 1;
    key.name = store_bytes("old");

    rc = profile_writer_new_incarnation(writer, 3, 4, &incarnation, err);
    entity = store_entity(3, 4, incarnation);

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_record(writer, &entity, &id, &record, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_delete_record(writer, &entity, &id, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_append_record(writer, &entity, &id, &record,
                                          err);
    }

    while (rc == PROFILE_OK && !finished) {
        rc = profile_writer_purge(writer, incarnation, 1, &finished, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_workspace(writer, &workspace, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_key(writer, FAILING_KEY, &key, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_delete_key(writer, FAILING_KEY, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_entity(writer, &entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_delete_entity(writer, 3, 4, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_delete_list(writer, 3, err);
    }

    return (rc == PROFILE_OK) ? profile_writer_delete_workspace(writer, 3,
                                                                err)
                              : rc;
}


static int
failing_check(const char *store, profile_error_t *err)
{
    int                     n, rc;
    char                    text[PROFILE_AUDIT_TEXT];
    profile_audit_t        *audit;
    profile_writer_t       *writer;
    const profile_view_t   *view;
    profile_audit_entry_t   entry;

    rc = profile_writer_open_source(&writer, store, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    rc = profile_writer_snapshot(writer, &view, err);

    if (rc == PROFILE_OK) {
        rc = profile_audit_open(&audit, view, err);
    }

    if (rc == PROFILE_OK) {

        for (n = 0; /* void */ ; n++) {

            rc = profile_audit_next(audit, &entry, err);

            if (rc != PROFILE_OK) {
                break;
            }

            if (entry.damage != NULL) {
                (void) snprintf(err->text, sizeof(err->text), "%s: %s",
                                profile_audit_name(&entry, text),
                                entry.damage);
                rc = PROFILE_DAMAGED;
                break;
            }

            (void) profile_audit_name(&entry, text);
        }

        /* meta, key, workspace, list, entity, cursor and the records */

        if (rc == PROFILE_NOT_FOUND && n == 6 + FAILING_RECORDS) {
            rc = PROFILE_OK;
        }

        profile_audit_close(audit);
    }

    profile_writer_release(writer);
    profile_writer_close(writer);

    return rc;
}


static int
failing_compact(const char *store, profile_error_t *err)
{
    return failing_rewrite(store, 0, err);
}


static int
failing_seal(const char *store, profile_error_t *err)
{
    return failing_rewrite(store, 1, err);
}


static int
failing_rewrite(const char *store, int seal, profile_error_t *err)
{
    int                    rc;
    profile_writer_t      *writer;
    profile_compact_t      compact;
    profile_compacted_t    result;
    profile_generations_t  generations;

    rc = profile_writer_open_source(&writer, store, err);

    if (rc != PROFILE_OK) {
        return rc;
    }

    compact.check = failing_entry;
    compact.data = NULL;
    compact.seal = seal;

    rc = profile_compact(writer, &compact, &result, err);

    if (rc == PROFILE_OK) {
        profile_generations_clean(writer, &generations);
    }

    profile_writer_close(writer);

    return rc;
}


static int
failing_clean(const char *store, profile_error_t *err)
{
    int                    rc;
    profile_writer_t      *writer;
    profile_generations_t  generations;

    rc = profile_writer_open(&writer, store, NULL, err);

    if (rc == PROFILE_OK) {
        profile_generations_clean(writer, &generations);
        profile_writer_close(writer);
    }

    return rc;
}


static int
failing_entry(void *data, const profile_audit_entry_t *entry,
    profile_error_t *err)
{
    (void) data;
    (void) entry;
    (void) err;

    return PROFILE_OK;
}


/* The old list or the new one, and all that goes with it. */

static void
failing_whole(const char *store)
{
    profile_key_t          key;
    profile_error_t        err;
    profile_reader_t      *reader;
    profile_document_t     list;
    const profile_view_t  *view;

    must(profile_reader_open(&reader, store, PROFILE_READAHEAD_AUTO, &err),
         &err);
    must(profile_reader_begin(reader, &view, &err), &err);

    if (profile_reader_generation(reader) == 3) {
        failing_state = (profile_view_key(view, STORE_KEY, &key, &err)
                         == PROFILE_OK);

    } else {
        must(profile_view_list(view, 1, &list, &err), &err);

        failing_state = (list.body.len == sizeof(FAILING_OLD) - 1
                         || list.body.len == sizeof(FAILING_NEW) - 1)
                        && failing_look(view, &err) == PROFILE_OK;
    }

    profile_reader_end(reader);
    profile_reader_close(reader);
}
