/* memstore.c -- sorted arrays behind the querier interface.
 *
 * Series are found by a hash table over their label sets and otherwise visited one by one: this is
 * the model, so it does everything the plain way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/memstore.h"

#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/budget.h"
#include "tsdb/label_query.h"

enum { SERIES_MAX = 1 << 26 };

struct mem_series {
    struct labels labels; /* labels_dup */
    uint64_t hash;
    int64_t *t;
    double *v;
    size_t count, t_cap, v_cap;
};

struct memstore {
    struct querier querier; /* first: the querier is the store */
    struct mem_series *series;
    size_t count, cap;
    bool histograms; /* some samples are */
    uint32_t *table; /* open addressing: series index + 1, 0 = free */
    size_t table_size;
};

static const struct querier_ops memstore_ops;

/* --- writing -----------------------------------------------------------------------------------
 */

int memstore_new(struct memstore **out)
{
    struct memstore *m = mem_zalloc(sizeof *m);
    *out = m;
    if (!m) return -ENOMEM;
    m->querier.ops = &memstore_ops;
    return 0;
}

void memstore_clear(struct memstore *m)
{
    for (size_t i = 0; i < m->count; i++) {
        labels_free_dup(&m->series[i].labels);
        mem_free(m->series[i].t);
        mem_free(m->series[i].v);
    }
    m->count = 0;
    m->histograms = false;
    if (m->table_size) memset(m->table, 0, m->table_size * sizeof *m->table);
}

void memstore_free(struct memstore *m)
{
    if (!m) return;
    memstore_clear(m);
    mem_free(m->series);
    mem_free(m->table);
    mem_free(m);
}

/* The table cell of a label set: its own or the free one where it belongs. */
static uint32_t *cell_of(struct memstore *m, struct labels ls, uint64_t hash)
{
    size_t mask = m->table_size - 1, i = (size_t)hash & mask;
    for (;; i = (i + 1) & mask) {
        if (!m->table[i]) return &m->table[i];
        struct mem_series *s = &m->series[m->table[i] - 1];
        if (s->hash == hash && labels_eq(s->labels, ls)) return &m->table[i];
    }
}

/* Keeps the table at most half full. */
static int grow_table(struct memstore *m)
{
    if (m->table_size > 2 * (m->count + 1)) return 0;
    size_t size = m->table_size ? 2 * m->table_size : 64;
    uint32_t *table = mem_array(size, sizeof *table);
    if (!table) return -ENOMEM;
    mem_free(m->table);
    m->table = table;
    m->table_size = size;
    for (size_t i = 0; i < m->count; i++)
        *cell_of(m, m->series[i].labels, m->series[i].hash) = (uint32_t)i + 1;
    return 0;
}

static int series_of(struct memstore *m, struct labels ls, struct mem_series **out)
{
    int rc = grow_table(m);
    if (rc < 0) return rc;
    uint64_t hash = labels_hash(ls);
    uint32_t *cell = cell_of(m, ls, hash);
    if (!*cell) {
        void *v = m->series;
        rc = mem_grow(&v, &m->cap, m->count + 1, SERIES_MAX, sizeof *m->series);
        m->series = v;
        if (rc < 0) return rc;
        struct mem_series *s = &m->series[m->count];
        *s = (struct mem_series){.hash = hash};
        rc = labels_dup(ls, &s->labels);
        if (rc < 0) return rc;
        *cell = (uint32_t)++m->count;
    }
    *out = &m->series[*cell - 1];
    return 0;
}

/* The index of the first sample at or after t. */
static size_t lower_bound(const struct mem_series *s, int64_t t_ms)
{
    size_t lo = 0, hi = s->count;
    if (hi && s->t[hi - 1] < t_ms) return hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->t[mid] < t_ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int reserve(struct mem_series *s)
{
    void *t = s->t, *v = s->v;
    int rc = mem_grow(&t, &s->t_cap, s->count + 1, SIZE_MAX / 32, sizeof *s->t);
    s->t = t;
    if (rc < 0) return rc;
    rc = mem_grow(&v, &s->v_cap, s->count + 1, SIZE_MAX / 32, sizeof *s->v);
    s->v = v;
    return rc;
}

int memstore_add(struct memstore *m, struct labels ls, int64_t t_ms, double v)
{
    struct mem_series *s = NULL;
    int rc = series_of(m, ls, &s);
    if (rc < 0) return rc;
    m->histograms |= is_histogram(v);
    size_t at = lower_bound(s, t_ms);
    if (at < s->count && s->t[at] == t_ms) {
        s->v[at] = v;
        return 0;
    }
    rc = reserve(s);
    if (rc < 0) return rc;
    memmove(s->t + at + 1, s->t + at, (s->count - at) * sizeof *s->t);
    memmove(s->v + at + 1, s->v + at, (s->count - at) * sizeof *s->v);
    s->t[at] = t_ms;
    s->v[at] = v;
    s->count++;
    return 0;
}

struct querier *memstore_querier(struct memstore *m)
{
    return &m->querier;
}

/* --- reading -----------------------------------------------------------------------------------
 */

struct item {
    struct labels labels; /* in the request's arena */
    size_t series, from, to;
};

struct mem_set {
    struct series_set set;
    struct memstore *store;
    struct query_budget *budget;
    bool latest_only;
    struct item *items;
    size_t count, cap, at;
};

/* 1 and the range [*from, *to) when the series matches and has samples in the asked time. */
static int match(const struct mem_series *s, const struct select_request *r, size_t *from,
                 size_t *to)
{
    if (r->end_ms < r->start_ms) return 0;
    int rc = matchers_test(r->matchers, r->matcher_count, s->labels);
    if (rc <= 0) return rc;
    *from = lower_bound(s, r->start_ms);
    *to = r->end_ms == INT64_MAX ? s->count : lower_bound(s, r->end_ms + 1);
    return *from < *to;
}

static int set_next(struct series_set *ss, struct series_view *out, struct errmsg *err)
{
    struct mem_set *set = (struct mem_set *)ss;
    if (set->at == set->count) return 0;
    const struct item *item = &set->items[set->at++];
    const struct mem_series *s = &set->store->series[item->series];
    size_t from = set->latest_only ? item->to - 1 : item->from;
    *out = (struct series_view){item->labels, s->t + from, s->v + from, item->to - from};
    int rc = budget_check(set->budget, NULL, err);
    if (rc == 0) rc = budget_samples(set->budget, out->count, err);
    return rc < 0 ? rc : 1;
}

static void set_free(struct series_set *ss)
{
    struct mem_set *set = (struct mem_set *)ss;
    mem_free(set->items);
    mem_free(set);
}

static const struct series_set_ops set_ops = {set_next, set_free};

static int by_labels(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static int add_item(struct mem_set *set, struct item item, const struct select_request *r)
{
    void *v = set->items;
    int rc = mem_grow(&v, &set->cap, set->count + 1, SERIES_MAX, sizeof *set->items);
    set->items = v;
    if (rc < 0) return rc;
    rc = labels_copy(r->arena, item.labels, &item.labels);
    if (rc == 0) set->items[set->count++] = item;
    return rc;
}

static int memstore_select(struct querier *q, const struct select_request *r,
                           struct series_set **out, struct errmsg *err)
{
    struct memstore *m = (struct memstore *)q;
    struct mem_set *set = mem_zalloc(sizeof *set);
    *out = NULL;
    if (!set) return -ENOMEM;
    set->set = (struct series_set){&set_ops, m->histograms};
    set->store = m;
    set->budget = r->budget;
    set->latest_only = r->latest_only;
    int rc = budget_check(r->budget, NULL, err);
    for (size_t i = 0; rc >= 0 && i < m->count; i++) {
        struct item item = {.labels = m->series[i].labels, .series = i};
        rc = match(&m->series[i], r, &item.from, &item.to);
        if (rc > 0) rc = add_item(set, item, r);
    }
    if (rc >= 0) rc = budget_series(r->budget, set->count, err);
    if (rc < 0) {
        set_free(&set->set);
        return rc;
    }
    if (r->sorted && set->count) qsort(set->items, set->count, sizeof *set->items, by_labels);
    *out = &set->set;
    return 0;
}

static int memstore_series(struct querier *q, const struct select_request *r, labels_visit_fn *each,
                           void *arg, struct errmsg *err)
{
    struct memstore *m = (struct memstore *)q;
    size_t from, to;
    for (size_t i = 0; i < m->count; i++) {
        int rc = budget_check(r->budget, NULL, err);
        if (rc == 0) rc = match(&m->series[i], r, &from, &to);
        if (rc > 0) rc = each(arg, m->series[i].labels);
        if (rc) return rc;
    }
    return 0;
}

static const struct querier_ops memstore_ops = {
    .select = memstore_select,
    .label_names = label_query_names,
    .label_values = label_query_values,
    .series = memstore_series,
};
