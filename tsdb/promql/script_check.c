/* script_check.c -- compares what a query gave with what a script expects.
 *
 * Labels must be equal, values nearly so: |a-b| / (|a|+|b|) < 1e-6.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>

#include "core/regex.h"
#include "tsdb/promql/script_int.h"

static bool same_value(double a, double b)
{
    if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
    if (is_histogram(a) || is_histogram(b)) return false; /* no result holds one yet */
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (a == b) return true;
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) return diff < 1e-6 * DBL_MIN;
    return diff / fmin(sum, DBL_MAX) < 1e-6;
}

static int differ(struct buf *why, const char *expected, const char *got)
{
    buf_addf(why, "expected %s, got %s", expected, got);
    return 1;
}

/* --- failures and annotations --- */

static bool text_matches(const struct expectation *e, struct str text)
{
    if (e->text.len) return str_eq(e->text, text);
    if (!e->regex.len) return true;
    struct regex *re = NULL;
    if (regex_new(&re, e->regex, 0, NULL) < 0) return false;
    bool matches = regex_match(re, text) == 1;
    regex_free(re);
    return matches;
}

static int check_failure(const struct script_case *c, int rc, const struct errmsg *err,
                         struct buf *why)
{
    const struct expectation *fail = NULL;
    for (size_t i = 0; i < c->expect_count; i++)
        if (c->expect[i].kind == EXPECT_FAIL) fail = &c->expect[i];
    if (!fail && rc < 0) return differ(why, "a result", err->text);
    if (!fail) return 0;
    if (rc >= 0) return differ(why, "a failure", "a result");
    if (rc == E_UNSUPPORTED) return differ(why, "a failure of its own", err->text);
    if (text_matches(fail, str_of(err->text))) return 0;
    struct str want = fail->text.len ? fail->text : fail->regex;
    buf_addf(why, "expected failure \"%.*s\", got \"%s\"", (int)want.len, want.p, err->text);
    return 1;
}

/* Whether some expectation of that kind matches; it is then met. */
static bool note_expected(const struct script_case *c, enum expect_kind kind, const char *text,
                          bool *met)
{
    bool expected = false;
    for (size_t i = 0; i < c->expect_count; i++) {
        if (c->expect[i].kind != kind || !text_matches(&c->expect[i], str_of(text))) continue;
        met[i] = true;
        expected = true;
    }
    return expected;
}

/* Annotations count only where a script speaks of them; then all of that kind do. */
static int check_notes(const struct script_case *c, enum expect_kind kind, bool none,
                       const struct promql_result *r, struct buf *why)
{
    const char *name = kind == EXPECT_WARN ? "warning" : "info";
    bool met[MAX_EXPECTATIONS] = {0}, checked = none;
    for (size_t i = 0; i < c->expect_count; i++)
        checked |= c->expect[i].kind == kind;
    for (size_t n = 0; n < r->annotation_count && checked; n++) {
        const struct promql_annotation *a = &r->annotations[n];
        if (a->warning != (kind == EXPECT_WARN) || note_expected(c, kind, a->text, met)) continue;
        buf_addf(why, "expected no such %s, got \"%s\"", name, a->text);
        return 1;
    }
    for (size_t i = 0; i < c->expect_count; i++) {
        if (c->expect[i].kind != kind || met[i]) continue;
        struct str want = c->expect[i].text.len ? c->expect[i].text : c->expect[i].regex;
        buf_addf(why, "expected %s \"%.*s\", got none like it", name, (int)want.len,
                 want.p ? want.p : "");
        return 1;
    }
    return 0;
}

/* --- values --- */

static void add_value(struct buf *b, const struct labels *ls, double v)
{
    char text[STR_DOUBLE_MAX];
    str_from_double(v, text);
    if (ls) labels_print(*ls, true, b);
    buf_addf(b, "%s%s", ls ? " " : "", is_histogram(v) ? "a native histogram" : text);
}

static int wrong_value(struct labels ls, int64_t t_ms, double expected, double got, struct buf *why)
{
    buf_addstr(why, "expected ");
    add_value(why, &ls, expected);
    buf_addf(why, " at %lld ms, got ", (long long)t_ms);
    add_value(why, NULL, got);
    return 1;
}

static int check_scalar(double expected, double got, struct buf *why)
{
    if (same_value(expected, got)) return 0;
    buf_addstr(why, "expected ");
    add_value(why, NULL, expected);
    buf_addstr(why, ", got ");
    add_value(why, NULL, got);
    return 1;
}

static const struct promql_series_result *find(const struct promql_result *r, struct labels ls)
{
    for (size_t i = 0; i < r->series_count; i++)
        if (labels_eq(r->series[i].labels, ls)) return &r->series[i];
    return NULL;
}

static bool has_values(const struct promql_series *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->present[i]) return true;
    return false;
}

static int missing(const struct promql_series *s, struct buf *why)
{
    buf_addstr(why, "expected ");
    labels_print(s->labels, true, why);
    buf_addstr(why, ", got no such series");
    return 1;
}

/* Every point of a series: value i is expected at start + i * step. */
static int check_points(const struct promql_series *s, const struct promql_series_result *got,
                        int64_t start_ms, int64_t step_ms, struct buf *why)
{
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->present[i]) continue;
        int64_t t = start_ms + (int64_t)i * step_ms;
        if (at >= got->count || got->points[at].t_ms != t) {
            buf_addstr(why, "expected ");
            add_value(why, &s->labels, s->v[i]);
            buf_addf(why, " at %lld ms, got no point there", (long long)t);
            return 1;
        }
        if (!same_value(s->v[i], got->points[at].v))
            return wrong_value(s->labels, t, s->v[i], got->points[at].v, why);
        at++;
    }
    if (at == got->count) return 0;
    buf_addf(why, "expected %zu points of ", at);
    labels_print(s->labels, true, why);
    buf_addf(why, ", got %zu", got->count);
    return 1;
}

static int check_series(const struct script_case *c, const struct promql_result *r,
                        int64_t start_ms, int64_t step_ms, struct buf *why)
{
    size_t expected = 0;
    for (size_t i = 0; i < c->series_count; i++) {
        const struct promql_series *s = &c->series[i];
        if (!has_values(s)) continue;
        const struct promql_series_result *got = find(r, s->labels);
        if (!got) return missing(s, why);
        int rc = check_points(s, got, start_ms, step_ms, why);
        if (rc) return rc;
        if (c->ordered && got != &r->series[expected]) {
            buf_addf(why, "expected ");
            labels_print(s->labels, true, why);
            buf_addf(why, " at place %zu, got it at %zu", expected + 1,
                     (size_t)(got - r->series) + 1);
            return 1;
        }
        expected++;
    }
    if (expected == r->series_count) return 0;
    buf_addf(why, "expected %zu series, got %zu", expected, r->series_count);
    for (size_t i = 0; i < r->series_count && i < 3; i++) {
        buf_addstr(why, i ? ", " : ": ");
        add_value(why, &r->series[i].labels, r->series[i].points[0].v);
    }
    return 1;
}

static int check_sorted(const struct promql_result *r, struct buf *why)
{
    for (size_t i = 1; i < r->series_count; i++)
        if (labels_cmp(r->series[i - 1].labels, r->series[i].labels) >= 0)
            return differ(why, "series in the order of their labels", "another order");
    return 0;
}

static int check_result(const struct script_case *c, const struct promql_result *r, struct buf *why)
{
    if (c->has_string) {
        if (r->type == T_STRING && str_eq(r->string, c->string)) return 0;
        return differ(why, "a certain string", r->type == T_STRING ? "another" : "no string");
    }
    if (r->type == T_STRING) return differ(why, "no string", "a string");
    if (c->has_scalar && r->type == T_SCALAR) return check_scalar(c->scalar, r->scalar, why);
    if (c->has_scalar || r->type == T_SCALAR)
        return differ(why, c->has_scalar ? "a scalar" : "no scalar", value_type_name(r->type));
    if (c->range) {
        int rc = check_series(c, r, c->start_ms, c->step_ms, why);
        return rc ? rc : check_sorted(r, why);
    }
    if (r->type == T_MATRIX) return check_series(c, r, c->vector_start_ms, c->vector_step_ms, why);
    return check_series(c, r, c->start_ms, 1, why);
}

int script_check(const struct script_case *c, int rc, const struct errmsg *err,
                 const struct promql_result *result, struct buf *why)
{
    int bad = check_failure(c, rc, err, why);
    if (bad || rc < 0) return bad;
    bad = check_notes(c, EXPECT_WARN, c->no_warn, result, why);
    if (!bad) bad = check_notes(c, EXPECT_INFO, c->no_info, result, why);
    return bad ? bad : check_result(c, result, why);
}

/* --- an instant case as the middle of a range --- */

static const double *value_at(const struct promql_series_result *s, int64_t t_ms)
{
    for (size_t i = 0; s && i < s->count; i++)
        if (s->points[i].t_ms == t_ms) return &s->points[i].v;
    return NULL;
}

int script_check_at(const struct script_case *c, int64_t t_ms, const struct promql_result *r,
                    struct buf *why)
{
    if (r->type == T_SCALAR)
        return c->has_scalar ? check_scalar(c->scalar, r->scalar, why)
                             : differ(why, "no scalar", "a scalar");
    if (c->has_scalar) {
        const double *v = value_at(find(r, (struct labels){0}), t_ms);
        return v ? check_scalar(c->scalar, *v, why) : differ(why, "a scalar", "nothing");
    }
    size_t expected = 0, present = 0;
    for (size_t i = 0; i < c->series_count; i++) {
        const struct promql_series *s = &c->series[i];
        if (!has_values(s)) continue;
        expected++;
        const double *v = value_at(find(r, s->labels), t_ms);
        if (!v) return missing(s, why);
        if (!same_value(s->v[0], *v)) return wrong_value(s->labels, t_ms, s->v[0], *v, why);
    }
    for (size_t i = 0; i < r->series_count; i++)
        present += value_at(&r->series[i], t_ms) != NULL;
    if (present == expected) return 0;
    buf_addf(why, "expected %zu series, got %zu", expected, present);
    return 1;
}
