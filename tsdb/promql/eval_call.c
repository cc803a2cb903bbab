/* eval_call.c -- function calls: what is common to all functions of a kind.
 *
 * Formulas over one value and over one window of samples live in fns_*.c; here they are applied to
 * every step of every series.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

static int unsupported(struct eval *ev, const struct expr *e)
{
    return errmsg_set(ev->run->err, E_UNSUPPORTED, "function %s() is not supported",
                      e->call.fn->name);
}

/* --- one value to another --- */

struct mapper {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
    double (*map)(double v);
};

static int mapper_put(struct sink *s, struct row *row)
{
    struct mapper *m = (struct mapper *)s;
    for (size_t i = 0; i < m->ev->steps; i++)
        row->v[i] = is_float(row->v[i]) ? m->map(row->v[i]) : ABSENT;
    int rc = eval_drop_name(m->ev, row);
    return rc ? rc : m->out->put(m->out, row);
}

static int call_map(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct mapper m = {.sink.put = mapper_put, .ev = ev, .out = out, .map = e->call.fn->body.map};
    if (e->call.count > 0) return eval_rows(ev, e->call.args[0], &m.sink);
    struct row now = {.v = eval_values(ev)}; /* hour() is hour(vector(time())) */
    if (!now.v) return eval_nomem(ev);
    for (size_t i = 0; i < ev->steps; i++)
        now.v[i] = (double)eval_time(ev, i) / 1000;
    return mapper_put(&m.sink, &now);
}

/* --- one window to a value --- */

struct ranger {
    struct range_sink sink;
    struct range_call call;
    struct windows w;
    struct sink *out;
    double *v;
    bool slides; /* the windows are known, and what call.slide is */
};

/* Whether any step got a value. */
static bool range_steps(struct ranger *r, const struct samples *s)
{
    const struct eval *ev = r->call.ev;
    size_t lo = 0, hi = 0;
    bool any = false;
    for (size_t i = 0; i < ev->steps && r->call.rc == 0; i++) {
        int64_t end = r->w.first_end_ms + (int64_t)i * r->w.stride_ms;
        int64_t start = ms_sub(end, r->w.range_ms);
        while (hi < s->count && s->t[hi] <= end)
            hi++;
        while (lo < hi && s->t[lo] <= start)
            lo++;
        r->v[i] = ABSENT;
        if (lo == hi) continue;
        struct window w = {s->t + lo, s->v + lo, hi - lo, start, end, eval_time(ev, i), i};
        if (!r->call.histograms || eval_sift_window(&r->call, &w))
            r->v[i] = r->call.expr->call.fn->body.range(&r->call, &w);
        any |= !is_absent(r->v[i]);
        if (r->call.rc == 0) r->call.rc = eval_tick(ev->run, w.count);
    }
    return any;
}

static int ranger_put(struct range_sink *s, const struct samples *samples)
{
    struct ranger *r = (struct ranger *)s;
    r->call.metric = labels_metric(samples->labels);
    r->call.noted = false;
    r->call.histograms = samples->histograms;
    int rc = 0;
    if (!r->slides) rc = eval_slide_new(r->call.ev, &r->w, &r->call.slide);
    r->slides = true;
    if (rc) return rc;
    eval_slide_start(r->call.slide, samples);
    bool any = range_steps(r, samples);
    if (r->call.rc < 0 || !any) return r->call.rc;
    struct row row = {samples->labels, samples->drop_name, r->v};
    if (!r->call.expr->call.fn->body.keeps_name) {
        rc = eval_drop_name(r->call.ev, &row);
        if (rc) return rc;
    }
    return r->out->put(r->out, &row);
}

static int call_range(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct ranger r = {
        .sink.put = ranger_put, .call = {.ev = ev, .expr = e},
             .out = out
    };
    const struct expr *range = NULL;
    for (size_t i = 0; i < e->call.count && i < PROMQL_FN_ARGS; i++) {
        if (e->call.args[i]->type == T_MATRIX) range = e->call.args[i];
        if (e->call.args[i]->type != T_SCALAR) continue;
        int rc = eval_scalar_new(ev, e->call.args[i], &r.call.args[i]);
        if (rc) return rc;
    }
    if (!range) return eval_fail(ev, "%s() needs a range vector", e->call.fn->name);
    r.v = eval_values(ev);
    if (!r.v) return eval_nomem(ev);
    return eval_range(ev, range, e->call.fn->name, &r.w, &r.sink);
}

/* --- the kinds --- */

int eval_call(struct eval *ev, const struct expr *e, struct sink *out)
{
    switch (e->call.fn->body.kind) {
    case PROMQL_FN_MAP:
        return call_map(ev, e, out);
    case PROMQL_FN_RANGE:
        return call_range(ev, e, out);
    case PROMQL_FN_ROWS:
        return e->call.fn->body.rows(ev, e, out);
    case PROMQL_FN_SCALAR:
        break;
    case PROMQL_FN_NONE:
        return unsupported(ev, e);
    }
    return eval_fail(ev, "expected an instant vector, got scalar");
}

int eval_call_scalar(struct eval *ev, const struct expr *e, double *out)
{
    switch (e->call.fn->body.kind) {
    case PROMQL_FN_SCALAR:
        return e->call.fn->body.scalar(ev, e, out);
    case PROMQL_FN_NONE:
        return unsupported(ev, e);
    default:
        return eval_fail(ev, "expected a scalar, got instant vector");
    }
}
