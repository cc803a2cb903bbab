/* escaping.c -- the schemes of Prometheus 3, character by character.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "exporters/escaping.h"

#include "tsdb/labels.h"

const char *const escaping_names[ESCAPINGS] = {
    [ESCAPING_NONE] = "allow-utf-8",
    [ESCAPING_UNDERSCORES] = "underscores",
    [ESCAPING_DOTS] = "dots",
    [ESCAPING_VALUES] = "values",
};

enum { RUNE_MAX = 0x10ffff, RUNE_BAD = 0xfffd };

static bool is_legacy(uint32_t c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

/* The character at i, which moves past it; a byte that begins none is RUNE_BAD. */
static uint32_t next_rune(struct str s, size_t *i)
{
    static const struct {
        uint8_t mask, lead;
        size_t len;
    } kinds[] = {
        {0x80, 0x00, 1},
        {0xe0, 0xc0, 2},
        {0xf0, 0xe0, 3},
        {0xf8, 0xf0, 4},
    };
    uint8_t b = (uint8_t)s.p[*i];
    for (size_t k = 0; k < COUNT(kinds); k++) {
        size_t len = kinds[k].len;
        if ((b & kinds[k].mask) != kinds[k].lead) continue;
        if (*i + len > s.len || !str_is_utf8((struct str){s.p + *i, len})) break;
        uint32_t c = b & (uint8_t)~kinds[k].mask;
        for (size_t n = 1; n < len; n++)
            c = c << 6 | ((uint8_t)s.p[*i + n] & 0x3f);
        *i += len;
        return c;
    }
    *i += 1;
    return RUNE_BAD;
}

static void add_rune(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_addch(out, (char)c);
        return;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    buf_addch(out, (char)(leads[more] | c >> (6 * more)));
    while (more-- > 0)
        buf_addch(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static void escape_rune(uint32_t c, bool first, enum escaping scheme, struct buf *out)
{
    if (c == '_' && scheme != ESCAPING_UNDERSCORES)
        buf_addstr(out, "__");
    else if (c == '.' && scheme == ESCAPING_DOTS)
        buf_addstr(out, "_dot_");
    else if (is_legacy(c, first))
        buf_addch(out, (char)c);
    else if (scheme == ESCAPING_VALUES)
        buf_addf(out, c == RUNE_BAD ? "_%X_" : "_%x_", c);
    else
        buf_addstr(out, scheme == ESCAPING_DOTS ? "__" : "_");
}

int name_escape(struct str name, enum escaping scheme, struct buf *out)
{
    bool as_it_is = scheme == ESCAPING_NONE ||
                    (scheme != ESCAPING_DOTS && (name.len == 0 || metric_name_is_legacy(name)));
    if (as_it_is) return buf_add(out, name.p, name.len);
    if (scheme == ESCAPING_VALUES) buf_addstr(out, "U__");
    for (size_t i = 0; i < name.len;) {
        bool first = i == 0;
        escape_rune(next_rune(name, &i), first, scheme, out);
    }
    return out->err;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "2e_" after an underscore: the character, and *i past it; -1: no such thing. */
static int64_t read_code(struct str s, size_t *i)
{
    enum { DIGITS_MAX = 6 };
    int64_t c = 0;
    for (size_t n = 0; *i < s.len && n <= DIGITS_MAX; n++) {
        char at = s.p[(*i)++];
        if (at == '_') {
            bool good = c <= RUNE_MAX && (c < 0xd800 || c > 0xdfff);
            return n < DIGITS_MAX && good ? c : -1;
        }
        if (hex_of(at) < 0) return -1;
        c = c << 4 | hex_of(at);
    }
    return -1;
}

static bool unescape_values(struct str s, struct buf *out)
{
    for (size_t i = 3; i < s.len;) {
        char c = s.p[i++];
        if (c == '_' && i == s.len) return false;
        if (c == '_' && s.p[i] == '_') {
            i++;
        } else if (c == '_') {
            int64_t rune = read_code(s, &i);
            if (rune < 0) return false;
            add_rune(out, (uint32_t)rune);
            continue;
        }
        buf_addch(out, c);
    }
    return true;
}

static void unescape_dots(struct str s, struct buf *out)
{
    static const struct str dot = {"_dot_", 5};
    for (size_t i = 0; i < s.len;) {
        struct str rest = {s.p + i, s.len - i};
        bool is_dot = str_starts(rest, dot), twice = str_starts(rest, STR("__"));
        buf_addch(out, is_dot ? '.' : s.p[i]);
        i += is_dot ? dot.len : twice ? 2 : 1;
    }
}

int name_unescape(struct str name, enum escaping scheme, struct buf *out)
{
    size_t before = out->len;
    if (scheme == ESCAPING_DOTS) {
        unescape_dots(name, out);
        return out->err;
    }
    if (scheme == ESCAPING_VALUES && str_starts(name, STR("U__"))) {
        if (unescape_values(name, out)) return out->err;
        if (!out->err) buf_truncate(out, before);
    }
    return buf_add(out, name.p, name.len);
}

/* --- what a reader accepts ---------------------------------------------------------------------
 */

/* One of the parameters of a media range. */
static void take_param(struct str param, struct exposition_format *f, double *q, bool *known)
{
    struct str value = str_trim(param), name = str_trim(str_split(&value, '='));
    value = str_trim(value);
    if (value.len > 1 && value.p[0] == '"' && value.p[value.len - 1] == '"')
        value = (struct str){value.p + 1, value.len - 2};
    if (str_eq_nocase(name, STR("q")) && str_scan_double(value, q) == 0) *q = 0;
    if (str_eq_nocase(name, STR("version"))) {
        f->v1 = str_eq(value, STR("1.0.0"));
        *known = f->v1 || str_eq(value, STR("0.0.4"));
    }
    for (int i = 0; i < ESCAPINGS && str_eq_nocase(name, STR("escaping")); i++) {
        if (!str_eq(value, str_of(escaping_names[i]))) continue;
        f->escaping = (enum escaping)i;
        f->said = true;
    }
}

struct exposition_format exposition_negotiate(const char *accept)
{
    static const struct exposition_format plain = {.escaping = ESCAPING_UNDERSCORES};
    struct exposition_format best = plain;
    double best_q = 0;
    struct str rest = str_of(accept);
    while (rest.p && rest.len) {
        struct str range = str_split(&rest, ',');
        struct str type = str_trim(str_split(&range, ';'));
        struct exposition_format f = plain;
        double q = 1;
        bool known = true;
        while (range.p && range.len)
            take_param(str_split(&range, ';'), &f, &q, &known);
        if (!str_eq_nocase(type, STR("text/plain")) || !known || !(q > best_q)) continue;
        best = f;
        best_q = q;
    }
    return best;
}

#define TEXT_0_0_4 "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_1_0_0 "text/plain; version=1.0.0; charset=utf-8"

const char *exposition_content_type(const struct exposition_format *f)
{
    static const char *const types[2][ESCAPINGS] = {
        {TEXT_0_0_4 "; escaping=allow-utf-8", TEXT_0_0_4 "; escaping=underscores",
         TEXT_0_0_4 "; escaping=dots", TEXT_0_0_4 "; escaping=values"},
        {TEXT_1_0_0 "; escaping=allow-utf-8", TEXT_1_0_0 "; escaping=underscores",
         TEXT_1_0_0 "; escaping=dots", TEXT_1_0_0 "; escaping=values"},
    };
    if (!f->said) return f->v1 ? TEXT_1_0_0 : TEXT_0_0_4;
    return types[f->v1][f->escaping];
}
