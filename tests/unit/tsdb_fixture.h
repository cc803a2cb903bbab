/* tsdb_fixture.h -- a store on a simulated machine beside the model store it is compared with.
 * Header only, for the test_tsdb*.c programs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_TSDB_FIXTURE_H
#define TOCSIN_TESTS_TSDB_FIXTURE_H

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

__attribute__((unused)) static int setup(void **state)
{
    return setup_with(state, false);
}

__attribute__((unused)) static int setup_threads(void **state)
{
    return setup_with(state, true);
}

__attribute__((unused)) static int teardown(void **state)
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
__attribute__((unused)) static int add(struct fixture *f, int i, int64_t t, double v,
                                       struct tsdb_append_result *r)
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

__attribute__((unused)) static void assert_same_everything(struct fixture *f)
{
    struct select_request all = {.start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4};
    assert_same(f, all);
    all.latest_only = true;
    assert_same(f, all);
}

__attribute__((unused)) static void restart(struct fixture *f, bool crash)
{
    if (crash)
        tsdb_abandon(f->db);
    else
        assert_int_equal(tsdb_close(f->db), 0);
    open_db(f);
}

__attribute__((unused)) static void flush(struct fixture *f)
{
    struct errmsg err = {0};
    int rc = tsdb_flush(f->db, &err);
    if (rc < 0) print_error("flush: %s\n", err.text);
    assert_int_equal(rc, 0);
}

#endif
