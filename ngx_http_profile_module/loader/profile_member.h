
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Reads JSON objects into C structures by tables of their members, and says
 * what is wrong and where: "workspaces[0].entities[1].primary_key: ...".
 */


#ifndef _PROFILE_MEMBER_H_INCLUDED_
#define _PROFILE_MEMBER_H_INCLUDED_


#include <stddef.h>

#include <jansson.h>


/* Where in the file something stands; each place lives in its caller. */

typedef struct profile_place_s  profile_place_t;

struct profile_place_s {
    const profile_place_t  *parent;
    const char             *name;     /* NULL: the index counts */
    size_t                  index;
    const char             *file;     /* of the outermost place */
};


typedef struct profile_member_s  profile_member_t;

/* Both return 0, or -1 when they have said what is wrong. */

typedef int (*profile_member_pt)(const profile_place_t *place,
    json_t *value, const profile_member_t *member, void *out);

struct profile_member_s {
    const char              *name;
    profile_member_pt        read;
    size_t                   offset;    /* in the structure */
    int                      required;

    /* of what is inside: arrays and objects */
    const profile_member_t  *members;
    size_t                   size;      /* of an array's element */
    size_t                   count;     /* where its length goes */
    void                   (*init)(void *element);
};


int profile_object_read(const profile_place_t *place, json_t *value,
    const profile_member_t *members, void *out);

/* For tables: out is where the value goes. */

int profile_member_string(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
int profile_member_name(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
int profile_member_id(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
int profile_member_bool(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
int profile_member_percent(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);
int profile_member_object(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);

/* out is a pointer to the elements; their number goes to member->count. */

int profile_member_array(const profile_place_t *place, json_t *value,
    const profile_member_t *member, void *out);

/* Says "FILE: PLACE: ..." and returns -1. */

int profile_place_say(const profile_place_t *place, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


#endif /* _PROFILE_MEMBER_H_INCLUDED_ */
