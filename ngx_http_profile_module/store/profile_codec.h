
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The bytes of the store's keys and values.  This is the only place that
 * knows them; docs/store-format.md has the same as tables.
 *
 * All integers are big-endian, so that keys sort by number.  Values are
 * read byte by byte: LMDB aligns them anyhow.  A decoder refuses whatever
 * is not exactly one value of its kind, and what it returns points into the
 * value it was given.
 *
 * LMDB 0.9 has no checksums.  So each value has one, at the end of its fixed
 * fields: one bit that flips on a disk must not give a key to another
 * workspace.  A document's covers these fields alone, its hash the body.
 */


#ifndef _PROFILE_CODEC_H_INCLUDED_
#define _PROFILE_CODEC_H_INCLUDED_


#include "profile_store.h"


/* The first byte of a key, and of its value. */

typedef enum {
    PROFILE_TAG_META = 0x01,
    PROFILE_TAG_KEY = 0x02,
    PROFILE_TAG_WORKSPACE = 0x03,
    PROFILE_TAG_LIST = 0x04,
    PROFILE_TAG_ENTITY = 0x05,
    PROFILE_TAG_ORPHAN = 0x06,
    PROFILE_TAG_CURSOR = 0x07,

    /* 0x08 to 0x0f: per-key columns; 0x10 to 0x1f: secondary keys */

    /* the last, so that a new incarnation is appended to the whole tree */
    PROFILE_TAG_RECORD = 0x20
} profile_tag_e;


#define PROFILE_MAGIC           "profile"    /* with its final zero byte */
#define PROFILE_MAGIC_SIZE      8
#define PROFILE_FORMAT_VERSION  1

#define PROFILE_META_KEY_SIZE       1
#define PROFILE_KEY_KEY_SIZE        (1 + PROFILE_DIGEST_SIZE)
#define PROFILE_WORKSPACE_KEY_SIZE  (1 + 4)
#define PROFILE_LIST_KEY_SIZE       (1 + 4)
#define PROFILE_ENTITY_KEY_SIZE     (1 + 4 + 4)
#define PROFILE_ORPHAN_KEY_SIZE     (1 + 4)
#define PROFILE_CURSOR_KEY_SIZE     (1 + 4 + 4)
#define PROFILE_RECORD_PREFIX_SIZE  (1 + 4)

#define PROFILE_KEY_MAX             (PROFILE_RECORD_PREFIX_SIZE               \
                                     + PROFILE_RECORD_ID_MAX)

#define PROFILE_META_SIZE           40
#define PROFILE_KEY_SIZE            24       /* then the name */
#define PROFILE_WORKSPACE_SIZE      16       /* then the name */
#define PROFILE_ENTITY_SIZE         64       /* then name and primary key */
#define PROFILE_ORPHAN_SIZE         20
#define PROFILE_CURSOR_SIZE         24       /* then column and value */
#define PROFILE_DOCUMENT_SIZE       40       /* then the body */


/* Bytes that belong to somebody else, not terminated. */

typedef struct {
    size_t         len;
    const u_char  *data;
} profile_bytes_t;


/* The order of LMDB, and so of records: bytes first, then the shorter. */

int profile_bytes_compare(const profile_bytes_t *one,
    const profile_bytes_t *two);


typedef struct {
    uint32_t  version;
    uint32_t  complete;           /* 0 while a generation is being made */
    uint32_t  next_incarnation;
    uint64_t  created;            /* seconds since 1970, as all times here */
} profile_meta_t;


typedef struct {
    uint32_t         workspace;
    uint64_t         expires;     /* 0: never */
    profile_bytes_t  name;
} profile_key_t;


typedef struct {
    uint32_t         id;
    profile_bytes_t  name;
} profile_workspace_t;


/* An entity whose incarnation is 0 has not been loaded yet. */

typedef struct {
    uint32_t         workspace;
    uint32_t         id;
    uint32_t         library;
    uint32_t         incarnation;
    uint64_t         records;
    uint64_t         bytes;       /* of all bodies */
    uint64_t         changed;     /* when the content last changed */
    uint64_t         refreshed;   /* the refresh that wrote this value */
    profile_bytes_t  name;
    profile_bytes_t  primary_key;
} profile_entity_t;


/* Records that no entity points to any more, or not yet. */

typedef struct {
    uint32_t  incarnation;
    uint32_t  workspace;
    uint32_t  entity;
} profile_orphan_t;


/* How far an entity's incremental refreshes have come. */

typedef struct {
    uint32_t         workspace;
    uint32_t         entity;
    profile_bytes_t  column;      /* what the value is of */
    profile_bytes_t  value;
} profile_cursor_t;


/*
 * What the wire needs: a record or, with entity 0, a workspace's entity
 * list.  The hash covers the body and nothing else.
 */

typedef struct {
    uint32_t         workspace;
    uint32_t         entity;
    uint32_t         changed;
    const u_char    *hash;        /* PROFILE_HASH_SIZE bytes */
    profile_bytes_t  body;
} profile_document_t;


/*
 * Keys.  Each writes into a buffer of at least PROFILE_KEY_MAX bytes and
 * returns the length.  The id's length must be checked by the caller.
 */

size_t profile_encode_meta_key(u_char *p);
size_t profile_encode_key_key(u_char *p, const u_char *digest);
size_t profile_encode_workspace_key(u_char *p, uint32_t workspace);
size_t profile_encode_list_key(u_char *p, uint32_t workspace);
size_t profile_encode_entity_key(u_char *p, uint32_t workspace,
    uint32_t entity);
size_t profile_encode_orphan_key(u_char *p, uint32_t incarnation);
size_t profile_encode_cursor_key(u_char *p, uint32_t workspace,
    uint32_t entity);
size_t profile_encode_record_prefix(u_char *p, uint32_t incarnation);
size_t profile_encode_record_key(u_char *p, uint32_t incarnation,
    const u_char *id, size_t len);

/* PROFILE_OK, or PROFILE_DAMAGED for a key of another kind or length. */

int profile_decode_key_key(const u_char *p, size_t len,
    const u_char **digest);
int profile_decode_orphan_key(const u_char *p, size_t len,
    uint32_t *incarnation);
int profile_decode_record_key(const u_char *p, size_t len,
    uint32_t *incarnation, profile_bytes_t *id);

/*
 * Values.  The size functions say how many bytes the encoder will write.
 * Decoders return PROFILE_OK, PROFILE_DAMAGED or, for the meta value only,
 * PROFILE_FOREIGN: another version's, or with version 0 another program's.
 */

size_t profile_key_size(const profile_key_t *key);
size_t profile_workspace_size(const profile_workspace_t *workspace);
size_t profile_entity_size(const profile_entity_t *entity);
size_t profile_cursor_size(const profile_cursor_t *cursor);
size_t profile_document_size(const profile_document_t *document);

void profile_encode_meta(u_char *p, const profile_meta_t *meta);
void profile_encode_key(u_char *p, const u_char *digest,
    const profile_key_t *key);
void profile_encode_workspace(u_char *p,
    const profile_workspace_t *workspace);
void profile_encode_entity(u_char *p, const profile_entity_t *entity);
void profile_encode_orphan(u_char *p, const profile_orphan_t *orphan);
void profile_encode_cursor(u_char *p, const profile_cursor_t *cursor);
void profile_encode_document(u_char *p, int tag,
    const profile_document_t *document);

int profile_decode_meta(const u_char *p, size_t len, profile_meta_t *meta);
int profile_decode_key(const u_char *p, size_t len, const u_char *digest,
    profile_key_t *key);
int profile_decode_workspace(const u_char *p, size_t len,
    profile_workspace_t *workspace);
int profile_decode_entity(const u_char *p, size_t len,
    profile_entity_t *entity);
int profile_decode_orphan(const u_char *p, size_t len,
    profile_orphan_t *orphan);
int profile_decode_cursor(const u_char *p, size_t len,
    profile_cursor_t *cursor);
int profile_decode_document(const u_char *p, size_t len, int tag,
    profile_document_t *document);


#endif /* _PROFILE_CODEC_H_INCLUDED_ */
