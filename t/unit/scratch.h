
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * A folder of a test's own, which goes with the test, and what is often
 * done with the files in it.
 */


#ifndef _PROFILE_SCRATCH_H_INCLUDED_
#define _PROFILE_SCRATCH_H_INCLUDED_


#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


typedef struct scratch_name_s  scratch_name_t;

struct scratch_name_s {
    scratch_name_t  *next;
    char             path[PATH_MAX];
};


static char             scratch_directory[PATH_MAX];
static pid_t            scratch_owner;
static scratch_name_t  *scratch_names;


/* What a test cannot go on without. */

static inline void
need(int pass, const char *what)
{
    if (!pass) {
        (void) printf("# the test itself failed: %s\n", what);
        (void) fflush(stdout);
        exit(1);
    }
}


static inline int
scratch_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    (void) remove(path);

    return 0;
}


static inline void
scratch_remove(const char *path)
{
    (void) nftw(path, scratch_remove_one, 16, FTW_DEPTH|FTW_PHYS);
}


static inline void
scratch_end(void)
{
    scratch_name_t  *name;

    if (getpid() == scratch_owner) {
        scratch_remove(scratch_directory);
    }

    while (scratch_names != NULL) {
        name = scratch_names;
        scratch_names = name->next;
        free(name);
    }
}


/* A path below the folder, good until the end of the test. */

__attribute__((format(printf, 1, 2))) static inline const char *
scratch(const char *fmt, ...)
{
    char             path[PATH_MAX];
    size_t           len;
    va_list          args;
    const char      *tmp;
    scratch_name_t  *name;

    if (scratch_owner == 0) {
        tmp = getenv("TMPDIR");

        (void) snprintf(scratch_directory, sizeof(scratch_directory),
                        "%s/profile-unit.XXXXXX",
                        (tmp != NULL && *tmp != '\0') ? tmp : "/tmp");
        need(mkdtemp(scratch_directory) != NULL, "mkdtemp()");

        /* other users get in, as nginx's workers would */

        need(chmod(scratch_directory, 0755) == 0, "chmod()");

        scratch_owner = getpid();
        (void) atexit(scratch_end);
    }

    len = strlen(scratch_directory);
    memcpy(path, scratch_directory, len);
    path[len++] = '/';

    va_start(args, fmt);
    (void) vsnprintf(path + len, PATH_MAX - len, fmt, args);
    va_end(args);

    for (name = scratch_names; name != NULL; name = name->next) {
        if (strcmp(name->path, path) == 0) {
            return name->path;
        }
    }

    name = malloc(sizeof(scratch_name_t));
    need(name != NULL, "malloc()");

    memcpy(name->path, path, strlen(path) + 1);
    name->next = scratch_names;
    scratch_names = name;

    return name->path;
}


static inline void
scratch_write(const char *path, const void *data, size_t len)
{
    FILE  *file;

    file = fopen(path, "w");
    need(file != NULL, path);
    need(fwrite(data, 1, len, file) == len, "fwrite()");
    need(fclose(file) == 0, "fclose()");
}


static inline void
scratch_text(const char *path, const char *text)
{
    scratch_write(path, text, strlen(text));
}


/* All of a file with a zero byte after it; the caller frees it. */

static inline char *
scratch_read(const char *path, size_t *len)
{
    FILE         *file;
    char         *data;
    size_t        n;
    struct stat   st;

    file = fopen(path, "r");
    need(file != NULL && fstat(fileno(file), &st) == 0, path);

    data = malloc((size_t) st.st_size + 1);
    need(data != NULL, "malloc()");

    n = fread(data, 1, (size_t) st.st_size, file);
    need(n == (size_t) st.st_size, "fread()");
    (void) fclose(file);

    data[n] = '\0';

    if (len != NULL) {
        *len = n;
    }

    return data;
}


static inline void
scratch_mkdir(const char *path)
{
    need(mkdir(path, 0755) == 0, path);
}


static inline int
scratch_exists(const char *path)
{
    struct stat  st;

    return lstat(path, &st) == 0;
}


static inline int
scratch_mode(const char *path)
{
    struct stat  st;

    return (stat(path, &st) == 0) ? (int) (st.st_mode & 07777) : -1;
}


/* Entries of a folder, the hidden ones too. */

static inline int
scratch_entries(const char *path)
{
    int   n;
    DIR  *dir;

    dir = opendir(path);
    need(dir != NULL, path);

    for (n = -2; readdir(dir) != NULL; n++) { /* "." and ".." */ }

    (void) closedir(dir);

    return n;
}


/* Descriptors that this process has open: none may be left over. */

static inline int
scratch_descriptors(void)
{
    return scratch_entries("/proc/self/fd");
}


/* Bytes for the name of a check, which is a part of a line. */

static inline const char *
scratch_shown(const void *data, size_t len)
{
    char        *p;

    static char  shown[48];

    len = (len < sizeof(shown) - 1) ? len : sizeof(shown) - 1;
    memcpy(shown, data, len);
    shown[len] = '\0';

    for (p = shown; p < shown + len; p++) {
        if (*p < ' ' || *p > '~' || *p == '#') {
            *p = '?';
        }
    }

    return shown;
}


/* Limits on memory make no sense under a sanitizer or valgrind. */

static inline int
scratch_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__)

    return 1;

#else

    const char  *preload;

    preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;

#endif
}


#endif /* _PROFILE_SCRATCH_H_INCLUDED_ */
