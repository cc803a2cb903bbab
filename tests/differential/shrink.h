/* shrink.h -- makes a query on which two evaluators differ small: puts operands in the place of
 * whole expressions, then leaves out series, as long as they still differ.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_SHRINK_H
#define TOCSIN_TESTS_DIFFERENTIAL_SHRINK_H

#include "tests/differential/compare.h"

/* Whether a query is still interesting, run over the world's series that are not hidden. */
typedef bool shrink_fn(void *arg, struct trial *t, const struct expr *e, const struct query *q,
                       struct querier *memory);
shrink_fn shrink_differs; /* the two evaluators differ; arg is not used */

/* q->text becomes the smallest query found that is interesting, series it does not need become
 * hidden. Leaves all as it is when the query is not interesting to begin with. */
int shrink(struct world *w, struct query *q, shrink_fn *interesting, void *arg) MUST_CHECK;

#endif
