/* eval_selector.c -- reading samples: instant selectors, range selectors, subqueries.
 *
 * A selector reads every series once, from the first instant any step may look at to the last, and
 * advances through its samples along with the steps.
 *
 *     instant, step at T:   newest sample in (T - offset - lookback, T - offset]
 *     range, step at T:     all samples in   (T - offset - range,    T - offset]
 *
 * With @, T is that time at every step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

/* The times a selector or subquery looks at: first at step 0, then every stride. */
struct anchor {
    int64_t first_ms, last_ms, stride_ms;
};

static int anchor_of(struct eval *ev, const struct time_modifier *mod, struct anchor *out)
{
    int64_t offset_ms = 0;
    if (mod->has_offset) {
        int rc = eval_duration(ev, &mod->offset, &offset_ms);
        if (rc) return rc;
    }
    int64_t first = ev->start_ms, last = eval_time(ev, ev->steps - 1);
    switch (mod->at) {
    case AT_NONE:
        break;
    case AT_TIME:
        first = last = mod->at_ms;
        break;
    case AT_START:
        first = last = ev->run->q->start_ms;
        break;
    case AT_END:
        first = last = ev->run->q->end_ms;
        break;
    }
    out->first_ms = ms_sub(first, offset_ms);
    out->last_ms = ms_sub(last, offset_ms);
    out->stride_ms = mod->at == AT_NONE ? ev->step_ms : 0;
    return 0;
}

static int select_series(struct eval *ev, const struct expr *e, int64_t start_ms, int64_t end_ms,
                         const char *func, bool latest_only, struct series_set **out)
{
    struct select_request r = {
        .matchers = e->selector.matchers,
        .matcher_count = e->selector.matcher_count,
        .start_ms = start_ms,
        .end_ms = end_ms,
        .step_ms = ev->steps > 1 ? ev->step_ms : 0,
        .func = func,
        .latest_only = latest_only,
        .sorted = ev->sorted,
        .budget = &ev->run->q->budget,
        .arena = ev->arena,
    };
    return eval_select(ev, e, &r, out);
}

static int check_plain(struct eval *ev, const struct expr *e)
{
    if (!e->selector.anchored && !e->selector.smoothed) return 0;
    return errmsg_set(ev->run->err, E_UNSUPPORTED, "%s selectors are not supported",
                      e->selector.anchored ? "anchored" : "smoothed");
}

/* --- instant selectors --- */

struct instant {
    struct eval *ev;
    struct anchor at;
    bool timestamps; /* the sample's time in seconds in place of its value */
};

/* Whether any step got a value. A stale sample is ABSENT as it stands. */
static bool instant_fill(const struct instant *in, const struct series_view *s, double *out)
{
    int64_t ref = in->at.first_ms, lookback = in->ev->run->lookback_ms;
    size_t next = 0;
    bool any = false;
    for (size_t i = 0; i < in->ev->steps; i++, ref += in->at.stride_ms) {
        while (next < s->count && s->t[next] <= ref)
            next++;
        out[i] = ABSENT;
        if (next == 0 || s->t[next - 1] <= ms_sub(ref, lookback)) continue;
        double v = s->v[next - 1];
        if (is_absent(v)) continue;
        out[i] = in->timestamps ? (double)s->t[next - 1] / 1000 : v;
        any = true;
    }
    return any;
}

static int instant_series(const struct instant *in, struct series_set *set, double *values,
                          struct sink *out)
{
    struct eval *ev = in->ev;
    for (;;) {
        struct series_view view;
        int rc = set->ops->next(set, &view, ev->run->err);
        if (rc <= 0) return rc;
        eval_trace_read(ev, view.count);
        rc = eval_tick(ev->run, view.count + ev->steps);
        if (rc) return rc;
        if (!instant_fill(in, &view, values)) continue;
        struct row row = {.labels = view.labels, .v = values};
        rc = out->put(out, &row);
        if (rc) return rc;
    }
}

int eval_selector(struct eval *ev, const struct expr *e, bool timestamps, struct sink *out)
{
    if (e->selector.is_range) return eval_fail(ev, "expected an instant vector, got range vector");
    int rc = check_plain(ev, e);
    if (rc) return rc;
    struct instant in = {.ev = ev, .timestamps = timestamps};
    rc = anchor_of(ev, &e->selector.mod, &in.at);
    if (rc) return rc;
    double *values = eval_values(ev);
    if (!values) return eval_nomem(ev);
    struct series_set *set = NULL;
    int64_t start = ms_add(ms_sub(in.at.first_ms, ev->run->lookback_ms), 1);
    rc = select_series(ev, e, start, in.at.last_ms, "", ev->steps == 1, &set);
    if (rc) return rc;
    rc = instant_series(&in, set, values, out);
    set->ops->free(set);
    return rc;
}

/* --- range selectors --- */

/* Samples without staleness markers, in an array that grows. */
struct compactor {
    int64_t *t;
    double *v;
    size_t cap;
};

static int compact(struct eval *ev, struct compactor *c, struct series_view *s)
{
    size_t clean = 0;
    while (clean < s->count && !is_stale(s->v[clean]))
        clean++;
    if (clean == s->count) return 0;
    if (c->cap < s->count) {
        c->cap = 2 * s->count;
        c->t = arena_alloc(ev->arena, c->cap * sizeof c->t[0]);
        c->v = arena_alloc(ev->arena, c->cap * sizeof c->v[0]);
        if (!c->t || !c->v) return eval_nomem(ev);
    }
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (is_stale(s->v[i])) continue;
        c->t[n] = s->t[i];
        c->v[n++] = s->v[i];
    }
    s->t = c->t;
    s->v = c->v;
    s->count = n;
    return 0;
}

static int range_series(struct eval *ev, struct series_set *set, struct range_sink *out)
{
    struct compactor c = {0};
    for (;;) {
        struct series_view view;
        int rc = set->ops->next(set, &view, ev->run->err);
        if (rc <= 0) return rc;
        eval_trace_read(ev, view.count);
        rc = eval_tick(ev->run, view.count);
        if (rc == 0) rc = compact(ev, &c, &view);
        if (rc) return rc;
        if (view.count == 0) continue;
        struct samples samples = {view.labels, false, view.t, view.v, view.count, set->histograms};
        rc = out->put(out, &samples);
        if (rc) return rc;
    }
}

static int range_of(struct eval *ev, const struct duration *d, int64_t *out_ms)
{
    int rc = eval_duration(ev, d, out_ms);
    if (rc || *out_ms > 0) return rc;
    return errmsg_set(ev->run->err, E_INVALID, "duration must be greater than 0");
}

static int range_selector(struct eval *ev, const struct expr *e, const char *func,
                          struct windows *w, struct range_sink *out)
{
    struct anchor at;
    int rc = check_plain(ev, e);
    if (rc == 0) rc = anchor_of(ev, &e->selector.mod, &at);
    if (rc == 0) rc = range_of(ev, &e->selector.range, &w->range_ms);
    if (rc) return rc;
    w->first_end_ms = at.first_ms;
    w->stride_ms = at.stride_ms;
    struct series_set *set = NULL;
    int64_t start = ms_add(ms_sub(at.first_ms, w->range_ms), 1);
    rc = select_series(ev, e, start, at.last_ms, func, false, &set);
    if (rc) return rc;
    rc = range_series(ev, set, out);
    set->ops->free(set);
    return rc;
}

/* --- subqueries --- */

/* Turns rows over the subquery's steps into series of samples. */
struct subquery_sink {
    struct sink sink;
    struct eval *inner, *outer;
    struct range_sink *out;
    int64_t *t;
    double *v;
};

static int subquery_put(struct sink *s, struct row *row)
{
    struct subquery_sink *sub = (struct subquery_sink *)s;
    size_t n = 0;
    bool histograms = false;
    for (size_t i = 0; i < sub->inner->steps; i++) {
        if (is_absent(row->v[i])) continue;
        histograms |= is_histogram(row->v[i]);
        sub->t[n] = eval_time(sub->inner, i);
        sub->v[n++] = row->v[i];
    }
    if (n == 0) return 0;
    struct samples samples = {row->labels, row->drop_name, sub->t, sub->v, n, histograms};
    if (labels_copy(sub->outer->arena, row->labels, &samples.labels) < 0)
        return eval_nomem(sub->outer);
    int rc = sub->out->put(sub->out, &samples);
    return rc ? rc : eval_tick(sub->inner->run, sub->inner->steps);
}

/* The steps of a subquery: multiples of its step in (first - range, last]. False when there is
 * none. */
static bool subquery_steps(struct eval *inner, const struct anchor *at, int64_t range_ms,
                           int64_t step_ms)
{
    int64_t after = ms_sub(at->first_ms, range_ms);
    int64_t start = step_ms * (after / step_ms);
    if (start <= after) start = ms_add(start, step_ms);
    if (start > at->last_ms) return false;
    inner->start_ms = start;
    inner->step_ms = step_ms;
    inner->steps = (size_t)(ms_sub(at->last_ms, start) / step_ms) + 1;
    return true;
}

static int subquery_run(struct eval *outer, struct eval *inner, const struct expr *e,
                        struct range_sink *out)
{
    struct subquery_sink sub = {
        .sink.put = subquery_put, .inner = inner, .outer = outer, .out = out};
    if (inner->steps < SIZE_MAX / sizeof sub.t[0]) {
        sub.t = arena_alloc(inner->arena, inner->steps * sizeof sub.t[0]);
        sub.v = eval_values(inner);
    }
    if (!sub.t || !sub.v) return eval_nomem(inner);
    return eval_rows(inner, e->subquery.expr, &sub.sink);
}

static int range_subquery(struct eval *ev, const struct expr *e, const char *func,
                          struct windows *w, struct range_sink *out)
{
    struct anchor at;
    int64_t step_ms = ev->run->subquery_step_ms;
    int rc = anchor_of(ev, &e->subquery.mod, &at);
    if (rc == 0) rc = range_of(ev, &e->subquery.range, &w->range_ms);
    if (rc == 0 && e->subquery.has_step) rc = range_of(ev, &e->subquery.step, &step_ms);
    if (rc) return rc;
    w->first_end_ms = at.first_ms;
    w->stride_ms = at.stride_ms;
    struct inner inner;
    struct sample_counts counts = {0};
    eval_inner_init(&inner, ev);
    if (ev->counts) inner.ev.counts = &counts;
    if (subquery_steps(&inner.ev, &at, w->range_ms, step_ms))
        rc = subquery_run(ev, &inner.ev, e, out);
    eval_inner_release(&inner);
    if (!*func) counts_add(ev->counts, ev->steps - 1, counts.total); /* else its windows count */
    return rc;
}

int eval_range(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
               struct range_sink *out)
{
    e = eval_unwrap(e);
    return ev->run->trace ? eval_trace_range(ev, e, func, w, out)
                          : eval_range_untraced(ev, e, func, w, out);
}

int eval_range_untraced(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
                        struct range_sink *out)
{
    if (e->kind == EXPR_SELECTOR && e->selector.is_range)
        return range_selector(ev, e, func, w, out);
    if (e->kind == EXPR_SUBQUERY) return range_subquery(ev, e, func, w, out);
    return eval_fail(ev, "expected a range vector, got %s", value_type_name(e->type));
}
