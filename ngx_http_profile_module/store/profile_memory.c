
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * How much memory there is for this process, page cache included.
 *
 * A control group may allow less than the machine has, as in a container.
 * Its folders are those that /proc/self/cgroup names, below where systems
 * mount them; each one above limits it as well.  In a container the names
 * may be those of the host, of which only the root is there.
 */


#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile_lmdb.h"


#define PROFILE_MEMORY_LINE  1024


static uint64_t profile_memory_group(const char *line);
static uint64_t profile_memory_limits(const char *mount, const char *group,
    const char *name);
static uint64_t profile_memory_limit(const char *path);
static uint64_t profile_memory_less(uint64_t one, uint64_t two);


uint64_t
profile_memory(void)
{
    char       line[PROFILE_MEMORY_LINE];
    long       pages, size;
    FILE      *f;
    uint64_t   memory;

    pages = sysconf(_SC_PHYS_PAGES);
    size = sysconf(_SC_PAGESIZE);

    memory = (pages > 0 && size > 0)
             ? (uint64_t) pages * (uint64_t) size : UINT64_MAX;

    f = fopen("/proc/self/cgroup", "re");

    if (f == NULL) {
        return memory;
    }

    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        memory = profile_memory_less(memory, profile_memory_group(line));
    }

    (void) fclose(f);

    return memory;
}


/* A line is "NUMBER:CONTROLLERS:GROUP"; version 2 has no controllers. */

static uint64_t
profile_memory_group(const char *line)
{
    const char  *controllers, *group;

    controllers = strchr(line, ':');

    if (controllers == NULL) {
        return UINT64_MAX;
    }

    controllers++;
    group = strchr(controllers, ':');

    if (group == NULL) {
        return UINT64_MAX;
    }

    group++;

    if (*controllers == ':') {
        return profile_memory_limits("/sys/fs/cgroup", group, "memory.max");
    }

    if (strncmp(controllers, "memory:", sizeof("memory:") - 1) == 0) {
        return profile_memory_limits("/sys/fs/cgroup/memory", group,
                                     "memory.limit_in_bytes");
    }

    return UINT64_MAX;
}


/* The lowest from the group up to the root. */

static uint64_t
profile_memory_limits(const char *mount, const char *group, const char *name)
{
    int        n, len;
    char       path[PATH_MAX];
    uint64_t   memory;

    memory = UINT64_MAX;
    len = (int) strlen(group);

    while (len > 0 && group[len - 1] == '/') {
        len--;
    }

    for ( ;; ) {
        n = snprintf(path, sizeof(path), "%s%.*s/%s", mount, len, group,
                     name);

        if (n > 0 && (size_t) n < sizeof(path)) {
            memory = profile_memory_less(memory, profile_memory_limit(path));
        }

        if (len == 0) {
            return memory;
        }

        while (len > 0 && group[--len] != '/') { /* void */ }
    }
}


/* No limit is the word "max", or a number that no machine has. */

static uint64_t
profile_memory_limit(const char *path)
{
    FILE                *f;
    unsigned long long   limit;

    f = fopen(path, "re");

    if (f == NULL) {
        return UINT64_MAX;
    }

    if (fscanf(f, "%llu", &limit) != 1) {
        limit = UINT64_MAX;
    }

    (void) fclose(f);

    return limit;
}


static uint64_t
profile_memory_less(uint64_t one, uint64_t two)
{
    return (one < two) ? one : two;
}
