/* push_cache.c -- a striped, chained hash table with a clock's hand for eviction.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/push_cache.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <xxhash.h>

#include "core/mem.h"

enum { STRIPES = 16, BUCKETS_MIN = 64, SLOTS_GROW_MAX = PUSH_SLOTS_MAX };

struct stripe {
    pthread_mutex_t lock;
    struct push_entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entries, bytes;
    size_t hand; /* the bucket the clock looks at next */
};

struct push_cache {
    size_t stripe_max_bytes;
    struct stripe stripes[STRIPES];
};

/* The top bits choose the stripe, the low ones the bucket. */
static struct stripe *stripe_of(struct push_cache *c, uint64_t hash)
{
    return &c->stripes[hash >> 60];
}

static size_t entry_bytes(const struct push_entry *e)
{
    size_t bytes = sizeof *e + e->head_len + e->slot_cap * sizeof e->slots[0];
    for (size_t i = 0; i < e->slot_count; i++)
        bytes += e->slots[i].key_len;
    return bytes;
}

static void entry_free(struct push_entry *e)
{
    for (size_t i = 0; i < e->slot_count; i++)
        mem_free(e->slots[i].key);
    mem_free(e->slots);
    mem_free(e);
}

int push_cache_new(struct push_cache **out, size_t max_bytes)
{
    struct push_cache *c = mem_zalloc(sizeof *c);
    if (!c) return -ENOMEM;
    c->stripe_max_bytes = max_bytes / STRIPES;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *s = &c->stripes[i];
        pthread_mutex_init(&s->lock, NULL);
        s->buckets = mem_array(BUCKETS_MIN, sizeof s->buckets[0]);
        s->bucket_count = s->buckets ? BUCKETS_MIN : 0;
    }
    for (size_t i = 0; i < STRIPES; i++) {
        if (c->stripes[i].buckets) continue;
        push_cache_free(c);
        return -ENOMEM;
    }
    *out = c;
    return 0;
}

void push_cache_free(struct push_cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *s = &c->stripes[i];
        for (size_t b = 0; b < s->bucket_count; b++) {
            for (struct push_entry *e = s->buckets[b], *next; e; e = next) {
                next = e->next;
                entry_free(e);
            }
        }
        mem_free(s->buckets);
        pthread_mutex_destroy(&s->lock);
    }
    mem_free(c);
}

static struct push_entry **bucket_of(struct stripe *s, uint64_t hash)
{
    return &s->buckets[hash & (s->bucket_count - 1)];
}

static void unlink_entry(struct stripe *s, struct push_entry **at)
{
    struct push_entry *e = *at;
    *at = e->next;
    s->entries--;
    s->bytes -= entry_bytes(e);
    entry_free(e);
}

/* Walks the clock until the stripe is within its bytes; keep is never evicted. */
static void evict(struct stripe *s, size_t max_bytes, const struct push_entry *keep)
{
    size_t looked = 0;
    while (s->bytes > max_bytes && looked++ < 2 * s->bucket_count) {
        struct push_entry **at = &s->buckets[s->hand];
        s->hand = (s->hand + 1) & (s->bucket_count - 1);
        while (*at) {
            struct push_entry *e = *at;
            if (e->used || e == keep) {
                e->used = false;
                at = &e->next;
            } else {
                unlink_entry(s, at);
            }
        }
    }
}

/* Doubles the buckets when chains grow; without memory, chains just stay longer. */
static void widen(struct stripe *s)
{
    if (s->entries < s->bucket_count * 2) return;
    size_t count = s->bucket_count * 2;
    struct push_entry **buckets = mem_array(count, sizeof *buckets);
    if (!buckets) return;
    for (size_t b = 0; b < s->bucket_count; b++) {
        for (struct push_entry *e = s->buckets[b], *next; e; e = next) {
            next = e->next;
            struct push_entry **to = &buckets[e->hash & (count - 1)];
            e->next = *to;
            *to = e;
        }
    }
    mem_free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = count;
    s->hand = 0;
}

static struct push_entry *insert(struct stripe *s, struct str head, uint64_t hash)
{
    struct push_entry *e = mem_alloc(sizeof *e + head.len);
    if (!e) return NULL;
    *e = (struct push_entry){.hash = hash, .head_len = head.len};
    memcpy(e->head, head.p, head.len);
    widen(s);
    struct push_entry **bucket = bucket_of(s, hash);
    e->next = *bucket;
    *bucket = e;
    s->entries++;
    s->bytes += entry_bytes(e);
    return e;
}

uint64_t push_cache_hash(struct str head)
{
    return XXH3_64bits(head.p, head.len);
}

int push_cache_lock(struct push_cache *c, struct str head, uint64_t hash, struct push_entry **out,
                    bool *is_new)
{
    struct stripe *s = stripe_of(c, hash);
    pthread_mutex_lock(&s->lock);
    struct push_entry *e = *bucket_of(s, hash);
    while (e && (e->hash != hash || !str_eq((struct str){e->head, e->head_len}, head)))
        e = e->next;
    *is_new = !e;
    if (!e) e = insert(s, head, hash);
    if (!e) {
        pthread_mutex_unlock(&s->lock);
        return -ENOMEM;
    }
    e->used = true;
    *out = e;
    return 0;
}

void push_cache_unlock(struct push_cache *c, uint64_t hash, struct push_entry *e, bool drop)
{
    struct stripe *s = stripe_of(c, hash);
    if (drop) {
        struct push_entry **at = bucket_of(s, hash);
        while (*at && *at != e)
            at = &(*at)->next;
        assert(*at);
        unlink_entry(s, at);
    } else if (s->bytes > c->stripe_max_bytes) {
        evict(s, c->stripe_max_bytes, e);
    }
    pthread_mutex_unlock(&s->lock);
}

static bool slot_is(const struct push_slot *s, struct str key)
{
    return s->key_len == key.len && memcmp(s->key, key.p, key.len) == 0;
}

struct push_slot *push_entry_slot(struct push_entry *e, struct str key)
{
    for (size_t k = 0; k < e->slot_count; k++)
        if (slot_is(&e->slots[k], key)) return &e->slots[k];
    return NULL;
}

struct push_slot *push_entry_add(struct push_cache *c, struct push_entry *e, struct str key)
{
    struct stripe *s = stripe_of(c, e->hash);
    if (e->slot_count == PUSH_SLOTS_MAX) return NULL;
    size_t before = entry_bytes(e);
    void *slots = e->slots;
    int rc = mem_grow(&slots, &e->slot_cap, e->slot_count + 1, SLOTS_GROW_MAX, sizeof e->slots[0]);
    e->slots = slots;
    char *copy = rc == 0 ? mem_dup(key.p, key.len) : NULL;
    struct push_slot *slot = NULL;
    if (copy) {
        slot = &e->slots[e->slot_count++];
        *slot = (struct push_slot){.key = copy, .key_len = key.len};
    }
    s->bytes += entry_bytes(e) - before;
    return slot;
}

void push_cache_forget_refs(struct push_cache *c)
{
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *s = &c->stripes[i];
        pthread_mutex_lock(&s->lock);
        for (size_t b = 0; b < s->bucket_count; b++)
            for (struct push_entry *e = s->buckets[b]; e; e = e->next)
                for (size_t k = 0; k < e->slot_count; k++)
                    e->slots[k].ref = 0;
        pthread_mutex_unlock(&s->lock);
    }
}

size_t push_cache_entries(struct push_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&c->stripes[i].lock);
        n += c->stripes[i].entries;
        pthread_mutex_unlock(&c->stripes[i].lock);
    }
    return n;
}
