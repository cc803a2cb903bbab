/* eval_topk.c -- aggregations that look at all values of a group at once: topk, bottomk, quantile,
 * count_values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/eval_int.h"

/* --- rows by group --- */

struct grouped {
    struct rows rows;
    uint32_t *group;      /* of each row */
    uint32_t *order;      /* row numbers, group after group */
    size_t *first;        /* where a group starts in order; one more at the end */
    struct label_map map; /* one label set per group, in the arena given to group_rows */
};

static int number_rows(struct eval *ev, const struct expr *e, struct arena *labels,
                       struct grouped *g)
{
    struct picker picker = {.names = &e->aggregate.grouping, .keep = !e->aggregate.without};
    for (size_t i = 0; i < g->rows.count; i++) {
        struct labels key;
        size_t index;
        bool added;
        int rc = eval_pick(ev, &picker, g->rows.v[i].labels, &key);
        if (rc == 0) rc = label_map_put(ev, &g->map, key, &index, &added);
        if (rc == 0) rc = eval_tick(ev->run, 16);
        if (rc) return rc;
        g->group[i] = (uint32_t)index;
        if (added && labels_copy(labels, key, &g->map.keys[index]) < 0) return eval_nomem(ev);
    }
    return 0;
}

/* Reads the operand in the scope ev; the groups' labels are copied into the arena labels. */
static int group_rows(struct eval *ev, const struct expr *e, struct arena *labels,
                      struct grouped *g)
{
    *g = (struct grouped){0};
    int rc = eval_collect(ev, e->aggregate.expr, &g->rows);
    if (rc) return rc;
    size_t n = g->rows.count;
    g->group = arena_alloc(ev->arena, (n + 1) * sizeof g->group[0]);
    g->order = arena_alloc(ev->arena, (n + 1) * sizeof g->order[0]);
    if (!g->group || !g->order) return eval_nomem(ev);
    rc = number_rows(ev, e, labels, g);
    if (rc) return rc;
    g->first = arena_array(ev->arena, g->map.count + 2, sizeof g->first[0]);
    if (!g->first) return eval_nomem(ev);
    for (size_t i = 0; i < n; i++)
        g->first[g->group[i] + 2]++;
    for (size_t i = 0; i < g->map.count; i++)
        g->first[i + 2] += g->first[i + 1];
    for (size_t i = 0; i < n; i++) /* first[group + 1] runs ahead and ends as the next's start */
        g->order[g->first[g->group[i] + 1]++] = (uint32_t)i;
    return 0;
}

/* Takes native histograms out of the rows; at is where the note about them points. */
static int drop_histograms(struct eval *ev, const struct expr *e, const struct expr *at,
                           struct grouped *g)
{
    bool any = false;
    for (size_t r = 0; r < g->rows.count; r++) {
        double *v = g->rows.v[r].v;
        for (size_t i = 0; i < ev->steps; i++) {
            if (!is_histogram(v[i])) continue;
            v[i] = ABSENT;
            any = true;
        }
    }
    return any ? eval_ignored_histogram(ev, e->aggregate.op, at) : 0;
}

/* --- topk and bottomk --- */

struct candidate {
    double v;
    uint32_t row;
    bool bottom;
};

/* Best first; NaN last; the earlier row wins a tie. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    bool xnan = isnan(x->v), ynan = isnan(y->v);
    int order = (xnan > ynan) - (xnan < ynan);
    if (order == 0 && !xnan) order = (x->v < y->v) - (x->v > y->v);
    if (order && !xnan && !ynan && x->bottom) order = -order;
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Lets the candidate at i sink in the heap v[0..n), whose root is the worst. */
static void sink_down(struct candidate *v, size_t n, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && compare_candidates(&v[child + 1], &v[child]) > 0) child++;
        if (compare_candidates(&v[i], &v[child]) >= 0) return;
        struct candidate swap = v[i];
        v[i] = v[child];
        v[child] = swap;
    }
}

/* Brings the best k to the front, in order. */
static int best_first(struct eval *ev, struct candidate *v, size_t n, size_t k)
{
    for (size_t i = k / 2; i-- > 0;)
        sink_down(v, k, i);
    for (size_t i = k; k && i < n; i++) {
        if (compare_candidates(&v[i], &v[0]) >= 0) continue;
        v[0] = v[i];
        sink_down(v, k, 0);
    }
    return eval_sort(ev, v, k, sizeof v[0], compare_candidates);
}

/* Keeps the k best values of a group at one step; work receives them, best first. */
static int keep_best(struct eval *ev, struct grouped *g, size_t group, size_t step, double k,
                     bool bottom, struct candidate *work, size_t *kept)
{
    size_t n = 0;
    for (size_t i = g->first[group]; i < g->first[group + 1]; i++) {
        double *v = &g->rows.v[g->order[i]].v[step];
        if (is_absent(*v)) continue;
        work[n++] = (struct candidate){*v, g->order[i], bottom};
        *v = ABSENT;
    }
    *kept = !(k >= 1) ? 0 : k >= (double)n ? n : (size_t)k;
    int rc = best_first(ev, work, n, *kept);
    for (size_t i = 0; i < *kept; i++)
        g->rows.v[work[i].row].v[step] = work[i].v;
    return rc;
}

/* The values of a parameter over all steps, as Go's math.Min and math.Max have them. */
struct extremes {
    double min, max;
    bool any_nan;
};

static struct extremes extremes_of(const double *v, size_t n)
{
    struct extremes e = {v[0], v[0], isnan(v[0])};
    for (size_t i = 1; i < n; i++) {
        e.min = lesser(e.min, v[i]);
        e.max = greater(e.max, v[i]);
        e.any_nan |= isnan(v[i]);
    }
    return e;
}

static int parameter_k(struct eval *ev, const struct expr *e, double **out)
{
    char text[STR_DOUBLE_MAX];
    int rc = eval_scalar_new(ev, e->aggregate.param, out);
    if (rc) return rc;
    struct extremes k = extremes_of(*out, ev->steps);
    if (k.max < 1) return 0; /* nothing will be kept */
    if (k.any_nan) return eval_fail(ev, "Parameter value is NaN");
    str_from_double_g(k.min, text);
    if (k.min <= -0x1p63) return eval_fail(ev, "Scalar value %s underflows int64", text);
    str_from_double_g(k.max, text);
    if (k.max >= 0x1p63) return eval_fail(ev, "Scalar value %s overflows int64", text);
    return 0;
}

static int eval_topk(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct grouped g;
    double *k;
    struct eval sorted = *ev;
    sorted.sorted = true;
    int rc = parameter_k(ev, e, &k);
    if (rc == 0) rc = group_rows(&sorted, e, ev->arena, &g);
    if (rc == 0) rc = drop_histograms(ev, e, e, &g);
    if (rc) return rc;
    struct candidate *work = arena_alloc(ev->arena, (g.rows.count + 1) * sizeof *work);
    if (!work) return eval_nomem(ev);
    bool bottom = e->aggregate.op == AGGR_BOTTOMK;
    for (size_t i = 0; i < g.map.count; i++) {
        size_t size = g.first[i + 1] - g.first[i], kept = 0;
        for (size_t step = 0; step < ev->steps && rc == 0; step++) {
            rc = keep_best(ev, &g, i, step, k[step], bottom, work, &kept);
            if (rc == 0) rc = eval_tick(ev->run, 8 * size);
        }
        if (ev->steps == 1) { /* best first */
            for (size_t c = 0; c < kept && rc == 0; c++)
                rc = out->put(out, &g.rows.v[work[c].row]);
        }
        if (rc) return rc;
    }
    if (ev->steps > 1) return eval_push(&g.rows, out);
    if (ev->run->query_steps == 1) ev->run->ordered = true;
    return 0;
}

/* --- quantile --- */

static int note_quantile(struct eval *ev, const struct expr *e, double q)
{
    char text[STR_DOUBLE_MAX];
    str_from_double_g(q, text);
    return eval_note(ev, NOTE_WARNING, e->aggregate.param,
                     "quantile value should be between 0 and 1, got %s", text);
}

/* Notes name the extremes only. */
static int parameter_q(struct eval *ev, const struct expr *e, double **out)
{
    int rc = eval_scalar_new(ev, e->aggregate.param, out);
    if (rc) return rc;
    struct extremes q = extremes_of(*out, ev->steps);
    if (q.any_nan) rc = note_quantile(ev, e, nan_value());
    if (rc == 0 && q.max > 1) rc = note_quantile(ev, e, q.max);
    if (rc == 0 && q.min < 0) rc = note_quantile(ev, e, q.min);
    return rc;
}

static int quantile_group(struct eval *ev, const struct grouped *g, size_t group, const double *q,
                          double *work, struct row *row)
{
    size_t from = g->first[group], to = g->first[group + 1];
    for (size_t i = from; i < to; i++)
        row->drop_name |= g->rows.v[g->order[i]].drop_name;
    for (size_t step = 0; step < ev->steps; step++) {
        size_t n = 0;
        for (size_t i = from; i < to; i++) {
            double v = g->rows.v[g->order[i]].v[step];
            if (!is_absent(v)) work[n++] = v;
        }
        row->v[step] = n ? quantile_of(q[step], work, n) : ABSENT;
        int rc = eval_tick(ev->run, 8 * (to - from));
        if (rc) return rc;
    }
    return 0;
}

static int eval_quantile(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct grouped g;
    double *q, *v = eval_values(ev);
    if (!v) return eval_nomem(ev);
    int rc = parameter_q(ev, e, &q);
    if (rc) return rc;
    struct inner inner;
    eval_inner_init(&inner, ev);
    rc = group_rows(&inner.ev, e, ev->arena, &g);
    if (rc == 0) rc = drop_histograms(ev, e, e->aggregate.expr, &g);
    double *work = NULL;
    if (rc == 0) {
        work = arena_alloc(inner.ev.arena, (g.rows.count + 1) * sizeof *work);
        if (!work) rc = eval_nomem(&inner.ev);
    }
    for (size_t i = 0; rc == 0 && i < g.map.count; i++) {
        struct row row = {.labels = g.map.keys[i], .v = v};
        rc = quantile_group(ev, &g, i, q, work, &row);
        if (rc == 0) rc = out->put(out, &row);
    }
    eval_inner_release(&inner);
    return rc;
}

/* --- count_values --- */

struct counter {
    struct sink sink;
    struct eval *ev;
    struct str label;
    struct picker picker;
    struct label_map map;
    struct rows rows;
    double *blank; /* a row without values */
};

/* The number of the result that a value of a series counts for. */
APART static int value_group(struct counter *c, const struct row *row, double v, size_t *index)
{
    char text[STR_DOUBLE_MAX];
    size_t len = str_from_double_f(v, text);
    struct label_builder b;
    label_builder_init(&b, row->labels);
    label_builder_set(&b, c->label, (struct str){text, len});
    struct labels key;
    bool added;
    int rc = eval_pick(c->ev, &c->picker, label_builder_view(&b), &key);
    if (rc == 0) rc = label_map_put(c->ev, &c->map, key, index, &added);
    if (rc || !added) return rc;
    if (labels_copy(c->ev->arena, key, &c->map.keys[*index]) < 0) return eval_nomem(c->ev);
    struct row fresh = {c->map.keys[*index], false, c->blank};
    return rows_add(c->ev, &c->rows, &fresh);
}

static int counter_put(struct sink *s, struct row *row)
{
    struct counter *c = (struct counter *)s;
    size_t index = 0;
    bool known = false;
    double last = 0;
    for (size_t i = 0; i < c->ev->steps; i++) {
        double v = row->v[i];
        if (is_absent(v)) continue;
        if (is_histogram(v)) return eval_histograms_unsupported(c->ev, "count_values");
        if (!known || double_bits(v) != double_bits(last)) {
            int rc = value_group(c, row, v, &index);
            if (rc == 0) rc = eval_tick(c->ev->run, 32);
            if (rc) return rc;
            known = true;
            last = v;
        }
        double *count = &c->rows.v[index].v[i];
        *count = is_absent(*count) ? 1 : *count + 1;
    }
    return eval_tick(c->ev->run, c->ev->steps);
}

static int eval_count_values(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct str label = eval_string(e->aggregate.param);
    if (!label_name_is_valid(label))
        return eval_fail(ev, "invalid label name \"%.*s\"", (int)MIN(label.len, 200), label.p);
    struct str_list by = {.count = e->aggregate.grouping.count + 1};
    struct str *names = arena_array(ev->arena, by.count, sizeof *names);
    if (!names) return eval_nomem(ev);
    for (size_t i = 0; i + 1 < by.count; i++)
        names[i] = e->aggregate.grouping.v[i];
    names[by.count - 1] = label;
    by.v = names;

    bool without = e->aggregate.without;
    struct counter c = {.sink.put = counter_put, .ev = ev, .label = label};
    c.blank = eval_values(ev);
    if (!c.blank) return eval_nomem(ev);
    for (size_t i = 0; i < ev->steps; i++)
        c.blank[i] = ABSENT;
    c.picker = (struct picker){.names = without ? &e->aggregate.grouping : &by, .keep = !without};
    struct inner inner;
    eval_inner_init(&inner, ev);
    int rc = eval_rows(&inner.ev, e->aggregate.expr, &c.sink);
    eval_inner_release(&inner);
    return rc ? rc : eval_push(&c.rows, out);
}

int eval_aggregate_rows(struct eval *ev, const struct expr *e, struct sink *out)
{
    switch (e->aggregate.op) {
    case AGGR_TOPK:
    case AGGR_BOTTOMK:
        return eval_topk(ev, e, out);
    case AGGR_QUANTILE:
        return eval_quantile(ev, e, out);
    case AGGR_COUNT_VALUES:
        return eval_count_values(ev, e, out);
    default:
        break;
    }
    return errmsg_set(ev->run->err, E_UNSUPPORTED, "aggregation %s is not supported",
                      aggr_op_text(e->aggregate.op));
}
