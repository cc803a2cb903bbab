/* push.c -- line protocol into the store.
 *
 * A line runs through: find its head in the cache (push_cache.h), read its fields against the
 * head's slots, read its timestamp, leave its points in the batch. Only a head or a field never
 * seen before is decoded into labels. A line that turns out bad takes its points back out of the
 * batch, so a line is stored whole or not at all; the batch goes to the store at line ends, in
 * pieces of at most BATCH points.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "collector/influx_int.h"
#include "collector/push_cache.h"
#include "core/mem.h"

enum {
    BATCH = 1024,
    CACHE_MAX_BYTES = 64 << 20,
    ARENA_MAX_BYTES = 64 << 20, /* of one line's head */
    NS_PER_MS = 1000000,
    IDLE_MAX = 8,
    IDLE_POINTS_MAX = 4 * BATCH, /* more are not kept */
};

struct counters {
    _Atomic uint64_t requests, lines, samples, bad_lines, dropped_strings, dropped_samples;
};

struct pusher {
    struct tsdb *db;
    struct env *env;
    struct labels extra;
    struct push_cache *cache;
    struct counters counters;
    pthread_mutex_t lock;        /* of idle */
    struct push *idle[IDLE_MAX]; /* requests' memory, to be used again */
    size_t idle_count;
};

/* Where a point came from, to find its series again. */
struct source {
    struct str head, key;
    size_t pos; /* of the head in the body */
    int line;
};

/* One request. */
struct push {
    struct pusher *p;
    struct influx x;
    struct push_result *r;
    struct arena arena;
    struct tsdb_point *points;
    struct source *sources;
    size_t count, cap, source_cap;
    int64_t now_ms;
    struct label_builder labels;
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
    return s;
}

static void push_return(struct push *s)
{
    struct pusher *p = s->p;
    bool kept = false;
    s->count = 0;
    arena_reset(&s->arena);
    pthread_mutex_lock(&p->lock);
    if (s->cap <= IDLE_POINTS_MAX && p->idle_count < IDLE_MAX) {
        p->idle[p->idle_count++] = s;
        kept = true;
    }
    pthread_mutex_unlock(&p->lock);
    if (!kept) push_free(s);
}

/* --- names --------------------------------------------------------------------------------------
 */

static bool is_name_byte(char c, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colon && c == ':');
}

/* a_b from "a" and "b" (b may be empty: then a alone), every other byte replaced by '_'. */
static int make_name(struct arena *a, struct str first, struct str second, bool colon,
                     struct str *out)
{
    char *p = arena_alloc(a, first.len + second.len + 2);
    if (!p) return a->err;
    size_t n = 0;
    if (first.len && first.p[0] >= '0' && first.p[0] <= '9') p[n++] = '_';
    for (size_t i = 0; i < first.len; i++)
        p[n++] = is_name_byte(first.p[i], colon) ? first.p[i] : '_';
    if (second.len) p[n++] = '_';
    for (size_t i = 0; i < second.len; i++)
        p[n++] = is_name_byte(second.p[i], colon) ? second.p[i] : '_';
    *out = (struct str){p, n};
    return 0;
}

/* Tags become labels; one that would be the metric's name moves aside. */
static int add_tags(struct push *s, const struct influx_point *pt)
{
    for (size_t i = 0; i < pt->tag_count; i++) {
        struct str name = {NULL, 0};
        int rc = make_name(&s->arena, pt->tags[i].key, (struct str){NULL, 0}, false, &name);
        if (rc < 0) return rc;
        if (str_eq(name, STR(METRIC_NAME))) name = STR("tag" METRIC_NAME);
        label_builder_set(&s->labels, name, pt->tags[i].value);
    }
    return 0;
}

/* What all fields of a head share: tags, and the pusher's labels where there is none of the name.
 */
static int make_base(struct push *s, const struct influx_point *pt)
{
    label_builder_init(&s->labels, (struct labels){NULL, 0});
    int rc = add_tags(s, pt);
    for (size_t i = 0; i < s->p->extra.count && rc == 0; i++) {
        struct label l = s->p->extra.v[i];
        if (label_builder_get(&s->labels, l.name).len == 0)
            label_builder_set(&s->labels, l.name, l.value);
    }
    if (rc == 0) label_builder_set(&s->labels, STR(METRIC_NAME), pt->measurement);
    if (rc == 0 && s->labels.err < 0) rc = E_LIMIT;
    return rc;
}

/* Gives the base the metric name of one field. */
static int set_metric(struct push *s, const struct influx_point *pt, struct str field)
{
    struct str metric = STR(""), key = STR("");
    int rc = influx_unescape_key(&s->arena, field, &key);
    if (rc < 0) return rc;
    if (str_eq(key, STR("value"))) key = (struct str){NULL, 0};
    if ((rc = make_name(&s->arena, pt->measurement, key, true, &metric)) < 0) return rc;
    label_builder_set(&s->labels, STR(METRIC_NAME), metric);
    return 0;
}

/* --- problems -----------------------------------------------------------------------------------
 */

static void note_error(struct push *s, const struct errmsg *e)
{
    if (s->r->first_error.text[0] == '\0') s->r->first_error = *e;
}

static void drop_samples(struct push *s, size_t count, const struct errmsg *e)
{
    s->r->dropped_samples += count;
    note_error(s, e);
}

/* Failures of one sample, not of the request. */
static bool is_refusal(int rc)
{
    return rc == E_LIMIT || rc == E_INVALID || rc == E_TOO_BIG;
}

/* --- resolving ----------------------------------------------------------------------------------
 */

/* A line on its way: the head is decoded, into the request's labels, only when a field needs it. */
struct head_reader {
    struct str head;
    size_t pos;
    int line;
    bool decoded;
    int base_rc; /* of its labels without metric name: E_LIMIT when there are too many */
    struct influx_point point;
};

static int decode_head(struct push *s, struct head_reader *h, struct errmsg *err)
{
    if (h->decoded) return 0;
    struct influx x = s->x;
    x.pos = h->pos;
    x.line = h->line;
    arena_reset(&s->arena);
    h->point = (struct influx_point){0};
    int rc = influx_read_head(&x, &s->arena, &h->point, err);
    h->decoded = rc == 0;
    if (rc == 0) h->base_rc = make_base(s, &h->point);
    return rc;
}

/* The series of one field of a head. */
static int resolve(struct push *s, struct head_reader *h, struct str key, tsdb_ref *ref,
                   struct errmsg *err)
{
    int rc = decode_head(s, h, err);
    if (rc < 0) return rc;
    rc = h->base_rc;
    if (rc == 0) rc = set_metric(s, &h->point, key);
    if (rc < 0)
        return errmsg_at(err, rc, h->line, 1, "%s", rc == E_LIMIT ? "too many tags" : err_text(rc));
    rc = tsdb_series(s->p->db, label_builder_view(&s->labels), ref, err);
    if (rc < 0 && err) {
        err->line = h->line;
        err->column = 1;
    }
    return rc;
}

static double value_of(const struct influx_value *v)
{
    switch (v->type) {
    case INFLUX_INT:
        return (double)v->i;
    case INFLUX_UINT:
        return (double)v->u;
    case INFLUX_BOOL:
        return v->b ? 1 : 0;
    case INFLUX_FLOAT:
    case INFLUX_STRING:
        break;
    }
    return v->f;
}

static int add_point(struct push *s, const struct head_reader *h, struct str key, tsdb_ref ref,
                     double v)
{
    enum { POINTS_MAX = BATCH + INFLUX_FIELDS_MAX };
    if (s->count == s->cap) {
        void *points = s->points, *sources = s->sources;
        int rc = mem_grow(&points, &s->cap, s->count + 1, POINTS_MAX, sizeof s->points[0]);
        s->points = points;
        if (rc == 0)
            rc = mem_grow(&sources, &s->source_cap, s->cap, POINTS_MAX, sizeof s->sources[0]);
        s->sources = sources;
        if (rc < 0) return rc;
    }
    s->points[s->count] = (struct tsdb_point){.ref = ref, .v = v};
    s->sources[s->count] =
        (struct source){.head = h->head, .key = key, .pos = h->pos, .line = h->line};
    s->count++;
    return 0;
}

/* What a line left behind besides points, counted only if the line is good. */
struct line_tally {
    size_t strings, refused;
    struct errmsg refusal;
};

/* The key of field i: the one known at that place, or else whatever stands there. */
static int take_key(struct push *s, struct push_entry *e, size_t i, struct push_slot **slot,
                    struct str *key, struct errmsg *err)
{
    if (i < e->slot_count) {
        *slot = &e->slots[i];
        *key = (struct str){(*slot)->key, (*slot)->key_len};
        if (influx_match_key(&s->x, *key)) return 0;
    }
    int rc = influx_read_key(&s->x, key, err);
    if (rc < 0) return rc;
    *slot = push_entry_slot(e, *key);
    if (!*slot) *slot = push_entry_add(s->p->cache, e, *key);
    return 0;
}

static int take_field(struct push *s, struct head_reader *h, struct push_entry *e, size_t i,
                      struct line_tally *t, struct errmsg *err)
{
    struct str key = {NULL, 0};
    struct influx_value v = {0};
    struct push_slot *slot = NULL;
    size_t key_at = s->x.pos;
    int rc = take_key(s, e, i, &slot, &key, err);
    if (rc < 0) return rc;
    key.p = s->x.input.p + key_at; /* the body's bytes outlive the cache's */
    int more = influx_read_value(&s->x, &v, err);
    if (more < 0) return more;
    if (v.type == INFLUX_STRING) {
        t->strings++;
        return more;
    }
    tsdb_ref ref = slot ? slot->ref : 0;
    if (ref == 0) {
        struct errmsg why = {0};
        rc = resolve(s, h, key, &ref, &why);
        if (is_refusal(rc)) {
            if (t->refused++ == 0) t->refusal = why;
            return more;
        }
        if (rc < 0) {
            if (err) *err = why;
            return rc;
        }
        if (slot) slot->ref = ref;
    }
    rc = add_point(s, h, key, ref, value_of(&v));
    return rc < 0 ? rc : more;
}

/* Floor division: times before 1970 too. */
static int64_t ms_of_ns(int64_t ns)
{
    int64_t ms = ns / NS_PER_MS;
    return ms - (ns % NS_PER_MS < 0);
}

static int take_fields(struct push *s, struct head_reader *h, struct push_entry *e,
                       struct line_tally *t, struct errmsg *err)
{
    size_t start = s->count;
    bool has_time;
    int64_t time_ns = 0;
    int more = 1;
    for (size_t i = 0; more == 1; i++) {
        if (i == INFLUX_FIELDS_MAX) return errmsg_at(err, E_PARSE, h->line, 1, "too many fields");
        more = take_field(s, h, e, i, t, err);
    }
    if (more < 0) return more;
    int rc = influx_read_end(&s->x, &has_time, &time_ns, err);
    if (rc < 0) return rc;
    int64_t t_ms = has_time ? ms_of_ns(time_ns) : s->now_ms;
    for (size_t i = start; i < s->count; i++)
        s->points[i].t_ms = t_ms;
    return 0;
}

/* One line under its head's lock: 0, E_PARSE, or what ends the request. */
static int take_line(struct push *s, struct errmsg *err)
{
    struct head_reader h = {.pos = s->x.pos, .line = s->x.line};
    struct line_tally tally = {0};
    if (!influx_take_head(&s->x, &h.head)) {
        int rc = influx_read_head(&s->x, &s->arena, &h.point, err);
        return rc < 0 ? rc
                      : errmsg_at(err, E_PARSE, h.line, 1, "expected field key but none found");
    }
    uint64_t hash = push_cache_hash(h.head);
    struct push_entry *e;
    bool is_new;
    size_t start = s->count;
    int rc = push_cache_lock(s->p->cache, h.head, hash, &e, &is_new);
    if (rc < 0) return rc;
    /* a head enters the cache only once it has been read in full */
    bool bad_head = is_new && (rc = decode_head(s, &h, err)) < 0;
    if (rc == 0) rc = take_fields(s, &h, e, &tally, err);
    push_cache_unlock(s->p->cache, hash, e, bad_head);
    if (rc < 0) {
        s->count = start;
        return rc;
    }
    s->r->lines++;
    s->r->dropped_strings += tally.strings;
    if (tally.refused) drop_samples(s, tally.refused, &tally.refusal);
    return 0;
}

/* --- appending ----------------------------------------------------------------------------------
 */

/* Refs that outlived their run: every series of the piece is looked up again. Points whose series
 * is refused now are dropped. */
static int resolve_again(struct push *s, struct tsdb_point *points, struct source *sources,
                         size_t *count)
{
    size_t kept = 0;
    push_cache_forget_refs(s->p->cache);
    for (size_t i = 0; i < *count; i++) {
        struct head_reader h = {
            .head = sources[i].head, .pos = sources[i].pos, .line = sources[i].line};
        struct errmsg why = {0};
        int rc = resolve(s, &h, sources[i].key, &points[i].ref, &why);
        if (is_refusal(rc)) {
            drop_samples(s, 1, &why);
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
                         const struct source *sources, size_t count,
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
    drop_samples(s, r->too_old + r->too_new, &e);
}

static int append_piece(struct push *s, struct tsdb_point *points, struct source *sources,
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

static int flush(struct push *s)
{
    for (size_t i = 0; i < s->count; i += BATCH) {
        int rc = append_piece(s, s->points + i, s->sources + i, MIN(s->count - i, (size_t)BATCH));
        if (rc < 0) return rc;
    }
    s->count = 0;
    return 0;
}

static int run(struct push *s)
{
    while (influx_skip_blank(&s->x)) {
        struct errmsg err = {0};
        int rc = take_line(s, &err);
        if (rc == E_PARSE) {
            s->r->bad_lines++;
            note_error(s, &err);
            influx_skip_line(&s->x);
        } else if (rc < 0) {
            note_error(s, &err);
            return rc;
        }
        if (s->count >= BATCH && (rc = flush(s)) < 0) return rc;
    }
    return flush(s);
}

static void count_request(struct counters *c, const struct push_result *r)
{
    atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->lines, r->lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->samples, r->samples, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bad_lines, r->bad_lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->dropped_strings, r->dropped_strings, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->dropped_samples, r->dropped_samples, memory_order_relaxed);
}

int push_influx(struct pusher *p, struct str body, enum influx_precision precision,
                struct push_result *r)
{
    *r = (struct push_result){0};
    struct push *s = push_borrow(p);
    if (!s) return -ENOMEM;
    s->r = r;
    s->now_ms = env_now_ms(p->env);
    influx_init(&s->x, body, precision);
    int rc = run(s);
    count_request(&p->counters, r);
    push_return(s);
    return rc;
}

void pusher_stats(struct pusher *p, struct push_stats *out)
{
    struct counters *c = &p->counters;
    *out = (struct push_stats){
        .requests = atomic_load_explicit(&c->requests, memory_order_relaxed),
        .lines = atomic_load_explicit(&c->lines, memory_order_relaxed),
        .samples = atomic_load_explicit(&c->samples, memory_order_relaxed),
        .bad_lines = atomic_load_explicit(&c->bad_lines, memory_order_relaxed),
        .dropped_strings = atomic_load_explicit(&c->dropped_strings, memory_order_relaxed),
        .dropped_samples = atomic_load_explicit(&c->dropped_samples, memory_order_relaxed),
    };
}
