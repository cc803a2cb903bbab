/* rewrite.c -- day files made anew: without what was deleted, or because many flushes left them in
 * small pieces.
 *
 * A day is rewritten under flush_lock, so that nothing is appended to it meanwhile: the new file is
 * built in tmp/, renamed over the old one and opened in its place. Readers of the old one go on
 * with it. The cuts of a day go with its old file: the new one has another birthday.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/admin.h"
#include "tsdb/tsdb_int.h"

enum { PIECES_MANY = 30, TURN_SAMPLES = 1 << 18 };

typedef bool worth_it_fn(const struct tsdb *db, const struct day *day,
                         const struct partition_info *info);

static bool has_deleted(const struct tsdb *db, const struct day *day,
                        const struct partition_info *info)
{
    UNUSED(db);
    UNUSED(info);
    return day_has_cuts(day);
}

/* A past day that was written in many more turns than its samples take. */
static bool is_in_pieces(const struct tsdb *db, const struct day *day,
                         const struct partition_info *info)
{
    if (day_has_cuts(day)) return true;
    uint64_t least = info->samples / TURN_SAMPLES + 1;
    return day->day_ms + DAY_MS <= env_now_ms(db->env) && info->cycles > PIECES_MANY * least;
}

/* --- one day -----------------------------------------------------------------------------------
 */

/* What is rewritten why, and how far. */
struct task {
    struct tsdb *db;
    worth_it_fn *worth_it;
    const int *cancel;
    struct tsdb_rewritten *out;
    struct errmsg *err;
};

struct cutting {
    const struct task *task;
    struct day *day;
    struct cut_vec cuts;
};

static int cuts_of(void *arg, uint32_t id, const struct partition_cut **v, size_t *count)
{
    struct cutting *c = arg;
    if (is_canceled(c->task->cancel)) return E_CANCELED;
    int rc = day_cuts_of(c->task->db, c->day, id, INT64_MIN, INT64_MAX, &c->cuts);
    *v = c->cuts.v;
    *count = c->cuts.count;
    return rc;
}

static int rewrite_day(const struct task *t, struct day *day)
{
    char path[TSDB_PATH_MAX + 32];
    struct cutting c = {.task = t, .day = day};
    snprintf(path, sizeof path, "%s/day.mdb", t->db->tmp);
    int rc = partition_rewrite(day->p, path, cuts_of, &c, t->err);
    mem_free(c.cuts.v);
    return rc == 0 ? days_replace(t->db, day, path, t->err) : rc;
}

static uint64_t file_bytes(struct tsdb *db, const char *path)
{
    struct io_stat st = {0};
    return db->env->io->stat(db->env, path, &st) == 0 ? (uint64_t)st.size_bytes : 0;
}

/* Rewrites the day if it is still there and worth it; flush_lock held. */
static int visit_day(const struct task *t, struct day *day)
{
    struct partition_info info;
    partition_info(day->p, &info);
    if (day->dropped || !t->worth_it(t->db, day, &info)) return 0;
    int rc = rewrite_day(t, day);
    if (rc == E_CORRUPT) {
        log_error("damaged day not rewritten", "path=%s err=\"%s\" next=\"it stays as it is\"",
                  day->path, t->err && t->err->text[0] ? t->err->text : "");
        if (t->err) *t->err = (struct errmsg){0};
        t->out->damaged++;
        return 0;
    }
    if (rc < 0) return rc;
    uint64_t after = file_bytes(t->db, day->path);
    t->out->days++;
    t->out->bytes_before += info.file_bytes;
    t->out->bytes_after += after;
    log_info("day rewritten", "path=%s bytes_before=%" PRIu64 " bytes_after=%" PRIu64, day->path,
             info.file_bytes, after);
    return 0;
}

/* --- all of them -------------------------------------------------------------------------------
 */

/* admin_lock held; flush_lock is taken day by day. */
static int rewrite_days(const struct task *t)
{
    struct tsdb *db = t->db;
    struct day **days = NULL;
    size_t count = 0;
    int rc = days_pin(db, INT64_MIN, INT64_MAX, &days, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        pthread_mutex_lock(&db->flush_lock);
        rc = visit_day(t, days[i]);
        pthread_mutex_unlock(&db->flush_lock);
    }
    if (days) days_unpin(db, days, count);
    pthread_mutex_lock(&db->flush_lock);
    deletions_tidy(db);
    pthread_mutex_unlock(&db->flush_lock);
    if (rc < 0 && t->err && !t->err->text[0])
        errmsg_set(t->err, rc, "cannot rewrite a day: %s", err_text(rc));
    return rc;
}

int tsdb_clean(struct tsdb *db, const int *cancel, struct tsdb_rewritten *out, struct errmsg *err)
{
    const struct task t = {db, has_deleted, cancel, out, err};
    *out = (struct tsdb_rewritten){0};
    int rc = admin_begin(db, err);
    if (rc < 0) return rc;
    rc = rewrite_days(&t);
    admin_end(db);
    return rc;
}

int tsdb_compact(struct tsdb *db, const int *cancel, struct tsdb_rewritten *out, struct errmsg *err)
{
    const struct task t = {db, is_in_pieces, cancel, out, err};
    *out = (struct tsdb_rewritten){0};
    int rc = admin_begin(db, err);
    if (rc < 0) return rc;
    rc = tsdb_flush(db, err);
    if (rc == 0) rc = rewrite_days(&t);
    admin_end(db);
    return rc;
}
