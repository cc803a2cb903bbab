/* compare.c -- runs a query through both evaluators and compares what they say.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/compare.h"

#include <math.h>
#include <stdlib.h>

#include "tests/differential/tree.h"
#include "tsdb/promql/fns.h"

/* --- comparing --- */

static bool same_value(double a, double b, bool sums)
{
    if (a == b || (isnan(a) && isnan(b))) return true;
    return sums && fabs(a - b) / (fabs(a) + fabs(b)) < 1e-9;
}

static int by_labels(const void *a, const void *b)
{
    const struct promql_series_result *l = a, *r = b;
    return labels_cmp(l->labels, r->labels);
}

static void sort_series(struct promql_result *r)
{
    if (r->series_count) qsort(r->series, r->series_count, sizeof r->series[0], by_labels);
}

static bool sorts(const struct expr *e)
{
    while (e->kind == EXPR_PAREN)
        e = e->wrap.expr;
    return e->kind == EXPR_CALL && (str_eq(str_of(e->call.fn->name), STR("sort")) ||
                                    str_eq(str_of(e->call.fn->name), STR("sort_desc")));
}

/* Says where they part. */
static bool differ(struct buf *why, const char *what, struct labels at)
{
    buf_addstr(why, what);
    buf_addch(why, ' ');
    labels_print(at, true, why);
    return false;
}

static bool same_series(const struct promql_series_result *want,
                        const struct promql_series_result *got, bool sums, struct buf *why)
{
    if (!labels_eq(want->labels, got->labels)) return differ(why, "labels differ at", want->labels);
    if (want->count != got->count) return differ(why, "other number of points in", want->labels);
    for (size_t i = 0; i < want->count; i++) {
        if (want->points[i].t_ms != got->points[i].t_ms)
            return differ(why, "times differ in", want->labels);
        if (!same_value(want->points[i].v, got->points[i].v, sums))
            return differ(why, "values differ in", want->labels);
    }
    return true;
}

static bool same_order(const struct promql_result *want, const struct promql_result *got, bool sums)
{
    for (size_t i = 0; i < want->series_count && i < got->series_count; i++)
        if (!same_value(want->series[i].points[0].v, got->series[i].points[0].v, sums))
            return false;
    return true;
}

static bool same_result(const struct expr *e, struct promql_result *want, struct promql_result *got,
                        struct buf *why)
{
    bool sums = tree_sums(e);
    if (want->type != got->type) return differ(why, "types differ", (struct labels){0});
    if (want->type == T_SCALAR && !same_value(want->scalar, got->scalar, sums))
        return differ(why, "scalars differ", (struct labels){0});
    if (want->type == T_STRING && !str_eq(want->string, got->string))
        return differ(why, "strings differ", (struct labels){0});
    if (want->series_count != got->series_count)
        return differ(why, "other number of series", (struct labels){0});
    if (want->type == T_VECTOR && sorts(e) && !same_order(want, got, sums))
        return differ(why, "order differs", (struct labels){0});
    sort_series(want);
    sort_series(got);
    for (size_t i = 0; i < want->series_count; i++)
        if (!same_series(&want->series[i], &got->series[i], sums, why)) return false;
    return true;
}

bool outcomes_alike(const struct expr *e, struct outcome *want, struct outcome *got,
                    struct buf *why)
{
    if (want->rc && got->rc) return true;
    if (want->rc || got->rc)
        return differ(why, want->rc ? "only the naive evaluator fails" : "only tocsin fails",
                      (struct labels){0});
    if (!same_result(e, &want->result, &got->result, why)) return false;
    if (want->warned != got->warned) return differ(why, "warnings differ", (struct labels){0});
    if (want->informed != got->informed) return differ(why, "infos differ", (struct labels){0});
    return true;
}

/* --- printing --- */

static void print_series(const struct promql_series_result *s, struct buf *out)
{
    buf_addstr(out, "    ");
    labels_print(s->labels, true, out);
    for (size_t i = 0; i < s->count; i++) {
        buf_addch(out, ' ');
        buf_adddouble(out, s->points[i].v);
        buf_addf(out, "@%lld", (long long)s->points[i].t_ms);
    }
    buf_addch(out, '\n');
}

void outcome_print(const struct outcome *o, struct buf *out)
{
    if (o->rc) {
        buf_addf(out, "    %s: %s\n", err_text(o->rc), o->err.text);
        return;
    }
    if (o->result.type == T_SCALAR) {
        buf_addstr(out, "    ");
        buf_adddouble(out, o->result.scalar);
        buf_addch(out, '\n');
    }
    for (size_t i = 0; i < o->result.series_count; i++)
        print_series(&o->result.series[i], out);
    if (o->warned) buf_addstr(out, "    with a warning\n");
    if (o->informed) buf_addstr(out, "    with an info\n");
}

/* --- running --- */

enum { MEMORY_BYTES = 1 << 30 };

void trial_init(struct trial *t, const struct world *w)
{
    *t = (struct trial){.world = w};
    arena_init(&t->parse, MEMORY_BYTES);
    arena_init(&t->naive, MEMORY_BYTES);
    arena_init(&t->eval, MEMORY_BYTES);
}

void trial_release(struct trial *t)
{
    arena_release(&t->parse);
    arena_release(&t->naive);
    arena_release(&t->eval);
}

int trial_parse(struct trial *t, struct str text, struct expr **e, struct errmsg *err)
{
    arena_reset(&t->parse);
    *err = (struct errmsg){0};
    return promql_parse(text, PROMQL_DEFAULT, &t->parse, e, err);
}

bool trial_run_naive(struct trial *t, const struct expr *e, const struct query *q)
{
    struct naive_answer a;
    struct naive_query n = {t->world,       q->start_ms,         q->end_ms, q->step_ms,
                            q->lookback_ms, q->subquery_step_ms, &t->naive};
    arena_reset(&t->naive);
    naive_eval(e, &n, &a);
    t->want = (struct outcome){a.rc, a.err, a.result, a.warned, a.informed};
    t->version_2 = a.version_2;
    return !a.ambiguous && a.rc != E_LIMIT && a.rc != E_UNSUPPORTED;
}

static void run_tocsin(struct trial *t, const struct expr *e, const struct query *q,
                       struct querier *querier)
{
    struct promql_query p = {
        .querier = querier,
        .env = env_system(),
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .lookback_ms = q->lookback_ms,
        .subquery_step_ms = q->subquery_step_ms,
        .arena = &t->eval,
        .text = {q->text.p, q->text.len}
    };
    arena_reset(&t->eval);
    t->got = (struct outcome){0};
    t->got.rc = promql_eval(e, &p, &t->got.result, &t->got.err);
    for (size_t i = 0; i < t->got.result.annotation_count && t->got.rc == 0; i++) {
        t->got.warned |= t->got.result.annotations[i].warning;
        t->got.informed |= !t->got.result.annotations[i].warning;
    }
}

enum verdict trial_run(struct trial *t, const struct expr *e, const struct query *q,
                       struct querier *querier, struct buf *why)
{
    buf_reset(why);
    if (!trial_run_naive(t, e, q)) return VERDICT_SKIPPED;
    run_tocsin(t, e, q, querier);
    return outcomes_alike(e, &t->want, &t->got, why) ? VERDICT_SAME : VERDICT_DIFFERENT;
}
