/* wal.c -- the log's appending side: the buffer, waiting for the disk, and the list of segments.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/wal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/wal_int.h"

void wal_segment_path(const struct wal *w, uint32_t id, char out[WAL_PATH_MAX])
{
    snprintf(out, WAL_PATH_MAX, "%.*s/%08" PRIx32 ".wal", WAL_PATH_MAX - 16, w->dir, id);
}

int wal_add_segment(struct wal *w, struct wal_segment s)
{
    void *v = w->segments;
    int rc = mem_grow(&v, &w->segment_cap, w->segment_count + 1, 1 << 20, sizeof *w->segments);
    w->segments = v;
    if (rc < 0) return rc;
    w->segments[w->segment_count++] = s;
    return 0;
}

int wal_open(struct wal **out, const struct wal_options *o, struct env *env)
{
    struct wal *w = mem_zalloc(sizeof *w);
    pthread_condattr_t attr;
    *out = w;
    if (!w) return -ENOMEM;
    w->env = env;
    w->o = *o;
    w->fd = -1;
    snprintf(w->dir, sizeof w->dir, "%s", o->dir);
    snprintf(w->quarantine, sizeof w->quarantine, "%s", o->quarantine);
    w->o.dir = w->dir;
    w->o.quarantine = w->quarantine;
    buf_init(&w->pending, 2 * o->backlog_bytes + 2 * ((size_t)WAL_PAYLOAD_MAX + WAL_RECORD_HEADER));
    buf_init(&w->out, 2 * w->pending.max);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
    pthread_cond_init(&w->done, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void wal_free(struct wal *w)
{
    if (!w) return;
    assert(!w->running);
    buf_release(&w->pending);
    buf_release(&w->out);
    mem_free(w->segments);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

int wal_start(struct wal *w, uint64_t first_lsn)
{
    w->last_lsn = MAX(w->last_lsn, first_lsn - 1);
    w->written_lsn = w->durable_lsn = w->last_lsn;
    w->epoch++;
    w->out_epoch = w->epoch;
    w->last_sync_ns = env_mono_ns(w->env);
    wal_check_space(w, w->last_sync_ns);
    if (!w->o.threads) return 0;
    int rc = -pthread_create(&w->thread, NULL, wal_syncer, w);
    w->running = rc == 0;
    return rc;
}

void wal_stop(struct wal *w, bool discard)
{
    pthread_mutex_lock(&w->lock);
    bool running = w->running;
    w->stop = true;
    if (discard) buf_reset(&w->pending);
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    if (running)
        pthread_join(w->thread, NULL);
    else if (!discard && wal_cycle(w, true) < 0)
        log_error("log not synced at stop", "path=%s", w->dir);
    w->running = false;
    if (w->fd >= 0) w->env->io->close(w->env, w->fd);
    w->fd = -1;
    w->open = false;
}

/* --- appending ---------------------------------------------------------------------------------
 */

/* Adds a record without payload that tells the syncer to start a new segment. */
static int new_epoch(struct wal *w)
{
    int rc = wal_record_begin(&w->pending, WAL_BREAK, (uint64_t)w->epoch + 1);
    if (rc < 0) {
        w->pending.err = 0;
        return rc;
    }
    w->epoch++;
    w->epoch_bytes = w->definition_bytes = 0;
    return 0;
}

/* Every segment repeats the definitions of its series; they shall stay a small part of it. */
static bool segment_full(const struct wal *w)
{
    return w->epoch_bytes > w->o.segment_bytes && w->epoch_bytes > 5 * w->definition_bytes;
}

int wal_lock(struct wal *w)
{
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    if (w->failed || w->low_space || w->stop || w->pending.len + w->out_bytes > w->o.backlog_bytes)
        rc = E_UNAVAILABLE;
    w->pending_before = w->pending.len;
    if (rc == 0 && segment_full(w)) rc = new_epoch(w);
    if (rc < 0) pthread_mutex_unlock(&w->lock);
    return rc;
}

uint64_t wal_next_lsn(const struct wal *w)
{
    return w->last_lsn + 1;
}

uint32_t wal_epoch(const struct wal *w)
{
    return w->epoch;
}

/* Ends the record that starts at offset at, or takes it back. */
static int finish(struct wal *w, size_t at, int rc)
{
    if (rc == 0 && w->pending.len - at > WAL_PAYLOAD_MAX) rc = E_TOO_BIG;
    if (rc < 0) {
        w->pending.err = 0;
        buf_truncate(&w->pending, at);
        return rc;
    }
    wal_record_end(&w->pending, at);
    w->epoch_bytes += (int64_t)(w->pending.len - at);
    w->last_lsn++;
    return 0;
}

int wal_add_series(struct wal *w, uint32_t id, struct labels ls)
{
    size_t at = w->pending.len;
    int rc = wal_record_begin(&w->pending, WAL_SERIES, w->last_lsn + 1);
    if (rc == 0) rc = wal_put_series(&w->pending, id, ls);
    rc = finish(w, at, rc);
    if (rc == 0) w->definition_bytes += (int64_t)(w->pending.len - at);
    return rc;
}

int wal_begin_samples(struct wal *w, struct wal_samples *s, int64_t base_ms, size_t count)
{
    w->record_at = w->pending.len;
    int rc = wal_record_begin(&w->pending, WAL_SAMPLES, w->last_lsn + 1);
    if (rc == 0) rc = wal_samples_begin(s, &w->pending, base_ms, count);
    if (rc < 0) {
        w->pending.err = 0;
        buf_truncate(&w->pending, w->record_at);
    }
    return rc;
}

uint64_t wal_end_samples(struct wal *w, struct wal_samples *s)
{
    wal_samples_end(s, &w->pending);
    int rc = finish(w, w->record_at, s->count ? 0 : E_NOT_FOUND);
    assert(rc == 0 || !s->count); /* 1,024 samples cannot exceed a payload */
    UNUSED(rc);
    return w->last_lsn;
}

void wal_unlock(struct wal *w)
{
    if (w->pending.len && !w->pending_before) {
        w->pending_since_ns = env_mono_ns(w->env);
        pthread_cond_signal(&w->work);
    } else if (w->pending.len >= WAL_WRITE_AT && w->pending_before < WAL_WRITE_AT) {
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
}

/* --- waiting -----------------------------------------------------------------------------------
 */

uint64_t wal_last_lsn(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t lsn = w->last_lsn;
    pthread_mutex_unlock(&w->lock);
    return lsn;
}

/* Waits until *reached is at lsn; without threads, does the work. */
static int wait_for(struct wal *w, const uint64_t *reached, uint64_t lsn)
{
    int rc = 0;
    if (!w->o.threads && *reached < lsn) {
        rc = wal_cycle(w, reached == &w->durable_lsn);
        return rc < 0 ? E_UNAVAILABLE : 0;
    }
    pthread_mutex_lock(&w->lock);
    while (rc == 0 && *reached < lsn) {
        if (w->failed || !w->running) {
            rc = E_UNAVAILABLE;
            break;
        }
        w->wanted_lsn = MAX(w->wanted_lsn, lsn);
        w->sync_now |= reached == &w->durable_lsn;
        pthread_cond_signal(&w->work);
        pthread_cond_wait(&w->done, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int wal_wait(struct wal *w, uint64_t lsn)
{
    bool sync = w->o.durability == TSDB_DURABILITY_SYNC;
    return wait_for(w, sync ? &w->durable_lsn : &w->written_lsn, lsn);
}

int wal_sync(struct wal *w)
{
    return wait_for(w, &w->durable_lsn, wal_last_lsn(w));
}

/* --- segments ----------------------------------------------------------------------------------
 */

int wal_rotate(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    int rc = w->epoch_bytes ? new_epoch(w) : 0;
    pthread_mutex_unlock(&w->lock);
    if (rc == 0 && !w->o.threads) return wal_cycle(w, true);
    if (rc < 0) return rc;
    pthread_mutex_lock(&w->lock);
    w->sync_now = true;
    pthread_cond_signal(&w->work);
    while (w->sync_now && w->running && !w->failed)
        pthread_cond_wait(&w->done, &w->lock);
    rc = w->failed ? E_UNAVAILABLE : 0;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

/* Whether every segment of an epoch is behind lsn and none is being written. */
static bool epoch_done(const struct wal *w, uint32_t epoch, uint64_t lsn)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        bool current = w->open && i + 1 == w->segment_count;
        if (s->epoch == epoch && (current || s->last_lsn > lsn)) return false;
    }
    return true;
}

/* Takes the first removable segment off the list. */
static bool take_done(struct wal *w, uint64_t lsn, struct wal_segment *out)
{
    bool found = false;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; !found && i < w->segment_count; i++) {
        if (!epoch_done(w, w->segments[i].epoch, lsn)) continue;
        *out = w->segments[i];
        w->segment_count--;
        memmove(w->segments + i, w->segments + i + 1, (w->segment_count - i) * sizeof *w->segments);
        found = true;
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

void wal_truncate(struct wal *w, uint64_t lsn)
{
    struct wal_segment s;
    char path[WAL_PATH_MAX], aside[WAL_PATH_MAX];
    while (take_done(w, lsn, &s)) {
        wal_segment_path(w, s.id, path);
        snprintf(aside, sizeof aside, "%.*s/%08" PRIx32 ".wal.%" PRId64, WAL_PATH_MAX - 64,
                 w->quarantine, s.id, env_now_ms(w->env));
        int rc =
            s.damaged ? w->env->io->rename(w->env, path, aside) : w->env->io->unlink(w->env, path);
        if (rc < 0 && rc != -ENOENT)
            log_warn("log segment not removed", "path=%s err=\"%s\"", path, err_text(rc));
    }
}

void wal_stats(struct wal *w, struct wal_stats *out)
{
    pthread_mutex_lock(&w->lock);
    *out = w->stats;
    out->bytes = 0;
    out->segments = w->segment_count;
    for (size_t i = 0; i < w->segment_count; i++)
        out->bytes += (uint64_t)w->segments[i].bytes;
    out->writable = !w->failed && !w->low_space && !w->stop &&
                    w->pending.len + w->out_bytes <= w->o.backlog_bytes;
    pthread_mutex_unlock(&w->lock);
}
