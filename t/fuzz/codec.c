
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Keys and values of anything: the first byte chooses the decoder.  What is
 * decoded lies within its input and is encoded to the same bytes again, but
 * for those that docs/store-format.md calls zero: an encoder writes them so,
 * and a decoder does not look at them.  Then the bytes become fields, which
 * are encoded and decoded.
 */


#include "profile_codec.h"
#include "target.h"



typedef struct {
    u_char  *data;
    size_t   size;
} codec_value_t;

typedef void (*codec_check_pt)(const codec_value_t *value);

/* What a key's value is stored under. */

static const u_char  codec_digest[PROFILE_DIGEST_SIZE];


static void codec_meta(const codec_value_t *value);
static void codec_key(const codec_value_t *value);
static void codec_workspace(const codec_value_t *value);
static void codec_entity(const codec_value_t *value);
static void codec_orphan(const codec_value_t *value);
static void codec_cursor(const codec_value_t *value);
static void codec_record(const codec_value_t *value);
static void codec_list(const codec_value_t *value);
static void codec_document(const codec_value_t *value, int tag);
static void codec_key_key(const codec_value_t *value);
static void codec_orphan_key(const codec_value_t *value);
static void codec_record_key(const codec_value_t *value);
static void codec_fields(fuzz_input_t input);
static void codec_fields_names(fuzz_input_t *input,
    const profile_bytes_t *one, const profile_bytes_t *two);
static void codec_fields_document(fuzz_input_t *input,
    const profile_bytes_t *body);
static void codec_fields_keys(fuzz_input_t *input,
    const profile_bytes_t *id);
static uint64_t codec_number(fuzz_input_t *input);
static void codec_within(const profile_bytes_t *bytes,
    const codec_value_t *value, size_t least);
static int codec_same_bytes(const profile_bytes_t *one,
    const profile_bytes_t *two);
static u_char *codec_room(size_t size);
static void codec_same(const codec_value_t *value, u_char *encoded,
    size_t size, size_t zero, size_t nzero);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t   input;
    codec_value_t  value;

    static const codec_check_pt  checks[] = {
        codec_meta, codec_key, codec_workspace, codec_entity, codec_orphan,
        codec_cursor, codec_record, codec_list, codec_key_key,
        codec_orphan_key, codec_record_key
    };

    input.data = data;
    input.size = size;

    if (size == 0) {
        return 0;
    }

    fuzz_byte(&input);

    value.data = fuzz_copy(input.data, input.size);
    value.size = input.size;

    checks[data[0] % (sizeof(checks) / sizeof(checks[0]))](&value);

    free(value.data);

    codec_fields(input);

    return 0;
}


static void
codec_meta(const codec_value_t *value)
{
    int             rc;
    u_char         *p;
    profile_meta_t  meta;

    rc = profile_decode_meta(value->data, value->size, &meta);

    if (rc == PROFILE_OK) {
        fuzz_assert(meta.version == PROFILE_FORMAT_VERSION);

        p = codec_room(PROFILE_META_SIZE);
        profile_encode_meta(p, &meta);
        codec_same(value, p, PROFILE_META_SIZE, 28, 4);

    } else if (rc == PROFILE_FOREIGN) {
        /* another program's, or of a version that is not ours */
        fuzz_assert(meta.version != PROFILE_FORMAT_VERSION);
        fuzz_assert(meta.version == 0
                    || memcmp(value->data, PROFILE_MAGIC, PROFILE_MAGIC_SIZE)
                       == 0);

    } else {
        fuzz_assert(rc == PROFILE_DAMAGED);
    }
}


static void
codec_key(const codec_value_t *value)
{
    int             rc;
    u_char         *p;
    profile_key_t   key;

    rc = profile_decode_key(value->data, value->size, codec_digest, &key);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    codec_within(&key.name, value, PROFILE_KEY_SIZE);

    p = codec_room(profile_key_size(&key));
    profile_encode_key(p, codec_digest, &key);
    codec_same(value, p, profile_key_size(&key), 0, 0);
}


static void
codec_workspace(const codec_value_t *value)
{
    int                   rc;
    u_char               *p;
    profile_workspace_t   workspace;

    rc = profile_decode_workspace(value->data, value->size, &workspace);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    codec_within(&workspace.name, value, PROFILE_WORKSPACE_SIZE);

    p = codec_room(profile_workspace_size(&workspace));
    profile_encode_workspace(p, &workspace);
    codec_same(value, p, profile_workspace_size(&workspace), 0, 0);
}


static void
codec_entity(const codec_value_t *value)
{
    int                rc;
    u_char            *p;
    profile_entity_t   entity;

    rc = profile_decode_entity(value->data, value->size, &entity);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    codec_within(&entity.name, value, PROFILE_ENTITY_SIZE);
    codec_within(&entity.primary_key, value,
                 PROFILE_ENTITY_SIZE + entity.name.len);

    p = codec_room(profile_entity_size(&entity));
    profile_encode_entity(p, &entity);
    codec_same(value, p, profile_entity_size(&entity), 22, 2);
}


static void
codec_orphan(const codec_value_t *value)
{
    int                rc;
    u_char            *p;
    profile_orphan_t   orphan;

    rc = profile_decode_orphan(value->data, value->size, &orphan);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    p = codec_room(PROFILE_ORPHAN_SIZE);
    profile_encode_orphan(p, &orphan);
    codec_same(value, p, PROFILE_ORPHAN_SIZE, 2, 2);
}


static void
codec_cursor(const codec_value_t *value)
{
    int                rc;
    u_char            *p;
    profile_cursor_t   cursor;

    rc = profile_decode_cursor(value->data, value->size, &cursor);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    codec_within(&cursor.column, value, PROFILE_CURSOR_SIZE);
    codec_within(&cursor.value, value,
                 PROFILE_CURSOR_SIZE + cursor.column.len);

    p = codec_room(profile_cursor_size(&cursor));
    profile_encode_cursor(p, &cursor);
    codec_same(value, p, profile_cursor_size(&cursor), 14, 2);
}


static void
codec_record(const codec_value_t *value)
{
    codec_document(value, PROFILE_TAG_RECORD);
}


static void
codec_list(const codec_value_t *value)
{
    codec_document(value, PROFILE_TAG_LIST);
}


static void
codec_document(const codec_value_t *value, int tag)
{
    int                  rc;
    u_char              *p;
    profile_bytes_t      hash;
    profile_document_t   document;

    rc = profile_decode_document(value->data, value->size, tag, &document);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    hash.data = document.hash;
    hash.len = PROFILE_HASH_SIZE;

    fuzz_assert(document.body.len != 0);
    codec_within(&document.body, value, PROFILE_DOCUMENT_SIZE);
    codec_within(&hash, value, 2);

    p = codec_room(profile_document_size(&document));
    profile_encode_document(p, tag, &document);
    codec_same(value, p, profile_document_size(&document), 0, 0);
}


static void
codec_key_key(const codec_value_t *value)
{
    int              rc;
    u_char          *p;
    const u_char    *digest;
    profile_bytes_t  bytes;

    rc = profile_decode_key_key(value->data, value->size, &digest);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    bytes.data = digest;
    bytes.len = PROFILE_DIGEST_SIZE;
    codec_within(&bytes, value, 1);

    p = codec_room(PROFILE_KEY_MAX);
    codec_same(value, p, profile_encode_key_key(p, digest), 0, 0);
}


static void
codec_orphan_key(const codec_value_t *value)
{
    int        rc;
    u_char    *p;
    uint32_t   incarnation;

    rc = profile_decode_orphan_key(value->data, value->size, &incarnation);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    p = codec_room(PROFILE_KEY_MAX);
    codec_same(value, p, profile_encode_orphan_key(p, incarnation), 0, 0);
}


static void
codec_record_key(const codec_value_t *value)
{
    int               rc;
    u_char           *p;
    uint32_t          incarnation;
    profile_bytes_t   id;

    rc = profile_decode_record_key(value->data, value->size, &incarnation,
                                   &id);

    if (rc != PROFILE_OK) {
        fuzz_assert(rc == PROFILE_DAMAGED);
        return;
    }

    fuzz_assert(id.len >= 1 && id.len <= PROFILE_RECORD_ID_MAX);
    codec_within(&id, value, PROFILE_RECORD_PREFIX_SIZE);

    p = codec_room(PROFILE_KEY_MAX);
    codec_same(value, p,
               profile_encode_record_key(p, incarnation, id.data, id.len),
               0, 0);
}


/* The other way round: two texts and some numbers are what is encoded. */

static void
codec_fields(fuzz_input_t input)
{
    profile_bytes_t  one, two;

    if (input.size < 64) {
        return;
    }

    two.data = input.data + 64;
    two.len = input.size - 64;

    one.data = two.data;
    one.len = two.len * fuzz_byte(&input) / 255;
    one.len = (one.len > PROFILE_NAME_MAX) ? PROFILE_NAME_MAX : one.len;

    two.data += one.len;
    two.len -= one.len;
    two.len = (two.len > PROFILE_NAME_MAX) ? PROFILE_NAME_MAX : two.len;

    codec_fields_names(&input, &one, &two);
    codec_fields_document(&input, &two);
    codec_fields_keys(&input, &one);
}


static void
codec_fields_names(fuzz_input_t *input, const profile_bytes_t *one,
    const profile_bytes_t *two)
{
    u_char            *p;
    profile_entity_t   entity, entity2;
    profile_cursor_t   cursor, cursor2;

    entity.workspace = (uint32_t) codec_number(input);
    entity.id = (uint32_t) codec_number(input);
    entity.library = entity.id * 3;
    entity.incarnation = entity.workspace * 5;
    entity.records = codec_number(input);
    entity.bytes = codec_number(input);
    entity.changed = entity.records * 3;
    entity.refreshed = entity.bytes * 5;
    entity.name = *one;
    entity.primary_key = *two;

    p = codec_room(profile_entity_size(&entity));
    profile_encode_entity(p, &entity);

    fuzz_assert(profile_decode_entity(p, profile_entity_size(&entity),
                                      &entity2) == PROFILE_OK);
    fuzz_assert(entity2.workspace == entity.workspace
                && entity2.id == entity.id
                && entity2.library == entity.library
                && entity2.incarnation == entity.incarnation
                && entity2.records == entity.records
                && entity2.bytes == entity.bytes
                && entity2.changed == entity.changed
                && entity2.refreshed == entity.refreshed
                && codec_same_bytes(&entity2.name, one)
                && codec_same_bytes(&entity2.primary_key, two));
    free(p);

    cursor.workspace = entity.workspace;
    cursor.entity = entity.id;
    cursor.column = *one;
    cursor.value = *two;

    p = codec_room(profile_cursor_size(&cursor));
    profile_encode_cursor(p, &cursor);

    fuzz_assert(profile_decode_cursor(p, profile_cursor_size(&cursor),
                                      &cursor2) == PROFILE_OK);
    fuzz_assert(cursor2.workspace == cursor.workspace
                && cursor2.entity == cursor.entity
                && codec_same_bytes(&cursor2.column, one)
                && codec_same_bytes(&cursor2.value, two));
    free(p);
}


static void
codec_fields_document(fuzz_input_t *input, const profile_bytes_t *body)
{
    u_char              *p;
    size_t               size;
    profile_document_t   document, other;

    if (body->len == 0) {
        return;
    }

    document.workspace = (uint32_t) codec_number(input);
    document.entity = (uint32_t) codec_number(input);
    document.changed = document.entity * 3;
    document.hash = input->data;
    document.body = *body;

    size = profile_document_size(&document);
    p = codec_room(size);
    profile_encode_document(p, PROFILE_TAG_RECORD, &document);

    fuzz_assert(profile_decode_document(p, size, PROFILE_TAG_RECORD, &other)
                == PROFILE_OK);
    fuzz_assert(other.workspace == document.workspace
                && other.entity == document.entity
                && other.changed == document.changed
                && memcmp(other.hash, document.hash, PROFILE_HASH_SIZE) == 0
                && codec_same_bytes(&other.body, body));

    /* neither a byte less nor another kind will do */

    fuzz_assert(profile_decode_document(p, size - 1, PROFILE_TAG_RECORD,
                                        &other) == PROFILE_DAMAGED);
    fuzz_assert(profile_decode_document(p, size, PROFILE_TAG_LIST, &other)
                == PROFILE_DAMAGED);
    free(p);
}


/* Keys sort as their numbers and then as their ids do. */

static void
codec_fields_keys(fuzz_input_t *input, const profile_bytes_t *id)
{
    int              order;
    u_char           one[PROFILE_KEY_MAX], two[PROFILE_KEY_MAX];
    uint32_t         first, second;
    profile_bytes_t  low, high, other;

    first = (uint32_t) codec_number(input);
    second = (uint32_t) codec_number(input);

    other.data = id->data;
    other.len = id->len / 2;

    if (id->len > PROFILE_RECORD_ID_MAX) {
        return;
    }

    low.data = one;
    low.len = profile_encode_record_key(one, first, id->data, id->len);
    high.data = two;
    high.len = profile_encode_record_key(two, second, other.data, other.len);

    order = (first == second) ? profile_bytes_compare(id, &other)
                              : (first < second) ? -1 : 1;

    fuzz_assert((profile_bytes_compare(&low, &high) < 0) == (order < 0)
                && (profile_bytes_compare(&low, &high) > 0) == (order > 0));
}


static uint64_t
codec_number(fuzz_input_t *input)
{
    int       i;
    uint64_t  n;

    for (i = 0, n = 0; i < 8; i++) {
        n = n << 8 | fuzz_byte(input);
    }

    return n;
}


static void
codec_within(const profile_bytes_t *bytes, const codec_value_t *value,
    size_t least)
{
    fuzz_assert(bytes->data >= value->data + least
                && bytes->len <= value->size
                && bytes->data + bytes->len <= value->data + value->size);
}


static int
codec_same_bytes(const profile_bytes_t *one, const profile_bytes_t *two)
{
    return one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}


static u_char *
codec_room(size_t size)
{
    u_char  *p;

    p = malloc(size);
    fuzz_assert(p != NULL);

    /* an encoder must not leave a byte as it was */

    memset(p, 0xa5, size);

    return p;
}


/*
 * Frees what was encoded.  Where the bytes that should be zero are not, the
 * checksum is another one, too.
 */

static void
codec_same(const codec_value_t *value, u_char *encoded, size_t size,
    size_t zero, size_t nzero)
{
    size_t  i, others;

    fuzz_assert(size == value->size);

    others = 0;

    for (i = zero; i < zero + nzero; i++) {
        fuzz_assert(encoded[i] == 0);
        others += (value->data[i] != 0);
    }

    fuzz_assert(others != 0 || memcmp(encoded, value->data, size) == 0);

    free(encoded);
}
