
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads every entry of a snapshot and says what is wrong.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_audit.h"
#include "profile_free.h"


/*
 * Whose records an incarnation holds: an entity's, or an orphan's.  All of
 * them come before the first record.
 */

typedef struct {
    uint32_t  incarnation;
    uint32_t  workspace;
    uint32_t  entity;
    int       orphan;
    int       shared;        /* with the one before it */
    uint64_t  records;       /* as the entity says */
    uint64_t  bytes;
    uint64_t  found;
    uint64_t  found_bytes;
} profile_audit_owner_t;


struct profile_audit_s {
    const profile_view_t    *view;
    MDB_cursor              *cursor;
    MDB_cursor_op            op;
    profile_meta_t           meta;
    profile_free_t           free;
    profile_audit_counts_t   counts;
    profile_audit_owner_t   *owners;
    size_t                   nowners;
    size_t                   allocated;
    size_t                   reported;      /* owners, at the end */
    uint32_t                 incarnation;   /* of the last record */
    uint64_t                 ordinal;
    profile_audit_owner_t   *owner;         /* NULL: nobody's */
    unsigned                 sorted:1;
    unsigned                 ended:1;
    size_t                   previous_len;
    u_char                   previous[PROFILE_KEY_MAX];
    char                     text[PROFILE_AUDIT_TEXT];
};


typedef int (*profile_audit_pt)(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);


static void profile_audit_assert(MDB_env *env, const char *text);
static int profile_audit_order(profile_audit_t *audit, const MDB_val *key,
    profile_error_t *err);
static int profile_audit_entry(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_meta(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_key(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_workspace(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_list(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_entity(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_orphan(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_cursor(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_record(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static void profile_audit_enter(profile_audit_t *audit,
    uint32_t incarnation);
static int profile_audit_lookup(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_is_key(const profile_audit_entry_t *entry,
    const u_char *key, size_t len);
static int profile_audit_has_workspace(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_own(profile_audit_t *audit,
    const profile_audit_owner_t *owner, profile_error_t *err);
static void profile_audit_sort(profile_audit_t *audit);
static int profile_audit_compare(const void *one, const void *two);
static int profile_audit_end(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err);
static int profile_audit_count(profile_audit_t *audit,
    profile_audit_entry_t *entry, const profile_audit_owner_t *owner);


int
profile_audit_open(profile_audit_t **auditp, const profile_view_t *view,
    profile_error_t *err)
{
    int               rc;
    profile_audit_t  *audit;

    audit = calloc(1, sizeof(profile_audit_t));
    if (audit == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot scan %s",
                                   view->path);
    }

    audit->view = view;
    audit->op = MDB_FIRST;

    (void) mdb_env_set_assert(mdb_txn_env(view->txn), profile_audit_assert);

    rc = profile_view_meta(view, &audit->meta, err);

    if (rc == PROFILE_OK) {
        rc = profile_free_read(&audit->free, view, err);
    }

    if (rc != PROFILE_OK) {
        profile_audit_close(audit);
        return rc;
    }

    rc = mdb_cursor_open(view->txn, view->dbi, &audit->cursor);
    if (rc != 0) {
        profile_audit_close(audit);
        return profile_error_lmdb(err, rc, "mdb_cursor_open", view->path);
    }

    *auditp = audit;

    return PROFILE_OK;
}


void
profile_audit_close(profile_audit_t *audit)
{
    if (audit != NULL) {
        mdb_cursor_close(audit->cursor);
        profile_free_release(&audit->free);
        free(audit->owners);
        free(audit);
    }
}


int
profile_audit_next(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int      rc;
    MDB_val  key, value;

    memset(entry, 0, sizeof(profile_audit_entry_t));

    if (audit->ended) {
        return profile_audit_end(audit, entry, err);
    }

    rc = mdb_cursor_get(audit->cursor, &key, &value, audit->op);

    if (rc == MDB_NOTFOUND) {
        audit->ended = 1;
        return profile_audit_end(audit, entry, err);
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_get",
                                  audit->view->path);
    }

    audit->op = MDB_NEXT;
    audit->counts.entries++;

    rc = profile_audit_order(audit, &key, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    entry->tag = *(u_char *) key.mv_data;
    entry->key.data = key.mv_data;
    entry->key.len = key.mv_size;
    entry->value.data = value.mv_data;
    entry->value.len = value.mv_size;

    return profile_audit_entry(audit, entry, err);
}


const profile_audit_counts_t *
profile_audit_counts(const profile_audit_t *audit)
{
    return &audit->counts;
}


const char *
profile_audit_name(const profile_audit_entry_t *entry, char *buf)
{
    unsigned long long  n;

    n = entry->ordinal;

    switch (entry->tag) {

    case PROFILE_TAG_META:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "the version record");
        break;

    case PROFILE_TAG_KEY:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "key %llu of workspace %u",
                        n, entry->workspace);
        break;

    case PROFILE_TAG_WORKSPACE:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "workspace %u",
                        entry->workspace);
        break;

    case PROFILE_TAG_LIST:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT,
                        "the entity list of workspace %u", entry->workspace);
        break;

    case PROFILE_TAG_ENTITY:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "entity %u of workspace %u",
                        entry->entity, entry->workspace);
        break;

    case PROFILE_TAG_ORPHAN:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "the note that load %u is "
                        "to be deleted", entry->incarnation);
        break;

    case PROFILE_TAG_CURSOR:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT,
                        "the cursor of entity %u of workspace %u",
                        entry->entity, entry->workspace);
        break;

    case PROFILE_TAG_RECORD:

        if (entry->workspace == 0) {
            (void) snprintf(buf, PROFILE_AUDIT_TEXT, "record %llu of load %u",
                            n, entry->incarnation);
            break;
        }

        (void) snprintf(buf, PROFILE_AUDIT_TEXT,
                        "%srecord %llu of entity %u of workspace %u",
                        entry->orphan ? "unused " : "", n, entry->entity,
                        entry->workspace);
        break;

    default:
        (void) snprintf(buf, PROFILE_AUDIT_TEXT, "entry %llu", n);
    }

    return buf;
}


/* LMDB would print the line of its source; who waits for us says it better */

static void
profile_audit_assert(MDB_env *env, const char *text)
{
    (void) env;
    (void) text;

    abort();
}


/*
 * A tree that is out of order is no tree: lookups in it miss what is there,
 * and there is no telling where it ends.
 */

static int
profile_audit_order(profile_audit_t *audit, const MDB_val *key,
    profile_error_t *err)
{
    profile_bytes_t  one, two;

    one.data = audit->previous;
    one.len = audit->previous_len;
    two.data = key->mv_data;
    two.len = key->mv_size;

    if (two.len == 0
        || two.len > PROFILE_KEY_MAX
        || (one.len != 0 && profile_bytes_compare(&one, &two) >= 0))
    {
        return profile_error(err, PROFILE_DAMAGED,
                             "%s is damaged: its entries are not in order "
                             "after the first %llu; restore it or load it "
                             "again", audit->view->path,
                             (unsigned long long) audit->counts.entries - 1);
    }

    memcpy(audit->previous, two.data, two.len);
    audit->previous_len = two.len;

    return PROFILE_OK;
}


static int
profile_audit_entry(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int               rc;
    profile_audit_pt  handler;

    switch (entry->tag) {

    case PROFILE_TAG_META:
        handler = profile_audit_meta;
        break;

    case PROFILE_TAG_KEY:
        handler = profile_audit_key;
        break;

    case PROFILE_TAG_WORKSPACE:
        handler = profile_audit_workspace;
        break;

    case PROFILE_TAG_LIST:
        handler = profile_audit_list;
        break;

    case PROFILE_TAG_ENTITY:
        handler = profile_audit_entity;
        break;

    case PROFILE_TAG_ORPHAN:
        handler = profile_audit_orphan;
        break;

    case PROFILE_TAG_CURSOR:
        handler = profile_audit_cursor;
        break;

    case PROFILE_TAG_RECORD:
        handler = profile_audit_record;
        break;

    default:
        entry->ordinal = audit->counts.entries;
        entry->damage = "is of no kind that this version knows";
        return PROFILE_OK;
    }

    rc = handler(audit, entry, err);

    if (rc == PROFILE_DAMAGED) {
        entry->damage = "cannot be decoded, or is not what its key says";
        return PROFILE_OK;
    }

    return (rc == PROFILE_OK && entry->damage == NULL)
           ? profile_audit_lookup(audit, entry, err) : rc;
}


/*
 * The handlers return PROFILE_DAMAGED for a value that is not what its key
 * says, and set damage where there is more to say.
 */

static int
profile_audit_meta(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    (void) audit;
    (void) err;

    /* its value was checked first of all */

    return (entry->key.len == PROFILE_META_KEY_SIZE) ? PROFILE_OK
                                                     : PROFILE_DAMAGED;
}


static int
profile_audit_key(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    profile_key_t   key;
    const u_char   *digest;

    entry->ordinal = ++audit->counts.keys;

    if (profile_decode_key_key(entry->key.data, entry->key.len, &digest)
        != PROFILE_OK
        || profile_decode_key(entry->value.data, entry->value.len, digest,
                              &key)
           != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    entry->workspace = key.workspace;
    entry->text[0] = key.name;

    return profile_audit_has_workspace(audit, entry, err);
}


static int
profile_audit_workspace(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int                   rc;
    u_char                buf[PROFILE_KEY_MAX];
    profile_document_t    list;
    profile_workspace_t   workspace;

    entry->ordinal = ++audit->counts.workspaces;

    if (profile_decode_workspace(entry->value.data, entry->value.len,
                                 &workspace)
        != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    entry->workspace = workspace.id;
    entry->text[0] = workspace.name;

    if (!profile_audit_is_key(entry, buf,
                              profile_encode_workspace_key(buf,
                                                           workspace.id)))
    {
        return PROFILE_DAMAGED;
    }

    rc = profile_view_list(audit->view, workspace.id, &list, err);

    if (rc == PROFILE_NOT_FOUND) {
        entry->damage = "has no entity list";
        return PROFILE_OK;
    }

    /* a list that is damaged says so when its turn comes */

    return (rc == PROFILE_DAMAGED) ? PROFILE_OK : rc;
}


static int
profile_audit_list(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    u_char               buf[PROFILE_KEY_MAX];
    profile_document_t  *list;

    list = &entry->document;

    if (profile_decode_document(entry->value.data, entry->value.len,
                                PROFILE_TAG_LIST, list)
        != PROFILE_OK)
    {
        list->body.len = 0;
        return PROFILE_DAMAGED;
    }

    entry->workspace = list->workspace;

    if (list->entity != 0
        || !profile_audit_is_key(entry, buf,
                                 profile_encode_list_key(buf,
                                                         list->workspace)))
    {
        return PROFILE_DAMAGED;
    }

    return profile_audit_has_workspace(audit, entry, err);
}


static int
profile_audit_entity(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int                    rc;
    size_t                 len;
    u_char                 buf[PROFILE_KEY_MAX];
    profile_entity_t       entity;
    profile_audit_owner_t  owner;

    entry->ordinal = ++audit->counts.entities;

    if (profile_decode_entity(entry->value.data, entry->value.len, &entity)
        != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    entry->workspace = entity.workspace;
    entry->entity = entity.id;
    entry->incarnation = entity.incarnation;
    entry->text[0] = entity.name;
    entry->text[1] = entity.primary_key;

    len = profile_encode_entity_key(buf, entity.workspace, entity.id);

    if (!profile_audit_is_key(entry, buf, len)) {
        return PROFILE_DAMAGED;
    }

    memset(&owner, 0, sizeof(profile_audit_owner_t));

    owner.incarnation = entity.incarnation;
    owner.workspace = entity.workspace;
    owner.entity = entity.id;
    owner.records = entity.records;
    owner.bytes = entity.bytes;

    rc = profile_audit_own(audit, &owner, err);
    if (rc != PROFILE_OK) {
        return rc;
    }

    if (entity.incarnation >= audit->meta.next_incarnation) {
        entry->damage = "has a load that the version record does not count";
        return PROFILE_OK;
    }

    return profile_audit_has_workspace(audit, entry, err);
}


static int
profile_audit_orphan(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    profile_orphan_t       orphan;
    profile_audit_owner_t  owner;

    if (profile_decode_orphan_key(entry->key.data, entry->key.len,
                                  &entry->incarnation)
        != PROFILE_OK
        || entry->incarnation == 0
        || profile_decode_orphan(entry->value.data, entry->value.len, &orphan)
           != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    entry->orphan = 1;

    if (entry->incarnation >= audit->meta.next_incarnation) {
        entry->damage = "is of a load that the version record does not "
                        "count";
    }

    memset(&owner, 0, sizeof(profile_audit_owner_t));

    owner.incarnation = entry->incarnation;
    owner.workspace = orphan.workspace;
    owner.entity = orphan.entity;
    owner.orphan = 1;

    return profile_audit_own(audit, &owner, err);
}


static int
profile_audit_cursor(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int               rc;
    u_char            buf[PROFILE_KEY_MAX];
    profile_cursor_t  cursor;
    profile_entity_t  entity;

    if (profile_decode_cursor(entry->value.data, entry->value.len, &cursor)
        != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    entry->workspace = cursor.workspace;
    entry->entity = cursor.entity;
    entry->text[0] = cursor.column;
    entry->text[1] = cursor.value;

    if (!profile_audit_is_key(entry, buf,
                              profile_encode_cursor_key(buf,
                                                        cursor.workspace,
                                                        cursor.entity)))
    {
        return PROFILE_DAMAGED;
    }

    rc = profile_view_entity(audit->view, cursor.workspace, cursor.entity,
                             &entity, err);

    if (rc == PROFILE_NOT_FOUND) {
        entry->damage = "is of an entity that is missing";
        return PROFILE_OK;
    }

    return (rc == PROFILE_DAMAGED) ? PROFILE_OK : rc;
}


static int
profile_audit_record(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    uint32_t                incarnation;
    profile_bytes_t         id;
    profile_document_t     *record;
    profile_audit_owner_t  *owner;

    (void) err;

    if (profile_decode_record_key(entry->key.data, entry->key.len,
                                  &incarnation, &id)
        != PROFILE_OK)
    {
        return PROFILE_DAMAGED;
    }

    profile_audit_sort(audit);

    if (audit->ordinal == 0 || incarnation != audit->incarnation) {
        profile_audit_enter(audit, incarnation);
    }

    owner = audit->owner;
    record = &entry->document;

    entry->incarnation = incarnation;
    entry->ordinal = ++audit->ordinal;

    if (owner == NULL) {
        entry->damage = "belongs to no entity";
        return PROFILE_OK;
    }

    entry->workspace = owner->workspace;
    entry->entity = owner->entity;
    entry->orphan = owner->orphan;

    owner->found++;

    if (profile_decode_document(entry->value.data, entry->value.len,
                                PROFILE_TAG_RECORD, record)
        != PROFILE_OK)
    {
        record->body.len = 0;
        return PROFILE_DAMAGED;
    }

    owner->found_bytes += record->body.len;

    if (owner->orphan) {
        audit->counts.orphans++;

    } else {
        audit->counts.records++;
        audit->counts.bytes += record->body.len;
    }

    if (record->workspace != owner->workspace
        || record->entity != owner->entity)
    {
        entry->damage = "says that it belongs to another entity";
    }

    return PROFILE_OK;
}


/* The records of an incarnation lie side by side. */

static void
profile_audit_enter(profile_audit_t *audit, uint32_t incarnation)
{
    profile_audit_owner_t  wanted;

    memset(&wanted, 0, sizeof(profile_audit_owner_t));
    wanted.incarnation = incarnation;

    audit->incarnation = incarnation;
    audit->ordinal = 0;
    audit->owner = (audit->nowners == 0)
                   ? NULL
                   : bsearch(&wanted, audit->owners, audit->nowners,
                             sizeof(profile_audit_owner_t),
                             profile_audit_compare);
}


/*
 * A walk goes from page to page and never reads the keys of the pages above
 * them, which is how a lookup finds its way.
 */

static int
profile_audit_lookup(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int      rc;
    MDB_val  key, value;

    key.mv_data = (void *) entry->key.data;
    key.mv_size = entry->key.len;

    rc = mdb_get(audit->view->txn, audit->view->dbi, &key, &value);

    if (rc == MDB_NOTFOUND) {
        entry->damage = "is there, but a lookup does not find it";
        return PROFILE_OK;
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_get", audit->view->path);
    }

    if (profile_free_has(&audit->free, &key, &value)) {
        entry->damage = "is on a page that counts as free";
    }

    return PROFILE_OK;
}


static int
profile_audit_is_key(const profile_audit_entry_t *entry, const u_char *key,
    size_t len)
{
    return entry->key.len == len && memcmp(entry->key.data, key, len) == 0;
}


static int
profile_audit_has_workspace(profile_audit_t *audit,
    profile_audit_entry_t *entry, profile_error_t *err)
{
    int                  rc;
    profile_workspace_t  workspace;

    rc = profile_view_workspace(audit->view, entry->workspace, &workspace,
                                err);

    if (rc == PROFILE_NOT_FOUND) {
        entry->damage = "is of a workspace that is missing";
        return PROFILE_OK;
    }

    return (rc == PROFILE_DAMAGED) ? PROFILE_OK : rc;
}


static int
profile_audit_own(profile_audit_t *audit, const profile_audit_owner_t *owner,
    profile_error_t *err)
{
    size_t                  n;
    profile_audit_owner_t  *owners;

    if (audit->nowners == audit->allocated) {

        n = (audit->allocated == 0) ? 16 : 2 * audit->allocated;

        owners = realloc(audit->owners, n * sizeof(profile_audit_owner_t));
        if (owners == NULL) {
            return profile_error_errno(err, ENOMEM, "cannot scan %s",
                                       audit->view->path);
        }

        audit->owners = owners;
        audit->allocated = n;
    }

    audit->owners[audit->nowners++] = *owner;

    return PROFILE_OK;
}


static void
profile_audit_sort(profile_audit_t *audit)
{
    size_t                  i;
    profile_audit_owner_t  *owner;

    if (audit->sorted || audit->nowners == 0) {
        return;
    }

    qsort(audit->owners, audit->nowners, sizeof(profile_audit_owner_t),
          profile_audit_compare);

    for (i = 1; i < audit->nowners; i++) {
        owner = &audit->owners[i];

        owner->shared = (owner->incarnation != 0
                         && owner->incarnation == owner[-1].incarnation);
    }

    audit->sorted = 1;
}


static int
profile_audit_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = ((const profile_audit_owner_t *) one)->incarnation;
    b = ((const profile_audit_owner_t *) two)->incarnation;

    return (a > b) - (a < b);
}


/* What can be said only when all has been seen, one thing at a time. */

static int
profile_audit_end(profile_audit_t *audit, profile_audit_entry_t *entry,
    profile_error_t *err)
{
    int                     rc;
    MDB_stat                stat;
    profile_audit_owner_t  *owner;

    profile_audit_sort(audit);

    while (audit->reported < audit->nowners) {
        owner = &audit->owners[audit->reported++];

        if (profile_audit_count(audit, entry, owner) != PROFILE_OK) {
            return PROFILE_OK;
        }
    }

    /* a part of the tree that cannot be reached is not seen by a walk */

    rc = mdb_stat(audit->view->txn, audit->view->dbi, &stat);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_stat", audit->view->path);
    }

    if (stat.ms_entries != audit->counts.entries) {
        return profile_error(err, PROFILE_DAMAGED,
                             "%s is damaged: it has %llu entries, but should "
                             "have %llu; restore it or load it again",
                             audit->view->path,
                             (unsigned long long) audit->counts.entries,
                             (unsigned long long) stat.ms_entries);
    }

    return PROFILE_NOT_FOUND;
}


static int
profile_audit_count(profile_audit_t *audit, profile_audit_entry_t *entry,
    const profile_audit_owner_t *owner)
{
    entry->tag = PROFILE_TAG_ENTITY;
    entry->workspace = owner->workspace;
    entry->entity = owner->entity;
    entry->incarnation = owner->incarnation;
    entry->damage = audit->text;

    if (owner->shared) {
        entry->damage = "has records that another entity has as well, or "
                        "that are to be deleted";
        return PROFILE_DAMAGED;
    }

    if (owner->orphan) {
        return PROFILE_OK;
    }

    if (owner->found != owner->records) {
        (void) snprintf(audit->text, sizeof(audit->text),
                        "has %llu records, but says that it has %llu",
                        (unsigned long long) owner->found,
                        (unsigned long long) owner->records);
        return PROFILE_DAMAGED;
    }

    if (owner->found_bytes != owner->bytes) {
        (void) snprintf(audit->text, sizeof(audit->text),
                        "has bodies of %llu bytes, but says that they have "
                        "%llu", (unsigned long long) owner->found_bytes,
                        (unsigned long long) owner->bytes);
        return PROFILE_DAMAGED;
    }

    return PROFILE_OK;
}
