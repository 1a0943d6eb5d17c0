
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Counts the slots of a lock table.
 */


#include <stdlib.h>

#include "profile_lmdb.h"


typedef struct {
    uint32_t  count;
    long      except;
} profile_slots_t;


static int profile_slots_line(const char *line, void *data);


int
profile_slots_used(MDB_env *env, const char *path, long except,
    uint32_t *count, profile_error_t *err)
{
    int              rc;
    profile_slots_t  slots;

    slots.count = 0;
    slots.except = except;

    rc = mdb_reader_list(env, profile_slots_line, &slots);
    if (rc < 0) {
        return profile_error_lmdb(err, rc, "mdb_reader_list", path);
    }

    *count = slots.count;

    return PROFILE_OK;
}


/* A slot's line begins with the process id; a heading has no digits. */

static int
profile_slots_line(const char *line, void *data)
{
    profile_slots_t *slots = data;

    long  pid;

    pid = strtol(line, NULL, 10);

    if (pid > 0 && pid != slots->except) {
        slots->count++;
    }

    return 0;
}
