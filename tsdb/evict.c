/* evict.c -- forgetting series that have gone quiet, so that churn costs memory only for a while.
 *
 * Once a turn of the flusher every series without unflushed samples grows one turn older; with
 * IDLE_TURNS it is dead. When the dead are many, the head's index is built anew from the living:
 * the living get new slots and keep their ids, handles of all that moved answer E_STALE once. Reads
 * find the dead through the indexes of the day files, which is what head.floor_ms is for.
 *
 * The new index grows while appends and reads go on (under the index lock, shared); the switch
 * adds what changed meanwhile and moves the records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum { IDLE_TURNS = 3, DEAD_MANY = 1024 };

#define GONE UINT32_MAX

struct eviction {
    struct tsdb *db;
    struct head next; /* index, blocks and slices of the living; its locks are not used */
    uint32_t *moved;  /* new slot by old slot, GONE for the dead */
    size_t old_count, dead;
};

static bool is_dead(const struct series *s)
{
    return s->idle_turns >= IDLE_TURNS && !s->first && !s->late;
}

/* Makes every quiet series a turn older; returns how many are dead. */
static size_t grow_older(struct head *h, size_t count)
{
    size_t dead = 0;
    pthread_mutex_lock(&h->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct series *s = head_series(h, i);
        if (s->first || s->late)
            s->idle_turns = 0;
        else if (s->idle_turns < IDLE_TURNS)
            s->idle_turns++;
        dead += is_dead(s);
    }
    pthread_mutex_unlock(&h->lock);
    return dead;
}

static bool worth_it(const struct tsdb *db, size_t count, size_t dead)
{
    size_t limit = db->o.max_series > 0 ? (size_t)db->o.max_series : SIZE_MAX;
    bool crowded = count >= limit - limit / 10;
    return (dead >= DEAD_MANY && dead > count / 2) || (crowded && dead > count / 16);
}

/* Gives a series of the old index a place in the new one. */
static int move(struct eviction *e, uint32_t slot)
{
    struct label v[LABELS_MAX];
    const struct index *x = e->db->head.index;
    struct labels ls = index_labels(x, slot, v);
    return head_add(&e->next, ls, index_hash(x, slot), index_id(x, slot), INT64_MIN,
                    &e->moved[slot]);
}

/* Takes note of who is dead now, then moves the others. index_lock held for reading. */
static int move_living(struct eviction *e)
{
    struct head *h = &e->db->head;
    int rc = 0;
    e->moved = mem_array(e->old_count, sizeof *e->moved);
    if (!e->moved) return -ENOMEM;
    pthread_mutex_lock(&h->lock);
    for (uint32_t i = 0; i < e->old_count; i++)
        e->moved[i] = is_dead(head_series(h, i)) ? GONE : 0;
    pthread_mutex_unlock(&h->lock);
    for (uint32_t i = 0; rc == 0 && i < e->old_count; i++)
        if (e->moved[i] != GONE) rc = move(e, i);
    return rc;
}

/* Moves those created or woken since. Both locks held. */
static int move_rest(struct eviction *e)
{
    struct head *h = &e->db->head;
    size_t count = index_count(h->index);
    uint32_t *moved = mem_resize(e->moved, count, sizeof *moved);
    int rc = moved ? 0 : -ENOMEM;
    if (!moved) return rc;
    e->moved = moved;
    for (size_t i = e->old_count; i < count; i++)
        moved[i] = GONE;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        if (moved[i] == GONE && (i >= e->old_count || !is_dead(head_series(h, i)))) rc = move(e, i);
    e->old_count = count;
    return rc;
}

/* Carries records and slices over. Both locks held; cannot fail. */
static void switch_over(struct eviction *e)
{
    struct head *h = &e->db->head, old = *h;
    for (uint32_t i = 0; i < e->old_count; i++) {
        const struct series *s = head_series(h, i);
        if (e->moved[i] != GONE) {
            *head_series(&e->next, e->moved[i]) = *s;
            continue;
        }
        h->floor_ms = MAX(h->floor_ms, MAX(s->last_ms, s->flushed_ms));
        e->dead++;
    }
    for (size_t i = 0; i < SLICE_COUNT; i++) {
        h->slices[i].slots = e->next.slices[i].slots;
        h->slices[i].count = e->next.slices[i].count;
        h->slices[i].cap = e->next.slices[i].cap;
        e->next.slices[i].slots = old.slices[i].slots;
    }
    h->index = e->next.index;
    h->index_seq++;
    h->count = e->next.count;
    h->blocks = e->next.blocks;
    h->block_count = e->next.block_count;
    h->block_cap = e->next.block_cap;
    e->next.index = old.index; /* to be freed, without the chunks that moved */
    e->next.blocks = old.blocks;
    e->next.block_count = old.block_count;
}

static int evict(struct eviction *e)
{
    struct head *h = &e->db->head;
    pthread_rwlock_rdlock(&h->index_lock);
    e->old_count = index_count(h->index);
    int rc = move_living(e);
    pthread_rwlock_unlock(&h->index_lock);
    if (rc < 0) return rc;
    pthread_rwlock_wrlock(&h->index_lock);
    pthread_mutex_lock(&h->lock);
    rc = move_rest(e);
    if (rc == 0) switch_over(e);
    pthread_mutex_unlock(&h->lock);
    pthread_rwlock_unlock(&h->index_lock);
    return rc;
}

void evict_turn(struct tsdb *db)
{
    struct head *h = &db->head;
    struct eviction e = {.db = db};
    int64_t now = env_mono_ns(db->env);
    if (now - db->evicted_ns < db->o.flush_turn_ms * 1000000 / 2) return;
    db->evicted_ns = now;
    pthread_rwlock_rdlock(&h->index_lock);
    size_t count = index_count(h->index), dead = grow_older(h, count);
    pthread_rwlock_unlock(&h->index_lock);
    if (!worth_it(db, count, dead)) return;
    int rc = head_init(&e.next);
    if (rc == 0) rc = evict(&e);
    if (rc < 0)
        log_warn("quiet series kept", "err=\"%s\"", err_text(rc));
    else
        log_info("quiet series forgotten", "count=%zu left=%zu", e.dead, e.old_count - e.dead);
    head_free_shell(&e.next);
    mem_free(e.moved);
}
