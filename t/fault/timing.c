
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Whether the time that a refusal takes tells something about the keys that
 * there are: asks with a key that differs from a valid one in its last byte,
 * and with one that has nothing in common with any, in random order.
 *
 *     timing SOCKET KEY COUNT SEED [BYTES]
 *         COUNT of each; the unknown key is so many bytes longer, to see
 *         that a difference is found.  Prints a line "T COUNT MEAN1 MEAN2":
 *         Welch's t, how many of each were compared, and the means in
 *         nanoseconds.
 *
 * As dudect does it (Reparaz and others, 2017): the classes are mixed by
 * chance, so that whatever else the machine does meets both alike, and what
 * took longer than most of the first requests is left out, whichever class
 * it belongs to: that was the scheduler.  Means of many are compared, so that
 * differences far below the noise show.
 */


#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>


#define TIMING_KEY       1024
#define TIMING_FIRST     20000      /* tell what is usual */
#define TIMING_REQUESTS  100000     /* of a connection */
#define TIMING_BUFFER    4096


typedef struct {
    double    n;
    double    mean;
    double    square;        /* sum of squares of differences: Welford */
} timing_class_t;


static int timing_connect(const char *path);
static uint64_t timing_ask(int fd, const char *key);
static void timing_keys(char *wrong, char *unknown, const char *key);
static uint64_t timing_random(void);
static int timing_compare(const void *one, const void *two);
static void timing_add(timing_class_t *class, double value);
static void timing_die(const char *text);


static uint64_t  timing_state;
static size_t    timing_longer;


int
main(int argc, char **argv)
{
    int              fd, which;
    char             wrong[TIMING_KEY + 1], unknown[TIMING_KEY + 1];
    double           t, error;
    uint64_t         i, took, usual, count, *first;
    timing_class_t   class[2];

    timing_longer = (argc == 6) ? strtoul(argv[5], NULL, 10) : 0;

    if (argc < 5 || strlen(argv[2]) + timing_longer > TIMING_KEY) {
        timing_die("see its source");
    }

    count = strtoull(argv[3], NULL, 10);
    timing_state = strtoull(argv[4], NULL, 10) * 2 + 1;

    fd = timing_connect(argv[1]);
    memset(class, 0, sizeof(class));
    first = calloc(TIMING_FIRST, sizeof(uint64_t));

    if (first == NULL) {
        timing_die("no memory");
    }

    for (i = 0; i < TIMING_FIRST; i++) {
        timing_keys(wrong, unknown, argv[2]);
        first[i] = timing_ask(fd, (timing_random() & 1) ? wrong : unknown);
    }

    qsort(first, TIMING_FIRST, sizeof(uint64_t), timing_compare);
    usual = first[TIMING_FIRST * 9 / 10];

    /* what is left out does not count; twice as many would be enough */

    for (i = 0; i < 4 * count; i++) {

        if (class[0].n >= (double) count && class[1].n >= (double) count) {
            break;
        }

        which = (int) (timing_random() & 1);

        if (i % TIMING_REQUESTS == 0) {
            (void) close(fd);
            fd = timing_connect(argv[1]);
            (void) timing_ask(fd, argv[2] + 1);
        }

        timing_keys(wrong, unknown, argv[2]);
        took = timing_ask(fd, (which == 0) ? wrong : unknown);

        if (took <= usual) {
            timing_add(&class[which], (double) took);
        }
    }

    free(first);
    (void) close(fd);

    error = class[0].square / (class[0].n - 1) / class[0].n
            + class[1].square / (class[1].n - 1) / class[1].n;
    t = (class[0].mean - class[1].mean) / sqrt(error);

    (void) printf("%.3f %.0f %.1f %.1f\n", t,
                  (class[0].n < class[1].n) ? class[0].n : class[1].n,
                  class[0].mean, class[1].mean);

    return 0;
}


static int
timing_connect(const char *path)
{
    int                 fd;
    struct sockaddr_un  address;

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);

    memset(&address, 0, sizeof(struct sockaddr_un));
    address.sun_family = AF_UNIX;
    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);

    if (fd == -1
        || connect(fd, (struct sockaddr *) &address,
                   sizeof(struct sockaddr_un)) == -1)
    {
        timing_die("cannot connect");
    }

    return fd;
}


/*
 * Both are made each time, and there are as many of the one as of the other:
 * one that is asked for again finds its way in the processor's caches.
 */

static void
timing_keys(char *wrong, char *unknown, const char *key)
{
    char    last;
    size_t  i, len;

    static char  other[TIMING_KEY];

    len = strlen(key);

    if (other[0] == '\0') {
        for (i = 0; i < len + timing_longer; i++) {
            other[i] = (char) ('!' + timing_random() % ('~' - '!'));
        }
    }

    do {
        last = (char) ('!' + timing_random() % ('~' - '!'));
    } while (last == key[len - 1]);

    memcpy(wrong, key, len);
    wrong[len - 1] = last;
    wrong[len] = '\0';

    memcpy(unknown, other, len + timing_longer);
    unknown[len + timing_longer - 1] = last;
    unknown[len + timing_longer] = '\0';
}


static uint64_t
timing_ask(int fd, const char *key)
{
    int              n;
    char             request[2048], reply[TIMING_BUFFER + 1];
    ssize_t          got;
    size_t           len;
    struct timespec  before, after;

    n = snprintf(request, sizeof(request),
                 "GET /api/entities/1/record?record_id=1 HTTP/1.1\r\n"
                 "Host: localhost\r\nAuthorization: Bearer %s\r\n\r\n", key);

    (void) clock_gettime(CLOCK_MONOTONIC, &before);

    if (send(fd, request, (size_t) n, MSG_NOSIGNAL) != n) {
        timing_die("the server has gone");
    }

    len = 0;

    do {
        got = recv(fd, reply + len, TIMING_BUFFER - len, 0);

        if (got <= 0) {
            timing_die("the server has gone");
        }

        len += (size_t) got;
        reply[len] = '\0';

    } while (reply[len - 1] != '}' && len < TIMING_BUFFER);

    (void) clock_gettime(CLOCK_MONOTONIC, &after);

    if (strncmp(reply, "HTTP/1.1 401 ", 13) != 0
        || strstr(reply, "\"code\":\"invalid_key\"") == NULL)
    {
        timing_die("not the reply for a key that is not valid");
    }

    return (uint64_t) (after.tv_sec - before.tv_sec) * 1000000000
           + (uint64_t) after.tv_nsec - (uint64_t) before.tv_nsec;
}


/* xorshift64* */

static uint64_t
timing_random(void)
{
    timing_state ^= timing_state >> 12;
    timing_state ^= timing_state << 25;
    timing_state ^= timing_state >> 27;

    return (timing_state * UINT64_C(0x2545f4914f6cdd1d)) >> 33;
}


static int
timing_compare(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}


static void
timing_add(timing_class_t *class, double value)
{
    double  difference;

    class->n++;
    difference = value - class->mean;
    class->mean += difference / class->n;
    class->square += difference * (value - class->mean);
}


static void
timing_die(const char *text)
{
    (void) fprintf(stderr, "timing: %s\n", text);
    exit(2);
}
