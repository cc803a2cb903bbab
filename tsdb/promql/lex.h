/* lex.h -- tokens of PromQL: a hand-written lexer, for the parser's own files.
 *
 * The lexer knows where it is (outside, inside braces, inside brackets) since the same bytes are
 * other tokens there: inside braces every word is a label name. A token is a byte range of the
 * input; its text is never copied.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_LEX_H
#define TOCSIN_TSDB_PROMQL_LEX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

enum token_kind {
    TOK_EOF,
    TOK_ERROR,        /* lexer.error says what is wrong */
    TOK_IDENT,        /* [a-zA-Z_][a-zA-Z0-9_]* */
    TOK_METRIC_IDENT, /* the same with a colon in it */
    TOK_STRING,
    TOK_NUMBER,
    TOK_DURATION,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_COMMA,
    TOK_COLON,
    TOK_AT,
    TOK_EQL,     /* a lone = outside braces: never valid there */
    TOK_MATCH,   /* op is an enum matcher_type */
    TOK_OP,      /* op is an enum binary_op */
    TOK_AGGR,    /* op is an enum aggr_op */
    TOK_KEYWORD, /* op is an enum keyword */
};

enum keyword {
    KW_OFFSET,
    KW_BY,
    KW_WITHOUT,
    KW_ON,
    KW_IGNORING,
    KW_GROUP_LEFT,
    KW_GROUP_RIGHT,
    KW_BOOL,
    KW_FILL,
    KW_FILL_LEFT,
    KW_FILL_RIGHT,
    KW_ANCHORED,
    KW_SMOOTHED,
    KW_START,
    KW_END,
    KW_STEP,
    KW_RANGE,
    KW_MIN_OF,
    KW_MAX_OF,
};

struct token {
    enum token_kind kind;
    int op;
    uint32_t start, end;
};

struct lexer {
    struct str input;
    uint32_t pos;
    uint32_t parens; /* open ones */
    bool in_braces, in_brackets;
    struct errmsg error; /* text and hint of the last TOK_ERROR */
};

void lexer_init(struct lexer *lx, struct str input);
struct token lexer_next(struct lexer *lx);

static inline bool token_is(struct token t, enum token_kind kind, int op)
{
    return t.kind == kind && t.op == op;
}

/* How messages name a token: end of input, identifier "x", <by>, <op:*>, <aggr:sum>, ")". */
void token_describe(const struct lexer *lx, struct token t, char *out, size_t size);

/* The value of a TOK_STRING's text, quotes and escapes resolved, in the arena. -ENOMEM, E_LIMIT. */
int lex_unquote(struct str raw, struct arena *a, struct str *out) MUST_CHECK;
/* The value of a TOK_NUMBER: decimal, hexadecimal, octal with a leading 0, underscores between
 * digits, Inf, NaN. E_PARSE, also for what is too large for a double. */
int lex_number(struct str raw, double *out) MUST_CHECK;

#endif
