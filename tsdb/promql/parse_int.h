/* parse_int.h -- what the parser's own files share: parse.c (expressions), parse_selector.c
 * (matchers, offset, @, ranges), parse_duration.c, types.c and series.c.
 *
 * One token of look-ahead. Every function returns 0 or the code of the first problem, with
 * parser.err filled; *out is set on success only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_PARSE_INT_H
#define TOCSIN_TSDB_PROMQL_PARSE_INT_H

#include "core/arena.h"
#include "core/err.h"
#include "tsdb/promql/ast.h"
#include "tsdb/promql/lex.h"
#include "tsdb/promql/promql.h"

enum { PROMQL_MAX_TEXT = 1 << 20 };

/* Matchers made so far: their regular expressions must go when parsing fails. */
struct matcher_list {
    struct matcher *v;
    size_t count, cap;
    struct matcher_list *next;
};

struct parser {
    struct lexer lx;
    struct token tok;  /* the next one, not consumed yet */
    uint32_t prev_end; /* where the last consumed token ended */
    struct arena *arena;
    unsigned features;
    unsigned depth;
    unsigned patterns; /* regular expressions so far: each takes time and memory to compile */
    struct matcher_list *lists;
    struct errmsg *err;
};

int parser_init(struct parser *p, struct str text, unsigned features, struct arena *a,
                struct errmsg *err) MUST_CHECK;
void parser_release_matchers(struct parser *p);
void parser_advance(struct parser *p);

static inline struct str token_text(const struct parser *p, struct token t)
{
    return (struct str){p->lx.input.p + t.start, t.end - t.start};
}

/* Fills err, with the position of a byte offset. */
void parser_report(struct parser *p, uint32_t start, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Reports, and is the code rc: a macro, so that static analysis sees that it is not 0. */
#define parser_fail(p, rc, start, ...) (parser_report((p), (start), __VA_ARGS__), (rc))
/* "unexpected TOKEN[ in CONTEXT][, expected WHAT]" about the next token; "" leaves a part out. */
void parser_report_unexpected(struct parser *p, const char *context, const char *expected);
MUST_CHECK static inline int parser_unexpected(struct parser *p, const char *context,
                                               const char *expected)
{
    parser_report_unexpected(p, context, expected);
    return E_PARSE;
}
MUST_CHECK static inline int parser_out_of_memory(struct parser *p)
{
    int rc = p->arena->err < 0 ? p->arena->err : E_LIMIT;
    (void)errmsg_set(p->err, rc, "query needs too much memory");
    return rc;
}
/* Consumes a token of this kind or fails with parser_unexpected. */
int parser_expect(struct parser *p, enum token_kind kind, const char *context,
                  const char *expected) MUST_CHECK;
/* Going down a level of the grammar; a successful enter is paired with p->depth--. */
int parser_enter(struct parser *p) MUST_CHECK;

/* A node; its height is set by parser_adopt as children are put in. NULL when out of memory. */
struct expr *parser_node(struct parser *p, enum expr_kind kind, uint32_t start);
int parser_adopt(struct parser *p, struct expr *parent, const struct expr *child) MUST_CHECK;

/* Growing an array of count elements in the arena by one; the new element is zeroed. */
void *parser_push(struct parser *p, void *v, size_t count, size_t *cap, size_t size);

int parse_expr(struct parser *p, int bind, struct expr **out) MUST_CHECK;
/* Consumes a TOK_NUMBER or TOK_DURATION; durations are in seconds. */
int parser_number(struct parser *p, double *out, bool *is_duration) MUST_CHECK;
struct expr *parser_literal(struct parser *p, uint32_t start, double v, bool is_duration);
static inline bool parser_at_sign(const struct parser *p)
{
    return p->tok.kind == TOK_OP && (p->tok.op == OP_ADD || p->tok.op == OP_SUB);
}
int parse_string_token(struct parser *p, struct str *out) MUST_CHECK;

/* parse_selector.c */
/* name{matchers}; the name (may be empty) is consumed already, its token is name. */
int parse_selector(struct parser *p, struct token name, struct expr **out) MUST_CHECK;
/* [range], [range:step], offset, @, anchored, smoothed: as many as follow e. */
int parse_postfix(struct parser *p, struct expr *e, struct expr **out) MUST_CHECK;
/* Whether the token can be a metric name, as and, sum or offset can. */
bool token_is_metric_name(struct token t);

/* parse_duration.c */
/* A duration inside brackets: what must be greater than 0. */
int parse_range_duration(struct parser *p, struct duration *out) MUST_CHECK;
/* After offset: one literal, call or parenthesis with an optional sign. */
int parse_offset_duration(struct parser *p, struct duration *out) MUST_CHECK;

/* types.c: sets type of every node and checks the tree. */
int promql_check_types(struct parser *p, struct expr *e) MUST_CHECK;

#endif
