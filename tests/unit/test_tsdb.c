/* test_tsdb.c -- the whole store against the model, across flushes, restarts, crashes and faults.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/mem.h"
#include "tests/unit/simenv.h"
#include "tsdb/memstore.h"
#include "tsdb/tsdb_int.h"

enum { SERIES = 40 };

struct fixture {
    struct simenv sim;
    struct tsdb_options o;
    struct tsdb_tuning tuning;
    struct tsdb *db;
    struct memstore *model;
    char path[300];
};

static void open_db(struct fixture *f)
{
    struct errmsg err = {0};
    int rc = tsdb_open_tuned(&f->db, &f->o, &f->tuning, &f->sim.env, &err);
    if (rc < 0) print_error("open: %s\n", err.text);
    assert_int_equal(rc, 0);
}

static int setup_with(void **state, bool threads)
{
    struct fixture *f = calloc(1, sizeof *f);
    log_set_level(LOG_LEVEL_OFF);
    if (!f || simenv_init(&f->sim) < 0 || memstore_new(&f->model) < 0) return -1;
    tsdb_options_default(&f->o);
    snprintf(f->path, sizeof f->path, "%s/data", f->sim.root);
    f->o.path = f->path;
    f->o.retention_ms = 0;
    f->o.min_free_permille = 0;
    f->tuning = (struct tsdb_tuning){.no_threads = !threads, .segment_bytes = 8192};
    open_db(f);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_threads(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->db && tsdb_close(f->db) < 0) return -1;
    memstore_free(f->model);
    simenv_release(&f->sim);
    free(f);
    return 0;
}

/* Label set number i: a metric of four, a job of three, an instance of its own. */
struct set {
    struct label v[3];
    char text[3][24];
};

static struct labels labels_of(struct set *s, int i)
{
    snprintf(s->text[0], sizeof s->text[0], "metric_%d", i % 4);
    snprintf(s->text[1], sizeof s->text[1], "host-%d", i);
    snprintf(s->text[2], sizeof s->text[2], "job%d", i % 3);
    s->v[0] = (struct label){STR("__name__"), str_of(s->text[0])};
    s->v[1] = (struct label){STR("instance"), str_of(s->text[1])};
    s->v[2] = (struct label){STR("job"), str_of(s->text[2])};
    return (struct labels){s->v, 3};
}

static tsdb_ref ref_of(struct fixture *f, int i)
{
    struct set s;
    tsdb_ref ref = 0;
    assert_int_equal(tsdb_series(f->db, labels_of(&s, i), &ref, NULL), 0);
    assert_true(ref != 0);
    return ref;
}

/* Appends to the store and, when that took it, to the model. */
static int add(struct fixture *f, int i, int64_t t, double v, struct tsdb_append_result *r)
{
    struct set s;
    struct tsdb_point p = {ref_of(f, i), t, v};
    int rc = tsdb_append(f->db, &p, 1, r);
    if (rc == 0 && r->stored) assert_int_equal(memstore_add(f->model, labels_of(&s, i), t, v), 0);
    return rc;
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static void print_answer(struct querier *q, struct select_request r, struct buf *out)
{
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    int rc;
    arena_init(&arena, 64 << 20);
    r.arena = &arena;
    r.sorted = true;
    buf_reset(out);
    rc = q->ops->select(q, &r, &set, &err);
    if (rc < 0) print_error("select: %d %s\n", rc, err.text);
    assert_int_equal(rc, 0);
    while ((rc = set->ops->next(set, &v, &err)) == 1) {
        if (!v.count) continue;
        labels_print(v.labels, true, out);
        for (size_t i = 0; i < v.count; i++)
            buf_addf(out, " %lld=%016llx", (long long)v.t[i],
                     (unsigned long long)double_bits(v.v[i]));
        buf_addch(out, '\n');
    }
    if (rc < 0) print_error("next: %d %s\n", rc, err.text);
    assert_int_equal(rc, 0);
    set->ops->free(set);
    arena_release(&arena);
}

static void assert_same(struct fixture *f, struct select_request r)
{
    struct buf got = BUF_INIT(64 << 20), want = BUF_INIT(64 << 20);
    print_answer(memstore_querier(f->model), r, &want);
    print_answer(tsdb_querier(f->db), r, &got);
    assert_string_equal(got.p ? got.p : "", want.p ? want.p : "");
    buf_release(&got);
    buf_release(&want);
}

static void assert_same_everything(struct fixture *f)
{
    struct select_request all = {.start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4};
    assert_same(f, all);
    all.latest_only = true;
    assert_same(f, all);
}

static void restart(struct fixture *f, bool crash)
{
    if (crash)
        tsdb_abandon(f->db);
    else
        assert_int_equal(tsdb_close(f->db), 0);
    open_db(f);
}

static void flush(struct fixture *f)
{
    struct errmsg err = {0};
    int rc = tsdb_flush(f->db, &err);
    if (rc < 0) print_error("flush: %s\n", err.text);
    assert_int_equal(rc, 0);
}

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
