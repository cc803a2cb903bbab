/* tsdb.c -- the store: opening, appending, flushing on demand, closing, numbers about itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/tsdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum {
    SEGMENT_BYTES = 16 << 20,
    BACKLOG_BYTES = 16 << 20,
    NEED_INDEX = 1,              /* see define() */
    LABEL_BYTES_MAX = 512 << 10, /* of one series: a definition must fit a log record */
};
#define CLOSE_NS    INT64_C(2500000000) /* flushing may take so long; the log has it all anyway */
#define FORMAT_TEXT "tocsin 1\n"
#define OLDEST_MS   (INT64_C(3650) * DAY_MS) /* how far back samples go without retention */

void tsdb_options_default(struct tsdb_options *o)
{
    *o = (struct tsdb_options){
        .retention_ms = 15 * DAY_MS,
        .max_bytes = INT64_C(10) << 30,
        .min_free_permille = 50,
        .max_series = 1000000,
        .max_labels = 64,
        .max_label_value_bytes = 4096,
        .future_limit_ms = 600000,
        .flush_turn_ms = 1800000,
        .durability = TSDB_DURABILITY_SYNC,
    };
}

/* --- the folder --------------------------------------------------------------------------------
 */

/* Takes the lock file; the pid in it is for people. */
static int take_lock(struct tsdb *db, struct errmsg *err)
{
    char path[TSDB_PATH_MAX + 8], pid[32] = "";
    snprintf(path, sizeof path, "%s/LOCK", db->path);
    int fd = db->env->io->open(db->env, path, O_RDWR | O_CREAT, 0640);
    if (fd < 0) return errmsg_set(err, fd, "cannot open %s: %s", path, err_text(fd));
    db->lock_fd = fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t n = env_pread_all(db->env, fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        return errmsg_set(err, E_EXISTS, "data directory %s is in use by process %s", db->path,
                          pid[0] ? pid : "?");
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    int rc = db->env->io->ftruncate(db->env, fd, 0);
    if (rc == 0) rc = env_pwrite_all(db->env, fd, pid, (size_t)len, 0);
    if (rc < 0) log_warn("pid not written", "path=%s err=\"%s\"", path, err_text(rc));
    return 0;
}

static int check_format(struct tsdb *db, struct errmsg *err)
{
    char path[TSDB_PATH_MAX + 8], *text = NULL;
    size_t len = 0;
    int major = 0;
    snprintf(path, sizeof path, "%s/FORMAT", db->path);
    int rc = env_read_file(db->env, path, 4096, &text, &len);
    if (rc == 0 && sscanf(text, "tocsin %d\n", &major) == 1 && major != 1)
        rc = errmsg_set(err, E_UNSUPPORTED, "%s: format %d was written by another version", path,
                        major);
    else if (rc != -ENOMEM && major != 1)
        rc = env_replace_file(db->env, path, FORMAT_TEXT, sizeof FORMAT_TEXT - 1);
    mem_free(text);
    if (rc == E_UNSUPPORTED || rc == -ENOMEM) return rc;
    if (rc < 0) log_warn("FORMAT not written", "path=%s err=\"%s\"", path, err_text(rc));
    return 0;
}

static int make_folders(struct tsdb *db, struct errmsg *err)
{
    static const char *const names[] = {"", "/wal", "/raw", "/quarantine"};
    char path[TSDB_PATH_MAX];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%.900s%s", db->o.path, names[i]);
        int rc = env_make_dirs(db->env, path, 0750);
        if (rc < 0) return errmsg_set(err, rc, "cannot create %s: %s", path, err_text(rc));
    }
    return 0;
}

/* --- opening and closing -----------------------------------------------------------------------
 */

static void tsdb_free(struct tsdb *db)
{
    wal_free(db->wal);
    days_release(&db->days);
    head_release(&db->head);
    metadata_free(db->metadata);
    if (db->lock_fd >= 0) db->env->io->close(db->env, db->lock_fd);
    pthread_mutex_destroy(&db->flush_lock);
    pthread_mutex_destroy(&db->flusher_lock);
    pthread_cond_destroy(&db->flusher_work);
    mem_free(db);
}

static void init_locks(struct tsdb *db)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&db->flush_lock, NULL);
    pthread_mutex_init(&db->flusher_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&db->flusher_work, &attr);
    pthread_condattr_destroy(&attr);
}

static int tsdb_new(struct tsdb **out, const struct tsdb_options *o, struct env *env)
{
    struct tsdb *db = mem_zalloc(sizeof *db);
    *out = db;
    if (!db) return -ENOMEM;
    db->evicted_ns = env_mono_ns(env);
    db->querier.ops = &tsdb_querier_ops;
    db->o = *o;
    db->env = env;
    db->lock_fd = -1;
    snprintf(db->path, sizeof db->path, "%.900s", o->path);
    snprintf(db->raw, sizeof db->raw, "%.900s/raw", o->path);
    snprintf(db->quarantine, sizeof db->quarantine, "%.900s/quarantine", o->path);
    db->o.path = db->path;
    if (db->o.max_labels <= 0 || db->o.max_labels > LABELS_MAX) db->o.max_labels = LABELS_MAX;
    init_locks(db);
    int rc = head_init(&db->head);
    if (rc == 0) rc = days_init(&db->days);
    if (rc == 0) rc = metadata_new(&db->metadata);
    return rc;
}

static int open_wal(struct tsdb *db, const struct tsdb_tuning *t)
{
    char dir[TSDB_PATH_MAX];
    snprintf(dir, sizeof dir, "%.900s/wal", db->path);
    const struct wal_options o = {
        .dir = dir,
        .quarantine = db->quarantine,
        .durability = db->o.durability,
        .min_free_permille = db->o.min_free_permille,
        .segment_bytes = t->segment_bytes ? t->segment_bytes : SEGMENT_BYTES,
        .backlog_bytes = t->backlog_bytes ? t->backlog_bytes : BACKLOG_BYTES,
        .threads = !t->no_threads,
    };
    return wal_open(&db->wal, &o, db->env);
}

/* One above every LSN that any day file has seen. */
static uint64_t first_lsn(struct tsdb *db)
{
    uint64_t lsn = 0;
    for (size_t i = 0; i < db->days.count; i++)
        for (uint32_t s = 0; s < SLICE_COUNT; s++)
            lsn = MAX(lsn, partition_slice_lsn(db->days.v[i]->p, s));
    return lsn + 1;
}

static int load(struct tsdb *db, const struct tsdb_tuning *tuning, struct errmsg *err)
{
    struct wal_replay_result replayed;
    int64_t start = env_mono_ns(db->env);
    int rc = days_open(db);
    if (rc == 0) rc = open_wal(db, tuning);
    if (rc == 0) {
        days_retain(db);
        rc = recover(db, &replayed);
    }
    if (rc < 0) return errmsg_set(err, rc, "cannot load %s: %s", db->path, err_text(rc));
    rc = wal_start(db->wal, first_lsn(db));
    if (rc == 0) rc = flusher_start(db);
    if (rc < 0) return errmsg_set(err, rc, "cannot start the store's threads: %s", err_text(rc));
    log_info("store open",
             "path=%s days=%zu series=%zu replayed_samples=%" PRIu64 " damaged=%" PRIu64
             " took_ms=%" PRId64,
             db->path, db->days.count, index_count(db->head.index), db->stats.wal_replayed_samples,
             db->stats.wal_damaged, (env_mono_ns(db->env) - start) / 1000000);
    return 0;
}

int tsdb_open_tuned(struct tsdb **out, const struct tsdb_options *o,
                    const struct tsdb_tuning *tuning, struct env *env, struct errmsg *err)
{
    struct tsdb *db = NULL;
    *out = NULL;
    if (!o->path || !o->path[0] || strlen(o->path) > 900)
        return errmsg_set(err, E_INVALID, "the data directory's path is empty or too long");
    int rc = tsdb_new(&db, o, env);
    if (!db) return errmsg_set(err, rc, "out of memory");
    db->threads = !tuning->no_threads;
    if (rc == 0) rc = make_folders(db, err);
    if (rc == 0) rc = take_lock(db, err);
    if (rc == 0) rc = check_format(db, err);
    if (rc == 0) rc = load(db, tuning, err);
    if (rc < 0) {
        flusher_stop(db);
        if (db->wal) wal_stop(db->wal, true);
        tsdb_free(db);
        return rc;
    }
    *out = db;
    return 0;
}

int tsdb_open(struct tsdb **out, const struct tsdb_options *o, struct env *env, struct errmsg *err)
{
    const struct tsdb_tuning tuning = {0};
    return tsdb_open_tuned(out, o, &tuning, env, err);
}

int tsdb_flush(struct tsdb *db, struct errmsg *err)
{
    pthread_mutex_lock(&db->flush_lock);
    int rc = flush_all(db, INT64_MAX, err);
    if (rc == 0) rc = wal_rotate(db->wal);
    evict_turn(db);
    flush_truncate_wal(db);
    days_retain(db);
    pthread_mutex_unlock(&db->flush_lock);
    return rc;
}

int tsdb_close(struct tsdb *db)
{
    struct errmsg err = {0};
    flusher_stop(db);
    wal_stop(db->wal, false);
    pthread_mutex_lock(&db->flush_lock);
    int rc = flush_all(db, env_mono_ns(db->env) + CLOSE_NS, &err);
    if (rc == E_TIMEOUT) {
        log_info("head not flushed", "why=\"%s\" next=\"the log is replayed\"", err.text);
        rc = 0;
    } else if (rc < 0)
        log_error("head not flushed", "err=\"%s\" next=\"replayed at the next start\"",
                  err.text[0] ? err.text : err_text(rc));
    flush_truncate_wal(db);
    pthread_mutex_unlock(&db->flush_lock);
    tsdb_free(db);
    return rc;
}

void tsdb_abandon(struct tsdb *db)
{
    flusher_stop(db);
    wal_stop(db->wal, true);
    tsdb_free(db);
}

struct querier *tsdb_querier(struct tsdb *db)
{
    return &db->querier;
}

int tsdb_wait(struct tsdb *db, uint64_t lsn)
{
    return wal_wait(db->wal, lsn);
}

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
static int check_limits(struct tsdb *db, struct labels ls, struct errmsg *err)
{
    const struct head *h = &db->head;
    struct str metric = labels_metric(ls);
    if (h->next_id == UINT32_MAX) return errmsg_set(err, E_LIMIT, "series ids are used up");
    if (db->o.max_series > 0 && index_count(h->index) >= (size_t)db->o.max_series)
        return errmsg_set(err, E_LIMIT, "over the limit of %" PRId64 " series", db->o.max_series);
    if (db->o.max_series_per_metric > 0 &&
        index_pair_count(h->index, STR(METRIC_NAME), metric) >= (size_t)db->o.max_series_per_metric)
        return errmsg_set(err, E_LIMIT, "metric %.*s over the limit of %" PRId64 " series",
                          (int)MIN(metric.len, 128), metric.p, db->o.max_series_per_metric);
    return 0;
}

static int create_series(struct tsdb *db, struct labels ls, uint64_t hash, tsdb_ref *out,
                         struct errmsg *err)
{
    struct head *h = &db->head;
    uint32_t slot = 0;
    int rc = validate(db, ls, err);
    pthread_rwlock_wrlock(&h->index_lock);
    if (rc == 0 && index_find(h->index, ls, hash, &slot) < 0) {
        rc = check_limits(db, ls, err);
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

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    struct head *h = &db->head;
    uint64_t hash = labels_hash(ls);
    uint32_t slot = 0;
    pthread_rwlock_rdlock(&h->index_lock);
    int rc = index_find(h->index, ls, hash, &slot);
    if (rc == 0) *out = make_ref(h, slot);
    pthread_rwlock_unlock(&h->index_lock);
    return rc == 0 ? 0 : create_series(db, ls, hash, out, err);
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

/* --- numbers -----------------------------------------------------------------------------------
 */

static void head_stats(struct tsdb *db, struct tsdb_stats *out)
{
    struct head *h = &db->head;
    pthread_rwlock_rdlock(&h->index_lock);
    pthread_mutex_lock(&h->lock);
    *out = db->stats;
    out->head_series = index_count(h->index);
    out->head_bytes =
        h->bytes + index_bytes(h->index) + h->block_count * SERIES_BLOCK * sizeof(struct series);
    out->head_min_ms = INT64_MAX;
    out->head_max_ms = INT64_MIN;
    for (size_t i = 0; i < SLICE_COUNT; i++) {
        out->head_min_ms = MIN(out->head_min_ms, h->slices[i].min_ms);
        out->head_max_ms = MAX(out->head_max_ms, h->slices[i].max_ms);
    }
    pthread_mutex_unlock(&h->lock);
    pthread_rwlock_unlock(&h->index_lock);
}

static void days_stats(struct tsdb *db, struct tsdb_stats *out)
{
    struct days *d = &db->days;
    out->oldest_ms = out->head_min_ms;
    pthread_mutex_lock(&d->lock);
    out->partitions = d->count;
    out->quarantined = d->quarantined;
    for (size_t i = 0; i < d->count; i++) {
        struct partition_info info;
        partition_info(d->v[i]->p, &info);
        out->partition_bytes += info.file_bytes;
        out->groups_written += info.groups;
        if (info.min_ms <= info.max_ms) out->oldest_ms = MIN(out->oldest_ms, info.min_ms);
    }
    pthread_mutex_unlock(&d->lock);
}

void tsdb_stats(struct tsdb *db, struct tsdb_stats *out)
{
    struct wal_stats wal;
    head_stats(db, out);
    days_stats(db, out);
    wal_stats(db->wal, &wal);
    out->wal_bytes = wal.bytes;
    out->wal_syncs = wal.syncs;
    out->wal_sync_ns = wal.sync_ns;
    out->wal_failures = wal.failures;
    out->writable = wal.writable;
}
