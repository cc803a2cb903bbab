/* print_int.h -- parts of expressions that print.c and pretty.c both write. Failures stay in
 * out->err.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_PRINT_INT_H
#define TOCSIN_TSDB_PROMQL_PRINT_INT_H

#include "tsdb/promql/promql.h"

/* "text" with Go's escapes. */
void promql_print_quoted(struct str s, struct buf *out);
/* [range:step] @ ... offset ... */
void promql_print_subquery_suffix(const struct expr *e, struct buf *out);
/* + bool on (a) group_left (b) fill (0) */
void promql_print_operator(const struct expr *e, struct buf *out);
/* Whether the left side of a binary expression is infinity to some power. It is written Inf then:
 * the sign of +Inf would bind looser than ^ and come back as a node of its own. */
bool promql_base_is_inf(const struct expr *e);
/* sum by (a), with a blank behind a grouping */
void promql_print_aggregate_head(const struct expr *e, struct buf *out);

#endif
