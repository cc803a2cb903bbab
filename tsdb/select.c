/* select.c -- the querier of the store: matchers to series.
 *
 * Series are resolved in the head's index. Only when the range reaches back behind head.floor_ms,
 * where series may be that the head no longer knows, the indexes of the days are asked too, and
 * results are joined by label set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "core/mem.h"
#include "tsdb/select_int.h"

enum { ITEMS_MAX = 1 << 30, PAUSE_CALLS = 16 };
#define PAUSE_NS INT64_C(1000000)

int select_failed(const struct select_request *r, const char *what, int rc, struct errmsg *err)
{
    if (rc == E_CANCELED || rc == E_TIMEOUT) return rc; /* told already */
    if (rc == E_LIMIT && r->arena) return budget_memory(r->budget, r->arena->max, err);
    if (rc == E_TOO_BIG)
        return errmsg_set(err, E_LIMIT, "a regular expression takes too many steps to match");
    return errmsg_set(err, rc, "cannot %s: %s", what, err_text(rc));
}

/* --- the index, held for a millisecond at a time ------------------------------------------------
 */

static int look_and_let_go(struct index_pause *p)
{
    struct index_reading *g = (struct index_reading *)p;
    int rc = budget_look(&g->watch);
    if (rc < 0 || !g->head || g->calls++ % PAUSE_CALLS) return rc;
    int64_t now_ns = env_mono_ns(g->watch.env);
    if (now_ns - g->since_ns < PAUSE_NS) return 0;
    pthread_rwlock_unlock(&g->head->index_lock); /* writers go first */
    pthread_rwlock_rdlock(&g->head->index_lock);
    g->since_ns = env_mono_ns(g->watch.env);
    return g->head->index_seq == g->index_seq ? 0 : E_STALE;
}

void index_reading_begin(struct index_reading *g, struct tsdb *db, struct query_budget *b,
                         struct errmsg *err)
{
    *g = (struct index_reading){
        .pause.look = look_and_let_go,
        .watch = {.budget = b, .env = db->env, .err = err},
        .head = &db->head,
    };
    pthread_rwlock_rdlock(&db->head.index_lock);
    g->index_seq = db->head.index_seq;
    g->since_ns = env_mono_ns(db->env);
}

void index_reading_end(struct index_reading *g)
{
    pthread_rwlock_unlock(&g->head->index_lock);
}

/* --- the set ------------------------------------------------------------------------------------
 */

static int next_samples(struct tsdb_set *set, struct item *item, struct series_view *out)
{
    if (set->presence_only) {
        *out = (struct series_view){.labels = item->labels};
        return set_item_is_present(set, item);
    }
    int rc = set_read_item(set, item);
    size_t count = set->samples.count;
    if (rc < 0 || !count) return rc;
    size_t from = set->latest_only ? count - 1 : 0;
    *out = (struct series_view){item->labels, set->samples.t + from, set->samples.v + from,
                                count - from};
    return 1;
}

static int set_next(struct series_set *ss, struct series_view *out, struct errmsg *err)
{
    struct tsdb_set *set = (struct tsdb_set *)ss;
    assert(set);
    set->watch.err = err;
    while (set->at < set->count) {
        int rc = budget_check(set->budget, set->db->env, err);
        if (rc == 0) rc = next_samples(set, &set->items[set->at++], out);
        if (rc < 0) {
            struct select_request r = {.budget = set->budget, .arena = set->arena};
            return select_failed(&r, "read samples", rc, err);
        }
        if (!rc) continue;
        rc = budget_samples(set->budget, out->count, err);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

static void set_free(struct series_set *ss)
{
    struct tsdb_set *set = (struct tsdb_set *)ss;
    assert(set);
    set_release(set);
    mem_free(set);
}

static const struct series_set_ops set_ops = {set_next, set_free};

/* --- resolving ---------------------------------------------------------------------------------
 */

struct resolve {
    struct tsdb_set *set;
    int64_t floor_ms; /* as it was when the head was asked */
    const struct select_request *r;
    struct errmsg *err;
    struct ordinals found;
    struct label_copier copier;
    uint32_t *table; /* items by hash, + 1; only when days are asked */
    size_t table_size;
};

/* Room for so many more items. */
static int items_room(struct resolve *z, size_t more)
{
    struct tsdb_set *set = z->set;
    if (set->cap - set->count >= more) return 0;
    size_t cap = MAX(set->count + more, 2 * set->cap);
    struct item *grown = cap < ITEMS_MAX ? arena_alloc(z->r->arena, cap * sizeof *grown) : NULL;
    if (!grown) return E_LIMIT;
    if (set->count) memcpy(grown, set->items, set->count * sizeof *grown);
    set->items = grown;
    set->cap = cap;
    return 0;
}

/* There is room. */
static int add_item(struct resolve *z, const struct index *x, uint32_t ordinal, struct item item)
{
    int rc = index_labels_copy(x, ordinal, &z->copier, &item.labels);
    item.hash = index_hash(x, ordinal);
    if (rc == 0) z->set->items[z->set->count++] = item;
    return rc;
}

/* What the head knows; E_STALE when its index was built anew meanwhile. */
static int read_head_index(struct resolve *z)
{
    struct head *h = &z->set->db->head;
    struct index_reading g;
    z->set->count = 0;
    z->copier.last.count = 0;
    index_reading_begin(&g, z->set->db, z->r->budget, z->err);
    int rc =
        index_select_pausing(h->index, z->r->matchers, z->r->matcher_count, &g.pause, &z->found);
    z->floor_ms = h->floor_ms;
    if (rc == 0) rc = budget_fits_series(z->r->budget, z->found.count, z->err);
    if (rc == 0) rc = items_room(z, z->found.count);
    for (size_t i = 0; rc == 0 && i < z->found.count; i++) {
        uint32_t slot = z->found.v[i];
        rc = add_item(z, h->index, slot,
                      (struct item){.slot = slot, .id = index_id(h->index, slot)});
        if (rc == 0) rc = g.pause.look(&g.pause);
    }
    index_reading_end(&g);
    return rc;
}

static int add_from_head(struct resolve *z)
{
    int rc;
    do
        rc = read_head_index(z);
    while (rc == E_STALE);
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
    struct index_reading g = {
        .pause.look = look_and_let_go,
        .watch = {.budget = z->r->budget, .env = z->set->db->env, .err = z->err},
    };
    int rc = index_select_pausing(x, z->r->matchers, z->r->matcher_count, &g.pause, &z->found);
    z->copier.last.count = 0;
    if (rc == 0) rc = budget_fits_series(z->r->budget, z->found.count, z->err);
    if (rc == 0) rc = items_room(z, z->found.count);
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
        if (rc == 0) rc = g.pause.look(&g.pause);
    }
    return rc;
}

static int by_item(const void *a, const void *b)
{
    const struct alias *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

/* Gives every item its stretch of the aliases. */
static int attach_aliases(struct tsdb_set *set)
{
    int rc =
        budget_sort(set->aliases, set->alias_count, sizeof *set->aliases, by_item, &set->watch);
    for (size_t i = set->alias_count; i-- > 0;) {
        struct item *item = &set->items[set->aliases[i].item];
        item->first_alias = (uint32_t)i;
        item->aliases++;
    }
    return rc;
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
    return rc < 0 ? rc : attach_aliases(set);
}

static int by_labels(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static int resolve_series(struct tsdb_set *set, const struct select_request *r, struct errmsg *err)
{
    struct resolve z = {.set = set, .r = r, .err = err, .copier.arena = r->arena};
    int rc = add_from_head(&z);
    if (rc == 0) rc = add_from_days(&z);
    ordinals_release(&z.found);
    mem_free(z.table);
    if (rc == 0 && r->sorted)
        rc = budget_sort(set->items, set->count, sizeof *set->items, by_labels, &set->watch);
    return rc;
}

static int select_set(struct tsdb *db, const struct select_request *r, struct tsdb_set **out,
                      struct errmsg *err)
{
    struct errmsg why = {0};
    int rc = budget_check(r->budget, db->env, err);
    *out = NULL;
    if (rc < 0) return rc;
    struct tsdb_set *set = mem_alloc(sizeof *set);
    if (!set) {
        errmsg_set(err, -ENOMEM, "out of memory");
        return -ENOMEM;
    }
    set_init(set, db, r, &why);
    set->set.ops = &set_ops;
    if (r->start_ms <= r->end_ms) rc = resolve_series(set, r, &why);
    if (rc < 0 && !why.text[0]) rc = select_failed(r, "select series", rc, &why);
    if (rc == 0) rc = budget_series(r->budget, set->count, &why);
    if (rc < 0) {
        set_free(&set->set);
        if (err) *err = why;
        return rc;
    }
    *out = set;
    return 0;
}

static int tsdb_select(struct querier *q, const struct select_request *r, struct series_set **out,
                       struct errmsg *err)
{
    struct tsdb_set *set;
    int rc = select_set((struct tsdb *)q, r, &set, err);
    *out = rc == 0 ? &set->set : NULL;
    return rc;
}

static int tsdb_series_visit(struct querier *q, const struct select_request *r,
                             labels_visit_fn *each, void *arg, struct errmsg *err)
{
    struct tsdb_set *set;
    struct series_view v = {0};
    int rc = select_set((struct tsdb *)q, r, &set, err);
    if (rc < 0) return rc;
    set->presence_only = set->latest_only = true;
    while ((rc = set_next(&set->set, &v, err)) > 0) {
        rc = each(arg, v.labels);
        if (rc) break;
    }
    set_free(&set->set);
    if (rc < 0 && err && !err->text[0]) select_failed(r, "list series", rc, err);
    return rc;
}

const struct querier_ops tsdb_querier_ops = {
    .select = tsdb_select,
    .label_names = tsdb_label_names,
    .label_values = tsdb_label_values,
    .series = tsdb_series_visit,
};
