/* test_exposition.c -- writing expositions, and reading back what was written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/expo.h"
#include "exporters/exposition.h"

#define L(name, value)                                                                             \
    {                                                                                              \
        STR(name), STR(value)                                                                      \
    }
#define NO_LABELS ((struct labels){NULL, 0})
#define LABELS(...)                                                                                \
    ((struct labels){(struct label[]){__VA_ARGS__}, COUNT(((struct label[]){__VA_ARGS__}))})

static void families_have_one_header(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(1 << 16);
    struct exposition x;
    exposition_init(&x, &out);
    exposition_sample(&x, "a_total", "Counts.", METRIC_COUNTER, LABELS(L("x", "1"), L("y", "2")),
                      1);
    exposition_sample(&x, "a_total", "Counts.", METRIC_COUNTER, LABELS(L("x", "2")), 2.5);
    exposition_sample(&x, "b", "", METRIC_UNKNOWN, NO_LABELS, (double)INFINITY);
    exposition_sample(&x, "h_bucket", "Hist.", METRIC_HISTOGRAM, LABELS(L("le", "+Inf")), 3);
    exposition_sample(&x, "h_sum", "Hist.", METRIC_HISTOGRAM, NO_LABELS, 4);
    exposition_sample(&x, "h_count", "Hist.", METRIC_HISTOGRAM, NO_LABELS, 3);
    exposition_sample(&x, "s", "", METRIC_SUMMARY, LABELS(L("quantile", "0.5")), (double)NAN);
    exposition_sample(&x, "s_count", "", METRIC_SUMMARY, NO_LABELS, 0);
    assert_int_equal(out.err, 0);
    assert_string_equal(out.p, "# HELP a_total Counts.\n# TYPE a_total counter\n"
                               "a_total{x=\"1\",y=\"2\"} 1\na_total{x=\"2\"} 2.5\n"
                               "# TYPE b untyped\nb +Inf\n"
                               "# HELP h Hist.\n# TYPE h histogram\n"
                               "h_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n"
                               "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_count 0\n");
    exposition_release(&x);
    buf_release(&out);
}

static void texts_are_escaped(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(1 << 16);
    struct exposition x;
    exposition_init(&x, &out);
    exposition_sample(&x, "a", "two\nlines, a \\ and a \"", METRIC_GAUGE,
                      LABELS(L("x", "q\"b\\n\nz")), -0.0);
    exposition_sample(&x, "my.metric", "", METRIC_INFO, LABELS(L("l.x", "v")), 1);
    exposition_sample(&x, "my.metric2", "", METRIC_STATESET, NO_LABELS, 1);
    assert_string_equal(out.p, "# HELP a two\\nlines, a \\\\ and a \"\n# TYPE a gauge\n"
                               "a{x=\"q\\\"b\\\\n\\nz\"} -0\n"
                               "# TYPE \"my.metric\" gauge\n{\"my.metric\",\"l.x\"=\"v\"} 1\n"
                               "# TYPE \"my.metric2\" gauge\n{\"my.metric2\"} 1\n");
    exposition_release(&x);
    buf_release(&out);
}

static void what_is_written_reads_back(void **state)
{
    UNUSED(state);
    static const double values[] = {0, 1, -1.5, 1e-7, 1e21, 5e-324, 1.7976931348623157e308};
    struct buf out = BUF_INIT(1 << 16), scratch = BUF_INIT(1 << 16);
    struct label_builder b;
    struct exposition x;
    struct expo in;
    struct expo_entry e;
    exposition_init(&x, &out);
    for (size_t i = 0; i < COUNT(values); i++)
        exposition_sample(&x, "a.b", "", METRIC_GAUGE, LABELS(L("x y", "\n\"\\")), values[i]);
    expo_init(&in, (struct str){out.p, out.len}, EXPO_TEXT);
    assert_int_equal(expo_next(&in, &e, NULL), 1);
    assert_int_equal(e.kind, EXPO_TYPE);
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_int_equal(expo_next(&in, &e, NULL), 1);
        assert_true(e.value == values[i]);
        assert_int_equal(expo_labels(&e, EXPO_TEXT, &b, &scratch, NULL), 0);
        assert_true(str_eq(label_builder_get(&b, STR("__name__")), STR("a.b")));
        assert_true(str_eq(label_builder_get(&b, STR("x y")), STR("\n\"\\")));
    }
    exposition_release(&x);
    buf_release(&out);
    buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_have_one_header),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
