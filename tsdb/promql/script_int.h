/* script_int.h -- what the script runner's two files share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_SCRIPT_INT_H
#define TOCSIN_TSDB_PROMQL_SCRIPT_INT_H

#include "tsdb/promql/promql.h"

/* One "expect" line about a failure or an annotation; text and regex are empty when any will do. */
struct expectation {
    enum expect_kind { EXPECT_FAIL, EXPECT_WARN, EXPECT_INFO } kind;
    struct str text, regex;
};

enum { MAX_EXPECTATIONS = 32 };

/* An eval block. */
struct script_case {
    struct str expr;
    bool range; /* else instant, at start_ms */
    int64_t start_ms, end_ms, step_ms;
    bool ordered, no_warn, no_info;
    struct expectation expect[MAX_EXPECTATIONS];
    size_t expect_count;
    bool has_string, has_range_vector, has_scalar;
    struct str string;
    double scalar;
    int64_t vector_start_ms, vector_step_ms; /* of the expected range vector */
    struct promql_series *series;            /* the expected result */
    size_t series_count, series_cap;
};

/* 0 when the outcome (rc and err of the evaluation, or its result) is as expected; else 1, and why
 * says "expected ..., got ...". */
int script_check(const struct script_case *c, int rc, const struct errmsg *err,
                 const struct promql_result *result, struct buf *why);
/* The values of an instant case, wherever and however else it was evaluated, as they are at t_ms.
 */
int script_check_at(const struct script_case *c, int64_t t_ms, const struct promql_result *result,
                    struct buf *why);

/* Adds @ t_ms to every selector and subquery without one. False when the expression depends on the
 * evaluation time in other ways; it is then half changed and of no use. */
bool script_pin(struct expr *e, int64_t t_ms);

#endif
