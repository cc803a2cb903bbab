/* budget.c -- charging reads to a query's budget.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/budget.h"

#include <inttypes.h>

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
