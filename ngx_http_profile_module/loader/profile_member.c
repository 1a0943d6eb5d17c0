
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads JSON objects into C structures by tables of their members.
 */


#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "profile_loader.h"
#include "profile_member.h"


#define PROFILE_PLACE_SIZE  1024


static const profile_member_t *profile_member_find(
    const profile_member_t *members, const char *name);
static size_t profile_place_format(const profile_place_t *place, char *buf,
    size_t size);


int
profile_object_read(const profile_place_t *place, json_t *value,
    const profile_member_t *members, void *out)
{
    json_t                  *child;
    const char              *name;
    profile_place_t          inside;
    const profile_member_t  *member;

    if (!json_is_object(value)) {
        return profile_place_say(place, "must be an object");
    }

    memset(&inside, 0, sizeof(profile_place_t));
    inside.parent = place;

    json_object_foreach(value, name, child) {

        inside.name = name;
        member = profile_member_find(members, name);

        if (member == NULL) {
            return profile_place_say(&inside, "is not a known member");
        }

        if (member->read(&inside, child, member,
                         (char *) out + member->offset)
            != 0)
        {
            return -1;
        }
    }

    for (member = members; member->name != NULL; member++) {

        if (member->required && json_object_get(value, member->name) == NULL)
        {
            inside.name = member->name;
            return profile_place_say(&inside, "is missing");
        }
    }

    return 0;
}


int
profile_member_string(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    (void) member;

    if (!json_is_string(value)) {
        return profile_place_say(place, "must be a string");
    }

    if (json_string_length(value) == 0) {
        return profile_place_say(place, "must not be empty");
    }

    *(const char **) out = json_string_value(value);

    return 0;
}


/* Names come back in listings and logs, a line each. */

int
profile_member_name(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    const u_char  *p;

    if (profile_member_string(place, value, member, out) != 0) {
        return -1;
    }

    if (json_string_length(value) > PROFILE_NAME_MAX) {
        return profile_place_say(place, "must not be longer than %d bytes",
                                 PROFILE_NAME_MAX);
    }

    for (p = *(const u_char **) out; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            return profile_place_say(place,
                                     "must not hold control characters");
        }
    }

    return 0;
}


int
profile_member_id(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    json_int_t  n;

    (void) member;

    n = json_is_integer(value) ? json_integer_value(value) : 0;

    if (n < 1 || n > UINT32_MAX) {
        return profile_place_say(place, "must be an integer from 1 to %lu",
                                 (unsigned long) UINT32_MAX);
    }

    *(uint32_t *) out = (uint32_t) n;

    return 0;
}


int
profile_member_bool(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    (void) member;

    if (!json_is_boolean(value)) {
        return profile_place_say(place, "must be true or false");
    }

    *(int *) out = json_is_true(value);

    return 0;
}


int
profile_member_percent(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    double  percent;

    (void) member;

    percent = json_is_number(value) ? json_number_value(value) : -1;

    if (!(percent >= 0 && percent <= 100)) {
        return profile_place_say(place, "must be a number from 0 to 100, "
                                 "in percent");
    }

    *(double *) out = percent;

    return 0;
}


int
profile_member_object(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    return profile_object_read(place, value, member->members, out);
}


int
profile_member_array(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out)
{
    char             *elements;
    size_t            n;
    profile_place_t   inside;

    if (!json_is_array(value)) {
        return profile_place_say(place, "must be an array");
    }

    n = json_array_size(value);

    elements = profile_alloc(n * member->size);
    memset(elements, 0, n * member->size);

    /* set before they are read, so that they are freed whatever follows */

    *(char **) out = elements;
    *(size_t *) ((char *) out - member->offset + member->count) = n;

    memset(&inside, 0, sizeof(profile_place_t));
    inside.parent = place;

    for (inside.index = 0; inside.index < n; inside.index++) {

        if (member->init != NULL) {
            member->init(elements);
        }

        if (profile_object_read(&inside, json_array_get(value, inside.index),
                                member->members, elements)
            != 0)
        {
            return -1;
        }

        elements += member->size;
    }

    return 0;
}


int
profile_place_say(const profile_place_t *place, const char *fmt, ...)
{
    char                    text[256], where[PROFILE_PLACE_SIZE];
    va_list                 args;
    const profile_place_t  *outer;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    for (outer = place; outer->parent != NULL; outer = outer->parent) {
        /* void */
    }

    if (outer == place) {
        profile_say("%s: %s", place->file, text);
        return -1;
    }

    (void) profile_place_format(place, where, sizeof(where));

    profile_say("%s: %s: %s", outer->file, where, text);

    return -1;
}


static const profile_member_t *
profile_member_find(const profile_member_t *members, const char *name)
{
    for ( /* void */ ; members->name != NULL; members++) {
        if (strcmp(members->name, name) == 0) {
            return members;
        }
    }

    return NULL;
}


static size_t
profile_place_format(const profile_place_t *place, char *buf, size_t size)
{
    int     n;
    size_t  len;

    if (place->parent == NULL) {
        buf[0] = '\0';
        return 0;
    }

    len = profile_place_format(place->parent, buf, size);

    if (place->name == NULL) {
        n = snprintf(buf + len, size - len, "[%zu]", place->index);

    } else {
        n = snprintf(buf + len, size - len, "%s%s", (len == 0) ? "" : ".",
                     place->name);
    }

    if (n < 0 || (size_t) n >= size - len) {
        return size - 1;
    }

    return len + (size_t) n;
}
