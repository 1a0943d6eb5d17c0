
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What load.c knows of a reply, and how it judges one.
 */


#ifndef _PROFILE_FAULT_LOAD_H_INCLUDED_
#define _PROFILE_FAULT_LOAD_H_INCLUDED_


#include <stdarg.h>
#include <strings.h>

#include "record.h"


#define LOAD_TARGETS   16
#define LOAD_WORKERS   1024
#define LOAD_ETAG      34
#define LOAD_BUFFER    4096
#define LOAD_TEXT      512


typedef enum {
    LOAD_RECORD,             /* a record that is there */
    LOAD_AGAIN,              /* the same, with the ETag of the last one */
    LOAD_MISSING,            /* one that is not there */
    LOAD_DENIED              /* a key that nobody has */
} load_kind_e;


typedef enum {
    LOAD_OPEN,
    LOAD_CLOSING,            /* may be refused at any moment */
    LOAD_CLOSED              /* has to be refused */
} load_state_e;


/* What is asked for: an entity with a key of its workspace. */

typedef struct {
    char          key[128];
    uint32_t      workspace;
    uint32_t      entity;
    uint32_t      count;
    uint32_t      period;    /* as the first record says */
    uint32_t      min;       /* versions that a reply may have */
    uint32_t      max;
    load_state_e  state;
} load_target_t;


/* The newest version that a worker has shown of each target. */

typedef struct {
    long      pid;
    uint32_t  seen[LOAD_TARGETS];
} load_worker_t;


typedef struct {
    int            status;
    int            close;
    size_t         length;   /* of the body */
    long           worker;
    int            tagged;
    char           etag[LOAD_ETAG + 1];
    const u_char  *body;
} load_reply_t;


/* All are numbers of replies or of connections. */

typedef struct {
    uint64_t  replies;       /* of any kind */
    uint64_t  checked;       /* right in every respect */
    uint64_t  records;       /* of these: 200 */
    uint64_t  unchanged;     /* 304 */
    uint64_t  missing;       /* 404 */
    uint64_t  denied;        /* 401 */
    uint64_t  connections;
    uint64_t  retried;       /* closed when idle, as the request came */
    uint64_t  lost;          /* ended in flight without a byte */
    uint64_t  cut;           /* ended within the reply */
    uint64_t  refused;
    uint64_t  busy;          /* the queue of connections was full */
    uint64_t  stalled;       /* no reply in LOAD_PATIENCE seconds */
    uint64_t  failed;        /* 5xx */
    uint64_t  rejected;      /* 401, with a key that is valid */
    uint64_t  unexpected;    /* any other status */
    uint64_t  wrong;         /* body, ETag or Content-Length */
    uint64_t  flipped;       /* the right body with a bit or two changed */
    uint64_t  foreign;       /* of another workspace or entity */
    uint64_t  misplaced;     /* of another id */
    uint64_t  backwards;     /* older than this worker has shown before */
    uint64_t  late;          /* older than it may be */
    uint64_t  early;         /* newer than it may be */
} load_counts_t;


/* A question, with what was known when it was asked. */

typedef struct {
    load_kind_e    kind;
    uint32_t       target;
    uint32_t       id;
    uint32_t       min;
    uint32_t       floor;    /* what its worker has shown */
    load_state_e   state;
    char           etag[LOAD_ETAG + 1];
} load_question_t;


static load_counts_t   load_counts;
static load_target_t   load_targets[LOAD_TARGETS];
static load_worker_t   load_workers[LOAD_WORKERS];
static unsigned        load_nworkers;
static char            load_first[LOAD_TEXT];    /* of what was not right */
static char            load_worst[LOAD_TEXT];    /* of wrong bodies */


static void load_wrong(uint64_t *count, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


/* Counts, and remembers what was the first. */

static void
load_wrong(uint64_t *count, const char *fmt, ...)
{
    char     *text, *p;
    va_list   args;

    (*count)++;

    text = (count == &load_counts.wrong || count == &load_counts.foreign)
           ? load_worst : load_first;

    if (text[0] != '\0') {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(text, LOAD_TEXT, fmt, args);
    va_end(args);

    /* it becomes a JSON string */

    for (p = text; *p != '\0'; p++) {
        if (*p == '"') {
            *p = '\'';

        } else if (*p < 0x20 || *p > 0x7e || *p == '\\') {
            *p = '?';
        }
    }
}


static inline load_worker_t *
load_worker(long pid)
{
    unsigned  i;

    for (i = 0; i < load_nworkers && i < LOAD_WORKERS; i++) {
        if (load_workers[i].pid == pid) {
            return &load_workers[i];
        }
    }

    /* the oldest is long gone */

    i = load_nworkers++ % LOAD_WORKERS;

    memset(&load_workers[i], 0, sizeof(load_worker_t));
    load_workers[i].pid = pid;

    return &load_workers[i];
}


/*
 * 1: a whole reply is there, of *size bytes; 0: not yet; -1: it is none.
 * The buffer ends with a zero byte.
 */

static inline int
load_reply(const u_char *buf, size_t len, load_reply_t *reply, size_t *size)
{
    size_t       n;
    const char  *line, *end, *value;

    end = strstr((const char *) buf, "\r\n\r\n");

    if (end == NULL) {
        return (len < LOAD_BUFFER / 2) ? 0 : -1;
    }

    memset(reply, 0, sizeof(load_reply_t));

    line = (const char *) buf;

    if (sscanf(line, "HTTP/1.1 %3d ", &reply->status) != 1) {
        return -1;
    }

    reply->length = (reply->status == 304) ? 0 : (size_t) -1;

    while ((line = strstr(line, "\r\n")) != NULL && line < end) {
        line += 2;

#define load_header(name)                                                     \
    (strncasecmp(line, name ": ", sizeof(name ": ") - 1) == 0                 \
     && (value = line + sizeof(name ": ") - 1) != NULL)

        if (load_header("Content-Length")) {
            reply->length = strtoul(value, NULL, 10);

        } else if (load_header("Connection")) {
            reply->close = (strncasecmp(value, "close", 5) == 0);

        } else if (load_header("X-Worker")) {
            reply->worker = strtol(value, NULL, 10);

        } else if (load_header("ETag")) {
            n = strcspn(value, "\r");
            reply->tagged = 1;

            if (n == LOAD_ETAG) {
                memcpy(reply->etag, value, n);
                reply->etag[n] = '\0';
            }
        }
    }

    if (reply->length > LOAD_BUFFER / 2) {
        return -1;
    }

    reply->body = (const u_char *) end + 4;
    *size = (size_t) (end + 4 - (const char *) buf) + reply->length;

    return len >= *size;
}


/* The quoted hexadecimal digits of a body's hash. */

static inline void
load_etag(const u_char *body, size_t len, char *etag)
{
    int     i;
    u_char  hash[RECORD_DIGEST];

    record_hash(body, len, hash);

    etag[0] = '"';

    for (i = 0; i < 16; i++) {
        etag[1 + 2 * i] = "0123456789abcdef"[hash[i] >> 4];
        etag[2 + 2 * i] = "0123456789abcdef"[hash[i] & 15];
    }

    etag[33] = '"';
    etag[34] = '\0';
}


/* How many characters differ; of the first, if it is longer. */

static inline size_t
load_differ(const char *one, const char *two)
{
    size_t  n;

    for (n = 0; *one != '\0'; one++) {
        n += (*one != *two);
        two += (*two != '\0');
    }

    return n;
}


/*
 * A body that is not what it should be: a bit of one's own that has changed,
 * or something of somebody else's?
 */

static inline void
load_strange(const load_question_t *question, const load_reply_t *reply)
{
    char                  row[RECORD_MAX];
    size_t                i, len, differ;
    record_t              record;
    const char           *p;
    const load_target_t  *target;

    target = &load_targets[question->target];

    memset(&record, 0, sizeof(record_t));
    record.id = question->id;
    record.workspace = target->workspace;
    record.entity = target->entity;
    record.count = target->count;
    record.period = (target->period != 0) ? target->period : 1;
    record.counter = record_counter(target->max, record.id, record.period);

    len = record_row(row, &record);
    differ = (len + 9 == reply->length) ? 0 : reply->length;

    for (i = 0; i < len && len + 9 == reply->length; i++) {
        differ += (row[i] != reply->body[8 + i]);
    }

    if (differ <= 2) {
        load_counts.flipped++;
        return;
    }

    for (p = strstr((const char *) reply->body, "\"w\":");
         p != NULL && p < (const char *) reply->body + reply->length;
         p = strstr(p + 1, "\"w\":"))
    {
        if (strtoul(p + 4, NULL, 10) != target->workspace) {
            load_wrong(&load_counts.foreign, "asked workspace %u for %u: "
                       "%.*s", (unsigned) target->workspace,
                       (unsigned) question->id, (int) reply->length,
                       reply->body);
            return;
        }
    }

    load_wrong(&load_counts.wrong, "asked workspace %u for %u: not a record: "
               "%.*s", (unsigned) target->workspace, (unsigned) question->id,
               (int) reply->length, reply->body);
}


static inline void
load_judge_record(const load_question_t *question,
    const load_reply_t *reply, load_worker_t *worker)
{
    char             etag[LOAD_ETAG + 1];
    uint32_t         floor;
    record_t         record;
    load_target_t   *target;
    profile_bytes_t  body;

    target = &load_targets[question->target];
    body.data = (u_char *) reply->body;
    body.len = reply->length;

    if (record_read(&body, &record) != 0) {
        load_strange(question, reply);
        return;
    }

    if (record.id != question->id
        || record.workspace != target->workspace
        || record.entity != target->entity)
    {
        load_wrong((record.workspace == target->workspace
                    && record.entity == target->entity)
                   ? &load_counts.misplaced : &load_counts.foreign,
                   "asked workspace %u for %u of %u, got %.*s",
                   (unsigned) target->workspace, (unsigned) question->id,
                   (unsigned) target->entity, (int) body.len, body.data);
        return;
    }

    target->period = record.period;
    load_etag(body.data, body.len, etag);

    if (strcmp(etag, reply->etag) != 0) {

        if (load_differ(etag, reply->etag) == 1) {
            load_counts.flipped++;
            return;
        }

        load_wrong(&load_counts.wrong, "ETag %s of %.*s", reply->etag,
                   (int) body.len, body.data);
        return;
    }

    if (question->state == LOAD_CLOSED && target->state == LOAD_CLOSED) {
        load_wrong(&load_counts.late, "a record with a key that is no more");
        return;
    }

    floor = record_counter(question->floor, record.id, record.period);

    if (question->floor != 0 && record.counter < floor) {
        load_wrong(&load_counts.backwards, "worker %ld went back from "
                   "version %u to %.*s", reply->worker,
                   (unsigned) question->floor, (int) body.len, body.data);
        return;
    }

    if (question->min != 0
        && record.counter
           < record_counter(question->min, record.id, record.period))
    {
        load_wrong(&load_counts.late, "worker %ld, version %u is over: %.*s",
                   reply->worker, (unsigned) question->min, (int) body.len,
                   body.data);
        return;
    }

    if (record.counter > target->max) {
        load_wrong(&load_counts.early, "version %u has not begun: %.*s",
                   (unsigned) target->max, (int) body.len, body.data);
        return;
    }

    if (worker != NULL && record.counter > worker->seen[question->target]) {
        worker->seen[question->target] = record.counter;
    }

    load_counts.checked++;
    load_counts.records++;
}


static inline void
load_judge_error(const load_question_t *question,
    const load_reply_t *reply)
{
    uint64_t    *count;
    const char  *code;

    code = "";
    count = NULL;

    if (reply->status == 404 && question->kind == LOAD_MISSING) {
        code = "\"code\":\"record_not_found\"";
        count = &load_counts.missing;

    } else if (reply->status == 401
               && (question->kind == LOAD_DENIED
                   || question->state != LOAD_OPEN
                   || load_targets[question->target].state != LOAD_OPEN))
    {
        code = "\"code\":\"invalid_key\"";
        count = &load_counts.denied;
    }

    if (count == NULL) {
        load_wrong(reply->status >= 500 ? &load_counts.failed
                   : reply->status == 401 ? &load_counts.rejected
                   : &load_counts.unexpected,
                   "asked workspace %u for %u: %d %.*s",
                   (unsigned) load_targets[question->target].workspace,
                   (unsigned) question->id, reply->status,
                   (int) reply->length, reply->body);
        return;
    }

    if (strstr((const char *) reply->body, code) == NULL) {
        load_wrong(&load_counts.unexpected, "%d, but not %s: %.*s",
                   reply->status, code, (int) reply->length, reply->body);
        return;
    }

    if (reply->tagged) {
        load_wrong(&load_counts.wrong, "%d with ETag \"%s\": %.*s",
                   reply->status, reply->etag, (int) reply->length,
                   reply->body);
        return;
    }

    load_counts.checked++;
    (*count)++;
}


/* The worker may be unknown: NULL. */

static inline void
load_judge(const load_question_t *question, const load_reply_t *reply,
    load_worker_t *worker)
{
    load_counts.replies++;

    if (reply->status == 200
        && (question->kind == LOAD_RECORD || question->kind == LOAD_AGAIN))
    {
        load_judge_record(question, reply, worker);
        return;
    }

    if (reply->status == 304 && question->kind == LOAD_AGAIN) {

        if (strcmp(reply->etag, question->etag) != 0) {
            load_wrong(&load_counts.wrong, "304 with ETag %s, asked for %s",
                       reply->etag, question->etag);

        } else if (question->state == LOAD_CLOSED
                   && load_targets[question->target].state == LOAD_CLOSED)
        {
            load_wrong(&load_counts.late, "304 with a key that is no more");

        } else {
            load_counts.checked++;
            load_counts.unchanged++;
        }

        return;
    }

    load_judge_error(question, reply);
}


#endif /* _PROFILE_FAULT_LOAD_H_INCLUDED_ */
