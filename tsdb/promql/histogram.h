/* histogram.h -- native histograms: counts of observations in buckets of exponential width, or
 * between bounds of their own.
 *
 * A value: what it points to lives in an arena and is never changed. So far they are read from test
 * scripts and rule unit tests; the stores and the evaluator only know where one stands
 * (HISTOGRAM_NAN_BITS in tsdb/querier.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_HISTOGRAM_H
#define TOCSIN_TSDB_PROMQL_HISTOGRAM_H

#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"

/* The schema of buckets between bounds of their own; others are powers of two: bucket i ends at
 * 2^(i / 2^schema). */
enum { HISTOGRAM_CUSTOM = -53, HISTOGRAM_MAX_BUCKETS = 1 << 16 };

/* Whether the counts have started from zero since the sample before. */
enum histogram_reset { RESET_UNKNOWN, RESET_SEEN, RESET_NONE, RESET_GAUGE };

struct number_list {
    const double *v;
    size_t count;
};

/* Neighbouring buckets: count number i is of bucket offset + i. */
struct histogram_buckets {
    int64_t offset;
    struct number_list counts;
};

struct histogram {
    int64_t schema;
    enum histogram_reset reset;
    double sum, count;
    double zero_count, zero_threshold; /* observations within the threshold of zero */
    struct histogram_buckets positive, negative;
    struct number_list bounds; /* upper ones, of HISTOGRAM_CUSTOM */
};

/* x + sign * y in *out, at x's schema, which must not be the finer one. E_INVALID for histograms
 * that do not go together, E_UNSUPPORTED for those whose zero buckets or bounds would first have to
 * be brought in line, E_TOO_BIG for buckets too far apart, or the arena's refusal. */
int histogram_add(struct arena *a, const struct histogram *x, double sign,
                  const struct histogram *y, struct histogram *out, struct errmsg *err) MUST_CHECK;

#endif
