/* naive_select.c -- samples for the naive evaluator: what a selector sees at one time, and the
 * windows of range selectors and subqueries.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tests/differential/naive_int.h"

/* The points of one series of a subquery. */
struct points {
    struct promql_point *v;
    size_t count, cap;
};

/* What is remembered of one node: the series a selector matches, the points of a subquery, who
 * took which name. */
struct naive_memo {
    struct naive_memo *next;
    const struct expr *node;
    bool filled;
    const struct world_series **series;
    size_t count;
    struct naive_groups outs; /* subquery: its series; naive_claim: names */
    struct labels *ins;       /* naive_claim: whose they are */
    struct points *points;
};

static struct naive_memo *memo_of(struct naive *n, const struct expr *node)
{
    for (struct naive_memo *m = n->memos; m; m = m->next)
        if (m->node == node) return m;
    struct naive_memo *m = naive_alloc(n, 1, sizeof *m);
    m->node = node;
    m->next = n->memos;
    return n->memos = m;
}

/* --- times --- */

static double seconds_of(struct naive *n, const struct expr *e)
{
    bool keep;
    e = naive_bare(e);
    if (e->kind == EXPR_NUMBER) return e->number;
    if (e->kind == EXPR_UNARY)
        return e->unary.negative ? -seconds_of(n, e->unary.expr) : seconds_of(n, e->unary.expr);
    if (e->kind == EXPR_BINARY)
        return naive_operator(e->binary.op, seconds_of(n, e->binary.lhs),
                              seconds_of(n, e->binary.rhs), &keep);
    struct str name = e->kind == EXPR_CALL ? str_of(e->call.fn->name) : STR("");
    if (str_eq(name, STR("step"))) return (double)n->q->step_ms / 1000;
    if (str_eq(name, STR("range"))) return (double)(n->q->end_ms - n->q->start_ms) / 1000;
    if (str_eq(name, STR("min_of")))
        return fmin(seconds_of(n, e->call.args[0]), seconds_of(n, e->call.args[1]));
    if (str_eq(name, STR("max_of")))
        return fmax(seconds_of(n, e->call.args[0]), seconds_of(n, e->call.args[1]));
    naive_fail(n, E_UNSUPPORTED, "unknown duration expression");
    return 1;
}

static int64_t duration_of(struct naive *n, const struct duration *d)
{
    return d->expr ? (int64_t)(seconds_of(n, d->expr) * 1000) : d->ms; /* cut off */
}

static int64_t range_of(struct naive *n, const struct duration *d)
{
    int64_t ms = duration_of(n, d);
    if (ms > 0) return ms;
    naive_fail(n, E_EXEC, "duration must be greater than 0");
    return 1;
}

/* The time a selector or subquery looks at when it is evaluated at t. */
static int64_t looked_at(struct naive *n, const struct time_modifier *m, int64_t t_ms)
{
    if (m->at == AT_TIME) t_ms = m->at_ms;
    if (m->at == AT_START) t_ms = n->q->start_ms;
    if (m->at == AT_END) t_ms = n->q->end_ms;
    if (m->at != AT_NONE && m->has_offset) naive_differs(n, DIFFERS_FIXED_OFFSET);
    return m->has_offset ? t_ms - duration_of(n, &m->offset) : t_ms;
}

/* --- instant selectors --- */

static struct naive_memo *matching_series(struct naive *n, const struct expr *e)
{
    struct naive_memo *m = memo_of(n, e);
    if (m->filled) return m;
    const struct world *w = n->q->world;
    m->filled = true;
    m->series = naive_alloc(n, w->count, sizeof m->series[0]);
    for (size_t i = 0; i < w->count; i++) {
        if (w->series[i].hidden) continue;
        int rc =
            matchers_test(e->selector.matchers, e->selector.matcher_count, w->series[i].labels);
        if (rc < 0) naive_fail(n, rc, "a regular expression failed");
        if (rc > 0) m->series[m->count++] = &w->series[i];
    }
    return m;
}

struct naive_vector naive_select(struct naive_at at, const struct expr *e, bool timestamps)
{
    struct naive_vector out = {0};
    struct naive_memo *m = matching_series(at.n, e);
    int64_t end = looked_at(at.n, &e->selector.mod, at.t_ms);
    for (size_t i = 0; i < m->count; i++) {
        const struct world_series *s = m->series[i];
        size_t k = s->count;
        while (k > 0 && s->t[k - 1] > end)
            k--;
        if (k == 0 || s->t[k - 1] <= end - at.n->q->lookback_ms || is_stale(s->v[k - 1])) continue;
        naive_push(at.n, &out, s->labels, timestamps ? (double)s->t[k - 1] / 1000 : s->v[k - 1]);
    }
    return out;
}

/* --- windows --- */

static void add_window(struct naive *n, struct naive_matrix *m, struct labels labels,
                       const struct promql_point *p, size_t count)
{
    if (count == 0) return;
    n->work += count;
    m->v[m->count++] = (struct naive_window){labels, p, count};
}

static struct naive_matrix select_range(struct naive_at at, const struct expr *e)
{
    struct naive *n = at.n;
    struct naive_memo *m = matching_series(n, e);
    int64_t end = looked_at(n, &e->selector.mod, at.t_ms);
    struct naive_matrix out = {naive_alloc(n, m->count, sizeof out.v[0]), 0,
                               end - range_of(n, &e->selector.range), end};
    for (size_t i = 0; i < m->count; i++) {
        const struct world_series *s = m->series[i];
        struct promql_point *p = naive_alloc(n, s->count, sizeof *p);
        size_t count = 0;
        for (size_t k = 0; k < s->count && s->t[k] <= end; k++)
            if (s->t[k] > out.start_ms && !is_stale(s->v[k]))
                p[count++] = (struct promql_point){s->t[k], s->v[k]};
        add_window(n, &out, s->labels, p, count);
    }
    return out;
}

/* The multiples of step in (after, ...] start here. */
static int64_t first_multiple(int64_t after, int64_t step)
{
    int64_t t = after / step * step;
    while (t <= after)
        t += step;
    return t;
}

static void keep_points(struct naive *n, struct naive_memo *m, struct naive_vector v, int64_t t_ms)
{
    for (size_t i = 0; i < v.count; i++) {
        size_t cap = m->outs.cap;
        size_t s = naive_group(n, &m->outs, v.v[i].labels);
        if (m->outs.cap != cap) {
            struct points *more = naive_alloc(n, m->outs.cap, sizeof *more);
            if (cap) memcpy(more, m->points, cap * sizeof *more);
            m->points = more;
        }
        struct points *p = &m->points[s];
        if (p->count == p->cap) {
            p->cap = p->cap ? 2 * p->cap : 8;
            struct promql_point *more = naive_alloc(n, p->cap, sizeof *more);
            if (p->count) memcpy(more, p->v, p->count * sizeof *more);
            p->v = more;
        }
        p->v[p->count++] = (struct promql_point){t_ms, v.v[i].v};
    }
}

/* All points a subquery will ever be asked for: those of the windows from the first to the last
 * time of the query around it. */
static struct naive_memo *subquery_points(struct naive_at at, const struct expr *e,
                                          int64_t range_ms)
{
    struct naive *n = at.n;
    struct naive_memo *m = memo_of(n, e);
    if (m->filled) return m;
    m->filled = true;
    int64_t step = e->subquery.has_step ? range_of(n, &e->subquery.step) : n->q->subquery_step_ms;
    int64_t end = looked_at(n, &e->subquery.mod, at.last_ms);
    struct naive_at in = {.n = n};
    in.first_ms = first_multiple(looked_at(n, &e->subquery.mod, at.first_ms) - range_ms, step);
    in.last_ms = end < in.first_ms ? end : in.first_ms + (end - in.first_ms) / step * step;
    for (in.t_ms = in.first_ms; in.t_ms <= in.last_ms && !n->out->rc; in.t_ms += step) {
        n->work++;
        keep_points(n, m, naive_vector_of(in, e->subquery.expr), in.t_ms);
    }
    return m;
}

static struct naive_matrix select_subquery(struct naive_at at, const struct expr *e)
{
    struct naive *n = at.n;
    int64_t range = range_of(n, &e->subquery.range);
    struct naive_memo *m = subquery_points(at, e, range);
    int64_t end = looked_at(n, &e->subquery.mod, at.t_ms);
    struct naive_matrix out = {naive_alloc(n, m->outs.count, sizeof out.v[0]), 0, end - range, end};
    for (size_t i = 0; i < m->outs.count; i++) {
        const struct points *all = &m->points[i];
        size_t from = 0, to = all->count;
        while (from < to && all->v[from].t_ms <= out.start_ms)
            from++;
        while (to > from && all->v[to - 1].t_ms > end)
            to--;
        add_window(n, &out, m->outs.v[i], all->v + from, to - from);
    }
    return out;
}

struct naive_matrix naive_matrix_of(struct naive_at at, const struct expr *e)
{
    e = naive_bare(e);
    return e->kind == EXPR_SUBQUERY ? select_subquery(at, e) : select_range(at, e);
}

/* --- names --- */

bool naive_claim(struct naive_at at, const struct expr *e, struct labels in, struct labels out)
{
    struct naive_memo *m = memo_of(at.n, e);
    size_t cap = m->outs.cap, count = m->outs.count;
    size_t i = naive_group(at.n, &m->outs, out);
    if (m->outs.cap != cap) {
        struct labels *more = naive_alloc(at.n, m->outs.cap, sizeof *more);
        if (cap) memcpy(more, m->ins, cap * sizeof *more);
        m->ins = more;
    }
    if (m->outs.count > count) m->ins[i] = in;
    return labels_eq(m->ins[i], in);
}
