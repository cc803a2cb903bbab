/* lex.c -- the PromQL lexer: blanks and comments, words, numbers, durations, strings, operators.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/lex.h"

#include <stdio.h>

#include "tsdb/labels.h"
#include "tsdb/promql/ast.h"

struct word {
    const char *text;
    enum token_kind kind;
    int op;
};

/* Words with a meaning of their own, in any case of letters. */
static const struct word words[] = {
    {"and",          TOK_OP,      OP_AND           },
    {"or",           TOK_OP,      OP_OR            },
    {"unless",       TOK_OP,      OP_UNLESS        },
    {"atan2",        TOK_OP,      OP_ATAN2         },
    {"sum",          TOK_AGGR,    AGGR_SUM         },
    {"avg",          TOK_AGGR,    AGGR_AVG         },
    {"min",          TOK_AGGR,    AGGR_MIN         },
    {"max",          TOK_AGGR,    AGGR_MAX         },
    {"count",        TOK_AGGR,    AGGR_COUNT       },
    {"group",        TOK_AGGR,    AGGR_GROUP       },
    {"stddev",       TOK_AGGR,    AGGR_STDDEV      },
    {"stdvar",       TOK_AGGR,    AGGR_STDVAR      },
    {"topk",         TOK_AGGR,    AGGR_TOPK        },
    {"bottomk",      TOK_AGGR,    AGGR_BOTTOMK     },
    {"count_values", TOK_AGGR,    AGGR_COUNT_VALUES},
    {"quantile",     TOK_AGGR,    AGGR_QUANTILE    },
    {"limitk",       TOK_AGGR,    AGGR_LIMITK      },
    {"limit_ratio",  TOK_AGGR,    AGGR_LIMIT_RATIO },
    {"offset",       TOK_KEYWORD, KW_OFFSET        },
    {"by",           TOK_KEYWORD, KW_BY            },
    {"without",      TOK_KEYWORD, KW_WITHOUT       },
    {"on",           TOK_KEYWORD, KW_ON            },
    {"ignoring",     TOK_KEYWORD, KW_IGNORING      },
    {"group_left",   TOK_KEYWORD, KW_GROUP_LEFT    },
    {"group_right",  TOK_KEYWORD, KW_GROUP_RIGHT   },
    {"bool",         TOK_KEYWORD, KW_BOOL          },
    {"fill",         TOK_KEYWORD, KW_FILL          },
    {"fill_left",    TOK_KEYWORD, KW_FILL_LEFT     },
    {"fill_right",   TOK_KEYWORD, KW_FILL_RIGHT    },
    {"anchored",     TOK_KEYWORD, KW_ANCHORED      },
    {"smoothed",     TOK_KEYWORD, KW_SMOOTHED      },
    {"start",        TOK_KEYWORD, KW_START         },
    {"end",          TOK_KEYWORD, KW_END           },
    {"step",         TOK_KEYWORD, KW_STEP          },
    {"range",        TOK_KEYWORD, KW_RANGE         },
    {"min_of",       TOK_KEYWORD, KW_MIN_OF        },
    {"max_of",       TOK_KEYWORD, KW_MAX_OF        },
    {"inf",          TOK_NUMBER,  0                },
    {"nan",          TOK_NUMBER,  0                },
};

/* Operators and marks outside braces; longer ones first. */
static const struct word marks[] = {
    {"==", TOK_OP,       OP_EQ        },
    {"!=", TOK_OP,       OP_NE        },
    {">=", TOK_OP,       OP_GE        },
    {">/", TOK_OP,       OP_TRIM_LOWER},
    {">",  TOK_OP,       OP_GT        },
    {"<=", TOK_OP,       OP_LE        },
    {"</", TOK_OP,       OP_TRIM_UPPER},
    {"<",  TOK_OP,       OP_LT        },
    {"+",  TOK_OP,       OP_ADD       },
    {"-",  TOK_OP,       OP_SUB       },
    {"*",  TOK_OP,       OP_MUL       },
    {"/",  TOK_OP,       OP_DIV       },
    {"%",  TOK_OP,       OP_MOD       },
    {"^",  TOK_OP,       OP_POW       },
    {"=",  TOK_EQL,      0            },
    {"(",  TOK_LPAREN,   0            },
    {")",  TOK_RPAREN,   0            },
    {"{",  TOK_LBRACE,   0            },
    {"[",  TOK_LBRACKET, 0            },
    {"]",  TOK_RBRACKET, 0            },
    {",",  TOK_COMMA,    0            },
    {":",  TOK_COLON,    0            },
    {"@",  TOK_AT,       0            },
};

/* Inside braces. */
static const struct word brace_marks[] = {
    {"=~", TOK_MATCH,  MATCH_RE },
    {"!~", TOK_MATCH,  MATCH_NRE},
    {"!=", TOK_MATCH,  MATCH_NE },
    {"=",  TOK_MATCH,  MATCH_EQ },
    {",",  TOK_COMMA,  0        },
    {"}",  TOK_RBRACE, 0        },
};

static bool is_alpha(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(int c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int digit_value(int c)
{
    if (is_digit(c)) return c - '0';
    return is_hex(c) ? (c | 0x20) - 'a' + 10 : 99;
}

/* The byte at pos + ahead, or -1 past the end. */
static int peek(const struct lexer *lx, uint32_t ahead)
{
    size_t at = (size_t)lx->pos + ahead;
    return at < lx->input.len ? (unsigned char)lx->input.p[at] : -1;
}

void lexer_init(struct lexer *lx, struct str input)
{
    *lx = (struct lexer){.input = input};
}

static struct token token(const struct lexer *lx, enum token_kind kind, int op, uint32_t start)
{
    return (struct token){kind, op, start, lx->pos};
}

static struct token fail(struct lexer *lx, uint32_t start, const char *text)
{
    (void)errmsg_set(&lx->error, E_PARSE, "%s", text);
    return (struct token){TOK_ERROR, 0, start, (uint32_t)lx->input.len};
}

/* An error about one character: format with one %s for the character, quoted as Go does. */
static struct token fail_char(struct lexer *lx, uint32_t start, const char *before,
                              const char *after)
{
    int c = peek(lx, 0);
    char shown[16];
    if (c < 0) {
        snprintf(shown, sizeof shown, "end of input");
    } else if (c < ' ' || c == 0x7f) {
        snprintf(shown, sizeof shown, "'\\x%02x'", (unsigned)c);
    } else {
        uint32_t len = 1;
        while (c >= 0xc0 && len < 4 && (peek(lx, len) & 0xc0) == 0x80 && peek(lx, len) >= 0)
            len++;
        snprintf(shown, sizeof shown, "'%.*s'", (int)len, lx->input.p + lx->pos);
    }
    (void)errmsg_set(&lx->error, E_PARSE, "%s%s%s", before, shown, after);
    if (c == '&') errmsg_hint(&lx->error, "write and");
    if (c == '|') errmsg_hint(&lx->error, "write or");
    return (struct token){TOK_ERROR, 0, start, (uint32_t)lx->input.len};
}

static void skip_blanks(struct lexer *lx)
{
    for (;;) {
        int c = peek(lx, 0);
        if (c == '#') {
            while (peek(lx, 0) >= 0 && peek(lx, 0) != '\n')
                lx->pos++;
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        } else {
            lx->pos++;
        }
    }
}

/* --- numbers and durations --- */

/* Digits with single underscores between them; false when there is none. */
static bool skip_digits(struct lexer *lx, bool (*digit)(int))
{
    if (!digit(peek(lx, 0))) return false;
    while (digit(peek(lx, 0)) || (peek(lx, 0) == '_' && digit(peek(lx, 1))))
        lx->pos++;
    return true;
}

static bool scan_number(struct lexer *lx)
{
    if (peek(lx, 0) == '0' && (peek(lx, 1) == 'x' || peek(lx, 1) == 'X')) {
        lx->pos += 2;
        if (peek(lx, 0) == '_') lx->pos++;
        return skip_digits(lx, is_hex) && !is_alnum(peek(lx, 0)) && peek(lx, 0) != '.';
    }
    bool whole = skip_digits(lx, is_digit);
    if (peek(lx, 0) == '.') {
        lx->pos++;
        if (!skip_digits(lx, is_digit) && !whole) return false;
    }
    if (peek(lx, 0) == 'e' || peek(lx, 0) == 'E') {
        lx->pos++;
        if (peek(lx, 0) == '+' || peek(lx, 0) == '-') lx->pos++;
        if (!skip_digits(lx, is_digit)) return false;
    }
    return !is_alnum(peek(lx, 0)) && peek(lx, 0) != '.';
}

/* 1h30m: the units are checked here, their order when the value is read. */
static bool scan_duration(struct lexer *lx)
{
    do {
        while (is_digit(peek(lx, 0)))
            lx->pos++;
        int unit = peek(lx, 0);
        if (unit < 0 || !strchr("smhdwy", unit)) return false;
        lx->pos += unit == 'm' && peek(lx, 1) == 's' ? 2 : 1;
    } while (is_digit(peek(lx, 0)));
    return !is_alnum(peek(lx, 0)) && peek(lx, 0) != '.';
}

static bool skip_any(struct lexer *lx, const char *set)
{
    int c = peek(lx, 0);
    if (c <= 0 || !strchr(set, c)) return false;
    lx->pos++;
    return true;
}

/* To where upstream reads what it takes for a number, wrong or not: its message shows that much. */
static void skip_wrong_number(struct lexer *lx)
{
    bool hex = skip_any(lx, "0") && skip_any(lx, "xX");
    bool (*digit)(int) = hex ? is_hex : is_digit;
    bool dot = false, exponent = false;
    skip_any(lx, ".");
    for (;;) {
        if (digit(peek(lx, 0))) {
            lx->pos++;
        } else if (skip_any(lx, ".")) {
            if (dot || hex || skip_any(lx, "_.")) return;
            dot = true;
        } else if (skip_any(lx, "eE")) {
            if (exponent) return;
            exponent = true;
            skip_any(lx, "+-");
            if (skip_any(lx, "._eE")) return;
        } else if (!skip_any(lx, "_") || skip_any(lx, "._eE")) {
            return;
        }
    }
}

/* The same for what it then takes for a duration, from the first unit on. */
static void skip_wrong_duration(struct lexer *lx)
{
    while (skip_any(lx, "smhdwy")) {
        skip_any(lx, "s");
        if (!is_digit(peek(lx, 0))) {
            if (is_alnum(peek(lx, 0))) lx->pos++;
            return;
        }
        while (is_digit(peek(lx, 0)))
            lx->pos++;
    }
}

static struct token lex_number_or_duration(struct lexer *lx)
{
    uint32_t start = lx->pos;
    if (scan_number(lx)) return token(lx, TOK_NUMBER, 0, start);
    lx->pos = start;
    if (scan_duration(lx)) return token(lx, TOK_DURATION, 0, start);
    lx->pos = start;
    skip_wrong_number(lx);
    skip_wrong_duration(lx);
    char text[96];
    snprintf(text, sizeof text, "bad number or duration syntax: \"%.*s\"",
             (int)MIN(lx->pos - start, 40u), lx->input.p + start);
    struct token t = fail(lx, start, text);
    errmsg_hint(&lx->error, "use ms, s, m, h, d, w or y, as in 5m");
    return t;
}

/* Whole numbers of base 8 or 16; upstream takes up to 63 bits. */
static int whole_number(struct str digits, unsigned shift, double *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (n > (uint64_t)INT64_MAX >> shift) return E_PARSE;
        n = (n << shift) + (unsigned)digit_value(digits.p[i]);
    }
    *out = (double)n;
    return 0;
}

static bool all_octal(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '7') return false;
    return true;
}

int lex_number(struct str raw, double *out)
{
    char text[1024]; /* the longest number that is printed has 327 characters */
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.p[i] == '_') continue;
        if (len == sizeof text) return E_PARSE;
        text[len++] = raw.p[i];
    }
    struct str s = {text, len};
    bool prefixed = len > 1 && text[0] == '0';
    if (prefixed && (text[1] | 0x20) == 'x')
        return whole_number((struct str){text + 2, len - 2}, 4, out);
    if (prefixed && all_octal(s)) return whole_number(s, 3, out);
    return str_to_double(s, out) == 0 ? 0 : E_PARSE;
}

/* --- strings --- */

struct escape {
    char letter, byte;
};
static const struct escape escapes[] = {
    {'a',  '\a'},
    {'b',  '\b'},
    {'f',  '\f'},
    {'n',  '\n'},
    {'r',  '\r'},
    {'t',  '\t'},
    {'v',  '\v'},
    {'\\', '\\'},
};

/* How many digits of which base follow an escape letter: \x41 \101 A \U00000041. */
static int escape_digits(int c, unsigned *base)
{
    *base = 16;
    if (c == 'x') return 2;
    if (c == 'u') return 4;
    if (c == 'U') return 8;
    *base = 8;
    return c >= '0' && c <= '7' ? 3 : 0;
}

static struct token bad_escape(struct lexer *lx, uint32_t start, const char *before, int c,
                               const char *after)
{
    char text[80];
    if (c < 0) return fail(lx, start, "escape sequence not terminated");
    snprintf(text, sizeof text, "%s U+%04X '%c'%s", before, (unsigned)c, c < 0x80 ? c : '?', after);
    return fail(lx, start, text);
}

static bool is_simple_escape(int c, int quote)
{
    for (size_t i = 0; i < COUNT(escapes); i++)
        if (c == escapes[i].letter) return true;
    return c == quote;
}

/* Checks the escape at pos (just past the backslash) and skips it. True, or false with *bad set. */
static bool scan_escape(struct lexer *lx, uint32_t start, int quote, struct token *bad)
{
    int c = peek(lx, 0);
    unsigned base;
    int digits = escape_digits(c, &base);
    uint64_t value = 0;
    if (digits == 0 && is_simple_escape(c, quote)) {
        lx->pos++;
        return true;
    }
    if (digits == 0) {
        *bad = bad_escape(lx, start, "unknown escape sequence", c, "");
        return false;
    }
    if (base == 16) lx->pos++;
    for (int i = 0; i < digits; i++, lx->pos++) {
        c = peek(lx, 0);
        if (c < 0 || digit_value(c) >= (int)base) {
            *bad = bad_escape(lx, start, "illegal character", c, " in escape sequence");
            return false;
        }
        value = value * base + (unsigned)digit_value(c);
    }
    bool is_byte = digits < 4, surrogate = value >= 0xd800 && value < 0xe000;
    if (!surrogate && value <= (is_byte ? 0xffu : 0x10ffffu)) return true;
    *bad = fail(lx, start, "escape sequence is an invalid Unicode code point");
    return false;
}

static struct token lex_string(struct lexer *lx)
{
    uint32_t start = lx->pos;
    int quote = peek(lx, 0);
    struct token bad;
    bool raw = quote == '`';
    lx->pos++;
    for (;;) {
        int c = peek(lx, 0);
        if (c < 0 || (c == '\n' && !raw))
            return fail(lx, start, raw ? "unterminated raw string" : "unterminated quoted string");
        lx->pos++;
        if (c == quote) break;
        if (c == '\\' && !raw && !scan_escape(lx, start, quote, &bad)) return bad;
    }
    if (!str_is_utf8((struct str){lx->input.p + start, lx->pos - start}))
        return fail(lx, start, "invalid UTF-8 rune");
    return token(lx, TOK_STRING, 0, start);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[len] | c);
    return len;
}

/* Writes the value of the escape at p (past the backslash, checked by scan_escape) and returns the
 * bytes read. */
static size_t put_escape(const char *p, char *out, size_t *len)
{
    for (size_t i = 0; i < COUNT(escapes); i++) {
        if (p[0] != escapes[i].letter) continue;
        out[(*len)++] = escapes[i].byte;
        return 1;
    }
    unsigned base;
    int digits = escape_digits(p[0], &base);
    size_t at = base == 16 ? 1 : 0;
    uint32_t value = 0;
    if (digits == 0) { /* the quote itself */
        out[(*len)++] = p[0];
        return 1;
    }
    for (int i = 0; i < digits; i++)
        value = value * base + (uint32_t)digit_value(p[at++]);
    if (digits < 4)
        out[(*len)++] = (char)value;
    else
        *len += put_utf8(out + *len, value);
    return at;
}

int lex_unquote(struct str raw, struct arena *a, struct str *out)
{
    /* no escape is shorter than what it stands for, so the raw length is room enough */
    char *p = arena_alloc(a, raw.len);
    if (!p) return a->err;
    size_t len = 0;
    for (size_t i = 1; i + 1 < raw.len;) {
        if (raw.p[i] != '\\' || raw.p[0] == '`') {
            p[len++] = raw.p[i++];
        } else {
            i += 1 + put_escape(raw.p + i + 1, p, &len);
        }
    }
    *out = (struct str){p, len};
    return 0;
}

/* --- words and marks --- */

static struct token lex_word(struct lexer *lx)
{
    uint32_t start = lx->pos;
    bool colon = false;
    while (is_alnum(peek(lx, 0)) || peek(lx, 0) == ':')
        colon |= lx->input.p[lx->pos++] == ':';
    if (colon) return token(lx, TOK_METRIC_IDENT, 0, start);
    struct str text = {lx->input.p + start, lx->pos - start};
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_eq_nocase(text, str_of(words[i].text)))
            return token(lx, words[i].kind, words[i].op, start);
    return token(lx, TOK_IDENT, 0, start);
}

static const struct word *find_mark(const struct lexer *lx, const struct word *rows, size_t count)
{
    struct str rest = {lx->input.p + lx->pos, lx->input.len - lx->pos};
    for (size_t i = 0; i < count; i++)
        if (str_starts(rest, str_of(rows[i].text))) return &rows[i];
    return NULL;
}

static struct token lex_in_braces(struct lexer *lx)
{
    uint32_t start = lx->pos;
    int c = peek(lx, 0);
    if (c < 0) return fail(lx, start, "unexpected end of input inside braces");
    if (c == '"' || c == '\'' || c == '`') return lex_string(lx);
    if (is_alpha(c)) {
        while (is_alnum(peek(lx, 0)))
            lx->pos++;
        return token(lx, TOK_IDENT, 0, start);
    }
    const struct word *m = find_mark(lx, brace_marks, COUNT(brace_marks));
    if (!m && c == '!') {
        lx->pos++;
        return fail_char(lx, start, "unexpected character after '!' inside braces: ", "");
    }
    if (c == '{') return fail_char(lx, start, "unexpected left brace ", "");
    if (!m) return fail_char(lx, start, "unexpected character inside braces: ", "");
    lx->pos += (uint32_t)strlen(m->text);
    if (m->kind == TOK_RBRACE) lx->in_braces = false;
    return token(lx, m->kind, m->op, start);
}

/* Inside brackets only the words of duration expressions mean anything. */
static struct token lex_bracket_word(struct lexer *lx)
{
    uint32_t start = lx->pos;
    struct token t = {0};
    while (is_alnum(peek(lx, 0)))
        lx->pos++;
    struct str text = {lx->input.p + start, lx->pos - start};
    for (size_t i = 0; i < COUNT(words); i++)
        if (words[i].kind == TOK_KEYWORD && str_eq_nocase(text, str_of(words[i].text)))
            t = token(lx, TOK_KEYWORD, words[i].op, start);
    if (t.kind == TOK_KEYWORD && t.op >= KW_STEP) return t;
    lx->pos = start;
    return fail_char(lx, start, "unexpected character: ", ", expected ':'");
}

static struct token lex_mark(struct lexer *lx)
{
    uint32_t start = lx->pos;
    const struct word *m = find_mark(lx, marks, COUNT(marks));
    if (!m && peek(lx, 0) == '!') {
        lx->pos++;
        return fail_char(lx, start, "unexpected character after '!': ", "");
    }
    if (!m)
        return fail_char(lx, start,
                         lx->in_brackets ? "unexpected character in duration expression: "
                                         : "unexpected character: ",
                         "");
    lx->pos += (uint32_t)strlen(m->text);
    if (m->kind == TOK_EQL && peek(lx, 0) == '~')
        return fail_char(lx, start, "unexpected character after '=': ", "");
    if (m->kind == TOK_LPAREN) lx->parens++;
    if (m->kind == TOK_RPAREN && lx->parens-- == 0)
        return fail(lx, lx->pos, "unexpected right parenthesis ')'");
    if (m->kind == TOK_RBRACKET && !lx->in_brackets)
        return fail(lx, lx->pos, "unexpected right bracket ']'");
    if (m->kind == TOK_LBRACE) lx->in_braces = true;
    if (m->kind == TOK_LBRACKET) lx->in_brackets = true;
    if (m->kind == TOK_RBRACKET) lx->in_brackets = false;
    return token(lx, m->kind, m->op, start);
}

struct token lexer_next(struct lexer *lx)
{
    skip_blanks(lx);
    uint32_t start = lx->pos;
    int c = peek(lx, 0);
    if (lx->in_braces) return lex_in_braces(lx);
    if (c < 0 && lx->in_brackets) return fail(lx, start, "unclosed left bracket");
    if (c < 0 && lx->parens > 0) return fail(lx, start, "unclosed left parenthesis");
    if (c < 0) return token(lx, TOK_EOF, 0, start);
    if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1)))) return lex_number_or_duration(lx);
    if (lx->in_brackets) return is_alpha(c) ? lex_bracket_word(lx) : lex_mark(lx);
    if (is_alpha(c) || c == ':') return lex_word(lx);
    if (c == '"' || c == '\'' || c == '`') return lex_string(lx);
    return lex_mark(lx);
}

struct frame {
    const char *before, *after;
};
static const struct frame frames[] = {
    [TOK_IDENT] = {"identifier \"",        "\""},
    [TOK_METRIC_IDENT] = {"metric identifier \"", "\""},
    [TOK_STRING] = {"string ",              ""  },
    [TOK_NUMBER] = {"number \"",            "\""},
    [TOK_DURATION] = {"duration \"",          "\""},
    [TOK_AT] = {"<op:",                 ">" },
    [TOK_OP] = {"<op:",                 ">" },
    [TOK_AGGR] = {"<aggr:",               ">" },
    [TOK_KEYWORD] = {"<",                    ">" },
};

void token_describe(const struct lexer *lx, struct token t, char *out, size_t size)
{
    struct frame f = t.kind < COUNT(frames) ? frames[t.kind] : (struct frame){NULL, NULL};
    int len = (int)MIN(t.end - t.start, 60u);
    if (t.kind == TOK_EOF)
        snprintf(out, size, "end of input");
    else
        snprintf(out, size, "%s%.*s%s", f.before ? f.before : "\"", len, lx->input.p + t.start,
                 f.after ? f.after : "\"");
}
