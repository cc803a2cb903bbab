/* test_promql_series.c -- series descriptions: metric{labels}, then floats and native histograms.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tsdb/promql/histogram.h"
#include "tsdb/promql/promql.h"

enum { ARENA_MAX = 64 << 20 };

static void series_are_metric_and_values(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *shown; /* labels, then values with _ for absent ones */
        int rc;
        int column;
    } rows[] = {
        {"a 1 2",                "a 1 2",                    0,         0},
        {"a{b='c'}\t1+1x2",      "a{b=\"c\"} 1 2 3",         0,         0},
        {"{'a.b',c='d'} -1-1x1", "{\"a.b\", c=\"d\"} -1 -2", 0,         0},
        {"a 2x2 _x2 _ stale",    "a 2 2 2 _ _ _ stale",      0,         0},
        {"a Inf -inf 1e3+2x1",   "a +Inf -Inf 1000 1002",    0,         0},
        {"a",                    "a",                        0,         0},
        {"",                     "",                         0,         0},
        {"a 1+1",                NULL,                       E_PARSE,   6},
        {"a 1 b",                NULL,                       E_PARSE,   5},
        {"a _-1",                NULL,                       E_PARSE,   4},
        {"a stalex3",            NULL,                       E_PARSE,   8},
        {"a 1x",                 NULL,                       E_PARSE,   5},
        {"a{b=} 1",              NULL,                       E_PARSE,   5},
        {"a{b!='c'} 1",          NULL,                       E_PARSE,   4},
        {"a 1x99999999",         NULL,                       E_TOO_BIG, 1},
        {"a _x99999999999999",   NULL,                       E_TOO_BIG, 1},
        {"a Infx2",              NULL,                       E_PARSE,   3},
        {"a 1 ++Inf",            NULL,                       E_PARSE,   6},
        {"a 1X2",                NULL,                       E_PARSE,   4},
        {"a 1 STALE",            NULL,                       E_PARSE,   5},
        {"a 010 0x2",            "a 8 0 0 0",                0,         0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct buf b = BUF_INIT(4096);
        struct promql_series s = {0};
        struct errmsg err = {0};
        arena_init(&a, 64 << 20);
        int rc = promql_parse_series(str_of(rows[i].text), &a, &s, &err);
        if (rc != rows[i].rc || err.column != rows[i].column)
            fail_msg("%s: %d at %d: %s", rows[i].text, rc, err.column, err.text);
        if (rc == 0) {
            if (s.labels.count) labels_print(s.labels, true, &b);
            for (size_t k = 0; k < s.count; k++) {
                char text[STR_DOUBLE_MAX];
                str_from_double(s.v[k], text);
                buf_addf(&b, " %s", !s.present[k] ? "_" : is_stale(s.v[k]) ? "stale" : text);
            }
            assert_string_equal(b.p ? b.p : "", rows[i].shown);
        }
        buf_release(&b);
        arena_release(&a);
    }
}

/* sum/count/zero@threshold [positive from] (negative from) bounds reset, of each value */
static void show_histogram(const struct histogram *h, struct buf *out)
{
    static const char *const resets[] = {"", " reset", " not_reset", " gauge"};
    buf_addf(out, " %lld:%g/%g/%g@%g [", (long long)h->schema, h->sum, h->count, h->zero_count,
             h->zero_threshold);
    for (size_t i = 0; i < h->positive.counts.count; i++)
        buf_addf(out, "%g ", h->positive.counts.v[i]);
    buf_addf(out, "%lld] (", (long long)h->positive.offset);
    for (size_t i = 0; i < h->negative.counts.count; i++)
        buf_addf(out, "%g ", h->negative.counts.v[i]);
    buf_addf(out, "%lld)", (long long)h->negative.offset);
    for (size_t i = 0; i < h->bounds.count; i++)
        buf_addf(out, " %g", h->bounds.v[i]);
    buf_addstr(out, resets[h->reset]);
}

static void series_hold_histograms(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *shown; /* or the error */
        int column;               /* of an error */
    } rows[] = {
        {"a {{}}",                                                                   " 0:0/0/0@0 [0] (0)",                                                    0 },
        {"a{b='c'} {{ }} 5",                                                         " 0:0/0/0@0 [0] (0) 5",                                                  0 },
        {"a {{schema:1 sum:-0.3 count:3.1 z_bucket:7 z_bucket_w:0.05 buckets:[5 -1 NaN ] offset:-3 "
         "n_buckets:[4] n_offset:5 counter_reset_hint:gauge }}",            " 1:-0.3/3.1/7@0.05 [5 -1 nan -3] (4 5) gauge",                          0 },
        {"a {{SCHEMA:-53 custom_values:[1 2] buckets:[1 2 3]}}",                     " -53:0/0/0@0 [1 2 3 0] (0) 1 2",
         0                                                                                                                                                      },
        {"a {{sum:1}}x1 {{sum:2}}+{{sum:3 count:1}}x2 _",
         " 0:1/0/0@0 [0] (0) 0:1/0/0@0 [0] (0) 0:2/0/0@0 [0] (0) 0:5/1/0@0 [0] (0) "
         "0:8/2/0@0 [0] (0) _",                                                                                                                               0 },
 /* another offset, a finer schema, one bucket on either side of zero's index */
        {"a {{buckets:[5]}}-{{buckets:[1 2] offset:3}}x1",
         " 0:0/0/0@0 [5 0] (0) 0:0/0/0@0 [5 0 0 -1 "
         "-2 0] (0)",                                                                                                                                         0 },
        {"a {{buckets:[5]}}+{{schema:2 buckets:[1 2 3 4 5 6] offset:-1}}x1",
         " 0:0/0/0@0 [5 0] (0) 0:0/0/0@0 [8 18 0] (0)",                                                                                                       0 },
        {"a {{counter_reset_hint:reset}}+{{counter_reset_hint:not_reset}}x1",
         " 0:0/0/0@0 [0] (0) reset 0:0/0/0@0 [0] (0)",                                                                                                        0 },
        {"a {{schema:1 schema:1}}",                                                  "duplicate key \"schema\" in histogram",                                 1 },
        {"a {{schema :1}}",                                                          "missing `:` for histogram descriptor",                                  5 },
        {"a {{buckets:[ 1]}}",                                                       "unexpected \" \" in series values, expected number",                    14},
        {"a {{buckets:[1,2]}}",                                                      "unexpected \",2]}}\" in series values, expected blank or \"]\"",
         15                                                                                                                                                     },
        {"a {{buckets:[]}}",                                                         "unexpected \"]}}\" in series values, expected number",                  14},
        {"a {{ schema:1}}",                                                          "unexpected \" \" in series values, expected histogram descriptor",      5 },
        {"a {{size:1}}",                                                             "bad histogram descriptor found: \"size\"",                              5 },
        {"a {{schema:1.5}}",                                                         "unexpected \".5}}\" in series values, expected blank or \"}}\"",        13},
        {"a {{schema:9999999999}}",
         "unexpected \"9999999999}}\" in series values, expected integer",                                                                                    12},
        {"a {{z_bucket_w:-1}}",                                                      "unexpected \"-1}}\" in series values, expected number",                 16},
        {"a {{counter_reset_hint:no}}",
         "unexpected \"no}}\" in series values, expected unknown, reset, not_reset or gauge",                                                                 24},
        {"a {{sum:1}",                                                               "unexpected \"}\" in series values, expected blank or \"}}\"",           10},
        {"a {{sum:1",                                                                "unexpected end of input in series values, expected blank or \"}}\"",    10},
        {"a {{}}{{}}",                                                               "unexpected \"{{}}\" in series values",                                  7 },
        {"a {{}}+{{}}",                                                              "unexpected end of input in series values, expected \"x\" and a number",
         12                                                                                                                                                     },
        {"a {{}}+1x2",                                                               "unexpected \"1x2\" in series values, expected histogram",               8 },
        {"a {{schema:1}}+{{schema:0}}x1",
         "error combining histograms: cannot merge from schema 0 to 1",                                                                                       30},
        {"a {{schema:-53}}+{{schema:0}}x1",
         "error combining histograms: cannot apply this operation on histograms with a mix of "
         "exponential and custom bucket schemas",                                                                                                             32},
        {"a {{buckets:[1] offset:-2000000000}}+{{buckets:[1] offset:2000000000}}x1",
         "error combining histograms: a histogram of more than 65536 buckets",                                                                                73},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct buf b = BUF_INIT(4096);
        struct promql_series s = {0};
        struct errmsg err = {0};
        arena_init(&a, ARENA_MAX);
        int rc = promql_parse_series(str_of(rows[i].text), &a, &s, &err);
        for (size_t k = 0; rc == 0 && k < s.count; k++) {
            assert_int_equal(is_histogram(s.v[k]), s.h[k] != NULL);
            if (s.h[k])
                show_histogram(s.h[k], &b);
            else if (s.present[k])
                buf_addf(&b, " %g", s.v[k]);
            else
                buf_addstr(&b, " _");
        }
        const char *got = rc < 0 ? err.text : b.p;
        if (strcmp(got, rows[i].shown) != 0 || err.column != rows[i].column)
            fail_msg("%s: at %d: %s", rows[i].text, err.column, got);
        buf_release(&b);
        arena_release(&a);
    }
}

static void metrics_stand_alone(void **state)
{
    UNUSED(state);
    struct arena a;
    struct labels ls;
    struct errmsg err = {0};
    arena_init(&a, ARENA_MAX);
    assert_int_equal(promql_parse_metric(STR("a{c='d',b='e',x=''}"), &a, &ls, &err), 0);
    assert_int_equal(ls.count, 3);
    assert_true(str_eq(labels_metric(ls), STR("a")));
    assert_int_equal(promql_parse_metric(STR("a{c='d'} 1"), &a, &ls, &err), E_PARSE);
    assert_int_equal(promql_parse_metric(STR("5"), &a, &ls, &err), E_PARSE);
    arena_release(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_metric_and_values),
        cmocka_unit_test(series_hold_histograms),
        cmocka_unit_test(metrics_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
