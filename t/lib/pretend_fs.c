
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A library to preload: every file system is of the type that FAULT_FS
 * holds, in hexadecimal digits, as statfs() has it.
 */


#include <dlfcn.h>
#include <stdlib.h>
#include <sys/vfs.h>


static void pretend_type(__fsword_t *type);


int
statfs(const char *path, struct statfs *fs)
{
    int  rc;

    int  (*next)(const char *path, struct statfs *fs);

    *(void **) &next = dlsym(RTLD_NEXT, "statfs");

    rc = next(path, fs);

    if (rc == 0) {
        pretend_type(&fs->f_type);
    }

    return rc;
}


/* The name that callers compiled for files of any size have it by. */

int
statfs64(const char *path, struct statfs64 *fs)
{
    int  rc;

    int  (*next)(const char *path, struct statfs64 *fs);

    *(void **) &next = dlsym(RTLD_NEXT, "statfs64");

    rc = next(path, fs);

    if (rc == 0) {
        pretend_type(&fs->f_type);
    }

    return rc;
}


static void
pretend_type(__fsword_t *type)
{
    const char  *digits;

    digits = getenv("FAULT_FS");

    if (digits != NULL) {
        *type = (__fsword_t) strtoul(digits, NULL, 16);
    }
}
