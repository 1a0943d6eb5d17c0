
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Sorts rows by id with bounded memory: what does not fit goes to temporary
 * files in runs, which are merged when the rows are read.
 *
 * Several threads may add rows, each to a shard of its own.
 */


#ifndef _PROFILE_SORT_H_INCLUDED_
#define _PROFILE_SORT_H_INCLUDED_


#include "profile_codec.h"


typedef struct profile_sort_s  profile_sort_t;


/* A row without a body is one that is to be deleted. */

typedef struct {
    profile_bytes_t  id;
    profile_bytes_t  body;
    uint64_t         order;        /* among rows with the same id */
    uint64_t         line;         /* where the row came from */
    uint32_t         stream;
} profile_sorted_t;


/*
 * directory takes the temporary files, which have no names and so end with
 * the process; the string must live as long as the sort.  memory is the
 * bound of all shards together, in bytes; one row of each may exceed it.
 */

profile_sort_t *profile_sort_create(const char *directory, size_t memory,
    unsigned shards);
void profile_sort_free(profile_sort_t *sort);

/* Copies the row.  Different shards may be added to at the same time. */

int profile_sort_add(profile_sort_t *sort, unsigned shard,
    const profile_sorted_t *row, profile_error_t *err);

/*
 * Says that a shard has all its rows.  rewind does it where it has not been
 * done; done by the thread that added them it happens beside other work.
 */

void profile_sort_finish(profile_sort_t *sort, unsigned shard);

/*
 * Goes to the first row; after that no more may be added.  May be called
 * again.
 */

int profile_sort_rewind(profile_sort_t *sort, profile_error_t *err);

/*
 * Rows by the bytes of their ids, equal ones by their order;
 * PROFILE_NOT_FOUND after the last.  What row points to is valid until the
 * next call.
 */

int profile_sort_next(profile_sort_t *sort, profile_sorted_t *row,
    profile_error_t *err);

/* Of all rows that were added; not while some are being added. */

uint64_t profile_sort_rows(const profile_sort_t *sort);
uint64_t profile_sort_bytes(const profile_sort_t *sort);   /* of all bodies */


#endif /* _PROFILE_SORT_H_INCLUDED_ */
