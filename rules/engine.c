/* engine.c -- the threads of the rules: which group is due, applying a configuration, showing it.
 *
 * Two workers take groups by deadline; a group is evaluated by one of them at a time. A reload
 * waits for evaluations under way, then moves the states of unchanged rules over in one stroke.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "core/mem.h"
#include "rules/engine_int.h"
#include "rules/rule_load.h"
#include "rules/template_human.h"

/* How long an idle worker sleeps at most: how soon it sees a step of the clock or a reload. */
#define NAP_NS INT64_C(250000000)
/* After a step of the clock, and after a restart, the samples an expression looks back at are far
 * off in time or not there: for so long, and two intervals more, an alert that is missing from its
 * result is taken to be still there. */
#define HOLD_MS INT64_C(5000)
/* Groups slower than this do not hold back the notifier's first flush. */
#define READY_INTERVAL_MS INT64_C(60000)

/* --- groups --- */

static void group_free(struct live_group *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->count; i++) {
        alert_state_release(&g->rules[i].alerts);
        rule_series_release(&g->rules[i].series);
    }
    mem_free(g->rules);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

static struct live_group *group_new(const struct rule_group *group, int64_t now_ms)
{
    struct live_group *g = mem_zalloc(sizeof *g);
    if (!g) return NULL;
    g->rules = mem_array(group->count ? group->count : 1, sizeof *g->rules);
    if (!g->rules) {
        mem_free(g);
        return NULL;
    }
    pthread_mutex_init(&g->lock, NULL);
    g->group = group;
    for (const struct rule *r = group->rules; r; r = r->next)
        g->rules[g->count++].rule = r;
    schedule_init(&g->schedule, group->file, group->name, group->interval_ms, now_ms);
    return g;
}

static void groups_free(struct engine_groups *gs)
{
    for (size_t i = 0; i < gs->count; i++)
        group_free(gs->v[i]);
    mem_free(gs->v);
    *gs = (struct engine_groups){0};
}

static int groups_build(const struct rule_set *s, int64_t now_ms, struct engine_groups *out)
{
    *out = (struct engine_groups){0};
    out->v = mem_array(s->group_count + 1, sizeof(struct live_group *));
    if (!out->v) return -ENOMEM;
    for (const struct rule_group *group = s->groups; group; group = group->next) {
        struct live_group *g = group_new(group, now_ms);
        if (!g) {
            groups_free(out);
            return -ENOMEM;
        }
        out->v[out->count++] = g;
    }
    return 0;
}

/* --- clock and schedule; e->lock is held --- */

/* Reads both clocks closely together; false when the thread was held up in between. */
static bool read_clocks(struct env *env, int64_t *wall_ms, int64_t *mono_ns)
{
    int64_t before = env_mono_ns(env);
    *wall_ms = env_now_ms(env);
    *mono_ns = env_mono_ns(env);
    return *mono_ns - before < CLOCK_STEP_MS * 1000000 / 10;
}

static void hold_missing(struct live_group *g, int64_t mono_ns)
{
    g->hold_until_ns = mono_ns + (HOLD_MS + 2 * g->group->interval_ms) * 1000000;
}

static void note_clock(struct rules_engine *e, int64_t wall_ms, int64_t mono_ns)
{
    int64_t step = steady_clock_note(&e->clock, wall_ms, mono_ns);
    if (step == 0) return;
    log_warn("the wall clock was set; alert timers go on from where they were", "step_ms=%lld",
             (long long)step);
    atomic_store(&e->stepped_ms, e->clock.stepped_ms);
    for (size_t i = 0; i < e->groups.count; i++) {
        schedule_step(&e->groups.v[i]->schedule, wall_ms);
        hold_missing(e->groups.v[i], mono_ns);
    }
}

/* The due group with the earliest slot, marked running; else NULL and *wait_ms until the next. */
static struct live_group *take_due(struct rules_engine *e, int64_t now_ms, int64_t *slot_ms,
                                   int64_t *wait_ms)
{
    struct live_group *first = NULL;
    *wait_ms = INT64_MAX;
    for (size_t i = 0; i < e->groups.count && !e->paused; i++) {
        struct live_group *g = e->groups.v[i];
        if (g->running) continue;
        if (!first || g->schedule.next_ms < first->schedule.next_ms) first = g;
    }
    if (!first) return NULL;
    uint64_t missed = 0;
    if (!schedule_take(&first->schedule, now_ms, slot_ms, &missed)) {
        *wait_ms = first->schedule.next_ms - now_ms;
        return NULL;
    }
    atomic_fetch_add(&e->counters.missed, missed);
    first->running = true;
    e->running++;
    return first;
}

static struct evaluation new_evaluation(struct rules_engine *e, const struct live_group *g,
                                        int64_t slot_ms, struct arena *arena)
{
    return (struct evaluation){
        .deps = &e->deps,
        .counters = &e->counters,
        .publisher = e->publisher,
        .arena = arena,
        .external_labels = e->external_labels,
        .external_url = e->external_url,
        .query = e->query,
        .slot_ms = slot_ms,
        .query_ms = slot_ms - g->group->query_offset_ms,
        .stepped_ms = e->clock.stepped_ms,
        .hold_missing = env_mono_ns(e->env) < g->hold_until_ns,
        .cancel = &e->stop,
    };
}

/* True the first time every group with restored alerts has been evaluated once. */
static bool became_ready(struct rules_engine *e)
{
    if (e->ready_told) return false;
    for (size_t i = 0; i < e->groups.count; i++) {
        const struct live_group *g = e->groups.v[i];
        if (g->restored && !g->evaluated && g->group->interval_ms <= READY_INTERVAL_MS)
            return false;
    }
    e->ready_told = true;
    return true;
}

/* Evaluates one due group, if any; else *wait_ms says how long there is none. */
static bool run_one(struct rules_engine *e, struct arena *arena, int64_t *wait_ms)
{
    int64_t wall_ms, mono_ns, slot_ms = 0;
    bool close = read_clocks(e->env, &wall_ms, &mono_ns);
    pthread_mutex_lock(&e->lock);
    if (close) note_clock(e, wall_ms, mono_ns);
    struct live_group *g = take_due(e, wall_ms, &slot_ms, wait_ms);
    struct evaluation ev = {0};
    if (g) ev = new_evaluation(e, g, slot_ms, arena);
    pthread_mutex_unlock(&e->lock);
    if (!g) return false;
    evaluate_group(&ev, g);
    pthread_mutex_lock(&e->lock);
    g->running = false;
    g->evaluated = true;
    e->running--;
    bool ready = became_ready(e);
    pthread_cond_broadcast(&e->idle);
    pthread_mutex_unlock(&e->lock);
    if (ready) publisher_ready(e->publisher);
    return true;
}

static void *work(void *arg)
{
    struct rules_engine *e = arg;
    struct arena arena;
    arena_init(&arena, EVALUATION_MEMORY_MAX);
    while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
        int64_t wait_ms;
        if (run_one(e, &arena, &wait_ms)) continue;
        int64_t nap = MIN(wait_ms, NAP_NS / 1000000) * 1000000;
        e->env->time->sleep_until(e->env, env_mono_ns(e->env) + nap, &e->stop);
    }
    arena_release(&arena);
    return NULL;
}

int64_t rules_engine_run_due(struct rules_engine *e)
{
    struct arena arena;
    int64_t wait_ms = 0;
    arena_init(&arena, EVALUATION_MEMORY_MAX);
    while (run_one(e, &arena, &wait_ms))
        continue;
    arena_release(&arena);
    publisher_flush(e->publisher);
    return wait_ms;
}

/* --- applying a configuration --- */

/* A rule of that key which nobody took over yet. */
static struct live_rule *find_rule(struct engine_groups *gs, uint64_t key)
{
    for (size_t i = 0; i < gs->count; i++) {
        for (size_t k = 0; k < gs->v[i]->count; k++) {
            struct live_rule *r = &gs->v[i]->rules[k];
            if (r->rule && r->rule->key == key) return r;
        }
    }
    return NULL;
}

/* Takes over what an old group of the same name knows of its schedule. */
static void keep_schedule(struct live_group *g, const struct engine_groups *old)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct live_group *o = old->v[i];
        if (strcmp(o->group->name, g->group->name) != 0 ||
            strcmp(o->group->file, g->group->file) != 0)
            continue;
        g->evaluated_ms = o->evaluated_ms;
        g->evaluation_ns = o->evaluation_ns;
        g->evaluated = o->evaluated;
        g->restored = o->restored;
        g->hold_until_ns = o->hold_until_ns;
        if (o->group->interval_ms == g->group->interval_ms) g->schedule = o->schedule;
    }
}

/* What a rule of the new set inherits: from the one it replaces, or from the journal. */
static void inherit(struct rules_engine *e, struct live_group *g, struct live_rule *r,
                    struct engine_groups *old)
{
    struct live_rule *o = find_rule(old, r->rule->key);
    if (!o) {
        if (publisher_claim(e->publisher, r->rule->key, &r->alerts)) {
            g->restored = true;
            hold_missing(g, env_mono_ns(e->env));
        }
        return;
    }
    const struct rule *rule = r->rule;
    *r = *o;
    r->rule = rule;
    o->alerts = (struct alert_state){0};
    o->series = (struct rule_series){0};
    o->dirty = false;
    o->rule = NULL; /* taken over */
}

/* query: of the rule, where it is known. */
static void end_alerts(struct rules_engine *e, struct alert_state *s, const char *query)
{
    int64_t stepped_ms = engine_stepped_ms(e);
    struct buf url = BUF_INIT(TEXT_MAX);
    buf_addstr(&url, e->external_url);
    if (query) expression_link(str_of(query), 1, &url);
    alert_state_end(s, env_now_ms(e->env) - stepped_ms);
    for (size_t i = 0; i < s->count; i++) {
        int rc = publisher_add(e->publisher, s->v[i], e->external_labels,
                               url.p && !url.err ? url.p : "", stepped_ms);
        if (rc < 0)
            log_warn("the end of a removed rule's alert is not told", "err=%s", err_text(rc));
    }
    buf_release(&url);
}

/* Rules that are gone: their alerts end, their series get a staleness marker. */
static void bury(struct rules_engine *e, struct engine_groups *old)
{
    for (size_t i = 0; i < old->count; i++) {
        for (size_t k = 0; k < old->v[i]->count; k++) {
            struct live_rule *r = &old->v[i]->rules[k];
            struct errmsg err = {0};
            if (!r->rule) continue;
            if (rule_series_write(&r->series, e->deps.db, env_now_ms(e->env), NULL, 0, &err) < 0)
                log_warn("a removed rule's series end without a marker", "rule=\"%s\" err=\"%s\"",
                         r->rule->name, err.text);
            if (r->alerts.count == 0) continue;
            end_alerts(e, &r->alerts, r->rule->query);
            publisher_forget(e->publisher, r->rule->key);
        }
    }
}

static void bury_orphan(void *arg, uint64_t key, struct alert_state *alerts)
{
    struct rules_engine *e = arg;
    end_alerts(e, alerts, NULL);
    publisher_forget(e->publisher, key);
}

/* External labels and URL of a configuration, in an arena of their own. */
static int copy_settings(const struct rules_config *c, struct arena *a, struct labels *labels,
                         const char **url)
{
    struct label_builder b;
    label_builder_init(&b, (struct labels){0});
    for (size_t i = 0; i < c->external_labels.count; i++)
        label_builder_set(&b, c->external_labels.v[i].key, c->external_labels.v[i].value);
    const char *from = c->external_url ? c->external_url : "";
    *url = arena_strndup(a, from, strlen(from));
    return *url ? label_builder_build(&b, a, labels) : -ENOMEM;
}

/* A whole configuration, ready to be swapped in; afterwards the old one, to be freed. */
struct staged {
    struct rule_set *set;
    struct engine_groups groups;
    struct arena settings;
    struct labels external_labels;
    const char *external_url;
    struct query_settings query;
};

static void staged_release(struct staged *s)
{
    groups_free(&s->groups);
    rule_set_free(s->set);
    arena_release(&s->settings);
}

/* Waits until nothing is evaluated; returns with e->lock held. */
static void pause_workers(struct rules_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->paused = true;
    while (e->running > 0)
        pthread_cond_wait(&e->idle, &e->lock);
}

static void swap_in(struct rules_engine *e, struct staged *s)
{
    pause_workers(e);
    pthread_rwlock_wrlock(&e->shape);
    for (size_t i = 0; i < s->groups.count; i++) {
        struct live_group *g = s->groups.v[i];
        keep_schedule(g, &e->groups);
        for (size_t k = 0; k < g->count; k++)
            inherit(e, g, &g->rules[k], &e->groups);
    }
    struct staged old = {e->set,          e->groups, e->settings, e->external_labels,
                         e->external_url, e->query};
    e->set = s->set;
    e->groups = s->groups;
    e->settings = s->settings;
    e->external_labels = s->external_labels;
    e->external_url = s->external_url;
    e->query = s->query;
    *s = old;
    pthread_rwlock_unlock(&e->shape);
    pthread_mutex_unlock(&e->lock);
}

static void resume(struct rules_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->paused = false;
    bool ready = became_ready(e);
    pthread_mutex_unlock(&e->lock);
    publisher_wake(e->publisher);
    if (ready) publisher_ready(e->publisher);
}

static int start_threads(struct rules_engine *e)
{
    if (e->started || e->deps.manual) return 0;
    e->started = true;
    int rc = publisher_start(e->publisher);
    for (size_t i = 0; i < COUNT(e->workers) && rc == 0; i++) {
        rc = -pthread_create(&e->workers[i], NULL, work, e);
        if (rc == 0) e->worker_count++;
    }
    return rc;
}

int rules_engine_apply(struct rules_engine *e, const struct rules_config *c, struct diags *d)
{
    struct staged s = {
        .query = {c->lookback_ms, c->experimental}
    };
    arena_init(&s.settings, 1 << 20);
    int rc = rule_set_new(&s.set);
    if (rc == 0) rc = rules_load(s.set, e->env, c, d);
    if (rc == 0) rc = copy_settings(c, &s.settings, &s.external_labels, &s.external_url);
    if (rc == 0) rc = groups_build(s.set, env_now_ms(e->env), &s.groups);
    if (rc == 0) {
        swap_in(e, &s);
        bury(e, &s.groups);
        publisher_orphans(e->publisher, bury_orphan, e);
        resume(e);
        rc = start_threads(e);
    }
    if (rc < 0 && rc != E_INVALID)
        diags_add(d, DIAG_ERROR, "", (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "rules could not be started: %s", err_text(rc));
    staged_release(&s);
    return rc;
}

/* --- life --- */

int rules_engine_new(struct rules_engine **out, const struct rules_deps *d, struct errmsg *err)
{
    struct rules_engine *e = mem_zalloc(sizeof *e);
    if (!e) return errmsg_set(err, -ENOMEM, "out of memory");
    e->deps = *d;
    e->env = d->env;
    e->external_url = "";
    arena_init(&e->settings, 1 << 20);
    pthread_rwlock_init(&e->shape, NULL);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    int rc = publisher_open(&e->publisher, e, err);
    if (rc < 0) {
        rules_engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void rules_engine_free(struct rules_engine *e)
{
    if (!e) return;
    __atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
    env_wake(e->env);
    for (size_t i = 0; i < e->worker_count; i++)
        pthread_join(e->workers[i], NULL);
    publisher_close(e->publisher);
    groups_free(&e->groups);
    rule_set_free(e->set);
    arena_release(&e->settings);
    pthread_rwlock_destroy(&e->shape);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->idle);
    mem_free(e);
}
