/* fuzz_promql_eval.c -- any text that parses is evaluated on a small fixed store with small
 * budgets: no crash, no hang, an error with a text.
 *
 * The first byte chooses an instant or a range query and how names are removed; the rest is the
 * query.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "core/env.h"
#include "tsdb/memstore.h"
#include "tsdb/promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const series[] = {
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
    for (size_t i = 0; i < COUNT(series); i++) {
        struct promql_series s;
        if (promql_parse_series(str_of(series[i]), &arena, &s, NULL) < 0) abort();
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
    };
    struct promql_result result;
    int rc = promql_eval(e, &q, &result, &err);
    if (rc < 0 && !err.text[0]) abort(); /* an error without an explanation */
    for (size_t i = 0; rc == 0 && i < result.series_count; i++)
        for (size_t p = 0; p < result.series[i].count; p++)
            if (is_histogram(result.series[i].points[p].v)) abort(); /* no result holds one yet */
    promql_expr_release(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096) return 0;
    struct memstore *m = fill();
    struct arena arena;
    arena_init(&arena, 8 << 20);
    evaluate(m, data[0], (struct str){(const char *)data + 1, size - 1}, &arena);
    arena_release(&arena);
    memstore_free(m);
    return 0;
}
