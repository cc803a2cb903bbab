/* promql.h -- PromQL: parse, check, print, evaluate (Prometheus 3 semantics).
 *
 * Pure: reads no clock and does no I/O but through the querier. Thread-safe: no shared state; one
 * arena belongs to one call at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_PROMQL_H
#define TOCSIN_TSDB_PROMQL_PROMQL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/env.h"
#include "core/err.h"
#include "tsdb/promql/ast.h"
#include "tsdb/querier.h"

/* Optional features of the language; PROMQL_DEFAULT is what Prometheus 3.14 has on by default. */
enum {
    PROMQL_EXPERIMENTAL_FUNCTIONS = 1 << 0, /* and limitk, limit_ratio */
    PROMQL_DURATION_EXPRESSIONS = 1 << 1,
    PROMQL_EXTENDED_RANGE = 1 << 2, /* anchored, smoothed */
    PROMQL_FILL = 1 << 3,           /* fill, fill_left, fill_right */
    PROMQL_DEFAULT = PROMQL_DURATION_EXPRESSIONS,
    PROMQL_ALL = 0xf,
};

/* Lexes, parses and type-checks. 0, or E_PARSE/E_TOO_BIG/-ENOMEM with err filled: position of the
 * first problem, Prometheus-like text. Limits: 1 MiB of text, depth 250. On success call
 * promql_expr_release before the arena goes. */
int promql_parse(struct str text, unsigned features, struct arena *a, struct expr **out,
                 struct errmsg *err) MUST_CHECK;
void promql_expr_release(struct expr *e); /* compiled regular expressions of the whole tree */

struct histogram; /* histogram.h */

/* One series description of test scripts and rule unit tests: metric{labels} followed by values
 * ("1+2x3 _ stale {{count:1}}x3"). Values that are absent have present[i] false. Where h[i] is set
 * the value is that histogram, and v[i] says so to is_histogram(). */
struct promql_series {
    struct labels labels;
    double *v;
    bool *present;
    const struct histogram **h;
    size_t count;
};
int promql_parse_series(struct str text, struct arena *a, struct promql_series *out,
                        struct errmsg *err) MUST_CHECK;
/* Only metric{labels}. */
int promql_parse_metric(struct str text, struct arena *a, struct labels *out,
                        struct errmsg *err) MUST_CHECK;
/* Only {matchers} or metric{matchers}, as match[] takes them. Release each matcher. E_INVALID when
 * it would find every series: no matcher asks for a label that is not empty. */
int promql_parse_selector(struct str text, struct arena *a, struct matcher **out, size_t *count,
                          struct errmsg *err) MUST_CHECK;

/* The canonical one-line text; parsing it again gives an equal tree. */
int promql_print(const struct expr *e, struct buf *out);
/* Indented over several lines past max_line columns, as format_query. */
int promql_pretty(const struct expr *e, size_t max_line, struct buf *out);
/* An arrow-and-caret excerpt of the query for terminals: the line and ^^^^ below it. */
void promql_excerpt(struct str text, const struct errmsg *err, struct buf *out);

/* Calls each() for every selector of the tree (for check rules --live, reverse index, explain). */
typedef int selector_visit_fn(void *arg, const struct expr *selector);
int promql_selectors(const struct expr *e, selector_visit_fn *each, void *arg);

/* --- evaluation --- */

struct promql_query {
    struct querier *querier;
    struct env *env;            /* monotonic clock for the deadline only */
    int64_t start_ms, end_ms;   /* equal for an instant query */
    int64_t step_ms;            /* 0 for an instant query */
    int64_t lookback_ms;        /* 0: 5 minutes */
    int64_t subquery_step_ms;   /* default resolution of subqueries; 0: 1 minute */
    struct query_budget budget; /* series and samples; deadline, cancel; zero = no limits */
    struct arena *arena;        /* of the result; its ceiling is the memory budget */
    struct str text;            /* the query as parsed, for positions in annotations; may be {0} */
    /* Functions mark __name__ for removal and it goes at the end of the query (Prometheus' feature
     * promql-delayed-name-removal, off by default); otherwise it goes at once. */
    bool delayed_name_removal;
    bool explain; /* fills nodes of the result */
    bool stats;   /* fills queryable_samples, peak_samples and samples_per_step */
};

struct promql_point {
    int64_t t_ms;
    double v;
};
struct promql_series_result {
    struct labels labels;
    struct promql_point *points; /* one for an instant vector */
    size_t count;
};
struct promql_annotation {
    bool warning;     /* else info */
    const char *text; /* ends with (line:column) */
};
/* What one node of the expression did. Times are this node's own and with its operands. */
struct promql_node {
    unsigned depth; /* 0: the whole expression */
    struct str expr;
    const char *kind;       /* "selector", "call", ... */
    uint64_t rows_in, rows; /* series that came from operands or storage, and that it gave */
    uint64_t samples;       /* it read from storage */
    uint64_t points;        /* it gave: values of all its series at all steps */
    int64_t self_ns, total_ns;
};
struct promql_result {
    enum value_type type; /* of an instant query: what the expression is; range: T_MATRIX */
    double scalar;        /* T_SCALAR, at start_ms */
    struct str string;    /* T_STRING */
    struct promql_series_result *series; /* vector and matrix; T_MATRIX sorted by labels */
    size_t series_count;
    struct promql_annotation *annotations;
    size_t annotation_count;
    uint64_t samples;          /* read from storage */
    struct promql_node *nodes; /* pre-order; with explain */
    size_t node_count;
    /* With stats, as Prometheus counts: samples given to the steps by selectors (a sample in ten
     * overlapping windows counts ten times), and what its engine would hold in memory at most. */
    uint64_t queryable_samples, peak_samples;
    uint64_t *samples_per_step; /* one for each step */
    size_t step_count;
};

/* Evaluates. Everything in *out lives in q->arena. Errors: E_INVALID (a duration expression makes
 * no sense for this query, told before it starts), E_EXEC (what the expression did wrong), E_LIMIT
 * (which budget), E_TIMEOUT, E_CANCELED, E_UNSUPPORTED (a function without a body), and whatever
 * the querier returns. The instant result of a scalar range query is one matrix series without
 * labels, as in Prometheus. */
int promql_eval(const struct expr *e, struct promql_query *q, struct promql_result *out,
                struct errmsg *err) MUST_CHECK;

#endif
