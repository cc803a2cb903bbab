/* eval.c -- evaluation of a parsed expression: the dispatcher, scalars, and the final result.
 *
 * See eval_int.h for how rows flow. Subtrees that do not depend on the evaluation time (selectors
 * with @ and what is built on them alone) are evaluated for one step and repeated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/promql.h"

#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/promql/eval_int.h"

enum { MAX_STEPS = 50 * 1000 * 1000, DEFAULT_LOOKBACK_MS = 300000, DEFAULT_SUBQUERY_MS = 60000 };

/* Times beyond this are refused, which keeps every sum of a time and a duration in range. */
#define MAX_TIME_MS (INT64_C(1) << 61)

const struct expr *eval_unwrap(const struct expr *e)
{
    while (e->kind == EXPR_PAREN || e->kind == EXPR_STEP_INVARIANT)
        e = e->wrap.expr;
    return e;
}

struct str eval_string(const struct expr *e)
{
    e = eval_unwrap(e);
    return e->kind == EXPR_STRING ? e->string : STR("");
}

/* --- step-invariant subtrees --- */

static bool is_invariant(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_SELECTOR:
        return e->selector.mod.at != AT_NONE;
    case EXPR_SUBQUERY:
        return e->subquery.mod.at != AT_NONE;
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return is_invariant(e->wrap.expr);
    case EXPR_UNARY:
        return is_invariant(e->unary.expr);
    case EXPR_BINARY:
        return is_invariant(e->binary.lhs) && is_invariant(e->binary.rhs);
    case EXPR_AGGREGATE:
        return is_invariant(e->aggregate.expr) &&
               (!e->aggregate.param || is_invariant(e->aggregate.param));
    case EXPR_CALL:
        break;
    }
    if (e->call.fn->body.uses_time) return false;
    for (size_t i = 0; i < e->call.count; i++)
        if (!is_invariant(e->call.args[i])) return false;
    return true;
}

/* Repeats the one value of each row over the steps of the outer scope. */
struct repeater {
    struct sink sink;
    struct sink *out;
    double *v;
    size_t steps;
};

static int repeater_put(struct sink *s, struct row *row)
{
    struct repeater *r = (struct repeater *)s;
    for (size_t i = 0; i < r->steps; i++)
        r->v[i] = row->v[0];
    struct row wide = *row;
    wide.v = r->v;
    return r->out->put(r->out, &wide);
}

/* --- which nodes may yield equal labels --- */

enum uniqueness { UNIQUE, UNIQUE_MERGE, UNIQUE_STRICT };

static bool drops_name(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_UNARY:
        return true;
    case EXPR_BINARY:
        return !binary_is_set(e->binary.op) &&
               (!binary_is_comparison(e->binary.op) || e->binary.return_bool);
    case EXPR_CALL:
        return !e->call.fn->body.keeps_name;
    default:
        return false;
    }
}

/* Whether the rows of e stay distinct when they lose __name__: all have one name, or none. */
static bool one_name(const struct expr *e)
{
    e = eval_unwrap(e);
    if (drops_name(e)) return true;
    switch (e->kind) {
    case EXPR_SELECTOR:
        for (size_t i = 0; i < e->selector.matcher_count; i++) {
            const struct matcher *m = &e->selector.matchers[i];
            if (m->type == MATCH_EQ && str_eq(m->name, STR(METRIC_NAME)) && m->value.len)
                return true;
        }
        return false;
    case EXPR_SUBQUERY:
        return one_name(e->subquery.expr);
    case EXPR_BINARY:
        return e->binary.op != OP_OR && one_name(e->binary.lhs);
    default:
        return false;
    }
}

static const struct expr *first_vector(const struct expr *call)
{
    for (size_t i = 0; i < call->call.count; i++) {
        enum value_type t = call->call.args[i]->type;
        if (t == T_VECTOR || t == T_MATRIX) return call->call.args[i];
    }
    return NULL;
}

static enum uniqueness uniqueness(const struct eval *ev, const struct expr *e)
{
    bool delayed = ev->run->q->delayed_name_removal;
    if (e->kind == EXPR_BINARY && e->binary.lhs->type == T_VECTOR &&
        e->binary.rhs->type == T_VECTOR)
        return e->binary.op == OP_AND || e->binary.op == OP_UNLESS ? UNIQUE : UNIQUE_MERGE;
    if (e->kind == EXPR_CALL && e->call.fn->body.makes_labels) return UNIQUE_MERGE;
    if (delayed || !drops_name(e)) return UNIQUE;

    const struct expr *operand = NULL;
    if (e->kind == EXPR_UNARY) operand = e->unary.expr;
    if (e->kind == EXPR_CALL) operand = first_vector(e);
    if (e->kind == EXPR_BINARY)
        operand = e->binary.lhs->type == T_VECTOR ? e->binary.lhs : e->binary.rhs;
    if (!operand || one_name(operand)) return UNIQUE;
    return e->kind == EXPR_UNARY || operand->type == T_MATRIX ? UNIQUE_STRICT : UNIQUE_MERGE;
}

/* --- nodes --- */

struct negator {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
};

static int negator_put(struct sink *s, struct row *row)
{
    struct negator *n = (struct negator *)s;
    for (size_t i = 0; i < n->ev->steps; i++)
        if (!is_absent(row->v[i])) row->v[i] = -row->v[i];
    int rc = eval_drop_name(n->ev, row);
    return rc < 0 ? rc : n->out->put(n->out, row);
}

static int eval_unary(struct eval *ev, const struct expr *e, struct sink *out)
{
    if (!e->unary.negative) return eval_rows(ev, e->unary.expr, out);
    struct negator n = {.sink.put = negator_put, .ev = ev, .out = out};
    return eval_rows(ev, e->unary.expr, &n.sink);
}

static int eval_node(struct eval *ev, const struct expr *e, struct sink *out)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
        return eval_selector(ev, e, false, out);
    case EXPR_CALL:
        return eval_call(ev, e, out);
    case EXPR_AGGREGATE:
        return eval_aggregate(ev, e, out);
    case EXPR_BINARY:
        return eval_binary(ev, e, out);
    case EXPR_UNARY:
        return eval_unary(ev, e, out);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return eval_rows(ev, e->wrap.expr, out);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SUBQUERY:
        break;
    }
    return eval_fail(ev, "expected an instant vector, got %s", value_type_name(e->type));
}

static int eval_node_unique(struct eval *ev, const struct expr *e, struct sink *out)
{
    enum uniqueness u = uniqueness(ev, e);
    if (u == UNIQUE) return eval_node(ev, e, out);
    struct merger m;
    merger_init(&m, ev, u == UNIQUE_STRICT);
    int rc = eval_node(ev, e, &m.sink);
    return rc < 0 ? rc : eval_push(&m.rows, out);
}

int eval_rows(struct eval *ev, const struct expr *e, struct sink *out)
{
    int rc = eval_tick(ev->run, 64);
    if (rc < 0) return rc;
    if (ev->steps == 1 || !is_invariant(e)) return eval_node_unique(ev, e, out);
    struct eval once = *ev;
    once.steps = 1;
    struct repeater r = {.sink.put = repeater_put, .out = out, .steps = ev->steps};
    r.v = eval_values(ev);
    if (!r.v) return eval_nomem(ev);
    return eval_node_unique(&once, e, &r.sink);
}

/* --- scalars --- */

double *eval_values(struct eval *ev)
{
    return arena_alloc(ev->arena, ev->steps * sizeof(double));
}

static void fill(double *out, size_t n, double v)
{
    for (size_t i = 0; i < n; i++)
        out[i] = v;
}

int eval_scalar(struct eval *ev, const struct expr *e, double *out)
{
    e = eval_unwrap(e);
    int rc = eval_tick(ev->run, ev->steps);
    if (rc < 0) return rc;
    switch (e->kind) {
    case EXPR_NUMBER:
        fill(out, ev->steps, e->number);
        return 0;
    case EXPR_UNARY:
        rc = eval_scalar(ev, e->unary.expr, out);
        if (rc < 0 || !e->unary.negative) return rc;
        for (size_t i = 0; i < ev->steps; i++)
            out[i] = -out[i];
        return 0;
    case EXPR_BINARY:
        return eval_binary_scalar(ev, e, out);
    case EXPR_CALL:
        return eval_call_scalar(ev, e, out);
    default:
        break;
    }
    return eval_fail(ev, "expected a scalar, got %s", value_type_name(e->type));
}

int eval_scalar_new(struct eval *ev, const struct expr *e, double **out)
{
    *out = eval_values(ev);
    return *out ? eval_scalar(ev, e, *out) : eval_nomem(ev);
}

/* --- results --- */

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
    for (size_t i = 0; i < ev->steps; i++)
        n += !is_absent(row->v[i]);
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
        if (rc < 0) return rc;
        if (out->series[out->series_count].count) out->series_count++;
    }
    if (out->type == T_MATRIX || !ev->run->ordered)
        qsort(out->series, out->series_count, sizeof out->series[0], compare_series);
    return 0;
}

static int result_vector(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    struct finisher f = {.sink.put = finisher_put};
    merger_init(&f.merger, ev, false);
    if (ev->run->q->delayed_name_removal) {
        int rc = eval_rows(ev, e, &f.sink);
        return rc < 0 ? rc : result_rows(ev, &f.merger.rows, out);
    }
    struct rows rows = {0};
    int rc = eval_collect(ev, e, &rows);
    return rc < 0 ? rc : result_rows(ev, &rows, out);
}

static int result_scalar(struct eval *ev, const struct expr *e, struct promql_result *out)
{
    struct row row = {.v = eval_values(ev)};
    if (!row.v) return eval_nomem(ev);
    int rc = eval_scalar(ev, e, row.v);
    if (rc < 0) return rc;
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
    if (rc < 0) return rc;
    qsort(out->series, out->series_count, sizeof out->series[0], compare_series);
    return 0;
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
    if (rc < 0) return rc;
    run.query_steps = ev.steps;

    struct inner inner;
    eval_inner_init(&inner, &ev);
    rc = eval_result(&inner.ev, e, out);
    eval_inner_release(&inner);
    out->annotations = run.notes;
    out->annotation_count = run.note_count;
    out->samples = q->budget.used_samples;
    return rc;
}
