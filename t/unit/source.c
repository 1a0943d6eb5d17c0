
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Sources: what is read in small pieces is what is read in large ones, and
 * how far it has come is known for plain and for compressed files.
 */


#include <zlib.h>

#include "profile_relay.h"
#include "profile_source.h"
#include "scratch.h"
#include "tap.h"


#define SOURCE_ROWS  20000


static void source_make(void);
static void source_gzip(const char *name, const char *text, size_t len,
    const char *mode);
static void source_pieces(void);
static int source_piece(const char *file, size_t size);
static void source_positions(void);
static void source_files(void);
static void source_command(void);
static void source_relay(void);
static profile_source_t *source_open(const char *file, const char **command);
static uint64_t source_size(const char *name);


static profile_config_t         source_config;
static profile_config_source_t  source_from;
static char                    *source_text;
static size_t                   source_len;


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    source_config.directory = scratch_directory;
    descriptors = scratch_descriptors();

    source_make();
    source_pieces();
    source_positions();
    source_files();
    source_command();
    source_relay();
    profile_source_close(NULL);

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    free(source_text);

    return done();
}


static void
source_make(void)
{
    size_t  i;

    source_text = malloc(SOURCE_ROWS * 32);
    need(source_text != NULL, "malloc()");

    for (i = 0; i < SOURCE_ROWS; i++) {
        source_len += (size_t) sprintf(source_text + source_len,
                                       "{\"id\":%zu,\"v\":%zu}\n", i,
                                       i * i * i);
    }

    scratch_write(scratch("plain"), source_text, source_len);
    source_gzip("one.gz", source_text, source_len, "w");
    source_gzip("two.gz", source_text, source_len / 2, "w");
    source_gzip("two.gz", source_text + source_len / 2,
                source_len - source_len / 2, "a");
}


static void
source_gzip(const char *name, const char *text, size_t len, const char *mode)
{
    gzFile  file;

    file = gzopen(scratch("%s", name), mode);
    need(file != NULL
         && gzwrite(file, text, (unsigned) len) == (int) len
         && gzclose(file) == Z_OK, "gzip");
}


static void
source_pieces(void)
{
    size_t  i, j;

    static const char *const  files[] = { "plain", "one.gz", "two.gz" };
    static const size_t       sizes[] = { 1, 2, 3, 1021, 65536, 1000000 };

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            is_int(source_piece(files[i], sizes[j]), 1,
                   "%s in pieces of %zu", files[i], sizes[j]);
        }
    }
}


/* Whether all of the text comes, and then the end, again and again. */

static int
source_piece(const char *file, size_t size)
{
    int                same;
    size_t             n, len;
    u_char            *buf;
    profile_error_t    err;
    profile_source_t  *source;

    buf = malloc(size);
    need(buf != NULL, "malloc()");

    source = source_open(file, NULL);
    need(profile_source_next(source, &err) == PROFILE_OK, "next");

    same = 1;
    len = 0;

    while (same
           && profile_source_read(source, buf, size, &n, &err) == PROFILE_OK
           && n != 0)
    {
        same = (n <= size && n <= source_len - len
                && memcmp(buf, source_text + len, n) == 0);
        len += n;
    }

    n = 1;
    same &= (len == source_len
             && profile_source_read(source, buf, size, &n, &err)
                == PROFILE_OK
             && n == 0
             && profile_source_next(source, &err) == PROFILE_NOT_FOUND);

    profile_source_close(source);
    free(buf);

    return same;
}


static void
source_positions(void)
{
    size_t             n;
    u_char             buf[1000];
    uint64_t           done, total, last, all;
    profile_error_t    err;
    profile_source_t  *source;

    all = source_size("one.gz") + source_size("plain")
          + source_size("two.gz");

    source = source_open("*", NULL);

    profile_source_position(source, &done, &total);
    is_int((long long) done, 0, "nothing is read");
    is_int((long long) total, (long long) all, "all files count");

    last = 0;

    while (profile_source_next(source, &err) == PROFILE_OK) {

        do {
            n = 0;
            (void) profile_source_read(source, buf, sizeof(buf), &n, &err);
            profile_source_position(source, &done, &total);
            need(done >= last && done <= all && total == all, "forward");
            last = done;

        } while (n != 0);

        is_int((long long) done,
               (long long) ((profile_source_number(source) == 0)
                            ? source_size("one.gz")
                            : (profile_source_number(source) == 1)
                              ? source_size("one.gz") + source_size("plain")
                              : all),
               "after stream %u", profile_source_number(source));
    }

    profile_source_close(source);

    need(mkfifo(scratch("zpipe"), 0600) == 0, "mkfifo()");
    source = source_open("*", NULL);
    profile_source_position(source, &done, &total);
    is_int((long long) total, 0, "with a pipe among them nobody knows");
    profile_source_close(source);
    (void) unlink(scratch("zpipe"));
}


static void
source_files(void)
{
    int                rc;
    profile_error_t    err;
    profile_source_t  *source;

    source = source_open("*", NULL);

    is_str(profile_source_name(source, 0), "one.gz", "the first");
    is_str(profile_source_name(source, 2), "two.gz", "the last");

    (void) profile_source_next(source, &err);
    is_int(profile_source_number(source), 0, "its number");
    (void) profile_source_next(source, &err);
    is_int(profile_source_number(source), 1, "that of the next one");

    profile_source_close(source);

    source = source_open(scratch("p*"), NULL);
    is_int(strncmp(profile_source_name(source, 0), "/", 1), 0,
           "a whole path is named as a whole");
    profile_source_close(source);

    /* it is gone when its turn comes */

    source = source_open("p*", NULL);
    (void) unlink(scratch("plain"));
    rc = profile_source_next(source, &err);
    is_int(rc, PROFILE_FAILED, "a file that is gone");
    is_str(err.text, "cannot open plain: No such file or directory",
           "it is named");
    profile_source_close(source);
}


static void
source_command(void)
{
    size_t             n;
    u_char             buf[8];
    uint64_t           done, total;
    profile_error_t    err;
    profile_source_t  *source;

    static const char  *command[] = { "printf", "%s", "<{cursor}>{cursor",
                                      NULL };

    source = source_open(NULL, command);

    is_str(profile_source_name(source, 0), "printf", "a command's name");
    is_int(profile_source_next(source, &err), PROFILE_OK, "its stream");

    memset(buf, 0, sizeof(buf));
    (void) profile_source_read(source, buf, 5, &n, &err);
    is_str((char *) buf, "<a'b>", "the cursor is filled in");

    profile_source_position(source, &done, &total);
    is_int((long long) done, 5, "what has been read");
    is_int((long long) total, 0, "nobody knows how much there is");

    (void) profile_source_read(source, buf, sizeof(buf), &n, &err);
    is_int((long long) n, 7, "the rest");
    is_int(profile_source_read(source, buf, sizeof(buf), &n, &err),
           PROFILE_OK, "the end");
    is_int((long long) n, 0, "of nothing");
    is_int(profile_source_next(source, &err), PROFILE_NOT_FOUND,
           "there is no other");

    profile_source_close(source);
}


/* Lines come in any pieces; what is said is tested from outside. */

static void
source_relay(void)
{
    size_t           i;
    profile_relay_t  relay;

    profile_relay_init(&relay, "label");

    for (i = 0; i < 3 * PROFILE_RELAY_LINE; i++) {
        profile_relay(&relay, "x", 1);
    }

    is_int((long long) relay.len, PROFILE_RELAY_LINE, "a line has an end");
    ok(relay.cut, "and what is left out is noted");

    profile_relay_init(&relay, "label");
    profile_relay(&relay, "\n\n\r\n", 4);
    is_int((long long) relay.len, 0, "nothing to say");
    profile_relay(&relay, "ab", 2);
    is_int((long long) relay.len, 2, "what has no end yet is kept");
}


static profile_source_t *
source_open(const char *file, const char **command)
{
    profile_error_t            err;
    profile_source_t          *source;
    profile_source_options_t   options;

    source_from.file = file;
    source_from.command = command;

    options.config = &source_config;
    options.from = &source_from;
    options.label = "label";
    options.cursor = "a'b";

    need(profile_source_open(&source, &options, &err) == PROFILE_OK,
         "profile_source_open()");

    return source;
}


static uint64_t
source_size(const char *name)
{
    struct stat  st;

    need(stat(scratch("%s", name), &st) == 0, "stat()");

    return (uint64_t) st.st_size;
}
