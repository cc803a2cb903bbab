/* regex_gate.c -- RE2 syntax in, PCRE2 syntax out.
 *
 * The pattern is read by Go's regexp/syntax rules (github.com/google/re2/wiki/Syntax) and written
 * anew, construct by construct, so that nothing PCRE2 alone understands can pass: no look-around,
 * back-reference, possessive or recursive form, verb, \h, \R, \K. Spellings that both know but read
 * differently are written out: \s has no vertical tab, \v is one, \z, \Q..\E, octal escapes. Class
 * members are written as code points, so no character inside [] has a second meaning.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core/mem.h"
#include "core/regex_int.h"

enum { NESTING_MAX = 250, RUNE_MAX = 0x10ffff };

struct gate {
    struct str in;
    size_t pos;
    struct buf *out;
    struct arena *arena;
    struct errmsg *err;
    int depth;
    struct regex_shape *shape;
    /* literal tracking */
    size_t literals_max; /* room in shape->literals */
    struct buf literal;  /* of the alternative being read */
    size_t literal_last; /* bytes of its last character: what a repeat takes back */
    bool only_literals;  /* nothing but characters and top-level '|' so far */
    bool prefix_open;    /* still inside the leading literal */
    bool top_alternation;
};

static int fail(struct gate *g, size_t at, size_t len, const char *what)
{
    errmsg_at(g->err, E_PARSE, 1, (int)at + 1, "error parsing regexp: %s: `%.*s`", what, (int)len,
              g->in.p + at);
    if (g->err) g->err->offset = at;
    return E_PARSE;
}

static bool at_end(const struct gate *g)
{
    return g->pos >= g->in.len;
}

static char peek(const struct gate *g)
{
    return g->pos < g->in.len ? g->in.p[g->pos] : '\0';
}

static bool looking_at(const struct gate *g, const char *text)
{
    struct str rest = {g->in.p + g->pos, g->in.len - g->pos};
    return str_starts(rest, str_of(text));
}

/* Decodes one character; the pattern is known to be UTF-8. */
static uint32_t take_rune(struct gate *g)
{
    unsigned char c = (unsigned char)g->in.p[g->pos++];
    if (c < 0x80) return c;
    int more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t rune = c & (0x3fu >> more);
    while (more--)
        rune = rune << 6 | ((unsigned char)g->in.p[g->pos++] & 0x3f);
    return rune;
}

static size_t encode_rune(uint32_t r, char out[4])
{
    if (r < 0x80) {
        out[0] = (char)r;
        return 1;
    }
    size_t len = r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, r >>= 6)
        out[i] = (char)(0x80 | (r & 0x3f));
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[len] | r);
    return len;
}

static void write_rune(struct gate *g, uint32_t r)
{
    buf_addf(g->out, "\\x{%x}", r);
}

/* --- literals, for the shape --- */

static void not_literal(struct gate *g)
{
    g->only_literals = false;
    g->prefix_open = false;
}

static void literal_rune(struct gate *g, uint32_t r)
{
    char text[4];
    size_t len = encode_rune(r, text);
    bool plain = (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z');
    if (plain || r >= 0x80)
        buf_add(g->out, text, len);
    else
        write_rune(g, r);
    if (g->only_literals || g->prefix_open) {
        buf_add(&g->literal, text, len);
        g->literal_last = len;
    }
}

static void repeat_literal(struct gate *g)
{
    if (g->prefix_open && g->literal.len >= g->literal_last)
        buf_truncate(&g->literal, g->literal.len - g->literal_last);
    g->literal_last = 0;
    not_literal(g);
}

static int end_alternative(struct gate *g)
{
    struct regex_shape *s = g->shape;
    if (!g->only_literals || s->literal_count >= g->literals_max) {
        g->only_literals = false;
        return 0;
    }
    struct str text = arena_str(g->arena, (struct str){g->literal.p, g->literal.len});
    if (!text.p) return g->arena->err;
    s->literals[s->literal_count++] = text;
    buf_reset(&g->literal);
    g->literal_last = 0;
    return 0;
}

/* --- escapes --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_hex_escape(struct gate *g, size_t start, uint32_t *out)
{
    uint32_t r = 0;
    size_t digits = 0;
    if (peek(g) == '{') {
        g->pos++;
        for (; hex_digit(peek(g)) >= 0 && r <= RUNE_MAX; digits++)
            r = r * 16 + (uint32_t)hex_digit(g->in.p[g->pos++]);
        if (!digits || r > RUNE_MAX || peek(g) != '}')
            return fail(g, start, g->pos - start, "invalid escape sequence");
        g->pos++;
    } else {
        for (; digits < 2 && hex_digit(peek(g)) >= 0; digits++)
            r = r * 16 + (uint32_t)hex_digit(g->in.p[g->pos++]);
        if (digits < 2) return fail(g, start, g->pos - start, "invalid escape sequence");
    }
    *out = r;
    return 0;
}

/* A backslash escape that stands for one character; pos is after the backslash. */
static int take_escaped_rune(struct gate *g, uint32_t *out)
{
    static const struct {
        char letter, value;
    } named[] = {
        {'a', 7   },
        {'f', '\f'},
        {'n', '\n'},
        {'r', '\r'},
        {'t', '\t'},
        {'v', '\v'}
    };
    size_t start = g->pos - 1;
    if (at_end(g)) return fail(g, start, 0, "trailing backslash at end of expression");
    char c = g->in.p[g->pos];
    bool octal = c == '0' || (c >= '1' && c <= '7' && g->pos + 1 < g->in.len &&
                              g->in.p[g->pos + 1] >= '0' && g->in.p[g->pos + 1] <= '7');
    if (octal) {
        *out = 0;
        for (int i = 0; i < 3 && peek(g) >= '0' && peek(g) <= '7'; i++)
            *out = *out * 8 + (uint32_t)(g->in.p[g->pos++] - '0');
        return 0;
    }
    bool word = (c >= '0' && c <= '9') || (c | 32) == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if ((unsigned char)c < 0x80 && (!word || c == '_')) {
        if (c == '_') return fail(g, start, 2, "invalid escape sequence");
        g->pos++;
        *out = (unsigned char)c;
        return 0;
    }
    if (c == 'x') {
        g->pos++;
        return take_hex_escape(g, start, out);
    }
    for (size_t i = 0; i < COUNT(named); i++)
        if (c == named[i].letter) {
            g->pos++;
            *out = (unsigned char)named[i].value;
            return 0;
        }
    return fail(g, start, 2, "invalid escape sequence");
}

/* \d \s \w and their negations, spelled for outside and for inside of []. */
struct perl_class {
    char letter;
    const char *outside, *inside;
};
static const struct perl_class perl_classes[] = {
    {'d', "[0-9]",            "0-9"                                           },
    {'D', "[^0-9]",           "\\x{0}-/:-\\x{10ffff}"                         },
    {'s', "[\\t\\n\\f\\r ]",  "\\t\\n\\f\\r "                                 },
    {'S', "[^\\t\\n\\f\\r ]", "\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}!-\\x{10ffff}"},
    {'w', "[0-9A-Za-z_]",     "0-9A-Za-z_"                                    },
    {'W', "[^0-9A-Za-z_]",    "\\x{0}-/:-@\\x{5b}-\\x{5e}`\\x{7b}-\\x{10ffff}"},
};

static const struct perl_class *find_perl_class(char letter)
{
    for (size_t i = 0; i < COUNT(perl_classes); i++)
        if (perl_classes[i].letter == letter) return &perl_classes[i];
    return NULL;
}

/* \pN \p{Greek} \P{^Lu}; pos is at the p. PCRE2 takes the same names, and reads a script's name as
 * its extensions unless told sc:. */
static int unicode_class(struct gate *g)
{
    size_t start = g->pos - 1;
    bool negated = g->in.p[g->pos++] == 'P';
    struct str name = {g->in.p + g->pos, 1};
    if (at_end(g)) return fail(g, start, g->pos - start, "invalid character class range");
    if (peek(g) == '{') {
        const char *close = memchr(name.p, '}', g->in.len - g->pos);
        if (!close) return fail(g, start, g->in.len - start, "invalid character class range");
        name = (struct str){name.p + 1, (size_t)(close - name.p) - 1};
        g->pos += name.len + 2;
        if (name.len && name.p[0] == '^') {
            negated = !negated;
            name.p++;
            name.len--;
        }
    } else {
        g->pos++;
    }
    bool word = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        word = word && (((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_');
    }
    if (!word) return fail(g, start, g->pos - start, "invalid character class range");
    bool script = name.len > 2 && !str_eq(name, STR("Any"));
    buf_addf(g->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', script ? "sc:" : "", (int)name.len,
             name.p);
    return 0;
}

/* --- classes --- */

static int posix_class(struct gate *g, bool *taken)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    *taken = false;
    if (!looking_at(g, "[:")) return 0;
    struct str rest = {g->in.p + g->pos + 2, g->in.len - g->pos - 2};
    const char *end = memmem(rest.p, rest.len, ":]", 2);
    if (!end) return 0;
    struct str name = {rest.p, (size_t)(end - rest.p)};
    struct str bare = name;
    if (bare.len && bare.p[0] == '^') {
        bare.p++;
        bare.len--;
    }
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(bare, str_of(names[i]))) {
            buf_addf(g->out, "[:%.*s:]", (int)name.len, name.p);
            g->pos += name.len + 4;
            *taken = true;
            return 0;
        }
    return fail(g, g->pos, name.len + 4, "invalid character class range");
}

static int class_rune(struct gate *g, uint32_t *out)
{
    if (peek(g) != '\\') {
        *out = take_rune(g);
        return 0;
    }
    g->pos++;
    return take_escaped_rune(g, out);
}

static int class_range(struct gate *g)
{
    size_t start = g->pos;
    uint32_t low = 0, high = 0;
    int rc = class_rune(g, &low);
    if (rc) return rc;
    high = low;
    bool range = peek(g) == '-' && g->pos + 1 < g->in.len && g->in.p[g->pos + 1] != ']';
    if (range) {
        g->pos++;
        rc = class_rune(g, &high);
        if (rc) return rc;
        if (high < low) return fail(g, start, g->pos - start, "invalid character class range");
    }
    write_rune(g, low);
    if (high != low) {
        buf_addch(g->out, '-');
        write_rune(g, high);
    }
    return 0;
}

static int class_item(struct gate *g)
{
    bool taken;
    int rc = posix_class(g, &taken);
    if (rc || taken) return rc;
    if (peek(g) == '\\' && g->pos + 1 < g->in.len) {
        char c = g->in.p[g->pos + 1];
        const struct perl_class *perl = find_perl_class(c);
        if (perl) {
            g->pos += 2;
            return buf_addstr(g->out, perl->inside);
        }
        if (c == 'p' || c == 'P') {
            g->pos++;
            return unicode_class(g);
        }
    }
    return class_range(g);
}

static int take_class(struct gate *g)
{
    size_t start = g->pos++;
    buf_addch(g->out, '[');
    if (peek(g) == '^') {
        buf_addch(g->out, '^');
        g->pos++;
    }
    for (bool first = true; at_end(g) || peek(g) != ']' || first; first = false) {
        if (at_end(g)) return fail(g, start, g->in.len - start, "missing closing ]");
        int rc = class_item(g);
        if (rc) return rc;
    }
    g->pos++;
    return buf_addch(g->out, ']');
}

/* --- repeats --- */

/* {n} {n,} {n,m}; 0 when the brace is a literal, 1 when taken. */
static int counted_repeat(struct gate *g, int *low, int *high)
{
    size_t i = g->pos + 1, first = i;
    int values[2] = {0, -1}, n = 0;
    for (; n < 2; n++) {
        size_t digits = i;
        int v = 0;
        for (; i < g->in.len && g->in.p[i] >= '0' && g->in.p[i] <= '9'; i++)
            v = v > REGEX_REPEAT_MAX ? v : v * 10 + (g->in.p[i] - '0');
        if (i > digits)
            values[n] = v;
        else if (n == 0)
            return 0;
        if (n == 0 && (i >= g->in.len || g->in.p[i] != ',')) {
            values[1] = values[0];
            break;
        }
        if (n == 0) i++;
    }
    if (i >= g->in.len || g->in.p[i] != '}' || i == first) return 0;
    size_t start = g->pos;
    g->pos = i + 1;
    *low = values[0];
    *high = values[1];
    if (*low > REGEX_REPEAT_MAX || *high > REGEX_REPEAT_MAX || (*high >= 0 && *high < *low))
        return fail(g, start, g->pos - start, "invalid repeat count");
    return 1;
}

/* Writes the repeat operator at pos, if one stands there: 1 when it did. *factor is multiplied by
 * its largest count. */
static int take_repeat(struct gate *g, int *factor)
{
    char c = peek(g);
    size_t start = g->pos;
    int low = 0, high = 0;
    if (at_end(g)) return 0;
    if (c == '*' || c == '+' || c == '?') {
        buf_addch(g->out, c);
        g->pos++;
    } else if (c == '{') {
        int rc = counted_repeat(g, &low, &high);
        if (rc <= 0) return rc;
        buf_add(g->out, g->in.p + start, g->pos - start);
        int most = MAX(MAX(low, high), 1);
        if (*factor > REGEX_REPEAT_MAX / most)
            return fail(g, start, g->pos - start, "invalid repeat count");
        *factor *= most;
    } else {
        return 0;
    }
    if (peek(g) == '?') {
        buf_addch(g->out, '?');
        g->pos++;
    }
    repeat_literal(g);
    char next = peek(g);
    size_t here = g->pos;
    bool doubled = !at_end(g) && (next == '*' || next == '+' || next == '?');
    if (!doubled && next == '{') {
        int rc = counted_repeat(g, &low, &high);
        g->pos = here;
        if (rc < 0) return rc;
        doubled = rc == 1;
    }
    if (doubled) return fail(g, start, here + 1 - start, "invalid nested repetition operator");
    return 1;
}

/* --- groups and atoms --- */

static int alternation(struct gate *g, int *factor);

static bool is_name(struct str s)
{
    if (!s.len) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z')))
            return false;
    }
    return true;
}

static int add_group(struct gate *g, struct str name)
{
    struct regex_shape *s = g->shape;
    for (size_t i = 1; name.len && i <= s->group_count; i++)
        if (str_eq(name, s->group_names[i]))
            return fail(g, (size_t)(name.p - g->in.p), name.len, "duplicate capture group name");
    s->group_names[++s->group_count] = arena_str(g->arena, name);
    return g->arena->err;
}

static int named_group(struct gate *g, size_t start)
{
    const char *from = g->in.p + g->pos;
    const char *close = memchr(from, '>', g->in.len - g->pos);
    struct str name = {from, close ? (size_t)(close - from) : 0};
    if (!close || !is_name(name))
        return fail(g, start, close ? (size_t)(close - g->in.p) + 1 - start : g->in.len - start,
                    "invalid named capture");
    g->pos += name.len + 1;
    buf_addch(g->out, '(');
    return add_group(g, name);
}

/* (?flags) and (?flags: -- i m s U and '-'. *is_group says whether a group was opened. */
static int flags_group(struct gate *g, size_t start, bool *is_group)
{
    bool negated = false, any = false;
    size_t first = g->pos;
    for (; !at_end(g); g->pos++) {
        char c = peek(g);
        if (c == ':' || c == ')') break;
        if (c == '-' && !negated) {
            negated = true;
            any = false;
            continue;
        }
        if (!strchr("imsU", c)) break;
        any = true;
    }
    char end = peek(g);
    if (at_end(g))
        return fail(g, start, g->in.len - start, "missing argument to repetition operator");
    if ((end != ':' && end != ')') || (negated && !any))
        return fail(g, start, g->pos + 1 - start, "invalid or unsupported Perl syntax");
    *is_group = end == ':';
    buf_addstr(g->out, "(?");
    buf_add(g->out, g->in.p + first, g->pos - first);
    buf_addch(g->out, end);
    g->pos++;
    return 0;
}

static int open_group(struct gate *g, bool *is_group)
{
    size_t start = g->pos;
    *is_group = true;
    not_literal(g);
    g->pos++;
    if (looking_at(g, "?P<")) {
        g->pos += 3;
        return named_group(g, start);
    }
    if (looking_at(g, "?<") && !looking_at(g, "?<=") && !looking_at(g, "?<!")) {
        g->pos += 2;
        return named_group(g, start);
    }
    if (peek(g) == '?') {
        g->pos++;
        return flags_group(g, start, is_group);
    }
    buf_addch(g->out, '(');
    return add_group(g, (struct str){"", 0});
}

static int take_group(struct gate *g, bool *repeatable, int *factor)
{
    size_t start = g->pos;
    bool is_group;
    int rc = open_group(g, &is_group);
    *repeatable = is_group;
    if (rc || !is_group) return rc;
    if (++g->depth > NESTING_MAX) return fail(g, 0, g->in.len, "expression nests too deeply");
    rc = alternation(g, factor);
    if (rc) return rc;
    g->depth--;
    if (peek(g) != ')' || at_end(g)) return fail(g, start, g->in.len - start, "missing closing )");
    g->pos++;
    return buf_addch(g->out, ')');
}

static int take_quoted(struct gate *g)
{
    struct str rest = {g->in.p + g->pos, g->in.len - g->pos};
    const char *end = memmem(rest.p, rest.len, "\\E", 2);
    size_t stop = end ? (size_t)(end - g->in.p) : g->in.len;
    while (g->pos < stop)
        literal_rune(g, take_rune(g));
    if (end) g->pos += 2;
    return 0;
}

static int take_escape(struct gate *g, bool *repeatable)
{
    g->pos++;
    char c = peek(g);
    const struct perl_class *perl = at_end(g) ? NULL : find_perl_class(c);
    if (perl || c == 'p' || c == 'P') {
        not_literal(g);
        if (!perl) return unicode_class(g);
        g->pos++;
        return buf_addstr(g->out, perl->outside);
    }
    if (c == 'Q') {
        g->pos++;
        *repeatable = !looking_at(g, "\\E");
        return take_quoted(g);
    }
    if (c == 'A' || c == 'z' || c == 'b' || c == 'B') {
        not_literal(g);
        g->pos++;
        return buf_addf(g->out, "(?:\\%c)", c);
    }
    uint32_t r = 0;
    int rc = take_escaped_rune(g, &r);
    if (!rc) literal_rune(g, r);
    return rc;
}

/* One thing a repeat may follow. */
static int take_atom(struct gate *g, bool *repeatable, int *factor)
{
    char c = peek(g);
    *repeatable = true;
    switch (c) {
    case '(':
        return take_group(g, repeatable, factor);
    case '[':
        not_literal(g);
        return take_class(g);
    case '\\':
        return take_escape(g, repeatable);
    case '.':
        not_literal(g);
        g->pos++;
        return buf_addch(g->out, '.');
    case '^':
    case '$':
        not_literal(g);
        g->pos++;
        return buf_addf(g->out, "(?:%c)", c);
    case '*':
    case '+':
    case '?':
        return fail(g, g->pos, 1, "missing argument to repetition operator");
    default:
        literal_rune(g, take_rune(g));
        return 0;
    }
}

static int sequence(struct gate *g, int *factor)
{
    bool repeatable = false;
    while (!at_end(g) && peek(g) != '|' && peek(g) != ')') {
        size_t start = g->pos;
        if (peek(g) == '{' && !repeatable) { /* nothing to repeat: Go refuses a real count here */
            int low, high, rc = counted_repeat(g, &low, &high);
            if (rc < 0) return rc;
            if (rc)
                return fail(g, start, g->pos - start, "missing argument to repetition operator");
        }
        int inner = 1;
        int rc = take_atom(g, &repeatable, &inner);
        if (rc) return rc;
        if (repeatable) rc = take_repeat(g, &inner);
        if (rc < 0) return rc;
        *factor = MAX(*factor, inner);
    }
    return 0;
}

static int alternation(struct gate *g, int *factor)
{
    for (;;) {
        int rc = sequence(g, factor);
        if (!rc && !g->depth) rc = end_alternative(g);
        if (rc || at_end(g) || peek(g) != '|') return rc;
        if (!g->depth) {
            g->top_alternation = true;
            g->prefix_open = false;
        }
        g->pos++;
        buf_addch(g->out, '|');
    }
}

static int finish_shape(struct gate *g)
{
    struct regex_shape *s = g->shape;
    if (!g->only_literals) {
        s->literals = NULL;
        s->literal_count = 0;
    }
    if (s->literal_count == 1)
        s->prefix = s->literals[0];
    else if (!g->only_literals && !g->top_alternation)
        s->prefix = arena_str(g->arena, (struct str){g->literal.p, g->literal.len});
    return g->arena->err;
}

int regex_translate(struct str pattern, struct arena *a, struct buf *out, struct regex_shape *shape,
                    struct errmsg *err)
{
    *shape = (struct regex_shape){0};
    if (pattern.len > REGEX_SET_MAX)
        return errmsg_set(err, E_TOO_BIG, "error parsing regexp: expression too large");
    if (!str_is_utf8(pattern))
        return errmsg_set(err, E_PARSE, "error parsing regexp: invalid UTF-8");
    size_t groups = 1, literals = 1;
    for (size_t i = 0; i < pattern.len; i++) {
        groups += pattern.p[i] == '(';
        literals += pattern.p[i] == '|';
    }
    shape->literals = arena_array(a, literals, sizeof *shape->literals);
    shape->group_names = arena_array(a, groups, sizeof *shape->group_names);
    if (!shape->literals || !shape->group_names) return a->err;
    struct gate g = {
        .in = pattern,
        .out = out,
        .arena = a,
        .err = err,
        .shape = shape,
        .literals_max = literals,
        .literal = BUF_INIT(4 * REGEX_SET_MAX),
        .only_literals = true,
        .prefix_open = true,
    };
    int factor = 1;
    int rc = alternation(&g, &factor);
    if (!rc && !at_end(&g)) rc = fail(&g, 0, pattern.len, "unexpected )");
    if (!rc) rc = g.literal.err ? g.literal.err : out->err;
    if (!rc) rc = finish_shape(&g);
    buf_release(&g.literal);
    return rc;
}
