/* pressure.c -- time lost waiting for CPU, memory, I/O and interrupts, from <procfs>/pressure.
 *
 * "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" and the same for full; totals are
 * microseconds. A kernel without PSI has no such folder; without IRQ accounting no irq file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/collect.h"
#include "collector/scan.h"

enum { CPU_WAITING, IO_WAITING, IO_STALLED, MEMORY_WAITING, MEMORY_STALLED, IRQ_STALLED };

// clang-format off
static const struct metric metrics[] = {
    [CPU_WAITING] = {"node_pressure_cpu_waiting_seconds_total", "Total time in seconds that processes have waited for CPU time", METRIC_COUNTER, UNIT_SECONDS, true},
    [IO_WAITING] = {"node_pressure_io_waiting_seconds_total", "Total time in seconds that processes have waited due to IO congestion", METRIC_COUNTER, UNIT_SECONDS, true},
    [IO_STALLED] = {"node_pressure_io_stalled_seconds_total", "Total time in seconds no process could make progress due to IO congestion", METRIC_COUNTER, UNIT_SECONDS, true},
    [MEMORY_WAITING] = {"node_pressure_memory_waiting_seconds_total", "Total time in seconds that processes have waited for memory", METRIC_COUNTER, UNIT_SECONDS, true},
    [MEMORY_STALLED] = {"node_pressure_memory_stalled_seconds_total", "Total time in seconds no process could make progress due to memory congestion", METRIC_COUNTER, UNIT_SECONDS, true},
    [IRQ_STALLED] = {"node_pressure_irq_stalled_seconds_total", "Total time in seconds no process could make progress due to IRQ congestion", METRIC_COUNTER, UNIT_SECONDS, true},
};
// clang-format on

enum { NONE = -1 };
static const struct {
    const char *path;
    int some, full; /* metrics of the two lines */
} files[] = {
    {"pressure/cpu",    CPU_WAITING,    NONE          },
    {"pressure/io",     IO_WAITING,     IO_STALLED    },
    {"pressure/memory", MEMORY_WAITING, MEMORY_STALLED},
    {"pressure/irq",    NONE,           IRQ_STALLED   },
};

static bool find_total(struct str line, double *seconds)
{
    struct str word;
    uint64_t us;
    while (scan_word(&line, &word)) {
        if (!str_starts(word, STR("total="))) continue;
        struct str digits = {word.p + 6, word.len - 6};
        if (!scan_u64(&digits, &us)) return false;
        *seconds = (double)us / 1000 / 1000;
        return true;
    }
    return false;
}

static int emit_file(struct collect *c, struct str text, int some, int full)
{
    struct str line, word;
    double seconds;
    while (scan_line(&text, &line)) {
        if (!scan_word(&line, &word)) continue;
        int metric = str_eq(word, STR("some")) ? some : str_eq(word, STR("full")) ? full : NONE;
        if (metric == NONE) continue;
        if (!find_total(line, &seconds)) return E_PARSE;
        emit(c, &metrics[metric], seconds);
    }
    return 0;
}

static int pressure_collect(struct collect *c)
{
    int result = -ENOENT;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct str text;
        int rc = procfs_read(c, files[i].path, &text);
        /* PSI built in but switched off at boot: the files are there and refuse to be read. */
        if (rc == -ENOENT || rc == -EOPNOTSUPP) continue;
        if (rc == 0) rc = emit_file(c, text, files[i].some, files[i].full);
        if (rc < 0) return rc;
        result = 0;
    }
    return result;
}

const struct collector collector_pressure = {
    .name = "pressure",
    .help = "Time lost waiting for CPU, memory, I/O and interrupts (PSI).",
    .on_by_default = true,
    METRICS(metrics),
    .collect = pressure_collect,
};
