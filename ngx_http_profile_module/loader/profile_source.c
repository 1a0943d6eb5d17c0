
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads files.
 */


#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_source.h"


struct profile_source_s {
    glob_t   files;
    size_t   skip;       /* bytes of a name that the user did not write */
    size_t   next;
    int      fd;
};


static char *profile_source_pattern(const profile_config_t *config,
    const char *file);


int
profile_source_open(profile_source_t **sourcep,
    const profile_config_t *config, const profile_config_source_t *from,
    profile_error_t *err)
{
    int                rc;
    char              *pattern;
    profile_source_t  *source;

    source = profile_alloc(sizeof(profile_source_t));
    memset(source, 0, sizeof(profile_source_t));

    source->fd = -1;

    pattern = profile_source_pattern(config, from->file);
    source->skip = (from->file[0] == '/') ? 0
                                          : strlen(config->directory) + 1;

    /* sorted by the bytes of the names, whatever the locale is */

    rc = glob(pattern, GLOB_ERR, NULL, &source->files);

    free(pattern);

    if (rc != 0) {
        profile_source_close(source);

        if (rc == GLOB_NOMATCH) {
            return profile_error(err, PROFILE_FAILED, "no file is there "
                                 "that matches \"%s\"", from->file);
        }

        return profile_error(err, PROFILE_FAILED, "cannot look for \"%s\": "
                             "%s", from->file,
                             (rc == GLOB_NOSPACE) ? "out of memory"
                                                  : "a folder is unreadable");
    }

    *sourcep = source;

    return PROFILE_OK;
}


void
profile_source_close(profile_source_t *source)
{
    if (source != NULL) {

        if (source->fd != -1) {
            (void) close(source->fd);
        }

        globfree(&source->files);
        free(source);
    }
}


int
profile_source_next(profile_source_t *source, profile_error_t *err)
{
    int          rc;
    struct stat  st;

    if (source->fd != -1) {
        (void) close(source->fd);
        source->fd = -1;
    }

    if (source->next == source->files.gl_pathc) {
        return PROFILE_NOT_FOUND;
    }

    source->next++;

    source->fd = open(source->files.gl_pathv[source->next - 1],
                      O_RDONLY|O_CLOEXEC);

    if (source->fd == -1 || fstat(source->fd, &st) == -1) {
        rc = errno;
        return profile_error(err, PROFILE_FAILED, "cannot open %s: %s",
                             profile_source_name(source,
                                              profile_source_number(source)),
                             strerror(rc));
    }

    if (S_ISDIR(st.st_mode)) {
        return profile_error(err, PROFILE_FAILED, "%s is a folder",
                             profile_source_name(source,
                                             profile_source_number(source)));
    }

    return PROFILE_OK;
}


int
profile_source_read(profile_source_t *source, u_char *buf, size_t size,
    size_t *n, profile_error_t *err)
{
    int      rc;
    ssize_t  got;

    do {
        got = read(source->fd, buf, size);
    } while (got == -1 && errno == EINTR);

    if (got == -1) {
        rc = errno;
        return profile_error(err, PROFILE_FAILED, "cannot read %s: %s",
                             profile_source_name(source,
                                              profile_source_number(source)),
                             strerror(rc));
    }

    *n = (size_t) got;

    return PROFILE_OK;
}


uint32_t
profile_source_number(const profile_source_t *source)
{
    return (uint32_t) (source->next - 1);
}


const char *
profile_source_name(const profile_source_t *source, uint32_t number)
{
    return source->files.gl_pathv[number] + source->skip;
}


/* The folder's own name is a name, whatever characters it holds. */

static char *
profile_source_pattern(const profile_config_t *config, const char *file)
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
