/* eval_aggr.c -- aggregations that need one accumulator per group and step: rows are added up as
 * they arrive and never kept. Those that look at all values of a group are in eval_topk.c.
 *
 * Sums are compensated (Neumaier), averages turn incremental when a sum would overflow, variances
 * follow Welford; all as in Prometheus, so that results agree in the last bit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/eval_int.h"

struct acc {
    double value, c, mean, count;
    bool incremental;
    bool histograms; /* HISTOGRAM_APART: some values are, and not in count */
};

/* What becomes of native histograms among the values. */
enum aggr_histograms { HISTOGRAM_COUNTS, HISTOGRAM_IGNORED, HISTOGRAM_APART };

struct aggregate {
    enum aggr_op op;
    void (*add)(struct acc *acc, double v); /* count is already raised, at least 1 */
    double (*finish)(const struct acc *acc);
    enum aggr_histograms histograms;
};

/* --- accumulators --- */

static void add_sum(struct acc *a, double v)
{
    struct ksum k = {a->value, a->c};
    if (a->count == 1)
        k = (struct ksum){v, 0};
    else
        ksum_add(&k, v);
    a->value = k.sum;
    a->c = k.c;
}

static double finish_sum(const struct acc *a)
{
    return a->value + a->c;
}

static void add_mean(struct acc *a, double v)
{
    if (isinf(a->mean)) {
        if (isinf(v) && (a->mean > 0) == (v > 0)) return; /* the mean is right as it is */
        if (!isinf(v) && !isnan(v)) return;               /* and stays infinite */
    }
    double q = (a->count - 1) / a->count;
    struct ksum k = {q * a->mean, q * a->c};
    ksum_add(&k, v / a->count);
    a->mean = k.sum;
    a->c = k.c;
}

static void add_avg(struct acc *a, double v)
{
    if (!a->incremental) {
        struct ksum k = {a->value, a->c};
        if (a->count == 1)
            k = (struct ksum){v, 0};
        else
            ksum_add(&k, v);
        if (a->count == 1 || !isinf(k.sum)) {
            a->value = k.sum;
            a->c = k.c;
            return;
        }
        a->incremental = true;
        a->mean = a->value / (a->count - 1);
        a->c /= a->count - 1;
    }
    add_mean(a, v);
}

static double finish_avg(const struct acc *a)
{
    return a->incremental ? a->mean + a->c : a->value / a->count + a->c / a->count;
}

static void add_min(struct acc *a, double v)
{
    if (a->count == 1 || v < a->value || isnan(a->value)) a->value = v;
}

static void add_max(struct acc *a, double v)
{
    if (a->count == 1 || v > a->value || isnan(a->value)) a->value = v;
}

static double finish_value(const struct acc *a)
{
    return a->value;
}

static void add_nothing(struct acc *a, double v)
{
    UNUSED(a);
    UNUSED(v);
}

static double finish_count(const struct acc *a)
{
    return a->count;
}

static double finish_one(const struct acc *a)
{
    UNUSED(a);
    return 1;
}

static void add_var(struct acc *a, double v)
{
    if (a->count == 1) {
        a->mean = v;
        a->value = isfinite(v) ? 0 : nan_value();
        return;
    }
    double delta = v - a->mean;
    a->mean += delta / a->count;
    a->value += delta * (v - a->mean);
}

static double finish_stdvar(const struct acc *a)
{
    return a->value / a->count;
}

static double finish_stddev(const struct acc *a)
{
    return sqrt(a->value / a->count);
}

static const struct aggregate aggregates[] = {
    {AGGR_SUM,    add_sum,     finish_sum,    HISTOGRAM_APART  },
    {AGGR_AVG,    add_avg,     finish_avg,    HISTOGRAM_APART  },
    {AGGR_MIN,    add_min,     finish_value,  HISTOGRAM_IGNORED},
    {AGGR_MAX,    add_max,     finish_value,  HISTOGRAM_IGNORED},
    {AGGR_COUNT,  add_nothing, finish_count,  HISTOGRAM_COUNTS },
    {AGGR_GROUP,  add_nothing, finish_one,    HISTOGRAM_COUNTS },
    {AGGR_STDDEV, add_var,     finish_stddev, HISTOGRAM_IGNORED},
    {AGGR_STDVAR, add_var,     finish_stdvar, HISTOGRAM_IGNORED},
};

/* --- groups --- */

struct group {
    struct labels labels;
    bool drop_name;
    struct acc *acc; /* by step */
};

struct aggr_sink {
    struct sink sink;
    struct eval *ev; /* the aggregation's own scope, which outlives its operand's */
    const struct expr *e;
    const struct aggregate *how;
    struct picker picker;
    struct label_map map;
    struct group *groups;
    size_t cap;
};

static int group_new(struct aggr_sink *s, size_t index)
{
    struct arena *a = s->ev->arena;
    if (index == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 8;
        struct group *grown = arena_array(a, cap, sizeof *grown);
        if (!grown) return eval_nomem(s->ev);
        if (s->cap) memcpy(grown, s->groups, s->cap * sizeof *grown);
        s->groups = grown;
        s->cap = cap;
    }
    struct group *g = &s->groups[index];
    *g = (struct group){.acc = arena_array(a, s->ev->steps, sizeof g->acc[0])};
    if (!g->acc || labels_copy(a, s->map.keys[index], &g->labels) < 0) return eval_nomem(s->ev);
    s->map.keys[index] = g->labels;
    return 0;
}

static int aggr_histogram(struct aggr_sink *s, struct acc *acc)
{
    if (s->how->histograms == HISTOGRAM_IGNORED)
        return eval_ignored_histogram(s->ev, s->how->op, s->e->aggregate.expr);
    if (s->how->histograms == HISTOGRAM_APART)
        acc->histograms = true;
    else
        acc->count++;
    return 0;
}

/* Where there are histograms: with floats beside them there is no result. */
static int aggr_mixed(struct aggr_sink *s, const struct acc *acc)
{
    if (acc->count == 0) return eval_histograms_unsupported(s->ev, aggr_op_text(s->how->op));
    return eval_note(s->ev, NOTE_WARNING, s->e->aggregate.expr,
                     "encountered a mix of histograms and floats for aggregation");
}

static int aggr_put(struct sink *sink, struct row *row)
{
    struct aggr_sink *s = (struct aggr_sink *)sink;
    struct labels key;
    size_t index;
    bool added;
    int rc = eval_pick(s->ev, &s->picker, row->labels, &key);
    if (rc == 0) rc = label_map_put(s->ev, &s->map, key, &index, &added);
    if (rc == 0 && added) rc = group_new(s, index);
    if (rc) return rc;
    struct group *g = &s->groups[index];
    g->drop_name |= row->drop_name;
    for (size_t i = 0; i < s->ev->steps; i++) {
        if (is_absent(row->v[i])) continue;
        if (is_histogram(row->v[i])) {
            rc = aggr_histogram(s, &g->acc[i]);
            if (rc) return rc;
            continue;
        }
        g->acc[i].count++;
        s->how->add(&g->acc[i], row->v[i]);
    }
    return eval_tick(s->ev->run, 8 + s->ev->steps);
}

static int aggr_finish(struct aggr_sink *s, struct sink *out)
{
    double *v = eval_values(s->ev);
    if (!v) return eval_nomem(s->ev);
    for (size_t g = 0; g < s->map.count; g++) {
        struct group *group = &s->groups[g];
        int rc = 0;
        for (size_t i = 0; i < s->ev->steps && rc == 0; i++) {
            const struct acc *acc = &group->acc[i];
            v[i] = acc->count > 0 && !acc->histograms ? s->how->finish(acc) : ABSENT;
            if (acc->histograms) rc = aggr_mixed(s, acc);
        }
        struct row row = {group->labels, group->drop_name, v};
        if (rc == 0) rc = out->put(out, &row);
        if (rc) return rc;
    }
    return 0;
}

int eval_aggregate(struct eval *ev, const struct expr *e, struct sink *out)
{
    const struct aggregate *how = NULL;
    for (size_t i = 0; i < COUNT(aggregates); i++)
        if (aggregates[i].op == e->aggregate.op) how = &aggregates[i];
    if (!how) return eval_aggregate_rows(ev, e, out);

    struct aggr_sink s = {
        .sink.put = aggr_put,
        .ev = ev,
        .e = e,
        .how = how,
        .picker = {.names = &e->aggregate.grouping, .keep = !e->aggregate.without},
    };
    struct inner inner;
    eval_inner_init(&inner, ev);
    int rc = eval_rows(&inner.ev, e->aggregate.expr, &s.sink);
    eval_inner_release(&inner);
    return rc ? rc : aggr_finish(&s, out);
}
