/* test_slot.c -- slots of a group, missed ones, and steps of the wall clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/err.h"
#include "rules/slot.h"

#define NS INT64_C(1000000)

static void slots_are_congruent(void **state)
{
    UNUSED(state);
    static const int64_t intervals[] = {100, 1000, 15000, 3600000};
    for (size_t i = 0; i < COUNT(intervals); i++) {
        int64_t off = slot_offset("rules/a.yml", "g", intervals[i]);
        assert_true(off >= 0 && off < intervals[i]);
        for (int64_t t = -5; t < 5; t++) {
            int64_t now = t * 777 + 1700000000000 * (t > 0);
            int64_t slot = slot_before(now, intervals[i], off);
            assert_true(slot <= now && now - slot < intervals[i]);
            assert_int_equal((slot - off) % intervals[i], 0);
        }
    }
    assert_true(slot_offset("a", "g", 60000) != slot_offset("b", "g", 60000));
}

static void late_slots_are_skipped_and_counted(void **state)
{
    struct schedule s;
    int64_t slot;
    uint64_t missed;
    UNUSED(state);
    schedule_init(&s, "f", "g", 1000, 1700000000000);
    int64_t first = s.next_ms;
    assert_true(first > 1700000000000 && first <= 1700000001000);
    assert_false(schedule_take(&s, first - 1, &slot, &missed));
    assert_true(schedule_take(&s, first, &slot, &missed));
    assert_int_equal(slot, first);
    assert_int_equal(missed, 0);
    assert_false(schedule_take(&s, first + 999, &slot, &missed));
    assert_true(schedule_take(&s, first + 4200, &slot, &missed));
    assert_int_equal(slot, first + 4000);
    assert_int_equal(missed, 3);
    assert_int_equal(s.next_ms, first + 5000);
}

static void a_step_moves_slots_without_missing_any(void **state)
{
    struct schedule s;
    int64_t slot;
    uint64_t missed;
    static const int64_t steps[] = {1000,         -1000,         3600000, -3600000,
                                    315360000000, -315360000000, 250,     -250};
    UNUSED(state);
    for (size_t i = 0; i < COUNT(steps); i++) {
        schedule_init(&s, "f", "g", 1000, 1700000000000);
        int64_t now = s.next_ms;
        assert_true(schedule_take(&s, now, &slot, &missed));
        now += steps[i];
        schedule_step(&s, now);
        if (!schedule_take(&s, now, &slot, &missed)) {
            now += 1000;
            assert_true(schedule_take(&s, now, &slot, &missed));
        }
        assert_int_equal(missed, 0);
        assert_true(slot <= now && now - slot < 1000);
    }
}

static void steady_time_ignores_steps_but_not_slewing(void **state)
{
    struct steady_clock c = {0};
    int64_t wall = 1700000000000, mono = 5000 * NS;
    UNUSED(state);
    assert_int_equal(steady_clock_note(&c, wall, mono), 0);
    assert_int_equal(steady_clock_note(&c, wall + 1000, mono + 1000 * NS), 0);
    assert_int_equal(steady_clock_note(&c, wall + 2100, mono + 2000 * NS), 0); /* slewed */
    assert_int_equal(c.stepped_ms, 0);
    assert_int_equal(steady_clock_note(&c, wall + 3602100, mono + 2000 * NS), 3600000);
    assert_int_equal(c.stepped_ms, 3600000);
    assert_int_equal(steady_clock_note(&c, wall + 3100, mono + 3000 * NS), -3600000);
    assert_int_equal(c.stepped_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_congruent),
        cmocka_unit_test(late_slots_are_skipped_and_counted),
        cmocka_unit_test(a_step_moves_slots_without_missing_any),
        cmocka_unit_test(steady_time_ignores_steps_but_not_slewing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
