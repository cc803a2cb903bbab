/* script_at.c -- pins a parsed expression to one time: every selector and subquery that has no @ of
 * its own gets one, after which the result must not depend on when the query is evaluated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/fns.h"
#include "tsdb/promql/script_int.h"

static bool pin_modifier(struct time_modifier *mod, int64_t t_ms)
{
    if (mod->at != AT_NONE) return true;
    mod->at = AT_TIME;
    mod->at_ms = t_ms;
    return true;
}

static bool pin_call(struct expr *e, int64_t t_ms)
{
    if (e->call.fn->body.uses_time) return false;
    for (size_t i = 0; i < e->call.count; i++)
        if (!script_pin(e->call.args[i], t_ms)) return false;
    return true;
}

bool script_pin(struct expr *e, int64_t t_ms)
{
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return true;
    case EXPR_SELECTOR:
        return pin_modifier(&e->selector.mod, t_ms);
    case EXPR_SUBQUERY:
        return pin_modifier(&e->subquery.mod, t_ms); /* what it holds moves along */
    case EXPR_CALL:
        return pin_call(e, t_ms);
    case EXPR_AGGREGATE:
        return (!e->aggregate.param || script_pin(e->aggregate.param, t_ms)) &&
               script_pin(e->aggregate.expr, t_ms);
    case EXPR_BINARY:
        return script_pin(e->binary.lhs, t_ms) && script_pin(e->binary.rhs, t_ms);
    case EXPR_UNARY:
        return script_pin(e->unary.expr, t_ms);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return script_pin(e->wrap.expr, t_ms);
    }
    return false;
}
