/* test_promql_steps.c -- a range query gives at every step what an instant query gives there, bit
 * for bit. The evaluator works on all steps at once; this is what must not show.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tsdb/memstore.h"
#include "tsdb/promql/promql.h"

/* One sample each 15 s: resets, gaps, staleness, NaN and infinities, series that come and go. */
static const char *const data[] = {
    "c_total{i=\"1\",g=\"x\"} 0+7x20 3+5x20",
    "c_total{i=\"2\",g=\"x\"} 5 9 _ _ 14 2 8 stale _ _ 1 4 9 stale 20+1x25",
    "c_total{i=\"3\",g=\"y\"} _x12 100-3x9 _x30 4 4 4",
    "d_total{i=\"1\",g=\"x\"} 1 2 4 8 16 stale 32 64 1e300 1e308 1e308 1e308 -1e308 5 5 5",
    "gauge{i=\"1\"} 3 1 4 1 5 9 2 6 NaN 3 5 8 Inf 9 7 -Inf 9 3 2 3 8 4 6 2 6 4 3 3 8 3 2 7 9",
    "gauge{i=\"2\"} 2 7 1 8 2 8 stale stale 1 8 2 _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 4 5 9",
    "h_bucket{le=\"0.1\"} 0+1x40",
    "h_bucket{le=\"0.5\"} 0+3x20 50x20",
    "h_bucket{le=\"+Inf\"} 0+4x40",
    "info{i=\"1\",version=\"a\"} 1x10 stale",
    "info{i=\"1\",version=\"b\"} _x12 1x28",
};

static const char *const queries[] = {
    "c_total",
    "-c_total",
    "c_total offset 1m",
    "c_total offset -90s",
    "c_total @ 100",
    "timestamp(c_total)",
    "timestamp(c_total @ 77)",
    "timestamp(c_total + 0)",
    "rate(c_total[1m])",
    "rate(c_total[50s] offset 33s)",
    "increase(c_total[2m] @ 200)",
    "irate(c_total[1m])",
    "idelta(gauge[1m])",
    "delta(gauge[1m30s])",
    "changes(gauge[2m])",
    "resets(gauge[2m])",
    "deriv(gauge[2m])",
    "predict_linear(c_total[2m], 60)",
    "predict_linear(c_total[2m] @ 150, time())",
    "sum_over_time(d_total[2m])",
    "avg_over_time(d_total[2m])",
    "min_over_time(gauge[1m])",
    "max_over_time(gauge[1m])",
    "stddev_over_time(gauge[1m])",
    "count_over_time(c_total[1m])",
    "last_over_time(c_total[45s])",
    "first_over_time(c_total[45s])",
    "quantile_over_time(scalar(gauge{i=\"2\"}) / 10, c_total[2m])",
    "absent_over_time(c_total{i=\"3\"}[1m])",
    "absent(c_total{i=\"3\"})",
    "present_over_time(gauge[30s])",
    "mad_over_time(c_total[2m])",
    "double_exponential_smoothing(gauge[2m], 0.4, 0.6)",
    "ts_of_max_over_time(gauge[2m])",
    "sum(c_total)",
    "sum by (g) (rate(c_total[1m]))",
    "avg without (i) (c_total)",
    "avg(d_total) + min(c_total) + max(gauge) - count(gauge)",
    "stddev(c_total) / stdvar(c_total)",
    "group by (g) (c_total)",
    "topk by (g) (1, c_total)",
    "bottomk(2, gauge)",
    "topk(scalar(count(c_total) or vector(1)) - 1, c_total)",
    "quantile(0.4, c_total)",
    "count_values by (g) (\"v\", c_total % 2)",
    "c_total > 10",
    "10 < bool c_total",
    "c_total / on (i, g) d_total",
    "c_total * on (i) group_left (version) info",
    "info * on (i) group_right (version) c_total",
    "c_total + ignoring (g) group_left () (gauge * 0 + 1)",
    "c_total and on (i) gauge > 3",
    "c_total unless on (i) gauge",
    "gauge or c_total or info",
    "gauge > 3 or c_total",
    "histogram_quantile(0.9, rate(h_bucket[1m]))",
    "histogram_fraction(0, 0.3, h_bucket)",
    "max_over_time(rate(c_total[1m])[2m:20s])",
    "sum_over_time(gauge[2m:7s] offset 13s)",
    "avg_over_time(sum by (g) (c_total)[1m30s:])",
    "sum_over_time(vector(time())[1m:10s])",
    "sum_over_time(c_total[1m:10s] @ 200)",
    "max_over_time(sum_over_time(gauge[30s:5s])[1m:15s])",
    "label_replace(info, \"version\", \"any\", \"version\", \".*\") + 1",
    "label_join(c_total, \"j\", \"-\", \"g\", \"i\")",
    "clamp(gauge, scalar(c_total{i=\"2\"}), 5)",
    "round(gauge, 0.3) ^ 2 % 5",
    "minute(c_total * 1000) * 60 + hour(c_total * 1000)",
    "minute()",
    "vector(scalar(c_total)) or vector(time())",
    "scalar(gauge{i=\"1\"}) > bool 3",
    "abs({i=\"1\", g=\"\"})",
    "sum(abs({__name__=~\"gauge|info\"})) by (i)",
};

enum { STEPS = 61, STEP_MS = 11000 };

struct world {
    struct memstore *store;
    struct arena range_arena, instant_arena;
};

static int setup(void **state)
{
    static struct world w;
    arena_init(&w.range_arena, 64 << 20);
    arena_init(&w.instant_arena, 64 << 20);
    assert_int_equal(memstore_new(&w.store), 0);
    for (size_t i = 0; i < COUNT(data); i++) {
        struct promql_series s;
        assert_int_equal(promql_parse_series(str_of(data[i]), &w.range_arena, &s, NULL), 0);
        for (size_t p = 0; p < s.count; p++)
            if (s.present[p])
                assert_int_equal(memstore_add(w.store, s.labels, (int64_t)p * 15000, s.v[p]), 0);
    }
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    memstore_free(w->store);
    arena_release(&w->range_arena);
    arena_release(&w->instant_arena);
    return 0;
}

static int run(struct world *w, const char *text, struct arena *a, struct promql_query q,
               struct promql_result *out)
{
    struct expr *e;
    struct errmsg err;
    arena_reset(a);
    if (promql_parse(str_of(text), PROMQL_ALL, a, &e, &err) < 0) fail_msg("%s: %s", text, err.text);
    q.querier = memstore_querier(w->store);
    q.lookback_ms = 40000;
    q.arena = a;
    int rc = promql_eval(e, &q, out, &err);
    promql_expr_release(e);
    return rc;
}

static bool same(double a, double b)
{
    return double_bits(a) == double_bits(b) || (isnan(a) && isnan(b));
}

/* The value of a series of the matrix at a time, or NULL. */
static const double *at(const struct promql_result *matrix, struct labels ls, int64_t t_ms)
{
    for (size_t i = 0; i < matrix->series_count; i++) {
        const struct promql_series_result *s = &matrix->series[i];
        if (!labels_eq(s->labels, ls)) continue;
        for (size_t p = 0; p < s->count; p++)
            if (s->points[p].t_ms == t_ms) return &s->points[p].v;
    }
    return NULL;
}

static void compare_step(const char *query, const struct promql_result *matrix,
                         const struct promql_result *instant, int64_t t_ms)
{
    struct promql_point point = {t_ms, instant->scalar};
    struct promql_series_result scalar = {.points = &point, .count = 1};
    const struct promql_series_result *s = instant->series;
    size_t count = instant->series_count, present = 0;
    if (instant->type == T_SCALAR) {
        s = &scalar;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        const double *v = at(matrix, s[i].labels, t_ms);
        if (!v || !same(*v, s[i].points[0].v))
            fail_msg("%s at %lld ms: range %.17g, instant %.17g", query, (long long)t_ms,
                     v ? *v : -1.0, s[i].points[0].v);
    }
    for (size_t i = 0; i < matrix->series_count; i++)
        present += at(matrix, matrix->series[i].labels, t_ms) != NULL;
    if (present != count)
        fail_msg("%s at %lld ms: range has %zu series, instant %zu", query, (long long)t_ms,
                 present, count);
}

static void check(struct world *w, bool delayed)
{
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct promql_result matrix, instant;
        struct promql_query q = {.delayed_name_removal = delayed};
        q.end_ms = (STEPS - 1) * STEP_MS;
        q.step_ms = STEP_MS;
        if (run(w, queries[i], &w->range_arena, q, &matrix) < 0)
            fail_msg("%s as a range query failed", queries[i]);
        if (matrix.series_count == 0) fail_msg("%s compares nothing", queries[i]);
        for (int64_t t = 0; t <= (STEPS - 1) * STEP_MS; t += STEP_MS) {
            q.start_ms = q.end_ms = t;
            q.step_ms = 0;
            if (run(w, queries[i], &w->instant_arena, q, &instant) < 0)
                fail_msg("%s as an instant query failed", queries[i]);
            compare_step(queries[i], &matrix, &instant, t);
        }
    }
}

static void every_step_is_an_instant_query(void **state)
{
    check(*state, false);
}

static void also_with_names_removed_at_the_end(void **state)
{
    check(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_an_instant_query),
        cmocka_unit_test(also_with_names_removed_at_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
