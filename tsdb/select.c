/* select.c -- the querier of the store: matchers to series, and samples from head and day files.
 *
 * Series are resolved in the head's index. Only when the range reaches back behind head.floor_ms,
 * where series may be that the head no longer knows, the indexes of the days are asked too, and
 * results are joined by label set.
 *
 * Deleted samples are left out of what the files give (deletions.c); the head has none.
 *
 * A series is read head first, then files: a flush moves samples from the head to a file, so they
 * are found at least once; found twice, they merge. The read transactions must not be older than
 * the look at the head: flush_seq tells when they are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/budget.h"
#include "tsdb/label_query.h"
#include "tsdb/tsdb_int.h"

enum { ITEMS_MAX = 1 << 30, NO_SERIES = 0 };
#define NEAR_MS   INT64_C(300000)     /* see read_latest_of_day */
#define READER_NS INT64_C(1000000000) /* read transactions are renewed after */

/* One selected series. */
struct item {
    struct labels labels; /* in the request's arena */
    uint64_t hash;
    uint32_t slot, id; /* in the head; id NO_SERIES: the head does not know it */
    uint32_t first_alias, aliases;
};

/* Another id a series has in some day file. */
struct alias {
    uint32_t item, id;
    int64_t day_ms;
};

struct tsdb_set {
    struct series_set set; /* first */
    struct tsdb *db;
    struct query_budget *budget;
    int64_t start_ms, end_ms;
    bool latest_only;

    struct item *items;
    size_t count, cap, at;
    struct alias *aliases;
    size_t alias_count, alias_cap;

    struct sample_vec samples, from_head;
    struct cut_vec cuts;

    bool opened; /* days and readers are there, as of flush_seq */
    uint64_t flush_seq;
    int64_t opened_ns;
    struct day **days;
    struct partition_reader **readers; /* opened when first needed */
    size_t day_count;
};

/* --- readers -----------------------------------------------------------------------------------
 */

static void close_readers(struct tsdb_set *set)
{
    for (size_t i = 0; i < set->day_count; i++)
        partition_reader_free(set->readers[i]);
    days_unpin(set->db, set->days, set->day_count);
    mem_free(set->readers);
    set->days = NULL;
    set->readers = NULL;
    set->day_count = 0;
    set->opened = false;
}

/* Makes sure that the read transactions are at least as young as flush_seq. */
static int open_readers(struct tsdb_set *set, uint64_t flush_seq)
{
    int64_t now = env_mono_ns(set->db->env);
    if (set->opened && set->flush_seq >= flush_seq && now - set->opened_ns < READER_NS) return 0;
    close_readers(set);
    int rc = days_pin(set->db, set->start_ms, set->end_ms, &set->days, &set->day_count);
    if (rc < 0) return rc;
    set->readers = mem_array(set->day_count, sizeof(struct partition_reader *));
    if (!set->readers) return -ENOMEM;
    set->opened = true;
    set->flush_seq = flush_seq;
    set->opened_ns = now;
    return 0;
}

static int read_day(struct tsdb_set *set, size_t i, uint32_t id, int64_t start_ms)
{
    uint64_t damaged = 0;
    int rc = 0;
    if (!set->readers[i]) rc = partition_reader_new(set->days[i]->p, &set->readers[i]);
    if (rc == 0 && day_has_cuts(set->days[i])) {
        rc = day_cuts_of(set->db, set->days[i], id, start_ms, set->end_ms, &set->cuts);
        partition_reader_cut(set->readers[i], set->cuts.v, set->cuts.count);
    }
    if (rc < 0) return rc;
    return partition_read(set->readers[i], id, start_ms, set->end_ms, &set->samples, &damaged);
}

/* All samples of a series in one day from start_ms on, under its every id. */
static int read_series_of_day(struct tsdb_set *set, size_t i, const struct item *item,
                              int64_t start_ms)
{
    int rc = item->id ? read_day(set, i, item->id, start_ms) : 0;
    for (uint32_t k = 0; rc == 0 && k < item->aliases; k++) {
        const struct alias *a = &set->aliases[item->first_alias + k];
        if (a->day_ms == set->days[i]->day_ms) rc = read_day(set, i, a->id, start_ms);
    }
    return rc;
}

/* The end of a day holds the newest sample of most series: look there before decoding it all. */
static int read_latest_of_day(struct tsdb_set *set, size_t i, const struct item *item)
{
    struct partition_info info;
    partition_info(set->days[i]->p, &info);
    int64_t near = MIN(set->end_ms, info.max_ms) - NEAR_MS;
    if (info.min_ms > info.max_ms) return 0;
    int rc = read_series_of_day(set, i, item, MAX(near, set->start_ms));
    if (rc < 0 || set->samples.count || near <= set->start_ms) return rc;
    return read_series_of_day(set, i, item, set->start_ms);
}

static int read_days(struct tsdb_set *set, const struct item *item)
{
    int rc = 0;
    if (set->latest_only) {
        for (size_t i = set->day_count; rc == 0 && !set->samples.count && i-- > 0;)
            rc = read_latest_of_day(set, i, item);
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < set->day_count; i++)
        rc = read_series_of_day(set, i, item, set->start_ms);
    return rc;
}

/* --- one series --------------------------------------------------------------------------------
 */

/* Looks for a series that has moved; false when the head has forgotten it. */
static bool find_again(struct head *h, struct item *item)
{
    uint32_t slot = 0;
    pthread_rwlock_rdlock(&h->index_lock);
    bool found = index_find(h->index, item->labels, item->hash, &slot) == 0 &&
                 index_id(h->index, slot) == item->id; /* else it came back under another id */
    pthread_rwlock_unlock(&h->index_lock);
    item->slot = slot;
    return found;
}

/* The record of a selected series, wherever it is now; NULL when the head has forgotten it. Leaves
 * head.lock held. */
static const struct series *lock_series(struct head *h, struct item *item)
{
    pthread_mutex_lock(&h->lock);
    while (item->slot >= h->count || head_series(h, item->slot)->id != item->id) {
        pthread_mutex_unlock(&h->lock);
        bool found = find_again(h, item);
        pthread_mutex_lock(&h->lock);
        if (!found) return NULL;
    }
    return head_series(h, item->slot);
}

/* What the head has; *need_files tells whether older samples of the range may be in files. */
static int read_head(struct tsdb_set *set, struct item *item, uint64_t *flush_seq, bool *need_files)
{
    struct head *h = &set->db->head;
    int rc = 0;
    const struct series *s = lock_series(h, item);
    *flush_seq = h->flush_seq;
    bool newest = s && s->last_ms >= set->start_ms && s->last_ms <= set->end_ms;
    *need_files = !s || s->flushed_ms >= set->start_ms;
    if (set->latest_only && newest && !s->rewritten && s->last_ms >= s->flushed_ms) {
        *need_files = false;
        rc = sample_vec_add(&set->from_head, s->last_ms, double_of_bits(s->stream.bits));
    } else if (s) {
        rc = head_read(s, set->start_ms, set->end_ms, &set->from_head);
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static int append_head(struct tsdb_set *set)
{
    struct sample_vec *to = &set->samples;
    const struct sample_vec *from = &set->from_head;
    int rc = sample_vec_reserve(to, from->count);
    if (rc < 0 || !from->count) return rc;
    memcpy(to->t + to->count, from->t, from->count * sizeof *from->t);
    memcpy(to->v + to->count, from->v, from->count * sizeof *from->v);
    to->count += from->count;
    return 0;
}

static int read_item(struct tsdb_set *set, struct item *item)
{
    uint64_t flush_seq = 0;
    bool need_files = true;
    int rc = 0;
    set->samples.count = set->from_head.count = 0;
    if (item->id) rc = read_head(set, item, &flush_seq, &need_files);
    if (rc == 0 && (need_files || item->aliases)) {
        rc = open_readers(set, flush_seq);
        if (rc == 0) rc = read_days(set, item);
    }
    if (rc == 0) rc = append_head(set);
    return rc == 0 ? sample_vec_normalize(&set->samples) : rc;
}

static int set_next(struct series_set *ss, struct series_view *out, struct errmsg *err)
{
    struct tsdb_set *set = (struct tsdb_set *)ss;
    assert(set);
    while (set->at < set->count) {
        struct item *item = &set->items[set->at++];
        int rc = budget_check(set->budget, set->db->env, err);
        if (rc < 0) return rc;
        rc = read_item(set, item);
        if (rc < 0) return errmsg_set(err, rc, "cannot read samples: %s", err_text(rc));
        size_t count = set->samples.count;
        if (!count) continue;
        size_t from = set->latest_only ? count - 1 : 0;
        *out = (struct series_view){item->labels, set->samples.t + from, set->samples.v + from,
                                    count - from};
        rc = budget_samples(set->budget, out->count, err);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

static void set_free(struct series_set *ss)
{
    struct tsdb_set *set = (struct tsdb_set *)ss;
    assert(set);
    close_readers(set);
    sample_vec_release(&set->samples);
    sample_vec_release(&set->from_head);
    mem_free(set->cuts.v);
    mem_free(set->items);
    mem_free(set->aliases);
    mem_free(set);
}

static const struct series_set_ops set_ops = {set_next, set_free};

/* --- resolving ---------------------------------------------------------------------------------
 */

struct resolve {
    struct tsdb_set *set;
    int64_t floor_ms; /* as it was when the head was asked */
    const struct select_request *r;
    struct ordinals found;
    uint32_t *table; /* items by hash, + 1; only when days are asked */
    size_t table_size;
};

static int add_item(struct resolve *z, const struct index *x, uint32_t ordinal, struct item item)
{
    struct tsdb_set *set = z->set;
    struct label v[LABELS_MAX];
    void *items = set->items;
    int rc = mem_grow(&items, &set->cap, set->count + 1, ITEMS_MAX, sizeof *set->items);
    set->items = items;
    if (rc == 0) rc = labels_copy(z->r->arena, index_labels(x, ordinal, v), &item.labels);
    item.hash = index_hash(x, ordinal);
    if (rc == 0) set->items[set->count++] = item;
    return rc;
}

static int add_from_head(struct resolve *z)
{
    struct head *h = &z->set->db->head;
    pthread_rwlock_rdlock(&h->index_lock);
    int rc = index_select(h->index, z->r->matchers, z->r->matcher_count, &z->found);
    z->floor_ms = h->floor_ms;
    for (size_t i = 0; rc == 0 && i < z->found.count; i++) {
        uint32_t slot = z->found.v[i];
        rc = add_item(z, h->index, slot,
                      (struct item){.slot = slot, .id = index_id(h->index, slot)});
    }
    pthread_rwlock_unlock(&h->index_lock);
    return rc;
}

static uint32_t *cell_of(struct resolve *z, uint64_t hash, struct labels ls)
{
    size_t mask = z->table_size - 1, i = (size_t)hash & mask;
    for (; z->table[i]; i = (i + 1) & mask) {
        const struct item *item = &z->set->items[z->table[i] - 1];
        if (item->hash == hash && labels_eq(item->labels, ls)) break;
    }
    return &z->table[i];
}

/* Makes room in the table for so many more items. */
static int grow_table(struct resolve *z, size_t more)
{
    size_t size = z->table_size ? z->table_size : 64;
    while (size < 2 * (z->set->count + more))
        size *= 2;
    if (size == z->table_size) return 0;
    mem_free(z->table);
    z->table = mem_array(size, sizeof *z->table);
    z->table_size = z->table ? size : 0;
    if (!z->table) return -ENOMEM;
    for (size_t i = 0; i < z->set->count; i++)
        *cell_of(z, z->set->items[i].hash, z->set->items[i].labels) = (uint32_t)i + 1;
    return 0;
}

static int add_alias(struct tsdb_set *set, struct alias a)
{
    void *v = set->aliases;
    int rc = mem_grow(&v, &set->alias_cap, set->alias_count + 1, ITEMS_MAX, sizeof *set->aliases);
    set->aliases = v;
    if (rc == 0) set->aliases[set->alias_count++] = a;
    return rc;
}

static int add_from_day(void *arg, struct day *day, const struct index *x)
{
    struct resolve *z = arg;
    struct label v[LABELS_MAX];
    int rc = index_select(x, z->r->matchers, z->r->matcher_count, &z->found);
    if (rc == 0) rc = grow_table(z, z->found.count);
    for (size_t i = 0; rc == 0 && i < z->found.count; i++) {
        uint32_t ordinal = z->found.v[i], id = index_id(x, ordinal);
        uint32_t *cell = cell_of(z, index_hash(x, ordinal), index_labels(x, ordinal, v));
        if (!*cell) {
            rc = add_item(z, x, ordinal, (struct item){.id = NO_SERIES});
            if (rc == 0) *cell = (uint32_t)z->set->count;
        }
        if (rc == 0 && z->set->items[*cell - 1].id != id)
            rc = add_alias(z->set, (struct alias){*cell - 1, id, day->day_ms});
    }
    return rc;
}

static int by_item(const void *a, const void *b)
{
    const struct alias *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

/* Gives every item its stretch of the aliases. */
static void attach_aliases(struct tsdb_set *set)
{
    if (set->alias_count) qsort(set->aliases, set->alias_count, sizeof *set->aliases, by_item);
    for (size_t i = set->alias_count; i-- > 0;) {
        struct item *item = &set->items[set->aliases[i].item];
        item->first_alias = (uint32_t)i;
        item->aliases++;
    }
}

static int add_from_days(struct resolve *z)
{
    struct tsdb_set *set = z->set;
    struct day **days = NULL;
    size_t count = 0;
    int64_t floor = z->floor_ms;
    if (set->start_ms > floor) return 0;
    int rc = days_pin(set->db, set->start_ms, MIN(set->end_ms, floor), &days, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = day_with_index(set->db, days[i], add_from_day, z);
    days_unpin(set->db, days, count);
    attach_aliases(set);
    return rc;
}

static int by_labels(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static int resolve_series(struct tsdb_set *set, const struct select_request *r)
{
    struct resolve z = {.set = set, .r = r};
    int rc = add_from_head(&z);
    if (rc == 0) rc = add_from_days(&z);
    ordinals_release(&z.found);
    mem_free(z.table);
    if (rc == 0 && r->sorted && set->count > 1)
        qsort(set->items, set->count, sizeof *set->items, by_labels);
    return rc;
}

static int tsdb_select(struct querier *q, const struct select_request *r, struct series_set **out,
                       struct errmsg *err)
{
    struct tsdb *db = (struct tsdb *)q;
    *out = NULL;
    int rc = budget_check(r->budget, db->env, err);
    if (rc < 0) return rc;
    struct tsdb_set *set = mem_zalloc(sizeof *set);
    if (!set) return errmsg_set(err, -ENOMEM, "out of memory");
    set->set.ops = &set_ops;
    set->db = db;
    set->budget = r->budget;
    set->start_ms = r->start_ms;
    set->end_ms = r->end_ms;
    set->latest_only = r->latest_only;
    if (r->start_ms <= r->end_ms) rc = resolve_series(set, r);
    if (rc < 0) errmsg_set(err, rc, "cannot select series: %s", err_text(rc));
    if (rc == 0) rc = budget_series(r->budget, set->count, err);
    if (rc < 0) {
        set_free(&set->set);
        return rc;
    }
    *out = &set->set;
    return 0;
}

/* --- series without their samples
 * ---------------------------------------------------------------------
 */

static int tsdb_series_visit(struct querier *q, const struct select_request *r,
                             labels_visit_fn *each, void *arg, struct errmsg *err)
{
    struct select_request latest = *r;
    struct series_set *set = NULL;
    struct series_view v = {0};
    latest.latest_only = true;
    int rc = tsdb_select(q, &latest, &set, err);
    if (rc < 0 || !set) return rc;
    while ((rc = set_next(set, &v, err)) > 0) {
        rc = each(arg, v.labels);
        if (rc) break;
    }
    set_free(set);
    return rc;
}

const struct querier_ops tsdb_querier_ops = {
    .select = tsdb_select,
    .label_names = label_query_names,
    .label_values = label_query_values,
    .series = tsdb_series_visit,
};
