
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Another program that runs for the loader: how it is started, and how it
 * is ended.
 */


#ifndef _PROFILE_PROCESS_H_INCLUDED_
#define _PROFILE_PROCESS_H_INCLUDED_


#include "profile_loader.h"


/* What is to run; all is made before, as a new process can make nothing. */

typedef struct {
    const char   *directory;    /* that it runs in */
    char        **paths;        /* of the program, the first that runs */
    char        **arguments;
    char        **environment;
} profile_process_image_t;


typedef struct {
    pid_t  pid;                 /* 0: there is none, or it has ended */
    int    out;                 /* what it writes; the loader closes them */
    int    err;                 /* and makes them -1 */
} profile_process_t;


/*
 * Starts a program with nothing to read, no file of the loader's open, no
 * terminal, and a process group of its own.  It dies with the thread that
 * has started it: that must be one that lives as long as the process.
 * Reading out and err never waits.  PROFILE_FAILED where it cannot be run.
 */

int profile_process_start(profile_process_t *process,
    const profile_process_image_t *image, profile_error_t *err);

/*
 * PROFILE_OK if it has ended, with its status as of waitpid(), and
 * PROFILE_NOT_FOUND if not.
 */

int profile_process_ended(profile_process_t *process, int *status,
    profile_error_t *err);

/*
 * Ends it and its process group if it still runs: asks, and after a second
 * makes it.  Closes what is open.
 */

void profile_process_end(profile_process_t *process);


#endif /* _PROFILE_PROCESS_H_INCLUDED_ */
