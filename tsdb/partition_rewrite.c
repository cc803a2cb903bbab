/* partition_rewrite.c -- a day's file made anew, without what was deleted, and copies of one.
 *
 * Series are read one by one in id order and appended in large turns, so the new file has full
 * groups and no free pages. The turns belong to no slice of the head: they are written as slice 0,
 * and the log positions of all slices are carried over at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/partition_int.h"

enum { TURN_SAMPLES = 1 << 18, TURN_TEXT = 64 << 20, PATH_BYTES = 4096 };

/* A series of the turn being gathered. */
struct span {
    uint32_t id;
    struct labels labels;
    size_t from, count;
};

struct rewrite {
    struct partition *from, *to;
    struct partition_reader *reader;
    partition_cuts_fn *cuts_of;
    void *arg;
    struct arena arena; /* labels of the turn */
    struct sample_vec one, samples;
    struct span *spans;
    size_t count, cap;
    struct partition_block *blocks;
    size_t block_cap;
    uint64_t seen; /* series */
    struct errmsg *err;
};

static int write_turn(struct rewrite *w)
{
    void *v = w->blocks;
    if (!w->count) return 0;
    int rc = mem_grow(&v, &w->block_cap, w->count, UINT32_MAX, sizeof *w->blocks);
    w->blocks = v;
    if (rc < 0) return rc;
    for (size_t i = 0; i < w->count; i++) {
        const struct span *s = &w->spans[i];
        w->blocks[i] = (struct partition_block){s->id, s->labels, w->samples.t + s->from,
                                                w->samples.v + s->from, s->count};
    }
    const struct partition_write turn = {.blocks = w->blocks, .count = w->count};
    rc = partition_append(w->to, &turn, w->err);
    w->count = w->samples.count = 0;
    arena_reset(&w->arena);
    return rc;
}

static int add_span(struct rewrite *w, uint32_t id, struct labels ls)
{
    struct span span = {.id = id, .from = w->samples.count, .count = w->one.count};
    void *v = w->spans;
    int rc = mem_grow(&v, &w->cap, w->count + 1, UINT32_MAX, sizeof *w->spans);
    w->spans = v;
    if (rc == 0) rc = labels_copy(&w->arena, ls, &span.labels);
    if (rc == 0) rc = sample_vec_reserve(&w->samples, span.count);
    if (rc < 0) return rc;
    memcpy(w->samples.t + span.from, w->one.t, span.count * sizeof *w->one.t);
    memcpy(w->samples.v + span.from, w->one.v, span.count * sizeof *w->one.v);
    w->samples.count += span.count;
    w->spans[w->count++] = span;
    return 0;
}

static int copy_series(void *arg, uint32_t id, struct labels ls)
{
    struct rewrite *w = arg;
    const struct partition_cut *cuts = NULL;
    size_t cut_count = 0;
    uint64_t damaged = 0;
    w->one.count = 0;
    w->seen++;
    int rc = w->cuts_of(w->arg, id, &cuts, &cut_count);
    if (rc < 0) return rc;
    partition_reader_cut(w->reader, cuts, cut_count);
    rc = partition_read(w->reader, id, INT64_MIN, INT64_MAX, &w->one, &damaged);
    if (rc == 0 && damaged) rc = errmsg_set(w->err, E_CORRUPT, "a group is damaged");
    if (rc == 0) rc = sample_vec_normalize(&w->one);
    if (rc == 0 && w->one.count) rc = add_span(w, id, ls);
    bool full = w->samples.count >= TURN_SAMPLES || w->arena.used >= TURN_TEXT / 2;
    return rc == 0 && full ? write_turn(w) : rc;
}

/* The last transaction: where the log stands, and a birthday of its own. */
static int finish(struct rewrite *w)
{
    struct partition *to = w->to;
    uint8_t bytes[PARTITION_STATE_SIZE];
    struct partition_state state = to->state;
    struct kv_txn *txn = NULL;
    struct kv_info info;
    memcpy(state.lsn, w->from->state.lsn, sizeof state.lsn);
    partition_state_put(&state, bytes);
    kv_info(to->kv, &info);
    int rc = kv_begin(to->kv, true, &txn);
    if (rc < 0) return rc;
    int64_t created_ms = MAX(to->created_ms, w->from->created_ms + 1);
    rc = partition_header_write(txn, to->day_ms, created_ms, info.page_bytes);
    if (rc == 0)
        rc = kv_put(txn, DB_META, partition_state_key(), (struct kv_slice){bytes, sizeof bytes});
    if (rc == 0) return kv_commit(txn);
    kv_abort(txn);
    return rc;
}

static void remove_file(struct env *env, const char *path)
{
    char lock[PATH_BYTES];
    int rc = env->io->unlink(env, path);
    if (rc < 0 && rc != -ENOENT)
        log_warn("file not removed", "path=\"%s\" err=\"%s\"", path, err_text(rc));
    snprintf(lock, sizeof lock, "%s-lock", path);
    rc = env->io->unlink(env, lock);
    if (rc < 0 && rc != -ENOENT)
        log_warn("file not removed", "path=\"%s\" err=\"%s\"", lock, err_text(rc));
}

int partition_rewrite(struct partition *p, const char *path, partition_cuts_fn *cuts_of, void *arg,
                      struct errmsg *err)
{
    struct rewrite w = {.from = p, .cuts_of = cuts_of, .arg = arg, .err = err};
    char lock[PATH_BYTES];
    arena_init(&w.arena, TURN_TEXT);
    int rc = partition_open(&w.to, p->env, path, p->day_ms, true, err);
    if (rc == 0) rc = partition_reader_new(p, &w.reader);
    if (rc == 0) rc = partition_series(p, copy_series, &w);
    if (rc == 0 && w.seen != p->state.series)
        rc = errmsg_set(err, E_CORRUPT, "series definitions are damaged");
    if (rc == 0) rc = write_turn(&w);
    if (rc == 0) rc = finish(&w);
    partition_reader_free(w.reader);
    partition_close(w.to);
    sample_vec_release(&w.one);
    sample_vec_release(&w.samples);
    mem_free(w.spans);
    mem_free(w.blocks);
    arena_release(&w.arena);
    if (rc < 0) {
        remove_file(p->env, path);
        return err && err->text[0]
                   ? rc
                   : errmsg_set(err, rc, "cannot rewrite %s: %s", p->path, err_text(rc));
    }
    snprintf(lock, sizeof lock, "%s-lock", path);
    rc = p->env->io->unlink(p->env, lock);
    return rc == -ENOENT ? 0 : rc;
}

/* --- copies ------------------------------------------------------------------------------------
 */

static int sync_file(struct env *env, const char *path)
{
    int fd = env->io->open(env, path, O_RDWR, 0);
    if (fd < 0) return fd;
    int rc = env->io->fsync(env, fd);
    int closed = env->io->close(env, fd);
    return rc ? rc : closed;
}

int partition_copy(struct partition *p, const char *path, struct errmsg *err)
{
    int rc = kv_copy(p->kv, path);
    if (rc == 0) rc = sync_file(p->env, path);
    if (rc == 0) return 0;
    int removed = p->env->io->unlink(p->env, path);
    if (removed < 0 && removed != -ENOENT)
        log_warn("file not removed", "path=\"%s\" err=\"%s\"", path, err_text(removed));
    return errmsg_set(err, rc, "cannot copy %s to %s: %s", p->path, path, err_text(rc));
}
