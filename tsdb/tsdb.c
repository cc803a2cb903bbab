/* tsdb.c -- the store: opening, flushing on demand, closing, numbers about itself.
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
#include "tsdb/admin.h"
#include "tsdb/snapshot.h"
#include "tsdb/tsdb_int.h"

enum {
    SEGMENT_BYTES = 16 << 20,
    BACKLOG_BYTES = 16 << 20,
};
#define CLOSE_NS    INT64_C(2500000000) /* flushing may take so long; the log has it all anyway */
#define FORMAT_TEXT "tocsin 1\n"

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
    static const char *const names[] = {"", "/wal", "/raw", "/quarantine", "/tmp"};
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
    deletions_release(db);
    days_release(&db->days);
    head_release(&db->head);
    metadata_free(db->metadata);
    if (db->lock_fd >= 0) db->env->io->close(db->env, db->lock_fd);
    pthread_mutex_destroy(&db->admin_lock);
    pthread_mutex_destroy(&db->flush_lock);
    pthread_mutex_destroy(&db->flusher_lock);
    pthread_cond_destroy(&db->flusher_work);
    mem_free(db);
}

static void init_locks(struct tsdb *db)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&db->admin_lock, NULL);
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
    snprintf(db->tmp, sizeof db->tmp, "%.900s/tmp", o->path);
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
    struct wal_replay_result replayed = {0};
    int64_t start = env_mono_ns(db->env);
    snapshot_clear_tmp(db);
    int rc = days_open(db);
    if (rc == 0) rc = open_wal(db, tuning);
    if (rc == 0) {
        days_retain(db);
        rc = deletions_open(db);
    }
    if (rc == 0) rc = recover(db, &replayed);
    if (rc < 0) return errmsg_set(err, rc, "cannot load %s: %s", db->path, err_text(rc));
    db->stats.wal_first_segment = replayed.first_segment;
    db->stats.wal_last_segment = replayed.last_segment;
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

int flush_now(struct tsdb *db, struct errmsg *err)
{
    int rc = flush_all(db, INT64_MAX, err);
    if (rc == 0) rc = wal_rotate(db->wal);
    evict_turn(db);
    flush_truncate_wal(db);
    days_retain(db);
    return rc;
}

int admin_begin(struct tsdb *db, struct errmsg *err)
{
    if (__atomic_add_fetch(&db->admin_tasks, 1, __ATOMIC_RELAXED) > TSDB_TASKS_MAX) {
        __atomic_sub_fetch(&db->admin_tasks, 1, __ATOMIC_RELAXED);
        return errmsg_set(err, E_UNAVAILABLE, "%d administrative tasks are under way, try again",
                          TSDB_TASKS_MAX);
    }
    pthread_mutex_lock(&db->admin_lock);
    return 0;
}

void admin_end(struct tsdb *db)
{
    pthread_mutex_unlock(&db->admin_lock);
    __atomic_sub_fetch(&db->admin_tasks, 1, __ATOMIC_RELAXED);
}

int tsdb_flush(struct tsdb *db, struct errmsg *err)
{
    pthread_mutex_lock(&db->flush_lock);
    int rc = flush_now(db, err);
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
    int64_t limit_ms = env_now_ms(db->env) + db->o.future_limit_ms;
    out->oldest_ms = out->head_min_ms;
    out->newest_ms = out->head_max_ms;
    pthread_mutex_lock(&d->lock);
    out->partitions = d->count;
    out->quarantined = d->quarantined;
    for (size_t i = 0; i < d->count; i++) {
        struct partition_info info;
        partition_info(d->v[i]->p, &info);
        out->partition_bytes += info.file_bytes;
        out->groups_written += info.groups;
        if (info.min_ms > info.max_ms) continue;
        out->oldest_ms = MIN(out->oldest_ms, info.min_ms);
        out->newest_ms = MAX(out->newest_ms, info.max_ms);
        out->future_partitions += db->o.future_limit_ms && info.max_ms > limit_ms;
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
    out->deletions = __atomic_load_n(&db->deletion_count, __ATOMIC_RELAXED);
}
