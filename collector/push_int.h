/* push_int.h -- one push on its way: what the formats (push_influx.c, push_remote.c, push_text.c)
 * share. A format finds a series in the cache by the bytes it came with, or resolves it; then it
 * leaves points, and where each came from, in the batch, which goes to the store in pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_PUSH_INT_H
#define TOCSIN_COLLECTOR_PUSH_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/push.h"
#include "collector/push_cache.h"
#include "core/arena.h"
#include "core/buf.h"

enum { PUSH_BATCH = 1024, PUSH_IDLE_MAX = 8 };

struct push_counters {
    _Atomic uint64_t requests, lines, samples, bad_lines, dropped_strings, dropped_samples,
        dropped_histograms, dropped_exemplars;
};

struct push;
struct pusher {
    struct tsdb *db;
    struct env *env;
    struct labels extra;
    struct push_cache *cache;
    struct push_counters counters;
    pthread_mutex_t lock;             /* of idle */
    struct push *idle[PUSH_IDLE_MAX]; /* requests' memory, to be used again */
    size_t idle_count;
};

/* Where a point came from, to find its series again: bytes of the body, as the format likes. */
struct push_source {
    struct str head, key;
    size_t pos;
    int line;
};

/* Looks a series up in the store once more. 0, a refusal, or what ends the request. */
typedef int push_resolve_fn(struct push *s, const struct push_source *from, tsdb_ref *ref,
                            struct errmsg *err);

/* One request. */
struct push {
    struct pusher *p;
    struct push_result *r;
    push_resolve_fn *resolve;
    void *format; /* the format's own state */
    struct arena arena;
    struct buf scratch;
    struct tsdb_point *points;
    struct push_source *sources;
    size_t count, cap, source_cap;
    int64_t now_ms;
    struct label_builder labels;
};

/* Memory for one request; NULL: none. push_end counts what *r says and gives it back. */
struct push *push_begin(struct pusher *p, push_resolve_fn *resolve, void *format,
                        struct push_result *r) MUST_CHECK;
void push_end(struct push *s);

/* s->labels in the store; a message gets the line. */
int push_series(struct push *s, int line, tsdb_ref *ref, struct errmsg *err) MUST_CHECK;
int push_point(struct push *s, const struct push_source *from, tsdb_ref ref, int64_t t_ms,
               double v) MUST_CHECK;
/* Sends the batch; or only when it is full. */
int push_flush(struct push *s) MUST_CHECK;
static inline int push_flush_full(struct push *s)
{
    return s->count >= PUSH_BATCH ? push_flush(s) : 0;
}

/* Failures of one sample, not of the request. */
static inline bool push_is_refusal(int rc)
{
    return rc == E_LIMIT || rc == E_INVALID || rc == E_TOO_BIG;
}
void push_note_error(struct push *s, const struct errmsg *e);
void push_drop_samples(struct push *s, size_t count, const struct errmsg *e);

/* A series known by its bytes alone (the formats that have one value a line): finds it in the
 * cache, or else calls resolve with from and remembers. *is_new: resolve was called. */
int push_cached(struct push *s, struct str key, const struct push_source *from, tsdb_ref *ref,
                bool *is_new, struct errmsg *err) MUST_CHECK;

#endif
