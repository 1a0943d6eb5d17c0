
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * JSON arrays: each element is found whole and once, with its line, however
 * its bytes come in, and a text in which they cannot be told apart fails
 * with its line and with what was expected there.
 */


#include "rows.h"


#define json_text(s)  s, sizeof(s) - 1


static void json_arrays(void);
static void json_elements(void);
static void json_broken(void);
static void json_paths(void);
static void json_broken_paths(void);
static void json_names(void);
static void json_files(void);
static void json_nested(void);
static void json_long(void);
static void json_long_one(size_t len, int path);
static void json_long_beside(void);
static void json_is(const char *path, const char *text, const char *want);
static void json_bytes_are(const char *path, const char *text, size_t len,
    const char *want);


int
main(void)
{
    int  descriptors;

    (void) scratch("%s", "");
    descriptors = scratch_descriptors();

    json_arrays();
    json_elements();
    json_broken();
    json_paths();
    json_broken_paths();
    json_names();
    json_files();
    json_nested();
    json_long();
    json_long_beside();
    profile_format_json.free(NULL);

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
json_arrays(void)
{
    json_is(NULL, "[]", "");
    json_is(NULL, " [ ] ", "");
    json_is(NULL, "\r\n\t [\n\n]\n", "");
    json_is(NULL, "\xef\xbb\xbf[{\"id\":1}]", "0:1:{\"id\":1};");
    json_is(NULL, "[{}]", "0:1:{};");
    json_is(NULL, "[{\"id\":1},{\"id\":2}]",
            "0:1:{\"id\":1};0:1:{\"id\":2};");
    json_is(NULL, "[\n{\"id\":1},\n{\"id\":2}\n]\n",
            "0:2:{\"id\":1};0:3:{\"id\":2};");
    json_is(NULL, "[\r\n  {\r\n    \"id\": 1\r\n  },\r\n  {}\r\n]\r\n",
            "0:2:{\r\n    \"id\": 1\r\n  };0:5:{};");
    json_is(NULL, "\n\n[\n\n{\"id\":\n1}\n,\n\n{\"id\"\n:2}]",
            "0:5:{\"id\":\n1};0:9:{\"id\"\n:2};");
    json_is(NULL, "[ {\"id\":1} , {\"id\":2} ]",
            "0:1:{\"id\":1};0:1:{\"id\":2};");
}


static void
json_elements(void)
{
    json_is(NULL, "[{\"a\":\"]\"},{\"a\":\"}],[{\"}]",
            "0:1:{\"a\":\"]\"};0:1:{\"a\":\"}],[{\"};");
    json_is(NULL, "[{\"a\":\"\\\"\"},{\"a\":\"\\\\\"},{\"a\":\"\\\\\\\"}\"}]",
            "0:1:{\"a\":\"\\\"\"};0:1:{\"a\":\"\\\\\"};"
            "0:1:{\"a\":\"\\\\\\\"}\"};");
    json_is(NULL, "[{\"\\\"{\":[[],[{}]]},{}]",
            "0:1:{\"\\\"{\":[[],[{}]]};0:1:{};");
    json_is(NULL, "[1,-2.50,1e400,true,null,\"a,]\",[1,[2]]]",
            "0:1:1;0:1:-2.50;0:1:1e400;0:1:true;0:1:null;0:1:\"a,]\";"
            "0:1:[1,[2]];");
    json_is(NULL, "[1 ,2\n]", "0:1:1;0:1:2;");
    json_is(NULL, "[\"a\nb\",{\"c\":\"\n\n\"},1]",
            "0:1:\"a\nb\";0:2:{\"c\":\"\n\n\"};0:4:1;");

    /* broken ones are rows, if their brackets balance */

    json_is(NULL, "[{\"id\":1,},{id:2},{\"a\" 1},{,},{}]",
            "0:1:{\"id\":1,};0:1:{id:2};0:1:{\"a\" 1};0:1:{,};0:1:{};");
    json_is(NULL, "[{\"a\":[1}},[{]],nul,tru\x7f,\\,+1,'a',{}]",
            "0:1:{\"a\":[1}};0:1:[{]];0:1:nul;0:1:tru\x7f;0:1:\\;0:1:+1;"
            "0:1:'a';0:1:{};");
    json_is(NULL, "[{\"a\":\"\xff\xc3\"},{}]",
            "0:1:{\"a\":\"\xff\xc3\"};0:1:{};");
    json_bytes_are(NULL, json_text("[{\"a\0\":1},\0,\"\0\",1\0]"),
                   "0:1:{\"a?\":1};0:1:?;0:1:\"?\";0:1:1?;");
}


static void
json_broken(void)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *want;
    } cases[] = {
        { "", "!1: expected an array, found the end of the stream" },
        { "\n \n", "!3: expected an array, found the end of the stream" },
        { "\xef\xbb\xbf", "!1: expected an array, found the end of the "
          "stream" },
        { "1", "!1: expected an array, found a number" },
        { "\n\"a\"", "!2: expected an array, found a string" },
        { "null", "!1: expected an array, found something else" },
        { "]", "!1: expected an array, found \"]\"" },
        { "id,name", "!1: expected an array, found something else" },
        { "{\"id\":1}", "!1: expected an array, found an object; if the array "
          "lies in it, say where with \"path\"" },
        { "\xef\xbb\xbf\xef\xbb\xbf[]", "!1: expected an array, found "
          "something else" },

        { "[", "!1: expected a value, found the end of the stream" },
        { "[\n", "!2: expected a value, found the end of the stream" },
        { "[,", "!1: expected a value, found a comma" },
        { "[:", "!1: expected a value, found a colon" },
        { "[}", "!1: expected a value, found \"}\"" },
        { "[,{}]", "!1: expected a value, found a comma" },

        { "[{}", "0:1:{};!1: expected a comma or \"]\", found the end of the "
          "stream" },
        { "[{}\n", "0:1:{};!2: expected a comma or \"]\", found the end of "
          "the stream" },
        { "[1", "0:1:1;!1: expected a comma or \"]\", found the end of the "
          "stream" },
        { "[{} {}]", "0:1:{};!1: expected a comma or \"]\", found an "
          "object" },
        { "[{}\n\n{}]", "0:1:{};!3: expected a comma or \"]\", found an "
          "object" },
        { "[{}1]", "0:1:{};!1: expected a comma or \"]\", found a number" },
        { "[{}-1]", "0:1:{};!1: expected a comma or \"]\", found a number" },
        { "[1 2]", "0:1:1;!1: expected a comma or \"]\", found a number" },
        { "[1[]]", "0:1:1;!1: expected a comma or \"]\", found an array" },
        { "[\"a\"\"b\"]", "0:1:\"a\";!1: expected a comma or \"]\", found a "
          "string" },
        { "[\"a\":1]", "0:1:\"a\";!1: expected a comma or \"]\", found a "
          "colon" },
        { "[{}}", "0:1:{};!1: expected a comma or \"]\", found \"}\"" },
        { "[{}x", "0:1:{};!1: expected a comma or \"]\", found something "
          "else" },

        { "[{},", "0:1:{};!1: expected a value, found the end of the "
          "stream" },
        { "[{},]", "0:1:{};!1: expected a value, found \"]\"" },
        { "[{},\n]", "0:1:{};!2: expected a value, found \"]\"" },
        { "[{},,{}]", "0:1:{};!1: expected a value, found a comma" },

        { "[{", "!1: expected an end of the value that begins here, found the "
          "end of the stream" },
        { "[{},\n\n{\"a\":\n[1,2]\n,", "0:1:{};!3: expected an end of the "
          "value that begins here, found the end of the stream" },
        { "[\"a\n", "!1: expected an end of the value that begins here, found "
          "the end of the stream" },
        { "[\"a\\\"]", "!1: expected an end of the value that begins here, "
          "found the end of the stream" },
        { "[{\"a\":\"b}]\n", "!1: expected an end of the value that begins "
          "here, found the end of the stream" },

        { "[][]", "!1: expected the end of the text, found an array" },
        { "[]\n,", "!2: expected the end of the text, found a comma" },
        { "[]]", "!1: expected the end of the text, found \"]\"" },
        { "[{}]\n{}", "0:1:{};!2: expected the end of the text, found an "
          "object" },
        { "[]\xef\xbb\xbf", "!1: expected the end of the text, found "
          "something else" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_is(NULL, cases[i].text, cases[i].want);
    }

    json_bytes_are(NULL, json_text("[]\0"), "!1: expected the end of the "
                   "text, found something else");
    json_bytes_are(NULL, json_text("\0[]"), "!1: expected an array, found "
                   "something else");
}


static void
json_paths(void)
{
    json_is("rows", "{\"rows\":[]}", "");
    json_is("rows", "{\"rows\":[{\"id\":1}]}", "0:1:{\"id\":1};");
    json_is("rows", " {\n\"rows\"\n:\n[\n{\"id\":1}\n]\n}\n",
            "0:5:{\"id\":1};");
    json_is("data.rows", "{\"data\":{\"rows\":[1,2]}}", "0:1:1;0:1:2;");
    json_is("a.b.c.d", "{\"a\":{\"b\":{\"c\":{\"d\":[{}]}}}}", "0:1:{};");

    /* others before and after, on every level */

    json_is("data.rows",
            "{\"a\":1,\"b\":{\"data\":{\"rows\":[3]},\"rows\":[4]},\n"
            "\"c\":[\"]\",\"\\\"}\"],\"data\":\n"
            "{\"a\":{\"rows\":[5]},\"rows\":[1,2],\"d\":null\n,\"e\":\"\\\\\"},"
            "\"rows\":[6],\"f\":-1e5 , \"g\":[]}",
            "0:3:1;0:3:2;");
    json_is("rows", "{\"data\":{\"rows\":[1]},\"rows\":[2]}", "0:1:2;");
    json_is("rows", "{\"Rows\":[1],\"rows\":[2],\"rows \":[3],\"row\":[4]}",
            "0:1:2;");
    json_is("a.a", "{\"a\":{\"a\":[1]}}", "0:1:1;");
    json_is("a", "{\"a\":[{\"a\":[1]}]}", "0:1:{\"a\":[1]};");

    /* what is beside may be anything that ends */

    json_is("a", "{\"b\":nul,\"c\":{,},\"d\":[{]],\"\xff\":\"\n\",\"a\":[1]}",
            "0:2:1;");
}


static void
json_broken_paths(void)
{
    size_t  i;

    static const struct {
        const char  *path;
        const char  *text;
        const char  *want;
    } cases[] = {
        { "a", "", "!1: expected an object, through which \"path\" leads, "
          "found the end of the stream" },
        { "a", "[]", "!1: expected an object, through which \"path\" leads, "
          "found an array" },
        { "a.b", "{\"a\":[]}", "!1: expected an object, through which "
          "\"path\" leads, found an array" },
        { "a.b", "{\"a\":\nnull}", "!2: expected an object, through which "
          "\"path\" leads, found something else" },
        { "a", "{\"a\":{}}", "!1: expected an array at the end of \"path\", "
          "found an object" },
        { "a", "{\"a\":1}", "!1: expected an array at the end of \"path\", "
          "found a number" },
        { "a", "{\"a\":}", "!1: expected an array at the end of \"path\", "
          "found \"}\"" },
        { "a", "{\"a\":", "!1: expected an array at the end of \"path\", "
          "found the end of the stream" },

        { "a", "{}", "!1: the object that ends here has no member \"a\", "
          "which \"path\" names" },
        { "a", "{\"b\":[]\n}", "!2: the object that ends here has no member "
          "\"a\", which \"path\" names" },
        { "a.b", "{\"a\":{\"c\":[]}\n}", "!1: the object that ends here has "
          "no member \"b\", which \"path\" names" },
        { "a.b", "{\"b\":[]}", "!1: the object that ends here has no member "
          "\"a\", which \"path\" names" },

        { "a", "{\"a\":[1],\n\"a\":[2]}", "0:1:1;!2: the member \"a\" is "
          "there twice, so that \"path\" may mean either" },
        { "a", "{\"a\":[],\"\\u0061\":0}", "!1: the member \"a\" is there "
          "twice, so that \"path\" may mean either" },
        { "a.b", "{\"a\":{\"b\":[]},\"a\":{}}", "!1: the member \"a\" is "
          "there twice, so that \"path\" may mean either" },
        { "a.b", "{\"a\":{\"b\":[],\"b\":1}}", "!1: the member \"b\" is "
          "there twice, so that \"path\" may mean either" },

        { "a", "{", "!1: expected a member's name, found the end of the "
          "stream" },
        { "a", "{1", "!1: expected a member's name, found a number" },
        { "a", "{,", "!1: expected a member's name, found a comma" },
        { "a", "{]", "!1: expected a member's name, found \"]\"" },
        { "a", "{a:[]}", "!1: expected a member's name, found something "
          "else" },
        { "a", "{\"a", "!1: expected an end of the value that begins here, "
          "found the end of the stream" },
        { "a", "{\"a\"", "!1: expected a colon, found the end of the "
          "stream" },
        { "a", "{\"a\",", "!1: expected a colon, found a comma" },
        { "a", "{\"a\"[]}", "!1: expected a colon, found an array" },
        { "a", "{\"b\":}", "!1: expected a value, found \"}\"" },
        { "a", "{\"b\":,", "!1: expected a value, found a comma" },
        { "a", "{\"b\"::1", "!1: expected a value, found a colon" },
        { "a", "{\"b\":", "!1: expected a value, found the end of the "
          "stream" },
        { "a", "{\"b\":1", "!1: expected a comma or \"}\", found the end of "
          "the stream" },
        { "a", "{\"b\":[1", "!1: expected an end of the value that begins "
          "here, found the end of the stream" },
        { "a", "{\"b\":1 \"a\":[]}", "!1: expected a comma or \"}\", found a "
          "string" },
        { "a", "{\"b\":1]", "!1: expected a comma or \"}\", found \"]\"" },
        { "a", "{\"b\":1,}", "!1: expected a member's name, found \"}\"" },

        { "a", "{\"a\":[1", "0:1:1;!1: expected a comma or \"]\", found the "
          "end of the stream" },
        { "a", "{\"a\":[1}", "0:1:1;!1: expected a comma or \"]\", found "
          "\"}\"" },
        { "a", "{\"a\":[1]", "0:1:1;!1: expected a comma or \"}\", found the "
          "end of the stream" },
        { "a", "{\"a\":[1]]", "0:1:1;!1: expected a comma or \"}\", found "
          "\"]\"" },
        { "a", "{\"a\":[1],}", "0:1:1;!1: expected a member's name, found "
          "\"}\"" },
        { "a", "{\"a\":[1],\"b\"}", "0:1:1;!1: expected a colon, found "
          "\"}\"" },
        { "a.b", "{\"a\":{\"b\":[1]}", "0:1:1;!1: expected a comma or "
          "\"}\", found the end of the stream" },
        { "a.b", "{\"a\":{\"b\":[1]}}}", "0:1:1;!1: expected the end of the "
          "text, found \"}\"" },
        { "a", "{\"a\":[1]}\n{\"a\":[2]}", "0:1:1;!2: expected the end of "
          "the text, found an object" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_is(cases[i].path, cases[i].text, cases[i].want);
    }
}


/* Names on the path may be written with escapes. */

static void
json_names(void)
{
    json_is("data.rows",
            "{\"\\u0064\\u0061ta\":{\"\\u0072\\u006f\\u0077\\u0073\":[1]}}",
            "0:1:1;");
    json_is("a\"b", "{\"a\\\"b\":[1]}", "0:1:1;");
    json_is("a\\b", "{\"a\\\\b\":[1]}", "0:1:1;");
    json_is("a/b", "{\"a\\/b\":[1]}", "0:1:1;");
    json_is("\xc3\xa9", "{\"\\u00E9\":[1]}", "0:1:1;");
    json_is("\xc3\xa9", "{\"\xc3\xa9\":[1]}", "0:1:1;");
    json_is("\xf0\x9f\x98\x80", "{\"\\ud83d\\ude00\":[1]}", "0:1:1;");
    json_is("a b", "{\"a b\":[1]}", "0:1:1;");

    /* what cannot be a name is none of the path */

    json_is("a", "{\"\\u0061\\u0000\":[2],\"a\\x\":0,\"\\ud800\":0,"
            "\"\\u006\":1,\"a\":[1]}", "0:1:1;");
    json_is("a", "{\"\":[2],\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":[3],"
            "\"a\\u0061\":[4],\"a\":[1]}", "0:1:1;");
}


static void
json_files(void)
{
    size_t                   chunk;
    profile_config_entity_t  entity;

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;

    scratch_mkdir(scratch("files"));
    scratch_text(scratch("files/a.json"), "[1,\n2]\n");
    scratch_text(scratch("files/b.json"), "\xef\xbb\xbf[]");
    scratch_text(scratch("files/c.json"), "\n\n[3]");

    for (chunk = 0; chunk < 3; chunk++) {
        is_str(rows_all(&entity, "files/*.json", chunk),
               "0:1:1;0:2:2;2:3:3;", "an array in each file");
    }

    scratch_text(scratch("files/b.json"), "");
    is_str(rows_all(&entity, "files/*.json", 0),
           "0:1:1;0:2:2;FAILED files/b.json:1: expected an array, found the "
           "end of the stream", "each must hold one");

    scratch_text(scratch("files/b.json"), "[4");
    is_str(rows_all(&entity, "files/*.json", 0),
           "0:1:1;0:2:2;1:1:4;FAILED files/b.json:1: expected a comma or "
           "\"]\", found the end of the stream",
           "the next file does not go on with it");
}


static void
json_nested(void)
{
    int                       rc;
    char                     *text;
    size_t                    len, depth;
    rows_t                    rows;
    profile_raw_t             raw;
    profile_error_t           err;
    profile_row_reason_e      reason;
    profile_config_entity_t   entity;

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;

    depth = 1000000;
    len = 2 * depth + 7;
    text = malloc(len);
    need(text != NULL, "malloc()");

    memset(text, '[', depth + 1);
    memset(text + depth + 1, ']', depth);
    memcpy(text + 2 * depth + 1, ",{\n}\n]", 6);
    scratch_write(scratch("nested"), text, len);
    free(text);

    rows_open(&rows, &entity, "nested", 0);

    rc = rows_next(&rows, &raw, &reason, &err);
    ok(rc == PROFILE_OK
       && reason == PROFILE_ROW_VALID
       && raw.len == 2 * depth, "an element of %zu levels", depth);

    rc = rows_next(&rows, &raw, &reason, &err);
    ok(rc == PROFILE_OK && raw.len == 3, "and the one after it");
    is_int(rows_next(&rows, &raw, &reason, &err), PROFILE_NOT_FOUND,
           "and the end");

    rows_close(&rows);
    (void) unlink(scratch("nested"));
}


static void
json_long(void)
{
    int  path;

    for (path = 0; path < 2; path++) {
        json_long_one(PROFILE_ROW_MAX, path);
        json_long_one(PROFILE_ROW_MAX + 1, path);
        json_long_one(2 * PROFILE_ROW_MAX + 12345, path);
    }
}


/* An element of len bytes between short ones, in three lines. */

static void
json_long_one(size_t len, int path)
{
    int                       fits, right;
    FILE                     *file;
    char                      chunk[65536];
    size_t                    n, left;
    rows_t                    rows;
    profile_raw_t             raw;
    profile_error_t           err;
    profile_row_reason_e      reason;
    profile_config_entity_t   entity;

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;
    entity.path = path ? "rows" : NULL;

    memset(chunk, ',', sizeof(chunk));
    file = fopen(scratch("long"), "w");
    need(file != NULL, "fopen()");

    (void) fputs(path ? "{\"rows\":[{},\n" : "[{},\n", file);
    (void) fputs("{\"a\":\"]\n\n", file);

    for (left = len - 11; left != 0; left -= n) {
        n = (left < sizeof(chunk)) ? left : sizeof(chunk);
        need(fwrite(chunk, 1, n, file) == n, "fwrite()");
    }

    (void) fputs(path ? "\"}\n,{}]}" : "\"}\n,{}]", file);
    need(fclose(file) == 0, "fclose()");

    fits = (len <= PROFILE_ROW_MAX);
    rows_open(&rows, &entity, "long", 0);

    right = (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
             && reason == PROFILE_ROW_VALID
             && raw.len == 2
             && raw.line == 1);

    right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
              && reason == (fits ? PROFILE_ROW_VALID : PROFILE_ROW_LONG)
              && (!fits || (raw.len == len && raw.text[len - 1] == '}'))
              && raw.line == 2);

    right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
              && reason == PROFILE_ROW_VALID
              && raw.len == 2
              && raw.line == 5);

    right &= (rows_next(&rows, &raw, &reason, &err) == PROFILE_NOT_FOUND);

    ok(right, "an element of %zu bytes, %s", len,
       path ? "at a path" : "in an array");
    ok(rows.input.size <= 4 * (size_t) PROFILE_ROW_MAX,
       "not all of it was held");

    rows_close(&rows);
    (void) unlink(scratch("long"));
}


/* What is no row is not held at all. */

static void
json_long_beside(void)
{
    FILE                     *file;
    char                      chunk[65536];
    size_t                    i, j;
    rows_t                    rows;
    profile_raw_t             raw;
    profile_error_t           err;
    profile_row_reason_e      reason;
    profile_config_entity_t   entity;

    static const char *const  between[] = { "{\"", "\n\":[{\"", "\":\"",
                                            "\"}],\"rows\":[1],\"",
                                            "\":", "}" };

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;
    entity.path = "rows";

    memset(chunk, '1', sizeof(chunk));
    file = fopen(scratch("beside"), "w");
    need(file != NULL, "fopen()");

    for (i = 0; i < 6; i++) {
        (void) fputs(between[i], file);

        for (j = 0; j < 20 && i < 5; j++) {
            need(fwrite(chunk, 1, sizeof(chunk), file) == sizeof(chunk),
                 "fwrite()");
        }
    }

    need(fclose(file) == 0, "fclose()");

    rows_open(&rows, &entity, "beside", 0);

    ok(rows_next(&rows, &raw, &reason, &err) == PROFILE_OK
       && raw.line == 2
       && raw.len == 1
       && rows_next(&rows, &raw, &reason, &err) == PROFILE_NOT_FOUND,
       "long names and values beside the array");
    ok(rows.input.size <= 512 * 1024, "were not held");

    rows_close(&rows);
    (void) unlink(scratch("beside"));
}


static void
json_is(const char *path, const char *text, const char *want)
{
    json_bytes_are(path, text, strlen(text), want);
}


/* A failure is "!LINE: text", after the rows that came before it. */

static void
json_bytes_are(const char *path, const char *text, size_t len,
    const char *want)
{
    char                      all[1024];
    const char               *failure;
    profile_config_entity_t   entity;

    memset(&entity, 0, sizeof(profile_config_entity_t));
    entity.format = PROFILE_FORMAT_JSON;
    entity.path = path;

    failure = strchr(want, '!');

    if (failure != NULL) {
        (void) snprintf(all, sizeof(all), "%.*sFAILED rows:%s",
                        (int) (failure - want), want, failure + 1);
        want = all;
    }

    rows_are(&entity, text, len, want, scratch_shown(text, len));
}
