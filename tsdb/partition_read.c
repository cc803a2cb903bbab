/* partition_read.c -- the samples of one id in a time range.
 *
 * A reader sees the groups that were there when its transaction began. It checks the checksum of a
 * group the first time it comes by and remembers that; the timestamps decoded last are kept,
 * because neighbouring series share them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "tsdb/partition_int.h"

enum { SEARCH_BATCH = 32, NO_VECTOR = -1, VIEWS = 8 };

/* A group that was looked at: finding it again takes longer than reading from it. */
struct known_view {
    size_t group;
    struct group_view view;
};

struct partition_reader {
    struct partition *p;
    struct kv_txn *txn;
    size_t turn_limit; /* of the directory, when the reader began */
    const struct partition_cut *cuts;
    size_t cut_count;
    struct group_view view; /* of group `group` */
    size_t group;
    struct known_view views[VIEWS]; /* neighbouring series are in the same few groups */
    unsigned next_view;             /* to be replaced */
    size_t times_group;
    int vector; /* of group times_group, decoded into t; NO_VECTOR */
    size_t t_count;
    int64_t t[CODEC_BLOCK_MAX];
    double v[CODEC_BLOCK_MAX];
};

static void forget_groups(struct partition_reader *r)
{
    r->group = r->times_group = SIZE_MAX;
    r->vector = NO_VECTOR;
    r->next_view = 0;
    for (size_t i = 0; i < VIEWS; i++)
        r->views[i].group = SIZE_MAX;
}

int partition_reader_new(struct partition *p, struct partition_reader **out)
{
    *out = NULL;
    struct partition_reader *r = mem_alloc(sizeof *r);
    if (!r) return -ENOMEM;
    r->p = p;
    r->txn = NULL;
    r->cuts = NULL;
    r->cut_count = 0;
    forget_groups(r);
    /* First the transaction, then the directory: turns the transaction cannot see are told by
     * their number, and turns that are committed but not yet listed were not promised. */
    int rc = kv_begin(p->kv, false, &r->txn);
    pthread_rwlock_rdlock(&p->lock);
    r->turn_limit = p->dir.turn_count;
    pthread_rwlock_unlock(&p->lock);
    if (rc < 0) {
        partition_reader_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void partition_reader_free(struct partition_reader *r)
{
    if (!r) return;
    kv_abort(r->txn);
    mem_free(r);
}

static void mark_group(struct partition *p, size_t index, enum group_status status)
{
    pthread_rwlock_rdlock(&p->lock); /* the array may move, its elements are atomic */
    atomic_store_explicit(&p->dir.status[index], (uint8_t)status, memory_order_relaxed);
    pthread_rwlock_unlock(&p->lock);
}

static bool know_view(struct partition_reader *r, const struct dir_match *m)
{
    for (size_t i = 0; i < VIEWS && m->status != GROUP_DAMAGED; i++) {
        if (r->views[i].group != m->index) continue;
        r->view = r->views[i].view;
        r->group = m->index;
        return true;
    }
    return false;
}

/* Points r->view at a group: 0, or E_CORRUPT. */
static int visit_group(struct partition_reader *r, const struct dir_match *m)
{
    if (r->group == m->index) return 0;
    if (know_view(r, m)) return 0;
    uint8_t key[GROUP_KEY_SIZE];
    struct kv_slice value;
    r->group = SIZE_MAX;
    if (m->status == GROUP_DAMAGED) return E_CORRUPT;
    group_key_put(&m->info, key);
    int rc = kv_get(r->txn, DB_GROUPS, (struct kv_slice){key, sizeof key}, &value);
    if (rc == E_NOT_FOUND) return E_CORRUPT;
    if (rc < 0) return rc;
    rc = group_view_open(&r->view, value.p, value.len, m->status == GROUP_UNCHECKED);
    if (rc < 0) return rc;
    if (!group_info_eq(&r->view.info, &m->info) || r->view.day_ms != r->p->day_ms) return E_CORRUPT;
    if (m->status == GROUP_UNCHECKED) mark_group(r->p, m->index, GROUP_GOOD);
    r->group = m->index;
    r->views[r->next_view++ % VIEWS] = (struct known_view){r->group, r->view};
    return 0;
}

static int load_times(struct partition_reader *r, unsigned vector)
{
    if (r->vector == (int)vector && r->times_group == r->group) return 0;
    r->vector = NO_VECTOR;
    int rc = group_view_times(&r->view, vector, r->t, &r->t_count);
    if (rc == 0) r->vector = (int)vector;
    r->times_group = r->group;
    return rc;
}

/* The first index whose time is at least t. */
static size_t time_index(const int64_t *times, size_t count, int64_t t)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (times[mid] < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int read_block(struct partition_reader *r, const struct group_block *b, int64_t start_ms,
                      int64_t end_ms, struct sample_vec *out)
{
    int rc = load_times(r, b->vector);
    if (rc < 0) return rc;
    size_t from = time_index(r->t, r->t_count, start_ms);
    size_t to = end_ms == INT64_MAX ? r->t_count : time_index(r->t, r->t_count, end_ms + 1);
    if (from >= to) return 0;
    bool whole = from == 0 && to == r->t_count;
    rc = sample_vec_reserve(out, to - from);
    if (rc < 0) return rc;
    double *v = whole ? out->v + out->count : r->v; /* usually straight to where it is wanted */
    rc = codec_decode_values(b->p, b->len, v, r->t_count);
    if (rc < 0) return rc;
    memcpy(out->t + out->count, r->t + from, (to - from) * sizeof *r->t);
    if (!whole) memcpy(out->v + out->count, r->v + from, (to - from) * sizeof *r->v);
    out->count += to - from;
    return 0;
}

/* Blocks of a series follow each other in time: one whose first time is after the range, or whose
 * successor begins at or before it, need not be looked at. */
struct block_walk {
    struct partition_reader *r;
    uint32_t id;
    int64_t start_ms, end_ms;
    unsigned next;
};

/* The next block that may touch the range: 1, 0 at the end, or < 0. */
static int next_block(struct block_walk *w, struct group_block *b, struct codec_span *span)
{
    const struct group_view *view = &w->r->view;
    for (; w->next < view->blocks; w->next++) {
        struct group_block after;
        struct codec_span later = {.first = INT64_MAX};
        *span = later;
        int rc = group_view_block(view, w->next, b);
        if (rc == 0 && b->id != w->id) return 0;
        if (rc == 0) rc = group_view_span(view, b->vector, span);
        if (rc == 0 && w->next + 1 < view->blocks) {
            rc = group_view_block(view, w->next + 1, &after);
            if (rc == 0 && after.id == w->id) rc = group_view_span(view, after.vector, &later);
        }
        if (rc < 0) return rc;
        if (span->first > w->end_ms) return 0;
        if (later.first <= w->start_ms) continue;
        w->next++;
        return 1;
    }
    return 0;
}

static int read_group(struct partition_reader *r, const struct dir_match *m, uint32_t id,
                      int64_t start_ms, int64_t end_ms, struct sample_vec *out)
{
    struct group_block b;
    struct codec_span span;
    int rc = visit_group(r, m);
    if (rc < 0) return rc;
    struct block_walk w = {r, id, start_ms, end_ms, group_view_find(&r->view, id)};
    while ((rc = next_block(&w, &b, &span)) > 0) {
        rc = read_block(r, &b, start_ms, end_ms, out);
        if (rc < 0) return rc;
    }
    return rc;
}

/* Whether a block has a sample in the range. */
static int block_has(struct partition_reader *r, const struct group_block *b,
                     const struct codec_span *span, int64_t start_ms, int64_t end_ms)
{
    if (span->first >= start_ms) return span->first <= end_ms;
    if (span->regular && span->step > 0) {
        int64_t steps = (start_ms - span->first + span->step - 1) / span->step;
        return steps < (int64_t)b->count && span->first + steps * span->step <= end_ms;
    }
    int rc = load_times(r, b->vector);
    if (rc < 0) return rc;
    size_t at = time_index(r->t, r->t_count, start_ms);
    return at < r->t_count && r->t[at] <= end_ms;
}

static int group_has(struct partition_reader *r, const struct dir_match *m, uint32_t id,
                     int64_t start_ms, int64_t end_ms)
{
    struct group_block b;
    struct codec_span span;
    int rc = visit_group(r, m);
    if (rc < 0) return rc;
    struct block_walk w = {r, id, start_ms, end_ms, group_view_find(&r->view, id)};
    while ((rc = next_block(&w, &b, &span)) > 0) {
        rc = block_has(r, &b, &span, start_ms, end_ms);
        if (rc) return rc;
    }
    return rc;
}

void partition_reader_cut(struct partition_reader *r, const struct partition_cut *v, size_t count)
{
    r->cuts = v;
    r->cut_count = count;
}

static bool is_cut(const struct partition_reader *r, uint32_t cycle, int64_t t_ms)
{
    for (size_t i = 0; i < r->cut_count; i++)
        if (cycle < r->cuts[i].cycle && t_ms >= r->cuts[i].start_ms && t_ms <= r->cuts[i].end_ms)
            return true;
    return false;
}

/* Takes the deleted ones out of what a group of that cycle added behind index from. */
static void cut_samples(const struct partition_reader *r, uint32_t cycle, struct sample_vec *out,
                        size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < out->count; i++) {
        if (is_cut(r, cycle, out->t[i])) continue;
        out->t[kept] = out->t[i];
        out->v[kept++] = out->v[i];
    }
    out->count = kept;
}

static size_t search(struct partition_reader *r, struct dir_search *s, struct dir_match *out)
{
    pthread_rwlock_rdlock(&r->p->lock);
    size_t n = group_dir_search(&r->p->dir, s, out, SEARCH_BATCH);
    pthread_rwlock_unlock(&r->p->lock);
    return n;
}

/* False when the day has nothing of the range. */
static bool search_begin(const struct partition_reader *r, uint32_t id, int64_t start_ms,
                         int64_t end_ms, struct dir_search *out)
{
    int64_t day_ms = r->p->day_ms, last_ms = day_ms + DAY_MS - 1;
    if (start_ms > end_ms || start_ms > last_ms || end_ms < day_ms) return false;
    *out = (struct dir_search){
        .id = id,
        .start_ms = (uint32_t)(MAX(start_ms, day_ms) - day_ms),
        .end_ms = (uint32_t)(MIN(end_ms, last_ms) - day_ms),
        .txn_id = kv_txn_id(r->txn),
        .turn_limit = r->turn_limit,
    };
    return true;
}

/* A group turned out to be damaged: it is remembered, and told once. */
static void found_damage(struct partition_reader *r, const struct dir_match *m)
{
    if (m->status == GROUP_DAMAGED) return;
    mark_group(r->p, m->index, GROUP_DAMAGED);
    forget_groups(r);
    partition_complain(r->p, "group", m->info.first_id, m->info.last_id);
}

int partition_read(struct partition_reader *r, uint32_t id, int64_t start_ms, int64_t end_ms,
                   struct sample_vec *out, uint64_t *damaged)
{
    struct dir_search s;
    struct dir_match found[SEARCH_BATCH];
    size_t n = 0;
    if (!search_begin(r, id, start_ms, end_ms, &s)) return 0;
    do {
        n = search(r, &s, found);
        for (size_t i = 0; i < n; i++) {
            size_t before = out->count;
            int rc = read_group(r, &found[i], id, start_ms, end_ms, out);
            if (rc == 0 && r->cut_count) cut_samples(r, found[i].info.cycle, out, before);
            if (rc == 0) continue;
            if (rc != E_CORRUPT) return rc;
            out->count = before; /* nothing of a group that is damaged */
            if (damaged) ++*damaged;
            found_damage(r, &found[i]);
        }
    } while (n == SEARCH_BATCH);
    return 0;
}

int partition_has(struct partition_reader *r, uint32_t id, int64_t start_ms, int64_t end_ms)
{
    struct dir_search s;
    struct dir_match found[SEARCH_BATCH];
    size_t n = 0;
    if (!search_begin(r, id, start_ms, end_ms, &s)) return 0;
    do {
        n = search(r, &s, found);
        for (size_t i = 0; i < n; i++) {
            int rc = group_has(r, &found[i], id, start_ms, end_ms);
            if (rc == E_CORRUPT)
                found_damage(r, &found[i]);
            else if (rc)
                return rc;
        }
    } while (n == SEARCH_BATCH);
    return 0;
}
