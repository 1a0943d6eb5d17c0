
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * CSV: RFC 4180, record by record, however the bytes come in: quotes,
 * newlines within them, both ends of a line, headers of several streams,
 * and what is wrong told apart from what only looks odd.
 */


#include <pthread.h>

#include "rows.h"


#define CSV_THREADS  4
#define CSV_BUFFER   (256 * 1024)

#define csv_text(s)  s, sizeof(s) - 1


static void csv_fields(void);
static void csv_quotes(void);
static void csv_lines(void);
static void csv_characters(void);
static void csv_bad_rows(void);
static void csv_headers(void);
static void csv_bad_headers(void);
static void csv_wide(void);
static void csv_members(void);
static void csv_files(void);
static void csv_borders(void);
static int csv_border(size_t len, const char *record);
static void csv_long(void);
static void csv_long_one(size_t len, int quoted, int end);
static void csv_threads(void);
static void *csv_thread(void *data);
static void csv_is(const char *text, const char *want, const char *what);
static void csv_bytes_are(const char *text, size_t len, const char *want,
    const char *what);
static void csv_fails(const char *text, const char *want);


static const profile_config_entity_t  csv_entity = {
    .format = PROFILE_FORMAT_CSV,
    .primary_key = "a"
};


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    csv_fields();
    csv_quotes();
    csv_lines();
    csv_characters();
    csv_bad_rows();
    csv_headers();
    csv_bad_headers();
    csv_wide();
    csv_members();
    csv_files();
    csv_borders();
    csv_long();
    csv_threads();
    profile_format_csv.free(NULL);

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
csv_fields(void)
{
    csv_is("a\n1\n", "0:2:{'a':'1'};", "a column");
    csv_is("a,b\n1,2\n3,4\n", "0:2:{'a':'1','b':'2'};0:3:{'a':'3','b':'4'};",
           "two");
    csv_is("a,b,c\n1,,3\n", "0:2:{'a':'1','b':null,'c':'3'};",
           "an empty field is null");
    csv_is("a,b,c\n,,\n", "0:2:{'a':null,'b':null,'c':null};",
           "so are all of a record");
    csv_is("a,b,c\n\"\",\"\",\"\"\n", "0:2:{'a':'','b':'','c':''};",
           "an empty field with quotes is not");
    csv_is("a,b\n1,\"\"\n2,\n", "0:2:{'a':'1','b':''};0:3:{'a':'2','b':null};",
           "at the end of a line");
    csv_is("a,b\n1,", "0:2:{'a':'1','b':null};", "and of the stream");
    csv_is("a,b\n 1 , \t2 \n", "0:2:{'a':' 1 ','b':' \\t2 '};",
           "blanks belong to a field");
    csv_is("a,b\n , \n", "0:2:{'a':' ','b':' '};", "and are not empty");
    csv_is("a,b\n007,1e400\ntrue,null\n",
           "0:2:{'a':'007','b':'1e400'};0:3:{'a':'true','b':'null'};",
           "everything is a string");
}


static void
csv_quotes(void)
{
    csv_is("a,b\n\"1\",\"2\"\n", "0:2:{'a':'1','b':'2'};", "quotes");
    csv_is("a,b\n\"1,2\",\",\"\n", "0:2:{'a':'1,2','b':','};",
           "commas between them");
    csv_bytes_are(csv_text("a\n\"x\"\"y\"\n"), "0:2:{'a':'x\\\"y'};",
                  "doubled ones");
    csv_bytes_are(csv_text("a,b\n\"\"\"\",\"\"\"\"\"\"\n"),
                  "0:2:{'a':'\\\"','b':'\\\"\\\"'};", "nothing else");
    csv_bytes_are(csv_text("a,b\n\"\"\"x\",\"x\"\"\"\n"),
                  "0:2:{'a':'\\\"x','b':'x\\\"'};", "at both ends");
    csv_is("a,b\n\"1\n2\",3\n4,\"\n\n\"\n5,6\n",
           "0:2:{'a':'1\\n2','b':'3'};0:4:{'a':'4','b':'\\n\\n'};"
           "0:7:{'a':'5','b':'6'};", "newlines between them");
    csv_is("a,b\r\n\"1\r\n2\",3\r\n4,\"\r\"\r\n",
           "0:2:{'a':'1\\r\\n2','b':'3'};0:4:{'a':'4','b':'\\r'};",
           "returns between them");
    csv_is("a\n\",\n\"\n1\n", "0:2:{'a':',\\n'};0:4:{'a':'1'};",
           "a comma and a newline");
    csv_is("\"a\",\"b\"\n1,2\n", "0:2:{'a':'1','b':'2'};",
           "quotes in the header");
    csv_is("a,\"b\n,c\"\n1,2\n", "0:3:{'a':'1','b\\n,c':'2'};",
           "newlines and commas there");
    csv_is("a,b\n1,2\n\"3\",\"4\"", "0:2:{'a':'1','b':'2'};"
           "0:3:{'a':'3','b':'4'};", "a quote at the end of the stream");
}


static void
csv_lines(void)
{
    csv_is("a\r\n1\r\n2\r\n", "0:2:{'a':'1'};0:3:{'a':'2'};", "CRLF");
    csv_is("a\n1\r\n2\n", "0:2:{'a':'1'};0:3:{'a':'2'};", "both");
    csv_is("a\n1", "0:2:{'a':'1'};", "no end of the last line");
    csv_is("a\r\n1\r", "0:2:{'a':'1'};", "half an end of it");
    csv_is("a\n1\r\r\n", "0:2:{'a':'1\\r'};", "one return goes");
    csv_is("a\n1\r2\n", "0:2:{'a':'1\\r2'};", "one within is a character");
    csv_is("a", "", "a header alone");
    csv_is("a\n", "", "with its end");
    csv_is("a\r\n\r\n\n", "", "and blank lines");
    csv_is("\n\r\n\na\n\n1\n\r\n\n2\n\n", "0:6:{'a':'1'};0:9:{'a':'2'};",
           "blank lines are counted");
    csv_is("\xef\xbb\xbf" "a\n1\n", "0:2:{'a':'1'};", "a byte order mark");
    csv_is("\xef\xbb\xbf\"a\"\n1\n", "0:2:{'a':'1'};", "before a quote");
    csv_is("a\n \n", "0:2:{'a':' '};", "a blank is a field");
    csv_is("a\n\"\"\n", "0:2:{'a':''};", "so are quotes");
}


static void
csv_characters(void)
{
    int   ch;
    char  text[32], escaped[16], want[64];

    for (ch = 1; ch < 0x20; ch++) {

        if (ch == '\n') {
            continue;
        }

        switch (ch) {

        case '\b':
            (void) strcpy(escaped, "\\b");
            break;

        case '\t':
            (void) strcpy(escaped, "\\t");
            break;

        case '\f':
            (void) strcpy(escaped, "\\f");
            break;

        case '\r':
            (void) strcpy(escaped, "\\r");
            break;

        default:
            (void) snprintf(escaped, sizeof(escaped), "\\u%04x",
                            (unsigned) ch);
        }

        (void) snprintf(text, sizeof(text), "a\nx%cy\n\"%c\"\n", ch, ch);
        (void) snprintf(want, sizeof(want), "0:2:{'a':'x%sy'};0:3:{'a':'%s'};",
                        escaped, escaped);

        csv_is(text, want, "a control character");
    }

    csv_is("a\n\\\n\"\\\\n\"\n", "0:2:{'a':'\\\\'};0:3:{'a':'\\\\\\\\n'};",
           "backslashes mean nothing in CSV");
    csv_is("a\n\x7f/<>\n", "0:2:{'a':'\x7f/<>'};", "JSON takes these");
    csv_is("a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
           "0:2:{'a':'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'};", "UTF-8");
    csv_is("a\n\xff\xc3\n", "0:2:{'a':'\xff\xc3'};",
           "what is none is seen later");
    csv_is("a,\\b\t,\"\"\"\"\n1,2,3\n",
           "0:2:{'a':'1','\\\\b\\t':'2','\\\"':'3'};", "names of columns");
    csv_is("a;b\n1;2\n", "!1: the header has no column \"a\", which is the "
           "entity's primary_key", "a semicolon separates nothing");
}


static void
csv_bad_rows(void)
{
    csv_is("a,b\n1\n2,3\n", "0:2:[not as many fields as the header];"
           "0:3:{'a':'2','b':'3'};", "too few");
    csv_is("a,b\n1,2,3\n1,2,\n4,5\n",
           "0:2:[not as many fields as the header];"
           "0:3:[not as many fields as the header];"
           "0:4:{'a':'4','b':'5'};", "too many");
    csv_is("a\n,\n", "0:2:[not as many fields as the header];",
           "two that are empty");
    csv_is("a,b\n\"1,2\"\n", "0:2:[not as many fields as the header];",
           "a comma in quotes");

    csv_is("a,b\nx\"y,2\n1,x\"\n3,4\n", "0:2:[quotes out of place];"
           "0:3:[quotes out of place];0:4:{'a':'3','b':'4'};",
           "a quote inside");
    csv_is("a,b\n \"1\",2\n3,4\n", "0:2:[quotes out of place];"
           "0:3:{'a':'3','b':'4'};", "a blank before one");
    csv_is("a,b\n\"1\" ,2\n\"3\"x,\"4\"\n5,6\n",
           "0:2:[quotes out of place];0:3:[quotes out of place];"
           "0:4:{'a':'5','b':'6'};", "text behind one");
    csv_is("a,b\n\"1\"x\"2\n3,4\n", "0:2:[quotes out of place];"
           "0:3:{'a':'3','b':'4'};", "and another");
    csv_is("a,b\n\"1\"x,\"\n\",\n3,4\n", "0:2:[quotes out of place];"
           "0:4:{'a':'3','b':'4'};", "a field after it may be in quotes");
    csv_is("a,b\nx\"\n3,4\n", "0:2:[quotes out of place];"
           "0:3:{'a':'3','b':'4'};", "a quote that opens nothing");
    csv_is("a,b\n\"1\"\r,2\n3,4\n", "0:2:[quotes out of place];"
           "0:3:{'a':'3','b':'4'};", "a return behind one");

    csv_bytes_are(csv_text("a,b\n1,\0\n\"\0\",2\n\0\n3,4\n"),
                  "0:2:[a NUL character];0:3:[a NUL character];"
                  "0:4:[a NUL character];0:5:{'a':'3','b':'4'};",
                  "zero bytes");
    csv_bytes_are(csv_text("a,b\n1\"\0,2,3\n3,4\n"),
                  "0:2:[a NUL character];0:3:{'a':'3','b':'4'};",
                  "whatever else is wrong");
}


static void
csv_headers(void)
{
    csv_is("b,a\n1,2\n", "0:2:{'b':'1','a':'2'};", "in its order");
    csv_is("a,\n1,2\n", "0:2:{'a':'1','':'2'};", "a column without a name");
    csv_is("a,A, a,a \n1,2,3,4\n",
           "0:2:{'a':'1','A':'2',' a':'3','a ':'4'};",
           "names that are not the same");
    csv_is("a,aa,aaa,b\n1,2,3,4\n", "0:2:{'a':'1','aa':'2','aaa':'3','b':'4'};",
           "nor are these");
}


static void
csv_bad_headers(void)
{
    csv_fails("", "!1: expected a header with the names of the columns, "
              "found the end of the stream");
    csv_fails("\n\r\n", "!3: expected a header with the names of the "
              "columns, found the end of the stream");
    csv_fails("\xef\xbb\xbf", "!1: expected a header with the names of the "
              "columns, found the end of the stream");
    csv_fails("\n\na,b\"\n1,2\n", "!3: expected a header with the names of "
              "the columns, found a record that is invalid: quotes out of "
              "place");
    csv_fails("\"a\" ,b\n", "!1: expected a header with the names of the "
              "columns, found a record that is invalid: quotes out of "
              "place");
    csv_fails("\"a,b\n1,2\n", "!1: in the record that begins here, a quoted "
              "field does not end before the stream does");

    csv_fails("a,b,a\n1,2,3\n", "!1: the header has the column \"a\" twice");
    csv_fails("a,b,\"a\"\n1,2,3\n",
              "!1: the header has the column \"a\" twice");
    csv_fails("a,,\n1,2,3\n", "!1: the header has the column \"\" twice");
    csv_fails("b,c\n1,2\n", "!1: the header has no column \"a\", which is "
              "the entity's primary_key");
    csv_fails("\nA\n1\n", "!2: the header has no column \"a\", which is the "
              "entity's primary_key");
    csv_fails("a \n1\n", "!1: the header has no column \"a\", which is the "
              "entity's primary_key");

    csv_fails("a,b\n1,2\n\"3\n4,5\n\n6,7\n", "0:2:{'a':'1','b':'2'};!3: in "
              "the record that begins here, a quoted field does not end "
              "before the stream does");
    csv_fails("a,b\n1,\"", "!2: in the record that begins here, a quoted "
              "field does not end before the stream does");
    csv_fails("a,b\n1,\"\"\"", "!2: in the record that begins here, a quoted "
              "field does not end before the stream does");

    csv_bytes_are(csv_text("a,\0\n1,2\n"), "!1: expected a header with the "
                  "names of the columns, found a record that is invalid: a "
                  "NUL character", "a zero byte in the header");
    csv_bytes_are(csv_text("\xff\xfe" "a\0,\0b\0\n\0"), "!1: expected a "
                  "header with the names of the columns, found a record that "
                  "is invalid: a NUL character", "UTF-16");
}


/* Many columns, and a name that is too long to be shown. */

static void
csv_wide(void)
{
    FILE        *file;
    size_t       i;
    const char  *got;

    file = fopen(scratch("wide"), "w");
    need(file != NULL, "fopen()");

    for (i = 0; i < 100000; i++) {
        (void) fprintf(file, "%zu,", i * 7919 % 100000);
    }

    for (i = 0; i < 1000; i++) {
        (void) fputs("0123456789", file);
    }

    (void) fputs(",a\n1\n", file);
    need(fclose(file) == 0, "fclose()");

    is_str(rows_all(&csv_entity, "wide", 0),
           "0:2:[not as many fields as the header];", "100,002 columns");

    file = fopen(scratch("wide"), "a");
    need(file != NULL && ftruncate(fileno(file), 0) == 0, "ftruncate()");

    for (i = 0; i < 2000; i++) {
        (void) fputs((i == 1000) ? ",a," : "0123456789", file);
    }

    (void) fputs("0123456789\n", file);
    need(fclose(file) == 0, "fclose()");

    got = rows_all(&csv_entity, "wide", 0);
    ok(strstr(got, "wide:1: the header has the column \"01234567890123456789")
       != NULL
       && strstr(got, "0123456789\" twice") != NULL
       && strlen(got) < 200, "a long name is cut: %s", got);

    (void) unlink(scratch("wide"));
}


static void
csv_members(void)
{
    size_t                   i;
    char                     want[128];
    profile_config_entity_t  entity;

    static const struct {
        const char  *text;
        const char  *name;
        const char  *member;
    } cases[] = {
        { "id,at,gone\n", NULL, NULL },
        { "gone,x,id,at\n", NULL, NULL },
        { "id,at\n", "gone", "deleted" },
        { "id,gone\n", "at", "cursor" },
        { "at,gone\n", "id", "primary_key" },
        { "id,AT,gone\n", "at", "cursor" },
        { "i,d,at,gone\n", "id", "primary_key" },
        { "id,at,\"gone\n\"\n", "gone", "deleted" }
    };

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_CSV;
    entity.primary_key = "id";
    entity.refresh.cursor = "at";
    entity.refresh.deleted = "gone";

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        (void) snprintf(want, sizeof(want), "FAILED rows:1: the header has "
                        "no column \"%s\", which is the entity's %s",
                        (cases[i].name == NULL) ? "" : cases[i].name,
                        (cases[i].name == NULL) ? "" : cases[i].member);

        rows_are(&entity, cases[i].text, strlen(cases[i].text),
                 (cases[i].name == NULL) ? "" : want,
                 (cases[i].name == NULL) ? "a header with all"
                                         : cases[i].member);
    }

    /* a name that must be escaped is found as it is meant */

    entity.primary_key = "a\"\\\nb";
    entity.refresh.cursor = NULL;
    entity.refresh.deleted = NULL;

    rows_are(&entity, csv_text("\"a\"\"\\\nb\"\n1\n"),
             "0:3:{\"a\\\"\\\\\\nb\":\"1\"};", "a primary key with quotes");
}


static void
csv_files(void)
{
    rows_t                rows;
    size_t                chunk;
    profile_raw_t         raw[4];
    profile_error_t       err;
    profile_row_reason_e  reason;

    scratch_mkdir(scratch("files"));
    scratch_text(scratch("files/1"), "a,b\n1,2\n");
    scratch_text(scratch("files/2"), "\xef\xbb\xbf\"a\",\"b\"\r\n3,4\r\n");
    scratch_text(scratch("files/3"), "\nb,c,a\n5,6,7\n");
    scratch_text(scratch("files/4"), "a\n");
    scratch_text(scratch("files/5"), "a,b\n8,9");

    for (chunk = 0; chunk < 3; chunk++) {
        is_str(rows_all(&csv_entity, "files/*", chunk),
               "0:2:{\"a\":\"1\",\"b\":\"2\"};1:2:{\"a\":\"3\",\"b\":\"4\"};"
               "2:3:{\"b\":\"5\",\"c\":\"6\",\"a\":\"7\"};"
               "4:2:{\"a\":\"8\",\"b\":\"9\"};", "each file has its header");
    }

    rows_open(&rows, &csv_entity, "files/*", 0);

    for (chunk = 0; chunk < 4; chunk++) {
        need(rows_next(&rows, &raw[chunk], &reason, &err) == PROFILE_OK,
             "a row");
    }

    ok(raw[0].columns == raw[1].columns && raw[1].columns != raw[2].columns
       && raw[2].columns != raw[3].columns, "the same headers are shared");
    is_int(rows_next(&rows, &raw[0], &reason, &err), PROFILE_NOT_FOUND,
           "the end");

    rows_close(&rows);

    scratch_text(scratch("files/4"), "");
    is_str(rows_all(&csv_entity, "files/[45]", 0), "FAILED files/4:1: "
           "expected a header with the names of the columns, found the end "
           "of the stream", "each has to have one");

    scratch_text(scratch("files/4"), "a\n\"1");
    is_str(rows_all(&csv_entity, "files/[45]", 0), "FAILED files/4:2: in the "
           "record that begins here, a quoted field does not end before the "
           "stream does", "quotes do not go on in the next");
}


/* Records with everything in them lie on the end of what is read at once. */

static void
csv_borders(void)
{
    int     wrong;
    size_t  len;

    wrong = 0;

    for (len = CSV_BUFFER - 24; len <= CSV_BUFFER + 2; len++) {
        wrong += csv_border(len, "1,2\n");
        wrong += csv_border(len, "1,2\r\n");
        wrong += csv_border(len, "\"1\",\"2\"\r\n");
        wrong += csv_border(len, "1,\"\"\"\n\"\"\"\n");
    }

    is_int(wrong, 0, "records around byte %d", CSV_BUFFER);
}


/* The record begins after len bytes of others. */

static int
csv_border(size_t len, const char *record)
{
    char        *text;
    size_t       i;
    const char  *got, *want;

    text = malloc(len + 100);
    need(text != NULL, "malloc()");

    memcpy(text, "a,b\n", 4);
    memset(text + 4, '\n', len - 4);
    (void) snprintf(text + len, 100, "%s3,4\n", record);

    i = strlen(text);
    scratch_write(scratch("border"), text, i);
    free(text);

    got = rows_all(&csv_entity, "border", 0);
    got = strchr(got, '{');

    want = (strstr(record, "\"\"\"") != NULL)
           ? "{\"a\":\"1\",\"b\":\"\\\"\\n\\\"\"};"
           : "{\"a\":\"1\",\"b\":\"2\"};";

    return got == NULL
           || strncmp(got, want, strlen(want)) != 0
           || strstr(got, ":{\"a\":\"3\",\"b\":\"4\"};") == NULL;
}


static void
csv_long(void)
{
    int  quoted;

    for (quoted = 0; quoted < 2; quoted++) {
        csv_long_one(PROFILE_ROW_MAX, quoted, 1);
        csv_long_one(PROFILE_ROW_MAX + 1, quoted, 1);
        csv_long_one(2 * PROFILE_ROW_MAX + 12345, quoted, 1);
        csv_long_one(PROFILE_ROW_MAX + 1, quoted, 0);
    }
}


/* A record of len bytes, with newlines and commas if it is quoted. */

static void
csv_long_one(size_t len, int quoted, int end)
{
    int                    fits, right;
    FILE                  *file;
    char                   chunk[60000];
    size_t                 i, n, left;
    rows_t                 rows;
    profile_raw_t          raw;
    profile_error_t        err;
    profile_row_reason_e   reason;

    for (i = 0; i < sizeof(chunk); i++) {
        chunk[i] = quoted ? ",\"\"\nx"[i % 5] : 'x';
    }

    file = fopen(scratch("long"), "w");
    need(file != NULL, "fopen()");

    (void) fputs("a,b\n1,2\n", file);
    (void) fputs(quoted ? "1,\"" : "1,2", file);

    /* quotes in the text come in pairs */

    left = len - 5;
    n = left % 5;
    (void) fprintf(file, "%.*s", (int) n, "yyyyy");

    for (left -= n; left != 0; left -= n) {
        n = (left < sizeof(chunk)) ? left : sizeof(chunk);
        need(fwrite(chunk, 1, n, file) == n, "fwrite()");
    }

    (void) fputs(quoted ? "z\"" : "zz", file);
    (void) fputs(end ? "\n3,4\n" : "", file);
    need(fclose(file) == 0, "fclose()");

    fits = (len <= PROFILE_ROW_MAX);
    rows_open(&rows, &csv_entity, "long", 0);

    right = (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
             && reason == PROFILE_ROW_VALID
             && raw.len == 3);

    right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
              && reason == (fits ? PROFILE_ROW_VALID : PROFILE_ROW_LONG)
              && (!fits || raw.len == len)
              && raw.line == 3);

    if (end) {
        right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
                  && reason == PROFILE_ROW_VALID
                  && raw.len == 3
                  && raw.line == 4 + (quoted ? (len - 5) / 5 : 0));
    }

    right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_NOT_FOUND);

    ok(right, "a record of %zu bytes, %s%s", len,
       quoted ? "quoted" : "not quoted", end ? "" : ", without an end");
    ok(rows.input.size <= 4 * (size_t) PROFILE_ROW_MAX,
       "not all of it was held");

    rows_close(&rows);
    (void) unlink(scratch("long"));
}


/* Rows are decoded in several threads, with the same columns. */

static void
csv_threads(void)
{
    int                    wrong;
    void                  *result;
    size_t                 i;
    rows_t                 rows;
    pthread_t              threads[CSV_THREADS];
    profile_raw_t          raw;
    profile_error_t        err;
    profile_row_reason_e   reason;

    scratch_text(scratch("rows"), "a,b,c\n1,\"x\"\"y\n\",\n");
    rows_open(&rows, &csv_entity, "rows", 0);
    need(rows_next(&rows, &raw, &reason, &err) == PROFILE_OK, "a row");

    wrong = 0;

    for (i = 0; i < CSV_THREADS; i++) {
        need(pthread_create(&threads[i], NULL, csv_thread, &raw) == 0,
             "pthread_create()");
    }

    for (i = 0; i < CSV_THREADS; i++) {
        need(pthread_join(threads[i], &result) == 0, "pthread_join()");
        wrong += (result != NULL);
    }

    is_int(wrong, 0, "%d threads decode at once", CSV_THREADS);

    rows_close(&rows);
}


static void *
csv_thread(void *data)
{
    int               i, wrong;
    profile_buffer_t  json;

    static const char  want[] = "{\"a\":\"1\",\"b\":\"x\\\"y\\n\",\"c\":null}";

    memset(&json, 0, sizeof(profile_buffer_t));
    wrong = 0;

    for (i = 0; i < 20000; i++) {
        json.len = 0;
        wrong += (profile_format_csv.decode(data, &json) != PROFILE_ROW_VALID
                  || json.len != sizeof(want) - 1
                  || memcmp(json.data, want, json.len) != 0);
    }

    free(json.data);

    return wrong ? data : NULL;
}


static void
csv_fails(const char *text, const char *want)
{
    csv_is(text, want, scratch_shown(text, strlen(text)));
}


static void
csv_is(const char *text, const char *want, const char *what)
{
    csv_bytes_are(text, strlen(text), want, what);
}


/*
 * What is wanted has ' for ", so that it can be read, and a failure is
 * "!LINE: text", after the rows that came before it.
 */

static void
csv_bytes_are(const char *text, size_t len, const char *want,
    const char *what)
{
    char         all[1024], *p;
    const char  *failure;

    failure = strchr(want, '!');

    if (failure == NULL) {
        failure = want + strlen(want);
    }

    (void) snprintf(all, sizeof(all), "%.*s", (int) (failure - want), want);

    for (p = all; *p != '\0'; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }

    if (*failure == '!') {
        (void) snprintf(p, sizeof(all) - (size_t) (p - all),
                        "FAILED rows:%s", failure + 1);
    }

    rows_are(&csv_entity, text, len, all, what);
}
