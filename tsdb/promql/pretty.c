/* pretty.c -- an expression over several lines, as upstream's format_query writes it: a node whose
 * one-line text is longer than max_line columns is broken up, its parts two blanks further in.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/fns.h"
#include "tsdb/promql/print_int.h"

struct pretty {
    size_t max_line;
    struct buf *out;
};

static void pretty(struct pretty *p, const struct expr *e, unsigned level);

static void indent(struct pretty *p, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        buf_addstr(p->out, "  ");
}

/* Printing stops as soon as the line is too long, so long trees cost no more than short ones. */
static bool too_long(struct pretty *p, const struct expr *e)
{
    struct buf line = BUF_INIT(p->max_line + 2);
    int rc = promql_print(e, &line);
    bool is = rc == E_TOO_BIG || line.len > p->max_line;
    if (rc < 0 && rc != E_TOO_BIG && !p->out->err) p->out->err = rc;
    buf_release(&line);
    return is;
}

static void pretty_call(struct pretty *p, const struct expr *e, unsigned level)
{
    buf_addf(p->out, "%s(\n", e->call.fn->name);
    for (size_t i = 0; i < e->call.count; i++) {
        if (i) buf_addstr(p->out, ",\n");
        pretty(p, e->call.args[i], level + 1);
    }
    buf_addch(p->out, '\n');
    indent(p, level);
    buf_addch(p->out, ')');
}

static void pretty_aggregate(struct pretty *p, const struct expr *e, unsigned level)
{
    promql_print_aggregate_head(e, p->out);
    buf_addstr(p->out, "(\n");
    if (e->aggregate.param) {
        pretty(p, e->aggregate.param, level + 1);
        buf_addstr(p->out, ",\n");
    }
    pretty(p, e->aggregate.expr, level + 1);
    buf_addch(p->out, '\n');
    indent(p, level);
    buf_addch(p->out, ')');
}

static void pretty_binary(struct pretty *p, const struct expr *e, unsigned level)
{
    if (promql_base_is_inf(e)) {
        indent(p, level + 1);
        buf_addstr(p->out, "Inf");
    } else {
        pretty(p, e->binary.lhs, level + 1);
    }
    buf_addch(p->out, '\n');
    indent(p, level);
    promql_print_operator(e, p->out);
    buf_addch(p->out, '\n');
    pretty(p, e->binary.rhs, level + 1);
}

static void pretty_paren(struct pretty *p, const struct expr *e, unsigned level)
{
    buf_addstr(p->out, "(\n");
    pretty(p, e->wrap.expr, level + 1);
    buf_addch(p->out, '\n');
    indent(p, level);
    buf_addch(p->out, ')');
}

/* The operand starts on the sign's line: its own indentation goes. */
static void pretty_unary(struct pretty *p, const struct expr *e, unsigned level)
{
    struct buf inner = BUF_INIT(p->out->max);
    struct pretty q = {p->max_line, &inner};
    pretty(&q, e->unary.expr, level);
    struct str text = str_trim((struct str){inner.p, inner.len});
    buf_addch(p->out, e->unary.negative ? '-' : '+');
    buf_add(p->out, text.p, text.len);
    if (inner.err && !p->out->err) p->out->err = inner.err;
    buf_release(&inner);
}

/* Writes a node that is too long; false for the kinds that always stay on one line. */
static bool pretty_broken(struct pretty *p, const struct expr *e, unsigned level)
{
    switch (e->kind) {
    case EXPR_BINARY:
        pretty_binary(p, e, level);
        return true;
    case EXPR_SUBQUERY:
        pretty(p, e->subquery.expr, level);
        promql_print_subquery_suffix(e, p->out);
        return true;
    case EXPR_CALL:
        indent(p, level);
        pretty_call(p, e, level);
        return true;
    case EXPR_AGGREGATE:
        indent(p, level);
        pretty_aggregate(p, e, level);
        return true;
    case EXPR_PAREN:
        indent(p, level);
        pretty_paren(p, e, level);
        return true;
    case EXPR_UNARY:
        indent(p, level);
        pretty_unary(p, e, level);
        return true;
    case EXPR_STEP_INVARIANT:
        pretty(p, e->wrap.expr, level);
        return true;
    default:
        return false;
    }
}

static void pretty(struct pretty *p, const struct expr *e, unsigned level)
{
    if (p->out->err) return;
    if (too_long(p, e) && pretty_broken(p, e, level)) return;
    indent(p, level);
    promql_print(e, p->out);
}

int promql_pretty(const struct expr *e, size_t max_line, struct buf *out)
{
    struct pretty p = {max_line, out};
    pretty(&p, e, 0);
    return out->err;
}
