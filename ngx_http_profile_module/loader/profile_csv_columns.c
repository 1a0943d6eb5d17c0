
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The fields of a CSV record.
 */


#include <string.h>

#include "profile_codec.h"
#include "profile_csv_columns.h"


/* What comes between two values: ,"name":" */

#define PROFILE_CSV_BEFORE  2
#define PROFILE_CSV_AFTER   3


/* Bytes that a field's text cannot be copied over with. */

#define PROFILE_CSV_BARE    1       /* without quotes */
#define PROFILE_CSV_QUOTED  2
#define PROFILE_CSV_ANY     (PROFILE_CSV_BARE|PROFILE_CSV_QUOTED)


struct profile_csv_columns_s {
    profile_buffer_t   names;       /* each with what is around it */
    size_t            *ends;        /* of the names */
    size_t             n;
    size_t             size;        /* of ends */
};


static void profile_csv_columns_add(profile_csv_columns_t *columns);
static profile_bytes_t profile_csv_columns_name(
    const profile_csv_columns_t *columns, size_t i);
static int profile_csv_columns_compare(const void *one, const void *two);
static const u_char *profile_csv_field(const u_char *p, const u_char *last,
    profile_buffer_t *json);
static const u_char *profile_csv_bare(const u_char *p, const u_char *last,
    profile_buffer_t *json);
static const u_char *profile_csv_quoted(const u_char *p, const u_char *last,
    profile_buffer_t *json);
static void profile_csv_escape(u_char ch, profile_buffer_t *json);


static const u_char  profile_csv_special[256] = {
    [0 ... 0x1f] = PROFILE_CSV_ANY,
    ['"'] = PROFILE_CSV_ANY,
    ['\\'] = PROFILE_CSV_ANY,
    [','] = PROFILE_CSV_BARE
};


profile_csv_columns_t *
profile_csv_columns_create(const u_char *text, size_t len,
    profile_row_reason_e *reason)
{
    const u_char           *p, *last;
    profile_csv_columns_t  *columns;

    if (memchr(text, '\0', len) != NULL) {
        *reason = PROFILE_ROW_NUL;
        return NULL;
    }

    columns = profile_alloc(sizeof(profile_csv_columns_t));
    memset(columns, 0, sizeof(profile_csv_columns_t));

    p = text;
    last = text + len;

    for ( ;; ) {
        profile_buffer_append(&columns->names, ",\"", PROFILE_CSV_BEFORE);

        p = profile_csv_field(p, last, &columns->names);

        if (p == NULL) {
            profile_csv_columns_free(columns);
            *reason = PROFILE_ROW_QUOTES;
            return NULL;
        }

        profile_buffer_append(&columns->names, "\":\"", PROFILE_CSV_AFTER);
        profile_csv_columns_add(columns);

        if (p == last) {
            *reason = PROFILE_ROW_VALID;
            return columns;
        }

        p++;
    }
}


void
profile_csv_columns_free(profile_csv_columns_t *columns)
{
    if (columns != NULL) {
        free(columns->names.data);
        free(columns->ends);
        free(columns);
    }
}


int
profile_csv_columns_equal(const profile_csv_columns_t *one,
    const profile_csv_columns_t *two)
{
    return one->names.len == two->names.len
           && memcmp(one->names.data, two->names.data, one->names.len) == 0;
}


/* Bytes are escaped in one way only, so that escaped names compare. */

int
profile_csv_columns_have(const profile_csv_columns_t *columns,
    const char *name)
{
    size_t            i;
    profile_bytes_t   wanted, column;
    profile_buffer_t  escaped;

    memset(&escaped, 0, sizeof(profile_buffer_t));
    profile_buffer_append(&escaped, ",\"", PROFILE_CSV_BEFORE);

    for ( /* void */ ; *name != '\0'; name++) {

        if (profile_csv_special[(u_char) *name] & PROFILE_CSV_QUOTED) {
            profile_csv_escape((u_char) *name, &escaped);

        } else {
            profile_buffer_append(&escaped, name, 1);
        }
    }

    wanted.data = escaped.data + PROFILE_CSV_BEFORE;
    wanted.len = escaped.len - PROFILE_CSV_BEFORE;

    for (i = 0; i < columns->n; i++) {
        column = profile_csv_columns_name(columns, i);

        if (column.len == wanted.len
            && memcmp(column.data, wanted.data, wanted.len) == 0)
        {
            break;
        }
    }

    free(escaped.data);

    return i < columns->n;
}


int
profile_csv_columns_duplicate(const profile_csv_columns_t *columns,
    char *buf, size_t size)
{
    int               found;
    size_t            i;
    profile_bytes_t  *names, *name;

    names = profile_alloc(columns->n * sizeof(profile_bytes_t));

    for (i = 0; i < columns->n; i++) {
        names[i] = profile_csv_columns_name(columns, i);
    }

    qsort(names, columns->n, sizeof(profile_bytes_t),
          profile_csv_columns_compare);

    found = 0;

    for (name = names + 1; name < names + columns->n; name++) {

        if (profile_bytes_compare(name - 1, name) == 0) {
            i = (name->len < size) ? name->len : size - 1;
            memcpy(buf, name->data, i);
            buf[i] = '\0';
            found = 1;
            break;
        }
    }

    free(names);

    return found;
}


profile_row_reason_e
profile_csv_columns_decode(const profile_csv_columns_t *columns,
    const u_char *text, size_t len, profile_buffer_t *json)
{
    size_t         i, start;
    const u_char  *p, *last;

    if (memchr(text, '\0', len) != NULL) {
        return PROFILE_ROW_NUL;
    }

    p = text;
    last = text + len;
    start = json->len;

    for (i = 0; i < columns->n; i++) {

        len = columns->ends[i] - ((i == 0) ? 0 : columns->ends[i - 1]);
        profile_buffer_append(json, columns->names.data + columns->ends[i]
                                    - len, len);

        if (p == last || *p == ',') {
            json->len--;
            profile_buffer_append(json, "null", 4);

        } else {
            p = profile_csv_field(p, last, json);

            if (p == NULL) {
                return PROFILE_ROW_QUOTES;
            }

            profile_buffer_append(json, "\"", 1);
        }

        if (p == last) {
            break;
        }

        p++;
    }

    if (i != columns->n - 1) {
        return PROFILE_ROW_FIELDS;
    }

    /* the first name has a comma before it like the others */

    json->data[start] = '{';
    profile_buffer_append(json, "}", 1);

    return PROFILE_ROW_VALID;
}


static void
profile_csv_columns_add(profile_csv_columns_t *columns)
{
    if (columns->n == columns->size) {
        columns->size = (columns->size == 0) ? 64 : columns->size * 2;
        columns->ends = profile_realloc(columns->ends,
                                        columns->size * sizeof(size_t));
    }

    columns->ends[columns->n++] = columns->names.len;
}


static profile_bytes_t
profile_csv_columns_name(const profile_csv_columns_t *columns, size_t i)
{
    size_t           start;
    profile_bytes_t  name;

    start = ((i == 0) ? 0 : columns->ends[i - 1]) + PROFILE_CSV_BEFORE;

    name.data = columns->names.data + start;
    name.len = columns->ends[i] - PROFILE_CSV_AFTER - start;

    return name;
}


static int
profile_csv_columns_compare(const void *one, const void *two)
{
    return profile_bytes_compare(one, two);
}


/*
 * Appends the characters of the field at p as JSON writes them, without
 * quotes around them.  Returns where it ends, at a comma or at last, or
 * NULL where a quote is out of place.
 */

static const u_char *
profile_csv_field(const u_char *p, const u_char *last, profile_buffer_t *json)
{
    if (p < last && *p == '"') {
        return profile_csv_quoted(p + 1, last, json);
    }

    return profile_csv_bare(p, last, json);
}


static const u_char *
profile_csv_bare(const u_char *p, const u_char *last, profile_buffer_t *json)
{
    const u_char  *start;

    for ( ;; ) {
        start = p;

        while (p < last && !(profile_csv_special[*p] & PROFILE_CSV_BARE)) {
            p++;
        }

        profile_buffer_append(json, start, (size_t) (p - start));

        if (p == last || *p == ',') {
            return p;
        }

        if (*p == '"') {
            return NULL;
        }

        profile_csv_escape(*p++, json);
    }
}


static const u_char *
profile_csv_quoted(const u_char *p, const u_char *last,
    profile_buffer_t *json)
{
    const u_char  *start;

    for ( ;; ) {
        start = p;

        while (p < last && !(profile_csv_special[*p] & PROFILE_CSV_QUOTED)) {
            p++;
        }

        profile_buffer_append(json, start, (size_t) (p - start));

        if (p == last) {
            return NULL;
        }

        if (*p == '"') {
            p++;

            if (p == last || *p == ',') {
                return p;
            }

            if (*p != '"') {
                return NULL;
            }
        }

        profile_csv_escape(*p++, json);
    }
}


static void
profile_csv_escape(u_char ch, profile_buffer_t *json)
{
    u_char  text[6];

    static const u_char  digits[] = "0123456789abcdef";
    static const u_char  letters[] = "btn\0fr";

    text[0] = '\\';

    if (ch == '"' || ch == '\\') {
        text[1] = ch;
        profile_buffer_append(json, text, 2);
        return;
    }

    /* from \b to \r, but for \v */

    if (ch >= 8 && ch <= 13 && ch != 11) {
        text[1] = letters[ch - 8];
        profile_buffer_append(json, text, 2);
        return;
    }

    text[1] = 'u';
    text[2] = '0';
    text[3] = '0';
    text[4] = digits[ch >> 4];
    text[5] = digits[ch & 0xf];

    profile_buffer_append(json, text, 6);
}
