
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Linked to the loader and the unit tests of `make coverage`.  The counters
 * are written by exit(): here also by _exit() and before a process ends
 * itself with a signal, which is how the loader's children go and how it goes
 * itself when it is interrupted.  What is preloaded to make memory run out is
 * told to stop before that: libgcov has no answer to it.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <gcov.h>
#include <stddef.h>


/* A child that could not execute a program may do nothing but end. */

#define COVERAGE_NOT_EXECUTED  127


void __wrap__exit(int status);
int __wrap_raise(int number);
void __real__exit(int status);
int __real_raise(int number);
static void coverage_stop_faults(void);


void
__wrap__exit(int status)
{
    if (status != COVERAGE_NOT_EXECUTED) {
        coverage_stop_faults();
        __gcov_dump();
    }

    __real__exit(status);
}


int
__wrap_raise(int number)
{
    coverage_stop_faults();
    __gcov_dump();
    __gcov_reset();

    return __real_raise(number);
}


/* Before libgcov's own destructor, whose number is less. */

__attribute__((destructor)) static void
coverage_stop_faults(void)
{
    void  (*stop)(void);

    *(void **) &stop = dlsym(RTLD_DEFAULT, "fault_stop");

    if (stop != NULL) {
        stop();
    }
}
