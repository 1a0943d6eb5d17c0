
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Removes generations that are of no more use.
 */


#ifndef _PROFILE_GENERATIONS_H_INCLUDED_
#define _PROFILE_GENERATIONS_H_INCLUDED_


#include "profile_dir.h"
#include "profile_writer.h"


typedef struct {
    unsigned  removed;
    unsigned  used;       /* old ones that a reader has open */
    unsigned  recent;     /* old ones whose readers cannot be counted */
} profile_generations_t;


/*
 * Removes old generations, those numbered below the live one, once nobody
 * reads them, and what a loader that was killed has left unfinished.
 * Readers of a sealed generation have no slots, nor can those of a damaged
 * one be counted: they are given a minute after CURRENT was replaced.
 *
 * What cannot be removed is left to the next time, and is no error.
 */

void profile_generations_clean(profile_writer_t *writer,
    profile_generations_t *generations);

/*
 * Removes one generation: its folder, and the files in it that are a
 * store's.  What else is in it stays.  PROFILE_FAILED where something does.
 */

int profile_generations_remove(const char *path);

/*
 * Removes one that was to be published, after a failure.  It stays where it
 * has become the live one before, or where that cannot be told.
 */

void profile_generations_discard(const char *directory,
    const profile_generation_t *gen);


#endif /* _PROFILE_GENERATIONS_H_INCLUDED_ */
