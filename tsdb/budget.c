/* budget.c -- charging reads to a query's budget, and sorted sets of texts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/mem.h"

int budget_check(const struct query_budget *b, struct env *env, struct errmsg *err)
{
    if (!b) return 0;
    if (b->cancel && __atomic_load_n(b->cancel, __ATOMIC_RELAXED))
        return errmsg_set(err, E_CANCELED, "query was canceled");
    if (b->deadline_mono_ns && env && env_mono_ns(env) > b->deadline_mono_ns)
        return errmsg_set(err, E_TIMEOUT, "query timed out while reading samples");
    return 0;
}

int budget_series(struct query_budget *b, uint64_t n, struct errmsg *err)
{
    if (!b) return 0;
    b->used_series += n;
    if (!b->max_series || b->used_series <= b->max_series) return 0;
    return errmsg_set(err, E_LIMIT, "query selects more than the %" PRIu64 " series it may read",
                      b->max_series);
}

int budget_samples(struct query_budget *b, uint64_t n, struct errmsg *err)
{
    if (!b) return 0;
    b->used_samples += n;
    if (!b->max_samples || b->used_samples <= b->max_samples) return 0;
    return errmsg_set(err, E_LIMIT, "query reads more than the %" PRIu64 " samples it may read",
                      b->max_samples);
}

int strset_add(struct strset *s, struct str text)
{
    void *v = s->v;
    int rc =
        s->count < s->cap ? 0 : mem_grow(&v, &s->cap, s->count + 1, SIZE_MAX / 64, sizeof *s->v);
    s->v = v;
    if (rc < 0) return rc;
    s->v[s->count++] = text;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return str_cmp(*x, *y);
}

int strset_visit(struct strset *s, str_visit_fn *each, void *arg)
{
    if (s->count) qsort(s->v, s->count, sizeof *s->v, by_text);
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0 && str_eq(s->v[i - 1], s->v[i])) continue;
        int rc = each(arg, s->v[i]);
        if (rc) return rc;
    }
    return 0;
}

void strset_release(struct strset *s)
{
    mem_free(s->v);
    *s = (struct strset){0};
}
