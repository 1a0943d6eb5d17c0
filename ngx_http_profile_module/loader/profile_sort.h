
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Sorts rows by id with bounded memory: what does not fit goes to a
 * temporary file in runs, which are merged when the rows are read.
 */


#ifndef _PROFILE_SORT_H_INCLUDED_
#define _PROFILE_SORT_H_INCLUDED_


#include "profile_codec.h"


typedef struct profile_sort_s  profile_sort_t;


typedef struct {
    profile_bytes_t  id;
    profile_bytes_t  body;
    uint32_t         stream;       /* where the row came from */
    uint64_t         line;
} profile_sorted_t;


/*
 * directory takes the temporary file, which has no name and so ends with
 * the process; the string must live as long as the sort.  memory is the
 * bound, in bytes; one row may exceed it.
 */

profile_sort_t *profile_sort_create(const char *directory, size_t memory);
void profile_sort_free(profile_sort_t *sort);

/* Copies the row. */

int profile_sort_add(profile_sort_t *sort, const profile_sorted_t *row,
    profile_error_t *err);

/* Goes to the first row; after that no more may be added. */

int profile_sort_rewind(profile_sort_t *sort, profile_error_t *err);

/*
 * Rows in the order of the bytes of their ids, equal ones in the order in
 * which they were added; PROFILE_NOT_FOUND after the last.  What row points
 * to is valid until the next call.
 */

int profile_sort_next(profile_sort_t *sort, profile_sorted_t *row,
    profile_error_t *err);

uint64_t profile_sort_rows(const profile_sort_t *sort);
uint64_t profile_sort_bytes(const profile_sort_t *sort);   /* of all bodies */


#endif /* _PROFILE_SORT_H_INCLUDED_ */
