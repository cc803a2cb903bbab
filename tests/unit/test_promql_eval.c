/* test_promql_eval.c -- the evaluator on a small in-memory store: values, errors, budgets.
 *
 * What scripts can say is in tests/promql; here is the rest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/memstore.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/promql.h"

/* --- a store, a query, its result as text --- */

struct world {
    struct memstore *store;
    struct arena arena;
    struct promql_query q;
    struct promql_result result;
    struct errmsg err;
    struct buf text;
};

static const char *const data[] = {
    "up{job=\"a\"} 1 1 1 0 1",
    "up{job=\"b\"} 1 stale _ 1 1",
    "in_total{job=\"a\"} 0+60x4",
    "out_total{job=\"a\"} 0+30x4",
};

static void load(struct world *w, const char *line)
{
    struct promql_series s;
    arena_reset(&w->arena);
    assert_int_equal(promql_parse_series(str_of(line), &w->arena, &s, &w->err), 0);
    for (size_t i = 0; i < s.count; i++)
        if (s.present[i])
            assert_int_equal(memstore_add(w->store, s.labels, (int64_t)i * 60000, s.v[i]), 0);
}

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    assert_non_null(w);
    arena_init(&w->arena, 16 << 20);
    buf_init(&w->text, 1 << 20);
    assert_int_equal(memstore_new(&w->store), 0);
    for (size_t i = 0; i < COUNT(data); i++)
        load(w, data[i]);
    w->q = (struct promql_query){.querier = memstore_querier(w->store),
                                 .env = env_system(),
                                 .start_ms = 240000,
                                 .end_ms = 240000,
                                 .arena = &w->arena};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    memstore_free(w->store);
    arena_release(&w->arena);
    buf_release(&w->text);
    mem_free(w);
    return 0;
}

static int run(struct world *w, const char *query)
{
    struct expr *e;
    arena_reset(&w->arena);
    w->err = (struct errmsg){0};
    w->q.text = str_of(query);
    int rc = promql_parse(str_of(query), PROMQL_ALL, &w->arena, &e, &w->err);
    assert_int_equal(rc, 0);
    rc = promql_eval(e, &w->q, &w->result, &w->err);
    promql_expr_release(e);
    return rc;
}

/* labels value@seconds value@seconds; labels ... */
static const char *text_of(struct world *w)
{
    buf_reset(&w->text);
    for (size_t i = 0; i < w->result.series_count; i++) {
        const struct promql_series_result *s = &w->result.series[i];
        if (i) buf_addstr(&w->text, "; ");
        labels_print(s->labels, true, &w->text);
        for (size_t p = 0; p < s->count; p++) {
            buf_addch(&w->text, ' ');
            buf_adddouble(&w->text, s->points[p].v);
            buf_addf(&w->text, "@%lld", (long long)s->points[p].t_ms / 1000);
        }
    }
    return w->text.p ? w->text.p : "";
}

static void assert_result(struct world *w, const char *query, const char *expected)
{
    int rc = run(w, query);
    if (rc < 0) fail_msg("%s: %s", query, w->err.text);
    assert_string_equal(text_of(w), expected);
}

static void assert_error(struct world *w, const char *query, int rc, const char *text)
{
    assert_int_equal(run(w, query), rc);
    assert_string_equal(w->err.text, text);
}

/* --- shapes of results --- */

static void instant_results_have_the_type_of_the_expression(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, "1 + 2"), 0);
    assert_int_equal(w->result.type, T_SCALAR);
    assert_true(w->result.scalar == 3);
    assert_int_equal(run(w, "\"text\""), 0);
    assert_int_equal(w->result.type, T_STRING);
    assert_true(str_eq(w->result.string, STR("text")));
    assert_result(w, "sum(up)", "{} 2@240");
    assert_int_equal(w->result.type, T_VECTOR);
    assert_result(w, "up[2m]", "up{job=\"a\"} 0@180 1@240; up{job=\"b\"} 1@180 1@240");
    assert_int_equal(w->result.type, T_MATRIX);
}

static void range_results_are_matrices(void **state)
{
    struct world *w = *state;
    w->q.start_ms = 60000;
    w->q.step_ms = 60000;
    assert_result(w, "up{job=\"b\"}", "up{job=\"b\"} 1@180 1@240");
    assert_int_equal(w->result.type, T_MATRIX);
    assert_result(w, "2", "{} 2@60 2@120 2@180 2@240");
    assert_result(w, "rate(in_total[2m])", "{job=\"a\"} 0.5@60 1@120 1@180 1@240");
    assert_error(w, "up[1m]", E_PARSE,
                 "invalid expression type \"range vector\" for range query, must be Scalar or "
                 "instant Vector");
}

static void samples_read_are_counted(void **state)
{
    struct world *w = *state;
    w->q.start_ms = 0;
    w->q.step_ms = 30000;
    assert_int_equal(run(w, "in_total"), 0);
    assert_int_equal(w->result.samples, 5);
}

/* --- metric names --- */

static void names_go_at_once_unless_removal_is_delayed(void **state)
{
    struct world *w = *state;
    const char *both = "rate({__name__=~\"(in|out)_total\"}[2m])";
    assert_error(w, both, E_EXEC, "vector cannot contain metrics with the same labelset");
    assert_error(w, "sum(rate({job=\"a\"}[2m]))", E_EXEC,
                 "vector cannot contain metrics with the same labelset");
    assert_result(w, "sum by (__name__) (rate(in_total[2m]))", "{} 1@240");

    w->q.delayed_name_removal = true;
    assert_error(w, both, E_EXEC, "vector cannot contain metrics with the same labelset");
    assert_result(w, "sum(rate({__name__=~\"(in|out)_total\"}[2m]))", "{} 1.5@240");
    assert_result(w, "label_replace(rate(in_total[2m]), \"__name__\", \"r\", \"\", \"\")",
                  "r{job=\"a\"} 1@240");
}

/* Two names at different times make one series without names. */
static void nameless_series_merge_when_they_never_meet(void **state)
{
    struct world *w = *state;
    load(w, "early 1");
    load(w, "late _ _ _ _ 2");
    w->q.start_ms = 0;
    w->q.step_ms = 240000;
    w->q.lookback_ms = 1000;
    assert_result(w, "abs({__name__=~\"early|late\"})", "{} 1@0 2@240");
    assert_result(w, "-{__name__=~\"early|late\"}", "{} -1@0 -2@240");
    w->q.delayed_name_removal = true;
    assert_result(w, "abs({__name__=~\"early|late\"})", "{} 1@0 2@240");
}

/* Whether an operand has one name is seen through whatever keeps names. */
static void clashes_are_seen_through_operators(void **state)
{
    struct world *w = *state;
    static const char *const queries[] = {
        "+{job=\"a\"} / 2",
        "abs(0 <= {job=\"a\"})",
        "increase((0 <= {__name__=~\"(in|out)_total\"})[3m:1m])",
        "abs(up{job=\"a\"} <= on (job) group_right () {__name__=~\"(in|out)_total\"})",
    };
    for (size_t i = 0; i < COUNT(queries); i++)
        assert_error(w, queries[i], E_EXEC, "vector cannot contain metrics with the same labelset");
}

/* What a filter took away entirely is no series and clashes with none. */
static void filtered_series_do_not_clash(void **state)
{
    struct world *w = *state;
    assert_result(w, "-({__name__=~\"(in|out)_total\"} > 200)", "{job=\"a\"} -240@240");
}

/* --- annotations --- */

static void annotations_carry_line_and_column(void **state)
{
    struct world *w = *state;
    assert_int_equal(run(w, "up +\n  on(job) rate(up[2m])"), 0);
    assert_int_equal(w->result.annotation_count, 1);
    assert_false(w->result.annotations[0].warning);
    assert_string_equal(w->result.annotations[0].text,
                        "PromQL info: metric might not be a counter, name does not end in "
                        "_total/_sum/_count/_bucket: \"up\" (2:16)");
    assert_int_equal(run(w, "quantile_over_time(2, up[1m])"), 0);
    assert_true(w->result.annotations[0].warning);
}

/* A range query names the extremes of a parameter, whatever lies between. */
static void quantile_parameters_are_noted_once(void **state)
{
    struct world *w = *state;
    w->q.start_ms = 0;
    w->q.step_ms = 60000;
    assert_int_equal(run(w, "quantile(time() / 60 - 1.5, up)"), 0);
    assert_int_equal(w->result.annotation_count, 2);
    assert_string_equal(w->result.annotations[0].text,
                        "PromQL warning: quantile value should be between 0 and 1, got 2.5 (1:10)");
    assert_string_equal(
        w->result.annotations[1].text,
        "PromQL warning: quantile value should be between 0 and 1, got -1.5 (1:10)");
    assert_result(w, "topk(time() / 60 - 9, up)", "");
}

/* --- failures --- */

static void bodies_that_are_missing_say_so(void **state)
{
    struct world *w = *state;
    assert_error(w, "info(up)", E_UNSUPPORTED, "function info() is not supported");
    assert_error(w, "limitk(1, up)", E_UNSUPPORTED, "aggregation limitk is not supported");
    assert_error(w, "rate(up[1m] anchored)", E_UNSUPPORTED, "anchored selectors are not supported");
    assert_error(w, "up smoothed", E_UNSUPPORTED, "smoothed selectors are not supported");
    assert_error(w, "up + fill(0) up", E_UNSUPPORTED, "fill modifiers are not supported");
}

static void errors_name_the_cause(void **state)
{
    struct world *w = *state;
    assert_error(w, "topk(NaN, up)", E_EXEC, "Parameter value is NaN");
    assert_error(w, "label_replace(up, \"a\", \"$1\", \"job\", \"(\")", E_EXEC,
                 "invalid regular expression in label_replace(): (");
    assert_string_equal(w->err.hint, "error parsing regexp: missing closing ): `(`");
    assert_error(w, "double_exponential_smoothing(up[5m], 2, 0.5)", E_EXEC,
                 "invalid smoothing factor. Expected: 0 < sf < 1, got: 2.000000");
    assert_error(w, "up == on() up", E_EXEC,
                 "found duplicate series for the match group {} on the right hand-side of the "
                 "operation: [{__name__=\"up\", job=\"b\"}, {__name__=\"up\", job=\"a\"}];"
                 "many-to-many matching not allowed: matching labels must be unique on one side");
}

/* --- budgets --- */

static void budgets_end_a_query(void **state)
{
    struct world *w = *state;
    w->q.budget.max_series = 1;
    assert_error(w, "up", E_LIMIT, "query needs more than limits.query.series = 1 series");
    assert_error(w, "sum(up) + 1", E_LIMIT, "query needs more than limits.query.series = 1 series");
    w->q.budget = (struct query_budget){.max_samples = 3};
    assert_error(w, "up[10m]", E_LIMIT, "query needs more than limits.query.samples = 3 samples");
    w->q.budget = (struct query_budget){.deadline_mono_ns = 1, .timeout_ms = 90000};
    assert_error(w, "up", E_TIMEOUT,
                 "query timed out in expression evaluation: it needs more than "
                 "limits.query.timeout = 1m30s");
    assert_error(w, "vector(1)", E_TIMEOUT,
                 "query timed out in expression evaluation: it needs more than "
                 "limits.query.timeout = 1m30s");
    w->q.budget = (struct query_budget){0};
    assert_int_equal(run(w, "up"), 0);
}

/* Each takes tens of microseconds and kilobytes to compile, before any budget counts. */
static void patterns_are_not_without_end(void **state)
{
    struct world *w = *state;
    struct buf query = BUF_INIT(1 << 20);
    struct expr *e;
    buf_addstr(&query, "up{");
    for (int i = 0; i < 1001; i++)
        buf_addf(&query, "%sjob=~\"x%d.\"", i ? "," : "", i);
    buf_addstr(&query, "}");
    int rc = promql_parse((struct str){query.p, query.len}, PROMQL_ALL, &w->arena, &e, &w->err);
    assert_int_equal(rc, E_TOO_BIG);
    assert_string_equal(w->err.text, "more than 1000 regular expressions in one query");
    buf_release(&query);
}

static void memory_has_a_ceiling(void **state)
{
    struct world *w = *state;
    w->q.start_ms = 0;
    w->q.end_ms = INT64_C(40000000) * 10;
    w->q.step_ms = 10;
    assert_error(w, "up", E_LIMIT, "query needs more than limits.query.memory = 16MiB of memory");
    assert_error(w, "max_over_time(vector(1)[100y:1ms])", E_LIMIT,
                 "query needs more than limits.query.memory = 16MiB of memory");
}

/* An operand and what is made of it, in memory at the same time: each fits, both do not. */
static void memory_of_open_scopes_adds_up(void **state)
{
    struct world *w = *state;
    const char *query = "quantile by (job) (0.5, up)";
    w->q.start_ms = 0;
    w->q.step_ms = 1000;
    w->q.end_ms = 260000000;
    assert_int_equal(run(w, query), 0);
    w->q.end_ms = 330000000;
    assert_error(w, query, E_LIMIT, "query needs more than limits.query.memory = 16MiB of memory");
}

static void cancellation_and_deadline_stop_the_work(void **state)
{
    struct world *w = *state;
    int cancel = 1;
    const char *work = "sum_over_time(vector(1)[10m:1ms])";
    w->q.budget.cancel = &cancel;
    assert_int_equal(run(w, work), E_CANCELED);
    w->q.budget = (struct query_budget){.deadline_mono_ns = 1};
    assert_int_equal(run(w, work), E_TIMEOUT);
    w->q.budget = (struct query_budget){0};
    assert_int_equal(run(w, work), 0);
}

/* Work that multiplies in nested subqueries ends at the deadline, not some time after it. */
static void bombs_end_at_the_deadline(void **state)
{
    static const char *const bombs[] = {
        "deriv(stddev_over_time(deriv(vector(time())[1d:1s])[1d:1s])[1d:1s])",
        "quantile_over_time(0.5, sum_over_time(vector(1)[30m:1ms])[30m:1ms])",
        "last_over_time(count_values(\"v\", vector(time()))[2h:1ms])",
        "count_over_time(stddev_over_time(vector(time())[1h:10ms])[10h:10ms])",
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(bombs); i++) {
        struct env *env = env_system();
        int64_t start = env_mono_ns(env);
        w->q.budget = (struct query_budget){.deadline_mono_ns = start + 50000000};
        int rc = run(w, bombs[i]);
        if (rc != E_TIMEOUT && rc != E_LIMIT) fail_msg("%s: %d %s", bombs[i], rc, w->err.text);
        assert_true(env_mono_ns(env) - start < INT64_C(2000000000));
    }
}

/* Whatever allocation fails, the query ends with an error and leaks nothing. */
static void every_allocation_may_fail(void **state)
{
    struct world *w = *state;
    const char *query = "topk(1, sum by (job) (rate(in_total[2m])) + on(job) group_left() up) "
                        "or label_replace(up, \"x\", \"$1\", \"job\", \"(.*)\")";
    int rc = -1;
    for (uint64_t n = 1; rc < 0 && n < 2000; n++) {
        struct expr *e = NULL;
        arena_release(&w->arena);
        assert_int_equal(promql_parse(str_of(query), PROMQL_ALL, &w->arena, &e, &w->err), 0);
        mem_fail_at(n, 0);
        rc = promql_eval(e, &w->q, &w->result, &w->err);
        mem_fail_at(0, 0);
        promql_expr_release(e);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(w->result.series_count, 3);
}

/* --- depth --- */

#if defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SANITIZED 1
#    endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 8 << 20 }; /* sanitizers pad every frame */
#else
enum { STACK_BYTES = 512 << 10 };
#endif

/* Expressions as deep as the parser lets through, on half the stack the daemon gives a query. */
static void *evaluate_deep_expressions(void *arg)
{
    static const struct {
        const char *before, *after;
        int depth;
    } nests[] = {
        {"absent(",                  ")",                             240},
        {"label_replace(",           ", \"a\", \"b\", \"c\", \"d\")", 240},
        {"label_join(",              ", \"a\", \"b\", \"job\")",      240},
        {"histogram_quantile(0.5, ", ")",                             240},
        {"sum by (job) (",           ")",                             240},
        {"topk(1, ",                 ")",                             240},
        {"quantile(0.5, ",           ")",                             240},
        {"count_values(\"v\", ",     ")",                             240},
        {"max_over_time((",          ")[5m:1m])",                     80 },
        {"(up + on (job) ",          ")",                             120},
        {"(up or ",                  ")",                             120},
        {"vector(scalar(",           "))",                            120},
        {"-",                        "",                              240},
    };
    struct world *w = arg;
    for (size_t i = 0; i < COUNT(nests); i++) {
        struct buf query = BUF_INIT(1 << 20);
        for (int d = 0; d < nests[i].depth; d++)
            buf_addstr(&query, nests[i].before);
        buf_addstr(&query, "up");
        for (int d = 0; d < nests[i].depth; d++)
            buf_addstr(&query, nests[i].after);
        int rc = run(w, query.p);
        buf_release(&query);
        if (rc < 0) return w->err.text;
    }
    return NULL;
}

static void depth_fits_a_small_stack(void **state)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *failure = NULL;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attr, evaluate_deep_expressions, *state), 0);
    assert_int_equal(pthread_join(thread, &failure), 0);
    if (failure) fail_msg("%s", (const char *)failure);
    pthread_attr_destroy(&attr);
}

/* --- the table of functions --- */

static void functions_on_by_default_have_bodies(void **state)
{
    UNUSED(state);
    size_t count;
    const struct promql_fn *fns = promql_fns(&count);
    for (size_t i = 0; i < count; i++)
        if (!fns[i].experimental && fns[i].body.kind == PROMQL_FN_NONE)
            fail_msg("%s() has no body", fns[i].name);
}

/* --- extremes of time --- */

static void extreme_times_are_survived(void **state)
{
    static const char *const queries[] = {
        "up offset 200y",
        "up offset -200y",
        "up @ 9000000000000",
        "rate(up[290y])",
        "sum_over_time(up[290y:290y] offset 290y)",
        "max_over_time(max_over_time(up[290y:280y] offset -290y)[290y:280y] offset -290y)",
        "year(vector(1e300)) + year(vector(-1e18)) + year(vector(NaN))",
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(queries); i++)
        assert_int_equal(run(w, queries[i]), 0);
    w->q.end_ms = INT64_MAX;
    assert_error(w, "up", E_EXEC, "the query's times are out of range");
    w->q.end_ms = w->q.start_ms - 1;
    assert_error(w, "up", E_EXEC, "the query's times are out of range");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(instant_results_have_the_type_of_the_expression),
        CASE(range_results_are_matrices),
        CASE(samples_read_are_counted),
        CASE(names_go_at_once_unless_removal_is_delayed),
        CASE(nameless_series_merge_when_they_never_meet),
        CASE(clashes_are_seen_through_operators),
        CASE(filtered_series_do_not_clash),
        CASE(annotations_carry_line_and_column),
        CASE(quantile_parameters_are_noted_once),
        CASE(bodies_that_are_missing_say_so),
        CASE(errors_name_the_cause),
        CASE(budgets_end_a_query),
        CASE(patterns_are_not_without_end),
        CASE(memory_has_a_ceiling),
        CASE(memory_of_open_scopes_adds_up),
        CASE(cancellation_and_deadline_stop_the_work),
        CASE(bombs_end_at_the_deadline),
        CASE(every_allocation_may_fail),
        CASE(depth_fits_a_small_stack),
        CASE(functions_on_by_default_have_bodies),
        CASE(extreme_times_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
