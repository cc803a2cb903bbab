/* test_tsdb.c -- the whole store against the model, across flushes, restarts, crashes and faults.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tsdb_fixture.h"

/* --- tests -------------------------------------------------------------------------------------
 */

static void keeps_samples_over_flush_and_restart(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    for (int k = 0; k < 100; k++)
        for (int i = 0; i < SERIES; i++)
            assert_int_equal(add(f, i, f->sim.now_ms - 100000 + k * 1000, k * (i % 7), &r), 0);
    assert_same_everything(f);
    flush(f);
    assert_same_everything(f);
    restart(f, false);
    assert_same_everything(f);
}

static void replays_the_log_after_a_crash(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    for (int k = 0; k < 300; k++) {
        assert_int_equal(add(f, k % SERIES, f->sim.now_ms + k, k / 10.0, &r), 0);
        assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    }
    restart(f, true);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.wal_replayed_samples, 300);
    assert_same_everything(f);
    restart(f, true);
    assert_same_everything(f);
}

static const uint64_t odd_bits[] = {0,
                                    UINT64_C(0x8000000000000000),
                                    NORMAL_NAN_BITS,
                                    STALE_NAN_BITS,
                                    UINT64_C(0x7ff8000000001234),
                                    UINT64_C(0x7ff0000000000000),
                                    UINT64_C(0xfff0000000000000),
                                    1,
                                    UINT64_C(0x3fb999999999999a),
                                    UINT64_C(0x4340000000000000),
                                    UINT64_C(0x4340000000000001),
                                    UINT64_C(0x3fd5555555555555)};

static double random_value(struct simenv *sim, int i)
{
    uint64_t x = env_random(&sim->env);
    switch (i % 6) {
    case 0:
        return (double)(x % 5);
    case 1:
        return (double)(x % 1000000) / 1000;
    case 2:
        return double_of_bits(odd_bits[x % COUNT(odd_bits)]);
    case 3:
        return double_of_bits(x);
    case 4:
        return 42;
    default:
        return (double)(int64_t)x / 3;
    }
}

/* Random appends in and out of order over three days, flushes, restarts, crashes. */
static void equals_the_model(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    int64_t newest[SERIES];
    for (int i = 0; i < SERIES; i++)
        newest[i] = f->sim.now_ms - 3 * DAY_MS;
    for (int step = 0; step < 3000; step++) {
        uint64_t x = env_random(&f->sim.env);
        int i = (int)(x % SERIES);
        int64_t t = newest[i];
        if (x >> 8 & 7)
            t += x >> 16 & 3 ? 1000 : (int64_t)(x >> 20 & 0x3fffff);
        else
            t -= (int64_t)(x >> 20 & 0xffffff);
        if (t > f->sim.now_ms) t = f->sim.now_ms;
        if (t > newest[i]) newest[i] = t;
        assert_int_equal(add(f, i, t, random_value(&f->sim, i), &r), 0);
        assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
        if (step % 500 == 300) flush(f);
        if (step % 1000 == 700) restart(f, x >> 40 & 1);
        if (step % 250 == 0) assert_same_everything(f);
    }
    for (int day = -3; day <= 0; day++) {
        struct select_request part = {.start_ms = f->sim.now_ms + day * DAY_MS,
                                      .end_ms = f->sim.now_ms + day * DAY_MS + 40000000};
        assert_same(f, part);
        part.latest_only = true;
        assert_same(f, part);
    }
    restart(f, false);
    assert_same_everything(f);
}

static void matchers_of_all_kinds(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    static const struct {
        enum matcher_type type;
        const char *name, *value;
    } cases[] = {
        {MATCH_EQ,  "__name__", "metric_1"          },
        {MATCH_EQ,  "job",      "job2"              },
        {MATCH_EQ,  "job",      ""                  },
        {MATCH_EQ,  "absent",   ""                  },
        {MATCH_EQ,  "absent",   "x"                 },
        {MATCH_NE,  "job",      "job1"              },
        {MATCH_NE,  "job",      ""                  },
        {MATCH_NE,  "absent",   ""                  },
        {MATCH_RE,  "instance", "host-1.*"          },
        {MATCH_RE,  "instance", "host-1|host-2|nope"},
        {MATCH_RE,  "job",      ".*"                },
        {MATCH_RE,  "job",      ".+"                },
        {MATCH_RE,  "absent",   ".*"                },
        {MATCH_RE,  "absent",   ".+"                },
        {MATCH_NRE, "instance", "host-[0-9]"        },
        {MATCH_NRE, "job",      ".+"                },
        {MATCH_NRE, "job",      "job1|job2"         },
        {MATCH_RE,  "job",      "job(1|)|x"         },
    };
    for (int i = 0; i < SERIES; i++)
        assert_int_equal(add(f, i, f->sim.now_ms, i, &r), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t a = 0; a < COUNT(cases); a++)
            for (size_t b = 0; b < COUNT(cases); b++) {
                struct matcher m[2];
                assert_int_equal(matcher_init(&m[0], cases[a].type, str_of(cases[a].name),
                                              str_of(cases[a].value), NULL),
                                 0);
                assert_int_equal(matcher_init(&m[1], cases[b].type, str_of(cases[b].name),
                                              str_of(cases[b].value), NULL),
                                 0);
                assert_same(f,
                            (struct select_request){m, 2, .start_ms = 0, .end_ms = f->sim.now_ms});
                matcher_release(&m[0]);
                matcher_release(&m[1]);
            }
        flush(f);
        f->sim.now_ms += 10 * DAY_MS; /* so that the head no longer loads the series */
        restart(f, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_samples_over_flush_and_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(replays_the_log_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(equals_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(equals_the_model, setup_threads, teardown),
        cmocka_unit_test_setup_teardown(matchers_of_all_kinds, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
