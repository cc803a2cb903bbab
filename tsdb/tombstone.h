/* tombstone.h -- one deletion: matchers, a stretch of time, and the day files it is about.
 *
 * A day file is meant by its day and its birthday, and in it only groups of cycles below the one
 * that was next when the deletion was made: what is written later, also for the same time, stays.
 * So a file that was rewritten, or made anew, has no deletions left without anybody's doing.
 *
 * Counted references, immutable once shared. Pure: bytes in, bytes out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_TOMBSTONE_H
#define TOCSIN_TSDB_TOMBSTONE_H

#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "tsdb/labels.h"

struct tombstone_day {
    int64_t day_ms, created_ms;
    uint32_t cycle;
};

struct tombstone {
    int refs; /* atomic */
    int64_t start_ms, end_ms;
    struct matcher *matchers;
    size_t matcher_count;
    struct tombstone_day *days; /* ascending */
    size_t day_count, day_cap;
    struct arena arena; /* texts and matchers */
};

/* With one reference, without days. The matchers are copied. */
int tombstone_new(struct tombstone **out, const struct matcher *m, size_t count, int64_t start_ms,
                  int64_t end_ms) MUST_CHECK;
struct tombstone *tombstone_ref(struct tombstone *t);
void tombstone_unref(struct tombstone *t); /* NULL is fine */
int tombstone_refs(const struct tombstone *t);
int tombstone_add_day(struct tombstone *t, struct tombstone_day day) MUST_CHECK;

/* The payload of its record (docs/FORMAT.md) with those of its days that keep() wants; keep NULL:
 * all. */
typedef bool tombstone_keep_fn(void *arg, const struct tombstone_day *day);
int tombstone_encode(const struct tombstone *t, tombstone_keep_fn *keep, void *arg,
                     struct buf *out) MUST_CHECK;
/* E_CORRUPT when the payload makes no sense. */
int tombstone_decode(struct str payload, struct tombstone **out) MUST_CHECK;

#endif
