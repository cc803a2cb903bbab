/* engine.h -- runs collectors and scrapes on absolute deadlines and appends what they emit.
 *
 * One thread for collectors, one for scrapes (libcurl multi), one helper for calls that may block.
 * A late cycle is skipped and counted, never queued. Samples carry the scheduled time. Writes go
 * through struct collect_sink, so that tests and `tocsin test collectors` see what the store
 * would get.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_ENGINE_H
#define TOCSIN_COLLECTOR_ENGINE_H

#include "collector/collect.h"
#include "collector/scrape.h"
#include "core/conf.h"

struct host_collector_options { /* collectors.host.NAME: true, false, or a mapping of options */
    const char *name;
    bool enabled;
    struct conf_map options;
};

struct collector_config {
    bool enabled;
    int64_t interval_ms;              /* 1 s */
    int64_t slow_interval_ms;         /* 15 s */
    const char *host_root;            /* "" */
    const char *proc_path, *sys_path; /* "" : host_root + /proc, /sys */
    const char *job;                  /* "node" */
    const char *instance;             /* the node's name */
    struct conf_map labels;           /* node.labels: added to every local sample */
    struct host_collector_options *host;
    size_t host_count;
};
/* Decoder of the collectors: block (a CONF_SUB table). */
extern const struct conf_table collector_config_table;

/* All collectors built in, in list.h's order. */
extern const struct collector *const collectors[];
extern const size_t collector_count;

struct collector_engine;
int collector_engine_new(struct collector_engine **out, struct tsdb *db, struct env *env,
                         struct errmsg *err) MUST_CHECK;
/* Starts with, or changes to, a configuration: unchanged collectors and targets keep their state.
 * The configuration is borrowed until the next call or collector_engine_free. */
int collector_engine_apply(struct collector_engine *e, const struct collector_config *c,
                           const struct scrape_config *scrapes, size_t scrape_count,
                           struct errmsg *err) MUST_CHECK;
void collector_engine_free(struct collector_engine *e); /* stops the threads */

struct scrape_cache;
/* State of the scrape targets, for /api/v1/targets; texts are valid during the visit. */
struct target_status {
    const char *job, *scrape_pool, *url;
    struct labels labels, discovered_labels;
    const char *last_error; /* "" */
    int64_t last_scrape_ms; /* 0: never */
    double last_duration_seconds;
    const char *health; /* "up", "down", "unknown" */
    int64_t interval_ms, timeout_ms;
    uint64_t samples;
    const struct scrape_cache *lines; /* of the last body, for target_metadata.h */
    int format;                       /* of that body, enum expo_format */
};
typedef int target_visit_fn(void *arg, const struct target_status *t);
int collector_engine_targets(struct collector_engine *e, target_visit_fn *each, void *arg);

/* The latest value of every locally collected series (host collectors and self-metrics), grouped
 * by metric in name order, without job and instance: what /metrics and /metrics/host show. Series
 * that went away are left out. */
struct local_sample {
    const char *name, *help;
    enum metric_type type;
    struct labels labels; /* without __name__ */
    double v;
};
typedef int local_visit_fn(void *arg, const struct local_sample *s);
int collector_engine_latest(struct collector_engine *e, local_visit_fn *each, void *arg);

/* The daemon's own metrics: every module registers a function that reports its counters; they are
 * collected each second like everything else and shown on /metrics. */
typedef void self_report_fn(void *arg, struct collect *c);
void collector_engine_self(struct collector_engine *e, self_report_fn *report, void *arg);

/* One cycle of the named collectors (NULL-terminated; NULL: all that are on; a name may bring its
 * own options: "netdev:device_exclude=lo;key=value") printed as exposition text, nothing stored:
 * `tocsin test collectors`, and the fixture tests. */
int collector_print(const struct collector_config *c, const char *const *names, struct env *env,
                    struct buf *out, struct errmsg *err) MUST_CHECK;

#endif
