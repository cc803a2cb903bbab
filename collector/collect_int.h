/* collect_int.h -- what the collector engine's own files share: the state behind struct collect.
 *
 *     struct collect ── one collector between cycles: options, private state, figures
 *        ├── struct series_table ── every series it emits, in the order it emits them
 *        └── struct kept_files   ── descriptors of its lane (thread), shared by its collectors
 *
 * Collectors that never block run on the engine's thread and share one struct kept_files; those
 * that may block run on the helper thread and have their own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_COLLECT_INT_H
#define TOCSIN_COLLECTOR_COLLECT_INT_H

#include <pthread.h>

#include "collector/collect.h"
#include "collector/engine.h"
#include "core/arena.h"
#include "core/log.h"

/* --- series.c: the series of one collector ------------------------------------------------------
 *
 * The n-th emit of a cycle is compared with the series that was n-th in the cycle before: a pointer
 * comparison for the metric and memcmp for label values. Only when they differ (a device came or
 * went) is the series looked up by hash, or made. Values become visible to readers all at once, by
 * series_publish. */
struct series {
    const struct metric *metric; /* its row; NULL when named at run time */
    struct str name;
    const char *help;
    enum metric_type type;
    void *block;          /* the heap block of labels, pairs, name and help */
    struct label *labels; /* sorted by name, without __name__; values may be empty */
    size_t label_count;
    const char *pairs; /* as emitted: "name\0value\0...\0" */
    size_t pairs_len;
    uint64_t hash;
    tsdb_ref ref;         /* 0: not resolved */
    uint64_t retry_cycle; /* a refused series is not asked for again before */
    double value, next;   /* published; being collected */
    uint64_t cycle;       /* the last it was emitted in */
    uint32_t position;    /* in that cycle's order */
    bool live;            /* else the entry is free */
    bool visible;         /* published at least once */
};

struct series_order {
    uint32_t *v;
    size_t count, cap;
};

struct series_table {
    pthread_mutex_t lock; /* the array and published values, against readers */
    struct series *v;
    size_t count, cap, live;
    uint32_t *index;   /* open addressing: entry + 1, or 0 */
    size_t index_size; /* a power of two */
    struct series_order order[2];
    int current;     /* order[current] is being written, the other is the last cycle */
    size_t expected; /* position in the last order that should come next */
    uint64_t cycle;
    uint64_t dropped; /* emits refused: duplicates, too many, out of memory */
    size_t published; /* series of the last published cycle */
};

enum { SERIES_MAX = 1 << 17, EMIT_PAIRS_MAX = 16, EMIT_TEXT_MAX = 16 << 10 };

void series_table_init(struct series_table *t);
void series_table_release(struct series_table *t);
void series_begin(struct series_table *t);
/* m or name; pairs may be NULL. */
void series_emit(struct series_table *t, const struct metric *m, struct str name, const char *help,
                 enum metric_type type, double v, const char *const *pairs);
/* Ends the cycle: values become visible. Series of the last cycle that did not come again are
 * reported to gone() and removed. */
typedef void series_gone_fn(void *arg, struct series *s);
void series_publish(struct series_table *t, series_gone_fn *gone, void *arg);

/* --- files.c: kept descriptors --------------------------------------------------------------- */
enum file_root { ROOT_PROC, ROOT_SYS };

struct collect_roots {
    char *host, *proc, *sys;
    bool net_of_init; /* below a foreign root: /proc/1/net, since /proc/net is this process' */
};
int collect_roots_init(struct collect_roots *r, const struct collector_config *c) MUST_CHECK;
void collect_roots_release(struct collect_roots *r);

struct kept_file;
struct kept_files {
    struct env *env;
    const struct collect_roots *roots;
    struct kept_file **v; /* in the order of first use, which is the order of use */
    size_t count, cap;
    size_t expected; /* the entry that should be asked for next */
    size_t open;     /* descriptors held */
    uint64_t cycle;
};
enum { KEPT_FILES_MAX = 4096, KEPT_FDS_MAX = 256, KEPT_FILE_BYTES_MAX = 4 << 20 };

void kept_files_init(struct kept_files *f, struct env *env, const struct collect_roots *roots);
void kept_files_release(struct kept_files *f);
/* A new cycle: every file is read at most once until the next. Closes what is no longer used. */
void kept_files_begin(struct kept_files *f);
int kept_files_read(struct kept_files *f, enum file_root root, const char *path,
                    struct str *out) MUST_CHECK;

/* --- collect.c: one collector ---------------------------------------------------------------- */
enum collect_job { JOB_NONE, JOB_QUEUED, JOB_RUNNING, JOB_DONE }; /* on the helper thread */

struct collect {
    const struct collector *def;
    struct env *env;
    const struct collect_roots *roots;
    struct kept_files *files;
    void *state;
    struct arena options_arena;
    struct collect_option {
        const char *key, *value;
    } * options;
    size_t option_count;
    struct series_table table;
    int64_t time_ms;
    bool started, broken; /* broken: start refused; not run again */
    struct collect_figures {
        bool ran;
        int rc;                  /* of the last run */
        int64_t duration_ns;     /* of the last run */
        int64_t cpu_ns;          /* all runs; thread CPU time */
    } run;                       /* being collected: the running thread's */
    struct collect_figures last; /* of the last published run: the engine's */
    uint64_t timeouts, skipped;
    unsigned stride;   /* runs every stride-th cycle: more than 1 when it costs too much */
    unsigned settling; /* runs until the stride is judged again */
    int64_t mean_cpu_ns;
    unsigned phase;       /* of the slow tier: spreads work over seconds */
    bool asked;           /* run at least once, or queued */
    enum collect_job job; /* under the engine's helper lock */
    struct complaint complaint;
};

int collect_init(struct collect *c, const struct collector *def,
                 const struct host_collector_options *options, struct env *env,
                 const struct collect_roots *roots, struct kept_files *files) MUST_CHECK;
void collect_release(struct collect *c);
/* One cycle at the scheduled time, up to but not including series_publish. */
void collect_run(struct collect *c, int64_t time_ms);
bool collect_options_equal(const struct collect *c, const struct host_collector_options *o);

/* Whether a configuration wants a collector, and its options (NULL: none given). */
bool collector_wanted(const struct collector_config *c, const struct collector *def,
                      const struct host_collector_options **options);

/* --- latest.c: published values, grouped by metric ------------------------------------------- */
struct latest {
    struct arena arena;
    struct local_sample *v;
    size_t count, cap;
    int err;
};
void latest_init(struct latest *l);
void latest_release(struct latest *l);
void latest_add(struct latest *l, struct series_table *t); /* copies under the table's lock */
int latest_visit(struct latest *l, local_visit_fn *each, void *arg); /* sorts, then visits */

/* --- sink.c: where samples go ---------------------------------------------------------------- */
struct collect_sink {
    int (*series)(void *arg, struct labels ls, tsdb_ref *out, struct errmsg *err);
    int (*append)(void *arg, const struct tsdb_point *p, size_t count,
                  struct tsdb_append_result *r);
    int (*metadata)(void *arg, const struct metric_metadata *m);
    void *arg;
};

/* What one cycle brings, appended in one call. */
struct batch {
    struct collect_sink sink;
    struct labels base;            /* job, instance, node labels; owned by the engine */
    struct label_builder *builder; /* scratch */
    struct tsdb_point *points;
    struct batch_origin {
        struct series_table *table;
        uint32_t entry; /* UINT32_MAX: the series is gone */
    } * origins;
    size_t count, cap, origin_cap;
    bool unavailable;               /* the store refused in this cycle */
    const struct metric *described; /* the last whose metadata was told */
    uint64_t lost, refused, stored; /* samples, since start */
    uint64_t slots, slots_lost;
    struct complaint complaint, limit_complaint;
};
int batch_init(struct batch *b, struct collect_sink sink) MUST_CHECK;
void batch_release(struct batch *b);
/* Adds what the table's cycle emitted, and markers for what went away. Publishes the table. */
void batch_add(struct batch *b, struct series_table *t, int64_t time_ms, uint64_t cycle);
/* Markers for every series of a table, before it is freed or gets other labels. */
void batch_add_stale(struct batch *b, struct series_table *t, int64_t time_ms);
void batch_append(struct batch *b, struct env *env);

#endif
