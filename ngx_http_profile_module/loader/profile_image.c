
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Makes what a new process needs.
 */


#include <string.h>
#include <unistd.h>

#include "profile_image.h"


#define PROFILE_IMAGE_CURSOR    "{cursor}"
#define PROFILE_IMAGE_VARIABLE  "PROFILE_CURSOR="

/* where the environment has no PATH */

#define PROFILE_IMAGE_PATH      "/usr/local/bin:/usr/bin:/bin"


static char **profile_image_arguments(const char **command,
    const char *cursor);
static char *profile_image_fill(const char *argument, const char *cursor);
static char **profile_image_environment(const char *cursor);
static char **profile_image_paths(const char *program);
static char *profile_image_join(const char *one, size_t len,
    const char *between, const char *two);
static size_t profile_image_count(const char *text, const char *part);
static void profile_image_strings(char **strings);


void
profile_image_create(profile_process_image_t *image,
    const profile_source_options_t *options)
{
    const char  **command;

    command = options->from->command;

    image->directory = options->config->directory;
    image->paths = profile_image_paths(command[0]);
    image->arguments = profile_image_arguments(command, options->cursor);
    image->environment = profile_image_environment(options->cursor);
}


void
profile_image_free(profile_process_image_t *image)
{
    profile_image_strings(image->paths);
    profile_image_strings(image->arguments);
    profile_image_strings(image->environment);
}


static char **
profile_image_arguments(const char **command, const char *cursor)
{
    char    **arguments;
    size_t    i, n;

    for (n = 0; command[n] != NULL; n++) { /* void */ }

    arguments = profile_alloc((n + 1) * sizeof(char *));

    /* what a record holds must not choose the program */

    arguments[0] = profile_image_join("", 0, "", command[0]);

    for (i = 1; i < n; i++) {
        arguments[i] = profile_image_fill(command[i], cursor);
    }

    arguments[n] = NULL;

    return arguments;
}


static char *
profile_image_fill(const char *argument, const char *cursor)
{
    char        *filled, *out;
    size_t       len;
    const char  *found;

    filled = profile_alloc(strlen(argument) + 1
                           + profile_image_count(argument,
                                                 PROFILE_IMAGE_CURSOR)
                             * strlen(cursor));
    out = filled;

    for ( ;; ) {
        found = strstr(argument, PROFILE_IMAGE_CURSOR);

        if (found == NULL) {
            (void) strcpy(out, argument);
            return filled;
        }

        len = (size_t) (found - argument);
        memcpy(out, argument, len);
        (void) strcpy(out + len, cursor);

        out += len + strlen(cursor);
        argument = found + sizeof(PROFILE_IMAGE_CURSOR) - 1;
    }
}


static char **
profile_image_environment(const char *cursor)
{
    char    **environment;
    size_t    i, n, len;

    len = sizeof(PROFILE_IMAGE_VARIABLE) - 1;

    for (n = 0; environ[n] != NULL; n++) { /* void */ }

    environment = profile_alloc((n + 2) * sizeof(char *));
    n = 0;

    for (i = 0; environ[i] != NULL; i++) {
        if (strncmp(environ[i], PROFILE_IMAGE_VARIABLE, len) != 0) {
            environment[n++] = profile_image_join("", 0, "", environ[i]);
        }
    }

    environment[n++] = profile_image_join(PROFILE_IMAGE_VARIABLE, len, "",
                                          cursor);
    environment[n] = NULL;

    return environment;
}


/* As a shell finds it: by PATH, unless there is a slash in its name. */

static char **
profile_image_paths(const char *program)
{
    char        **paths;
    size_t        n, len;
    const char   *path;

    path = (strchr(program, '/') != NULL) ? "" : getenv("PATH");

    if (path == NULL) {
        path = PROFILE_IMAGE_PATH;
    }

    paths = profile_alloc((profile_image_count(path, ":") + 2)
                          * sizeof(char *));
    n = 0;

    for ( ;; ) {
        len = strcspn(path, ":");

        /* an empty one is the folder that the program runs in */

        paths[n++] = profile_image_join(path, len, (len == 0) ? "" : "/",
                                        program);

        if (path[len] == '\0') {
            break;
        }

        path += len + 1;
    }

    paths[n] = NULL;

    return paths;
}


/* The first len bytes of one, and then the others; the caller frees it. */

static char *
profile_image_join(const char *one, size_t len, const char *between,
    const char *two)
{
    char  *joined;

    joined = profile_alloc(len + strlen(between) + strlen(two) + 1);

    memcpy(joined, one, len);
    (void) strcpy(joined + len, between);
    (void) strcat(joined + len, two);

    return joined;
}


static size_t
profile_image_count(const char *text, const char *part)
{
    size_t  n;

    for (n = 0; (text = strstr(text, part)) != NULL; n++) {
        text += strlen(part);
    }

    return n;
}


static void
profile_image_strings(char **strings)
{
    size_t  i;

    for (i = 0; strings[i] != NULL; i++) {
        free(strings[i]);
    }

    free(strings);
}
