/* eval_slide.c -- windows that overlap: what successive windows of a series have in common is
 * worked out once for the series, so that a long window at short steps costs its samples and its
 * steps, not their product.
 *
 * Only what comes out the same to the last bit is done so: the places where a counter was reset
 * (the values there are added in their order), the least and the greatest value, and sums of
 * integers that no rounding touches. Sums of other numbers depend on their order and are added up
 * each time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/eval_int.h"

enum { OVERLAP_LEAST = 4 };
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

struct eval_slide {
    const struct samples *series;
    bool ready;      /* prepared for this series */
    uint32_t *at;    /* marked samples, or a queue of candidates */
    size_t count;    /* of marks */
    size_t from, to; /* marks of the window, or ends of the queue */
    size_t seen;     /* samples that have been in the queue */
    uint64_t *sums;  /* of all samples before, modulo 2^64 */
    double most;     /* greatest magnitude; infinite: not all are integers */
    size_t cap;      /* of at or sums */
};

int eval_slide_new(struct eval *ev, const struct windows *w, struct eval_slide **out)
{
    *out = NULL;
    if (ev->steps < OVERLAP_LEAST || w->range_ms / OVERLAP_LEAST < w->stride_ms) return 0;
    *out = arena_zalloc(ev->arena, sizeof **out);
    return *out ? 0 : eval_nomem(ev);
}

void eval_slide_start(struct eval_slide *s, const struct samples *series)
{
    if (!s) return;
    s->series = !series->histograms && series->count < UINT32_MAX ? series : NULL;
    s->ready = false;
    s->count = s->from = s->to = s->seen = 0;
}

/* The number of the window's first sample in its series; false when it is not a part of it. */
static bool position(const struct eval_slide *s, const struct window *w, size_t *out)
{
    if (!s || !s->series) return false;
    uintptr_t first = (uintptr_t)s->series->v, at = (uintptr_t)w->v;
    if (at < first || at - first > s->series->count * sizeof *w->v) return false;
    *out = (at - first) / sizeof *w->v;
    return true;
}

static void *room(struct range_call *c, size_t n, size_t size)
{
    struct eval_slide *s = c->slide;
    if (n <= s->cap) return s->at ? (void *)s->at : (void *)s->sums;
    size_t cap = 2 * n;
    void *v = cap < SIZE_MAX / size ? arena_alloc(c->ev->arena, cap * size) : NULL;
    s->cap = v ? cap : 0;
    if (!v) c->rc = eval_nomem(c->ev);
    return v;
}

/* --- marks --- */

static bool mark_samples(struct range_call *c, slide_mark_fn *marked)
{
    struct eval_slide *s = c->slide;
    const double *v = s->series->v;
    if (s->ready) return true;
    s->at = room(c, s->series->count, sizeof *s->at);
    if (!s->at) return false;
    for (size_t i = 1; i < s->series->count; i++)
        if (marked(v[i - 1], v[i])) s->at[s->count++] = (uint32_t)i;
    s->ready = true;
    return true;
}

bool eval_slide_marks(struct range_call *c, const struct window *w, slide_mark_fn *marked,
                      const uint32_t **at, size_t *count, size_t *first)
{
    struct eval_slide *s = c->slide;
    if (!position(s, w, first) || !mark_samples(c, marked)) return false;
    while (s->to < s->count && s->at[s->to] < *first + w->count)
        s->to++;
    while (s->from < s->to && s->at[s->from] <= *first)
        s->from++;
    *at = s->at + s->from;
    *count = s->to - s->from;
    return true;
}

/* --- the least and the greatest --- */

/* The queue holds numbers of samples whose values grow (or fall, for the greatest): one that is
 * beaten by a later one can never win again. Of equal ones the first wins; NaN never does. */
bool eval_slide_extreme(struct range_call *c, const struct window *w, bool greatest, double *out)
{
    struct eval_slide *s = c->slide;
    size_t first;
    if (!position(s, w, &first)) return false;
    s->at = room(c, s->series->count, sizeof *s->at);
    if (!s->at) return false;
    const double *v = s->series->v;
    for (size_t i = MAX(s->seen, first); i < first + w->count; i++) {
        if (isnan(v[i])) continue;
        while (s->to > s->from &&
               (greatest ? v[s->at[s->to - 1]] < v[i] : v[s->at[s->to - 1]] > v[i]))
            s->to--;
        s->at[s->to++] = (uint32_t)i;
    }
    s->seen = first + w->count;
    while (s->from < s->to && s->at[s->from] < first)
        s->from++;
    *out = s->from < s->to ? v[s->at[s->from]] : w->v[w->count - 1];
    return true;
}

/* --- sums of integers --- */

static bool add_up(struct range_call *c)
{
    struct eval_slide *s = c->slide;
    if (s->ready) return true;
    s->sums = room(c, s->series->count + 1, sizeof *s->sums);
    if (!s->sums) return false;
    s->most = 0;
    s->sums[0] = 0;
    for (size_t i = 0; i < s->series->count; i++) {
        double v = s->series->v[i];
        if (!(fabs(v) < EXACT_MAX) || v != (double)(int64_t)v) {
            s->most = (double)INFINITY;
            break;
        }
        s->most = fmax(s->most, fabs(v));
        s->sums[i + 1] = s->sums[i] + (uint64_t)(int64_t)v;
    }
    s->ready = true;
    return true;
}

bool eval_slide_sum(struct range_call *c, const struct window *w, double *out)
{
    struct eval_slide *s = c->slide;
    size_t first;
    if (!position(s, w, &first) || !add_up(c)) return false;
    if (!(s->most * (double)w->count < EXACT_MAX)) return false;
    *out = (double)(int64_t)(s->sums[first + w->count] - s->sums[first]);
    return true;
}
