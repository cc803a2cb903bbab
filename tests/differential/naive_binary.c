/* naive_binary.c -- operators of the naive evaluator.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tests/differential/naive_int.h"
#include "tests/differential/tree.h"

double naive_operator(enum binary_op op, double l, double r, bool *keep)
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
        break;
    case OP_NE:
        *keep = l != r;
        break;
    case OP_GT:
        *keep = l > r;
        break;
    case OP_LT:
        *keep = l < r;
        break;
    case OP_GE:
        *keep = l >= r;
        break;
    case OP_LE:
        *keep = l <= r;
        break;
    default:
        *keep = false;
    }
    return l; /* a comparison gives its left side */
}

/* Near a multiple of the divisor the last bit decides between nothing and nearly all of it. */
static void judge_remainder(struct naive_at at, const struct expr *e, double l, double r)
{
    double parts = l / r;
    if (e->binary.op != OP_MOD || !isfinite(parts) || !tree_is_rough(e)) return;
    if (fabs(parts - round(parts)) < 1e-9 * fabs(parts)) at.n->out->ambiguous = true;
}

static bool compares(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_LE;
}

static bool loses_name(const struct expr *e)
{
    return !compares(e->binary.op) || e->binary.return_bool;
}

static void judge_name(struct naive_at at, const struct expr *e, struct labels ls)
{
    if (e->binary.op == OP_ATAN2 && labels_metric(ls).len) naive_differs(at.n, DIFFERS_ATAN2_NAME);
}

double naive_binary_scalar(struct naive_at at, const struct expr *e)
{
    bool keep;
    double l = naive_scalar_of(at, e->binary.lhs), r = naive_scalar_of(at, e->binary.rhs);
    double v = naive_operator(e->binary.op, l, r, &keep);
    return compares(e->binary.op) ? keep : v;
}

/* --- a vector and a scalar --- */

static struct naive_vector with_scalar(struct naive_at at, const struct expr *e)
{
    bool vector_left = e->binary.lhs->type == T_VECTOR;
    struct naive_vector out = {0};
    struct naive_vector in = naive_vector_of(at, vector_left ? e->binary.lhs : e->binary.rhs);
    double scalar = naive_scalar_of(at, vector_left ? e->binary.rhs : e->binary.lhs);
    for (size_t i = 0; i < in.count; i++) {
        bool keep;
        struct naive_sample s = in.v[i];
        double v = vector_left ? naive_operator(e->binary.op, s.v, scalar, &keep)
                               : naive_operator(e->binary.op, scalar, s.v, &keep);
        judge_remainder(at, e, vector_left ? s.v : scalar, vector_left ? scalar : s.v);
        judge_name(at, e, s.labels);
        if (compares(e->binary.op)) v = s.v; /* the vector's, on whichever side it is */
        if (e->binary.return_bool)
            v = keep;
        else if (!keep)
            continue;
        naive_push(at.n, &out, loses_name(e) ? naive_nameless(at.n, s.labels) : s.labels, v);
    }
    return out;
}

/* --- two vectors --- */

static struct labels signature(struct naive *n, const struct vector_matching *m, struct labels ls)
{
    return m->on ? naive_keep(n, ls, &m->labels) : naive_without(n, ls, &m->labels);
}

static struct naive_vector set_operation(struct naive_at at, const struct expr *e)
{
    const struct vector_matching *m = &e->binary.matching;
    struct naive_vector l = naive_vector_of(at, e->binary.lhs);
    struct naive_vector r = naive_vector_of(at, e->binary.rhs);
    struct naive_vector out = {0};
    bool is_or = e->binary.op == OP_OR;
    const struct naive_vector *seen = is_or ? &l : &r, *asked = is_or ? &r : &l;
    struct naive_groups partners = {0};
    for (size_t i = 0; i < seen->count; i++)
        naive_group(at.n, &partners, signature(at.n, m, seen->v[i].labels));
    if (is_or) out = l;
    for (size_t i = 0; i < asked->count; i++) {
        struct labels key = signature(at.n, m, asked->v[i].labels);
        bool found = naive_group_find(&partners, key) != NAIVE_NONE;
        if (found == (e->binary.op == OP_AND))
            naive_push(at.n, &out, asked->v[i].labels, asked->v[i].v);
    }
    return out;
}

/* many and one: the samples of the two sides, whichever is left. */
static struct labels result_labels(struct naive *n, const struct expr *e, struct labels many,
                                   struct labels one)
{
    const struct vector_matching *m = &e->binary.matching;
    struct labels out = compares(e->binary.op) ? many : naive_nameless(n, many);
    if (m->card == CARD_ONE_TO_ONE && m->on) out = naive_keep(n, out, &m->labels);
    if (m->card == CARD_ONE_TO_ONE && !m->on)
        for (size_t i = 0; i < m->labels.count; i++)
            out = naive_with(n, out, m->labels.v[i], (struct str){0});
    for (size_t i = 0; i < m->include.count; i++)
        out = naive_with(n, out, m->include.v[i], labels_get(one, m->include.v[i]));
    return e->binary.return_bool ? naive_nameless(n, out) : out;
}

static struct naive_vector joined(struct naive_at at, const struct expr *e)
{
    struct naive *n = at.n;
    const struct vector_matching *m = &e->binary.matching;
    struct naive_vector l = naive_vector_of(at, e->binary.lhs);
    struct naive_vector r = naive_vector_of(at, e->binary.rhs);
    struct naive_vector out = {0};
    if (m->fill_left || m->fill_right) naive_fail(n, E_UNSUPPORTED, "fill");
    if (l.count == 0 || r.count == 0) return out;
    bool swap = m->card == CARD_ONE_TO_MANY;
    const struct naive_vector *many = swap ? &r : &l, *one = swap ? &l : &r;

    struct naive_groups keys = {0};
    for (size_t i = 0; i < one->count; i++)
        if (naive_group(n, &keys, signature(n, m, one->v[i].labels)) != i) {
            naive_fail(n, E_EXEC, "found duplicate series for the match group");
            return out;
        }
    /* signature and result of what was found: one to one, a signature may come once; else a result
     * may come once for each signature; what a comparison then takes away counts too */
    struct naive_groups *results = naive_alloc(n, one->count, sizeof *results);
    for (size_t i = 0; i < many->count; i++) {
        int k = naive_group_find(&keys, signature(n, m, many->v[i].labels));
        if (k == NAIVE_NONE) continue;
        bool keep;
        double lv = swap ? one->v[k].v : many->v[i].v, rv = swap ? many->v[i].v : one->v[k].v;
        double v = naive_operator(e->binary.op, lv, rv, &keep);
        judge_remainder(at, e, lv, rv);
        judge_name(at, e, many->v[i].labels);
        struct labels labels = result_labels(n, e, many->v[i].labels, one->v[k].labels);
        size_t before = results[k].count;
        if (before && compares(e->binary.op) && !e->binary.return_bool)
            naive_differs(n, DIFFERS_MATCHES);
        if (m->card == CARD_ONE_TO_ONE && before)
            naive_fail(n, E_EXEC, "many-to-one matching must be explicit");
        if (naive_group(n, &results[k], labels) != before)
            naive_fail(n, E_EXEC, "grouping labels must ensure unique matches");
        if (e->binary.return_bool) v = keep;
        if (keep || e->binary.return_bool) naive_push(n, &out, labels, v);
    }
    return out;
}

struct naive_vector naive_binary(struct naive_at at, const struct expr *e)
{
    if (e->binary.lhs->type == T_SCALAR || e->binary.rhs->type == T_SCALAR)
        return with_scalar(at, e);
    if (e->binary.op == OP_AND || e->binary.op == OP_OR || e->binary.op == OP_UNLESS)
        return set_operation(at, e);
    return joined(at, e);
}
