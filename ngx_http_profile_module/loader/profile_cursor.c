
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Compares cursor values.
 *
 * No C type holds every number: they are compared as decimal digits with the
 * place of the first one.
 */


#include <string.h>

#include "profile_cursor.h"


/* Far beyond any exponent that means something. */

#define PROFILE_CURSOR_EXPONENT_MAX  INT64_C(1000000000000000)


/* The value is 0.DIGITS times ten to the exponent; zero has no digits. */

typedef struct {
    int      negative;
    int64_t  exponent;
    size_t   ndigits;
    u_char   digits[PROFILE_CURSOR_MAX];
} profile_cursor_number_t;


static int profile_cursor_parse(const profile_bytes_t *bytes,
    profile_cursor_number_t *number);
static const u_char *profile_cursor_digits(const u_char *p,
    const u_char *last, profile_cursor_number_t *number);
static const u_char *profile_cursor_exponent(const u_char *p,
    const u_char *last, profile_cursor_number_t *number);
static void profile_cursor_normalize(profile_cursor_number_t *number);
static int profile_cursor_compare_numbers(const profile_cursor_number_t *one,
    const profile_cursor_number_t *two);


int
profile_cursor_compare(const profile_bytes_t *one,
    const profile_bytes_t *two)
{
    profile_cursor_number_t  a, b;

    if (profile_cursor_parse(one, &a) != 0
        || profile_cursor_parse(two, &b) != 0)
    {
        return profile_bytes_compare(one, two);
    }

    return profile_cursor_compare_numbers(&a, &b);
}


/* A number by the grammar of RFC 8259, section 6, or -1. */

static int
profile_cursor_parse(const profile_bytes_t *bytes,
    profile_cursor_number_t *number)
{
    const u_char  *p, *last, *start;

    p = bytes->data;
    last = p + bytes->len;

    number->negative = 0;
    number->exponent = 0;
    number->ndigits = 0;

    if (bytes->len > PROFILE_CURSOR_MAX) {
        return -1;
    }

    if (p < last && *p == '-') {
        number->negative = 1;
        p++;
    }

    start = p;
    p = profile_cursor_digits(p, last, number);

    if (p == start || (p - start > 1 && *start == '0')) {
        return -1;
    }

    number->exponent = p - start;

    if (p < last && *p == '.') {
        start = ++p;
        p = profile_cursor_digits(p, last, number);

        if (p == start) {
            return -1;
        }
    }

    if (p < last && (*p == 'e' || *p == 'E')) {
        p = profile_cursor_exponent(p + 1, last, number);
    }

    if (p != last) {
        return -1;
    }

    profile_cursor_normalize(number);

    return 0;
}


static const u_char *
profile_cursor_digits(const u_char *p, const u_char *last,
    profile_cursor_number_t *number)
{
    while (p < last && *p >= '0' && *p <= '9') {
        number->digits[number->ndigits++] = *p++;
    }

    return p;
}


/* NULL where there are no digits. */

static const u_char *
profile_cursor_exponent(const u_char *p, const u_char *last,
    profile_cursor_number_t *number)
{
    int            negative;
    int64_t        exponent;
    const u_char  *start;

    negative = (p < last && *p == '-');

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    start = p;
    exponent = 0;

    while (p < last && *p >= '0' && *p <= '9') {

        exponent = exponent * 10 + (*p++ - '0');

        if (exponent > PROFILE_CURSOR_EXPONENT_MAX) {
            exponent = PROFILE_CURSOR_EXPONENT_MAX;
        }
    }

    number->exponent += negative ? -exponent : exponent;

    return (p == start) ? NULL : p;
}


/* Neither the first digit nor the last is a zero. */

static void
profile_cursor_normalize(profile_cursor_number_t *number)
{
    size_t  zeros;

    zeros = 0;

    while (zeros < number->ndigits && number->digits[zeros] == '0') {
        zeros++;
    }

    number->ndigits -= zeros;
    number->exponent -= (int64_t) zeros;
    memmove(number->digits, number->digits + zeros, number->ndigits);

    while (number->ndigits != 0
           && number->digits[number->ndigits - 1] == '0')
    {
        number->ndigits--;
    }

    if (number->ndigits == 0) {
        number->negative = 0;
        number->exponent = 0;
    }
}


static int
profile_cursor_compare_numbers(const profile_cursor_number_t *one,
    const profile_cursor_number_t *two)
{
    int              rc;
    profile_bytes_t  a, b;

    if (one->negative != two->negative) {
        return one->negative ? -1 : 1;
    }

    if (one->ndigits == 0 || two->ndigits == 0) {
        rc = (one->ndigits != 0) - (two->ndigits != 0);

    } else if (one->exponent != two->exponent) {
        rc = (one->exponent > two->exponent) ? 1 : -1;

    } else {
        a = (profile_bytes_t) { one->ndigits, one->digits };
        b = (profile_bytes_t) { two->ndigits, two->digits };

        rc = profile_bytes_compare(&a, &b);
    }

    return one->negative ? -rc : rc;
}
