/* engine.c -- runs collectors once a cycle and appends what they emit; keeps them over a reload.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/engine.h"

#include <errno.h>

#include "collector/engine_int.h"
#include "core/mem.h"

enum { REPORTERS_MAX = 256, STRIDE_MAX = 64, SETTLE_RUNS = 16 };

/* --- life ------------------------------------------------------------------------------------ */

static int start_self(struct collector_engine *e)
{
    struct collector_config own = {0};
    int rc = collect_roots_init(&e->own_roots, &own);
    if (rc < 0) return rc;
    kept_files_init(&e->own_files, e->env, &e->own_roots);
    rc = collect_init(&e->self, &collector_self, NULL, e->env, &e->own_roots, &e->own_files);
    if (rc < 0) return rc;
    return 0;
}

int collector_engine_new_sink(struct collector_engine **out, struct collect_sink sink,
                              struct env *env, bool threads)
{
    *out = NULL;
    struct collector_engine *e = mem_zalloc(sizeof *e);
    if (!e) return -ENOMEM;
    e->env = env;
    e->threaded = threads;
    e->interval_ms = 1000;
    e->slow_interval_ms = 15000;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->help_lock, NULL);
    pthread_cond_init(&e->help_cond, NULL);
    kept_files_init(&e->files, env, &e->roots);
    kept_files_init(&e->helper_files, env, &e->roots);
    int rc = batch_init(&e->batch, sink);
    if (rc == 0) rc = start_self(e);
    if (rc < 0) {
        collector_engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

static void collect_free(struct collect *c)
{
    if (!c) return;
    collect_release(c);
    mem_free(c);
}

void collector_engine_free(struct collector_engine *e)
{
    if (!e) return;
    engine_threads_stop(e);
    if (e->scraper.arg) e->scraper.free(e->scraper.arg);
    for (size_t i = 0; i < e->count; i++)
        collect_free(e->v[i]);
    mem_free(e->v);
    if (e->self.def) collect_release(&e->self);
    kept_files_release(&e->files);
    kept_files_release(&e->helper_files);
    kept_files_release(&e->own_files);
    collect_roots_release(&e->roots);
    collect_roots_release(&e->own_roots);
    batch_release(&e->batch);
    mem_free(e->reporters);
    pthread_cond_destroy(&e->help_cond);
    pthread_mutex_destroy(&e->help_lock);
    pthread_mutex_destroy(&e->lock);
    mem_free(e);
}

/* --- one cycle ------------------------------------------------------------------------------- */

/* Slow collectors come round every slow_interval, each in a slot of its own; the first time at
 * once, so that nobody waits for the first picture. */
static bool is_due(const struct collector_engine *e, const struct collect *c, int64_t time_ms)
{
    if (!c->asked) return true;
    if (c->def->tier == TIER_FAST) return (time_ms / e->interval_ms + c->phase) % c->stride == 0;
    int64_t turns = MAX(e->slow_interval_ms / e->interval_ms, 1);
    return (time_ms / e->interval_ms + c->phase) % turns == 0;
}

unsigned engine_guard_stride(unsigned stride, int64_t mean_cpu_ns, int64_t interval_ms)
{
    int64_t budget_ns = interval_ms * stride * (1000000 / 100);
    if (mean_cpu_ns > budget_ns && stride < STRIDE_MAX) return 2 * stride;
    if (mean_cpu_ns < budget_ns / 4 && stride > 1) return stride / 2;
    return stride;
}

/* Judges after every SETTLE_RUNS runs, by a mean that forgets. */
static void guard(struct collector_engine *e, struct collect *c)
{
    int64_t cpu_ns = c->run.cpu_ns - c->last.cpu_ns;
    c->mean_cpu_ns = c->last.ran ? c->mean_cpu_ns + (cpu_ns - c->mean_cpu_ns) / 8 : cpu_ns;
    if (c->def->tier != TIER_FAST || ++c->settling < SETTLE_RUNS) return;
    unsigned stride = engine_guard_stride(c->stride, c->mean_cpu_ns, e->interval_ms);
    if (stride != c->stride)
        log_warn("collector's interval changed by its cost",
                 "collector=%s cpu_ms=%.1f interval_ms=%lld", c->def->name,
                 (double)c->mean_cpu_ns / 1e6, (long long)(stride * e->interval_ms));
    c->stride = stride;
    c->settling = 0;
}

static void publish(struct collector_engine *e, struct collect *c)
{
    guard(e, c);
    c->last = c->run;
    batch_add(&e->batch, &c->table, c->time_ms, e->cycle);
}

static void run_one(struct collector_engine *e, struct collect *c, int64_t time_ms)
{
    bool due = is_due(e, c, time_ms);
    if (c->def->may_block && e->threaded) {
        if (engine_helper_done(e, c)) publish(e, c); /* of an earlier tick */
        if (due) engine_helper_ask(e, c);
    } else if (due) {
        collect_run(c, time_ms);
        publish(e, c);
    }
    if (due) c->asked = true;
}

static int64_t interval_of(const struct collector_engine *e, const struct collect *c)
{
    return c->def->tier == TIER_FAST ? c->stride * e->interval_ms : e->slow_interval_ms;
}

static void run_self(struct collector_engine *e, int64_t time_ms)
{
    kept_files_begin(&e->own_files);
    collect_run(&e->self, time_ms);
    for (size_t i = 0; i < e->count; i++)
        self_report_collector(&e->self, e->v[i], interval_of(e, e->v[i]));
    self_report_engine(&e->self, e);
    for (size_t i = 0; i < e->reporter_count; i++)
        e->reporters[i].report(e->reporters[i].arg, &e->self);
    publish(e, &e->self);
}

void collector_engine_tick(struct collector_engine *e, int64_t time_ms, uint64_t missed)
{
    pthread_mutex_lock(&e->lock);
    e->cycle++;
    e->last_ms = time_ms;
    e->skipped += missed;
    kept_files_begin(&e->files);
    for (size_t i = 0; i < e->count; i++) {
        if (e->v[i]->def->tier == TIER_FAST) e->v[i]->skipped += missed;
        run_one(e, e->v[i], time_ms);
    }
    run_self(e, time_ms);
    batch_append(&e->batch, e->env);
    pthread_mutex_unlock(&e->lock);
}

/* --- configuration --------------------------------------------------------------------------- */

static bool str_same(const char *kept, const char *now)
{
    return kept && strcmp(kept, now) == 0;
}

static bool roots_equal(const struct collect_roots *a, const struct collect_roots *b)
{
    return str_same(a->host, b->host) && str_same(a->proc, b->proc) && str_same(a->sys, b->sys) &&
           a->net_of_init == b->net_of_init;
}

/* The node's labels, with job and instance or without, in a heap copy. */
static int node_labels(const struct collector_config *c, bool identity, struct labels *out)
{
    struct label_builder *b = mem_zalloc(sizeof *b);
    if (!b) return -ENOMEM;
    label_builder_init(b, (struct labels){0});
    for (size_t i = 0; i < c->labels.count; i++)
        label_builder_set(b, c->labels.v[i].key, c->labels.v[i].value);
    if (identity) {
        label_builder_set(b, STR("job"), str_of(c->job ? c->job : "node"));
        label_builder_set(b, STR("instance"), str_of(c->instance ? c->instance : ""));
    }
    int rc = b->err;
    if (rc == 0) rc = labels_dup(label_builder_view(b), out);
    mem_free(b);
    return rc;
}

static struct collect *unchanged(const struct collector_engine *e, const struct collector *def,
                                 const struct host_collector_options *options)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->v[i]->def == def && collect_options_equal(e->v[i], options)) return e->v[i];
    return NULL;
}

static bool contains(struct collect *const *v, size_t count, const struct collect *c)
{
    for (size_t i = 0; i < count; i++)
        if (v[i] == c) return true;
    return false;
}

struct plan { /* what a new configuration leads to, before anything is changed */
    struct collect_roots roots;
    bool new_roots, new_base;
    struct labels base;
    struct collect **v;
    size_t count;
};

static void plan_release(struct plan *p, const struct collector_engine *e)
{
    for (size_t i = 0; i < p->count; i++)
        if (!contains(e->v, e->count, p->v[i])) collect_free(p->v[i]);
    mem_free(p->v);
    labels_free_dup(&p->base);
    collect_roots_release(&p->roots);
}

static int plan_collector(struct plan *p, struct collector_engine *e, const struct collector *def,
                          const struct host_collector_options *options)
{
    struct collect *c = p->new_roots ? NULL : unchanged(e, def, options);
    if (!c) {
        c = mem_alloc(sizeof *c);
        if (!c) return -ENOMEM;
        struct kept_files *files = def->may_block && e->threaded ? &e->helper_files : &e->files;
        int rc = collect_init(c, def, options, e->env, &e->roots, files);
        if (rc < 0) {
            mem_free(c);
            return rc;
        }
    }
    c->phase = (unsigned)p->count;
    p->v[p->count++] = c;
    return 0;
}

static int plan_make(struct plan *p, struct collector_engine *e, const struct collector_config *c)
{
    *p = (struct plan){0};
    int rc = collect_roots_init(&p->roots, c);
    if (rc == 0) rc = node_labels(c, true, &p->base);
    if (rc < 0) return rc;
    p->new_roots = !roots_equal(&e->roots, &p->roots);
    p->new_base = !labels_eq(e->batch.base, p->base);
    p->v = mem_array(collector_count, sizeof(struct collect *));
    if (!p->v) return -ENOMEM;
    for (size_t i = 0; i < collector_count && c->enabled && rc == 0; i++) {
        const struct host_collector_options *options;
        if (collector_wanted(c, collectors[i], &options))
            rc = plan_collector(p, e, collectors[i], options);
    }
    return rc;
}

/* Ends what is not in the plan, and every series if their labels change. */
static void end_old(struct collector_engine *e, const struct plan *p)
{
    int64_t t = MAX(e->last_ms + 1, env_now_ms(e->env));
    if (p->new_base) batch_add_stale(&e->batch, &e->self.table, t);
    for (size_t i = 0; i < e->count; i++) {
        bool stays = contains(p->v, p->count, e->v[i]);
        if (!stays || p->new_base) batch_add_stale(&e->batch, &e->v[i]->table, t);
        if (!stays) collect_free(e->v[i]);
    }
    if (e->batch.count) batch_append(&e->batch, e->env);
}

static void swap_roots(struct collector_engine *e, struct plan *p)
{
    kept_files_release(&e->files);
    kept_files_release(&e->helper_files);
    collect_roots_release(&e->roots);
    e->roots = p->roots;
    p->roots = (struct collect_roots){0};
    kept_files_init(&e->files, e->env, &e->roots);
    kept_files_init(&e->helper_files, e->env, &e->roots);
}

static void plan_carry_out(struct plan *p, struct collector_engine *e,
                           const struct collector_config *c)
{
    end_old(e, p);
    if (p->new_roots) swap_roots(e, p);
    mem_free(e->v);
    e->v = p->v;
    e->count = p->count;
    labels_free_dup(&e->batch.base);
    e->batch.base = p->base;
    e->interval_ms = c->interval_ms > 0 ? c->interval_ms : 1000;
    e->slow_interval_ms = MAX(c->slow_interval_ms, e->interval_ms);
    for (size_t i = 0; i < e->count && p->new_base; i++)
        e->v[i]->asked = false; /* nobody waits for slow ones under their new labels either */
    collect_roots_release(&p->roots);
}

static int apply_collectors(struct collector_engine *e, const struct collector_config *c)
{
    struct plan p;
    engine_helper_pause(e);
    pthread_mutex_lock(&e->lock);
    int rc = plan_make(&p, e, c);
    if (rc == 0)
        plan_carry_out(&p, e, c);
    else
        plan_release(&p, e);
    pthread_mutex_unlock(&e->lock);
    engine_helper_resume(e);
    return rc;
}

/* Targets get the node's labels; job and instance are their own. */
static int apply_scrapes(struct collector_engine *e, const struct collector_config *c,
                         const struct scrape_config *scrapes, size_t count, struct errmsg *err)
{
    struct labels extra = {0};
    if (!e->scraper.arg) return 0;
    int rc = node_labels(c, false, &extra);
    if (rc == 0) rc = e->scraper.apply(e->scraper.arg, scrapes, count, extra, err);
    labels_free_dup(&extra);
    return rc;
}

int collector_engine_apply(struct collector_engine *e, const struct collector_config *c,
                           const struct scrape_config *scrapes, size_t scrape_count,
                           struct errmsg *err)
{
    int rc = apply_scrapes(e, c, scrapes, scrape_count, err);
    if (rc < 0) return rc;
    rc = apply_collectors(e, c);
    if (rc == 0 && e->threaded && !e->running) rc = engine_threads_start(e);
    return rc < 0 ? errmsg_set(err, rc, "collectors: %s", err_text(rc)) : 0;
}

/* --- what others ask ------------------------------------------------------------------------- */

int collector_engine_targets(struct collector_engine *e, target_visit_fn *each, void *arg)
{
    return e->scraper.arg ? e->scraper.targets(e->scraper.arg, each, arg) : 0;
}

int collector_engine_latest(struct collector_engine *e, local_visit_fn *each, void *arg)
{
    struct latest l;
    latest_init(&l);
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->count; i++)
        latest_add(&l, &e->v[i]->table);
    latest_add(&l, &e->self.table);
    pthread_mutex_unlock(&e->lock);
    int rc = latest_visit(&l, each, arg);
    latest_release(&l);
    return rc;
}

void collector_engine_self(struct collector_engine *e, self_report_fn *report, void *arg)
{
    pthread_mutex_lock(&e->lock);
    void *array = e->reporters;
    int rc = mem_grow(&array, &e->reporter_cap, e->reporter_count + 1, REPORTERS_MAX,
                      sizeof *e->reporters);
    e->reporters = array;
    if (rc == 0)
        e->reporters[e->reporter_count++] = (struct self_reporter){report, arg};
    else
        log_error("own metrics left out", "err=\"%s\"", err_text(rc));
    pthread_mutex_unlock(&e->lock);
}
