/* parse.c -- PromQL expressions: precedence climbing over the table of binding powers (ops.c),
 * operands, calls, aggregations, vector matching; and the parser's plumbing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/parse_int.h"

#include <stdio.h>

#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"

/* --- plumbing --- */

int parser_init(struct parser *p, struct str text, unsigned features, struct arena *a,
                struct errmsg *err)
{
    *p = (struct parser){.arena = a, .features = features, .err = err};
    if (text.len > PROMQL_MAX_TEXT)
        return errmsg_set(err, E_TOO_BIG, "query is longer than %d bytes", PROMQL_MAX_TEXT);
    lexer_init(&p->lx, text);
    p->tok = lexer_next(&p->lx);
    return 0;
}

void parser_release_matchers(struct parser *p)
{
    for (struct matcher_list *l = p->lists; l; l = l->next)
        for (size_t i = 0; i < l->count; i++)
            matcher_release(&l->v[i]);
    p->lists = NULL;
}

void parser_advance(struct parser *p)
{
    p->prev_end = p->tok.end;
    p->tok = lexer_next(&p->lx);
}

static void set_position(struct errmsg *err, struct str text, size_t offset)
{
    offset = MIN(offset, text.len);
    err->offset = offset;
    err->line = 1;
    err->column = 1;
    for (size_t i = 0; i < offset; i++) {
        err->column++;
        if (text.p[i] != '\n') continue;
        err->line++;
        err->column = 1;
    }
}

void parser_report(struct parser *p, uint32_t start, const char *fmt, ...)
{
    if (!p->err) return;
    va_list ap;
    va_start(ap, fmt);
    *p->err = (struct errmsg){0};
    vsnprintf(p->err->text, sizeof p->err->text, fmt, ap);
    va_end(ap);
    set_position(p->err, p->lx.input, start);
}

void parser_report_unexpected(struct parser *p, const char *context, const char *expected)
{
    char shown[128];
    if (p->tok.kind == TOK_ERROR) {
        parser_report(p, p->tok.start, "%s", p->lx.error.text);
        if (p->lx.error.hint[0]) errmsg_hint(p->err, "%s", p->lx.error.hint);
        return;
    }
    token_describe(&p->lx, p->tok, shown, sizeof shown);
    parser_report(p, p->tok.start, "unexpected %s%s%s%s%s", shown, *context ? " in " : "", context,
                  *expected ? ", expected " : "", expected);
    if (p->tok.kind == TOK_EQL) errmsg_hint(p->err, "did you mean \"==\"?");
}

int parser_expect(struct parser *p, enum token_kind kind, const char *context, const char *expected)
{
    if (p->tok.kind != kind) return parser_unexpected(p, context, expected);
    parser_advance(p);
    return 0;
}

static int too_deep(struct parser *p, uint32_t start)
{
    return parser_fail(p, E_TOO_BIG, start, "expression is nested deeper than %d levels",
                       PROMQL_MAX_DEPTH);
}

int parser_enter(struct parser *p)
{
    if (p->depth == PROMQL_MAX_DEPTH) return too_deep(p, p->tok.start);
    p->depth++;
    return 0;
}

struct expr *parser_node(struct parser *p, enum expr_kind kind, uint32_t start)
{
    struct expr *e = arena_zalloc(p->arena, sizeof *e);
    if (!e) return NULL;
    e->kind = kind;
    e->start = start;
    e->end = p->prev_end;
    e->height = 1;
    return e;
}

int parser_adopt(struct parser *p, struct expr *parent, const struct expr *child)
{
    if (child->height >= PROMQL_MAX_DEPTH) return too_deep(p, child->start);
    if (parent->height <= child->height) parent->height = (uint16_t)(child->height + 1);
    return 0;
}

void *parser_push(struct parser *p, void *v, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return v;
    size_t more = *cap ? *cap * 2 : 4;
    void *grown = arena_array(p->arena, more, size);
    if (!grown) return NULL;
    if (count) memcpy(grown, v, count * size);
    *cap = more;
    return grown;
}

/* --- literals --- */

int parse_string_token(struct parser *p, struct str *out)
{
    if (lex_unquote(token_text(p, p->tok), p->arena, out) < 0) return parser_out_of_memory(p);
    parser_advance(p);
    return 0;
}

int parser_number(struct parser *p, double *out, bool *is_duration)
{
    struct token t = p->tok;
    struct errmsg why = {0};
    int64_t ms = 0;
    *is_duration = t.kind == TOK_DURATION;
    int rc = *is_duration ? str_to_duration(token_text(p, t), &ms, &why)
                          : lex_number(token_text(p, t), out);
    if (rc == 0) {
        if (*is_duration) *out = (double)ms / 1000;
        parser_advance(p);
        return 0;
    }
    if (!why.text[0])
        (void)errmsg_set(&why, rc, *is_duration ? "duration out of range" : "error parsing number");
    rc = parser_fail(p, E_PARSE, t.start, "%s", why.text);
    if (why.hint[0]) errmsg_hint(p->err, "%s", why.hint);
    return rc;
}

struct expr *parser_literal(struct parser *p, uint32_t start, double v, bool is_duration)
{
    struct expr *e = parser_node(p, EXPR_NUMBER, start);
    if (!e) return NULL;
    e->type = T_SCALAR;
    e->is_duration = is_duration;
    e->number = v;
    return e;
}

static int parse_number_literal(struct parser *p, struct expr **out)
{
    uint32_t start = p->tok.start;
    bool is_duration;
    double v;
    int rc = parser_number(p, &v, &is_duration);
    if (rc < 0) return rc;
    *out = parser_literal(p, start, v, is_duration);
    return *out ? 0 : parser_out_of_memory(p);
}

static int parse_string_literal(struct parser *p, struct expr **out)
{
    uint32_t start = p->tok.start;
    struct str s;
    int rc = parse_string_token(p, &s);
    if (rc < 0) return rc;
    struct expr *e = parser_node(p, EXPR_STRING, start);
    if (!e) return parser_out_of_memory(p);
    e->string = s;
    *out = e;
    return 0;
}

/* --- lists of labels: by (a, "b.c") --- */

/* Any word may be a label here, keywords and operators included, and with a colon in it. */
static bool token_is_word(struct token t)
{
    return t.kind == TOK_IDENT || t.kind == TOK_METRIC_IDENT || t.kind == TOK_AGGR ||
           t.kind == TOK_KEYWORD ||
           (t.kind == TOK_OP &&
            (t.op == OP_AND || t.op == OP_OR || t.op == OP_UNLESS || t.op == OP_ATAN2));
}

static int parse_label(struct parser *p, struct str *out)
{
    static const char context[] = "grouping opts";
    if (p->tok.kind == TOK_STRING) {
        uint32_t start = p->tok.start;
        int rc = parse_string_token(p, out);
        if (rc < 0) return rc;
        if (label_name_is_valid(*out)) return 0;
        return parser_fail(p, E_PARSE, start, "invalid label name for grouping: \"%.*s\"",
                           (int)MIN(out->len, 100u), out->p);
    }
    if (!token_is_word(p->tok)) return parser_unexpected(p, context, "label");
    *out = token_text(p, p->tok);
    out->p = arena_dup(p->arena, out->p, out->len);
    if (!out->p) return parser_out_of_memory(p);
    parser_advance(p);
    return 0;
}

static int parse_labels(struct parser *p, struct str_list *out)
{
    static const char context[] = "grouping opts";
    struct str *v = NULL;
    size_t count = 0, cap = 0;
    int rc = parser_expect(p, TOK_LPAREN, context, "\"(\"");
    while (rc == 0 && p->tok.kind != TOK_RPAREN) {
        v = parser_push(p, v, count, &cap, sizeof *v);
        if (!v) return parser_out_of_memory(p);
        rc = parse_label(p, &v[count]);
        if (rc < 0) return rc;
        count++;
        if (p->tok.kind == TOK_RPAREN) break;
        rc = parser_expect(p, TOK_COMMA, context, "\",\" or \")\"");
    }
    if (rc < 0) return rc;
    parser_advance(p);
    *out = (struct str_list){v, count};
    return 0;
}

/* --- calls and aggregations --- */

struct args {
    struct expr **v;
    size_t count;
};

static int parse_args(struct parser *p, struct args *out)
{
    size_t cap = 0;
    *out = (struct args){NULL, 0};
    int rc = parser_expect(p, TOK_LPAREN, "", "");
    while (rc == 0 && p->tok.kind != TOK_RPAREN) {
        out->v = parser_push(p, out->v, out->count, &cap, sizeof *out->v);
        if (!out->v) return parser_out_of_memory(p);
        rc = parse_expr(p, 0, &out->v[out->count]);
        if (rc < 0) return rc;
        out->count++;
        if (p->tok.kind != TOK_COMMA) break;
        uint32_t comma = p->tok.start;
        parser_advance(p);
        if (p->tok.kind == TOK_RPAREN)
            return parser_fail(p, E_PARSE, comma,
                               "trailing commas not allowed in function call args");
    }
    return rc < 0 ? rc : parser_expect(p, TOK_RPAREN, "", "");
}

static int adopt_all(struct parser *p, struct expr *e, struct args args)
{
    int rc = 0;
    for (size_t i = 0; i < args.count && rc == 0; i++)
        rc = parser_adopt(p, e, args.v[i]);
    return rc;
}

static int unknown_function(struct parser *p, struct token name)
{
    struct str text = token_text(p, name);
    int rc = parser_fail(p, E_PARSE, name.start, "unknown function with name \"%.*s\"",
                         (int)MIN(text.len, 80u), text.p);
    const char *near = promql_fn_nearest(text);
    if (!near) near = aggr_nearest(text);
    if (near) errmsg_hint(p->err, "did you mean \"%s\"?", near);
    return rc;
}

static int experimental(struct parser *p, uint32_t start, const char *what, const char *name)
{
    int rc =
        parser_fail(p, E_PARSE, start, "%s \"%s\" is experimental and not enabled", what, name);
    errmsg_hint(p->err, "query.experimental: true enables it");
    return rc;
}

static int parse_call(struct parser *p, struct token name, struct expr **out)
{
    const struct promql_fn *fn = promql_fn_find(token_text(p, name));
    if (!fn) return unknown_function(p, name);
    if (fn->experimental && !(p->features & PROMQL_EXPERIMENTAL_FUNCTIONS))
        return experimental(p, name.start, "function", fn->name);
    struct args args;
    int rc = parse_args(p, &args);
    if (rc < 0) return rc;
    struct expr *e = parser_node(p, EXPR_CALL, name.start);
    if (!e) return parser_out_of_memory(p);
    e->call.fn = fn;
    e->call.args = args.v;
    e->call.count = args.count;
    *out = e;
    return adopt_all(p, e, args);
}

static int parse_grouping(struct parser *p, struct expr *e)
{
    e->aggregate.has_grouping = true;
    e->aggregate.without = p->tok.op == KW_WITHOUT;
    parser_advance(p);
    return parse_labels(p, &e->aggregate.grouping);
}

static bool at_grouping(const struct parser *p)
{
    return token_is(p->tok, TOK_KEYWORD, KW_BY) || token_is(p->tok, TOK_KEYWORD, KW_WITHOUT);
}

static int parse_aggregate(struct parser *p, struct token name, struct expr **out)
{
    enum aggr_op op = (enum aggr_op)name.op;
    const struct aggr_row *row = aggr_row(op);
    struct args args = {NULL, 0};
    if (row->experimental && !(p->features & PROMQL_EXPERIMENTAL_FUNCTIONS))
        return experimental(p, name.start, "aggregation", row->text);
    struct expr *e = parser_node(p, EXPR_AGGREGATE, name.start);
    if (!e) return parser_out_of_memory(p);
    e->aggregate.op = op;
    int rc = 0;
    if (at_grouping(p)) rc = parse_grouping(p, e);
    if (rc == 0) rc = parse_args(p, &args);
    if (rc == 0 && !e->aggregate.has_grouping && at_grouping(p)) rc = parse_grouping(p, e);
    if (rc < 0) return rc;
    e->end = p->prev_end;
    size_t want = row->param == T_NONE ? 1 : 2;
    if (args.count == 0)
        return parser_fail(p, E_PARSE, e->start, "no arguments for aggregate expression provided");
    if (args.count != want)
        return parser_fail(
            p, E_PARSE, e->start,
            "wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
            want, args.count);
    e->aggregate.param = want == 2 ? args.v[0] : NULL;
    e->aggregate.expr = args.v[want - 1];
    *out = e;
    return adopt_all(p, e, args);
}

/* --- operands --- */

static int parse_paren(struct parser *p, struct expr **out)
{
    uint32_t start = p->tok.start;
    struct expr *inner;
    parser_advance(p);
    int rc = parse_expr(p, 0, &inner);
    if (rc == 0) rc = parser_expect(p, TOK_RPAREN, "", "");
    if (rc < 0) return rc;
    struct expr *e = parser_node(p, EXPR_PAREN, start);
    if (!e) return parser_out_of_memory(p);
    e->wrap.expr = inner;
    *out = e;
    return parser_adopt(p, e, inner);
}

/* Words: an aggregation, a call, or a metric name, as the token after it tells. */
static int parse_word(struct parser *p, struct expr **out)
{
    struct token name = p->tok;
    bool callable = name.kind == TOK_IDENT || (name.kind == TOK_KEYWORD && name.op >= KW_START);
    parser_advance(p);
    if (name.kind == TOK_AGGR && (p->tok.kind == TOK_LPAREN || at_grouping(p)))
        return parse_aggregate(p, name, out);
    if (callable && p->tok.kind == TOK_LPAREN) return parse_call(p, name, out);
    return parse_selector(p, name, out);
}

static int parse_operand(struct parser *p, struct expr **out)
{
    switch (p->tok.kind) {
    case TOK_NUMBER:
    case TOK_DURATION:
        return parse_number_literal(p, out);
    case TOK_STRING:
        return parse_string_literal(p, out);
    case TOK_LPAREN:
        return parse_paren(p, out);
    case TOK_LBRACE:
        return parse_selector(p, (struct token){.start = p->tok.start, .end = p->tok.start}, out);
    default:
        if (token_is_metric_name(p->tok)) return parse_word(p, out);
        return parser_unexpected(p, "", "");
    }
}

/* -x, +x: binds like a product, so that -a^b is -(a^b). The sign of a literal becomes part of it.
 */
static int parse_unary(struct parser *p, struct expr **out)
{
    struct expr *inner, *e;
    int rc;
    if (!parser_at_sign(p)) {
        rc = parse_operand(p, &inner);
        return rc < 0 ? rc : parse_postfix(p, inner, out);
    }
    struct token sign = p->tok;
    parser_advance(p);
    rc = parse_expr(p, BIND_PRODUCT + 1, &inner);
    if (rc < 0) return rc;
    if (inner->kind == EXPR_NUMBER) {
        if (sign.op == OP_SUB) inner->number = -inner->number;
        inner->start = sign.start;
        *out = inner;
        return 0;
    }
    e = parser_node(p, EXPR_UNARY, sign.start);
    if (!e) return parser_out_of_memory(p);
    e->unary.negative = sign.op == OP_SUB;
    e->unary.expr = inner;
    *out = e;
    return parser_adopt(p, e, inner);
}

/* --- binary expressions --- */

/* (NUMBER) of a fill modifier */
static int parse_fill_value(struct parser *p, const double **out)
{
    static const char context[] = "fill modifier";
    double *v = arena_alloc(p->arena, sizeof *v);
    bool negative = false, is_duration;
    if (!v) return parser_out_of_memory(p);
    if (!(p->features & PROMQL_FILL)) return experimental(p, p->tok.start, "modifier", "fill");
    parser_advance(p);
    int rc = parser_expect(p, TOK_LPAREN, context, "\"(\"");
    if (rc == 0 && parser_at_sign(p)) {
        negative = p->tok.op == OP_SUB;
        parser_advance(p);
    }
    if (rc == 0 && p->tok.kind != TOK_NUMBER) rc = parser_unexpected(p, context, "number");
    if (rc == 0) rc = parser_number(p, v, &is_duration);
    if (rc < 0) return rc;
    if (negative) *v = -*v;
    *out = v;
    return parser_expect(p, TOK_RPAREN, context, "\")\"");
}

/* A word of fill is a modifier only before a parenthesis: else it names a metric. */
static bool at_fill(const struct parser *p)
{
    struct lexer ahead = p->lx;
    return p->tok.kind == TOK_KEYWORD && p->tok.op >= KW_FILL && p->tok.op <= KW_FILL_RIGHT &&
           lexer_next(&ahead).kind == TOK_LPAREN;
}

static int parse_fills(struct parser *p, struct vector_matching *m)
{
    int rc = 0;
    while (rc == 0 && at_fill(p)) {
        int word = p->tok.op;
        uint32_t start = p->tok.start;
        const double *v = NULL;
        bool left = word != KW_FILL_RIGHT, right = word != KW_FILL_LEFT;
        if ((left && m->fill_left) || (right && m->fill_right))
            return parser_fail(p, E_PARSE, start, "fill may not be set multiple times");
        rc = parse_fill_value(p, &v);
        if (left) m->fill_left = v;
        if (right) m->fill_right = v;
    }
    return rc;
}

/* bool, on(...) or ignoring(...), group_left(...) or group_right(...), fill(...) */
static int parse_matching(struct parser *p, struct expr *e)
{
    struct vector_matching *m = &e->binary.matching;
    int rc = 0;
    if (token_is(p->tok, TOK_KEYWORD, KW_BOOL)) {
        e->binary.return_bool = true;
        parser_advance(p);
    }
    bool on = token_is(p->tok, TOK_KEYWORD, KW_ON);
    if (on || token_is(p->tok, TOK_KEYWORD, KW_IGNORING)) {
        m->on = on;
        parser_advance(p);
        rc = parse_labels(p, &m->labels);
        bool left = token_is(p->tok, TOK_KEYWORD, KW_GROUP_LEFT);
        if (rc == 0 && (left || token_is(p->tok, TOK_KEYWORD, KW_GROUP_RIGHT))) {
            m->card = left ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
            parser_advance(p);
            if (p->tok.kind == TOK_LPAREN) rc = parse_labels(p, &m->include);
        }
    }
    return rc < 0 ? rc : parse_fills(p, m);
}

static int parse_binary(struct parser *p, struct expr *lhs, struct expr **out)
{
    enum binary_op op = (enum binary_op)p->tok.op;
    const struct op_row *row = op_row(op);
    struct expr *e = parser_node(p, EXPR_BINARY, lhs->start);
    if (!e) return parser_out_of_memory(p);
    e->binary.op = op;
    e->binary.lhs = lhs;
    parser_advance(p);
    int rc = parse_matching(p, e);
    if (rc == 0) rc = parse_expr(p, row->right ? row->bind : row->bind + 1, &e->binary.rhs);
    if (rc < 0) return rc;
    e->end = e->binary.rhs->end;
    *out = e;
    rc = parser_adopt(p, e, lhs);
    return rc < 0 ? rc : parser_adopt(p, e, e->binary.rhs);
}

int parse_expr(struct parser *p, int bind, struct expr **out)
{
    struct expr *e = NULL;
    int rc = parser_enter(p);
    if (rc < 0) return rc;
    rc = parse_unary(p, &e);
    while (rc == 0 && p->tok.kind == TOK_OP && op_row((enum binary_op)p->tok.op)->bind >= bind)
        rc = parse_binary(p, e, &e);
    p->depth--;
    if (rc < 0) return rc;
    *out = e;
    return 0;
}

/* --- the door --- */

static int parse_whole(struct parser *p, struct expr **out)
{
    if (p->tok.kind == TOK_EOF) return parser_fail(p, E_PARSE, 0, "no expression found in input");
    int rc = parse_expr(p, 0, out);
    if (rc == 0 && p->tok.kind != TOK_EOF) {
        struct token t = p->tok;
        rc = parser_unexpected(p, "", "");
        if (t.kind == TOK_KEYWORD && (*out)->kind == EXPR_SELECTOR) {
            const char *near = at_grouping(p) ? aggr_nearest((*out)->selector.name) : NULL;
            if (near) errmsg_hint(p->err, "did you mean \"%s\"?", near);
        }
    }
    return rc < 0 ? rc : promql_check_types(p, *out);
}

int promql_parse(struct str text, unsigned features, struct arena *a, struct expr **out,
                 struct errmsg *err)
{
    struct parser p;
    struct expr *e = NULL;
    int rc = parser_init(&p, text, features, a, err);
    if (rc < 0) return rc;
    rc = parse_whole(&p, &e);
    if (rc < 0)
        parser_release_matchers(&p);
    else
        *out = e;
    return rc;
}
