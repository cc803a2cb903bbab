/* tree.c -- walking parsed expressions in the differential tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/tree.h"

#include "tsdb/promql/fns.h"

const struct expr *tree_child(const struct expr *e, size_t i)
{
    switch (e->kind) {
    case EXPR_SUBQUERY:
        return i == 0 ? e->subquery.expr : NULL;
    case EXPR_CALL:
        return i < e->call.count ? e->call.args[i] : NULL;
    case EXPR_AGGREGATE:
        if (i == 0) return e->aggregate.expr;
        return i == 1 ? e->aggregate.param : NULL;
    case EXPR_BINARY:
        return i == 0 ? e->binary.lhs : i == 1 ? e->binary.rhs : NULL;
    case EXPR_UNARY:
        return i == 0 ? e->unary.expr : NULL;
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return i == 0 ? e->wrap.expr : NULL;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        break;
    }
    return NULL;
}

static void cover_modifiers(const struct time_modifier *m, struct coverage *c)
{
    c->at += m->at != AT_NONE;
    c->offsets += m->has_offset;
}

void tree_cover(const struct expr *e, struct coverage *c)
{
    size_t count;
    const struct promql_fn *fns = promql_fns(&count);
    if (e->kind == EXPR_CALL) c->functions[e->call.fn - fns]++;
    if (e->kind == EXPR_AGGREGATE) c->aggregations[e->aggregate.op]++;
    if (e->kind == EXPR_BINARY) {
        c->operators[e->binary.op]++;
        c->comparisons_bool += e->binary.return_bool;
        c->groupings += e->binary.has_matching && (e->binary.matching.card == CARD_MANY_TO_ONE ||
                                                   e->binary.matching.card == CARD_ONE_TO_MANY);
    }
    if (e->kind == EXPR_SELECTOR) cover_modifiers(&e->selector.mod, c);
    if (e->kind == EXPR_SUBQUERY) {
        c->subqueries++;
        cover_modifiers(&e->subquery.mod, c);
    }
    const struct expr *child;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        tree_cover(child, c);
}

static bool is_one_of(const struct expr *call, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(str_of(call->call.fn->name), str_of(names[i]))) return true;
    return false;
}

bool tree_is_invariant(const struct expr *e)
{
    static const char *const of_time[] = {
        "time",        "timestamp",   "predict_linear", "minute", "hour", "day_of_month",
        "day_of_week", "day_of_year", "days_in_month",  "month",  "year"};
    if (e->kind == EXPR_SELECTOR) return e->selector.mod.at != AT_NONE;
    if (e->kind == EXPR_SUBQUERY) return e->subquery.mod.at != AT_NONE;
    if (e->kind == EXPR_CALL && is_one_of(e, of_time, COUNT(of_time))) return false;
    const struct expr *child;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        if (!tree_is_invariant(child)) return false;
    return true;
}

static bool sums_here(const struct expr *e)
{
    static const char *const functions[] = {"sum_over_time",    "avg_over_time", "stddev_over_time",
                                            "stdvar_over_time", "deriv",         "predict_linear"};
    static const bool sums[32] = {
        [AGGR_SUM] = true, [AGGR_AVG] = true, [AGGR_STDDEV] = true, [AGGR_STDVAR] = true};
    if (e->kind == EXPR_AGGREGATE) return sums[e->aggregate.op];
    return e->kind == EXPR_CALL && is_one_of(e, functions, COUNT(functions));
}

static bool is_rough_here(const struct expr *e)
{
    static const char *const functions[] = {
        "acos", "acosh", "asin", "asinh", "atan",  "atanh",    "cos",
        "cosh", "deg",   "exp",  "ln",    "log10", "log2",     "rad",
        "sin",  "sinh",  "tan",  "tanh",  "rate",  "increase", "quantile_over_time" /* -0 or 0 */};
    if (e->kind == EXPR_BINARY) return e->binary.op == OP_POW || e->binary.op == OP_ATAN2;
    if (e->kind == EXPR_AGGREGATE && e->aggregate.op == AGGR_QUANTILE) return true;
    return sums_here(e) || (e->kind == EXPR_CALL && is_one_of(e, functions, COUNT(functions)));
}

static bool any(const struct expr *e, bool here(const struct expr *e))
{
    const struct expr *child;
    if (here(e)) return true;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        if (any(child, here)) return true;
    return false;
}

bool tree_sums(const struct expr *e)
{
    return any(e, sums_here);
}

bool tree_is_rough(const struct expr *e)
{
    return any(e, is_rough_here);
}
