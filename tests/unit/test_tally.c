/* test_tally.c -- counting texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/tally.h"

static void the_most_frequent_come_first(void **state)
{
    static const char *const words[] = {"b", "a", "c", "a", "", "c", "a"};
    static const struct {
        const char *name;
        uint64_t count;
    } want[] = {
        {"a", 3},
        {"c", 2},
        {"",  1},
        {"b", 1}
    };
    struct tally t;
    uint64_t count = 0;
    UNUSED(state);
    tally_init(&t, 1 << 20);
    for (size_t i = 0; i < COUNT(words); i++)
        assert_int_equal(tally_add(&t, str_of(words[i]), &count), 0);
    assert_int_equal(count, 3);
    tally_sort(&t);
    assert_int_equal(t.count, COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_true(str_eq(t.rows[i].name, str_of(want[i].name)));
        assert_int_equal(t.rows[i].count, want[i].count);
    }
    tally_release(&t);
}

static void many_are_told_apart(void **state)
{
    struct tally t;
    uint64_t count;
    char name[32];
    UNUSED(state);
    tally_init(&t, 1 << 24);
    for (int i = 0; i < 100000; i++) {
        int n = snprintf(name, sizeof name, "label=%d", i % 30000);
        assert_int_equal(tally_add(&t, (struct str){name, (size_t)n}, &count), 0);
        assert_int_equal(count, i / 30000 + 1);
    }
    assert_int_equal(t.count, 30000);
    tally_release(&t);
}

static void memory_has_a_ceiling(void **state)
{
    struct tally t;
    uint64_t count;
    char name[64];
    int rc = 0;
    UNUSED(state);
    tally_init(&t, 4096);
    for (int i = 0; i < 1000 && rc == 0; i++) {
        int n = snprintf(name, sizeof name, "a name of some length, the %d. of many", i);
        rc = tally_add(&t, (struct str){name, (size_t)n}, &count);
    }
    assert_int_equal(rc, E_LIMIT);
    tally_sort(&t);
    tally_release(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_frequent_come_first),
        cmocka_unit_test(many_are_told_apart),
        cmocka_unit_test(memory_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
