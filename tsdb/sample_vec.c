/* sample_vec.c -- growing arrays of samples.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/partition.h"

enum { FIRST_CAP = 64 };

void sample_vec_release(struct sample_vec *s)
{
    mem_free(s->t);
    mem_free(s->v);
    *s = (struct sample_vec){0};
}

int sample_vec_reserve(struct sample_vec *s, size_t extra)
{
    if (s->max && extra > s->max - MIN(s->count, s->max)) return E_LIMIT;
    if (extra <= s->cap - s->count) return 0;
    if (extra > SIZE_MAX / 2 / sizeof *s->t - s->count) return -ENOMEM;
    size_t cap = MAX(MAX(s->cap * 2, s->count + extra), (size_t)FIRST_CAP);
    int64_t *t = mem_resize(s->t, cap, sizeof *t);
    if (!t) return -ENOMEM;
    s->t = t;
    double *v = mem_resize(s->v, cap, sizeof *v);
    if (!v) return -ENOMEM;
    s->v = v;
    s->cap = cap;
    return 0;
}

int sample_vec_add(struct sample_vec *s, int64_t t_ms, double v)
{
    int rc = sample_vec_reserve(s, 1);
    if (rc < 0) return rc;
    s->t[s->count] = t_ms;
    s->v[s->count++] = v;
    return 0;
}

/* --- normalising --------------------------------------------------------------------------------
 */

struct sample {
    int64_t t;
    double v;
    size_t order;
};

static int compare_samples(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->t != y->t) return x->t < y->t ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int sort_samples(struct sample_vec *s)
{
    struct sample *all = mem_array(s->count, sizeof *all);
    if (!all) return -ENOMEM;
    for (size_t i = 0; i < s->count; i++)
        all[i] = (struct sample){s->t[i], s->v[i], i};
    qsort(all, s->count, sizeof *all, compare_samples);
    for (size_t i = 0; i < s->count; i++) {
        s->t[i] = all[i].t;
        s->v[i] = all[i].v;
    }
    mem_free(all);
    return 0;
}

int sample_vec_normalize(struct sample_vec *s)
{
    bool sorted = true, unique = true;
    for (size_t i = 1; i < s->count; i++) {
        sorted = sorted && s->t[i] >= s->t[i - 1];
        unique = unique && s->t[i] > s->t[i - 1];
    }
    if (unique) return 0;
    if (!sorted) {
        int rc = sort_samples(s);
        if (rc < 0) return rc;
    }
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (i + 1 < s->count && s->t[i + 1] == s->t[i]) continue; /* a later one replaces it */
        s->t[n] = s->t[i];
        s->v[n++] = s->v[i];
    }
    s->count = n;
    return 0;
}
