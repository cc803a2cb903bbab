/* push_cache.h -- which series the lines of a pusher go to, by their bytes.
 *
 * The key is a line's head as written (measurement and tags, escapes and order included), hashed
 * with XXH3; under it, one slot a field in the order the fields came. A line seen before is so
 * resolved by one hash and one comparison a field. Striped by hash: a stripe is locked while one
 * line is resolved. Bounded in bytes; the entries not used for longest make room (clock).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_PUSH_CACHE_H
#define TOCSIN_COLLECTOR_PUSH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "tsdb/tsdb.h"

enum { PUSH_SLOTS_MAX = 256 }; /* fields of one head that are remembered */

struct push_slot {
    char *key; /* the field's name as written, owned by the entry */
    size_t key_len;
    tsdb_ref ref; /* 0: not known yet, or a string */
};

struct push_entry {
    struct push_entry *next; /* of its bucket */
    uint64_t hash;
    bool used; /* since the clock's hand passed */
    size_t slot_count, slot_cap;
    struct push_slot *slots;
    size_t head_len;
    char head[];
};

struct push_cache;
int push_cache_new(struct push_cache **out, size_t max_bytes) MUST_CHECK;
void push_cache_free(struct push_cache *c);

/* Locks the stripe of a head and finds or makes its entry; *is_new says which. The entry is the
 * caller's until push_cache_unlock with the same hash. -ENOMEM: nothing is locked. */
uint64_t push_cache_hash(struct str head);
int push_cache_lock(struct push_cache *c, struct str head, uint64_t hash, struct push_entry **out,
                    bool *is_new) MUST_CHECK;
/* drop: the entry's head turned out to be wrong, forget it. */
void push_cache_unlock(struct push_cache *c, uint64_t hash, struct push_entry *e, bool drop);

/* The slot of a field; NULL when there is none. */
struct push_slot *push_entry_slot(struct push_entry *e, struct str key);
/* Adds a slot; NULL when the entry is full or memory is refused: go on without. */
struct push_slot *push_entry_add(struct push_cache *c, struct push_entry *e, struct str key);

/* Forgets every ref (the store has closed runs); slots and keys stay. */
void push_cache_forget_refs(struct push_cache *c);
size_t push_cache_entries(struct push_cache *c);

#endif
