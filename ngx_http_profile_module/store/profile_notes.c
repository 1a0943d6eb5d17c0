
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What is noted about an entity beside the database: when it was refreshed
 * without a change, and why its last refresh failed.
 */


#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile_writing.h"


static int profile_notes_put_refreshed(const profile_generation_t *gen,
    const profile_owner_t *owner, uint32_t workspace, uint32_t entity,
    uint64_t seconds, profile_error_t *err);
static int profile_notes_put_failed(const profile_generation_t *gen,
    const profile_owner_t *owner, uint32_t workspace, uint32_t entity,
    uint64_t seconds, const char *text, profile_error_t *err);
static void profile_notes_line(char *line, const char *text);
static void profile_notes_remove(const profile_generation_t *gen,
    const char *format, uint32_t workspace, uint32_t entity);


int
profile_writer_refreshed(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, uint64_t seconds, profile_error_t *err)
{
    profile_writer_succeeded(writer, workspace, entity);

    return profile_notes_put_refreshed(&writer->generation, &writer->owner,
                                       workspace, entity, seconds, err);
}


int
profile_writer_failed(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity, uint64_t seconds, const char *text,
    profile_error_t *err)
{
    return profile_notes_put_failed(&writer->generation, &writer->owner,
                                    workspace, entity, seconds, text, err);
}


void
profile_writer_succeeded(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity)
{
    profile_notes_remove(&writer->generation, PROFILE_FAILED_NAME, workspace,
                         entity);
}


void
profile_notes_forget(profile_writer_t *writer, uint32_t workspace,
    uint32_t entity)
{
    profile_notes_remove(&writer->generation, PROFILE_REFRESHED_NAME,
                         workspace, entity);
    profile_notes_remove(&writer->generation, PROFILE_FAILED_NAME, workspace,
                         entity);
}


int
profile_notes_copy(const profile_generation_t *from,
    const profile_generation_t *to, const profile_owner_t *owner,
    uint32_t workspace, uint32_t entity, profile_error_t *err)
{
    int                rc;
    uint64_t           refreshed;
    profile_failure_t  failure;

    rc = PROFILE_OK;

    refreshed = profile_dir_refreshed(from, workspace, entity);

    if (refreshed != 0) {
        rc = profile_notes_put_refreshed(to, owner, workspace, entity,
                                         refreshed, err);
    }

    if (rc == PROFILE_OK
        && profile_dir_failed(from, workspace, entity, &failure))
    {
        rc = profile_notes_put_failed(to, owner, workspace, entity,
                                      failure.seconds, failure.text, err);
    }

    return rc;
}


static int
profile_notes_put_refreshed(const profile_generation_t *gen,
    const profile_owner_t *owner, uint32_t workspace, uint32_t entity,
    uint64_t seconds, profile_error_t *err)
{
    char  name[PROFILE_REFRESHED_SIZE], line[32];

    (void) snprintf(name, sizeof(name), PROFILE_REFRESHED_NAME, workspace,
                    entity);
    (void) snprintf(line, sizeof(line), "%llu\n",
                    (unsigned long long) seconds);

    return profile_publish_replace(gen->path, name, line, owner, err);
}


static int
profile_notes_put_failed(const profile_generation_t *gen,
    const profile_owner_t *owner, uint32_t workspace, uint32_t entity,
    uint64_t seconds, const char *text, profile_error_t *err)
{
    char  name[PROFILE_FAILED_SIZE], cut[PROFILE_FAILURE_TEXT];
    char  line[PROFILE_FAILURE_TEXT + 32];

    profile_notes_line(cut, text);

    (void) snprintf(name, sizeof(name), PROFILE_FAILED_NAME, workspace,
                    entity);
    (void) snprintf(line, sizeof(line), "%llu %s\n",
                    (unsigned long long) seconds, cut);

    return profile_publish_replace(gen->path, name, line, owner, err);
}


/* One line of PROFILE_FAILURE_TEXT bytes at most, no character cut apart. */

static void
profile_notes_line(char *line, const char *text)
{
    char    *p;
    size_t   len;

    len = strlen(text);

    if (len >= PROFILE_FAILURE_TEXT) {

        len = PROFILE_FAILURE_TEXT - 1;

        while (len != 0 && ((u_char) text[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    memcpy(line, text, len);
    line[len] = '\0';

    for (p = line; *p != '\0'; p++) {
        if ((u_char) *p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}


/* What stays for want of permission does no harm. */

static void
profile_notes_remove(const profile_generation_t *gen, const char *format,
    uint32_t workspace, uint32_t entity)
{
    char             name[PROFILE_REFRESHED_SIZE], path[PATH_MAX];
    profile_error_t  ignored;

    (void) snprintf(name, sizeof(name), format, workspace, entity);

    if (profile_path(path, sizeof(path), gen->path, name, &ignored)
        == PROFILE_OK)
    {
        (void) unlink(path);
    }
}
