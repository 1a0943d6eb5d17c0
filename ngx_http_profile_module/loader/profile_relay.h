
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Passes on what a command says, line by line, with a name before it.
 */


#ifndef _PROFILE_RELAY_H_INCLUDED_
#define _PROFILE_RELAY_H_INCLUDED_


#include "profile_loader.h"


/* Bytes; of a longer line the rest is left out. */

#define PROFILE_RELAY_LINE  1000


typedef struct {
    const char  *label;
    size_t       len;
    unsigned     cut:1;
    char         line[PROFILE_RELAY_LINE + 1];
} profile_relay_t;


/* Borrows the label. */

void profile_relay_init(profile_relay_t *relay, const char *label);

/* The next bytes, in pieces of any size; what is a whole line is said. */

void profile_relay(profile_relay_t *relay, const char *p, size_t len);

/* Says what is left: a line that nothing has ended. */

void profile_relay_end(profile_relay_t *relay);


#endif /* _PROFILE_RELAY_H_INCLUDED_ */
