/* series.c -- series descriptions of test scripts and rule unit tests: metric{labels} VALUES.
 *
 * Values, separated by blanks: 5, 1+2x3 (1 3 5 7), 4x3 (4 4 4 4), _ (no sample), _x3, stale.
 * Native histograms ({{...}}) are recognised and refused with E_UNSUPPORTED.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/parse_int.h"

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
    if (p->tok.kind == TOK_LBRACE) rc = parse_label_set(p, &b);
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
    struct parser *p;
    struct str rest; /* not read yet */
    struct promql_series *out;
    size_t cap;
};

static int values_fail(struct values *s, int rc, const char *what)
{
    struct str text = s->p->lx.input;
    uint32_t at = (uint32_t)(text.len - s->rest.len);
    size_t len = 0;
    while (len < s->rest.len && len < 40 && !strchr(" \t", s->rest.p[len]))
        len++;
    if (len == 0)
        return parser_fail(s->p, rc, at, "unexpected end of input in series values%s", what);
    return parser_fail(s->p, rc, at, "unexpected \"%.*s\" in series values%s", (int)len, s->rest.p,
                       what);
}

static bool take(struct values *s, const char *word)
{
    size_t len = strlen(word);
    if (s->rest.len < len || !str_eq_nocase((struct str){s->rest.p, len}, str_of(word)))
        return false;
    s->rest.p += len;
    s->rest.len -= len;
    return true;
}

static bool at_end_of_value(const struct values *s)
{
    return s->rest.len == 0 || strchr(" \t\r\n", s->rest.p[0]);
}

static int push(struct values *s, double v, bool present)
{
    struct promql_series *o = s->out;
    size_t cap = s->cap;
    if (o->count == MAX_VALUES)
        return parser_fail(s->p, E_TOO_BIG, 0, "more than %d values in one series", MAX_VALUES);
    o->v = parser_push(s->p, o->v, o->count, &cap, sizeof *o->v);
    o->present = parser_push(s->p, o->present, o->count, &s->cap, sizeof *o->present);
    if (!o->v || !o->present) return parser_out_of_memory(s->p);
    o->v[o->count] = v;
    o->present[o->count++] = present;
    return 0;
}

/* Unsigned decimal, Inf, NaN. */
static bool take_number(struct values *s, double *out)
{
    size_t used = 0;
    if (take(s, "inf") || take(s, "+inf")) {
        *out = HUGE_VAL;
        return true;
    }
    if (take(s, "nan")) {
        *out = double_of_bits(NORMAL_NAN_BITS);
        return true;
    }
    if (s->rest.len && s->rest.p[0] != '-' && s->rest.p[0] != '+')
        used = str_scan_double(s->rest, out);
    s->rest.p += used;
    s->rest.len -= used;
    return used > 0;
}

/* xN: 1 and *n set, 0 when there is none, or an error. */
static int take_times(struct values *s, uint64_t *n)
{
    size_t len = 0;
    if (!take(s, "x")) return 0;
    while (len < s->rest.len && s->rest.p[len] >= '0' && s->rest.p[len] <= '9')
        len++;
    if (str_to_u64((struct str){s->rest.p, len}, n) < 0)
        return values_fail(s, E_PARSE, ", expected number of repetitions");
    s->rest.p += len;
    s->rest.len -= len;
    return 1;
}

static int read_blank(struct values *s)
{
    uint64_t n = 1;
    int rc = take_times(s, &n);
    if (rc < 0) return rc;
    if (!at_end_of_value(s)) return values_fail(s, E_PARSE, "");
    for (rc = 0; n > 0 && rc == 0; n--)
        rc = push(s, 0, false);
    return rc;
}

static int sign_of(struct values *s)
{
    if (take(s, "-")) return -1;
    return take(s, "+") ? 1 : 0;
}

/* [+-]V, [+-]VxN, [+-]V[+-]DxN; sums are made one by one, as upstream rounds them */
static int read_number(struct values *s)
{
    double v, step = 0;
    uint64_t n = 0;
    int sign = sign_of(s);
    if (!take_number(s, &v)) return values_fail(s, E_PARSE, ", expected number or \"stale\"");
    if (sign < 0) v = -v;
    sign = sign_of(s);
    if (sign && !take_number(s, &step)) return values_fail(s, E_PARSE, ", expected number");
    int rc = take_times(s, &n);
    if (rc < 0) return rc;
    if (sign && rc == 0) return values_fail(s, E_PARSE, ", expected \"x\" and a number");
    if (!at_end_of_value(s)) return values_fail(s, E_PARSE, "");
    for (rc = push(s, v, true); n > 0 && rc == 0; n--) {
        v += sign < 0 ? -step : step;
        rc = push(s, v, true);
    }
    return rc;
}

static int read_value(struct values *s)
{
    if (s->rest.len > 1 && s->rest.p[0] == '{' && s->rest.p[1] == '{')
        return parser_fail(s->p, E_UNSUPPORTED, (uint32_t)(s->p->lx.input.len - s->rest.len),
                           "native histograms are not supported");
    if (take(s, "_")) return read_blank(s);
    if (!take(s, "stale")) return read_number(s);
    if (!at_end_of_value(s)) return values_fail(s, E_PARSE, "");
    return push(s, double_of_bits(STALE_NAN_BITS), true);
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
        &p, {text.p + p.prev_end, text.len - p.prev_end},
         &series, 0
    };
    if (!at_end_of_value(&s)) return values_fail(&s, E_PARSE, ", expected blank");
    while (rc == 0) {
        while (s.rest.len && at_end_of_value(&s)) {
            s.rest.p++;
            s.rest.len--;
        }
        if (s.rest.len == 0) break;
        rc = read_value(&s);
    }
    if (rc == 0) *out = series;
    return rc;
}
