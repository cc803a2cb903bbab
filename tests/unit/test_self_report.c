/* test_self_report.c -- the names and help of the daemon's own metrics.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/self_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_row_is_named_as_metrics_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < self_report_metric_count; i++) {
        const struct metric *m = &self_report_metrics[i];
        struct str name = str_of(m->name), help = str_of(m->help);
        assert_true(metric_name_is_legacy(name));
        assert_true(str_starts(name, STR("tocsin_")));
        assert_int_equal(m->type == METRIC_COUNTER, str_ends(name, STR("_total")));
        if (m->unit == UNIT_SECONDS) assert_non_null(strstr(m->name, "_seconds"));
        if (m->unit == UNIT_BYTES) assert_non_null(strstr(m->name, "_bytes"));
        assert_true(help.len > 10 && str_ends(help, STR(".")));
        assert_true(help.p[0] >= 'A' && help.p[0] <= 'Z');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(m->name, self_report_metrics[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_is_named_as_metrics_are)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
