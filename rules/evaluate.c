/* evaluate.c -- one evaluation of a group: each rule in order, results stored before the next
 * reads.
 *
 * A rule's step: run the query; make labels (and, for alerts, expand templates); for alerts move
 * the state machine; store samples; queue what the notifier is to hear. An error ends the rule's
 * step, keeps its alerts as they are and shows in its status.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "rules/engine_int.h"
#include "rules/template_human.h"

/* --- queries --- */

/* Limits of rules are fixed; errors call them so. */
static const struct budget_names budget_names = {
    .series = "a rule's series",
    .samples = "a rule's samples",
    .memory = "a rule's memory",
    .timeout = "a rule's time",
};

static int run_query(struct evaluation *e, const struct expr *expr, int64_t t_ms,
                     struct promql_result *out, struct errmsg *err)
{
    struct promql_query q = {
        .querier = e->deps->querier,
        .env = e->deps->env,
        .start_ms = t_ms,
        .end_ms = t_ms,
        .lookback_ms = e->query.lookback_ms,
        .arena = e->arena,
        .budget = {.max_samples = QUERY_SAMPLES_MAX,
                   .cancel = e->cancel,
                   .deadline_mono_ns = env_mono_ns(e->deps->env) + QUERY_TIMEOUT_NS,
                   .timeout_ms = QUERY_TIMEOUT_NS / 1000000,
                   .names = &budget_names},
    };
    return promql_eval(expr, &q, out, err);
}

/* The query function of templates. */
static int template_query(void *arg, struct str text, int64_t t_ms, struct arena *a,
                          struct promql_result *out, struct errmsg *err)
{
    struct evaluation *e = arg;
    struct expr *expr = NULL;
    int rc = promql_parse(text, e->query.experimental ? PROMQL_ALL : PROMQL_DEFAULT, a, &expr, err);
    if (rc < 0) return rc;
    rc = run_query(e, expr, t_ms, out, err);
    promql_expr_release(expr);
    return rc;
}

/* The result as samples; a scalar is one without labels. */
static int samples_of(struct evaluation *e, const struct promql_result *res,
                      struct rule_sample **out, size_t *count, struct errmsg *err)
{
    if (res->type != T_SCALAR && res->type != T_VECTOR)
        return errmsg_set(err, E_INVALID, "rule result is not a vector or scalar");
    size_t n = res->type == T_SCALAR ? 1 : res->series_count;
    struct rule_sample *v = arena_array(e->arena, n + 1, sizeof *v);
    if (!v) return errmsg_set(err, E_LIMIT, "out of memory for the result");
    *count = 0;
    if (res->type == T_SCALAR) v[(*count)++].value = res->scalar;
    for (size_t i = 0; res->type == T_VECTOR && i < n; i++)
        if (res->series[i].count > 0)
            v[(*count)++] = (struct rule_sample){res->series[i].labels, res->series[i].points[0].v};
    *out = v;
    return 0;
}

/* --- recording --- */

static int record(struct evaluation *e, struct live_rule *r, struct rule_sample *v, size_t count,
                  struct errmsg *err)
{
    const struct rule *rule = r->rule;
    int64_t limit = rule->group->limit;
    if (limit > 0 && count > (uint64_t)limit)
        return errmsg_set(err, E_LIMIT, "exceeded limit of %lld with %zu series", (long long)limit,
                          count);
    struct label_builder b;
    for (size_t i = 0; i < count; i++) {
        label_builder_init(&b, v[i].labels);
        label_builder_set(&b, STR(METRIC_NAME), str_of(rule->name));
        for (size_t k = 0; k < rule->labels.count; k++)
            label_builder_set(&b, rule->labels.v[k].name, rule->labels.v[k].value);
        int rc = label_builder_build(&b, e->arena, &v[i].labels);
        if (rc < 0) return errmsg_set(err, rc, "too many labels, or out of memory");
    }
    int rc = rule_series_write(&r->series, e->deps->db, e->query_ms, v, count, err);
    if (rc == 0) atomic_fetch_add(&e->counters->samples, count);
    return rc;
}

/* --- alerting --- */

/* A label's or annotation's text for one element. */
static struct str expand(struct evaluation *e, const struct rule_text *t,
                         const struct template_data *data)
{
    struct errmsg err = {0};
    struct buf b = BUF_INIT(TEXT_MAX);
    if (!t->template || !memmem(t->value.p, t->value.len, "{{", 2)) return t->value;
    int rc = template_expand(t->template, data, e->arena, &b, &err);
    if (rc < 0) {
        buf_reset(&b);
        buf_addf(&b, "<error expanding template: %s>", err.text);
    }
    struct str s = arena_str(e->arena, (struct str){b.p ? b.p : "", b.len});
    buf_release(&b);
    return s.p ? s : STR("<error expanding template: out of memory>");
}

static int make_element(struct evaluation *e, const struct rule *rule, const struct rule_sample *v,
                        struct alert_element *out)
{
    struct label_builder b;
    struct template_data data = {
        .labels = v->labels,
        .external_labels = e->external_labels,
        .external_url = e->external_url,
        .value = v->value,
        .now_ms = e->slot_ms,
        .query = template_query,
        .query_arg = e,
    };
    label_builder_init(&b, v->labels);
    label_builder_del(&b, STR(METRIC_NAME));
    for (size_t i = 0; i < rule->labels.count; i++)
        label_builder_set(&b, rule->labels.v[i].name, expand(e, &rule->labels.v[i], &data));
    label_builder_set(&b, STR("alertname"), str_of(rule->name));
    int rc = label_builder_build(&b, e->arena, &out->labels);
    if (rc < 0) return rc;
    label_builder_init(&b, (struct labels){0});
    for (size_t i = 0; i < rule->annotations.count; i++)
        label_builder_set(&b, rule->annotations.v[i].name,
                          expand(e, &rule->annotations.v[i], &data));
    out->value = v->value;
    return label_builder_build(&b, e->arena, &out->annotations);
}

/* ALERTS and ALERTS_FOR_STATE of every active alert; the group's lock is held. */
static int state_samples(struct evaluation *e, const struct live_rule *r, struct rule_sample **out,
                         size_t *count)
{
    size_t active = r->alerts.pending + r->alerts.firing, n = 0;
    struct rule_sample *v = arena_array(e->arena, 2 * active + 1, sizeof *v);
    struct label_builder b;
    int rc = v ? 0 : -ENOMEM;
    for (size_t i = 0; i < r->alerts.count && rc == 0; i++) {
        const struct alert_item *a = r->alerts.v[i];
        if (a->phase == ALERT_RESOLVED) continue;
        int64_t since_s = (a->active_ms + e->stepped_ms) / 1000;
        label_builder_init(&b, a->labels);
        label_builder_set(&b, STR(METRIC_NAME), STR("ALERTS_FOR_STATE"));
        v[n].value = (double)since_s;
        rc = label_builder_build(&b, e->arena, &v[n++].labels);
        label_builder_set(&b, STR(METRIC_NAME), STR("ALERTS"));
        label_builder_set(&b, STR("alertstate"), str_of(alert_phase_name(a->phase)));
        v[n].value = 1;
        if (rc == 0) rc = label_builder_build(&b, e->arena, &v[n++].labels);
    }
    *out = v;
    *count = n;
    return rc;
}

/* Queues the alerts that have news or are due again; the group's lock is held. */
static void queue_alerts(struct evaluation *e, struct live_rule *r)
{
    int64_t now_ms = e->slot_ms - e->stepped_ms;
    struct buf url = BUF_INIT(TEXT_MAX);
    buf_addstr(&url, e->external_url ? e->external_url : "");
    expression_link(str_of(r->rule->query), 1, &url);
    for (size_t i = 0; i < r->alerts.count; i++) {
        struct alert_item *a = r->alerts.v[i];
        if (!alert_wants_sending(a, now_ms, ALERT_RESEND_MS)) continue;
        /* when the queue is full the alert stays unsent and is tried at the next evaluation */
        if (publisher_add(e->publisher, a, e->external_labels, url.err ? "" : url.p,
                          e->stepped_ms) == 0)
            a->sent_ms = now_ms;
    }
    buf_release(&url);
}

static int alert(struct evaluation *e, struct live_group *g, struct live_rule *r,
                 const struct rule_sample *v, size_t count, struct errmsg *err)
{
    const struct rule *rule = r->rule;
    struct alert_params p = {rule->for_ms, rule->keep_firing_for_ms, rule->group->limit,
                             e->hold_missing};
    struct alert_element *elements = arena_array(e->arena, count + 1, sizeof *elements);
    if (!elements) return errmsg_set(err, E_LIMIT, "out of memory for alerts");
    for (size_t i = 0; i < count; i++) {
        int rc = make_element(e, rule, &v[i], &elements[i]);
        if (rc < 0) return errmsg_set(err, rc, "too many labels, or out of memory");
    }
    struct rule_sample *samples = NULL;
    size_t sample_count = 0;
    bool changed = false;
    pthread_mutex_lock(&g->lock);
    int rc = alert_step(&r->alerts, &p, e->slot_ms - e->stepped_ms, elements, count, &changed, err);
    r->dirty |= changed;
    queue_alerts(e, r);
    if (rc == 0 && state_samples(e, r, &samples, &sample_count) < 0)
        rc = errmsg_set(err, E_LIMIT, "out of memory for ALERTS");
    pthread_mutex_unlock(&g->lock);
    publisher_wake(e->publisher);
    if (rc < 0) return rc;
    return rule_series_write(&r->series, e->deps->db, e->query_ms, samples, sample_count, err);
}

/* A rule that failed keeps its alerts: the notifier hears of them as at any other evaluation, or it
 * would take the silence for their end. */
static void confirm(struct evaluation *e, struct live_group *g, struct live_rule *r)
{
    pthread_mutex_lock(&g->lock);
    queue_alerts(e, r);
    pthread_mutex_unlock(&g->lock);
    publisher_wake(e->publisher);
}

/* --- a rule, a group --- */

static void note_result(struct evaluation *e, struct live_group *g, struct live_rule *r, int rc,
                        const struct errmsg *err, int64_t began_ns)
{
    int64_t now_ns = env_mono_ns(e->deps->env);
    const char *why = err->text[0] ? err->text : err_text(rc);
    atomic_fetch_add(&e->counters->evaluations, 1);
    atomic_fetch_add(&e->counters->ns, (uint64_t)(now_ns - began_ns));
    if (rc < 0) {
        atomic_fetch_add(&e->counters->failures, 1);
        complain(&r->complaint, now_ns, "rule failed; its alerts stay as they are",
                 "group=\"%s\" rule=\"%s\" err=\"%s\"", g->group->name, r->rule->name, why);
    } else {
        complain_over(&r->complaint, now_ns, "rule works again");
    }
    pthread_mutex_lock(&g->lock);
    r->health = rc < 0 ? HEALTH_ERR : HEALTH_OK;
    snprintf(r->error, sizeof r->error, "%s", rc < 0 ? why : "");
    r->evaluated_ms = e->slot_ms;
    r->evaluation_ns = now_ns - began_ns;
    pthread_mutex_unlock(&g->lock);
}

static void evaluate_rule(struct evaluation *e, struct live_group *g, struct live_rule *r)
{
    struct errmsg err = {0};
    struct promql_result res = {0};
    struct rule_sample *v = NULL;
    size_t count = 0;
    int64_t began_ns = env_mono_ns(e->deps->env);
    int rc = run_query(e, r->rule->expr, e->query_ms, &res, &err);
    if (rc == 0) rc = samples_of(e, &res, &v, &count, &err);
    if (rc == 0)
        rc = r->rule->is_alert ? alert(e, g, r, v, count, &err) : record(e, r, v, count, &err);
    if (rc == E_CANCELED) return; /* stopping: not a failure of the rule */
    if (rc < 0 && r->rule->is_alert) confirm(e, g, r);
    note_result(e, g, r, rc, &err, began_ns);
}

void evaluate_group(struct evaluation *e, struct live_group *g)
{
    int64_t began_ns = env_mono_ns(e->deps->env);
    for (size_t i = 0; i < g->count && !__atomic_load_n(e->cancel, __ATOMIC_ACQUIRE); i++) {
        evaluate_rule(e, g, &g->rules[i]);
        arena_reset(e->arena);
    }
    pthread_mutex_lock(&g->lock);
    g->evaluated_ms = e->slot_ms;
    g->evaluation_ns = env_mono_ns(e->deps->env) - began_ns;
    pthread_mutex_unlock(&g->lock);
}
