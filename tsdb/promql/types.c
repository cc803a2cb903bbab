/* types.c -- the type pass: gives every node its type and refuses trees that cannot be evaluated.
 *
 * The order of checks is upstream's, so that the first problem found is the first one it reports.
 * Recursion is bounded by PROMQL_MAX_DEPTH, the height of any tree.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"
#include "tsdb/promql/parse_int.h"

static int expect_type(struct parser *p, struct expr *e, enum value_type want, const char *where)
{
    int rc = promql_check_types(p, e);
    if (rc < 0 || e->type == want) return rc;
    rc = parser_fail(p, E_PARSE, e->start, "expected type %s in %s, got %s", value_type_name(want),
                     where, value_type_name(e->type));
    if (want == T_MATRIX && e->kind == EXPR_SELECTOR)
        errmsg_hint(p->err, "add a range, as in [5m]");
    if (want == T_MATRIX && e->type == T_VECTOR && e->kind != EXPR_SELECTOR)
        errmsg_hint(p->err, "a subquery gives a range vector, as in [5m:]");
    return rc;
}

/* --- selectors --- */

/* The matcher of the name before the brace is the last one. */
static int check_one_name(struct parser *p, const struct expr *e)
{
    struct str name = e->selector.name;
    for (size_t i = 0; i + 1 < e->selector.matcher_count; i++) {
        const struct matcher *m = &e->selector.matchers[i];
        if (str_eq(m->name, STR(METRIC_NAME)))
            return parser_fail(
                p, E_PARSE, e->start, "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                (int)MIN(name.len, 100u), name.p, (int)MIN(m->value.len, 100u), m->value.p);
    }
    return 0;
}

static int check_selector(struct parser *p, struct expr *e, bool may_be_empty)
{
    e->type = e->selector.is_range ? T_MATRIX : T_VECTOR;
    if (e->selector.name.len > 0) return check_one_name(p, e);
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        int rc = matcher_test(&e->selector.matchers[i], STR(""));
        if (rc < 0) return parser_fail(p, rc, e->start, "regular expression is too costly");
        if (rc == 0) return 0;
    }
    if (may_be_empty) return 0;
    return parser_fail(p, E_PARSE, e->start,
                       "vector selector must contain at least one non-empty matcher");
}

static int check_subquery(struct parser *p, struct expr *e)
{
    e->type = T_MATRIX;
    enum value_type t;
    int rc = promql_check_types(p, e->subquery.expr);
    if (rc < 0) return rc;
    t = e->subquery.expr->type;
    if (t == T_VECTOR) return 0;
    return parser_fail(p, E_PARSE, e->start,
                       "subquery is only allowed on instant vector, got %s instead",
                       t == T_MATRIX ? "matrix" : value_type_name(t));
}

/* --- calls and aggregations --- */

static int check_arity(struct parser *p, struct expr *e)
{
    const struct promql_fn *fn = e->call.fn;
    size_t got = e->call.count, least = (size_t)fn->min_args;
    bool exact = fn->min_args == fn->max_args;
    bool any = fn->max_args == PROMQL_FN_VARIADIC;
    const char *how = got < least ? "at least " : "at most ";
    if (got >= least && (any || got <= (size_t)fn->max_args)) return 0;
    return parser_fail(p, E_PARSE, e->start, "expected %s%d argument(s) in call to \"%s\", got %zu",
                       exact ? "" : how, got < least ? fn->min_args : fn->max_args, fn->name, got);
}

/* The second argument of info() is a set of matchers written as a selector; it may be empty. */
static int check_info_labels(struct parser *p, struct expr *e)
{
    if (e->kind != EXPR_SELECTOR || e->selector.is_range)
        return parser_fail(p, E_PARSE, e->start, "expected label selectors only");
    if (e->selector.name.len > 0)
        return parser_fail(p, E_PARSE, e->start,
                           "expected label selectors only, got vector selector instead");
    return check_selector(p, e, true);
}

static int check_call(struct parser *p, struct expr *e)
{
    const struct promql_fn *fn = e->call.fn;
    char where[80];
    e->type = fn->result;
    snprintf(where, sizeof where, "call to function \"%s\"", fn->name);
    int rc = check_arity(p, e);
    for (size_t i = 0; i < e->call.count && rc == 0; i++) {
        bool is_info = i == 1 && strcmp(fn->name, "info") == 0;
        rc = is_info ? check_info_labels(p, e->call.args[i])
                     : expect_type(p, e->call.args[i], promql_fn_arg(fn, i), where);
    }
    return rc;
}

static int check_aggregate(struct parser *p, struct expr *e)
{
    e->type = T_VECTOR;
    int rc = expect_type(p, e->aggregate.expr, T_VECTOR, "aggregation expression");
    if (rc < 0 || !e->aggregate.param) return rc;
    return expect_type(p, e->aggregate.param, aggr_row(e->aggregate.op)->param,
                       "aggregation parameter");
}

/* --- operators --- */

static int check_unary(struct parser *p, struct expr *e)
{
    int rc = promql_check_types(p, e->unary.expr);
    if (rc < 0) return rc;
    e->type = e->unary.expr->type;
    if (e->type == T_SCALAR || e->type == T_VECTOR) return 0;
    return parser_fail(p, E_PARSE, e->start,
                       "unary expression only allowed on expressions of type scalar or instant "
                       "vector, got \"%s\"",
                       value_type_name(e->type));
}

/* Where the operator with its modifiers starts. */
static uint32_t operator_start(const struct parser *p, const struct expr *e)
{
    uint32_t at = e->binary.lhs->end;
    while (at < p->lx.input.len && strchr(" \t\r\n", p->lx.input.p[at]))
        at++;
    return at;
}

static int check_labels_once(struct parser *p, const struct expr *e)
{
    const struct vector_matching *m = &e->binary.matching;
    for (size_t i = 0; m->on && i < m->labels.count; i++)
        for (size_t k = 0; k < m->include.count; k++)
            if (str_eq(m->labels.v[i], m->include.v[k]))
                return parser_fail(p, E_PARSE, operator_start(p, e),
                                   "label \"%.*s\" must not occur in ON and GROUP clause at once",
                                   (int)MIN(m->labels.v[i].len, 100u), m->labels.v[i].p);
    return 0;
}

static int check_modifiers(struct parser *p, const struct expr *e, const struct op_row *row)
{
    bool scalars = e->binary.lhs->type == T_SCALAR && e->binary.rhs->type == T_SCALAR;
    bool compares = row->class == OP_COMPARISON;
    if (e->binary.return_bool && !compares)
        return parser_fail(p, E_PARSE, operator_start(p, e),
                           "bool modifier can only be used on comparison operators");
    if (compares && scalars && !e->binary.return_bool) {
        int rc = parser_fail(p, E_PARSE, operator_start(p, e),
                             "comparisons between scalars must use BOOL modifier");
        errmsg_hint(p->err, "write %s bool", row->text);
        return rc;
    }
    return check_labels_once(p, e);
}

static int check_operand(struct parser *p, const struct expr *e)
{
    if (e->type == T_SCALAR || e->type == T_VECTOR) return 0;
    return parser_fail(p, E_PARSE, e->start,
                       "binary expression must contain only scalar and instant vector types");
}

static int check_matching(struct parser *p, struct expr *e, const struct op_row *row)
{
    struct vector_matching *m = &e->binary.matching;
    bool set = row->class == OP_SET, fills = m->fill_left || m->fill_right;
    e->binary.has_matching =
        e->type == T_VECTOR && e->binary.lhs->type == T_VECTOR && e->binary.rhs->type == T_VECTOR;
    if (!e->binary.has_matching && (m->labels.count > 0 || fills))
        return parser_fail(p, E_PARSE, e->start,
                           "vector matching only allowed between instant vectors");
    if (set && !e->binary.has_matching)
        return parser_fail(p, E_PARSE, e->start,
                           "set operator \"%s\" not allowed in binary scalar expression",
                           row->text);
    if (set && m->card != CARD_ONE_TO_ONE)
        return parser_fail(p, E_PARSE, e->start, "no grouping allowed for \"%s\" operation",
                           row->text);
    if (set && fills)
        return parser_fail(p, E_PARSE, e->start, "no fill allowed for \"%s\" operation", row->text);
    if (set) m->card = CARD_MANY_TO_MANY;
    return 0;
}

static int check_binary(struct parser *p, struct expr *e)
{
    const struct op_row *row = op_row(e->binary.op);
    int rc = promql_check_types(p, e->binary.lhs);
    if (rc == 0) rc = promql_check_types(p, e->binary.rhs);
    if (rc < 0) return rc;
    bool scalars = e->binary.lhs->type == T_SCALAR && e->binary.rhs->type == T_SCALAR;
    e->type = scalars ? T_SCALAR : T_VECTOR;
    rc = check_modifiers(p, e, row);
    if (rc == 0) rc = check_operand(p, e->binary.lhs);
    if (rc == 0) rc = check_operand(p, e->binary.rhs);
    return rc < 0 ? rc : check_matching(p, e, row);
}

int promql_check_types(struct parser *p, struct expr *e)
{
    int rc;
    switch (e->kind) {
    case EXPR_NUMBER:
        e->type = T_SCALAR;
        return 0;
    case EXPR_STRING:
        e->type = T_STRING;
        return 0;
    case EXPR_SELECTOR:
        return check_selector(p, e, false);
    case EXPR_SUBQUERY:
        return check_subquery(p, e);
    case EXPR_CALL:
        return check_call(p, e);
    case EXPR_AGGREGATE:
        return check_aggregate(p, e);
    case EXPR_BINARY:
        return check_binary(p, e);
    case EXPR_UNARY:
        return check_unary(p, e);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        rc = promql_check_types(p, e->wrap.expr);
        e->type = e->wrap.expr->type;
        return rc;
    }
    return E_PARSE;
}
