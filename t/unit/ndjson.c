
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Lines: each row is found whole and once, with its right number, however
 * it lies in the buffer and whatever ends it.
 */


#include "rows.h"


#define NDJSON_BUFFER  (256 * 1024)


static void ndjson_lines(void);
static void ndjson_is(const char *text, size_t len, const char *want,
    const char *what);
static void ndjson_borders(void);
static int ndjson_border(size_t first, size_t second, const char *end);
static void ndjson_long(void);
static void ndjson_long_one(size_t before, size_t len, int end);
static void ndjson_files(void);
static void ndjson_errors(void);


static const profile_config_entity_t  ndjson_entity = {
    .format = PROFILE_FORMAT_NDJSON
};


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    ndjson_lines();
    ndjson_borders();
    ndjson_long();
    ndjson_files();
    ndjson_errors();
    profile_format_ndjson.free(NULL);

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
ndjson_lines(void)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *want;
        const char  *what;
    } cases[] = {
        { "a\n", "0:1:a;", "a line" },
        { "a", "0:1:a;", "one without a newline" },
        { "a\nb\nc", "0:1:a;0:2:b;0:3:c;", "three lines" },
        { "", "", "nothing" },
        { "\n", "", "an empty line" },
        { "\n\n \n\t\n\r\n  \r\n", "", "blank lines" },
        { "\n\na\n\n \nb\n\n", "0:3:a;0:6:b;", "blank lines are counted" },
        { "a\r\nb\r\n", "0:1:a\r;0:2:b\r;", "CRLF" },
        { "a\r\nb\r", "0:1:a\r;0:2:b\r;", "CR at the end" },
        { " ", "", "a blank" },
        { "\xef\xbb\xbf" "a\n", "0:1:a;", "a byte order mark" },
        { "\xef\xbb\xbf", "", "nothing else" },
        { "\xef\xbb\xbf\n\na", "0:3:a;", "blank lines after it" },
        { "\xef\xbb", "0:1:\xef\xbb;", "half of one" },
        { "\xef\xbb\xbf\xef\xbb\xbf" "a", "0:1:\xef\xbb\xbf" "a;", "two" },
        { "a\n\xef\xbb\xbf" "b", "0:1:a;0:2:\xef\xbb\xbf" "b;", "a late one" },
        { "a\n\n", "0:1:a;", "a blank one at the end" },
        { " a \n", "0:1: a ;", "blanks around" },
        { "a\x0b\n\x0b\n", "0:1:a\x0b;0:2:\x0b;", "no blank: \\v" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ndjson_is(cases[i].text, strlen(cases[i].text), cases[i].want,
                  cases[i].what);
    }

    ndjson_is("a\0b\n\0\nc", 7, "0:1:a?b;0:2:?;0:3:c;", "zero bytes");
}


static void
ndjson_is(const char *text, size_t len, const char *want, const char *what)
{
    rows_are(&ndjson_entity, text, len, want, what);
}


/* Lines end before, on and after the end of what is read at once. */

static void
ndjson_borders(void)
{
    int     wrong, diff;
    size_t  i;

    static const size_t  sizes[] = { NDJSON_BUFFER, 2 * NDJSON_BUFFER,
                                     5 * NDJSON_BUFFER };

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {

        wrong = 0;

        for (diff = -4; diff <= 4; diff++) {
            wrong += ndjson_border(sizes[i] + (size_t) diff, 10, "\n");
            wrong += ndjson_border(sizes[i] + (size_t) diff, 10, "\r\n");
            wrong += ndjson_border(sizes[i] + (size_t) diff, 10, "");
            wrong += ndjson_border(sizes[i] + (size_t) diff, 0, "\n");
            wrong += ndjson_border(10, sizes[i] - 10 + (size_t) diff, "\n");
            wrong += ndjson_border(10, sizes[i] - 10 + (size_t) diff, "");
        }

        is_int(wrong, 0, "lines that end around byte %zu", sizes[i]);
    }
}


static int
ndjson_border(size_t first, size_t second, const char *end)
{
    int                    rc, wrong;
    char                  *text, *p;
    size_t                 i, cr;
    profile_raw_t          raw;
    profile_error_t        err;
    rows_t                 ndjson;
    profile_row_reason_e   reason;

    text = malloc(first + second + 4);
    need(text != NULL, "malloc()");

    for (i = 0; i < first + second; i++) {
        text[i] = (char) ('a' + i % 23);
    }

    /* where there is no end, the first line has one all the same */

    cr = (end[0] == '\r');
    p = text + first;
    memmove(p + 1 + cr, p, second);
    memcpy(p, cr ? "\r\n" : "\n", 1 + cr);
    p += 1 + cr;
    memcpy(p + second, end, strlen(end));

    scratch_write(scratch("border"), text,
                  first + 1 + cr + second + strlen(end));

    rows_open(&ndjson, &ndjson_entity, "border", 0);

    rc = rows_next(&ndjson, &raw, &reason, &err);

    wrong = (rc != PROFILE_OK
             || reason != PROFILE_ROW_VALID
             || raw.line != 1
             || raw.len != first + cr
             || memcmp(raw.text, text, first) != 0);

    if (second != 0) {
        rc = rows_next(&ndjson, &raw, &reason, &err);

        wrong |= (rc != PROFILE_OK
                  || reason != PROFILE_ROW_VALID
                  || raw.line != 2
                  || raw.len != second + cr
                  || memcmp(raw.text, p, second) != 0);
    }

    wrong |= (rows_next(&ndjson, &raw, &reason, &err)
              != PROFILE_NOT_FOUND);

    free(text);
    rows_close(&ndjson);

    return wrong;
}


static void
ndjson_long(void)
{
    ndjson_long_one(0, PROFILE_ROW_MAX, 1);
    ndjson_long_one(0, PROFILE_ROW_MAX + 1, 1);
    ndjson_long_one(100, PROFILE_ROW_MAX + 1, 0);
    ndjson_long_one(100, 2 * PROFILE_ROW_MAX + 12345, 1);
}


/* A line of len bytes between short ones, or at the end of the file. */

static void
ndjson_long_one(size_t before, size_t len, int end)
{
    int                    fits, right;
    FILE                  *file;
    char                   chunk[65536];
    size_t                 n, left;
    uint64_t               line;
    profile_raw_t          raw;
    profile_error_t        err;
    rows_t                 ndjson;
    profile_row_reason_e   reason;

    memset(chunk, 'x', sizeof(chunk));
    file = fopen(scratch("long"), "w");
    need(file != NULL, "fopen()");

    for (n = 0; n < before; n++) {
        (void) fputs("short\n", file);
    }

    for (left = len; left != 0; left -= n) {
        n = (left < sizeof(chunk)) ? left : sizeof(chunk);
        need(fwrite(chunk, 1, n, file) == n, "fwrite()");
    }

    (void) fputs(end ? "\n\nlast" : "", file);
    need(fclose(file) == 0, "fclose()");

    fits = (len <= PROFILE_ROW_MAX);
    rows_open(&ndjson, &ndjson_entity, "long", 0);
    right = 1;

    for (line = 1; line <= before; line++) {
        right &= (rows_next(&ndjson, &raw, &reason, &err)
                  == PROFILE_OK
                  && reason == PROFILE_ROW_VALID
                  && raw.len == 5
                  && raw.line == line);
    }

    right &= (rows_next(&ndjson, &raw, &reason, &err) == PROFILE_OK
              && reason == (fits ? PROFILE_ROW_VALID : PROFILE_ROW_LONG)
              && (!fits || (raw.len == len && raw.text[len - 1] == 'x'))
              && raw.line == line);

    if (end) {
        right &= (rows_next(&ndjson, &raw, &reason, &err)
                  == PROFILE_OK
                  && reason == PROFILE_ROW_VALID
                  && raw.len == 4
                  && memcmp(raw.text, "last", 4) == 0
                  && raw.line == line + 2);
    }

    right &= (rows_next(&ndjson, &raw, &reason, &err)
              == PROFILE_NOT_FOUND);

    ok(right, "a line of %zu bytes %s after %zu others", len,
       end ? "before the last one" : "without an end", before);

    rows_close(&ndjson);
    (void) unlink(scratch("long"));
}


static void
ndjson_files(void)
{
    profile_raw_t          raw;
    profile_error_t        err;
    rows_t                 ndjson;
    profile_row_reason_e   reason;

    scratch_mkdir(scratch("files"));
    scratch_text(scratch("files/b.ndjson"), "\xef\xbb\xbf" "b1\n\nb3");
    scratch_text(scratch("files/a.ndjson"), "a1\na2\n");
    scratch_text(scratch("files/c.ndjson"), "");
    scratch_text(scratch("files/d.ndjson"), "\xef\xbb\xbf" "d1");
    scratch_text(scratch("files/B.ndjson"), "B1\n");
    scratch_text(scratch("files/other"), "other\n");

    is_str(rows_all(&ndjson_entity, "files/*.ndjson", 0),
           "0:1:B1;1:1:a1;1:2:a2;2:1:b1;2:3:b3;4:1:d1;",
           "files in the order of their names' bytes, each from line 1");
    is_str(rows_all(&ndjson_entity, scratch("files/[ad].ndjson"), 1),
           "0:1:a1;0:2:a2;1:1:d1;", "by a path from the root");

    rows_open(&ndjson, &ndjson_entity, "files/?.ndjson", 0);

    do {
        need(rows_next(&ndjson, &raw, &reason, &err) == PROFILE_OK,
             "a row");
    } while (raw.stream != 2);

    is_str(profile_source_name(ndjson.source, raw.stream), "files/b.ndjson",
           "a file is named as the glob gave it");
    is_str(profile_source_name(ndjson.source, 0), "files/B.ndjson",
           "one that was read before, too");
    rows_close(&ndjson);
}


static void
ndjson_errors(void)
{
    rows_t                     ndjson;
    profile_raw_t              raw;
    profile_error_t            err;
    profile_source_t          *source;
    profile_config_t           config;
    profile_row_reason_e       reason;
    profile_config_source_t    from;
    profile_source_options_t   options;

    memset(&config, 0, sizeof(profile_config_t));
    memset(&from, 0, sizeof(profile_config_source_t));

    config.directory = scratch_directory;
    from.file = "no/*.ndjson";
    options = (profile_source_options_t) { &config, &from, "", "" };

    is_int(profile_source_open(&source, &options, &err), PROFILE_FAILED,
           "a glob that matches nothing");
    ok(strstr(err.text, "no/*.ndjson") != NULL, "%s", err.text);

    scratch_mkdir(scratch("errors"));
    scratch_text(scratch("errors/a"), "a1\n");
    scratch_mkdir(scratch("errors/b"));

    rows_open(&ndjson, &ndjson_entity, "errors/*", 0);
    is_int(rows_next(&ndjson, &raw, &reason, &err), PROFILE_OK, "a file");
    is_int(rows_next(&ndjson, &raw, &reason, &err), PROFILE_FAILED,
           "a folder is none");
    ok(strstr(err.text, "errors/b") != NULL, "%s", err.text);
    rows_close(&ndjson);

    need(rmdir(scratch("errors/b")) == 0, "rmdir()");
    rows_open(&ndjson, &ndjson_entity, "errors/a", 0);
    (void) unlink(scratch("errors/a"));
    is_int(rows_next(&ndjson, &raw, &reason, &err), PROFILE_FAILED,
           "a file that went meanwhile");
    ok(strstr(err.text, "errors/a") != NULL, "%s", err.text);
    rows_close(&ndjson);
}
