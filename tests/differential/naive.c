/* naive.c -- the naive evaluator: which node does what, and the steps of a query.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tests/differential/naive_int.h"

const struct expr *naive_bare(const struct expr *e)
{
    while (e->kind == EXPR_PAREN || e->kind == EXPR_STEP_INVARIANT)
        e = e->wrap.expr;
    return e;
}

struct str naive_string_of(const struct expr *e)
{
    return naive_bare(e)->string;
}

static struct naive_vector negated(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0}, in = naive_vector_of(at, e->unary.expr);
    if (!e->unary.negative) return in;
    for (size_t i = 0; i < in.count; i++) {
        struct labels labels = naive_nameless(at.n, in.v[i].labels);
        if (!naive_claim(at, e, in.v[i].labels, labels)) naive_differs(at.n, DIFFERS_NAMES);
        naive_push(at.n, &out, labels, -in.v[i].v);
    }
    return out;
}

static struct naive_vector node(struct naive_at at, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
        return naive_select(at, e, false);
    case EXPR_CALL:
        return naive_call(at, e);
    case EXPR_AGGREGATE:
        return naive_aggregate(at, e);
    case EXPR_BINARY:
        return naive_binary(at, e);
    case EXPR_UNARY:
        return negated(at, e);
    default:
        naive_fail(at.n, E_UNSUPPORTED, "no instant vector");
        return (struct naive_vector){0};
    }
}

struct naive_vector naive_vector_of(struct naive_at at, const struct expr *e)
{
    if (at.n->out->rc) return (struct naive_vector){0};
    at.n->work++;
    struct naive_vector out = node(at, naive_bare(e));
    naive_no_duplicates(at.n, &out);
    if (at.n->out->rc) out.count = 0;
    return out;
}

double naive_scalar_of(struct naive_at at, const struct expr *e)
{
    e = naive_bare(e);
    switch (e->kind) {
    case EXPR_NUMBER:
        return e->number;
    case EXPR_UNARY:
        return e->unary.negative ? -naive_scalar_of(at, e->unary.expr)
                                 : naive_scalar_of(at, e->unary.expr);
    case EXPR_BINARY:
        return naive_binary_scalar(at, e);
    case EXPR_CALL:
        return naive_call_scalar(at, e);
    default:
        naive_fail(at.n, E_UNSUPPORTED, "no scalar");
        return (double)NAN;
    }
}

/* --- results --- */

static struct promql_point *points_of(struct naive *n, size_t count)
{
    return naive_alloc(n, count, sizeof(struct promql_point));
}

static void instant(struct naive_at at, const struct expr *e, struct promql_result *r)
{
    struct naive *n = at.n;
    r->type = e->type;
    if (e->type == T_SCALAR) {
        r->scalar = naive_scalar_of(at, e);
    } else if (e->type == T_STRING) {
        r->string = naive_string_of(e);
    } else if (e->type == T_MATRIX) {
        struct naive_matrix m = naive_matrix_of(at, e);
        r->series = naive_alloc(n, m.count, sizeof r->series[0]);
        for (; r->series_count < m.count; r->series_count++) {
            struct promql_series_result *s = &r->series[r->series_count];
            *s = (struct promql_series_result){m.v[r->series_count].labels, NULL,
                                               m.v[r->series_count].count};
            s->points = points_of(n, s->count);
            memcpy(s->points, m.v[r->series_count].p, s->count * sizeof s->points[0]);
        }
    } else {
        struct naive_vector v = naive_vector_of(at, e);
        r->series = naive_alloc(n, v.count, sizeof r->series[0]);
        for (; r->series_count < v.count; r->series_count++) {
            struct promql_point *p = points_of(n, 1);
            *p = (struct promql_point){at.t_ms, v.v[r->series_count].v};
            r->series[r->series_count] =
                (struct promql_series_result){v.v[r->series_count].labels, p, 1};
        }
    }
}

struct rows {
    struct naive_groups names;
    struct promql_series_result *v;
    size_t steps;
};

static void add_point(struct naive *n, struct rows *rows, struct labels labels, int64_t t_ms,
                      double v)
{
    size_t cap = rows->names.cap, i = naive_group(n, &rows->names, labels);
    if (rows->names.cap != cap) {
        struct promql_series_result *more = naive_alloc(n, rows->names.cap, sizeof *more);
        if (cap) memcpy(more, rows->v, cap * sizeof *more);
        rows->v = more;
    }
    struct promql_series_result *s = &rows->v[i];
    if (!s->points) s->points = points_of(n, rows->steps);
    s->labels = labels;
    s->points[s->count++] = (struct promql_point){t_ms, v};
}

static void range(struct naive_at at, const struct expr *e, struct promql_result *r)
{
    struct naive *n = at.n;
    struct rows rows = {.steps = (size_t)((n->q->end_ms - n->q->start_ms) / n->q->step_ms) + 1};
    r->type = T_MATRIX;
    for (; at.t_ms <= at.last_ms && !n->out->rc; at.t_ms += n->q->step_ms) {
        if (e->type == T_SCALAR) {
            add_point(n, &rows, (struct labels){0}, at.t_ms, naive_scalar_of(at, e));
            continue;
        }
        struct naive_vector v = naive_vector_of(at, e);
        for (size_t i = 0; i < v.count; i++)
            add_point(n, &rows, v.v[i].labels, at.t_ms, v.v[i].v);
    }
    r->series = rows.v;
    r->series_count = rows.names.count;
}

void naive_eval(const struct expr *e, const struct naive_query *q, struct naive_answer *out)
{
    *out = (struct naive_answer){0};
    struct naive n = {.q = q, .out = out};
    struct naive_at at = {&n, q->start_ms, q->start_ms, q->start_ms};
    if (q->step_ms) at.last_ms += (q->end_ms - q->start_ms) / q->step_ms * q->step_ms;
    if (q->step_ms == 0)
        instant(at, e, &out->result);
    else if (e->type == T_SCALAR || e->type == T_VECTOR)
        range(at, e, &out->result);
    else
        naive_fail(&n, E_EXEC, "a range query gives an instant vector or a scalar");
}
