/* test_budget.c -- sorting that ends with its query, and the texts of budgets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/budget.h"

struct item {
    uint32_t key, place;
};

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void fill(struct item *v, size_t n, uint32_t kinds)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        v[i] = (struct item){(x >> 8) % kinds, (uint32_t)i};
    }
}

static void sorts_any_number_and_keeps_the_order_of_equals(void **state)
{
    UNUSED(state);
    static const size_t sizes[] = {0, 1, 2, 1023, 1024, 1025, 2048, 2049, 5000, 40000};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t n = sizes[s];
        struct item *v = mem_array(n + 1, sizeof *v);
        struct budget_watch watch = {0};
        assert_non_null(v);
        fill(v, n, s % 2 ? 7 : 1000000);
        assert_int_equal(budget_sort(v, n, sizeof *v, by_key, &watch), 0);
        for (size_t i = 1; i < n; i++)
            if (v[i].key < v[i - 1].key ||
                (v[i].key == v[i - 1].key && v[i].place < v[i - 1].place))
                fail_msg("%zu of %zu", i, n);
        mem_free(v);
    }
}

static void a_canceled_sort_stops(void **state)
{
    UNUSED(state);
    enum { N = 100000 };
    int cancel = 1;
    struct errmsg err = {0};
    struct query_budget b = {.cancel = &cancel};
    struct budget_watch watch = {.budget = &b, .err = &err};
    struct item *v = mem_array(N, sizeof *v);
    assert_non_null(v);
    fill(v, N, 1000);
    assert_int_equal(budget_sort(v, N, sizeof *v, by_key, &watch), E_CANCELED);
    assert_string_equal(err.text, "query was canceled in expression evaluation");
    mem_free(v);
}

/* Cancels from inside, after the runs are sorted: the merges stop too, and nothing is lost that was
 * the caller's memory. */
static int canceled_by_now;
static int calls_left;

static int by_key_counted(const void *a, const void *b)
{
    if (--calls_left == 0) canceled_by_now = 1;
    return by_key(a, b);
}

static void a_merge_stops_too(void **state)
{
    UNUSED(state);
    enum { N = 100000 };
    struct query_budget b = {.cancel = &canceled_by_now};
    struct budget_watch watch = {.budget = &b};
    struct item *v = mem_array(N, sizeof *v);
    assert_non_null(v);
    fill(v, N, 1000000);
    canceled_by_now = 0;
    calls_left = N * 11;
    assert_int_equal(budget_sort(v, N, sizeof *v, by_key_counted, &watch), E_CANCELED);
    for (size_t i = 0; i < N; i++)
        if (v[i].place >= N) fail_msg("item %zu is none of ours", i);
    mem_free(v);
}

static void limits_say_their_name_and_value(void **state)
{
    UNUSED(state);
    struct query_budget b = {.max_series = 5, .max_samples = 7};
    struct errmsg err = {0};
    assert_int_equal(budget_series(&b, 5, &err), 0);
    assert_int_equal(budget_fits_series(&b, 1, &err), E_LIMIT);
    assert_int_equal(b.used_series, 5);
    assert_int_equal(budget_series(&b, 1, &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.series = 5 series");
    assert_int_equal(budget_samples(&b, 8, &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.samples = 7 samples");
    assert_int_equal(budget_memory(&b, 64 << 20, &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.memory = 64MiB of memory");
    assert_int_equal(budget_memory(NULL, 1000, &err), E_LIMIT);
    assert_string_equal(err.text,
                        "query needs more than limits.query.memory = 1000 bytes of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_any_number_and_keeps_the_order_of_equals),
        cmocka_unit_test(a_canceled_sort_stops),
        cmocka_unit_test(a_merge_stops_too),
        cmocka_unit_test(limits_say_their_name_and_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
