/* scrape_cache.c -- entries in a chained hash table, and two arrays of their order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/scrape_cache.h"

#include <errno.h>
#include <xxhash.h>

#include "core/mem.h"

enum { BUCKETS_MIN = 64, LINES_MAX = 1 << 26 };

void scrape_cache_release(struct scrape_cache *c)
{
    for (size_t i = 0; i < c->bucket_count; i++) {
        for (struct scrape_entry *e = c->buckets[i], *next; e; e = next) {
            next = e->next;
            mem_free(e);
        }
    }
    mem_free(c->buckets);
    mem_free(c->order);
    mem_free(c->building);
    *c = (struct scrape_cache){0};
}

void scrape_cache_begin(struct scrape_cache *c)
{
    c->body++;
    c->seen = c->next = c->building_count = 0;
}

struct scrape_entry *scrape_cache_expected(const struct scrape_cache *c)
{
    return c->next < c->order_count ? c->order[c->next] : NULL;
}

/* The type is part of the key, since it changes what labels mean (le, quantile). */
static uint64_t hash_of(struct str key, enum metric_type type)
{
    return XXH3_64bits_withSeed(key.p, key.len, (XXH64_hash_t)type);
}

static struct scrape_entry **bucket_of(const struct scrape_cache *c, uint64_t hash)
{
    return &c->buckets[hash & (c->bucket_count - 1)];
}

struct scrape_entry *scrape_cache_find(struct scrape_cache *c, struct str key, bool is_series,
                                       enum metric_type type)
{
    if (c->count == 0) return NULL;
    uint64_t hash = hash_of(key, type);
    for (struct scrape_entry *e = *bucket_of(c, hash); e; e = e->next)
        if (e->hash == hash && e->key_len == key.len && e->is_series == is_series &&
            e->type == type && memcmp(e->key, key.p, key.len) == 0)
            return e;
    return NULL;
}

/* Doubles the buckets as entries come; a failure matters only when there are none yet. */
static int make_room(struct scrape_cache *c)
{
    if (c->count < c->bucket_count) return 0;
    size_t count = c->bucket_count ? c->bucket_count * 2 : BUCKETS_MIN;
    struct scrape_entry **buckets = mem_array(count, sizeof(struct scrape_entry *));
    if (!buckets) return c->buckets ? 0 : -ENOMEM;
    for (size_t i = 0; i < c->bucket_count; i++) {
        for (struct scrape_entry *e = c->buckets[i], *next; e; e = next) {
            next = e->next;
            struct scrape_entry **to = &buckets[e->hash & (count - 1)];
            e->next = *to;
            *to = e;
        }
    }
    mem_free(c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
    return 0;
}

struct scrape_entry *scrape_cache_add(struct scrape_cache *c, struct str key, bool is_series,
                                      enum metric_type type)
{
    if (make_room(c) < 0) return NULL;
    struct scrape_entry *e = mem_alloc(sizeof *e + key.len);
    if (!e) return NULL;
    *e = (struct scrape_entry){
        .hash = hash_of(key, type),
        .born = c->body,
        .type = type,
        .is_series = is_series,
        .key_len = key.len,
    };
    memcpy(e->key, key.p, key.len);
    struct scrape_entry **bucket = bucket_of(c, e->hash);
    e->next = *bucket;
    *bucket = e;
    c->count++;
    return e;
}

int scrape_cache_take(struct scrape_cache *c, struct scrape_entry *e, bool *again)
{
    if (c->building_count == c->building_cap) {
        void *building = c->building;
        int rc = mem_grow(&building, &c->building_cap, c->building_count + 1, LINES_MAX,
                          sizeof(struct scrape_entry *));
        c->building = building;
        if (rc < 0) return rc;
    }
    *again = e->seen == c->body;
    if (*again) {
        c->next += scrape_cache_expected(c) == e;
    } else {
        if (e->seen) c->next = e->position + 1;
        e->seen = c->body;
        e->position = c->building_count;
        c->seen++;
    }
    c->building[c->building_count++] = e;
    return 0;
}

static bool is_unseen(const struct scrape_cache *c, const struct scrape_entry *e)
{
    return e->seen != c->body;
}

static bool is_new(const struct scrape_cache *c, const struct scrape_entry *e)
{
    return e->born == c->body;
}

typedef bool test_fn(const struct scrape_cache *c, const struct scrape_entry *e);

static void forget(struct scrape_cache *c, test_fn *test)
{
    for (size_t i = 0; i < c->bucket_count; i++) {
        for (struct scrape_entry **at = &c->buckets[i]; *at;) {
            struct scrape_entry *e = *at;
            if (!test(c, e)) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            mem_free(e);
            c->count--;
        }
    }
}

void scrape_cache_end(struct scrape_cache *c)
{
    if (c->seen != c->count) forget(c, is_unseen);
    struct scrape_entry **order = c->order;
    size_t cap = c->order_cap;
    c->order = c->building;
    c->order_count = c->building_count;
    c->order_cap = c->building_cap;
    c->building = order;
    c->building_cap = cap;
    c->building_count = 0;
}

void scrape_cache_abort(struct scrape_cache *c)
{
    forget(c, is_new);
    c->building_count = 0;
}

struct scrape_entry *scrape_cache_each(const struct scrape_cache *c, const struct scrape_entry *e)
{
    if (e && e->next) return e->next;
    size_t i = e ? (e->hash & (c->bucket_count - 1)) + 1 : 0;
    for (; i < c->bucket_count; i++)
        if (c->buckets[i]) return c->buckets[i];
    return NULL;
}
