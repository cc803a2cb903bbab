/* test_memstore.c -- the model store behind the querier interface.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tsdb/memstore.h"

struct fixture {
    struct memstore *store;
    struct querier *q;
    struct arena arena;
};

static int setup(void **state)
{
    static struct fixture f;
    if (memstore_new(&f.store) < 0) return -1;
    f.q = memstore_querier(f.store);
    arena_init(&f.arena, 1 << 20);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    memstore_free(f->store);
    arena_release(&f->arena);
    return 0;
}

static void add(struct fixture *f, const char *metric, const char *job, int64_t t, double v)
{
    struct label l[] = {
        {STR("__name__"), str_of(metric)},
        {STR("job"),      str_of(job)   }
    };
    assert_int_equal(memstore_add(f->store, (struct labels){l, 2}, t, v), 0);
}

/* "name/job t=v t=v; ..." of everything a request selects */
static void read_all(struct fixture *f, struct select_request r, struct buf *out)
{
    struct series_set *set = NULL;
    struct series_view v;
    r.arena = &f->arena;
    buf_reset(out);
    assert_int_equal(f->q->ops->select(f->q, &r, &set, NULL), 0);
    int rc;
    while ((rc = set->ops->next(set, &v, NULL)) == 1) {
        struct str m = labels_metric(v.labels), job = labels_get(v.labels, STR("job"));
        buf_addf(out, "%.*s/%.*s", (int)m.len, m.p, (int)job.len, job.p);
        for (size_t i = 0; i < v.count; i++)
            buf_addf(out, " %lld=%g", (long long)v.t[i], v.v[i]);
        buf_addstr(out, "; ");
    }
    assert_int_equal(rc, 0);
    set->ops->free(set);
}

static void keeps_time_order_and_the_last_write(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(4096);
    add(f, "m", "a", 30, 3);
    add(f, "m", "a", 10, 1);
    add(f, "m", "a", 20, 2);
    add(f, "m", "a", 20, 9);
    read_all(f, (struct select_request){.end_ms = INT64_MAX}, &out);
    assert_string_equal(out.p, "m/a 10=1 20=9 30=3; ");
    buf_release(&out);
}

static void ranges_include_both_ends(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(4096);
    for (int64_t t = -20; t <= 30; t += 10)
        add(f, "m", "a", t, (double)t);
    read_all(f, (struct select_request){.start_ms = -10, .end_ms = 20}, &out);
    assert_string_equal(out.p, "m/a -10=-10 0=0 10=10 20=20; ");
    read_all(f, (struct select_request){.start_ms = -10, .end_ms = 25, .latest_only = true}, &out);
    assert_string_equal(out.p, "m/a 20=20; ");
    read_all(f, (struct select_request){.start_ms = 31, .end_ms = 90}, &out);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void matches_and_sorts(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(4096);
    struct matcher m;
    add(f, "up", "c", 1, 1);
    add(f, "up", "a", 1, 2);
    add(f, "down", "b", 1, 3);
    assert_int_equal(matcher_init(&m, MATCH_EQ, STR("__name__"), STR("up"), NULL), 0);
    read_all(f, (struct select_request){&m, 1, .end_ms = 9, .sorted = true}, &out);
    assert_string_equal(out.p, "up/a 1=2; up/c 1=1; ");
    buf_release(&out);
}

static int gather(void *arg, struct str s)
{
    struct buf *out = arg;
    buf_add(out, s.p, s.len);
    return buf_addch(out, ' ');
}

static int stop_at_once(void *arg, struct labels ls)
{
    UNUSED(ls);
    return ++*(int *)arg;
}

static void names_and_values_are_sorted_and_unique(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(4096);
    struct select_request r = {.end_ms = 5, .arena = &f->arena};
    add(f, "up", "c", 1, 1);
    add(f, "down", "c", 1, 1);
    add(f, "up", "a", 1, 1);
    add(f, "up", "late", 6, 1);
    assert_int_equal(f->q->ops->label_values(f->q, STR("job"), &r, gather, &out, NULL), 0);
    assert_string_equal(out.p, "a c ");
    buf_reset(&out);
    assert_int_equal(f->q->ops->label_names(f->q, &r, gather, &out, NULL), 0);
    assert_string_equal(out.p, "__name__ job ");
    int calls = 0;
    assert_int_equal(f->q->ops->series(f->q, &r, stop_at_once, &calls, NULL), 1);
    assert_int_equal(calls, 1);
    buf_release(&out);
}

static void budgets_end_reads(void **state)
{
    struct fixture *f = *state;
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    int cancel = 0;
    add(f, "m", "a", 1, 1);
    add(f, "m", "a", 2, 1);
    add(f, "m", "b", 2, 1);
    struct query_budget one_series = {.max_series = 1}, one_sample = {.max_samples = 1};
    struct query_budget canceled = {.cancel = &cancel};
    struct select_request r = {.end_ms = 9, .arena = &f->arena, .budget = &one_series};
    assert_int_equal(f->q->ops->select(f->q, &r, &set, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "1 series"));
    r.budget = &one_sample;
    assert_int_equal(f->q->ops->select(f->q, &r, &set, &err), 0);
    assert_int_equal(set->ops->next(set, &v, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "1 samples"));
    set->ops->free(set);
    r.budget = &canceled;
    assert_int_equal(f->q->ops->select(f->q, &r, &set, &err), 0);
    cancel = 1;
    assert_int_equal(set->ops->next(set, &v, &err), E_CANCELED);
    set->ops->free(set);
}

static void many_series_are_told_apart_and_clear_forgets_them(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 20);
    char job[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(job, sizeof job, "j%d", i % 1000);
        add(f, "m", job, i / 1000, i);
    }
    struct matcher m;
    assert_int_equal(matcher_init(&m, MATCH_EQ, STR("job"), STR("j7"), NULL), 0);
    read_all(f, (struct select_request){&m, 1, .end_ms = 9}, &out);
    assert_string_equal(out.p, "m/j7 0=7 1=1007; ");
    memstore_clear(f->store);
    read_all(f, (struct select_request){.end_ms = 9}, &out);
    assert_int_equal(out.len, 0);
    add(f, "m", "j7", 1, 1);
    read_all(f, (struct select_request){&m, 1, .end_ms = 9}, &out);
    assert_string_equal(out.p, "m/j7 1=1; ");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_time_order_and_the_last_write, setup, teardown),
        cmocka_unit_test_setup_teardown(ranges_include_both_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(matches_and_sorts, setup, teardown),
        cmocka_unit_test_setup_teardown(names_and_values_are_sorted_and_unique, setup, teardown),
        cmocka_unit_test_setup_teardown(budgets_end_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(many_series_are_told_apart_and_clear_forgets_them, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
