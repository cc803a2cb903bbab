/* fns_vector.c -- absent, vector, scalar, and functions that only native histograms feed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tsdb/promql/fns_int.h"

/* --- absent --- */

/* The labels an absent series would have: its equality matchers, but for names given twice. */
APART static int absent_labels(struct eval *ev, const struct expr *arg, struct labels *out)
{
    arg = eval_unwrap(arg);
    *out = (struct labels){0};
    if (arg->kind != EXPR_SELECTOR) return 0;
    struct label_builder b;
    label_builder_init(&b, (struct labels){0});
    for (size_t i = 0; i < arg->selector.matcher_count; i++) {
        const struct matcher *m = &arg->selector.matchers[i];
        if (str_eq(m->name, STR(METRIC_NAME))) continue;
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = arg->selector.matchers[j].type == MATCH_EQ &&
                    str_eq(arg->selector.matchers[j].name, m->name);
        if (m->type == MATCH_EQ && !again)
            label_builder_set(&b, m->name, m->value);
        else
            label_builder_del(&b, m->name);
    }
    int rc = label_builder_build(&b, ev->arena, out);
    if (rc == E_TOO_BIG) return eval_fail(ev, "a result has more than %d labels", LABELS_MAX);
    return rc < 0 ? eval_nomem(ev) : 0;
}

struct presence {
    struct sink sink;
    struct range_sink range_sink;
    struct eval *ev;
    struct windows w;
    bool *seen; /* by step */
};

static int presence_put(struct sink *s, struct row *row)
{
    struct presence *p = (struct presence *)s;
    for (size_t i = 0; i < p->ev->steps; i++)
        p->seen[i] |= !is_absent(row->v[i]);
    return 0;
}

static int presence_put_range(struct range_sink *s, const struct samples *samples)
{
    struct presence *p = (struct presence *)((char *)s - offsetof(struct presence, range_sink));
    size_t lo = 0, hi = 0;
    for (size_t i = 0; i < p->ev->steps; i++) {
        int64_t end = p->w.first_end_ms + (int64_t)i * p->w.stride_ms;
        int64_t start = ms_sub(end, p->w.range_ms);
        while (hi < samples->count && samples->t[hi] <= end)
            hi++;
        while (lo < hi && samples->t[lo] <= start)
            lo++;
        p->seen[i] |= lo < hi;
    }
    return eval_tick(p->ev->run, p->ev->steps);
}

static int absence(struct eval *ev, const struct expr *call, struct sink *out)
{
    const struct expr *arg = call->call.args[0];
    struct presence p = {.sink.put = presence_put, .range_sink.put = presence_put_range, .ev = ev};
    p.seen = arena_zalloc(ev->arena, ev->steps);
    struct row row = {.v = eval_values(ev)};
    if (!p.seen || !row.v) return eval_nomem(ev);
    int rc = arg->type == T_MATRIX ? eval_range(ev, arg, call->call.fn->name, &p.w, &p.range_sink)
                                   : eval_rows(ev, arg, &p.sink);
    if (rc == 0) rc = absent_labels(ev, arg, &row.labels);
    if (rc) return rc;
    for (size_t i = 0; i < ev->steps; i++)
        row.v[i] = p.seen[i] ? ABSENT : 1;
    return out->put(out, &row);
}

int fn_absent(struct eval *ev, const struct expr *call, struct sink *out)
{
    return absence(ev, call, out);
}

int fn_absent_over_time(struct eval *ev, const struct expr *call, struct sink *out)
{
    return absence(ev, call, out);
}

/* --- scalar to vector and back --- */

int fn_vector(struct eval *ev, const struct expr *call, struct sink *out)
{
    struct row row = {0};
    int rc = eval_scalar_new(ev, call->call.args[0], &row.v);
    return rc ? rc : out->put(out, &row);
}

struct single {
    struct sink sink;
    struct eval *ev;
    double *out; /* ABSENT: nothing yet */
    bool *many;
};

static int single_put(struct sink *s, struct row *row)
{
    struct single *one = (struct single *)s;
    for (size_t i = 0; i < one->ev->steps; i++) {
        if (!is_float(row->v[i])) continue;
        one->many[i] |= !is_absent(one->out[i]);
        one->out[i] = row->v[i];
    }
    return 0;
}

/* The value where the vector has exactly one, else NaN. */
int fn_scalar_of(struct eval *ev, const struct expr *call, double *out)
{
    struct inner inner;
    eval_inner_init(&inner, ev);
    struct single one = {.sink.put = single_put, .ev = ev, .out = out};
    one.many = arena_zalloc(inner.ev.arena, ev->steps);
    int rc = one.many ? 0 : eval_nomem(&inner.ev);
    for (size_t i = 0; i < ev->steps; i++)
        out[i] = ABSENT;
    if (rc == 0) rc = eval_rows(&inner.ev, call->call.args[0], &one.sink);
    for (size_t i = 0; i < ev->steps && rc == 0; i++)
        if (one.many[i] || is_absent(out[i])) out[i] = nan_value();
    eval_inner_release(&inner);
    return rc;
}

/* --- native histograms --- */

struct discarder {
    struct sink sink;
    struct eval *ev;
    const char *fn;
};

static int discard(struct sink *s, struct row *row)
{
    struct discarder *d = (struct discarder *)s;
    if (eval_holds_histograms(row->v, d->ev->steps))
        return eval_histograms_unsupported(d->ev, d->fn);
    return 0;
}

/* Floats have no buckets: they give nothing. */
int fn_histogram_only(struct eval *ev, const struct expr *call, struct sink *out)
{
    UNUSED(out);
    struct discarder none = {.sink.put = discard, .ev = ev, .fn = call->call.fn->name};
    return eval_rows(ev, call->call.args[0], &none.sink);
}
