
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The source that is files: a stream for each one that a glob finds.
 */


#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_gzip.h"
#include "profile_source_kind.h"


#define PROFILE_FILES_GZIP  ".gz"


typedef struct {
    glob_t             files;
    size_t             skip;     /* bytes of a name that the user did not
                                    write */
    size_t             next;
    profile_stream_t   stream;   /* of the file before */
    profile_gzip_t    *gzip;     /* NULL where it is not compressed */
    uint64_t           total;
} profile_files_t;


static int profile_files_open(void **data,
    const profile_source_options_t *options, profile_error_t *err);
static char *profile_files_pattern(const profile_config_t *config,
    const char *file);
static uint64_t profile_files_size(const glob_t *files);
static void profile_files_close(void *data);
static int profile_files_next(void *data, profile_error_t *err);
static void profile_files_end(profile_files_t *files);
static int profile_files_compressed(const char *name);
static int profile_files_read(void *data, u_char *buf, size_t size,
    size_t *n, profile_error_t *err);
static const char *profile_files_name(const void *data, uint32_t number);
static void profile_files_position(const void *data, uint64_t *done,
    uint64_t *total);


const profile_source_kind_t  profile_source_files = {
    profile_files_open,
    profile_files_close,
    profile_files_next,
    profile_files_read,
    profile_files_name,
    profile_files_position
};


static int
profile_files_open(void **data, const profile_source_options_t *options,
    profile_error_t *err)
{
    int               rc;
    char             *pattern;
    const char       *file;
    profile_files_t  *files;

    file = options->from->file;

    files = profile_alloc(sizeof(profile_files_t));
    memset(files, 0, sizeof(profile_files_t));

    files->stream.fd = -1;

    pattern = profile_files_pattern(options->config, file);
    files->skip = (file[0] == '/') ? 0
                                   : strlen(options->config->directory) + 1;

    /* sorted by the bytes of the names, whatever the locale is */

    rc = glob(pattern, GLOB_ERR, NULL, &files->files);

    free(pattern);

    if (rc != 0) {
        profile_files_close(files);

        if (rc == GLOB_NOMATCH) {
            return profile_error(err, PROFILE_FAILED, "no file is there "
                                 "that matches \"%s\"", file);
        }

        return profile_error(err, PROFILE_FAILED, "cannot look for \"%s\": "
                             "%s", file,
                             (rc == GLOB_NOSPACE)
                                 ? "out of memory"
                                 : "a folder is missing or unreadable");
    }

    files->total = profile_files_size(&files->files);

    *data = files;

    return PROFILE_OK;
}


/* The folder's own name is a name, whatever characters it holds. */

static char *
profile_files_pattern(const profile_config_t *config, const char *file)
{
    char        *pattern, *out;
    const char  *p;

    pattern = profile_alloc(2 * strlen(config->directory) + 1 + strlen(file)
                            + 1);
    out = pattern;

    if (file[0] != '/') {

        for (p = config->directory; *p != '\0'; p++) {

            if (strchr("*?[\\", *p) != NULL) {
                *out++ = '\\';
            }

            *out++ = *p;
        }

        *out++ = '/';
    }

    (void) strcpy(out, file);

    return pattern;
}


/* 0 where nobody knows: how much a pipe or a device gives is not its size. */

static uint64_t
profile_files_size(const glob_t *files)
{
    size_t       i;
    uint64_t     size;
    struct stat  st;

    size = 0;

    for (i = 0; i < files->gl_pathc; i++) {

        if (stat(files->gl_pathv[i], &st) == -1 || !S_ISREG(st.st_mode)) {
            return 0;
        }

        size += (uint64_t) st.st_size;
    }

    return size;
}


static void
profile_files_close(void *data)
{
    profile_files_t *files = data;

    profile_files_end(files);
    globfree(&files->files);
    free(files);
}


static int
profile_files_next(void *data, profile_error_t *err)
{
    profile_files_t *files = data;

    int           rc, flags;
    const char   *path, *name;
    struct stat   st;

    profile_files_end(files);

    if (files->next == files->files.gl_pathc) {
        return PROFILE_NOT_FOUND;
    }

    path = files->files.gl_pathv[files->next++];
    name = path + files->skip;

    /* opening a pipe would wait for its writer, and miss a signal */

    flags = (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) ? O_NONBLOCK : 0;

    files->stream.name = name;
    files->stream.fd = open(path, O_RDONLY|O_CLOEXEC|flags);

    if (files->stream.fd == -1 || fstat(files->stream.fd, &st) == -1) {
        rc = errno;
        return profile_error(err, PROFILE_FAILED, "cannot open %s: %s", name,
                             strerror(rc));
    }

    if (S_ISDIR(st.st_mode)) {
        return profile_error(err, PROFILE_FAILED, "%s is a folder", name);
    }

    files->stream.waits = !S_ISREG(st.st_mode);

    if (profile_files_compressed(name)) {
        files->gzip = profile_gzip_create(&files->stream);
    }

    return PROFILE_OK;
}


/* Ends the file that is open; stream.done goes on over all of them. */

static void
profile_files_end(profile_files_t *files)
{
    profile_gzip_free(files->gzip);
    files->gzip = NULL;

    profile_stream_close(&files->stream);
}


static int
profile_files_compressed(const char *name)
{
    size_t  len, end;

    len = strlen(name);
    end = sizeof(PROFILE_FILES_GZIP) - 1;

    return len >= end && strcmp(name + len - end, PROFILE_FILES_GZIP) == 0;
}


static int
profile_files_read(void *data, u_char *buf, size_t size, size_t *n,
    profile_error_t *err)
{
    profile_files_t *files = data;

    return (files->gzip != NULL)
           ? profile_gzip_read(files->gzip, buf, size, n, err)
           : profile_stream_read(&files->stream, buf, size, n, err);
}


static const char *
profile_files_name(const void *data, uint32_t number)
{
    const profile_files_t *files = data;

    return files->files.gl_pathv[number] + files->skip;
}


static void
profile_files_position(const void *data, uint64_t *done, uint64_t *total)
{
    const profile_files_t *files = data;

    *done = files->stream.done;
    *total = files->total;
}
