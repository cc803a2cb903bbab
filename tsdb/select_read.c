/* select_read.c -- the samples of one selected series, from the head and from day files.
 *
 * A series is read head first, then files: a flush moves samples from the head to a file, so they
 * are found at least once; found twice, they merge. The read transactions must not be older than
 * the look at the head: flush_seq tells when they are.
 *
 * Deleted samples are left out of what the files give (deletions.c); the head has none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "tsdb/select_int.h"

enum { SAMPLES_LEAST = 1 << 16 };     /* a series may have so many however little memory is left */
#define NEAR_MS   INT64_C(300000)     /* see read_latest_of_day */
#define READER_NS INT64_C(1000000000) /* read transactions are renewed after */

void set_init(struct tsdb_set *set, struct tsdb *db, const struct select_request *r,
              struct errmsg *err)
{
    *set = (struct tsdb_set){
        .db = db,
        .watch = {.budget = r->budget, .env = db->env, .err = err},
        .budget = r->budget,
        .arena = r->arena,
        .start_ms = r->start_ms,
        .end_ms = r->end_ms,
        .latest_only = r->latest_only,
    };
}

static void close_readers(struct tsdb_set *set);

void set_release(struct tsdb_set *set)
{
    close_readers(set);
    sample_vec_release(&set->samples);
    sample_vec_release(&set->from_head);
    mem_free(set->cuts.v);
    mem_free(set->aliases);
}

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
    int64_t min_ms, max_ms;
    partition_range(set->days[i]->p, &min_ms, &max_ms);
    int64_t near = MIN(set->end_ms, max_ms) - NEAR_MS;
    if (min_ms > max_ms) return 0;
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
    for (size_t i = 0; rc == 0 && i < set->day_count; i++) {
        rc = read_series_of_day(set, i, item, set->start_ms);
        if (rc == 0) rc = budget_look(&set->watch);
    }
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

/* The samples of one series are part of the query's memory too. */
static void bound_samples(struct tsdb_set *set)
{
    const struct arena *a = set->arena;
    size_t left = a && a->max > a->used ? a->max - a->used : 0;
    if (a) set->samples.max = set->from_head.max = MAX(left / 16, (size_t)SAMPLES_LEAST);
}

int set_read_item(struct tsdb_set *set, struct item *item)
{
    uint64_t flush_seq = 0;
    bool need_files = true;
    int rc = 0;
    set->samples.count = set->from_head.count = 0;
    bound_samples(set);
    if (item->id) rc = read_head(set, item, &flush_seq, &need_files);
    if (rc == 0 && (need_files || item->aliases)) {
        rc = open_readers(set, flush_seq);
        if (rc == 0) rc = read_days(set, item);
    }
    if (rc == 0) rc = append_head(set);
    return rc == 0 ? sample_vec_normalize(&set->samples) : rc;
}

/* --- presence -----------------------------------------------------------------------------------
 */

enum presence head_presence(const struct tsdb *db, const struct series *s, int64_t start_ms,
                            int64_t end_ms)
{
    bool deletions = __atomic_load_n(&db->deletion_count, __ATOMIC_ACQUIRE) != 0;
    if (s->last_ms >= start_ms && s->last_ms <= end_ms && !deletions) return PRESENCE_SURE;
    bool unknown = s->late || s->flushed_ms >= start_ms;
    for (const struct chunk *c = s->first; c; c = c->next) {
        if (c->max_ms < start_ms || c->min_ms > end_ms) continue;
        if (c->min_ms >= start_ms || c->max_ms <= end_ms) return PRESENCE_SURE;
        unknown = true; /* the range lies inside the chunk */
    }
    return unknown ? PRESENCE_UNKNOWN : PRESENCE_NONE;
}

/* Whether a day file has samples of the range under an id. */
static int day_has(struct tsdb_set *set, size_t i, uint32_t id)
{
    if (!set->readers[i]) {
        int rc = partition_reader_new(set->days[i]->p, &set->readers[i]);
        if (rc < 0) return rc;
    }
    if (!day_has_cuts(set->days[i]))
        return partition_has(set->readers[i], id, set->start_ms, set->end_ms);
    set->samples.count = 0;
    int rc = read_day(set, i, id, set->start_ms);
    return rc < 0 ? rc : set->samples.count > 0;
}

static int files_have(struct tsdb_set *set, const struct item *item, uint64_t flush_seq)
{
    int rc = open_readers(set, flush_seq);
    for (size_t i = 0; rc == 0 && i < set->day_count; i++) {
        if (item->id) rc = day_has(set, i, item->id);
        for (uint32_t k = 0; rc == 0 && k < item->aliases; k++) {
            const struct alias *a = &set->aliases[item->first_alias + k];
            if (a->day_ms == set->days[i]->day_ms) rc = day_has(set, i, a->id);
        }
    }
    return rc;
}

int set_item_is_present(struct tsdb_set *set, struct item *item)
{
    struct head *h = &set->db->head;
    enum presence p = PRESENCE_UNKNOWN;
    uint64_t flush_seq = 0;
    bool need_files = true;
    int rc = 0;
    bound_samples(set);
    set->samples.count = set->from_head.count = 0;
    if (item->id) {
        const struct series *s = lock_series(h, item);
        if (s) p = head_presence(set->db, s, set->start_ms, set->end_ms);
        pthread_mutex_unlock(&h->lock);
    }
    if (p == PRESENCE_SURE) return 1;
    if (item->id) rc = read_head(set, item, &flush_seq, &need_files);
    if (rc < 0 || set->from_head.count) return rc < 0 ? rc : 1;
    return need_files || item->aliases ? files_have(set, item, flush_seq) : 0;
}

int set_id_is_present(struct tsdb_set *set, int64_t day_ms, uint32_t id)
{
    int rc = open_readers(set, 0);
    bound_samples(set);
    for (size_t i = 0; rc == 0 && i < set->day_count; i++)
        if (set->days[i]->day_ms == day_ms) rc = day_has(set, i, id);
    return rc;
}
