
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The fields of a CSV record: those of a header are the columns' names, and
 * with them another record becomes a JSON object.
 */


#ifndef _PROFILE_CSV_COLUMNS_H_INCLUDED_
#define _PROFILE_CSV_COLUMNS_H_INCLUDED_


#include "profile_buffer.h"
#include "profile_row.h"


typedef struct profile_csv_columns_s  profile_csv_columns_t;


/*
 * Reads a header, a record without its line's end.  *reason says why it is
 * none; columns are NULL then.
 */

profile_csv_columns_t *profile_csv_columns_create(const u_char *text,
    size_t len, profile_row_reason_e *reason);
void profile_csv_columns_free(profile_csv_columns_t *columns);

/* The same names in the same order. */

int profile_csv_columns_equal(const profile_csv_columns_t *one,
    const profile_csv_columns_t *two);

int profile_csv_columns_have(const profile_csv_columns_t *columns,
    const char *name);

/*
 * Finds a name that is there twice and writes it to buf, cut to its size,
 * as JSON escapes it; returns 0 if there is none.
 */

int profile_csv_columns_duplicate(const profile_csv_columns_t *columns,
    char *buf, size_t size);

/*
 * Appends the record as a JSON object.  Several threads may do so at once
 * with the same columns.
 */

profile_row_reason_e profile_csv_columns_decode(
    const profile_csv_columns_t *columns, const u_char *text, size_t len,
    profile_buffer_t *json);


#endif /* _PROFILE_CSV_COLUMNS_H_INCLUDED_ */
