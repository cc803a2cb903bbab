/* engine_status.c -- what the API shows of the rules, and their counters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "rules/engine_int.h"

enum { STATUS_MEMORY_MAX = 64 << 20 };

static struct labels texts_of(struct arena *a, struct rule_texts t)
{
    struct label *v = arena_array(a, t.count + 1, sizeof *v);
    for (size_t i = 0; v && i < t.count; i++)
        v[i] = (struct label){t.v[i].name, t.v[i].value};
    return (struct labels){v, v ? t.count : 0};
}

static int fill_alerts(struct arena *a, const struct live_rule *r, int64_t stepped_ms,
                       struct rule_status *out)
{
    struct alert_status *v = arena_array(a, r->alerts.count + 1, sizeof *v);
    if (!v) return -ENOMEM;
    for (size_t i = 0; i < r->alerts.count; i++) {
        const struct alert_item *item = r->alerts.v[i];
        if (item->phase == ALERT_RESOLVED) continue;
        v[out->alert_count++] = (struct alert_status){
            .labels = item->labels,
            .annotations = item->annotations,
            .state = alert_phase_name(item->phase),
            .active_ms = item->active_ms + stepped_ms,
            .keep_firing_since_ms =
                item->keep_since_ms == ALERT_NEVER ? 0 : item->keep_since_ms + stepped_ms,
            .value = item->value,
        };
    }
    out->alerts = v;
    return 0;
}

static int fill_rule(struct arena *a, const struct live_rule *r, int64_t stepped_ms,
                     struct rule_status *out)
{
    static const char *const health[] = {
        [HEALTH_UNKNOWN] = "unknown", [HEALTH_OK] = "ok", [HEALTH_ERR] = "err"};
    const struct rule *rule = r->rule;
    *out = (struct rule_status){
        .name = rule->name,
        .query = rule->query,
        .type = rule->is_alert ? "alerting" : "recording",
        .state = !rule->is_alert     ? ""
                 : r->alerts.firing  ? "firing"
                 : r->alerts.pending ? "pending"
                                     : "inactive",
        .health = health[r->health],
        .last_error = r->error,
        .for_ms = rule->for_ms,
        .keep_firing_for_ms = rule->keep_firing_for_ms,
        .labels = texts_of(a, rule->labels),
        .annotations = texts_of(a, rule->annotations),
        .last_evaluation_ms = r->evaluated_ms,
        .evaluation_seconds = (double)r->evaluation_ns / 1e9,
    };
    return rule->is_alert ? fill_alerts(a, r, stepped_ms, out) : 0;
}

/* The group's lock is held from here to the end of the visit. */
static int visit_group(struct arena *a, const struct live_group *g, int64_t stepped_ms,
                       group_visit_fn *each, void *arg)
{
    struct rule_status *rules = arena_array(a, g->count + 1, sizeof *rules);
    if (!rules) return -ENOMEM;
    for (size_t i = 0; i < g->count; i++) {
        int rc = fill_rule(a, &g->rules[i], stepped_ms, &rules[i]);
        if (rc < 0) return rc;
    }
    struct group_status s = {
        .name = g->group->name,
        .file = g->group->file,
        .interval_ms = g->group->interval_ms,
        .limit = g->group->limit,
        .last_evaluation_ms = g->evaluated_ms,
        .evaluation_seconds = (double)g->evaluation_ns / 1e9,
        .rules = rules,
        .rule_count = g->count,
    };
    return each(arg, &s);
}

static int by_file_and_name(const void *a, const void *b)
{
    const struct rule_group *x = (*(struct live_group *const *)a)->group;
    const struct rule_group *y = (*(struct live_group *const *)b)->group;
    int c = strcmp(x->file, y->file);
    return c ? c : strcmp(x->name, y->name);
}

/* The groups as Prometheus lists them; NULL without memory. */
static struct live_group **sorted_groups(const struct engine_groups *groups)
{
    struct live_group **v = mem_array(groups->count + 1, sizeof(struct live_group *));
    if (!v || !groups->count) return v;
    memcpy(v, groups->v, groups->count * sizeof(struct live_group *));
    qsort(v, groups->count, sizeof(struct live_group *), by_file_and_name);
    return v;
}

int rules_engine_visit(struct rules_engine *e, group_visit_fn *each, void *arg)
{
    struct arena arena;
    arena_init(&arena, STATUS_MEMORY_MAX);
    pthread_rwlock_rdlock(&e->shape);
    int64_t stepped_ms = engine_stepped_ms(e);
    struct live_group **groups = sorted_groups(&e->groups);
    int rc = groups ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < e->groups.count; i++) {
        struct live_group *g = groups[i];
        pthread_mutex_lock(&g->lock);
        rc = visit_group(&arena, g, stepped_ms, each, arg);
        pthread_mutex_unlock(&g->lock);
        arena_reset(&arena);
    }
    pthread_rwlock_unlock(&e->shape);
    mem_free(groups);
    arena_release(&arena);
    return rc;
}

void rules_engine_stats(struct rules_engine *e, struct rules_stats *out)
{
    *out = (struct rules_stats){
        .evaluations = atomic_load(&e->counters.evaluations),
        .evaluation_failures = atomic_load(&e->counters.failures),
        .missed_slots = atomic_load(&e->counters.missed),
        .samples = atomic_load(&e->counters.samples),
        .evaluation_ns = atomic_load(&e->counters.ns),
    };
    pthread_rwlock_rdlock(&e->shape);
    out->groups = e->groups.count;
    for (size_t i = 0; i < e->groups.count; i++) {
        struct live_group *g = e->groups.v[i];
        out->rules += g->count;
        pthread_mutex_lock(&g->lock);
        for (size_t k = 0; k < g->count; k++) {
            out->alerts_pending += g->rules[k].alerts.pending;
            out->alerts_firing += g->rules[k].alerts.firing;
        }
        pthread_mutex_unlock(&g->lock);
    }
    pthread_rwlock_unlock(&e->shape);
}
