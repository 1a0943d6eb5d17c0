
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The order of cursor values: numbers by what they are worth, whatever
 * their length, and everything else by its bytes.  A comparison that is
 * wrong loses changes without a word.
 */


#include <stdlib.h>

#include "profile_cursor.h"
#include "tap.h"


#define CURSOR_LONG    PROFILE_CURSOR_MAX
#define CURSOR_RANDOM  200000


typedef struct {
    const char  *less;
    const char  *greater;
} cursor_pair_t;


static void cursor_numbers(void);
static void cursor_equal(void);
static void cursor_texts(void);
static void cursor_no_numbers(void);
static void cursor_long(void);
static void cursor_exact(void);
static void cursor_pairs(void);
static void cursor_triples(void);
static void cursor_random(void);
static void cursor_less(const char *one, const char *two);
static int cursor_order(const char *one, const char *two);
static int cursor_bytes(const u_char *one, size_t len, const u_char *two,
    size_t len2);
static int cursor_sign(int n);
static uint32_t cursor_rand(void);


/* Each is worth more than the one before it. */

static const char *const  cursor_rising[] = {
    "-1e99999999999999999999", "-1e400", "-9.99e399", "-1e309",
    "-340282366920938463463374607431768211457",
    "-340282366920938463463374607431768211456",
    "-18446744073709551617", "-18446744073709551616",
    "-9223372036854775809", "-9223372036854775808", "-1000", "-999.9", "-10",
    "-9", "-2", "-1.5", "-1.49", "-1", "-0.5", "-0.11", "-0.1", "-1e-300",
    "-1e-400", "0", "1e-400", "1e-399", "0.00001", "0.1", "0.11", "0.2",
    "0.999999999999999999999", "1", "1.0000000000000000000001", "1.5",
    "2", "9", "9.99", "10", "11", "99", "100", "123", "1234", "1e4", "99999",
    "4294967295", "4294967296", "9007199254740992", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "18446744073709551616.1",
    "340282366920938463463374607431768211455",
    "340282366920938463463374607431768211456", "1e308", "1e309", "1.1e309",
    "1e400", "9e999999", "1e1000000", "1e99999999999999",
    "1e99999999999999999999"
};

#define CURSOR_RISING  (sizeof(cursor_rising) / sizeof(cursor_rising[0]))


static const char *const  cursor_mixed[] = {
    "", " ", "-", "--1", "+1", "-0", "0", "00", "01", "007", "0x10", "1",
    "1 ", " 1", "1.", ".5", "1e", "1e+", "1.e1", "1e1.0", "1,5", "1_000",
    "10", "1000", "1E+3", "2", "9", "Infinity", "NaN", "a", "b", "aa",
    "\xc3\xa9",
    "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00+00",
    "20260101", "1e400", "-1e400", "0e0", "0.0", "-0.00e-5"
};

#define CURSOR_MIXED  (sizeof(cursor_mixed) / sizeof(cursor_mixed[0]))


static uint64_t  cursor_seed = 20260101;


int
main(void)
{
    cursor_numbers();
    cursor_equal();
    cursor_texts();
    cursor_no_numbers();
    cursor_long();
    cursor_exact();
    cursor_pairs();
    cursor_triples();
    cursor_random();

    return done();
}


static void
cursor_numbers(void)
{
    size_t  i;

    for (i = 1; i < CURSOR_RISING; i++) {
        cursor_less(cursor_rising[i - 1], cursor_rising[i]);
    }
}


static void
cursor_equal(void)
{
    size_t  i;

    static const cursor_pair_t  pairs[] = {
        { "0", "-0" }, { "0", "0.0" }, { "-0.000", "0e99999" },
        { "0e-99999999999999999999", "0" }, { "1", "1.0" },
        { "1", "1.000e0" }, { "1E+3", "1000" }, { "1e3", "1000.0" },
        { "1e003", "1e3" }, { "1e-0", "1" }, { "0.1e1", "1" },
        { "0.001e3", "1" }, { "1000e-3", "1" }, { "123.456e3", "123456" },
        { "123456", "0.00123456E8" }, { "-12.50", "-1.25e+1" },
        { "1e400", "10e399" }, { "1e400", "0.1e401" },
        { "18446744073709551616", "1844674407370955161.60e1" },
        { "1e0000000000000000000000000000000000000001", "10" }
    };

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        ok(cursor_order(pairs[i].less, pairs[i].greater) == 0
           && cursor_order(pairs[i].greater, pairs[i].less) == 0,
           "%s and %s are the same number", pairs[i].less, pairs[i].greater);
    }

    /* beyond all that means something they may be one, but never less */

    ok(cursor_order("1e9999999999999999", "1e10000000000000000") <= 0,
       "an exponent with one digit more is not less");
}


static void
cursor_texts(void)
{
    size_t  i;

    static const cursor_pair_t  pairs[] = {
        { "", "0" }, { "", "a" }, { "", " " }, { "a", "aa" }, { "Z", "a" },
        { "a", "\xc3\xa9" }, { "\x7f", "\x80" },
        { "2026-01-01", "2026-01-02" }, { "2026-09-30", "2026-10-01" },
        { "2026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ" },
        { "2026-01-01T09:59:59", "2026-01-01T10:00:00" },
        { "2026-01-01 00:00:00.1", "2026-01-01 00:00:00.12" },
        { "9999-12-31", "a" },

        /* one of them is no number: bytes */

        { "10", "9a" }, { "10a", "9" }, { "-1", "a" }, { "-5", "-5x" },
        { "2026", "2026-01-01" }, { "20260101", "3-1" }
    };

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cursor_less(pairs[i].less, pairs[i].greater);
    }

    is_int(cursor_order("", ""), 0, "two empty ones");
    is_int(cursor_order("abc", "abc"), 0, "two equal texts");
}


/* Beside "5", which is one: as numbers these would compare otherwise. */

static void
cursor_no_numbers(void)
{
    size_t  i;

    static const char *const  texts[] = {
        "010", "00", "-010", "0010.5", "+10", " 10", "10 ", "\t10", "10.",
        "10.e1", "10e", "10e+", "10e-", "10E", "1e1.5", "1e1e1", "1.0.0",
        "0x10", "10,0", "1_0", "1 0", "1-0", "10\n", "-", "--10", "-+10",
        "-.5", ".99", ".", "e5", "E5", "-e5", "Infinity", "inf", "nan",
        "1e1 ", "1f", "10u", "10L"
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        is_int(cursor_order(texts[i], "5"),
               cursor_bytes((const u_char *) texts[i], strlen(texts[i]),
                            (const u_char *) "5", 1),
               "not a number, number %zu", i + 1);
    }

    /* and the way a leading zero loses against its number is by bytes */

    cursor_less("007", "5");
    cursor_less("007", "07");
}


/* As long as they may be, in memory of their own. */

static void
cursor_long(void)
{
    u_char           *one, *two;
    profile_bytes_t   a, b;

    one = malloc(CURSOR_LONG);
    two = malloc(CURSOR_LONG);

    if (one == NULL || two == NULL) {
        ok(0, "malloc()");
        return;
    }

    memset(one, '9', CURSOR_LONG);
    memset(two, '9', CURSOR_LONG);
    a = (profile_bytes_t) { CURSOR_LONG, one };
    b = (profile_bytes_t) { CURSOR_LONG, two };

    is_int(profile_cursor_compare(&a, &b), 0, "%d equal digits",
           CURSOR_LONG);

    two[CURSOR_LONG - 1] = '8';
    is_int(cursor_sign(profile_cursor_compare(&a, &b)), 1,
           "the last digit decides");

    b.len = CURSOR_LONG - 1;
    is_int(cursor_sign(profile_cursor_compare(&b, &a)), -1,
           "one digit less is less");

    one[0] = '0';
    one[1] = '.';
    b = (profile_bytes_t) { 1, (const u_char *) "1" };
    is_int(cursor_sign(profile_cursor_compare(&a, &b)), -1,
           "0.99... is less than 1");

    one[0] = '1';
    one[1] = 'e';
    b = (profile_bytes_t) { 6, (const u_char *) "1e1000" };
    is_int(cursor_sign(profile_cursor_compare(&a, &b)), 1,
           "an exponent of %d digits", CURSOR_LONG - 2);

    memset(one + 2, '0', CURSOR_LONG - 3);
    b = (profile_bytes_t) { 3, (const u_char *) "1e8" };
    is_int(cursor_sign(profile_cursor_compare(&a, &b)), 1,
           "and one that is mostly zeros: 1e9 and 1e8");

    memset(one, '-', 1);
    memset(one + 1, '9', CURSOR_LONG - 1);
    b = (profile_bytes_t) { 2, (const u_char *) "-1" };
    is_int(cursor_sign(profile_cursor_compare(&a, &b)), -1,
           "the least of all");

    free(one);
    free(two);
}


/* Values end where their allocation does. */

static void
cursor_exact(void)
{
    int               wrong;
    size_t            i, len;
    u_char           *p;
    profile_bytes_t   one, two;

    wrong = 0;
    two = (profile_bytes_t) { 1, (const u_char *) "0" };

    for (i = 0; i < CURSOR_RISING; i++) {
        for (len = 1; len <= strlen(cursor_rising[i]); len++) {

            p = malloc(len);

            if (p == NULL) {
                wrong++;
                continue;
            }

            memcpy(p, cursor_rising[i], len);
            one = (profile_bytes_t) { len, p };
            wrong += (profile_cursor_compare(&one, &one) != 0);
            wrong += (cursor_sign(profile_cursor_compare(&one, &two))
                      + cursor_sign(profile_cursor_compare(&two, &one))
                      != 0);
            free(p);
        }
    }

    is_int(wrong, 0, "each beginning of a number is compared");
}


static void
cursor_pairs(void)
{
    int     wrong, order;
    size_t  i, j;

    wrong = 0;

    for (i = 0; i < CURSOR_RISING; i++) {
        for (j = 0; j < CURSOR_RISING; j++) {
            order = cursor_order(cursor_rising[i], cursor_rising[j]);
            wrong += (order != (i > j) - (i < j));
        }
    }

    is_int(wrong, 0, "all pairs of %zu numbers", CURSOR_RISING);

    wrong = 0;

    for (i = 0; i < CURSOR_MIXED; i++) {

        wrong += (cursor_order(cursor_mixed[i], cursor_mixed[i]) != 0);

        for (j = 0; j < CURSOR_MIXED; j++) {
            wrong += (cursor_order(cursor_mixed[i], cursor_mixed[j])
                      + cursor_order(cursor_mixed[j], cursor_mixed[i]) != 0);
        }

        for (j = 0; j < CURSOR_RISING; j++) {
            wrong += (cursor_order(cursor_mixed[i], cursor_rising[j])
                      + cursor_order(cursor_rising[j], cursor_mixed[i])
                      != 0);
        }
    }

    is_int(wrong, 0, "what is less one way is greater the other way");
}


/* Numbers in one way of writing and another: the order is one order. */

static void
cursor_triples(void)
{
    int     wrong;
    size_t  i, j, k;

    static const char *const  numbers[] = {
        "-1e400", "-10e399", "-1.0", "-1", "-0", "0", "0.000", "0e5",
        "1e-400", "0.1e-399", "1", "1.0", "10e-1", "1e0", "1.01", "2", "10",
        "1e1", "1e+1", "0.1e2", "1e400", "10e399", "1e99999999999999999999"
    };
    const size_t              count = sizeof(numbers) / sizeof(numbers[0]);

    wrong = 0;

    for (i = 0; i < count; i++) {
        for (j = 0; j < count; j++) {
            for (k = 0; k < count; k++) {
                wrong += (cursor_order(numbers[i], numbers[j]) <= 0
                          && cursor_order(numbers[j], numbers[k]) <= 0
                          && cursor_order(numbers[i], numbers[k]) > 0);
                wrong += (cursor_order(numbers[i], numbers[j]) == 0
                          && cursor_order(numbers[j], numbers[k]) < 0
                          && cursor_order(numbers[i], numbers[k]) >= 0);
            }
        }
    }

    is_int(wrong, 0, "less than less is less, for all triples of numbers");
}


/* Beside C's own numbers, where these are exact. */

static void
cursor_random(void)
{
    int        i, wrong;
    char       one[64], two[64];
    int64_t    a, b, scale;
    unsigned   shift;

    wrong = 0;

    for (i = 0; i < CURSOR_RANDOM; i++) {

        shift = cursor_rand() % 40;
        a = (int64_t) ((uint64_t) cursor_rand() << 32 | cursor_rand());
        b = (cursor_rand() % 4 == 0)
            ? a + (1 << (shift % 8))
            : (int64_t) ((uint64_t) cursor_rand() << 32 | cursor_rand());
        a >>= shift + 8;
        b >>= shift + 8;

        /* one as it is, the other with a point and an exponent */

        scale = (cursor_rand() & 1) ? 1000 : 10;

        (void) snprintf(one, sizeof(one), "%lld", (long long) a);
        (void) snprintf(two, sizeof(two), "%s%lld.%0*llde%s%d",
                        (b < 0) ? "-" : "",
                        (long long) llabs(b) / scale, (scale == 10) ? 1 : 3,
                        (long long) llabs(b) % scale,
                        (cursor_rand() & 1) ? "+" : "",
                        (scale == 10) ? 1 : 3);

        wrong += (cursor_order(one, two) != (a > b) - (a < b));
        wrong += (cursor_order(two, one) != (a < b) - (a > b));
    }

    is_int(wrong, 0, "%d random pairs", CURSOR_RANDOM);
}


static void
cursor_less(const char *one, const char *two)
{
    ok(cursor_order(one, two) == -1 && cursor_order(two, one) == 1,
       "\"%s\" is less than \"%s\"", one, two);
}


/* -1, 0 or 1. */

static int
cursor_order(const char *one, const char *two)
{
    profile_bytes_t  a, b;

    a = (profile_bytes_t) { strlen(one), (const u_char *) one };
    b = (profile_bytes_t) { strlen(two), (const u_char *) two };

    return cursor_sign(profile_cursor_compare(&a, &b));
}


static int
cursor_bytes(const u_char *one, size_t len, const u_char *two, size_t len2)
{
    int  rc;

    rc = memcmp(one, two, (len < len2) ? len : len2);

    return (rc != 0) ? cursor_sign(rc) : (len > len2) - (len < len2);
}


static int
cursor_sign(int n)
{
    return (n > 0) - (n < 0);
}


/* The same numbers in every run. */

static uint32_t
cursor_rand(void)
{
    cursor_seed = cursor_seed * 6364136223846793005ULL
                  + 1442695040888963407ULL;

    return (uint32_t) (cursor_seed >> 32);
}
