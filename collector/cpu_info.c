/* cpu_info.c -- what the CPUs are: throttling and isolation from <sysfs>/devices/system/cpu, and,
 * where asked for, model, flags and bugs from <procfs>/cpuinfo.
 *
 * Part of node_exporter's cpu collector, apart here because it changes slowly. Options, off as in
 * node_exporter: info (true: node_cpu_info), flags and bugs (patterns of those to list).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/fields.h"
#include "collector/scan.h"
#include "core/mem.h"

enum { INFO, FLAG_INFO, BUG_INFO, CORE_THROTTLES, PACKAGE_THROTTLES, ISOLATED };

// clang-format off
static const struct metric metrics[] = {
    [INFO] = {"node_cpu_info", "CPU information from /proc/cpuinfo.", METRIC_GAUGE, UNIT_NONE, true},
    [FLAG_INFO] = {"node_cpu_flag_info", "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.", METRIC_GAUGE, UNIT_NONE, true},
    [BUG_INFO] = {"node_cpu_bug_info", "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.", METRIC_GAUGE, UNIT_NONE, true},
    [CORE_THROTTLES] = {"node_cpu_core_throttles_total", "Number of times this CPU core has been throttled.", METRIC_COUNTER, UNIT_NONE, true},
    [PACKAGE_THROTTLES] = {"node_cpu_package_throttles_total", "Number of times this CPU package has been throttled.", METRIC_COUNTER, UNIT_NONE, true},
    [ISOLATED] = {"node_cpu_isolated", "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.", METRIC_GAUGE, UNIT_NONE, true},
};
// clang-format on

/* The lines of /proc/cpuinfo that become labels of node_cpu_info. */
enum { CPU, VENDOR, FAMILY, MODEL, MODEL_NAME, STEPPING, MICROCODE, CACHE, PACKAGE, CORE, LABELS };
static const struct {
    const char *key, *label;
} info[LABELS] = {
    [CPU] = {"processor",   "cpu"       },
    [VENDOR] = {"vendor_id",   "vendor"    },
    [FAMILY] = {"cpu family",  "family"    },
    [MODEL] = {"model",       "model"     },
    [MODEL_NAME] = {"model name",  "model_name"},
    [STEPPING] = {"stepping",    "stepping"  },
    [MICROCODE] = {"microcode",   "microcode" },
    [CACHE] = {"cache size",  "cachesize" },
    [PACKAGE] = {"physical id", "package"   },
    [CORE] = {"core id",     "core"      },
};

enum { VALUE_MAX = 128, PATH_BYTES = 512, CPUS_MAX = 16384, ISOLATED_BYTES = 4096 };

struct cpu_info {
    bool info;
    struct regex *flags, *bugs;
    uint32_t *numbers; /* of the CPUs in sysfs, sorted */
    size_t count, cap;
};

static int compile(struct collect *c, const char *option, struct regex **out)
{
    struct errmsg err;
    const char *pattern = collect_option(c, option, "");
    return pattern[0] ? regex_new(out, str_of(pattern), 0, &err) : 0;
}

static int cpu_info_start(struct collect *c)
{
    struct cpu_info *s = collect_state(c);
    s->info = strcmp(collect_option(c, "info", "false"), "true") == 0;
    int rc = compile(c, "flags", &s->flags);
    if (rc < 0) return rc;
    rc = compile(c, "bugs", &s->bugs);
    if (rc < 0) regex_free(s->flags);
    return rc;
}

static void cpu_info_stop(struct collect *c)
{
    struct cpu_info *s = collect_state(c);
    regex_free(s->flags);
    regex_free(s->bugs);
    mem_free(s->numbers);
}

/* --- cpuinfo --------------------------------------------------------------------------------- */

static void emit_words(struct collect *c, int metric, const char *label, const struct regex *wanted,
                       struct str words)
{
    struct str word;
    char text[VALUE_MAX];
    while (wanted && scan_word(&words, &word))
        if (regex_match(wanted, word) == 1)
            EMIT(c, &metrics[metric], 1, label, scan_copy(text, sizeof text, word));
}

static void emit_info(struct collect *c, char values[LABELS][VALUE_MAX])
{
    const char *pairs[2 * LABELS + 1];
    size_t n = 0;
    for (size_t i = 0; i < LABELS; i++) {
        pairs[n++] = info[i].label;
        pairs[n++] = values[i];
    }
    pairs[n] = NULL;
    emit_labels(c, &metrics[INFO], 1, pairs);
}

/* "key\t: value" */
static bool split_line(struct str line, struct str *key, struct str *value)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon) return false;
    size_t len = (size_t)(colon - line.p);
    *key = str_trim((struct str){line.p, len});
    *value = str_trim((struct str){colon + 1, line.len - len - 1});
    return true;
}

/* A line of one CPU's block; flags and bugs are taken from the first block alone. */
static void take_line(struct collect *c, struct str key, struct str value, bool first,
                      char values[LABELS][VALUE_MAX])
{
    const struct cpu_info *s = collect_state(c);
    for (size_t i = 0; i < LABELS; i++)
        if (str_eq(key, str_of(info[i].key))) scan_copy(values[i], VALUE_MAX, value);
    if (!first) return;
    if (str_eq(key, STR("flags"))) emit_words(c, FLAG_INFO, "flag", s->flags, value);
    if (str_eq(key, STR("bugs"))) emit_words(c, BUG_INFO, "bug", s->bugs, value);
}

/* Emits one block, up to a blank line; false at the end of the text. */
static bool emit_block(struct collect *c, struct str *text, bool first)
{
    const struct cpu_info *s = collect_state(c);
    char values[LABELS][VALUE_MAX] = {{0}};
    struct str line, key, value;
    bool any = false;
    while (scan_line(text, &line) && split_line(line, &key, &value)) {
        take_line(c, key, value, first, values);
        any = true;
    }
    if (any && s->info) emit_info(c, values);
    return text->len > 0;
}

static void emit_cpuinfo(struct collect *c, struct str text)
{
    for (bool first = true; emit_block(c, &text, first);)
        first = false;
}

/* --- sysfs ----------------------------------------------------------------------------------- */

/* Adds the number of "cpu7". */
static int add_cpu(void *arg, const char *name)
{
    struct cpu_info *s = arg;
    struct str digits = {name + 3, strlen(name) - MIN(strlen(name), (size_t)3)};
    uint64_t n;
    if (strncmp(name, "cpu", 3) != 0 || !scan_u64(&digits, &n) || n >= CPUS_MAX) return 0;
    void *array = s->numbers;
    int rc = mem_grow(&array, &s->cap, s->count + 1, CPUS_MAX, sizeof *s->numbers);
    s->numbers = array;
    if (rc == 0) s->numbers[s->count++] = (uint32_t)n;
    return rc;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool read_number(struct collect *c, uint32_t cpu, const char *file, uint64_t *out)
{
    char path[PATH_BYTES], text[32];
    snprintf(path, sizeof path, "%s/devices/system/cpu/cpu%u/%s", collect_sys_root(c), cpu, file);
    ssize_t n = collect_read_once(c, path, text, sizeof text);
    struct str s = str_trim((struct str){text, n < 0 ? 0 : (size_t)n});
    return scan_u64(&s, out);
}

/* CPUs of one core, and cores of one package, say the same: emit keeps the first. */
static void emit_throttles(struct collect *c, uint32_t cpu)
{
    uint64_t package, core, count;
    char package_text[24], core_text[24];
    if (!read_number(c, cpu, "topology/physical_package_id", &package) ||
        !read_number(c, cpu, "topology/core_id", &core))
        return;
    snprintf(package_text, sizeof package_text, "%llu", (unsigned long long)package);
    snprintf(core_text, sizeof core_text, "%llu", (unsigned long long)core);
    if (read_number(c, cpu, "thermal_throttle/core_throttle_count", &count))
        EMIT(c, &metrics[CORE_THROTTLES], (double)count, "package", package_text, "core",
             core_text);
    if (read_number(c, cpu, "thermal_throttle/package_throttle_count", &count))
        EMIT(c, &metrics[PACKAGE_THROTTLES], (double)count, "package", package_text);
}

static bool take_number(struct str s, uint64_t *out)
{
    return scan_u64(&s, out) && s.len == 0 && *out < CPUS_MAX;
}

/* "1,3-5,9" */
static int emit_isolated(struct collect *c)
{
    char path[PATH_BYTES], text[ISOLATED_BYTES], cpu[24];
    snprintf(path, sizeof path, "%s/devices/system/cpu/isolated", collect_sys_root(c));
    ssize_t n = collect_read_once(c, path, text, sizeof text);
    struct str list = str_trim((struct str){text, n < 0 ? 0 : (size_t)n});
    while (list.len) {
        struct str to = str_split(&list, ','), from = str_split(&to, '-');
        uint64_t first, last;
        if (!take_number(from, &first)) return E_PARSE;
        last = first;
        if (to.p && !take_number(to, &last)) return E_PARSE;
        for (uint64_t i = first; i <= last; i++) {
            snprintf(cpu, sizeof cpu, "%llu", (unsigned long long)i);
            EMIT(c, &metrics[ISOLATED], 1, "cpu", cpu);
        }
    }
    return 0;
}

static int cpu_info_collect(struct collect *c)
{
    struct cpu_info *s = collect_state(c);
    struct env *env = collect_env(c);
    struct str text;
    char path[PATH_BYTES];
    if (s->info || s->flags || s->bugs) {
        int rc = procfs_read(c, "cpuinfo", &text);
        if (rc < 0) return rc;
        emit_cpuinfo(c, text);
    }
    snprintf(path, sizeof path, "%s/devices/system/cpu", collect_sys_root(c));
    s->count = 0;
    int rc = env->io->list(env, path, add_cpu, s);
    if (rc < 0) return rc;
    if (s->count) qsort(s->numbers, s->count, sizeof *s->numbers, by_number);
    for (size_t i = 0; i < s->count; i++)
        emit_throttles(c, s->numbers[i]);
    return emit_isolated(c);
}

const struct collector collector_cpu_info = {
    .name = "cpu_info",
    .help = "Throttling and isolation of CPUs. Options: info, flags, bugs.",
    .on_by_default = true,
    .may_block = true,
    .tier = TIER_SLOW,
    METRICS(metrics),
    .state_size = sizeof(struct cpu_info),
    .start = cpu_info_start,
    .collect = cpu_info_collect,
    .stop = cpu_info_stop,
};
