/* fns_rate.c -- change over time: rate and its family, regressions, smoothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/fns_int.h"

/* --- rate, increase, delta --- */

/* Says once per series that it does not look like a counter. */
static void note_non_counter(struct range_call *c)
{
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    if (c->noted || c->metric.len == 0) return;
    c->noted = true;
    for (size_t i = 0; i < COUNT(endings); i++)
        if (str_ends(c->metric, str_of(endings[i]))) return;
    c->rc = eval_note(c->ev, NOTE_INFO, c->expr->call.args[0],
                      "metric might not be a counter, name does not end in "
                      "_total/_sum/_count/_bucket: \"%.*s\"",
                      (int)MIN(c->metric.len, 500), c->metric.p);
}

static bool is_reset(double before, double v)
{
    return v < before;
}

/* Last value less the first; a counter's resets are added back. */
static double raw_change(struct range_call *c, const struct window *w, bool counter)
{
    const uint32_t *resets;
    size_t count, first;
    double change = w->v[w->count - 1] - w->v[0];
    if (!counter) return change;
    if (eval_slide_marks(c, w, is_reset, &resets, &count, &first)) {
        for (size_t i = 0; i < count; i++)
            change += w->v[resets[i] - first - 1];
        return change;
    }
    for (size_t i = 1; i < w->count; i++)
        if (w->v[i] < w->v[i - 1]) change += w->v[i - 1];
    return change;
}

/* By how much the change between the samples grows to cover the whole window. Samples rarely lie on
 * its ends: the change is stretched towards them, by half an interval between samples where the
 * distance is larger than 1.1 intervals (the series starts or ends there), and for counters no
 * further back than to where they would have been zero. */
static double stretch(const struct window *w, double change, bool counter)
{
    double to_start = (double)(w->t[0] - w->start_ms) / 1000;
    double to_end = (double)(w->end_ms - w->t[w->count - 1]) / 1000;
    double sampled = (double)(w->t[w->count - 1] - w->t[0]) / 1000;
    double between = sampled / (double)(w->count - 1);
    double threshold = between * 1.1;

    if (to_start >= threshold) to_start = between / 2;
    if (counter && change > 0 && w->v[0] >= 0) {
        double to_zero = sampled * (w->v[0] / change);
        if (to_zero < to_start) to_start = to_zero;
    }
    if (to_end >= threshold) to_end = between / 2;
    return (sampled + to_start + to_end) / sampled;
}

double fn_rate(struct range_call *c, const struct window *w)
{
    if (w->count < 2) return ABSENT;
    note_non_counter(c);
    double change = raw_change(c, w, true);
    return change * (stretch(w, change, true) / ((double)(w->end_ms - w->start_ms) / 1000));
}

double fn_increase(struct range_call *c, const struct window *w)
{
    if (w->count < 2) return ABSENT;
    note_non_counter(c);
    double change = raw_change(c, w, true);
    return change * stretch(w, change, true);
}

double fn_delta(struct range_call *c, const struct window *w)
{
    if (w->count < 2) return ABSENT;
    double change = raw_change(c, w, false);
    return change * stretch(w, change, false);
}

/* --- between the last two samples --- */

/* Whether two samples are floats; if one is not, there is a note, or an error. */
static bool both_floats(struct range_call *c, double a, double b)
{
    if (is_histogram(a) && is_histogram(b))
        c->rc = eval_histograms_unsupported(c->ev, c->expr->call.fn->name);
    else if (is_histogram(a) || is_histogram(b))
        eval_mixed_pair(c);
    else
        return true;
    return false;
}

double fn_idelta(struct range_call *c, const struct window *w)
{
    if (w->count < 2 || !both_floats(c, w->v[w->count - 1], w->v[w->count - 2])) return ABSENT;
    return w->v[w->count - 1] - w->v[w->count - 2];
}

double fn_irate(struct range_call *c, const struct window *w)
{
    if (w->count < 2 || !both_floats(c, w->v[w->count - 1], w->v[w->count - 2])) return ABSENT;
    double last = w->v[w->count - 1], before = w->v[w->count - 2];
    double seconds = (double)(w->t[w->count - 1] - w->t[w->count - 2]) / 1000;
    return (last < before ? last : last - before) / seconds;
}

/* --- counting --- */

static bool changed(double before, double v)
{
    return v != before && !(isnan(v) && isnan(before));
}

/* In how many pairs of neighbours something happened; a change between float and histogram does
 * always. */
static double count_pairs(struct range_call *c, const struct window *w, slide_mark_fn *happened)
{
    double n = 0;
    const uint32_t *at;
    size_t count, first;
    if (eval_slide_marks(c, w, happened, &at, &count, &first)) return (double)count;
    for (size_t i = 1; i < w->count; i++) {
        bool now = is_histogram(w->v[i]), then = is_histogram(w->v[i - 1]);
        if (now && then) {
            c->rc = eval_histograms_unsupported(c->ev, c->expr->call.fn->name);
            return ABSENT;
        }
        n += now || then || happened(w->v[i - 1], w->v[i]);
    }
    return n;
}

double fn_changes(struct range_call *c, const struct window *w)
{
    return count_pairs(c, w, changed);
}

double fn_resets(struct range_call *c, const struct window *w)
{
    return count_pairs(c, w, is_reset);
}

/* --- straight lines --- */

struct line {
    double slope, intercept;
};

/* Least squares over the samples, with x in seconds from origin_ms. */
static struct line regression(const struct window *w, int64_t origin_ms)
{
    struct ksum x = {0}, y = {0}, xy = {0}, xx = {0};
    bool constant = true;
    for (size_t i = 0; i < w->count; i++) {
        double at = (double)(w->t[i] - origin_ms) / 1000, v = w->v[i];
        constant &= v == w->v[0];
        ksum_add(&x, at);
        ksum_add(&y, v);
        ksum_add(&xy, at * v);
        ksum_add(&xx, at * at);
    }
    if (constant) {
        if (isinf(w->v[0])) return (struct line){nan_value(), nan_value()};
        return (struct line){0, w->v[0]};
    }
    double n = (double)w->count;
    double sx = x.sum + x.c, sy = y.sum + y.c, sxy = xy.sum + xy.c, sxx = xx.sum + xx.c;
    struct line line = {.slope = (sxy - sx * sy / n) / (sxx - sx * sx / n)};
    line.intercept = sy / n - line.slope * sx / n;
    return line;
}

double fn_deriv(struct range_call *c, const struct window *w)
{
    UNUSED(c);
    return w->count < 2 ? ABSENT : regression(w, w->t[0]).slope;
}

double fn_predict_linear(struct range_call *c, const struct window *w)
{
    if (w->count < 2) return ABSENT;
    struct line line = regression(w, w->eval_ms);
    return line.slope * c->args[1][w->step] + line.intercept;
}

/* --- double exponential smoothing (Holt) --- */

static double bad_factor(struct range_call *c, const char *what, double v)
{
    c->rc = eval_fail(c->ev, "invalid %s factor. Expected: 0 < %cf < 1, got: %f", what, what[0], v);
    return ABSENT;
}

double fn_smoothing(struct range_call *c, const struct window *w)
{
    double sf = c->args[1][w->step], tf = c->args[2][w->step];
    if (!(sf > 0 && sf < 1)) return bad_factor(c, "smoothing", sf);
    if (!(tf > 0 && tf < 1)) return bad_factor(c, "trend", tf);
    if (w->count < 2) return ABSENT;
    double before = 0, level = w->v[0], trend = w->v[1] - w->v[0];
    for (size_t i = 1; i < w->count; i++) {
        if (i > 1) trend = tf * (level - before) + (1 - tf) * trend;
        double next = sf * w->v[i] + (1 - sf) * (level + trend);
        before = level;
        level = next;
    }
    return level;
}
