
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Commits without a pause: more of them than loaders could make that start
 * for each.
 *
 *     commit STORE WORKSPACE ENTITY VERSION
 *         The entity holds records of record.h, of that version.  Each
 *         transaction makes the next version of it, until a SIGTERM.  Every
 *         so often, and at the end, a line with the version that is there.
 */


#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "profile_writer.h"
#include "record.h"


#define COMMIT_REPORT  200


typedef struct {
    profile_writer_t  *writer;
    profile_entity_t   entity;
    record_t           record;       /* count and period of all */
    uint32_t           version;
} commit_t;


static int commit_find(commit_t *ctx, const char *version,
    profile_error_t *err);
static int commit_next(commit_t *ctx, profile_error_t *err);
static int commit_change(commit_t *ctx, profile_error_t *err);
static int commit_one(commit_t *ctx, uint32_t id, profile_error_t *err);
static size_t commit_body(commit_t *ctx, uint32_t id, uint32_t version,
    char *body);
static void commit_stop(int signo);


static volatile sig_atomic_t  commit_stopped;


int
main(int argc, char **argv)
{
    int              rc;
    commit_t         ctx;
    profile_error_t  err;

    if (argc != 5) {
        (void) fprintf(stderr, "commit: see its source\n");
        return 2;
    }

    memset(&ctx, 0, sizeof(commit_t));
    memset(&err, 0, sizeof(profile_error_t));

    (void) signal(SIGTERM, commit_stop);

    /* a test that is killed does not leave this running */

    (void) prctl(PR_SET_PDEATHSIG, SIGTERM);

    ctx.record.workspace = (uint32_t) strtoul(argv[2], NULL, 10);
    ctx.record.entity = (uint32_t) strtoul(argv[3], NULL, 10);

    rc = profile_writer_open(&ctx.writer, argv[1], NULL, &err);

    if (rc == PROFILE_OK) {
        rc = commit_find(&ctx, argv[4], &err);
    }

    while (rc == PROFILE_OK && !commit_stopped) {
        rc = commit_next(&ctx, &err);

        if (ctx.version % COMMIT_REPORT == 0) {
            (void) printf("%" PRIu32 "\n", ctx.version);
            (void) fflush(stdout);
        }
    }

    if (rc != PROFILE_OK) {
        (void) printf("%d: %s\n", rc, err.text);
        return 1;
    }

    (void) printf("%" PRIu32 "\n", ctx.version);

    profile_writer_close(ctx.writer);

    return 0;
}


/* What all of the entity's records have in common. */

static int
commit_find(commit_t *ctx, const char *version, profile_error_t *err)
{
    int                    rc;
    record_t               first;
    profile_scan_t        *scan;
    profile_bytes_t        id;
    profile_document_t     document;
    const profile_view_t  *view;

    scan = NULL;
    ctx->version = (uint32_t) strtoul(version, NULL, 10);

    rc = profile_writer_begin(ctx->writer, &view, err);

    if (rc == PROFILE_OK) {
        rc = profile_view_entity(view, ctx->record.workspace,
                                 ctx->record.entity, &ctx->entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_scan_open(&scan, view, &ctx->entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_scan_next(scan, &id, &document, err);
    }

    if (rc == PROFILE_OK && record_read(&document.body, &first) == 0) {
        ctx->record = first;

    } else if (rc == PROFILE_OK) {
        rc = PROFILE_DAMAGED;
    }

    profile_scan_close(scan);
    profile_writer_abort(ctx->writer);

    return rc;
}


static int
commit_next(commit_t *ctx, profile_error_t *err)
{
    int                    rc;
    const profile_view_t  *view;

    rc = profile_writer_begin(ctx->writer, &view, err);

    /* its texts are in the snapshot: look it up again each time */

    if (rc == PROFILE_OK) {
        rc = profile_view_entity(view, ctx->record.workspace,
                                 ctx->record.entity, &ctx->entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = commit_change(ctx, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_put_entity(ctx->writer, &ctx->entity, err);
    }

    if (rc == PROFILE_OK) {
        rc = profile_writer_commit(ctx->writer, err);
    }

    if (rc != PROFILE_OK) {
        profile_writer_abort(ctx->writer);
        return rc;
    }

    ctx->version++;

    return PROFILE_OK;
}


static int
commit_change(commit_t *ctx, profile_error_t *err)
{
    int       rc;
    uint32_t  id, old, new, period;

    period = ctx->record.period;
    old = ctx->record.count + ctx->version % RECORD_VARIANTS;
    new = ctx->record.count + (ctx->version + 1) % RECORD_VARIANTS;

    for (id = 0; id < old || id < new; id++) {

        if (id < old
            && id < new
            && record_counter(ctx->version, id, period)
               == record_counter(ctx->version + 1, id, period))
        {
            continue;
        }

        if (id < old) {
            ctx->entity.bytes -= commit_body(ctx, id, ctx->version, NULL);
        }

        rc = commit_one(ctx, id, err);

        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    ctx->entity.records = new;
    ctx->entity.changed = (uint64_t) time(NULL);

    return PROFILE_OK;
}


static int
commit_one(commit_t *ctx, uint32_t id, profile_error_t *err)
{
    char                body[RECORD_MAX + 16], text[16];
    u_char              hash[RECORD_DIGEST];
    profile_bytes_t     key;
    profile_document_t  document;

    key.data = (u_char *) text;
    key.len = (size_t) sprintf(text, "%" PRIu32, id);

    if (id >= ctx->record.count + (ctx->version + 1) % RECORD_VARIANTS) {
        return profile_writer_delete_record(ctx->writer, &ctx->entity, &key,
                                            err);
    }

    document.workspace = ctx->record.workspace;
    document.entity = ctx->record.entity;
    document.changed = (uint32_t) ctx->entity.changed;
    document.hash = hash;
    document.body.data = (u_char *) body;
    document.body.len = commit_body(ctx, id, ctx->version + 1, body);

    record_hash(body, document.body.len, hash);

    ctx->entity.bytes += document.body.len;

    return profile_writer_put_record(ctx->writer, &ctx->entity, &key,
                                     &document, err);
}


/* Its length, and the body itself unless body is NULL. */

static size_t
commit_body(commit_t *ctx, uint32_t id, uint32_t version, char *body)
{
    char      row[RECORD_MAX];
    record_t  record;

    record = ctx->record;
    record.id = id;
    record.counter = record_counter(version, id, record.period);

    (void) record_row(row, &record);

    if (body == NULL) {
        return sizeof("{\"data\":}") - 1 + strlen(row);
    }

    return (size_t) sprintf(body, "{\"data\":%s}", row);
}


static void
commit_stop(int signo)
{
    (void) signo;

    commit_stopped = 1;
}
