/* series.c -- series descriptions of test scripts and rule unit tests: metric{labels} VALUES.
 *
 * Values, separated by blanks: 5, 1+2x3 (1 3 5 7), 4x3 (4 4 4 4), _ (no sample), _x3, stale, and
 * histograms, {{...}}, with x3, +{{...}}x3, -{{...}}x3 (see series_histogram.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/series_int.h"

enum { MAX_VALUES = 1 << 20 }; /* of one description */

/* --- metric{labels} --- */

static int parse_label_pair(struct parser *p, struct label_builder *b)
{
    static const char context[] = "label set";
    struct token first = p->tok;
    struct str name, value;
    if (first.kind != TOK_STRING && first.kind != TOK_IDENT)
        return parser_unexpected(p, context, "identifier or \"}\"");
    if (first.kind == TOK_STRING) {
        int rc = parse_string_token(p, &name);
        if (rc < 0) return rc;
        if (p->tok.kind == TOK_COMMA || p->tok.kind == TOK_RBRACE) {
            label_builder_set(b, STR(METRIC_NAME), name);
            return 0;
        }
    } else {
        name = token_text(p, first);
        parser_advance(p);
    }
    if (!token_is(p->tok, TOK_MATCH, MATCH_EQ)) return parser_unexpected(p, context, "\"=\"");
    parser_advance(p);
    if (p->tok.kind != TOK_STRING) return parser_unexpected(p, context, "string");
    int rc = parse_string_token(p, &value);
    if (rc == 0) label_builder_set(b, name, value);
    return rc;
}

static int parse_label_set(struct parser *p, struct label_builder *b)
{
    int rc = 0;
    parser_advance(p); /* { */
    while (rc == 0 && p->tok.kind != TOK_RBRACE) {
        rc = parse_label_pair(p, b);
        if (rc < 0 || p->tok.kind == TOK_RBRACE) break;
        rc = parser_expect(p, TOK_COMMA, "label set", "\",\" or \"}\"");
    }
    if (rc == 0) parser_advance(p);
    return rc;
}

/* In "metric {{count:1}}" the brace begins a value. */
static bool at_histogram(const struct parser *p)
{
    struct str rest = {p->lx.input.p + p->tok.start, p->lx.input.len - p->tok.start};
    return str_starts(rest, STR("{{"));
}

/* An empty text is the empty set. */
static int parse_metric(struct parser *p, struct labels *out)
{
    struct label_builder b;
    int rc = 0;
    label_builder_init(&b, (struct labels){NULL, 0});
    if (token_is_metric_name(p->tok)) {
        label_builder_set(&b, STR(METRIC_NAME), token_text(p, p->tok));
        parser_advance(p);
    } else if (p->tok.kind != TOK_LBRACE && p->tok.kind != TOK_EOF) {
        return parser_unexpected(p, "", "metric name or label set");
    }
    if (p->tok.kind == TOK_LBRACE && !at_histogram(p)) rc = parse_label_set(p, &b);
    if (rc < 0) return rc;
    rc = label_builder_build(&b, p->arena, out);
    if (rc == E_TOO_BIG) return parser_fail(p, rc, 0, "more than %d labels", LABELS_MAX);
    return rc < 0 ? parser_out_of_memory(p) : 0;
}

int promql_parse_metric(struct str text, struct arena *a, struct labels *out, struct errmsg *err)
{
    struct parser p;
    int rc = parser_init(&p, text, 0, a, err);
    if (rc == 0) rc = parse_metric(&p, out);
    if (rc == 0 && p.tok.kind != TOK_EOF) rc = parser_unexpected(&p, "", "");
    return rc;
}

/* --- values --- */

struct values {
    struct series_text text; /* first: readers get it */
    struct promql_series *out;
    size_t cap;
};

int series_fail(struct series_text *s, int rc, const char *what)
{
    uint32_t offset = series_offset(s);
    size_t len = 0;
    while (len < s->rest.len && len < 40 && !strchr(" \t\r\n", s->rest.p[len]))
        len++;
    if (len == 0 && s->rest.len > 0) len = 1;
    if (len == 0)
        return parser_fail(s->p, rc, offset, "unexpected end of input in series values%s", what);
    return parser_fail(s->p, rc, offset, "unexpected \"%.*s\" in series values%s", (int)len,
                       s->rest.p, what);
}

static bool take(struct series_text *s, const char *word)
{
    struct str w = str_of(word);
    if (!str_starts(s->rest, w)) return false;
    series_skip(s, w.len);
    return true;
}

/* A whole word, in any case of letters: Infx3 is another word. */
static bool take_word(struct series_text *s, const char *word)
{
    static const char of_words[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";
    struct str w = str_of(word);
    size_t len = 0;
    while (len < s->rest.len && s->rest.p[len] && strchr(of_words, s->rest.p[len]))
        len++;
    if (!str_eq_nocase((struct str){s->rest.p, len}, w)) return false;
    series_skip(s, len);
    return true;
}

static bool at_end_of_value(const struct series_text *s)
{
    return s->rest.len == 0 || series_at_blank(s);
}

bool series_take_number(struct series_text *s, double *out)
{
    double unused;
    if (take_word(s, "inf")) {
        *out = HUGE_VAL;
        return true;
    }
    if (take_word(s, "nan")) {
        *out = double_of_bits(NORMAL_NAN_BITS);
        return true;
    }
    if (s->rest.len == 0 || strchr("+-", s->rest.p[0])) return false;
    struct str number = {s->rest.p, str_scan_double(s->rest, &unused)};
    series_skip(s, number.len);
    return number.len > 0 && lex_number(number, out) == 0;
}

/* A value: a float, a histogram, or none. */
struct value {
    double v;
    bool present;
    const struct histogram *h;
};

static int push(struct values *s, struct value value)
{
    struct promql_series *o = s->out;
    struct parser *p = s->text.p;
    size_t cap_v = s->cap, cap_h = s->cap;
    if (o->count == MAX_VALUES)
        return parser_fail(p, E_TOO_BIG, 0, "more than %d values in one series", MAX_VALUES);
    o->v = parser_push(p, o->v, o->count, &cap_v, sizeof *o->v);
    o->h = parser_push(p, o->h, o->count, &cap_h, sizeof *o->h);
    o->present = parser_push(p, o->present, o->count, &s->cap, sizeof *o->present);
    if (!o->v || !o->h || !o->present) return parser_out_of_memory(p);
    o->v[o->count] = value.h ? double_of_bits(HISTOGRAM_NAN_BITS) : value.v;
    o->h[o->count] = value.h;
    o->present[o->count++] = value.present;
    return 0;
}

/* xN: 1 and *n set, 0 when there is none, or an error. */
static int take_times(struct series_text *s, uint64_t *n)
{
    size_t len = 0;
    if (!take(s, "x")) return 0;
    while (len < s->rest.len && s->rest.p[len] >= '0' && s->rest.p[len] <= '9')
        len++;
    if (str_to_u64((struct str){s->rest.p, len}, n) < 0)
        return series_fail(s, E_PARSE, ", expected number of repetitions");
    series_skip(s, len);
    return 1;
}

static int sign_of(struct series_text *s)
{
    if (take(s, "-")) return -1;
    return take(s, "+") ? 1 : 0;
}

static int read_blank(struct values *s)
{
    uint64_t n = 1;
    int rc = take_times(&s->text, &n);
    if (rc < 0) return rc;
    if (!at_end_of_value(&s->text)) return series_fail(&s->text, E_PARSE, "");
    for (rc = 0; n > 0 && rc == 0; n--)
        rc = push(s, (struct value){0});
    return rc;
}

/* What follows a value: nothing, xN, or a step with a sign and xN, which read() reads. */
static int read_tail(struct values *s, int *sign, uint64_t *n,
                     int (*read)(struct series_text *s, void *step), void *step)
{
    int rc = 0;
    *n = 0;
    *sign = sign_of(&s->text);
    if (*sign) rc = read(&s->text, step);
    if (rc == 0) rc = take_times(&s->text, n);
    if (rc < 0) return rc;
    if (*sign && rc == 0) return series_fail(&s->text, E_PARSE, ", expected \"x\" and a number");
    return at_end_of_value(&s->text) ? 0 : series_fail(&s->text, E_PARSE, "");
}

static int read_step(struct series_text *s, void *step)
{
    return series_take_number(s, step) ? 0 : series_fail(s, E_PARSE, ", expected number");
}

/* [+-]V, [+-]VxN, [+-]V[+-]DxN; sums are made one by one, as upstream rounds them */
static int read_number(struct values *s)
{
    struct value value = {.present = true};
    double step = 0;
    uint64_t n;
    int sign = sign_of(&s->text);
    if (!series_take_number(&s->text, &value.v))
        return series_fail(&s->text, E_PARSE, ", expected number or \"stale\"");
    if (sign < 0) value.v = -value.v;
    int rc = read_tail(s, &sign, &n, read_step, &step);
    if (rc == 0) rc = push(s, value);
    for (; n > 0 && rc == 0; n--) {
        value.v += sign < 0 ? -step : step;
        rc = push(s, value);
    }
    return rc;
}

static int read_histogram_step(struct series_text *s, void *step)
{
    return series_read_histogram(s, step);
}

/* The next of a sequence of histograms. */
static int advance(struct values *s, int sign, const struct histogram *step, struct value *value)
{
    struct parser *p = s->text.p;
    struct errmsg why = {0};
    struct histogram *next = arena_alloc(p->arena, sizeof *next);
    if (!next) return parser_out_of_memory(p);
    int rc = histogram_add(p->arena, value->h, sign, step, next, &why);
    if (rc < 0)
        return parser_fail(p, rc == E_INVALID ? E_PARSE : rc, series_offset(&s->text),
                           "error combining histograms: %s", why.text);
    value->h = next;
    return 0;
}

/* {{...}}, {{...}}xN, {{...}}[+-]{{...}}xN */
static int read_histogram(struct values *s)
{
    struct value value = {.present = true};
    const struct histogram *step = NULL;
    uint64_t n = 0;
    int sign = 0;
    int rc = series_read_histogram(&s->text, &value.h);
    if (rc == 0) rc = read_tail(s, &sign, &n, read_histogram_step, &step);
    if (rc == 0) rc = push(s, value);
    for (; n > 0 && rc == 0; n--) {
        if (step) rc = advance(s, sign, step, &value);
        if (rc == 0) rc = push(s, value);
    }
    return rc;
}

static int read_value(struct values *s)
{
    if (series_at_histogram(&s->text)) return read_histogram(s);
    if (take(&s->text, "_")) return read_blank(s);
    if (!take(&s->text, "stale")) return read_number(s);
    if (!at_end_of_value(&s->text)) return series_fail(&s->text, E_PARSE, "");
    return push(s, (struct value){.v = double_of_bits(STALE_NAN_BITS), .present = true});
}

int promql_parse_series(struct str text, struct arena *a, struct promql_series *out,
                        struct errmsg *err)
{
    struct parser p;
    struct promql_series series = {0};
    int rc = parser_init(&p, text, 0, a, err);
    if (rc == 0) rc = parse_metric(&p, &series.labels);
    if (rc < 0) return rc;
    /* the lexer looked ahead with the rules of expressions: values start where the labels end */
    struct values s = {
        .text = {&p, {text.p + p.prev_end, text.len - p.prev_end}},
          .out = &series
    };
    if (!at_end_of_value(&s.text)) return series_fail(&s.text, E_PARSE, ", expected blank");
    while (rc == 0) {
        while (series_at_blank(&s.text))
            series_skip(&s.text, 1);
        if (s.text.rest.len == 0) break;
        rc = read_value(&s);
    }
    if (rc == 0) *out = series;
    return rc;
}
