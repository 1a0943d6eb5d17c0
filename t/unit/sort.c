
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The sort: LMDB's order of ids, in which rows are appended; equal ids in
 * the order of the source, so that the first one counts; and the same with
 * a few rows in memory as with all of them.
 */


#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "profile_sort.h"
#include "scratch.h"
#include "tap.h"


#define SORT_ROWS  20000


typedef struct {
    size_t  len;
    u_char  id[16];
    size_t  body;
} sort_row_t;


static void sort_empty(void);
static void sort_some(void);
static void sort_order(size_t memory);
static int sort_check(profile_sort_t *sort, size_t count);
static void sort_shards(unsigned shards, size_t memory, int finish);
static void sort_ties(unsigned shards, size_t memory);
static void sort_threads(unsigned shards, size_t memory);
static void *sort_thread(void *data);
static void sort_twice(size_t memory);
static void sort_huge(size_t memory);
static void sort_lengths(void);
static void sort_memory(void);
static int sort_memory_run(void);
static long sort_peak(void);
static void sort_no_folder(void);
static void sort_no_space(unsigned shards);
static void sort_no_space_huge(void);
static int sort_limited(profile_sort_t *sort, unsigned shards,
    const u_char *body, size_t len, size_t every, profile_error_t *err);
static void sort_make(size_t count);
static void sort_add(profile_sort_t *sort, unsigned shard, size_t i);
static uint32_t sort_rand(void);


static sort_row_t  sort_rows[SORT_ROWS];
static u_char      sort_seen[SORT_ROWS];
static uint64_t    sort_seed = 20260101;
static u_char      sort_body[4096];
static int         sort_newest;      /* of equal rows, the last comes first */


int
main(void)
{
    int     descriptors;
    size_t  i;

    static const unsigned  shards[] = { 1, 2, 3, 8 };

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    for (i = 0; i < sizeof(sort_body); i++) {
        sort_body[i] = (u_char) (i * 7);
    }

    sort_make(SORT_ROWS);

    sort_memory();
    sort_empty();
    sort_some();
    sort_order(64 * 1024 * 1024);
    sort_order(1024 * 1024);
    sort_order(65536);
    sort_order(4096);

    for (i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
        sort_shards(shards[i], 64 * 1024 * 1024, 1);
        sort_shards(shards[i], 64 * 1024 * 1024, 0);
        sort_shards(shards[i], 65536 * shards[i], 1);
        sort_shards(shards[i], 65536, 0);
        sort_shards(shards[i], 1, 1);
        sort_ties(shards[i], 64 * 1024 * 1024);
        sort_ties(shards[i], 8192);
        sort_threads(shards[i], 64 * 1024 * 1024);
        sort_threads(shards[i], 262144);
    }

    sort_twice(64 * 1024 * 1024);
    sort_twice(4096);
    sort_huge(64 * 1024 * 1024);
    sort_huge(4096);
    sort_lengths();
    sort_no_folder();
    sort_no_space(1);
    sort_no_space(3);
    sort_no_space_huge();

    profile_sort_free(NULL);

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");
    is_int(scratch_entries(scratch("%s", "")), 0, "nor a file");

    return done();
}


static void
sort_empty(void)
{
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    sort = profile_sort_create(scratch_directory, 4096, 1);
    is_int(profile_sort_rewind(sort, &err), PROFILE_OK, "no rows");
    is_int(profile_sort_next(sort, &row, &err), PROFILE_NOT_FOUND,
           "none comes");
    is_int(profile_sort_next(sort, &row, &err), PROFILE_NOT_FOUND,
           "nor later");
    is_int(profile_sort_rewind(sort, &err), PROFILE_OK, "again");
    is_int(profile_sort_next(sort, &row, &err), PROFILE_NOT_FOUND, "none");
    ok(profile_sort_rows(sort) == 0 && profile_sort_bytes(sort) == 0,
       "none is counted");
    profile_sort_free(sort);

    sort = profile_sort_create(scratch_directory, 4096, 1);
    profile_sort_free(sort);
    ok(1, "one that was never used");

    sort = profile_sort_create(scratch_directory, 4096, 1);
    sort_add(sort, 0, 0);
    profile_sort_free(sort);
    ok(1, "one that was left in the middle");
}


/* The cases that a comparison of numbers or of strings would get wrong. */

static void
sort_some(void)
{
    int                right;
    size_t             i, n;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    static const struct {
        const char  *id;
        size_t       len;
    } ids[] = {
        { "\0", 1 }, { "\0\0", 2 }, { "\0\x01", 2 }, { "1", 1 },
        { "10", 2 }, { "2", 1 }, { "A", 1 }, { "a", 1 }, { "a\0", 2 },
        { "a\0\0\0\0\0\0\0", 8 }, { "a\0\0\0\0\0\0\0\0", 9 },
        { "a\0b", 3 }, { "aa", 2 }, { "aaaaaaaa", 8 }, { "aaaaaaaa\0", 9 },
        { "aaaaaaaaa", 9 }, { "aaaaaaaab", 9 }, { "aaaaaaab", 8 },
        { "b", 1 }, { "\x7f", 1 }, { "\x80", 1 }, { "\xc3\xa9", 2 },
        { "\xff", 1 }, { "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\0", 9 }
    };
    const size_t       count = sizeof(ids) / sizeof(ids[0]);

    for (n = 0; n < 2; n++) {
        sort = profile_sort_create(scratch_directory, n ? 128 : 1000000, 1);

        for (i = 0; i < count; i++) {
            row.id.data = (const u_char *) ids[(i * 7 + 3) % count].id;
            row.id.len = ids[(i * 7 + 3) % count].len;
            row.body.data = sort_body;
            row.body.len = 1;
            row.order = i;
            row.stream = 0;
            row.line = i;
            need(profile_sort_add(sort, 0, &row, &err) == PROFILE_OK, err.text);
        }

        need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
        right = 1;

        for (i = 0; profile_sort_next(sort, &row, &err) == PROFILE_OK; i++) {
            right &= (i < count
                      && row.id.len == ids[i].len
                      && memcmp(row.id.data, ids[i].id, row.id.len) == 0);
        }

        ok(right && i == count, "bytes decide, then the length (%s)",
           n ? "in runs" : "in memory");
        profile_sort_free(sort);
    }
}


static void
sort_order(size_t memory)
{
    size_t             i;
    uint64_t           bytes;
    profile_sort_t    *sort;
    profile_error_t    err;

    sort = profile_sort_create(scratch_directory, memory, 1);
    bytes = 0;

    for (i = 0; i < SORT_ROWS; i++) {
        sort_add(sort, 0, i);
        bytes += sort_rows[i].body;
    }

    ok(profile_sort_rows(sort) == SORT_ROWS
       && profile_sort_bytes(sort) == bytes, "rows and bytes are counted");
    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
    is_int(sort_check(sort, SORT_ROWS), 0,
           "%d rows with %zu bytes of memory", SORT_ROWS, memory);
    is_int(scratch_entries(scratch("%s", "")), 0,
           "the temporary file has no name");

    profile_sort_free(sort);
}


/* 0 where each row comes once, as it was, in order, equal ones in theirs. */

static int
sort_check(profile_sort_t *sort, size_t count)
{
    int                rc, wrong;
    size_t             i, last;
    sort_row_t        *row, *before;
    profile_error_t    err;
    profile_sorted_t   got;

    memset(sort_seen, 0, sizeof(sort_seen));
    wrong = 0;
    last = 0;

    for (i = 0; i < count; i++) {

        rc = profile_sort_next(sort, &got, &err);

        if (rc != PROFILE_OK || got.line >= count) {
            return -1;
        }

        row = &sort_rows[got.line];

        wrong += (sort_seen[got.line]++ != 0
                  || got.stream != (uint32_t) got.line % 3
                  || got.id.len != row->len
                  || memcmp(got.id.data, row->id, row->len) != 0
                  || got.order != (sort_newest ? UINT64_MAX - got.line
                                               : got.line)
                  || got.body.len != row->body
                  || memcmp(got.body.data, sort_body, row->body) != 0);

        if (i != 0) {
            before = &sort_rows[last];
            rc = memcmp(before->id, row->id,
                        (before->len < row->len) ? before->len : row->len);

            if (rc == 0) {
                rc = (before->len > row->len) - (before->len < row->len);
            }

            wrong += (rc > 0
                      || (rc == 0
                          && (sort_newest ? last < got.line
                                          : last > got.line)));
        }

        last = got.line;
    }

    wrong += (profile_sort_next(sort, &got, &err) != PROFILE_NOT_FOUND);
    wrong += (profile_sort_next(sort, &got, &err) != PROFILE_NOT_FOUND);

    return wrong;
}


/* As threads would: rows go to any shard, of equal ones too. */

static void
sort_shards(unsigned shards, size_t memory, int finish)
{
    size_t             i, count;
    unsigned           shard;
    uint64_t           bytes;
    profile_sort_t    *sort;
    profile_error_t    err;

    /* each row is a run of its own where there is no memory at all */

    count = (memory == 1) ? 2000 : SORT_ROWS;

    for (sort_newest = 0; sort_newest < 2; sort_newest++) {

        sort = profile_sort_create(scratch_directory, memory, shards);
        bytes = 0;

        for (i = 0; i < count; i++) {
            sort_add(sort, sort_rand() % shards, i);
            bytes += sort_rows[i].body;
        }

        for (shard = 0; shard < shards; shard++) {

            /* not all: rewind has to do the rest */

            if (finish && shard % 3 != 2) {
                profile_sort_finish(sort, shard);
            }
        }

        ok(profile_sort_rows(sort) == count
           && profile_sort_bytes(sort) == bytes,
           "%zu rows in %u shards are counted", count, shards);

        for (i = 0; i < 2; i++) {
            need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
            is_int(sort_check(sort, count), 0,
                   "%u shards, %zu bytes, %s first, pass %zu", shards,
                   memory, sort_newest ? "the last" : "the first", i + 1);
        }

        profile_sort_free(sort);
    }

    sort_newest = 0;
}


/*
 * Nothing but equal ids: their order alone decides, not the shard, nor
 * when a row was added.
 */

static void
sort_ties(unsigned shards, size_t memory)
{
    int                right;
    size_t             i, count;
    uint64_t           order, last;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    count = 3001;      /* and 1009 is prime: each order comes once */
    sort = profile_sort_create(scratch_directory, memory, shards);

    memset(&row, 0, sizeof(profile_sorted_t));
    row.id.data = (const u_char *) "tie";
    row.id.len = 3;
    row.body.data = sort_body;

    for (i = 0; i < count; i++) {
        order = i * 1009 % count;
        row.order = (order % 2 == 0) ? order : UINT64_MAX - order;
        row.line = row.order;
        row.body.len = (size_t) order % 50;

        need(profile_sort_add(sort, (unsigned) (i / 7) % shards, &row, &err)
             == PROFILE_OK, err.text);
    }

    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);

    right = 1;
    last = 0;

    for (i = 0; profile_sort_next(sort, &row, &err) == PROFILE_OK; i++) {

        order = (row.order > count) ? UINT64_MAX - row.order : row.order;
        right &= (row.line == row.order
                  && row.body.len == order % 50
                  && (i == 0 || row.order > last));
        last = row.order;
    }

    ok(right && i == count,
       "equal ids in %u shards come by their order, with %zu bytes", shards,
       memory);

    profile_sort_free(sort);
}


typedef struct {
    profile_sort_t  *sort;
    unsigned         shard;
    unsigned         shards;
} sort_thread_t;


/* All shards at the same time. */

static void
sort_threads(unsigned shards, size_t memory)
{
    unsigned          i;
    pthread_t         threads[8];
    sort_thread_t     data[8];
    profile_sort_t   *sort;
    profile_error_t   err;

    sort = profile_sort_create(scratch_directory, memory, shards);

    for (i = 0; i < shards; i++) {
        data[i] = (sort_thread_t) { sort, i, shards };
        need(pthread_create(&threads[i], NULL, sort_thread, &data[i]) == 0,
             "pthread_create()");
    }

    for (i = 0; i < shards; i++) {
        need(pthread_join(threads[i], NULL) == 0, "pthread_join()");
    }

    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
    is_int(sort_check(sort, SORT_ROWS), 0,
           "%u threads at once, with %zu bytes", shards, memory);

    profile_sort_free(sort);
}


static void *
sort_thread(void *data)
{
    sort_thread_t *thread = data;

    size_t  i;

    for (i = thread->shard; i < SORT_ROWS; i += thread->shards) {
        sort_add(thread->sort, thread->shard, i);
    }

    profile_sort_finish(thread->sort, thread->shard);

    return NULL;
}


static void
sort_twice(size_t memory)
{
    size_t             i;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    sort = profile_sort_create(scratch_directory, memory, 1);

    for (i = 0; i < 3000; i++) {
        sort_add(sort, 0, i);
    }

    for (i = 0; i < 2; i++) {
        need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
        is_int(sort_check(sort, 3000), 0, "pass %zu with %zu bytes", i + 1,
               memory);
    }

    /* not to the end, as where there is too much to write in place */

    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);

    for (i = 0; i < 1000; i++) {
        need(profile_sort_next(sort, &row, &err) == PROFILE_OK, err.text);
    }

    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
    is_int(sort_check(sort, 3000), 0, "a pass after one that was broken off");

    profile_sort_free(sort);
}


/* Rows that are larger than the memory and than a run's buffer. */

static void
sort_huge(size_t memory)
{
    int                right;
    size_t             i, j;
    u_char            *body, id;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    static const size_t  sizes[] = { 5000000, 1, 262144 - 24 - 1, 262144 - 24,
                                     262144, 262145, 1000000, 10, 2000000 };
    const size_t         count = sizeof(sizes) / sizeof(sizes[0]);

    body = malloc(5000000);
    need(body != NULL, "malloc()");

    sort = profile_sort_create(scratch_directory, memory, 1);

    for (i = 0; i < count; i++) {
        memset(body, 'a' + (int) i, sizes[i]);
        id = (u_char) ('z' - i);
        row.id.data = &id;
        row.id.len = 1;
        row.body.data = body;
        row.body.len = sizes[i];
        row.order = i;
        row.stream = 0;
        row.line = i;
        need(profile_sort_add(sort, 0, &row, &err) == PROFILE_OK, err.text);
    }

    for (j = 0; j < 2; j++) {
        need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
        right = 1;

        for (i = count; i > 0; i--) {
            right &= (profile_sort_next(sort, &row, &err) == PROFILE_OK
                      && row.line == i - 1
                      && row.id.data[0] == 'z' - (i - 1)
                      && row.body.len == sizes[i - 1]
                      && row.body.data[0] == 'a' + (i - 1)
                      && memcmp(row.body.data, row.body.data + 1,
                                row.body.len - 1) == 0);
        }

        right &= (profile_sort_next(sort, &row, &err) == PROFILE_NOT_FOUND);
        ok(right, "rows of up to 5 MB with %zu bytes, pass %zu", memory,
           j + 1);
    }

    profile_sort_free(sort);
    free(body);
}


static void
sort_lengths(void)
{
    int                right;
    size_t             i, len;
    u_char             id[500];
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    memset(id, 0xfe, sizeof(id));
    sort = profile_sort_create(scratch_directory, 8192, 1);

    for (i = 0; i < 500; i++) {
        len = (i * 137) % 500 + 1;
        row.id.data = id;
        row.id.len = len;
        row.body.data = sort_body;
        row.body.len = len;
        row.order = UINT64_MAX - len;
        row.stream = UINT32_MAX;
        row.line = UINT64_MAX - len;
        need(profile_sort_add(sort, 0, &row, &err) == PROFILE_OK, err.text);
    }

    need(profile_sort_rewind(sort, &err) == PROFILE_OK, err.text);
    right = 1;

    for (len = 1; len <= 500; len++) {
        right &= (profile_sort_next(sort, &row, &err) == PROFILE_OK
                  && row.id.len == len
                  && row.body.len == len
                  && row.stream == UINT32_MAX
                  && row.line == UINT64_MAX - len);
    }

    ok(right, "ids of 1 to 500 equal bytes come by their length");
    profile_sort_free(sort);
}


/*
 * In a process of its own, whose memory has not grown before.  The bound is
 * 1 MB here, and 64 MB of rows make some 70 runs.
 */

static void
sort_memory(void)
{
    int    status;
    pid_t  pid;

    if (scratch_instrumented()) {
        skip(1, "needs memory without instruments");
        return;
    }

    pid = fork();
    need(pid != -1, "fork()");

    if (pid == 0) {
        _exit(sort_memory_run());
    }

    need(waitpid(pid, &status, 0) == pid, "waitpid()");
    ok(WIFEXITED(status) && WEXITSTATUS(status) < 8,
       "64 MB are sorted in %d MB, where 1 MB is the bound",
       WEXITSTATUS(status));
}


static int
sort_memory_run(void)
{
    long               before;
    size_t             i;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    before = sort_peak();
    sort = profile_sort_create(scratch_directory, 1024 * 1024, 1);

    for (i = 0; i < 16384; i++) {
        row.id.data = sort_rows[i].id;
        row.id.len = sort_rows[i].len;
        row.body.data = sort_body;
        row.body.len = sizeof(sort_body);
        row.order = i;
        row.stream = 0;
        row.line = i;

        if (profile_sort_add(sort, 0, &row, &err) != PROFILE_OK) {
            return 255;
        }
    }

    if (profile_sort_rewind(sort, &err) != PROFILE_OK) {
        return 255;
    }

    for (i = 0; profile_sort_next(sort, &row, &err) == PROFILE_OK; i++) {
        /* void */
    }

    profile_sort_free(sort);

    return (i == 16384) ? (int) ((sort_peak() - before) / 1024) : 255;
}


/* The most memory that the process ever had, in KB. */

static long
sort_peak(void)
{
    long   peak;
    char   line[256];
    FILE  *file;

    peak = -1;
    file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            peak = strtol(line + 6, NULL, 10);
        }
    }

    if (file != NULL) {
        (void) fclose(file);
    }

    return peak;
}


static void
sort_no_folder(void)
{
    int                rc;
    size_t             i;
    const char        *folder;
    profile_sort_t    *sort;
    profile_error_t    err;
    profile_sorted_t   row;

    folder = scratch("nowhere");
    sort = profile_sort_create(folder, 1000, 1);
    memset(&row, 0, sizeof(row));
    row.id.data = (const u_char *) "a";
    row.id.len = 1;
    row.body.data = sort_body;
    row.body.len = 100;
    rc = PROFILE_OK;

    for (i = 0; i < 100 && rc == PROFILE_OK; i++) {
        rc = profile_sort_add(sort, 0, &row, &err);
    }

    ok(rc != PROFILE_OK && rc != PROFILE_NOT_FOUND
       && strstr(err.text, folder) != NULL, "no folder: %s", err.text);
    profile_sort_free(sort);

    sort = profile_sort_create(folder, 1000000, 1);
    is_int(profile_sort_add(sort, 0, &row, &err), PROFILE_OK,
           "none is needed for what fits");
    is_int(profile_sort_rewind(sort, &err), PROFILE_OK, "nor to read it");
    profile_sort_free(sort);
}


static void
sort_no_space(unsigned shards)
{
    int               rc;
    profile_sort_t   *sort;
    profile_error_t   err;

    sort = profile_sort_create(scratch_directory, 65536 * shards, shards);
    rc = sort_limited(sort, shards, sort_body, 200, 1, &err);

    is_int(rc, PROFILE_NO_SPACE, "no space for the temporary file of %u",
           shards);
    ok(strstr(err.text, scratch_directory) != NULL, "%s", err.text);
    profile_sort_free(sort);
}


/*
 * What is gathered for the file cannot be written, and then comes a row
 * that is larger than all that can be gathered.
 */

static void
sort_no_space_huge(void)
{
    int               rc;
    u_char           *body;
    profile_sort_t   *sort;
    profile_error_t   err;

    body = calloc(1, 1000000);
    need(body != NULL, "calloc()");

    sort = profile_sort_create(scratch_directory, 4000000, 1);
    rc = sort_limited(sort, 1, body, 1000000, 200, &err);

    is_int(rc, PROFILE_NO_SPACE, "no space, with huge rows among the others");
    profile_sort_free(sort);
    free(body);
}


/* Adds rows of len bytes, and of up to 1000 between them, until it fails. */

static int
sort_limited(profile_sort_t *sort, unsigned shards, const u_char *body,
    size_t len, size_t every, profile_error_t *err)
{
    int                rc;
    size_t             i;
    struct rlimit      limit, old;
    profile_sorted_t   row;

    rc = PROFILE_OK;

    need(getrlimit(RLIMIT_FSIZE, &old) == 0, "getrlimit()");
    limit = old;
    limit.rlim_cur = 50000;
    (void) signal(SIGXFSZ, SIG_IGN);
    need(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit()");

    for (i = 0; i < SORT_ROWS && rc == PROFILE_OK; i++) {
        row.id.data = sort_rows[i].id;
        row.id.len = sort_rows[i].len;
        row.body.data = body;
        row.body.len = (i % every == 0) ? len : 1000;
        row.order = i;
        row.stream = 0;
        row.line = i;

        rc = profile_sort_add(sort, (unsigned) i % shards, &row, err);
    }

    need(setrlimit(RLIMIT_FSIZE, &old) == 0, "setrlimit()");

    return rc;
}


/* Ids of few different bytes, and so many that are alike or equal. */

static void
sort_make(size_t count)
{
    size_t  i, j;

    static const u_char  bytes[] = { 'a', 'a', 'a', 'b', 0, 0xff };

    for (i = 0; i < count; i++) {
        sort_rows[i].len = 1 + sort_rand() % 12;
        sort_rows[i].body = sort_rand() % 200;

        for (j = 0; j < sort_rows[i].len; j++) {
            sort_rows[i].id[j] = bytes[sort_rand() % sizeof(bytes)];
        }
    }
}


static void
sort_add(profile_sort_t *sort, unsigned shard, size_t i)
{
    u_char            *id;
    profile_error_t    err;
    profile_sorted_t   row;

    /* what is added is copied */

    id = malloc(sort_rows[i].len);
    need(id != NULL, "malloc()");
    memcpy(id, sort_rows[i].id, sort_rows[i].len);

    row.id.data = id;
    row.id.len = sort_rows[i].len;
    row.body.data = sort_body;
    row.body.len = sort_rows[i].body;
    row.order = sort_newest ? UINT64_MAX - i : i;
    row.stream = (uint32_t) i % 3;
    row.line = i;

    need(profile_sort_add(sort, shard, &row, &err) == PROFILE_OK, err.text);

    memset(id, '?', sort_rows[i].len);
    free(id);
}


/* The same numbers in every run. */

static uint32_t
sort_rand(void)
{
    sort_seed = sort_seed * 6364136223846793005ULL + 1442695040888963407ULL;

    return (uint32_t) (sort_seed >> 32);
}
