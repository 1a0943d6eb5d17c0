
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Starts and ends another program.
 */


#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profile_process.h"


#define PROFILE_PROCESS_GRACE  1000         /* milliseconds */
#define PROFILE_PROCESS_FILES  65536

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC    (1U << 2)
#endif


/* The descriptors that a start takes: ours, and the new process's. */

enum {
    PROFILE_PROCESS_OUT = 0,
    PROFILE_PROCESS_ITS_OUT,
    PROFILE_PROCESS_ERR,
    PROFILE_PROCESS_ITS_ERR,
    PROFILE_PROCESS_REPORT,     /* says why it does not run, if so */
    PROFILE_PROCESS_ITS_REPORT,
    PROFILE_PROCESS_ITS_IN,
    PROFILE_PROCESS_N
};


typedef struct {
    int  err_no;
    int  directory;             /* it could not be entered */
} profile_process_report_t;


static int profile_process_pipes(int *fds);
static pid_t profile_process_fork(const int *fds,
    const profile_process_image_t *image);
static void profile_process_child(const int *fds,
    const profile_process_image_t *image, pid_t parent)
    __attribute__((noreturn));
static void profile_process_signals(void);
static void profile_process_files(void);
static void profile_process_exec(const profile_process_image_t *image);
static void profile_process_report(int fd, int directory)
    __attribute__((noreturn));
static int profile_process_run(int fd, pid_t pid,
    const profile_process_image_t *image, profile_error_t *err);
static void profile_process_grace(pid_t pid);
static void profile_process_close(int *fd);


int
profile_process_start(profile_process_t *process,
    const profile_process_image_t *image, profile_error_t *err)
{
    int    rc, i, fds[PROFILE_PROCESS_N];
    pid_t  pid;

    pid = (profile_process_pipes(fds) == 0)
          ? profile_process_fork(fds, image) : -1;

    rc = (pid != -1) ? PROFILE_OK
         : profile_error(err, PROFILE_FAILED, "cannot run %s: %s",
                         image->arguments[0], strerror(errno));

    profile_process_close(&fds[PROFILE_PROCESS_ITS_OUT]);
    profile_process_close(&fds[PROFILE_PROCESS_ITS_ERR]);
    profile_process_close(&fds[PROFILE_PROCESS_ITS_REPORT]);
    profile_process_close(&fds[PROFILE_PROCESS_ITS_IN]);

    if (rc == PROFILE_OK) {
        rc = profile_process_run(fds[PROFILE_PROCESS_REPORT], pid, image,
                                 err);
    }

    if (rc == PROFILE_OK) {
        process->pid = pid;
        process->out = fds[PROFILE_PROCESS_OUT];
        process->err = fds[PROFILE_PROCESS_ERR];
        fds[PROFILE_PROCESS_OUT] = -1;
        fds[PROFILE_PROCESS_ERR] = -1;
    }

    for (i = 0; i < PROFILE_PROCESS_N; i++) {
        profile_process_close(&fds[i]);
    }

    return rc;
}


/* Sets all of them, also where it fails. */

static int
profile_process_pipes(int *fds)
{
    int  i;

    for (i = 0; i < PROFILE_PROCESS_N; i++) {
        fds[i] = -1;
    }

    if (pipe2(&fds[PROFILE_PROCESS_OUT], O_CLOEXEC) == -1
        || pipe2(&fds[PROFILE_PROCESS_ERR], O_CLOEXEC) == -1
        || pipe2(&fds[PROFILE_PROCESS_REPORT], O_CLOEXEC) == -1
        || fcntl(fds[PROFILE_PROCESS_OUT], F_SETFL, O_NONBLOCK) == -1
        || fcntl(fds[PROFILE_PROCESS_ERR], F_SETFL, O_NONBLOCK) == -1)
    {
        return -1;
    }

    fds[PROFILE_PROCESS_ITS_IN] = open("/dev/null", O_RDONLY|O_CLOEXEC);

    return (fds[PROFILE_PROCESS_ITS_IN] == -1) ? -1 : 0;
}


static pid_t
profile_process_fork(const int *fds, const profile_process_image_t *image)
{
    int       rc;
    pid_t     pid, parent;
    sigset_t  all, old;

    /* no handler of ours must run in the new process */

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    parent = getpid();
    pid = fork();

    if (pid == 0) {
        profile_process_child(fds, image, parent);
    }

    rc = errno;
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = rc;

    return pid;
}


/*
 * From here to execve() only what may be called after fork() in a process
 * with threads: whatever took a lock elsewhere never gives it back here.
 */

static void
profile_process_child(const int *fds, const profile_process_image_t *image,
    pid_t parent)
{
    int  report;

    report = fds[PROFILE_PROCESS_ITS_REPORT];

    /* the parent may be gone before it could be asked for */

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
        profile_process_report(report, 0);
    }

    if (getppid() != parent) {
        _exit(127);
    }

    /*
     * A session, not only a process group: a program that asks a question
     * on the terminal would wait for ever, and has to fail.
     */

    if (setsid() == -1
        || dup2(fds[PROFILE_PROCESS_ITS_IN], STDIN_FILENO) == -1
        || dup2(fds[PROFILE_PROCESS_ITS_OUT], STDOUT_FILENO) == -1
        || dup2(fds[PROFILE_PROCESS_ITS_ERR], STDERR_FILENO) == -1)
    {
        profile_process_report(report, 0);
    }

    if (chdir(image->directory) == -1) {
        profile_process_report(report, 1);
    }

    profile_process_files();
    profile_process_signals();
    profile_process_exec(image);
    profile_process_report(report, 0);
}


/*
 * What is ignored stays so in a new program, unless it is undone.  The kernel
 * is asked itself: sigaction() refuses the two signals that glibc's threads
 * use, and whoever started the loader may have ignored those as well.  Zeros
 * are the default action in the kernel's structure, however it is laid out.
 */

static void
profile_process_signals(void)
{
    int               number;
    sigset_t          none;
    struct sigaction  action;

    memset(&action, 0, sizeof(struct sigaction));

    for (number = 1; number < _NSIG; number++) {
        (void) syscall(SYS_rt_sigaction, number, &action, NULL,
                       (size_t) (_NSIG / 8));
    }

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}


/* LMDB leaves its data file open to programs that are started. */

static void
profile_process_files(void)
{
    int            fd;
    struct rlimit  limit;

    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
        return;
    }

    /* Linux before 5.11 */

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1
        || limit.rlim_cur > PROFILE_PROCESS_FILES)
    {
        limit.rlim_cur = PROFILE_PROCESS_FILES;
    }

    for (fd = 3; fd < (int) limit.rlim_cur; fd++) {
        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}


/* Returns where no path can be run, with the reason that tells most. */

static void
profile_process_exec(const profile_process_image_t *image)
{
    int      denied;
    char   **path;

    denied = 0;

    for (path = image->paths; *path != NULL; path++) {

        (void) execve(*path, image->arguments, image->environment);

        if (errno == EACCES) {
            denied = 1;

        } else if (errno != ENOENT && errno != ENOTDIR) {
            return;
        }
    }

    errno = denied ? EACCES : ENOENT;
}


static void
profile_process_report(int fd, int directory)
{
    ssize_t                    n;
    profile_process_report_t   report;

    report.err_no = errno;
    report.directory = directory;

    /* whoever reads it is there, or this process no longer matters */

    n = write(fd, &report, sizeof(profile_process_report_t));
    (void) n;

    _exit(127);
}


/* A report that has closed without a word: the program runs. */

static int
profile_process_run(int fd, pid_t pid, const profile_process_image_t *image,
    profile_error_t *err)
{
    ssize_t                    n;
    profile_process_report_t   report;

    do {
        n = read(fd, &report, sizeof(profile_process_report_t));
    } while (n == -1 && errno == EINTR);

    if (n != (ssize_t) sizeof(profile_process_report_t)) {
        return PROFILE_OK;
    }

    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) { /* void */ }

    if (report.directory) {
        return profile_error(err, PROFILE_FAILED, "cannot run %s in %s: %s",
                             image->arguments[0], image->directory,
                             strerror(report.err_no));
    }

    return profile_error(err, PROFILE_FAILED, "cannot run %s: %s",
                         image->arguments[0], strerror(report.err_no));
}


int
profile_process_ended(profile_process_t *process, int *status,
    profile_error_t *err)
{
    pid_t  pid;

    pid = waitpid(process->pid, status, WNOHANG);

    if (pid == 0 || (pid == -1 && errno == EINTR)) {
        return PROFILE_NOT_FOUND;
    }

    process->pid = 0;

    if (pid == -1) {
        return profile_error(err, PROFILE_FAILED, "cannot tell how a process "
                             "ended: %s", strerror(errno));
    }

    return PROFILE_OK;
}


void
profile_process_end(profile_process_t *process)
{
    pid_t  pid;

    profile_process_close(&process->out);
    profile_process_close(&process->err);

    pid = process->pid;

    if (pid == 0) {
        return;
    }

    /* who is stopped cannot end */

    (void) kill(-pid, SIGTERM);
    (void) kill(-pid, SIGCONT);

    profile_process_grace(pid);

    /* as it has not been waited for, nobody else can have its number */

    (void) kill(-pid, SIGKILL);

    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) { /* void */ }

    process->pid = 0;
}


/* Waits until it has ended, but not for ever; leaves it to be waited for. */

static void
profile_process_grace(pid_t pid)
{
    int              waited;
    siginfo_t        info;
    struct timespec  pause;

    pause.tv_sec = 0;
    pause.tv_nsec = 10 * 1000 * 1000;

    for (waited = 0; waited < PROFILE_PROCESS_GRACE; waited += 10) {

        info.si_pid = 0;

        if (waitid(P_PID, (id_t) pid, &info, WEXITED|WNOHANG|WNOWAIT) == -1
            || info.si_pid != 0)
        {
            return;
        }

        (void) nanosleep(&pause, NULL);
    }
}


static void
profile_process_close(int *fd)
{
    if (*fd != -1) {
        (void) close(*fd);
        *fd = -1;
    }
}
