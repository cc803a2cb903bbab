/* series.c -- what a rule writes: this evaluation's samples, and staleness markers for series it
 * wrote last time and does not write now.
 *
 * Series are remembered by the store's handles: equal labels have one handle, so comparing two
 * evaluations is merging two sorted lists of numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "rules/engine_int.h"

enum { RULE_SERIES_MAX = 10000000 };

void rule_series_release(struct rule_series *s)
{
    mem_free(s->v);
    *s = (struct rule_series){0};
}

static int compare_refs(const void *a, const void *b)
{
    tsdb_ref x = *(const tsdb_ref *)a, y = *(const tsdb_ref *)b;
    return (x > y) - (x < y);
}

static int duplicate(struct labels ls, struct errmsg *err)
{
    struct buf b = BUF_INIT(300);
    labels_print(ls, true, &b);
    int rc = errmsg_set(err, E_INVALID,
                        "vector contains metrics with the same labelset after applying rule "
                        "labels: %s",
                        b.p && !b.err ? b.p : "");
    buf_release(&b);
    return rc;
}

/* Handles for all samples, in points and (sorted) in refs. */
static int look_up(struct tsdb *db, int64_t t_ms, const struct rule_sample *samples, size_t count,
                   struct tsdb_point *points, tsdb_ref *refs, struct errmsg *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = tsdb_series_own(db, samples[i].labels, &refs[i], err);
        if (rc < 0) return rc;
        points[i] = (struct tsdb_point){refs[i], t_ms, samples[i].value};
    }
    if (count > 1) qsort(refs, count, sizeof *refs, compare_refs);
    for (size_t i = 1; i < count; i++) {
        if (refs[i] != refs[i - 1]) continue;
        for (size_t k = 0; k < count; k++)
            if (points[k].ref == refs[i]) return duplicate(samples[k].labels, err);
    }
    return 0;
}

/* Markers for handles of old that are not in refs; both sorted. Returns how many. */
static size_t mark_stale(const struct rule_series *old, const tsdb_ref *refs, size_t count,
                         int64_t t_ms, struct tsdb_point *out)
{
    size_t n = 0, k = 0;
    for (size_t i = 0; i < old->count; i++) {
        while (k < count && refs[k] < old->v[i])
            k++;
        if (k < count && refs[k] == old->v[i]) continue;
        out[n++] = (struct tsdb_point){old->v[i], t_ms, double_of_bits(STALE_NAN_BITS)};
    }
    return n;
}

int rule_series_write(struct rule_series *s, struct tsdb *db, int64_t t_ms,
                      const struct rule_sample *samples, size_t count, struct errmsg *err)
{
    struct rule_series now = {0};
    struct tsdb_append_result res;
    int rc = 0;
    if (count + s->count == 0) return 0;
    struct tsdb_point *points = mem_array(count + s->count, sizeof *points);
    if (!points ||
        mem_grow((void **)&now.v, &now.cap, count + 1, RULE_SERIES_MAX, sizeof *now.v) < 0) {
        rc = errmsg_set(err, -ENOMEM, "out of memory for %zu samples", count);
        goto out;
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        if ((rc = look_up(db, t_ms, samples, count, points, now.v, err)) < 0) goto out;
        size_t stale = mark_stale(s, now.v, count, t_ms, points + count);
        rc = tsdb_append(db, points, count + stale, &res);
        /* a handle that aged between look-up and append: once more, repeats are dropped */
        if (rc < 0 || res.stale_refs == 0) break;
    }
    if (rc < 0) {
        rc = errmsg_set(err, rc, "storing results failed: %s", err_text(rc));
        goto out;
    }
    now.count = count;
    struct rule_series old = *s;
    *s = now;
    now = old;
out:
    mem_free(points);
    rule_series_release(&now);
    return rc;
}
