/* fns.h -- the table of PromQL functions: a function is one row and one body.
 *
 * The parser reads arity and types from the row, the evaluator calls the body, the API and
 * docs/PROMQL.md list it. The table is constant; any thread may read it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_FNS_H
#define TOCSIN_TSDB_PROMQL_FNS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"
#include "tsdb/promql/ast.h"

struct eval;
struct sink;
struct range_call;
struct window;

/* How a function is evaluated. Most are a formula over one value or over one window of samples;
 * the evaluator (eval_call.c) does the rest. */
enum promql_fn_kind {
    PROMQL_FN_NONE,   /* parses, and fails clearly when evaluated */
    PROMQL_FN_MAP,    /* one value of an instant vector to another */
    PROMQL_FN_RANGE,  /* one window of a range vector to a value, or none */
    PROMQL_FN_SCALAR, /* a scalar for every step */
    PROMQL_FN_ROWS,   /* anything else that yields an instant vector */
};
/* What a function over ranges makes of windows that hold native histograms. */
enum promql_fn_mixed {
    PROMQL_MIXED_FLOATS, /* works on the floats, and says that it passed over histograms */
    PROMQL_MIXED_NEVER,  /* floats beside histograms: a warning, and no value */
    PROMQL_MIXED_BOTH,   /* takes either */
};
struct promql_fn_body {
    enum promql_fn_kind kind;
    enum promql_fn_mixed mixed;
    bool uses_time;    /* depends on the evaluation time even when its arguments do not */
    bool keeps_name;   /* __name__ stays */
    bool makes_labels; /* may turn distinct label sets into equal ones */
    union {
        double (*map)(double v);
        double (*range)(struct range_call *c, const struct window *w);
        int (*scalar)(struct eval *ev, const struct expr *call, double *out);
        int (*rows)(struct eval *ev, const struct expr *call, struct sink *out);
    };
};

enum { PROMQL_FN_ARGS = 5, PROMQL_FN_VARIADIC = -1 };

struct promql_fn {
    const char *name;
    enum value_type args[PROMQL_FN_ARGS]; /* the last one given repeats for further arguments */
    int min_args, max_args;               /* max_args may be PROMQL_FN_VARIADIC */
    enum value_type result;
    bool experimental; /* needs PROMQL_EXPERIMENTAL_FUNCTIONS */
    struct promql_fn_body body;
};

/* Exact match, as Prometheus does it; NULL when there is none. */
const struct promql_fn *promql_fn_find(struct str name);
/* The name nearest to a mistyped one, or NULL. */
const char *promql_fn_nearest(struct str name);
/* The whole table, sorted by name. */
const struct promql_fn *promql_fns(size_t *count);
/* The type argument number i (from 0) must have. */
enum value_type promql_fn_arg(const struct promql_fn *fn, size_t i);

#endif
