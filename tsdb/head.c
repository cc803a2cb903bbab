/* head.c -- the series in memory and their newest samples.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum {
    CHUNK_FIRST = 96,   /* bytes of a new chunk, header included */
    CHUNK_LAST = 4096,  /* bytes of the largest */
    LATE_FIRST = 8,     /* late samples a series starts with room for */
    LATE_MAX = 1 << 17, /* and ends with */
    BLOCKS_MAX = 1 << 20,
    SLOTS_MAX = 1 << 30,
};

int head_init(struct head *h)
{
    pthread_rwlockattr_t attr;
    *h = (struct head){.next_id = 1, .floor_ms = INT64_MIN};
    pthread_mutex_init(&h->lock, NULL);
    pthread_rwlockattr_init(&attr); /* busy readers must not keep new series out */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&h->index_lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    for (size_t i = 0; i < SLICE_COUNT; i++) {
        h->slices[i].min_ms = INT64_MAX;
        h->slices[i].max_ms = INT64_MIN;
    }
    return index_new(&h->index);
}

static void free_chunks(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        mem_free(c);
        c = next;
    }
}

void head_free_shell(struct head *h)
{
    for (size_t i = 0; i < h->block_count; i++)
        mem_free(h->blocks[i]);
    mem_free(h->blocks);
    for (size_t i = 0; i < SLICE_COUNT; i++)
        mem_free(h->slices[i].slots);
    index_free(h->index);
    pthread_mutex_destroy(&h->lock);
    pthread_rwlock_destroy(&h->index_lock);
}

void head_release(struct head *h)
{
    size_t count = h->index ? index_count(h->index) : 0;
    for (uint32_t i = 0; i < count; i++) {
        free_chunks(head_series(h, i)->first);
        mem_free(head_series(h, i)->late);
    }
    head_free_shell(h);
}

/* Makes sure that the block of a slot exists. */
static int grow_blocks(struct head *h, uint32_t slot)
{
    if (slot / SERIES_BLOCK < h->block_count) return 0;
    void *v = h->blocks;
    int rc = mem_grow(&v, &h->block_cap, h->block_count + 1, BLOCKS_MAX, sizeof(struct series *));
    h->blocks = v;
    if (rc < 0) return rc;
    h->blocks[h->block_count] = mem_array(SERIES_BLOCK, sizeof(struct series));
    if (!h->blocks[h->block_count]) return -ENOMEM;
    h->block_count++;
    return 0;
}

static int slice_add(struct slice *s, uint32_t slot)
{
    void *v = s->slots;
    int rc = mem_grow(&v, &s->cap, s->count + 1, SLOTS_MAX, sizeof *s->slots);
    s->slots = v;
    if (rc == 0) s->slots[s->count++] = slot;
    return rc;
}

int head_add(struct head *h, struct labels ls, uint64_t hash, uint32_t id, int64_t flushed_ms,
             uint32_t *slot)
{
    struct slice *slice = &h->slices[slice_of(id)];
    pthread_mutex_lock(&h->lock);
    int rc = grow_blocks(h, (uint32_t)index_count(h->index));
    if (rc == 0) rc = slice_add(slice, (uint32_t)index_count(h->index));
    if (rc == 0) {
        rc = index_add(h->index, ls, hash, id, slot);
        if (rc < 0) slice->count--;
    }
    if (rc == 0)
        *head_series(h, *slot) =
            (struct series){.id = id, .last_ms = INT64_MIN, .flushed_ms = flushed_ms};
    h->count = (uint32_t)index_count(h->index);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* --- appending ---------------------------------------------------------------------------------
 */

/* The link that points to the last chunk. */
static struct chunk **link_of_tail(struct series *s)
{
    struct chunk **link = &s->first;
    while (*link && *link != s->tail)
        link = &(*link)->next;
    return link;
}

static int new_chunk(struct head *h, struct series *s)
{
    struct chunk *c = mem_alloc(CHUNK_FIRST);
    if (!c) return -ENOMEM;
    *c = (struct chunk){.min_ms = INT64_MAX, .max_ms = INT64_MIN, .cap = CHUNK_FIRST - sizeof *c};
    if (s->tail)
        s->tail->next = c;
    else
        s->first = c;
    s->tail = c;
    s->open = true;
    h->bytes += CHUNK_FIRST;
    stream_restart(&s->stream);
    return 0;
}

static int grow_chunk(struct head *h, struct series *s)
{
    size_t old = sizeof(struct chunk) + s->tail->cap, size = MIN(old + old / 2, CHUNK_LAST);
    struct chunk **link = link_of_tail(s);
    struct chunk *c = mem_resize(s->tail, size, 1);
    if (!c) return -ENOMEM;
    c->cap = (uint32_t)(size - sizeof *c);
    *link = s->tail = c;
    h->bytes += size - old;
    return 0;
}

/* Makes sure that the tail takes one more sample. */
static int make_room(struct head *h, struct series *s)
{
    if (!s->open) return new_chunk(h, s);
    if (s->tail->cap - s->tail->len >= STREAM_SAMPLE_MAX) return 0;
    if (s->tail->cap + sizeof(struct chunk) < CHUNK_LAST) return grow_chunk(h, s);
    return new_chunk(h, s);
}

static int append_late(struct head *h, struct series *s, int64_t t_ms, double v)
{
    struct late *l = s->late;
    if (!l || l->count == l->cap) {
        uint32_t cap = l ? 2 * l->cap : LATE_FIRST;
        if (cap > LATE_MAX) return E_LIMIT;
        l = mem_resize(s->late, sizeof *l + cap * sizeof *l->v, 1);
        if (!l) return -ENOMEM;
        h->bytes += (cap - (s->late ? l->cap : 0)) * sizeof *l->v;
        if (!s->late) l->count = 0;
        l->cap = cap;
        s->late = l;
    }
    l->v[l->count++] = (struct late_sample){t_ms, v};
    return 0;
}

int head_append(struct head *h, struct series *s, int64_t t_ms, double v)
{
    if (t_ms > s->last_ms) {
        int rc = make_room(h, s);
        if (rc < 0) return rc;
        struct chunk *c = s->tail;
        c->len += (uint32_t)stream_put(&s->stream, t_ms, v, c->bytes + c->len);
        c->count++;
        c->min_ms = MIN(c->min_ms, t_ms);
        c->max_ms = t_ms;
        s->last_ms = t_ms;
        s->rewritten = false;
        return HEAD_STORED;
    }
    bool newest = t_ms == s->last_ms;
    if (newest && !s->rewritten && double_bits(v) == s->stream.bits) return HEAD_DUPLICATE;
    int rc = append_late(h, s, t_ms, v);
    if (rc < 0) return rc;
    s->rewritten |= newest;
    return HEAD_LATE;
}

/* --- reading and forgetting --------------------------------------------------------------------
 */

int chunks_read(const struct chunk *first, size_t count, int64_t start_ms, int64_t end_ms,
                struct sample_vec *out)
{
    for (const struct chunk *c = first; c && count; c = --count ? c->next : NULL) {
        struct stream_reader r;
        int64_t t = 0;
        double v = 0;
        if (c->max_ms < start_ms || c->min_ms > end_ms) continue;
        int rc = sample_vec_reserve(out, c->count);
        if (rc < 0) return rc;
        stream_reader_init(&r, c->bytes, c->len);
        while ((rc = stream_next(&r, &t, &v)) > 0 && t <= end_ms) {
            if (t < start_ms) continue;
            out->t[out->count] = t;
            out->v[out->count++] = v;
        }
        assert(rc >= 0); /* our own bytes, never on disk */
    }
    return 0;
}

int head_read(const struct series *s, int64_t start_ms, int64_t end_ms, struct sample_vec *out)
{
    int rc = chunks_read(s->first, SIZE_MAX, start_ms, end_ms, out);
    for (uint32_t i = 0; rc == 0 && s->late && i < s->late->count; i++) {
        const struct late_sample *l = &s->late->v[i];
        if (l->t_ms >= start_ms && l->t_ms <= end_ms) rc = sample_vec_add(out, l->t_ms, l->v);
    }
    return rc;
}

void head_forget(struct head *h, struct series *s, uint32_t chunks, uint32_t late_count)
{
    for (; chunks; chunks--) {
        struct chunk *c = s->first;
        s->first = c->next;
        if (s->tail == c) {
            s->tail = NULL;
            s->open = false;
        }
        h->bytes -= sizeof *c + c->cap;
        mem_free(c);
    }
    if (!late_count) return;
    s->late->count -= late_count;
    memmove(s->late->v, s->late->v + late_count, s->late->count * sizeof *s->late->v);
    if (s->late->count) return;
    h->bytes -= s->late->cap * sizeof *s->late->v;
    mem_free(s->late);
    s->late = NULL;
}
