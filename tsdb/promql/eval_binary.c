/* eval_binary.c -- binary operators: on numbers, and between a vector and a scalar. Between two
 * vectors see eval_match.c (arithmetic, comparison) and eval_set.c (and, or, unless).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/eval_int.h"

bool binary_is_comparison(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_LE;
}

bool binary_is_trim(enum binary_op op)
{
    return op == OP_TRIM_UPPER || op == OP_TRIM_LOWER;
}

bool binary_is_set(enum binary_op op)
{
    return op == OP_AND || op == OP_OR || op == OP_UNLESS;
}

double binary_value(enum binary_op op, double l, double r, bool *keep)
{
    *keep = true;
    switch (op) {
    case OP_ADD:
        return l + r;
    case OP_SUB:
        return l - r;
    case OP_MUL:
        return l * r;
    case OP_DIV:
        return l / r;
    case OP_MOD:
        return fmod(l, r);
    case OP_POW:
        return pow(l, r);
    case OP_ATAN2:
        return atan2(l, r);
    case OP_EQ:
        *keep = l == r;
        return l;
    case OP_NE:
        *keep = l != r;
        return l;
    case OP_GT:
        *keep = l > r;
        return l;
    case OP_LT:
        *keep = l < r;
        return l;
    case OP_GE:
        *keep = l >= r;
        return l;
    case OP_LE:
        *keep = l <= r;
        return l;
    case OP_AND:
    case OP_OR:
    case OP_UNLESS:
    case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
        break;
    }
    *keep = false;
    return l;
}

int eval_binary_scalar(struct eval *ev, const struct expr *e, double *out)
{
    double *rhs;
    int rc = eval_scalar(ev, e->binary.lhs, out);
    if (rc == 0) rc = eval_scalar_new(ev, e->binary.rhs, &rhs);
    if (rc) return rc;
    if (binary_is_trim(e->binary.op))
        return eval_fail(ev, "operator \"%s\" not allowed for Scalar operations",
                         binary_op_text(e->binary.op));
    bool comparison = binary_is_comparison(e->binary.op);
    for (size_t i = 0; i < ev->steps; i++) {
        bool keep;
        double v = binary_value(e->binary.op, out[i], rhs[i], &keep);
        out[i] = comparison ? (double)keep : v;
    }
    return 0;
}

/* --- a vector and a scalar --- */

struct scaler {
    struct sink sink;
    struct eval *ev;
    const struct expr *e;
    struct sink *out;
    const double *scalar;
    bool scalar_left, drops_name;
};

static int scale(const struct scaler *s, double *v)
{
    enum binary_op op = s->e->binary.op;
    bool comparison = binary_is_comparison(op), as_bool = s->e->binary.return_bool;
    bool trims = binary_is_trim(op);
    for (size_t i = 0; i < s->ev->steps; i++) {
        if (is_absent(v[i])) continue;
        if (trims || is_histogram(v[i])) {
            int rc = s->scalar_left ? eval_binary_histogram(s->ev, s->e, s->scalar[i], v[i])
                                    : eval_binary_histogram(s->ev, s->e, v[i], s->scalar[i]);
            if (rc) return rc;
            v[i] = ABSENT;
            continue;
        }
        bool keep;
        double x = s->scalar_left ? binary_value(op, s->scalar[i], v[i], &keep)
                                  : binary_value(op, v[i], s->scalar[i], &keep);
        if (comparison) x = v[i]; /* a filter yields the vector's value on either side */
        v[i] = as_bool ? (double)keep : keep ? x : ABSENT;
    }
    return 0;
}

static int scaler_put(struct sink *sink, struct row *row)
{
    struct scaler *s = (struct scaler *)sink;
    int rc = scale(s, row->v);
    if (rc == 0 && s->drops_name) rc = eval_drop_name(s->ev, row);
    return rc ? rc : s->out->put(s->out, row);
}

static int vector_scalar(struct eval *ev, const struct expr *e, struct sink *out)
{
    bool left = e->binary.lhs->type == T_SCALAR;
    double *scalar;
    int rc = eval_scalar_new(ev, left ? e->binary.lhs : e->binary.rhs, &scalar);
    if (rc) return rc;
    struct scaler s = {
        .sink.put = scaler_put,
        .ev = ev,
        .e = e,
        .out = out,
        .scalar = scalar,
        .scalar_left = left,
        .drops_name = !binary_is_comparison(e->binary.op) || e->binary.return_bool,
    };
    return eval_rows(ev, left ? e->binary.rhs : e->binary.lhs, &s.sink);
}

int eval_binary(struct eval *ev, const struct expr *e, struct sink *out)
{
    enum binary_op op = e->binary.op;
    if (e->binary.lhs->type == T_SCALAR || e->binary.rhs->type == T_SCALAR)
        return vector_scalar(ev, e, out);
    return binary_is_set(op) ? eval_set(ev, e, out) : eval_match(ev, e, out);
}
