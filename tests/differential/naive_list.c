/* naive_list.c -- what the naive evaluator is made of: memory, errors, lists, label sets, sums.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/differential/naive_int.h"

/* Samples handled by one query before it is called too much. */
#define MAX_WORK UINT64_C(400000)

void naive_fail(struct naive *n, int rc, const char *fmt, ...)
{
    if (n->out->rc) return;
    n->out->rc = rc;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(n->out->err.text, sizeof n->out->err.text, fmt, ap);
    va_end(ap);
}

void naive_differs(struct naive *n, enum naive_difference why)
{
    n->out->version_2 |= 1U << why;
}

const char *naive_difference_text(enum naive_difference d)
{
    static const char *const texts[DIFFERENCES] = {
        [DIFFERS_ATAN2_NAME] = "atan2 takes the name away",
        [DIFFERS_DEVIATION] = "the deviation of one infinite value is NaN",
        [DIFFERS_OVERFLOW] = "a deviation that overflows is infinite",
        [DIFFERS_MATCHES] = "partners are counted before a comparison filters",
        [DIFFERS_NAMES] = "series of two names merge when they never meet",
        [DIFFERS_FIXED_WINDOW] = "a window of predict_linear fixed by @ does not move",
        [DIFFERS_FIXED_OFFSET] = "with @ and offset samples are read as far back as lookback says",
    };
    return texts[d];
}

void *naive_alloc(struct naive *n, size_t count, size_t size)
{
    void *p = arena_array(n->q->arena, count ? count : 1, size);
    if (!p) abort(); /* MAX_WORK is far from the arena's ceiling */
    return p;
}

static void *grown(struct naive *n, const void *old, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return NULL;
    *cap = *cap ? 2 * *cap : 8;
    void *p = naive_alloc(n, *cap, size);
    if (count) memcpy(p, old, count * size);
    return p;
}

void naive_push(struct naive *n, struct naive_vector *v, struct labels labels, double value)
{
    if (n->out->rc) return;
    if (++n->work > MAX_WORK) naive_fail(n, E_LIMIT, "too much work for the naive evaluator");
    struct naive_sample *more = grown(n, v->v, v->count, &v->cap, sizeof v->v[0]);
    if (more) v->v = more;
    v->v[v->count++] = (struct naive_sample){labels, value};
}

/* --- groups --- */

int naive_group_find(const struct naive_groups *g, struct labels ls)
{
    uint64_t hash = labels_hash(ls);
    for (size_t i = 0; i < g->count; i++)
        if (g->hashes[i] == hash && labels_eq(g->v[i], ls)) return (int)i;
    return NAIVE_NONE;
}

size_t naive_group(struct naive *n, struct naive_groups *g, struct labels ls)
{
    int found = naive_group_find(g, ls);
    if (found != NAIVE_NONE) return (size_t)found;
    size_t cap = g->cap;
    struct labels *v = grown(n, g->v, g->count, &cap, sizeof g->v[0]);
    uint64_t *hashes = grown(n, g->hashes, g->count, &g->cap, sizeof g->hashes[0]);
    if (v) g->v = v;
    if (hashes) g->hashes = hashes;
    g->v[g->count] = ls;
    g->hashes[g->count] = labels_hash(ls);
    return g->count++;
}

void naive_no_duplicates(struct naive *n, const struct naive_vector *v)
{
    struct naive_groups seen = {0};
    if (v->count < 2) return;
    for (size_t i = 0; i < v->count; i++)
        if (naive_group(n, &seen, v->v[i].labels) != i) {
            naive_fail(n, E_EXEC, "vector cannot contain metrics with the same labelset");
            return;
        }
}

/* --- label sets --- */

bool naive_has(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(names->v[i], name)) return true;
    return false;
}

static struct labels filtered(struct naive *n, struct labels ls, const struct str_list *names,
                              bool keep, bool drop_metric)
{
    struct label *v = naive_alloc(n, ls.count, sizeof *v);
    size_t count = 0;
    for (size_t i = 0; i < ls.count; i++) {
        if (drop_metric && str_eq(ls.v[i].name, STR(METRIC_NAME))) continue;
        if (naive_has(names, ls.v[i].name) == keep) v[count++] = ls.v[i];
    }
    return (struct labels){v, count};
}

struct labels naive_keep(struct naive *n, struct labels ls, const struct str_list *names)
{
    return filtered(n, ls, names, true, false);
}

struct labels naive_without(struct naive *n, struct labels ls, const struct str_list *names)
{
    return filtered(n, ls, names, false, true);
}

struct labels naive_nameless(struct naive *n, struct labels ls)
{
    struct str_list none = {0};
    return naive_without(n, ls, &none);
}

struct labels naive_with(struct naive *n, struct labels ls, struct str name, struct str value)
{
    struct label *v = naive_alloc(n, ls.count + 1, sizeof *v);
    size_t count = 0, i = 0;
    while (i < ls.count && str_cmp(ls.v[i].name, name) < 0)
        v[count++] = ls.v[i++];
    if (value.len) v[count++] = (struct label){name, value};
    if (i < ls.count && str_eq(ls.v[i].name, name)) i++;
    while (i < ls.count)
        v[count++] = ls.v[i++];
    return (struct labels){v, count};
}

/* --- numbers --- */

void naive_add(struct naive_sum *s, double v)
{
    double total = s->sum + v;
    if (isinf(total))
        s->lost = 0;
    else if (fabs(s->sum) >= fabs(v))
        s->lost += (s->sum - total) + v;
    else
        s->lost += (v - total) + s->sum;
    s->sum = total;
}

double naive_mean(const double *v, size_t n)
{
    struct naive_sum s = {v[0], 0};
    size_t i = 1;
    for (; i < n; i++) {
        struct naive_sum next = s;
        naive_add(&next, v[i]);
        if (isinf(next.sum)) break;
        s = next;
    }
    if (i == n) return s.sum / (double)n + s.lost / (double)n;
    struct naive_sum mean = {s.sum / (double)i, s.lost / (double)i};
    for (; i < n; i++) {
        double count = (double)(i + 1), weight = (count - 1) / count;
        mean.sum *= weight;
        mean.lost *= weight;
        naive_add(&mean, v[i] / count);
    }
    return mean.sum + mean.lost;
}

static int nan_first(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;
    if (isnan(l) || isnan(r)) return (isnan(l) ? 0 : 1) - (isnan(r) ? 0 : 1);
    return (l > r) - (l < r);
}

double naive_quantile(double q, double *v, size_t n)
{
    if (n == 0 || isnan(q)) return (double)NAN;
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    qsort(v, n, sizeof v[0], nan_first);
    double rank = q * (double)(n - 1);
    size_t lower = (size_t)floor(rank), upper = lower + 1 < n ? lower + 1 : n - 1;
    double weight = rank - floor(rank);
    return v[lower] * (1 - weight) + v[upper] * weight;
}
