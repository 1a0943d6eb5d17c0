
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Notes the signals that end a run.
 */


#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "profile_loader.h"
#include "profile_signal.h"


static void profile_signal_handler(int number);


static volatile sig_atomic_t  profile_signal_number;
static int                    profile_signal_pipe[2] = { -1, -1 };


void
profile_signal_init(void)
{
    if (pipe2(profile_signal_pipe, O_CLOEXEC|O_NONBLOCK) == -1) {
        profile_say("cannot make a pipe: %s", strerror(errno));
        exit(PROFILE_EXIT_STORE);
    }

    profile_signal_catch(profile_signal_handler);

    /* where it is ignored, no process can tell how it ended */

    (void) signal(SIGCHLD, SIG_DFL);
}


void
profile_signal_catch(void (*handler)(int number))
{
    size_t            i;
    struct sigaction  action, old;

    static const int  numbers[] = { SIGINT, SIGTERM, SIGHUP };

    memset(&action, 0, sizeof(struct sigaction));
    (void) sigemptyset(&action.sa_mask);

    /* no SA_RESTART: a call that waits is to end */

    action.sa_handler = handler;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {

        if (sigaction(numbers[i], NULL, &old) == 0
            && old.sa_handler != SIG_IGN)
        {
            (void) sigaction(numbers[i], &action, NULL);
        }
    }
}


static void
profile_signal_handler(int number)
{
    int      saved;
    ssize_t  n;

    saved = errno;

    if (profile_signal_number == 0) {
        profile_signal_number = number;
    }

    /* a pipe that is full has been heard */

    n = write(profile_signal_pipe[1], "", 1);
    (void) n;

    errno = saved;
}


int
profile_interrupted(void)
{
    return profile_signal_number;
}


int
profile_signal_descriptor(void)
{
    return profile_signal_pipe[0];
}


void
profile_signal_end(int number)
{
    (void) signal(number, SIG_DFL);
    (void) raise(number);

    /* whoever started this has it blocked */

    _exit(128 + number);
}
