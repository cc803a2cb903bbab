/* netclass.c -- state of network links, from <sysfs>/class/net/<device>.
 *
 * Some twenty small files a device that hardly ever change, and some of them wait for the kernel's
 * networking lock: slow tier, helper thread. What a device does not have is left out.
 * Options: device_include, device_exclude, ignore_invalid_speed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/fields.h"
#include "collector/scan.h"
#include "core/mem.h"

#define ROW(name, type)                                                                            \
    {                                                                                              \
        "node_network_" name, "Network device property: " name, type, UNIT_NONE, true              \
    }

enum { UP, INFO, FLAGS, SPEED, FIRST_PLAIN };

// clang-format off
static const struct metric metrics[] = {
    [UP] = {"node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.", METRIC_GAUGE, UNIT_NONE, true},
    [INFO] = {"node_network_info", "Non-numeric data from /sys/class/net/<iface>, value is always 1.", METRIC_GAUGE, UNIT_NONE, true},
    [FLAGS] = ROW("flags", METRIC_GAUGE),
    [SPEED] = ROW("speed_bytes", METRIC_GAUGE),
    [FIRST_PLAIN] = ROW("address_assign_type", METRIC_GAUGE),
    ROW("carrier", METRIC_GAUGE),
    ROW("carrier_changes_total", METRIC_COUNTER),
    ROW("carrier_up_changes_total", METRIC_COUNTER),
    ROW("carrier_down_changes_total", METRIC_COUNTER),
    ROW("device_id", METRIC_GAUGE),
    ROW("dormant", METRIC_GAUGE),
    ROW("iface_id", METRIC_GAUGE),
    ROW("iface_link", METRIC_GAUGE),
    ROW("iface_link_mode", METRIC_GAUGE),
    ROW("mtu_bytes", METRIC_GAUGE),
    ROW("name_assign_type", METRIC_GAUGE),
    ROW("net_dev_group", METRIC_GAUGE),
    ROW("transmit_queue_length", METRIC_GAUGE),
    ROW("protocol_type", METRIC_GAUGE),
    {"node_network_receive_nohandler_total", "Network device statistic receive_nohandler.",
     METRIC_COUNTER, UNIT_NONE, true}, /* of netdev's family, but not in /proc/net/dev */
};
/* The files of the rows from FIRST_PLAIN on. */
static const char *const plain_files[] = {
    "addr_assign_type", "carrier", "carrier_changes", "carrier_up_count", "carrier_down_count",
    "dev_id", "dormant", "ifindex", "iflink", "link_mode", "mtu", "name_assign_type",
    "netdev_group", "tx_queue_len", "type", "statistics/rx_nohandler",
};
// clang-format on
_Static_assert(COUNT(plain_files) == COUNT(metrics) - FIRST_PLAIN, "a file for each row");

enum { DEVICES_MAX = 4096, PATH_BYTES = 512, VALUE_MAX = 256 };

struct device_name {
    char text[IFNAMSIZ];
};
struct netclass {
    struct name_filter filter;
    bool ignore_invalid_speed;
    struct device_name *devices; /* of this cycle, sorted */
    size_t count, cap;
};

static int netclass_start(struct collect *c)
{
    struct netclass *s = collect_state(c);
    s->ignore_invalid_speed =
        strcmp(collect_option(c, "ignore_invalid_speed", "false"), "true") == 0;
    return name_filter_init(&s->filter, c, "device_include", "device_exclude", "");
}

static void netclass_stop(struct collect *c)
{
    struct netclass *s = collect_state(c);
    name_filter_release(&s->filter);
    mem_free(s->devices);
}

static int add_device(void *arg, const char *name)
{
    struct netclass *s = arg;
    if (strlen(name) >= IFNAMSIZ || !name_filter_pass(&s->filter, str_of(name))) return 0;
    void *array = s->devices;
    int rc = mem_grow(&array, &s->cap, s->count + 1, DEVICES_MAX, sizeof *s->devices);
    s->devices = array;
    if (rc < 0) return rc;
    scan_copy(s->devices[s->count++].text, IFNAMSIZ, str_of(name));
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool read_text(struct collect *c, const char *device, const char *file, char *to)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/class/net/%s/%s", collect_sys_root(c), device, file);
    ssize_t n = collect_read_once(c, path, to, VALUE_MAX);
    while (n > 0 && (to[n - 1] == '\n' || to[n - 1] == ' '))
        n--;
    to[n < 0 ? 0 : n] = '\0';
    return n > 0;
}

/* Decimal or 0x hexadecimal. */
static bool read_number(struct collect *c, const char *device, const char *file, int64_t *out)
{
    char text[VALUE_MAX], *end;
    if (!read_text(c, device, file, text)) return false;
    errno = 0;
    *out = strtoll(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static void emit_info(struct collect *c, const char *device)
{
    char address[VALUE_MAX], broadcast[VALUE_MAX], duplex[VALUE_MAX], operstate[VALUE_MAX],
        ifalias[VALUE_MAX];
    int64_t flags;
    read_text(c, device, "address", address);
    read_text(c, device, "broadcast", broadcast);
    read_text(c, device, "duplex", duplex);
    read_text(c, device, "operstate", operstate);
    read_text(c, device, "ifalias", ifalias);
    const char *admin = "unknown";
    if (read_number(c, device, "flags", &flags)) {
        admin = flags & IFF_UP ? "up" : "down";
        EMIT(c, &metrics[FLAGS], (double)flags, "device", device);
    }
    EMIT(c, &metrics[UP], strcmp(operstate, "up") == 0, "device", device);
    EMIT(c, &metrics[INFO], 1, "device", device, "address", address, "broadcast", broadcast,
         "duplex", duplex, "operstate", operstate, "adminstate", admin, "ifalias", ifalias);
}

/* Megabits; -1 where the driver does not know. */
static void emit_speed(struct collect *c, const char *device)
{
    const struct netclass *s = collect_state(c);
    int64_t speed;
    if (!read_number(c, device, "speed", &speed) || speed > INT32_MAX) return;
    if (speed < 0 && s->ignore_invalid_speed) return;
    EMIT(c, &metrics[SPEED], (double)speed * 125000.0, "device", device);
}

static void emit_device(struct collect *c, const char *device)
{
    int64_t v;
    emit_info(c, device);
    emit_speed(c, device);
    for (size_t i = 0; i < COUNT(plain_files); i++)
        if (read_number(c, device, plain_files[i], &v))
            EMIT(c, &metrics[FIRST_PLAIN + i], (double)v, "device", device);
}

static bool is_device(struct collect *c, const char *name)
{
    char text[VALUE_MAX]; /* the folder holds files too, such as bonding_masters */
    return read_text(c, name, "ifindex", text);
}

static int netclass_collect(struct collect *c)
{
    struct netclass *s = collect_state(c);
    struct env *env = collect_env(c);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/class/net", collect_sys_root(c));
    s->count = 0;
    name_filter_begin(&s->filter);
    int rc = env->io->list(env, path, add_device, s);
    if (rc < 0) return rc;
    if (s->count) qsort(s->devices, s->count, sizeof *s->devices, by_name);
    for (size_t i = 0; i < s->count; i++)
        if (is_device(c, s->devices[i].text)) emit_device(c, s->devices[i].text);
    return 0;
}

const struct collector collector_netclass = {
    .name = "netclass",
    .help = "State, speed and properties of network links. Options: device_include, "
            "device_exclude, ignore_invalid_speed.",
    .on_by_default = true,
    .may_block = true,
    .tier = TIER_SLOW,
    METRICS(metrics),
    .state_size = sizeof(struct netclass),
    .start = netclass_start,
    .collect = netclass_collect,
    .stop = netclass_stop,
};
