/* test_tsdb_labels.c -- label names, values and series of the store, beside the model's, which
 * looks at every series.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tsdb_fixture.h"

static int add_text(void *arg, struct str s)
{
    struct buf *out = arg;
    buf_add(out, s.p, s.len);
    return buf_addch(out, '\n');
}

static const char *const asked[] = {"", "__name__", "instance", "job", "nothing"};

/* What one querier answers to all of them. */
static void print_labels(struct querier *q, struct select_request r, struct buf *out)
{
    struct errmsg err = {0};
    struct arena arena;
    arena_init(&arena, 64 << 20);
    r.arena = &arena;
    buf_reset(out);
    for (size_t i = 0; i < COUNT(asked); i++) {
        int rc = *asked[i] ? q->ops->label_values(q, str_of(asked[i]), &r, add_text, out, &err)
                           : q->ops->label_names(q, &r, add_text, out, &err);
        if (rc < 0) fail_msg("%s: %s", asked[i], err.text);
        buf_addstr(out, "--\n");
    }
    arena_release(&arena);
}

static void assert_same_labels(struct fixture *f, struct select_request r)
{
    struct buf got = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20);
    print_labels(memstore_querier(f->model), r, &want);
    print_labels(tsdb_querier(f->db), r, &got);
    assert_string_equal(got.p, want.p);
    buf_release(&got);
    buf_release(&want);
}

/* Ranges of all sizes around the samples, with and without a matcher. */
static void compare(struct fixture *f)
{
    struct matcher m;
    assert_int_equal(matcher_init(&m, MATCH_RE, STR("instance"), STR("host-(1.*|[2-7])"), NULL), 0);
    for (int k = 0; k < 60; k++) {
        uint64_t x = env_random(&f->sim.env);
        int64_t start = f->sim.now_ms - (int64_t)(x % (4 * DAY_MS));
        int64_t length = (int64_t)(x >> 32) % (k % 3 ? 100000 : 3 * DAY_MS);
        struct select_request r = {.start_ms = start, .end_ms = start + length};
        assert_same_labels(f, r);
        r.matchers = &m;
        r.matcher_count = 1;
        assert_same_labels(f, r);
    }
    assert_same_labels(f,
                       (struct select_request){.start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4});
    matcher_release(&m);
}

static void labels_are_those_of_series_with_samples(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    int64_t newest[SERIES];
    for (int i = 0; i < SERIES; i++)
        newest[i] = f->sim.now_ms - 3 * DAY_MS + i * INT64_C(3000000);
    for (int step = 0; step < 2000; step++) {
        uint64_t x = env_random(&f->sim.env);
        int i = (int)(x % SERIES);
        newest[i] = MIN(newest[i] + (int64_t)(x >> 20 & 0x1fffff), f->sim.now_ms);
        assert_int_equal(add(f, i, newest[i], step, &r), 0);
        if (step % 400 == 350) flush(f);
        if (step % 500 == 100) compare(f);
    }
    compare(f);
    flush(f);
    compare(f);
    f->sim.now_ms += 10 * DAY_MS; /* so that the head no longer loads the series */
    restart(f, false);
    compare(f);
}

/* --- budgets --- */

enum { MANY = 3000 };

static void add_many(struct fixture *f)
{
    struct tsdb_append_result r;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(add(f, i, f->sim.now_ms - i % 50, i, &r), 0);
}

static int select_all(struct fixture *f, struct query_budget *b, size_t memory, const char *pattern,
                      struct errmsg *err)
{
    struct querier *q = tsdb_querier(f->db);
    struct series_set *set = NULL;
    struct series_view v;
    struct matcher m;
    struct arena arena;
    *err = (struct errmsg){0};
    assert_int_equal(matcher_init(&m, MATCH_RE, STR("instance"), str_of(pattern), NULL), 0);
    arena_init(&arena, memory);
    struct select_request r = {.matchers = &m,
                               .matcher_count = 1,
                               .end_ms = f->sim.now_ms,
                               .budget = b,
                               .arena = &arena,
                               .sorted = true};
    int rc = q->ops->select(q, &r, &set, err);
    while (rc == 0 && (rc = set->ops->next(set, &v, err)) > 0)
        rc = 0;
    if (set) set->ops->free(set);
    arena_release(&arena);
    matcher_release(&m);
    return rc;
}

static void each_budget_is_named(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    add_many(f);
    struct query_budget b = {.max_series = 100};
    assert_int_equal(select_all(f, &b, 64 << 20, "host-.*", &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.series = 100 series");
    b = (struct query_budget){.max_samples = 100};
    assert_int_equal(select_all(f, &b, 64 << 20, "host-.*", &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.samples = 100 samples");
    b = (struct query_budget){0};
    assert_int_equal(select_all(f, &b, 64 << 10, "host-.*", &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than limits.query.memory = 64KiB of memory");
    b = (struct query_budget){.deadline_mono_ns = 1, .timeout_ms = 30000};
    assert_int_equal(select_all(f, &b, 64 << 20, "host-.*", &err), E_TIMEOUT);
    assert_string_equal(err.text, "query timed out in expression evaluation: it needs more than "
                                  "limits.query.timeout = 30s");
    static const struct budget_names names = {"s", "n", "m", "t"};
    b = (struct query_budget){.max_series = 100, .names = &names};
    assert_int_equal(select_all(f, &b, 64 << 20, "host-.*", &err), E_LIMIT);
    assert_string_equal(err.text, "query needs more than s = 100 series");
}

/* A clock that runs while a pattern is tried on value after value. */
static void a_costly_pattern_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    struct env *env = &f->sim.env;
    int cancel = 1;
    add_many(f);
    struct query_budget b = {.deadline_mono_ns = env_mono_ns(env) + 20000000, .timeout_ms = 20};
    int64_t start = env_mono_ns(env);
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = select_all(f, &b, 64 << 20, "(h|o|s|t|-|[0-9])*(h|o|s|t|-|[0-9])*x", &err);
    assert_true(rc == E_TIMEOUT || rc == E_LIMIT);
    assert_true(env_mono_ns(env) - start < INT64_C(2000000000));
    b = (struct query_budget){.cancel = &cancel};
    assert_int_equal(select_all(f, &b, 64 << 20, "host-.*", &err), E_CANCELED);
}

/* --- beside writers --- */

struct crew {
    struct fixture *f;
    pthread_t thread;
    int number, rc;
    const int *stop;
};

/* New series and samples, all the time. */
static void *write_on(void *arg)
{
    struct crew *c = arg;
    struct tsdb_append_result r;
    for (int i = c->number; !__atomic_load_n(c->stop, __ATOMIC_RELAXED) && c->rc == 0; i += 2) {
        struct set s;
        tsdb_ref ref = 0;
        c->rc = tsdb_series(c->f->db, labels_of(&s, i % 4000), &ref, NULL);
        struct tsdb_point p = {ref, c->f->sim.now_ms - 60000 + i, i};
        if (c->rc == 0) c->rc = tsdb_append(c->f->db, &p, 1, &r);
        if (c->rc == E_UNAVAILABLE) c->rc = 0;
    }
    return NULL;
}

static int count_text(void *arg, struct str s)
{
    UNUSED(s);
    ++*(int *)arg;
    return 0;
}

/* Selects and looks up labels; there is always at least what was there at the start. */
static void *read_on(void *arg)
{
    struct crew *c = arg;
    struct querier *q = tsdb_querier(c->f->db);
    while (!__atomic_load_n(c->stop, __ATOMIC_RELAXED) && c->rc == 0) {
        struct errmsg err;
        struct query_budget b = {.max_series = 1000000};
        struct arena arena;
        int names = 0;
        c->rc = select_all(c->f, &b, 64 << 20, "host-.*[0-9]", &err);
        arena_init(&arena, 64 << 20);
        struct select_request r = {.end_ms = c->f->sim.now_ms + 1000000, .arena = &arena};
        if (c->rc == 0)
            c->rc = q->ops->label_values(q, STR("instance"), &r, count_text, &names, &err);
        if (c->rc == 0 && (names < MANY || b.used_series < MANY)) c->rc = E_NOT_FOUND;
        arena_release(&arena);
    }
    return NULL;
}

static void reads_go_on_beside_writers(void **state)
{
    struct fixture *f = *state;
    int stop = 0;
    struct crew crew[5];
    add_many(f);
    for (int i = 0; i < 5; i++) {
        crew[i] = (struct crew){.f = f, .number = i, .stop = &stop};
        assert_int_equal(
            pthread_create(&crew[i].thread, NULL, i < 2 ? write_on : read_on, &crew[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        flush(f);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_join(crew[i].thread, NULL), 0);
        assert_int_equal(crew[i].rc, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labels_are_those_of_series_with_samples, setup, teardown),
        cmocka_unit_test_setup_teardown(each_budget_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_go_on_beside_writers, setup_threads, teardown),
        cmocka_unit_test_setup_teardown(a_costly_pattern_ends_at_the_deadline, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
