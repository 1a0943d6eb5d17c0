
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Which pages a snapshot lists as free.
 *
 * The next commits write to those pages.  One that is in use all the same
 * holds what is right, but not for long.
 */


#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile_free.h"


#define PROFILE_FREE_DBI     0      /* LMDB's own database */
#define PROFILE_FREE_METAS   2      /* pages that are never free */
#define PROFILE_FREE_HEADER  (sizeof(size_t) + 8)


static int profile_free_list(profile_free_t *pages, const MDB_val *list);
static int profile_free_page(const profile_free_t *pages, uintptr_t page,
    size_t size);


int
profile_free_read(profile_free_t *pages, const profile_view_t *view,
    profile_error_t *err)
{
    int          rc;
    MDB_val      key, value;
    MDB_stat     stat;
    MDB_cursor  *cursor;

    memset(pages, 0, sizeof(profile_free_t));

    rc = mdb_stat(view->txn, view->dbi, &stat);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_stat", view->path);
    }

    pages->page_size = stat.ms_psize;
    pages->npages = profile_length_used(mdb_txn_env(view->txn))
                    / pages->page_size;

    pages->bits = calloc(pages->npages / 8 + 1, 1);
    if (pages->bits == NULL) {
        return profile_error_errno(err, ENOMEM, "cannot scan %s",
                                   view->path);
    }

    rc = mdb_cursor_open(view->txn, PROFILE_FREE_DBI, &cursor);
    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_open", view->path);
    }

    do {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    } while (rc == 0 && profile_free_list(pages, &value) == PROFILE_OK);

    mdb_cursor_close(cursor);

    if (rc == MDB_NOTFOUND) {
        return PROFILE_OK;
    }

    if (rc != 0) {
        return profile_error_lmdb(err, rc, "mdb_cursor_get", view->path);
    }

    return profile_error(err, PROFILE_DAMAGED,
                         "%s is damaged: its list of free pages cannot be "
                         "right; restore it or load it again", view->path);
}


void
profile_free_release(profile_free_t *pages)
{
    free(pages->bits);
    pages->bits = NULL;
}


/* A value larger than about half a page has pages of its own. */

int
profile_free_has(const profile_free_t *pages, const MDB_val *key,
    const MDB_val *value)
{
    uintptr_t  leaf, own;

    leaf = (uintptr_t) key->mv_data;
    leaf -= leaf % pages->page_size;

    own = (uintptr_t) value->mv_data;
    own -= own % pages->page_size;

    return profile_free_page(pages, leaf, 0)
           || (own != leaf && profile_free_page(pages, own, value->mv_size));
}


/* The numbers of pages, after their count. */

static int
profile_free_list(profile_free_t *pages, const MDB_val *list)
{
    size_t        i, n, number;
    const u_char  *p;

    if (list->mv_size < sizeof(size_t)) {
        return PROFILE_DAMAGED;
    }

    p = list->mv_data;
    memcpy(&n, p, sizeof(size_t));

    if (n > list->mv_size / sizeof(size_t) - 1) {
        return PROFILE_DAMAGED;
    }

    for (i = 1; i <= n; i++) {

        memcpy(&number, p + i * sizeof(size_t), sizeof(size_t));

        if (number < PROFILE_FREE_METAS
            || number >= pages->npages
            || (pages->bits[number / 8] & 1 << number % 8))
        {
            return PROFILE_DAMAGED;
        }

        pages->bits[number / 8] |= (u_char) (1 << number % 8);
    }

    return PROFILE_OK;
}


/* Whether one of the pages is free that a header and size bytes take. */

static int
profile_free_page(const profile_free_t *pages, uintptr_t page, size_t size)
{
    size_t  number, last;

    memcpy(&number, (const void *) page, sizeof(size_t));

    last = number + (PROFILE_FREE_HEADER + size - 1) / pages->page_size;

    for ( /* void */ ; number <= last && number < pages->npages; number++) {
        if (pages->bits[number / 8] & 1 << number % 8) {
            return 1;
        }
    }

    return 0;
}
