
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the loader's parts share: exit statuses and how they speak.
 */


#ifndef _PROFILE_LOADER_H_INCLUDED_
#define _PROFILE_LOADER_H_INCLUDED_


#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "profile_store.h"


typedef enum {
    PROFILE_EXIT_DONE = 0,
    PROFILE_EXIT_ENTITY = 1,        /* an entity failed, others are done */
    PROFILE_EXIT_CONFIGURATION = 2, /* nothing was touched */
    PROFILE_EXIT_STORE = 3,
    PROFILE_EXIT_BUSY = 75          /* EX_TEMPFAIL of sysexits.h */
} profile_exit_e;


/* One line on standard error, with the program's name before it. */

void profile_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Says an error of the store; returns the exit status that it means. */

int profile_say_store(const profile_error_t *err);

/* Memory or the end: says that there is none and exits. */

void *profile_alloc(size_t size);
void *profile_realloc(void *p, size_t size);

/* UTC as RFC 3339 has it; buf has PROFILE_TIME_SIZE bytes. */

#define PROFILE_TIME_SIZE  sizeof("2026-01-01T00:00:00Z")

const char *profile_time(char *buf, uint64_t seconds);

/* Seconds since a time of CLOCK_MONOTONIC. */

double profile_elapsed(const struct timespec *start);


#endif /* _PROFILE_LOADER_H_INCLUDED_ */
