
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Query strings of anything.  What comes out is what a second reading, by
 * other means, makes of the same bytes.
 */


#include "standin.h"
#include "ngx_http_profile_route.h"


/* A field of a form; bad where it is none. */

typedef struct {
    int      bad;
    size_t   len;
    u_char  *data;
} query_field_t;


static query_field_t query_decode(const char *text, size_t len);
static ngx_http_profile_result_e query_read(const uint8_t *data, size_t size,
    query_field_t *id);
static ngx_http_profile_result_e query_call(const void *data, size_t size,
    ngx_str_t *id);
static void query_again(const ngx_str_t *id);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t                  id;
    query_field_t              field;
    ngx_http_profile_result_e  result;

    result = query_call(data, size, &id);

    fuzz_assert(result == query_read(data, size, &field));

    if (result == NGX_HTTP_PROFILE_FOUND) {

        fuzz_assert(id.len >= 1 && id.len <= PROFILE_RECORD_ID_MAX);
        fuzz_assert(memchr(id.data, '\0', id.len) == NULL);
        fuzz_assert(id.len == field.len
                    && memcmp(id.data, field.data, id.len) == 0);

        query_again(&id);
    }

    free(field.data);
    free(id.data);

    return 0;
}


static ngx_http_profile_result_e
query_call(const void *data, size_t size, ngx_str_t *id)
{
    ngx_str_t                  args;
    ngx_http_profile_result_e  result;

    args = fuzz_str(data, size);

    id->len = 12345;
    id->data = malloc(PROFILE_RECORD_ID_MAX);
    fuzz_assert(id->data != NULL);

    result = ngx_http_profile_record_id(&args, id);

    free(args.data);

    return result;
}


/* Decodes all of it first, and asks then whether it is any good. */

static query_field_t
query_decode(const char *text, size_t len)
{
    char           hex[3];
    size_t         i;
    query_field_t  field;

    static const char  digits[] = "0123456789abcdefABCDEF";

    field.bad = 0;
    field.len = 0;
    field.data = malloc(len + 1);
    fuzz_assert(field.data != NULL);

    for (i = 0; i < len; i++) {

        if (text[i] != '%') {
            field.data[field.len++] = (text[i] == '+') ? ' '
                                                       : (u_char) text[i];
            continue;
        }

        memset(hex, 0, sizeof(hex));
        memcpy(hex, text + i + 1, (len - i - 1 < 2) ? len - i - 1 : 2);

        if (strspn(hex, digits) != 2) {
            field.bad = 1;
            return field;
        }

        field.data[field.len++] = (u_char) strtoul(hex, NULL, 16);
        i += 2;
    }

    field.bad = (memchr(field.data, '\0', field.len) != NULL);

    return field;
}


/* All fields whose name is record_id, and what is to be said of them. */

static ngx_http_profile_result_e
query_read(const uint8_t *data, size_t size, query_field_t *id)
{
    int             is_id, count;
    char           *args, *value;
    size_t          start, end, name_len;
    query_field_t   name;

    args = malloc(size + 1);
    fuzz_assert(args != NULL);
    memcpy(args, data, size);
    args[size] = '&';

    count = 0;
    memset(id, 0, sizeof(query_field_t));

    for (start = 0; start <= size; start = end + 1) {

        end = start + (size_t) ((char *) memchr(args + start, '&',
                                                size + 1 - start)
                                - (args + start));

        value = memchr(args + start, '=', end - start);
        name_len = (value == NULL) ? end - start
                                   : (size_t) (value - args) - start;

        name = query_decode(args + start, name_len);
        is_id = !name.bad && name.len == 9
                && memcmp(name.data, "record_id", 9) == 0;
        free(name.data);

        if (!is_id || count++ != 0) {
            continue;
        }

        if (value != NULL) {
            *id = query_decode(value + 1, (size_t) (args + end - value) - 1);
        }
    }

    free(args);

    if (count > 1 || id->bad || id->len > PROFILE_RECORD_ID_MAX) {
        return NGX_HTTP_PROFILE_INVALID_RECORD_ID;
    }

    return (id->len == 0) ? NGX_HTTP_PROFILE_MISSING_RECORD_ID
                          : NGX_HTTP_PROFILE_FOUND;
}


/* The id, encoded in another way and among other fields, is the same. */

static void
query_again(const ngx_str_t *id)
{
    char                       args[64 + 3 * PROFILE_RECORD_ID_MAX];
    size_t                     i, len;
    ngx_str_t                  same;
    ngx_http_profile_result_e  result;

    len = (size_t) sprintf(args, "&x=%%&%%72ecord%%5Fid=");

    for (i = 0; i < id->len; i++) {
        len += (size_t) sprintf(args + len, (i % 2) ? "%%%02X" : "%%%02x",
                                id->data[i]);
    }

    len += (size_t) sprintf(args + len, "&Record_id=1&record_id1=2");

    result = query_call(args, len, &same);

    fuzz_assert(result == NGX_HTTP_PROFILE_FOUND);
    fuzz_assert(same.len == id->len
                && memcmp(same.data, id->data, id->len) == 0);

    free(same.data);
}
