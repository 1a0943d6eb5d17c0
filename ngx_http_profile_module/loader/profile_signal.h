
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Signals that end a run: SIGINT, SIGTERM and SIGHUP.  They are noted, and
 * whoever works looks from time to time, so that what was begun is undone.
 */


#ifndef _PROFILE_SIGNAL_H_INCLUDED_
#define _PROFILE_SIGNAL_H_INCLUDED_


/*
 * Takes care of the signals from now on; one that is ignored, as below
 * nohup, stays so.  To be called once, before any thread is started.
 */

void profile_signal_init(void);

/* Has another handler take care of them; again, what is ignored stays so. */

void profile_signal_catch(void (*handler)(int number));

/* The number of the first signal that came, 0 if none did.  Any thread. */

int profile_interrupted(void);

/*
 * Readable as soon as a signal has come, and for ever after: who waits for
 * other descriptors with poll() waits for this one, too, and misses none.
 * -1, which poll() passes over, before profile_signal_init().
 */

int profile_signal_descriptor(void);

/*
 * Ends the process the way the signal would have, which is what a shell
 * wants to see.  Everything has to be closed and written by then.
 */

void profile_signal_end(int number) __attribute__((noreturn));


#endif /* _PROFILE_SIGNAL_H_INCLUDED_ */
