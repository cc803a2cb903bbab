/* budget.h -- charging reads to a query's budget, and what it says when one is used up: for the
 * stores of this folder, the evaluator, and whoever writes an answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_BUDGET_H
#define TOCSIN_TSDB_BUDGET_H

#include "core/env.h"
#include "tsdb/querier.h"

/* All take b == NULL as "no limits". env may be NULL: then there is no clock and the deadline is
 * left to the caller. */
int budget_check(const struct query_budget *b, struct env *env, struct errmsg *err) MUST_CHECK;
int budget_series(struct query_budget *b, uint64_t n, struct errmsg *err) MUST_CHECK;
int budget_samples(struct query_budget *b, uint64_t n, struct errmsg *err) MUST_CHECK;
/* Whether n more series would fit, without charging them. */
int budget_fits_series(const struct query_budget *b, uint64_t n, struct errmsg *err) MUST_CHECK;
/* The error of a query that needs more memory than limit; E_LIMIT. */
int budget_memory(const struct query_budget *b, size_t limit, struct errmsg *err);

/* A check that is made often and looks around seldom: at the flag every time, at the clock once in
 * so many calls. */
struct budget_watch {
    const struct query_budget *budget;
    struct env *env;
    struct errmsg *err;
    unsigned calls;
};
int budget_look(struct budget_watch *w) MUST_CHECK;

/* Sorts as qsort does, stable, and looks around now and then. -ENOMEM, or what budget_check says;
 * then the order is unfinished. */
int budget_sort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *),
                struct budget_watch *w) MUST_CHECK;

#endif
