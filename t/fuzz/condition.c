
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * If-Match of anything.  The first byte says which headers there are, the
 * second chooses the document's tag, the next two are the time that nginx
 * reads out of If-Unmodified-Since and that of the document.
 */


#include "standin.h"
#include "ngx_http_profile_condition.h"


#define CONDITION_MATCH       0x01
#define CONDITION_SINCE       0x02
#define CONDITION_NO_DATE     0x04
#define CONDITION_SUBREQUEST  0x08
#define CONDITION_NONE_MATCH  0x10
#define CONDITION_MODIFIED    0x20


static ngx_uint_t condition_lists(const ngx_str_t *list,
    const ngx_str_t *etag);
static size_t condition_token(const char *text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t                 flags, holds, want;
    fuzz_input_t               input;
    ngx_table_elt_t            match, since;
    ngx_http_request_t        *r;
    ngx_http_profile_reply_t   reply;

    static const ngx_str_t  tags[] = {
        ngx_string("\"\""), ngx_string("\"a\""), ngx_string("\"*\""),
        ngx_string("\"00112233445566778899aabbccddeeff\"")
    };

    input.data = data;
    input.size = size;

    r = calloc(1, sizeof(ngx_http_request_t));
    fuzz_assert(r != NULL);

    memset(&match, 0, sizeof(ngx_table_elt_t));
    memset(&since, 0, sizeof(ngx_table_elt_t));
    memset(&reply, 0, sizeof(ngx_http_profile_reply_t));

    flags = fuzz_byte(&input);
    reply.etag = tags[fuzz_byte(&input) % 4];
    fuzz_nginx.time = fuzz_byte(&input);
    reply.changed = fuzz_byte(&input);

    if (flags & CONDITION_NO_DATE) {
        fuzz_nginx.time = NGX_ERROR;
    }

    match.value = fuzz_str(input.data, input.size);
    since.value = fuzz_str(input.data, input.size);
    fuzz_nginx.text = since.value;

    r->main = (flags & CONDITION_SUBREQUEST) ? NULL : r;
    r->headers_in.if_match = (flags & CONDITION_MATCH) ? &match : NULL;
    r->headers_in.if_unmodified_since = (flags & CONDITION_SINCE) ? &since
                                                                  : NULL;
    r->headers_in.if_none_match = (flags & CONDITION_NONE_MATCH) ? &match
                                                                 : NULL;
    r->headers_in.if_modified_since = (flags & CONDITION_MODIFIED) ? &since
                                                                   : NULL;

    holds = ngx_http_profile_condition_holds(r, &reply);

    if (flags & CONDITION_SUBREQUEST) {
        want = 1;

    } else if (flags & CONDITION_MATCH) {
        want = condition_lists(&match.value, &reply.etag);

    } else if (flags & CONDITION_SINCE) {
        want = (flags & CONDITION_NO_DATE)
               || reply.changed <= fuzz_nginx.time;

    } else {
        want = 1;
    }

    fuzz_assert(holds == want);

    if (holds && !(flags & CONDITION_SUBREQUEST)) {
        fuzz_assert(r->headers_in.if_match == NULL
                    && r->headers_in.if_unmodified_since == NULL);

        /* nginx's filter is left with one of the two */

        fuzz_assert((r->headers_in.if_modified_since != NULL)
                    == ((flags & CONDITION_MODIFIED)
                        && !(flags & CONDITION_NONE_MATCH)));
        fuzz_assert((r->headers_in.if_none_match != NULL)
                    == !!(flags & CONDITION_NONE_MATCH));
    }

    free(match.value.data);
    free(since.value.data);
    fuzz_nginx_reset();
    free(r);

    return 0;
}


/*
 * Takes the list apart with the functions for strings.  A zero byte, which
 * nginx lets in no header, ends a list as any other wrong character does,
 * but it may be in a tag.
 */

static ngx_uint_t
condition_lists(const ngx_str_t *list, const ngx_str_t *etag)
{
    char        *text, *p;
    size_t       len;
    ngx_uint_t   i, found;

    text = malloc(list->len + 1);
    fuzz_assert(text != NULL);
    memcpy(text, list->data, list->len);
    text[list->len] = '\0';

    /* in a tag 0x01 does as well, being in none of ours */

    for (i = 0; i < list->len; i++) {
        if (text[i] == '\0') {
            text[i] = '\x01';
        }
    }

    found = (strcmp(text, "*") == 0);

    for (p = text + strspn(text, " \t,");
         (len = condition_token(p)) != 0;
         p += strspn(p, " \t,"))
    {
        found |= (len == etag->len && memcmp(p, etag->data, len) == 0);
        p += len;
    }

    free(text);

    return found;
}


/* The length of the tag that the text begins with, 0 if it does not. */

static size_t
condition_token(const char *text)
{
    const char  *quote, *end;

    quote = (strncmp(text, "W/", 2) == 0) ? text + 2 : text;
    end = (*quote == '"') ? strchr(quote + 1, '"') : NULL;

    return (end == NULL) ? 0 : (size_t) (end + 1 - text);
}
