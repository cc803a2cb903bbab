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

bool tree_is_invariant(const struct expr *e)
{
    static const char *const of_time[] = {
        "time",        "timestamp",   "predict_linear", "minute", "hour", "day_of_month",
        "day_of_week", "day_of_year", "days_in_month",  "month",  "year"};
    if (e->kind == EXPR_SELECTOR) return e->selector.mod.at != AT_NONE;
    if (e->kind == EXPR_SUBQUERY) return e->subquery.mod.at != AT_NONE;
    for (size_t i = 0; e->kind == EXPR_CALL && i < COUNT(of_time); i++)
        if (str_eq(str_of(e->call.fn->name), str_of(of_time[i]))) return false;
    const struct expr *child;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        if (!tree_is_invariant(child)) return false;
    return true;
}

bool tree_sums(const struct expr *e)
{
    static const char *const functions[] = {"sum_over_time",    "avg_over_time", "stddev_over_time",
                                            "stdvar_over_time", "deriv",         "predict_linear"};
    if (e->kind == EXPR_AGGREGATE) switch (e->aggregate.op) {
        case AGGR_SUM:
        case AGGR_AVG:
        case AGGR_STDDEV:
        case AGGR_STDVAR:
            return true;
        default:
            break;
        }
    for (size_t i = 0; e->kind == EXPR_CALL && i < COUNT(functions); i++)
        if (str_eq(str_of(e->call.fn->name), str_of(functions[i]))) return true;
    const struct expr *child;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        if (tree_sums(child)) return true;
    return false;
}
