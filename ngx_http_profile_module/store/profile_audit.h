
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads every entry of a snapshot in key order, decodes it and compares it
 * with the others: what "check" does, and what a copy does on the way.
 *
 * All but the hashes, which take libcrypto, and whether text is UTF-8: that
 * is for the caller.
 */


#ifndef _PROFILE_AUDIT_H_INCLUDED_
#define _PROFILE_AUDIT_H_INCLUDED_


#include "profile_view.h"


#define PROFILE_AUDIT_TEXT  256


/*
 * One entry, good until the next.  Where damage is not NULL it says what is
 * wrong with it, and the rest may be missing.  Damage that belongs to no
 * single entry, such as a wrong count, comes at the end, without a key.
 */

typedef struct {
    int                 tag;
    uint32_t            workspace;     /* 0 where it has none */
    uint32_t            entity;
    uint32_t            incarnation;   /* of records, entities and orphans */
    uint64_t            ordinal;       /* of its kind, from 1; of a record in
                                          its incarnation */
    int                 orphan;        /* a record that nobody points at */
    profile_bytes_t     key;
    profile_bytes_t     value;
    profile_document_t  document;      /* of records and lists, body.len 0
                                          where it could not be decoded */
    profile_bytes_t     text[2];       /* names, columns and a cursor, which
                                          are UTF-8; len 0: there is none */
    const char         *damage;
} profile_audit_entry_t;


typedef struct {
    uint64_t  entries;
    uint64_t  keys;
    uint64_t  workspaces;
    uint64_t  entities;
    uint64_t  records;
    uint64_t  bytes;       /* of the records' bodies */
    uint64_t  orphans;     /* records that nobody points at */
} profile_audit_counts_t;


typedef struct profile_audit_s  profile_audit_t;


/*
 * The view must be a snapshot, not a transaction that writes.  Where LMDB
 * itself stumbles over a damaged page it ends the process; it is kept from
 * writing to standard error.
 */

int profile_audit_open(profile_audit_t **audit, const profile_view_t *view,
    profile_error_t *err);
void profile_audit_close(profile_audit_t *audit);

/*
 * PROFILE_OK for an entry, damaged or not, PROFILE_NOT_FOUND after the last.
 * Anything else ends it: what follows cannot be read.
 */

int profile_audit_next(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err);

const profile_audit_counts_t *profile_audit_counts(
    const profile_audit_t *audit);

/*
 * Says which entry it is: "record 17 of entity 2 of workspace 1".  Never a
 * record id.  buf has PROFILE_AUDIT_TEXT bytes.
 */

const char *profile_audit_name(const profile_audit_entry_t *entry,
    char *buf);


#endif /* _PROFILE_AUDIT_H_INCLUDED_ */
