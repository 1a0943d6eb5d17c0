
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: every file system is of the type that FAULT_FS
 * holds, in hexadecimal digits, as statfs() has it.
 */


#include <dlfcn.h>
#include <stdlib.h>
#include <sys/vfs.h>


int
statfs(const char *path, struct statfs *fs)
{
    int          rc;
    const char  *type;

    int  (*next)(const char *path, struct statfs *fs);

    *(void **) &next = dlsym(RTLD_NEXT, "statfs");

    rc = next(path, fs);
    type = getenv("FAULT_FS");

    if (rc == 0 && type != NULL) {
        fs->f_type = (__fsword_t) strtoul(type, NULL, 16);
    }

    return rc;
}


/* The name that callers compiled for files of any size have it by. */

int
statfs64(const char *path, struct statfs64 *fs)
{
    int          rc;
    const char  *type;

    int  (*next)(const char *path, struct statfs64 *fs);

    *(void **) &next = dlsym(RTLD_NEXT, "statfs64");

    rc = next(path, fs);
    type = getenv("FAULT_FS");

    if (rc == 0 && type != NULL) {
        fs->f_type = (__fsword_t) strtoul(type, NULL, 16);
    }

    return rc;
}
