
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Rows: what is valid JSON comes out byte for byte but for white space,
 * what is not is refused with the right reason, and the primary key is the
 * text that the source wrote.  Each row lies at the end of its own
 * allocation, so that the sanitizer and valgrind see a read beyond it.
 */


#include <stdlib.h>

#include "profile_row.h"
#include "scratch.h"
#include "tap.h"


#define ROW_BIG  (1024 * 1024)


static const profile_row_members_t  row_members = { "id", NULL, NULL };


/* A string with its length: rows may hold zero bytes. */

#define row_text(s)  s, sizeof(s) - 1


typedef struct {
    const char            *text;
    size_t                 len;
    profile_row_reason_e   reason;
} row_case_t;


static void row_kept(void);
static void row_numbers(void);
static void row_space(void);
static void row_refused(void);
static void row_ids(void);
static void row_key_names(void);
static void row_nested(void);
static void row_utf8(void);
static void row_long(void);
static void row_cut(void);
static void row_cursors(void);
static void row_cursor_is(profile_row_parser_t *parser, const char *value,
    profile_row_reason_e reason, const char *cursor);
static void row_long_cursors(profile_row_parser_t *parser);
static void row_deleted(void);
static void row_reasons(void);
static void row_is(const char *text, const char *id, const char *body);
static profile_row_reason_e row_parse(const void *text, size_t len);
static profile_row_reason_e row_parse_by(profile_row_parser_t *parser,
    const void *text, size_t len);


static profile_row_parser_t  *row_parser;
static profile_row_t          row_row;


int
main(void)
{
    row_parser = profile_row_parser_create(&row_members);

    row_kept();
    row_numbers();
    row_space();
    row_refused();
    row_ids();
    row_key_names();
    row_nested();
    row_utf8();
    row_long();
    row_cut();
    row_cursors();
    row_deleted();
    row_reasons();

    profile_row_parser_free(row_parser);
    profile_row_parser_free(NULL);

    return done();
}


static void
row_kept(void)
{
    size_t  i;
    char    body[512];

    static const char  *rows[] = {
        "{\"id\":\"1\"}",
        "{\"id\":\"1\",\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":{\"b\":{\"id\":2}},\"id\":\"1\"}",
        "{\"id\":\"1\",\"a\":[],\"b\":{},\"c\":[[],[{}]]}",
        "{\"id\":\"1\",\"\":\"\"}",
        "{\"id\":\"1\",\"a b\":\" c  d \"}",
        "{\"id\":\"1\",\"a\":\"\\\" \\\\ \\/ \\b\\f\\n\\r\\t\"}",
        "{\"id\":\"1\",\"a\":\"\\u0041\\u00e9\\uD834\\uDD1E\\u2028\"}",
        "{\"id\":\"1\",\"a\":\"</script>&<>'\x7f\"}",
        "{\"id\":\"1\",\"a\":\"{}[]:,-0.1e1 true\"}",
        "{\"id\":\"1\",\"a\":\"\\\\\"}",
        "{\"id\":\"1\",\"a\":\"\\\\\\\"\"}",
        "{\"id\":\"1\",\"z\":1,\"a\":2,\"m\":3}",
        "{\"id\":\"1\",\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"}",
        "{\"\\u0069d\":\"1\"}"
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void) snprintf(body, sizeof(body), "{\"data\":%s}", rows[i]);
        row_is(rows[i], "1", body);
    }
}


/* jansson would turn them into C's, or refuse those that do not fit. */

static void
row_numbers(void)
{
    size_t  i;
    char    row[512], body[600];

    static const char  *good[] = {
        "0", "-0", "1", "-1", "10", "1234567890", "9007199254740993",
        "9223372036854775807", "9223372036854775808",
        "-9223372036854775809", "18446744073709551616",
        "12345678901234567890123456789012345678901234567890",
        "0.0", "0.10", "1.000", "-0.0", "0.1234567890123456789",
        "1e0", "1E0", "1e+1", "1e-1", "1E+400", "1e400", "-1e-400",
        "0e0", "0.0e00", "1.5E+007", "-1.5e-007", "1e999999999999"
    };
    static const char  *bad[] = {
        "-", "+1", "01", "00", "-01", "-00", "1.", ".1", "-.1", "1.e1",
        "1e", "1e+", "1e-", "1E", "1.5e", "0x10", "1_000", "1,000.",
        "1e1.5", "--1", "1-", "1+1", "1-2", "1 2", "Infinity", "-Infinity",
        "NaN", "1a", "1e1e1", "1.2.3", "0123", "1f", "1\"", "1{}", "1[]",
        "1:2", "-a", "- 1", "1. 5", "1 .5", "1 e5", "\xef\xbc\x91"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void) snprintf(row, sizeof(row), "{\"id\":\"1\",\"n\":%s}", good[i]);
        (void) snprintf(body, sizeof(body), "{\"data\":%s}", row);
        row_is(row, "1", body);

        (void) snprintf(row, sizeof(row), "{\"n\":[%s,%s\n],\"id\":\"1\"}",
                        good[i], good[i]);
        (void) snprintf(body, sizeof(body),
                        "{\"data\":{\"n\":[%s,%s],\"id\":\"1\"}}", good[i],
                        good[i]);
        row_is(row, "1", body);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) snprintf(row, sizeof(row), "{\"id\":\"1\",\"n\":%s}", bad[i]);
        is_int(row_parse(row, strlen(row)), PROFILE_ROW_SYNTAX,
               "no number: %s", bad[i]);

        (void) snprintf(row, sizeof(row), "{\"id\":\"1\",\"n\":[%s]}",
                        bad[i]);
        is_int(row_parse(row, strlen(row)), PROFILE_ROW_SYNTAX,
               "nor in an array");
    }
}


static void
row_space(void)
{
    row_is(" { \"id\" : \"1\" , \"a\" : [ 1 , 2 , { } ] } ", "1",
           "{\"data\":{\"id\":\"1\",\"a\":[1,2,{}]}}");
    row_is("\t{\r\n\"id\"\t:\r\"1\"\n}\r\n", "1", "{\"data\":{\"id\":\"1\"}}");
    row_is("{\"id\":\"1\"}\r", "1", "{\"data\":{\"id\":\"1\"}}");
    row_is("{\"id\":\"1\",\"a b\":\"\\t  x \"}  ", "1",
           "{\"data\":{\"id\":\"1\",\"a b\":\"\\t  x \"}}");
    row_is("{ \"id\": 12 ,\"n\":\t-0.50\n}", "12",
           "{\"data\":{\"id\":12,\"n\":-0.50}}");
}


static void
row_refused(void)
{
    size_t  i;

    static const row_case_t  cases[] = {

        { row_text(""), PROFILE_ROW_SYNTAX },
        { row_text(" "), PROFILE_ROW_SYNTAX },
        { row_text("{"), PROFILE_ROW_SYNTAX },
        { row_text("}"), PROFILE_ROW_SYNTAX },
        { row_text("{}}"), PROFILE_ROW_SYNTAX },
        { row_text("{}{}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"} {\"id\":\"2\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"}}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"}]"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"},"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",}"), PROFILE_ROW_SYNTAX },
        { row_text("{,\"id\":\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\" \"a\":2}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\"\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\"::\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":}"), PROFILE_ROW_SYNTAX },
        { row_text("{id:\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{'id':'1'}"), PROFILE_ROW_SYNTAX },
        { row_text("{1:\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{null:1}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":[1,]}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":[,1]}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":[1}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":(1)}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":True}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":tru}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":truee}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":tr ue}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":true1}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":1true}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":nul 1}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\",\"a\":undefined}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\" /* a */}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"} // a"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\\"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\\\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\x41\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\u12\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\u12g4\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\uD834\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\uDD1E\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\uD834\\u0041\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"\\'\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"a\nb\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"a\tb\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"a\x01\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"a\x1f\"}"), PROFILE_ROW_SYNTAX },
        { row_text("\xef\xbb\xbf{\"id\":\"1\"}"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"}\x0b"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"}\x0c"), PROFILE_ROW_SYNTAX },
        { row_text("{\"id\":\"1\"}\xc2\xa0"), PROFILE_ROW_SYNTAX },
        { row_text("id,name"), PROFILE_ROW_SYNTAX },

        { row_text("{\"id\":\"\xff\"}"), PROFILE_ROW_UTF8 },
        { row_text("{\"id\":\"1\",\"a\":\"\xc3\"}"), PROFILE_ROW_UTF8 },
        { row_text("{\"id\":\"1\",\"\x80\":1}"), PROFILE_ROW_UTF8 },

        { row_text("{\"id\":\"\\u0000\"}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\",\"a\":\"x\\u0000y\"}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\",\"\\u0000\":1}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\0\"}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\"}\0"), PROFILE_ROW_NUL },
        { row_text("\0{\"id\":\"1\"}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":1\0}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":1\0,\"a\":2}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\",\"a\":true\0}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\",\"a\":[null\0,\"b\"]}"), PROFILE_ROW_NUL },
        { row_text("{\"id\":\"1\",\0\"a\":2}"), PROFILE_ROW_NUL },
        { row_text("\0"), PROFILE_ROW_NUL },

        { row_text("{\"id\":\"1\",\"id\":\"2\"}"),
          PROFILE_ROW_DUPLICATE_MEMBER },
        { row_text("{\"id\":\"1\",\"a\":1,\"a\":1}"),
          PROFILE_ROW_DUPLICATE_MEMBER },
        { row_text("{\"id\":\"1\",\"a\":1,\"\\u0061\":1}"),
          PROFILE_ROW_DUPLICATE_MEMBER },
        { row_text("{\"id\":\"1\",\"a\":{\"b\":1,\"b\":2}}"),
          PROFILE_ROW_DUPLICATE_MEMBER },
        { row_text("{\"id\":\"1\",\"a\":[{\"\":1,\"\":2}]}"),
          PROFILE_ROW_DUPLICATE_MEMBER },

        { row_text("[]"), PROFILE_ROW_NOT_OBJECT },
        { row_text("[{\"id\":\"1\"}]"), PROFILE_ROW_NOT_OBJECT },
        { row_text("\"id\""), PROFILE_ROW_NOT_OBJECT },
        { row_text("1"), PROFILE_ROW_NOT_OBJECT },
        { row_text("-0.5e1"), PROFILE_ROW_NOT_OBJECT },
        { row_text("true"), PROFILE_ROW_NOT_OBJECT },
        { row_text("null"), PROFILE_ROW_NOT_OBJECT },

        { row_text("{}"), PROFILE_ROW_NO_KEY },
        { row_text("{\"ID\":\"1\"}"), PROFILE_ROW_NO_KEY },
        { row_text("{\"id \":\"1\"}"), PROFILE_ROW_NO_KEY },
        { row_text("{\"i\":\"1\"}"), PROFILE_ROW_NO_KEY },
        { row_text("{\"a\":{\"id\":\"1\"}}"), PROFILE_ROW_NO_KEY },

        { row_text("{\"id\":null}"), PROFILE_ROW_NULL_KEY },

        { row_text("{\"id\":true}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":false}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":[]}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":[\"1\"]}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":{}}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":1.0}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":1e3}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":1E3}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"id\":-0.5}"), PROFILE_ROW_KEY_TYPE },
        { row_text("{\"a\":1,\"id\":2.5}"), PROFILE_ROW_KEY_TYPE },

        { row_text("{\"id\":\"\"}"), PROFILE_ROW_EMPTY_KEY }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(row_parse(cases[i].text, cases[i].len), cases[i].reason,
               "%s: %s", profile_row_reason(cases[i].reason),
               scratch_shown(cases[i].text, cases[i].len));
    }
}


/* The text of the primary key, which requests are compared with. */

static void
row_ids(void)
{
    row_is("{\"id\":\"a\"}", "a", "{\"data\":{\"id\":\"a\"}}");
    row_is("{\"id\":\" a \"}", " a ", "{\"data\":{\"id\":\" a \"}}");
    row_is("{\"id\":\"\\u0061\\/\\n\"}", "a/\n",
           "{\"data\":{\"id\":\"\\u0061\\/\\n\"}}");
    row_is("{\"id\":\"\\uD834\\uDD1E\"}", "\xf0\x9d\x84\x9e",
           "{\"data\":{\"id\":\"\\uD834\\uDD1E\"}}");
    row_is("{\"id\":\"\xc3\xa9\"}", "\xc3\xa9",
           "{\"data\":{\"id\":\"\xc3\xa9\"}}");

    row_is("{\"id\":7}", "7", "{\"data\":{\"id\":7}}");
    row_is("{\"id\":0}", "0", "{\"data\":{\"id\":0}}");
    row_is("{\"id\":-0}", "-0", "{\"data\":{\"id\":-0}}");
    row_is("{\"id\":-12}", "-12", "{\"data\":{\"id\":-12}}");
    row_is("{\"id\": 12345678901234567890123 }", "12345678901234567890123",
           "{\"data\":{\"id\":12345678901234567890123}}");

    /* each number is known by its place among the others */

    row_is("{\"a\":1,\"b\":[2,3,{\"c\":4}],\"id\":55,\"d\":6}", "55",
           "{\"data\":{\"a\":1,\"b\":[2,3,{\"c\":4}],\"id\":55,\"d\":6}}");
    row_is("{\"a\":\"1 2 3\",\"id\":4}", "4",
           "{\"data\":{\"a\":\"1 2 3\",\"id\":4}}");
    row_is("{\"id\":1,\"a\":2}", "1", "{\"data\":{\"id\":1,\"a\":2}}");
    row_is("{\"a\":{\"id\":1},\"id\":2}", "2",
           "{\"data\":{\"a\":{\"id\":1},\"id\":2}}");
}


static void
row_key_names(void)
{
    size_t                 i;
    const char            *text;
    profile_row_t          row;
    profile_row_parser_t  *parser;
    profile_row_members_t  members;

    static const struct {
        const char  *name;
        const char  *text;
    } names[] = {
        { "", "{\"\":\"found\"}" },
        { "a b", "{\"a b\":\"found\"}" },
        { "\"", "{\"\\\"\":\"found\"}" },
        { "\xc3\xa9", "{\"\\u00e9\":\"found\"}" },
        { "a.b", "{\"a\":{\"b\":1},\"a.b\":\"found\"}" },
        { "%s", "{\"%s\":\"found\"}" }
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        members = (profile_row_members_t) { names[i].name, NULL, NULL };
        parser = profile_row_parser_create(&members);
        text = names[i].text;

        ok(profile_row_parse(parser, (const u_char *) text, strlen(text),
                             &row)
           == PROFILE_ROW_VALID
           && row.id.len == 5
           && memcmp(row.id.data, "found", 5) == 0,
           "the primary key \"%s\"", names[i].name);

        profile_row_parser_free(parser);
    }
}


static void
row_nested(void)
{
    size_t  depth, len;
    char    text[20000];

    static const size_t  depths[] = { 2, 100, 2048, 2049, 2050, 5000 };

    for (len = 0; len < sizeof(depths) / sizeof(depths[0]); len++) {

        depth = depths[len] - 1;

        memcpy(text, "{\"id\":1,\"a\":", 12);
        memset(text + 12, '[', depth);
        memset(text + 12 + depth, ']', depth);
        text[12 + 2 * depth] = '}';

        is_int(row_parse(text, 13 + 2 * depth),
               (depths[len] <= 2048) ? PROFILE_ROW_VALID
                                     : PROFILE_ROW_DEPTH,
               "%zu levels", depths[len]);

        text[12 + 2 * depth] = ']';
        ok(row_parse(text, 13 + 2 * depth) != PROFILE_ROW_VALID,
           "and not closed as they were opened");
    }

    memset(text, '[', sizeof(text));
    is_int(row_parse(text, sizeof(text)), PROFILE_ROW_DEPTH,
           "arrays that never end");
}


static void
row_utf8(void)
{
    size_t  i;
    char    text[64];

    static const char  *good[] = {
        "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf", "\xe2\x80\xa8", "\xef\xbb\xbf"
    };
    static const char  *bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2",
        "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82",
        "\xe2\x82\x41", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xf0\x9d\x84", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void) snprintf(text, sizeof(text), "{\"id\":\"%s\"}", good[i]);
        ok(row_parse(text, strlen(text)) == PROFILE_ROW_VALID
           && row_row.id.len == strlen(good[i])
           && memcmp(row_row.id.data, good[i], row_row.id.len) == 0,
           "UTF-8 that is right, %zu", i);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) snprintf(text, sizeof(text), "{\"id\":\"%s\"}", bad[i]);
        is_int(row_parse(text, strlen(text)), PROFILE_ROW_UTF8,
               "UTF-8 that is wrong, %zu", i);
    }
}


static void
row_long(void)
{
    int     right;
    char   *text;
    size_t  i, len;

    text = malloc(ROW_BIG + 100);
    if (text == NULL) {
        ok(0, "malloc()");
        return;
    }

    for (len = 499; len <= 501; len++) {

        memcpy(text, "{\"id\":\"", 7);
        memset(text + 7, 'k', len);
        memcpy(text + 7 + len, "\"}", 2);

        is_int(row_parse(text, len + 9),
               (len <= 500) ? PROFILE_ROW_VALID : PROFILE_ROW_LONG_KEY,
               "a key of %zu characters", len);

        memcpy(text, "{\"id\":", 6);
        memset(text + 6, '9', len);
        memcpy(text + 6 + len, "}", 1);

        is_int(row_parse(text, len + 7),
               (len <= 500) ? PROFILE_ROW_VALID : PROFILE_ROW_LONG_KEY,
               "a key of %zu digits", len);
    }

    /* 250 times two bytes, written as 250 times six */

    memcpy(text, "{\"id\":\"", 7);
    for (i = 0; i < 250; i++) {
        memcpy(text + 7 + 6 * i, "\\u00e9", 6);
    }
    memcpy(text + 7 + 1500, "\"}", 2);
    ok(row_parse(text, 1509) == PROFILE_ROW_VALID && row_row.id.len == 500,
       "a key is measured as it is meant");

    /* more numbers than there was room for at first */

    len = 0;
    memcpy(text, "{\"a\":[", 6);
    len = 6;
    while (len < ROW_BIG) {
        memcpy(text + len, "0.5,", 4);
        len += 4;
    }
    memcpy(text + len - 1, "],\"id\":42}", 10);
    len += 9;

    right = (row_parse(text, len) == PROFILE_ROW_VALID
             && row_row.body.len == len + 9
             && memcmp(row_row.body.data, "{\"data\":", 8) == 0
             && memcmp(row_row.body.data + 8, text, len) == 0
             && row_row.body.data[len + 8] == '}'
             && row_row.id.len == 2
             && memcmp(row_row.id.data, "42", 2) == 0);
    ok(right, "a row of %zu bytes, most of them numbers", len);

    memset(text + 6, ' ', ROW_BIG - 6);
    memcpy(text, "{\"id\":", 6);
    memcpy(text + ROW_BIG, "1}", 2);
    ok(row_parse(text, ROW_BIG + 2) == PROFILE_ROW_VALID
       && row_row.body.len == 8 + 8 + 1, "one of white space");

    row_is("{\"id\":1}", "1", "{\"data\":{\"id\":1}}");

    free(text);
}


/* A row may end anywhere. */

static void
row_cut(void)
{
    int     wrong;
    size_t  len;

    static const char  text[] =
        "{\"id\":-12.5e+3,\"a\":\"\\u00e9\xc3\xa9\\\\\","
        "\"b\":[true,null,{}],\"c\":\"\\ud834\\udd1e\"}";

    wrong = 0;

    for (len = 0; len < sizeof(text) - 1; len++) {
        wrong += (row_parse(text, len) == PROFILE_ROW_VALID);
    }

    is_int(wrong, 0, "no beginning of a row is a row");
    is_int(row_parse(text, sizeof(text) - 1), PROFILE_ROW_KEY_TYPE,
           "the row is one, but for its key");
}


/* The cursor's text is the source's own, as the next command gets it. */

static void
row_cursors(void)
{
    size_t                 i;
    profile_row_parser_t  *parser;

    static const profile_row_members_t  members = { "id", "at", NULL };

    static const struct {
        const char            *value;
        profile_row_reason_e   reason;
        const char            *cursor;
    } cases[] = {
        { "\"2026-01-01 00:00:00+00\"", PROFILE_ROW_VALID,
          "2026-01-01 00:00:00+00" },
        { "\"a\\u0062\\n\"", PROFILE_ROW_VALID, "ab\n" },
        { "\" \"", PROFILE_ROW_VALID, " " },
        { "\"\xc3\xa9\"", PROFILE_ROW_VALID, "\xc3\xa9" },
        { "0", PROFILE_ROW_VALID, "0" },
        { "-1", PROFILE_ROW_VALID, "-1" },
        { "1.50", PROFILE_ROW_VALID, "1.50" },
        { "1E+400", PROFILE_ROW_VALID, "1E+400" },
        { "12345678901234567890123456789012345678901234567890.10",
          PROFILE_ROW_VALID,
          "12345678901234567890123456789012345678901234567890.10" },
        { "null", PROFILE_ROW_NO_CURSOR, "" },
        { "\"\"", PROFILE_ROW_NO_CURSOR, "" },
        { "true", PROFILE_ROW_CURSOR_TYPE, "" },
        { "false", PROFILE_ROW_CURSOR_TYPE, "" },
        { "{}", PROFILE_ROW_CURSOR_TYPE, "" },
        { "{\"at\":1}", PROFILE_ROW_CURSOR_TYPE, "" },
        { "[1]", PROFILE_ROW_CURSOR_TYPE, "" }
    };

    parser = profile_row_parser_create(&members);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        row_cursor_is(parser, cases[i].value, cases[i].reason,
                      cases[i].cursor);
    }

    is_int(row_parse_by(parser, row_text("{\"id\":1}")),
           PROFILE_ROW_NO_CURSOR, "a row without a cursor");
    is_int(row_parse_by(parser, row_text("{\"id\":1,\"a\":{\"at\":1}}")),
           PROFILE_ROW_NO_CURSOR, "one within is none");
    is_int(row_parse_by(parser, row_text("{\"at\":1}")), PROFILE_ROW_NO_KEY,
           "a cursor without a key");
    is_int(row_parse(row_text("{\"id\":1,\"at\":{}}")), PROFILE_ROW_VALID,
           "nobody asks for a cursor");

    row_long_cursors(parser);

    profile_row_parser_free(parser);
}


static void
row_cursor_is(profile_row_parser_t *parser, const char *value,
    profile_row_reason_e reason, const char *cursor)
{
    char                   text[256];
    profile_row_reason_e   got;

    (void) snprintf(text, sizeof(text), "{\"n\":[7,8],\"at\":%s,\"id\":9}",
                    value);

    got = row_parse_by(parser, text, strlen(text));

    ok(got == reason
       && (got != PROFILE_ROW_VALID
           || (row_row.cursor.len == strlen(cursor)
               && memcmp(row_row.cursor.data, cursor, strlen(cursor)) == 0
               && row_row.id.len == 1
               && row_row.id.data[0] == '9'
               && !row_row.deleted)),
       "the cursor %s: %s", scratch_shown(value, strlen(value)),
       profile_row_reason(reason));
}


static void
row_long_cursors(profile_row_parser_t *parser)
{
    int          quotes;
    char         text[1100], ones[1001];
    size_t       len;
    const char  *quote;

    memset(ones, '1', sizeof(ones));

    for (len = 999; len <= 1001; len++) {
        for (quotes = 0; quotes < 2; quotes++) {

            quote = quotes ? "\"" : "";
            (void) snprintf(text, sizeof(text), "{\"id\":1,\"at\":%s%.*s%s}",
                            quote, (int) len, ones, quote);

            is_int(row_parse_by(parser, text, strlen(text)),
                   (len <= 1000) ? PROFILE_ROW_VALID
                                 : PROFILE_ROW_LONG_CURSOR,
                   "a cursor of %zu %s", len,
                   quotes ? "characters" : "digits");

            if (len <= 1000) {
                is_int((long long) row_row.cursor.len, (long long) len,
                       "all of it");
            }
        }
    }
}


static void
row_deleted(void)
{
    size_t                 i;
    char                   text[256];
    profile_row_reason_e   reason;
    profile_row_parser_t  *parser;

    static const profile_row_members_t  members = { "id", NULL, "gone" };

    /* deleted or not, -1 where nobody knows */

    static const struct {
        const char  *value;
        int          deleted;
    } cases[] = {
        { "true", 1 }, { "false", 0 }, { "null", 0 },
        { "\"t\"", 1 }, { "\"f\"", 0 }, { "\"T\"", 1 }, { "\"F\"", 0 },
        { "\"true\"", 1 }, { "\"false\"", 0 }, { "\"TRUE\"", 1 },
        { "\"False\"", 0 }, { "\"tRuE\"", 1 },
        { "1", 1 }, { "0", 0 }, { "\"1\"", 1 }, { "\"0\"", 0 },
        { "\"\"", 0 }, { "\"\\u0074\"", 1 },
        { "2", -1 }, { "-1", -1 }, { "-0", -1 }, { "1.0", -1 }, { "00", -2 },
        { "\"yes\"", -1 }, { "\"no\"", -1 }, { "\"tr\"", -1 },
        { "\"truee\"", -1 }, { "\" t\"", -1 }, { "\"t \"", -1 },
        { "\"null\"", -1 }, { "{}", -1 }, { "[true]", -1 }
    };

    parser = profile_row_parser_create(&members);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        (void) snprintf(text, sizeof(text), "{\"id\":\"a\",\"gone\":%s}",
                        cases[i].value);

        reason = row_parse_by(parser, text, strlen(text));

        switch (cases[i].deleted) {

        case -2:
            is_int(reason, PROFILE_ROW_SYNTAX, "no JSON: %s",
                   cases[i].value);
            break;

        case -1:
            is_int(reason, PROFILE_ROW_DELETED, "neither: %s",
                   cases[i].value);
            break;

        default:
            ok(reason == PROFILE_ROW_VALID
               && row_row.deleted == cases[i].deleted,
               "%s: %s", cases[i].deleted ? "deleted" : "not deleted",
               cases[i].value);
        }
    }

    ok(row_parse_by(parser, row_text("{\"id\":1}")) == PROFILE_ROW_VALID
       && !row_row.deleted, "a row that does not say is there");
    ok(row_parse(row_text("{\"id\":1,\"gone\":true}")) == PROFILE_ROW_VALID
       && !row_row.deleted, "nobody asks for deleted ones");

    profile_row_parser_free(parser);
}


static void
row_reasons(void)
{
    int          i, wrong;
    const char  *reason;

    wrong = 0;

    for (i = 0; i < PROFILE_ROW_REASONS; i++) {
        reason = profile_row_reason((profile_row_reason_e) i);
        wrong += (reason == NULL || *reason == '\0');
    }

    is_int(wrong, 0, "every reason has a text");
    is_str(profile_row_reason(PROFILE_ROW_DUPLICATE_KEY),
           "duplicate primary key", "the last of them its own");
}


static void
row_is(const char *text, const char *id, const char *body)
{
    const char            *shown;
    profile_row_reason_e   reason;

    shown = scratch_shown(text, strlen(text));
    reason = row_parse(text, strlen(text));

    if (reason != PROFILE_ROW_VALID) {
        is_int(reason, PROFILE_ROW_VALID, "%s", shown);
        return;
    }

    ok(row_row.id.len == strlen(id)
       && memcmp(row_row.id.data, id, row_row.id.len) == 0
       && row_row.body.len == strlen(body)
       && memcmp(row_row.body.data, body, row_row.body.len) == 0, "%s",
       shown);
}


static profile_row_reason_e
row_parse(const void *text, size_t len)
{
    return row_parse_by(row_parser, text, len);
}


static profile_row_reason_e
row_parse_by(profile_row_parser_t *parser, const void *text, size_t len)
{
    u_char                *buf;
    profile_row_reason_e   reason;

    buf = malloc(8 + len);
    if (buf == NULL) {
        return PROFILE_ROW_REASONS;
    }

    memcpy(buf + 8, text, len);
    reason = profile_row_parse(parser, buf + 8, len, &row_row);
    free(buf);

    return reason;
}
