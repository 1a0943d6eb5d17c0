
/*
 * Copyright (C) The ngx_http_profile_module authors
 *
 * Whether a folder is on a file system that other machines may share, of
 * which neither the maps nor the locks need to agree.
 */


#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

#include "profile_dir.h"


typedef struct {
    uint32_t     magic;
    const char  *name;
} profile_network_t;


/* statfs(2) and linux/magic.h; virtiofs says that it is FUSE */

static const profile_network_t  profile_networks[] = {
    { 0x00006969, "NFS" },
    { 0x01021997, "9p" },
    { 0x65735546, "FUSE, as virtiofs is" },
    { 0xff534d42, "SMB" },
    { 0xfe534d42, "SMB" },
    { 0x0000517b, "SMB" },
    { 0x5346414f, "AFS" },
    { 0x00c36400, "Ceph" },
    { 0x0bd00bd0, "Lustre" },
    { 0x01161970, "GFS2" },
    { 0x7461636f, "OCFS2" }
};


const char *
profile_dir_network(const char *directory)
{
    size_t         i;
    struct statfs  fs;

    if (statfs(directory, &fs) == -1) {
        return NULL;
    }

    for (i = 0;
         i < sizeof(profile_networks) / sizeof(profile_networks[0]);
         i++)
    {
        /* the type's width and sign differ between platforms */

        if ((uint32_t) fs.f_type == profile_networks[i].magic) {
            return profile_networks[i].name;
        }
    }

    return NULL;
}
