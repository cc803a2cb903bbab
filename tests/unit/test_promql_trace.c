/* test_promql_trace.c -- explain and the sample counts of stats=all; quantiles without sorting;
 * many queries at the same time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/memstore.h"
#include "tsdb/promql/eval_int.h"

/* One sample each 10 s, three series of one metric and one of another. */
static const char *const data[] = {
    "one 1+1x100",
    "three{a=\"1\",b=\"1\"} 1+1x100",
    "three{a=\"2\",b=\"2\"} 1+1x100",
    "three{a=\"3\",b=\"2\"} 1+1x100",
};

struct world {
    struct memstore *store;
    struct arena arena;
    struct promql_query q;
    struct promql_result res;
    struct errmsg err;
};

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    assert_non_null(w);
    arena_init(&w->arena, 16 << 20);
    assert_int_equal(memstore_new(&w->store), 0);
    for (size_t i = 0; i < COUNT(data); i++) {
        struct promql_series s;
        assert_int_equal(promql_parse_series(str_of(data[i]), &w->arena, &s, &w->err), 0);
        for (size_t k = 0; k < s.count; k++)
            assert_int_equal(memstore_add(w->store, s.labels, (int64_t)k * 10000, s.v[k]), 0);
    }
    w->q = (struct promql_query){
        .querier = memstore_querier(w->store), .env = env_system(), .arena = &w->arena};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    memstore_free(w->store);
    arena_release(&w->arena);
    mem_free(w);
    return 0;
}

static void run(struct world *w, const char *query, int64_t start_s, int64_t end_s, int64_t step_s)
{
    struct expr *e;
    arena_reset(&w->arena);
    w->q.start_ms = start_s * 1000;
    w->q.end_ms = end_s * 1000;
    w->q.step_ms = step_s * 1000;
    w->q.text = str_of(query);
    if (promql_parse(str_of(query), PROMQL_ALL, &w->arena, &e, &w->err) < 0)
        fail_msg("%s: %s", query, w->err.text);
    if (promql_eval(e, &w->q, &w->res, &w->err) < 0) fail_msg("%s: %s", query, w->err.text);
    promql_expr_release(e);
}

/* --- explain --- */

static void explain_tells_what_each_node_did(void **state)
{
    static const struct {
        unsigned depth;
        const char *expr, *kind;
        uint64_t rows_in, rows, samples, points;
    } want[] = {
        {0, "sum by (b) (rate(three[1m])) / (one @ 100.000)", "binary",         3, 0, 0,   0  },
        {1, "sum by (b) (rate(three[1m]))",                   "aggregation",    3, 2, 0,   22 },
        {2, "rate(three[1m])",                                "call",           3, 3, 0,   33 },
        {3, "three[1m]",                                      "range selector", 3, 3, 138, 138},
        {1, "(one @ 100.000)",                                "parentheses",    1, 1, 0,   11 },
        {2, "one @ 100.000",                                  "selector",       1, 1, 1,   1  },
    };
    struct world *w = *state;
    w->q.explain = true;
    run(w, "sum by(b)(rate(three[1m])) / (one @ 100)", 100, 500, 40);
    assert_int_equal(w->res.node_count, COUNT(want));
    int64_t self = 0;
    for (size_t i = 0; i < COUNT(want); i++) {
        const struct promql_node *n = &w->res.nodes[i];
        if (n->depth != want[i].depth || !str_eq(n->expr, str_of(want[i].expr)) ||
            strcmp(n->kind, want[i].kind) != 0 || n->rows_in != want[i].rows_in ||
            n->rows != want[i].rows || n->samples != want[i].samples || n->points != want[i].points)
            print_message("%u %.*s %s in %llu rows %llu samples %llu points %llu\n", n->depth,
                          (int)n->expr.len, n->expr.p, n->kind, (unsigned long long)n->rows_in,
                          (unsigned long long)n->rows, (unsigned long long)n->samples,
                          (unsigned long long)n->points);
        assert_true(n->self_ns >= 0 && n->total_ns >= n->self_ns);
        self += n->self_ns;
    }
    assert_int_equal(self, w->res.nodes[0].total_ns);
    assert_true(self > 0);
    for (size_t i = 0; i < COUNT(want); i++) {
        const struct promql_node *n = &w->res.nodes[i];
        assert_int_equal(n->depth, want[i].depth);
        assert_true(str_eq(n->expr, str_of(want[i].expr)));
        assert_string_equal(n->kind, want[i].kind);
        assert_int_equal(n->rows_in, want[i].rows_in);
        assert_int_equal(n->rows, want[i].rows);
        assert_int_equal(n->samples, want[i].samples);
        assert_int_equal(n->points, want[i].points);
    }
}

static void explain_changes_no_result(void **state)
{
    static const char *const queries[] = {
        "one",
        "three @ 55",
        "rate(three[1m])",
        "sum(three) + on () group_right () three",
        "topk(1, three)",
        "max_over_time(rate(three[30s])[1m:5s])",
        "time() * 2",
        "scalar(one)",
        "three or one",
        "absent_over_time(three[5s])",
        "timestamp(three)",
        "-(three)",
        "((one))[1m:10s]",
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        bool bare = queries[i][0] == '(';
        double sum[2] = {0};
        for (int k = 0; k < 2; k++) {
            w->q.explain = w->q.stats = k;
            run(w, queries[i], 100, bare ? 100 : 400, bare ? 0 : 7);
            for (size_t s = 0; s < w->res.series_count; s++)
                for (size_t p = 0; p < w->res.series[s].count; p++)
                    sum[k] += w->res.series[s].points[p].v * (double)(s + 1);
        }
        if (sum[0] != sum[1]) fail_msg("%s: %g, explained %g", queries[i], sum[0], sum[1]);
        assert_true(w->res.node_count > 0);
        assert_true(strlen(w->res.nodes[0].kind) > 0);
    }
}

/* --- stats --- */

static void samples_are_counted_as_prometheus_does(void **state)
{
    static const struct {
        const char *query;
        int64_t start_s, end_s, step_s;
        uint64_t total, peak, first, last;
    } rows[] = {
        {"one",                                            21,  21,  0, 1,  1,  1,  1 },
        {"one[59s]",                                       201, 201, 0, 6,  6,  6,  6 },
        {"three",                                          21,  21,  0, 3,  3,  3,  3 },
        {"sum(three)",                                     21,  21,  0, 3,  7,  3,  3 },
        {"one",                                            201, 216, 5, 4,  4,  1,  1 },
        {"max_over_time(one[59s])",                        201, 216, 5, 24, 10, 6,  6 },
        {"max_over_time(three[59s])",                      201, 201, 0, 18, 9,  18, 18},
        {"one[60s:5s]",                                    201, 201, 0, 12, 12, 12, 12},
        {"max_over_time(one[59s])[20s:5s]",                201, 201, 0, 24, 10, 24, 24},
        {"sum(three @ 30)",                                201, 216, 5, 12, 7,  3,  3 },
        {"sum_over_time(max_over_time(one[59s])[20s:5s])", 201, 201, 0, 4,  10, 4,  4 },
        {"timestamp(one)",                                 201, 216, 5, 4,  4,  1,  1 },
        {"1 + 1",                                          21,  21,  0, 0,  5,  0,  0 },
    };
    struct world *w = *state;
    w->q.stats = true;
    for (size_t i = 0; i < COUNT(rows); i++) {
        run(w, rows[i].query, rows[i].start_s, rows[i].end_s, rows[i].step_s);
        const struct promql_result *r = &w->res;
        size_t steps =
            rows[i].step_s ? (size_t)((rows[i].end_s - rows[i].start_s) / rows[i].step_s) + 1 : 1;
        uint64_t sum = 0;
        assert_int_equal(r->step_count, steps);
        for (size_t k = 0; k < steps; k++)
            sum += r->samples_per_step[k];
        assert_int_equal(sum, r->queryable_samples);
        if (r->queryable_samples != rows[i].total || r->samples_per_step[0] != rows[i].first ||
            r->samples_per_step[steps - 1] != rows[i].last || r->peak_samples != rows[i].peak)
            fail_msg("%s: total %llu peak %llu first %llu last %llu", rows[i].query,
                     (unsigned long long)r->queryable_samples, (unsigned long long)r->peak_samples,
                     (unsigned long long)r->samples_per_step[0],
                     (unsigned long long)r->samples_per_step[steps - 1]);
    }
}

/* --- selectors that occur twice --- */

static void twins_are_read_once(void **state)
{
    static const struct {
        const char *query;
        uint64_t times; /* what rate(three[1m]) alone reads */
    } rows[] = {
        {"rate(three[1m])",                                                        1},
        {"rate(three[1m]) / rate(three[1m])",                                      1},
        {"rate(three[1m]) / increase(three[1m])",                                  1},
        {"sum(rate(three[1m])) + count(delta(three[1m])) * max(irate(three[1m]))", 1},
        {"rate(three[1m]) / rate(three{a!=\"\"}[1m])",                             2},
        {"rate(three[1m]) or topk(1, rate(three[1m]))",                            2}, /* one is sorted */
    };
    struct world *w = *state;
    uint64_t once = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        w->q.budget.used_samples = 0;
        run(w, rows[i].query, 100, 500, 40);
        if (i == 0) once = w->res.samples;
        assert_int_equal(w->res.samples, rows[i].times * once);
        assert_true(w->res.series_count > 0);
    }
    run(w, "three / three", 100, 500, 40);
    for (size_t i = 0; i < w->res.series_count; i++)
        for (size_t k = 0; k < w->res.series[i].count; k++)
            assert_true(w->res.series[i].points[k].v == 1);
    assert_int_equal(w->res.series_count, 3);
}

/* Memory that holds one series at a time, but not all of them: both are read. */
static void twins_that_are_too_large_are_read_twice(void **state)
{
    struct world *w = *state;
    struct arena small;
    arena_init(&small, 20 << 10);
    w->q.budget.used_samples = 0;
    const char *query = "sum(last_over_time({__name__=~\".+\"}[1000s])) + "
                        "sum(last_over_time({__name__=~\".+\"}[1000s]))";
    run(w, query, 900, 900, 0);
    uint64_t once = w->res.samples;
    struct expr *e;
    assert_int_equal(promql_parse(str_of(query), PROMQL_ALL, &w->arena, &e, &w->err), 0);
    w->q.arena = &small;
    w->q.budget.used_samples = 0;
    if (promql_eval(e, &w->q, &w->res, &w->err) < 0) fail_msg("%s", w->err.text);
    assert_int_equal(w->res.samples, 2 * once);
    promql_expr_release(e);
    arena_release(&small);
}

/* --- quantiles --- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

static double sorted_quantile(double q, double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    double rank = q * ((double)n - 1), low = floor(rank);
    size_t at = (size_t)low;
    return v[at] * (1 - (rank - low)) + v[MIN(at + 1, n - 1)] * (rank - low);
}

static void quantiles_are_those_of_sorted_values(void **state)
{
    enum { N = 3000 };
    double v[N], copy[N];
    uint64_t x = 88172645463325252;
    UNUSED(state);
    for (size_t round = 0; round < 400; round++) {
        size_t n = 1 + round * round % N;
        for (size_t i = 0; i < n; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            unsigned kinds = round % 3 == 0 ? 5 : 1 << 20;
            v[i] = round % 5 == 0   ? (double)i
                   : round % 7 == 0 ? (double)(n - i)
                                    : (double)(x % kinds);
            if (round % 4 == 0 && x % 11 == 0) v[i] = nan_value();
        }
        double q = (double)(x >> 40 & 0xff) / 255;
        memcpy(copy, v, n * sizeof *v);
        double want = sorted_quantile(q, copy, n), got = quantile_of(q, v, n);
        if (double_bits(want) != double_bits(got) && !(isnan(want) && isnan(got)))
            fail_msg("%zu values, q %g: %g, not %g", n, q, got, want);
    }
}

/* --- many at once --- */

enum { THREADS = 6, ROUNDS = 30 };

struct asker {
    pthread_t thread;
    struct querier *querier;
    const struct expr *e; /* shared, as rules share theirs */
    uint64_t points;
    int rc;
};

static void *ask(void *arg)
{
    struct asker *k = arg;
    for (int i = 0; i < ROUNDS && k->rc == 0; i++) {
        struct arena arena;
        struct errmsg err = {0};
        struct promql_result res;
        arena_init(&arena, 8 << 20);
        struct promql_query q = {.querier = k->querier,
                                 .env = env_system(),
                                 .start_ms = 100000,
                                 .end_ms = 500000,
                                 .step_ms = 5000,
                                 .arena = &arena,
                                 .explain = i % 2,
                                 .stats = i % 3 == 0};
        k->rc = promql_eval(k->e, &q, &res, &err);
        for (size_t s = 0; k->rc == 0 && s < res.series_count; s++)
            k->points += res.series[s].count;
        arena_release(&arena);
    }
    return NULL;
}

static void queries_share_nothing_that_changes(void **state)
{
    struct world *w = *state;
    struct asker askers[THREADS];
    struct expr *e;
    const char *query =
        "quantile by (b) (0.5, label_replace(rate(three{a=~\"[0-9]+\"}[1m]), \"c\", "
        "\"$1\", \"a\", \"(.*)\")) + on () group_left () topk(1, one)";
    assert_int_equal(promql_parse(str_of(query), PROMQL_ALL, &w->arena, &e, &w->err), 0);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.querier = w->q.querier, .e = e};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].rc, 0);
        assert_int_equal(askers[i].points, askers[0].points);
    }
    assert_true(askers[0].points > 0);
    promql_expr_release(e);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(explain_tells_what_each_node_did),        CASE(explain_changes_no_result),
        CASE(samples_are_counted_as_prometheus_does),  CASE(twins_are_read_once),
        CASE(twins_that_are_too_large_are_read_twice), CASE(quantiles_are_those_of_sorted_values),
        CASE(queries_share_nothing_that_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
