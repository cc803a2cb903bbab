/* walk.c -- visits the selectors of a tree, and releases what they own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/promql.h"

int promql_selectors(const struct expr *e, selector_visit_fn *each, void *arg)
{
    int rc = 0;
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return 0;
    case EXPR_SELECTOR:
        return each(arg, e);
    case EXPR_SUBQUERY:
        return promql_selectors(e->subquery.expr, each, arg);
    case EXPR_CALL:
        for (size_t i = 0; i < e->call.count && rc == 0; i++)
            rc = promql_selectors(e->call.args[i], each, arg);
        return rc;
    case EXPR_AGGREGATE:
        if (e->aggregate.param) rc = promql_selectors(e->aggregate.param, each, arg);
        return rc ? rc : promql_selectors(e->aggregate.expr, each, arg);
    case EXPR_BINARY:
        rc = promql_selectors(e->binary.lhs, each, arg);
        return rc ? rc : promql_selectors(e->binary.rhs, each, arg);
    case EXPR_UNARY:
        return promql_selectors(e->unary.expr, each, arg);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return promql_selectors(e->wrap.expr, each, arg);
    }
    return 0;
}

static int release_selector(void *arg, const struct expr *e)
{
    UNUSED(arg);
    for (size_t i = 0; i < e->selector.matcher_count; i++)
        matcher_release(&e->selector.matchers[i]);
    return 0;
}

void promql_expr_release(struct expr *e)
{
    if (e) (void)promql_selectors(e, release_selector, NULL);
}
