/* naive_range.c -- functions over range vectors of the naive evaluator: a formula over the points
 * of one window.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tests/differential/naive_int.h"
#include "tests/differential/tree.h"

struct window {
    struct naive_at at;
    bool rough; /* the last bits of the values are not certain */
    const struct promql_point *p;
    size_t count; /* at least 1 */
    int64_t start_ms, end_ms;
    double param; /* the scalar argument */
};

/* False: the window has no value. */
typedef bool window_fn(const struct window *w, double *out);

static double last_of(const struct window *w)
{
    return w->p[w->count - 1].v;
}

/* --- how fast --- */

static double increase_of(const struct window *w, bool counter)
{
    double change = last_of(w) - w->p[0].v;
    for (size_t i = 1; counter && i < w->count; i++)
        if (w->p[i].v < w->p[i - 1].v) change += w->p[i - 1].v;
    return change;
}

/* The change between first and last sample, as if it went on to the ends of the range: all the way
 * when the end is near (1.1 average intervals), else for half an interval; and a counter never from
 * below zero. */
static bool extrapolated(const struct window *w, bool counter, bool per_second, double *out)
{
    if (w->count < 2) return false;
    double change = increase_of(w, counter);
    double sampled = (double)(w->p[w->count - 1].t_ms - w->p[0].t_ms) / 1000;
    double to_start = (double)(w->p[0].t_ms - w->start_ms) / 1000;
    double to_end = (double)(w->end_ms - w->p[w->count - 1].t_ms) / 1000;
    double average = sampled / (double)(w->count - 1), near = average * 1.1;
    if (to_start >= near) to_start = average / 2;
    if (counter && change > 0 && w->p[0].v >= 0) {
        double to_zero = sampled * (w->p[0].v / change);
        if (to_zero < to_start) to_start = to_zero;
    }
    if (to_end >= near) to_end = average / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    if (per_second) factor /= (double)(w->end_ms - w->start_ms) / 1000;
    *out = change * factor;
    return true;
}

static bool rate(const struct window *w, double *out)
{
    return extrapolated(w, true, true, out);
}

static bool increase(const struct window *w, double *out)
{
    return extrapolated(w, true, false, out);
}

static bool delta(const struct window *w, double *out)
{
    return extrapolated(w, false, false, out);
}

static bool irate(const struct window *w, double *out)
{
    if (w->count < 2) return false;
    const struct promql_point *b = &w->p[w->count - 1], *a = b - 1;
    double change = b->v < a->v ? b->v : b->v - a->v;
    *out = change / ((double)(b->t_ms - a->t_ms) / 1000);
    return true;
}

static bool idelta(const struct window *w, double *out)
{
    if (w->count < 2) return false;
    *out = last_of(w) - w->p[w->count - 2].v;
    return true;
}

/* Whether two values are one is not certain when the last bit decides. */
static void judge_equality(const struct window *w, double a, double b)
{
    bool near = fabs(a - b) < 1e-9 * (fabs(a) + fabs(b));
    if (w->rough && near && (a != b || a != floor(a))) w->at.n->out->ambiguous = true;
}

static bool changes(const struct window *w, double *out)
{
    *out = 0;
    for (size_t i = 1; i < w->count; i++) {
        double a = w->p[i - 1].v, b = w->p[i].v;
        if (a != b && !(isnan(a) && isnan(b))) ++*out;
        judge_equality(w, a, b);
    }
    return true;
}

static bool resets(const struct window *w, double *out)
{
    *out = 0;
    for (size_t i = 1; i < w->count; i++) {
        if (w->p[i].v < w->p[i - 1].v) ++*out;
        judge_equality(w, w->p[i - 1].v, w->p[i].v);
    }
    return true;
}

/* --- a straight line through the points --- */

static double total(struct naive_sum s)
{
    return s.sum + s.lost;
}

static void least_squares(const struct window *w, int64_t origin_ms, double *slope, double *at_zero)
{
    struct naive_sum x = {0}, y = {0}, xy = {0}, xx = {0};
    double n = (double)w->count;
    bool constant = true;
    for (size_t i = 0; i < w->count; i++) {
        double seconds = (double)(w->p[i].t_ms - origin_ms) / 1000, v = w->p[i].v;
        if (v != w->p[0].v && i > 0) constant = false;
        naive_add(&x, seconds);
        naive_add(&y, v);
        naive_add(&xy, seconds * v);
        naive_add(&xx, seconds * seconds);
    }
    if (constant) {
        *slope = isinf(w->p[0].v) ? (double)NAN : 0;
        *at_zero = isinf(w->p[0].v) ? (double)NAN : w->p[0].v;
        return;
    }
    double covariance = total(xy) - total(x) * total(y) / n;
    double spread = total(xx) - total(x) * total(x) / n;
    *slope = covariance / spread;
    *at_zero = total(y) / n - *slope * total(x) / n;
}

static bool deriv(const struct window *w, double *out)
{
    double at_zero;
    if (w->count < 2) return false;
    least_squares(w, w->p[0].t_ms, out, &at_zero);
    return true;
}

static bool predict_linear(const struct window *w, double *out)
{
    double slope, at_zero;
    if (w->count < 2) return false;
    least_squares(w, w->at.t_ms, &slope, &at_zero);
    *out = slope * w->param + at_zero;
    return true;
}

/* --- over time --- */

static double *values_of(const struct window *w)
{
    double *v = naive_alloc(w->at.n, w->count, sizeof *v);
    for (size_t i = 0; i < w->count; i++)
        v[i] = w->p[i].v;
    return v;
}

static bool sum_over_time(const struct window *w, double *out)
{
    struct naive_sum s = {0};
    for (size_t i = 0; i < w->count; i++)
        naive_add(&s, w->p[i].v);
    *out = isinf(s.sum) ? s.sum : total(s);
    return true;
}

static bool avg_over_time(const struct window *w, double *out)
{
    *out = naive_mean(values_of(w), w->count);
    return true;
}

static bool min_over_time(const struct window *w, double *out)
{
    *out = w->p[0].v;
    for (size_t i = 1; i < w->count; i++)
        if (isnan(*out) || w->p[i].v < *out) *out = w->p[i].v;
    return true;
}

static bool max_over_time(const struct window *w, double *out)
{
    *out = w->p[0].v;
    for (size_t i = 1; i < w->count; i++)
        if (isnan(*out) || w->p[i].v > *out) *out = w->p[i].v;
    return true;
}

static bool count_over_time(const struct window *w, double *out)
{
    *out = (double)w->count;
    return true;
}

static bool first_over_time(const struct window *w, double *out)
{
    *out = w->p[0].v;
    return true;
}

static bool last_over_time(const struct window *w, double *out)
{
    *out = last_of(w);
    return true;
}

static bool present_over_time(const struct window *w, double *out)
{
    UNUSED(w);
    *out = 1;
    return true;
}

static bool stdvar_over_time(const struct window *w, double *out)
{
    struct naive_sum mean = {0}, squares = {0};
    for (size_t i = 0; i < w->count; i++) {
        double off = w->p[i].v - total(mean);
        naive_add(&mean, off / (double)(i + 1));
        naive_add(&squares, off * (w->p[i].v - total(mean)));
    }
    *out = total(squares) / (double)w->count;
    if (!isfinite(*out)) naive_differs(w->at.n, DIFFERS_OVERFLOW);
    return true;
}

static bool stddev_over_time(const struct window *w, double *out)
{
    stdvar_over_time(w, out);
    *out = sqrt(*out);
    return true;
}

static bool quantile_over_time(const struct window *w, double *out)
{
    if (!(w->param >= 0 && w->param <= 1)) w->at.n->out->warned = true;
    *out = naive_quantile(w->param, values_of(w), w->count);
    return true;
}

/* --- calls --- */

static const struct range_row {
    const char *name;
    window_fn *fn;
    bool keeps_name, for_counters;
} rows[] = {
    {"avg_over_time",      avg_over_time,      false, false},
    {"changes",            changes,            false, false},
    {"count_over_time",    count_over_time,    false, false},
    {"delta",              delta,              false, false},
    {"deriv",              deriv,              false, false},
    {"first_over_time",    first_over_time,    true,  false},
    {"idelta",             idelta,             false, false},
    {"increase",           increase,           false, true },
    {"irate",              irate,              false, false},
    {"last_over_time",     last_over_time,     true,  false},
    {"max_over_time",      max_over_time,      false, false},
    {"min_over_time",      min_over_time,      false, false},
    {"predict_linear",     predict_linear,     false, false},
    {"present_over_time",  present_over_time,  false, false},
    {"quantile_over_time", quantile_over_time, false, false},
    {"rate",               rate,               false, true },
    {"resets",             resets,             false, false},
    {"stddev_over_time",   stddev_over_time,   false, false},
    {"stdvar_over_time",   stdvar_over_time,   false, false},
    {"sum_over_time",      sum_over_time,      false, false},
};

static const struct range_row *row_of(const struct expr *e)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (str_eq(str_of(rows[i].name), str_of(e->call.fn->name))) return &rows[i];
    return NULL;
}

bool naive_is_range_call(const struct expr *e)
{
    return row_of(e) != NULL;
}

/* Such a metric is a counter, by its name. */
static bool counts(struct str metric)
{
    return str_ends(metric, STR("_total")) || str_ends(metric, STR("_sum")) ||
           str_ends(metric, STR("_count")) || str_ends(metric, STR("_bucket"));
}

struct naive_vector naive_range_call(struct naive_at at, const struct expr *e)
{
    const struct range_row *row = row_of(e);
    struct window w = {.at = at};
    struct naive_matrix m = {0};
    struct naive_vector out = {0};
    for (size_t i = 0; i < e->call.count; i++) {
        const struct expr *arg = e->call.args[i];
        if (arg->type != T_MATRIX) {
            w.param = naive_scalar_of(at, arg);
            continue;
        }
        m = naive_matrix_of(at, arg);
        w.rough = tree_is_rough(arg);
    }
    if (row->fn == predict_linear && tree_is_invariant(e->call.args[0]))
        naive_differs(at.n, DIFFERS_FIXED_WINDOW);
    w.start_ms = m.start_ms;
    w.end_ms = m.end_ms;
    for (size_t i = 0; i < m.count; i++) {
        double v;
        w.p = m.v[i].p;
        w.count = m.v[i].count;
        if (!row->fn(&w, &v)) continue;
        struct labels in = m.v[i].labels;
        struct labels labels = row->keeps_name ? in : naive_nameless(at.n, in);
        struct str metric = labels_metric(in);
        if (row->for_counters && metric.len && !counts(metric)) at.n->out->informed = true;
        if (!row->keeps_name && !naive_claim(at, e, in, labels))
            naive_fail(at.n, E_EXEC, "vector cannot contain metrics with the same labelset");
        naive_push(at.n, &out, labels, v);
    }
    return out;
}
