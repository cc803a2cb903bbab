/* budget.h -- charging reads to a query's budget; shared by the stores of this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_BUDGET_H
#define TOCSIN_TSDB_BUDGET_H

#include "core/env.h"
#include "tsdb/querier.h"

/* All three take b == NULL as "no limits". env may be NULL: then there is no clock and the
 * deadline is left to the caller. */
int budget_check(const struct query_budget *b, struct env *env, struct errmsg *err) MUST_CHECK;
int budget_series(struct query_budget *b, uint64_t n, struct errmsg *err) MUST_CHECK;
int budget_samples(struct query_budget *b, uint64_t n, struct errmsg *err) MUST_CHECK;

#endif
