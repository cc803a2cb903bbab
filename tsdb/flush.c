/* flush.c -- from the head to the day files: one slice at a time, and the thread that does it.
 *
 * A slice is frozen under the head's lock (its chunks take no more samples), written day by day
 * without any lock a reader or appender takes, then forgotten under the lock again. Until it is
 * forgotten readers find the samples in the head; afterwards flush_seq tells them to look at the
 * files anew. When writing fails the frozen chunks stay, and the next turn takes them along.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum {
    BATCH_SAMPLES = 1 << 18, /* samples of one transaction, about */
    IDS_AHEAD = 4096,        /* see docs/WAL.md */
    WAL_HURRY = 512 << 20,   /* and of log */
    ARENA_MAX = 256 << 20,
};

/* --- freezing and forgetting -------------------------------------------------------------------
 */

struct frozen {
    uint32_t slot, id;
    const struct chunk *first;
    uint32_t chunks; /* so many from first on are frozen */
    uint32_t late_count;
    struct late_sample *late; /* a copy */
    int64_t flushed_ms, newest_ms;
};

struct freeze {
    struct tsdb *db;
    uint32_t slice;
    uint64_t lsn; /* of the newest record with samples in here */
    struct frozen *v;
    size_t count;
    int64_t min_ms, max_ms;
};

static int freeze_series(struct freeze *f, struct series *s, uint32_t slot)
{
    struct frozen *z = &f->v[f->count];
    if (!s->first && !s->late) return 0;
    *z = (struct frozen){.slot = slot, .id = s->id, .first = s->first};
    z->flushed_ms = z->newest_ms = s->flushed_ms;
    if (s->late) {
        z->late_count = s->late->count;
        z->late = mem_dup(s->late->v, z->late_count * sizeof *z->late);
        if (!z->late) return -ENOMEM;
    }
    s->open = false;
    f->count++;
    for (const struct chunk *c = s->first; c; c = c->next) {
        z->chunks++;
        f->min_ms = MIN(f->min_ms, c->min_ms);
        f->max_ms = MAX(f->max_ms, c->max_ms);
    }
    for (uint32_t i = 0; i < z->late_count; i++) {
        f->min_ms = MIN(f->min_ms, z->late[i].t_ms);
        f->max_ms = MAX(f->max_ms, z->late[i].t_ms);
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct frozen *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Closes the chunks of a slice. Those that follow a frozen one start their own. */
static int freeze(struct freeze *f)
{
    struct head *h = &f->db->head;
    struct slice *slice = &h->slices[f->slice];
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    f->min_ms = INT64_MAX;
    f->max_ms = INT64_MIN;
    f->lsn = wal_last_lsn(f->db->wal);
    f->v = mem_array(slice->count, sizeof *f->v);
    if (!f->v) rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < slice->count; i++)
        rc = freeze_series(f, head_series(h, slice->slots[i]), slice->slots[i]);
    if (rc == 0) {
        slice->freezing_lsn = slice->dirty_lsn;
        slice->dirty_lsn = 0;
    }
    pthread_mutex_unlock(&h->lock);
    if (f->count) qsort(f->v, f->count, sizeof *f->v, by_id);
    return rc;
}

/* Ends the freeze: what is in the files leaves the head, or what is not stays for the next turn.
 * Either way later samples at or before the newest one frozen count as late. */
static void thaw(struct freeze *f, bool written)
{
    struct head *h = &f->db->head;
    struct slice *slice = &h->slices[f->slice];
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < f->count; i++) {
        struct series *s = head_series(h, f->v[i].slot);
        s->flushed_ms = f->v[i].newest_ms;
        if (written) head_forget(h, s, f->v[i].chunks, f->v[i].late_count);
    }
    if (written && !slice->dirty_lsn) {
        slice->min_ms = INT64_MAX;
        slice->max_ms = INT64_MIN;
    }
    if (!written && slice->freezing_lsn) slice->dirty_lsn = slice->freezing_lsn;
    slice->freezing_lsn = 0;
    h->flush_seq += written;
    pthread_mutex_unlock(&h->lock);
}

static void freeze_release(struct freeze *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->v[i].late);
    mem_free(f->v);
}

/* --- writing one day ---------------------------------------------------------------------------
 */

struct span {
    uint32_t id;
    struct labels labels;
    size_t from, count;
    bool late;
};

struct writer {
    struct freeze *f;
    struct day *day;
    struct sample_vec samples; /* of all spans */
    struct span *spans;
    size_t count, cap;
    struct arena arena; /* labels */
    struct partition_block *blocks;
    size_t block_cap;
    struct errmsg *err;
};

static int add_span(struct writer *w, const struct frozen *z, struct labels ls, size_t from,
                    size_t to, bool late)
{
    void *v = w->spans;
    if (from == to) return 0;
    int rc = mem_grow(&v, &w->cap, w->count + 1, UINT32_MAX, sizeof *w->spans);
    w->spans = v;
    if (rc == 0) w->spans[w->count++] = (struct span){z->id, ls, from, to - from, late};
    return rc;
}

static int series_labels(struct writer *w, uint32_t slot, struct labels *out)
{
    struct label v[LABELS_MAX];
    struct head *h = &w->f->db->head;
    pthread_rwlock_rdlock(&h->index_lock);
    int rc = labels_copy(&w->arena, index_labels(h->index, slot, v), out);
    pthread_rwlock_unlock(&h->index_lock);
    return rc;
}

/* Decodes a series' samples of the day behind those already gathered. */
static int gather(struct writer *w, struct frozen *z)
{
    int64_t start = w->day->day_ms, end = start + DAY_MS - 1;
    struct sample_vec one = {0};
    struct labels ls;
    int rc = chunks_read(z->first, z->chunks, start, end, &one);
    for (uint32_t i = 0; rc == 0 && i < z->late_count; i++)
        if (day_of(z->late[i].t_ms) == start)
            rc = sample_vec_add(&one, z->late[i].t_ms, z->late[i].v);
    if (rc == 0) rc = sample_vec_normalize(&one);
    if (rc == 0 && one.count) rc = series_labels(w, z->slot, &ls);
    if (rc == 0) rc = sample_vec_reserve(&w->samples, one.count);
    if (rc == 0 && one.count) {
        size_t from = w->samples.count, split = 0;
        while (split < one.count && one.t[split] <= z->flushed_ms)
            split++;
        memcpy(w->samples.t + from, one.t, one.count * sizeof *one.t);
        memcpy(w->samples.v + from, one.v, one.count * sizeof *one.v);
        w->samples.count += one.count;
        z->newest_ms = MAX(z->newest_ms, one.t[one.count - 1]);
        rc = add_span(w, z, ls, from, from + split, true);
        if (rc == 0) rc = add_span(w, z, ls, from + split, from + one.count, false);
    }
    sample_vec_release(&one);
    return rc;
}

/* One transaction with the gathered spans that are late, or that are not. */
static int append(struct writer *w, bool late, uint64_t lsn)
{
    void *v = w->blocks;
    int rc = mem_grow(&v, &w->block_cap, w->count, UINT32_MAX, sizeof *w->blocks);
    w->blocks = v;
    if (rc < 0) return rc;
    struct partition_write pw = {.slice = w->f->slice, .lsn = lsn, .late = late};
    for (size_t i = 0; i < w->count; i++) {
        const struct span *s = &w->spans[i];
        if (s->late != late) continue;
        w->blocks[pw.count++] = (struct partition_block){s->id, s->labels, w->samples.t + s->from,
                                                         w->samples.v + s->from, s->count};
    }
    pw.blocks = w->blocks;
    return partition_append(w->day->p, &pw, w->err);
}

/* Writes what was gathered. Only the day's last transaction carries the slice's LSN. */
static int write_batch(struct writer *w, bool last)
{
    uint64_t before = partition_slice_lsn(w->day->p, w->f->slice);
    size_t late = 0;
    int rc = 0;
    for (size_t i = 0; i < w->count; i++)
        late += w->spans[i].late;
    bool only_late = late == w->count;
    if (late) rc = append(w, true, last && only_late ? w->f->lsn : before);
    if (rc == 0 && !only_late) rc = append(w, false, last ? w->f->lsn : before);
    w->samples.count = w->count = 0;
    arena_reset(&w->arena);
    return rc;
}

static void writer_release(struct writer *w)
{
    sample_vec_release(&w->samples);
    mem_free(w->spans);
    mem_free(w->blocks);
    arena_release(&w->arena);
}

/* Whether the frozen samples may touch the day; cheap and sometimes too hopeful. */
static bool touches(const struct freeze *f, int64_t day_ms)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct chunk *c = f->v[i].first;
        for (uint32_t n = f->v[i].chunks; n; c = --n ? c->next : NULL)
            if (day_of(c->min_ms) <= day_ms && c->max_ms >= day_ms) return true;
        for (uint32_t k = 0; k < f->v[i].late_count; k++)
            if (day_of(f->v[i].late[k].t_ms) == day_ms) return true;
    }
    return false;
}

static int write_day(struct freeze *f, int64_t day_ms, struct errmsg *err)
{
    struct writer w = {.f = f, .err = err};
    arena_init(&w.arena, ARENA_MAX);
    int rc = days_for_writing(f->db, day_ms, &w.day, err);
    for (size_t i = 0; rc == 0 && i < f->count; i++) {
        if (w.samples.count >= BATCH_SAMPLES) rc = write_batch(&w, false);
        if (rc == 0) rc = gather(&w, &f->v[i]);
    }
    if (rc == 0 && w.count) rc = write_batch(&w, true);
    if (rc == E_CORRUPT) days_set_aside(f->db, w.day);
    if (w.day) days_unpin_one(f->db, w.day);
    writer_release(&w);
    return rc;
}

/* --- one slice ---------------------------------------------------------------------------------
 */

/* Makes the file `ids` promise more than what is about to be written. */
static int reserve_ids(struct tsdb *db, const struct freeze *f, struct errmsg *err)
{
    char path[TSDB_PATH_MAX + 8], text[32];
    uint32_t top = f->v[f->count - 1].id;
    if (top < db->ids_reserved) return 0;
    uint32_t next = top > UINT32_MAX - IDS_AHEAD ? UINT32_MAX : top + IDS_AHEAD;
    snprintf(path, sizeof path, "%s/ids", db->path);
    int len = snprintf(text, sizeof text, "next %" PRIu32 "\n", next);
    int rc = env_replace_file(db->env, path, text, (size_t)len);
    if (rc < 0) return errmsg_set(err, rc, "cannot write %s: %s", path, err_text(rc));
    db->ids_reserved = next;
    return 0;
}

static int write_days(struct freeze *f, struct errmsg *err)
{
    struct tsdb *db = f->db;
    int64_t oldest = INT64_MIN;
    if (db->o.retention_ms) oldest = env_now_ms(db->env) - db->o.retention_ms - DAY_MS;
    int rc = reserve_ids(db, f, err);
    for (int64_t day = day_of(f->min_ms); rc == 0 && day <= f->max_ms; day += DAY_MS)
        if (day > oldest && touches(f, day)) rc = write_day(f, day, err);
    return rc;
}

int flush_slice(struct tsdb *db, uint32_t slice, struct errmsg *err)
{
    struct freeze f = {.db = db, .slice = slice};
    int64_t start = env_mono_ns(db->env);
    int rc = freeze(&f);
    if (rc == 0 && f.count) rc = write_days(&f, err);
    thaw(&f, rc == 0);
    pthread_mutex_lock(&db->head.lock);
    if (rc == 0 && f.count) {
        db->stats.flushes++;
        db->stats.flush_ns += (uint64_t)(env_mono_ns(db->env) - start);
    }
    pthread_mutex_unlock(&db->head.lock);
    freeze_release(&f);
    return rc;
}

void flush_truncate_wal(struct tsdb *db)
{
    struct head *h = &db->head;
    uint64_t needed = UINT64_MAX;
    pthread_mutex_lock(&h->lock);
    uint64_t last = wal_last_lsn(db->wal);
    for (size_t i = 0; i < SLICE_COUNT; i++) {
        if (h->slices[i].dirty_lsn) needed = MIN(needed, h->slices[i].dirty_lsn);
        if (h->slices[i].freezing_lsn) needed = MIN(needed, h->slices[i].freezing_lsn);
    }
    pthread_mutex_unlock(&h->lock);
    wal_truncate(db->wal, needed == UINT64_MAX ? last : needed - 1);
}

int flush_all(struct tsdb *db, int64_t until_ns, struct errmsg *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < SLICE_COUNT; i++) {
        if (i > 0 && env_mono_ns(db->env) > until_ns)
            return errmsg_set(err, E_TIMEOUT, "the disk is slow; %u of %d slices flushed", i,
                              SLICE_COUNT);
        rc = flush_slice(db, i, err);
    }
    return rc;
}

/* --- the thread --------------------------------------------------------------------------------
 */

static bool under_pressure(struct tsdb *db)
{
    struct wal_stats wal;
    wal_stats(db->wal, &wal);
    pthread_mutex_lock(&db->head.lock);
    bool large = db->head.bytes > HEAD_HURRY;
    pthread_mutex_unlock(&db->head.lock);
    return large || wal.bytes > WAL_HURRY;
}

/* Sleeps until it is time for the next slice; false when the store closes. */
static bool wait_for_turn(struct tsdb *db, int64_t *due_ns)
{
    struct timespec until = {*due_ns / 1000000000, *due_ns % 1000000000};
    pthread_mutex_lock(&db->flusher_lock);
    while (!db->flusher_stop && !db->flusher_hurry && env_mono_ns(db->env) < *due_ns)
        pthread_cond_timedwait(&db->flusher_work, &db->flusher_lock, &until);
    db->flusher_hurry = false;
    bool go = !db->flusher_stop;
    pthread_mutex_unlock(&db->flusher_lock);
    return go;
}

static void flush_next(struct tsdb *db, struct complaint *complaint)
{
    struct errmsg err = {0};
    pthread_mutex_lock(&db->flush_lock);
    int rc = flush_slice(db, db->next_slice, &err);
    db->next_slice = (db->next_slice + 1) % SLICE_COUNT;
    if (db->next_slice == 0) evict_turn(db);
    flush_truncate_wal(db);
    days_retain(db);
    pthread_mutex_unlock(&db->flush_lock);
    int64_t now = env_mono_ns(db->env);
    if (rc < 0)
        complain(complaint, now, "flush failed", "err=\"%s\" next=\"kept in memory, retried\"",
                 err.text[0] ? err.text : err_text(rc));
    else
        complain_over(complaint, now, "flush works again");
}

static void *flusher_main(void *arg)
{
    struct tsdb *db = arg;
    struct complaint complaint = {0};
    int64_t step = MAX(db->o.flush_turn_ms, SLICE_COUNT) * 1000000 / SLICE_COUNT;
    int64_t due = env_mono_ns(db->env) + step;
    while (wait_for_turn(db, &due)) {
        flush_next(db, &complaint);
        due = env_mono_ns(db->env);
        due += under_pressure(db) ? MIN(step, INT64_C(20000000)) : step;
    }
    return NULL;
}

void flusher_hurry(struct tsdb *db)
{
    pthread_mutex_lock(&db->flusher_lock);
    db->flusher_hurry = true;
    pthread_cond_signal(&db->flusher_work);
    pthread_mutex_unlock(&db->flusher_lock);
}

int flusher_start(struct tsdb *db)
{
    if (!db->threads) return 0;
    int rc = -pthread_create(&db->flusher, NULL, flusher_main, db);
    db->flusher_running = rc == 0;
    return rc;
}

void flusher_stop(struct tsdb *db)
{
    if (!db->flusher_running) return;
    pthread_mutex_lock(&db->flusher_lock);
    db->flusher_stop = true;
    pthread_cond_signal(&db->flusher_work);
    pthread_mutex_unlock(&db->flusher_lock);
    pthread_join(db->flusher, NULL);
    db->flusher_running = false;
}
