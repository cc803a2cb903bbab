/* naive_hist.c -- quantiles and fractions of classic histograms in the naive evaluator.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "tests/differential/naive_int.h"

struct bucket {
    double bound, count; /* of all observations up to the bound */
};

struct histogram {
    struct labels labels; /* without le and the name */
    struct bucket *b;
    size_t count;
};

static int by_bound(const void *a, const void *b)
{
    const struct bucket *l = a, *r = b;
    return (l->bound > r->bound) - (l->bound < r->bound);
}

/* Equal bounds are one bucket. */
static void merge_equal(struct histogram *h)
{
    size_t n = 1;
    for (size_t i = 1; i < h->count; i++) {
        if (h->b[i].bound == h->b[n - 1].bound)
            h->b[n - 1].count += h->b[i].count;
        else
            h->b[n++] = h->b[i];
    }
    h->count = n;
}

/* The buckets of the vector, one histogram for each set of other labels (the metric's name is one
 * of those). What has no readable bound is left out with a warning. */
static struct histogram *histograms_of(struct naive_at at, const struct naive_vector *in,
                                       size_t *count)
{
    struct naive *n = at.n;
    struct naive_groups names = {0};
    struct histogram *h = naive_alloc(n, in->count, sizeof *h);
    for (size_t i = 0; i < in->count; i++) {
        double bound;
        struct labels ls = in->v[i].labels;
        if (str_to_double(labels_get(ls, STR("le")), &bound) < 0) {
            n->out->warned = true;
            continue;
        }
        struct labels key = naive_with(n, ls, STR("le"), (struct str){0});
        struct histogram *one = &h[naive_group(n, &names, key)];
        if (!one->b) one->b = naive_alloc(n, in->count, sizeof one->b[0]);
        one->labels = naive_nameless(n, key);
        one->b[one->count++] = (struct bucket){bound, in->v[i].v};
    }
    *count = names.count;
    for (size_t i = 0; i < names.count; i++)
        qsort(h[i].b, h[i].count, sizeof h[i].b[0], by_bound);
    return h;
}

/* --- quantiles --- */

static bool almost_equal(double a, double b)
{
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == b || (isnan(a) && isnan(b))) return true;
    if (a == 0 || b == 0 || sum < 0x1p-1022) return diff < 1e-12 * 0x1p-1022;
    return diff / fmin(sum, 0x1.fffffffffffffp1023) < 1e-12;
}

/* Counts never fall from one bucket to the next; tells when that had to be forced. */
static bool force_rising(struct histogram *h)
{
    bool forced = false;
    double before = h->b[0].count;
    for (size_t i = 1; i < h->count; i++) {
        double now = h->b[i].count;
        if (almost_equal(before, now)) {
            h->b[i].count = before;
        } else if (now < before) {
            h->b[i].count = before;
            forced = true;
        } else {
            before = now;
        }
    }
    return forced;
}

static double quantile(struct histogram *h, double q, bool *forced)
{
    if (isnan(q)) return (double)NAN;
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    if (h->b[h->count - 1].bound != (double)INFINITY) return (double)NAN;
    merge_equal(h);
    *forced |= force_rising(h);
    size_t last = h->count - 1;
    double total = h->b[last].count, rank = q * total;
    if (h->count < 2 || total == 0) return (double)NAN;
    size_t i = 0;
    for (size_t end = last; i < end;) { /* halving, which shows when a count is NaN */
        size_t middle = (i + end) / 2;
        if (h->b[middle].count >= rank)
            end = middle;
        else
            i = middle + 1;
    }
    if (i == last) return h->b[last - 1].bound;
    if (i == 0 && h->b[0].bound <= 0) return h->b[0].bound;
    double from = 0, count = h->b[i].count;
    if (i > 0) {
        from = h->b[i - 1].bound;
        count -= h->b[i - 1].count;
        rank -= h->b[i - 1].count;
    }
    return from + (h->b[i].bound - from) * (rank / count);
}

struct naive_vector naive_histogram_quantile(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0};
    double q = naive_scalar_of(at, e->call.args[0]);
    struct naive_vector in = naive_vector_of(at, e->call.args[1]);
    size_t count;
    struct histogram *h = histograms_of(at, &in, &count);
    if (!(q >= 0 && q <= 1)) at.n->out->warned = true;
    for (size_t i = 0; i < count; i++) {
        bool forced = false;
        double v = quantile(&h[i], q, &forced);
        if (forced) at.n->out->informed = true;
        naive_push(at.n, &out, h[i].labels, v);
    }
    return out;
}

/* --- fractions --- */

/* How many observations are at or below a value; inside a bucket they lie evenly, and at the bound
 * of the infinite ones. */
static double rank_of(const struct histogram *h, double v)
{
    double total = h->b[h->count - 1].count, below = 0;
    double first = h->b[0].bound > 0 ? 0 : -(double)INFINITY; /* where the first bucket begins */
    for (size_t i = 0; i < h->count; i++) {
        double from = i ? h->b[i - 1].bound : first, to = h->b[i].bound, count = h->b[i].count;
        double rank = below;
        if (from < v && to <= v) {
            below = count;
            continue;
        }
        if (from < v)
            rank = from == -(double)INFINITY ? count
                                             : below + (count - below) * (v - from) / (to - from);
        return rank > total ? total : rank;
    }
    return total;
}

static double fraction(struct histogram *h, double lower, double upper)
{
    if (h->b[h->count - 1].bound != (double)INFINITY) return (double)NAN;
    merge_equal(h);
    double total = h->b[h->count - 1].count;
    if (total == 0 || isnan(lower) || isnan(upper)) return (double)NAN;
    if (lower >= upper) return 0;
    return (rank_of(h, upper) - rank_of(h, lower)) / total;
}

struct naive_vector naive_histogram_fraction(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0};
    double lower = naive_scalar_of(at, e->call.args[0]);
    double upper = naive_scalar_of(at, e->call.args[1]);
    struct naive_vector in = naive_vector_of(at, e->call.args[2]);
    size_t count;
    struct histogram *h = histograms_of(at, &in, &count);
    for (size_t i = 0; i < count; i++)
        naive_push(at.n, &out, h[i].labels, fraction(&h[i], lower, upper));
    return out;
}
