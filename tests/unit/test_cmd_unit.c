/* test_cmd_unit.c -- units of expressions, as far as names tell.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/cmd_unit.h"
#include "tsdb/promql/promql.h"

static const struct {
    const char *expr;
    enum chart_unit unit;
    bool per_second;
} cases[] = {
    {"node_memory_MemFree_bytes",                                                             CHART_BYTES,   false},
    {"sum by (device) (rate(node_network_receive_bytes_total[1m]))",                          CHART_BYTES,   true },
    {"rate(node_cpu_seconds_total[1m])",                                                      CHART_NUMBER,  false},
    {"increase(node_cpu_seconds_total[1m])",                                                  CHART_SECONDS, false},
    {"histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
     CHART_NUMBER,                                                                                           false},
    {"rate(http_requests_total[1m])",                                                         CHART_NUMBER,  true },
    {"irate(http_request_duration_seconds_count[1m])",                                        CHART_NUMBER,  true },
    {"rate(rate(x_bytes[1m])[5m:])",                                                          CHART_NUMBER,  false},
    {"node_load1",                                                                            CHART_NUMBER,  false},
    {"process_start_time_seconds",                                                            CHART_NUMBER,  false},
    {"node_boot_timestamp_seconds",                                                           CHART_NUMBER,  false},
    {"cache_hit_ratio",                                                                       CHART_RATIO,   false},
    {"count(node_memory_MemFree_bytes)",                                                      CHART_NUMBER,  false},
    {"max_over_time((-node_memory_MemFree_bytes)[1h:1m])",                                    CHART_BYTES,   false},
    {"a_bytes - b_bytes",                                                                     CHART_BYTES,   false},
    {"a_bytes - b_seconds",                                                                   CHART_NUMBER,  false},
    {"a_bytes / b_bytes",                                                                     CHART_NUMBER,  false},
    {"rate(a_bytes_total[1m]) * 8",                                                           CHART_NUMBER,  false},
    {"a_bytes > 5",                                                                           CHART_BYTES,   false},
    {"a_bytes > bool 5",                                                                      CHART_NUMBER,  false},
    {"a_bytes or b_bytes",                                                                    CHART_BYTES,   false},
    {"a_bytes unless b",                                                                      CHART_BYTES,   false},
    {"quantile_over_time(0.9, a_seconds[1h])",                                                CHART_SECONDS, false},
    {"topk(3, a_bytes)",                                                                      CHART_BYTES,   false},
    {"clamp_max(a_bytes, 5)",                                                                 CHART_BYTES,   false},
    {"time()",                                                                                CHART_NUMBER,  false},
    {"5",                                                                                     CHART_NUMBER,  false},
    {"\"text\"",                                                                              CHART_NUMBER,  false},
};

static void names_and_functions_make_the_unit(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct expr *e = NULL;
        arena_init(&arena, 1 << 20);
        if (promql_parse(str_of(cases[i].expr), PROMQL_ALL, &arena, &e, NULL) < 0)
            fail_msg("%s does not parse", cases[i].expr);
        struct value_unit u = unit_of_expr(e);
        if (u.unit != cases[i].unit || u.per_second != cases[i].per_second)
            fail_msg("%s: unit %d, per second %d", cases[i].expr, (int)u.unit, u.per_second);
        promql_expr_release(e);
        arena_release(&arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_functions_make_the_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
