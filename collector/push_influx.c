/* push_influx.c -- line protocol into the store.
 *
 * A line runs through: find its head in the cache (push_cache.h), read its fields against the
 * head's slots, read its timestamp, leave its points in the batch. Only a head or a field never
 * seen before is decoded into labels. A line that turns out bad takes its points back out of the
 * batch, so a line is stored whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/influx_int.h"
#include "collector/push_int.h"

enum { NS_PER_MS = 1000000 };

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
    struct influx x = *(const struct influx *)s->format;
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
    return push_series(s, h->line, ref, err);
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

/* Its time comes with the end of the line. */
static int add_point(struct push *s, const struct head_reader *h, struct str key, tsdb_ref ref,
                     double v)
{
    const struct push_source from = {.head = h->head, .key = key, .pos = h->pos, .line = h->line};
    return push_point(s, &from, ref, 0, v);
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
    struct influx *x = s->format;
    if (i < e->slot_count) {
        *slot = &e->slots[i];
        *key = (struct str){(*slot)->key, (*slot)->key_len};
        if (influx_match_key(x, *key)) return 0;
    }
    int rc = influx_read_key(x, key, err);
    if (rc < 0) return rc;
    *slot = push_entry_slot(e, *key);
    if (!*slot) *slot = push_entry_add(s->p->cache, e, *key);
    return 0;
}

static int take_field(struct push *s, struct head_reader *h, struct push_entry *e, size_t i,
                      struct line_tally *t, struct errmsg *err)
{
    struct influx *x = s->format;
    struct str key = {NULL, 0};
    struct influx_value v = {0};
    struct push_slot *slot = NULL;
    size_t key_at = x->pos;
    int rc = take_key(s, e, i, &slot, &key, err);
    if (rc < 0) return rc;
    key.p = x->input.p + key_at; /* the body's bytes outlive the cache's */
    int more = influx_read_value(x, &v, err);
    if (more < 0) return more;
    if (v.type == INFLUX_STRING) {
        t->strings++;
        return more;
    }
    tsdb_ref ref = slot ? slot->ref : 0;
    if (ref == 0) {
        struct errmsg why = {0};
        rc = resolve(s, h, key, &ref, &why);
        if (push_is_refusal(rc)) {
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
    struct influx *x = s->format;
    size_t start = s->count;
    bool has_time;
    int64_t time_ns = 0;
    int more = 1;
    for (size_t i = 0; more == 1; i++) {
        if (i == INFLUX_FIELDS_MAX) return errmsg_at(err, E_PARSE, h->line, 1, "too many fields");
        more = take_field(s, h, e, i, t, err);
    }
    if (more < 0) return more;
    int rc = influx_read_end(x, &has_time, &time_ns, err);
    if (rc < 0) return rc;
    int64_t t_ms = has_time ? ms_of_ns(time_ns) : s->now_ms;
    for (size_t i = start; i < s->count; i++)
        s->points[i].t_ms = t_ms;
    return 0;
}

/* One line under its head's lock: 0, E_PARSE, or what ends the request. */
static int take_line(struct push *s, struct errmsg *err)
{
    struct influx *x = s->format;
    struct head_reader h = {.pos = x->pos, .line = x->line};
    struct line_tally tally = {0};
    if (!influx_take_head(x, &h.head)) {
        int rc = influx_read_head(x, &s->arena, &h.point, err);
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
    if (tally.refused) push_drop_samples(s, tally.refused, &tally.refusal);
    return 0;
}

/* --- public -------------------------------------------------------------------------------------
 */

static int resolve_again(struct push *s, const struct push_source *from, tsdb_ref *ref,
                         struct errmsg *err)
{
    struct head_reader h = {.head = from->head, .pos = from->pos, .line = from->line};
    return resolve(s, &h, from->key, ref, err);
}

static int run(struct push *s)
{
    struct influx *x = s->format;
    while (influx_skip_blank(x)) {
        struct errmsg err = {0};
        int rc = take_line(s, &err);
        if (rc == E_PARSE) {
            s->r->bad_lines++;
            push_note_error(s, &err);
            influx_skip_line(x);
        } else if (rc < 0) {
            push_note_error(s, &err);
            return rc;
        }
        if ((rc = push_flush_full(s)) < 0) return rc;
    }
    return push_flush(s);
}

int push_influx(struct pusher *p, struct str body, enum influx_precision precision,
                struct push_result *r)
{
    struct influx x;
    struct push *s = push_begin(p, resolve_again, &x, r);
    if (!s) return -ENOMEM;
    influx_init(&x, body, precision);
    int rc = run(s);
    push_end(s);
    return rc;
}
