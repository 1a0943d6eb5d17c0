
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Power cuts.  Goes through the log of what loaders did to a store
 * (t/lib/fail_io.c) and makes the folder as a power cut may leave it at any
 * moment:
 *
 *   - what was synced is there, of what was not, any part may be: each
 *     sector of a write for itself, each change of a file's size, each entry
 *     of a folder;
 *   - a sector of 512 bytes is written whole or not at all.
 *
 * Then a reader opens the store, as a worker would.  It must find the last
 * state that was promised, or one that came after it, and all of it.  What
 * was promised: a transaction, when LMDB's last write of it returned; all
 * that a process did, when the next one begins.
 *
 *     power LOG ROOT FOLDER CUTS SEED
 *         ROOT: the folder in the log, which has the store in store/;
 *         FOLDER: where to make it again; CUTS: how many to try after each
 *         entry of the log.  Prints "CUTS STATES OLD NEW": OLD of them showed
 *         the last state that was promised, NEW a later one.  Status 1, and a
 *         sentence each, where any did not.
 *
 *     power LOG ROOT FOLDER CUTS SEED NUMBER
 *         leaves FOLDER as after that cut, for a loader to go on with.
 */


#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/fail_io.h"
#include "record.h"


#define POWER_NAMES     256
#define POWER_FILES     1024
#define POWER_PENDING   4096
#define POWER_PATH      256
#define POWER_TEXT      1024
#define POWER_SECTOR    512
#define POWER_DEPTH     4        /* root, store, generation, file */
#define POWER_FAILURES  10


typedef enum {
    POWER_NOTHING,      /* of what was not synced */
    POWER_ALL,
    POWER_SOME
} power_part_e;


/* A file's bytes; those from len to size are zero. */

typedef struct {
    u_char    *data;
    uint64_t   len;
    uint64_t   size;
    uint64_t   max;
} power_bytes_t;


typedef struct {
    int   file;                   /* -1: the name is not there */
    char  path[POWER_PATH];
} power_name_t;


typedef struct {
    int           n;
    power_name_t  list[POWER_NAMES];
} power_names_t;


typedef struct {
    fault_op_e     op;
    int            file;
    uint64_t       offset;
    uint64_t       len;
    const u_char  *data;
    char           path[POWER_PATH];     /* below the root */
    char           target[POWER_PATH];
} power_entry_t;


/* What was found by the processes that go through the log. */

typedef struct {
    long  next;                   /* the cut to go on with */
    long  old;
    long  new;
    long  states;
    long  failures;
} power_result_t;


static int power_run(int cuts, unsigned seed, long only);
static void power_entry(const u_char **p, power_entry_t *entry);
static void power_apply(power_entry_t *entry);
static void power_sync(const char *path);
static void power_state(int promised);
static void power_cut(unsigned seed);
static void power_check(const power_entry_t *entry, power_part_e part);
static void power_make(power_part_e part);
static void power_write_entry(power_bytes_t *bytes,
    const power_entry_t *entry, power_part_e part);
static void power_write(power_bytes_t *bytes, uint64_t offset,
    const u_char *data, uint64_t len);
static void power_truncate(power_bytes_t *bytes, uint64_t size);
static void power_name_entry(power_names_t *names,
    const power_entry_t *entry);
static int power_find(const power_names_t *names, const char *path);
static void power_set(power_names_t *names, const char *path, int file);
static void power_parent(const char *path, char *parent);
static void power_save(const power_names_t *names);
static void power_save_one(const power_name_t *name);
static int power_depth(const char *path);
static int power_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw);
static void power_read(char *text);
static void power_need(int pass, const char *what);


static const u_char     *power_log;
static const u_char     *power_end;
static const char       *power_root;
static const char       *power_folder;
static power_result_t   *power_result;

/* Names and bytes: as programs see them, on the disk, after a cut. */

static power_names_t     power_now;
static power_names_t     power_disk;
static power_names_t     power_after;
static power_bytes_t     power_files[POWER_FILES];    /* on the disk */
static power_bytes_t     power_cuts[POWER_FILES];
static int               power_folders[POWER_FILES];  /* not 0: a folder */
static int               power_nfiles;

/* What was not synced yet, in its order. */

static power_entry_t     power_pending[POWER_PENDING];
static int               power_npending;

/* What readers saw, and the first of these that may still be seen. */

static char            (*power_states)[POWER_TEXT];
static int               power_nstates;
static int               power_promised;
static long              power_number;


int
main(int argc, char **argv)
{
    int          fd, status;
    long         only;
    pid_t        pid;
    struct stat  st;

    if (argc != 6 && argc != 7) {
        (void) fprintf(stderr, "power: see its source\n");
        return 2;
    }

    fd = open(argv[1], O_RDONLY|O_CLOEXEC);
    power_need(fd != -1 && fstat(fd, &st) == 0 && st.st_size > 0, argv[1]);

    power_log = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd,
                     0);
    power_need(power_log != MAP_FAILED, "mmap()");

    power_end = power_log + st.st_size;
    power_root = argv[2];
    power_folder = argv[3];
    only = (argc == 7) ? atol(argv[6]) : -1;

    power_result = mmap(NULL, sizeof(power_result_t), PROT_READ|PROT_WRITE,
                        MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    power_need(power_result != MAP_FAILED, "mmap()");

    /* a broken store may be the end of its reader: then another goes on */

    do {
        (void) fflush(stdout);
        pid = fork();
        power_need(pid != -1, "fork()");

        if (pid == 0) {
            _exit(power_run(atoi(argv[4]), (unsigned) atol(argv[5]), only));
        }

        power_need(waitpid(pid, &status, 0) == pid, "waitpid()");

        if (WIFSIGNALED(status)) {
            (void) printf("cut %ld: the reader died of signal %d\n",
                          power_result->next - 1, WTERMSIG(status));
            power_result->failures++;
        }

    } while (WIFSIGNALED(status)
             && power_result->failures < POWER_FAILURES);

    if (only == -1) {
        (void) printf("%ld %ld %ld %ld\n", power_result->next,
                      power_result->states, power_result->old,
                      power_result->new);
    }

    return (power_result->failures != 0 || status != 0) ? 1 : 0;
}


static int
power_run(int cuts, unsigned seed, long only)
{
    int             i;
    const u_char   *p;
    power_entry_t   entry;

    power_set(&power_now, "", 0);
    power_set(&power_disk, "", 0);
    power_folders[0] = 1;
    power_nfiles = 1;
    power_state(1);

    for (p = power_log; p < power_end; /* void */) {

        power_entry(&p, &entry);

        if (entry.op == FAULT_OP_START) {
            power_state(1);

        } else {
            power_apply(&entry);

            if (entry.op == FAULT_OP_WRITE_SYNC) {
                power_state(1);

            } else if (entry.op == FAULT_OP_RENAME
                       || (entry.op == FAULT_OP_WRITE
                           && entry.offset < 8192))
            {
                power_state(0);
            }
        }

        for (i = 0; i < cuts; i++, power_number++) {

            if (only == -1 && power_number < power_result->next) {
                continue;
            }

            power_result->next = power_number + 1;

            if (only == -1 || only == power_number) {
                power_cut(seed + (unsigned) power_number);

                if (only == power_number) {
                    return 0;
                }

                power_check(&entry, POWER_SOME);
            }

            if (power_result->failures >= POWER_FAILURES) {
                return 1;
            }
        }
    }

    /* the last process has ended, too */

    power_state(1);
    power_make(POWER_NOTHING);
    power_check(&entry, POWER_NOTHING);

    power_result->states = power_nstates;

    return 0;
}


static void
power_entry(const u_char **p, power_entry_t *entry)
{
    size_t         len;
    fault_entry_t  head;

    memcpy(&head, *p, sizeof(head));
    *p += sizeof(head);

    memset(entry, 0, sizeof(power_entry_t));
    entry->op = head.op;
    entry->offset = head.offset;
    entry->len = head.len;
    entry->data = *p + head.path;

    len = strlen(power_root);

    if (head.op != FAULT_OP_START) {
        power_need(head.path >= len && memcmp(*p, power_root, len) == 0,
                   "a path outside of the root");
        (void) snprintf(entry->path, POWER_PATH, "%.*s",
                        (int) (head.path - len), *p + len);
    }

    if (head.op == FAULT_OP_RENAME) {
        (void) snprintf(entry->target, POWER_PATH, "%.*s",
                        (int) (head.len - len), entry->data + len);
    }

    *p = entry->data + head.len;
}


/* What an entry does for the programs, and what of it is on the disk. */

static void
power_apply(power_entry_t *entry)
{
    switch (entry->op) {

    case FAULT_OP_SYNC:
        power_sync(entry->path);
        return;

    case FAULT_OP_CREATE:
    case FAULT_OP_MKDIR:
        power_need(power_nfiles < POWER_FILES, "too many files");
        entry->file = power_nfiles++;
        power_folders[entry->file] = (entry->op == FAULT_OP_MKDIR);
        power_name_entry(&power_now, entry);
        break;

    case FAULT_OP_RENAME:
    case FAULT_OP_UNLINK:
        entry->file = power_find(&power_now, entry->path);
        power_name_entry(&power_now, entry);
        break;

    default:
        entry->file = power_find(&power_now, entry->path);

        /* one without a name, such as a sort's: nobody finds it again */

        if (entry->file == -1) {
            return;
        }

        if (entry->op == FAULT_OP_WRITE_SYNC) {
            power_write(&power_files[entry->file], entry->offset,
                        entry->data, entry->len);
            return;
        }
    }

    power_need(power_npending < POWER_PENDING, "too much that is not synced");
    power_pending[power_npending++] = *entry;
}


static void
power_sync(const char *path)
{
    int             i, n, file;
    char            parent[POWER_PATH];
    power_entry_t  *entry;

    file = power_find(&power_now, path);
    n = 0;

    for (i = 0; i < power_npending; i++) {
        entry = &power_pending[i];

        if (entry->op != FAULT_OP_WRITE && entry->op != FAULT_OP_TRUNCATE) {
            power_parent(entry->path, parent);

            if (strcmp(parent, path) == 0) {
                power_name_entry(&power_disk, entry);
                continue;
            }

        } else if (entry->file == file && file != -1) {
            power_write_entry(&power_files[file], entry, POWER_ALL);
            continue;
        }

        power_pending[n++] = *entry;
    }

    power_npending = n;
}


/* Notes what readers see now; promised: nothing older may be seen again. */

static void
power_state(int promised)
{
    char  text[POWER_TEXT];

    power_make(POWER_ALL);
    power_read(text);

    if (power_nstates == 0
        || strcmp(text, power_states[power_nstates - 1]) != 0)
    {
        power_states = realloc(power_states,
                               (size_t) (power_nstates + 1) * POWER_TEXT);
        power_need(power_states != NULL, "realloc()");

        memcpy(power_states[power_nstates++], text, POWER_TEXT);
    }

    if (promised) {
        power_promised = power_nstates - 1;
    }
}


static void
power_cut(unsigned seed)
{
    srand(seed);

    switch (rand() % 10) {

    case 0:
        power_make(POWER_NOTHING);
        break;

    case 1:
        power_make(POWER_ALL);
        break;

    default:
        power_make(POWER_SOME);
    }
}


static void
power_check(const power_entry_t *entry, power_part_e part)
{
    int   i;
    char  text[POWER_TEXT];

    power_read(text);

    for (i = power_promised; i < power_nstates; i++) {

        if (strcmp(text, power_states[i]) == 0) {
            if (i == power_promised) {
                power_result->old++;

            } else {
                power_result->new++;
            }

            return;
        }
    }

    (void) printf("cut %ld, after call %d on \"%s\"%s: \"%s\", not \"%s\"\n",
                  power_number, (int) entry->op, entry->path,
                  (part == POWER_NOTHING) ? ", at the end" : "", text,
                  power_states[power_promised]);
    (void) fflush(stdout);

    power_result->failures++;
}


/* Makes the folder, with some of what was not synced. */

static void
power_make(power_part_e part)
{
    int             i;
    power_bytes_t  *from, *to;
    power_entry_t  *entry;

    power_after = power_disk;

    for (i = 0; i < power_nfiles; i++) {
        from = &power_files[i];
        to = &power_cuts[i];

        power_truncate(to, 0);
        power_write(to, 0, from->data, from->len);
        power_truncate(to, from->size);
    }

    for (i = 0; i < power_npending && part != POWER_NOTHING; i++) {
        entry = &power_pending[i];

        if (entry->op == FAULT_OP_WRITE || entry->op == FAULT_OP_TRUNCATE) {
            power_write_entry(&power_cuts[entry->file], entry, part);

        } else if (part == POWER_ALL || rand() % 2 == 0) {
            power_name_entry(&power_after, entry);
        }
    }

    power_save(&power_after);
}


static void
power_write_entry(power_bytes_t *bytes, const power_entry_t *entry,
    power_part_e part)
{
    int       how;
    uint64_t  pos, len;

    how = (part == POWER_ALL) ? 0 : rand() % 3;

    if (how == 1) {
        return;
    }

    if (entry->op == FAULT_OP_TRUNCATE) {
        power_truncate(bytes, entry->offset);
        return;
    }

    if (how == 0) {
        power_write(bytes, entry->offset, entry->data, entry->len);
        return;
    }

    for (pos = 0; pos < entry->len; pos += len) {
        len = POWER_SECTOR - (entry->offset + pos) % POWER_SECTOR;

        if (len > entry->len - pos) {
            len = entry->len - pos;
        }

        if (rand() % 2 == 0) {
            power_write(bytes, entry->offset + pos, entry->data + pos, len);
        }
    }
}


static void
power_write(power_bytes_t *bytes, uint64_t offset, const u_char *data,
    uint64_t len)
{
    uint64_t  end;

    if (len == 0) {
        return;
    }

    end = offset + len;

    if (end > bytes->max) {
        bytes->max = 2 * end;
        bytes->data = realloc(bytes->data, bytes->max);
        power_need(bytes->data != NULL, "realloc()");
    }

    if (offset > bytes->len) {
        memset(bytes->data + bytes->len, 0, offset - bytes->len);
    }

    memcpy(bytes->data + offset, data, len);

    bytes->len = (end > bytes->len) ? end : bytes->len;
    bytes->size = (end > bytes->size) ? end : bytes->size;
}


static void
power_truncate(power_bytes_t *bytes, uint64_t size)
{
    bytes->size = size;
    bytes->len = (bytes->len < size) ? bytes->len : size;
}


static void
power_name_entry(power_names_t *names, const power_entry_t *entry)
{
    if (entry->op == FAULT_OP_UNLINK) {
        power_set(names, entry->path, -1);

    } else if (entry->op == FAULT_OP_RENAME) {
        power_set(names, entry->path, -1);
        power_set(names, entry->target, entry->file);

    } else {
        power_set(names, entry->path, entry->file);
    }
}


static int
power_find(const power_names_t *names, const char *path)
{
    int  i;

    for (i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].path, path) == 0) {
            return names->list[i].file;
        }
    }

    return -1;
}


static void
power_set(power_names_t *names, const char *path, int file)
{
    int  i;

    for (i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].path, path) == 0) {
            break;
        }
    }

    if (i == names->n) {
        power_need(names->n < POWER_NAMES, "too many names");
        (void) snprintf(names->list[i].path, POWER_PATH, "%s", path);
        names->n++;
    }

    names->list[i].file = file;
}


static void
power_parent(const char *path, char *parent)
{
    char  *slash;

    (void) snprintf(parent, POWER_PATH, "%s", path);

    slash = strrchr(parent, '/');

    if (slash != NULL) {
        *slash = '\0';
    }
}


/* Folders first, those above before those below. */

static void
power_save(const power_names_t *names)
{
    int  i, depth;

    (void) nftw(power_folder, power_remove, 16, FTW_DEPTH|FTW_PHYS);
    power_need(mkdir(power_folder, 0755) == 0, power_folder);

    for (depth = 1; depth <= POWER_DEPTH; depth++) {
        for (i = 0; i < names->n; i++) {
            if (names->list[i].file != -1
                && power_depth(names->list[i].path) == depth)
            {
                power_save_one(&names->list[i]);
            }
        }
    }
}


/* What is in a folder that was lost is lost. */

static void
power_save_one(const power_name_t *name)
{
    int             fd;
    char            path[PATH_MAX];
    power_bytes_t  *bytes;

    (void) snprintf(path, sizeof(path), "%s%s", power_folder, name->path);

    if (power_folders[name->file]) {
        (void) mkdir(path, 0755);
        return;
    }

    fd = open(path, O_WRONLY|O_CREAT|O_CLOEXEC, 0644);
    if (fd == -1) {
        return;
    }

    bytes = &power_cuts[name->file];

    power_need(write(fd, bytes->data, bytes->len) == (ssize_t) bytes->len
               && ftruncate(fd, (off_t) bytes->size) == 0
               && close(fd) == 0, path);
}


static int
power_depth(const char *path)
{
    int  depth;

    for (depth = 0; *path != '\0'; path++) {
        depth += (*path == '/');
    }

    return depth;
}


static int
power_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(path);
}


/* What a worker would see of the store, as a line. */

static void
power_read(char *text)
{
    int                i, rc;
    char               path[PATH_MAX];
    size_t             len;
    record_state_t     states[RECORD_ENTITIES];
    profile_error_t    err;
    profile_reader_t  *reader;

    (void) snprintf(path, sizeof(path), "%s/store", power_folder);

    rc = profile_reader_open(&reader, path, PROFILE_READAHEAD_AUTO, &err);

    if (rc != PROFILE_OK) {
        (void) snprintf(text, POWER_TEXT, "%s",
                        (rc == PROFILE_ABSENT) ? "no store" : err.text);
        return;
    }

    rc = record_snapshot(reader, states, text, POWER_TEXT);

    profile_reader_close(reader);

    if (rc < 0) {
        return;
    }

    len = (size_t) snprintf(text, POWER_TEXT, "%d entities", rc);

    for (i = 0; i < rc; i++) {
        len += (size_t) snprintf(text + len, POWER_TEXT - len,
                                 ", %llu of version %" PRIu32,
                                 (unsigned long long) states[i].records,
                                 states[i].counter);
    }
}


static void
power_need(int pass, const char *what)
{
    if (!pass) {
        (void) printf("power itself failed: %s\n", what);
        (void) fflush(stdout);
        _exit(2);
    }
}
