/* template_lex.c -- Go template text into tokens.
 *
 * Outside actions everything is text, up to "{{". "{{- " trims the blanks before it, " -}}" those
 * after it. Comments "{{/" "* ... *" "/}}" are dropped here. Inside an action blanks matter only as
 * separators: each token says whether one stood before it, which tells "a .b" from "a.b".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "rules/template_int.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, digits, underscore; every byte of a longer UTF-8 sequence counts as a letter. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           (unsigned char)c >= 0x80;
}

int template_error_at(struct str text, size_t offset, struct errmsg *err, const char *fmt, ...)
{
    if (!err) return E_PARSE;
    *err = (struct errmsg){.line = 1, .column = 1, .offset = offset};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        err->column++;
        if (text.p[i] == '\n') err->line++, err->column = 1;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return E_PARSE;
}

static char at(const struct tlexer *l, size_t i)
{
    return i < l->text.len ? l->text.p[i] : '\0';
}

static bool looking_at(const struct tlexer *l, size_t i, const char *what)
{
    size_t n = strlen(what);
    return i <= l->text.len && l->text.len - i >= n && memcmp(l->text.p + i, what, n) == 0;
}

static int token(struct tlexer *l, enum ttok tok, size_t len)
{
    l->tok = tok;
    l->start = (uint32_t)l->pos;
    l->value = (struct str){l->text.p + l->pos, len};
    l->pos += len;
    l->end = (uint32_t)l->pos;
    return 0;
}

/* " -}}" at i: the closing of an action that trims what follows. */
static bool closes_with_trim(const struct tlexer *l, size_t i)
{
    return is_blank(at(l, i)) && looking_at(l, i + 1, "-}}");
}

static bool opens_with_trim(const struct tlexer *l, size_t i)
{
    return at(l, i + 2) == '-' && is_blank(at(l, i + 3));
}

/* A comment right after the opening: skipped with its closing. 1 when there was one. */
static int skip_comment(struct tlexer *l, struct errmsg *err)
{
    size_t body = l->pos + 2 + (opens_with_trim(l, l->pos) ? 2 : 0);
    if (!looking_at(l, body, "/*")) return 0;
    size_t i = body + 2;
    while (i < l->text.len && !looking_at(l, i, "*/"))
        i++;
    if (i >= l->text.len) return template_error_at(l->text, body, err, "unclosed comment");
    i += 2;
    if (looking_at(l, i, "}}")) {
        l->pos = i + 2;
        return 1;
    }
    if (closes_with_trim(l, i)) {
        l->pos = i + 4;
        l->trim_next = true;
        return 1;
    }
    return template_error_at(l->text, body, err, "comment ends before closing delimiter");
}

/* Text up to the next action, with the trimming both neighbours ask for. */
static int lex_text(struct tlexer *l, struct errmsg *err)
{
    for (;;) {
        size_t from = l->pos, to = from;
        while (to < l->text.len && !looking_at(l, to, "{{"))
            to++;
        bool action = to < l->text.len;
        size_t next = to;
        if (l->trim_next)
            while (from < to && is_blank(l->text.p[from]))
                from++;
        l->trim_next = false;
        if (action && opens_with_trim(l, to))
            while (to > from && is_blank(l->text.p[to - 1]))
                to--;
        if (from < to) {
            l->pos = from;
            token(l, TT_TEXT, to - from);
            l->pos = next;
            return 0;
        }
        l->pos = next;
        if (!action) return token(l, TT_EOF, 0);
        int rc = skip_comment(l, err);
        if (rc < 0) return rc;
        if (rc == 0) break;
    }
    bool trim = opens_with_trim(l, l->pos);
    token(l, TT_LEFT, trim ? 3 : 2);
    l->in_action = true;
    l->parens = 0;
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static size_t put_utf8(uint32_t c, char out[4])
{
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* \x41, \101, \u00e9, \U0001f514: the bytes read after the backslash, 0 if it is none. */
static size_t numeric_escape(struct str s, uint32_t *code)
{
    char c = s.p[0];
    bool octal = c >= '0' && c <= '7';
    size_t from = octal ? 0 : 1, digits = octal      ? 3
                                          : c == 'x' ? 2
                                          : c == 'u' ? 4
                                          : c == 'U' ? 8
                                                     : 0;
    uint32_t v = 0, base = octal ? 8 : 16;
    if (digits == 0 || s.len < from + digits) return 0;
    for (size_t i = 0; i < digits; i++) {
        int d = hex_digit(s.p[from + i]);
        if (d < 0 || (uint32_t)d >= base) return 0;
        v = v * base + (uint32_t)d;
    }
    bool byte = c == 'x' || octal;
    if (byte ? v > 255 : v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return 0;
    *code = v;
    return from + digits;
}

/* One escape after the backslash at p[0]; its bytes to out. Returns the bytes read, 0 if bad. */
static size_t unescape(struct str s, char quote, char out[4], size_t *out_len, uint32_t *code)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    if (s.len == 0) return 0;
    char c = s.p[0];
    const char *simple = c ? strchr(letters, c) : NULL;
    if (simple || c == quote) {
        *code = (unsigned char)(simple ? values[simple - letters] : quote);
        out[0] = (char)*code;
        *out_len = 1;
        return 1;
    }
    size_t used = numeric_escape(s, code);
    if (used == 0) return 0;
    if (c == 'u' || c == 'U') {
        *out_len = put_utf8(*code, out);
    } else {
        out[0] = (char)*code;
        *out_len = 1;
    }
    return used;
}

static int lex_string(struct tlexer *l, struct errmsg *err)
{
    size_t begin = l->pos, i = begin + 1;
    while (at(l, i) != '"') {
        if (i >= l->text.len || at(l, i) == '\n')
            return template_error_at(l->text, begin, err, "unterminated quoted string");
        i += at(l, i) == '\\' && i + 1 < l->text.len ? 2 : 1;
    }
    char *out = arena_alloc(l->arena, i - begin + 1);
    if (!out) return -ENOMEM;
    size_t len = 0;
    for (size_t k = begin + 1; k < i;) {
        if (l->text.p[k] != '\\') {
            out[len++] = l->text.p[k++];
            continue;
        }
        char bytes[4];
        size_t n = 0;
        uint32_t code;
        size_t used = unescape((struct str){l->text.p + k + 1, i - k - 1}, '"', bytes, &n, &code);
        if (used == 0) return template_error_at(l->text, k, err, "invalid escape in quoted string");
        memcpy(out + len, bytes, n); /* never longer than its escape */
        len += n;
        k += 1 + used;
    }
    out[len] = '\0';
    token(l, TT_STRING, i + 1 - begin);
    l->value = (struct str){out, len};
    return 0;
}

static int lex_raw_string(struct tlexer *l, struct errmsg *err)
{
    size_t i = l->pos + 1;
    while (i < l->text.len && l->text.p[i] != '`')
        i++;
    if (i >= l->text.len)
        return template_error_at(l->text, l->pos, err, "unterminated raw quoted string");
    token(l, TT_STRING, i + 1 - l->pos);
    l->value = (struct str){l->value.p + 1, l->value.len - 2};
    return 0;
}

/* The bytes of the UTF-8 sequence at p; a stray byte is a sequence of one. */
static size_t get_utf8(struct str s, uint32_t *code)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n == 1 || s.len < n || !str_is_utf8((struct str){s.p, n})) {
        *code = c;
        return 1;
    }
    uint32_t v = c & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
    *code = v;
    return n;
}

static int lex_char(struct tlexer *l, struct errmsg *err)
{
    struct str rest = {l->text.p + l->pos + 1, l->text.len - l->pos - 1};
    size_t used = 0;
    uint32_t code = 0;
    if (rest.len > 0 && rest.p[0] == '\\') {
        char bytes[4];
        size_t n;
        used = unescape((struct str){rest.p + 1, rest.len - 1}, '\'', bytes, &n, &code);
        if (used) used++;
    } else if (rest.len > 0 && rest.p[0] != '\'' && rest.p[0] != '\n') {
        used = get_utf8(rest, &code);
    }
    if (used == 0 || used >= rest.len || rest.p[used] != '\'')
        return template_error_at(l->text, l->pos, err, "unterminated character constant");
    token(l, TT_CHAR, used + 2);
    l->code_point = code;
    return 0;
}

static int lex_number(struct tlexer *l, struct errmsg *err)
{
    size_t i = l->pos;
    if (at(l, i) == '+' || at(l, i) == '-') i++;
    bool hex = at(l, i) == '0' && (at(l, i + 1) | 0x20) == 'x';
    while (is_word(at(l, i)) || at(l, i) == '.' ||
           ((at(l, i) == '+' || at(l, i) == '-') && i > l->pos &&
            (at(l, i - 1) | 0x20) == (hex ? 'p' : 'e')))
        i++;
    if (i == l->pos || (i == l->pos + 1 && !is_digit(at(l, l->pos))))
        return template_error_at(l->text, l->pos, err, "bad number syntax: \"%.*s\"",
                                 (int)(i - l->pos + 1), l->text.p + l->pos);
    return token(l, TT_NUMBER, i - l->pos);
}

static int lex_word(struct tlexer *l, enum ttok tok, size_t skip)
{
    size_t i = l->pos + 1;
    while (is_word(at(l, i)))
        i++;
    token(l, tok, i - l->pos);
    l->value.p += skip;
    l->value.len -= skip;
    return 0;
}

static int unexpected(struct tlexer *l, struct errmsg *err)
{
    uint32_t code;
    size_t n = get_utf8((struct str){l->text.p + l->pos, l->text.len - l->pos}, &code);
    bool show = code >= 0x21 && code != 0x7f && !(code >= 0x80 && code <= 0xa0);
    if (!show)
        return template_error_at(l->text, l->pos, err, "unrecognized character in action: U+%04X",
                                 code);
    return template_error_at(l->text, l->pos, err,
                             "unrecognized character in action: U+%04X '%.*s'", code, (int)n,
                             l->text.p + l->pos);
}

/* Inside an action, past blanks. */
static int lex_inside(struct tlexer *l, struct errmsg *err)
{
    static const struct {
        char c;
        enum ttok tok;
    } marks[] = {
        {'|', TT_PIPE  },
        {'(', TT_LPAREN},
        {')', TT_RPAREN},
        {'=', TT_ASSIGN},
        {',', TT_COMMA }
    };

    char c = at(l, l->pos);
    if (c == '"') return lex_string(l, err);
    if (c == '`') return lex_raw_string(l, err);
    if (c == '\'') return lex_char(l, err);
    if (c == '$') return lex_word(l, TT_VAR, 0);
    if (c == ':') {
        if (at(l, l->pos + 1) != '=') return template_error_at(l->text, l->pos, err, "expected :=");
        return token(l, TT_DECLARE, 2);
    }
    if (c == '.' && !is_digit(at(l, l->pos + 1)))
        return is_word(at(l, l->pos + 1)) ? lex_word(l, TT_FIELD, 1) : token(l, TT_DOT, 1);
    if (c == '.' || c == '+' || c == '-' || is_digit(c)) return lex_number(l, err);
    for (size_t i = 0; i < COUNT(marks); i++) {
        if (c != marks[i].c) continue;
        l->parens += (c == '(') - (c == ')');
        if (l->parens < 0) return template_error_at(l->text, l->pos, err, "unexpected right paren");
        return token(l, marks[i].tok, 1);
    }
    if (is_word(c) && (unsigned char)c < 0x80) return lex_word(l, TT_WORD, 0);
    return unexpected(l, err);
}

int tlex_next(struct tlexer *l, struct errmsg *err)
{
    l->space = false;
    if (!l->in_action) return lex_text(l, err);
    size_t close = 0;
    while (l->pos < l->text.len && !closes_with_trim(l, l->pos) && is_blank(at(l, l->pos))) {
        l->space = true;
        l->pos++;
    }
    if (closes_with_trim(l, l->pos)) {
        close = 4;
        l->trim_next = true;
    } else if (looking_at(l, l->pos, "}}")) {
        close = 2;
    }
    if (close) {
        if (l->parens > 0) return template_error_at(l->text, l->pos, err, "unclosed left paren");
        l->in_action = false;
        return token(l, TT_RIGHT, close);
    }
    if (l->pos >= l->text.len) return template_error_at(l->text, l->pos, err, "unclosed action");
    return lex_inside(l, err);
}
