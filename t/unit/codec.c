
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The byte formats of keys and values: what is written is read back, files
 * that exist stay readable, and nothing that is not exactly one value is
 * taken for one.  Each value lies at the end of its own allocation, so that
 * the sanitizer and valgrind see a read of one byte too many.
 */


#include <stdlib.h>

#include "profile_codec.h"
#include "tap.h"


#define CODEC_ROOM    4096
#define CODEC_RANDOM  100000


/* Decodes and looks at all of the outcome: -1 if that is out of bounds. */

typedef int (*codec_decode_pt)(const u_char *p, size_t len);

typedef struct {
    const char       *name;
    codec_decode_pt   decode;
    int               tag;
    int               foreign;      /* what another first byte means */
    size_t            size;         /* of sample */
    u_char            sample[CODEC_ROOM];
    int               open;         /* any more bytes belong to it */
    int               flags;        /* has a byte of flags */
} codec_kind_t;


static void codec_keys(void);
static void codec_bytes(void);
static void codec_order(void);
static void codec_round_trips(void);
static void codec_round_trip(uint32_t n, uint64_t big, size_t len);
static void codec_refused(codec_kind_t *kind);
static void codec_flips(codec_kind_t *kind);
static int codec_is_value(const codec_kind_t *kind);
static void codec_lengths(void);
static void codec_meta(void);
static void codec_random(void);
static void codec_samples(void);
static int codec_decode_meta(const u_char *p, size_t len);
static int codec_decode_key(const u_char *p, size_t len);
static int codec_decode_workspace(const u_char *p, size_t len);
static int codec_decode_entity(const u_char *p, size_t len);
static int codec_decode_orphan(const u_char *p, size_t len);
static int codec_decode_cursor(const u_char *p, size_t len);
static int codec_decode_record(const u_char *p, size_t len);
static int codec_decode_list(const u_char *p, size_t len);
static int codec_decode_key_key(const u_char *p, size_t len);
static int codec_decode_orphan_key(const u_char *p, size_t len);
static int codec_decode_record_key(const u_char *p, size_t len);
static int codec_exact(codec_decode_pt decode, const u_char *p, size_t len);
static int codec_within(const profile_bytes_t *bytes, const u_char *p,
    size_t len);
static int codec_same(const profile_bytes_t *one, const profile_bytes_t *two);
static int codec_compare(const u_char *one, size_t len, const u_char *two,
    size_t len2);
static uint32_t codec_rand(void);


static codec_kind_t  codec_kinds[] = {
    { "a meta value", codec_decode_meta, 'p', PROFILE_FOREIGN, 0, "", 0, 0 },
    { "a key", codec_decode_key, PROFILE_TAG_KEY, PROFILE_DAMAGED, 0, "",
      0, 1 },
    { "a workspace", codec_decode_workspace, PROFILE_TAG_WORKSPACE,
      PROFILE_DAMAGED, 0, "", 0, 1 },
    { "an entity", codec_decode_entity, PROFILE_TAG_ENTITY, PROFILE_DAMAGED,
      0, "", 0, 1 },
    { "an orphan", codec_decode_orphan, PROFILE_TAG_ORPHAN, PROFILE_DAMAGED,
      0, "", 0, 1 },
    { "a record", codec_decode_record, PROFILE_TAG_RECORD, PROFILE_DAMAGED,
      0, "", 0, 1 },
    { "a list", codec_decode_list, PROFILE_TAG_LIST, PROFILE_DAMAGED, 0, "",
      0, 1 },
    { "a key's key", codec_decode_key_key, PROFILE_TAG_KEY, PROFILE_DAMAGED,
      0, "", 0, 0 },
    { "an orphan's key", codec_decode_orphan_key, PROFILE_TAG_ORPHAN,
      PROFILE_DAMAGED, 0, "", 0, 0 },
    { "a record's key", codec_decode_record_key, PROFILE_TAG_RECORD,
      PROFILE_DAMAGED, 0, "", 1, 0 },
    { "a cursor", codec_decode_cursor, PROFILE_TAG_CURSOR, PROFILE_DAMAGED,
      0, "", 0, 1 }
};

#define CODEC_KINDS  (sizeof(codec_kinds) / sizeof(codec_kinds[0]))


static const uint32_t  codec_numbers[] = {
    0, 1, 255, 256, 65535, 65536, 16777215, 16777216, 2147483647U,
    2147483648U, 4294967294U, 4294967295U
};

#define CODEC_NUMBERS  (sizeof(codec_numbers) / sizeof(codec_numbers[0]))


/* What a key's value is stored under. */

static const u_char  codec_digest[PROFILE_DIGEST_SIZE];


static uint64_t  codec_seed = 20260101;
static uint64_t  codec_seen;


int
main(void)
{
    size_t  i;

    codec_samples();
    codec_keys();
    codec_bytes();
    codec_order();
    codec_round_trips();

    for (i = 0; i < CODEC_KINDS; i++) {
        codec_refused(&codec_kinds[i]);

        if (codec_is_value(&codec_kinds[i])) {
            codec_flips(&codec_kinds[i]);
        }
    }

    codec_lengths();
    codec_meta();
    codec_random();

    return done();
}


static void
codec_keys(void)
{
    size_t            len;
    u_char            buf[PROFILE_KEY_MAX], digest[PROFILE_DIGEST_SIZE];
    u_char            id[PROFILE_RECORD_ID_MAX];
    uint32_t          n;
    const u_char     *p;
    profile_bytes_t   got;

    memset(digest, 0xab, sizeof(digest));
    memset(id, 0, sizeof(id));

    len = profile_encode_meta_key(buf);
    ok(len == 1 && buf[0] == 0x01, "the meta key is one byte");

    len = profile_encode_key_key(buf, digest);
    ok(len == 33 && buf[0] == 0x02, "a key's key is 33 bytes");
    ok(profile_decode_key_key(buf, len, &p) == PROFILE_OK
       && memcmp(p, digest, sizeof(digest)) == 0, "its digest comes back");

    len = profile_encode_workspace_key(buf, 0x01020304);
    ok(len == 5 && memcmp(buf, "\x03\x01\x02\x03\x04", 5) == 0,
       "a workspace's key");

    len = profile_encode_list_key(buf, 0x01020304);
    ok(len == 5 && memcmp(buf, "\x04\x01\x02\x03\x04", 5) == 0,
       "a list's key");

    len = profile_encode_entity_key(buf, 0x01020304, 0xfffefdfc);
    ok(len == 9
       && memcmp(buf, "\x05\x01\x02\x03\x04\xff\xfe\xfd\xfc", 9) == 0,
       "an entity's key");

    len = profile_encode_orphan_key(buf, 0xffffffff);
    ok(len == 5 && memcmp(buf, "\x06\xff\xff\xff\xff", 5) == 0,
       "an orphan's key");
    ok(profile_decode_orphan_key(buf, len, &n) == PROFILE_OK
       && n == 0xffffffff, "its incarnation comes back");

    len = profile_encode_cursor_key(buf, 0x01020304, 0xfffefdfc);
    ok(len == 9
       && memcmp(buf, "\x07\x01\x02\x03\x04\xff\xfe\xfd\xfc", 9) == 0,
       "a cursor's key");

    len = profile_encode_record_prefix(buf, 0x80000001);
    ok(len == 5 && memcmp(buf, "\x20\x80\x00\x00\x01", 5) == 0,
       "a record's prefix");
    is_int(profile_decode_record_key(buf, len, &n, &got), PROFILE_DAMAGED,
           "a prefix is no record's key");

    len = profile_encode_record_key(buf, 0x80000001, (u_char *) "a\0b", 3);
    ok(len == 8 && memcmp(buf, "\x20\x80\x00\x00\x01" "a\0b", 8) == 0,
       "a record's key");
    ok(profile_decode_record_key(buf, len, &n, &got) == PROFILE_OK
       && n == 0x80000001
       && got.len == 3
       && memcmp(got.data, "a\0b", 3) == 0, "its parts come back");

    len = profile_encode_record_key(buf, 1, id, sizeof(id));
    is_int(len, PROFILE_KEY_MAX, "the longest id fills the buffer");
    ok(profile_decode_record_key(buf, len, &n, &got) == PROFILE_OK
       && got.len == PROFILE_RECORD_ID_MAX, "and comes back");
}


/* Files with these bytes exist: this may change with the version only. */

static void
codec_bytes(void)
{
    u_char                buf[256];
    profile_key_t         key;
    profile_meta_t        meta;
    profile_cursor_t      cursor;
    profile_entity_t      entity;
    profile_orphan_t      orphan;
    profile_document_t    document;
    profile_workspace_t   workspace;

    meta.version = 1;
    meta.complete = 1;
    meta.created = 0x0102030405060708;
    meta.next_incarnation = 0x11121314;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_meta(buf, &meta);
    ok(memcmp(buf, "profile\0" "\0\0\0\1" "\0\0\0\1"
              "\1\2\3\4\5\6\7\x08" "\x11\x12\x13\x14" "\0\0\0\0"
              "\x70\x32\x1e\x02\x01\x72\xa9\x5b" "\xee", 41) == 0,
       "the bytes of a meta value");

    key.workspace = 7;
    key.expires = 0x0102030405060708;
    key.name.data = (u_char *) "web";
    key.name.len = 3;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_key(buf, codec_digest, &key);
    ok(profile_key_size(&key) == 27
       && memcmp(buf, "\2\0\0\3" "\0\0\0\7" "\1\2\3\4\5\6\7\x08"
                 "\xf0\x71\x71\x11\x67\x6a\x17\xe1" "web\xee", 28)
          == 0, "the bytes of a key");

    workspace.id = 7;
    workspace.name.data = (u_char *) "Acme";
    workspace.name.len = 4;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_workspace(buf, &workspace);
    ok(profile_workspace_size(&workspace) == 20
       && memcmp(buf, "\3\0\0\4" "\0\0\0\7"
                 "\x5f\x86\x61\xe2\xf8\x09\x8d\x81" "Acme\xee", 21)
          == 0,
       "the bytes of a workspace");

    memset(&entity, 0, sizeof(entity));
    entity.workspace = 1;
    entity.id = 2;
    entity.library = 3;
    entity.incarnation = 4;
    entity.records = 5;
    entity.bytes = 6;
    entity.changed = 7;
    entity.refreshed = 8;
    entity.name.data = (u_char *) "Users";
    entity.name.len = 5;
    entity.primary_key.data = (u_char *) "id";
    entity.primary_key.len = 2;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_entity(buf, &entity);
    ok(profile_entity_size(&entity) == 71
       && memcmp(buf, "\5\0\0\5" "\0\0\0\1" "\0\0\0\2" "\0\0\0\3"
                 "\0\0\0\4" "\0\2\0\0" "\0\0\0\0\0\0\0\5"
                 "\0\0\0\0\0\0\0\6" "\0\0\0\0\0\0\0\7"
                 "\0\0\0\0\0\0\0\x08"
                 "\x4c\x12\xef\x49\x57\x5f\x47\x22" "Usersid\xee", 72)
          == 0,
       "the bytes of an entity");

    orphan.incarnation = 99;
    orphan.workspace = 1;
    orphan.entity = 2;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_orphan(buf, &orphan);
    ok(memcmp(buf, "\6\0\0\0" "\0\0\0\1" "\0\0\0\2"
              "\x6b\x03\x8a\x6b\x98\x6e\x72\xcd" "\xee", 21) == 0,
       "the bytes of an orphan");

    cursor.workspace = 1;
    cursor.entity = 2;
    cursor.column.data = (u_char *) "at";
    cursor.column.len = 2;
    cursor.value.data = (u_char *) "2026-01-01";
    cursor.value.len = 10;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_cursor(buf, &cursor);
    ok(profile_cursor_size(&cursor) == 36
       && memcmp(buf, "\7\0\0\2" "\0\0\0\1" "\0\0\0\2" "\0\x0a\0\0"
                 "\x46\xb9\x9c\x4a\x7e\xcb\x8d\xd3"
                 "at2026-01-01\xee", 37) == 0, "the bytes of a cursor");

    document.workspace = 1;
    document.entity = 2;
    document.changed = 3;
    document.hash = (u_char *) "0123456789abcdef-and-more";
    document.body.data = (u_char *) "{\"data\":{}}";
    document.body.len = 11;
    memset(buf, 0xee, sizeof(buf));
    profile_encode_document(buf, PROFILE_TAG_RECORD, &document);
    ok(profile_document_size(&document) == 51
       && memcmp(buf, "\x20\0\0\x28" "\0\0\0\1" "\0\0\0\2" "\0\0\0\3"
                 "0123456789abcdef" "\0\0\0\x0b" "\x52\xd6\xa4\xb3"
                 "{\"data\":{}}\xee", 52) == 0,
       "the bytes of a record");
    profile_encode_document(buf, PROFILE_TAG_LIST, &document);
    is_int(buf[0], 0x04, "and of a list");
}


/* LMDB compares bytes; all that walks a range relies on numbers' order. */

static void
codec_order(void)
{
    int       wrong, want;
    size_t    i, j, len, len2;
    u_char    one[PROFILE_KEY_MAX], two[PROFILE_KEY_MAX];
    uint32_t  a, b;

    wrong = 0;

    for (i = 0; i < CODEC_NUMBERS * 100; i++) {
        for (j = 0; j < CODEC_NUMBERS; j++) {

            a = codec_numbers[i % CODEC_NUMBERS];
            b = codec_numbers[j];

            if (i >= CODEC_NUMBERS) {
                a = codec_rand();
                b = (codec_rand() & 1) ? codec_rand() : a + 1;
            }

            want = (a > b) - (a < b);

            len = profile_encode_workspace_key(one, a);
            len2 = profile_encode_workspace_key(two, b);
            wrong += (codec_compare(one, len, two, len2) != want);

            len = profile_encode_list_key(one, a);
            len2 = profile_encode_list_key(two, b);
            wrong += (codec_compare(one, len, two, len2) != want);

            len = profile_encode_orphan_key(one, a);
            len2 = profile_encode_orphan_key(two, b);
            wrong += (codec_compare(one, len, two, len2) != want);

            len = profile_encode_entity_key(one, 5, a);
            len2 = profile_encode_entity_key(two, 5, b);
            wrong += (codec_compare(one, len, two, len2) != want);

            len = profile_encode_cursor_key(one, 5, a);
            len2 = profile_encode_cursor_key(two, 5, b);
            wrong += (codec_compare(one, len, two, len2) != want);

            len = profile_encode_entity_key(one, a, 0xffffffff);
            len2 = profile_encode_entity_key(two, b, 0);
            wrong += (codec_compare(one, len, two, len2)
                      != ((want == 0) ? 1 : want));

            len = profile_encode_record_key(one, a, (u_char *) "zz", 2);
            len2 = profile_encode_record_key(two, b, (u_char *) "aa", 2);
            wrong += (codec_compare(one, len, two, len2)
                      != ((want == 0) ? 1 : want));
        }
    }

    is_int(wrong, 0, "keys sort by their numbers, then by the id");

    /* the order of the kinds: records are the last, for MDB_APPEND */

    len = profile_encode_cursor_key(one, 0xffffffff, 0xffffffff);
    len2 = profile_encode_record_prefix(two, 0);
    is_int(codec_compare(one, len, two, len2), -1,
           "all records come after everything else");
}


static void
codec_round_trips(void)
{
    size_t  i, j;

    static const size_t    lens[] = { 0, 1, 2, 255, 256, 999, 1000 };
    static const uint64_t  bigs[] = { 0, 1, UINT32_MAX,
                                      (uint64_t) UINT32_MAX + 1, INT64_MAX,
                                      (uint64_t) 1 << 63, UINT64_MAX };

    for (i = 0; i < CODEC_NUMBERS; i++) {
        for (j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
            codec_round_trip(codec_numbers[i], bigs[j], lens[j]);
        }
    }
}


static void
codec_round_trip(uint32_t n, uint64_t big, size_t len)
{
    int                   right;
    u_char               *buf, name[PROFILE_NAME_MAX];
    size_t                i, size;
    profile_key_t         key, key2;
    profile_meta_t        meta, meta2;
    profile_cursor_t      cursor, cursor2;
    profile_entity_t      entity, entity2;
    profile_orphan_t      orphan, orphan2;
    profile_document_t    document, document2;
    profile_workspace_t   workspace, workspace2;

    for (i = 0; i < len; i++) {
        name[i] = (u_char) codec_rand();
    }

    meta.version = PROFILE_FORMAT_VERSION;
    meta.complete = n;
    meta.created = big;
    meta.next_incarnation = ~n;

    buf = malloc(PROFILE_META_SIZE);
    profile_encode_meta(buf, &meta);
    right = profile_decode_meta(buf, PROFILE_META_SIZE, &meta2) == PROFILE_OK
            && meta2.version == meta.version
            && meta2.complete == meta.complete
            && meta2.created == meta.created
            && meta2.next_incarnation == meta.next_incarnation;
    free(buf);

    key.workspace = n;
    key.expires = big;
    key.name.data = name;
    key.name.len = len;

    size = profile_key_size(&key);
    buf = malloc(size);
    profile_encode_key(buf, codec_digest, &key);
    right = right
            && profile_decode_key(buf, size, codec_digest, &key2) == PROFILE_OK
            && key2.workspace == n
            && key2.expires == big
            && codec_same(&key.name, &key2.name);
    free(buf);

    workspace.id = n;
    workspace.name = key.name;

    size = profile_workspace_size(&workspace);
    buf = malloc(size);
    profile_encode_workspace(buf, &workspace);
    right = right
            && profile_decode_workspace(buf, size, &workspace2) == PROFILE_OK
            && workspace2.id == n
            && codec_same(&workspace.name, &workspace2.name);
    free(buf);

    entity.workspace = n;
    entity.id = ~n;
    entity.library = n + 1;
    entity.incarnation = n - 1;
    entity.records = big;
    entity.bytes = ~big;
    entity.changed = big + 1;
    entity.refreshed = big - 1;
    entity.name = key.name;
    entity.primary_key.data = name;
    entity.primary_key.len = len / 2;

    size = profile_entity_size(&entity);
    buf = malloc(size);
    profile_encode_entity(buf, &entity);
    right = right
            && profile_decode_entity(buf, size, &entity2) == PROFILE_OK
            && entity2.workspace == n
            && entity2.id == entity.id
            && entity2.library == entity.library
            && entity2.incarnation == entity.incarnation
            && entity2.records == big
            && entity2.bytes == entity.bytes
            && entity2.changed == entity.changed
            && entity2.refreshed == entity.refreshed
            && codec_same(&entity.name, &entity2.name)
            && codec_same(&entity.primary_key, &entity2.primary_key);
    free(buf);

    orphan.workspace = n;
    orphan.entity = ~n;

    buf = malloc(PROFILE_ORPHAN_SIZE);
    profile_encode_orphan(buf, &orphan);
    right = right
            && profile_decode_orphan(buf, PROFILE_ORPHAN_SIZE, &orphan2)
               == PROFILE_OK
            && orphan2.workspace == n
            && orphan2.entity == orphan.entity;
    free(buf);

    cursor.workspace = n;
    cursor.entity = ~n;
    cursor.column.data = name;
    cursor.column.len = len - len / 2;
    cursor.value.data = name;
    cursor.value.len = len;

    size = profile_cursor_size(&cursor);
    buf = malloc(size);
    profile_encode_cursor(buf, &cursor);
    right = right
            && profile_decode_cursor(buf, size, &cursor2) == PROFILE_OK
            && cursor2.workspace == n
            && cursor2.entity == cursor.entity
            && codec_same(&cursor.column, &cursor2.column)
            && codec_same(&cursor.value, &cursor2.value);
    free(buf);

    /* a document without a body is none */

    document.workspace = n;
    document.entity = ~n;
    document.changed = n + 7;
    document.hash = (u_char *) "fedcba9876543210";
    document.body.data = (len == 0) ? (u_char *) "x" : name;
    document.body.len = (len == 0) ? 1 : len;

    size = profile_document_size(&document);
    buf = malloc(size);
    profile_encode_document(buf, PROFILE_TAG_RECORD, &document);
    right = right
            && profile_decode_document(buf, size, PROFILE_TAG_RECORD,
                                       &document2)
               == PROFILE_OK
            && document2.workspace == n
            && document2.entity == document.entity
            && document2.changed == document.changed
            && memcmp(document2.hash, document.hash, PROFILE_HASH_SIZE) == 0
            && codec_same(&document.body, &document2.body);
    free(buf);

    ok(right, "values with %u, %llu and %zu bytes come back", (unsigned) n,
       (unsigned long long) big, len);
}


static void
codec_refused(codec_kind_t *kind)
{
    int      rc, wrong;
    u_char   buf[CODEC_ROOM];
    size_t   len;

    is_int(codec_exact(kind->decode, kind->sample, kind->size), PROFILE_OK,
           "%s is read", kind->name);

    /* a record's key may lose the end of its id */

    wrong = 0;

    for (len = 0; len < kind->size; len++) {
        rc = codec_exact(kind->decode, kind->sample, len);

        if (kind->open && len > kind->size - 4) {
            wrong += (rc != PROFILE_OK);
        } else {
            wrong += (rc != PROFILE_DAMAGED && rc != PROFILE_FOREIGN);
        }
    }

    is_int(wrong, 0, "%s: all %zu shorter ones are as they should be",
           kind->name, kind->size);

    memcpy(buf, kind->sample, kind->size);
    buf[kind->size] = 0;
    rc = codec_exact(kind->decode, buf, kind->size + 1);

    is_int(rc, kind->open ? PROFILE_OK : PROFILE_DAMAGED,
           "%s: one byte more", kind->name);

    wrong = 0;

    for (len = 0; len < 256; len++) {
        if ((int) len != kind->tag) {
            buf[0] = (u_char) len;
            rc = codec_exact(kind->decode, buf, kind->size);
            wrong += (rc != kind->foreign);
        }
    }

    is_int(wrong, 0, "%s: other tags are refused", kind->name);

    if (!kind->flags) {
        return;
    }

    buf[0] = (u_char) kind->tag;
    wrong = 0;

    for (len = 1; len < 256; len++) {
        buf[1] = (u_char) len;
        rc = codec_exact(kind->decode, buf, kind->size);
        wrong += (rc != PROFILE_DAMAGED);
    }

    is_int(wrong, 0, "%s: unknown flags are refused", kind->name);
}


/* LMDB has no checksums: each bit of a value that is not a body is covered. */

static void
codec_flips(codec_kind_t *kind)
{
    int     wrong;
    size_t  bit, bits;
    u_char  buf[CODEC_ROOM];

    bits = 8 * ((kind->tag == PROFILE_TAG_RECORD
                 || kind->tag == PROFILE_TAG_LIST)
                ? PROFILE_DOCUMENT_SIZE : kind->size);
    wrong = 0;

    for (bit = 0; bit < bits; bit++) {
        memcpy(buf, kind->sample, kind->size);
        buf[bit / 8] ^= (u_char) (1 << bit % 8);
        wrong += (codec_exact(kind->decode, buf, kind->size) == PROFILE_OK);
    }

    is_int(wrong, 0, "%s: each of %zu bits counts", kind->name, bits);
}


static int
codec_is_value(const codec_kind_t *kind)
{
    return kind->flags || kind->decode == codec_decode_meta;
}


/* Lengths inside of values that do not fit the value's own. */

static void
codec_lengths(void)
{
    int            wrong;
    size_t         n;
    u_char         buf[CODEC_ROOM];
    unsigned       i, right;
    codec_kind_t  *kind;

    static const struct {
        size_t  kind;
        size_t  offset;
    } lens[] = {
        { 1, 2 }, { 2, 2 }, { 3, 2 }, { 3, 20 }, { 5, 2 }, { 6, 2 },
        { 10, 2 }, { 10, 12 }
    };

    for (n = 0; n < sizeof(lens) / sizeof(lens[0]); n++) {

        kind = &codec_kinds[lens[n].kind];
        memcpy(buf, kind->sample, kind->size);

        right = (unsigned) (buf[lens[n].offset] << 8
                            | buf[lens[n].offset + 1]);
        wrong = 0;

        for (i = 0; i < 65536; i++) {
            buf[lens[n].offset] = (u_char) (i >> 8);
            buf[lens[n].offset + 1] = (u_char) i;

            if (i != right) {
                wrong += (codec_exact(kind->decode, buf, kind->size)
                          != PROFILE_DAMAGED);
            }
        }

        is_int(wrong, 0, "%s: no other length at byte %zu", kind->name,
               lens[n].offset);
    }
}


static void
codec_meta(void)
{
    int             i, wrong;
    size_t          len;
    u_char          buf[PROFILE_META_SIZE + 64];
    profile_meta_t  meta;

    static const uint32_t  versions[] = { 0, 2, 256, 0x01000000, UINT32_MAX };

    wrong = 0;

    for (i = 0; i < PROFILE_MAGIC_SIZE; i++) {
        memcpy(buf, codec_kinds[0].sample, PROFILE_META_SIZE);
        buf[i] ^= 0x20;
        meta.version = 77;
        wrong += (profile_decode_meta(buf, PROFILE_META_SIZE, &meta)
                  != PROFILE_FOREIGN
                  || meta.version != 0);
    }

    is_int(wrong, 0, "another magic is another program's, version 0");

    for (i = 0; i < (int) (sizeof(versions) / sizeof(versions[0])); i++) {

        memset(buf, 0, sizeof(buf));
        memcpy(buf, codec_kinds[0].sample, PROFILE_META_SIZE);
        buf[8] = (u_char) (versions[i] >> 24);
        buf[9] = (u_char) (versions[i] >> 16);
        buf[10] = (u_char) (versions[i] >> 8);
        buf[11] = (u_char) versions[i];

        wrong = 0;

        for (len = 12; len <= sizeof(buf); len++) {
            meta.version = 77;
            wrong += (profile_decode_meta(buf, len, &meta) != PROFILE_FOREIGN
                      || meta.version != versions[i]);
        }

        is_int(wrong, 0, "version %u is named, whatever its length",
               (unsigned) versions[i]);
    }
}


static void
codec_random(void)
{
    int            n, rc, bad, decoded;
    size_t         i, len;
    u_char         buf[256];
    codec_kind_t  *kind;

    bad = 0;
    decoded = 0;

    for (n = 0; n < CODEC_RANDOM; n++) {

        len = codec_rand() % 200;

        for (i = 0; i < len; i++) {
            buf[i] = (u_char) codec_rand();
        }

        kind = &codec_kinds[(size_t) n % CODEC_KINDS];

        /* most get beyond the first test, and some get a likely length */

        if (codec_rand() % 4 != 0) {
            memcpy(buf, kind->sample, (codec_rand() & 1) ? 2 : 12);
            buf[2] = 0;
            buf[3] = (codec_rand() & 1) ? PROFILE_DOCUMENT_SIZE
                                        : (u_char) len;
            if (kind->tag == 'p') {
                memcpy(buf, PROFILE_MAGIC "\0\0\0\1", 12);
            }
        }

        rc = codec_exact(kind->decode, buf, len);

        bad += (rc != PROFILE_OK
                && rc != PROFILE_DAMAGED
                && rc != PROFILE_FOREIGN);
        decoded += (rc == PROFILE_OK && codec_is_value(kind));
    }

    is_int(bad, 0, "%d random values: nothing is out of bounds",
           CODEC_RANDOM);
    is_int(decoded, 0, "and none of them is a value by chance");
}


static void
codec_samples(void)
{
    profile_key_t         key;
    profile_meta_t        meta;
    profile_cursor_t      cursor;
    profile_entity_t      entity;
    profile_orphan_t      orphan;
    profile_document_t    document;
    profile_workspace_t   workspace;

    memset(&meta, 0, sizeof(meta));
    meta.version = PROFILE_FORMAT_VERSION;
    meta.complete = 1;
    profile_encode_meta(codec_kinds[0].sample, &meta);
    codec_kinds[0].size = PROFILE_META_SIZE;

    memset(&key, 0, sizeof(key));
    key.name.data = (u_char *) "a key's name";
    key.name.len = 12;
    profile_encode_key(codec_kinds[1].sample, codec_digest, &key);
    codec_kinds[1].size = profile_key_size(&key);

    workspace.id = 1;
    workspace.name = key.name;
    profile_encode_workspace(codec_kinds[2].sample, &workspace);
    codec_kinds[2].size = profile_workspace_size(&workspace);

    memset(&entity, 0, sizeof(entity));
    entity.name = key.name;
    entity.primary_key.data = (u_char *) "id";
    entity.primary_key.len = 2;
    profile_encode_entity(codec_kinds[3].sample, &entity);
    codec_kinds[3].size = profile_entity_size(&entity);

    memset(&orphan, 0, sizeof(orphan));
    profile_encode_orphan(codec_kinds[4].sample, &orphan);
    codec_kinds[4].size = PROFILE_ORPHAN_SIZE;

    memset(&document, 0, sizeof(document));
    document.hash = (u_char *) "0123456789abcdef";
    document.body.data = (u_char *) "body";
    document.body.len = 4;
    profile_encode_document(codec_kinds[5].sample, PROFILE_TAG_RECORD,
                            &document);
    codec_kinds[5].size = profile_document_size(&document);
    profile_encode_document(codec_kinds[6].sample, PROFILE_TAG_LIST,
                            &document);
    codec_kinds[6].size = profile_document_size(&document);

    codec_kinds[7].size =
        profile_encode_key_key(codec_kinds[7].sample,
                               (u_char *) "0123456789abcdef0123456789abcdef");
    codec_kinds[8].size = profile_encode_orphan_key(codec_kinds[8].sample, 5);
    codec_kinds[9].size =
        profile_encode_record_key(codec_kinds[9].sample, 5,
                                  (u_char *) "abcd", 4);

    memset(&cursor, 0, sizeof(cursor));
    cursor.column.data = (u_char *) "updated_at";
    cursor.column.len = 10;
    cursor.value.data = (u_char *) "2026-01-01";
    cursor.value.len = 10;
    profile_encode_cursor(codec_kinds[10].sample, &cursor);
    codec_kinds[10].size = profile_cursor_size(&cursor);
}


static int
codec_decode_meta(const u_char *p, size_t len)
{
    profile_meta_t  meta;

    return profile_decode_meta(p, len, &meta);
}


static int
codec_decode_key(const u_char *p, size_t len)
{
    int            rc;
    profile_key_t  key;

    rc = profile_decode_key(p, len, codec_digest, &key);

    return (rc != PROFILE_OK || codec_within(&key.name, p, len)) ? rc : -1;
}


static int
codec_decode_workspace(const u_char *p, size_t len)
{
    int                  rc;
    profile_workspace_t  workspace;

    rc = profile_decode_workspace(p, len, &workspace);

    return (rc != PROFILE_OK || codec_within(&workspace.name, p, len)) ? rc
                                                                       : -1;
}


static int
codec_decode_entity(const u_char *p, size_t len)
{
    int               rc;
    profile_entity_t  entity;

    rc = profile_decode_entity(p, len, &entity);

    return (rc != PROFILE_OK
            || (codec_within(&entity.name, p, len)
                && codec_within(&entity.primary_key, p, len))) ? rc : -1;
}


static int
codec_decode_orphan(const u_char *p, size_t len)
{
    profile_orphan_t  orphan;

    return profile_decode_orphan(p, len, &orphan);
}


static int
codec_decode_cursor(const u_char *p, size_t len)
{
    int               rc;
    profile_cursor_t  cursor;

    rc = profile_decode_cursor(p, len, &cursor);

    return (rc != PROFILE_OK
            || (codec_within(&cursor.column, p, len)
                && codec_within(&cursor.value, p, len))) ? rc : -1;
}


static int
codec_decode_record(const u_char *p, size_t len)
{
    int                 rc;
    profile_bytes_t     hash;
    profile_document_t  document;

    rc = profile_decode_document(p, len, PROFILE_TAG_RECORD, &document);

    if (rc != PROFILE_OK) {
        return rc;
    }

    hash.data = document.hash;
    hash.len = PROFILE_HASH_SIZE;

    return (codec_within(&hash, p, len)
            && document.body.len != 0
            && codec_within(&document.body, p, len)) ? rc : -1;
}


static int
codec_decode_list(const u_char *p, size_t len)
{
    int                 rc;
    profile_document_t  document;

    rc = profile_decode_document(p, len, PROFILE_TAG_LIST, &document);

    return (rc != PROFILE_OK || codec_within(&document.body, p, len)) ? rc
                                                                      : -1;
}


static int
codec_decode_key_key(const u_char *p, size_t len)
{
    int              rc;
    const u_char    *digest;
    profile_bytes_t  bytes;

    rc = profile_decode_key_key(p, len, &digest);

    if (rc != PROFILE_OK) {
        return rc;
    }

    bytes.data = digest;
    bytes.len = PROFILE_DIGEST_SIZE;

    return codec_within(&bytes, p, len) ? rc : -1;
}


static int
codec_decode_orphan_key(const u_char *p, size_t len)
{
    uint32_t  n;

    return profile_decode_orphan_key(p, len, &n);
}


static int
codec_decode_record_key(const u_char *p, size_t len)
{
    int              rc;
    uint32_t         n;
    profile_bytes_t  id;

    rc = profile_decode_record_key(p, len, &n, &id);

    return (rc != PROFILE_OK
            || (id.len != 0 && codec_within(&id, p, len))) ? rc : -1;
}


/* From an allocation that ends with the value, be it of no bytes. */

static int
codec_exact(codec_decode_pt decode, const u_char *p, size_t len)
{
    int      rc;
    u_char  *buf;

    buf = malloc(8 + len);
    if (buf == NULL) {
        return -1;
    }

    memcpy(buf + 8, p, len);
    rc = decode(buf + 8, len);
    free(buf);

    return rc;
}


static int
codec_within(const profile_bytes_t *bytes, const u_char *p, size_t len)
{
    size_t  i;

    if (bytes->data < p
        || bytes->len > len
        || (size_t) (bytes->data - p) > len - bytes->len)
    {
        return 0;
    }

    for (i = 0; i < bytes->len; i++) {
        codec_seen += bytes->data[i];
    }

    return 1;
}


static int
codec_same(const profile_bytes_t *one, const profile_bytes_t *two)
{
    return one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}


static int
codec_compare(const u_char *one, size_t len, const u_char *two, size_t len2)
{
    int  rc;

    rc = memcmp(one, two, (len < len2) ? len : len2);

    if (rc == 0) {
        return (len > len2) - (len < len2);
    }

    return (rc > 0) - (rc < 0);
}


/* The same numbers in every run. */

static uint32_t
codec_rand(void)
{
    codec_seed = codec_seed * 6364136223846793005ULL + 1442695040888963407ULL;

    return (uint32_t) (codec_seed >> 32);
}
