/* cardinality.c -- which metrics, labels and pairs have the most series in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/admin.h"
#include "tsdb/tsdb_int.h"

enum { LOCK_SERIES = 1024 };

/* --- the greatest of many ----------------------------------------------------------------------
 */

/* A heap with the least of the greatest on top. Texts are the index's. */
struct top {
    struct tsdb_rank *v;
    size_t count, cap, limit;
};

/* Whether a comes before b: more, or as many with the lesser name. */
static bool before(const struct tsdb_rank *a, const struct tsdb_rank *b)
{
    if (a->count != b->count) return a->count > b->count;
    int c = str_cmp(a->name, b->name);
    return (c ? c : str_cmp(a->value, b->value)) < 0;
}

static void swap(struct tsdb_rank *a, struct tsdb_rank *b)
{
    struct tsdb_rank t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(struct top *t, size_t i)
{
    for (;;) {
        size_t last = i, left = 2 * i + 1, right = left + 1;
        if (left < t->count && before(&t->v[last], &t->v[left])) last = left;
        if (right < t->count && before(&t->v[last], &t->v[right])) last = right;
        if (last == i) return;
        swap(&t->v[i], &t->v[last]);
        i = last;
    }
}

static int top_add(struct top *t, struct tsdb_rank r)
{
    if (t->count == t->limit) {
        if (!t->limit || !before(&r, &t->v[0])) return 0;
        t->v[0] = r;
        sift_down(t, 0);
        return 0;
    }
    void *v = t->v;
    int rc = mem_grow(&v, &t->cap, t->count + 1, UINT32_MAX, sizeof *t->v);
    t->v = v;
    if (rc < 0) return rc;
    size_t i = t->count++;
    t->v[i] = r;
    for (; i && before(&t->v[(i - 1) / 2], &t->v[i]); i = (i - 1) / 2)
        swap(&t->v[(i - 1) / 2], &t->v[i]);
    return 0;
}

static int by_rank(const void *a, const void *b)
{
    const struct tsdb_rank *x = a, *y = b;
    return before(x, y) ? -1 : before(y, x);
}

static int copy_rank(struct arena *a, const struct tsdb_rank *from, struct tsdb_rank *to)
{
    *to = (struct tsdb_rank){arena_str(a, from->name), arena_str(a, from->value), from->count};
    return to->name.p && to->value.p ? 0 : a->err;
}

/* Sorts and copies into the arena. */
static int top_take(struct top *t, struct arena *a, struct tsdb_rank **v, size_t *count)
{
    if (t->count) qsort(t->v, t->count, sizeof *t->v, by_rank);
    *v = arena_array(a, t->count + 1, sizeof **v);
    if (!*v) return a->err;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->count; i++)
        rc = copy_rank(a, &t->v[i], &(*v)[i]);
    *count = t->count;
    return rc;
}

/* --- the index ---------------------------------------------------------------------------------
 */

struct ranking {
    struct top top[TSDB_RANKINGS];
    struct tsdb_rank values, bytes; /* of the name being visited */
    uint64_t pairs;
};

static int end_name(struct ranking *r)
{
    int rc = 0;
    if (r->values.name.p) rc = top_add(&r->top[TSDB_VALUES_BY_LABEL], r->values);
    if (rc == 0 && r->bytes.name.p) rc = top_add(&r->top[TSDB_BYTES_BY_LABEL], r->bytes);
    return rc;
}

static int visit_pair(void *arg, const struct index_pair_view *p)
{
    struct ranking *r = arg;
    int rc = 0;
    if (!r->values.name.p || !str_eq(r->values.name, p->name)) {
        rc = end_name(r);
        r->values = r->bytes = (struct tsdb_rank){p->name, STR(""), 0};
    }
    r->pairs++;
    r->values.count++;
    r->bytes.count += p->bytes;
    if (rc == 0)
        rc =
            top_add(&r->top[TSDB_SERIES_BY_PAIR], (struct tsdb_rank){p->name, p->value, p->series});
    if (rc == 0 && str_eq(p->name, STR(METRIC_NAME)))
        rc = top_add(&r->top[TSDB_SERIES_BY_METRIC],
                     (struct tsdb_rank){p->value, STR(""), p->series});
    return rc;
}

/* Chunks of all series; the lock is held for a few at a time. */
static uint64_t count_chunks(struct head *h)
{
    uint64_t chunks = 0;
    for (uint32_t from = 0;; from += LOCK_SERIES) {
        pthread_mutex_lock(&h->lock);
        uint32_t count = h->count;
        for (uint32_t i = from; i < MIN(count, from + LOCK_SERIES); i++)
            for (const struct chunk *c = head_series(h, i)->first; c; c = c->next)
                chunks++;
        pthread_mutex_unlock(&h->lock);
        if (from + LOCK_SERIES >= count) return chunks;
    }
}

int tsdb_cardinality(struct tsdb *db, size_t limit, struct arena *a, struct tsdb_cardinality *out)
{
    struct head *h = &db->head;
    struct ranking r = {0};
    *out = (struct tsdb_cardinality){0};
    for (size_t i = 0; i < TSDB_RANKINGS; i++)
        r.top[i].limit = limit;
    pthread_rwlock_rdlock(&h->index_lock);
    out->series = index_count(h->index);
    int rc = index_pairs(h->index, visit_pair, &r);
    if (rc == 0) rc = end_name(&r);
    for (size_t i = 0; rc == 0 && i < TSDB_RANKINGS; i++)
        rc = top_take(&r.top[i], a, &out->rankings[i].v, &out->rankings[i].count);
    pthread_rwlock_unlock(&h->index_lock);
    for (size_t i = 0; i < TSDB_RANKINGS; i++)
        mem_free(r.top[i].v);
    out->label_pairs = r.pairs;
    out->chunks = count_chunks(h);
    return rc;
}

/* --- names -------------------------------------------------------------------------------------
 */

struct names {
    str_visit_fn *each;
    void *arg;
};

static int visit_name(void *arg, const struct index_pair_view *p)
{
    struct names *n = arg;
    return n->each(n->arg, p->value);
}

static int visit_day(void *arg, struct day *day, const struct index *x)
{
    UNUSED(day);
    return index_values(x, STR(METRIC_NAME), visit_name, arg);
}

/* Days whose series the head may have forgotten. */
static int visit_days(struct tsdb *db, int64_t start_ms, int64_t end_ms, struct names *n)
{
    struct day **days = NULL;
    size_t count = 0;
    int rc = days_pin(db, start_ms, end_ms, &days, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = day_with_index(db, days[i], visit_day, n);
    if (days) days_unpin(db, days, count);
    return rc;
}

int tsdb_metric_names(struct tsdb *db, int64_t start_ms, int64_t end_ms, str_visit_fn *each,
                      void *arg)
{
    struct head *h = &db->head;
    struct names n = {each, arg};
    pthread_rwlock_rdlock(&h->index_lock);
    int rc = index_values(h->index, STR(METRIC_NAME), visit_name, &n);
    int64_t floor_ms = h->floor_ms;
    pthread_rwlock_unlock(&h->index_lock);
    return rc == 0 && start_ms <= floor_ms ? visit_days(db, start_ms, MIN(end_ms, floor_ms), &n)
                                           : rc;
}
