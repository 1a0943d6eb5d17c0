
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes records that prove themselves (see record.h) and reads them as a
 * worker of nginx would.
 *
 *     record serve
 *         does what standard input asks for, a line each, and ends each
 *         answer with a line that holds a point:
 *
 *         make FILE WORKSPACE ENTITY COUNT PERIOD VERSION
 *             the rows
 *
 *         check STORE
 *             one snapshot: a line "ENTITY VERSION RECORDS" for each entity
 *             of workspace 1, version 0 for one that has not been loaded;
 *             "none" where there is no store; a sentence where something is
 *             wrong
 *
 *     record watch STORE MICROSECONDS RECORDS
 *         the same again and again, with a pause between two snapshots,
 *         until a SIGTERM and at least that many records; then one line
 *         "SNAPSHOTS RECORDS VERSIONS" and, with status 1, what was wrong
 *         first.
 */


#include <signal.h>
#include <unistd.h>

#include "record.h"


static int record_serve(void);
static void record_make(const char *path, record_t *record,
    uint32_t version);
static void record_check(const char *store);
static int record_watch(char **argv);
static int record_backwards(const record_state_t *before,
    const record_state_t *now, uint64_t *versions, char *text, size_t size);
static void record_stop(int signo);


static volatile sig_atomic_t  record_stopped;


int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        return record_serve();
    }

    if (argc == 5 && strcmp(argv[1], "watch") == 0) {
        return record_watch(argv + 2);
    }

    (void) fprintf(stderr, "record: see its source\n");

    return 2;
}


static int
record_serve(void)
{
    char      line[1024], path[1024];
    record_t  record;
    uint32_t  version;

    while (fgets(line, sizeof(line), stdin) != NULL) {

        if (sscanf(line, "make %1023s %" SCNu32 " %" SCNu32 " %" SCNu32
                   " %" SCNu32 " %" SCNu32, path, &record.workspace,
                   &record.entity, &record.count, &record.period, &version)
            == 6)
        {
            record_make(path, &record, version);

        } else if (sscanf(line, "check %1023s", path) == 1) {
            record_check(path);

        } else {
            (void) printf("what is \"%s\"?\n", line);
        }

        (void) printf(".\n");
        (void) fflush(stdout);
    }

    return 0;
}


static void
record_make(const char *path, record_t *record, uint32_t version)
{
    char      row[RECORD_MAX];
    FILE     *out;
    uint32_t  id;

    out = fopen(path, "w");
    if (out == NULL) {
        (void) printf("cannot make %s\n", path);
        return;
    }

    /* backwards: not as they are stored */

    id = record->count + version % RECORD_VARIANTS;

    while (id-- > 0) {
        record->id = id;
        record->counter = record_counter(version, id, record->period);

        (void) record_row(row, record);
        (void) fprintf(out, "%s\n", row);
    }

    if (fclose(out) != 0) {
        (void) printf("cannot write %s\n", path);
    }
}


static void
record_check(const char *store)
{
    int                i, rc;
    char               text[1024];
    record_state_t     states[RECORD_ENTITIES];
    profile_error_t    err;
    profile_reader_t  *reader;

    rc = profile_reader_open(&reader, store, PROFILE_READAHEAD_AUTO, &err);

    if (rc != PROFILE_OK) {
        (void) printf("%s\n", (rc == PROFILE_ABSENT) ? "none" : err.text);
        return;
    }

    rc = record_snapshot(reader, states, text, sizeof(text));

    profile_reader_close(reader);

    if (rc < 0) {
        (void) printf("%s\n", text);
        return;
    }

    for (i = 1; i <= rc; i++) {
        (void) printf("%d %" PRIu32 " %llu\n", i, states[i - 1].counter,
                      (unsigned long long) states[i - 1].records);
    }
}


static int
record_watch(char **argv)
{
    int                i, rc;
    char               text[1024];
    uint64_t           snapshots, records, versions, least;
    useconds_t         pause;
    record_state_t     before[RECORD_ENTITIES], now[RECORD_ENTITIES];
    profile_error_t    err;
    profile_reader_t  *reader;

    (void) signal(SIGTERM, record_stop);

    memset(before, 0, sizeof(before));
    pause = (useconds_t) strtoul(argv[1], NULL, 10);
    least = strtoull(argv[2], NULL, 10);
    snapshots = 0;
    records = 0;
    versions = 0;
    text[0] = '\0';

    if (profile_reader_open(&reader, argv[0],
                            PROFILE_READAHEAD_AUTO, &err) != PROFILE_OK) {
        (void) printf("0 0 0\n%s\n", err.text);
        return 1;
    }

    while (!record_stopped || records < least) {

        if (snapshots % 32 == 0
            && profile_reader_refresh(reader, &err) != PROFILE_OK)
        {
            (void) snprintf(text, sizeof(text), "refresh: %s", err.text);
            break;
        }

        memset(now, 0, sizeof(now));

        rc = record_snapshot(reader, now, text, sizeof(text));

        if (rc < 0
            || record_backwards(before, now, &versions, text, sizeof(text))
               != 0)
        {
            break;
        }

        snapshots++;

        for (i = 0; i < rc; i++) {
            records += now[i].records;
        }

        memcpy(before, now, sizeof(now));

        if (!record_stopped) {
            (void) usleep(pause);
        }
    }

    profile_reader_close(reader);

    (void) printf("%llu %llu %llu\n%s", (unsigned long long) snapshots,
                  (unsigned long long) records,
                  (unsigned long long) versions, text);

    return (text[0] == '\0') ? 0 : 1;
}


static int
record_backwards(const record_state_t *before, const record_state_t *now,
    uint64_t *versions, char *text, size_t size)
{
    int  i;

    for (i = 0; i < RECORD_ENTITIES; i++) {

        if (now[i].counter < before[i].counter) {
            (void) snprintf(text, size, "entity %d: back from version %"
                            PRIu32 " to %" PRIu32, i + 1, before[i].counter,
                            now[i].counter);
            return -1;
        }

        *versions += (now[i].counter > before[i].counter);
    }

    return 0;
}


static void
record_stop(int signo)
{
    (void) signo;

    record_stopped = 1;
}
