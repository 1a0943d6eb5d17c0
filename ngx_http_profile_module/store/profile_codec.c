
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Encodes and decodes the store's keys and values.
 */


#include <string.h>

#include "profile_codec.h"


/*
 * Offsets in the values.  Byte 0 is the tag, byte 1 is flags; flags that a
 * reader does not know make the value unreadable, so that a later version
 * can change the meaning of a value and be refused, not misread.
 */

#define PROFILE_META_VERSION         8
#define PROFILE_META_COMPLETE        12
#define PROFILE_META_CREATED         16
#define PROFILE_META_NEXT            24
#define PROFILE_META_SUM             32

#define PROFILE_KEY_NAME_LEN         2
#define PROFILE_KEY_WORKSPACE        4
#define PROFILE_KEY_EXPIRES          8
#define PROFILE_KEY_SUM              16

#define PROFILE_WORKSPACE_NAME_LEN   2
#define PROFILE_WORKSPACE_ID         4
#define PROFILE_WORKSPACE_SUM        8

#define PROFILE_ENTITY_NAME_LEN      2
#define PROFILE_ENTITY_WORKSPACE     4
#define PROFILE_ENTITY_ID            8
#define PROFILE_ENTITY_LIBRARY       12
#define PROFILE_ENTITY_INCARNATION   16
#define PROFILE_ENTITY_PKEY_LEN      20
#define PROFILE_ENTITY_RECORDS       24
#define PROFILE_ENTITY_BYTES         32
#define PROFILE_ENTITY_CHANGED       40
#define PROFILE_ENTITY_REFRESHED     48
#define PROFILE_ENTITY_SUM           56

#define PROFILE_ORPHAN_WORKSPACE     4
#define PROFILE_ORPHAN_ENTITY        8
#define PROFILE_ORPHAN_SUM           12

#define PROFILE_CURSOR_COLUMN_LEN    2
#define PROFILE_CURSOR_WORKSPACE     4
#define PROFILE_CURSOR_ENTITY        8
#define PROFILE_CURSOR_VALUE_LEN     12
#define PROFILE_CURSOR_SUM           16

#define PROFILE_DOCUMENT_OFFSET      2
#define PROFILE_DOCUMENT_WORKSPACE   4
#define PROFILE_DOCUMENT_ENTITY      8
#define PROFILE_DOCUMENT_CHANGED     12
#define PROFILE_DOCUMENT_HASH        16
#define PROFILE_DOCUMENT_LENGTH      32
#define PROFILE_DOCUMENT_SUM         36


/* Odd, with its bits spread evenly: the golden ratio in 64 bits. */

#define PROFILE_SUM_FACTOR           0x9e3779b97f4a7c15


/* The layout is a promise to files that exist: it may not move by itself. */

_Static_assert(sizeof(PROFILE_MAGIC) == PROFILE_MAGIC_SIZE,
               "the magic fills its field");
_Static_assert(PROFILE_META_SUM + 8 == PROFILE_META_SIZE,
               "the meta value ends after its last field");
_Static_assert(PROFILE_KEY_SUM + 8 == PROFILE_KEY_SIZE,
               "a key's name follows its last field");
_Static_assert(PROFILE_WORKSPACE_SUM + 8 == PROFILE_WORKSPACE_SIZE,
               "a workspace's name follows its last field");
_Static_assert(PROFILE_ENTITY_SUM + 8 == PROFILE_ENTITY_SIZE,
               "an entity's names follow its last field");
_Static_assert(PROFILE_ORPHAN_SUM + 8 == PROFILE_ORPHAN_SIZE,
               "an orphan ends after its last field");
_Static_assert(PROFILE_CURSOR_SUM + 8 == PROFILE_CURSOR_SIZE,
               "a cursor's column follows its last field");
_Static_assert(PROFILE_DOCUMENT_HASH + PROFILE_HASH_SIZE
               == PROFILE_DOCUMENT_LENGTH,
               "the length follows the hash");
_Static_assert(PROFILE_DOCUMENT_SUM + 4 == PROFILE_DOCUMENT_SIZE,
               "a body follows its header");
_Static_assert(PROFILE_KEY_MAX <= 511,
               "LMDB's default limit of a key");
_Static_assert(PROFILE_NAME_MAX <= UINT16_MAX,
               "the length of a name takes two bytes");
_Static_assert(PROFILE_CURSOR_MAX <= UINT16_MAX,
               "the length of a cursor takes two bytes");


static u_char *profile_put16(u_char *p, uint16_t n);
static u_char *profile_put32(u_char *p, uint32_t n);
static u_char *profile_put64(u_char *p, uint64_t n);
static uint16_t profile_get16(const u_char *p);
static uint32_t profile_get32(const u_char *p);
static uint64_t profile_get64(const u_char *p);
static void profile_put_head(u_char *p, int tag, size_t size);
static int profile_has_head(const u_char *p, size_t len, int tag,
    size_t size);
static void profile_put_sum(u_char *p, size_t len, size_t size);
static int profile_has_sum(const u_char *p, size_t len, size_t size);
static uint64_t profile_key_seed(const u_char *digest, size_t len);
static uint64_t profile_value_sum(uint64_t sum, const u_char *p, size_t len,
    size_t size);
static uint32_t profile_document_sum(const u_char *p);
static uint64_t profile_sum(uint64_t sum, const u_char *p, size_t len);
static uint64_t profile_sum_word(uint64_t sum, uint64_t word);
static void profile_put_bytes(u_char *p, const profile_bytes_t *bytes);
static void profile_set_bytes(profile_bytes_t *bytes, const u_char *p,
    size_t len);


int
profile_bytes_compare(const profile_bytes_t *one, const profile_bytes_t *two)
{
    int  rc;

    rc = memcmp(one->data, two->data,
                (one->len < two->len) ? one->len : two->len);

    if (rc != 0) {
        return rc;
    }

    return (one->len > two->len) - (one->len < two->len);
}


size_t
profile_encode_meta_key(u_char *p)
{
    *p = PROFILE_TAG_META;

    return PROFILE_META_KEY_SIZE;
}


size_t
profile_encode_key_key(u_char *p, const u_char *digest)
{
    *p++ = PROFILE_TAG_KEY;
    memcpy(p, digest, PROFILE_DIGEST_SIZE);

    return PROFILE_KEY_KEY_SIZE;
}


size_t
profile_encode_workspace_key(u_char *p, uint32_t workspace)
{
    *p++ = PROFILE_TAG_WORKSPACE;
    (void) profile_put32(p, workspace);

    return PROFILE_WORKSPACE_KEY_SIZE;
}


size_t
profile_encode_list_key(u_char *p, uint32_t workspace)
{
    *p++ = PROFILE_TAG_LIST;
    (void) profile_put32(p, workspace);

    return PROFILE_LIST_KEY_SIZE;
}


size_t
profile_encode_entity_key(u_char *p, uint32_t workspace, uint32_t entity)
{
    *p++ = PROFILE_TAG_ENTITY;
    p = profile_put32(p, workspace);
    (void) profile_put32(p, entity);

    return PROFILE_ENTITY_KEY_SIZE;
}


size_t
profile_encode_orphan_key(u_char *p, uint32_t incarnation)
{
    *p++ = PROFILE_TAG_ORPHAN;
    (void) profile_put32(p, incarnation);

    return PROFILE_ORPHAN_KEY_SIZE;
}


size_t
profile_encode_cursor_key(u_char *p, uint32_t workspace, uint32_t entity)
{
    *p++ = PROFILE_TAG_CURSOR;
    p = profile_put32(p, workspace);
    (void) profile_put32(p, entity);

    return PROFILE_CURSOR_KEY_SIZE;
}


size_t
profile_encode_record_prefix(u_char *p, uint32_t incarnation)
{
    *p++ = PROFILE_TAG_RECORD;
    (void) profile_put32(p, incarnation);

    return PROFILE_RECORD_PREFIX_SIZE;
}


size_t
profile_encode_record_key(u_char *p, uint32_t incarnation, const u_char *id,
    size_t len)
{
    p += profile_encode_record_prefix(p, incarnation);
    memcpy(p, id, len);

    return PROFILE_RECORD_PREFIX_SIZE + len;
}


int
profile_decode_key_key(const u_char *p, size_t len, const u_char **digest)
{
    if (len != PROFILE_KEY_KEY_SIZE || p[0] != PROFILE_TAG_KEY) {
        return PROFILE_DAMAGED;
    }

    *digest = p + 1;

    return PROFILE_OK;
}


int
profile_decode_orphan_key(const u_char *p, size_t len, uint32_t *incarnation)
{
    if (len != PROFILE_ORPHAN_KEY_SIZE || p[0] != PROFILE_TAG_ORPHAN) {
        return PROFILE_DAMAGED;
    }

    *incarnation = profile_get32(p + 1);

    return PROFILE_OK;
}


int
profile_decode_record_key(const u_char *p, size_t len, uint32_t *incarnation,
    profile_bytes_t *id)
{
    if (len <= PROFILE_RECORD_PREFIX_SIZE
        || len > PROFILE_KEY_MAX
        || p[0] != PROFILE_TAG_RECORD)
    {
        return PROFILE_DAMAGED;
    }

    *incarnation = profile_get32(p + 1);
    profile_set_bytes(id, p + PROFILE_RECORD_PREFIX_SIZE,
                      len - PROFILE_RECORD_PREFIX_SIZE);

    return PROFILE_OK;
}


size_t
profile_key_size(const profile_key_t *key)
{
    return PROFILE_KEY_SIZE + key->name.len;
}


size_t
profile_workspace_size(const profile_workspace_t *workspace)
{
    return PROFILE_WORKSPACE_SIZE + workspace->name.len;
}


size_t
profile_entity_size(const profile_entity_t *entity)
{
    return PROFILE_ENTITY_SIZE + entity->name.len + entity->primary_key.len;
}


size_t
profile_cursor_size(const profile_cursor_t *cursor)
{
    return PROFILE_CURSOR_SIZE + cursor->column.len + cursor->value.len;
}


size_t
profile_document_size(const profile_document_t *document)
{
    return PROFILE_DOCUMENT_SIZE + document->body.len;
}


void
profile_encode_meta(u_char *p, const profile_meta_t *meta)
{
    memset(p, 0, PROFILE_META_SIZE);

    memcpy(p, PROFILE_MAGIC, PROFILE_MAGIC_SIZE);
    (void) profile_put32(p + PROFILE_META_VERSION, meta->version);
    (void) profile_put32(p + PROFILE_META_COMPLETE, meta->complete);
    (void) profile_put64(p + PROFILE_META_CREATED, meta->created);
    (void) profile_put32(p + PROFILE_META_NEXT, meta->next_incarnation);
    profile_put_sum(p, PROFILE_META_SIZE, PROFILE_META_SIZE);
}


int
profile_decode_meta(const u_char *p, size_t len, profile_meta_t *meta)
{
    meta->version = 0;

    if (len < PROFILE_META_VERSION + 4
        || memcmp(p, PROFILE_MAGIC, PROFILE_MAGIC_SIZE) != 0)
    {
        return PROFILE_FOREIGN;
    }

    meta->version = profile_get32(p + PROFILE_META_VERSION);

    if (meta->version != PROFILE_FORMAT_VERSION) {
        return PROFILE_FOREIGN;
    }

    if (len != PROFILE_META_SIZE
        || !profile_has_sum(p, len, PROFILE_META_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    meta->complete = profile_get32(p + PROFILE_META_COMPLETE);
    meta->created = profile_get64(p + PROFILE_META_CREATED);
    meta->next_incarnation = profile_get32(p + PROFILE_META_NEXT);

    return PROFILE_OK;
}


void
profile_encode_key(u_char *p, const u_char *digest,
    const profile_key_t *key)
{
    size_t  len;

    profile_put_head(p, PROFILE_TAG_KEY, PROFILE_KEY_SIZE);

    (void) profile_put16(p + PROFILE_KEY_NAME_LEN, (uint16_t) key->name.len);
    (void) profile_put32(p + PROFILE_KEY_WORKSPACE, key->workspace);
    (void) profile_put64(p + PROFILE_KEY_EXPIRES, key->expires);
    profile_put_bytes(p + PROFILE_KEY_SIZE, &key->name);

    len = profile_key_size(key);
    (void) profile_put64(p + PROFILE_KEY_SUM,
                         profile_value_sum(profile_key_seed(digest, len), p,
                                           len, PROFILE_KEY_SIZE));
}


int
profile_decode_key(const u_char *p, size_t len, const u_char *digest,
    profile_key_t *key)
{
    size_t  name;

    if (!profile_has_head(p, len, PROFILE_TAG_KEY, PROFILE_KEY_SIZE)) {
        return PROFILE_DAMAGED;
    }

    name = profile_get16(p + PROFILE_KEY_NAME_LEN);

    if (len != PROFILE_KEY_SIZE + name
        || profile_get64(p + PROFILE_KEY_SUM)
           != profile_value_sum(profile_key_seed(digest, len), p, len,
                                PROFILE_KEY_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    key->workspace = profile_get32(p + PROFILE_KEY_WORKSPACE);
    key->expires = profile_get64(p + PROFILE_KEY_EXPIRES);
    profile_set_bytes(&key->name, p + PROFILE_KEY_SIZE, name);

    return PROFILE_OK;
}


void
profile_encode_workspace(u_char *p, const profile_workspace_t *workspace)
{
    profile_put_head(p, PROFILE_TAG_WORKSPACE, PROFILE_WORKSPACE_SIZE);

    (void) profile_put16(p + PROFILE_WORKSPACE_NAME_LEN,
                         (uint16_t) workspace->name.len);
    (void) profile_put32(p + PROFILE_WORKSPACE_ID, workspace->id);
    profile_put_bytes(p + PROFILE_WORKSPACE_SIZE, &workspace->name);
    profile_put_sum(p, profile_workspace_size(workspace),
                    PROFILE_WORKSPACE_SIZE);
}


int
profile_decode_workspace(const u_char *p, size_t len,
    profile_workspace_t *workspace)
{
    size_t  name;

    if (!profile_has_head(p, len, PROFILE_TAG_WORKSPACE,
                          PROFILE_WORKSPACE_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    name = profile_get16(p + PROFILE_WORKSPACE_NAME_LEN);

    if (len != PROFILE_WORKSPACE_SIZE + name
        || !profile_has_sum(p, len, PROFILE_WORKSPACE_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    workspace->id = profile_get32(p + PROFILE_WORKSPACE_ID);
    profile_set_bytes(&workspace->name, p + PROFILE_WORKSPACE_SIZE, name);

    return PROFILE_OK;
}


void
profile_encode_entity(u_char *p, const profile_entity_t *entity)
{
    profile_put_head(p, PROFILE_TAG_ENTITY, PROFILE_ENTITY_SIZE);

    (void) profile_put16(p + PROFILE_ENTITY_NAME_LEN,
                         (uint16_t) entity->name.len);
    (void) profile_put32(p + PROFILE_ENTITY_WORKSPACE, entity->workspace);
    (void) profile_put32(p + PROFILE_ENTITY_ID, entity->id);
    (void) profile_put32(p + PROFILE_ENTITY_LIBRARY, entity->library);
    (void) profile_put32(p + PROFILE_ENTITY_INCARNATION,
                         entity->incarnation);
    (void) profile_put16(p + PROFILE_ENTITY_PKEY_LEN,
                         (uint16_t) entity->primary_key.len);
    (void) profile_put64(p + PROFILE_ENTITY_RECORDS, entity->records);
    (void) profile_put64(p + PROFILE_ENTITY_BYTES, entity->bytes);
    (void) profile_put64(p + PROFILE_ENTITY_CHANGED, entity->changed);
    (void) profile_put64(p + PROFILE_ENTITY_REFRESHED, entity->refreshed);

    profile_put_bytes(p + PROFILE_ENTITY_SIZE, &entity->name);
    profile_put_bytes(p + PROFILE_ENTITY_SIZE + entity->name.len,
                      &entity->primary_key);
    profile_put_sum(p, profile_entity_size(entity), PROFILE_ENTITY_SIZE);
}


int
profile_decode_entity(const u_char *p, size_t len, profile_entity_t *entity)
{
    size_t  name, primary_key;

    if (!profile_has_head(p, len, PROFILE_TAG_ENTITY, PROFILE_ENTITY_SIZE)) {
        return PROFILE_DAMAGED;
    }

    name = profile_get16(p + PROFILE_ENTITY_NAME_LEN);
    primary_key = profile_get16(p + PROFILE_ENTITY_PKEY_LEN);

    if (len != PROFILE_ENTITY_SIZE + name + primary_key
        || !profile_has_sum(p, len, PROFILE_ENTITY_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    entity->workspace = profile_get32(p + PROFILE_ENTITY_WORKSPACE);
    entity->id = profile_get32(p + PROFILE_ENTITY_ID);
    entity->library = profile_get32(p + PROFILE_ENTITY_LIBRARY);
    entity->incarnation = profile_get32(p + PROFILE_ENTITY_INCARNATION);
    entity->records = profile_get64(p + PROFILE_ENTITY_RECORDS);
    entity->bytes = profile_get64(p + PROFILE_ENTITY_BYTES);
    entity->changed = profile_get64(p + PROFILE_ENTITY_CHANGED);
    entity->refreshed = profile_get64(p + PROFILE_ENTITY_REFRESHED);

    p += PROFILE_ENTITY_SIZE;
    profile_set_bytes(&entity->name, p, name);
    profile_set_bytes(&entity->primary_key, p + name, primary_key);

    return PROFILE_OK;
}


void
profile_encode_orphan(u_char *p, const profile_orphan_t *orphan)
{
    profile_put_head(p, PROFILE_TAG_ORPHAN, PROFILE_ORPHAN_SIZE);

    (void) profile_put32(p + PROFILE_ORPHAN_WORKSPACE, orphan->workspace);
    (void) profile_put32(p + PROFILE_ORPHAN_ENTITY, orphan->entity);
    profile_put_sum(p, PROFILE_ORPHAN_SIZE, PROFILE_ORPHAN_SIZE);
}


/* The incarnation is in the key; the caller sets it. */

int
profile_decode_orphan(const u_char *p, size_t len, profile_orphan_t *orphan)
{
    if (!profile_has_head(p, len, PROFILE_TAG_ORPHAN, PROFILE_ORPHAN_SIZE)
        || len != PROFILE_ORPHAN_SIZE
        || !profile_has_sum(p, len, PROFILE_ORPHAN_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    orphan->workspace = profile_get32(p + PROFILE_ORPHAN_WORKSPACE);
    orphan->entity = profile_get32(p + PROFILE_ORPHAN_ENTITY);

    return PROFILE_OK;
}


void
profile_encode_cursor(u_char *p, const profile_cursor_t *cursor)
{
    profile_put_head(p, PROFILE_TAG_CURSOR, PROFILE_CURSOR_SIZE);

    (void) profile_put16(p + PROFILE_CURSOR_COLUMN_LEN,
                         (uint16_t) cursor->column.len);
    (void) profile_put32(p + PROFILE_CURSOR_WORKSPACE, cursor->workspace);
    (void) profile_put32(p + PROFILE_CURSOR_ENTITY, cursor->entity);
    (void) profile_put16(p + PROFILE_CURSOR_VALUE_LEN,
                         (uint16_t) cursor->value.len);

    profile_put_bytes(p + PROFILE_CURSOR_SIZE, &cursor->column);
    profile_put_bytes(p + PROFILE_CURSOR_SIZE + cursor->column.len,
                      &cursor->value);
    profile_put_sum(p, profile_cursor_size(cursor), PROFILE_CURSOR_SIZE);
}


int
profile_decode_cursor(const u_char *p, size_t len, profile_cursor_t *cursor)
{
    size_t  column, value;

    if (!profile_has_head(p, len, PROFILE_TAG_CURSOR, PROFILE_CURSOR_SIZE)) {
        return PROFILE_DAMAGED;
    }

    column = profile_get16(p + PROFILE_CURSOR_COLUMN_LEN);
    value = profile_get16(p + PROFILE_CURSOR_VALUE_LEN);

    if (len != PROFILE_CURSOR_SIZE + column + value
        || !profile_has_sum(p, len, PROFILE_CURSOR_SIZE))
    {
        return PROFILE_DAMAGED;
    }

    cursor->workspace = profile_get32(p + PROFILE_CURSOR_WORKSPACE);
    cursor->entity = profile_get32(p + PROFILE_CURSOR_ENTITY);

    p += PROFILE_CURSOR_SIZE;
    profile_set_bytes(&cursor->column, p, column);
    profile_set_bytes(&cursor->value, p + column, value);

    return PROFILE_OK;
}


void
profile_encode_document(u_char *p, int tag,
    const profile_document_t *document)
{
    profile_put_head(p, tag, PROFILE_DOCUMENT_SIZE);

    (void) profile_put16(p + PROFILE_DOCUMENT_OFFSET, PROFILE_DOCUMENT_SIZE);
    (void) profile_put32(p + PROFILE_DOCUMENT_WORKSPACE,
                         document->workspace);
    (void) profile_put32(p + PROFILE_DOCUMENT_ENTITY, document->entity);
    (void) profile_put32(p + PROFILE_DOCUMENT_CHANGED, document->changed);
    memcpy(p + PROFILE_DOCUMENT_HASH, document->hash, PROFILE_HASH_SIZE);
    (void) profile_put32(p + PROFILE_DOCUMENT_LENGTH,
                         (uint32_t) document->body.len);
    (void) profile_put32(p + PROFILE_DOCUMENT_SUM, profile_document_sum(p));
    profile_put_bytes(p + PROFILE_DOCUMENT_SIZE, &document->body);
}


int
profile_decode_document(const u_char *p, size_t len, int tag,
    profile_document_t *document)
{
    if (!profile_has_head(p, len, tag, PROFILE_DOCUMENT_SIZE)
        || profile_get16(p + PROFILE_DOCUMENT_OFFSET)
           != PROFILE_DOCUMENT_SIZE
        || len == PROFILE_DOCUMENT_SIZE)
    {
        return PROFILE_DAMAGED;
    }

    /*
     * LMDB keeps a length, too, but has no checksums: with one bit of it
     * flipped, what follows the body, perhaps another workspace's, would
     * go out with it.
     */

    if (profile_get32(p + PROFILE_DOCUMENT_LENGTH)
        != len - PROFILE_DOCUMENT_SIZE
        || profile_get32(p + PROFILE_DOCUMENT_SUM)
           != profile_document_sum(p))
    {
        return PROFILE_DAMAGED;
    }

    document->workspace = profile_get32(p + PROFILE_DOCUMENT_WORKSPACE);
    document->entity = profile_get32(p + PROFILE_DOCUMENT_ENTITY);
    document->changed = profile_get32(p + PROFILE_DOCUMENT_CHANGED);
    document->hash = p + PROFILE_DOCUMENT_HASH;
    profile_set_bytes(&document->body, p + PROFILE_DOCUMENT_SIZE,
                      len - PROFILE_DOCUMENT_SIZE);

    return PROFILE_OK;
}


static u_char *
profile_put16(u_char *p, uint16_t n)
{
    *p++ = (u_char) (n >> 8);
    *p++ = (u_char) n;

    return p;
}


static u_char *
profile_put32(u_char *p, uint32_t n)
{
    p = profile_put16(p, (uint16_t) (n >> 16));

    return profile_put16(p, (uint16_t) n);
}


static u_char *
profile_put64(u_char *p, uint64_t n)
{
    p = profile_put32(p, (uint32_t) (n >> 32));

    return profile_put32(p, (uint32_t) n);
}


static uint16_t
profile_get16(const u_char *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}


static uint32_t
profile_get32(const u_char *p)
{
    return (uint32_t) profile_get16(p) << 16 | profile_get16(p + 2);
}


static uint64_t
profile_get64(const u_char *p)
{
    return (uint64_t) profile_get32(p) << 32 | profile_get32(p + 4);
}


static void
profile_put_head(u_char *p, int tag, size_t size)
{
    memset(p, 0, size);
    *p = (u_char) tag;
}


static int
profile_has_head(const u_char *p, size_t len, int tag, size_t size)
{
    return len >= size && p[0] == tag && p[1] == 0;
}


/* The last of a value's size fixed bytes are its checksum. */

static void
profile_put_sum(u_char *p, size_t len, size_t size)
{
    (void) profile_put64(p + size - 8, profile_value_sum(len, p, len, size));
}


static int
profile_has_sum(const u_char *p, size_t len, size_t size)
{
    return profile_get64(p + size - 8)
           == profile_value_sum(len, p, len, size);
}


/* A key's value is bound to the digest that it is stored under. */

static uint64_t
profile_key_seed(const u_char *digest, size_t len)
{
    return profile_sum(len, digest, PROFILE_DIGEST_SIZE);
}


static uint64_t
profile_value_sum(uint64_t sum, const u_char *p, size_t len, size_t size)
{
    sum = profile_sum(sum, p, size - 8);

    return profile_sum(sum, p + size, len - size);
}


static uint32_t
profile_document_sum(const u_char *p)
{
    uint64_t  sum;

    sum = profile_sum(PROFILE_DOCUMENT_SIZE, p, PROFILE_DOCUMENT_SUM);

    return (uint32_t) sum;
}


/*
 * Eight bytes at a time, the last ones filled up with zeros.  Each step maps
 * sums one to one, so whatever changes within eight bytes changes the sum.
 */

static uint64_t
profile_sum(uint64_t sum, const u_char *p, size_t len)
{
    u_char  last[8];

    for ( /* void */ ; len >= sizeof(last); len -= sizeof(last)) {
        sum = profile_sum_word(sum, profile_get64(p));
        p += sizeof(last);
    }

    if (len != 0) {
        memset(last, 0, sizeof(last));
        memcpy(last, p, len);
        sum = profile_sum_word(sum, profile_get64(last));
    }

    return sum;
}


static uint64_t
profile_sum_word(uint64_t sum, uint64_t word)
{
    sum ^= word;
    sum *= PROFILE_SUM_FACTOR;

    return sum ^ sum >> 32;
}


static void
profile_put_bytes(u_char *p, const profile_bytes_t *bytes)
{
    if (bytes->len != 0) {
        memcpy(p, bytes->data, bytes->len);
    }
}


static void
profile_set_bytes(profile_bytes_t *bytes, const u_char *p, size_t len)
{
    bytes->len = len;
    bytes->data = p;
}
