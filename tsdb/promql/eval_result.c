/* eval_result.c -- promql_eval: checks the query, evaluates, and gives the rows their final form.
 *
 * Everything but the result lives in an inner scope that goes at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

enum { MAX_STEPS = 50 * 1000 * 1000, DEFAULT_LOOKBACK_MS = 300000, DEFAULT_SUBQUERY_MS = 60000 };

/* Times beyond this are refused, which keeps every sum of a time and a duration in range. */
#define MAX_TIME_MS (INT64_C(1) << 61)

static int compare_series(const void *a, const void *b)
{
    const struct promql_series_result *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

/* Takes off the names that were to go at the end, and brings equal label sets together. */
struct finisher {
    struct sink sink;
    struct merger merger;
};

static int finisher_put(struct sink *s, struct row *row)
{
    struct finisher *f = (struct finisher *)s;
    if (row->drop_name) {
        int rc = labels_without_name(f->merger.ev->arena, row->labels, &row->labels);
        if (rc < 0) return eval_nomem(f->merger.ev);
        row->drop_name = false;
    }
    return f->merger.sink.put(&f->merger.sink, row);
}

static int result_points(struct eval *ev, const struct row *row, struct promql_series_result *out)
{
    struct arena *a = ev->run->q->arena;
    size_t n = 0;
    for (size_t i = 0; i < ev->steps; i++) {
        if (is_histogram(row->v[i])) return eval_histograms_unsupported(ev, "a result");
        n += !is_absent(row->v[i]);
    }
    out->count = n;
    if (n == 0) return 0;
    out->points = arena_alloc(a, n * sizeof out->points[0]);
    if (!out->points || labels_copy(a, row->labels, &out->labels) < 0) return eval_nomem(ev);
    struct promql_point *p = out->points;
    for (size_t i = 0; i < ev->steps; i++)
        if (!is_absent(row->v[i])) *p++ = (struct promql_point){eval_time(ev, i), row->v[i]};
    return 0;
}

static int result_rows(struct eval *ev, const struct rows *rows, struct promql_result *out)
{
    out->series =
        arena_array(ev->run->q->arena, rows->count ? rows->count : 1, sizeof out->series[0]);
    if (!out->series) return eval_nomem(ev);
    for (size_t i = 0; i < rows->count; i++) {
        int rc = result_points(ev, &rows->v[i], &out->series[out->series_count]);
        if (rc == 0) rc = eval_tick(ev->run, ev->steps);
        if (rc) return rc;
        if (out->series[out->series_count].count) out->series_count++;
    }
    if (out->type != T_MATRIX && ev->run->ordered) return 0;
    return eval_sort(ev, out->series, out->series_count, sizeof out->series[0], compare_series);
}

static int result_vector(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    struct finisher f = {.sink.put = finisher_put};
    merger_init(&f.merger, ev, false);
    if (ev->run->q->delayed_name_removal) {
        int rc = eval_rows(ev, e, &f.sink);
        return rc ? rc : result_rows(ev, &f.merger.rows, out);
    }
    struct rows rows = {0};
    int rc = eval_collect(ev, e, &rows);
    return rc ? rc : result_rows(ev, &rows, out);
}

static int result_scalar(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    struct row row = {.v = eval_values(ev)};
    if (!row.v) return eval_nomem(ev);
    int rc = eval_scalar(ev, e, row.v);
    if (rc) return rc;
    if (out->type == T_MATRIX) return result_rows(ev, &(struct rows){&row, 1, 1}, out);
    out->scalar = row.v[0];
    return 0;
}

/* The samples of an instant query's range vector. */
struct matrix_sink {
    struct range_sink sink;
    struct eval *ev;
    struct windows w;
    struct promql_result *out;
    size_t cap;
};

static int matrix_add(struct matrix_sink *m, struct promql_series_result s)
{
    struct arena *a = m->ev->run->q->arena;
    if (m->out->series_count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        struct promql_series_result *grown = arena_array(a, cap, sizeof *grown);
        if (!grown) return eval_nomem(m->ev);
        if (m->cap) memcpy(grown, m->out->series, m->cap * sizeof *grown);
        m->out->series = grown;
        m->cap = cap;
    }
    m->out->series[m->out->series_count++] = s;
    return 0;
}

static int matrix_put(struct range_sink *s, const struct samples *samples)
{
    struct matrix_sink *m = (struct matrix_sink *)s;
    struct arena *a = m->ev->run->q->arena;
    int64_t end = m->w.first_end_ms, start = ms_sub(end, m->w.range_ms);
    size_t lo = 0, hi = samples->count;
    while (lo < hi && samples->t[lo] <= start)
        lo++;
    while (hi > lo && samples->t[hi - 1] > end)
        hi--;
    if (lo == hi) return 0;
    if (samples->histograms && eval_holds_histograms(samples->v + lo, hi - lo))
        return eval_histograms_unsupported(m->ev, "a result");
    struct promql_series_result r = {.count = hi - lo};
    r.points = arena_alloc(a, r.count * sizeof r.points[0]);
    if (!r.points) return eval_nomem(m->ev);
    for (size_t i = lo; i < hi; i++)
        r.points[i - lo] = (struct promql_point){samples->t[i], samples->v[i]};
    struct labels ls = samples->labels;
    int rc = samples->drop_name ? labels_without_name(m->ev->arena, ls, &ls) : 0;
    if (rc == 0) rc = labels_copy(a, ls, &r.labels);
    return rc < 0 ? eval_nomem(m->ev) : matrix_add(m, r);
}

static int result_matrix(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    struct matrix_sink m = {.sink.put = matrix_put, .ev = ev, .out = out};
    int rc = eval_range(ev, e, "", &m.w, &m.sink);
    if (rc) return rc;
    return eval_sort(ev, out->series, out->series_count, sizeof out->series[0], compare_series);
}

static int eval_result(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    bool range = ev->run->q->step_ms > 0;
    out->type = range ? T_MATRIX : e->type;
    if (range && e->type != T_SCALAR && e->type != T_VECTOR)
        return errmsg_set(ev->run->err, E_PARSE,
                          "invalid expression type \"%s\" for range query, must be Scalar or "
                          "instant Vector",
                          value_type_name(e->type));
    switch (e->type) {
    case T_SCALAR:
        return result_scalar(ev, e, out);
    case T_VECTOR:
        return result_vector(ev, e, out);
    case T_MATRIX:
        return result_matrix(ev, e, out);
    case T_STRING:
        out->string = arena_str(ev->run->q->arena, eval_string(e));
        return 0;
    case T_NONE:
        break;
    }
    return eval_fail(ev, "the expression has no type");
}

static int check_query(const struct promql_query *q, size_t *steps, struct errmsg *err)
{
    if (q->start_ms < -MAX_TIME_MS || q->end_ms > MAX_TIME_MS || q->end_ms < q->start_ms ||
        q->step_ms < 0)
        return errmsg_set(err, E_EXEC, "the query's times are out of range");
    uint64_t n = q->step_ms ? (uint64_t)((q->end_ms - q->start_ms) / q->step_ms) + 1 : 1;
    if (n > MAX_STEPS)
        return errmsg_set(err, E_LIMIT, "the query has %llu steps, more than the limit of %d",
                          (unsigned long long)n, MAX_STEPS);
    *steps = (size_t)n;
    return 0;
}

int promql_eval(const struct expr *e, struct promql_query *q, struct promql_result *out,
                struct errmsg *err)
{
    *out = (struct promql_result){0};
    struct run run = {
        .q = q,
        .err = err,
        .lookback_ms = q->lookback_ms > 0 ? q->lookback_ms : DEFAULT_LOOKBACK_MS,
        .subquery_step_ms = q->subquery_step_ms > 0 ? q->subquery_step_ms : DEFAULT_SUBQUERY_MS,
    };
    struct eval ev = {
        .run = &run, .arena = q->arena, .start_ms = q->start_ms, .step_ms = q->step_ms};
    int rc = check_query(q, &ev.steps, err);
    if (rc) return rc;
    if (q->querier && q->querier->ops->eval)
        return q->querier->ops->eval(q->querier, e, q, out, err);
    run.query_steps = ev.steps;

    struct inner inner;
    eval_inner_init(&inner, &ev);
    run.expr = e;
    run.arena = inner.ev.arena;
    run.has_twins = eval_has_twins(e);
    rc = eval_trace_begin(&inner.ev, e);
    if (rc == 0) rc = eval_result(&inner.ev, e, out);
    if (rc == 0) rc = eval_trace_end(&inner.ev, out);
    eval_inner_release(&inner);
    out->annotations = run.notes;
    out->annotation_count = run.note_count;
    out->samples = q->budget.used_samples;
    if (rc < 0 && err && !err->text[0]) errmsg_set(err, rc, "%s", err_text(rc));
    return rc;
}
