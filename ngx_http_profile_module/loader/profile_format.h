
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The formats of sources.  Each cuts streams into rows, which is quick and
 * goes in order, and makes JSON of a row, which takes longer and may happen
 * elsewhere: in other threads, in any order.
 */


#ifndef _PROFILE_FORMAT_H_INCLUDED_
#define _PROFILE_FORMAT_H_INCLUDED_


#include "profile_buffer.h"
#include "profile_input.h"
#include "profile_row.h"


/*
 * The bytes of a row, valid until the next one, and where it stands.
 * columns belongs to the format and lives as long as its reader.
 */

typedef struct {
    const u_char  *text;
    size_t         len;
    const void    *columns;
    uint32_t       stream;
    uint64_t       line;        /* the first of the row, from 1 */
} profile_raw_t;


typedef struct {

    /* entity and input must live as long as the reader */

    void                  *(*create)(const profile_config_entity_t *entity,
                                     profile_input_t *input);
    void                   (*free)(void *reader);

    /*
     * The next row; PROFILE_NOT_FOUND after the last.  *reason says that it
     * is invalid, and then it has no text: it was too long to be looked at.
     * PROFILE_FAILED where the stream is such that rows can no longer be
     * told apart.
     */

    int                    (*next)(void *reader, profile_raw_t *raw,
                                   profile_row_reason_e *reason,
                                   profile_error_t *err);

    /* Appends the row's JSON; NULL where its bytes are JSON already. */

    profile_row_reason_e   (*decode)(const profile_raw_t *raw,
                                     profile_buffer_t *json);
} profile_format_t;


const profile_format_t *profile_format(profile_format_e format);


extern const profile_format_t  profile_format_ndjson;
extern const profile_format_t  profile_format_json;
extern const profile_format_t  profile_format_csv;


#endif /* _PROFILE_FORMAT_H_INCLUDED_ */
