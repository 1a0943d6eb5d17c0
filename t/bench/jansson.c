
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What the loader is compared with: one thread that reads a file and has
 * jansson parse each line, and does nothing with it.  Prints the number of
 * lines and the seconds.
 */


#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>


int
main(int argc, char **argv)
{
    char             *line;
    FILE             *in;
    size_t            size, rows;
    json_t           *row;
    ssize_t           len;
    json_error_t      error;
    struct timespec   begin, end;

    in = (argc == 2) ? fopen(argv[1], "r") : NULL;
    if (in == NULL) {
        (void) fprintf(stderr, "usage: jansson FILE\n");
        return 2;
    }

    (void) setvbuf(in, NULL, _IOFBF, 1024 * 1024);

    line = NULL;
    size = 0;
    rows = 0;

    (void) clock_gettime(CLOCK_MONOTONIC, &begin);

    for ( ;; ) {
        len = getline(&line, &size, in);
        if (len <= 0) {
            break;
        }

        row = json_loadb(line, (size_t) len, JSON_REJECT_DUPLICATES, &error);
        if (row == NULL) {
            (void) fprintf(stderr, "row %zu: %s\n", rows + 1, error.text);
            return 1;
        }

        json_decref(row);
        rows++;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &end);

    free(line);
    (void) fclose(in);

    (void) printf("%zu %.3f\n", rows,
                  (double) (end.tv_sec - begin.tv_sec)
                  + (double) (end.tv_nsec - begin.tv_nsec) / 1e9);

    return 0;
}
