/* fake_tsdb.h -- the write side of tsdb.h as two arrays, for tests of what writes: it can refuse,
 * go stale and run full on demand. A test that includes it defines tsdb_series, tsdb_append and
 * tsdb_metadata_set, so the library's store is not linked in. Thread-safe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_FAKE_TSDB_H
#define TOCSIN_TESTS_FAKE_TSDB_H

#include <pthread.h>
#include <stdlib.h>

#include "tsdb/tsdb.h"

struct fake_series {
    struct labels labels;
};
struct fake_sample {
    size_t series;
    int64_t t_ms;
    double v;
};
struct fake_metadata {
    char name[128], help[256], unit[64];
    enum metric_type type;
};

struct tsdb {
    pthread_mutex_t lock;
    struct fake_series *series;
    size_t series_count, series_cap;
    struct fake_sample *samples;
    size_t sample_count, sample_cap;
    struct fake_metadata metadata[64];
    size_t metadata_count;
    size_t max_series;       /* 0: none */
    uint32_t generation;     /* bumped: every ref given before is stale */
    int append_rc;           /* what tsdb_append answers, when not 0 */
    int64_t min_ms, max_ms;  /* samples outside are too old or too new */
    size_t lookups, appends; /* calls */
};

static void fake_init(struct tsdb *db)
{
    *db = (struct tsdb){.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    pthread_mutex_init(&db->lock, NULL);
}

static void fake_release(struct tsdb *db)
{
    for (size_t i = 0; i < db->series_count; i++)
        labels_free_dup(&db->series[i].labels);
    free(db->series);
    free(db->samples);
    pthread_mutex_destroy(&db->lock);
}

static void *fake_grow(void *p, size_t *cap, size_t count, size_t size)
{
    if (count < *cap) return p;
    *cap = *cap ? *cap * 2 : 64;
    p = realloc(p, *cap * size);
    if (!p) abort();
    return p;
}

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    int rc = 0;
    pthread_mutex_lock(&db->lock);
    db->lookups++;
    size_t i = 0;
    while (i < db->series_count && !labels_eq(db->series[i].labels, ls))
        i++;
    if (labels_metric(ls).len == 0)
        rc = errmsg_set(err, E_INVALID, "no metric name");
    else if (i == db->series_count && db->max_series && i >= db->max_series)
        rc = errmsg_set(err, E_LIMIT, "too many series");
    else if (i == db->series_count) {
        db->series = fake_grow(db->series, &db->series_cap, i, sizeof *db->series);
        if (labels_dup(ls, &db->series[i].labels) < 0) abort();
        db->series_count++;
    }
    *out = (uint64_t)db->generation << 32 | (i + 1);
    pthread_mutex_unlock(&db->lock);
    return rc;
}

static void fake_append_one(struct tsdb *db, size_t at, struct tsdb_point p,
                            struct tsdb_append_result *r)
{
    if (p.ref >> 32 != db->generation) {
        if (r->stale_refs++ == 0) r->first_stale = at;
        return;
    }
    if (p.t_ms < db->min_ms || p.t_ms > db->max_ms) {
        r->too_old += p.t_ms < db->min_ms;
        r->too_new += p.t_ms > db->max_ms;
        return;
    }
    size_t series = (size_t)(p.ref & 0xffffffff) - 1;
    for (size_t i = db->sample_count; i-- > 0 && db->sample_count - i < 4096;) {
        struct fake_sample *s = &db->samples[i];
        if (s->series != series || s->t_ms != p.t_ms) continue;
        r->duplicates += double_bits(s->v) == double_bits(p.v);
        r->stored += double_bits(s->v) != double_bits(p.v);
        s->v = p.v; /* the last one wins */
        return;
    }
    db->samples = fake_grow(db->samples, &db->sample_cap, db->sample_count, sizeof *db->samples);
    db->samples[db->sample_count++] = (struct fake_sample){series, p.t_ms, p.v};
    r->stored++;
}

int tsdb_series_own(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return tsdb_series(db, ls, out, err);
}

int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r)
{
    pthread_mutex_lock(&db->lock);
    *r = (struct tsdb_append_result){.lsn = ++db->appends};
    int rc = db->append_rc;
    for (size_t i = 0; i < count && rc == 0; i++)
        fake_append_one(db, i, p[i], r);
    pthread_mutex_unlock(&db->lock);
    return rc;
}

static void fake_copy(char *to, size_t size, struct str s)
{
    size_t n = MIN(s.len, size - 1);
    if (n) memcpy(to, s.p, n);
    to[n] = '\0';
}

int tsdb_metadata_set(struct tsdb *db, const struct metric_metadata *m)
{
    pthread_mutex_lock(&db->lock);
    size_t i = 0;
    while (i < db->metadata_count && !str_eq(str_of(db->metadata[i].name), m->name))
        i++;
    if (i < COUNT(db->metadata)) {
        fake_copy(db->metadata[i].name, sizeof db->metadata[i].name, m->name);
        fake_copy(db->metadata[i].help, sizeof db->metadata[i].help, m->help);
        fake_copy(db->metadata[i].unit, sizeof db->metadata[i].unit, m->unit);
        db->metadata[i].type = m->type;
        db->metadata_count = MAX(db->metadata_count, i + 1);
    }
    pthread_mutex_unlock(&db->lock);
    return 0;
}

/* The series printed as `name{a="b"}`, for comparing; false when there is none such. */
static bool fake_find(struct tsdb *db, const char *printed, size_t *out)
{
    bool found = false;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < db->series_count && !found; i++) {
        struct buf b = BUF_INIT(1 << 16);
        labels_print(db->series[i].labels, true, &b);
        found = b.err == 0 && str_eq((struct str){b.p, b.len}, str_of(printed));
        if (found) *out = i;
        buf_release(&b);
    }
    pthread_mutex_unlock(&db->lock);
    return found;
}

/* Samples of a series in arrival order: how many, and the last one. */
static size_t fake_samples(struct tsdb *db, const char *printed, struct fake_sample *last)
{
    size_t series, n = 0;
    if (!fake_find(db, printed, &series)) return 0;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < db->sample_count; i++) {
        if (db->samples[i].series != series) continue;
        *last = db->samples[i];
        n++;
    }
    pthread_mutex_unlock(&db->lock);
    return n;
}

#endif
