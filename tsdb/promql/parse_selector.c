/* parse_selector.c -- what names series: metric{matchers}, and what follows a selector or a
 * subquery: ranges, offset, @, anchored, smoothed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/parse_int.h"

bool token_is_metric_name(struct token t)
{
    switch (t.kind) {
    case TOK_IDENT:
    case TOK_METRIC_IDENT:
    case TOK_AGGR:
        return true;
    case TOK_OP:
        return t.op == OP_AND || t.op == OP_OR || t.op == OP_UNLESS;
    case TOK_KEYWORD:
        return t.op < KW_ON || t.op > KW_BOOL;
    default:
        return false;
    }
}

/* --- matchers --- */

enum { MAX_PATTERNS = 1000 };

static int add_matcher(struct parser *p, struct matcher_list *l, enum matcher_type type,
                       struct str name, struct str value, uint32_t start)
{
    struct errmsg why = {0};
    if ((type == MATCH_RE || type == MATCH_NRE) && ++p->patterns > MAX_PATTERNS)
        return parser_fail(p, E_TOO_BIG, start, "more than %d regular expressions in one query",
                           MAX_PATTERNS);
    l->v = parser_push(p, l->v, l->count, &l->cap, sizeof *l->v);
    if (!l->v) {
        l->count = 0;
        return parser_out_of_memory(p);
    }
    int rc = matcher_init(&l->v[l->count], type, name, value, &why);
    if (rc < 0) {
        rc = parser_fail(p, rc, start, "%s", why.text[0] ? why.text : "bad matcher");
        if (why.hint[0]) errmsg_hint(p->err, "%s", why.hint);
        return rc;
    }
    l->count++;
    return 0;
}

/* A label name: a word, or any text in quotes. */
static int parse_name(struct parser *p, struct str *out)
{
    if (p->tok.kind == TOK_STRING) return parse_string_token(p, out);
    if (p->tok.kind != TOK_IDENT)
        return parser_unexpected(p, "label matching", "identifier or \"}\"");
    *out = arena_str(p->arena, token_text(p, p->tok));
    if (!out->p) return parser_out_of_memory(p);
    parser_advance(p);
    return 0;
}

static int parse_matcher(struct parser *p, struct matcher_list *l)
{
    static const char context[] = "label matching";
    struct token first = p->tok;
    struct str name, value;
    int rc = parse_name(p, &name);
    if (rc < 0) return rc;
    bool alone = p->tok.kind == TOK_COMMA || p->tok.kind == TOK_RBRACE;
    if (first.kind == TOK_STRING && alone) /* {"metric.name"} */
        return add_matcher(p, l, MATCH_EQ, STR(METRIC_NAME), name, first.start);
    if (p->tok.kind != TOK_MATCH) return parser_unexpected(p, context, "label matching operator");
    enum matcher_type type = (enum matcher_type)p->tok.op;
    parser_advance(p);
    if (p->tok.kind != TOK_STRING) {
        bool word = p->tok.kind == TOK_IDENT;
        rc = parser_unexpected(p, context, "string");
        if (word) errmsg_hint(p->err, "put the value in quotes");
        return rc;
    }
    rc = parse_string_token(p, &value);
    return rc < 0 ? rc : add_matcher(p, l, type, name, value, first.start);
}

static int parse_matchers(struct parser *p, struct matcher_list *l)
{
    int rc = 0;
    parser_advance(p); /* { */
    while (rc == 0 && p->tok.kind != TOK_RBRACE) {
        rc = parse_matcher(p, l);
        if (rc < 0 || p->tok.kind == TOK_RBRACE) break;
        rc = parser_expect(p, TOK_COMMA, "label matching", "\",\" or \"}\"");
    }
    if (rc == 0) parser_advance(p);
    return rc;
}

int parse_selector(struct parser *p, struct token name, struct expr **out)
{
    struct matcher_list *l = arena_zalloc(p->arena, sizeof *l);
    struct expr *e = parser_node(p, EXPR_SELECTOR, name.start);
    if (!l || !e) return parser_out_of_memory(p);
    l->next = p->lists;
    p->lists = l;
    int rc = p->tok.kind == TOK_LBRACE ? parse_matchers(p, l) : 0;
    if (rc == 0 && name.end > name.start) {
        e->selector.name = arena_str(p->arena, token_text(p, name));
        if (!e->selector.name.p) return parser_out_of_memory(p);
        rc = add_matcher(p, l, MATCH_EQ, STR(METRIC_NAME), e->selector.name, name.start);
    }
    if (rc < 0) return rc;
    e->selector.matchers = l->v;
    e->selector.matcher_count = l->count;
    e->end = p->prev_end;
    *out = e;
    return 0;
}

/* --- what follows --- */

static struct time_modifier *modifier_of(struct expr *e)
{
    if (e->kind == EXPR_SELECTOR) return &e->selector.mod;
    return e->kind == EXPR_SUBQUERY ? &e->subquery.mod : NULL;
}

static int not_a_selector(struct parser *p, const struct expr *e, const char *what)
{
    return parser_fail(p, E_PARSE, e->start,
                       "%s modifier must be preceded by an instant vector selector or range vector "
                       "selector or a subquery",
                       what);
}

static int parse_offset(struct parser *p, struct expr *e)
{
    struct time_modifier *mod = modifier_of(e);
    struct duration d;
    parser_advance(p);
    int rc = parse_offset_duration(p, &d);
    if (rc < 0) return rc;
    if (!mod) return not_a_selector(p, e, "offset");
    bool is_set = mod->has_offset && (mod->offset.expr || mod->offset.ms != 0);
    if (is_set) return parser_fail(p, E_PARSE, e->start, "offset may not be set multiple times");
    mod->offset = d;
    mod->has_offset = true;
    return 0;
}

/* [+-]NUMBER after @, as milliseconds; a duration counts from the epoch */
static int parse_at_number(struct parser *p, const struct expr *e, int64_t *ms)
{
    static const double limit = 9223372036854775807.0;
    char text[STR_DOUBLE_MAX];
    bool negative = token_is(p->tok, TOK_OP, OP_SUB), is_duration;
    double v;
    if (parser_at_sign(p)) parser_advance(p);
    if (p->tok.kind != TOK_NUMBER && p->tok.kind != TOK_DURATION)
        return parser_unexpected(p, "@", "timestamp");
    int rc = parser_number(p, &v, &is_duration);
    if (rc < 0) return rc;
    if (negative) v = -v;
    str_from_double(v, text);
    if (!(fabs(v) * 1000 < limit))
        return parser_fail(p, E_PARSE, e->start, "timestamp out of bounds for @ modifier: %s",
                           text);
    *ms = llround(v * 1000);
    return 0;
}

static int parse_at(struct parser *p, struct expr *e)
{
    struct time_modifier *mod = modifier_of(e);
    enum at_kind at = AT_TIME;
    int64_t ms = 0;
    int rc = 0;
    parser_advance(p);
    if (token_is(p->tok, TOK_KEYWORD, KW_START)) at = AT_START;
    if (token_is(p->tok, TOK_KEYWORD, KW_END)) at = AT_END;
    if (at == AT_TIME) {
        rc = parse_at_number(p, e, &ms);
    } else {
        parser_advance(p);
        rc = parser_expect(p, TOK_LPAREN, "@", "\"(\"");
        if (rc == 0) rc = parser_expect(p, TOK_RPAREN, "@", "\")\"");
    }
    if (rc < 0) return rc;
    if (!mod) return not_a_selector(p, e, "@");
    if (mod->at != AT_NONE)
        return parser_fail(p, E_PARSE, e->start, "@ <timestamp> may not be set multiple times");
    mod->at = at;
    mod->at_ms = ms;
    return 0;
}

static int parse_extended(struct parser *p, struct expr *e)
{
    bool anchored = p->tok.op == KW_ANCHORED;
    struct token t = p->tok;
    parser_advance(p);
    if (!(p->features & PROMQL_EXTENDED_RANGE)) {
        int rc = parser_fail(p, E_PARSE, t.start, "modifier \"%s\" is experimental and not enabled",
                             anchored ? "anchored" : "smoothed");
        errmsg_hint(p->err, "query.experimental: true enables it");
        return rc;
    }
    if (e->kind != EXPR_SELECTOR)
        return parser_fail(p, E_PARSE, e->start,
                           "anchored and smoothed modifiers must be preceded by a selector");
    if (e->selector.anchored || e->selector.smoothed)
        return parser_fail(p, E_PARSE, e->start,
                           "anchored and smoothed may not be set multiple times");
    e->selector.anchored = anchored;
    e->selector.smoothed = !anchored;
    return 0;
}

static int make_range(struct parser *p, struct expr *e, uint32_t bracket, struct duration range)
{
    const char *early = NULL;
    if (e->kind != EXPR_SELECTOR || e->selector.is_range)
        return parser_fail(p, E_PARSE, bracket, "ranges only allowed for vector selectors");
    if (e->selector.mod.at != AT_NONE) early = "@";
    if (e->selector.mod.has_offset) early = "offset";
    if (early)
        return parser_fail(p, E_PARSE, bracket, "no %s modifiers allowed before range", early);
    e->selector.is_range = true;
    e->selector.range = range;
    return 0;
}

/* [range] makes e a range selector; [range:step] puts a subquery around it. */
static int parse_brackets(struct parser *p, struct expr *e, struct expr **out)
{
    uint32_t bracket = p->tok.start;
    struct duration range, step = {0};
    bool has_step = false;
    parser_advance(p);
    int rc = parse_range_duration(p, &range);
    if (rc < 0) return rc;
    *out = e;
    if (p->tok.kind == TOK_RBRACKET) {
        parser_advance(p);
        return make_range(p, e, bracket, range);
    }
    rc = parser_expect(p, TOK_COLON, "subquery or range selector", "\":\" or \"]\"");
    if (rc == 0 && p->tok.kind != TOK_RBRACKET) {
        has_step = true;
        rc = parse_range_duration(p, &step);
    }
    if (rc == 0) rc = parser_expect(p, TOK_RBRACKET, "subquery selector", "\"]\"");
    if (rc < 0) return rc;
    struct expr *sub = parser_node(p, EXPR_SUBQUERY, e->start);
    if (!sub) return parser_out_of_memory(p);
    sub->subquery.expr = e;
    sub->subquery.range = range;
    sub->subquery.step = step;
    sub->subquery.has_step = has_step;
    *out = sub;
    return parser_adopt(p, sub, e);
}

int parse_postfix(struct parser *p, struct expr *e, struct expr **out)
{
    int rc = 0;
    while (rc == 0) {
        if (p->tok.kind == TOK_LBRACKET)
            rc = parse_brackets(p, e, &e);
        else if (p->tok.kind == TOK_AT)
            rc = parse_at(p, e);
        else if (token_is(p->tok, TOK_KEYWORD, KW_OFFSET))
            rc = parse_offset(p, e);
        else if (token_is(p->tok, TOK_KEYWORD, KW_ANCHORED) ||
                 token_is(p->tok, TOK_KEYWORD, KW_SMOOTHED))
            rc = parse_extended(p, e);
        else
            break;
        e->end = p->prev_end;
    }
    *out = e;
    return rc;
}

/* --- on its own --- */

int promql_parse_selector(struct str text, struct arena *a, struct matcher **out, size_t *count,
                          struct errmsg *err)
{
    struct parser p;
    struct expr *e = NULL;
    int rc = parser_init(&p, text, 0, a, err);
    if (rc < 0) return rc;
    if (p.tok.kind != TOK_LBRACE && !token_is_metric_name(p.tok)) {
        rc = p.tok.kind == TOK_EOF ? parser_fail(&p, E_PARSE, 0, "unexpected end of input")
                                   : parser_unexpected(&p, "", "vector selector");
    } else {
        struct token name = {.start = p.tok.start, .end = p.tok.start};
        if (p.tok.kind != TOK_LBRACE) {
            name = p.tok;
            parser_advance(&p);
        }
        rc = parse_selector(&p, name, &e);
        if (rc == 0 && p.tok.kind != TOK_EOF) rc = parser_unexpected(&p, "", "");
        if (rc == 0) {
            rc = promql_check_types(&p, e);
            /* all that can be wrong with a selector that has no name */
            if (rc == E_PARSE && e->selector.name.len == 0) rc = E_INVALID;
        }
    }
    if (rc < 0) {
        parser_release_matchers(&p);
        return rc;
    }
    *out = e->selector.matchers;
    *count = e->selector.matcher_count;
    return 0;
}
