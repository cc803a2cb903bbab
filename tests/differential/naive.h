/* naive.h -- PromQL evaluated the simple way: one step after the other, one node after the other,
 * with plain lists. The oracle of the differential tests.
 *
 * Written from the documented semantics of Prometheus 3 and sharing nothing with the evaluator of
 * tsdb/promql but the parser's tree, label sets and regular expressions. It covers all that is on
 * by default for float samples; anything else is E_UNSUPPORTED. It is slow, allocates freely, and
 * has no budgets but one that keeps a test from hanging.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_NAIVE_H
#define TOCSIN_TESTS_DIFFERENTIAL_NAIVE_H

#include "tests/differential/world.h"
#include "tsdb/promql/promql.h"

struct naive_query {
    const struct world *world;
    int64_t start_ms, end_ms, step_ms; /* step 0: an instant query */
    int64_t lookback_ms, subquery_step_ms;
    struct arena *arena; /* of the answer and of everything in between */
};

struct naive_answer {
    int rc; /* 0; E_EXEC, the query failed; E_LIMIT, too much work; E_UNSUPPORTED */
    struct errmsg err;
    struct promql_result result; /* series in no particular order, no annotations */
    bool warned, informed;       /* an annotation of that kind belongs to the answer */
    /* The semantics leave more than one answer: which of equal values topk takes, a sum that
     * overflows in one order of its terms and not in another, dates beyond the calendar. */
    bool ambiguous;
    unsigned version_2; /* bits 1 << enum naive_difference */
};

/* Why Prometheus 2 may answer otherwise. */
enum naive_difference {
    DIFFERS_ATAN2_NAME,   /* it keeps the name of a atan2 b */
    DIFFERS_DEVIATION,    /* stddev of one infinite or NaN value: 0 */
    DIFFERS_OVERFLOW,     /* stddev_over_time that overflows: NaN */
    DIFFERS_MATCHES,      /* it counts partners after the comparison has filtered */
    DIFFERS_NAMES,        /* it fails on -x when two names ever give one label set */
    DIFFERS_FIXED_WINDOW, /* predict_linear(x[5m] @ T, s): it moves the window with the steps */
    DIFFERS_FIXED_OFFSET, /* x @ T offset d: it does not read far enough back */
    DIFFERENCES,
};
const char *naive_difference_text(enum naive_difference d);

void naive_eval(const struct expr *e, const struct naive_query *q, struct naive_answer *out);

#endif
