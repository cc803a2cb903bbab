/* eval_int.h -- the evaluator's own circle: scopes, rows, sinks, and what its files share.
 *
 * An expression is evaluated once over all of its steps, never step by step. A node that yields an
 * instant vector pushes one row per series into a sink: the labels and an array with one value for
 * every step. A node consumes its operand's rows as they come and pushes its own, so that
 * sum(rate(x[5m])) holds one row and the sums, never the rates of all series.
 *
 *     selector ──row──► rate ──row──► sum (adds up) ──row per group──► result
 *
 * A step without a value holds ABSENT, which is the staleness marker's bit pattern: no arithmetic
 * yields it (a signalling NaN comes out quiet) and a stale sample is absent by definition.
 *
 * Rules of rows: labels live in the arena of the scope that made them; the values belong to the
 * producer and may be overwritten by the sink until put() returns; the rows of one producer have
 * distinct labels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_EVAL_INT_H
#define TOCSIN_TSDB_PROMQL_EVAL_INT_H

#include "tsdb/budget.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/promql.h"

static inline double absent_value(void)
{
    return double_of_bits(STALE_NAN_BITS);
}
#define ABSENT absent_value()

static inline bool is_absent(double v)
{
    return is_stale(v);
}

/* Neither absent nor a native histogram: those are for arithmetic, which would make others of
 * their bits. */
_Static_assert((STALE_NAN_BITS | 1) == HISTOGRAM_NAN_BITS, "one test for both");
static inline bool is_float(double v)
{
    return (double_bits(v) | 1) != HISTOGRAM_NAN_BITS;
}

/* For functions with a large frame (a label builder, a message): never part of the recursion that
 * follows the depth of an expression, since queries run on threads with small stacks. */
#define APART __attribute__((noinline))

struct inner;
struct eval_trace;
struct eval_shared;

/* What the whole query shares. */
struct run {
    struct promql_query *q;
    struct errmsg *err;
    int64_t lookback_ms, subquery_step_ms;
    size_t query_steps;
    uint64_t work, next_check;  /* samples and steps handled; when to look at the clock again */
    struct eval_trace *trace;   /* NULL: nobody asked */
    const struct expr *expr;    /* the whole */
    struct arena *arena;        /* lives as long as the evaluation */
    bool has_twins;             /* selectors that ask for the same */
    struct eval_shared *shared; /* what was read for them */
    struct inner *inners;       /* open inner scopes */
    bool ordered;               /* sort, topk or bottomk ran: keep the order of the rows */
    struct promql_annotation *notes;
    size_t note_count, note_cap;
};

/* Samples given to steps. */
struct sample_counts {
    uint64_t total;
    uint64_t *by_step; /* may be NULL */
};
/* Both take NULL. */
void counts_add(struct sample_counts *to, size_t step, uint64_t n);
void counts_repeat(struct sample_counts *to, uint64_t n, size_t steps); /* n for each step */

/* A scope: the steps to evaluate and the arena to work in. Copied to make a narrower one. */
struct eval {
    struct run *run;
    struct arena *arena;
    int64_t start_ms, step_ms;
    size_t steps;
    bool sorted; /* selectors read in the order of labels, so that ties end alike each time */
    struct sample_counts *counts; /* where selectors count what they give; NULL: nobody asked */
};

static inline int64_t eval_time(const struct eval *ev, size_t step)
{
    return ev->start_ms + (int64_t)step * ev->step_ms;
}

struct row {
    struct labels labels;
    bool drop_name; /* __name__ goes at the end of the query (delayed removal only) */
    double *v;
};

struct sink {
    int (*put)(struct sink *s, struct row *row);
};
struct windows;
struct range_sink;

/* --- eval.c: the dispatcher --- */

int eval_rows(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
/* The value of a scalar expression at every step. */
int eval_scalar(struct eval *ev, const struct expr *e, double *out) MUST_CHECK;
/* An array for one value per step. */
double *eval_values(struct eval *ev) MUST_CHECK;
/* The values of a scalar expression, in the scope's arena. */
int eval_scalar_new(struct eval *ev, const struct expr *e, double **out) MUST_CHECK;
struct str eval_string(const struct expr *e);         /* a string literal, perhaps in parentheses */
const struct expr *eval_unwrap(const struct expr *e); /* without parentheses */

/* --- eval_shared.c: selectors that occur twice --- */

bool eval_has_twins(const struct expr *e);
/* As the querier's select, of samples that may have been read before. */
int eval_select(struct eval *ev, const struct expr *e, const struct select_request *r,
                struct series_set **out) MUST_CHECK;

/* --- eval_trace.c: explain and stats; the others call these when run->trace is set --- */

int eval_trace_begin(struct eval *ev, const struct expr *e) MUST_CHECK;
int eval_trace_end(struct eval *ev, struct promql_result *out) MUST_CHECK;
void eval_trace_read(struct eval *ev, size_t samples); /* one series was read from storage */
int eval_trace_rows(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_trace_scalar(struct eval *ev, const struct expr *e, double *out) MUST_CHECK;
int eval_trace_range(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
                     struct range_sink *out) MUST_CHECK;
int eval_rows_untraced(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_scalar_untraced(struct eval *ev, const struct expr *e, double *out) MUST_CHECK;
int eval_range_untraced(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
                        struct range_sink *out) MUST_CHECK;

/* --- eval_support.c: budgets, errors, notes, rows kept --- */

/* Counts work; every few thousand looks for cancellation and the deadline. */
int eval_tick(struct run *run, size_t work) MUST_CHECK;
/* qsort that ends with the query. */
int eval_sort(struct eval *ev, void *base, size_t count, size_t size,
              int (*compare)(const void *, const void *)) MUST_CHECK;
int eval_nomem(struct eval *ev) MUST_CHECK; /* the code and text for a refused allocation */
int eval_fail(struct eval *ev, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum { NOTE_INFO = false, NOTE_WARNING = true };
int eval_note(struct eval *ev, bool warning, const struct expr *at, const char *fmt, ...)
    PRINTF_LIKE(4, 5) MUST_CHECK;

/* A scope like ev whose allocations end with eval_inner_release. All that are open at a time share
 * the query's memory budget. */
struct inner {
    struct eval ev;
    struct arena arena;
    struct inner *next; /* others that are open */
};
void eval_inner_init(struct inner *in, const struct eval *ev);
void eval_inner_release(struct inner *in);

/* A filter may have left nothing of a row: then the series is not there. */
bool eval_is_empty(const struct eval *ev, const struct row *row);

struct rows {
    struct row *v;
    size_t count, cap;
};
/* A sink that keeps every row. */
struct collector {
    struct sink sink;
    struct eval *ev;
    struct rows rows;
};
int eval_collect(struct eval *ev, const struct expr *e, struct rows *out) MUST_CHECK;
int eval_push(struct rows *rows, struct sink *out) MUST_CHECK;
/* Keeps a row with a copy of its values. */
int rows_add(struct eval *ev, struct rows *rows, const struct row *row) MUST_CHECK;

/* A map from label sets to numbers 0, 1, 2, ... in order of arrival. */
struct label_map {
    uint32_t *slots; /* index + 1, 0 is free */
    uint64_t *hashes;
    struct labels *keys;
    size_t count, cap, slot_count;
};
/* The key is borrowed; a caller whose key does not last replaces keys[*index] when *added. */
int label_map_put(struct eval *ev, struct label_map *m, struct labels key, size_t *index,
                  bool *added) MUST_CHECK;
/* Gives a key an array of its own; its texts stay borrowed. */
int eval_keep_key(struct eval *ev, struct labels *key) MUST_CHECK;

/* A sink that brings together rows with equal labels. A step with two values is an error, and so
 * is any second row when strict. */
struct merger {
    struct sink sink;
    struct eval *ev;
    struct rows rows;
    struct label_map map;
    bool strict;
};
void merger_init(struct merger *m, struct eval *ev, bool strict);

/* Label sets reduced to some names (on, by) or without some (ignoring, without; __name__ goes
 * too). */
struct picker {
    const struct str_list *names;
    bool keep;
    struct label *scratch;
    size_t cap;
};
/* Valid until the next call. */
int eval_pick(struct eval *ev, struct picker *p, struct labels ls, struct labels *out) MUST_CHECK;

/* Takes __name__ off, now or at the end of the query. */
int eval_drop_name(struct eval *ev, struct row *row) MUST_CHECK;
int labels_without_name(struct arena *a, struct labels ls, struct labels *out) MUST_CHECK;

/* --- eval_selector.c: reading samples --- */

int eval_selector(struct eval *ev, const struct expr *e, bool timestamps,
                  struct sink *out) MUST_CHECK;

/* Samples of one series of a range vector, staleness markers taken out. */
struct samples {
    struct labels labels;
    bool drop_name;
    const int64_t *t;
    const double *v;
    size_t count;
    bool histograms; /* some may be native histograms */
};
struct range_sink {
    int (*put)(struct range_sink *s, const struct samples *samples);
};
/* The window of step i is (end - range, end] with end = first_end + i * stride. */
struct windows {
    int64_t range_ms, first_end_ms, stride_ms;
};
/* Fills *w before the first series is put. */
int eval_range(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
               struct range_sink *out) MUST_CHECK;

/* --- eval_duration.c --- */

/* Milliseconds of a literal or of a duration expression. */
int eval_duration(struct eval *ev, const struct duration *d, int64_t *out_ms) MUST_CHECK;

/* --- eval_binary.c, eval_match.c, eval_set.c --- */

int eval_binary(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_binary_scalar(struct eval *ev, const struct expr *e, double *out) MUST_CHECK;
/* Result of an operator on two values; *keep is the outcome of a comparison. */
double binary_value(enum binary_op op, double l, double r, bool *keep);
bool binary_is_comparison(enum binary_op op);
bool binary_is_set(enum binary_op op);
bool binary_is_trim(enum binary_op op); /* </ and >/, of histograms only */
int eval_match(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_set(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;

/* --- eval_histogram.c: where native histograms stand among floats --- */

/* E_UNSUPPORTED: what would need the buckets of native histograms. */
int eval_histograms_unsupported(struct eval *ev, const char *what);
/* An operator between two values of which one is a histogram, or one that is for histograms only:
 * 0 when they have no result, and a note says so. */
int eval_binary_histogram(struct eval *ev, const struct expr *e, double l, double r) MUST_CHECK;
/* A histogram met by an aggregation that passes it over; where the note points. */
int eval_ignored_histogram(struct eval *ev, enum aggr_op op, const struct expr *at) MUST_CHECK;

/* --- eval_aggr.c, eval_topk.c --- */

int eval_aggregate(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_aggregate_rows(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;

/* --- eval_call.c: functions by kind of body --- */

int eval_call(struct eval *ev, const struct expr *e, struct sink *out) MUST_CHECK;
int eval_call_scalar(struct eval *ev, const struct expr *e, double *out) MUST_CHECK;

struct eval_slide;

/* One call of a function over a range vector. */
struct range_call {
    struct eval *ev;
    struct eval_slide *slide; /* NULL: windows overlap too little */
    const struct expr *expr;
    double *args[PROMQL_FN_ARGS]; /* scalar arguments, by step; NULL for others */
    struct str metric;            /* name of the series at hand */
    bool noted;                   /* a body's annotation about it has been made */
    bool histograms;              /* some of its samples may be native histograms */
    int rc;                       /* set by a body that fails */
    double *work;                 /* scratch of a body that sorts */
    size_t work_cap;
};
struct window {
    const int64_t *t;
    const double *v;
    size_t count; /* at least 1 */
    int64_t start_ms, end_ms, eval_ms;
    size_t step;
};
/* The value of one window, or ABSENT. */
typedef double promql_range_fn(struct range_call *c, const struct window *w);
/* Brings a window of a series with native histograms to what the function takes (fns.h). False when
 * nothing is left, or when c->rc is set. */
bool eval_sift_window(struct range_call *c, struct window *w);
bool eval_holds_histograms(const double *v, size_t count);
/* For bodies that take both kinds: the warning about two samples that do not go together. */
void eval_mixed_pair(struct range_call *c);

/* --- eval_slide.c: what overlapping windows of one series have in common ---
 *
 * Each of these is false when the body has to look at the window itself, or c->rc is set. A body
 * uses one of them, and always the same. */

int eval_slide_new(struct eval *ev, const struct windows *w, struct eval_slide **out) MUST_CHECK;
void eval_slide_start(struct eval_slide *s, const struct samples *series); /* s may be NULL */
/* The samples of the window, but for its first, that marked() tells by the value before and their
 * own; numbers count from the start of the series, where the window begins at *first. */
typedef bool slide_mark_fn(double before, double v);
bool eval_slide_marks(struct range_call *c, const struct window *w, slide_mark_fn *marked,
                      const uint32_t **at, size_t *count, size_t *first);
bool eval_slide_extreme(struct range_call *c, const struct window *w, bool greatest, double *out);
bool eval_slide_sum(struct range_call *c, const struct window *w, double *out);

/* --- numbers --- */

/* Neumaier's compensated sum. */
struct ksum {
    double sum, c;
};
static inline void ksum_add(struct ksum *k, double v)
{
    double t = k->sum + v;
    if (__builtin_isinf(t))
        k->c = 0;
    else if (__builtin_fabs(k->sum) >= __builtin_fabs(v))
        k->c += (k->sum - t) + v;
    else
        k->c += (v - t) + k->sum;
    k->sum = t;
}

/* As Go's math.Min and math.Max: NaN if either is, but an infinity of the wanted sign wins. */
static inline double lesser(double a, double b)
{
    if (a == -__builtin_inf() || b == -__builtin_inf()) return -__builtin_inf();
    if (__builtin_isnan(a) || __builtin_isnan(b)) return double_of_bits(NORMAL_NAN_BITS);
    if (a == b) return __builtin_signbit(a) ? a : b;
    return a < b ? a : b;
}
static inline double greater(double a, double b)
{
    if (a == __builtin_inf() || b == __builtin_inf()) return __builtin_inf();
    if (__builtin_isnan(a) || __builtin_isnan(b)) return double_of_bits(NORMAL_NAN_BITS);
    if (a == b) return __builtin_signbit(a) ? b : a;
    return a > b ? a : b;
}

/* q-quantile of n values (NaN first), whose order is lost. eval_quantile.c */
double quantile_of(double q, double *v, size_t n);
double nan_value(void); /* the ordinary NaN */

/* Saturating, since times and durations come from outside. */
static inline int64_t ms_add(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r)) return b > 0 ? INT64_MAX : INT64_MIN;
    return r;
}
static inline int64_t ms_sub(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r)) return b < 0 ? INT64_MAX : INT64_MIN;
    return r;
}

#endif
