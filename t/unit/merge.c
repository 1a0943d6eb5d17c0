
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The merge: the store then holds what the source gave, nothing is written
 * that was there, in place or rebuilt it comes to the same, and whoever
 * reads meanwhile sees all of a refresh or nothing of it.
 */


#include <poll.h>

#include "profile_apply.h"
#include "profile_digest.h"
#include "profile_merge.h"
#include "store.h"


#define MERGE_MANY     12000    /* more than are changed in one transaction */
#define MERGE_UPSERTS  24000    /* so that the part that is new is as many */
#define MERGE_BODY     2100     /* so large that each has pages of its own */
#define MERGE_MEMORY   1000000


typedef struct {
    profile_merge_t          merge;
    int                      rc;
    unsigned                 asked;
    uint64_t                 old;           /* as it was asked */
    profile_merge_counts_t   counts;
    unsigned                 duplicates;
    uint64_t                 lines;         /* of them, the sum */
    profile_error_t          err;
} merge_run_t;


static void merge_first(void);
static void merge_refresh(void);
static void merge_nothing(void);
static void merge_refused(void);
static void merge_duplicates(void);
static void merge_primary_key(void);
static void merge_empty(void);
static void merge_order(void);
static void merge_missing(void);
static void merge_neighbours(void);
static void merge_upsert(void);
static void merge_upsert_nothing(void);
static void merge_tombstones(void);
static void merge_cursors(void);
static void merge_cursor_alone(void);
static void merge_cursor_refused(void);
static void merge_upsert_many(void);
static void merge_upsert_rows(profile_sort_t *rows, int second,
    unsigned from, unsigned to);
static void merge_many(void);
static void merge_many_rows(profile_sort_t *rows, unsigned from,
    unsigned to);
static void merge_many_row(profile_sort_t *rows, unsigned i, int second);
static void merge_twice_refused(void);
static void merge_at_once(void);
static void merge_at_once_run(int fd);
static int merge_at_once_look(const profile_view_t *view);
static profile_writer_t *merge_open(const char *store);
static void merge_entity(profile_writer_t *writer, uint32_t workspace,
    uint32_t id);
static void merge_text(profile_writer_t *writer, merge_run_t *run,
    uint32_t entity, uint32_t now, const char *rows);
static void merge_rows(profile_writer_t *writer, merge_run_t *run,
    uint32_t entity, uint32_t now, profile_sort_t *rows);
static void merge_add(profile_sort_t *sort, const char *id, size_t len,
    const char *body, size_t size, uint64_t line);
static void merge_duplicate(void *data, const profile_sorted_t *row);
static int merge_refuse(void *data, const profile_merge_counts_t *counts,
    uint64_t old);
static int merge_counts(const merge_run_t *run, unsigned added,
    unsigned changed, unsigned deleted, unsigned unchanged);
static const char *merge_dump(profile_writer_t *writer, uint32_t entity);
static const char *merge_list(profile_writer_t *writer);
static profile_entity_t merge_look(profile_writer_t *writer,
    uint32_t entity);
static const char *merge_stored(profile_writer_t *writer, uint32_t entity);
static unsigned merge_orphans(profile_writer_t *writer);


static const char  *merge_primary = "id";
static int          merge_answer;       /* whether to refuse */
static int          merge_upserts;      /* what no row names stays */
static const char  *merge_cursor = "";  /* what is to be stored */


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    merge_at_once();
    merge_first();
    merge_refresh();
    merge_nothing();
    merge_refused();
    merge_duplicates();
    merge_primary_key();
    merge_empty();
    merge_order();
    merge_missing();
    merge_neighbours();
    merge_upsert();
    merge_upsert_nothing();
    merge_tombstones();
    merge_cursors();
    merge_cursor_alone();
    merge_cursor_refused();
    merge_upsert_many();
    merge_many();
    merge_twice_refused();

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
merge_first(void)
{
    u_char                  digest[PROFILE_DIGEST_SIZE];
    merge_run_t             run;
    profile_error_t         err;
    profile_entity_t        entity;
    profile_writer_t       *writer;
    profile_document_t      record;
    const profile_view_t   *view;

    writer = merge_open(scratch("first"));
    merge_entity(writer, 1, 1);
    is_str(merge_dump(writer, 1), "", "an entity that was never loaded");

    merge_text(writer, &run, 1, 100, "b:22 a:1 c:333");

    is_int(run.rc, PROFILE_OK, "a first load");
    ok(merge_counts(&run, 3, 0, 0, 0), "all rows are added");
    ok(run.asked == 1 && run.old == 0 && run.counts.added == 3,
       "it was asked for, once");
    is_str(merge_dump(writer, 1), "a:1@100 b:22@100 c:333@100 ",
           "the records");

    entity = merge_look(writer, 1);
    is_int(entity.incarnation, 1, "the incarnation");
    is_int((long long) entity.records, 3, "records are counted");
    is_int((long long) entity.bytes, 6, "and the bytes of their bodies");
    ok(entity.changed == 100 && entity.refreshed == 100, "their time");
    ok(entity.name.len == 5 && entity.primary_key.len == 2,
       "the entity's names stay");
    is_str(merge_list(writer),
           "{\"data\":[{\"id\":1,\"name\":\"Users\",\"library_id\":1}]}@100",
           "the list has the entity");
    is_int(merge_orphans(writer), 0, "nothing is left over");

    must(profile_writer_snapshot(writer, &view, &err), &err);
    entity = store_entity(1, 1, 1);
    must(profile_view_record(view, &entity, (const u_char *) "c", 1, &record,
                             &err), &err);
    profile_digest("333", 3, digest);
    ok(memcmp(record.hash, digest, PROFILE_HASH_SIZE) == 0,
       "a record's hash is that of its body");
    profile_writer_release(writer);

    profile_writer_close(writer);
}


static void
merge_refresh(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("refresh"));
    merge_entity(writer, 1, 1);
    merge_text(writer, &run, 1, 100, "a:1 b:2 c:3 e:5");
    merge_text(writer, &run, 1, 200, "a:1 b:9 d:4 e:55 0:0");

    is_int(run.rc, PROFILE_OK, "a refresh");
    ok(merge_counts(&run, 2, 2, 1, 1), "each row is counted as what it is");
    is_int((long long) run.old, 4, "it was told of 4 records");
    is_str(merge_dump(writer, 1), "0:0@200 a:1@100 b:9@200 d:4@200 e:55@200 ",
           "what stays the same keeps its time");

    entity = merge_look(writer, 1);
    is_int(entity.incarnation, 1, "it was done in place");
    ok(entity.records == 5
       && entity.bytes == 6
       && entity.changed == 200
       && entity.refreshed == 200, "the entity's counts and times");
    is_str(merge_list(writer),
           "{\"data\":[{\"id\":1,\"name\":\"Users\",\"library_id\":1}]}@100",
           "the list has not changed");

    /* one byte of the same length; a body that is the other's beginning */

    merge_text(writer, &run, 1, 300, "a:2 b:9 d:4 e:5 0:00");
    ok(merge_counts(&run, 0, 3, 0, 2), "small changes are seen");
    is_str(merge_dump(writer, 1), "0:00@300 a:2@300 b:9@200 d:4@200 e:5@300 ",
           "and stored");

    profile_writer_close(writer);
}


static void
merge_nothing(void)
{
    char                  *before, *after;
    size_t                 len, len2;
    uint64_t               written;
    const char            *path;
    merge_run_t            run;
    profile_error_t        err;
    profile_entity_t       entity;
    profile_writer_t      *writer;
    profile_generation_t   gen;

    writer = merge_open(scratch("nothing"));
    path = scratch("nothing/gen-000001/data.mdb");
    merge_entity(writer, 1, 1);
    merge_text(writer, &run, 1, 100, "a:1 b:2 c:3");

    before = scratch_read(path, &len);
    written = profile_writer_written(writer);

    merge_text(writer, &run, 1, 200, "c:3 b:2 a:1");

    is_int(run.rc, PROFILE_OK, "a refresh without changes");
    ok(merge_counts(&run, 0, 0, 0, 3), "all is unchanged");
    is_int(run.asked, 1, "it was asked for");
    is_int((long long) (profile_writer_written(writer) - written), 0,
           "nothing was written");

    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "the file's bytes stay");
    free(before);
    free(after);

    entity = merge_look(writer, 1);
    is_int((long long) entity.changed, 100, "and the time of its change");
    must(profile_dir_current(scratch("nothing"), &gen, &err), &err);
    is_int((long long) profile_dir_refreshed(&gen, 1, 1), 200,
           "the refresh is noted");

    profile_writer_close(writer);
}


static void
merge_refused(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("refused"));
    merge_entity(writer, 1, 1);

    merge_answer = 1;
    merge_text(writer, &run, 1, 100, "a:1 b:2");

    ok(run.rc == PROFILE_OK && run.merge.refused && run.asked == 1,
       "a first load is refused");
    is_int(merge_look(writer, 1).incarnation, 0, "it is not visible");
    is_str(merge_list(writer), "-", "nor in the list");

    merge_answer = 0;
    merge_text(writer, &run, 1, 100, "a:1 b:2");
    ok(run.rc == PROFILE_OK && merge_counts(&run, 2, 0, 0, 0),
       "it may be tried again");

    merge_answer = 1;
    merge_text(writer, &run, 1, 200, "b:3 c:4");
    ok(run.rc == PROFILE_OK && run.merge.refused && run.asked == 1,
       "a refresh is refused");
    ok(run.old == 2
       && run.counts.added == 1
       && run.counts.changed == 1
       && run.counts.deleted == 1
       && run.counts.unchanged == 0, "after it was counted");
    is_str(merge_dump(writer, 1), "a:1@100 b:2@100 ", "the old data stays");
    entity = merge_look(writer, 1);
    ok(entity.changed == 100 && entity.records == 2, "and its counts");

    merge_answer = 0;
    merge_text(writer, &run, 1, 300, "b:3 c:4");
    is_str(merge_dump(writer, 1), "b:3@300 c:4@300 ", "until it is allowed");

    profile_writer_close(writer);
}


static void
merge_duplicates(void)
{
    merge_run_t        run;
    profile_writer_t  *writer;

    writer = merge_open(scratch("duplicates"));
    merge_entity(writer, 1, 1);

    merge_text(writer, &run, 1, 100, "b:1 a:2 b:3 a:4 c:5 a:6");

    is_int(run.rc, PROFILE_OK, "a load with duplicates");
    is_str(merge_dump(writer, 1), "a:2@100 b:1@100 c:5@100 ",
           "the first of each counts");
    ok(run.duplicates == 3
       && run.lines == 3 + 4 + 6
       && run.merge.duplicates == 3, "each later one is reported, once");
    ok(merge_counts(&run, 3, 0, 0, 0), "none is counted as a record");

    merge_text(writer, &run, 1, 200, "a:2 a:9 b:1 b:1 c:5");
    ok(run.duplicates == 2
       && run.lines == 2 + 4
       && merge_counts(&run, 0, 0, 0, 3), "they do not change what is there");

    profile_writer_close(writer);
}


/* The records' ids are other ones: nothing of the old may stay. */

static void
merge_primary_key(void)
{
    merge_run_t        run;
    profile_error_t    err;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("primary-key"));
    merge_entity(writer, 1, 1);
    merge_text(writer, &run, 1, 100, "a:1 b:2");

    merge_primary = "email";
    merge_text(writer, &run, 1, 200, "a:1 x:2");
    merge_primary = "id";

    ok(run.rc == PROFILE_OK && merge_counts(&run, 2, 0, 0, 0) && run.old == 2,
       "another primary key: all rows are new");
    is_str(merge_dump(writer, 1), "a:1@200 x:2@200 ", "and the only ones");

    entity = merge_look(writer, 1);
    ok(entity.incarnation == 2 && entity.primary_key.len == 5,
       "in an incarnation of their own");
    is_int(merge_orphans(writer), 1, "the old one is left over");

    must(profile_purge(writer, &err), &err);
    is_int(merge_orphans(writer), 0, "and can be purged");
    is_str(merge_dump(writer, 1), "a:1@200 x:2@200 ", "alone");

    profile_writer_close(writer);
}


static void
merge_empty(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("empty"));
    merge_entity(writer, 1, 1);

    merge_text(writer, &run, 1, 100, "");
    entity = merge_look(writer, 1);
    ok(run.rc == PROFILE_OK
       && merge_counts(&run, 0, 0, 0, 0)
       && entity.incarnation != 0
       && entity.records == 0, "a load of no rows is a load");
    ok(strstr(merge_list(writer), "\"id\":1") != NULL, "it is in the list");

    merge_text(writer, &run, 1, 200, "a:1 b:2");
    ok(merge_counts(&run, 2, 0, 0, 0), "rows come");

    merge_text(writer, &run, 1, 300, "");
    ok(run.rc == PROFILE_OK && merge_counts(&run, 0, 0, 2, 0), "and go");
    is_str(merge_dump(writer, 1), "", "all of them");
    entity = merge_look(writer, 1);
    ok(entity.records == 0 && entity.bytes == 0, "to the last byte");

    profile_writer_close(writer);
}


/* Both sides have to agree on the order of ids. */

static void
merge_order(void)
{
    merge_run_t        run;
    profile_writer_t  *writer;

    writer = merge_open(scratch("order"));
    merge_entity(writer, 1, 1);

    merge_text(writer, &run, 1, 100, "10:a 9:b 1:c 100:d a:e A:f \xff:g \x7f:h "
               "aaaaaaaab:i aaaaaaaa:j aaaaaaaaa:k");
    is_str(merge_dump(writer, 1),
           "1:c@100 10:a@100 100:d@100 9:b@100 A:f@100 a:e@100 "
           "aaaaaaaa:j@100 aaaaaaaaa:k@100 aaaaaaaab:i@100 \x7f:h@100 "
           "\xff:g@100 ", "ids are in the order of their bytes");

    merge_text(writer, &run, 1, 200, "aaaaaaaaa:k \xff:g 9:b 10:a 100:d \x7f:h "
               "1:c aaaaaaaab:i A:f aaaaaaaa:j a:e");
    ok(merge_counts(&run, 0, 0, 0, 11), "each meets itself");

    merge_text(writer, &run, 1, 300, "\xff\xff:g 10:a 9:b aaaaaaaaab:k");
    ok(merge_counts(&run, 2, 0, 9, 2), "and no other");

    profile_writer_close(writer);
}


static void
merge_missing(void)
{
    merge_run_t        run;
    profile_writer_t  *writer;

    writer = merge_open(scratch("missing"));

    merge_text(writer, &run, 1, 100, "a:1");
    ok(run.rc == PROFILE_DAMAGED && run.asked == 0, "no such entity: %s",
       run.err.text);

    merge_entity(writer, 1, 1);
    merge_text(writer, &run, 1, 100, "a:1");
    is_int(run.rc, PROFILE_OK, "the writer is none the worse");

    profile_writer_close(writer);
}


static void
merge_neighbours(void)
{
    merge_run_t        run;
    profile_writer_t  *writer;

    writer = merge_open(scratch("neighbours"));
    merge_entity(writer, 1, 1);
    merge_entity(writer, 1, 2);
    merge_entity(writer, 1, 3);

    merge_text(writer, &run, 2, 100, "a:2 b:2");
    merge_text(writer, &run, 1, 100, "a:1 b:1");
    merge_text(writer, &run, 3, 100, "a:3 b:3");

    /* lists of one second differ in time all the same */

    is_str(merge_list(writer),
           "{\"data\":[{\"id\":1,\"name\":\"Users\",\"library_id\":1},"
           "{\"id\":2,\"name\":\"Users\",\"library_id\":1},"
           "{\"id\":3,\"name\":\"Users\",\"library_id\":1}]}@102",
           "three entities");

    merge_text(writer, &run, 1, 200, "");
    merge_text(writer, &run, 3, 200, "c:9");
    is_str(merge_dump(writer, 2), "a:2@100 b:2@100 ",
           "what happens to others leaves an entity alone");

    profile_writer_close(writer);
}


/* A few rows among others, which stay as they are. */

static void
merge_upsert(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("upsert"));
    merge_entity(writer, 1, 1);
    merge_text(writer, &run, 1, 100, "b:2 d:44 f:666");

    merge_upserts = 1;
    merge_text(writer, &run, 1, 200, "a:1 d:4444 f:666 g:7");

    is_int(run.rc, PROFILE_OK, "an upsert");
    ok(merge_counts(&run, 2, 1, 0, 1), "each row is counted as what it is");
    ok(run.asked == 1 && run.old == 3, "it was asked for once");
    is_str(merge_dump(writer, 1),
           "a:1@200 b:2@100 d:4444@200 f:666@100 g:7@200 ",
           "what no row names stays");

    entity = merge_look(writer, 1);
    ok(entity.records == 5
       && entity.bytes == 1 + 1 + 4 + 3 + 1
       && run.merge.counts.records == 5
       && run.merge.counts.bytes == entity.bytes,
       "records and bytes are those of all");
    ok(entity.incarnation == 1
       && entity.changed == 200
       && entity.refreshed == 200, "in place, with its times");

    merge_text(writer, &run, 1, 300, "d:4 d:5 g:8 g:8");
    ok(run.duplicates == 2 && merge_counts(&run, 0, 2, 0, 0),
       "the first of equal ids counts here, too");
    entity = merge_look(writer, 1);
    ok(entity.records == 5 && entity.bytes == 1 + 1 + 1 + 3 + 1,
       "a duplicate changes no count");

    merge_upserts = 0;
    merge_text(writer, &run, 1, 400, "a:1 d:4");
    ok(merge_counts(&run, 0, 0, 3, 2), "a full refresh deletes the others");
    is_str(merge_dump(writer, 1), "a:1@200 d:4@300 ", "and them alone");

    profile_writer_close(writer);
}


static void
merge_upsert_nothing(void)
{
    char                  *before, *after;
    size_t                 len, len2;
    unsigned               i;
    uint64_t               written;
    const char            *path;
    merge_run_t            run;
    profile_error_t        err;
    profile_writer_t      *writer;
    profile_generation_t   gen;

    static const char *const  rows[] = { "", "b:2", "a:1 b:2 c:3", "x: y:" };

    writer = merge_open(scratch("upsert-nothing"));
    path = scratch("upsert-nothing/gen-000001/data.mdb");
    merge_entity(writer, 1, 1);
    merge_cursor = "5";
    merge_text(writer, &run, 1, 100, "a:1 b:2 c:3");

    before = scratch_read(path, &len);
    written = profile_writer_written(writer);
    merge_upserts = 1;

    for (i = 0; i < 4; i++) {
        merge_text(writer, &run, 1, 200 + i, rows[i]);
        ok(run.rc == PROFILE_OK
           && run.asked == 1
           && run.merge.counts.added + run.merge.counts.changed
              + run.merge.counts.deleted == 0
           && run.merge.counts.records == 3
           && run.merge.counts.bytes == 3, "nothing new, number %u", i);
    }

    merge_upserts = 0;
    merge_cursor = "";

    is_int((long long) (profile_writer_written(writer) - written), 0,
           "nothing was written");
    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "the file's bytes stay");
    free(before);
    free(after);

    is_int((long long) merge_look(writer, 1).changed, 100,
           "and the time of its change");
    must(profile_dir_current(scratch("upsert-nothing"), &gen, &err), &err);
    is_int((long long) profile_dir_refreshed(&gen, 1, 1), 203,
           "the refreshes are noted");

    profile_writer_close(writer);
}


/* Rows without a body delete, in every way of merging. */

static void
merge_tombstones(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("tombstones"));
    merge_entity(writer, 1, 1);

    merge_text(writer, &run, 1, 100, "a: b:2 c:33 d:444 e:");
    ok(run.rc == PROFILE_OK && merge_counts(&run, 3, 0, 0, 0),
       "a first load with rows that are deleted");
    is_str(merge_dump(writer, 1), "b:2@100 c:33@100 d:444@100 ",
           "they are no records");

    merge_upserts = 1;
    merge_text(writer, &run, 1, 200, "a: c: e: x:9");
    ok(merge_counts(&run, 1, 0, 1, 0), "found and not found, by lookups");
    is_str(merge_dump(writer, 1), "b:2@100 d:444@100 x:9@200 ",
           "what was found is gone");
    entity = merge_look(writer, 1);
    ok(entity.records == 3
       && entity.bytes == 1 + 3 + 1
       && entity.changed == 200
       && run.merge.counts.records == 3
       && run.merge.counts.bytes == 5, "and not counted any more");

    merge_text(writer, &run, 1, 300, "d: d:5 x:1 x:");
    ok(merge_counts(&run, 0, 1, 1, 0) && run.duplicates == 2,
       "the first decides, be it to delete or to stay");
    is_str(merge_dump(writer, 1), "b:2@100 x:1@300 ", "and it does");

    merge_upserts = 0;
    merge_text(writer, &run, 1, 400, "a: b: x:1 z:");
    ok(merge_counts(&run, 0, 0, 1, 1), "found and not found, by a scan");
    is_str(merge_dump(writer, 1), "x:1@300 ", "what was found is gone");
    entity = merge_look(writer, 1);
    ok(entity.records == 1 && entity.bytes == 1, "and its bytes");

    merge_upserts = 1;
    merge_text(writer, &run, 1, 500, "x:");
    ok(merge_counts(&run, 0, 0, 1, 0), "the last one");
    entity = merge_look(writer, 1);
    ok(entity.records == 0 && entity.bytes == 0 && entity.incarnation == 1,
       "leaves none");
    merge_upserts = 0;

    profile_writer_close(writer);
}


static void
merge_cursors(void)
{
    merge_run_t        run;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("merge-cursors"));
    merge_entity(writer, 1, 1);
    merge_entity(writer, 1, 2);

    merge_cursor = "10";
    merge_text(writer, &run, 1, 100, "a:1");
    is_str(merge_stored(writer, 1), "at=10", "with a first load");
    is_str(merge_stored(writer, 2), "-", "and for no other entity");

    merge_upserts = 1;
    merge_cursor = "20";
    merge_text(writer, &run, 1, 200, "b:2");
    is_str(merge_stored(writer, 1), "at=20", "with an upsert");

    merge_upserts = 0;
    merge_cursor = "30";
    merge_text(writer, &run, 1, 300, "b:2 c:3");
    is_str(merge_stored(writer, 1), "at=30", "with a full refresh");

    merge_primary = "email";
    merge_cursor = "7";
    merge_text(writer, &run, 1, 400, "x:1");
    merge_primary = "id";
    entity = merge_look(writer, 1);
    ok(strcmp(merge_stored(writer, 1), "at=7") == 0
       && entity.incarnation == 2, "with records that are all new");

    /* a full refresh in another mode: nothing else has changed */

    merge_cursor = "";
    merge_primary = "email";
    merge_text(writer, &run, 1, 500, "x:1");
    merge_primary = "id";
    ok(merge_counts(&run, 0, 0, 0, 1), "unchanged");
    is_str(merge_stored(writer, 1), "-",
           "it goes where the entity is to have none");

    profile_writer_close(writer);
}


/* It moves on though no row has changed: the same is not asked for again. */

static void
merge_cursor_alone(void)
{
    uint64_t               written;
    merge_run_t            run;
    profile_error_t        err;
    profile_entity_t       entity;
    profile_writer_t      *writer;
    profile_generation_t   gen;

    writer = merge_open(scratch("cursor-alone"));
    merge_entity(writer, 1, 1);
    merge_cursor = "10";
    merge_text(writer, &run, 1, 100, "a:1 b:2");

    merge_upserts = 1;
    merge_cursor = "11";
    written = profile_writer_written(writer);
    merge_text(writer, &run, 1, 200, "a:1");

    ok(run.rc == PROFILE_OK && merge_counts(&run, 0, 0, 0, 1),
       "no row has changed");

    merge_upserts = 0;
    merge_cursor = "";

    is_str(merge_stored(writer, 1), "at=11", "the cursor has");
    is_int((long long) (profile_writer_written(writer) - written),
           9 + 24 + 2 + 2, "nothing else is written");

    entity = merge_look(writer, 1);
    ok(entity.changed == 100
       && entity.refreshed == 100
       && entity.records == 2
       && entity.bytes == 2, "the entity stays as it was");
    must(profile_dir_current(scratch("cursor-alone"), &gen, &err), &err);
    is_int((long long) profile_dir_refreshed(&gen, 1, 1), 200,
           "the refresh is noted");

    profile_writer_close(writer);
}


static void
merge_cursor_refused(void)
{
    char              *before, *after;
    size_t             len, len2;
    const char        *path;
    merge_run_t        run;
    profile_writer_t  *writer;

    writer = merge_open(scratch("cursor-refused"));
    path = scratch("cursor-refused/gen-000001/data.mdb");
    merge_entity(writer, 1, 1);

    merge_answer = 1;
    merge_cursor = "5";
    merge_text(writer, &run, 1, 100, "a:1");
    is_str(merge_stored(writer, 1), "-", "a refused first load leaves none");

    merge_answer = 0;
    merge_text(writer, &run, 1, 100, "a:1 b:2 c:3");
    is_str(merge_stored(writer, 1), "at=5", "one that is allowed does");
    before = scratch_read(path, &len);

    merge_answer = 1;
    merge_cursor = "6";

    for (merge_upserts = 0; merge_upserts < 2; merge_upserts++) {
        merge_text(writer, &run, 1, 200, "a: b:9 d:4");
        ok(run.rc == PROFILE_OK && run.merge.refused && run.asked == 1,
           "refused, %s", merge_upserts ? "upsert" : "full");
        is_int((long long) run.counts.deleted, merge_upserts ? 1 : 2,
               "deletions are counted before");
        ok(run.counts.added == 1 && run.counts.changed == 1,
           "and the other changes");
        is_str(merge_stored(writer, 1), "at=5", "the cursor stays");
        is_str(merge_dump(writer, 1), "a:1@100 b:2@100 c:3@100 ",
               "and the records");
    }

    /* nor does an entity lose its cursor */

    merge_upserts = 0;
    merge_cursor = "";
    merge_text(writer, &run, 1, 200, "a:1");
    is_str(merge_stored(writer, 1), "at=5", "it is not deleted either");

    merge_answer = 0;
    after = scratch_read(path, &len2);
    ok(len == len2 && memcmp(before, after, len) == 0,
       "all of it writes nothing");
    free(before);
    free(after);

    profile_writer_close(writer);
}


/*
 * More than one transaction should hold: the outcome is that of two upserts
 * in place, and what is not named is kept, times and all.
 */

static void
merge_upsert_many(void)
{
    char              *once, *parts;
    unsigned           i, n, kept;
    merge_run_t        run;
    profile_error_t    err;
    profile_sort_t    *rows;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("upsert-many"));
    merge_entity(writer, 1, 1);
    merge_entity(writer, 1, 2);

    for (n = 1; n <= 2; n++) {
        rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
        merge_upsert_rows(rows, 0, 0, MERGE_UPSERTS);
        merge_rows(writer, &run, n, 100, rows);
        profile_sort_free(rows);
        need(run.rc == PROFILE_OK
             && run.merge.counts.added == MERGE_UPSERTS / 2, "a first load");
    }

    merge_upserts = 1;

    for (n = 0; n < 3; n++) {
        merge_cursor = (n == 2) ? "9" : "8";
        rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
        merge_upsert_rows(rows, 1, MERGE_UPSERTS / 3 * n,
                          MERGE_UPSERTS / 3 * (n + 1));
        merge_rows(writer, &run, 1, 200, rows);
        profile_sort_free(rows);
        need(run.rc == PROFILE_OK, run.err.text);
    }

    is_int(merge_look(writer, 1).incarnation, 1, "three parts, in place");

    merge_answer = 1;
    merge_cursor = "9";
    rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
    merge_upsert_rows(rows, 1, 0, MERGE_UPSERTS);
    merge_rows(writer, &run, 2, 200, rows);
    ok(run.rc == PROFILE_OK && run.merge.refused && run.asked == 1,
       "all at once, refused");
    ok(strcmp(merge_stored(writer, 2), "-") == 0
       && merge_look(writer, 2).incarnation == 2, "nothing of it is there");

    merge_answer = 0;
    merge_rows(writer, &run, 2, 200, rows);
    profile_sort_free(rows);
    merge_upserts = 0;
    merge_cursor = "";

    need(run.rc == PROFILE_OK, run.err.text);
    entity = merge_look(writer, 2);
    ok(entity.incarnation > 3, "all at once: it was built anew");
    is_int(run.asked, 1, "it was asked for once");

    /* of ten old records two change, one goes, one is named and the same */

    is_int((long long) run.merge.counts.changed, MERGE_UPSERTS / 20 * 2,
           "changed");
    is_int((long long) run.merge.counts.deleted, MERGE_UPSERTS / 20, "deleted");
    is_int((long long) run.merge.counts.unchanged, MERGE_UPSERTS / 20,
           "unchanged");
    is_int((long long) run.merge.counts.added, MERGE_UPSERTS / 2, "added");

    once = strdup(merge_dump(writer, 2));
    parts = strdup(merge_dump(writer, 1));
    need(once != NULL && parts != NULL, "strdup()");
    ok(strcmp(once, parts) == 0,
       "in place and anew it comes to the same, times included");

    kept = 0;

    for (i = 0; once[i] != '\0'; i++) {
        kept += (strncmp(once + i, "@100 ", 5) == 0);
    }

    is_int(kept, MERGE_UPSERTS / 20 * 7, "what did not change is as it was");
    free(once);
    free(parts);

    ok(entity.records == merge_look(writer, 1).records
       && entity.bytes == merge_look(writer, 1).bytes
       && entity.records == run.merge.counts.records
       && entity.bytes == run.merge.counts.bytes
       && entity.records == MERGE_UPSERTS - MERGE_UPSERTS / 20,
       "the counts agree");
    ok(strcmp(merge_stored(writer, 1), "at=9") == 0
       && strcmp(merge_stored(writer, 2), "at=9") == 0, "and the cursors");

    must(profile_purge(writer, &err), &err);
    is_int(merge_orphans(writer), 0, "nothing is left over");

    profile_writer_close(writer);
}


/*
 * Ids from..to: even ones are the first load, and of the second version all
 * odd ones are new, and of ten even ones two change, one is the same and one
 * is deleted; the others are not named.
 */

static void
merge_upsert_rows(profile_sort_t *rows, int second, unsigned from,
    unsigned to)
{
    char      id[16], body[32], odd[MERGE_BODY];
    unsigned  i, n;

    memset(odd, 'o', sizeof(odd));

    for (i = from; i < to; i++) {

        n = i / 2 % 10;
        (void) snprintf(id, sizeof(id), "%08u", i);
        (void) snprintf(body, sizeof(body), "%u", i);

        if (i % 2 == 1) {

            if (second) {
                merge_add(rows, id, 8, odd, sizeof(odd), i + 1);
            }

        } else if (!second || n == 2) {
            merge_add(rows, id, 8, body, strlen(body), i + 1);

        } else if (n < 2) {
            merge_add(rows, id, 8, "changed", 7, i + 1);

        } else if (n == 3) {
            merge_add(rows, id, 8, "", 0, i + 1);
        }
    }
}


/*
 * The same changes at once, which are too many for one transaction, and in
 * three parts, which are not.
 */

static void
merge_many(void)
{
    int                kept;
    char              *once, *parts, *p;
    unsigned           n;
    merge_run_t        run;
    profile_error_t    err;
    profile_sort_t    *rows;
    profile_entity_t   entity;
    profile_writer_t  *writer;

    writer = merge_open(scratch("many"));
    merge_entity(writer, 1, 1);
    merge_entity(writer, 1, 2);

    for (n = 1; n <= 2; n++) {
        rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
        merge_many_rows(rows, 0, 0);
        merge_rows(writer, &run, n, 100, rows);
        profile_sort_free(rows);
        need(run.rc == PROFILE_OK
             && merge_counts(&run, MERGE_MANY, 0, 0, 0), "a first load");
    }

    is_int(merge_look(writer, 2).incarnation, 2, "two entities, loaded");

    for (n = 1; n <= 3; n++) {
        rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
        merge_many_rows(rows, 0, MERGE_MANY / 3 * n + ((n == 3) ? 1 : 0));
        merge_rows(writer, &run, 1, 200, rows);
        profile_sort_free(rows);
        need(run.rc == PROFILE_OK, run.err.text);
    }

    is_int(merge_look(writer, 1).incarnation, 1, "three parts, in place");

    /* duplicates that are met before and after it turns out to be too much */

    rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
    merge_many_rows(rows, 0, MERGE_MANY);
    merge_add(rows, "00000000", 8, "dup", 3, 1000001);
    merge_add(rows, "00000002", 8, "dup", 3, 1000002);
    merge_add(rows, "00000002", 8, "dup", 3, 1000003);
    merge_add(rows, "00011999", 8, "dup", 3, 1000004);
    merge_rows(writer, &run, 2, 200, rows);
    profile_sort_free(rows);
    need(run.rc == PROFILE_OK, run.err.text);

    entity = merge_look(writer, 2);
    is_int(entity.incarnation, 3, "all at once: it was built anew");
    is_int(run.asked, 1, "it was asked for once");
    is_int((long long) run.old, MERGE_MANY, "and told of the old records");
    is_int((long long) run.counts.unchanged, MERGE_MANY / 10,
           "rows that have not changed");
    is_int((long long) run.counts.added, MERGE_MANY / 10,
           "rows that are new");
    is_int((long long) run.counts.deleted, MERGE_MANY / 10,
           "rows that are gone");
    is_int((long long) run.counts.changed, MERGE_MANY / 10 * 8,
           "rows that have changed");
    is_int(run.duplicates, 4, "duplicates are reported once");
    is_int((long long) run.lines, 4000010, "each of them");
    is_int((long long) run.merge.duplicates, 4, "and counted once");

    once = strdup(merge_dump(writer, 2));
    parts = strdup(merge_dump(writer, 1));
    need(once != NULL && parts != NULL, "strdup()");

    ok(strcmp(once, parts) == 0,
       "in place and anew it comes to the same, times included");

    kept = 0;

    for (p = strstr(once, "@100"); p != NULL; p = strstr(p + 1, "@100")) {
        kept++;
    }

    is_int(kept, MERGE_MANY / 10,
           "what has not changed keeps its time when it is copied");

    free(once);
    free(parts);

    ok(entity.records == merge_look(writer, 1).records
       && entity.bytes == merge_look(writer, 1).bytes
       && entity.records == MERGE_MANY, "the entities' counts agree");

    is_int(merge_orphans(writer), 1, "the old incarnation is left over");
    must(profile_purge(writer, &err), &err);
    is_int(merge_orphans(writer), 0, "and purged");
    is_int((long long) merge_look(writer, 2).records, MERGE_MANY,
           "without the new one");

    profile_writer_close(writer);
}


/* Rows from..to of the second version, the others of the first one. */

static void
merge_many_rows(profile_sort_t *rows, unsigned from, unsigned to)
{
    unsigned  i;

    for (i = 0; i <= MERGE_MANY; i++) {
        merge_many_row(rows, i, i >= from && i < to);
    }
}


/* Of ten rows one stays, one goes, one comes and the others change. */

static void
merge_many_row(profile_sort_t *rows, unsigned i, int second)
{
    int   n;
    char  id[16], body[MERGE_BODY + 1];

    if (i == MERGE_MANY) {
        return;
    }

    if (i % 10 == 1 && second) {
        (void) snprintf(id, sizeof(id), "%08u+", i);

    } else {
        (void) snprintf(id, sizeof(id), "%08u", i);
    }

    n = snprintf(body, sizeof(body), "%u%s", i,
                 (second && i % 10 != 0) ? "new" : "");
    memset(body + n, 'x', sizeof(body) - 1 - (size_t) n);
    body[sizeof(body) - 1] = '\0';

    merge_add(rows, id, strlen(id), body, strlen(body), i + 1);
}


/* Refused when it is built anew, after transactions of its own. */

static void
merge_twice_refused(void)
{
    char              *before;
    merge_run_t        run;
    profile_error_t    err;
    profile_sort_t    *rows;
    profile_writer_t  *writer;

    writer = merge_open(scratch("many"));
    before = strdup(merge_dump(writer, 1));
    need(before != NULL, "strdup()");

    merge_answer = 1;

    rows = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);
    merge_many_rows(rows, 0, 0);
    merge_rows(writer, &run, 1, 300, rows);
    profile_sort_free(rows);

    merge_answer = 0;

    ok(run.rc == PROFILE_OK && run.merge.refused && run.asked == 1,
       "a large refresh is refused");
    is_str(merge_dump(writer, 1), before, "all stays as it was");
    is_int(merge_orphans(writer), 1, "what was written is left over");
    must(profile_purge(writer, &err), &err);
    is_int(merge_orphans(writer), 0, "and can be purged");
    is_str(merge_dump(writer, 1), before, "alone");

    free(before);
    profile_writer_close(writer);
}


/* Somebody looks all the time while entities are loaded and refreshed. */

static void
merge_at_once(void)
{
    char               rows[512];
    size_t             len;
    peer_t             peer;
    unsigned           i, j, answer[2];
    merge_run_t        run;
    profile_writer_t  *writer;

    /* a process of its own knows nothing of the writer */

    peer_start(&peer, merge_at_once_run);

    writer = merge_open(scratch("at-once"));

    for (i = 1; i <= 20; i++) {
        merge_entity(writer, 1, i);
    }

    need(write(peer.fd, "", 1) == 1
         && read(peer.fd, answer, 1) == 1, "a process that reads");

    for (i = 1; i <= 20; i++) {
        merge_text(writer, &run, i, 100, "a:1 b:2 c:3");
        need(run.rc == PROFILE_OK, run.err.text);

        rows[0] = '\0';
        len = 0;

        for (j = 0; j < i; j++) {
            len += (size_t) snprintf(rows + len, sizeof(rows) - len,
                                     "%u:%u ", j * i, j);
        }

        merge_text(writer, &run, i, 200, rows);
        need(run.rc == PROFILE_OK, run.err.text);
    }

    need(write(peer.fd, "", 1) == 1
         && read(peer.fd, answer, sizeof(answer)) == sizeof(answer),
         "its answer");
    ok(answer[0] > 10, "%u looks while 20 entities came and changed",
       answer[0]);
    is_int(answer[1], 0, "the list, the entities, their counts and records "
           "belonged together");
    is_int(peer_stop(&peer, 0), 0, "it ends well");

    profile_writer_close(writer);
}


static void
merge_at_once_run(int fd)
{
    unsigned                answer[2];
    struct pollfd           poll_fd;
    profile_error_t         err;
    profile_reader_t       *reader;
    const profile_view_t   *view;

    need(read(fd, answer, 1) == 1, "read()");
    must(profile_reader_open(&reader, scratch("at-once"),
                             PROFILE_READAHEAD_AUTO, &err), &err);

    answer[0] = 0;
    answer[1] = 0;
    poll_fd.fd = fd;
    poll_fd.events = POLLIN;
    need(write(fd, "", 1) == 1, "write()");

    do {
        must(profile_reader_begin(reader, &view, &err), &err);
        answer[0]++;
        answer[1] += !merge_at_once_look(view);
        profile_reader_end(reader);

    } while (poll(&poll_fd, 1, 0) == 0);

    profile_reader_close(reader);
    need(read(fd, &poll_fd, 1) == 1
         && write(fd, answer, sizeof(answer)) == sizeof(answer), "write()");
}


static int
merge_at_once_look(const profile_view_t *view)
{
    int                  right, listed;
    char                 text[32];
    uint64_t             n, bytes;
    uint32_t             id;
    profile_bytes_t      key;
    profile_error_t      err;
    profile_scan_t      *scan;
    profile_entity_t     entity;
    profile_document_t   list, record;

    right = 1;

    if (profile_view_list(view, 1, &list, &err) != PROFILE_OK) {
        list.body = store_bytes("");
    }

    for (id = 1; id <= 20; id++) {

        must(profile_view_entity(view, 1, id, &entity, &err), &err);

        (void) snprintf(text, sizeof(text), "{\"id\":%u,", (unsigned) id);
        listed = (list.body.len != 0
                  && memmem(list.body.data, list.body.len, text,
                            strlen(text))
                     != NULL);

        right &= (listed == (entity.incarnation != 0));

        if (entity.incarnation == 0) {
            continue;
        }

        n = 0;
        bytes = 0;
        must(profile_scan_open(&scan, view, &entity, &err), &err);

        while (profile_scan_next(scan, &key, &record, &err) == PROFILE_OK) {
            n++;
            bytes += record.body.len;
        }

        profile_scan_close(scan);
        right &= (n == entity.records && bytes == entity.bytes);
    }

    return right;
}


static profile_writer_t *
merge_open(const char *store)
{
    profile_error_t    err;
    profile_writer_t  *writer;

    must(profile_writer_open(&writer, store, NULL, &err), &err);

    return writer;
}


static void
merge_entity(profile_writer_t *writer, uint32_t workspace, uint32_t id)
{
    profile_error_t   err;
    profile_entity_t  entity;

    entity = store_entity(workspace, id, 0);

    must(profile_writer_begin(writer, NULL, &err), &err);
    must(profile_writer_put_entity(writer, &entity, &err), &err);
    must(profile_writer_commit(writer, &err), &err);
}


/* rows: "ID:BODY ID:BODY ..." */

static void
merge_text(profile_writer_t *writer, merge_run_t *run, uint32_t entity,
    uint32_t now, const char *rows)
{
    size_t           len, size;
    uint64_t         line;
    profile_sort_t  *sort;

    sort = profile_sort_create(scratch_directory, MERGE_MEMORY, 1);

    for (line = 1; *rows != '\0'; line++) {
        len = strcspn(rows, ":");
        size = strcspn(rows + len + 1, " ");

        merge_add(sort, rows, len, rows + len + 1, size, line);

        rows += len + 1 + size;
        rows += strspn(rows, " ");
    }

    merge_rows(writer, run, entity, now, sort);
    profile_sort_free(sort);
}


static void
merge_rows(profile_writer_t *writer, merge_run_t *run, uint32_t entity,
    uint32_t now, profile_sort_t *rows)
{
    profile_merge_t  *merge;

    memset(run, 0, sizeof(merge_run_t));

    merge = &run->merge;
    merge->writer = writer;
    merge->rows = rows;
    merge->workspace = 1;
    merge->entity = entity;
    merge->primary_key = store_bytes(merge_primary);
    merge->now = now;
    merge->upsert = (merge_upserts != 0);
    merge->cursor_column = store_bytes("at");
    merge->cursor = store_bytes(merge_cursor);
    merge->duplicate = merge_duplicate;
    merge->refuse = merge_refuse;
    merge->data = run;

    run->rc = profile_merge(merge, &run->err);
}


static void
merge_add(profile_sort_t *sort, const char *id, size_t len,
    const char *body, size_t size, uint64_t line)
{
    profile_error_t   err;
    profile_sorted_t  row;

    row.id.data = (const u_char *) id;
    row.id.len = len;
    row.body.data = (const u_char *) body;
    row.body.len = size;
    row.order = line;
    row.stream = 0;
    row.line = line;

    must(profile_sort_add(sort, 0, &row, &err), &err);
}


static void
merge_duplicate(void *data, const profile_sorted_t *row)
{
    merge_run_t  *run = data;

    run->duplicates++;
    run->lines += row->line;
}


static int
merge_refuse(void *data, const profile_merge_counts_t *counts, uint64_t old)
{
    merge_run_t  *run = data;

    run->asked++;
    run->counts = *counts;
    run->old = old;

    return merge_answer;
}


static int
merge_counts(const merge_run_t *run, unsigned added, unsigned changed,
    unsigned deleted, unsigned unchanged)
{
    const profile_merge_counts_t  *counts;

    counts = &run->merge.counts;

    if (counts->added != added
        || counts->changed != changed
        || counts->deleted != deleted
        || counts->unchanged != unchanged
        || (!merge_upserts
            && counts->records != (uint64_t) added + changed + unchanged))
    {
        (void) printf("# %llu added, %llu changed, %llu deleted, "
                      "%llu unchanged\n", (unsigned long long) counts->added,
                      (unsigned long long) counts->changed,
                      (unsigned long long) counts->deleted,
                      (unsigned long long) counts->unchanged);
        return 0;
    }

    return 1;
}


/* "ID:BODY@TIME " for each record, in a buffer that is used again. */

static const char *
merge_dump(profile_writer_t *writer, uint32_t entity)
{
    size_t                  len;
    profile_bytes_t         id;
    profile_error_t         err;
    profile_scan_t         *scan;
    profile_entity_t        found;
    profile_document_t      record;
    const profile_view_t   *view;

    static char             dump[MERGE_UPSERTS * (MERGE_BODY + 40)];

    must(profile_writer_snapshot(writer, &view, &err), &err);
    must(profile_view_entity(view, 1, entity, &found, &err), &err);

    len = 0;
    dump[0] = '\0';

    if (found.incarnation != 0) {
        must(profile_scan_open(&scan, view, &found, &err), &err);

        while (profile_scan_next(scan, &id, &record, &err) == PROFILE_OK) {
            len += (size_t) snprintf(dump + len, sizeof(dump) - len,
                                     "%.*s:%.*s@%u ", (int) id.len,
                                     (const char *) id.data,
                                     (int) record.body.len,
                                     (const char *) record.body.data,
                                     (unsigned) record.changed);
        }

        profile_scan_close(scan);
    }

    profile_writer_release(writer);

    return dump;
}


static const char *
merge_list(profile_writer_t *writer)
{
    int                     rc;
    profile_error_t         err;
    profile_document_t      list;
    const profile_view_t   *view;

    static char             text[1024];

    must(profile_writer_snapshot(writer, &view, &err), &err);
    rc = profile_view_list(view, 1, &list, &err);

    if (rc == PROFILE_OK) {
        (void) snprintf(text, sizeof(text), "%.*s@%u", (int) list.body.len,
                        (const char *) list.body.data,
                        (unsigned) list.changed);

    } else {
        (void) snprintf(text, sizeof(text), "-");
    }

    profile_writer_release(writer);

    return text;
}


/* Its names must not be looked at but for their lengths. */

static profile_entity_t
merge_look(profile_writer_t *writer, uint32_t entity)
{
    profile_error_t         err;
    profile_entity_t        found;
    const profile_view_t   *view;

    must(profile_writer_snapshot(writer, &view, &err), &err);
    must(profile_view_entity(view, 1, entity, &found, &err), &err);
    profile_writer_release(writer);

    return found;
}


/* "COLUMN=VALUE", in a buffer that is used again. */

static const char *
merge_stored(profile_writer_t *writer, uint32_t entity)
{
    int                     rc;
    profile_error_t         err;
    profile_cursor_t        cursor;
    const profile_view_t   *view;

    static char             text[256];

    must(profile_writer_snapshot(writer, &view, &err), &err);
    rc = profile_view_cursor(view, 1, entity, &cursor, &err);

    if (rc == PROFILE_OK) {
        (void) snprintf(text, sizeof(text), "%.*s=%.*s",
                        (int) cursor.column.len,
                        (const char *) cursor.column.data,
                        (int) cursor.value.len,
                        (const char *) cursor.value.data);

    } else {
        need(rc == PROFILE_NOT_FOUND, err.text);
        (void) snprintf(text, sizeof(text), "-");
    }

    profile_writer_release(writer);

    return text;
}


static unsigned
merge_orphans(profile_writer_t *writer)
{
    unsigned                n;
    profile_walk_t          walk;
    profile_error_t         err;
    profile_orphan_t        orphan;
    const profile_view_t   *view;

    must(profile_writer_snapshot(writer, &view, &err), &err);
    profile_walk_orphans(&walk);

    for (n = 0; profile_view_next_orphan(view, &walk, &orphan, &err)
                == PROFILE_OK; n++)
    { /* void */ }

    profile_writer_release(writer);

    return n;
}
