/* test_promql_script.c -- the script runner: what passes must fail when its expectation changes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tsdb/promql/script.h"

#define LOAD "load 1m\n  m{a=\"x\"} 1 2 3\n  m{a=\"y\"} 5 _ stale\n\n"

// clang-format off
/* A block and the report of its case, or of one altered to be wrong. */
static const struct {
    const char *block, *report;
} cases[] = {
    {"eval instant at 1m m\n m{a=\"x\"} 2\n m{a=\"y\"} 5\n",
     "ok T:5"},
    {"eval instant at 1m m\n m{a=\"x\"} 2.00001\n m{a=\"y\"} 5\n",
     "not ok T:5: expected m{a=\"x\"} 2.00001 at 60000 ms, got 2"},
    {"eval instant at 1m m\n m{a=\"x\"} 2\n",
     "not ok T:5: expected 1 series, got 2: m{a=\"x\"} 2, m{a=\"y\"} 5"},
    {"eval instant at 1m m\n m{a=\"x\"} 2\n m{a=\"z\"} 5\n",
     "not ok T:5: expected m{a=\"z\"}, got no such series"},
    {"eval instant at 1m m\n",
     "not ok T:5: expected 0 series, got 2: m{a=\"x\"} 2, m{a=\"y\"} 5"},
    {"eval instant at 1m nothing\n",
     "ok T:5"},
    {"eval instant at 0 1+1\n 2\n",
     "ok T:5"},
    {"eval instant at 0 1+1\n 3\n",
     "not ok T:5: expected 3, got 2"},
    {"eval instant at 0 m\n 3\n",
     "not ok T:5: expected a scalar, got instant vector"},
    {"eval range from 0 to 2m step 1m m\n m{a=\"x\"} 1 2 3\n m{a=\"y\"} 5 5 _\n",
     "ok T:5"},
    {"eval range from 0 to 2m step 1m m\n m{a=\"x\"} 1 2 3\n m{a=\"y\"} 5 5 5\n",
     "not ok T:5: expected m{a=\"y\"} 5 at 120000 ms, got no point there"},
    {"eval range from 0 to 2m step 1m m\n m{a=\"x\"} 1 2 3\n m{a=\"y\"} 5 _ _\n",
     "not ok T:5: expected 1 points of m{a=\"y\"}, got 2"},
    {"eval instant at 0 sort(m)\n expect ordered\n m{a=\"x\"} 1\n m{a=\"y\"} 5\n",
     "ok T:5"},
    {"eval instant at 0 sort(m)\n expect ordered\n m{a=\"y\"} 5\n m{a=\"x\"} 1\n",
     "not ok T:5: expected m{a=\"y\"} at place 1, got it at 2"},
    {"eval instant at 0 \"s\"\n expect string \"s\"\n",
     "ok T:5"},
    {"eval instant at 0 \"s\"\n expect string `t`\n",
     "not ok T:5: expected a certain string, got another"},
    {"eval instant at 2m m[2m1s]\n expect range vector from 0 to 2m step 1m\n m{a=\"x\""
     "} 1 2 3\n m{a=\"y\"} 5 _ _\n",
     "ok T:5"},
    {"eval instant at 0 m + on() m\n expect fail\n",
     "ok T:5"},
    {"eval_fail instant at 0 m +\n",
     "ok T:5"},
    {"eval instant at 0 1\n expect fail\n 1\n",
     "not ok T:5: expected a failure, got a result"},
    {"eval instant at 0 topk(NaN, m)\n expect fail msg: Parameter value is NaN\n",
     "ok T:5"},
    {"eval instant at 0 topk(NaN, m)\n expect fail regex: ^value\n",
     "not ok T:5: expected failure \"^value\", got \"Parameter value is NaN\""},
    {"eval instant at 0 quantile(2, m)\n expect warn regex: between 0 and 1, got 2 \n {"
     "} Inf\n",
     "ok T:5"},
    {"eval instant at 0 quantile(2, m)\n expect no_warn\n {} Inf\n",
     "not ok T:5: expected no such warning, got \"PromQL warning: quantile value should"
     " be between 0 and 1, got 2 (1:10)\""},
    {"eval instant at 0 m{a=\"x\"}\n expect info\n m{a=\"x\"} 1\n",
     "not ok T:5: expected info \"\", got none like it"},
    {"eval instant at 0 m\n m{a=\"x\"} {{count:1}}\n m{a=\"y\"} 5\n",
     "not ok T:5: expected m{a=\"x\"} a native histogram at 0 ms, got 1"},
    {"eval instant at 0 limitk(1, m)\n expect fail\n",
     "not ok T:5: expected a failure of its own, got aggregation limitk is not supported"},
    {"eval instant at 0 m\n expect nothing\n",
     "not ok T:5: line 6 is not understood: nothing"},
    {"eval instant\n",
     "not ok T:5: expected a result, got no expression found in input"},
    {"eval range from 0 to 1m m\n",
     "not ok T:5: expected eval instant at T EXPR or eval range from T to T step T EXPR"},
    {"evaluate\n",
     "not ok T:5: expected load, clear or eval"},
};
// clang-format on

static void cases_are_reported(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf script = BUF_INIT(4096), out = BUF_INIT(4096);
        size_t passed = 0, failed = 0;
        buf_addf(&script, LOAD "%s", cases[i].block);
        struct str text = {script.p, script.len};
        assert_int_equal(promql_script_text("T", text, 0, &out, &passed, &failed), 0);
        buf_truncate(&out, out.len - 1); /* the newline */
        assert_string_equal(out.p, cases[i].report);
        assert_int_equal(passed, cases[i].report[0] == 'o');
        assert_int_equal(passed + failed, 1);
        buf_release(&script);
        buf_release(&out);
    }
}

static void clear_drops_data_and_comments_end_blocks(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(4096);
    size_t passed = 0, failed = 0;
    struct str text = STR(LOAD "clear\n# nothing left\neval instant at 0 m\n# m{} 1\n"
                               "load 30s\n m 1 2\n\neval instant at 30s m\n m 2\n");
    assert_int_equal(promql_script_text("T", text, 0, &out, &passed, &failed), 0);
    assert_string_equal(out.p, "ok T:7\nok T:12\n");
    buf_release(&out);
}

static void histograms_are_data_that_is_told_apart(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(4096);
    size_t passed = 0, failed = 0;
    struct str text = STR("load 1m\n h{{count:1}} 1\n h {{count:1}} 2\n {a=\"}@st\"} 3\n\n"
                          "eval instant at 0 h\n h 1\n\n"
                          "eval instant at 1m h\n h 2\n\n"
                          "eval instant at 0 {a!=\"\"}\n {a=\"}@st\"} 3\n");
    assert_int_equal(promql_script_text("T", text, 0, &out, &passed, &failed), 0);
    assert_string_equal(out.p,
                        "not ok T:2: unexpected \"{{count:1}}\" in series values, expected blank\n"
                        "not ok T:6: expected a result, got native histograms are not "
                        "supported yet: a result\n"
                        "ok T:9\nok T:12\n");
    buf_release(&out);
}

static void unreadable_files_are_errors(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(4096);
    size_t passed = 0, failed = 0;
    assert_true(promql_script_run("/nonexistent/x.test", &out, &passed, &failed) < 0);
    assert_int_equal(passed + failed, 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_are_reported),
        cmocka_unit_test(clear_drops_data_and_comments_end_blocks),
        cmocka_unit_test(histograms_are_data_that_is_told_apart),
        cmocka_unit_test(unreadable_files_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
