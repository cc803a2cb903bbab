/* fuzz_promql_eval.c -- the evaluator on texts and on random trees.
 *
 * A text that parses is evaluated on a small fixed store with small budgets: no crash, no hang, an
 * error with a text. A tree is grown from the bytes by the generator of tests/differential and
 * evaluated on its data: the answer is the naive evaluator's, or the target aborts.
 *
 * The first byte chooses: bit 0 an instant or a range query and bit 1 how names are removed, the
 * rest is the query; with bit 2 the rest are the choices that make a tree.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/env.h"
#include "tests/differential/all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const small_store[] = {
    "a{x=\"1\"} 0+1x20",
    "a{x=\"2\"} 5 4 stale _ 3 NaN 2 Inf",
    "b{x=\"1\",y=\"q\"} 1x20",
    "h_bucket{le=\"1\"} 0+1x20",
    "h_bucket{le=\"+Inf\"} 0+3x20",
    "b{x=\"3\"} 1 2 {{count:1}}x9 3+1x8",
};

static struct memstore *fill(void)
{
    struct memstore *m;
    struct arena arena;
    if (memstore_new(&m) < 0) abort();
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT(small_store); i++) {
        struct promql_series s;
        if (promql_parse_series(str_of(small_store[i]), &arena, &s, NULL) < 0) abort();
        for (size_t p = 0; p < s.count; p++)
            if (s.present[p] && memstore_add(m, s.labels, (int64_t)p * 15000, s.v[p]) < 0) abort();
    }
    arena_release(&arena);
    return m;
}

static void evaluate(struct memstore *m, unsigned mode, struct str text, struct arena *arena)
{
    struct expr *e;
    struct errmsg err = {0};
    if (promql_parse(text, PROMQL_ALL, arena, &e, &err) < 0) return;
    struct env *env = env_system();
    struct promql_query q = {
        .querier = memstore_querier(m),
        .env = env,
        .start_ms = mode & 1 ? 0 : 240000,
        .end_ms = 240000,
        .step_ms = mode & 1 ? 20000 : 0,
        .budget = {.max_samples = 20000, .deadline_mono_ns = env_mono_ns(env) + INT64_C(200000000)},
        .arena = arena,
        .text = text,
        .delayed_name_removal = mode & 2,
        .explain = mode & 4,
        .stats = mode & 8,
    };
    struct promql_result result;
    int rc = promql_eval(e, &q, &result, &err);
    if (rc < 0 && !err.text[0]) abort(); /* an error without an explanation */
    for (size_t i = 0; rc == 0 && i < result.series_count; i++)
        for (size_t p = 0; p < result.series[i].count; p++)
            if (is_histogram(result.series[i].points[p].v)) abort(); /* no result holds one yet */
    promql_expr_release(e);
}

/* The data trees are evaluated on: the same for every input, so made once. */
struct forest {
    struct world world;
    struct memstore *store;
};

static struct forest *plant(void)
{
    struct forest *f = calloc(1, sizeof *f);
    if (!f || world_init(&f->world, 1, WORLD_FULL, INT64_C(1700005680000)) < 0) abort();
    if (memstore_new(&f->store) < 0 || world_store(&f->world, f->store) < 0) abort();
    return f;
}

static void differ_and_abort(struct trial *t, const struct query *q, const struct buf *why)
{
    struct buf out = BUF_INIT(16 << 20);
    buf_addf(
        &out, "%s\nstart %lld end %lld step %lld lookback %lld subquery step %lld\n%s\nnaive:\n",
        why->p ? why->p : "", (long long)q->start_ms, (long long)q->end_ms, (long long)q->step_ms,
        (long long)q->lookback_ms, (long long)q->subquery_step_ms, q->text.p);
    outcome_print(&t->want, &out);
    buf_addstr(&out, "tocsin:\n");
    outcome_print(&t->got, &out);
    fputs(out.p, stderr);
    abort();
}

static void grow(struct forest *f, const uint8_t *data, size_t size)
{
    struct dice dice = dice_of_bytes(data, size);
    struct query q = {.text = BUF_INIT(1 << 16)};
    struct buf why = BUF_INIT(1 << 16);
    struct trial t;
    struct expr *e;
    struct errmsg err;
    trial_init(&t, &f->world);
    generate_query(&dice, WORLD_FULL, &f->world, &q);
    if (trial_parse(&t, str_of(q.text.p), &e, &err) < 0) {
        fprintf(stderr, "%s\n%s\n", q.text.p, err.text);
        abort();
    }
    if (trial_run(&t, e, &q, memstore_querier(f->store), &why) == VERDICT_DIFFERENT)
        differ_and_abort(&t, &q, &why);
    promql_expr_release(e);
    trial_release(&t);
    buf_release(&q.text);
    buf_release(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct forest *forest;
    if (size < 2 || size > 4096) return 0;
    if (data[0] & 4) {
        if (!forest) forest = plant();
        grow(forest, data + 1, size - 1);
        return 0;
    }
    struct memstore *m = fill();
    struct arena arena;
    arena_init(&arena, 8 << 20);
    evaluate(m, data[0], (struct str){(const char *)data + 1, size - 1}, &arena);
    arena_release(&arena);
    memstore_free(m);
    return 0;
}
