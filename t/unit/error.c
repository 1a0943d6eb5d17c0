
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Failures as outcomes and sentences: each code of LMDB and of the system
 * means what its callers think it means, never that something is not
 * there, and its text tells the operator where and what to do.
 */


#include <errno.h>
#include <stdlib.h>

#include <lmdb.h>

#include "profile_store.h"
#include "tap.h"


typedef struct {
    int          rc;
    int          code;
    const char  *advice;       /* what the text must hold beside the path */
} error_case_t;


static void error_lmdb(void);
static void error_errno(void);
static void error_plain(void);
static void error_every(void);
static void error_long(void);
static void error_names(void);
static const char *error_user(char *text, long id);
static const char *error_group(char *text, long id);
static int error_whole(const profile_error_t *err);


static const error_case_t  error_lmdb_cases[] = {
    { MDB_INVALID, PROFILE_FOREIGN, "restore it" },
    { MDB_VERSION_MISMATCH, PROFILE_FOREIGN, "use the same LMDB" },
    { MDB_CORRUPTED, PROFILE_DAMAGED, "restore it or load it again" },
    { MDB_PAGE_NOTFOUND, PROFILE_DAMAGED, "restore it or load it again" },
    { MDB_PANIC, PROFILE_DAMAGED, "restore it or load it again" },
    { MDB_NOTFOUND, PROFILE_DAMAGED, "restore it or load it again" },
    { MDB_INCOMPATIBLE, PROFILE_DAMAGED, "restore it or load it again" },
    { MDB_READERS_FULL, PROFILE_FAILED, "end idle readers" },
    { MDB_MAP_FULL, PROFILE_NO_SPACE, "MDB_MAP_FULL" },
    { MDB_KEYEXIST, PROFILE_FAILED, "MDB_KEYEXIST" },
    { MDB_DBS_FULL, PROFILE_FAILED, "MDB_DBS_FULL" },
    { MDB_TLS_FULL, PROFILE_FAILED, "MDB_TLS_FULL" },
    { MDB_TXN_FULL, PROFILE_FAILED, "MDB_TXN_FULL" },
    { MDB_CURSOR_FULL, PROFILE_FAILED, "" },
    { MDB_PAGE_FULL, PROFILE_FAILED, "" },
    { MDB_MAP_RESIZED, PROFILE_FAILED, "MDB_MAP_RESIZED" },
    { MDB_BAD_RSLOT, PROFILE_FAILED, "MDB_BAD_RSLOT" },
    { MDB_BAD_TXN, PROFILE_FAILED, "MDB_BAD_TXN" },
    { MDB_BAD_VALSIZE, PROFILE_FAILED, "MDB_BAD_VALSIZE" },
    { MDB_BAD_DBI, PROFILE_FAILED, "MDB_BAD_DBI" },
    { EAGAIN, PROFILE_FAILED, "share the pid namespace or seal the store" },
    { ENOENT, PROFILE_ABSENT, "No such file" },
    { EACCES, PROFILE_DENIED, "Permission denied" },
    { EPERM, PROFILE_DENIED, "not permitted" },
    { EROFS, PROFILE_DENIED, "Read-only" },
    { ENOSPC, PROFILE_NO_SPACE, "No space" },
    { EDQUOT, PROFILE_NO_SPACE, "quota" },
    { EFBIG, PROFILE_NO_SPACE, "too large" },
    { EIO, PROFILE_NO_SPACE, "the disk is full or failing" },
    { ENOMEM, PROFILE_FAILED, "memory" },
    { EBADF, PROFILE_FAILED, "descriptor" },
    { EINVAL, PROFILE_FAILED, "Invalid argument" }
};


static const error_case_t  error_errno_cases[] = {
    { ENOENT, PROFILE_ABSENT, NULL },
    { EACCES, PROFILE_DENIED, NULL },
    { EPERM, PROFILE_DENIED, NULL },
    { EROFS, PROFILE_DENIED, NULL },
    { ENOSPC, PROFILE_NO_SPACE, NULL },
    { EDQUOT, PROFILE_NO_SPACE, NULL },
    { EFBIG, PROFILE_NO_SPACE, NULL },
    { EIO, PROFILE_FAILED, NULL },
    { EAGAIN, PROFILE_FAILED, NULL },
    { EMFILE, PROFILE_FAILED, NULL },
    { ENOMEM, PROFILE_FAILED, NULL },
    { EISDIR, PROFILE_FAILED, NULL },
    { ENOTDIR, PROFILE_FAILED, NULL },
    { ELOOP, PROFILE_FAILED, NULL },
    { EBUSY, PROFILE_FAILED, NULL }
};


int
main(void)
{
    error_lmdb();
    error_errno();
    error_plain();
    error_every();
    error_long();
    error_names();

    return done();
}


static void
error_lmdb(void)
{
    int                  rc;
    size_t               i;
    profile_error_t      err;
    const error_case_t  *c;

    for (i = 0; i < sizeof(error_lmdb_cases) / sizeof(error_case_t); i++) {

        c = &error_lmdb_cases[i];
        rc = profile_error_lmdb(&err, c->rc, "mdb_call", "/a/store");

        ok(rc == c->code && err.code == c->code, "LMDB's %d (%s) is %d",
           c->rc, mdb_strerror(c->rc), c->code);
        ok(strstr(err.text, "/a/store") != NULL
           && strstr(err.text, c->advice) != NULL
           && error_whole(&err), "%s", err.text);
    }
}


static void
error_errno(void)
{
    int                  rc;
    char                 want[256];
    size_t               i;
    profile_error_t      err;
    const error_case_t  *c;

    for (i = 0; i < sizeof(error_errno_cases) / sizeof(error_case_t); i++) {

        c = &error_errno_cases[i];
        rc = profile_error_errno(&err, c->rc, "cannot open %s as user %d",
                                 "/a/store/CURRENT", 33);

        (void) snprintf(want, sizeof(want),
                        "cannot open /a/store/CURRENT as user 33: %s",
                        strerror(c->rc));

        ok(rc == c->code && err.code == c->code, "errno %d (%s) is %d",
           c->rc, strerror(c->rc), c->code);
        is_str(err.text, want, "and says so");
    }
}


static void
error_plain(void)
{
    profile_error_t  err;

    is_int(profile_error(&err, PROFILE_BUSY, "%s%% of %u", "100", 7U),
           PROFILE_BUSY, "the code is returned");
    is_int(err.code, PROFILE_BUSY, "and kept");
    is_str(err.text, "100% of 7", "the text is formatted");
}


/* "Not found" is no failure: no failure may ever be taken for it. */

static void
error_every(void)
{
    int              rc, n, wrong;
    profile_error_t  err;

    wrong = 0;

    for (n = -30810; n < 200; n++) {

        if (n == MDB_SUCCESS) {
            continue;
        }

        rc = profile_error_lmdb(&err, n, "mdb_call", "/a/store");

        wrong += (rc == PROFILE_OK
                  || rc == PROFILE_NOT_FOUND
                  || rc != err.code
                  || !error_whole(&err));

        if (n > 0) {
            rc = profile_error_errno(&err, n, "it failed");
            wrong += (rc == PROFILE_OK || rc == PROFILE_NOT_FOUND);
        }
    }

    is_int(wrong, 0, "no code is mistaken for success or for \"not found\"");
}


/* Each error has an allocation of its own: one byte beyond is seen. */

static void
error_long(void)
{
    char             *path;
    size_t            n;
    profile_error_t  *err;

    static const size_t  lens[] = { 100, 400, 505, 509, 510, 511, 512, 513,
                                    1000, 4095, 100000 };

    for (n = 0; n < sizeof(lens) / sizeof(lens[0]); n++) {

        path = malloc(lens[n] + 1);
        err = malloc(sizeof(profile_error_t));

        if (path == NULL || err == NULL) {
            ok(0, "malloc()");
            return;
        }

        memset(path, 'p', lens[n]);
        path[lens[n]] = '\0';

        memset(err, 'x', sizeof(profile_error_t));
        (void) profile_error(err, PROFILE_FAILED, "%s", path);
        ok(error_whole(err)
           && strlen(err->text) == ((lens[n] < PROFILE_ERROR_TEXT)
                                    ? lens[n] : PROFILE_ERROR_TEXT - 1),
           "a text of %zu bytes", lens[n]);

        memset(err, 'x', sizeof(profile_error_t));
        (void) profile_error_errno(err, EACCES, "%s", path);
        ok(error_whole(err) && err->code == PROFILE_DENIED,
           "a path of %zu bytes and a system's error", lens[n]);

        memset(err, 'x', sizeof(profile_error_t));
        (void) profile_error_lmdb(err, MDB_INVALID, "mdb_call", path);
        ok(error_whole(err) && err->code == PROFILE_FOREIGN,
           "a path of %zu bytes and an error of LMDB", lens[n]);

        free(path);
        free(err);
    }
}


/* Numbers where nobody says otherwise, as in nginx's workers. */

static void
error_names(void)
{
    char  text[PROFILE_WHO_TEXT];

    is_str(profile_error_user(text, 4294967294U), "4294967294",
           "a user is a number");
    is_str(profile_error_group(text, 33), "33", "and so is a group");

    profile_error_names(error_user, error_group);

    is_str(profile_error_user(text, 33), "user 33",
           "a program may name users");
    is_str(profile_error_group(text, 33), "group 33", "and groups");
}


static const char *
error_user(char *text, long id)
{
    (void) snprintf(text, PROFILE_WHO_TEXT, "user %ld", id);

    return text;
}


static const char *
error_group(char *text, long id)
{
    (void) snprintf(text, PROFILE_WHO_TEXT, "group %ld", id);

    return text;
}


static int
error_whole(const profile_error_t *err)
{
    size_t  len;

    len = strnlen(err->text, PROFILE_ERROR_TEXT);

    return len != 0 && len < PROFILE_ERROR_TEXT;
}
