/* influx.c -- Influx line protocol, by the rules of InfluxDB's current decoder.
 *
 * Escapes: in names and tags a backslash takes away the meaning of ',' ' ' and (not in
 * measurements) '=', and stays a backslash before anything else, itself included; so a blank ends
 * the head unless a backslash stands right before it. In string fields \" \\ \n \r \t are escapes.
 * Strings may hold line feeds. Control characters are refused in names, tags and keys.
 *
 * After an error the parser goes on behind the next line feed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/influx.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "collector/influx_int.h"

/* What a byte can be, so that one look decides whether a token goes on. */
enum {
    COMMA = 1,
    SPACE = 2,
    EQUALS = 4,
    CONTROL = 8, /* of ASCII, CR, LF and DEL among them */
    EOL = 16,
    HIGH = 32, /* part of a UTF-8 sequence, to be checked */
    BACKSLASH = 64,
    NUMBER = 128, /* may start a number */
};
static const uint8_t classes[256] = {
    [0 ... 9] = CONTROL,   ['\n'] = CONTROL | EOL, [11 ... 12] = CONTROL, ['\r'] = CONTROL | EOL,
    [14 ... 31] = CONTROL, [' '] = SPACE,          [','] = COMMA,         ['='] = EQUALS,
    ['\\'] = BACKSLASH,    [127] = CONTROL,        [128 ... 255] = HIGH,  ['0' ... '9'] = NUMBER,
    ['-'] = NUMBER,        ['.'] = NUMBER,
};

/* What ends a token, which is also what a backslash may precede in it. */
enum token_rule {
    MEASUREMENT_RULE = COMMA | SPACE,
    KEY_RULE = COMMA | SPACE | EQUALS, /* tag keys, tag values, field keys */
};

static int class_of(char c)
{
    return classes[(unsigned char)c];
}

static const char *cursor(const struct influx *x)
{
    return x->input.p + x->pos;
}

static const char *input_end(const struct influx *x)
{
    return x->input.p + x->input.len;
}

static bool at_end(const struct influx *x)
{
    return x->pos >= x->input.len;
}

static bool at(const struct influx *x, char c)
{
    return !at_end(x) && *cursor(x) == c;
}

static bool is_eol(char c)
{
    return class_of(c) & EOL;
}

static bool is_control(char c)
{
    return class_of(c) & CONTROL;
}

static int fail_at(const struct influx *x, struct errmsg *err, size_t pos, const char *what)
{
    int column = pos >= x->line_start ? (int)(pos - x->line_start) + 1 : 0;
    errmsg_at(err, E_PARSE, x->line, column, "%s", what);
    if (err) err->offset = pos;
    return E_PARSE;
}

static int fail(const struct influx *x, struct errmsg *err, const char *what)
{
    return fail_at(x, err, x->pos, what);
}

struct token {
    struct str raw; /* still escaped */
    bool utf8;      /* false: not valid */
};

static struct token take_token(struct influx *x, enum token_rule rule)
{
    const char *start = cursor(x), *p = start, *end = input_end(x);
    const int special = (int)rule | CONTROL | BACKSLASH;
    int seen = 0;
    for (; p < end; p++) {
        int class = class_of(*p);
        seen |= class;
        if (!(class & special)) continue;
        if (class != BACKSLASH) break;
        if (p + 1 < end && class_of(p[1]) & (int)rule) p++;
    }
    struct str raw = {start, (size_t)(p - start)};
    x->pos += raw.len;
    return (struct token){raw, !(seen & HIGH) || str_is_utf8(raw)};
}

static int unescape(struct arena *a, struct str raw, enum token_rule rule, struct str *out)
{
    *out = raw;
    if (raw.len == 0 || !memchr(raw.p, '\\', raw.len)) return 0;
    char *to = arena_alloc(a, raw.len);
    if (!to) return a->err;
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        i += raw.p[i] == '\\' && i + 1 < raw.len && class_of(raw.p[i + 1]) & (int)rule;
        to[n++] = raw.p[i];
    }
    *out = (struct str){to, n};
    return 0;
}

int influx_unescape_key(struct arena *a, struct str raw, struct str *out)
{
    return unescape(a, raw, KEY_RULE, out);
}

/* The escapes of string fields: what follows the backslash, and what it means. */
static const char string_escapes[][2] = {
    {'"',  '"' },
    {'\\', '\\'},
    {'n',  '\n'},
    {'r',  '\r'},
    {'t',  '\t'},
};

static char string_escape(char c)
{
    for (size_t i = 0; i < COUNT(string_escapes); i++)
        if (string_escapes[i][0] == c) return string_escapes[i][1];
    return 0;
}

static int unescape_string(struct arena *a, struct str *s)
{
    if (s->len == 0 || !memchr(s->p, '\\', s->len)) return 0;
    char *to = arena_alloc(a, s->len);
    if (!to) return a->err;
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++) {
        char meant = s->p[i] == '\\' && i + 1 < s->len ? string_escape(s->p[i + 1]) : 0;
        i += meant != 0;
        to[n++] = meant ? meant : s->p[i];
    }
    *s = (struct str){to, n};
    return 0;
}

/* --- head ---------------------------------------------------------------------------------------
 */

static void next_line(struct influx *x)
{
    x->line++;
    x->line_start = x->pos;
}

void influx_skip_line(struct influx *x)
{
    if (at_end(x)) return;
    const char *feed = memchr(cursor(x), '\n', (size_t)(input_end(x) - cursor(x)));
    x->pos = feed ? (size_t)(feed - x->input.p) + 1 : x->input.len;
    next_line(x);
}

/* A comment runs to the end of its line; one with control characters is an error, which the
 * reader of the measurement reports when it finds the '#'. */
static bool skip_comment(struct influx *x)
{
    size_t p = x->pos;
    while (p < x->input.len && !is_control(x->input.p[p]))
        p++;
    if (p < x->input.len && !is_eol(x->input.p[p])) return false;
    x->pos = p;
    return true;
}

int influx_skip_blank(struct influx *x)
{
    while (!at_end(x)) {
        char c = *cursor(x);
        if (c == '#') {
            if (!skip_comment(x)) return 1;
        } else if (c == '\n') {
            x->pos++;
            next_line(x);
        } else if (c == ' ' || c == '\r') {
            x->pos++;
        } else {
            return 1;
        }
    }
    return 0;
}

bool influx_take_head(struct influx *x, struct str *head)
{
    const char *start = cursor(x), *end = input_end(x);
    const char *feed = memchr(start, '\n', (size_t)(end - start));
    if (feed) end = feed; /* looking further would cost the square of a body without blanks */
    const char *space = memchr(start, ' ', (size_t)(end - start));
    while (space && space > start && space[-1] == '\\')
        space = memchr(space + 1, ' ', (size_t)(end - space) - 1);
    if (!space || *start == '#') return false;
    *head = (struct str){start, (size_t)(space - start)};
    while (space < end && *space == ' ')
        space++;
    x->pos += (size_t)(space - start);
    return true;
}

/* A comma after the measurement or a tag must lead to another tag. */
static int take_comma(struct influx *x, struct errmsg *err)
{
    if (!at(x, ',')) return 0;
    x->pos++;
    if (at_end(x)) return fail(x, err, "expected tag key after comma; got end of input");
    char c = *cursor(x);
    if (c == ' ' || is_eol(c))
        return fail(x, err, "expected tag key after comma; got white space instead");
    return 1;
}

static int read_measurement(struct influx *x, struct arena *a, struct influx_point *out,
                            struct errmsg *err)
{
    size_t start = x->pos;
    struct token t = take_token(x, MEASUREMENT_RULE);
    struct str raw = t.raw;
    if (raw.len == 0) return fail(x, err, "invalid character found at start of measurement name");
    if (raw.p[0] == '#') return fail_at(x, err, start, "invalid character found in comment line");
    if (!t.utf8) return fail_at(x, err, start, "invalid utf-8 sequence in measurement");
    return unescape(a, raw, MEASUREMENT_RULE, &out->measurement);
}

static int read_tag(struct influx *x, struct arena *a, struct influx_pair *out, struct errmsg *err)
{
    size_t start = x->pos;
    struct token t = take_token(x, KEY_RULE);
    struct str key = t.raw;
    if (!t.utf8) return fail_at(x, err, start, "invalid utf-8 sequence in tag key");
    if (at_end(x)) return fail_at(x, err, start, "expected '=' after tag key, found end of input");
    if (!at(x, '='))
        return fail_at(x, err, start,
                       key.len ? "expected '=' after tag key" : "expected tag key or field");
    if (key.len == 0) return fail_at(x, err, start, "expected tag key or field but found '='");
    x->pos++;
    size_t value_start = x->pos;
    t = take_token(x, KEY_RULE);
    struct str value = t.raw;
    if (value.len == 0) return fail(x, err, "expected tag value after tag key, but none found");
    if (!t.utf8) return fail_at(x, err, value_start, "invalid utf-8 sequence in tag value");
    int rc = unescape(a, key, KEY_RULE, &out->key);
    return rc < 0 ? rc : unescape(a, value, KEY_RULE, &out->value);
}

/* Grows an array in the arena by doubling; the old copies go with the arena. */
static int grow(struct arena *a, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return 0;
    size_t cap_new = *cap ? *cap * 2 : 8;
    void *p = arena_array(a, cap_new, size);
    if (!p) return a->err;
    if (count && *array) memcpy(p, *array, count * size);
    *array = p;
    *cap = cap_new;
    return 0;
}

static int compare_tags(const void *pa, const void *pb)
{
    const struct influx_pair *a = pa, *b = pb;
    return str_cmp(a->key, b->key);
}

static int sort_tags(const struct influx *x, struct influx_point *p, struct errmsg *err)
{
    if (p->tag_count > 1) qsort(p->tags, p->tag_count, sizeof p->tags[0], compare_tags);
    for (size_t i = 1; i < p->tag_count; i++)
        if (str_eq(p->tags[i - 1].key, p->tags[i].key))
            return errmsg_at(err, E_PARSE, x->line, 1, "duplicate tag key \"%.*s\"",
                             (int)MIN(p->tags[i].key.len, 100), p->tags[i].key.p);
    return 0;
}

int influx_read_head(struct influx *x, struct arena *a, struct influx_point *out,
                     struct errmsg *err)
{
    size_t cap = 0;
    void *tags = NULL;
    out->line = x->line;
    out->tag_count = 0;
    int rc = read_measurement(x, a, out, err);
    if (rc == 0) rc = take_comma(x, err);
    if (rc == 0 && !at_end(x) && !at(x, ' ')) rc = fail(x, err, "expected tag key or field");
    while (rc == 1) {
        if (out->tag_count == INFLUX_TAGS_MAX) return fail(x, err, "too many tags");
        if ((rc = grow(a, &tags, out->tag_count, &cap, sizeof out->tags[0])) < 0) return rc;
        out->tags = tags;
        if ((rc = read_tag(x, a, &out->tags[out->tag_count], err)) < 0) return rc;
        out->tag_count++;
        rc = take_comma(x, err);
        if (rc == 0 && !at_end(x) && !at(x, ' ')) rc = fail(x, err, "expected tag key or field");
    }
    if (rc < 0) return rc;
    /* a lone measurement is taken for the start of a tag */
    if (at_end(x) && out->tag_count == 0)
        return fail(x, err, "expected tags or fields after the measurement");
    while (at(x, ' '))
        x->pos++;
    return sort_tags(x, out, err);
}

/* --- fields -------------------------------------------------------------------------------------
 */

static int read_string(struct influx *x, struct influx_value *v, struct errmsg *err)
{
    size_t opening = x->pos++;
    const char *start = cursor(x), *end = input_end(x);
    int feeds = 0;
    size_t last_feed = 0;
    for (const char *p = start; p < end; p++) {
        if (*p == '\\' && p + 1 < end && string_escape(p[1])) {
            p++;
        } else if (*p == '\n') {
            feeds++;
            last_feed = (size_t)(p - x->input.p);
        } else if (*p == '"') {
            v->type = INFLUX_STRING;
            v->s = (struct str){start, (size_t)(p - start)};
            x->pos = (size_t)(p - x->input.p) + 1;
            x->line += feeds;
            if (feeds) x->line_start = last_feed + 1;
            if (!str_is_utf8(v->s))
                return fail_at(x, err, opening, "invalid utf-8 sequence in string");
            return 0;
        }
    }
    return fail_at(x, err, opening,
                   "expected closing quote for string field value, found end of input");
}

static const struct {
    const char *word;
    bool value;
} bool_words[] = {
    {"t",     true },
    {"T",     true },
    {"true",  true },
    {"True",  true },
    {"TRUE",  true },
    {"f",     false},
    {"F",     false},
    {"false", false},
    {"False", false},
    {"FALSE", false},
};

static int read_bool(struct str word, struct influx_value *v)
{
    v->type = INFLUX_BOOL;
    for (size_t i = 0; i < COUNT(bool_words); i++) {
        if (!str_eq(word, str_of(bool_words[i].word))) continue;
        v->b = bool_words[i].value;
        return 0;
    }
    return E_PARSE;
}

static int read_float(struct str word, struct influx_value *v)
{
    v->type = INFLUX_FLOAT;
    if (str_scan_double(word, &v->f) == word.len && isfinite(v->f)) return 0;
    int rc = str_to_double(word, &v->f);
    if (rc == 0 && !isfinite(v->f)) return -ERANGE;
    return rc;
}

static const char *const value_problem[][2] = {
  /* not a number; out of range */
    [INFLUX_FLOAT] = {"invalid float value syntax",            "float value out of range"  },
    [INFLUX_INT] = {"invalid integer value syntax",          "integer value out of range"},
    [INFLUX_UINT] = {"invalid unsigned integer value syntax",
                      "unsigned integer value out of range"                                },
    [INFLUX_BOOL] = {"invalid bool value",                    "invalid bool value"        },
};

static int read_number(struct str word, struct influx_value *v)
{
    struct str digits = {word.p, word.len - 1};
    switch (word.p[word.len - 1]) {
    case 'i':
        v->type = INFLUX_INT;
        return str_to_i64(digits, &v->i);
    case 'u':
        v->type = INFLUX_UINT;
        return str_to_u64(digits, &v->u);
    default:
        return read_float(word, v);
    }
}

static int scan_value(struct influx *x, struct influx_value *v, struct errmsg *err)
{
    if (at_end(x)) return fail(x, err, "expected field value, found end of input");
    if (at(x, '"')) return read_string(x, v, err);
    size_t start = x->pos;
    const char *p = cursor(x), *end = input_end(x);
    while (p < end && !(class_of(*p) & (COMMA | SPACE | EOL)))
        p++;
    x->pos = (size_t)(p - x->input.p);
    struct str word = {x->input.p + start, x->pos - start};
    int rc;
    if (word.len && class_of(word.p[0]) & NUMBER)
        rc = read_number(word, v);
    else if (word.len && ((word.p[0] | 32) == 't' || (word.p[0] | 32) == 'f'))
        rc = read_bool(word, v);
    else
        return fail_at(x, err, start, "field value has unrecognized type");
    return rc < 0 ? fail_at(x, err, start, value_problem[v->type][rc == -ERANGE]) : 0;
}

int influx_read_value(struct influx *x, struct influx_value *v, struct errmsg *err)
{
    int rc = scan_value(x, v, err);
    if (rc < 0 || at_end(x)) return rc;
    if (at(x, ',')) {
        x->pos++;
        return 1;
    }
    return class_of(*cursor(x)) & (SPACE | EOL) ? 0
                                                : fail(x, err, "unexpected character after field");
}

bool influx_match_key(struct influx *x, struct str key)
{
    size_t left = x->input.len - x->pos;
    const char *p = cursor(x);
    if (left <= key.len || p[key.len] != '=' || memcmp(p, key.p, key.len) != 0) return false;
    x->pos += key.len + 1;
    return true;
}

int influx_read_key(struct influx *x, struct str *key, struct errmsg *err)
{
    size_t start = x->pos;
    struct token t = take_token(x, KEY_RULE);
    *key = t.raw;
    if (t.raw.len == 0)
        return fail(x, err,
                    at_end(x) ? "expected field key but none found"
                              : "invalid character found at start of field key");
    if (!t.utf8) return fail_at(x, err, start, "invalid utf-8 sequence in field key");
    if (!at(x, '=')) return fail(x, err, "want '=' after field key");
    x->pos++;
    return 0;
}

/* --- time ---------------------------------------------------------------------------------------
 */

static const struct {
    const char *names[2];
    int64_t ns;
} precisions[] = {
    [INFLUX_NS] = {{"ns", "n"},  1                     },
    [INFLUX_US] = {{"us", "u"},  1000                  },
    [INFLUX_MS] = {{"ms", "ms"}, 1000000               },
    [INFLUX_S] = {{"s", "s"},   INT64_C(1000000000)   },
    [INFLUX_M] = {{"m", "m"},   INT64_C(60000000000)  },
    [INFLUX_H] = {{"h", "h"},   INT64_C(3600000000000)},
};

int influx_precision_of(struct str s, enum influx_precision *out)
{
    for (size_t i = 0; i < COUNT(precisions); i++) {
        if (!str_eq(s, str_of(precisions[i].names[0])) &&
            !str_eq(s, str_of(precisions[i].names[1])))
            continue;
        *out = (enum influx_precision)i;
        return 0;
    }
    return E_INVALID;
}

int64_t influx_precision_ns(enum influx_precision p)
{
    return precisions[p].ns;
}

static int read_time(struct influx *x, size_t start, int64_t *time_ns, struct errmsg *err)
{
    struct str word = {x->input.p + start, x->pos - start};
    int64_t t;
    int rc = str_to_i64(word, &t);
    if (rc == 0 && __builtin_mul_overflow(t, precisions[x->precision].ns, time_ns)) rc = -ERANGE;
    if (rc == 0) return 0;
    return fail_at(x, err, start, rc == -ERANGE ? "timestamp out of range" : "invalid timestamp");
}

static void skip_spaces(struct influx *x)
{
    while (at(x, ' '))
        x->pos++;
}

int influx_read_end(struct influx *x, bool *has_time, int64_t *time_ns, struct errmsg *err)
{
    *has_time = false;
    skip_spaces(x);
    size_t start = x->pos;
    while (!at_end(x) && class_of(*cursor(x)) & NUMBER && !at(x, '.'))
        x->pos++;
    if (!at_end(x) && !at(x, ' ') && !is_eol(*cursor(x)))
        return fail_at(x, err, start, "invalid timestamp");
    if (x->pos > start) {
        int rc = read_time(x, start, time_ns, err);
        if (rc < 0) return rc;
        *has_time = true;
    }
    skip_spaces(x);
    if (!at_end(x) && !is_eol(*cursor(x))) return fail(x, err, "unexpected text after timestamp");
    influx_skip_line(x);
    return 0;
}

/* --- whole points -------------------------------------------------------------------------------
 */

void influx_init(struct influx *x, struct str input, enum influx_precision precision)
{
    *x = (struct influx){.input = input, .line = 1, .precision = precision};
}

static int read_fields(struct influx *x, struct arena *a, struct influx_point *out,
                       struct errmsg *err)
{
    size_t cap = 0;
    void *fields = NULL;
    for (int rc = 1; rc == 1;) {
        if (out->field_count == INFLUX_FIELDS_MAX) return fail(x, err, "too many fields");
        if ((rc = grow(a, &fields, out->field_count, &cap, sizeof out->fields[0])) < 0) return rc;
        out->fields = fields;
        struct influx_field *f = &out->fields[out->field_count];
        struct str raw;
        if ((rc = influx_read_key(x, &raw, err)) < 0) return rc;
        int more = influx_read_value(x, &f->value, err);
        if (more < 0) return more;
        if ((rc = influx_unescape_key(a, raw, &f->key)) < 0) return rc;
        if (f->value.type == INFLUX_STRING && (rc = unescape_string(a, &f->value.s)) < 0) return rc;
        out->field_count++;
        rc = more;
    }
    return 0;
}

int influx_next(struct influx *x, struct arena *a, struct influx_point *out, struct errmsg *err)
{
    *out = (struct influx_point){0};
    if (!influx_skip_blank(x)) return 0;
    int rc = influx_read_head(x, a, out, err);
    if (rc == 0) rc = read_fields(x, a, out, err);
    if (rc == 0) rc = influx_read_end(x, &out->has_time, &out->time_ns, err);
    if (rc == 0) return 1;
    influx_skip_line(x);
    return rc;
}
