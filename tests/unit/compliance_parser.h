/* compliance_parser.h -- the corpora of promql-parser/: expressions, series, printer, pretty.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_PARSER_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_PARSER_H

#include "tests/unit/compliance.h"
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

static inline bool case_series(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct promql_series s = {0};
    int rc = promql_parse_series(text_of(&t->arena, c, "series"), &t->arena, &s, &err);
    bool ok = expect_valid(t, flag_of(c, "valid"), rc, &err);
    if (rc < 0 || !ok) return ok;
    if (!same_labels(s.labels, json_object_get(c, "labels"))) return reject(t, "other labels");
    return same_values(t, &s, json_object_get(c, "values"));
}

#endif
