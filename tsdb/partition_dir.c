/* partition_dir.c -- in memory: which groups a partition has, and which ids it knows.
 *
 * 29 bytes a group of about 16 KiB. Groups lie in the order they were written: by cycle, inside a
 * cycle by id, so a turn (the groups of one append) is skipped by its ranges or searched in halves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/partition_int.h"

enum { CHUNK_IDS = 4096, GROUPS_MAX = 1 << 28 };

/* --- keys ---------------------------------------------------------------------------------------
 */

void group_key_put(const struct group_info *g, uint8_t key[GROUP_KEY_SIZE])
{
    put_be32(key, g->cycle);
    put_be32(key + 4, g->first_id);
    put_be32(key + 8, g->last_id);
    put_be32(key + 12, g->min_ms);
    put_be32(key + 16, g->max_ms);
    put_be32(key + 20, g->slice << 16 | g->flags);
}

int group_key_get(struct kv_slice key, struct group_info *out)
{
    const uint8_t *k = key.p;
    if (key.len != GROUP_KEY_SIZE) return E_CORRUPT;
    uint32_t slice_flags = get_be32(k + 20);
    *out = (struct group_info){
        .cycle = get_be32(k),
        .first_id = get_be32(k + 4),
        .last_id = get_be32(k + 8),
        .min_ms = get_be32(k + 12),
        .max_ms = get_be32(k + 16),
        .slice = slice_flags >> 16,
        .flags = (uint16_t)slice_flags,
    };
    if (out->first_id > out->last_id || out->min_ms > out->max_ms || out->max_ms >= DAY_MS)
        return E_CORRUPT;
    return 0;
}

bool group_info_eq(const struct group_info *a, const struct group_info *b)
{
    return a->cycle == b->cycle && a->slice == b->slice && a->first_id == b->first_id &&
           a->last_id == b->last_id && a->min_ms == b->min_ms && a->max_ms == b->max_ms &&
           a->flags == b->flags;
}

/* --- the directory ------------------------------------------------------------------------------
 */

int group_dir_reserve(struct group_dir *d, size_t groups)
{
    void *array = d->groups;
    int rc = mem_grow(&array, &d->cap, d->count + groups, GROUPS_MAX, sizeof *d->groups);
    d->groups = array;
    if (rc < 0) return rc;
    array = d->status;
    rc = mem_grow(&array, &d->status_cap, d->count + groups, GROUPS_MAX, sizeof *d->status);
    d->status = array;
    if (rc < 0) return rc;
    array = d->turns;
    rc = mem_grow(&array, &d->turn_cap, d->turn_count + 1, GROUPS_MAX, sizeof *d->turns);
    d->turns = array;
    return rc;
}

void group_dir_add(struct group_dir *d, const struct group_info *g, uint64_t txn_id)
{
    bool same_turn = d->count > 0 && d->groups[d->count - 1].cycle == g->cycle;
    if (!same_turn)
        d->turns[d->turn_count++] = (struct dir_turn){
            .first = d->count,
            .min_id = UINT32_MAX,
            .min_ms = UINT32_MAX,
            .txn_id = txn_id,
        };
    struct dir_turn *t = &d->turns[d->turn_count - 1];
    t->min_id = MIN(t->min_id, g->first_id);
    t->max_id = MAX(t->max_id, g->last_id);
    t->min_ms = MIN(t->min_ms, g->min_ms);
    t->max_ms = MAX(t->max_ms, g->max_ms);
    atomic_store_explicit(&d->status[d->count], GROUP_UNCHECKED, memory_order_relaxed);
    d->groups[d->count++] = *g;
}

void group_dir_release(struct group_dir *d)
{
    mem_free(d->groups);
    mem_free(d->status);
    mem_free(d->turns);
    *d = (struct group_dir){0};
}

/* The first group of [lo, hi) that does not end before id. */
static size_t first_reaching(const struct group_dir *d, size_t lo, size_t hi, uint32_t id)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->groups[mid].last_id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t search_turn(const struct group_dir *d, struct dir_search *s, struct dir_match *out,
                          size_t max)
{
    const struct dir_turn *t = &d->turns[s->turn];
    size_t end = s->turn + 1 < d->turn_count ? t[1].first : d->count, n = 0;
    size_t i = s->group ? s->group : first_reaching(d, t->first, end, s->id);
    for (; i < end && d->groups[i].first_id <= s->id; i++) {
        const struct group_info *g = &d->groups[i];
        if (g->min_ms > s->end_ms || g->max_ms < s->start_ms) continue;
        if (n == max) {
            s->group = i; /* never 0: something was found before it */
            return n;
        }
        out[n++] = (struct dir_match){
            .index = i,
            .status = atomic_load_explicit(&d->status[i], memory_order_relaxed),
            .info = *g,
        };
    }
    s->group = 0;
    s->turn++;
    return n;
}

size_t group_dir_search(const struct group_dir *d, struct dir_search *s, struct dir_match *out,
                        size_t max)
{
    size_t n = 0;
    while (s->turn < s->turn_limit && n < max) {
        const struct dir_turn *t = &d->turns[s->turn];
        if (t->min_id > s->id || t->max_id < s->id || t->min_ms > s->end_ms ||
            t->max_ms < s->start_ms || t->txn_id > s->txn_id)
            s->turn++;
        else
            n += search_turn(d, s, out + n, max - n);
    }
    return n;
}

/* --- ids ----------------------------------------------------------------------------------------
 */

/* Where the chunk of an id is, or would be. */
static size_t chunk_place(const struct id_set *s, uint32_t base)
{
    size_t lo = 0, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->chunks[mid].base < base)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint64_t *find_word(const struct id_set *s, uint32_t id)
{
    uint32_t base = id / CHUNK_IDS * CHUNK_IDS;
    size_t at = chunk_place(s, base);
    if (at == s->count || s->chunks[at].base != base) return NULL;
    return &s->chunks[at].bits[id % CHUNK_IDS / 64];
}

bool id_set_has(const struct id_set *s, uint32_t id)
{
    const uint64_t *word = find_word(s, id);
    return word && *word >> (id % 64) & 1;
}

int id_set_add(struct id_set *s, uint32_t id)
{
    uint64_t *word = find_word(s, id);
    if (!word) {
        uint32_t base = id / CHUNK_IDS * CHUNK_IDS;
        size_t at = chunk_place(s, base);
        void *array = s->chunks;
        int rc =
            mem_grow(&array, &s->cap, s->count + 1, UINT32_MAX / CHUNK_IDS + 1, sizeof *s->chunks);
        s->chunks = array;
        if (rc < 0) return rc;
        memmove(&s->chunks[at + 1], &s->chunks[at], (s->count - at) * sizeof *s->chunks);
        s->chunks[at] = (struct id_chunk){.base = base};
        s->count++;
        word = find_word(s, id);
    }
    *word |= UINT64_C(1) << (id % 64);
    return 0;
}

void id_set_remove(struct id_set *s, uint32_t id)
{
    uint64_t *word = find_word(s, id);
    if (word) *word &= ~(UINT64_C(1) << (id % 64));
}

void id_set_release(struct id_set *s)
{
    mem_free(s->chunks);
    *s = (struct id_set){0};
}
