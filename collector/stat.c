/* stat.c -- interrupts, context switches, forks, boot time, runnable processes, from <procfs>/stat.
 *
 * Option softirqs: true adds node_softirqs_total per vector, off as in node_exporter.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/collect.h"
#include "collector/scan.h"

enum { INTR, CONTEXT_SWITCHES, FORKS, BOOT_TIME, RUNNING, BLOCKED, SOFTIRQS };

// clang-format off
static const struct metric metrics[] = {
    [INTR] = {"node_intr_total", "Total number of interrupts serviced.", METRIC_COUNTER, UNIT_NONE, true},
    [CONTEXT_SWITCHES] = {"node_context_switches_total", "Total number of context switches.", METRIC_COUNTER, UNIT_NONE, true},
    [FORKS] = {"node_forks_total", "Total number of forks.", METRIC_COUNTER, UNIT_NONE, true},
    [BOOT_TIME] = {"node_boot_time_seconds", "Node boot time, in unixtime.", METRIC_GAUGE, UNIT_SECONDS, true},
    [RUNNING] = {"node_procs_running", "Number of processes in runnable state.", METRIC_GAUGE, UNIT_NONE, true},
    [BLOCKED] = {"node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", METRIC_GAUGE, UNIT_NONE, true},
    [SOFTIRQS] = {"node_softirqs_total", "Number of softirq calls.", METRIC_COUNTER, UNIT_NONE, true},
};
// clang-format on

static const struct {
    struct str key;
    int metric;
} lines[] = {
    {{"intr", 4},           INTR            },
    {{"ctxt", 4},           CONTEXT_SWITCHES},
    {{"btime", 5},          BOOT_TIME       },
    {{"processes", 9},      FORKS           },
    {{"procs_running", 13}, RUNNING         },
    {{"procs_blocked", 13}, BLOCKED         },
};

/* The columns of the softirq line after the total, in the kernel's order. */
static const char *const vectors[] = {
    "hi",           "timer",   "net_tx", "net_rx",  "block",
    "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu",
};

struct stat_state {
    bool softirqs;
};

static int stat_start(struct collect *c)
{
    struct stat_state *s = collect_state(c);
    s->softirqs = strcmp(collect_option(c, "softirqs", "false"), "true") == 0;
    return 0;
}

static void emit_softirqs(struct collect *c, struct str rest)
{
    uint64_t v;
    if (!scan_u64(&rest, &v)) return; /* the total */
    for (size_t i = 0; i < COUNT(vectors) && scan_u64(&rest, &v); i++)
        EMIT(c, &metrics[SOFTIRQS], (double)v, "vector", vectors[i]);
}

static bool emit_line(struct collect *c, struct str key, struct str rest)
{
    uint64_t v;
    for (size_t i = 0; i < COUNT(lines); i++)
        if (str_eq(key, lines[i].key) && scan_u64(&rest, &v)) {
            emit(c, &metrics[lines[i].metric], (double)v);
            return true;
        }
    return false;
}

static int stat_collect(struct collect *c)
{
    const struct stat_state *s = collect_state(c);
    struct str text, line, key;
    bool any = false;
    int rc = procfs_read(c, "stat", &text);
    if (rc < 0) return rc;
    while (scan_line(&text, &line)) {
        if (line.len > 3 && memcmp(line.p, "cpu", 3) == 0) continue;
        if (!scan_word(&line, &key)) continue;
        if (emit_line(c, key, line)) any = true;
        if (s->softirqs && str_eq(key, STR("softirq"))) emit_softirqs(c, line);
    }
    return any ? 0 : E_PARSE;
}

const struct collector collector_stat = {
    .name = "stat",
    .help = "Interrupts, context switches, forks, boot time and processes running or blocked.",
    .on_by_default = true,
    METRICS(metrics),
    .state_size = sizeof(struct stat_state),
    .start = stat_start,
    .collect = stat_collect,
};
