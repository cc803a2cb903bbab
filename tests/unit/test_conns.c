/* test_conns.c -- when a connection is too slow to keep, and who gives way in a crowd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/conns.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

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

/* --- the table --- */

enum { ROOM = 3 };

struct crowd {
    struct conns *table;
    int ours[ROOM + 1], theirs[ROOM + 1];
    struct conn *conn[ROOM + 1];
};

static void arrive(struct crowd *c, int i)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    c->ours[i] = pair[0];
    c->theirs[i] = pair[1];
    c->conn[i] = conns_open(c->table, pair[0], NULL);
}

static void gather(struct crowd *c)
{
    struct conn_limits l = limits;
    l.max_connections = ROOM;
    assert_int_equal(conns_new(&c->table, &l, env_system()), 0);
    for (int i = 0; i < ROOM; i++)
        arrive(c, i);
}

static void disperse(struct crowd *c)
{
    for (int i = 0; i <= ROOM; i++) {
        conns_close(c->table, c->conn[i]);
        close(c->ours[i]);
        close(c->theirs[i]);
    }
    conns_free(c->table);
}

static void serve_one(struct conn *c)
{
    static const enum conn_state states[] = {CONN_HEAD, CONN_BODY, CONN_WORK, CONN_SEND, CONN_IDLE};
    for (size_t i = 0; i < COUNT(states); i++)
        conn_enter(c, states[i]);
}

/* Whether the peer sees the end of the connection. */
static bool ended(const struct crowd *c, int i)
{
    char byte;
    return recv(c->theirs[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_crowd_gives_way_to_the_new(void **state)
{
    struct crowd c = {0};
    (void)state;
    gather(&c);
    serve_one(c.conn[0]); /* the oldest has proved itself; the next has not */
    arrive(&c, ROOM);
    assert_non_null(c.conn[ROOM]);
    assert_true(!ended(&c, 0) && ended(&c, 1) && !ended(&c, 2) && !ended(&c, 3));
    disperse(&c);
}

static void who_is_at_work_stays(void **state)
{
    struct crowd c = {0};
    struct conns_stats s;
    (void)state;
    gather(&c);
    for (int i = 0; i < ROOM; i++)
        conn_enter(c.conn[i], CONN_WORK);
    arrive(&c, ROOM);
    assert_null(c.conn[ROOM]);
    assert_true(!ended(&c, 0) && !ended(&c, 1) && !ended(&c, 2) && ended(&c, ROOM));
    conns_stats(c.table, &s);
    assert_int_equal(s.refused, 1);
    assert_int_equal(s.open, ROOM);
    disperse(&c);
}

static void an_address_has_its_share(void **state)
{
    struct crowd c = {0};
    struct conn *conn[5];
    struct conn_limits l = limits;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    (void)state;
    l.max_connections = 100;
    assert_int_equal(conns_new(&c.table, &l, env_system()), 0);
    for (int i = 0; i < 5; i++) /* limits.max_per_address is 4 */
        conn[i] = conns_open(c.table, -1, (const struct sockaddr *)&peer);
    assert_true(conn[0] && conn[1] && conn[2] && conn[3] && !conn[4]);
    for (int i = 0; i < 4; i++)
        conns_close(c.table, conn[i]);
    conns_free(c.table);
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
        cmocka_unit_test(a_crowd_gives_way_to_the_new),
        cmocka_unit_test(who_is_at_work_stays),
        cmocka_unit_test(an_address_has_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
