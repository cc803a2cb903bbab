/* tree.h -- walking parsed expressions in the differential tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_TREE_H
#define TOCSIN_TESTS_DIFFERENTIAL_TREE_H

#include "tsdb/promql/promql.h"

/* Operand number i, or NULL after the last. */
const struct expr *tree_child(const struct expr *e, size_t i);

/* What a run of queries has used of the language. */
struct coverage {
    unsigned functions[256]; /* as in promql_fns() */
    unsigned aggregations[32], operators[32];
    unsigned subqueries, at, offsets, groupings, comparisons_bool;
};
void tree_cover(const struct expr *e, struct coverage *c);

/* Whether its value is the same at every step: all times in it are fixed with @. */
bool tree_is_invariant(const struct expr *e);

/* Whether a sum is part of it: its last bits then depend on the order of the terms. */
bool tree_sums(const struct expr *e);
/* A sum, or what mathematical libraries round each in its way. */
bool tree_is_rough(const struct expr *e);

#endif
