/* test_cmd_series.c -- series as answers name them: selectors, and legends of what differs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/cmd_series.h"

enum { TEXT_MAX = 1 << 16, LIST_MAX = 4 };

static json_t *object(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static void names_are_selectors(void **state)
{
    static const char *const cases[][2] = {
        {"{\"__name__\":\"up\"}",                         "up"                     },
        {"{\"__name__\":\"up\",\"b\":\"2\",\"a\":\"1\"}", "up{b=\"2\",a=\"1\"}"    },
        {"{}",                                            "{}"                     },
        {"{\"a\":\"x\\\"\\\\y\\n\"}",                     "{a=\"x\\\"\\\\y\\x0a\"}"},
        {"{\"__name__\":\"a.b\",\"c d\":\"1\"}",          "{\"a.b\",\"c d\"=\"1\"}"},
        {"{\"a\":5}",                                     "{a=\"\"}"               },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = BUF_INIT(TEXT_MAX);
        json_t *metric = object(cases[i][0]);
        series_put_name(&out, metric);
        assert_string_equal(out.p, cases[i][1]);
        json_decref(metric);
        buf_release(&out);
    }
}

static void legends_show_what_differs(void **state)
{
    static const struct {
        const char *metrics[LIST_MAX], *legends[LIST_MAX];
    } cases[] = {
        {{"{\"__name__\":\"up\",\"job\":\"a\"}"},                                                 {"up{job=\"a\"}"}  },
        {{"{\"__name__\":\"up\",\"job\":\"a\",\"x\":\"1\"}",
          "{\"__name__\":\"up\",\"job\":\"a\",\"x\":\"2\"}"},
         {"{x=\"1\"}", "{x=\"2\"}"}                                                                                  },
        {{"{\"__name__\":\"a\",\"job\":\"j\"}", "{\"__name__\":\"b\",\"job\":\"j\"}"},            {"a", "b"}         },
        {{"{\"job\":\"j\"}", "{\"job\":\"j\",\"x\":\"1\"}"},                                      {"{}", "{x=\"1\"}"}},
        {{"{\"x\":\"1\",\"y\":\"1\"}", "{\"x\":\"1\",\"y\":\"2\"}", "{\"x\":\"2\",\"y\":\"2\"}"},
         {"{x=\"1\",y=\"1\"}", "{x=\"1\",y=\"2\"}", "{x=\"2\",y=\"2\"}"}                                             },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *list[LIST_MAX];
        size_t count = 0;
        while (count < LIST_MAX && cases[i].metrics[count]) {
            list[count] = object(cases[i].metrics[count]);
            count++;
        }
        for (size_t k = 0; k < count; k++) {
            struct buf out = BUF_INIT(TEXT_MAX);
            series_put_legend(&out, list[k], list, count);
            assert_string_equal(out.p, cases[i].legends[k]);
            buf_release(&out);
        }
        for (size_t k = 0; k < count; k++)
            json_decref(list[k]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_selectors),
        cmocka_unit_test(legends_show_what_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
