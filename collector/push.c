/* push.c -- what all formats of pushed data share: memory of requests, the batch, refs that went
 * stale, counters.
 *
 * The batch goes to the store in pieces of at most PUSH_BATCH points, at ends of lines or series,
 * so that nothing is stored by halves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/push.h"

#include <errno.h>

#include "collector/push_int.h"
#include "core/mem.h"

enum {
    CACHE_MAX_BYTES = 64 << 20,
    ARENA_MAX_BYTES = 64 << 20,  /* of one line's head, or one message's symbols */
    SCRATCH_MAX_BYTES = 1 << 20, /* one series, unescaped */
    POINTS_MAX = PUSH_BATCH + INFLUX_FIELDS_MAX,
    IDLE_POINTS_MAX = 4 * PUSH_BATCH, /* more are not kept */
};

int pusher_new(struct pusher **out, struct tsdb *db, struct env *env, struct labels extra)
{
    struct pusher *p = mem_zalloc(sizeof *p);
    if (!p) return -ENOMEM;
    p->db = db;
    p->env = env;
    pthread_mutex_init(&p->lock, NULL);
    int rc = labels_dup(extra, &p->extra);
    if (rc == 0) rc = push_cache_new(&p->cache, CACHE_MAX_BYTES);
    if (rc < 0) {
        pusher_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void push_free(struct push *s)
{
    arena_release(&s->arena);
    mem_free(s->points);
    mem_free(s->sources);
    buf_release(&s->scratch);
    mem_free(s);
}

void pusher_free(struct pusher *p)
{
    if (!p) return;
    while (p->idle_count > 0)
        push_free(p->idle[--p->idle_count]);
    push_cache_free(p->cache);
    labels_free_dup(&p->extra);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* The memory of an earlier request, or new. */
static struct push *push_borrow(struct pusher *p)
{
    struct push *s = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->idle_count > 0) s = p->idle[--p->idle_count];
    pthread_mutex_unlock(&p->lock);
    if (s) return s;
    s = mem_zalloc(sizeof *s);
    if (!s) return NULL;
    s->p = p;
    arena_init(&s->arena, ARENA_MAX_BYTES);
    buf_init(&s->scratch, SCRATCH_MAX_BYTES);
    return s;
}

static void push_return(struct push *s)
{
    struct pusher *p = s->p;
    bool kept = false;
    s->count = 0;
    arena_reset(&s->arena);
    pthread_mutex_lock(&p->lock);
    if (s->cap <= IDLE_POINTS_MAX && p->idle_count < PUSH_IDLE_MAX) {
        p->idle[p->idle_count++] = s;
        kept = true;
    }
    pthread_mutex_unlock(&p->lock);
    if (!kept) push_free(s);
}

/* --- problems -----------------------------------------------------------------------------------
 */

void push_note_error(struct push *s, const struct errmsg *e)
{
    if (s->r->first_error.text[0] == '\0') s->r->first_error = *e;
}

void push_drop_samples(struct push *s, size_t count, const struct errmsg *e)
{
    s->r->dropped_samples += count;
    push_note_error(s, e);
}

/* --- series and points --------------------------------------------------------------------------
 */

int push_series(struct push *s, int line, tsdb_ref *ref, struct errmsg *err)
{
    int rc = tsdb_series(s->p->db, label_builder_view(&s->labels), ref, err);
    if (rc < 0 && err) {
        err->line = line;
        err->column = 1;
    }
    return rc;
}

int push_point(struct push *s, const struct push_source *from, tsdb_ref ref, int64_t t_ms, double v)
{
    if (s->count == s->cap) {
        void *points = s->points, *sources = s->sources;
        int rc = mem_grow(&points, &s->cap, s->count + 1, POINTS_MAX, sizeof s->points[0]);
        s->points = points;
        if (rc == 0)
            rc = mem_grow(&sources, &s->source_cap, s->cap, POINTS_MAX, sizeof s->sources[0]);
        s->sources = sources;
        if (rc < 0) return rc;
    }
    s->points[s->count] = (struct tsdb_point){.ref = ref, .t_ms = t_ms, .v = v};
    s->sources[s->count++] = *from;
    return 0;
}

/* One slot an entry: the only value of its lines. */
#define ONLY STR("v")

int push_cached(struct push *s, struct str key, const struct push_source *from, tsdb_ref *ref,
                bool *is_new, struct errmsg *err)
{
    struct push_entry *e;
    uint64_t hash = push_cache_hash(key);
    int rc = push_cache_lock(s->p->cache, key, hash, &e, is_new);
    if (rc < 0) return rc;
    struct push_slot *slot = push_entry_slot(e, ONLY);
    *ref = slot ? slot->ref : 0;
    *is_new = *ref == 0;
    if (*is_new) {
        rc = s->resolve(s, from, ref, err);
        if (!slot && rc == 0) slot = push_entry_add(s->p->cache, e, ONLY);
        if (slot && rc == 0) slot->ref = *ref;
    }
    push_cache_unlock(s->p->cache, hash, e, rc < 0);
    return rc;
}

/* --- appending ----------------------------------------------------------------------------------
 */

/* Refs that outlived their run: every series of the piece is looked up again. Points whose series
 * is refused now are dropped. */
static int resolve_again(struct push *s, struct tsdb_point *points, struct push_source *sources,
                         size_t *count)
{
    size_t kept = 0;
    push_cache_forget_refs(s->p->cache);
    for (size_t i = 0; i < *count; i++) {
        struct errmsg why = {0};
        int rc = s->resolve(s, &sources[i], &points[i].ref, &why);
        if (push_is_refusal(rc)) {
            push_drop_samples(s, 1, &why);
            continue;
        }
        if (rc < 0) return rc;
        points[kept] = points[i];
        sources[kept++] = sources[i];
    }
    *count = kept;
    return 0;
}

/* Tells about samples outside the store's time window, by the line of the one furthest out. */
static void report_times(struct push *s, const struct tsdb_point *points,
                         const struct push_source *sources, size_t count,
                         const struct tsdb_append_result *r)
{
    size_t far = 0;
    struct errmsg e = {0};
    if (r->too_old + r->too_new == 0) return;
    for (size_t i = 1; i < count; i++)
        if (r->too_old ? points[i].t_ms < points[far].t_ms : points[i].t_ms > points[far].t_ms)
            far = i;
    errmsg_at(&e, E_OUT_OF_ORDER, sources[far].line, 0, "timestamp %lld ms is %s",
              (long long)points[far].t_ms,
              r->too_old ? "older than the store takes" : "too far in the future");
    push_drop_samples(s, r->too_old + r->too_new, &e);
}

static int append_piece(struct push *s, struct tsdb_point *points, struct push_source *sources,
                        size_t count)
{
    struct tsdb_append_result r = {0};
    int rc = tsdb_append(s->p->db, points, count, &r);
    for (int tries = 0; rc == 0 && r.stale_refs > 0 && tries < 3; tries++) {
        rc = resolve_again(s, points, sources, &count);
        r = (struct tsdb_append_result){0};
        if (rc == 0 && count > 0) rc = tsdb_append(s->p->db, points, count, &r);
    }
    if (rc == 0 && r.stale_refs > 0) rc = E_UNAVAILABLE;
    if (rc < 0) return rc;
    report_times(s, points, sources, count, &r);
    s->r->samples += count - r.too_old - r.too_new;
    s->r->lsn = MAX(s->r->lsn, r.lsn);
    return 0;
}

int push_flush(struct push *s)
{
    for (size_t i = 0; i < s->count; i += PUSH_BATCH) {
        int rc =
            append_piece(s, s->points + i, s->sources + i, MIN(s->count - i, (size_t)PUSH_BATCH));
        if (rc < 0) return rc;
    }
    s->count = 0;
    return 0;
}

/* --- requests -----------------------------------------------------------------------------------
 */

struct push *push_begin(struct pusher *p, push_resolve_fn *resolve, void *format,
                        struct push_result *r)
{
    struct push *s = push_borrow(p);
    *r = (struct push_result){0};
    if (!s) return NULL;
    s->r = r;
    s->resolve = resolve;
    s->format = format;
    s->now_ms = env_now_ms(p->env);
    return s;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void push_end(struct push *s)
{
    struct push_counters *c = &s->p->counters;
    const struct push_result *r = s->r;
    count(&c->requests, 1);
    count(&c->lines, r->lines);
    count(&c->samples, r->samples);
    count(&c->bad_lines, r->bad_lines);
    count(&c->dropped_strings, r->dropped_strings);
    count(&c->dropped_samples, r->dropped_samples);
    count(&c->dropped_histograms, r->dropped_histograms);
    count(&c->dropped_exemplars, r->dropped_exemplars);
    push_return(s);
}

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void pusher_stats(struct pusher *p, struct push_stats *out)
{
    struct push_counters *c = &p->counters;
    *out = (struct push_stats){
        .requests = counted(&c->requests),
        .lines = counted(&c->lines),
        .samples = counted(&c->samples),
        .bad_lines = counted(&c->bad_lines),
        .dropped_strings = counted(&c->dropped_strings),
        .dropped_samples = counted(&c->dropped_samples),
        .dropped_histograms = counted(&c->dropped_histograms),
        .dropped_exemplars = counted(&c->dropped_exemplars),
    };
}
