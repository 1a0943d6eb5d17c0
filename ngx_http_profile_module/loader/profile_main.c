
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * profile-loader: fills a profile store, run by cron or a timer.  Reads the
 * command line and calls the command.
 */


#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile_commands.h"
#include "profile_digest.h"
#include "profile_signal.h"
#include "profile_user.h"


#define PROFILE_CONFIG_FILE  "/etc/profile-loader.json"


enum {
    PROFILE_OPTION_WORKSPACE = 1,
    PROFILE_OPTION_ENTITY = 2,
    PROFILE_OPTION_FULL = 4,
    PROFILE_OPTION_ALLOW_SHRINK = 8,
    PROFILE_OPTION_JSON = 16,
    PROFILE_OPTION_CONFIG = 32
};


typedef struct {
    const char  *name;
    int          options;        /* a set of those that it knows */
    int          arguments;      /* how many it wants */
    int        (*run)(const profile_options_t *options);
} profile_command_t;


static void profile_main_descriptors(void);
static int profile_main_run(int argc, char **argv);
static int profile_main_options(int argc, char **argv,
    profile_options_t *options, int *given, const char **name);
static int profile_main_option(int option, profile_options_t *options,
    int *given);
static const profile_command_t *profile_main_command(int argc, char **argv,
    int given);
static const profile_command_t *profile_main_find(const char *name);
static int profile_main_help(const profile_options_t *options);
static int profile_main_version(const profile_options_t *options);
static void profile_main_usage(FILE *out);


static const profile_command_t  profile_commands[] = {

    { "help", 0, 0, profile_main_help },

    { "version", 0, 0, profile_main_version },

    { "sync", PROFILE_OPTION_WORKSPACE|PROFILE_OPTION_ENTITY
              |PROFILE_OPTION_FULL|PROFILE_OPTION_ALLOW_SHRINK
              |PROFILE_OPTION_JSON, 0,
      profile_command_sync },

    { "apply", 0, 0, profile_command_apply },

    { "key", 0, 0, profile_command_key },

    { "status", PROFILE_OPTION_JSON, 0, profile_command_status },

    { "get", 0, 3, profile_command_get },

    { "check", 0, 0, profile_command_check },

    { "compact", 0, 0, profile_command_compact },

    { "seal", 0, 0, profile_command_seal },

    { NULL, 0, 0, NULL }
};


static const struct option  profile_long_options[] = {
    { "config", required_argument, NULL, PROFILE_OPTION_CONFIG },
    { "workspace", required_argument, NULL, PROFILE_OPTION_WORKSPACE },
    { "entity", required_argument, NULL, PROFILE_OPTION_ENTITY },
    { "full", no_argument, NULL, PROFILE_OPTION_FULL },
    { "allow-shrink", no_argument, NULL, PROFILE_OPTION_ALLOW_SHRINK },
    { "json", no_argument, NULL, PROFILE_OPTION_JSON },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 }
};


int
main(int argc, char **argv)
{
    int  rc, number;

    profile_main_descriptors();
    profile_signal_init();

    /* jansson overlooks some failures of its own to get memory */

    json_set_alloc_funcs(profile_alloc, free);
    profile_digest_init();
    profile_user_names();

    /* a limit of file size is an error like others, not the end */

    (void) signal(SIGXFSZ, SIG_IGN);

    /* what the store's files may be is fixed, not a matter of taste */

    (void) umask(027);

    rc = profile_main_run(argc, argv);

    /* a full disk behind standard output is no success */

    if (fflush(stdout) != 0 || ferror(stdout)) {
        profile_say("cannot write to standard output");
        rc = (rc == PROFILE_EXIT_DONE) ? PROFILE_EXIT_ENTITY : rc;
    }

    number = profile_interrupted();

    if (number != 0) {
        profile_say("interrupted by signal %d; what is committed stays, "
                    "nothing else is visible; run it again", number);
        profile_signal_end(number);
    }

    return rc;
}


/*
 * The store's files must not become standard output, where the summary
 * would be written into them.  What is closed gets a descriptor that fails.
 */

static void
profile_main_descriptors(void)
{
    int  fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {

        if (fcntl(fd, F_GETFD) == -1
            && open("/dev/null", (fd == STDIN_FILENO) ? O_WRONLY : O_RDONLY)
               != fd)
        {
            exit(PROFILE_EXIT_STORE);
        }
    }
}


static int
profile_main_run(int argc, char **argv)
{
    int                       given;
    const char               *name;
    profile_options_t         options;
    const profile_command_t  *command;

    memset(&options, 0, sizeof(profile_options_t));

    command = NULL;

    if (profile_main_options(argc, argv, &options, &given, &name) == 0) {
        command = (name != NULL) ? profile_main_find(name)
                                 : profile_main_command(argc, argv, given);
    }

    if (command == NULL) {
        profile_main_usage(stderr);
        return PROFILE_EXIT_CONFIGURATION;
    }

    if (options.config == NULL) {
        options.config = PROFILE_CONFIG_FILE;
    }

    options.arguments = &argv[optind + 1];

    return command->run(&options);
}


/*
 * 0, or -1 after a mistake.  *name is the command that --help or --version
 * stands for, whatever else the line has, or NULL.
 */

static int
profile_main_options(int argc, char **argv, profile_options_t *options,
    int *given, const char **name)
{
    int  option;

    *given = 0;
    *name = NULL;

    /* getopt() would put a path before its messages */

    opterr = 0;

    for ( ;; ) {
        option = getopt_long(argc, argv, "c:h", profile_long_options, NULL);

        switch (option) {

        case -1:
            return 0;

        case 'h':
            *name = "help";
            return 0;

        case 'V':
            *name = "version";
            return 0;

        case '?':
            profile_say("\"%s\" is not an option, or lacks its value",
                        argv[optind - 1]);
            return -1;

        case 'c':
            option = PROFILE_OPTION_CONFIG;
            break;
        }

        if (profile_main_option(option, options, given) != 0) {
            return -1;
        }
    }
}


static int
profile_main_option(int option, profile_options_t *options, int *given)
{
    if (*given & option) {
        profile_say("an option is given twice");
        return -1;
    }

    *given |= option;

    switch (option) {

    case PROFILE_OPTION_CONFIG:
        options->config = optarg;
        break;

    case PROFILE_OPTION_WORKSPACE:
        options->workspace = optarg;
        break;

    case PROFILE_OPTION_ENTITY:
        options->entity = optarg;
        break;

    case PROFILE_OPTION_FULL:
        options->full = 1;
        break;

    case PROFILE_OPTION_ALLOW_SHRINK:
        options->allow_shrink = 1;
        break;

    case PROFILE_OPTION_JSON:
        options->json = 1;
        break;
    }

    return 0;
}


/* The command that the line names, NULL after a mistake. */

static const profile_command_t *
profile_main_command(int argc, char **argv, int given)
{
    int                       n;
    const profile_command_t  *command;

    if (optind == argc) {
        profile_say("a command is missing");
        return NULL;
    }

    command = profile_main_find(argv[optind]);

    if (command == NULL) {
        profile_say("there is no command \"%s\"", argv[optind]);
        return NULL;
    }

    if (given & ~(command->options|PROFILE_OPTION_CONFIG)) {
        profile_say("\"%s\" does not know one of these options",
                    command->name);
        return NULL;
    }

    n = argc - optind - 1;

    if (n != command->arguments) {
        profile_say("\"%s\" takes %d arguments, %d are given", command->name,
                    command->arguments, n);
        return NULL;
    }

    return command;
}


static const profile_command_t *
profile_main_find(const char *name)
{
    const profile_command_t  *command;

    for (command = profile_commands; command->name != NULL; command++) {
        if (strcmp(name, command->name) == 0) {
            return command;
        }
    }

    return NULL;
}


static int
profile_main_help(const profile_options_t *options)
{
    (void) options;

    profile_main_usage(stdout);

    return PROFILE_EXIT_DONE;
}


static int
profile_main_version(const profile_options_t *options)
{
    (void) options;

    (void) printf("profile-loader %s\n", PROFILE_VERSION);

    return PROFILE_EXIT_DONE;
}


static void
profile_main_usage(FILE *out)
{
    (void) fprintf(out,
        "usage: profile-loader [-c FILE] COMMAND\n"
        "\n"
        "  sync [--workspace W] [--entity E] [--full] [--allow-shrink]"
        " [--json]\n"
        "                             apply the configuration, then refresh\n"
        "  apply                      workspaces, keys and entities only\n"
        "  key                        make a key and print it, once\n"
        "  status [--json]            what the store holds\n"
        "  get WORKSPACE ENTITY ID    one record, as the API serves it\n"
        "  check                      verify every record and count\n"
        "  compact                    rewrite into a new generation\n"
        "  seal                       the same, never written again\n"
        "  help                       this text\n"
        "  version                    the release of this program\n"
        "\n"
        "FILE is " PROFILE_CONFIG_FILE " unless it is given.  W, E,\n"
        "WORKSPACE and ENTITY are ids or names.\n"
        "\n"
        "Exit status: 0 done; 1 an entity failed, the others are committed;\n"
        "2 usage or configuration, nothing was touched; 3 the store;\n"
        "75 another profile-loader is running.\n");
}
