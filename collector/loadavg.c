/* loadavg.c -- the kernel's three load averages, from <procfs>/loadavg.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/collect.h"

enum { LOAD1, LOAD5, LOAD15 };

static const struct metric metrics[] = {
    [LOAD1] = {"node_load1",  "1m load average.",  METRIC_GAUGE, UNIT_NONE, true},
    [LOAD5] = {"node_load5",  "5m load average.",  METRIC_GAUGE, UNIT_NONE, true},
    [LOAD15] = {"node_load15", "15m load average.", METRIC_GAUGE, UNIT_NONE, true},
};

static int loadavg_collect(struct collect *c)
{
    double load[COUNT(metrics)];
    int rc = procfs_doubles(c, "loadavg", load, COUNT(load));
    if (rc < 0) return rc;
    for (size_t i = 0; i < COUNT(load); i++)
        emit(c, &metrics[i], load[i]);
    return 0;
}

const struct collector collector_loadavg = {
    .name = "loadavg",
    .help = "Load averages over 1, 5 and 15 minutes.",
    .on_by_default = true,
    METRICS(metrics),
    .collect = loadavg_collect,
};
