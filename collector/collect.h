/* collect.h -- what a collector is, and what it is given.
 *
 * A collector is one file and one line in collector/list.h: a const struct collector with its
 * table of metrics and a collect function, which reads a source and emits samples. It knows
 * nothing of storage: emit() remembers, per collector, the order in which series come, so that a
 * steady cycle allocates nothing and looks nothing up. All collectors run on one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_COLLECT_H
#define TOCSIN_COLLECTOR_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/env.h"
#include "core/err.h"
#include "tsdb/tsdb.h"

enum metric_unit {
    UNIT_NONE,
    UNIT_SECONDS,
    UNIT_BYTES,
    UNIT_RATIO,
    UNIT_CELSIUS,
    UNIT_BITS,
    UNIT_HERTZ,
};

struct metric {
    const char *name, *help;
    enum metric_type type;
    enum metric_unit unit;
    bool foreign; /* a row copied from another project: exempt from our naming test */
};

struct collect; /* one collector's run: options, roots, kept files, private state, output */

/* How often, and on which thread. */
enum collect_tier {
    TIER_FAST, /* every collectors.interval (1 s) */
    TIER_SLOW, /* every 15 s */
    TIER_ONCE, /* at start and on reload; emitted again with every slow cycle */
};

struct collector {
    const char *name; /* the option's name: collectors.host.NAME */
    const char *help; /* one sentence for the documentation */
    bool on_by_default;
    bool may_block; /* runs on the helper thread under a deadline */
    enum collect_tier tier;
    const struct metric *metrics; /* fixed rows; names made at run time come from emit_named */
    size_t metric_count;
    size_t state_size;                 /* private state, zeroed at start; collect_state() */
    int (*start)(struct collect *c);   /* optional; < 0 disables the collector, logged at debug */
    int (*collect)(struct collect *c); /* one cycle: 0, or < 0 (counted; success = 0) */
    void (*stop)(struct collect *c);   /* optional */
};
#define METRICS(rows) .metrics = (rows), .metric_count = COUNT(rows)

/* --- what collect functions may call --------------------------------------------------------- */

void *collect_state(struct collect *c);
struct env *collect_env(struct collect *c);
const char *collect_host_root(struct collect *c); /* "" or the prefix of --host-root */
const char *collect_proc_root(struct collect *c); /* "/proc", below the host root */
const char *collect_sys_root(struct collect *c);
int64_t collect_time_ms(const struct collect *c); /* the scheduled time: every sample's timestamp */
/* An option of collectors.host.NAME (a string the configuration holds), or dflt. */
const char *collect_option(struct collect *c, const char *key, const char *dflt);

/* A sample without labels of its own, and with up to 16 label pairs (name, value, ...; NULL
 * ends; names not empty). Values are copied; bytes that are not UTF-8 become U+FFFD. job, instance
 * and node labels are added by the engine. */
void emit(struct collect *c, const struct metric *m, double v);
void emit_labels(struct collect *c, const struct metric *m, double v, const char *const *pairs);
#define EMIT(c, m, v, ...) emit_labels(c, m, v, (const char *const[]){__VA_ARGS__, NULL})
/* A metric whose name is made at run time (node_memory_<Key>_bytes). */
void emit_named(struct collect *c, struct str name, const char *help, enum metric_type type,
                double v, const char *const *pairs);

/* Kept files: opened once, read each cycle by one pread into a buffer that fits the file
 * (collectors.md §1). path is below the proc root (procfs_*) or the sys root (sysfs_*). Text is
 * NUL-terminated and valid until the next read of the same file. -ENOENT when absent. */
int procfs_read(struct collect *c, const char *path, struct str *out) MUST_CHECK;
int sysfs_read(struct collect *c, const char *path, struct str *out) MUST_CHECK;
/* The first n numbers of a file. */
int procfs_doubles(struct collect *c, const char *path, double *out, size_t n) MUST_CHECK;
/* Any file, opened, read and closed: for what is read seldom. At most room - 1 bytes and a NUL; the
 * length, or -errno. path is complete (collect_sys_root and the like are the caller's). */
ssize_t collect_read_once(struct collect *c, const char *path, char *to, size_t room) MUST_CHECK;

#endif
