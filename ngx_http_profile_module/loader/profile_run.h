
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A sorted run of rows, in memory or in a temporary file: how the rows of a
 * sort are laid out, compared and read.
 */


#ifndef _PROFILE_RUN_H_INCLUDED_
#define _PROFILE_RUN_H_INCLUDED_


#include "profile_sort.h"


/* What stands before a row's id and body. */

typedef struct {
    uint64_t  order;
    uint64_t  line;
    uint32_t  stream;
    uint32_t  body;        /* their lengths */
    uint32_t  id;
} profile_run_head_t;


/*
 * An index of rows: the first eight bytes of each id as a number, which
 * decide most comparisons without a look at the row, and its place.
 */

typedef struct {
    uint64_t  prefix;
    uint64_t  offset;
} profile_run_entry_t;


typedef struct {
    const u_char               *row;        /* the first; NULL: none is left */

    /* in memory */

    const u_char               *arena;
    const profile_run_entry_t  *entries;    /* NULL: in a file */
    size_t                      nentries;
    size_t                      next;

    /* in a file */

    const char                 *directory;  /* for messages */
    int                         fd;
    off_t                       start;
    off_t                       end;
    off_t                       offset;     /* of what has not been read */
    u_char                     *buf;
    size_t                      size;
    size_t                      pos;        /* in buf, of the first row */
    size_t                      last;
    size_t                      buffer;     /* bytes to read at once */
} profile_run_t;


/* Rows as they lie in memory and in files. */

size_t profile_run_need(const profile_sorted_t *row);
void profile_run_put(u_char *p, const profile_sorted_t *row);
void profile_run_row(const u_char *p, profile_sorted_t *row);
size_t profile_run_size(const u_char *p);
int profile_run_compare(const u_char *one, const u_char *two);


/* memory is a wish; there are limits on both sides. */

void profile_run_buffer(profile_run_t *run, size_t memory);
void profile_run_free(profile_run_t *run);

/* Go to the first row, and to the next. */

int profile_run_rewind(profile_run_t *run, profile_error_t *err);
int profile_run_next(profile_run_t *run, profile_error_t *err);


#endif /* _PROFILE_RUN_H_INCLUDED_ */
