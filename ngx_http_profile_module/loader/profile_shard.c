
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * One thread's part of a sort.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile_loader.h"
#include "profile_shard.h"


#define PROFILE_SHARD_START    (1024 * 1024)
#define PROFILE_SHARD_ENTRIES  1024
#define PROFILE_SHARD_BUFFER   (256 * 1024)


static void profile_shard_grow(profile_shard_t *shard, size_t need);
static uint64_t profile_shard_prefix(const u_char *id, size_t len);
static int profile_shard_compare(const void *one, const void *two,
    void *arena);
static profile_run_t *profile_shard_run(profile_shard_t *shard);
static int profile_shard_spill(profile_shard_t *shard, profile_error_t *err);
static int profile_shard_open(profile_shard_t *shard, profile_error_t *err);
static int profile_shard_write(profile_shard_t *shard, const u_char *p,
    size_t len, profile_error_t *err);


profile_shard_t *
profile_shard_create(const char *directory, size_t memory)
{
    profile_shard_t  *shard;

    shard = profile_alloc(sizeof(profile_shard_t));
    memset(shard, 0, sizeof(profile_shard_t));

    shard->directory = directory;
    shard->memory = memory;
    shard->fd = -1;

    return shard;
}


void
profile_shard_free(profile_shard_t *shard)
{
    if (shard->fd != -1) {
        (void) close(shard->fd);
    }

    free(shard->runs);
    free(shard->arena);
    free(shard->entries);
    free(shard);
}


int
profile_shard_add(profile_shard_t *shard, const profile_sorted_t *row,
    profile_error_t *err)
{
    int                   rc;
    size_t                need;
    profile_run_entry_t  *entry;

    need = profile_run_need(row);

    if (shard->nentries != 0
        && shard->len + need
           + (shard->nentries + 1) * sizeof(profile_run_entry_t)
           > shard->memory)
    {
        rc = profile_shard_spill(shard, err);
        if (rc != PROFILE_OK) {
            return rc;
        }
    }

    profile_shard_grow(shard, need);

    entry = &shard->entries[shard->nentries++];
    entry->prefix = profile_shard_prefix(row->id.data, row->id.len);
    entry->offset = shard->len;

    profile_run_put(shard->arena + shard->len, row);

    shard->len += need;
    shard->bytes += row->body.len;
    shard->rows++;

    return PROFILE_OK;
}


void
profile_shard_finish(profile_shard_t *shard)
{
    if (!shard->sorted && shard->nentries != 0) {
        qsort_r(shard->entries, shard->nentries, sizeof(profile_run_entry_t),
                profile_shard_compare, shard->arena);
    }

    shard->sorted = 1;
}


int
profile_shard_close(profile_shard_t *shard, profile_error_t *err)
{
    int             rc;
    profile_run_t  *run;

    if (shard->nentries == 0) {
        return PROFILE_OK;
    }

    if (shard->nruns == 0) {
        profile_shard_finish(shard);

        run = profile_shard_run(shard);
        run->arena = shard->arena;
        run->entries = shard->entries;
        run->nentries = shard->nentries;

        return PROFILE_OK;
    }

    rc = profile_shard_spill(shard, err);

    /* the memory is needed for the runs' buffers */

    free(shard->arena);
    free(shard->entries);
    shard->arena = NULL;
    shard->entries = NULL;

    return rc;
}


static void
profile_shard_grow(profile_shard_t *shard, size_t need)
{
    while (shard->size - shard->len < need) {
        shard->size = (shard->size == 0) ? PROFILE_SHARD_START
                                         : shard->size * 2;
        shard->arena = profile_realloc(shard->arena, shard->size);
    }

    if (shard->nentries == shard->max_entries) {
        shard->max_entries = (shard->max_entries == 0)
                             ? PROFILE_SHARD_ENTRIES
                             : shard->max_entries * 2;
        shard->entries = profile_realloc(shard->entries,
                                         shard->max_entries
                                         * sizeof(profile_run_entry_t));
    }
}


static uint64_t
profile_shard_prefix(const u_char *id, size_t len)
{
    size_t    i;
    uint64_t  prefix;

    prefix = 0;

    for (i = 0; i < sizeof(uint64_t); i++) {
        prefix = prefix << 8 | ((i < len) ? id[i] : 0);
    }

    return prefix;
}


static int
profile_shard_compare(const void *one, const void *two, void *arena)
{
    int                         rc;
    const u_char               *base;
    const profile_run_entry_t  *a, *b;

    a = one;
    b = two;
    base = arena;

    if (a->prefix != b->prefix) {
        return (a->prefix > b->prefix) ? 1 : -1;
    }

    rc = profile_run_compare(base + a->offset, base + b->offset);

    if (rc != 0) {
        return rc;
    }

    return (a->offset > b->offset) - (a->offset < b->offset);
}


static profile_run_t *
profile_shard_run(profile_shard_t *shard)
{
    profile_run_t  *run;

    shard->runs = profile_realloc(shard->runs, (shard->nruns + 1)
                                               * sizeof(profile_run_t));

    run = &shard->runs[shard->nruns++];
    memset(run, 0, sizeof(profile_run_t));

    run->directory = shard->directory;
    run->fd = shard->fd;
    run->start = shard->written;
    run->end = shard->written;

    return run;
}


/* Writes all that is in memory as one run, in order. */

static int
profile_shard_spill(profile_shard_t *shard, profile_error_t *err)
{
    int             rc;
    size_t          i, n, len;
    u_char         *buf, *p;
    profile_run_t  *run;

    rc = profile_shard_open(shard, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    profile_shard_finish(shard);

    run = profile_shard_run(shard);
    buf = profile_alloc(PROFILE_SHARD_BUFFER);
    len = 0;

    for (i = 0; i < shard->nentries && rc == PROFILE_OK; i++) {

        p = shard->arena + shard->entries[i].offset;
        n = profile_run_size(p);

        if (n > PROFILE_SHARD_BUFFER - len) {
            rc = profile_shard_write(shard, buf, len, err);
            len = 0;
        }

        if (rc != PROFILE_OK) {
            break;
        }

        if (n > PROFILE_SHARD_BUFFER) {
            rc = profile_shard_write(shard, p, n, err);
            continue;
        }

        memcpy(buf + len, p, n);
        len += n;
    }

    if (rc == PROFILE_OK) {
        rc = profile_shard_write(shard, buf, len, err);
    }

    free(buf);

    run->end = shard->written;
    shard->nentries = 0;
    shard->len = 0;
    shard->sorted = 0;

    return rc;
}


static int
profile_shard_open(profile_shard_t *shard, profile_error_t *err)
{
    char  path[4096];

    if (shard->fd != -1) {
        return PROFILE_OK;
    }

    shard->fd = open(shard->directory, O_TMPFILE|O_RDWR|O_CLOEXEC, 0600);

    if (shard->fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR)) {

        (void) snprintf(path, sizeof(path), "%s/.sort-XXXXXX",
                        shard->directory);

        shard->fd = mkostemp(path, O_CLOEXEC);

        if (shard->fd != -1) {
            (void) unlink(path);
        }
    }

    if (shard->fd == -1) {
        return profile_error_errno(err, errno,
                                   "cannot make a temporary file in %s",
                                   shard->directory);
    }

    return PROFILE_OK;
}


static int
profile_shard_write(profile_shard_t *shard, const u_char *p, size_t len,
    profile_error_t *err)
{
    ssize_t  n;

    while (len != 0) {

        n = write(shard->fd, p, len);

        if (n == -1) {

            if (errno == EINTR) {
                continue;
            }

            return profile_error_errno(err, errno,
                                       "cannot write a temporary file in %s",
                                       shard->directory);
        }

        p += n;
        len -= (size_t) n;
        shard->written += n;
    }

    return PROFILE_OK;
}
