
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Loads a server with requests for records that prove themselves (record.h)
 * and checks the content of every reply.
 *
 *     load [-c CONNECTIONS] [-k REQUESTS] [-n CHECKED] [-t SECONDS]
 *          SOCKET KEY:WORKSPACE:ENTITY:COUNT...
 *
 *         SOCKET is a UNIX socket; a worker names itself in the header
 *         X-Worker.  A connection lives for -k requests (100) on average, 1:
 *         no keep-alive.  It ends when -n replies were right, after -t
 *         seconds, at the end of its standard input, or at a SIGTERM or
 *         SIGINT, and then waits for the replies that are due.
 *
 * Nearly all requests are for one of the ids from 0 to COUNT - 1; some bring
 * the last ETag along, some ask for an id that is not there or use a key that
 * nobody has.  What standard input may say of the target N, counted from 0:
 *
 *     min N VERSION    a request from now on sees this version or a later one
 *     max N VERSION    no reply until now was of a later one
 *     closing N        from now on its key may be refused
 *     closed N         and from now on, it has to be
 *     open N           it is valid again, and so was it at this moment
 *     report           prints the counts of load.h
 *
 * The counts are a line of JSON, printed at the end, too.  The latencies are
 * in microseconds.
 *
 * A server may close an idle connection just as a request comes, as workers
 * that leave do; a client then sends it again (RFC 9112, 9.3.1).  So it does
 * here, and counts it.  Where a connection is new, or a byte of the reply has
 * come, a connection that ends is a failure.
 */


#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load.h"


#define LOAD_CONNECTIONS  256
#define LOAD_PATIENCE     60         /* seconds */
#define LOAD_PAUSE        1000       /* microseconds before a new attempt */
#define LOAD_LOST         64         /* workers that are named */
#define LOAD_BUCKETS      (32 * 16)
#define LOAD_KEY          "nobodys-key"


typedef struct {
    int               fd;            /* -1: none */
    int               waiting;       /* for a reply */
    int               again;         /* the same question */
    unsigned          used;          /* replies it has given */
    unsigned          left;
    long              pid;           /* 0: not known */
    size_t            len;
    uint64_t          since;
    uint64_t          next;          /* not before */
    uint32_t          last_target;   /* of the ETag below */
    uint32_t          last_id;
    char              last_etag[LOAD_ETAG + 1];
    load_question_t   question;
    u_char            buf[LOAD_BUFFER];
} load_connection_t;


static int load_options(int argc, char **argv);
static void load_run(void);
static void load_turn(void);
static void load_open(load_connection_t *c);
static void load_ask(load_connection_t *c);
static void load_choose(load_connection_t *c);
static void load_read(load_connection_t *c);
static void load_done(load_connection_t *c, const load_reply_t *reply);
static void load_ended(load_connection_t *c);
static void load_close(load_connection_t *c);
static void load_look(uint64_t now);
static void load_commands(void);
static void load_command(const char *line);
static void load_report(void);
static void load_time(uint64_t us);
static uint64_t load_percentile(unsigned permille);
static uint64_t load_now(void);
static uint32_t load_random(uint32_t n);
static void load_signal(int signo);


static const char         *load_socket;
static unsigned            load_nconnections = 8;
static unsigned            load_keepalive = 100;
static unsigned            load_ntargets;
static uint64_t            load_limit;
static uint64_t            load_seconds;

static int                 load_epoll;
static int                 load_stopping;
static uint64_t            load_begun;
static uint64_t            load_max;
static uint64_t            load_times[LOAD_BUCKETS];
static long                load_lost[LOAD_LOST];
static unsigned            load_nlost;
static load_connection_t   load_connections[LOAD_CONNECTIONS];
static char                load_input[1024];
static size_t              load_input_len;

static volatile sig_atomic_t  load_signaled;


int
main(int argc, char **argv)
{
    if (load_options(argc, argv) != 0) {
        (void) fprintf(stderr, "load: see its source\n");
        return 2;
    }

    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGTERM, load_signal);
    (void) signal(SIGINT, load_signal);

    srandom((unsigned) getpid());

    load_run();
    load_report();

    return 0;
}


static int
load_options(int argc, char **argv)
{
    int             opt;
    load_target_t  *target;

    while ((opt = getopt(argc, argv, "c:k:n:t:")) != -1) {

        switch (opt) {

        case 'c':
            load_nconnections = (unsigned) atoi(optarg);
            break;

        case 'k':
            load_keepalive = (unsigned) atoi(optarg);
            break;

        case 'n':
            load_limit = strtoull(optarg, NULL, 10);
            break;

        case 't':
            load_seconds = strtoull(optarg, NULL, 10);
            break;

        default:
            return -1;
        }
    }

    if (optind >= argc - 1
        || argc - optind - 1 > LOAD_TARGETS
        || load_nconnections == 0
        || load_nconnections > LOAD_CONNECTIONS
        || load_keepalive == 0)
    {
        return -1;
    }

    load_socket = argv[optind++];

    while (optind < argc) {
        target = &load_targets[load_ntargets++];
        target->max = UINT32_MAX;

        if (sscanf(argv[optind++], "%127[^:]:%" SCNu32 ":%" SCNu32 ":%"
                   SCNu32, target->key, &target->workspace, &target->entity,
                   &target->count)
            != 4 || target->count == 0)
        {
            return -1;
        }
    }

    return 0;
}


static void
load_run(void)
{
    unsigned            i, waiting;
    struct epoll_event  event;

    load_epoll = epoll_create1(EPOLL_CLOEXEC);
    load_begun = load_now();

    memset(&event, 0, sizeof(struct epoll_event));
    event.events = EPOLLIN;
    event.data.ptr = NULL;

    /* a file, /dev/null among them, cannot be waited for: no commands then */

    (void) fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    (void) epoll_ctl(load_epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);

    for (i = 0; i < load_nconnections; i++) {
        load_connections[i].fd = -1;
    }

    do {
        load_turn();

        load_stopping |= load_signaled
                         || (load_limit != 0
                             && load_counts.checked >= load_limit)
                         || (load_seconds != 0
                             && load_now() - load_begun
                                >= load_seconds * 1000000);

        waiting = 0;

        for (i = 0; i < load_nconnections; i++) {
            waiting += load_connections[i].waiting
                       || load_connections[i].again;
        }

    } while (!load_stopping || waiting != 0);
}


static void
load_turn(void)
{
    int                 i, n;
    struct epoll_event  events[64];

    static uint64_t  looked;

    if (load_now() - looked >= LOAD_PAUSE) {
        looked = load_now();
        load_look(looked);
    }

    n = epoll_wait(load_epoll, events, 64, 1);

    for (i = 0; i < n; i++) {

        if (events[i].data.ptr == NULL) {
            load_commands();

        } else {
            load_read(events[i].data.ptr);
        }
    }
}


/* Opens what is not open, and gives up what has no reply. */

static void
load_look(uint64_t now)
{
    unsigned            i;
    load_connection_t  *c;

    for (i = 0; i < load_nconnections; i++) {
        c = &load_connections[i];

        if (c->fd == -1 && now >= c->next && (!load_stopping || c->again)) {
            load_open(c);

        } else if (c->waiting
                   && now - c->since > LOAD_PATIENCE * UINT64_C(1000000))
        {
            load_wrong(&load_counts.stalled, "no reply in %d seconds",
                       LOAD_PATIENCE);
            load_close(c);
        }
    }
}


static void
load_open(load_connection_t *c)
{
    struct sockaddr_un  address;
    struct epoll_event  event;

    c->next = load_now() + LOAD_PAUSE;

    c->fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (c->fd == -1) {
        return;
    }

    memset(&address, 0, sizeof(struct sockaddr_un));
    address.sun_family = AF_UNIX;
    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s",
                    load_socket);

    if (connect(c->fd, (struct sockaddr *) &address,
                sizeof(struct sockaddr_un))
        == -1)
    {
        if (errno == EAGAIN) {
            load_counts.busy++;

        } else {
            load_wrong(&load_counts.refused, "connect: %s", strerror(errno));
            c->again &= !load_stopping;
        }

        (void) close(c->fd);
        c->fd = -1;

        return;
    }

    event.events = EPOLLIN;
    event.data.ptr = c;

    (void) epoll_ctl(load_epoll, EPOLL_CTL_ADD, c->fd, &event);

    load_counts.connections++;
    c->pid = 0;
    c->used = 0;
    c->left = (load_keepalive == 1)
              ? 1 : 1 + load_random(2 * load_keepalive - 1);

    load_ask(c);
}


static void
load_ask(load_connection_t *c)
{
    int               n;
    char              request[1024], etag[LOAD_ETAG + 32];
    load_target_t    *target;
    load_question_t  *question;

    question = &c->question;

    if (!c->again) {
        load_choose(c);
    }

    c->again = 0;
    target = &load_targets[question->target];

    question->min = target->min;
    question->state = target->state;
    question->floor = (c->pid == 0)
                      ? 0 : load_worker(c->pid)->seen[question->target];

    etag[0] = '\0';

    if (question->kind == LOAD_AGAIN) {
        (void) snprintf(etag, sizeof(etag), "If-None-Match: %s\r\n",
                        question->etag);
    }

    n = snprintf(request, sizeof(request),
                 "GET /api/entities/%" PRIu32 "/record?record_id=%s%" PRIu32
                 " HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer %s\r\n%s%s\r\n", target->entity,
                 (question->kind == LOAD_MISSING) ? "no-" : "",
                 question->id,
                 (question->kind == LOAD_DENIED) ? LOAD_KEY : target->key,
                 etag, (c->left == 1) ? "Connection: close\r\n" : "");

    c->waiting = 1;
    c->len = 0;
    c->since = load_now();

    if (send(c->fd, request, (size_t) n, MSG_NOSIGNAL) != n) {

        /* the end of the connection tells the rest */

        return;
    }
}


static void
load_choose(load_connection_t *c)
{
    uint32_t          n;
    load_question_t  *question;

    question = &c->question;

    question->target = load_random(load_ntargets);
    question->id = load_random(load_targets[question->target].count);

    n = load_random(64);

    question->kind = (n == 0) ? LOAD_MISSING
                     : (n == 1) ? LOAD_DENIED
                     : (n < 6 && c->last_etag[0] != '\0') ? LOAD_AGAIN
                     : LOAD_RECORD;

    if (question->kind == LOAD_AGAIN) {
        question->target = c->last_target;
        question->id = c->last_id;
        memcpy(question->etag, c->last_etag, sizeof(question->etag));
    }
}


static void
load_read(load_connection_t *c)
{
    int            rc;
    size_t         size;
    ssize_t        n;
    load_reply_t   reply;

    if (c->fd == -1) {
        return;
    }

    n = recv(c->fd, c->buf + c->len, LOAD_BUFFER - 1 - c->len, 0);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        load_ended(c);
        return;
    }

    c->len += (size_t) n;
    c->buf[c->len] = '\0';

    if (!c->waiting) {
        load_wrong(&load_counts.wrong, "bytes that nobody asked for: %.200s",
                   c->buf);
        load_close(c);
        return;
    }

    rc = load_reply(c->buf, c->len, &reply, &size);

    if (rc == 0) {
        return;
    }

    if (rc == -1 || c->len != size) {
        load_wrong(&load_counts.wrong, "not one whole reply: %.300s",
                   c->buf);
        load_close(c);
        return;
    }

    load_done(c, &reply);
}


static void
load_done(load_connection_t *c, const load_reply_t *reply)
{
    load_worker_t    *worker;
    load_question_t  *question;

    load_time(load_now() - c->since);

    question = &c->question;
    worker = NULL;

    if (reply->worker != 0) {

        if (c->pid != 0 && c->pid != reply->worker) {
            load_wrong(&load_counts.wrong, "worker %ld answers for %ld",
                       reply->worker, c->pid);
        }

        c->pid = reply->worker;
        worker = load_worker(c->pid);
    }

    load_judge(question, reply, worker);

    if (reply->status == 200) {
        c->last_target = question->target;
        c->last_id = question->id;
        memcpy(c->last_etag, reply->etag, sizeof(c->last_etag));
    }

    c->waiting = 0;
    c->used++;
    c->left--;

    if (c->left == 0 || reply->close || load_stopping) {
        load_close(c);
        c->next = 0;
        load_look(load_now());
        return;
    }

    load_ask(c);
}


/* The server has ended a connection. */

static void
load_ended(load_connection_t *c)
{
    unsigned  i;

    if (c->waiting && c->len == 0 && c->used != 0 && load_keepalive != 1) {
        load_counts.retried++;
        c->again = 1;

    } else if (c->waiting) {
        load_wrong(c->len == 0 ? &load_counts.lost : &load_counts.cut,
                   "worker %ld ended a connection after %u replies and %u "
                   "bytes", c->pid, c->used, (unsigned) c->len);
    }

    if (c->waiting) {
        for (i = 0; i < load_nlost && load_lost[i] != c->pid; i++) {
            /* void */
        }

        if (i == load_nlost && i < LOAD_LOST) {
            load_lost[load_nlost++] = c->pid;
        }
    }

    load_close(c);
}


static void
load_close(load_connection_t *c)
{
    if (c->fd != -1) {
        (void) close(c->fd);
    }

    c->fd = -1;
    c->waiting = 0;
    c->len = 0;
    c->next = 0;
}


static void
load_commands(void)
{
    char     *line, *end;
    size_t    rest;
    ssize_t   n;

    n = read(STDIN_FILENO, load_input + load_input_len,
             sizeof(load_input) - 1 - load_input_len);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        load_stopping = 1;
        (void) epoll_ctl(load_epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }

    load_input_len += (size_t) n;
    load_input[load_input_len] = '\0';
    line = load_input;

    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        load_command(line);
        line = end + 1;
    }

    rest = load_input_len - (size_t) (line - load_input);
    memmove(load_input, line, rest);
    load_input_len = rest;
}


static void
load_command(const char *line)
{
    char            word[16];
    uint32_t        n, version;
    load_target_t  *target;

    if (strcmp(line, "report") == 0) {
        load_report();
        return;
    }

    version = 0;

    if (sscanf(line, "%15s %" SCNu32 " %" SCNu32, word, &n, &version) < 2
        || n >= load_ntargets)
    {
        (void) fprintf(stderr, "load: what is \"%s\"?\n", line);
        exit(2);
    }

    target = &load_targets[n];

    if (strcmp(word, "min") == 0) {
        target->min = version;

    } else if (strcmp(word, "max") == 0) {
        target->max = version;

    } else {
        target->state = (strcmp(word, "closing") == 0) ? LOAD_CLOSING
                        : (strcmp(word, "closed") == 0) ? LOAD_CLOSED
                        : LOAD_OPEN;
    }
}


static void
load_report(void)
{
    unsigned  i;

    (void) printf("{");

#define load_print(name)                                                      \
    (void) printf("\"" #name "\":%llu,",                                      \
                  (unsigned long long) load_counts.name)

    load_print(replies);
    load_print(checked);
    load_print(records);
    load_print(unchanged);
    load_print(missing);
    load_print(denied);
    load_print(connections);
    load_print(retried);
    load_print(lost);
    load_print(cut);
    load_print(refused);
    load_print(busy);
    load_print(stalled);
    load_print(failed);
    load_print(rejected);
    load_print(unexpected);
    load_print(wrong);
    load_print(flipped);
    load_print(foreign);
    load_print(misplaced);
    load_print(backwards);
    load_print(late);
    load_print(early);

    (void) printf("\"ended_by\":[");

    for (i = 0; i < load_nlost; i++) {
        (void) printf("%s%ld", (i == 0) ? "" : ",", load_lost[i]);
    }

    (void) printf("],\"workers\":%u,\"p50\":%llu,\"p99\":%llu,\"max\":%llu,"
                  "\"seconds\":%.1f,\"first\":\"%s%s%s\"}\n", load_nworkers,
                  (unsigned long long) load_percentile(500),
                  (unsigned long long) load_percentile(990),
                  (unsigned long long) load_max,
                  (double) (load_now() - load_begun) / 1e6, load_worst,
                  (load_worst[0] != '\0' && load_first[0] != '\0')
                  ? "; " : "", load_first);

    (void) fflush(stdout);
}


/* Buckets of a sixteenth of each power of two. */

static void
load_time(uint64_t us)
{
    int  bits;

    if (us > load_max) {
        load_max = us;
    }

    us += 16;
    bits = 63 - __builtin_clzll(us);

    if (bits > 31) {
        bits = 31;
        us = UINT32_MAX;
    }

    load_times[bits * 16 + (int) ((us >> (bits - 4)) & 15)]++;
}


static uint64_t
load_percentile(unsigned permille)
{
    int       i;
    uint64_t  sum, total;

    total = 0;

    for (i = 0; i < LOAD_BUCKETS; i++) {
        total += load_times[i];
    }

    sum = 0;

    for (i = 0; i < LOAD_BUCKETS; i++) {
        sum += load_times[i];

        if (load_times[i] != 0 && sum * 1000 >= total * permille) {
            return ((UINT64_C(16) + (unsigned) i % 16) << (i / 16) >> 4) - 16;
        }
    }

    return 0;
}


static uint64_t
load_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


static uint32_t
load_random(uint32_t n)
{
    return (uint32_t) ((unsigned long) random() % n);
}


static void
load_signal(int signo)
{
    (void) signo;

    load_signaled = 1;
}
