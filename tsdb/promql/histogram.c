/* histogram.c -- sums and differences of native histograms.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/histogram.h"

#include <stdbool.h>

/* The bucket of a coarser schema that takes in bucket i: the bounds of one are each 2^steps-th
 * bound of the other. */
static int64_t coarser(int64_t i, int64_t steps)
{
    int64_t width = INT64_C(1) << MIN(steps, 32);
    int64_t below = i - 1;
    return (below >= 0 ? below / width : -((width - 1 - below) / width)) + 1;
}

static int refused(const struct arena *a, struct errmsg *err)
{
    return errmsg_set(err, a->err < 0 ? a->err : E_LIMIT, "no memory for a histogram");
}

struct side {
    const struct histogram_buckets *b;
    double factor;
    int64_t steps; /* to the common schema */
};

static int64_t first_of(const struct side *s)
{
    return coarser(s->b->offset, s->steps);
}

static int64_t last_of(const struct side *s)
{
    return coarser(s->b->offset + (int64_t)s->b->counts.count - 1, s->steps);
}

static int add_buckets(struct arena *a, const struct side *sides, size_t count,
                       struct histogram_buckets *out, struct errmsg *err)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    *out = (struct histogram_buckets){0};
    for (size_t i = 0; i < count; i++) {
        if (sides[i].b->counts.count == 0) continue;
        first = MIN(first, first_of(&sides[i]));
        last = MAX(last, last_of(&sides[i]));
    }
    if (first > last) return 0;
    if (last - first >= HISTOGRAM_MAX_BUCKETS)
        return errmsg_set(err, E_TOO_BIG, "a histogram of more than %d buckets",
                          HISTOGRAM_MAX_BUCKETS);
    size_t width = (size_t)(last - first) + 1;
    double *v = arena_array(a, width, sizeof *v);
    if (!v) return refused(a, err);
    for (size_t i = 0; i < count; i++) {
        const struct side *s = &sides[i];
        for (size_t k = 0; k < s->b->counts.count; k++)
            v[coarser(s->b->offset + (int64_t)k, s->steps) - first] +=
                s->factor * s->b->counts.v[k];
    }
    *out = (struct histogram_buckets){
        .offset = first, .counts = {v, width}
    };
    return 0;
}

/* Gauges stay gauges; what is not known of one is not known of both. */
static enum histogram_reset common_reset(enum histogram_reset x, enum histogram_reset y)
{
    if (x == y) return x;
    return x == RESET_GAUGE || y == RESET_GAUGE ? RESET_GAUGE : RESET_UNKNOWN;
}

static bool same_numbers(struct number_list x, struct number_list y)
{
    if (x.count != y.count) return false;
    for (size_t i = 0; i < x.count; i++)
        if (x.v[i] != y.v[i]) return false;
    return true;
}

static int check_alike(const struct histogram *x, const struct histogram *y, struct errmsg *err)
{
    if ((x->schema == HISTOGRAM_CUSTOM) != (y->schema == HISTOGRAM_CUSTOM))
        return errmsg_set(err, E_INVALID,
                          "cannot apply this operation on histograms with a mix of exponential and "
                          "custom bucket schemas");
    if (x->schema > y->schema)
        return errmsg_set(err, E_INVALID, "cannot merge from schema %lld to %lld",
                          (long long)y->schema, (long long)x->schema);
    if (!same_numbers(x->bounds, y->bounds))
        return errmsg_set(err, E_UNSUPPORTED,
                          "adding histograms with different custom bounds is not supported");
    if (x->zero_threshold != y->zero_threshold)
        return errmsg_set(err, E_UNSUPPORTED,
                          "adding histograms with different zero thresholds is not supported");
    return 0;
}

int histogram_add(struct arena *a, const struct histogram *x, double sign,
                  const struct histogram *y, struct histogram *out, struct errmsg *err)
{
    int rc = check_alike(x, y, err);
    if (rc < 0) return rc;
    int64_t steps = y->schema - x->schema;
    const struct side positive[] = {
        {&x->positive, 1,    0    },
        {&y->positive, sign, steps}
    };
    const struct side negative[] = {
        {&x->negative, 1,    0    },
        {&y->negative, sign, steps}
    };
    *out = *x;
    out->reset = common_reset(x->reset, y->reset);
    out->sum += sign * y->sum;
    out->count += sign * y->count;
    out->zero_count += sign * y->zero_count;
    rc = add_buckets(a, positive, COUNT(positive), &out->positive, err);
    return rc < 0 ? rc : add_buckets(a, negative, COUNT(negative), &out->negative, err);
}
