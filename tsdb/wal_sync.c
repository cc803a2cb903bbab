/* wal_sync.c -- the log's disk side: writing, syncing, and what happens when that fails.
 *
 * A sync that failed is never repeated: the kernel may have dropped the pages and would report
 * success. The segment is left alone and everything since its last good sync, still in `out`, is
 * written to a new one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "tsdb/wal_int.h"

enum { KEEP_BUFFER = 1 << 18 }; /* bytes of buffer kept between bursts */

/* Preallocates as much as the disk can spare; a file system that cannot is no failure. */
static int preallocate(struct wal *w, int fd)
{
    int64_t free_bytes = 0, total = 0, size = w->o.segment_bytes;
    if (w->env->io->space(w->env, w->dir, &free_bytes, &total) == 0)
        size = MIN(size, MAX(free_bytes / 16, 1 << 16));
    int rc = w->env->io->fallocate(w->env, fd, size);
    return rc == -EOPNOTSUPP || rc == -EINVAL ? 0 : rc;
}

static int create_segment(struct wal *w, const char *path, uint32_t id, uint64_t first_lsn)
{
    uint8_t header[WAL_SEGMENT_HEADER];
    int fd = w->env->io->open(w->env, path, O_RDWR | O_CREAT | O_EXCL, 0640);
    if (fd < 0) return fd;
    wal_segment_header(header, id, w->out_epoch, first_lsn, env_now_ms(w->env));
    int rc = preallocate(w, fd);
    if (rc == 0) rc = env_pwrite_all(w->env, fd, header, sizeof header, 0);
    if (rc == 0) rc = w->env->io->sync_dir(w->env, w->dir);
    if (rc < 0) {
        w->env->io->close(w->env, fd);
        w->env->io->unlink(w->env, path);
        return rc;
    }
    return fd;
}

static int open_segment(struct wal *w, uint64_t first_lsn)
{
    char path[WAL_PATH_MAX];
    uint32_t id = ++w->segment;
    wal_segment_path(w, id, path);
    int fd = create_segment(w, path, id, first_lsn);
    if (fd < 0) return fd;
    struct wal_segment s = {id, w->out_epoch, first_lsn - 1, WAL_SEGMENT_HEADER, false};
    pthread_mutex_lock(&w->lock);
    int rc = wal_add_segment(w, s);
    w->open = rc == 0;
    pthread_mutex_unlock(&w->lock);
    if (rc < 0) {
        w->env->io->close(w->env, fd);
        w->env->io->unlink(w->env, path);
        return rc;
    }
    w->fd = fd;
    w->offset = WAL_SEGMENT_HEADER;
    return 0;
}

static void close_segment(struct wal *w)
{
    if (w->fd >= 0) w->env->io->close(w->env, w->fd);
    w->fd = -1;
    pthread_mutex_lock(&w->lock);
    w->open = false;
    pthread_mutex_unlock(&w->lock);
}

/* Writes sealed bytes of out up to end; lsn is that of the last record among them. */
static int write_range(struct wal *w, size_t end, uint64_t lsn)
{
    size_t len = end - w->out_written;
    if (!len) return 0;
    int rc = env_pwrite_all(w->env, w->fd, w->out.p + w->out_written, len, w->offset);
    if (rc < 0) return rc;
    w->out_written = end;
    w->offset += (int64_t)len;
    pthread_mutex_lock(&w->lock);
    w->written_lsn = lsn;
    w->segments[w->segment_count - 1].last_lsn = lsn;
    w->segments[w->segment_count - 1].bytes = w->offset;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* Syncs the segment; out's first out_written bytes are then durable and forgotten. */
static int sync_segment(struct wal *w)
{
    int64_t start = env_mono_ns(w->env);
    int rc = w->env->io->fdatasync(w->env, w->fd);
    int64_t end = env_mono_ns(w->env);
    if (rc < 0) return rc;
    if (w->out_written == w->out.len && w->out.cap > KEEP_BUFFER)
        buf_release(&w->out);
    else
        buf_consume(&w->out, w->out_written);
    w->out_written = 0;
    w->last_sync_ns = end;
    pthread_mutex_lock(&w->lock);
    w->durable_lsn = w->written_lsn;
    w->out_bytes = w->out.len;
    w->stats.syncs++;
    w->stats.sync_ns += (uint64_t)(end - start);
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* At the mark of a new epoch, which is where out's written bytes end. */
static int end_epoch(struct wal *w)
{
    int rc = w->fd >= 0 && w->out_written ? sync_segment(w) : 0;
    if (rc < 0) return rc;
    close_segment(w);
    w->out_epoch = (uint32_t)wal_record_lsn((const uint8_t *)w->out.p + w->out_written);
    buf_consume(&w->out, w->out_written + WAL_RECORD_HEADER);
    w->out_written = 0;
    return 0;
}

/* Seals and writes everything in out that is not written yet. */
static int write_out(struct wal *w)
{
    size_t at = w->out_written;
    uint64_t lsn = 0;
    int rc = 0;
    while (rc == 0 && at < w->out.len) {
        uint8_t *p = (uint8_t *)w->out.p + at;
        if (p[WAL_RECORD_HEADER - 1] == WAL_BREAK) {
            rc = write_range(w, at, lsn);
            if (rc == 0) rc = end_epoch(w);
            at = 0;
            continue;
        }
        if (w->fd < 0) rc = open_segment(w, wal_record_lsn(p));
        if (rc < 0) return rc;
        lsn = wal_record_lsn(p);
        at += wal_record_seal(p, w->segment);
    }
    return rc < 0 ? rc : write_range(w, at, lsn);
}

static int write_and_sync(struct wal *w, bool sync)
{
    int rc = write_out(w);
    if (rc == 0 && sync && w->out_written) rc = sync_segment(w);
    return rc;
}

static void set_failed(struct wal *w, bool failed)
{
    pthread_mutex_lock(&w->lock);
    w->failed = failed;
    w->stats.failures += failed;
    w->out_bytes = w->out.len;
    w->sync_now = false;
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
}

/* Gives the segment up and writes everything not yet durable to a new one. */
static int start_over(struct wal *w, int why)
{
    log_error("log segment given up", "segment=%08" PRIx32 " err=\"%s\" next=\"new segment\"",
              w->segment, err_text(why));
    close_segment(w);
    w->out_written = 0;
    pthread_mutex_lock(&w->lock);
    w->stats.failures++;
    pthread_mutex_unlock(&w->lock);
    return write_and_sync(w, true);
}

/* Moves what is pending behind what is not durable yet. */
static int take_pending(struct wal *w)
{
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    if (!w->out.len) {
        struct buf empty = w->out;
        w->out = w->pending;
        w->pending = empty;
    } else if (w->pending.len) {
        rc = buf_add(&w->out, w->pending.p, w->pending.len);
        w->out.err = 0;
        if (rc == 0) buf_reset(&w->pending);
    }
    w->out_bytes = w->out.len;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int wal_cycle(struct wal *w, bool sync)
{
    int64_t now = env_mono_ns(w->env);
    w->last_try_ns = now;
    wal_check_space(w, now);
    int rc = take_pending(w);
    if (rc < 0) return rc;
    sync |= w->failed || now - w->last_sync_ns >= WAL_SYNC_NS;
    bool had_segment = w->fd >= 0;
    rc = write_and_sync(w, sync);
    if (rc < 0 && had_segment) rc = start_over(w, rc);
    if (rc < 0) {
        close_segment(w);
        w->out_written = 0;
        complain(&w->complaint, now, "log cannot be written", "err=\"%s\" next=\"retry in 500 ms\"",
                 err_text(rc));
    } else {
        complain_over(&w->complaint, now, "log is written again");
    }
    set_failed(w, rc < 0);
    return rc;
}

void wal_check_space(struct wal *w, int64_t now_ns)
{
    int64_t free_bytes = 0, total = 0;
    if (w->last_space_ns && now_ns - w->last_space_ns < WAL_SYNC_NS) return;
    w->last_space_ns = now_ns;
    if (!w->o.min_free_permille) return;
    if (w->env->io->space(w->env, w->dir, &free_bytes, &total) < 0 || total <= 0) return;
    bool low = free_bytes < total / 1000 * w->o.min_free_permille;
    pthread_mutex_lock(&w->lock);
    bool changed = low != w->low_space;
    w->low_space = low;
    pthread_mutex_unlock(&w->lock);
    if (changed && low)
        log_error("disk nearly full", "path=%s free_bytes=%" PRId64 " next=\"samples refused\"",
                  w->dir, free_bytes);
    else if (changed)
        log_info("disk has room again", "path=%s free_bytes=%" PRId64, w->dir, free_bytes);
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* Whether somebody waits for more than there is; lock held. */
static bool wanted(const struct wal *w)
{
    bool sync = w->o.durability == TSDB_DURABILITY_SYNC;
    return w->sync_now || w->wanted_lsn > (sync ? w->durable_lsn : w->written_lsn);
}

/* The monotonic time at which there is something to do; lock held. */
static int64_t due_ns(const struct wal *w)
{
    int64_t due = INT64_MAX;
    if (w->low_space) due = w->last_space_ns + WAL_SYNC_NS;
    if (w->failed) return MIN(due, w->last_try_ns + WAL_RETRY_NS);
    if (wanted(w) || w->pending.len >= WAL_WRITE_AT) return 0;
    if (w->pending.len) due = MIN(due, w->pending_since_ns + WAL_WRITE_NS);
    if (w->out_bytes) due = MIN(due, w->last_sync_ns + WAL_SYNC_NS);
    return due;
}

/* Sleeps until something is due; returns whether it is to be synced. */
static bool wait_for_work(struct wal *w, bool *stop)
{
    pthread_mutex_lock(&w->lock);
    for (int64_t due; !w->stop && (due = due_ns(w)) > env_mono_ns(w->env);) {
        struct timespec until = {due / 1000000000, due % 1000000000};
        if (due == INT64_MAX)
            pthread_cond_wait(&w->work, &w->lock);
        else
            pthread_cond_timedwait(&w->work, &w->lock, &until);
    }
    bool sync = w->stop || w->sync_now ||
                (w->o.durability == TSDB_DURABILITY_SYNC && w->wanted_lsn > w->durable_lsn);
    *stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return sync;
}

void *wal_syncer(void *wal)
{
    struct wal *w = wal;
    bool stop = false;
    while (!stop) {
        bool sync = wait_for_work(w, &stop);
        int rc = wal_cycle(w, sync);
        if (rc < 0 && stop) log_error("log not synced at stop", "err=\"%s\"", err_text(rc));
    }
    return NULL;
}
