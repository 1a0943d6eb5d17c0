
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads a store: what nginx's workers do, and the loader for "get" and
 * "status".
 *
 * Rules that this part keeps for its callers, and that follow from LMDB:
 *
 *   - a process opens one generation once, however many readers ask for it
 *     and whatever they call it, and must not fork and go on reading;
 *   - one read transaction for each, renewed by begin and reset by end;
 *   - a live generation is never read without LMDB's lock table.
 *
 * Rules for callers: one thread; between begin and end no waiting; nothing
 * that a lookup returned is used after end: copy it before.
 */


#ifndef _PROFILE_READER_H_INCLUDED_
#define _PROFILE_READER_H_INCLUDED_


#include "profile_dir.h"
#include "profile_view.h"


typedef struct profile_reader_s  profile_reader_t;


/*
 * Which commit is seen between begin and end.  Where both numbers are the
 * same, so is all data.
 */

typedef struct {
    uint64_t  opening;        /* of a file by this process; 0: none */
    uint64_t  transaction;
} profile_snapshot_t;


/*
 * Whether the system reads on when a page is read from the disk.  Where the
 * store does not fit into memory, what is read so takes the place of pages
 * that are in use.  AUTO: not where the data file is larger than half of the
 * memory when it is opened.
 */

typedef enum {
    PROFILE_READAHEAD_AUTO = 0,
    PROFILE_READAHEAD_ON,
    PROFILE_READAHEAD_OFF
} profile_readahead_e;


typedef struct {
    uint32_t  generation;
    int       sealed;
    uint64_t  transaction;    /* the last one committed */
    uint64_t  size;           /* of the data file, in bytes */
    uint64_t  used;           /* bytes of pages that were ever in use */
    uint32_t  readers;        /* slots in use, by the living and the dead */
    uint32_t  max_readers;
} profile_reader_info_t;


/*
 * Opens the live generation of the store in directory.  The reader belongs
 * to the caller, who closes it; closing NULL does nothing.  Where another
 * reader of this process has the generation open, its readahead counts.
 */

int profile_reader_open(profile_reader_t **reader, const char *directory,
    profile_readahead_e readahead, profile_error_t *err);
void profile_reader_close(profile_reader_t *reader);

/*
 * Looks whether another generation has been published and, if so, opens it
 * and then lets the old one go.  On failure the old one stays in use.  Not
 * between begin and end.
 */

int profile_reader_refresh(profile_reader_t *reader, profile_error_t *err);

/* Whether refresh would open a file. */

int profile_reader_pending(const profile_reader_t *reader);

/*
 * What tells the live generation of a store, as it is now, from all others
 * and from what it was before or will be after a change.
 */

int profile_reader_fingerprint(const char *directory, uint64_t *fingerprint,
    profile_error_t *err);

uint32_t profile_reader_generation(const profile_reader_t *reader);
int profile_reader_sealed(const profile_reader_t *reader);
int profile_reader_info(profile_reader_t *reader,
    profile_reader_info_t *info, profile_error_t *err);

/* When the entity was last refreshed, whether or not that changed it. */

uint64_t profile_reader_refreshed(const profile_reader_t *reader,
    const profile_entity_t *entity);

/* Why its last refresh failed: 1, or 0 where it did not. */

int profile_reader_failed(const profile_reader_t *reader,
    const profile_entity_t *entity, profile_failure_t *failure);

/* One snapshot: all lookups between begin and end see the same commit. */

int profile_reader_begin(profile_reader_t *reader,
    const profile_view_t **view, profile_error_t *err);
void profile_reader_end(profile_reader_t *reader);

void profile_reader_snapshot(const profile_reader_t *reader,
    profile_snapshot_t *snapshot);


#endif /* _PROFILE_READER_H_INCLUDED_ */
