/* deletions.c -- deleting series: what is recorded, and what a reader of a day leaves out.
 *
 *     <path>/deletions   a journal with one record a deletion: its matchers, its time, and for each
 *                        day file that had matching series the cycle that was next then
 *
 * The head is flushed before, so everything meant lies in groups of earlier cycles and nothing of
 * the head is ever left out: a reader filters what it gets from the files, by id and cycle. After a
 * start a cut's ids are found by its matchers when the day is first read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/journal.h"
#include "core/mem.h"
#include "tsdb/admin.h"
#include "tsdb/tsdb_int.h"

enum { RECORD_DELETION = 1, PAYLOAD_MAX = 8 << 20, CUTS_MAX = 1 << 20 };

/* --- cuts of a day -----------------------------------------------------------------------------
 */

static void cut_free(struct day_cut *c)
{
    if (!c) return;
    id_set_release(&c->ids);
    tombstone_unref(c->t);
    mem_free(c);
}

void day_cuts_free(struct day *day)
{
    while (day->cuts) {
        struct day_cut *c = day->cuts;
        day->cuts = c->next;
        cut_free(c);
    }
}

static int cut_new(struct day_cut **out, struct tombstone *t, uint32_t cycle)
{
    struct day_cut *c = mem_zalloc(sizeof *c);
    *out = c;
    if (!c) return -ENOMEM;
    c->t = tombstone_ref(t);
    c->cycle = cycle;
    return 0;
}

/* A cut whose ids are to be found, by whoever comes first. */
struct find {
    struct tsdb *db;
    struct day_cut *cut;
};

static int select_ids(struct day_cut *c, const struct index *x)
{
    struct ordinals found = {0};
    int rc = index_select(x, c->t->matchers, c->t->matcher_count, &found);
    for (size_t i = 0; rc == 0 && i < found.count; i++)
        rc = id_set_add(&c->ids, index_id(x, found.v[i]));
    ordinals_release(&found);
    if (rc < 0) id_set_release(&c->ids);
    return rc;
}

static int find_ids(void *arg, struct day *day, const struct index *x)
{
    struct find *f = arg;
    int rc = 0;
    UNUSED(day);
    pthread_mutex_lock(&f->db->days.cut_lock);
    if (!f->cut->ready) rc = select_ids(f->cut, x);
    if (rc == 0) __atomic_store_n(&f->cut->ready, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&f->db->days.cut_lock);
    return rc;
}

/* Makes sure that the cut's ids are there. */
static int cut_prepare(struct tsdb *db, struct day *day, struct day_cut *c)
{
    struct find f = {db, c};
    if (__atomic_load_n(&c->ready, __ATOMIC_ACQUIRE)) return 0;
    return day_with_index(db, day, find_ids, &f);
}

static void publish(struct day *day, struct day_cut *c)
{
    c->next = day->cuts; /* only flush_lock's holder adds */
    __atomic_store_n(&day->cuts, c, __ATOMIC_RELEASE);
}

static int add_cut(struct cut_vec *out, struct partition_cut c)
{
    void *v = out->v;
    int rc = mem_grow(&v, &out->cap, out->count + 1, CUTS_MAX, sizeof *out->v);
    out->v = v;
    if (rc == 0) out->v[out->count++] = c;
    return rc;
}

int day_cuts_of(struct tsdb *db, struct day *day, uint32_t id, int64_t start_ms, int64_t end_ms,
                struct cut_vec *out)
{
    struct day_cut *c = __atomic_load_n(&day->cuts, __ATOMIC_ACQUIRE);
    int rc = 0;
    out->count = 0;
    for (; rc == 0 && c; c = c->next) {
        const struct tombstone *t = c->t;
        if (t->end_ms < start_ms || t->start_ms > end_ms) continue;
        rc = cut_prepare(db, day, c);
        if (rc == 0 && id_set_has(&c->ids, id))
            rc = add_cut(out, (struct partition_cut){t->start_ms, t->end_ms, c->cycle});
    }
    return rc;
}

/* --- the list ----------------------------------------------------------------------------------
 */

static int add_tombstone(struct deletions *d, struct tombstone *t)
{
    void *v = d->v;
    int rc = mem_grow(&v, &d->cap, d->count + 1, 1 << 20, sizeof(struct tombstone *));
    d->v = v;
    if (rc == 0) d->v[d->count++] = t;
    return rc;
}

/* The day that an entry is about, pinned; NULL when there is none any more. */
static struct day *pin_day(struct tsdb *db, const struct tombstone_day *about)
{
    struct days *d = &db->days;
    struct day *found = NULL;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; !found && i < d->count; i++)
        if (d->v[i]->day_ms == about->day_ms && d->v[i]->p->created_ms == about->created_ms)
            found = d->v[i];
    if (found) found->refs++;
    pthread_mutex_unlock(&d->lock);
    return found;
}

static bool is_about_a_file(void *db, const struct tombstone_day *about)
{
    struct day *day = pin_day(db, about);
    if (day) days_unpin_one(db, day);
    return day != NULL;
}

/* Gives the days of a tombstone their cuts. */
static int apply(struct tsdb *db, struct tombstone *t)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->day_count; i++) {
        struct day_cut *c = NULL;
        struct day *day = pin_day(db, &t->days[i]);
        if (!day) continue;
        rc = cut_new(&c, t, t->days[i].cycle);
        if (rc == 0) publish(day, c);
        days_unpin_one(db, day);
    }
    return rc;
}

static int write_records(void *arg, struct journal *j)
{
    struct tsdb *db = arg;
    struct buf payload = BUF_INIT(PAYLOAD_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < db->deletions.count; i++) {
        buf_reset(&payload);
        rc = tombstone_encode(db->deletions.v[i], is_about_a_file, db, &payload);
        if (rc == 0)
            rc = journal_append(j, RECORD_DELETION, (struct str){payload.p, payload.len}, NULL);
    }
    buf_release(&payload);
    return rc;
}

static int replay(void *arg, uint8_t type, uint64_t lsn, struct str payload)
{
    struct tsdb *db = arg;
    struct tombstone *t = NULL;
    if (type != RECORD_DELETION) return 0;
    int rc = tombstone_decode(payload, &t);
    if (rc == E_CORRUPT) {
        log_error("a deletion cannot be read", "record=%" PRIu64 " next=\"its samples are back\"",
                  lsn);
        return 0;
    }
    if (rc == 0) rc = add_tombstone(&db->deletions, t);
    if (rc < 0) tombstone_unref(t);
    return rc;
}

/* Tells whoever asks without flush_lock. */
static void note_count(struct tsdb *db)
{
    __atomic_store_n(&db->deletion_count, db->deletions.count, __ATOMIC_RELAXED);
}

static int open_journal(struct tsdb *db, struct errmsg *err)
{
    char path[TSDB_PATH_MAX + 16];
    if (db->deletions.journal) return 0;
    snprintf(path, sizeof path, "%s/deletions", db->path);
    int rc = journal_open(&db->deletions.journal, db->env, path, replay, db, err);
    for (size_t i = 0; rc == 0 && i < db->deletions.count; i++)
        rc = apply(db, db->deletions.v[i]);
    note_count(db);
    return rc;
}

int deletions_open(struct tsdb *db)
{
    char path[TSDB_PATH_MAX + 16];
    struct io_stat st;
    struct errmsg err = {0};
    snprintf(path, sizeof path, "%s/deletions", db->path);
    if (db->env->io->stat(db->env, path, &st) == -ENOENT) return 0;
    int rc = open_journal(db, &err);
    if (rc == -ENOMEM) return rc;
    if (rc < 0)
        log_error("deletions cannot be read", "err=\"%s\" next=\"what was deleted is back\"",
                  err.text[0] ? err.text : err_text(rc));
    deletions_tidy(db);
    return 0;
}

void deletions_release(struct tsdb *db)
{
    struct deletions *d = &db->deletions;
    for (size_t i = 0; i < d->count; i++)
        tombstone_unref(d->v[i]);
    mem_free(d->v);
    if (journal_close(d->journal) < 0) log_warn("deletions not closed", "path=%s", db->path);
    *d = (struct deletions){0};
}

void deletions_tidy(struct tsdb *db)
{
    struct deletions *d = &db->deletions;
    size_t kept = 0, gone = 0;
    if (!d->journal) return;
    for (size_t i = 0; i < d->count; i++) {
        struct tombstone *t = d->v[i];
        size_t live = 0;
        for (size_t k = 0; k < t->day_count; k++)
            live += is_about_a_file(db, &t->days[k]);
        gone += t->day_count - live;
        if (live)
            d->v[kept++] = t;
        else
            tombstone_unref(t);
    }
    d->count = kept;
    note_count(db);
    if (!gone) return;
    int rc = journal_rewrite(d->journal, write_records, db);
    if (rc < 0) /* records about files that are gone do no harm */
        log_warn("list of deletions not shortened", "err=\"%s\"", err_text(rc));
}

/* --- deleting ----------------------------------------------------------------------------------
 */

/* A deletion being made: its cuts, not yet in the days' lists. */
struct deleting {
    struct tsdb *db;
    struct tombstone *t;
    struct day **days;
    struct day_cut **cuts; /* of days; NULL where nothing matches */
    size_t day_count;
};

static int make_cut(struct deleting *d, size_t i)
{
    struct partition_info info;
    struct day_cut *c = NULL;
    partition_info(d->days[i]->p, &info);
    if (info.max_ms < d->t->start_ms || info.min_ms > d->t->end_ms) return 0;
    int rc = cut_new(&c, d->t, (uint32_t)info.cycles);
    if (rc == 0) rc = cut_prepare(d->db, d->days[i], c);
    if (rc == 0 && c->ids.count)
        rc =
            tombstone_add_day(d->t, (struct tombstone_day){info.day_ms, info.created_ms, c->cycle});
    if (rc == 0 && c->ids.count)
        d->cuts[i] = c;
    else
        cut_free(c);
    return rc;
}

/* Writes the list with the new deletion at its end; the list is as before when that fails. */
static int record(struct deleting *d, struct errmsg *err)
{
    struct deletions *list = &d->db->deletions;
    int rc = open_journal(d->db, err);
    if (rc == 0) rc = add_tombstone(list, d->t);
    if (rc < 0) return rc;
    rc = journal_rewrite(list->journal, write_records, d->db);
    if (rc == 0) {
        tombstone_ref(d->t);
        note_count(d->db);
        return 0;
    }
    list->count--;
    return errmsg_set(err, rc == -ENOMEM ? rc : E_UNAVAILABLE, "cannot record the deletion: %s",
                      err_text(rc));
}

/* The newest value of a series is remembered outside its stream: not any more. Without memory to
 * tell which series are meant, of none. */
static void forget_newest(struct tsdb *db, const struct tombstone *t)
{
    struct head *h = &db->head;
    struct ordinals found = {0};
    pthread_rwlock_rdlock(&h->index_lock);
    bool all = index_select(h->index, t->matchers, t->matcher_count, &found) < 0;
    pthread_mutex_lock(&h->lock);
    size_t count = all ? h->count : found.count;
    for (uint32_t i = 0; i < count; i++) {
        struct series *s = head_series(h, all ? i : found.v[i]);
        if (s->last_ms >= t->start_ms && s->last_ms <= t->end_ms) s->rewritten = true;
    }
    pthread_mutex_unlock(&h->lock);
    pthread_rwlock_unlock(&h->index_lock);
    ordinals_release(&found);
}

static int make_cuts(struct deleting *d)
{
    int rc = days_pin(d->db, d->t->start_ms, d->t->end_ms, &d->days, &d->day_count);
    if (rc < 0) return rc;
    d->cuts = mem_array(d->day_count + 1, sizeof(struct day_cut *));
    if (!d->cuts) return -ENOMEM;
    for (size_t i = 0; rc == 0 && i < d->day_count; i++)
        rc = make_cut(d, i);
    return rc;
}

static int delete_flushed(struct deleting *d, struct errmsg *err)
{
    int rc = make_cuts(d);
    if (rc < 0 || !d->t->day_count) return rc;
    rc = record(d, err);
    if (rc < 0) return rc;
    for (size_t i = 0; i < d->day_count; i++) {
        if (d->cuts[i]) publish(d->days[i], d->cuts[i]);
        d->cuts[i] = NULL;
    }
    forget_newest(d->db, d->t);
    return 0;
}

static void deleting_release(struct deleting *d)
{
    for (size_t i = 0; d->cuts && i < d->day_count; i++)
        cut_free(d->cuts[i]);
    mem_free(d->cuts);
    if (d->days) days_unpin(d->db, d->days, d->day_count);
    tombstone_unref(d->t);
}

int tsdb_delete(struct tsdb *db, const struct matcher *m, size_t count, int64_t start_ms,
                int64_t end_ms, struct errmsg *err)
{
    struct deleting d = {.db = db};
    if (start_ms > end_ms) return 0;
    int rc = admin_begin(db, err);
    if (rc < 0) return rc;
    pthread_mutex_lock(&db->flush_lock);
    if (db->deletions.count >= TSDB_DELETIONS_MAX)
        rc = errmsg_set(err, E_LIMIT,
                        "%d deletions wait to be cleaned up: POST "
                        "/api/v1/admin/tsdb/clean_tombstones first",
                        TSDB_DELETIONS_MAX);
    if (rc == 0) rc = flush_now(db, err);
    if (rc == E_CORRUPT) rc = flush_now(db, err); /* the damaged file is out of the way now */
    if (rc == 0) rc = tombstone_new(&d.t, m, count, start_ms, end_ms);
    if (rc == 0) rc = delete_flushed(&d, err);
    deleting_release(&d);
    pthread_mutex_unlock(&db->flush_lock);
    admin_end(db);
    if (rc < 0 && err && !err->text[0])
        errmsg_set(err, rc, "cannot delete series: %s", err_text(rc));
    return rc;
}
