
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Passes lines on.
 */


#include <string.h>

#include "profile_relay.h"


static void profile_relay_add(profile_relay_t *relay, const char *p,
    size_t len);


void
profile_relay_init(profile_relay_t *relay, const char *label)
{
    relay->label = label;
    relay->len = 0;
    relay->cut = 0;
}


void
profile_relay(profile_relay_t *relay, const char *p, size_t len)
{
    size_t       n;
    const char  *newline;

    while (len != 0) {

        newline = memchr(p, '\n', len);
        n = (newline == NULL) ? len : (size_t) (newline - p);

        profile_relay_add(relay, p, n);

        if (newline == NULL) {
            return;
        }

        profile_relay_end(relay);

        p += n + 1;
        len -= n + 1;
    }
}


static void
profile_relay_add(profile_relay_t *relay, const char *p, size_t len)
{
    size_t  i;

    if (len > PROFILE_RELAY_LINE - relay->len) {
        len = PROFILE_RELAY_LINE - relay->len;
        relay->cut = 1;
    }

    for (i = 0; i < len; i++) {
        relay->line[relay->len++] = (p[i] == '\0') ? '?' : p[i];
    }
}


void
profile_relay_end(profile_relay_t *relay)
{
    if (relay->len != 0 && relay->line[relay->len - 1] == '\r') {
        relay->len--;
    }

    /* there are programs that space their messages out */

    if (relay->len != 0) {
        relay->line[relay->len] = '\0';

        profile_say("%s: %s%s", relay->label, relay->line,
                    relay->cut ? "..." : "");
    }

    relay->len = 0;
    relay->cut = 0;
}
