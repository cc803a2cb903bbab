/* scrape_cache.h -- the lines of a target's last body, and the series they go to.
 *
 * A body repeats itself scrape after scrape: the same lines in the same order, other numbers. So
 * every line seen gets an entry, keyed by the bytes before its number (a series) or by all its
 * bytes (HELP, TYPE, comments), and the order of the last body is kept. Reading the next body,
 * the expected entry is compared in place; only a line that is not where it was is hashed, and
 * only one never seen is decoded.
 *
 *     order:  [HELP a][TYPE a][a{x="1"}][a{x="2"}][HELP b]...     entries, in body order
 *     next:    ^ compared with the line at hand; after a miss it follows the entry found
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_SCRAPE_CACHE_H
#define TOCSIN_COLLECTOR_SCRAPE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "tsdb/tsdb.h"

struct scrape_entry {
    struct scrape_entry *next; /* in its bucket */
    uint64_t hash;
    uint64_t born, seen;   /* numbers of the first and the last body that had it */
    size_t position;       /* its last place in the order */
    tsdb_ref ref;          /* 0: not resolved; always 0 for other lines than series */
    enum metric_type type; /* what the last TYPE line said; of a TYPE line, what it says */
    bool is_series;
    bool sets_type;
    bool skipped; /* an OpenMetrics _created series: read, not stored */
    bool undated; /* the last sample's time was ours: to be marked stale when it is gone */
    bool live;    /* has such a sample that is not yet marked stale */
    size_t key_len;
    char key[];
};

struct scrape_cache {
    struct scrape_entry **buckets;
    size_t bucket_count, count;              /* buckets: a power of two */
    struct scrape_entry **order, **building; /* of the last body, and of the one being read */
    size_t order_count, order_cap, building_count, building_cap;
    size_t next;   /* in order: what should come now */
    uint64_t body; /* number of the body being read */
    size_t seen;   /* distinct entries of it so far */
    uint64_t hits, misses;
};

void scrape_cache_release(struct scrape_cache *c); /* a zeroed struct is an empty cache */

/* Starts a body. */
void scrape_cache_begin(struct scrape_cache *c);
/* The entry expected now, or NULL; after it has been compared and fits: scrape_cache_take. */
struct scrape_entry *scrape_cache_expected(const struct scrape_cache *c);
/* The entry of a key, wherever it stands; NULL when it is new. */
struct scrape_entry *scrape_cache_find(struct scrape_cache *c, struct str key, bool is_series,
                                       enum metric_type type);
/* A new entry, not yet taken. NULL without memory. */
struct scrape_entry *scrape_cache_add(struct scrape_cache *c, struct str key, bool is_series,
                                      enum metric_type type);
/* Notes that the body has e here; *again tells that it had it before. */
int scrape_cache_take(struct scrape_cache *c, struct scrape_entry *e, bool *again) MUST_CHECK;
/* The body is whole: its order is the one expected from now on, and entries it did not have are
 * forgotten. */
void scrape_cache_end(struct scrape_cache *c);
/* The body is refused: what it brought anew is forgotten, the old order stays. */
void scrape_cache_abort(struct scrape_cache *c);
/* Every entry, in no order; NULL begins, NULL ends. */
struct scrape_entry *scrape_cache_each(const struct scrape_cache *c, const struct scrape_entry *e);

#endif
