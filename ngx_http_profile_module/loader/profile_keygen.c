
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The command key: makes a key, which is printed once and kept nowhere.
 */


#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "profile_commands.h"
#include "profile_digest.h"


/* The prefix of RFC 8959 lets scanners find keys that leaked. */

#define PROFILE_KEY_PREFIX  "secret-token:"
#define PROFILE_KEY_BYTES   32
#define PROFILE_KEY_TEXT    43       /* characters of base64url */


static void profile_keygen_base64(const u_char *p, size_t len, char *out);


int
profile_command_key(const profile_options_t *options)
{
    char    key[sizeof(PROFILE_KEY_PREFIX) + PROFILE_KEY_TEXT];
    char    hex[2 * PROFILE_DIGEST_SIZE + 1];
    size_t  i;
    u_char  random[PROFILE_KEY_BYTES], digest[PROFILE_DIGEST_SIZE];

    (void) options;

    if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
        profile_say("cannot get random bytes: %s", strerror(errno));
        return PROFILE_EXIT_STORE;
    }

    memcpy(key, PROFILE_KEY_PREFIX, sizeof(PROFILE_KEY_PREFIX) - 1);
    profile_keygen_base64(random, sizeof(random),
                          key + sizeof(PROFILE_KEY_PREFIX) - 1);

    profile_digest(key, strlen(key), digest);

    for (i = 0; i < PROFILE_DIGEST_SIZE; i++) {
        (void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }

    /* the name tells keys apart in logs, and gives nothing of them away */

    (void) printf("%s\n{ \"name\": \"key-%.8s\", \"sha256\": \"%s\" }\n",
                  key, hex, hex);

    return PROFILE_EXIT_DONE;
}


/* base64url of RFC 4648 without padding; out is terminated. */

static void
profile_keygen_base64(const u_char *p, size_t len, char *out)
{
    size_t       i, bits;
    unsigned     value;
    const char  *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "abcdefghijklmnopqrstuvwxyz0123456789-_";

    value = 0;
    bits = 0;

    for (i = 0; i < len; i++) {

        value = (value << 8 | p[i]) & 0xffff;
        bits += 8;

        while (bits >= 6) {
            bits -= 6;
            *out++ = alphabet[value >> bits & 0x3f];
        }
    }

    if (bits != 0) {
        *out++ = alphabet[value << (6 - bits) & 0x3f];
    }

    *out = '\0';
}
