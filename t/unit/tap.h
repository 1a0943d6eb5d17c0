
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The Test Anything Protocol, which prove reads: one line for each check.
 */


#ifndef _PROFILE_TAP_H_INCLUDED_
#define _PROFILE_TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int  tap_count;
static int  tap_failed;


static inline int
tap_line(int pass, const char *fmt, va_list args)
{
    (void) printf("%s %d - ", pass ? "ok" : "not ok", ++tap_count);
    (void) vprintf(fmt, args);
    (void) printf("\n");
    (void) fflush(stdout);

    tap_failed += !pass;

    return pass;
}


__attribute__((format(printf, 2, 3))) static inline void
ok(int pass, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) tap_line(pass, fmt, args);
    va_end(args);
}


__attribute__((format(printf, 3, 4))) static inline void
is_int(long long got, long long want, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);

    if (!tap_line(got == want, fmt, args)) {
        (void) printf("#   got: %lld, wanted: %lld\n", got, want);
    }

    va_end(args);
}


__attribute__((format(printf, 3, 4))) static inline void
is_str(const char *got, const char *want, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);

    if (!tap_line(strcmp(got, want) == 0, fmt, args)) {
        (void) printf("#   got: \"%s\"\n#   wanted: \"%s\"\n", got, want);
    }

    va_end(args);
}


static inline void
skip(int count, const char *why)
{
    while (count-- > 0) {
        (void) printf("ok %d # skip %s\n", ++tap_count, why);
    }
}


/* The exit status of the program; the plan comes last. */

static inline int
done(void)
{
    (void) printf("1..%d\n", tap_count);

    return tap_failed != 0;
}


#endif /* _PROFILE_TAP_H_INCLUDED_ */
