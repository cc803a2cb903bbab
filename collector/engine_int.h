/* engine_int.h -- the collector engine's own state, shared by engine.c, engine_threads.c and
 * self.c.
 *
 * Locks, in the order they are taken: lock (everything; held during a cycle, which never blocks),
 * then help_lock (jobs of the helper thread), then a series table's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_ENGINE_INT_H
#define TOCSIN_COLLECTOR_ENGINE_INT_H

#include "collector/collect_int.h"

struct self_reporter {
    self_report_fn *report;
    void *arg;
};

/* The scraping half, when there is one: engine_store.c's, over scrape_loop.h. */
struct engine_scraper {
    int (*apply)(void *arg, const struct scrape_config *c, size_t count, struct labels extra,
                 struct errmsg *err);
    int (*targets)(void *arg, target_visit_fn *each, void *each_arg);
    void (*free)(void *arg);
    void *arg;
};

struct collector_engine {
    struct env *env;
    bool threaded, running; /* running: the threads were started */
    pthread_t collector_thread, helper_thread;

    pthread_mutex_t lock;
    struct batch batch;
    struct collect_roots roots; /* of the host collectors */
    struct kept_files files, helper_files;
    struct collect **v; /* in list.h's order */
    size_t count;
    int64_t interval_ms, slow_interval_ms;
    uint64_t cycle, skipped; /* skipped: slots that passed unused */
    int64_t last_ms;         /* the time of the last cycle */

    struct collect_roots own_roots; /* of the daemon itself: always this /proc */
    struct kept_files own_files;
    struct collect self;
    struct engine_scraper scraper; /* .arg NULL: none */
    struct self_reporter *reporters;
    size_t reporter_count, reporter_cap;

    pthread_mutex_t help_lock;
    pthread_cond_t help_cond; /* a job was queued or done; pause or stop changed */
    struct collect *helped;   /* running on the helper */
    bool help_paused;         /* apply is changing the collectors */
    int stop;                 /* atomic; for the clock's sleep, too */
};

/* The engine over any sink; without threads the caller drives collector_engine_tick. */
int collector_engine_new_sink(struct collector_engine **out, struct collect_sink sink,
                              struct env *env, bool threads) MUST_CHECK;
/* One cycle at the given time; missed: slots that passed since the last one. */
void collector_engine_tick(struct collector_engine *e, int64_t time_ms, uint64_t missed);

/* --- engine_threads.c ------------------------------------------------------------------------ */
int engine_threads_start(struct collector_engine *e) MUST_CHECK;
void engine_threads_stop(struct collector_engine *e);
/* Stops handing out jobs and waits for the one that runs, so that collectors may be changed. */
void engine_helper_pause(struct collector_engine *e);
void engine_helper_resume(struct collector_engine *e);
/* Whether the helper has finished c's run; takes note of it. */
bool engine_helper_done(struct collector_engine *e, struct collect *c);
/* Queues a run of c, or counts a timeout when the one before still goes on. */
void engine_helper_ask(struct collector_engine *e, struct collect *c);

/* The time of the next cycle after last_ms, for the clock's now: on multiples of the interval.
 * *missed: multiples that passed in between, as far as mono_ns (since the last cycle) agrees that
 * they did: a stepped clock misses nothing. */
int64_t engine_next_slot(int64_t interval_ms, int64_t last_ms, int64_t now_ms, int64_t mono_ns,
                         uint64_t *missed);

/* The overhead guard: the stride a collector should have, given its mean CPU time a run. More than
 * one per cent of a core is halved by running half as often; far below, it comes back. */
unsigned engine_guard_stride(unsigned stride, int64_t mean_cpu_ns, int64_t interval_ms);

/* --- self.c ---------------------------------------------------------------------------------- */
extern const struct collector collector_self;   /* process_* and tocsin_build_info */
extern const struct metric collector_metrics[]; /* what is said of every collector */
extern const size_t collector_metric_count;
/* interval_ms: how often it runs now. */
void self_report_collector(struct collect *self, const struct collect *c, int64_t interval_ms);
void self_report_engine(struct collect *self, const struct collector_engine *e);

#endif
