/* parse_duration.c -- durations in brackets and after offset: literals, and the expressions that
 * Prometheus 3.14 takes there (5m * 2, step(), range(), min_of(), max_of()).
 *
 * A literal becomes milliseconds at once; an expression stays a tree of numbers in seconds, since
 * step() and range() are known only when a query starts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"
#include "tsdb/promql/parse_int.h"

/* Go's time.Duration counts nanoseconds in 63 bits. */
static const double max_seconds = 9223372036.0;

static const char expected[] = "number, duration, step(), or range()";

struct place {
    const char *context;
};

static int duration_expr(struct parser *p, struct place at, int bind, struct expr **out);

static int literal(struct parser *p, struct expr **out)
{
    uint32_t start = p->tok.start;
    bool is_duration;
    double v;
    int rc = parser_number(p, &v, &is_duration);
    if (rc < 0) return rc;
    if (!(fabs(v) <= max_seconds)) return parser_fail(p, E_PARSE, start, "duration out of range");
    *out = parser_literal(p, start, v, is_duration);
    return *out ? 0 : parser_out_of_memory(p);
}

/* step(), range(), min_of(a, b), max_of(a, b) */
static int call(struct parser *p, struct place at, struct expr **out)
{
    struct token name = p->tok;
    static const char *const names[] = {
        [KW_STEP] = "step",
        [KW_RANGE] = "range",
        [KW_MIN_OF] = "min_of",
        [KW_MAX_OF] = "max_of",
    };
    size_t count = name.op >= KW_MIN_OF ? 2 : 0;
    struct expr *e = parser_node(p, EXPR_CALL, name.start);
    if (!e) return parser_out_of_memory(p);
    e->type = T_SCALAR;
    e->call.fn = promql_fn_find(str_of(names[name.op]));
    e->call.count = count;
    e->call.args = arena_array(p->arena, 2, sizeof(struct expr *));
    if (!e->call.args) return parser_out_of_memory(p);
    parser_advance(p);
    int rc = parser_expect(p, TOK_LPAREN, at.context, expected);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = duration_expr(p, at, 0, &e->call.args[i]);
        if (rc == 0) rc = parser_adopt(p, e, e->call.args[i]);
        if (rc == 0 && i == 0) rc = parser_expect(p, TOK_COMMA, at.context, "\",\"");
    }
    if (rc == 0) rc = parser_expect(p, TOK_RPAREN, at.context, "\")\"");
    e->end = p->prev_end;
    *out = e;
    return rc;
}

static int paren(struct parser *p, struct place at, struct expr **out)
{
    uint32_t start = p->tok.start;
    struct expr *inner;
    parser_advance(p);
    int rc = duration_expr(p, at, 0, &inner);
    if (rc == 0) rc = parser_expect(p, TOK_RPAREN, at.context, "\")\"");
    if (rc < 0) return rc;
    struct expr *e = parser_node(p, EXPR_PAREN, start);
    if (!e) return parser_out_of_memory(p);
    e->type = T_SCALAR;
    e->wrap.expr = inner;
    *out = e;
    return parser_adopt(p, e, inner);
}

static int atom(struct parser *p, struct place at, struct expr **out)
{
    if (p->tok.kind == TOK_NUMBER || p->tok.kind == TOK_DURATION) return literal(p, out);
    if (p->tok.kind == TOK_LPAREN) return paren(p, at, out);
    if (p->tok.kind == TOK_KEYWORD && p->tok.op >= KW_STEP) return call(p, at, out);
    return parser_unexpected(p, at.context, expected);
}

/* Puts a sign before e. A literal takes it in; + leaves the rest alone, as upstream prints it. */
static int sign(struct parser *p, struct token t, struct expr *e, struct expr **out)
{
    if (e->kind == EXPR_NUMBER || t.op == OP_ADD) {
        if (t.op == OP_SUB) e->number = -e->number;
        e->start = t.start;
        *out = e;
        return 0;
    }
    struct expr *u = parser_node(p, EXPR_UNARY, t.start);
    if (!u) return parser_out_of_memory(p);
    u->type = T_SCALAR;
    u->unary.negative = true;
    u->unary.expr = e;
    *out = u;
    return parser_adopt(p, u, e);
}

static int unary(struct parser *p, struct place at, struct expr **out)
{
    struct token t = p->tok;
    struct expr *e;
    if (!parser_at_sign(p)) return atom(p, at, out);
    parser_advance(p);
    int rc = duration_expr(p, at, BIND_PRODUCT + 1, &e);
    return rc < 0 ? rc : sign(p, t, e, out);
}

static int binary(struct parser *p, struct place at, struct expr *lhs, struct expr **out)
{
    struct token op = p->tok;
    const struct op_row *row = op_row((enum binary_op)op.op);
    struct expr *rhs;
    parser_advance(p);
    int rc = duration_expr(p, at, row->right ? row->bind : row->bind + 1, &rhs);
    if (rc < 0) return rc;
    bool zero = rhs->kind == EXPR_NUMBER && rhs->number == 0;
    if (zero && op.op == OP_DIV) return parser_fail(p, E_PARSE, op.start, "division by zero");
    if (zero && op.op == OP_MOD) return parser_fail(p, E_PARSE, op.start, "modulo by zero");
    struct expr *e = parser_node(p, EXPR_BINARY, lhs->start);
    if (!e) return parser_out_of_memory(p);
    e->type = T_SCALAR;
    e->binary.op = (enum binary_op)op.op;
    e->binary.lhs = lhs;
    e->binary.rhs = rhs;
    *out = e;
    rc = parser_adopt(p, e, lhs);
    return rc < 0 ? rc : parser_adopt(p, e, rhs);
}

static int duration_expr(struct parser *p, struct place at, int bind, struct expr **out)
{
    struct expr *e = NULL;
    int rc = parser_enter(p);
    if (rc < 0) return rc;
    rc = unary(p, at, &e);
    while (rc == 0 && p->tok.kind == TOK_OP && p->tok.op <= OP_POW &&
           op_row((enum binary_op)p->tok.op)->bind >= bind)
        rc = binary(p, at, e, &e);
    p->depth--;
    if (rc < 0) return rc;
    *out = e;
    return 0;
}

static int finish(struct parser *p, struct expr *e, struct duration *out)
{
    if (e->kind == EXPR_NUMBER) {
        *out = (struct duration){.ms = llround(e->number * 1000)};
        return 0;
    }
    if (!(p->features & PROMQL_DURATION_EXPRESSIONS))
        return parser_fail(p, E_PARSE, e->start, "duration expressions are not enabled");
    *out = (struct duration){.expr = e};
    return 0;
}

int parse_range_duration(struct parser *p, struct duration *out)
{
    struct place at = {"subquery or range selector"};
    struct expr *e;
    int rc = duration_expr(p, at, 0, &e);
    if (rc == 0) rc = finish(p, e, out);
    if (rc == 0 && !out->expr && out->ms <= 0)
        rc = parser_fail(p, E_PARSE, e->start, "duration must be greater than 0");
    return rc;
}

int parse_offset_duration(struct parser *p, struct duration *out)
{
    struct place at = {"offset"};
    struct token t = p->tok;
    struct expr *e;
    bool has_sign = parser_at_sign(p);
    if (has_sign) parser_advance(p);
    int rc = atom(p, at, &e);
    if (rc == 0 && has_sign) rc = sign(p, t, e, &e);
    return rc < 0 ? rc : finish(p, e, out);
}
