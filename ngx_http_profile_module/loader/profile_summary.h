
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * What came of an entity's refresh: one line on standard output.
 */


#ifndef _PROFILE_SUMMARY_H_INCLUDED_
#define _PROFILE_SUMMARY_H_INCLUDED_


#include "profile_config.h"
#include "profile_merge.h"


typedef struct {
    const profile_config_workspace_t  *workspace;
    const profile_config_entity_t     *entity;
    const char                        *label;      /* "WORKSPACE/ENTITY" */
    const char                        *error;      /* NULL: it went well */
    int                                upsert;
    uint64_t                           read;       /* rows, valid or not */
    uint64_t                           invalid;
    profile_merge_counts_t             counts;
    profile_bytes_t                    cursor;     /* may be empty; stored */
    double                             seconds;
    uint64_t                           written;    /* bytes */
} profile_summary_t;


/*
 * As text, where a refresh that failed says nothing: that is on standard
 * error.  As JSON, an object on one line, whatever came of it.
 */

void profile_summary_text(const profile_summary_t *summary);
void profile_summary_json(const profile_summary_t *summary);


#endif /* _PROFILE_SUMMARY_H_INCLUDED_ */
