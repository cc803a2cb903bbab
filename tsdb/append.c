/* append.c -- finding and creating series, and taking samples in.
 *
 * The head's lock and the log's are held for at most 1,024 samples at a time; the disk is nowhere
 * near.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "tsdb/tsdb_int.h"

enum {
    NEED_INDEX = 1,              /* see define() */
    LABEL_BYTES_MAX = 512 << 10, /* of one series: a definition must fit a log record */
};
#define OLDEST_MS (INT64_C(3650) * DAY_MS) /* how far back samples go without retention */

/* --- series ------------------------------------------------------------------------------------
 */

static tsdb_ref make_ref(const struct head *h, uint32_t slot)
{
    return (uint64_t)index_id(h->index, slot) << 32 | slot;
}

static int validate_label(const struct tsdb *db, struct label l, struct errmsg *err)
{
    int len = (int)MIN(l.name.len, 64);
    if (str_eq(l.name, STR(METRIC_NAME)) ? !metric_name_is_valid(l.value)
                                         : !label_name_is_valid(l.name))
        return errmsg_set(err, E_INVALID, "label name or metric name \"%.*s\" is not valid", len,
                          l.name.p ? l.name.p : "");
    if (!l.value.len)
        return errmsg_set(err, E_INVALID, "label \"%.*s\" has an empty value", len, l.name.p);
    if (!str_is_utf8(l.value))
        return errmsg_set(err, E_INVALID, "the value of label \"%.*s\" is not UTF-8", len,
                          l.name.p);
    if (db->o.max_label_value_bytes > 0 && l.value.len > (size_t)db->o.max_label_value_bytes)
        return errmsg_set(err, E_LIMIT, "the value of label \"%.*s\" is over %" PRId64 " bytes",
                          len, l.name.p, db->o.max_label_value_bytes);
    return 0;
}

static int validate(const struct tsdb *db, struct labels ls, struct errmsg *err)
{
    size_t bytes = 0;
    if (ls.count > (size_t)db->o.max_labels)
        return errmsg_set(err, E_LIMIT, "a series with more than %" PRId64 " labels",
                          db->o.max_labels);
    if (!labels_metric(ls).len) return errmsg_set(err, E_INVALID, "a series without metric name");
    for (size_t i = 0; i < ls.count; i++) {
        int rc = validate_label(db, ls.v[i], err);
        if (rc < 0) return rc;
        if (i > 0 && str_cmp(ls.v[i - 1].name, ls.v[i].name) >= 0)
            return errmsg_set(err, E_INVALID, "labels out of order or repeated");
        bytes += ls.v[i].name.len + ls.v[i].value.len;
    }
    if (bytes > LABEL_BYTES_MAX)
        return errmsg_set(err, E_LIMIT, "labels of one series over %d bytes", LABEL_BYTES_MAX);
    return 0;
}

/* Whether another series is welcome; index_lock held. */
static int check_limits(struct tsdb *db, struct labels ls, size_t reserve, struct errmsg *err)
{
    const struct head *h = &db->head;
    struct str metric = labels_metric(ls);
    if (h->next_id == UINT32_MAX) return errmsg_set(err, E_LIMIT, "series ids are used up");
    if (db->o.max_series > 0 && index_count(h->index) >= (size_t)db->o.max_series + reserve)
        return errmsg_set(err, E_LIMIT, "over the limit of %" PRId64 " series", db->o.max_series);
    if (db->o.max_series_per_metric > 0 &&
        index_pair_count(h->index, STR(METRIC_NAME), metric) >= (size_t)db->o.max_series_per_metric)
        return errmsg_set(err, E_LIMIT, "metric %.*s over the limit of %" PRId64 " series",
                          (int)MIN(metric.len, 128), metric.p, db->o.max_series_per_metric);
    return 0;
}

static int create_series(struct tsdb *db, struct labels ls, uint64_t hash, size_t reserve,
                         tsdb_ref *out, struct errmsg *err)
{
    struct head *h = &db->head;
    uint32_t slot = 0;
    int rc = validate(db, ls, err);
    pthread_rwlock_wrlock(&h->index_lock);
    if (rc == 0 && index_find(h->index, ls, hash, &slot) < 0) {
        rc = check_limits(db, ls, reserve, err);
        if (rc == 0) rc = head_add(h, ls, hash, h->next_id, INT64_MIN, &slot);
        if (rc == 0) h->next_id++;
    }
    if (rc == 0) *out = make_ref(h, slot);
    pthread_rwlock_unlock(&h->index_lock);
    pthread_mutex_lock(&h->lock);
    db->stats.series_created += rc == 0;
    db->stats.series_refused += rc < 0;
    pthread_mutex_unlock(&h->lock);
    return rc;
}

static int find_or_create(struct tsdb *db, struct labels ls, size_t reserve, tsdb_ref *out,
                          struct errmsg *err)
{
    struct head *h = &db->head;
    uint64_t hash = labels_hash(ls);
    uint32_t slot = 0;
    pthread_rwlock_rdlock(&h->index_lock);
    int rc = index_find(h->index, ls, hash, &slot);
    if (rc == 0) *out = make_ref(h, slot);
    pthread_rwlock_unlock(&h->index_lock);
    return rc == 0 ? 0 : create_series(db, ls, hash, reserve, out, err);
}

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return find_or_create(db, ls, 0, out, err);
}

int tsdb_series_own(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return find_or_create(db, ls, TSDB_OWN_RESERVE, out, err);
}

/* --- appending ---------------------------------------------------------------------------------
 */

struct batch {
    struct tsdb *db;
    const struct tsdb_point *p;
    size_t count, first; /* first: index of p[0] in the caller's array */
    bool with_index;     /* index_lock is held, so that definitions can be written */
    int64_t oldest_ms, newest_ms;
    struct tsdb_append_result *r;
};

static struct series *series_of_ref(const struct head *h, tsdb_ref ref)
{
    uint32_t slot = (uint32_t)ref, id = (uint32_t)(ref >> 32);
    if (slot >= h->count) return NULL;
    struct series *s = head_series(h, slot);
    return s->id == id ? s : NULL;
}

/* Writes the definitions that this epoch of the log still lacks; NEED_INDEX when that takes the
 * index, which is seldom. */
static int define(struct batch *b)
{
    struct head *h = &b->db->head;
    uint32_t epoch = wal_epoch(b->db->wal);
    for (size_t i = 0; i < b->count; i++) {
        struct series *s = series_of_ref(h, b->p[i].ref);
        struct label v[LABELS_MAX];
        if (!s || s->wal_epoch == epoch) continue;
        if (!b->with_index) return NEED_INDEX;
        struct labels ls = index_labels(h->index, (uint32_t)b->p[i].ref, v);
        int rc = wal_add_series(b->db->wal, s->id, ls);
        if (rc < 0) return rc;
        s->wal_epoch = epoch;
    }
    return 0;
}

/* Takes one point into head and log; < 0 only when the batch must end. */
static int append_point(struct batch *b, const struct tsdb_point *p, struct wal_samples *w)
{
    struct head *h = &b->db->head;
    struct series *s = series_of_ref(h, p->ref);
    int64_t n = 0;
    if (!s) {
        if (!b->r->stale_refs++) b->r->first_stale = b->first + (size_t)(p - b->p);
        return 0;
    }
    if (p->t_ms < b->oldest_ms || p->t_ms > b->newest_ms) {
        bool old = p->t_ms < b->oldest_ms;
        b->r->too_old += old;
        b->r->too_new += !old;
        return 0;
    }
    int verdict = head_append(h, s, p->t_ms, p->v);
    if (verdict == HEAD_STORED) {
        int scale = stream_scaled(&s->stream, &n);
        wal_samples_put(w, s->id, p->t_ms, p->v, scale, n);
    } else if (verdict == HEAD_LATE) {
        wal_samples_put(w, s->id, p->t_ms, p->v, -1, 0);
        b->db->stats.out_of_order++;
    } else if (verdict == HEAD_DUPLICATE) {
        b->r->duplicates++;
        return 0;
    } else {
        b->r->too_old += verdict == E_LIMIT;
        return verdict == E_LIMIT ? 0 : verdict;
    }
    struct slice *slice = &h->slices[slice_of(s->id)];
    if (!slice->dirty_lsn) slice->dirty_lsn = b->r->lsn;
    slice->min_ms = MIN(slice->min_ms, p->t_ms);
    slice->max_ms = MAX(slice->max_ms, p->t_ms);
    b->r->stored++;
    return 0;
}

/* Head and log locked. */
static int append_points(struct batch *b)
{
    struct wal *wal = b->db->wal;
    struct wal_samples w;
    int rc = define(b);
    if (rc == 0) rc = wal_begin_samples(wal, &w, b->p[0].t_ms, b->count);
    if (rc) return rc;
    b->r->lsn = wal_next_lsn(wal);
    for (size_t i = 0; rc == 0 && i < b->count; i++)
        rc = append_point(b, &b->p[i], &w);
    b->r->lsn = wal_end_samples(wal, &w);
    return rc;
}

static int append_locked(struct batch *b)
{
    struct head *h = &b->db->head;
    pthread_mutex_lock(&h->lock);
    bool large = h->bytes > HEAD_HURRY;
    int rc = h->bytes > HEAD_FULL ? E_UNAVAILABLE : wal_lock(b->db->wal);
    if (rc == 0) {
        rc = append_points(b);
        wal_unlock(b->db->wal);
    }
    pthread_mutex_unlock(&h->lock);
    if (large) flusher_hurry(b->db);
    return rc;
}

static int append_batch(struct batch *b)
{
    struct head *h = &b->db->head;
    b->with_index = false;
    int rc = append_locked(b);
    if (rc != NEED_INDEX) return rc;
    pthread_rwlock_rdlock(&h->index_lock);
    b->with_index = true;
    rc = append_locked(b);
    pthread_rwlock_unlock(&h->index_lock);
    return rc;
}

int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r)
{
    int64_t now = env_now_ms(db->env);
    struct batch b = {
        .db = db,
        .r = r,
        .oldest_ms = now - (db->o.retention_ms ? db->o.retention_ms : OLDEST_MS),
        .newest_ms = db->o.future_limit_ms ? now + db->o.future_limit_ms : INT64_MAX / 2,
    };
    int rc = 0;
    *r = (struct tsdb_append_result){0};
    for (size_t at = 0; rc == 0 && at < count; at += b.count) {
        b.p = p + at;
        b.first = at;
        b.count = MIN(count - at, WAL_BATCH_MAX);
        rc = append_batch(&b);
    }
    pthread_mutex_lock(&db->head.lock);
    db->stats.samples_appended += r->stored;
    db->stats.duplicates += r->duplicates;
    db->stats.too_old += r->too_old;
    db->stats.too_new += r->too_new;
    pthread_mutex_unlock(&db->head.lock);
    return rc;
}
