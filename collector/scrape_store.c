/* scrape_store.c -- one scraped body into the store.
 *
 * Two passes. The first reads every line: known ones by comparison with the cache, others by the
 * parser; it checks the limits and touches no store, so that a body over its limit, or broken in
 * its last line, leaves no series behind. The second resolves what is new and appends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "collector/scrape_int.h"
#include "core/mem.h"

enum {
    BATCH = 1024,
    POINTS_MAX = 1 << 26,
    SERIES_MAX_BYTES = 1 << 20, /* one series, unescaped */
};

static const char *const report_names[REPORT_COUNT] = {
    [REPORT_UP] = "up",
    [REPORT_DURATION] = "scrape_duration_seconds",
    [REPORT_SAMPLES] = "scrape_samples_scraped",
    [REPORT_POST_RELABEL] = "scrape_samples_post_metric_relabeling",
    [REPORT_ADDED] = "scrape_series_added",
    [REPORT_BODY_SIZE] = "scrape_body_size_bytes",
};

void scrape_store_init(struct scrape_store *s, struct tsdb *db)
{
    *s = (struct scrape_store){.db = db};
    buf_init(&s->scratch, SERIES_MAX_BYTES);
    arena_init(&s->arena, SERIES_MAX_BYTES);
}

void scrape_store_release(struct scrape_store *s)
{
    mem_free(s->points);
    mem_free(s->entries);
    buf_release(&s->scratch);
    arena_release(&s->arena);
}

static int add_point(struct scrape_store *s, struct scrape_entry *e, tsdb_ref ref, int64_t t_ms,
                     double v)
{
    if (s->count == s->cap) {
        void *points = s->points, *entries = s->entries;
        int rc = mem_grow(&points, &s->cap, s->count + 1, POINTS_MAX, sizeof s->points[0]);
        s->points = points;
        if (rc == 0)
            rc = mem_grow(&entries, &s->entry_cap, s->cap, POINTS_MAX,
                          sizeof(struct scrape_entry *));
        s->entries = entries;
        if (rc < 0) return rc;
    }
    s->points[s->count] = (struct tsdb_point){.ref = ref, .t_ms = t_ms, .v = v};
    s->entries[s->count++] = e;
    return 0;
}

/* --- labels -------------------------------------------------------------------------------------
 */

/* A scraped label that the target has as well moves to exported_NAME, as often as needed. */
static int move_aside(struct scrape_store *s, struct label_builder *b, struct str name,
                      struct str value)
{
    struct str to = name;
    do {
        const char *longer = arena_printf(&s->arena, "exported_%.*s", (int)to.len, to.p);
        if (!longer) return s->arena.err;
        to = str_of(longer);
    } while (label_builder_get(b, to).len);
    label_builder_set(b, to, value);
    return 0;
}

static int add_target_labels(struct scrape_store *s, const struct scrape_target *t)
{
    struct label_builder *b = &s->labels;
    arena_reset(&s->arena);
    for (size_t i = 0; i < t->labels.count; i++) {
        struct label l = t->labels.v[i];
        struct str scraped = label_builder_get(b, l.name);
        if (scraped.len && t->c.honor_labels) continue;
        int rc = scraped.len ? move_aside(s, b, l.name, scraped) : 0;
        if (rc < 0) return rc;
        label_builder_set(b, l.name, l.value);
    }
    return b->err;
}

static int check_labels(const struct scrape_target *t, const struct label_builder *b, int line,
                        struct errmsg *err)
{
    const struct scrape_config *c = &t->c;
    if (c->label_limit && b->count > (size_t)c->label_limit)
        return errmsg_at(err, E_LIMIT, line, 1, "label_limit exceeded: %zu labels, %lld allowed",
                         b->count, (long long)c->label_limit);
    for (size_t i = 0; i < b->count; i++) {
        struct label l = b->v[i];
        if (c->label_name_length_limit && l.name.len > (size_t)c->label_name_length_limit)
            return errmsg_at(err, E_LIMIT, line, 1, "label_name_length_limit exceeded: \"%.*s\"",
                             (int)MIN(l.name.len, 100), l.name.p);
        if (c->label_value_length_limit && l.value.len > (size_t)c->label_value_length_limit)
            return errmsg_at(err, E_LIMIT, line, 1,
                             "label_value_length_limit exceeded: value of %.*s",
                             (int)MIN(l.name.len, 100), l.name.p);
    }
    return 0;
}

/* The final labels of a series line, in s->labels. */
static int make_labels(struct scrape_store *s, const struct scrape_target *t,
                       const struct expo_entry *e, enum expo_format format, struct errmsg *err)
{
    int rc = expo_labels(e, format, &s->labels, &s->scratch, err);
    if (rc == 0 && (rc = add_target_labels(s, t)) < 0)
        errmsg_at(err, rc, e->line, 1, "too many labels");
    return rc < 0 ? rc : check_labels(t, &s->labels, e->line, err);
}

/* --- first pass: lines --------------------------------------------------------------------------
 */

struct reader {
    struct scrape_store *s;
    struct scrape_target *t;
    struct expo x;
    struct scrape_counts *counts;
    bool new_metadata;
    struct errmsg *err;
};

static bool over_sample_limit(const struct reader *r)
{
    int64_t limit = r->t->c.sample_limit;
    return limit && r->counts->samples > (size_t)limit;
}

/* A sample of a line in the body: counted; kept as a point unless it repeats. */
static int take_sample(struct reader *r, struct scrape_entry *e, double v, const int64_t *own_ms)
{
    bool again;
    int rc = scrape_cache_take(&r->t->cache, e, &again);
    if (rc < 0) return rc;
    r->counts->samples++;
    if (e->skipped) return 0;
    r->counts->post_relabel++;
    bool dated = own_ms && r->t->c.honor_timestamps;
    /* of lines that repeat, the first counts */
    if (again && !dated) return 0;
    e->undated = !dated || r->t->c.track_timestamps_staleness;
    return add_point(r->s, e, e->ref, dated ? *own_ms : r->t->slot_ms, v);
}

/* The line at the cursor, if it is the one expected and says nothing but its number: 1; else 0. */
static int read_known(struct reader *r)
{
    struct scrape_entry *e = scrape_cache_expected(&r->t->cache);
    const char *p = r->x.input.p + r->x.pos, *end = r->x.input.p + r->x.input.len;
    if (!e || (size_t)(end - p) <= e->key_len || memcmp(p, e->key, e->key_len) != 0) return 0;
    const char *after = p + e->key_len;
    if (!e->is_series) {
        if (*after != '\n') return 0;
        bool again;
        int rc = scrape_cache_take(&r->t->cache, e, &again);
        if (rc < 0) return rc;
        if (e->sets_type) r->x.type = e->type;
        r->x.pos += e->key_len + 1;
        r->x.line++;
        return 1;
    }
    if (*after != ' ' || e->type != r->x.type) return 0;
    const char *feed = memchr(after, '\n', (size_t)(end - after));
    double v;
    if (!feed) return 0;
    struct str number = {after + 1, (size_t)(feed - after) - 1};
    if (number.len == 0 || str_scan_double(number, &v) != number.len || isinf(v)) return 0;
    r->x.pos += (size_t)(feed - p) + 1;
    r->x.line++;
    int rc = take_sample(r, e, v, NULL);
    return rc < 0 ? rc : 1;
}

/* The bytes of the line that the parser has just read, without its line feed. */
static struct str line_behind(const struct expo *x)
{
    size_t end = x->pos;
    if (end > 0 && x->input.p[end - 1] == '\n') end--;
    const char *feed = end ? memrchr(x->input.p, '\n', end) : NULL;
    size_t start = feed ? (size_t)(feed - x->input.p) + 1 : 0;
    return (struct str){x->input.p + start, end - start};
}

/* A series the cache does not know: its labels are checked now, resolved in the second pass. */
static int add_series(struct reader *r, const struct expo_entry *entry, struct scrape_entry **out)
{
    int rc = make_labels(r->s, r->t, entry, r->x.format, r->err);
    if (rc < 0) return rc;
    struct scrape_entry *e = scrape_cache_add(&r->t->cache, entry->series, true, entry->type);
    if (!e) return -ENOMEM;
    e->skipped = entry->is_created;
    *out = e;
    return 0;
}

static int read_series(struct reader *r, const struct expo_entry *entry)
{
    struct scrape_cache *c = &r->t->cache;
    struct scrape_entry *e = scrape_cache_find(c, entry->series, true, entry->type);
    /* past the limit nothing new is kept: the samples are counted for the report only */
    if (!e && over_sample_limit(r)) {
        r->counts->samples++;
        r->counts->post_relabel += !entry->is_created;
        return 0;
    }
    int rc = e ? 0 : add_series(r, entry, &e);
    return rc < 0 ? rc
                  : take_sample(r, e, entry->value,
                                entry->has_timestamp ? &entry->timestamp_ms : NULL);
}

static int read_other(struct reader *r, const struct expo_entry *entry)
{
    struct scrape_cache *c = &r->t->cache;
    struct str key = line_behind(&r->x);
    enum metric_type type = entry->kind == EXPO_TYPE ? entry->type : METRIC_UNKNOWN;
    bool again;
    if (entry->kind == EXPO_EOF || over_sample_limit(r)) return 0;
    struct scrape_entry *e = scrape_cache_find(c, key, false, type);
    if (!e) {
        e = scrape_cache_add(c, key, false, type);
        if (!e) return -ENOMEM;
        e->sets_type = entry->kind == EXPO_TYPE;
        r->new_metadata |= entry->kind != EXPO_COMMENT;
    }
    return scrape_cache_take(c, e, &again);
}

static int read_lines(struct reader *r)
{
    struct scrape_cache *c = &r->t->cache;
    struct expo_entry entry;
    for (;;) {
        int rc = read_known(r);
        c->hits += rc == 1;
        if (rc < 0) return rc;
        if (rc == 1) continue;
        if ((rc = expo_next(&r->x, &entry, r->err)) <= 0) return rc;
        c->misses++;
        rc = entry.kind == EXPO_SERIES ? read_series(r, &entry) : read_other(r, &entry);
        if (rc < 0) return rc;
    }
}

/* --- metadata -----------------------------------------------------------------------------------
 */

/* Read again as a whole when a body brings a line of it that is new: rare. */
static void store_metadata(struct scrape_store *s, struct str body, enum expo_format format)
{
    struct expo x;
    struct expo_entry e;
    struct metric_metadata m = {0};
    expo_init(&x, body, format);
    for (int rc = 1; rc == 1;) {
        rc = expo_next(&x, &e, NULL);
        bool about = rc == 1 && (e.kind == EXPO_TYPE || e.kind == EXPO_HELP || e.kind == EXPO_UNIT);
        if (rc == 1 && !about) continue;
        if (m.name.len && (rc != 1 || !str_eq(m.name, e.name))) {
            if (tsdb_metadata_set(s->db, &m) < 0) return;
            m = (struct metric_metadata){0};
            buf_reset(&s->scratch);
        }
        if (rc != 1) break;
        m.name = e.name;
        if (e.kind == EXPO_TYPE) m.type = e.type;
        if (e.kind == EXPO_UNIT) m.unit = e.text;
        if (e.kind == EXPO_HELP) {
            buf_reset(&s->scratch);
            if (expo_unescape(e.text, &s->scratch) == 0)
                m.help = (struct str){s->scratch.p ? s->scratch.p : "", s->scratch.len};
        }
    }
    buf_reset(&s->scratch);
}

/* --- second pass: the store ---------------------------------------------------------------------
 */

static int resolve(struct scrape_store *s, const struct scrape_target *t, struct scrape_entry *e,
                   enum expo_format format)
{
    struct expo_entry entry = {
        .kind = EXPO_SERIES,
        .series = {e->key, e->key_len},
        .type = e->type,
    };
    int rc = make_labels(s, t, &entry, format, NULL);
    if (rc == 0) rc = tsdb_series(s->db, label_builder_view(&s->labels), &e->ref, NULL);
    if (rc < 0) e->ref = 0;
    return rc;
}

/* Points of entries without ref get one; those that the store refuses are taken out. */
static void resolve_points(struct scrape_store *s, const struct scrape_target *t,
                           enum expo_format format)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct scrape_entry *e = s->entries[i];
        if (e->ref == 0 && resolve(s, t, e, format) < 0) {
            s->dropped++;
            continue;
        }
        s->points[kept] = s->points[i];
        s->points[kept].ref = e->ref;
        s->entries[kept++] = e;
    }
    s->count = kept;
}

/* Refs that outlived their run are looked up again; the entries know their labels. Each of the
 * target's refs is doubtful then. */
static void forget_refs(struct scrape_target *t)
{
    struct scrape_entry *e = NULL;
    while ((e = scrape_cache_each(&t->cache, e)))
        e->ref = 0;
}

static int append_piece(struct scrape_store *s, struct scrape_target *t, size_t from, size_t count,
                        enum expo_format format)
{
    struct tsdb_append_result r = {0};
    int rc = tsdb_append(s->db, s->points + from, count, &r);
    for (int tries = 0; rc == 0 && r.stale_refs && tries < 3; tries++) {
        forget_refs(t);
        for (size_t i = from; i < from + count; i++) {
            struct scrape_entry *e = s->entries[i];
            /* one that cannot be resolved keeps its stale ref and stays refused */
            if (e->ref == 0 && resolve(s, t, e, format) < 0) continue;
            s->points[i].ref = e->ref;
        }
        rc = tsdb_append(s->db, s->points + from, count, &r);
    }
    size_t refused = rc < 0 ? count : r.too_old + r.too_new + r.stale_refs;
    s->dropped += refused;
    s->stored += count - refused;
    return rc;
}

static int append(struct scrape_store *s, struct scrape_target *t, enum expo_format format)
{
    int rc = 0;
    for (size_t i = 0; i < s->count; i += BATCH) {
        int one = append_piece(s, t, i, MIN(s->count - i, (size_t)BATCH), format);
        if (one < 0) rc = one;
    }
    s->count = 0;
    return rc;
}

/* Staleness markers for live entries that all() says, or else those the last body lacks. */
static void mark_stale(struct scrape_store *s, struct scrape_target *t, bool all, int64_t t_ms)
{
    struct scrape_entry *e = NULL;
    while ((e = scrape_cache_each(&t->cache, e))) {
        if (!e->live || (!all && e->seen == t->cache.body)) continue;
        if (e->ref && add_point(s, e, e->ref, t_ms, double_of_bits(STALE_NAN_BITS)) < 0) return;
        e->live = false;
    }
}

static int store_points(struct scrape_store *s, struct scrape_target *t, enum expo_format format)
{
    resolve_points(s, t, format);
    for (size_t i = 0; i < s->count; i++)
        s->entries[i]->live = s->entries[i]->undated;
    if (t->cache.seen != t->cache.count) mark_stale(s, t, false, t->slot_ms);
    return append(s, t, format);
}

static size_t count_added(const struct scrape_target *t, const struct scrape_store *s)
{
    size_t added = 0;
    if (t->cache.misses == t->misses_before) return 0;
    for (size_t i = 0; i < s->count; i++)
        added += s->entries[i]->born == t->cache.body;
    return added;
}

int scrape_store_body(struct scrape_store *s, struct scrape_target *t, struct str body,
                      enum expo_format format, struct scrape_counts *out, struct errmsg *err)
{
    struct reader r = {.s = s, .t = t, .counts = out, .err = err};
    *out = (struct scrape_counts){0};
    s->count = 0;
    t->format = format;
    t->misses_before = t->cache.misses;
    expo_init(&r.x, body, format);
    scrape_cache_begin(&t->cache);
    int rc = read_lines(&r);
    if (rc == 0 && over_sample_limit(&r))
        rc = errmsg_set(err, E_LIMIT, "sample_limit exceeded: %zu samples, %lld allowed",
                        out->samples, (long long)t->c.sample_limit);
    if (rc < 0) {
        if (err && !err->text[0]) errmsg_set(err, rc, "%s", err_text(rc));
        s->count = 0;
        scrape_cache_abort(&t->cache);
        return rc;
    }
    out->added = count_added(t, s);
    if (r.new_metadata) store_metadata(s, body, format);
    rc = store_points(s, t, format);
    scrape_cache_end(&t->cache);
    return rc < 0 ? errmsg_set(err, rc, "the store refuses: %s", err_text(rc)) : 0;
}

void scrape_store_stale(struct scrape_store *s, struct scrape_target *t, int64_t t_ms)
{
    s->count = 0;
    mark_stale(s, t, true, t_ms);
    (void)!append(s, t, t->format);
}

/* --- reports ------------------------------------------------------------------------------------
 */

static int resolve_report(struct scrape_store *s, const struct scrape_target *t, size_t i,
                          tsdb_ref *ref)
{
    label_builder_init(&s->labels, t->labels);
    label_builder_set(&s->labels, STR(METRIC_NAME), str_of(report_names[i]));
    if (s->labels.err < 0) return s->labels.err;
    return tsdb_series_own(s->db, label_builder_view(&s->labels), ref, NULL);
}

void scrape_store_reports(struct scrape_store *s, struct scrape_target *t, int64_t t_ms,
                          const double values[REPORT_COUNT])
{
    struct tsdb_append_result r = {.stale_refs = 1};
    for (int tries = 0; r.stale_refs && tries < 3; tries++) {
        struct tsdb_point points[REPORT_COUNT];
        size_t count = 0;
        for (size_t i = 0; i < REPORT_COUNT; i++) {
            if (tries > 0) t->reports[i] = 0;
            if (t->reports[i] == 0 && resolve_report(s, t, i, &t->reports[i]) < 0) continue;
            points[count++] = (struct tsdb_point){t->reports[i], t_ms, values[i]};
        }
        if (tsdb_append(s->db, points, count, &r) < 0) return;
    }
    t->reported = true;
}

void scrape_store_leave(struct scrape_store *s, struct scrape_target *t, int64_t t_ms)
{
    double stale[REPORT_COUNT];
    for (size_t i = 0; i < REPORT_COUNT; i++)
        stale[i] = double_of_bits(STALE_NAN_BITS);
    scrape_store_stale(s, t, t_ms);
    if (t->reported) scrape_store_reports(s, t, t_ms, stale);
    t->reported = false;
}
