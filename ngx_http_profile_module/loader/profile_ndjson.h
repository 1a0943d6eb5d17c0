
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Newline-delimited JSON: cuts streams into lines.
 */


#ifndef _PROFILE_NDJSON_H_INCLUDED_
#define _PROFILE_NDJSON_H_INCLUDED_


#include "profile_row.h"
#include "profile_source.h"


typedef struct profile_ndjson_s  profile_ndjson_t;


/* The bytes of a row, valid until the next one, and where it stands. */

typedef struct {
    const u_char  *text;
    size_t         len;
    uint32_t       stream;
    uint64_t       line;        /* from 1 */
} profile_raw_t;


/* Borrows the source, which must live as long. */

profile_ndjson_t *profile_ndjson_create(profile_source_t *source);
void profile_ndjson_free(profile_ndjson_t *ndjson);

/*
 * The next line that is not blank.  *reason is PROFILE_ROW_LONG for one
 * that is too long to be looked at, which then has no text.
 * PROFILE_NOT_FOUND at the end.
 */

int profile_ndjson_next(profile_ndjson_t *ndjson, profile_raw_t *raw,
    profile_row_reason_e *reason, profile_error_t *err);


#endif /* _PROFILE_NDJSON_H_INCLUDED_ */
