/* naive_int.h -- what the files of the naive evaluator share.
 *
 * Errors stick: the first one is kept in the answer, evaluation returns empty lists from then on,
 * and nobody checks in between.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_NAIVE_INT_H
#define TOCSIN_TESTS_DIFFERENTIAL_NAIVE_INT_H

#include "tests/differential/naive.h"
#include "tsdb/promql/fns.h"

struct naive_memo;
struct naive {
    const struct naive_query *q;
    struct naive_answer *out;
    struct naive_memo *memos;
    uint64_t work;
};

/* Where an expression is evaluated: a time, and the first and last time of the (sub)query it
 * belongs to. */
struct naive_at {
    struct naive *n;
    int64_t t_ms, first_ms, last_ms;
};

/* An instant vector. */
struct naive_sample {
    struct labels labels;
    double v;
};
struct naive_vector {
    struct naive_sample *v;
    size_t count, cap;
};

/* A range vector: of every series the samples in (start, end]. */
struct naive_window {
    struct labels labels;
    const struct promql_point *p;
    size_t count;
};
struct naive_matrix {
    struct naive_window *v;
    size_t count;
    int64_t start_ms, end_ms;
};

/* --- naive.c --- */

struct naive_vector naive_vector_of(struct naive_at at, const struct expr *e);
double naive_scalar_of(struct naive_at at, const struct expr *e);
struct str naive_string_of(const struct expr *e);
const struct expr *naive_bare(const struct expr *e); /* without parentheses */

/* --- naive_select.c: samples --- */

struct naive_vector naive_select(struct naive_at at, const struct expr *selector, bool timestamps);
struct naive_matrix naive_matrix_of(struct naive_at at, const struct expr *e);
/* False when another series ever came out of e with these labels, though never at this time. */
bool naive_claim(struct naive_at at, const struct expr *e, struct labels in, struct labels out);

/* --- naive_list.c: memory, errors, lists, label sets --- */

void naive_fail(struct naive *n, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
void naive_differs(struct naive *n, enum naive_difference why);
void *naive_alloc(struct naive *n, size_t count, size_t size);
void naive_push(struct naive *n, struct naive_vector *v, struct labels labels, double value);
void naive_no_duplicates(struct naive *n, const struct naive_vector *v);
bool naive_has(const struct str_list *names, struct str name);
/* Label sets: by name lists, and with one changed; an empty value takes a label away. */
struct labels naive_keep(struct naive *n, struct labels ls, const struct str_list *names);
struct labels naive_without(struct naive *n, struct labels ls, const struct str_list *names);
struct labels naive_nameless(struct naive *n, struct labels ls);
struct labels naive_with(struct naive *n, struct labels ls, struct str name, struct str value);

/* Groups: a list of distinct label sets. The index of ls, added when new. */
struct naive_groups {
    struct labels *v;
    uint64_t *hashes;
    size_t count, cap;
};
size_t naive_group(struct naive *n, struct naive_groups *g, struct labels ls);
enum { NAIVE_NONE = -1 };
/* The index of ls or NAIVE_NONE. */
int naive_group_find(const struct naive_groups *g, struct labels ls);

/* --- naive_binary.c, naive_aggr.c --- */

struct naive_vector naive_binary(struct naive_at at, const struct expr *e);
double naive_binary_scalar(struct naive_at at, const struct expr *e);
double naive_operator(enum binary_op op, double l, double r, bool *keep);
struct naive_vector naive_aggregate(struct naive_at at, const struct expr *e);

/* --- naive_call.c, naive_range.c, naive_label.c, naive_hist.c: functions --- */

struct naive_vector naive_call(struct naive_at at, const struct expr *e);
double naive_call_scalar(struct naive_at at, const struct expr *e);
typedef struct naive_vector naive_call_fn(struct naive_at at, const struct expr *e);
naive_call_fn naive_range_call; /* every function over a range vector */
bool naive_is_range_call(const struct expr *e);
naive_call_fn naive_label_replace, naive_label_join, naive_absent, naive_absent_over_time;
naive_call_fn naive_histogram_quantile, naive_histogram_fraction;

/* --- numbers --- */

/* Neumaier's compensated sum: what is added up and what was lost. */
struct naive_sum {
    double sum, lost;
};
void naive_add(struct naive_sum *s, double v);
/* The mean of n values: by their sum, and step by step once that overflows. */
double naive_mean(const double *v, size_t n);
double naive_quantile(double q, double *v, size_t n); /* sorts v */

#endif
