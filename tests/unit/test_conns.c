/* test_conns.c -- when a connection is too slow to keep.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/conns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static const struct conn_limits limits = {
    .max_per_address = 4,
    .header_ns = 10 * SECOND,
    .window_ns = 10 * SECOND,
    .min_bytes = 10240,
};

/* Looks once a second, as the reaper does; *s changes by step before each look. Returns the second
 * at which the connection was given up, or -1 after `seconds`. */
static int watch(struct conn_record *r, struct conn_sample *s, int from, int seconds,
                 void (*step)(struct conn_sample *s))
{
    for (int t = from; t < from + seconds; t++) {
        if (step) step(s);
        if (conn_too_slow(r, s, &limits, t * SECOND + SECOND)) return t;
    }
    return -1;
}

static void enter(struct conn_sample *s, enum conn_state state)
{
    s->state = state;
    s->turn++;
}

static void trickle(struct conn_sample *s)
{
    s->bytes_in++;
}

static void pour(struct conn_sample *s)
{
    s->bytes_in += 2000;
}

static void sip(struct conn_sample *s)
{
    s->bytes_acked += 100;
}

static void drink(struct conn_sample *s)
{
    s->bytes_acked += 5000;
}

static void a_new_connection_has_ten_seconds_for_its_header(void **state)
{
    struct conn_record quiet = {0}, slow = {0};
    struct conn_sample a = {0}, b = {0};
    (void)state;
    assert_int_equal(watch(&quiet, &a, 0, 60, NULL), 10);
    assert_int_equal(watch(&slow, &b, 0, 60, trickle), 10);
}

static void header_lines_that_trickle_do_not_help(void **state)
{
    struct conn_record r = {0};
    struct conn_sample s = {0};
    (void)state;
    assert_int_equal(watch(&r, &s, 0, 2, trickle), -1);
    enter(&s, CONN_HEAD);
    assert_int_equal(watch(&r, &s, 2, 60, trickle), 12);
}

static void an_idle_connection_is_kept_until_it_trickles(void **state)
{
    struct conn_record r = {0};
    struct conn_sample s = {0};
    (void)state;
    watch(&r, &s, 0, 1, NULL);
    enter(&s, CONN_SEND);
    watch(&r, &s, 1, 1, NULL);
    enter(&s, CONN_IDLE);
    assert_int_equal(watch(&r, &s, 2, 60, NULL), -1);
    assert_int_equal(watch(&r, &s, 62, 60, trickle), 72);
}

static void a_body_must_flow(void **state)
{
    struct conn_record slow = {0}, good = {0};
    struct conn_sample a = {.state = CONN_BODY}, b = {.state = CONN_BODY};
    (void)state;
    assert_int_equal(watch(&slow, &a, 0, 60, trickle), 10);
    assert_int_equal(watch(&good, &b, 0, 600, pour), -1);
}

static void work_may_take_its_time(void **state)
{
    struct conn_record r = {0};
    struct conn_sample s = {.state = CONN_WORK};
    (void)state;
    assert_int_equal(watch(&r, &s, 0, 600, NULL), -1);
}

static void a_reader_must_read(void **state)
{
    struct conn_record never = {0}, slow = {0}, good = {0};
    struct conn_sample a = {.state = CONN_SEND, .unsent = 100000}, b = a, c = a;
    (void)state;
    assert_int_equal(watch(&never, &a, 0, 60, NULL), 10);
    assert_int_equal(watch(&slow, &b, 0, 60, sip), 10);
    assert_int_equal(watch(&good, &c, 0, 600, drink), -1);
}

static void each_state_starts_its_own_window(void **state)
{
    struct conn_record r = {0};
    struct conn_sample s = {0};
    (void)state;
    for (int round = 0; round < 10; round++) {
        enter(&s, CONN_BODY);
        assert_int_equal(watch(&r, &s, round * 16, 8, NULL), -1);
        enter(&s, CONN_WORK);
        assert_int_equal(watch(&r, &s, round * 16 + 8, 8, NULL), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_connection_has_ten_seconds_for_its_header),
        cmocka_unit_test(header_lines_that_trickle_do_not_help),
        cmocka_unit_test(an_idle_connection_is_kept_until_it_trickles),
        cmocka_unit_test(a_body_must_flow),
        cmocka_unit_test(work_may_take_its_time),
        cmocka_unit_test(a_reader_must_read),
        cmocka_unit_test(each_state_starts_its_own_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
