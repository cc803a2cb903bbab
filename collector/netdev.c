/* netdev.c -- traffic of network devices, from <procfs>/net/dev.
 *
 * Two header lines, then "name: " and sixteen counters. Options device_include and device_exclude.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/fields.h"
#include "collector/scan.h"

#define ROW(name)                                                                                  \
    {                                                                                              \
        "node_network_" name "_total", "Network device statistic " name ".", METRIC_COUNTER,       \
            UNIT_NONE, true                                                                        \
    }

/* In the order of the file's columns. */
// clang-format off
static const struct metric metrics[] = {
    ROW("receive_bytes"), ROW("receive_packets"), ROW("receive_errs"), ROW("receive_drop"),
    ROW("receive_fifo"), ROW("receive_frame"), ROW("receive_compressed"), ROW("receive_multicast"),
    ROW("transmit_bytes"), ROW("transmit_packets"), ROW("transmit_errs"), ROW("transmit_drop"),
    ROW("transmit_fifo"), ROW("transmit_colls"), ROW("transmit_carrier"), ROW("transmit_compressed"),
};
// clang-format on

enum { DEVICE_MAX = 64, HEADER_LINES = 2 };

struct netdev {
    struct name_filter devices;
};

static int netdev_start(struct collect *c)
{
    struct netdev *s = collect_state(c);
    return name_filter_init(&s->devices, c, "device_include", "device_exclude", "");
}

static void netdev_stop(struct collect *c)
{
    struct netdev *s = collect_state(c);
    name_filter_release(&s->devices);
}

/* "  eth0: 1 2 3": a name may contain colons, so the last one before a blank or digit ends it. */
static bool split_device(struct str line, struct str *device, struct str *counters)
{
    scan_blanks(&line);
    const char *colon = memrchr(line.p, ':', line.len);
    if (!colon || colon == line.p) return false;
    size_t len = (size_t)(colon - line.p);
    *device = (struct str){line.p, len};
    *counters = (struct str){colon + 1, line.len - len - 1};
    return true;
}

static int emit_device(struct collect *c, struct str device, struct str counters)
{
    char name[DEVICE_MAX];
    uint64_t v[COUNT(metrics)];
    for (size_t i = 0; i < COUNT(metrics); i++)
        if (!scan_u64(&counters, &v[i])) return E_PARSE;
    scan_copy(name, sizeof name, device);
    for (size_t i = 0; i < COUNT(metrics); i++)
        EMIT(c, &metrics[i], (double)v[i], "device", name);
    return 0;
}

static int netdev_collect(struct collect *c)
{
    struct netdev *s = collect_state(c);
    struct str text, line, device, counters;
    int rc = procfs_read(c, "net/dev", &text);
    if (rc < 0) return rc;
    for (int i = 0; i < HEADER_LINES; i++)
        if (!scan_line(&text, &line)) return E_PARSE;
    name_filter_begin(&s->devices);
    while (scan_line(&text, &line)) {
        if (!split_device(line, &device, &counters)) return E_PARSE;
        if (!name_filter_pass(&s->devices, device)) continue;
        rc = emit_device(c, device, counters);
        if (rc < 0) return rc;
    }
    return 0;
}

const struct collector collector_netdev = {
    .name = "netdev",
    .help =
        "Traffic, errors and drops of network devices. Options: device_include, device_exclude.",
    .on_by_default = true,
    METRICS(metrics),
    .state_size = sizeof(struct netdev),
    .start = netdev_start,
    .collect = netdev_collect,
    .stop = netdev_stop,
};
