
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * The log of fail_io.c: entries, each followed by its path and its data.
 */


#ifndef _PROFILE_FAIL_IO_H_INCLUDED_
#define _PROFILE_FAIL_IO_H_INCLUDED_


#include <stdint.h>


typedef enum {
    FAULT_OP_START = 1,      /* a process begins */
    FAULT_OP_WRITE,          /* data at offset */
    FAULT_OP_WRITE_SYNC,     /* the same, and it is on the disk */
    FAULT_OP_SYNC,           /* of a file or a folder */
    FAULT_OP_TRUNCATE,       /* offset: the new size */
    FAULT_OP_CREATE,
    FAULT_OP_MKDIR,
    FAULT_OP_RENAME,         /* data: the new path */
    FAULT_OP_UNLINK          /* a file or an empty folder */
} fault_op_e;


typedef struct {
    uint32_t  op;
    uint32_t  path;          /* bytes */
    uint64_t  offset;
    uint64_t  len;           /* bytes of data */
} fault_entry_t;


#endif /* _PROFILE_FAIL_IO_H_INCLUDED_ */
