/* fns_range.c -- the *_over_time functions: one value from the samples of a window.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/fns_int.h"

double fn_sum_over_time(struct range_call *c, const struct window *w)
{
    double sum;
    struct ksum k = {0};
    if (eval_slide_sum(c, w, &sum)) return sum;
    for (size_t i = 0; i < w->count; i++)
        ksum_add(&k, w->v[i]);
    return isinf(k.sum) ? k.sum : k.sum + k.c;
}

/* The mean of the whole from the mean of those before number i, which would overflow as a sum. */
static double incremental_mean(const struct window *w, size_t i, struct ksum sum)
{
    struct ksum mean = {sum.sum / (double)i, sum.c / (double)i};
    for (; i < w->count; i++) {
        double n = (double)i + 1, q = (n - 1) / n;
        mean.sum *= q;
        mean.c *= q;
        ksum_add(&mean, w->v[i] / n);
    }
    return mean.sum + mean.c;
}

double fn_avg_over_time(struct range_call *c, const struct window *w)
{
    double sum;
    if (eval_slide_sum(c, w, &sum)) return sum / (double)w->count + 0.0; /* never -0 */
    struct ksum k = {w->v[0], 0};
    for (size_t i = 1; i < w->count; i++) {
        struct ksum next = k;
        ksum_add(&next, w->v[i]);
        if (isinf(next.sum)) return incremental_mean(w, i, k);
        k = next;
    }
    return k.sum / (double)w->count + k.c / (double)w->count;
}

double fn_min_over_time(struct range_call *c, const struct window *w)
{
    double best = w->v[0];
    if (eval_slide_extreme(c, w, false, &best)) return best;
    for (size_t i = 1; i < w->count; i++)
        if (w->v[i] < best || isnan(best)) best = w->v[i];
    return best;
}

double fn_max_over_time(struct range_call *c, const struct window *w)
{
    double best = w->v[0];
    if (eval_slide_extreme(c, w, true, &best)) return best;
    for (size_t i = 1; i < w->count; i++)
        if (w->v[i] > best || isnan(best)) best = w->v[i];
    return best;
}

double fn_count_over_time(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return (double)w->count;
}

double fn_present_over_time(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    UNUSED(w);
    return 1;
}

double fn_first_over_time(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return w->v[0];
}

double fn_last_over_time(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return w->v[w->count - 1];
}

/* --- spread --- */

/* Welford's method with compensated sums. */
double fn_stdvar_over_time(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    struct ksum mean = {0}, squares = {0};
    for (size_t i = 0; i < w->count; i++) {
        double delta = w->v[i] - (mean.sum + mean.c);
        ksum_add(&mean, delta / (double)(i + 1));
        ksum_add(&squares, delta * (w->v[i] - (mean.sum + mean.c)));
    }
    return (squares.sum + squares.c) / (double)w->count;
}

double fn_stddev_over_time(struct range_call *c, const struct window *w)
{
    return sqrt(fn_stdvar_over_time(c, w));
}

/* A copy of the window's values that may be sorted; lives for this call only. */
static double *work_values(struct range_call *c, const struct window *w)
{
    if (c->work_cap < w->count) {
        size_t cap = 2 * w->count;
        c->work = arena_alloc(c->ev->arena, cap * sizeof c->work[0]);
        c->work_cap = c->work ? cap : 0;
    }
    if (!c->work) {
        c->rc = eval_nomem(c->ev);
        return NULL;
    }
    memcpy(c->work, w->v, w->count * sizeof c->work[0]);
    return c->work;
}

double fn_quantile_over_time(struct range_call *c, const struct window *w)
{
    double q = c->args[0][w->step];
    if (!(q >= 0 && q <= 1)) {
        char text[STR_DOUBLE_MAX];
        str_from_double_g(q, text);
        c->rc = eval_note(c->ev, NOTE_WARNING, c->expr->call.args[0],
                          "quantile value should be between 0 and 1, got %s", text);
    }
    double *v = work_values(c, w);
    return v ? quantile_of(q, v, w->count) : ABSENT;
}

/* The median distance from the median. */
double fn_mad_over_time(struct range_call *c, const struct window *w)
{
    double *v = work_values(c, w);
    if (!v) return ABSENT;
    double median = quantile_of(0.5, v, w->count);
    for (size_t i = 0; i < w->count; i++) {
        if (isnan(w->v[i])) return nan_value();
        v[i] = fabs(w->v[i] - median);
    }
    return quantile_of(0.5, v, w->count);
}

/* --- timestamps --- */

double fn_ts_of_first(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return (double)w->t[0] / 1000;
}

double fn_ts_of_last(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return (double)w->t[w->count - 1] / 1000;
}

double fn_ts_of_max(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    size_t best = 0;
    for (size_t i = 1; i < w->count; i++)
        if (w->v[i] >= w->v[best] || isnan(w->v[best])) best = i;
    return (double)w->t[best] / 1000;
}

double fn_ts_of_min(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    size_t best = 0;
    for (size_t i = 1; i < w->count; i++)
        if (w->v[i] <= w->v[best] || isnan(w->v[best])) best = i;
    return (double)w->t[best] / 1000;
}
