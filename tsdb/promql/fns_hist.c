/* fns_hist.c -- quantiles and fractions of classic histograms: series that differ in le, each the
 * count of observations up to that bound.
 *
 * Series are brought together by their other labels once; then the buckets of every step are
 * formed from those that have a value there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tsdb/promql/fns_int.h"

enum { MAX_FORCED = 16 };

struct bucket {
    double bound, count;
};

/* --- repair --- */

/* Adds up buckets with equal bounds; they are sorted. */
static size_t coalesce(struct bucket *b, size_t n)
{
    size_t last = 0;
    for (size_t i = 1; i < n; i++) {
        if (b[i].bound == b[last].bound)
            b[last].count += b[i].count;
        else
            b[++last] = b[i];
    }
    return last + 1;
}

static bool nearly_equal(double a, double b, double tolerance)
{
    if (a == b || (isnan(a) && isnan(b))) return true;
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) return diff < tolerance * DBL_MIN;
    return diff / fmin(sum, DBL_MAX) < tolerance;
}

/* What had to be mended by more than rounding explains, of all histograms with one name. */
struct forced {
    struct str name;
    double low, high, diff; /* lowest and highest bucket, largest step down */
    size_t count;
    int64_t first_ms, last_ms;
};

/* Counts must not fall with rising bounds. What rounding did is mended in silence; true when more
 * than that had to be mended. */
static bool make_monotonic(struct bucket *b, size_t n, struct forced *f)
{
    bool forced = false;
    double before = b[0].count;
    for (size_t i = 1; i < n; i++) {
        if (b[i].count == before) continue;
        bool close = nearly_equal(before, b[i].count, 1e-12);
        if (close || b[i].count < before) {
            if (!close) {
                f->low = fmin(f->low, b[i].bound);
                f->high = fmax(f->high, b[i].bound);
                f->diff = fmax(f->diff, before - b[i].count);
                forced = true;
            }
            b[i].count = before;
        } else {
            before = b[i].count;
        }
    }
    return forced;
}

/* --- the two statistics --- */

/* The first of n buckets that holds the rank; a binary search, which is what decides where counts
 * are NaN. */
static size_t first_with(double rank, const struct bucket *b, size_t n)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b[mid].count >= rank)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static double bucket_quantile(double q, struct bucket *b, size_t n, struct forced *f, int64_t t_ms)
{
    if (isnan(q)) return nan_value();
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    if (b[n - 1].bound != (double)INFINITY) return nan_value();
    n = coalesce(b, n);
    if (make_monotonic(b, n, f)) {
        if (f->count++ == 0) f->first_ms = t_ms;
        f->first_ms = MIN(f->first_ms, t_ms);
        f->last_ms = MAX(f->last_ms, t_ms);
    }
    double observations = b[n - 1].count;
    if (n < 2 || observations == 0) return nan_value();
    double rank = q * observations;
    size_t at = first_with(rank, b, n - 1);
    if (at == n - 1) return b[n - 2].bound;
    if (at == 0 && b[0].bound <= 0) return b[0].bound;
    double start = 0, end = b[at].bound, count = b[at].count;
    if (at > 0) {
        start = b[at - 1].bound;
        count -= b[at - 1].count;
        rank -= b[at - 1].count;
    }
    return start + (end - start) * (rank / count);
}

/* How many observations are at or below x: linear within a bucket. Nothing can be said within a
 * bucket of infinite width: its observations are left out of a range that ends there. */
static double rank_of(double x, const struct bucket *b, size_t n)
{
    double below = 0;
    for (size_t i = 0; i < n; i++) {
        double lower = i > 0 ? b[i - 1].bound : b[0].bound > 0 ? 0 : -(double)INFINITY;
        if (lower >= x) return below;
        if (b[i].bound > x && isinf(lower)) return b[i].count;
        if (b[i].bound > x)
            return below + (b[i].count - below) * (x - lower) / (b[i].bound - lower);
        below = b[i].count;
    }
    return b[n - 1].count;
}

static double bucket_fraction(double lower, double upper, struct bucket *b, size_t n)
{
    if (b[n - 1].bound != (double)INFINITY) return nan_value();
    n = coalesce(b, n);
    double count = b[n - 1].count;
    if (count == 0 || isnan(lower) || isnan(upper)) return nan_value();
    if (lower >= upper) return 0;
    double from = rank_of(lower, b, n), to = rank_of(upper, b, n);
    if (from > count) from = count; /* fmin would lose NaN */
    if (to > count) to = count;
    return (to - from) / count;
}

/* --- series into histograms --- */

struct part { /* one bucket's series */
    double bound;
    const double *v;
    size_t hist;
};

struct histograms {
    struct sink sink;
    struct eval *ev;        /* of the buckets, gone at the end */
    struct eval *result;    /* of the results */
    const struct expr *arg; /* where annotations point */
    const char *fn;
    struct label_map map; /* labels without le */
    struct rows rows;     /* v is a bucket's values; one per part */
    struct part *parts;
    size_t cap;
    struct forced *forced; /* MAX_FORCED of them, once needed */
    size_t forced_count;
};

static int parts_room(struct histograms *h, size_t n)
{
    if (n < h->cap) return 0;
    size_t cap = h->cap ? 2 * h->cap : 64;
    struct part *grown = arena_alloc(h->ev->arena, cap * sizeof *grown);
    if (!grown) return eval_nomem(h->ev);
    if (n) memcpy(grown, h->parts, n * sizeof *grown);
    h->parts = grown;
    h->cap = cap;
    return 0;
}

static int histograms_put(struct sink *s, struct row *row)
{
    struct histograms *h = (struct histograms *)s;
    struct str le = labels_get(row->labels, STR("le")), name = labels_metric(row->labels);
    struct part part;
    if (eval_is_empty(h->ev, row)) return 0; /* and nothing wrong with its le */
    if (eval_holds_histograms(row->v, h->ev->steps))
        return eval_histograms_unsupported(h->ev, h->fn);
    if (le.len == 0 || str_to_double(le, &part.bound) != 0)
        return eval_note(
            h->ev, NOTE_WARNING, h->arg,
            "bucket label \"le\" is missing or has a malformed value of \"%.*s\"%s%.*s%s",
            (int)MIN(le.len, 200), le.p ? le.p : "", name.len ? " for metric name \"" : "",
            (int)MIN(name.len, 200), name.p ? name.p : "", name.len ? "\"" : "");
    struct label_builder b;
    label_builder_init(&b, row->labels);
    label_builder_del(&b, STR("le"));
    bool added;
    int rc = label_map_put(h->ev, &h->map, label_builder_view(&b), &part.hist, &added);
    if (rc == 0 && added && label_builder_build(&b, h->result->arena, &h->map.keys[part.hist]) < 0)
        rc = eval_nomem(h->result);
    if (rc == 0) rc = parts_room(h, h->rows.count);
    if (rc == 0) rc = rows_add(h->ev, &h->rows, row);
    if (rc) return rc;
    part.v = h->rows.v[h->rows.count - 1].v;
    h->parts[h->rows.count - 1] = part;
    return 0;
}

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->hist != y->hist) return x->hist < y->hist ? -1 : 1;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* What is computed of each histogram. */
struct statistic {
    const double *q, *lower, *upper; /* a quantile, or a fraction */
};

/* Seconds, without a fraction. */
static void time_text(int64_t t_ms, char out[40])
{
    str_from_time(t_ms / 1000 * 1000, out);
}

static int note_forced(struct histograms *h, const struct forced *f)
{
    char low[STR_DOUBLE_MAX], high[STR_DOUBLE_MAX], first[40], last[40];
    str_from_double_g(f->low, low);
    str_from_double_g(f->high, high);
    time_text(f->first_ms, first);
    time_text(f->last_ms, last);
    return eval_note(h->ev, NOTE_INFO, h->arg,
                     "input to histogram_quantile needed to be fixed for monotonicity (see "
                     "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile)%s%.*s%s, from buckets %s to %s, with a max diff of "
                     "%.2g, over %zu samples from %s to %s",
                     f->name.len ? " for metric name \"" : "", (int)MIN(f->name.len, 200),
                     f->name.p ? f->name.p : "", f->name.len ? "\"" : "", low, high, f->diff,
                     f->count, first, last);
}

/* The record for histograms of that name: names are kept only when removed at the end. */
static struct forced *forced_of(struct histograms *h, struct labels ls)
{
    struct str name = labels_metric(ls);
    if (!h->ev->run->q->delayed_name_removal) name = (struct str){0};
    for (size_t i = 0; i < h->forced_count; i++)
        if (str_eq(h->forced[i].name, name)) return &h->forced[i];
    if (h->forced_count == MAX_FORCED) return &h->forced[MAX_FORCED - 1];
    struct forced *f = &h->forced[h->forced_count++];
    *f = (struct forced){.name = name, .low = (double)INFINITY, .high = -(double)INFINITY};
    return f;
}

static int histogram_row(struct histograms *h, const struct statistic *st, const struct part *parts,
                         size_t count, struct bucket *work, struct row *row)
{
    struct forced *f = forced_of(h, row->labels);
    for (size_t step = 0; step < h->ev->steps; step++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            double v = parts[i].v[step];
            if (!is_absent(v)) work[n++] = (struct bucket){parts[i].bound, v};
        }
        row->v[step] = n == 0  ? ABSENT
                       : st->q ? bucket_quantile(st->q[step], work, n, f, eval_time(h->ev, step))
                               : bucket_fraction(st->lower[step], st->upper[step], work, n);
        int rc = eval_tick(h->ev->run, count);
        if (rc) return rc;
    }
    return 0;
}

static int histogram_rows(struct histograms *h, const struct statistic *st, struct sink *out)
{
    size_t parts = h->rows.count;
    struct bucket *work = arena_alloc(h->ev->arena, (parts + 1) * sizeof *work);
    struct row row = {.v = eval_values(h->ev)};
    h->forced = arena_array(h->ev->arena, MAX_FORCED, sizeof h->forced[0]);
    if (!work || !row.v || !h->forced) return eval_nomem(h->ev);
    int rc = eval_sort(h->ev, h->parts, parts, sizeof h->parts[0], compare_parts);
    if (rc) return rc;
    for (size_t i = 0; i < parts;) {
        size_t from = i, hist = h->parts[i].hist;
        while (i < parts && h->parts[i].hist == hist)
            i++;
        row.labels = h->map.keys[hist];
        row.drop_name = false;
        rc = histogram_row(h, st, &h->parts[from], i - from, work, &row);
        if (rc == 0) rc = eval_drop_name(h->result, &row);
        if (rc == 0) rc = out->put(out, &row);
        if (rc) return rc;
    }
    return 0;
}

static int statistic_of(struct eval *ev, const struct expr *call, const struct statistic *st,
                        struct sink *out)
{
    const struct expr *arg = call->call.args[call->call.count - 1];
    struct inner inner;
    eval_inner_init(&inner, ev);
    struct histograms h = {.sink.put = histograms_put,
                           .ev = &inner.ev,
                           .result = ev,
                           .arg = arg,
                           .fn = call->call.fn->name};
    int rc = eval_rows(&inner.ev, arg, &h.sink);
    if (rc == 0) rc = histogram_rows(&h, st, out);
    for (size_t i = 0; i < h.forced_count && rc == 0; i++)
        if (h.forced[i].count) rc = note_forced(&h, &h.forced[i]);
    eval_inner_release(&inner);
    return rc;
}

int fn_histogram_quantile(struct eval *ev, const struct expr *call, struct sink *out)
{
    double *q;
    int rc = eval_scalar_new(ev, call->call.args[0], &q);
    for (size_t i = 0; i < ev->steps && rc == 0; i++) {
        if (q[i] >= 0 && q[i] <= 1) continue;
        char text[STR_DOUBLE_MAX];
        str_from_double_g(q[i], text);
        rc = eval_note(ev, NOTE_WARNING, call->call.args[0],
                       "quantile value should be between 0 and 1, got %s", text);
    }
    struct statistic st = {.q = q};
    return rc ? rc : statistic_of(ev, call, &st, out);
}

int fn_histogram_fraction(struct eval *ev, const struct expr *call, struct sink *out)
{
    double *lower, *upper = NULL;
    int rc = eval_scalar_new(ev, call->call.args[0], &lower);
    if (rc == 0) rc = eval_scalar_new(ev, call->call.args[1], &upper);
    struct statistic st = {.lower = lower, .upper = upper};
    return rc ? rc : statistic_of(ev, call, &st, out);
}
