/* generate.h -- random queries that are well-typed and, over the data of world.h, seldom empty.
 *
 * Grammar-driven: every kind of node has a function that writes its text and calls others for its
 * operands, until the size is used up; then selectors and numbers end it. The same dice give the
 * same query. All that is on by default in the language comes up; in a WORLD_VERSION_2 only what
 * Prometheus 2.42 answers alike (docs/PROMQL-DIFFERENTIAL.md).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_GENERATE_H
#define TOCSIN_TESTS_DIFFERENTIAL_GENERATE_H

#include "core/buf.h"
#include "tests/differential/world.h"

struct query {
    struct buf text;
    int64_t start_ms, end_ms, step_ms; /* step 0: an instant query */
    int64_t lookback_ms, subquery_step_ms;
};

/* Writes over *q, whose text the caller has initialised. */
void generate_query(struct dice *dice, enum world_kind kind, const struct world *w,
                    struct query *q);

#endif
