
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The commands compact and seal: the live generation is rewritten into the
 * next one.
 */


#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "profile_commands.h"
#include "profile_compact.h"
#include "profile_generations.h"
#include "profile_guard.h"
#include "profile_signal.h"
#include "profile_user.h"


/* How long to wait for readers of the old generation, in steps. */

#define PROFILE_REWRITE_STEPS  50
#define PROFILE_REWRITE_STEP   100000000     /* nanoseconds */


typedef struct {
    const char             *directory;
    int                     seal;
    profile_guard_place_t  *place;
} profile_rewrite_t;


static int profile_rewrite(const profile_options_t *options, int seal);
static int profile_rewrite_run(void *data, profile_guard_place_t *place);
static int profile_rewrite_check(void *data,
    const profile_audit_entry_t *entry, profile_error_t *err);
static void profile_rewrite_clean(profile_writer_t *writer);
static void profile_rewrite_signal(int number);


static volatile sig_atomic_t  profile_rewrite_stop;


int
profile_command_compact(const profile_options_t *options)
{
    return profile_rewrite(options, 0);
}


int
profile_command_seal(const profile_options_t *options)
{
    return profile_rewrite(options, 1);
}


static int
profile_rewrite(const profile_options_t *options, int seal)
{
    int                 rc;
    char               *directory;
    profile_error_t     err;
    profile_config_t   *config;
    profile_rewrite_t   rewrite;

    config = profile_config_read(options->config);
    if (config == NULL) {
        return PROFILE_EXIT_CONFIGURATION;
    }

    directory = profile_config_path(config, config->store);

    rc = profile_user_become(directory, &err);

    if (rc == PROFILE_OK) {
        rewrite.directory = directory;
        rewrite.seal = seal;

        rc = profile_guard(profile_rewrite_run, &rewrite, directory);

    } else {
        rc = profile_say_store(&err);
    }

    free(directory);
    profile_config_free(config);

    return rc;
}


static int
profile_rewrite_run(void *data, profile_guard_place_t *place)
{
    profile_rewrite_t *rewrite = data;

    int                   rc;
    double                seconds;
    struct timespec       start;
    profile_error_t       err;
    profile_writer_t     *writer;
    profile_compact_t     compact;
    profile_compacted_t   result;

    (void) clock_gettime(CLOCK_MONOTONIC, &start);

    profile_signal_catch(profile_rewrite_signal);

    rewrite->place = place;

    rc = profile_writer_open_source(&writer, rewrite->directory, &err);
    if (rc != PROFILE_OK) {
        return profile_say_store(&err);
    }

    compact.check = profile_rewrite_check;
    compact.data = rewrite;
    compact.seal = rewrite->seal;

    rc = profile_compact(writer, &compact, &result, &err);

    if (rc == PROFILE_OK) {
        seconds = profile_elapsed(&start);

        (void) printf("generation %u%s: %llu records, %llu bytes before, "
                      "%llu after, %.1f s", result.generation,
                      rewrite->seal ? " (sealed)" : "",
                      (unsigned long long) result.records,
                      (unsigned long long) result.before,
                      (unsigned long long) result.after, seconds);

        profile_rewrite_clean(writer);
    }

    profile_writer_close(writer);

    if (rc == PROFILE_OK) {
        return PROFILE_EXIT_DONE;
    }

    rc = profile_say_store(&err);

    if (profile_rewrite_stop != 0) {

        /* all is undone; now it may end this process as it was meant to */

        (void) signal(profile_rewrite_stop, SIG_DFL);
        (void) raise(profile_rewrite_stop);
    }

    return rc;
}


static int
profile_rewrite_check(void *data, const profile_audit_entry_t *entry,
    profile_error_t *err)
{
    profile_rewrite_t *rewrite = data;

    profile_guard_place(rewrite->place, entry);

    if (profile_rewrite_stop != 0) {
        return profile_error(err, PROFILE_FAILED,
                             "ended by signal %d; the old generation stays "
                             "the live one", (int) profile_rewrite_stop);
    }

    return profile_guard_hash(entry);
}


/* The line about the new generation ends here. */

static void
profile_rewrite_clean(profile_writer_t *writer)
{
    int                    i;
    struct timespec        step;
    profile_generations_t  generations;

    step.tv_sec = 0;
    step.tv_nsec = PROFILE_REWRITE_STEP;

    for (i = 0; /* void */ ; i++) {

        profile_generations_clean(writer, &generations);

        if (generations.used == 0
            || i == PROFILE_REWRITE_STEPS
            || profile_rewrite_stop != 0)
        {
            break;
        }

        (void) nanosleep(&step, NULL);
    }

    if (generations.used + generations.recent != 0) {
        (void) printf("; %u older still in use, for a later run to remove",
                      generations.used + generations.recent);
    }

    (void) printf("\n");
}


static void
profile_rewrite_signal(int number)
{
    profile_rewrite_stop = number;
}
