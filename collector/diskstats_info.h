/* diskstats_info.h -- what a block device is: udev's database and sysfs, for diskstats.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_DISKSTATS_INFO_H
#define TOCSIN_COLLECTOR_DISKSTATS_INFO_H

#include "collector/collect.h"

enum disk_property {
    DISK_PATH,
    DISK_WWN,
    DISK_MODEL,
    DISK_REVISION,
    DISK_SCSI_SERIAL,
    DISK_SERIAL_SHORT,
    DISK_SERIAL,
    DISK_FS_TYPE,
    DISK_FS_USAGE,
    DISK_FS_UUID,
    DISK_FS_VERSION,
    DISK_DM_NAME,
    DISK_DM_UUID,
    DISK_DM_VG,
    DISK_DM_LV,
    DISK_DM_LAYER,
    DISK_ATA,
    DISK_ATA_WRITE_CACHE,
    DISK_ATA_WRITE_CACHE_ENABLED,
    DISK_ATA_ROTATION_RATE,
    DISK_PROPERTIES,
};

struct disk_info {
    char device[64];
    uint64_t major, minor;
    char major_text[24], minor_text[24];
    char rotational[4];
    char property[DISK_PROPERTIES][96]; /* "" when udev does not have it */
};

/* Fills out anew; what cannot be read stays empty. Allocates nothing. */
void disk_info_read(struct collect *c, struct disk_info *out, struct str device, uint64_t major,
                    uint64_t minor);
/* The info metrics: node_disk_info, _filesystem_info, _device_mapper_info, _ata_*. */
void disk_info_emit(struct collect *c, const struct disk_info *d);

#endif
