
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Checks one row and makes of it what is stored.  The only file behind this
 * header knows that jansson does the checking.
 */


#ifndef _PROFILE_ROW_H_INCLUDED_
#define _PROFILE_ROW_H_INCLUDED_


#include "profile_codec.h"
#include "profile_loader.h"


/* Why a row is invalid; the order is that of reports. */

typedef enum {
    PROFILE_ROW_VALID = 0,
    PROFILE_ROW_SYNTAX,
    PROFILE_ROW_UTF8,
    PROFILE_ROW_NUL,
    PROFILE_ROW_DEPTH,
    PROFILE_ROW_DUPLICATE_MEMBER,
    PROFILE_ROW_NOT_OBJECT,
    PROFILE_ROW_NO_KEY,
    PROFILE_ROW_NULL_KEY,
    PROFILE_ROW_KEY_TYPE,
    PROFILE_ROW_EMPTY_KEY,
    PROFILE_ROW_LONG_KEY,
    PROFILE_ROW_LONG,
    PROFILE_ROW_QUOTES,
    PROFILE_ROW_FIELDS,
    PROFILE_ROW_NO_CURSOR,
    PROFILE_ROW_CURSOR_TYPE,
    PROFILE_ROW_LONG_CURSOR,
    PROFILE_ROW_DELETED,
    PROFILE_ROW_DUPLICATE_KEY,
    PROFILE_ROW_REASONS
} profile_row_reason_e;


/* A larger row is invalid; what follows it is read on.  Fuzzers have less. */

#ifndef PROFILE_ROW_MAX
#define PROFILE_ROW_MAX  (32 * 1024 * 1024)
#endif


/* Members that mean something; cursor and deleted may be NULL. */

typedef struct {
    const char  *primary_key;
    const char  *cursor;
    const char  *deleted;
} profile_row_members_t;


/* Belongs to the parser, until its next row. */

typedef struct {
    profile_bytes_t  id;
    profile_bytes_t  body;      /* {"data":...}, as the wire needs it */
    profile_bytes_t  cursor;    /* its text, where the members name one */
    int              deleted;
} profile_row_t;


typedef struct profile_row_parser_s  profile_row_parser_t;


/* The members must live as long. */

profile_row_parser_t *profile_row_parser_create(
    const profile_row_members_t *members);
void profile_row_parser_free(profile_row_parser_t *parser);

/*
 * text is one JSON value.  The row keeps the bytes of its strings and
 * numbers; only white space between them goes.
 */

profile_row_reason_e profile_row_parse(profile_row_parser_t *parser,
    const u_char *text, size_t len, profile_row_t *row);

const char *profile_row_reason(profile_row_reason_e reason);


#endif /* _PROFILE_ROW_H_INCLUDED_ */
