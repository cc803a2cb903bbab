/* ops.h -- tables of binary operators and aggregations, for the files of promql.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_OPS_H
#define TOCSIN_TSDB_PROMQL_OPS_H

#include <stdbool.h>

#include "tsdb/promql/ast.h"

enum op_class { OP_ARITHMETIC, OP_COMPARISON, OP_SET, OP_TRIM };

/* Binding powers: a higher one binds tighter. */
enum { BIND_OR = 1, BIND_AND, BIND_COMPARE, BIND_SUM, BIND_PRODUCT, BIND_POWER };

struct op_row {
    const char *text;
    enum op_class class;
    int bind;
    bool right; /* right-associative */
};
const struct op_row *op_row(enum binary_op op);

struct aggr_row {
    const char *text;
    enum value_type param; /* T_NONE when it takes no parameter */
    bool experimental;
};
const struct aggr_row *aggr_row(enum aggr_op op);
/* The name of the aggregation nearest to a mistyped word, or NULL. */
const char *aggr_nearest(struct str word);

#endif
