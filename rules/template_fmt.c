/* template_fmt.c -- printf of templates: Go's verbs, flags and complaints.
 *
 * What does not fit prints as Go prints it, "%!d(string=hi)", "%!d(MISSING)", "%!(EXTRA int=1)": a
 * template never fails for a format.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "rules/template_int.h"

enum { WIDTH_MAX = 1000 };

struct spec {
    bool minus, plus, sharp, space, zero;
    int width, precision; /* -1: not given */
    char verb;
};

/* Runes, not bytes: what %5s pads to. */
static size_t rune_count(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void pad(const struct spec *sp, struct str s, bool number, struct buf *out)
{
    size_t have = rune_count(s), want = sp->width > 0 ? (size_t)sp->width : 0;
    size_t fill = want > have ? want - have : 0;
    bool zeros = sp->zero && !sp->minus && number;
    if (zeros && fill > 0 && s.len > 0 && (s.p[0] == '-' || s.p[0] == '+' || s.p[0] == ' ')) {
        buf_addch(out, s.p[0]);
        s.p++, s.len--;
    }
    for (size_t i = 0; i < fill && !sp->minus; i++)
        buf_addch(out, zeros ? '0' : ' ');
    buf_add(out, s.p, s.len);
    for (size_t i = 0; i < fill && sp->minus; i++)
        buf_addch(out, ' ');
}

static void pad_buf(const struct spec *sp, struct buf *text, bool number, struct buf *out)
{
    pad(sp, (struct str){text->p, text->len}, number, out);
    buf_release(text);
}

static void bad_verb(const struct spec *sp, const struct tval *v, struct buf *out)
{
    buf_addstr(out, "%!");
    buf_addch(out, sp->verb);
    buf_addch(out, '(');
    if (v->kind == TV_NIL) {
        buf_addstr(out, "<nil>");
    } else {
        buf_addstr(out, tval_type(v));
        buf_addch(out, '=');
        tval_print(v, out);
    }
    buf_addch(out, ')');
}

static bool is_integer(const struct tval *v)
{
    return v->kind == TV_INT || v->kind == TV_UINT || v->kind == TV_DURATION;
}

static void add_sign(const struct spec *sp, bool negative, struct buf *out)
{
    if (negative)
        buf_addch(out, '-');
    else if (sp->plus)
        buf_addch(out, '+');
    else if (sp->space)
        buf_addch(out, ' ');
}

static void format_integer(const struct spec *sp, const struct tval *v, struct buf *out)
{
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    const char *digits = sp->verb == 'X' ? upper : lower;
    unsigned base = sp->verb == 'd' ? 10 : sp->verb == 'b' ? 2 : sp->verb == 'o' ? 8 : 16;
    bool negative = v->kind != TV_UINT && v->i < 0;
    uint64_t u = negative ? 0 - (uint64_t)v->i : v->u;
    char text[72];
    size_t n = sizeof text;
    do
        text[--n] = digits[u % base];
    while ((u /= base) > 0);
    struct buf b = BUF_INIT(4 * WIDTH_MAX);
    add_sign(sp, negative, &b);
    if (sp->sharp && base == 16) buf_addstr(&b, sp->verb == 'X' ? "0X" : "0x");
    if (sp->sharp && base == 8) buf_addch(&b, '0');
    for (size_t have = sizeof text - n; (int)have < sp->precision; have++)
        buf_addch(&b, '0');
    buf_add(&b, text + n, sizeof text - n);
    struct spec s = *sp;
    if (sp->precision >= 0) s.zero = false;
    pad_buf(&s, &b, true, out);
}

static void format_not_finite(const struct spec *sp, double v, struct buf *out)
{
    struct spec s = *sp;
    bool negative = v < 0;
    s.zero = false;
    struct buf b = BUF_INIT(16);
    if (isnan(v))
        buf_addstr(&b, sp->plus ? "+NaN" : "NaN");
    else
        buf_addstr(&b, negative ? "-Inf" : sp->space && !sp->plus ? " Inf" : "+Inf");
    pad_buf(&s, &b, true, out);
}

/* The digits of a finite v, without sign. */
static void add_digits(const struct spec *sp, double v, struct buf *out)
{
    int precision = sp->precision < 0 ? 6 : sp->precision;
    switch (sp->verb) {
    case 'e':
        buf_addf(out, "%.*e", precision, v);
        break;
    case 'E':
        buf_addf(out, "%.*E", precision, v);
        break;
    case 'f':
    case 'F':
        buf_addf(out, "%.*f", precision, v);
        break;
    default: /* g, G, v: shortest when no precision was given */
        if (sp->precision < 0)
            tval_print_double(v, out);
        else
            buf_addf(out, sp->verb == 'G' ? "%.*G" : "%.*g", precision, v);
        break;
    }
}

static void format_double(const struct spec *sp, const struct tval *v, struct buf *out)
{
    if (!isfinite(v->f)) {
        format_not_finite(sp, v->f, out);
        return;
    }
    struct buf b = BUF_INIT(4 * WIDTH_MAX);
    add_sign(sp, signbit(v->f), &b);
    add_digits(sp, fabs(v->f), &b);
    pad_buf(sp, &b, true, out);
}

static void quote(struct str s, struct buf *out)
{
    buf_addch(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_addstr(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else if (c < 0x20 || c == 0x7f)
            buf_addf(out, "\\x%02x", c);
        else
            buf_addch(out, (char)c);
    }
    buf_addch(out, '"');
}

static void format_string(const struct spec *sp, struct str s, struct buf *out)
{
    struct buf b = BUF_INIT(2 * TEMPLATE_OUTPUT_MAX);
    if (sp->precision >= 0) { /* cut to so many runes */
        size_t runes = 0, i = 0;
        for (; i < s.len; i++) {
            if (((unsigned char)s.p[i] & 0xc0) == 0x80) continue;
            if (runes++ == (size_t)sp->precision) break;
        }
        s.len = i;
    }
    if (sp->verb == 'q')
        quote(s, &b);
    else if (sp->verb == 'x' || sp->verb == 'X')
        for (size_t i = 0; i < s.len; i++)
            buf_addf(&b, sp->verb == 'x' ? "%02x" : "%02X", (unsigned char)s.p[i]);
    else
        buf_add(&b, s.p, s.len);
    pad_buf(sp, &b, false, out);
}

static void format_any(const struct spec *sp, const struct tval *v, struct buf *out)
{
    struct buf b = BUF_INIT(2 * TEMPLATE_OUTPUT_MAX);
    if (v->kind == TV_NIL)
        buf_addstr(&b, "<nil>");
    else if (v->kind == TV_STRING && sp->sharp)
        quote(v->s, &b);
    else
        tval_print(v, &b);
    pad_buf(sp, &b, is_integer(v), out);
}

static void format_rune(const struct spec *sp, const struct tval *v, struct buf *out)
{
    struct buf b = BUF_INIT(64);
    uint64_t code = v->u;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) code = 0xfffd;
    if (sp->verb == 'U')
        buf_addf(&b, "U+%04llX", (unsigned long long)code);
    else if (code < 0x80)
        buf_addch(&b, (char)code);
    else {
        int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (int i = n - 1; i >= 0; i--) {
            unsigned bits = (unsigned)(code >> (6 * i));
            buf_addch(&b, (char)(i == n - 1 ? lead[n] | bits : 0x80u | (bits & 0x3f)));
        }
    }
    pad_buf(sp, &b, false, out);
}

static void format_text(const struct spec *sp, const struct tval *v, struct buf *out)
{
    struct buf b = BUF_INIT(2 * TEMPLATE_OUTPUT_MAX);
    tval_print(v, &b);
    format_string(sp, (struct str){b.p, b.len}, out);
    buf_release(&b);
}

static void format_type(const struct spec *sp, const struct tval *v, struct buf *out)
{
    struct spec s = {.width = sp->width, .precision = -1, .minus = sp->minus, .verb = 's'};
    format_string(&s, str_of(v->kind == TV_NIL ? "<nil>" : tval_type(v)), out);
}

#define KIND(k) (1u << (k))
enum {
    KINDS_TEXT = KIND(TV_STRING) | KIND(TV_TIME) | KIND(TV_DURATION),
    KINDS_INTEGER = KIND(TV_INT) | KIND(TV_UINT) | KIND(TV_DURATION),
    KINDS_COMPOUND = KIND(TV_MAP) | KIND(TV_LIST),
    KINDS_ANY = KIND(TV_DURATION + 1) - 1,
};

/* What each verb does with which kinds; the first row that fits counts, none is a bad verb. */
static const struct {
    const char *verbs;
    unsigned kinds;
    void (*format)(const struct spec *sp, const struct tval *v, struct buf *out);
} verbs[] = {
    {"v",      KIND(TV_FLOAT), format_double },
    {"v",      KINDS_ANY,      format_any    },
    {"s",      KINDS_COMPOUND, format_any    },
    {"t",      KIND(TV_BOOL),  format_any    },
    {"T",      KINDS_ANY,      format_type   },
    {"sqxX",   KINDS_TEXT,     format_text   },
    {"dboxX",  KINDS_INTEGER,  format_integer},
    {"cU",     KINDS_INTEGER,  format_rune   },
    {"eEfFgG", KIND(TV_FLOAT), format_double },
};

static void format_value(const struct spec *sp, const struct tval *v, struct buf *out)
{
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (!(verbs[i].kinds & KIND(v->kind)) || !strchr(verbs[i].verbs, sp->verb)) continue;
        verbs[i].format(sp, v, out);
        return;
    }
    bad_verb(sp, v, out);
}

/* A number of the format, or '*' for the next argument. */
static int read_size(struct str fmt, size_t *i, const struct tval *args, size_t count, size_t *arg)
{
    if (*i < fmt.len && fmt.p[*i] == '*') {
        (*i)++;
        if (*arg >= count || args[*arg].kind != TV_INT) return -1;
        int64_t v = args[(*arg)++].i;
        return v > WIDTH_MAX || v < -WIDTH_MAX ? -1 : (int)v;
    }
    int v = -1;
    for (; *i < fmt.len && fmt.p[*i] >= '0' && fmt.p[*i] <= '9'; (*i)++)
        v = MIN((v < 0 ? 0 : v) * 10 + (fmt.p[*i] - '0'), WIDTH_MAX);
    return v;
}

/* The field of a flag character, or NULL. */
static bool *flag_of(struct spec *sp, char c)
{
    switch (c) {
    case '-':
        return &sp->minus;
    case '+':
        return &sp->plus;
    case '#':
        return &sp->sharp;
    case ' ':
        return &sp->space;
    case '0':
        return &sp->zero;
    default:
        return NULL;
    }
}

/* Flags, width, precision and verb; *i is behind the '%'. */
static struct spec read_spec(struct str fmt, size_t *i, const struct tval *args, size_t count,
                             size_t *arg)
{
    struct spec sp = {.width = -1, .precision = -1};
    for (bool *flag; *i < fmt.len && (flag = flag_of(&sp, fmt.p[*i])); (*i)++)
        *flag = true;
    sp.width = read_size(fmt, i, args, count, arg);
    if (sp.width < -1) {
        sp.width = -sp.width;
        sp.minus = true;
    }
    if (*i < fmt.len && fmt.p[*i] == '.') {
        (*i)++;
        int given = read_size(fmt, i, args, count, arg);
        sp.precision = given < 0 ? 0 : given;
    }
    if (*i < fmt.len) sp.verb = fmt.p[(*i)++];
    return sp;
}

void template_printf(struct str fmt, const struct tval *args, size_t count, struct buf *out)
{
    size_t arg = 0;
    for (size_t i = 0; i < fmt.len;) {
        if (fmt.p[i] != '%') {
            buf_addch(out, fmt.p[i++]);
            continue;
        }
        i++;
        struct spec sp = read_spec(fmt, &i, args, count, &arg);
        if (sp.verb == '\0') {
            buf_addstr(out, "%!(NOVERB)");
        } else if (sp.verb == '%') {
            buf_addch(out, '%');
        } else if (arg >= count) {
            buf_addf(out, "%%!%c(MISSING)", sp.verb);
        } else {
            format_value(&sp, &args[arg++], out);
        }
    }
    if (arg >= count) return;
    buf_addstr(out, "%!(EXTRA ");
    for (; arg < count; arg++) {
        const struct tval *v = &args[arg];
        buf_addstr(out, v->kind == TV_NIL ? "<nil>" : tval_type(v));
        if (v->kind != TV_NIL) {
            buf_addch(out, '=');
            tval_print(v, out);
        }
        if (arg + 1 < count) buf_addstr(out, ", ");
    }
    buf_addch(out, ')');
}
