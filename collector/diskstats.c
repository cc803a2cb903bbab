/* diskstats.c -- I/O of block devices, from <procfs>/diskstats, with what udev knows of each.
 *
 * Columns are those of Documentation/admin-guide/iostats.rst; older kernels have 11, then 15 and 17
 * of them. What a device is (model, serial number, rotating or not) comes from udev's database and
 * sysfs; it is read when the device is first seen and again once a minute.
 * Options: device_include, device_exclude, udev_path.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/diskstats_info.h"
#include "collector/fields.h"
#include "collector/scan.h"
#include "core/mem.h"

#define DEFAULT_EXCLUDE "^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$"

// clang-format off
/* In the order of the columns. */
static const struct metric metrics[] = {
    {"node_disk_reads_completed_total", "The total number of reads completed successfully.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_reads_merged_total", "The total number of reads merged.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_read_bytes_total", "The total number of bytes read successfully.", METRIC_COUNTER, UNIT_BYTES, true},
    {"node_disk_read_time_seconds_total", "The total number of seconds spent by all reads.", METRIC_COUNTER, UNIT_SECONDS, true},
    {"node_disk_writes_completed_total", "The total number of writes completed successfully.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_writes_merged_total", "The number of writes merged.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_written_bytes_total", "The total number of bytes written successfully.", METRIC_COUNTER, UNIT_BYTES, true},
    {"node_disk_write_time_seconds_total", "This is the total number of seconds spent by all writes.", METRIC_COUNTER, UNIT_SECONDS, true},
    {"node_disk_io_now", "The number of I/Os currently in progress.", METRIC_GAUGE, UNIT_NONE, true},
    {"node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", METRIC_COUNTER, UNIT_SECONDS, true},
    {"node_disk_io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", METRIC_COUNTER, UNIT_SECONDS, true},
    {"node_disk_discards_completed_total", "The total number of discards completed successfully.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_discards_merged_total", "The total number of discards merged.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_discarded_sectors_total", "The total number of sectors discarded successfully.", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_discard_time_seconds_total", "This is the total number of seconds spent by all discards.", METRIC_COUNTER, UNIT_SECONDS, true},
    {"node_disk_flush_requests_total", "The total number of flush requests completed successfully", METRIC_COUNTER, UNIT_NONE, true},
    {"node_disk_flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests.", METRIC_COUNTER, UNIT_SECONDS, true},
};
/* Sectors are 512 bytes, times milliseconds. */
static const double factor[] = {
    1, 1, 512, 0.001, 1, 1, 512, 0.001, 1, 0.001, 0.001, 1, 1, 1, 0.001, 1, 0.001,
};
// clang-format on
_Static_assert(COUNT(factor) == COUNT(metrics), "a factor for each column");

enum { COLUMNS_MIN = 11, DISKS_MAX = 16384, INFO_CYCLES = 60 };

struct diskstats {
    struct name_filter devices;
    struct disk_info *disks; /* in the file's order */
    size_t count, cap;
    uint64_t cycle;
};

static int diskstats_start(struct collect *c)
{
    struct diskstats *s = collect_state(c);
    return name_filter_init(&s->devices, c, "device_include", "device_exclude", DEFAULT_EXCLUDE);
}

static void diskstats_stop(struct collect *c)
{
    struct diskstats *s = collect_state(c);
    name_filter_release(&s->devices);
    mem_free(s->disks);
}

/* What is known of the n-th disk of this cycle; another disk than last time is looked up. */
static const struct disk_info *info_of(struct collect *c, size_t n, struct str device,
                                       uint64_t major, uint64_t minor)
{
    struct diskstats *s = collect_state(c);
    void *array = s->disks;
    int rc = mem_grow(&array, &s->cap, n + 1, DISKS_MAX, sizeof *s->disks);
    s->disks = array;
    if (rc < 0) return NULL;
    bool known = n < s->count && str_eq(str_of(s->disks[n].device), device) &&
                 s->disks[n].major == major && s->disks[n].minor == minor;
    if (!known || s->cycle % INFO_CYCLES == 0)
        disk_info_read(c, &s->disks[n], device, major, minor);
    s->count = MAX(s->count, n + 1);
    return &s->disks[n];
}

static int emit_disk(struct collect *c, size_t n, struct str line)
{
    struct diskstats *s = collect_state(c);
    struct str device;
    uint64_t major, minor, v[COUNT(metrics)];
    size_t columns = 0;
    if (!scan_u64(&line, &major) || !scan_u64(&line, &minor) || !scan_word(&line, &device))
        return E_PARSE;
    if (!name_filter_pass(&s->devices, device)) return 0;
    while (columns < COUNT(metrics) && scan_u64(&line, &v[columns]))
        columns++;
    if (columns < COLUMNS_MIN) return E_PARSE;
    const struct disk_info *info = info_of(c, n, device, major, minor);
    if (!info) return E_TOO_BIG;
    for (size_t i = 0; i < columns; i++)
        EMIT(c, &metrics[i], (double)v[i] * factor[i], "device", info->device);
    disk_info_emit(c, info);
    return 1;
}

static int diskstats_collect(struct collect *c)
{
    struct diskstats *s = collect_state(c);
    struct str text, line;
    size_t n = 0;
    int rc = procfs_read(c, "diskstats", &text);
    if (rc < 0) return rc;
    s->cycle++;
    name_filter_begin(&s->devices);
    while (scan_line(&text, &line)) {
        rc = emit_disk(c, n, line);
        if (rc < 0) return rc;
        n += (size_t)rc;
    }
    return 0;
}

const struct collector collector_diskstats = {
    .name = "diskstats",
    .help = "I/O of block devices. Options: device_include, device_exclude, udev_path.",
    .on_by_default = true,
    METRICS(metrics),
    .state_size = sizeof(struct diskstats),
    .start = diskstats_start,
    .collect = diskstats_collect,
    .stop = diskstats_stop,
};
