/* querier.h -- reading samples: one interface, several back ends.
 *
 * PromQL, rules and the API read through this and do not know whether the local store (tsdb.h), an
 * in-memory store (memstore.h, for tests) or a remote Prometheus-compatible engine answers.
 * Calls are thread-safe on one querier; a series set belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_QUERIER_H
#define TOCSIN_TSDB_QUERIER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "tsdb/labels.h"

/* The staleness marker is this NaN, bit for bit; an ordinary NaN is 0x7ff8000000000001. */
#define STALE_NAN_BITS  UINT64_C(0x7ff0000000000002)
#define NORMAL_NAN_BITS UINT64_C(0x7ff8000000000001)
static inline uint64_t double_bits(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}
static inline double double_of_bits(uint64_t u)
{
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}
static inline bool is_stale(double v)
{
    return double_bits(v) == STALE_NAN_BITS;
}

/* What the limits of a query are called where its user can set them, for errors. */
struct budget_names {
    const char *series, *samples, *memory, *timeout;
};

/* What one query may use; 0 = unlimited. Exceeding one is E_LIMIT with an errmsg that names it and
 * its value. The ceiling of the request's arena is the budget of memory. */
struct query_budget {
    uint64_t max_series;
    uint64_t max_samples; /* decoded from storage */
    uint64_t used_series, used_samples;
    const int *cancel;        /* may be NULL; looked at often: non-zero ends in E_CANCELED */
    int64_t deadline_mono_ns; /* 0: none; past it E_TIMEOUT */
    int64_t timeout_ms;       /* what the deadline was made of, for its error; 0: not told */
    const struct budget_names *names; /* NULL: limits.query.series and so on */
};

struct select_request {
    const struct matcher *matchers;
    size_t matcher_count;
    int64_t start_ms, end_ms;    /* both included */
    int64_t step_ms;             /* hint; 0 for instant reads */
    const char *func;            /* hint: the function around the selector, or "" */
    bool latest_only;            /* instant read: the newest sample in [start, end] is enough */
    bool sorted;                 /* series in labels_cmp order */
    size_t limit;                /* hint for lookups: the caller keeps no more; 0: none */
    struct query_budget *budget; /* may be NULL */
    struct arena *arena;         /* labels of the answer live here */
};

/* Stands where a sample is a native histogram, which no store here keeps yet: whoever works on
 * floats passes it by, and what would need its buckets fails. No arithmetic yields this NaN. */
#define HISTOGRAM_NAN_BITS UINT64_C(0x7ff0000000000003)
static inline bool is_histogram(double v)
{
    return double_bits(v) == HISTOGRAM_NAN_BITS;
}

/* One series and its samples of the asked range, in time order, timestamps unique. Staleness
 * markers are included as STALE_NAN. labels live in the request's arena; t and v only until the
 * next call of series_set_next. */
struct series_view {
    struct labels labels;
    const int64_t *t;
    const double *v;
    size_t count;
};

struct series_set;
struct series_set_ops {
    /* 1 and *out filled, 0 at the end, < 0 on error. Series without samples may be skipped. */
    int (*next)(struct series_set *s, struct series_view *out, struct errmsg *err);
    void (*free)(struct series_set *s);
};
struct series_set { /* first member of every implementation */
    const struct series_set_ops *ops;
    bool histograms; /* some samples may be native histograms */
};

/* Visitors return 0 to go on, anything else ends the call with that code. */
typedef int str_visit_fn(void *arg, struct str s);
typedef int labels_visit_fn(void *arg, struct labels ls);

struct expr; /* promql.h, which knows this header */
struct promql_query;
struct promql_result;

struct querier;
struct querier_ops {
    int (*select)(struct querier *q, const struct select_request *r, struct series_set **out,
                  struct errmsg *err);
    /* Label names, values of one name, and label sets, of series that match (matcher_count may be
     * 0) and have samples in [start, end]. Names and values come sorted and unique. */
    int (*label_names)(struct querier *q, const struct select_request *r, str_visit_fn *each,
                       void *arg, struct errmsg *err);
    int (*label_values)(struct querier *q, struct str name, const struct select_request *r,
                        str_visit_fn *each, void *arg, struct errmsg *err);
    int (*series)(struct querier *q, const struct select_request *r, labels_visit_fn *each,
                  void *arg, struct errmsg *err);
    /* Optional. Evaluates a whole expression as promql_eval promises, and is called by it: for
     * engines that can do so where the samples are. NULL: evaluated here, over select. */
    int (*eval)(struct querier *q, const struct expr *e, struct promql_query *query,
                struct promql_result *out, struct errmsg *err);
};
struct querier { /* first member of every implementation */
    const struct querier_ops *ops;
};

#endif
