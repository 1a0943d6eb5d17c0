
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Headers of anything: the first byte chooses what may go wrong, and each
 * line after it is a header, its name and its value.  A key that comes out
 * is one that a second reading, by other means, takes from the same lines.
 */


#include <openssl/evp.h>

#include "standin.h"
#include "ngx_http_profile_credentials.h"


#define CREDENTIALS_BEARER     0x01    /* profile_bearer is there */
#define CREDENTIALS_FAILED     0x02    /* and cannot be evaluated */
#define CREDENTIALS_NO_MEMORY  0x04

#define CREDENTIALS_HEADERS    16
#define CREDENTIALS_PART       3       /* headers in a part of the list */
#define CREDENTIALS_PARTS      (CREDENTIALS_HEADERS / CREDENTIALS_PART + 1)


/* What a form says; key is allocated where rc is NGX_OK. */

typedef struct {
    ngx_int_t  rc;
    ngx_str_t  key;
} credentials_form_t;


typedef struct {
    ngx_uint_t        nheaders;
    ngx_table_elt_t   headers[CREDENTIALS_HEADERS];
    ngx_list_part_t   parts[CREDENTIALS_PARTS];
    ngx_table_elt_t  *authorization;
} credentials_headers_t;


static void credentials_split(fuzz_input_t *input,
    credentials_headers_t *headers);
static void credentials_set(ngx_http_request_t *r,
    credentials_headers_t *headers);
static void credentials_free(credentials_headers_t *headers);
static ngx_uint_t credentials_named(const ngx_table_elt_t *header,
    const char *name);
static credentials_form_t credentials_read(credentials_headers_t *headers,
    ngx_uint_t flags);
static credentials_form_t credentials_authentication(
    credentials_headers_t *headers);
static credentials_form_t credentials_bearer(const ngx_str_t *value);
static credentials_form_t credentials_basic(const ngx_str_t *value,
    ngx_uint_t flags);
static credentials_form_t credentials_after(const ngx_str_t *value,
    const char *scheme);
static credentials_form_t credentials_key(const u_char *data, size_t len);
static ngx_uint_t credentials_padded(const ngx_str_t *text);
static u_char *credentials_base64(const ngx_str_t *text, size_t *len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t                  rc;
    ngx_str_t                  key;
    ngx_uint_t                 flags, i;
    fuzz_input_t               input;
    credentials_form_t         want;
    ngx_http_request_t        *r;
    credentials_headers_t      headers;
    ngx_http_complex_value_t   bearer;

    input.data = data;
    input.size = size;
    flags = fuzz_byte(&input);

    r = calloc(1, sizeof(ngx_http_request_t));
    fuzz_assert(r != NULL);

    credentials_split(&input, &headers);
    credentials_set(r, &headers);

    memset(&bearer, 0, sizeof(ngx_http_complex_value_t));
    memset(&key, 0, sizeof(ngx_str_t));

    fuzz_nginx.no_memory = flags & CREDENTIALS_NO_MEMORY;
    fuzz_nginx.complex_rc = (flags & CREDENTIALS_FAILED) ? NGX_ERROR : NGX_OK;
    fuzz_nginx.complex = headers.headers[0].value;

    rc = ngx_http_profile_credentials(r, (flags & CREDENTIALS_BEARER)
                                         ? &bearer : NULL, &key);

    want = credentials_read(&headers, flags);

    fuzz_assert(rc == want.rc);

    if (rc == NGX_OK) {

        fuzz_assert(key.len != 0);

        for (i = 0; i < key.len; i++) {
            fuzz_assert(key.data[i] > ' ' && key.data[i] < 0x7f);
        }

        fuzz_assert(key.len == want.key.len
                    && memcmp(key.data, want.key.data, key.len) == 0);
    }

    free(want.key.data);
    credentials_free(&headers);
    fuzz_nginx_reset();
    free(r);

    return 0;
}


/* Lines that have no colon are none of nginx's headers. */

static void
credentials_split(fuzz_input_t *input, credentials_headers_t *headers)
{
    size_t            len;
    const uint8_t    *p, *last, *end, *colon;
    ngx_table_elt_t  *header;

    memset(headers, 0, sizeof(credentials_headers_t));

    p = input->data;
    last = p + input->size;

    for ( /* void */ ; p < last; p = end + 1) {

        end = memchr(p, '\n', (size_t) (last - p));
        end = (end == NULL) ? last : end;

        colon = memchr(p, ':', (size_t) (end - p));

        if (colon == NULL || headers->nheaders == CREDENTIALS_HEADERS) {
            continue;
        }

        /* nginx drops the blanks around a value, and what is no header */

        for (len = (size_t) (end - colon) - 1;
             len > 0 && colon[len] == ' ';
             len--)
        {
            /* void */
        }

        while (len > 0 && colon[1] == ' ') {
            colon++;
            len--;
        }

        header = &headers->headers[headers->nheaders];
        header->value = fuzz_str(colon + 1, len);

        colon = memchr(p, ':', (size_t) (end - p));
        header->key = fuzz_str(p, (size_t) (colon - p));

        /* nginx itself answers a second Authorization with a 400 */

        if (credentials_named(header, "Authorization")) {

            if (headers->authorization != NULL) {
                free(header->key.data);
                free(header->value.data);
                continue;
            }

            headers->authorization = header;
        }

        headers->nheaders++;
    }
}


/* The list, in parts that are not full of headers that are not there. */

static void
credentials_set(ngx_http_request_t *r, credentials_headers_t *headers)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;

    for (i = 0, n = 0; i < headers->nheaders; i += CREDENTIALS_PART, n++) {

        part = &headers->parts[n];
        part->nelts = ngx_min(headers->nheaders - i, CREDENTIALS_PART);
        part->elts = fuzz_copy(&headers->headers[i],
                               part->nelts * sizeof(ngx_table_elt_t));

        if (i + CREDENTIALS_PART < headers->nheaders) {
            part->next = part + 1;
        }
    }

    /* the first part lies in the list itself */

    r->headers_in.headers.part = headers->parts[0];
    r->headers_in.authorization = headers->authorization;
}


static void
credentials_free(credentials_headers_t *headers)
{
    ngx_uint_t  i;

    for (i = 0; i < headers->nheaders; i++) {

        free(headers->headers[i].key.data);
        free(headers->headers[i].value.data);
    }

    for (i = 0; i < CREDENTIALS_PARTS; i++) {
        free(headers->parts[i].elts);
    }
}


static ngx_uint_t
credentials_named(const ngx_table_elt_t *header, const char *name)
{
    size_t  i;

    if (header->key.len != strlen(name)) {
        return 0;
    }

    for (i = 0; i < header->key.len; i++) {
        if (ngx_tolower(header->key.data[i]) != ngx_tolower(name[i])) {
            return 0;
        }
    }

    return 1;
}


/* The forms in their order: the first usable one wins. */

static credentials_form_t
credentials_read(credentials_headers_t *headers, ngx_uint_t flags)
{
    ngx_uint_t          i, malformed;
    credentials_form_t  forms[3], none;

    memset(&none, 0, sizeof(credentials_form_t));
    none.rc = NGX_DECLINED;

    if (flags & CREDENTIALS_BEARER) {

        if (flags & CREDENTIALS_FAILED) {
            none.rc = NGX_ABORT;
            return none;
        }

        return credentials_key(headers->headers[0].value.data,
                               headers->headers[0].value.len);
    }

    forms[0] = none;
    forms[1] = credentials_authentication(headers);
    forms[2] = none;

    if (headers->authorization != NULL) {
        forms[0] = credentials_bearer(&headers->authorization->value);
        forms[2] = credentials_basic(&headers->authorization->value, flags);
    }

    malformed = 0;

    for (i = 0; i < 3; i++) {

        if (forms[i].rc == NGX_OK || forms[i].rc == NGX_ABORT) {
            none = forms[i];
            break;
        }

        malformed |= (forms[i].rc == NGX_ERROR);
    }

    if (i == 3) {
        none.rc = malformed ? NGX_ERROR : NGX_DECLINED;
    }

    while (++i < 3) {
        free(forms[i].key.data);
    }

    return none;
}


static credentials_form_t
credentials_authentication(credentials_headers_t *headers)
{
    ngx_uint_t          i, count;
    credentials_form_t  form;

    memset(&form, 0, sizeof(credentials_form_t));
    form.rc = NGX_DECLINED;

    for (i = 0, count = 0; i < headers->nheaders; i++) {

        if (!credentials_named(&headers->headers[i], "Authentication")) {
            continue;
        }

        if (count++ == 0) {
            form = credentials_bearer(&headers->headers[i].value);
        }
    }

    if (count > 1) {
        free(form.key.data);
        memset(&form, 0, sizeof(credentials_form_t));
        form.rc = NGX_ERROR;
    }

    return form;
}


static credentials_form_t
credentials_bearer(const ngx_str_t *value)
{
    credentials_form_t  form, rest;

    rest = credentials_after(value, "BEARER");

    if (rest.rc != NGX_OK) {
        return rest;
    }

    form = credentials_key(rest.key.data, rest.key.len);
    free(rest.key.data);

    return form;
}


static credentials_form_t
credentials_basic(const ngx_str_t *value, ngx_uint_t flags)
{
    u_char              *text;
    size_t               len;
    credentials_form_t   form, rest;

    rest = credentials_after(value, "BASIC");

    if (rest.rc != NGX_OK) {
        return rest;
    }

    memset(&form, 0, sizeof(credentials_form_t));
    form.rc = NGX_ERROR;

    if (!credentials_padded(&rest.key)) {
        free(rest.key.data);
        return form;
    }

    /* memory is asked for before the digits are looked at */

    if (flags & CREDENTIALS_NO_MEMORY) {
        form.rc = NGX_ABORT;
        free(rest.key.data);
        return form;
    }

    text = credentials_base64(&rest.key, &len);

    if (text == NULL || memchr(text, ':', len) == NULL) {
        form.rc = NGX_ERROR;

    } else if (len < 7 || memcmp(text, "bearer:", 7) != 0) {
        form.rc = NGX_DECLINED;

    } else {
        form = credentials_key(text + 7, len - 7);
    }

    free(text);
    free(rest.key.data);

    return form;
}


/* What follows the scheme and blanks; terminated, too. */

static credentials_form_t
credentials_after(const ngx_str_t *value, const char *scheme)
{
    char                *text;
    size_t               i, len;
    credentials_form_t   form;

    memset(&form, 0, sizeof(credentials_form_t));
    form.rc = NGX_DECLINED;

    len = strlen(scheme);

    for (i = 0; i < len && i < value->len; i++) {
        if (ngx_toupper(value->data[i]) != scheme[i]) {
            return form;
        }
    }

    if (i < len || value->len == len) {
        return form;
    }

    if (value->data[len] == '\t') {
        form.rc = NGX_ERROR;
        return form;
    }

    text = malloc(value->len - len + 1);
    fuzz_assert(text != NULL);
    memcpy(text, value->data + len, value->len - len);
    text[value->len - len] = '\0';

    i = strspn(text, " ");

    if (i != 0 && i != value->len - len) {
        form.rc = NGX_OK;
        form.key = fuzz_str(text + i, value->len - len - i + 1);
        form.key.len--;
    }

    free(text);

    return form;
}


static credentials_form_t
credentials_key(const u_char *data, size_t len)
{
    size_t              i;
    credentials_form_t  form;

    memset(&form, 0, sizeof(credentials_form_t));
    form.rc = (len == 0) ? NGX_DECLINED : NGX_OK;

    for (i = 0; i < len; i++) {
        if (data[i] >= 0x80 || !isgraph(data[i])) {
            form.rc = NGX_ERROR;
        }
    }

    if (form.rc == NGX_OK) {
        form.key = fuzz_str(data, len);
    }

    return form;
}


/* At most two, at the end. */

static ngx_uint_t
credentials_padded(const ngx_str_t *text)
{
    size_t  padding;

    for (padding = 0; padding < text->len; padding++) {
        if (text->data[text->len - padding - 1] != '=') {
            break;
        }
    }

    return padding <= 2
           && memchr(text->data, '=', text->len - padding) == NULL;
}


/* By libcrypto, which wants all of the padding that there can be. */

static u_char *
credentials_base64(const ngx_str_t *text, size_t *len)
{
    int      n;
    char    *padded;
    u_char  *out;
    size_t   digits;

    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789+/";

    digits = strspn((char *) text->data, alphabet);

    if (digits + strspn((char *) text->data + digits, "=") != text->len
        || digits % 4 == 1)
    {
        return NULL;
    }

    padded = malloc(digits + 4);
    out = malloc(digits + 4);
    fuzz_assert(padded != NULL && out != NULL);

    memcpy(padded, text->data, digits);
    memcpy(padded + digits, "===", 3);

    n = EVP_DecodeBlock(out, (u_char *) padded,
                        (int) ((digits + 3) / 4 * 4));
    fuzz_assert(n == (int) ((digits + 3) / 4 * 3));

    *len = digits * 3 / 4;
    free(padded);

    return out;
}
