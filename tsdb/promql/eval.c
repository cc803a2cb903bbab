/* eval.c -- evaluation of a parsed expression: the dispatcher, and scalars.
 *
 * See eval_int.h for how rows flow. Subtrees that do not depend on the evaluation time (selectors
 * with @ and what is built on them alone) are evaluated for one step and repeated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

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

/* group_left (__name__) gives a name anew. */
static bool includes_name(const struct expr *e)
{
    const struct str_list *include = &e->binary.matching.include;
    for (size_t i = 0; i < include->count; i++)
        if (str_eq(include->v[i], STR(METRIC_NAME))) return true;
    return false;
}

static bool drops_name(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_UNARY:
        return e->unary.negative;
    case EXPR_BINARY:
        if (e->binary.return_bool) return true;
        return !binary_is_set(e->binary.op) && !binary_is_comparison(e->binary.op) &&
               !includes_name(e);
    case EXPR_CALL:
        return !e->call.fn->body.keeps_name;
    default:
        return false;
    }
}

/* The operand whose names the result of a comparison or a set operator has. */
static const struct expr *named_side(const struct expr *e)
{
    bool right = e->binary.lhs->type == T_SCALAR ||
                 (e->binary.has_matching && e->binary.matching.card == CARD_ONE_TO_MANY);
    return right ? e->binary.rhs : e->binary.lhs;
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
    case EXPR_UNARY:
        return one_name(e->unary.expr);
    case EXPR_BINARY:
        return e->binary.op != OP_OR && !includes_name(e) && one_name(named_side(e));
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
    return operand->type == T_MATRIX ? UNIQUE_STRICT : UNIQUE_MERGE;
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
        if (is_float(row->v[i]))
            row->v[i] = -row->v[i];
        else if (is_histogram(row->v[i]))
            return eval_histograms_unsupported(n->ev, "-");
    int rc = eval_drop_name(n->ev, row);
    return rc ? rc : n->out->put(n->out, row);
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
    return rc ? rc : eval_push(&m.rows, out);
}

int eval_rows(struct eval *ev, const struct expr *e, struct sink *out)
{
    return ev->run->trace ? eval_trace_rows(ev, e, out) : eval_rows_untraced(ev, e, out);
}

int eval_rows_untraced(struct eval *ev, const struct expr *e, struct sink *out)
{
    int rc = eval_tick(ev->run, 64);
    if (rc) return rc;
    if (ev->steps == 1 || !is_invariant(e)) return eval_node_unique(ev, e, out);
    struct sample_counts counts = {0};
    struct eval once = *ev;
    once.steps = 1;
    if (once.counts) once.counts = &counts;
    struct repeater r = {.sink.put = repeater_put, .out = out, .steps = ev->steps};
    r.v = eval_values(ev);
    if (!r.v) return eval_nomem(ev);
    rc = eval_node_unique(&once, e, &r.sink);
    counts_repeat(ev->counts, counts.total, ev->steps);
    return rc;
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
    return ev->run->trace ? eval_trace_scalar(ev, e, out) : eval_scalar_untraced(ev, e, out);
}

int eval_scalar_untraced(struct eval *ev, const struct expr *e, double *out)
{
    int rc = eval_tick(ev->run, ev->steps);
    if (rc) return rc;
    switch (e->kind) {
    case EXPR_NUMBER:
        fill(out, ev->steps, e->number);
        return 0;
    case EXPR_UNARY:
        rc = eval_scalar(ev, e->unary.expr, out);
        if (rc || !e->unary.negative) return rc;
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
