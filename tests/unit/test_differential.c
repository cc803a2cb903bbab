/* test_differential.c -- random queries: the evaluator against a naive one (tests/differential).
 *
 * Plain: 20,000 queries over 20 sets of data from an in-memory store, each fourth one from the real
 * store too. Under sanitizers a fifth of that. TOCSIN_DIFF_COUNT and TOCSIN_DIFF_SEED change the
 * number and the seed; a difference prints the seed of its query, the query shrunk, the series it
 * needs and both answers.
 *
 *     test_differential                      the tests
 *     test_differential queries SEED COUNT   queries that Prometheus 2 answers alike, one a line:
 *                                            start, end, step (ms, step 0: instant), text, why
 *                                            version 2 may answer otherwise
 *     test_differential data SEED            the samples they are asked of: labels, ms, value
 *     test_differential store SEED FOLDER    writes those to a data folder of tocsin
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/log.h"
#include "tests/differential/all.h"
#include "tests/differential/shrink.c"
#include "tests/unit/simenv.h"
#include "tsdb/tsdb_int.h"

/* 2023-11-14 23:48 UTC: the data goes over midnight, from one day file to the next. */
#define START_MS INT64_C(1700005680000)

enum { QUERIES_A_WORLD = 1000, SHOWN = 5 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SLOWER 5
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SLOWER 5
#    endif
#endif
#ifndef SLOWER
#    define SLOWER 1
#endif

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* --- the real store --- */

struct real_store {
    struct simenv sim;
    struct tsdb *db;
    char path[300];
};

static void append(struct tsdb *db, const struct world *w, int64_t from_ms, int64_t to_ms)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct world_series *s = &w->series[i];
        struct tsdb_append_result stored;
        struct tsdb_point p = {0};
        assert_int_equal(tsdb_series(db, s->labels, &p.ref, NULL), 0);
        for (size_t k = 0; k < s->count; k++) {
            if (s->t[k] < from_ms || s->t[k] >= to_ms) continue;
            p.t_ms = s->t[k];
            p.v = s->v[k];
            assert_int_equal(tsdb_append(db, &p, 1, &stored), 0);
            assert_int_equal(stored.stored, 1);
        }
    }
}

/* Most of the data in day files, the last minutes in the head. */
static void real_store_init(struct real_store *r, const struct world *w)
{
    struct tsdb_options o;
    struct tsdb_tuning tuning = {.no_threads = true, .segment_bytes = 1 << 20};
    struct errmsg err = {0};
    int64_t split_ms = w->start_ms + (w->end_ms - w->start_ms) * 3 / 4;
    assert_int_equal(simenv_init(&r->sim), 0);
    r->sim.now_ms = w->end_ms + 60000;
    tsdb_options_default(&o);
    snprintf(r->path, sizeof r->path, "%s/data", r->sim.root);
    o.path = r->path;
    o.retention_ms = 0;
    o.min_free_permille = 0;
    assert_int_equal(tsdb_open_tuned(&r->db, &o, &tuning, &r->sim.env, &err), 0);
    append(r->db, w, INT64_MIN, split_ms);
    assert_int_equal(tsdb_flush(r->db, &err), 0);
    append(r->db, w, split_ms, INT64_MAX);
}

static void real_store_release(struct real_store *r)
{
    assert_int_equal(tsdb_close(r->db), 0);
    simenv_release(&r->sim);
}

/* --- one set of data and its queries --- */

struct tally {
    unsigned long queries, filled, failed, skipped, refused, different;
    struct coverage coverage;
};

struct session {
    uint64_t world_seed;
    struct world world;
    struct memstore *memory;
    struct real_store real;
    struct trial trial;
    struct query query;
    struct buf text;
    struct tally *tally;
};

static void session_init(struct session *s, uint64_t seed, struct tally *tally)
{
    *s = (struct session){.world_seed = seed, .tally = tally, .text = BUF_INIT(16 << 20)};
    buf_init(&s->query.text, 1 << 16);
    assert_int_equal(world_init(&s->world, seed, WORLD_FULL, START_MS), 0);
    assert_int_equal(memstore_new(&s->memory), 0);
    assert_int_equal(world_store(&s->world, s->memory), 0);
    real_store_init(&s->real, &s->world);
    trial_init(&s->trial, &s->world);
}

static void session_release(struct session *s)
{
    trial_release(&s->trial);
    real_store_release(&s->real);
    memstore_free(s->memory);
    world_release(&s->world);
    buf_release(&s->query.text);
    buf_release(&s->text);
}

static void show_query(const struct query *q)
{
    print_error("  start %lld end %lld step %lld lookback %lld subquery step %lld\n  %s\n",
                (long long)q->start_ms, (long long)q->end_ms, (long long)q->step_ms,
                (long long)q->lookback_ms, (long long)q->subquery_step_ms, q->text.p);
}

/* Runs what is left after shrinking once more and prints it. */
static void show_shrunk(struct session *s, const char *store)
{
    struct expr *e;
    struct errmsg err;
    struct buf out = BUF_INIT(16 << 20);
    if (shrink(&s->world, &s->query, shrink_differs, NULL) < 0)
        fail_msg("out of memory while shrinking");
    assert_int_equal(trial_parse(&s->trial, str_of(s->query.text.p), &e, &err), 0);
    memstore_clear(s->memory);
    assert_int_equal(world_store(&s->world, s->memory), 0);
    enum verdict v = trial_run(&s->trial, e, &s->query, memstore_querier(s->memory), &s->text);
    promql_expr_release(e);
    print_error("shrunk (%s, %s):\n", store,
                v == VERDICT_DIFFERENT ? "differs in memory" : "agrees in memory");
    show_query(&s->query);
    buf_addstr(&out, "  naive:\n");
    outcome_print(&s->trial.want, &out);
    buf_addstr(&out, "  tocsin:\n");
    outcome_print(&s->trial.got, &out);
    if (v == VERDICT_DIFFERENT) world_print(&s->world, &out);
    print_error("  %s\n%.8000s\n", s->text.p ? s->text.p : "", out.p);
    buf_release(&out);
    for (size_t i = 0; i < s->world.count; i++)
        s->world.series[i].hidden = false;
    memstore_clear(s->memory);
    assert_int_equal(world_store(&s->world, s->memory), 0);
}

static void report(struct session *s, uint64_t seed, const char *store)
{
    if (s->tally->different++ >= SHOWN) return;
    print_error("\ndata seed %llu, query seed %llu, %s store: %s\n",
                (unsigned long long)s->world_seed, (unsigned long long)seed, store, s->text.p);
    show_query(&s->query);
    show_shrunk(s, store);
}

static void count(struct session *s, const struct expr *e, enum verdict v)
{
    struct tally *t = s->tally;
    if (v == VERDICT_SKIPPED) {
        t->skipped++;
        return;
    }
    t->failed += s->trial.want.rc != 0;
    if (s->trial.want.rc) return;
    t->filled += s->trial.want.result.series_count || s->trial.want.result.type == T_SCALAR;
    tree_cover(e, &t->coverage);
}

/* One query of the seed; every fourth is asked of the real store as well. */
static void ask(struct session *s, uint64_t seed)
{
    struct dice dice = dice_of_seed(seed);
    struct expr *e;
    struct errmsg err;
    generate_query(&dice, WORLD_FULL, &s->world, &s->query);
    s->tally->queries++;
    assert_int_equal(s->query.text.err, 0);
    if (trial_parse(&s->trial, str_of(s->query.text.p), &e, &err) < 0) {
        if (s->tally->refused++ < SHOWN) print_error("%s\n  %s\n", s->query.text.p, err.text);
        return;
    }
    enum verdict v = trial_run(&s->trial, e, &s->query, memstore_querier(s->memory), &s->text);
    count(s, e, v);
    bool in_real = v == VERDICT_SAME && seed % 4 == 0;
    if (in_real) v = trial_run(&s->trial, e, &s->query, tsdb_querier(s->real.db), &s->text);
    promql_expr_release(e);
    if (v == VERDICT_DIFFERENT) report(s, seed, in_real ? "real" : "memory");
}

static void print_tally(const struct tally *t)
{
    print_message("%lu queries: %lu with a result, %lu failing in both, %lu left out for having "
                  "more than one answer, %lu different\n",
                  t->queries, t->filled, t->failed, t->skipped, t->different);
}

/* A run that asks nothing proves nothing. */
static void assert_covers_the_language(const struct tally *t)
{
    size_t fn_count;
    const struct promql_fn *fns = promql_fns(&fn_count);
    for (size_t i = 0; i < fn_count; i++)
        if (!fns[i].experimental && !t->coverage.functions[i])
            fail_msg("%s() was never asked", fns[i].name);
    for (enum aggr_op op = AGGR_SUM; op <= AGGR_QUANTILE; op++)
        if (!t->coverage.aggregations[op]) fail_msg("%s was never asked", aggr_op_text(op));
    for (enum binary_op op = OP_ADD; op <= OP_UNLESS; op++)
        if (!t->coverage.operators[op]) fail_msg("%s was never asked", binary_op_text(op));
    assert_true(t->coverage.subqueries && t->coverage.at && t->coverage.offsets);
    assert_true(t->coverage.groupings && t->coverage.comparisons_bool);
    assert_true(t->filled > t->queries / 2);
    assert_true(t->failed < t->queries / 5);
    assert_true(t->skipped < t->queries / 10);
}

static void random_queries_agree_with_the_naive_evaluator(void **state)
{
    UNUSED(state);
    uint64_t total = number_of("TOCSIN_DIFF_COUNT", 20000 / SLOWER);
    uint64_t seed = number_of("TOCSIN_DIFF_SEED", 1), asked = 0;
    struct tally tally = {0};
    struct session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    for (uint64_t w = 0; asked < total; w++) {
        session_init(s, seed + w, &tally);
        for (uint64_t i = 0; i < QUERIES_A_WORLD && asked < total; i++)
            ask(s, (seed + w) * 1000000 + asked++);
        session_release(s);
    }
    free(s);
    print_tally(&tally);
    assert_int_equal(tally.refused, 0);
    assert_int_equal(tally.different, 0);
    if (total >= 10000) assert_covers_the_language(&tally);
}

/* --- the comparison sees what is wrong --- */

/* Each breaks an answer in one way; false when there is nothing to break. */
static bool flip_last_bit(struct outcome *o)
{
    if (!o->result.series_count) return false;
    struct promql_point *p = &o->result.series[0].points[0];
    if (!isfinite(p->v)) return false;
    p->v = nextafter(p->v, (double)INFINITY);
    return true;
}

static bool drop_label(struct outcome *o)
{
    for (size_t i = 0; i < o->result.series_count; i++)
        if (o->result.series[i].labels.count) {
            o->result.series[i].labels.count--;
            return true;
        }
    return false;
}

static bool drop_point(struct outcome *o)
{
    if (!o->result.series_count) return false;
    o->result.series[o->result.series_count - 1].count--;
    return true;
}

static bool move_point(struct outcome *o)
{
    if (!o->result.series_count) return false;
    o->result.series[0].points[0].t_ms++;
    return true;
}

static bool drop_series(struct outcome *o)
{
    if (!o->result.series_count) return false;
    o->result.series_count--;
    return true;
}

static bool fail_query(struct outcome *o)
{
    o->rc = E_EXEC;
    return true;
}

static bool add_warning(struct outcome *o)
{
    o->warned = !o->warned;
    return true;
}

static bool add_info(struct outcome *o)
{
    o->informed = !o->informed;
    return true;
}

static bool change_type(struct outcome *o)
{
    o->result.type = o->result.type == T_MATRIX ? T_VECTOR : T_MATRIX;
    return true;
}

static bool (*const breakers[])(struct outcome *) = {
    flip_last_bit, drop_label,  drop_point, move_point,  drop_series,
    fail_query,    add_warning, add_info,   change_type,
};

/* Breaks the answer of one query in every way; returns how many of them were seen, of *tried. */
static unsigned breaks_seen(struct session *s, const struct expr *e, unsigned *tried)
{
    unsigned seen = 0;
    for (size_t i = 0; i < COUNT(breakers); i++) {
        enum verdict v = trial_run(&s->trial, e, &s->query, memstore_querier(s->memory), &s->text);
        if (v != VERDICT_SAME || s->trial.got.rc || !breakers[i](&s->trial.got)) continue;
        ++*tried;
        buf_reset(&s->text);
        seen += !outcomes_alike(e, &s->trial.want, &s->trial.got, &s->text);
    }
    return seen;
}

static void every_broken_answer_is_seen(void **state)
{
    UNUSED(state);
    struct tally tally = {0};
    struct session *s = calloc(1, sizeof *s);
    unsigned tried = 0, seen = 0;
    assert_non_null(s);
    session_init(s, 1, &tally);
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct dice dice = dice_of_seed(seed);
        struct expr *e;
        struct errmsg err;
        generate_query(&dice, WORLD_FULL, &s->world, &s->query);
        assert_int_equal(trial_parse(&s->trial, str_of(s->query.text.p), &e, &err), 0);
        if (!tree_sums(e)) seen += breaks_seen(s, e, &tried);
        promql_expr_release(e);
    }
    session_release(s);
    free(s);
    assert_true(tried > 500);
    assert_int_equal(seen, tried);
}

/* Stands for a bug: whatever has a ceil() of series 0 in it. */
static bool has_ceil(const struct expr *e)
{
    const struct expr *child;
    if (e->kind == EXPR_CALL && str_eq(str_of(e->call.fn->name), STR("ceil"))) return true;
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        if (has_ceil(child)) return true;
    return false;
}

static bool seems_wrong(void *arg, struct trial *t, const struct expr *e, const struct query *q,
                        struct querier *memory)
{
    UNUSED(arg);
    UNUSED(q);
    UNUSED(memory);
    return has_ceil(e) && !t->world->series[0].hidden;
}

static void a_difference_shrinks_to_its_core(void **state)
{
    UNUSED(state);
    struct world w;
    struct query q = {.text = BUF_INIT(1 << 12)};
    size_t shown = 0;
    assert_int_equal(world_init(&w, 1, WORLD_FULL, START_MS), 0);
    buf_addstr(&q.text, "sum by (job) (abs(up) + on (job) ceil((up offset 1m) * 2)) > 3");
    assert_int_equal(shrink(&w, &q, seems_wrong, NULL), 0);
    assert_string_equal(q.text.p, "ceil(up offset 1m)");
    for (size_t i = 0; i < w.count; i++)
        shown += !w.series[i].hidden;
    assert_int_equal(shown, 1);
    assert_false(w.series[0].hidden);
    buf_release(&q.text);
    world_release(&w);
}

/* --- for tests/peers/differential.py --- */

static int print_data(uint64_t seed)
{
    struct world w;
    struct buf out = BUF_INIT(64 << 20);
    if (world_init(&w, seed, WORLD_VERSION_2, START_MS) < 0) return 1;
    world_print(&w, &out);
    fwrite(out.p, 1, out.len, stdout);
    buf_release(&out);
    world_release(&w);
    return 0;
}

static void write_store(void **state)
{
    char **argv = *state;
    struct world w;
    struct tsdb_options o;
    struct tsdb *db;
    struct errmsg err = {0};
    tsdb_options_default(&o);
    o.path = argv[3];
    o.retention_ms = 0;
    assert_int_equal(world_init(&w, strtoull(argv[2], NULL, 10), WORLD_VERSION_2, START_MS), 0);
    assert_int_equal(tsdb_open(&db, &o, env_system(), &err), 0);
    append(db, &w, INT64_MIN, INT64_MAX);
    assert_int_equal(tsdb_close(db), 0);
    world_release(&w);
}

/* Only queries with one answer, whether a result or an error. */
static int print_queries(uint64_t seed, uint64_t want)
{
    struct world w;
    struct trial trial;
    struct query q = {.text = BUF_INIT(1 << 16)};
    if (world_init(&w, seed, WORLD_VERSION_2, START_MS) < 0) return 1;
    trial_init(&trial, &w);
    struct dice dice = dice_of_seed(seed + 1);
    for (uint64_t i = 0; i < want;) {
        struct expr *e;
        struct errmsg err;
        generate_query(&dice, WORLD_VERSION_2, &w, &q);
        if (trial_parse(&trial, str_of(q.text.p), &e, &err) < 0) {
            fprintf(stderr, "%s: %s\n", q.text.p, err.text);
            return 1;
        }
        bool definite = trial_run_naive(&trial, e, &q);
        promql_expr_release(e);
        if (!definite) continue;
        printf("%lld\t%lld\t%lld\t%s\t", (long long)q.start_ms, (long long)q.end_ms,
               (long long)q.step_ms, q.text.p);
        for (unsigned d = 0, seen = 0; d < DIFFERENCES; d++)
            if (trial.version_2 & 1U << d)
                printf("%s%s", seen++ ? "; " : "", naive_difference_text(d));
        putchar('\n');
        i++;
    }
    buf_release(&q.text);
    trial_release(&trial);
    world_release(&w);
    return 0;
}

int main(int argc, char **argv)
{
    log_set_level(LOG_LEVEL_OFF);
    if (argc == 3 && !strcmp(argv[1], "data")) return print_data(strtoull(argv[2], NULL, 10));
    if (argc == 4 && !strcmp(argv[1], "queries"))
        return print_queries(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 4 && !strcmp(argv[1], "store")) {
        const struct CMUnitTest store[] = {cmocka_unit_test_prestate(write_store, argv)};
        return cmocka_run_group_tests(store, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_broken_answer_is_seen),
        cmocka_unit_test(a_difference_shrinks_to_its_core),
        cmocka_unit_test(random_queries_agree_with_the_naive_evaluator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
