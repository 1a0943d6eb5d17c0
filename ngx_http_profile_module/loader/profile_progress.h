
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Progress of a refresh, on a terminal and nowhere else: one line on
 * standard error that is written over and over.  For one thread.
 */


#ifndef _PROFILE_PROGRESS_H_INCLUDED_
#define _PROFILE_PROGRESS_H_INCLUDED_


#include <stdint.h>


/* Whose progress follows: "WORKSPACE/ENTITY", which must live as long. */

void profile_progress_label(const char *label);

/* What is being done, a verb such as "reading". */

void profile_progress_begin(const char *what);

/*
 * Shows it, if some time has passed since it was last shown.  done of total
 * tells how much is left; a total of 0 says that nobody knows.
 */

void profile_progress(uint64_t rows, uint64_t done, uint64_t total);
void profile_progress_end(void);

/* Removes the line, if there is one, before something else is written. */

void profile_progress_clear(void);


#endif /* _PROFILE_PROGRESS_H_INCLUDED_ */
