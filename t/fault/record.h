
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Records that prove themselves.  Each carries its key, its workspace and
 * entity, a counter and a checksum over all of that, and what one snapshot
 * of an entity may hold follows from the counter alone:
 *
 *   - the source's version G has COUNT + G % 50 rows, with the ids 0, 1, ...
 *   - row i has the counter G - (G - i) % PERIOD: with PERIOD 1 every row
 *     changes in each version, with 10 one in ten does.
 *
 * So whoever reads a snapshot can tell a mixture of two versions.
 */


#ifndef _PROFILE_FAULT_RECORD_H_INCLUDED_
#define _PROFILE_FAULT_RECORD_H_INCLUDED_


#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_reader.h"


#define RECORD_VARIANTS  50
#define RECORD_MAX       512
#define RECORD_ENTITIES  8       /* at most */
#define RECORD_DIGEST    EVP_MAX_MD_SIZE


/* What a body says. */

typedef struct {
    uint32_t  id;
    uint32_t  workspace;
    uint32_t  entity;
    uint32_t  counter;
    uint32_t  count;
    uint32_t  period;
} record_t;


/* What a snapshot of an entity shows; counter 0: not loaded. */

typedef struct {
    uint32_t  counter;
    uint64_t  records;
} record_state_t;


static inline uint32_t
record_checksum(const u_char *p, size_t len)
{
    int       bit;
    size_t    i;
    uint32_t  crc;

    static uint32_t  table[256];

    if (table[1] == 0) {
        for (i = 0; i < 256; i++) {
            crc = (uint32_t) i;

            for (bit = 0; bit < 8; bit++) {
                crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320U : 0);
            }

            table[i] = crc;
        }
    }

    crc = 0xffffffffU;

    while (len--) {
        crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
    }

    return crc ^ 0xffffffffU;
}


/* SHA-256, of which a store keeps the first half. */

static inline void
record_hash(const void *body, size_t len, u_char *hash)
{
    static EVP_MD      *md;
    static EVP_MD_CTX  *ctx;

    if (md == NULL) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
        ctx = EVP_MD_CTX_new();
    }

    if (md == NULL
        || ctx == NULL
        || !EVP_DigestInit_ex2(ctx, md, NULL)
        || !EVP_DigestUpdate(ctx, body, len)
        || !EVP_DigestFinal_ex(ctx, hash, NULL))
    {
        (void) fprintf(stderr, "no SHA-256\n");
        exit(2);
    }
}


static inline uint32_t
record_counter(uint32_t version, uint32_t id, uint32_t period)
{
    uint32_t  behind;

    behind = (version % period + period - id % period) % period;

    return version - behind;
}


/* A row without the line's end; returns its length. */

static inline size_t
record_row(char *row, const record_t *record)
{
    size_t    len;
    unsigned  filler;

    filler = (record->id * 7 + record->counter) % 97;

    len = (size_t) sprintf(row, "{\"id\":\"%" PRIu32 "\",\"alt\":\"%" PRIu32
                           "\",\"w\":%" PRIu32 ",\"e\":%" PRIu32
                           ",\"g\":%" PRIu32 ",\"n\":%" PRIu32
                           ",\"p\":%" PRIu32 ",\"f\":\"%.*s\"",
                           record->id, record->id, record->workspace,
                           record->entity, record->counter, record->count,
                           record->period, (int) filler,
                           "................................................."
                           "................................................"
                           );

    return len + (size_t) sprintf(row + len, ",\"c\":\"%08" PRIx32 "\"}",
                                  record_checksum((u_char *) row, len));
}


/* 0, or -1 for a body that is not exactly what record_row() made. */

static inline int
record_read(const profile_bytes_t *body, record_t *record)
{
    char      buf[RECORD_MAX], row[RECORD_MAX];
    size_t    len;
    uint32_t  alt;

    if (body->len >= RECORD_MAX) {
        return -1;
    }

    memcpy(buf, body->data, body->len);
    buf[body->len] = '\0';

    if (sscanf(buf, "{\"data\":{\"id\":\"%" SCNu32 "\",\"alt\":\"%" SCNu32
               "\",\"w\":%" SCNu32 ",\"e\":%" SCNu32 ",\"g\":%" SCNu32
               ",\"n\":%" SCNu32 ",\"p\":%" SCNu32, &record->id, &alt,
               &record->workspace, &record->entity, &record->counter,
               &record->count, &record->period)
        != 7)
    {
        return -1;
    }

    len = record_row(row, record);

    return (body->len == len + 9
            && memcmp(buf + 8, row, len) == 0
            && buf[len + 8] == '}') ? 0 : -1;
}


/*
 * Reads all of an entity in one snapshot.  0, or -1 with a sentence about
 * what is wrong with it.
 */

static inline int
record_entity(const profile_view_t *view, const profile_entity_t *entity,
    record_state_t *state, char *text, size_t size)
{
    int                  rc;
    char                 key[16];
    uint32_t             i, *seen, last;
    uint64_t             bytes;
    record_t             one, first;
    profile_scan_t      *scan;
    profile_bytes_t      id;
    profile_error_t      err;
    profile_document_t   document;

    memset(state, 0, sizeof(record_state_t));

    if (entity->incarnation == 0) {
        return 0;
    }

    scan = NULL;
    bytes = 0;
    last = 0;
    memset(&first, 0, sizeof(record_t));

    if (entity->records > 1000000) {
        (void) snprintf(text, size, "entity %u counts %llu records",
                        (unsigned) entity->id,
                        (unsigned long long) entity->records);
        return -1;
    }

    seen = calloc((size_t) entity->records + 1, sizeof(uint32_t));

    rc = (seen != NULL) ? profile_scan_open(&scan, view, entity, &err) : -1;

    while (rc == PROFILE_OK) {

        rc = profile_scan_next(scan, &id, &document, &err);

        if (rc != PROFILE_OK) {
            break;
        }

        if (record_read(&document.body, &one) != 0) {
            (void) snprintf(text, size, "entity %u: a torn record: %.*s",
                            (unsigned) entity->id,
                            (int) document.body.len, document.body.data);
            goto wrong;
        }

        (void) snprintf(key, sizeof(key), "%" PRIu32, one.id);

        if (one.workspace != entity->workspace
            || one.entity != entity->id
            || strlen(key) != id.len
            || memcmp(key, id.data, id.len) != 0)
        {
            (void) snprintf(text, size, "entity %u: \"%.*s\" holds another "
                            "record: %.*s", (unsigned) entity->id,
                            (int) id.len, id.data, (int) document.body.len,
                            document.body.data);
            goto wrong;
        }

        if (state->records == 0) {
            first = one;
        }

        if (one.count != first.count || one.period != first.period
            || one.id >= entity->records || seen[one.id] != 0)
        {
            (void) snprintf(text, size, "entity %u: record %" PRIu32 " of "
                            "%llu is out of place", (unsigned) entity->id,
                            one.id, (unsigned long long) entity->records);
            goto wrong;
        }

        seen[one.id] = one.counter;
        bytes += document.body.len;
        state->records++;

        if (one.counter > last) {
            last = one.counter;
        }
    }

    if (rc != PROFILE_NOT_FOUND) {
        (void) snprintf(text, size, "entity %u: %s", (unsigned) entity->id,
                        (seen != NULL) ? err.text : "no memory");
        goto wrong;
    }

    profile_scan_close(scan);
    scan = NULL;

    if (state->records != first.count + last % RECORD_VARIANTS
        || state->records != entity->records
        || bytes != entity->bytes)
    {
        (void) snprintf(text, size, "entity %u: version %" PRIu32 " has %llu "
                        "records and %llu bytes, it says %llu and %llu",
                        (unsigned) entity->id, last,
                        (unsigned long long) state->records,
                        (unsigned long long) bytes,
                        (unsigned long long) entity->records,
                        (unsigned long long) entity->bytes);
        goto wrong;
    }

    for (i = 0; i < state->records; i++) {
        if (seen[i] != record_counter(last, i, first.period)) {
            (void) snprintf(text, size, "entity %u: a mixture: record %"
                            PRIu32 " of version %" PRIu32 " is %" PRIu32,
                            (unsigned) entity->id, i, last, seen[i]);
            goto wrong;
        }
    }

    free(seen);
    state->counter = last;

    return 0;

wrong:

    profile_scan_close(scan);
    free(seen);

    return -1;
}


/* One record by its id, as a request would. */

static inline int
record_lookup(const profile_view_t *view, const profile_entity_t *entity,
    const record_state_t *state, char *text, size_t size)
{
    int                  rc;
    char                 id[16];
    record_t             record;
    profile_error_t      err;
    profile_document_t   document;

    if (state->records == 0) {
        return 0;
    }

    (void) snprintf(id, sizeof(id), "%u",
                    (unsigned) ((unsigned long) rand() % state->records));

    rc = profile_view_record(view, entity, (u_char *) id, strlen(id),
                             &document, &err);

    if (rc == PROFILE_OK
        && record_read(&document.body, &record) == 0
        && record.id == strtoul(id, NULL, 10)
        && record.workspace == entity->workspace
        && record.entity == entity->id)
    {
        return 0;
    }

    (void) snprintf(text, size, "entity %u: a lookup of \"%s\": %s",
                    (unsigned) entity->id, id,
                    (rc == PROFILE_OK) ? "another record"
                    : (rc == PROFILE_NOT_FOUND) ? "not found" : err.text);

    return -1;
}


/*
 * Reads all entities of workspace 1 in one snapshot.  How many there are, or
 * -1 and a sentence.
 */

static inline int
record_snapshot(profile_reader_t *reader, record_state_t *states,
    char *text, size_t size)
{
    int                    n, rc;
    profile_walk_t         walk;
    profile_error_t        err;
    profile_entity_t       entity;
    const profile_view_t  *view;

    rc = profile_reader_begin(reader, &view, &err);

    if (rc != PROFILE_OK) {
        (void) snprintf(text, size, "begin: %s", err.text);
        return -1;
    }

    profile_walk_entities(&walk, 1);

    for (n = 0; n < RECORD_ENTITIES; n++) {

        rc = profile_view_next_entity(view, &walk, &entity, &err);

        if (rc != PROFILE_OK) {
            break;
        }

        rc = record_entity(view, &entity, &states[n], text, size);

        if (rc != 0
            || record_lookup(view, &entity, &states[n], text, size) != 0)
        {
            profile_reader_end(reader);
            return -1;
        }
    }

    profile_reader_end(reader);

    if (rc != PROFILE_NOT_FOUND) {
        (void) snprintf(text, size, "the entities: %s", err.text);
        return -1;
    }

    return n;
}


#endif /* _PROFILE_FAULT_RECORD_H_INCLUDED_ */
