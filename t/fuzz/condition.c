
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * If-Match and If-None-Match of anything.  The first byte says which headers
 * there are, the second chooses the document's tag and the status that an
 * "error_page" has put in place of ours, the next two are the time that nginx
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
#define CONDITION_DISABLED    0x40
#define CONDITION_STATUS      0x80


static ngx_http_profile_condition_e condition_want(ngx_http_request_t *r,
    ngx_uint_t flags, const ngx_http_profile_reply_t *reply);
static ngx_uint_t condition_lists(const ngx_str_t *list,
    const ngx_str_t *etag, ngx_uint_t weak);
static size_t condition_token(const char *text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t                     flags, choice, skipped, decided;
    fuzz_input_t                   input;
    ngx_table_elt_t                match, since;
    ngx_http_request_t            *r;
    ngx_http_profile_reply_t       reply;
    ngx_http_profile_condition_e   want, condition;

    static const ngx_uint_t  statuses[] = { 200, 404 };

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
    choice = fuzz_byte(&input);
    reply.etag = tags[choice % 4];
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
    r->disable_not_modified = (flags & CONDITION_DISABLED) ? 1 : 0;
    r->err_status = (flags & CONDITION_STATUS) ? statuses[choice / 4 % 2] : 0;

    skipped = (flags & CONDITION_SUBREQUEST) || r->err_status == 404;
    want = skipped ? NGX_HTTP_PROFILE_CONDITION_NONE
                   : condition_want(r, flags, &reply);

    condition = ngx_http_profile_condition(r, &reply);

    fuzz_assert(condition == want);

    /* no other status is put in place of what is decided */

    fuzz_assert(skipped || r->err_status == 0);

    if (condition != NGX_HTTP_PROFILE_CONDITION_FAILED && !skipped) {
        fuzz_assert(r->headers_in.if_match == NULL
                    && r->headers_in.if_unmodified_since == NULL);

        /* nginx's filter is left with a date that is alone */

        decided = (flags & CONDITION_NONE_MATCH)
                  && !(flags & CONDITION_DISABLED);

        fuzz_assert((r->headers_in.if_none_match != NULL)
                    == ((flags & CONDITION_NONE_MATCH) && !decided));
        fuzz_assert((r->headers_in.if_modified_since != NULL)
                    == ((flags & CONDITION_MODIFIED) && !decided));
    }

    free(match.value.data);
    free(since.value.data);
    fuzz_nginx_reset();
    free(r);

    return 0;
}


/* RFC 9110, 13.2.2, step by step. */

static ngx_http_profile_condition_e
condition_want(ngx_http_request_t *r, ngx_uint_t flags,
    const ngx_http_profile_reply_t *reply)
{
    ngx_uint_t  holds;

    holds = 1;

    if (flags & CONDITION_MATCH) {
        holds = condition_lists(&r->headers_in.if_match->value, &reply->etag,
                                0);

    } else if (flags & CONDITION_SINCE) {
        holds = (flags & CONDITION_NO_DATE)
                || reply->changed <= fuzz_nginx.time;
    }

    if (!holds) {
        return NGX_HTTP_PROFILE_CONDITION_FAILED;
    }

    if ((flags & CONDITION_NONE_MATCH)
        && !(flags & CONDITION_DISABLED)
        && condition_lists(&r->headers_in.if_none_match->value, &reply->etag,
                           1))
    {
        return NGX_HTTP_PROFILE_CONDITION_NOT_MODIFIED;
    }

    return NGX_HTTP_PROFILE_CONDITION_NONE;
}


/*
 * Takes the list apart with the functions for strings.  A zero byte, which
 * nginx lets in no header, ends a list as any other wrong character does,
 * but it may be in a tag.
 */

static ngx_uint_t
condition_lists(const ngx_str_t *list, const ngx_str_t *etag,
    ngx_uint_t weak)
{
    char        *text, *p;
    size_t       len, prefix;
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
        prefix = (weak && *p == 'W') ? 2 : 0;
        found |= (len - prefix == etag->len
                  && memcmp(p + prefix, etag->data, etag->len) == 0);
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
