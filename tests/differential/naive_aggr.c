/* naive_aggr.c -- aggregations of the naive evaluator: split into groups, then one formula over the
 * values of a group.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "tests/differential/naive_int.h"
#include "tests/differential/tree.h"

struct member {
    struct labels labels;
    double v;
};

/* The samples of one group in the order of the vector. */
struct group {
    struct labels labels;
    struct member *v;
    size_t count;
};

static struct labels group_labels(struct naive *n, const struct expr *e, struct labels ls)
{
    return e->aggregate.without ? naive_without(n, ls, &e->aggregate.grouping)
                                : naive_keep(n, ls, &e->aggregate.grouping);
}

static struct group *split(struct naive *n, const struct expr *e, const struct naive_vector *in,
                           size_t *count)
{
    struct naive_groups names = {0};
    struct group *groups = naive_alloc(n, in->count, sizeof *groups);
    for (size_t i = 0; i < in->count; i++) {
        struct group *g = &groups[naive_group(n, &names, group_labels(n, e, in->v[i].labels))];
        if (!g->v) g->v = naive_alloc(n, in->count, sizeof g->v[0]);
        g->v[g->count++] = (struct member){in->v[i].labels, in->v[i].v};
    }
    *count = names.count;
    for (size_t i = 0; i < names.count; i++)
        groups[i].labels = names.v[i];
    return groups;
}

/* --- one value of many --- */

/* Sums that may overflow in one order of the series and not in another. */
static bool order_matters(const double *v, size_t n, double limit)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i])) total += fabs(v[i]);
    return n > 1 && total > limit;
}

static double sum(const double *v, size_t n)
{
    struct naive_sum s = {0};
    for (size_t i = 0; i < n; i++)
        naive_add(&s, v[i]);
    return s.sum + s.lost;
}

static double extreme(const double *v, size_t n, bool largest)
{
    double best = v[0];
    for (size_t i = 1; i < n; i++)
        if (isnan(best) || (largest ? v[i] > best : v[i] < best)) best = v[i];
    return best;
}

static double variance(const double *v, size_t n)
{
    double mean = v[0], squares = isfinite(v[0]) ? 0 : (double)NAN;
    for (size_t i = 1; i < n; i++) {
        double delta = v[i] - mean;
        mean += delta / (double)(i + 1);
        squares += delta * (v[i] - mean);
    }
    return squares / (double)n;
}

/* Far from zero and close together: the last bits of the mean decide. */
static bool spread_is_lost(const double *v, size_t n, double deviation)
{
    return n > 1 && fabs(v[0]) > 1e4 * deviation && deviation > 0;
}

static double value_of(struct naive_at at, const struct expr *e, double *v, size_t n, double param)
{
    switch (e->aggregate.op) {
    case AGGR_SUM:
    case AGGR_AVG:
        if (order_matters(v, n, 1e308)) at.n->out->ambiguous = true;
        return e->aggregate.op == AGGR_SUM ? sum(v, n) : naive_mean(v, n);
    case AGGR_MIN:
        return extreme(v, n, false);
    case AGGR_MAX:
        return extreme(v, n, true);
    case AGGR_COUNT:
        return (double)n;
    case AGGR_GROUP:
        return 1;
    case AGGR_STDDEV:
    case AGGR_STDVAR:
        if (order_matters(v, n, 1e150) || spread_is_lost(v, n, sqrt(variance(v, n))))
            at.n->out->ambiguous = true;
        if (n == 1 && !isfinite(v[0])) naive_differs(at.n, DIFFERS_DEVIATION);
        return e->aggregate.op == AGGR_STDVAR ? variance(v, n) : sqrt(variance(v, n));
    case AGGR_QUANTILE:
        return naive_quantile(param, v, n);
    default:
        naive_fail(at.n, E_UNSUPPORTED, "aggregation");
        return (double)NAN;
    }
}

static struct naive_vector folded(struct naive_at at, const struct expr *e,
                                  const struct naive_vector *in, double param)
{
    struct naive_vector out = {0};
    size_t count;
    struct group *groups = split(at.n, e, in, &count);
    for (size_t g = 0; g < count; g++) {
        double *v = naive_alloc(at.n, groups[g].count, sizeof *v);
        for (size_t i = 0; i < groups[g].count; i++)
            v[i] = groups[g].v[i].v;
        naive_push(at.n, &out, groups[g].labels, value_of(at, e, v, groups[g].count, param));
    }
    return out;
}

/* --- topk, bottomk --- */

static int rank_order(double l, double r, bool largest)
{
    if (isnan(l) || isnan(r)) return (isnan(l) ? 1 : 0) - (isnan(r) ? 1 : 0);
    return largest ? (l < r) - (l > r) : (l > r) - (l < r);
}

static int best_largest(const void *a, const void *b)
{
    return rank_order(((const struct member *)a)->v, ((const struct member *)b)->v, true);
}

static int best_smallest(const void *a, const void *b)
{
    return rank_order(((const struct member *)a)->v, ((const struct member *)b)->v, false);
}

static struct naive_vector ranked(struct naive_at at, const struct expr *e,
                                  const struct naive_vector *in, double param)
{
    struct naive_vector out = {0};
    bool largest = e->aggregate.op == AGGR_TOPK;
    size_t count;
    /* k is judged for all steps together: that of one step may or may not fail */
    if (!(param > -0x1p63) && at.first_ms != at.last_ms) at.n->out->ambiguous = true;
    if (param < 1) return out;
    if (!(param < 0x1p63)) {
        naive_fail(at.n, E_EXEC, "k is no 64-bit integer");
        return out;
    }
    struct group *groups = split(at.n, e, in, &count);
    for (size_t g = 0; g < count; g++) {
        struct member *v = groups[g].v;
        size_t n = groups[g].count, k = param < (double)n ? (size_t)param : n;
        qsort(v, n, sizeof v[0], largest ? best_largest : best_smallest);
        if (k < n && rank_order(v[k - 1].v, v[k].v, largest) == 0) at.n->out->ambiguous = true;
        for (size_t i = 0; i < k; i++)
            naive_push(at.n, &out, v[i].labels, v[i].v);
    }
    return out;
}

/* --- count_values --- */

static struct labels counted_labels(struct naive *n, const struct expr *e, struct labels ls,
                                    struct str label, double v)
{
    char text[STR_DOUBLE_MAX];
    size_t len = str_from_double_f(v, text);
    char *copy = naive_alloc(n, len + 1, 1);
    memcpy(copy, text, len);
    struct labels with = naive_with(n, ls, label, (struct str){copy, len});
    if (e->aggregate.without) return naive_without(n, with, &e->aggregate.grouping);
    struct labels kept = naive_keep(n, ls, &e->aggregate.grouping);
    return naive_with(n, kept, label, (struct str){copy, len});
}

static struct naive_vector counted(struct naive_at at, const struct expr *e,
                                   const struct naive_vector *in)
{
    struct naive_vector out = {0};
    struct naive_groups names = {0};
    struct str label = naive_string_of(e->aggregate.param);
    /* a last bit that is not certain is a label then */
    if (tree_is_rough(e->aggregate.expr)) at.n->out->ambiguous = true;
    if (!label_name_is_valid(label)) naive_fail(at.n, E_EXEC, "invalid label name");
    for (size_t i = 0; i < in->count; i++) {
        struct labels ls = counted_labels(at.n, e, in->v[i].labels, label, in->v[i].v);
        size_t g = naive_group(at.n, &names, ls);
        if (g == out.count) naive_push(at.n, &out, ls, 0);
        if (g < out.count) out.v[g].v++;
    }
    return out;
}

struct naive_vector naive_aggregate(struct naive_at at, const struct expr *e)
{
    struct naive_vector in = naive_vector_of(at, e->aggregate.expr);
    enum aggr_op op = e->aggregate.op;
    if (op == AGGR_COUNT_VALUES) return counted(at, e, &in);
    double param = e->aggregate.param ? naive_scalar_of(at, e->aggregate.param) : 0;
    if (op == AGGR_TOPK || op == AGGR_BOTTOMK) return ranked(at, e, &in, param);
    if (op == AGGR_QUANTILE && !(param >= 0 && param <= 1)) at.n->out->warned = true;
    return folded(at, e, &in, param);
}
