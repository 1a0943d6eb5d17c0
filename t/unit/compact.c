
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A rewrite that its caller stops, at any entry, must be as if it had never
 * begun; and what is noted of a failure must come back as one line.
 */


#include <stdlib.h>
#include <unistd.h>

#include "profile_compact.h"
#include "profile_generations.h"
#include "profile_usage.h"
#include "store.h"


#define RECORDS  5


typedef struct {
    int  stop;          /* at which entry; 0: never */
    int  rc;            /* with what */
    int  seen;
} compact_stop_t;


static void compact_make(const char *store);
static void compact_stopped(void);
static void compact_done(void);
static void compact_source(void);
static void compact_failed(void);
static void compact_line(profile_writer_t *writer, const char *text,
    const char *want, const char *what);
static int compact_check(void *data, const profile_audit_entry_t *entry,
    profile_error_t *err);


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    compact_stopped();
    compact_done();
    compact_source();
    compact_failed();

    is_int(scratch_descriptors(), descriptors, "no descriptor is left open");

    return done();
}


/* The version record, a workspace, a list, an entity and its records. */

static void
compact_make(const char *store)
{
    int                  i;
    char                 id[16];
    profile_error_t      err;
    profile_bytes_t      bytes;
    profile_entity_t     entity;
    profile_writer_t    *writer;
    profile_document_t   list, record;
    profile_workspace_t  workspace;

    must(profile_writer_open(&writer, store, NULL, &err), &err);
    must(profile_writer_begin(writer, NULL, &err), &err);

    entity = store_entity(1, 2, 0);
    must(profile_writer_new_incarnation(writer, 1, 2, &entity.incarnation,
                                        &err), &err);

    record = store_document(1, 2, "{\"data\":{}}");
    entity.records = RECORDS;
    entity.bytes = RECORDS * record.body.len;

    for (i = 0; i < RECORDS; i++) {
        (void) snprintf(id, sizeof(id), "%d", i);
        bytes = store_bytes(id);
        must(profile_writer_append_record(writer, &entity, &bytes, &record,
                                          &err), &err);
    }

    workspace.id = 1;
    workspace.name = store_bytes("Acme");
    list = store_document(1, 0, "{\"data\":[]}");

    must(profile_writer_put_workspace(writer, &workspace, &err), &err);
    must(profile_writer_put_list(writer, &list, &err), &err);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_adopt(writer, entity.incarnation, &err), &err);
    must(profile_writer_commit(writer, &err), &err);
    profile_writer_close(writer);
}


static void
compact_stopped(void)
{
    int                    i, rc;
    const char            *store;
    compact_stop_t         stop;
    profile_error_t        err;
    profile_writer_t      *writer;
    profile_compact_t      compact;
    profile_compacted_t    result;
    const profile_view_t  *view;
    profile_entity_t       entity;

    store = scratch("stopped");
    compact_make(store);

    must(profile_writer_open(&writer, store, NULL, &err), &err);

    compact.check = compact_check;
    compact.data = &stop;

    for (i = 1; i <= 4 + RECORDS; i++) {

        stop.stop = i;
        stop.seen = 0;
        stop.rc = (i % 2) ? PROFILE_FAILED : PROFILE_DAMAGED;
        compact.seal = i % 3 == 0;

        rc = profile_compact(writer, &compact, &result, &err);

        is_int(rc, stop.rc, "stopped at entry %d", i);
        ok(strstr(err.text, (i % 2) ? "stopped" : "hash") != NULL,
           "it says why");
        ok(!scratch_exists(scratch("stopped/gen-000002")),
           "nothing of it is left");
    }

    /* the writer goes on as if nothing had been */

    must(profile_writer_begin(writer, &view, &err), &err);
    is_int(profile_view_entity(view, 1, 2, &entity, &err), PROFILE_OK,
           "the writer can still read");
    profile_writer_abort(writer);
    profile_writer_close(writer);
}


static void
compact_done(void)
{
    peer_t                 peer;
    const char            *store;
    compact_stop_t         stop;
    profile_error_t        err;
    profile_writer_t      *writer;
    profile_compact_t      compact;
    profile_compacted_t    result;
    profile_generations_t  generations;

    store = scratch("done");
    compact_make(store);

    peer_start(&peer, peer_run);
    peer_must(&peer, PEER_OPEN, 0, 0, store);

    must(profile_writer_open(&writer, store, NULL, &err), &err);

    memset(&stop, 0, sizeof(compact_stop_t));
    compact.check = compact_check;
    compact.data = &stop;
    compact.seal = 0;

    is_int(profile_compact(writer, &compact, &result, &err), PROFILE_OK,
           "a rewrite");
    is_int(stop.seen, 4 + RECORDS, "every entry was shown");
    is_int(result.generation, 2, "the next generation");
    is_int((long long) result.records, RECORDS, "its records");
    ok(result.after <= result.before, "it is no larger");
    ok(!scratch_exists(scratch("done/gen-000002/.making")),
       "its mark is taken away");

    profile_generations_clean(writer, &generations);
    is_int(generations.used, 1, "the old one has a reader");
    is_int(generations.removed, 0, "and stays");
    is_str(peer_record(&peer, 1, 2, "3"), "{\"data\":{}}",
           "which still reads it");

    peer_must(&peer, PEER_REFRESH, 0, 0, "");
    is_str(peer_record(&peer, 1, 2, "4"), "{\"data\":{}}",
           "and then the new one");
    peer_must(&peer, PEER_INFO, 0, 0, "");
    is_int((long long) peer.answer.number, 2, "whose number it says");

    profile_generations_clean(writer, &generations);
    is_int(generations.used, 0, "then nobody reads the old one");
    is_int(generations.removed, 1, "and it goes");
    ok(!scratch_exists(scratch("done/gen-000001")), "all of it");

    profile_generations_clean(writer, &generations);
    is_int(generations.removed, 0, "there is nothing more to remove");

    profile_writer_close(writer);
    is_int(peer_stop(&peer, 0), 0, "the reader ends well");
}


static void
compact_source(void)
{
    const char            *store;
    profile_error_t        err;
    profile_writer_t      *writer;
    const profile_view_t  *view;

    store = scratch("source");

    is_int(profile_writer_open_source(&writer, store, &err), PROFILE_ABSENT,
           "no source without a store");
    ok(!scratch_exists(store), "and none is made");

    compact_make(store);
    scratch_text(scratch("source/gen-000001/SEALED"), "");

    is_int(profile_writer_open(&writer, store, NULL, &err), PROFILE_DENIED,
           "a sealed one is not written");
    must(profile_writer_open_source(&writer, store, &err), &err);
    is_int(profile_writer_snapshot(writer, &view, &err), PROFILE_OK,
           "but can be read");
    profile_writer_release(writer);
    ok(profile_writer_begin(writer, &view, &err) != PROFILE_OK,
       "and no more than that");
    profile_writer_close(writer);
}


static void
compact_failed(void)
{
    char                  long_text[3000];
    char                 *text;
    profile_error_t       err;
    profile_writer_t     *writer;
    profile_failure_t     failure;
    profile_generation_t  gen;

    must(profile_writer_open(&writer, scratch("failed"), NULL, &err), &err);
    must(profile_dir_current(scratch("failed"), &gen, &err), &err);

    is_int(profile_dir_failed(&gen, 1, 2, &failure), 0, "no failure");

    compact_line(writer, "the source is gone", "the source is gone",
                 "a failure");
    text = scratch_read(scratch("failed/gen-000001/failed-1-2"), NULL);
    is_str(text, "1700000000 the source is gone\n", "its file");
    free(text);

    compact_line(writer, "", "", "without a text");
    compact_line(writer, "a\nb\t\x1b[31m\x7f", "a?b??[31m?",
                 "control characters");

    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    must(profile_writer_failed(writer, 1, 2, 1, long_text, &err), &err);
    is_int(profile_dir_failed(&gen, 1, 2, &failure), 1, "a long one");
    is_int((long long) strlen(failure.text), PROFILE_FAILURE_TEXT - 1,
           "is cut");

    memcpy(long_text + PROFILE_FAILURE_TEXT - 2, "\xe2\x82\xac", 3);
    must(profile_writer_failed(writer, 1, 2, 1, long_text, &err), &err);
    is_int(profile_dir_failed(&gen, 1, 2, &failure), 1, "one of UTF-8");
    is_int((long long) strlen(failure.text), PROFILE_FAILURE_TEXT - 2,
           "is not cut within a character");

    profile_writer_succeeded(writer, 1, 2);
    is_int(profile_dir_failed(&gen, 1, 2, &failure), 0, "a success ends it");

    must(profile_writer_failed(writer, 1, 2, 1, "x", &err), &err);
    must(profile_writer_refreshed(writer, 1, 2, 3, &err), &err);
    is_int(profile_dir_failed(&gen, 1, 2, &failure), 0, "a refresh, too");

    must(profile_writer_failed(writer, 1, 2, 1, "x", &err), &err);
    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_delete_entity(writer, 1, 2, &err), &err);
    profile_writer_abort(writer);
    is_int(profile_dir_failed(&gen, 1, 2, &failure), 0,
           "it goes with its entity");

    profile_writer_close(writer);
}


static void
compact_line(profile_writer_t *writer, const char *text, const char *want,
    const char *what)
{
    profile_error_t       err;
    profile_failure_t     failure;
    profile_generation_t  gen;

    must(profile_writer_failed(writer, 1, 2, 1700000000, text, &err), &err);
    must(profile_dir_current(scratch("failed"), &gen, &err), &err);

    memset(&failure, 0, sizeof(profile_failure_t));

    is_int(profile_dir_failed(&gen, 1, 2, &failure), 1, "%s", what);
    is_int((long long) failure.seconds, 1700000000, "%s: when", what);
    is_str(failure.text, want, "%s: why", what);
}


static int
compact_check(void *data, const profile_audit_entry_t *entry,
    profile_error_t *err)
{
    compact_stop_t *stop = data;

    (void) entry;

    if (++stop->seen != stop->stop) {
        return PROFILE_OK;
    }

    return (stop->rc == PROFILE_DAMAGED)
           ? PROFILE_DAMAGED : profile_error(err, stop->rc, "stopped");
}
