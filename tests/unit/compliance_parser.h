/* compliance_parser.h -- the corpora of promql-parser/: expressions, series, printer, pretty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_PARSER_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_PARSER_H

#include "tests/unit/compliance.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/histogram.h"
#include "tsdb/promql/ops.h"
#include "tsdb/promql/promql.h"

static inline const char *node_name(const struct expr *e)
{
    static const char *const names[] = {
        [EXPR_NUMBER] = "NumberLiteral",
        [EXPR_STRING] = "StringLiteral",
        [EXPR_SELECTOR] = "VectorSelector",
        [EXPR_SUBQUERY] = "SubqueryExpr",
        [EXPR_CALL] = "Call",
        [EXPR_AGGREGATE] = "AggregateExpr",
        [EXPR_BINARY] = "BinaryExpr",
        [EXPR_UNARY] = "UnaryExpr",
        [EXPR_PAREN] = "ParenExpr",
        [EXPR_STEP_INVARIANT] = "StepInvariantExpr",
    };
    if (e->kind == EXPR_SELECTOR && e->selector.is_range) return "MatrixSelector";
    return names[e->kind];
}

/* The corpus is JSON: bytes that are not UTF-8 are U+FFFD there. */
static inline bool same_text(struct arena *a, struct str got, struct str want)
{
    if (str_is_utf8(got)) return str_eq(got, want);
    struct buf b = BUF_INIT(1 << 16);
    for (size_t i = 0; i < got.len;) {
        size_t len = 1;
        while (len <= 4 && i + len <= got.len && !str_is_utf8((struct str){got.p + i, len}))
            len++;
        if (len > 4 || i + len > got.len) {
            buf_addstr(&b, "\xef\xbf\xbd");
            len = 1;
        } else {
            buf_add(&b, got.p + i, len);
        }
        i += len;
    }
    UNUSED(a);
    bool same = str_eq((struct str){b.p, b.len}, want);
    buf_release(&b);
    return same;
}

static inline bool same_value(struct trial *t, const struct expr *e, const json_t *value)
{
    if (e->kind == EXPR_NUMBER && !same_double(e->number, double_of(value)))
        return reject(t, "number is %.17g", e->number);
    if (e->kind == EXPR_STRING && !same_text(&t->arena, e->string, string_of(value)))
        return reject(t, "string is \"%.*s\"", (int)e->string.len, e->string.p);
    return true;
}

static inline bool case_expression(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct expr *e = NULL;
    struct str text = text_of(&t->arena, c, "expr");
    int rc = promql_parse(text, PROMQL_ALL & ~(unsigned)PROMQL_FILL, &t->arena, &e, &err);
    bool ok = expect_valid(t, flag_of(c, "valid"), rc, &err);
    if (rc < 0) return ok && (*err.text || reject(t, "no message"));
    const char *node = json_string_value(json_object_get(c, "node"));
    const json_t *value = json_object_get(c, "value");
    if (ok && node && strcmp(node, node_name(e)) != 0) ok = reject(t, "root is %s", node_name(e));
    if (ok && value) ok = same_value(t, e, value);
    promql_expr_release(e);
    return ok;
}

/* The place and the words of a refusal are upstream's first. */
static inline bool case_refusal(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct expr *e = NULL;
    const json_t *want = json_array_get(json_object_get(c, "errors"), 0);
    const char *words = json_string_value(json_object_get(want, "message"));
    if (promql_parse(text_of(&t->arena, c, "expr"), PROMQL_ALL & ~(unsigned)PROMQL_FILL, &t->arena,
                     &e, &err) == 0) {
        promql_expr_release(e);
        return reject(t, "accepted");
    }
    if ((json_int_t)err.offset != json_integer_value(json_object_get(want, "start")))
        return reject(t, "refused at %zu: %s", err.offset, err.text);
    return !words || strcmp(words, err.text) == 0 || reject(t, "%s", err.text);
}

/* --- printer and pretty --- */

static inline bool printed_is(struct trial *t, const struct buf *b, const json_t *want)
{
    if (str_eq((struct str){b->p, b->len}, string_of(want))) return true;
    return reject(t, "printed %.*s", (int)b->len, b->p);
}

static inline bool case_printed(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct expr *e = NULL;
    struct buf b = BUF_INIT(1 << 20);
    const json_t *max_line = json_object_get(c, "max_line");
    int rc = promql_parse(text_of(&t->arena, c, "expr"), PROMQL_ALL, &t->arena, &e, &err);
    if (rc < 0) return reject(t, "refused: %s", err.text);
    if (max_line)
        rc = promql_pretty(e, (size_t)json_integer_value(max_line), &b);
    else
        rc = promql_print(e, &b);
    bool ok = rc == 0 ? printed_is(t, &b, json_object_get(c, max_line ? "pretty" : "printed"))
                      : reject(t, "%s", err_text(rc));
    buf_release(&b);
    promql_expr_release(e);
    return ok;
}

/* --- what Prometheus has, and what of it is on by default --- */

/* An expression that uses a feature; NULL when there is no such feature. */
static inline const char *feature_expression(struct arena *a, const char *name)
{
    static const struct {
        const char *name, *expr;
    } rows[] = {
        {"=~",                       "a{b=~'c'}"               },
        {"!~",                       "a{b!~'c'}"               },
        {"@",                        "a @ 1"                   },
        {"at_modifier",              "a @ end()"               },
        {"anchored",                 "rate(a[1m] anchored)"    },
        {"smoothed",                 "rate(a[1m] smoothed)"    },
        {"bool",                     "a > bool 1"              },
        {"by",                       "sum by (b) (a)"          },
        {"without",                  "sum without (b) (a)"     },
        {"duration_expr",            "a offset (1m * 2)"       },
        {"fill",                     "a + fill (0) b"          },
        {"fill_left",                "a + fill_left (0) b"     },
        {"fill_right",               "a + fill_right (0) b"    },
        {"group_left",               "a * on (b) group_left c" },
        {"group_right",              "a * on (b) group_right c"},
        {"ignoring",                 "a * ignoring (b) c"      },
        {"on",                       "a * on (b) c"            },
        {"negative_offset",          "a offset -1m"            },
        {"offset",                   "a offset 1m"             },
        {"subqueries",               "sum_over_time(a[1m:])"   },
        {"per_query_lookback_delta", "a"                       }, /* a parameter of the API */
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(name, rows[i].name) == 0) return rows[i].expr;
    for (enum aggr_op op = AGGR_SUM; op <= AGGR_LIMIT_RATIO; op++) {
        enum value_type param = aggr_row(op)->param;
        if (strcmp(name, aggr_op_text(op)) != 0) continue;
        return arena_printf(a, "%s(%sa)", name,
                            param == T_SCALAR   ? "1, "
                            : param == T_STRING ? "'b', "
                                                : "");
    }
    for (enum binary_op op = OP_ADD; op <= OP_TRIM_LOWER; op++)
        if (strcmp(name, binary_op_text(op)) == 0) return arena_printf(a, "a %s b", name);
    return NULL;
}

static inline bool parses(struct trial *t, const char *text, unsigned features)
{
    struct expr *e = NULL;
    int rc = promql_parse(str_of(text), features, &t->arena, &e, NULL);
    if (rc == 0) promql_expr_release(e);
    return rc == 0;
}

static inline bool case_feature(struct trial *t, const json_t *c)
{
    bool on = flag_of(c, "on");
    const char *name = json_string_value(json_object_get(c, "feature"));
    const char *expr = feature_expression(&t->arena, name);
    const struct promql_fn *fn = flag_of(c, "function") ? promql_fn_find(str_of(name)) : NULL;
    if (fn) {
        if (fn->experimental == on) return reject(t, "on by default: %d", !fn->experimental);
        return !on || fn->body.kind != PROMQL_FN_NONE || reject(t, "has no body");
    }
    if (!expr) return !on || reject(t, "there is none");
    if (parses(t, expr, PROMQL_DEFAULT) != on) return reject(t, "%s: on by default: %d", expr, !on);
    return parses(t, expr, PROMQL_ALL) || reject(t, "%s does not parse", expr);
}

/* --- series --- */

static inline bool same_values(struct trial *t, const struct promql_series *s, const json_t *want)
{
    if (s->count != json_array_size(want))
        return reject(t, "%zu values, not %zu", s->count, json_array_size(want));
    for (size_t i = 0; i < s->count; i++) {
        const json_t *v = json_array_get(want, i);
        bool blank = json_is_string(v) && str_eq(string_of(v), STR("_"));
        bool stale = json_is_string(v) && str_eq(string_of(v), STR("stale"));
        bool same = blank ? !s->present[i]
                          : s->present[i] &&
                                (stale ? is_stale(s->v[i]) : same_double(s->v[i], double_of(v)));
        if (!same) return reject(t, "value %zu is %.17g", i, s->v[i]);
    }
    return true;
}

/* A number of a histogram's description; 0 when it is left out. */
static inline bool same_field(const json_t *h, const char *key, double got)
{
    const json_t *v = json_object_get(h, key);
    return same_double(got, v ? double_of(v) : 0);
}

static inline bool same_list(const json_t *want, struct number_list got)
{
    if (got.count != json_array_size(want)) return false;
    for (size_t i = 0; i < got.count; i++)
        if (!same_double(got.v[i], double_of(json_array_get(want, i)))) return false;
    return true;
}

/* Spans are [offset from the end of the one before, length]; ours are always one. */
static inline bool same_buckets(const json_t *h, const char *counts, const char *spans,
                                const struct histogram_buckets *got)
{
    const json_t *span = json_array_get(json_object_get(h, spans), 0);
    if (!same_list(json_object_get(h, counts), got->counts)) return false;
    if (got->counts.count == 0) return json_object_get(h, spans) == NULL;
    return json_array_size(json_object_get(h, spans)) == 1 &&
           json_integer_value(json_array_get(span, 0)) == got->offset &&
           (size_t)json_integer_value(json_array_get(span, 1)) == got->counts.count;
}

static inline bool same_histogram(const json_t *want, const struct histogram *got)
{
    static const char *const resets[] = {"unknown", "reset", "not_reset", "gauge"};
    const char *reset = json_string_value(json_object_get(want, "counter_reset_hint"));
    return same_field(want, "schema", (double)got->schema) && same_field(want, "sum", got->sum) &&
           same_field(want, "count", got->count) && same_field(want, "z_bucket", got->zero_count) &&
           same_field(want, "z_bucket_w", got->zero_threshold) &&
           same_buckets(want, "buckets", "spans", &got->positive) &&
           same_buckets(want, "n_buckets", "n_spans", &got->negative) &&
           same_list(json_object_get(want, "custom_values"), got->bounds) &&
           strcmp(reset ? reset : "unknown", resets[got->reset]) == 0;
}

static inline bool same_histograms(struct trial *t, const struct promql_series *s,
                                   const json_t *want)
{
    if (s->count != json_array_size(want))
        return reject(t, "%zu histograms, not %zu", s->count, json_array_size(want));
    for (size_t i = 0; i < s->count; i++)
        if (!s->present[i] || !s->h[i] || !same_histogram(json_array_get(want, i), s->h[i]))
            return reject(t, "histogram %zu is another", i);
    return true;
}

static inline bool case_series(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct promql_series s = {0};
    int rc = promql_parse_series(text_of(&t->arena, c, "series"), &t->arena, &s, &err);
    bool ok = expect_valid(t, flag_of(c, "valid"), rc, &err);
    if (rc < 0 || !ok) return ok;
    if (!same_labels(s.labels, json_object_get(c, "labels"))) return reject(t, "other labels");
    const json_t *histograms = json_object_get(c, "histograms");
    return histograms ? same_histograms(t, &s, histograms)
                      : same_values(t, &s, json_object_get(c, "values"));
}

#endif
