
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * CURRENT: it says which folder is served, so nothing but a generation's
 * name may be taken for one, and a change of it has to be seen.
 */


#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "profile_dir.h"
#include "scratch.h"
#include "tap.h"


static void dir_good(void);
static void dir_bad(void);
static void dir_files(void);
static void dir_links(void);
static void dir_sealed(void);
static void dir_changed(void);
static void dir_identity(void);
static void dir_path(void);
static void dir_current(const void *text, size_t len);
static int dir_read(profile_generation_t *gen, profile_error_t *err);
static void dir_refused(const void *text, size_t len, const char *what);


int
main(void)
{
    int  descriptors;

    scratch_mkdir(scratch("store"));
    scratch_mkdir(scratch("store/gen-000001"));

    descriptors = scratch_descriptors();

    dir_good();
    dir_bad();
    dir_files();
    dir_links();
    dir_sealed();
    dir_changed();
    dir_identity();
    dir_path();

    is_int(scratch_descriptors(), descriptors, "no descriptor is left");

    return done();
}


static void
dir_good(void)
{
    char                   line[32];
    size_t                 i;
    profile_error_t        err;
    profile_generation_t   gen;

    static const struct {
        const char  *name;
        uint32_t     number;
    } names[] = {
        { "gen-000001", 1 },
        { "gen-000017", 17 },
        { "gen-999999", 999999 },
        { "gen-1000000", 1000000 },
        { "gen-4294967295", UINT32_MAX }
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        (void) mkdir(scratch("store/%s", names[i].name), 0755);
        scratch_text(scratch("store/CURRENT"), names[i].name);

        ok(dir_read(&gen, &err) == PROFILE_OK
           && gen.number == names[i].number, "%s, without a newline",
           names[i].name);

        (void) snprintf(line, sizeof(line), "%s\n", names[i].name);
        dir_current(line, strlen(line));

        ok(dir_read(&gen, &err) == PROFILE_OK
           && gen.number == names[i].number
           && gen.sealed == 0, "%s, as the loader writes it",
           names[i].name);
        is_str(gen.path, scratch("store/%s", names[i].name), "its folder");
    }
}


static void
dir_bad(void)
{
    char    text[4096];
    size_t  i;

    static const char  *names[] = {
        "", "\n", " ", "gen-", "gen-\n", "gen-x", "gen-1", "gen-01",
        "gen-00001", "gen-0000001", "gen-000000", "gen-0", "gen-00001a",
        "gen-000001 ", " gen-000001", "gen-000001\r\n", "gen-000001\n\n",
        "gen-000001\ngen-000002\n", "gen-000001/", "gen-000001/.",
        "gen-000001/../gen-000001", "./gen-000001", "gen--00001",
        "gen-+00001", "gen- 00001", "gen-0x0001", "gen-4294967296",
        "gen-4294967297", "gen-18446744073709551617",
        "gen-99999999999999999999999999", "Gen-000001", "GEN-000001",
        "000001", "..", ".", "/", "../..", "../store/gen-000001",
        "/etc/passwd", "gen-000001\t", "gen-\xd9\xa1", "\xef\xbb\xbfgen-000001"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        dir_refused(names[i], strlen(names[i]), names[i]);
    }

    dir_refused("gen-000001\0\n", 12, "a zero byte for the newline");
    dir_refused("gen-000001\n\0", 12, "a zero byte after the newline");
    dir_refused("gen-000001\0/../../etc", 21, "a zero byte and more");
    dir_refused("\0gen-000001\n", 12, "a zero byte first");
    dir_refused("\0\0\0\0\0\0\0\0\0\0\0", 11, "zero bytes");
    dir_refused("\x7f" "ELF\2\1\1\0\xff\xfe\xfd\x80", 12, "binary");

    /* what is read stops somewhere: what follows may not be forgotten */

    memset(text, '0', sizeof(text));
    memcpy(text, "gen-", 4);
    text[sizeof(text) - 2] = '1';
    text[sizeof(text) - 1] = '\n';
    dir_refused(text, sizeof(text), "4096 bytes");

    for (i = 60; i < 68; i++) {
        memset(text, '\n', i);
        memcpy(text, "gen-000001", 10);
        dir_refused(text, i, "much white space");
    }
}


static void
dir_files(void)
{
    int                    rc;
    const char            *current;
    profile_error_t        err;
    profile_generation_t   gen;

    current = scratch("store/CURRENT");

    (void) unlink(current);
    is_int(dir_read(&gen, &err), PROFILE_ABSENT, "no CURRENT");
    ok(strstr(err.text, current) != NULL, "%s", err.text);

    rc = profile_dir_current(scratch("nowhere"), &gen, &err);
    is_int(rc, PROFILE_ABSENT, "no folder");

    scratch_text(scratch("file"), "");
    rc = profile_dir_current(scratch("file"), &gen, &err);
    is_int(rc, PROFILE_ABSENT, "a file for the folder");

    scratch_mkdir(current);
    is_int(dir_read(&gen, &err), PROFILE_FAILED, "a folder for CURRENT");
    ok(strstr(err.text, current) != NULL, "%s", err.text);
    (void) rmdir(current);

    need(mkfifo(current, 0644) == 0, "mkfifo()");
    rc = dir_read(&gen, &err);
    ok(rc != PROFILE_OK && rc != PROFILE_NOT_FOUND,
       "a pipe for CURRENT: %d, at once", rc);
    (void) unlink(current);

    dir_current("gen-000099\n", 11);
    is_int(dir_read(&gen, &err), PROFILE_DAMAGED, "a missing generation");
    ok(strstr(err.text, scratch("store/gen-000099")) != NULL, "%s",
       err.text);

    need(symlink("gen-000098", scratch("store/gen-000098")) == 0,
         "symlink()");
    dir_current("gen-000098\n", 11);
    rc = dir_read(&gen, &err);
    ok(rc != PROFILE_OK && rc != PROFILE_NOT_FOUND && rc != PROFILE_ABSENT,
       "a generation that is a link to itself: %s", err.text);

    dir_current("gen-000001\n", 11);

    if (geteuid() == 0) {
        skip(1, "root may read it");

    } else {
        need(chmod(current, 0) == 0, "chmod()");
        is_int(dir_read(&gen, &err), PROFILE_DENIED, "CURRENT unreadable");
        need(chmod(current, 0644) == 0, "chmod()");
    }
}


/* LMDB's lock file belongs to a path: there must be only one. */

static void
dir_links(void)
{
    int                    rc;
    const char            *path;
    profile_error_t        err;
    profile_generation_t   gen;

    dir_current("gen-000001\n", 11);
    path = scratch("store/gen-000001");

    need(symlink("store", scratch("link")) == 0, "symlink()");
    rc = profile_dir_current(scratch("link"), &gen, &err);
    ok(rc == PROFILE_OK && strcmp(gen.path, path) == 0,
       "a link to the store leads to the same path");

    rc = profile_dir_current(scratch("link/../store/./"), &gen, &err);
    ok(rc == PROFILE_OK && strcmp(gen.path, path) == 0, "a crooked path too");

    need(symlink("../elsewhere", scratch("store/gen-000002")) == 0,
         "symlink()");
    scratch_mkdir(scratch("elsewhere"));
    dir_current("gen-000002\n", 11);
    rc = dir_read(&gen, &err);
    ok(rc == PROFILE_OK
       && strcmp(gen.path, scratch("elsewhere")) == 0
       && gen.number == 2, "a generation that lies elsewhere");

    need(rename(scratch("store/CURRENT"), scratch("now")) == 0, "rename()");
    need(symlink("../now", scratch("store/CURRENT")) == 0, "symlink()");
    ok(dir_read(&gen, &err) == PROFILE_OK && gen.number == 2,
       "CURRENT as a link");
    (void) unlink(scratch("store/CURRENT"));
}


static void
dir_sealed(void)
{
    profile_error_t       err;
    profile_generation_t  gen;

    dir_current("gen-000001\n", 11);
    ok(dir_read(&gen, &err) == PROFILE_OK && gen.sealed == 0, "not sealed");

    scratch_text(scratch("store/gen-000001/SEALED"), "");
    ok(dir_read(&gen, &err) == PROFILE_OK && gen.sealed == 1, "sealed");

    (void) unlink(scratch("store/gen-000001/SEALED"));
    ok(dir_read(&gen, &err) == PROFILE_OK && gen.sealed == 0,
       "not sealed any more");
}


static void
dir_changed(void)
{
    profile_error_t        err;
    struct timespec        times[2];
    profile_generation_t   gen;

    dir_current("gen-000001\n", 11);
    need(dir_read(&gen, &err) == PROFILE_OK, "a store");

    is_int(profile_dir_changed(scratch("store"), &gen), 0, "unchanged");

    scratch_text(scratch("store/new"), "gen-000001\n");
    need(rename(scratch("store/new"), scratch("store/CURRENT")) == 0,
         "rename()");
    is_int(profile_dir_changed(scratch("store"), &gen), 1, "replaced");

    need(dir_read(&gen, &err) == PROFILE_OK, "a store");
    is_int(profile_dir_changed(scratch("store"), &gen), 0, "and read");

    times[0].tv_nsec = UTIME_OMIT;
    times[1] = gen.current.mtime;
    times[1].tv_nsec = (times[1].tv_nsec + 1) % 1000000000;
    need(utimensat(AT_FDCWD, scratch("store/CURRENT"), times, 0) == 0,
         "utimensat()");
    is_int(profile_dir_changed(scratch("store"), &gen), 1,
           "touched, a nanosecond later");

    need(dir_read(&gen, &err) == PROFILE_OK, "a store");
    times[1].tv_sec -= 3600;
    need(utimensat(AT_FDCWD, scratch("store/CURRENT"), times, 0) == 0,
         "utimensat()");
    is_int(profile_dir_changed(scratch("store"), &gen), 1,
           "touched, an hour earlier");

    need(dir_read(&gen, &err) == PROFILE_OK, "a store");
    (void) unlink(scratch("store/CURRENT"));
    is_int(profile_dir_changed(scratch("store"), &gen), 1, "removed");

    need(rename(scratch("store"), scratch("moved")) == 0, "rename()");
    is_int(profile_dir_changed(scratch("store"), &gen), 1,
           "the folder removed");
    need(rename(scratch("moved"), scratch("store")) == 0, "rename()");
}


static void
dir_identity(void)
{
    struct stat         st;
    profile_identity_t  one, two;

    need(stat(scratch("store"), &st) == 0, "stat()");

    profile_identity(&one, &st);
    profile_identity(&two, &st);
    ok(profile_identity_equal(&one, &two), "the same file");

    two.dev++;
    ok(!profile_identity_equal(&one, &two), "another device");

    two = one;
    two.ino++;
    ok(!profile_identity_equal(&one, &two), "another file");

    two = one;
    two.mtime.tv_sec--;
    ok(!profile_identity_equal(&one, &two), "another second");

    two = one;
    two.mtime.tv_nsec ^= 1;
    ok(!profile_identity_equal(&one, &two), "another nanosecond");
}


static void
dir_path(void)
{
    int                    rc;
    char                  *path, *longest;
    profile_error_t        err;
    profile_generation_t   gen;

    path = malloc(8);
    longest = malloc(PATH_MAX + 100);
    need(path != NULL && longest != NULL, "malloc()");

    rc = profile_path(path, 8, "/ab", "cde", &err);
    ok(rc == PROFILE_OK && strcmp(path, "/ab/cde") == 0,
       "a path that just fits");

    rc = profile_path(path, 8, "/ab", "cdef", &err);
    is_int(rc, PROFILE_FAILED, "one that does not");

    memset(longest, 'x', PATH_MAX + 99);
    longest[0] = '/';
    longest[PATH_MAX + 99] = '\0';

    is_int(profile_dir_current(longest, &gen, &err), PROFILE_FAILED,
           "a folder with too long a path");
    ok(strstr(err.text, "too long") != NULL, "%.40s...%s", err.text,
       strrchr(err.text, ':'));
    is_int(profile_dir_changed(longest, &gen), 1, "which may have changed");

    free(path);
    free(longest);
}


static void
dir_current(const void *text, size_t len)
{
    (void) unlink(scratch("store/CURRENT"));
    scratch_write(scratch("store/CURRENT"), text, len);
}


static int
dir_read(profile_generation_t *gen, profile_error_t *err)
{
    memset(gen, 0x55, sizeof(profile_generation_t));

    return profile_dir_current(scratch("store"), gen, err);
}


static void
dir_refused(const void *text, size_t len, const char *what)
{
    int                    rc;
    profile_error_t        err;
    profile_generation_t   gen;

    dir_current(text, len);
    rc = dir_read(&gen, &err);

    is_int(rc, PROFILE_FOREIGN, "refused: \"%s\" (%zu bytes)",
           scratch_shown(what, strlen(what)), len);
}
