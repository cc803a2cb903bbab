/* cpu.c -- seconds each CPU spent in each mode, from the cpu lines of <procfs>/stat.
 *
 * The kernel's idle and iowait can run backwards by some ticks; a counter that did so would look
 * like a reset to rate(), so the higher value is held. Only when idle falls by more than three
 * seconds was the CPU taken away and brought back: then its counters do start anew.
 *
 * Guest time stays included in user and nice, as the kernel counts it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "collector/collect.h"
#include "collector/scan.h"
#include "core/mem.h"

enum { SECONDS, GUEST_SECONDS };

// clang-format off
static const struct metric metrics[] = {
    [SECONDS] = {"node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", METRIC_COUNTER, UNIT_SECONDS, true},
    [GUEST_SECONDS] = {"node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.", METRIC_COUNTER, UNIT_SECONDS, true},
};
// clang-format on

/* The columns, in the kernel's order. */
static const struct {
    int metric;
    const char *mode;
} columns[] = {
    {SECONDS,       "user"   },
    {SECONDS,       "nice"   },
    {SECONDS,       "system" },
    {SECONDS,       "idle"   },
    {SECONDS,       "iowait" },
    {SECONDS,       "irq"    },
    {SECONDS,       "softirq"},
    {SECONDS,       "steal"  },
    {GUEST_SECONDS, "user"   },
    {GUEST_SECONDS, "nice"   },
};
enum { IDLE = 3, COLUMNS = COUNT(columns), CPUS_MAX = 16384, JUMP_BACK_SECONDS = 3 };

struct cpu_ticks {
    uint64_t v[COLUMNS];
};
struct cpu_state {
    uint64_t hz;
    struct cpu_ticks *cpus; /* by number */
    size_t count, cap;
};

static int cpu_start(struct collect *c)
{
    struct cpu_state *s = collect_state(c);
    long hz = sysconf(_SC_CLK_TCK);
    s->hz = hz > 0 ? (uint64_t)hz : 100;
    return 0;
}

static void cpu_stop(struct collect *c)
{
    struct cpu_state *s = collect_state(c);
    mem_free(s->cpus);
}

static struct cpu_ticks *ticks_of(struct cpu_state *s, uint64_t number)
{
    if (number >= CPUS_MAX) return NULL;
    void *array = s->cpus;
    int rc = mem_grow(&array, &s->cap, number + 1, CPUS_MAX, sizeof *s->cpus);
    s->cpus = array;
    if (rc < 0) return NULL;
    for (; s->count <= number; s->count++)
        s->cpus[s->count] = (struct cpu_ticks){0};
    return &s->cpus[number];
}

static void hold(struct cpu_ticks *held, const struct cpu_ticks *now, uint64_t hz)
{
    if (now->v[IDLE] + JUMP_BACK_SECONDS * hz < held->v[IDLE]) {
        *held = *now;
        return;
    }
    for (size_t i = 0; i < COLUMNS; i++)
        held->v[i] = MAX(held->v[i], now->v[i]);
}

/* "cpu7 user nice ...": the columns old kernels lack are zero. False for the line of all CPUs. */
static bool parse_cpu(struct str line, struct str *number, uint64_t *n, struct cpu_ticks *ticks)
{
    struct str word;
    *ticks = (struct cpu_ticks){0};
    if (!scan_word(&line, &word) || word.len < 4) return false;
    *number = (struct str){word.p + 3, word.len - 3};
    struct str digits = *number;
    if (!scan_u64(&digits, n)) return false;
    size_t i = 0;
    while (i < COLUMNS && scan_u64(&line, &ticks->v[i]))
        i++;
    return i > IDLE;
}

static void emit_cpu(struct collect *c, struct str number, const struct cpu_ticks *t, double hz)
{
    char text[24];
    scan_copy(text, sizeof text, number);
    for (size_t i = 0; i < COLUMNS; i++)
        EMIT(c, &metrics[columns[i].metric], (double)t->v[i] / hz, "cpu", text, "mode",
             columns[i].mode);
}

static int cpu_collect(struct collect *c)
{
    struct cpu_state *s = collect_state(c);
    struct str text, line, number;
    struct cpu_ticks now;
    uint64_t n;
    bool any = false;
    int rc = procfs_read(c, "stat", &text);
    if (rc < 0) return rc;
    while (scan_line(&text, &line) && line.len > 3 && memcmp(line.p, "cpu", 3) == 0) {
        if (!parse_cpu(line, &number, &n, &now)) continue;
        struct cpu_ticks *held = ticks_of(s, n);
        if (!held) continue;
        hold(held, &now, s->hz);
        emit_cpu(c, number, held, (double)s->hz);
        any = true;
    }
    return any ? 0 : E_PARSE;
}

const struct collector collector_cpu = {
    .name = "cpu",
    .help = "Seconds each CPU spent in each mode.",
    .on_by_default = true,
    METRICS(metrics),
    .state_size = sizeof(struct cpu_state),
    .start = cpu_start,
    .collect = cpu_collect,
    .stop = cpu_stop,
};
