/* softnet.c -- packets each CPU took off the network, from <procfs>/net/softnet_stat.
 *
 * A line a CPU, hexadecimal columns; later kernels add columns, the last of them the CPU's number
 * (lines of offline CPUs are missing), else the line's number is it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "collector/collect.h"
#include "collector/scan.h"

enum { PROCESSED, DROPPED, TIMES_SQUEEZED, CPU_COLLISION, RECEIVED_RPS, FLOW_LIMIT, BACKLOG };

// clang-format off
static const struct metric metrics[] = {
    [PROCESSED] = {"node_softnet_processed_total", "Number of processed packets", METRIC_COUNTER, UNIT_NONE, true},
    [DROPPED] = {"node_softnet_dropped_total", "Number of dropped packets", METRIC_COUNTER, UNIT_NONE, true},
    [TIMES_SQUEEZED] = {"node_softnet_times_squeezed_total", "Number of times processing packets ran out of quota", METRIC_COUNTER, UNIT_NONE, true},
    [CPU_COLLISION] = {"node_softnet_cpu_collision_total", "Number of collision occur while obtaining device lock while transmitting", METRIC_COUNTER, UNIT_NONE, true},
    [RECEIVED_RPS] = {"node_softnet_received_rps_total", "Number of times cpu woken up received_rps", METRIC_COUNTER, UNIT_NONE, true},
    [FLOW_LIMIT] = {"node_softnet_flow_limit_count_total", "Number of times flow limit has been reached", METRIC_COUNTER, UNIT_NONE, true},
    [BACKLOG] = {"node_softnet_backlog_len", "Softnet backlog status", METRIC_GAUGE, UNIT_NONE, true},
};

/* Where the kernel puts them (net/core/net-procfs.c); columns an old kernel lacks are zero. */
enum { COLUMN_CPU = 12, COLUMNS_MIN = 9, COLUMNS = 13 };
static const unsigned char column_of[] = {
    [PROCESSED] = 0, [DROPPED] = 1, [TIMES_SQUEEZED] = 2, [CPU_COLLISION] = 8,
    [RECEIVED_RPS] = 9, [FLOW_LIMIT] = 10, [BACKLOG] = 11,
};
// clang-format on

static int softnet_collect(struct collect *c)
{
    struct str text, line;
    unsigned line_number = 0;
    int rc = procfs_read(c, "net/softnet_stat", &text);
    if (rc < 0) return rc;
    for (; scan_line(&text, &line); line_number++) {
        uint64_t v[COLUMNS] = {0};
        size_t n = 0;
        while (n < COLUMNS && scan_hex(&line, &v[n]))
            n++;
        if (n < COLUMNS_MIN) return E_PARSE;
        char cpu[24];
        snprintf(cpu, sizeof cpu, "%u", n > COLUMN_CPU ? (unsigned)v[COLUMN_CPU] : line_number);
        for (size_t i = 0; i < COUNT(metrics); i++)
            EMIT(c, &metrics[i], (double)v[column_of[i]], "cpu", cpu);
    }
    return line_number ? 0 : E_PARSE;
}

const struct collector collector_softnet = {
    .name = "softnet",
    .help = "Packets processed and dropped by each CPU.",
    .on_by_default = true,
    METRICS(metrics),
    .collect = softnet_collect,
};
