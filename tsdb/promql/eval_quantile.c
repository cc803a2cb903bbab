/* eval_quantile.c -- quantiles of unsorted values, without sorting them.
 *
 * A quantile lies between two neighbours in order. Quickselect brings the lower one to its place,
 * with everything greater behind it; the other is then the least of those. The pivot is the median
 * of three; should that go badly too often, what is left is sorted after all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tsdb/promql/eval_int.h"

enum { FEW = 24 };

/* NaN first. */
static bool is_less(double a, double b)
{
    return a < b || (__builtin_isnan(a) && !__builtin_isnan(b));
}

static int compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return is_less(x, y) ? -1 : is_less(y, x);
}

static double median_of(double a, double b, double c)
{
    if (is_less(b, a)) {
        double swap = a;
        a = b;
        b = swap;
    }
    return is_less(c, a) ? a : is_less(c, b) ? c : b;
}

/* Hoare's partition: afterwards nothing in v[0..*lo) is greater and nothing in v[*hi..n) less than
 * the pivot, and what lies between equals it. */
static void partition(double *v, size_t n, size_t *lo, size_t *hi)
{
    double pivot = median_of(v[0], v[n / 2], v[n - 1]);
    size_t i = 0, j = n;
    for (;;) {
        while (is_less(v[i], pivot))
            i++;
        while (is_less(pivot, v[j - 1]))
            j--;
        if (i >= j) break;
        double swap = v[i];
        v[i++] = v[j - 1];
        v[--j] = swap;
        if (i >= j) break;
    }
    *lo = j;
    *hi = i;
}

static void insertion_sort(double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double x = v[i];
        size_t k = i;
        for (; k > 0 && is_less(x, v[k - 1]); k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
}

/* Afterwards v[at] is where sorting would have put it, with nothing less behind it. */
static void select_value(double *v, size_t n, size_t at)
{
    unsigned patience = 2 * (64 - (unsigned)__builtin_clzll(n | 1));
    while (n > FEW) {
        size_t lo, hi;
        if (patience-- == 0) {
            qsort(v, n, sizeof *v, compare_values);
            return;
        }
        partition(v, n, &lo, &hi);
        if (at < lo) {
            n = lo;
        } else if (at >= hi) {
            v += hi;
            n -= hi;
            at -= hi;
        } else {
            return;
        }
    }
    insertion_sort(v, n);
}

double quantile_of(double q, double *v, size_t n)
{
    if (n == 0 || __builtin_isnan(q)) return nan_value();
    if (q < 0) return -__builtin_inf();
    if (q > 1) return __builtin_inf();
    double rank = q * ((double)n - 1);
    double floor_rank = __builtin_floor(rank);
    size_t lower = (size_t)MAX(0.0, floor_rank), upper = MIN(n - 1, lower + 1);
    double weight = rank - floor_rank;
    select_value(v, n, lower);
    double next = v[upper];
    for (size_t i = upper; i < n; i++)
        if (is_less(v[i], next)) next = v[i];
    return v[lower] * (1 - weight) + next * weight;
}
