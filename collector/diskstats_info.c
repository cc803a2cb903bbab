/* diskstats_info.c -- what a block device is, from udev's database (b<major>:<minor>, lines
 * "E:KEY=value") and sysfs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/diskstats_info.h"

#include <stdio.h>

#include "collector/scan.h"

enum { UDEV_BYTES_MAX = 16 << 10 };

enum { INFO, FILESYSTEM_INFO, DEVICE_MAPPER_INFO, WRITE_CACHE, WRITE_CACHE_ENABLED, ROTATION_RATE };

// clang-format off
static const struct metric metrics[] = {
    [INFO] = {"node_disk_info", "Info of /sys/block/<block_device>.", METRIC_GAUGE, UNIT_NONE, true},
    [FILESYSTEM_INFO] = {"node_disk_filesystem_info", "Info about disk filesystem.", METRIC_GAUGE, UNIT_NONE, true},
    [DEVICE_MAPPER_INFO] = {"node_disk_device_mapper_info", "Info about disk device mapper.", METRIC_GAUGE, UNIT_NONE, true},
    [WRITE_CACHE] = {"node_disk_ata_write_cache", "ATA disk has a write cache.", METRIC_GAUGE, UNIT_NONE, true},
    [WRITE_CACHE_ENABLED] = {"node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled.", METRIC_GAUGE, UNIT_NONE, true},
    [ROTATION_RATE] = {"node_disk_ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs).", METRIC_GAUGE, UNIT_NONE, true},
};
// clang-format on

static const char *const keys[DISK_PROPERTIES] = {
    [DISK_PATH] = "ID_PATH",
    [DISK_WWN] = "ID_WWN",
    [DISK_MODEL] = "ID_MODEL",
    [DISK_REVISION] = "ID_REVISION",
    [DISK_SCSI_SERIAL] = "SCSI_IDENT_SERIAL",
    [DISK_SERIAL_SHORT] = "ID_SERIAL_SHORT",
    [DISK_SERIAL] = "ID_SERIAL",
    [DISK_FS_TYPE] = "ID_FS_TYPE",
    [DISK_FS_USAGE] = "ID_FS_USAGE",
    [DISK_FS_UUID] = "ID_FS_UUID",
    [DISK_FS_VERSION] = "ID_FS_VERSION",
    [DISK_DM_NAME] = "DM_NAME",
    [DISK_DM_UUID] = "DM_UUID",
    [DISK_DM_VG] = "DM_VG_NAME",
    [DISK_DM_LV] = "DM_LV_NAME",
    [DISK_DM_LAYER] = "DM_LV_LAYER",
    [DISK_ATA] = "ID_ATA",
    [DISK_ATA_WRITE_CACHE] = "ID_ATA_WRITE_CACHE",
    [DISK_ATA_WRITE_CACHE_ENABLED] = "ID_ATA_WRITE_CACHE_ENABLED",
    [DISK_ATA_ROTATION_RATE] = "ID_ATA_ROTATION_RATE_RPM",
};

static const struct {
    enum disk_property property;
    int metric;
} ata[] = {
    {DISK_ATA_WRITE_CACHE,         WRITE_CACHE        },
    {DISK_ATA_WRITE_CACHE_ENABLED, WRITE_CACHE_ENABLED},
    {DISK_ATA_ROTATION_RATE,       ROTATION_RATE      },
};

static void take_property(struct disk_info *d, struct str key, struct str value)
{
    for (size_t i = 0; i < DISK_PROPERTIES; i++)
        if (str_eq(key, str_of(keys[i]))) {
            scan_copy(d->property[i], sizeof d->property[i], value);
            return;
        }
}

static void read_udev(struct collect *c, struct disk_info *d)
{
    char path[512], text[UDEV_BYTES_MAX];
    const char *own = collect_option(c, "udev_path", NULL);
    if (own)
        snprintf(path, sizeof path, "%s/b%s:%s", own, d->major_text, d->minor_text);
    else
        snprintf(path, sizeof path, "%s/run/udev/data/b%s:%s", collect_host_root(c), d->major_text,
                 d->minor_text);
    ssize_t n = collect_read_once(c, path, text, sizeof text);
    struct str rest = {text, n < 0 ? 0 : (size_t)n}, line;
    while (scan_line(&rest, &line)) {
        const char *equals = memchr(line.p, '=', line.len);
        if (!equals || !str_starts(line, STR("E:"))) continue;
        size_t key_len = (size_t)(equals - line.p) - 2;
        take_property(d, (struct str){line.p + 2, key_len},
                      (struct str){equals + 1, line.len - key_len - 3});
    }
}

static void read_rotational(struct collect *c, struct disk_info *d)
{
    char path[512], text[8] = "";
    snprintf(path, sizeof path, "%s/block/%s/queue/rotational", collect_sys_root(c), d->device);
    ssize_t n = collect_read_once(c, path, text, sizeof text);
    snprintf(d->rotational, sizeof d->rotational, "%s", n > 0 && text[0] == '1' ? "1" : "0");
}

void disk_info_read(struct collect *c, struct disk_info *out, struct str device, uint64_t major,
                    uint64_t minor)
{
    *out = (struct disk_info){.major = major, .minor = minor};
    scan_copy(out->device, sizeof out->device, device);
    snprintf(out->major_text, sizeof out->major_text, "%llu", (unsigned long long)major);
    snprintf(out->minor_text, sizeof out->minor_text, "%llu", (unsigned long long)minor);
    read_udev(c, out);
    read_rotational(c, out);
}

/* What is printed on the disk's label, if anybody knows. */
static const char *serial(const struct disk_info *d)
{
    if (d->property[DISK_SCSI_SERIAL][0]) return d->property[DISK_SCSI_SERIAL];
    if (d->property[DISK_SERIAL_SHORT][0]) return d->property[DISK_SERIAL_SHORT];
    return d->property[DISK_SERIAL]; /* virtio */
}

static void emit_ata(struct collect *c, const struct disk_info *d)
{
    for (size_t i = 0; i < COUNT(ata); i++) {
        double v;
        const char *text = d->property[ata[i].property];
        if (text[0] && str_to_double(str_of(text), &v) == 0)
            EMIT(c, &metrics[ata[i].metric], v, "device", d->device);
    }
}

void disk_info_emit(struct collect *c, const struct disk_info *d)
{
    EMIT(c, &metrics[INFO], 1, "device", d->device, "major", d->major_text, "minor", d->minor_text,
         "path", d->property[DISK_PATH], "wwn", d->property[DISK_WWN], "model",
         d->property[DISK_MODEL], "serial", serial(d), "revision", d->property[DISK_REVISION],
         "rotational", d->rotational);
    if (d->property[DISK_FS_TYPE][0])
        EMIT(c, &metrics[FILESYSTEM_INFO], 1, "device", d->device, "type",
             d->property[DISK_FS_TYPE], "usage", d->property[DISK_FS_USAGE], "uuid",
             d->property[DISK_FS_UUID], "version", d->property[DISK_FS_VERSION]);
    if (d->property[DISK_DM_NAME][0])
        EMIT(c, &metrics[DEVICE_MAPPER_INFO], 1, "device", d->device, "name",
             d->property[DISK_DM_NAME], "uuid", d->property[DISK_DM_UUID], "vg_name",
             d->property[DISK_DM_VG], "lv_name", d->property[DISK_DM_LV], "lv_layer",
             d->property[DISK_DM_LAYER]);
    if (d->property[DISK_ATA][0]) emit_ata(c, d);
}
