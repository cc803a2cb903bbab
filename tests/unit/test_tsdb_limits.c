/* test_tsdb_limits.c -- what the store refuses and counts, retention, metadata, label queries, and
 * many threads at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tsdb_fixture.h"

static int append_one(struct fixture *f, int i, int64_t t, double v)
{
    struct tsdb_append_result r;
    return add(f, i, t, v, &r);
}

static void reopen_with(struct fixture *f, void (*change)(struct tsdb_options *o))
{
    assert_int_equal(tsdb_close(f->db), 0);
    change(&f->o);
    open_db(f);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

static void bad_label_sets_are_refused(void **state)
{
    struct fixture *f = *state;
    static char long_value[5000];
    memset(long_value, 'x', sizeof long_value);
    struct label no_name[] = {
        {STR("job"), STR("a")}
    };
    struct label empty[] = {
        {STR("__name__"), STR("m")},
        {STR("job"),      STR("") }
    };
    struct label order[] = {
        {STR("job"),      STR("a")},
        {STR("__name__"), STR("m")}
    };
    struct label twice[] = {
        {STR("__name__"), STR("m")},
        {STR("__name__"), STR("m")}
    };
    struct label utf8[] = {
        {STR("__name__"), STR("m")   },
        {STR("job"),      STR("\xff")}
    };
    struct label size[] = {
        {STR("__name__"), STR("m")          },
        {STR("job"),      {long_value, 5000}}
    };
    const struct {
        struct label *v;
        size_t count;
        int want;
    } cases[] = {
        {NULL,    0, E_INVALID},
        {no_name, 1, E_INVALID},
        {empty,   2, E_INVALID},
        {order,   2, E_INVALID},
        {twice,   2, E_INVALID},
        {utf8,    2, E_INVALID},
        {size,    2, E_LIMIT  },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct errmsg err = {0};
        tsdb_ref ref = 0;
        struct labels ls = {cases[i].v, cases[i].count};
        assert_int_equal(tsdb_series(f->db, ls, &ref, &err), cases[i].want);
        assert_true(err.text[0] != '\0');
    }
    struct tsdb_stats stats;
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.series_refused, COUNT(cases));
    assert_int_equal(stats.head_series, 0);
}

static void limit_series(struct tsdb_options *o)
{
    o->max_series = 6;
    o->max_series_per_metric = 2;
}

static void over_the_limit_only_new_series_are_refused(void **state)
{
    struct fixture *f = *state;
    struct set s;
    tsdb_ref ref;
    struct errmsg err = {0};
    reopen_with(f, limit_series);
    for (int i = 0; i < 6; i++)
        assert_int_equal(append_one(f, i, f->sim.now_ms, 1), 0);
    assert_int_equal(tsdb_series(f->db, labels_of(&s, 7), &ref, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "6 series"));
    assert_int_equal(append_one(f, 3, f->sim.now_ms + 1, 2), 0);
    f->o.max_series = 100;
    restart(f, false);
    assert_int_equal(tsdb_series(f->db, labels_of(&s, 8), &ref, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "metric_0"));
    assert_same_everything(f);
}

static void six_series(struct tsdb_options *o)
{
    o->max_series = 6;
}

static void our_own_series_have_a_reserve(void **state)
{
    struct fixture *f = *state;
    struct set s;
    tsdb_ref ref;
    reopen_with(f, six_series);
    for (int i = 0; i < 6; i++)
        assert_int_equal(append_one(f, i, f->sim.now_ms, 1), 0);
    assert_int_equal(tsdb_series(f->db, labels_of(&s, 7), &ref, NULL), E_LIMIT);
    assert_int_equal(tsdb_series_own(f->db, labels_of(&s, 7), &ref, NULL), 0);
    assert_int_equal(tsdb_series(f->db, labels_of(&s, 7), &ref, NULL), 0); /* known now */
    assert_int_equal(tsdb_series(f->db, labels_of(&s, 8), &ref, NULL), E_LIMIT);
}

static void bad_times_and_refs_are_counted(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    int64_t now = f->sim.now_ms;
    f->o.retention_ms = DAY_MS;
    restart(f, false);
    tsdb_ref ref = ref_of(f, 1);
    const struct tsdb_point points[] = {
        {ref,                       now,              1},
        {ref,                       now,              1}, /* a duplicate */
        {ref,                       now - DAY_MS - 1, 1}, /* too old */
        {ref,                       now + 600001,     1}, /* too new */
        {ref ^ 1,                   now,              1}, /* no such series */
        {ref + (UINT64_C(1) << 32), now,              1},
        {ref,                       now - 1,          7}, /* late */
        {ref,                       now,              9}, /* the same time, another value: the last wins */
        {0,                         now,              1},
    };
    assert_int_equal(tsdb_append(f->db, points, COUNT(points), &r), 0);
    assert_int_equal(r.stored, 3);
    assert_int_equal(r.duplicates, 1);
    assert_int_equal(r.too_old, 1);
    assert_int_equal(r.too_new, 1);
    assert_int_equal(r.stale_refs, 3);
    assert_int_equal(r.first_stale, 4);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.samples_appended, 3);
    assert_int_equal(stats.out_of_order, 2);
    struct set s;
    assert_int_equal(memstore_add(f->model, labels_of(&s, 1), now - 1, 7), 0);
    assert_int_equal(memstore_add(f->model, labels_of(&s, 1), now, 9), 0);
    assert_same_everything(f);
    flush(f);
    assert_same_everything(f);
    assert_int_equal(tsdb_append(f->db, points, 1, &r), 0); /* the first value again */
    assert_int_equal(r.stored, 1);
    assert_int_equal(memstore_add(f->model, labels_of(&s, 1), now, 1), 0);
    assert_same_everything(f);
    restart(f, false);
    assert_same_everything(f);
}

static void a_backlog_over_its_bound_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    int rc = 0, k = 0;
    f->tuning.backlog_bytes = 4096;
    restart(f, false);
    for (; rc == 0 && k < 1000; k++)
        rc = add(f, 0, f->sim.now_ms + k, k, &r);
    assert_int_equal(rc, E_UNAVAILABLE);
    assert_in_range(k, 50, 200);
    assert_int_equal(tsdb_wait(f->db, UINT64_MAX), 0); /* the syncer's turn */
    assert_int_equal(add(f, 0, f->sim.now_ms + k, k, &r), 0);
    assert_same_everything(f);
}

/* --- retention ---------------------------------------------------------------------------------
 */

static void fill_days(struct fixture *f, int days)
{
    for (int d = days; d >= 0; d--)
        for (int k = 0; k < 20; k++)
            assert_int_equal(append_one(f, k % 4, f->sim.now_ms - d * DAY_MS + k, k), 0);
    flush(f);
}

static void old_days_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct tsdb_stats stats;
    fill_days(f, 5);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.partitions, 6);
    assert_true(stats.oldest_ms == f->sim.now_ms - 5 * DAY_MS);
    f->o.retention_ms = 3 * DAY_MS;
    restart(f, false);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.partitions, 4); /* days that end within the last three */
    assert_same(f, (struct select_request){.start_ms = f->sim.now_ms - 3 * DAY_MS,
                                           .end_ms = f->sim.now_ms + 100});
    f->sim.now_ms += 2 * DAY_MS;
    flush(f);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.partitions, 2);
}

static void the_oldest_go_when_bytes_run_out(void **state)
{
    struct fixture *f = *state;
    struct tsdb_stats stats;
    fill_days(f, 5);
    tsdb_stats(f->db, &stats);
    f->o.max_bytes = (int64_t)(stats.partition_bytes / 2);
    restart(f, false);
    tsdb_stats(f->db, &stats);
    assert_in_range(stats.partitions, 1, 3);
    assert_true(stats.partition_bytes <= (uint64_t)f->o.max_bytes);
    assert_same(f,
                (struct select_request){.start_ms = f->sim.now_ms, .end_ms = f->sim.now_ms + 99});
    f->o.max_bytes = 1;
    restart(f, false);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.partitions, 1); /* never the last */
}

/* A set that was selected before its day was dropped still reads. */
static void dropping_a_day_waits_for_readers(void **state)
{
    struct fixture *f = *state;
    struct series_set *set = NULL;
    struct series_view v;
    struct arena arena;
    fill_days(f, 2);
    f->o.retention_ms = INT64_C(36500) * DAY_MS;
    restart(f, false);
    arena_init(&arena, 1 << 20);
    struct select_request r = {
        .start_ms = 0, .end_ms = f->sim.now_ms - DAY_MS, .arena = &arena, .sorted = true};
    struct querier *q = tsdb_querier(f->db);
    assert_int_equal(q->ops->select(q, &r, &set, NULL), 0);
    assert_int_equal(set->ops->next(set, &v, NULL), 1);
    assert_int_equal(v.count, 6);
    f->sim.now_ms += INT64_C(36501) * DAY_MS;
    flush(f);
    struct tsdb_stats stats;
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.partitions, 0);
    int rc;
    while ((rc = set->ops->next(set, &v, NULL)) > 0)
        assert_true(v.count > 0);
    assert_int_equal(rc, 0);
    set->ops->free(set);
    arena_release(&arena);
}

/* --- label queries, budgets, metadata ----------------------------------------------------------
 */

static int gather(void *arg, struct str s)
{
    buf_add(arg, s.p, s.len);
    return buf_addch(arg, ' ');
}

static int gather_labels(void *arg, struct labels ls)
{
    labels_print(ls, true, arg);
    return buf_addch(arg, '\n');
}

/* What one querier says to all three label calls. */
static void tell_labels(struct querier *q, struct select_request r, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    r.arena = &arena;
    r.sorted = true;
    buf_reset(out);
    assert_int_equal(q->ops->label_names(q, &r, gather, out, NULL), 0);
    assert_int_equal(q->ops->label_values(q, STR("instance"), &r, gather, out, NULL), 0);
    assert_int_equal(q->ops->label_values(q, STR("nothing"), &r, gather, out, NULL), 0);
    arena_release(&arena);
}

static void label_queries_respect_time_and_matchers(void **state)
{
    struct fixture *f = *state;
    struct matcher m;
    struct buf got = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
    assert_int_equal(matcher_init(&m, MATCH_RE, STR("job"), STR("job(0|1)"), NULL), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(append_one(f, i, f->sim.now_ms - i * 3600000, 1), 0);
    for (int round = 0; round < 3; round++) {
        for (int hours = 0; hours < 24; hours += 5) {
            struct select_request r = {.matchers = &m,
                                       .matcher_count = (size_t)(hours % 2),
                                       .start_ms = f->sim.now_ms - hours * 3600000,
                                       .end_ms = f->sim.now_ms - hours * 1800000};
            tell_labels(memstore_querier(f->model), r, &want);
            tell_labels(tsdb_querier(f->db), r, &got);
            assert_string_equal(got.p ? got.p : "", want.p ? want.p : "");
        }
        if (round == 0) flush(f);
        if (round == 1) restart(f, false);
    }
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct select_request one = {.matchers = &m,
                                 .matcher_count = 1,
                                 .arena = &arena,
                                 .start_ms = f->sim.now_ms,
                                 .end_ms = f->sim.now_ms};
    struct querier *q = tsdb_querier(f->db);
    buf_reset(&got);
    assert_int_equal(q->ops->series(q, &one, gather_labels, &got, NULL), 0);
    assert_string_equal(got.p, "metric_0{instance=\"host-0\", job=\"job0\"}\n");
    arena_release(&arena);
    matcher_release(&m);
    buf_release(&got);
    buf_release(&want);
}

static void budgets_end_selects(void **state)
{
    struct fixture *f = *state;
    int cancel = 1;
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 10; k++)
            assert_int_equal(append_one(f, i, f->sim.now_ms + k, k), 0);
    struct query_budget series = {.max_series = 4}, samples = {.max_samples = 15},
                        canceled = {.cancel = &cancel}, late = {.deadline_mono_ns = 1};
    const struct {
        struct query_budget *budget;
        int select, second;
    } cases[] = {
        {&series,   E_LIMIT,    0      },
        {&samples,  0,          E_LIMIT},
        {&canceled, E_CANCELED, 0      },
        {&late,     E_TIMEOUT,  0      },
    };
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct errmsg err = {0};
        struct select_request r = {
            .end_ms = INT64_MAX / 2, .arena = &arena, .budget = cases[i].budget};
        struct querier *q = tsdb_querier(f->db);
        assert_int_equal(q->ops->select(q, &r, &set, &err), cases[i].select);
        if (!cases[i].select) {
            assert_int_equal(set->ops->next(set, &v, &err), 1);
            assert_int_equal(set->ops->next(set, &v, &err), cases[i].second);
            set->ops->free(set);
        }
        assert_true(err.text[0] != '\0');
    }
    arena_release(&arena);
}

static int gather_metadata(void *arg, const struct metric_metadata *m)
{
    buf_addf(arg, "%.*s|%.*s|%.*s|%s\n", (int)m->name.len, m->name.p, (int)m->help.len, m->help.p,
             (int)m->unit.len, m->unit.p, metric_type_name(m->type));
    return 0;
}

static void metadata_keeps_the_last_word(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16);
    const struct metric_metadata all[] = {
        {STR("b_seconds"), STR("old"),   STR(""),        METRIC_GAUGE    },
        {STR("a_total"),   STR("Help."), STR("bytes"),   METRIC_COUNTER  },
        {STR("b_seconds"), STR("new"),   STR("seconds"), METRIC_HISTOGRAM},
        {STR("b_seconds"), STR("new"),   STR("seconds"), METRIC_HISTOGRAM},
    };
    for (size_t i = 0; i < COUNT(all); i++)
        assert_int_equal(tsdb_metadata_set(f->db, &all[i]), 0);
    assert_int_equal(tsdb_metadata_set(f->db, &(struct metric_metadata){.name = STR("")}),
                     E_INVALID);
    assert_int_equal(tsdb_metadata(f->db, NULL, gather_metadata, &out), 0);
    assert_string_equal(out.p, "a_total|Help.|bytes|counter\nb_seconds|new|seconds|histogram\n");
    buf_reset(&out);
    assert_int_equal(tsdb_metadata(f->db, "a_total", gather_metadata, &out), 0);
    assert_string_equal(out.p, "a_total|Help.|bytes|counter\n");
    buf_reset(&out);
    assert_int_equal(tsdb_metadata(f->db, "a", gather_metadata, &out), 0);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

/* --- churn -------------------------------------------------------------------------------------
 */

enum { CHURN = 2500 };

/* A turn of the flusher: everything flushed, half an hour later. */
static void turn(struct fixture *f, int64_t t)
{
    for (int i = 0; i < 4; i++) /* these live on */
        assert_int_equal(append_one(f, i, t, (double)i), 0);
    f->sim.mono_ns += INT64_C(1800000000000);
    flush(f);
}

static void quiet_series_leave_the_head_but_not_the_store(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    f->sim.mono_ns = INT64_C(1000000000000);
    restart(f, false);
    int64_t t = f->sim.now_ms - DAY_MS;
    for (int i = 0; i < CHURN; i++)
        assert_int_equal(append_one(f, i, t + i, i), 0);
    tsdb_ref gone = ref_of(f, 2000), stays = ref_of(f, 3);
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    arena_init(&arena, 16 << 20);
    struct select_request all = {.end_ms = INT64_MAX / 2, .arena = &arena};
    struct querier *q = tsdb_querier(f->db);
    assert_int_equal(q->ops->select(q, &all, &set, NULL), 0); /* read on after the eviction */
    assert_int_equal(set->ops->next(set, &v, NULL), 1);
    for (int k = 1; k <= 5; k++)
        turn(f, t + 1000000 * k);
    tsdb_stats(f->db, &stats);
    assert_in_range(stats.head_series, 4, 10);
    size_t series = 1;
    int rc;
    while ((rc = set->ops->next(set, &v, NULL)) == 1)
        series++;
    assert_int_equal(rc, 0);
    assert_int_equal(series, CHURN);
    set->ops->free(set);
    arena_release(&arena);

    assert_same_everything(f);
    struct tsdb_point p[] = {
        {stays, t + 9000000, 1},
        {gone,  t + 9000000, 2}
    };
    assert_int_equal(tsdb_append(f->db, p, 2, &r), 0);
    assert_int_equal(r.stale_refs, (ref_of(f, 3) != stays) + 1u);
    assert_int_equal(append_one(f, 3, t + 9000000, 1), 0);
    assert_int_equal(append_one(f, 2000, t + 9000000, 2), 0); /* comes back under a new id */
    assert_true(ref_of(f, 2000) != gone);
    assert_same_everything(f);
    flush(f);
    assert_same_everything(f);
    for (int crash = 0; crash < 2; crash++) {
        restart(f, crash);
        assert_same_everything(f);
        assert_int_equal(append_one(f, 2000, t + 9001000 + crash, 3), 0);
        assert_int_equal(tsdb_wait(f->db, UINT64_MAX), 0);
        assert_same_everything(f);
    }
}

/* --- threads -----------------------------------------------------------------------------------
 */

enum { WRITERS = 3, PER_WRITER = 400 };

struct worker {
    struct fixture *f;
    int number, *stop;
    pthread_t thread;
};

/* Appends one sample, however often its series is refused or forgotten meanwhile. */
static bool append_surely(struct worker *w, int i, int64_t t, double v, uint64_t *lsn)
{
    for (int tries = 0; tries < 5000; tries++) {
        struct set s;
        struct tsdb_append_result r = {0};
        struct tsdb_point p = {0, t, v};
        int rc = tsdb_series(w->f->db, labels_of(&s, i), &p.ref, NULL);
        if (rc == 0) rc = tsdb_append(w->f->db, &p, 1, &r);
        *lsn = r.lsn;
        if (rc == 0 && r.stored == 1) return true;
        if (rc != E_LIMIT && r.stale_refs != 1) return false;
        struct timespec pause = {0, 1000000}; /* the flusher has to forget some */
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Appends its own series, a fresh one now and then, and waits for the disk now and then. */
static void *write_samples(void *arg)
{
    struct worker *w = arg;
    for (int k = 0; k < PER_WRITER; k++) {
        uint64_t lsn = 0;
        if (!append_surely(w, w->number * 1000 + k / 20, w->f->sim.now_ms + k, k, &lsn)) return arg;
        if (k % 8 == 0 && tsdb_wait(w->f->db, lsn) < 0) return arg;
    }
    return NULL;
}

/* Reads everything again and again; samples must never disappear. */
static void *read_samples(void *arg)
{
    struct worker *w = arg;
    struct querier *q = tsdb_querier(w->f->db);
    size_t before = 0;
    while (!__atomic_load_n(w->stop, __ATOMIC_ACQUIRE)) {
        struct arena arena;
        struct series_set *set = NULL;
        struct series_view v;
        size_t count = 0;
        arena_init(&arena, 1 << 24);
        struct select_request r = {.end_ms = INT64_MAX / 2, .arena = &arena};
        int rc = q->ops->select(q, &r, &set, NULL);
        while (rc >= 0 && (rc = set->ops->next(set, &v, NULL)) > 0)
            count += v.count;
        if (set) set->ops->free(set);
        arena_release(&arena);
        if (rc < 0 || count < before) return arg;
        before = count;
    }
    return NULL;
}

static void *flush_again_and_again(void *arg)
{
    struct worker *w = arg;
    while (!__atomic_load_n(w->stop, __ATOMIC_ACQUIRE))
        if (tsdb_flush(w->f->db, NULL) < 0) return arg;
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    struct fixture *f = *state;
    static void *(*const roles[])(void *) = {write_samples, write_samples, write_samples,
                                             read_samples, flush_again_and_again};
    struct worker w[COUNT(roles)];
    int stop = 0;
    for (size_t i = 0; i < COUNT(roles); i++) {
        w[i] = (struct worker){.f = f, .number = (int)i, .stop = &stop};
        assert_int_equal(pthread_create(&w[i].thread, NULL, roles[i], &w[i]), 0);
    }
    for (size_t i = 0; i < COUNT(roles); i++) {
        void *failed = NULL;
        if (i == WRITERS) __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
        assert_int_equal(pthread_join(w[i].thread, &failed), 0);
        assert_null(failed);
    }
    for (int n = 0; n < WRITERS; n++)
        for (int k = 0; k < PER_WRITER; k++) {
            struct set s;
            int i = n * 1000 + k / 20;
            assert_int_equal(memstore_add(f->model, labels_of(&s, i), f->sim.now_ms + k, k), 0);
        }
    assert_same_everything(f);
    restart(f, false);
    assert_same_everything(f);
}

/* Twice as many series as may be in memory at a time. */
static void churn_beyond_the_limit_goes_on(void **state)
{
    struct fixture *f = *state;
    f->o.max_series = 30;
    f->o.flush_turn_ms = 0;
    restart(f, false);
    threads_do_not_disturb_each_other(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_label_sets_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(our_own_series_have_a_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(over_the_limit_only_new_series_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bad_times_and_refs_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backlog_over_its_bound_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(old_days_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_go_when_bytes_run_out, setup, teardown),
        cmocka_unit_test_setup_teardown(dropping_a_day_waits_for_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(label_queries_respect_time_and_matchers, setup, teardown),
        cmocka_unit_test_setup_teardown(budgets_end_selects, setup, teardown),
        cmocka_unit_test_setup_teardown(metadata_keeps_the_last_word, setup, teardown),
        cmocka_unit_test_setup_teardown(quiet_series_leave_the_head_but_not_the_store, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(threads_do_not_disturb_each_other, setup_threads, teardown),
        cmocka_unit_test_setup_teardown(churn_beyond_the_limit_goes_on, setup_threads, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
