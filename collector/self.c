/* self.c -- what the daemon says about itself: its process, its collectors, its schedule.
 *
 * The process part reads this process' own /proc/self, whatever host root the collectors have.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "collector/engine_int.h"
#include "collector/scan.h"
#include "core/mem.h"

#ifndef TOCSIN_VERSION
#    define TOCSIN_VERSION "unknown"
#endif

/* --- collectors and the engine --------------------------------------------------------------- */

enum {
    SCRAPE_DURATION,
    SCRAPE_SUCCESS,
    UP,
    DURATION,
    CPU_SECONDS,
    SAMPLES,
    TIMEOUTS,
    SKIPPED,
    INTERVAL,
    SLOTS,
    SLOTS_SKIPPED,
    SLOTS_LOST,
    SAMPLES_STORED,
    DROPPED,
    OPEN_FILES,
};

// clang-format off
const struct metric collector_metrics[] = {
    [SCRAPE_DURATION] = {"node_scrape_collector_duration_seconds",
        "node_exporter: Duration of a collector scrape.", METRIC_GAUGE, UNIT_SECONDS, true},
    [SCRAPE_SUCCESS] = {"node_scrape_collector_success",
        "node_exporter: Whether a collector succeeded.", METRIC_GAUGE, UNIT_NONE, true},
    [UP] = {"tocsin_collector_up",
        "Whether the collector's source is there and its last run succeeded.", METRIC_GAUGE, UNIT_NONE, false},
    [DURATION] = {"tocsin_collector_duration_seconds",
        "Duration of the collector's last run.", METRIC_GAUGE, UNIT_SECONDS, false},
    [CPU_SECONDS] = {"tocsin_collector_cpu_seconds_total",
        "CPU time all runs of the collector have taken.", METRIC_COUNTER, UNIT_SECONDS, false},
    [SAMPLES] = {"tocsin_collector_samples",
        "Samples of the collector's last run.", METRIC_GAUGE, UNIT_NONE, false},
    [TIMEOUTS] = {"tocsin_collector_timeouts_total",
        "Runs left out because the one before had not ended.", METRIC_COUNTER, UNIT_NONE, false},
    [SKIPPED] = {"tocsin_collector_skipped_total",
        "Runs left out because the schedule was late.", METRIC_COUNTER, UNIT_NONE, false},
    [INTERVAL] = {"tocsin_collector_interval_seconds",
        "How often the collector runs, longer than configured when it costs too much.", METRIC_GAUGE, UNIT_SECONDS, false},
    [SLOTS] = {"tocsin_collector_slots_total",
        "Collection slots used.", METRIC_COUNTER, UNIT_NONE, false},
    [SLOTS_SKIPPED] = {"tocsin_collector_slots_skipped_total",
        "Collection slots that passed unused because the one before ran late.", METRIC_COUNTER, UNIT_NONE, false},
    [SLOTS_LOST] = {"tocsin_collector_slots_lost_total",
        "Collection slots whose samples the store refused.", METRIC_COUNTER, UNIT_NONE, false},
    [SAMPLES_STORED] = {"tocsin_collector_samples_stored_total",
        "Local samples stored.", METRIC_COUNTER, UNIT_NONE, false},
    [DROPPED] = {"tocsin_collector_samples_dropped_total",
        "Local samples not stored.", METRIC_COUNTER, UNIT_NONE, false},
    [OPEN_FILES] = {"tocsin_collector_open_files",
        "Descriptors kept open on files of /proc and /sys.", METRIC_GAUGE, UNIT_NONE, false},
};
// clang-format on

const size_t collector_metric_count = COUNT(collector_metrics);

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

void self_report_collector(struct collect *self, const struct collect *c, int64_t interval_ms)
{
    const struct collect_figures *f = &c->last;
    if (!f->ran) return;
    const char *const pairs[] = {"collector", c->def->name, NULL};
    const double values[] = {
        [SCRAPE_DURATION] = seconds(f->duration_ns),
        [SCRAPE_SUCCESS] = f->rc == 0,
        [UP] = f->rc == 0,
        [DURATION] = seconds(f->duration_ns),
        [CPU_SECONDS] = seconds(f->cpu_ns),
        [SAMPLES] = (double)c->table.published,
        [TIMEOUTS] = (double)c->timeouts,
        [SKIPPED] = (double)c->skipped,
        [INTERVAL] = (double)interval_ms / 1e3,
    };
    for (size_t i = 0; i < COUNT(values); i++)
        emit_labels(self, &collector_metrics[i], values[i], pairs);
}

void self_report_engine(struct collect *self, const struct collector_engine *e)
{
    emit(self, &collector_metrics[SLOTS], (double)e->cycle);
    emit(self, &collector_metrics[SLOTS_SKIPPED], (double)e->skipped);
    emit(self, &collector_metrics[SLOTS_LOST], (double)e->batch.slots_lost);
    emit(self, &collector_metrics[SAMPLES_STORED], (double)e->batch.stored);
    EMIT(self, &collector_metrics[DROPPED], (double)e->batch.lost, "reason", "unavailable");
    EMIT(self, &collector_metrics[DROPPED], (double)e->batch.refused, "reason", "refused");
    emit(self, &collector_metrics[OPEN_FILES], (double)(e->files.open + e->own_files.open));
}

/* --- the process ----------------------------------------------------------------------------- */

enum { CPU_TOTAL, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, START_TIME, THREADS, BUILD_INFO };

// clang-format off
static const struct metric process_metrics[] = {
    [CPU_TOTAL] = {"process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.", METRIC_COUNTER, UNIT_SECONDS, true},
    [RESIDENT] = {"process_resident_memory_bytes",
        "Resident memory size in bytes.", METRIC_GAUGE, UNIT_BYTES, true},
    [VIRTUAL] = {"process_virtual_memory_bytes",
        "Virtual memory size in bytes.", METRIC_GAUGE, UNIT_BYTES, true},
    [OPEN_FDS] = {"process_open_fds",
        "Number of open file descriptors.", METRIC_GAUGE, UNIT_NONE, true},
    [MAX_FDS] = {"process_max_fds",
        "Maximum number of open file descriptors.", METRIC_GAUGE, UNIT_NONE, true},
    [START_TIME] = {"process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.", METRIC_GAUGE, UNIT_SECONDS, true},
    [THREADS] = {"process_threads",
        "Number of threads of the process.", METRIC_GAUGE, UNIT_NONE, true},
    [BUILD_INFO] = {"tocsin_build_info",
        "A metric with a constant 1 value, labeled by version.", METRIC_GAUGE, UNIT_NONE, false},
};
// clang-format on

/* Fields of /proc/<pid>/stat after the name's closing parenthesis, counted from 3 (proc(5)). */
enum {
    FIELD_FIRST = 3,
    UTIME = 14,
    STIME = 15,
    NUM_THREADS = 20,
    STARTTIME = 22,
    VSIZE = 23,
    RSS = 24,
    FIELD_COUNT = 25
};

static int parse_stat(struct str text, uint64_t field[FIELD_COUNT])
{
    const char *name_end = memrchr(text.p, ')', text.len);
    if (!name_end) return E_PARSE;
    struct str rest = {name_end + 1, text.len - (size_t)(name_end + 1 - text.p)};
    for (size_t i = FIELD_FIRST; i < FIELD_COUNT; i++) {
        struct str word;
        if (!scan_word(&rest, &word)) return E_PARSE;
        if (!scan_u64(&word, &field[i])) field[i] = 0; /* the state letter, and negative numbers */
    }
    return 0;
}

static double process_start(struct env *env)
{
    char *text = NULL;
    size_t len = 0;
    uint64_t field[FIELD_COUNT] = {0};
    struct timespec up;
    double start = (double)env_now_ms(env) / 1e3;
    if (env_read_file(env, "/proc/self/stat", 4096, &text, &len) == 0 &&
        parse_stat((struct str){text, len}, field) == 0 &&
        clock_gettime(CLOCK_BOOTTIME, &up) == 0) {
        double hz = (double)sysconf(_SC_CLK_TCK);
        start -= (double)up.tv_sec + (double)up.tv_nsec / 1e9 - (double)field[STARTTIME] / hz;
    }
    mem_free(text);
    return start;
}

static int count_entry(void *arg, const char *name)
{
    UNUSED(name);
    ++*(double *)arg;
    return 0;
}

/* Since Linux 6.2 the directory's size is the number of descriptors; before, they are counted. */
static int open_fds(struct env *env, double *out)
{
    struct io_stat st;
    if (env->io->stat(env, "/proc/self/fd", &st) == 0 && st.size_bytes > 0) {
        *out = (double)st.size_bytes;
        return 0;
    }
    *out = -1; /* the listing's own descriptor */
    return env->io->list(env, "/proc/self/fd", count_entry, out);
}

struct self_state {
    double start_seconds, max_fds, hz, page_size;
};

static int self_start(struct collect *c)
{
    struct self_state *s = collect_state(c);
    struct rlimit limit;
    s->start_seconds = process_start(collect_env(c));
    s->max_fds = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
    s->hz = (double)sysconf(_SC_CLK_TCK);
    s->page_size = (double)sysconf(_SC_PAGESIZE);
    return 0;
}

static int self_collect(struct collect *c)
{
    const struct self_state *s = collect_state(c);
    uint64_t field[FIELD_COUNT] = {0};
    struct str text = {NULL, 0};
    double fds = 0;
    EMIT(c, &process_metrics[BUILD_INFO], 1, "version", TOCSIN_VERSION);
    int rc = procfs_read(c, "self/stat", &text);
    if (rc == 0) rc = parse_stat(text, field);
    if (rc < 0) return rc;
    emit(c, &process_metrics[CPU_TOTAL], (double)(field[UTIME] + field[STIME]) / s->hz);
    emit(c, &process_metrics[RESIDENT], (double)field[RSS] * s->page_size);
    emit(c, &process_metrics[VIRTUAL], (double)field[VSIZE]);
    emit(c, &process_metrics[THREADS], (double)field[NUM_THREADS]);
    emit(c, &process_metrics[START_TIME], s->start_seconds);
    emit(c, &process_metrics[MAX_FDS], s->max_fds);
    if (open_fds(collect_env(c), &fds) >= 0) emit(c, &process_metrics[OPEN_FDS], fds);
    return 0;
}

const struct collector collector_self = {
    .name = "self",
    .help = "The daemon's own process.",
    .on_by_default = true,
    METRICS(process_metrics),
    .state_size = sizeof(struct self_state),
    .start = self_start,
    .collect = self_collect,
};
