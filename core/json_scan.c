/* json_scan.c -- a push parser of JSON: a state for what may come next, a buffer for a token that
 * a piece broke.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/json_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

enum state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* after [ */
    WANT_KEY,
    WANT_KEY_OR_END, /* after { */
    WANT_COLON,
    WANT_NEXT, /* , or the end of what is open */
    WANT_NOTHING,
    IN_STRING,
    IN_ESCAPE,
    IN_UNICODE, /* the four digits of \u */
    IN_BARE,    /* a number, true, false, null */
};

/* Consumes from p[0..len), len > 0: the bytes used (0 only with another state), or < 0. */
typedef ptrdiff_t step_fn(struct json_scan *s, const char *p, size_t len, struct errmsg *err);

const char *json_event_name(enum json_event e)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_END] = "an end",
        [JSON_KEY] = "a member",     [JSON_STRING] = "a text", [JSON_NUMBER] = "a number",
        [JSON_TRUE] = "true",        [JSON_FALSE] = "false",   [JSON_NULL] = "null",
    };
    return names[e];
}

void json_scan_init(struct json_scan *s, size_t max_token, json_event_fn *each, void *arg)
{
    *s = (struct json_scan){.each = each, .arg = arg, .state = WANT_VALUE};
    buf_init(&s->token, max_token);
}

void json_scan_release(struct json_scan *s)
{
    buf_release(&s->token);
}

/* --- failures --- */

static int bad(const struct json_scan *s, const char *what, struct errmsg *err)
{
    return errmsg_set(err, E_PARSE, "%s at byte %" PRIu64, what, s->offset);
}

static int too_long(const struct json_scan *s, struct errmsg *err)
{
    if (s->token.err == -ENOMEM) return errmsg_set(err, -ENOMEM, "out of memory");
    return errmsg_set(err, E_TOO_BIG, "a text of more than %zu bytes at byte %" PRIu64,
                      s->token.max, s->offset);
}

/* --- structure --- */

static bool in_array(const struct json_scan *s)
{
    return s->is_array >> (s->depth - 1) & 1;
}

static void after_value(struct json_scan *s)
{
    s->state = s->depth ? WANT_NEXT : WANT_NOTHING;
}

static int emit(struct json_scan *s, enum json_event e, struct str text, struct errmsg *err)
{
    return s->each(s->arg, e, text, err);
}

static int open_value(struct json_scan *s, bool array, struct errmsg *err)
{
    if (s->depth == JSON_SCAN_DEPTH)
        return errmsg_set(err, E_TOO_BIG, "more than %d levels at byte %" PRIu64, JSON_SCAN_DEPTH,
                          s->offset);
    uint32_t bit = UINT32_C(1) << s->depth++;
    s->is_array = array ? s->is_array | bit : s->is_array & ~bit;
    s->state = array ? WANT_VALUE_OR_END : WANT_KEY_OR_END;
    return emit(s, array ? JSON_ARRAY : JSON_OBJECT, STR(""), err);
}

static int close_value(struct json_scan *s, struct errmsg *err)
{
    s->depth--;
    after_value(s);
    return emit(s, JSON_END, STR(""), err);
}

static void begin_string(struct json_scan *s, bool is_key)
{
    buf_reset(&s->token);
    s->is_key = is_key;
    s->state = IN_STRING;
}

/* 1: the byte is used, 0: it belongs to the token that begins here. */
static int begin_value(struct json_scan *s, char c, struct errmsg *err)
{
    if (c == '{' || c == '[') {
        int rc = open_value(s, c == '[', err);
        return rc ? rc : 1;
    }
    if (c == '"') {
        begin_string(s, false);
        return 1;
    }
    if (c != '-' && !(c >= '0' && c <= '9') && c != 't' && c != 'f' && c != 'n')
        return bad(s, "no value", err);
    buf_reset(&s->token);
    s->state = IN_BARE;
    return 0;
}

static int next_or_end(struct json_scan *s, char c, struct errmsg *err)
{
    if (c == ',') {
        s->state = in_array(s) ? WANT_VALUE : WANT_KEY;
        return 1;
    }
    if (c != (in_array(s) ? ']' : '}')) return bad(s, "no comma and no end", err);
    int rc = close_value(s, err);
    return rc ? rc : 1;
}

static ptrdiff_t step_structure(struct json_scan *s, const char *p, size_t len, struct errmsg *err)
{
    char c = *p;
    UNUSED(len);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return 1;
    if ((s->state == WANT_VALUE_OR_END && c == ']') || (s->state == WANT_KEY_OR_END && c == '}'))
        return next_or_end(s, c, err);
    switch (s->state) {
    case WANT_VALUE:
    case WANT_VALUE_OR_END:
        return begin_value(s, c, err);
    case WANT_KEY:
    case WANT_KEY_OR_END:
        if (c != '"') return bad(s, "no member name", err);
        begin_string(s, true);
        return 1;
    case WANT_COLON:
        if (c != ':') return bad(s, "no colon", err);
        s->state = WANT_VALUE;
        return 1;
    case WANT_NEXT:
        return next_or_end(s, c, err);
    default:
        return bad(s, "more after the end", err);
    }
}

/* --- strings --- */

static int end_string(struct json_scan *s, struct str text, struct errmsg *err)
{
    if (!str_is_utf8(text)) return bad(s, "a text that is not UTF-8", err);
    if (s->is_key)
        s->state = WANT_COLON;
    else
        after_value(s);
    return emit(s, s->is_key ? JSON_KEY : JSON_STRING, text, err);
}

static ptrdiff_t step_string(struct json_scan *s, const char *p, size_t len, struct errmsg *err)
{
    size_t run = 0;
    while (run < len && p[run] != '"' && p[run] != '\\' && (unsigned char)p[run] >= 0x20)
        run++;
    if (s->high && (run > 0 || (len > 0 && p[0] != '\\')))
        return bad(s, "half a surrogate pair", err);
    bool whole = run < len && p[run] == '"';
    struct str text = {p, run};
    if (!whole || s->token.len || run > s->token.max) {
        if (buf_add(&s->token, p, run)) return too_long(s, err);
        text = (struct str){s->token.p ? s->token.p : "", s->token.len};
    }
    if (run == len) return (ptrdiff_t)run;
    if (p[run] == '\\') {
        s->state = IN_ESCAPE;
        return (ptrdiff_t)run + 1;
    }
    if (!whole) return bad(s, "a control character in a text", err);
    int rc = end_string(s, text, err);
    return rc ? rc : (ptrdiff_t)run + 1;
}

static ptrdiff_t step_escape(struct json_scan *s, const char *p, size_t len, struct errmsg *err)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *at = *p ? strchr(letters, *p) : NULL;
    UNUSED(len);
    if (*p == 'u') {
        s->code = 0;
        s->digits = 0;
        s->state = IN_UNICODE;
        return 1;
    }
    if (!at || s->high) return bad(s, at ? "half a surrogate pair" : "no such escape", err);
    s->state = IN_STRING;
    return buf_addch(&s->token, bytes[at - letters]) ? too_long(s, err) : 1;
}

static int add_code_point(struct json_scan *s, uint32_t c, struct errmsg *err)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return buf_add(&s->token, out, n) ? too_long(s, err) : 0;
}

static int end_unicode(struct json_scan *s, struct errmsg *err)
{
    bool high = s->code >= 0xd800 && s->code < 0xdc00, low = s->code >= 0xdc00 && s->code < 0xe000;
    s->state = IN_STRING;
    if ((s->high != 0) != low) return bad(s, "half a surrogate pair", err);
    if (high) {
        s->high = (uint16_t)s->code;
        return 0;
    }
    uint32_t c =
        low ? 0x10000 + ((uint32_t)(s->high - 0xd800) << 10) + (s->code - 0xdc00) : s->code;
    s->high = 0;
    return add_code_point(s, c, err);
}

static ptrdiff_t step_unicode(struct json_scan *s, const char *p, size_t len, struct errmsg *err)
{
    static const char hex[] = "0123456789abcdef";
    char c = *p >= 'A' && *p <= 'F' ? (char)(*p | 0x20) : *p;
    const char *at = c ? strchr(hex, c) : NULL;
    UNUSED(len);
    if (!at) return bad(s, "no four hexadecimal digits", err);
    s->code = s->code << 4 | (uint32_t)(at - hex);
    if (++s->digits < 4) return 1;
    int rc = end_unicode(s, err);
    return rc ? rc : 1;
}

/* --- numbers and words --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct str t, size_t i)
{
    while (i < t.len && is_digit(t.p[i]))
        i++;
    return i;
}

/* -? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)? */
static bool is_number(struct str t)
{
    size_t i = t.len > 0 && t.p[0] == '-', from = i;
    i = skip_digits(t, i);
    if (i == from || (t.p[from] == '0' && i > from + 1)) return false;
    if (i < t.len && t.p[i] == '.') {
        from = ++i;
        i = skip_digits(t, i);
        if (i == from) return false;
    }
    if (i < t.len && (t.p[i] | 0x20) == 'e') {
        i++;
        if (i < t.len && (t.p[i] == '+' || t.p[i] == '-')) i++;
        from = i;
        i = skip_digits(t, i);
        if (i == from) return false;
    }
    return i == t.len;
}

static int end_bare(struct json_scan *s, struct str text, struct errmsg *err)
{
    static const struct {
        struct str word;
        enum json_event event;
    } words[] = {
        {STR("true"),  JSON_TRUE },
        {STR("false"), JSON_FALSE},
        {STR("null"),  JSON_NULL },
    };
    after_value(s);
    if (is_number(text)) return emit(s, JSON_NUMBER, text, err);
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_eq(text, words[i].word)) return emit(s, words[i].event, STR(""), err);
    return bad(s, "no value", err);
}

static bool is_bare(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static ptrdiff_t step_bare(struct json_scan *s, const char *p, size_t len, struct errmsg *err)
{
    size_t run = 0;
    while (run < len && is_bare(p[run]))
        run++;
    struct str text = {p, run};
    if (run == len || s->token.len || run > s->token.max) {
        if (buf_add(&s->token, p, run)) return too_long(s, err);
        text = (struct str){s->token.p, s->token.len};
    }
    if (run == len) return (ptrdiff_t)run;
    int rc = end_bare(s, text, err);
    return rc ? rc : (ptrdiff_t)run;
}

/* --- pieces --- */

static step_fn *step_of(int state)
{
    switch (state) {
    case IN_STRING:
        return step_string;
    case IN_ESCAPE:
        return step_escape;
    case IN_UNICODE:
        return step_unicode;
    case IN_BARE:
        return step_bare;
    default:
        return step_structure;
    }
}

int json_scan_feed(struct json_scan *s, struct str piece, struct errmsg *err)
{
    while (s->rc == 0 && piece.len > 0) {
        ptrdiff_t used = step_of(s->state)(s, piece.p, piece.len, err);
        if (used < 0) {
            s->rc = (int)used;
            break;
        }
        s->offset += (uint64_t)used;
        piece.p += used;
        piece.len -= (size_t)used;
    }
    return s->rc;
}

int json_scan_end(struct json_scan *s, struct errmsg *err)
{
    if (s->rc == 0 && s->state == IN_BARE && s->depth == 0)
        s->rc = end_bare(s, (struct str){s->token.p, s->token.len}, err);
    if (s->rc == 0 && s->state != WANT_NOTHING)
        s->rc = errmsg_set(err, E_PARSE, "it ends too early, at byte %" PRIu64, s->offset);
    return s->rc;
}
