/* journal.c -- an append-only file of checksummed records.
 *
 *     file    8 bytes "TOCSINJ1", u32 version, u32 zero
 *     record  u32 length of payload, u32 crc32c over (lsn, type, payload), u64 lsn, u8 type,
 * payload
 *
 * all little-endian (docs/FORMAT.md). Two buffers: appends go to `pending` under the lock; a caller
 * of journal_sync becomes the writer, takes pending as `writing`, releases the lock for the I/O,
 * and wakes everybody whose records it carried. Those who come meanwhile wait for its end and then
 * sync the next batch as one: group commit without a thread of its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"

enum {
    HEADER_BYTES = 16,
    RECORD_BYTES = 17, /* before the payload */
    PAYLOAD_MAX = 16 << 20,
    PENDING_MAX = 64 << 20,
    FILE_MAX = 1 << 30,
    VERSION = 1,
};
#define LSN_GAP_MAX UINT64_C(0xffffffff)
static const char magic[8] = "TOCSINJ1";

struct journal {
    struct env *env;
    char *path;
    int fd;
    int64_t end; /* of the good bytes in the file */
    pthread_mutex_t lock;
    pthread_cond_t synced;
    struct buf pending;   /* appended, not yet given to a writer */
    uint64_t next_lsn;    /* of the next append */
    uint64_t durable_lsn; /* every lsn up to this one is on disk */
    bool busy;            /* a writer is at work */
    struct buf *rewrite;  /* journal_rewrite collects here; NULL otherwise */
    struct journal_stats stats;
    uint64_t rewrite_records;
    struct complaint complaint; /* of the writer at work */
};

/* --- bytes --- */

static void put_le(char *p, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, v >>= 8)
        p[i] = (char)(v & 0xff);
}

static uint64_t get_le(const char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void put_header(char out[HEADER_BYTES])
{
    memcpy(out, magic, sizeof magic);
    put_le(out + 8, VERSION, 4);
    put_le(out + 12, 0, 4);
}

static int add_record(struct buf *out, uint8_t type, uint64_t lsn, struct str payload)
{
    char head[RECORD_BYTES];
    put_le(head, payload.len, 4);
    put_le(head + 8, lsn, 8);
    head[16] = (char)type;
    uint32_t crc = crc32c(0, head + 8, 9);
    put_le(head + 4, crc32c(crc, payload.p, payload.len), 4);
    int rc = buf_reserve(out, RECORD_BYTES + payload.len);
    if (rc) {
        out->err = 0; /* the records before it are whole and stay */
        return rc;
    }
    buf_add(out, head, RECORD_BYTES);
    buf_add(out, payload.p, payload.len);
    return 0;
}

struct record {
    uint64_t lsn;
    uint8_t type;
    struct str payload;
    size_t size;
};

/* The record at the start of s, if there is a valid one whose lsn may follow: the cheap tests come
 * first, since after damage every byte is tried. */
static bool read_record(struct str s, uint64_t next_lsn, struct record *out)
{
    if (s.len < RECORD_BYTES) return false;
    uint64_t len = get_le(s.p, 4), lsn = get_le(s.p + 8, 8);
    if (len > PAYLOAD_MAX || len > s.len - RECORD_BYTES) return false;
    if (lsn < next_lsn || lsn - next_lsn > LSN_GAP_MAX) return false;
    if (crc32c(0, s.p + 8, 9 + len) != (uint32_t)get_le(s.p + 4, 4)) return false;
    *out = (struct record){
        .lsn = lsn,
        .type = (uint8_t)s.p[16],
        .payload = {s.p + RECORD_BYTES, len},
        .size = RECORD_BYTES + len,
    };
    return true;
}

/* --- opening --- */

/* Replays every good record of text; *good_end is the end of the last one. */
static int replay_all(struct journal *j, struct str text, journal_replay_fn *replay, void *arg,
                      size_t *good_end)
{
    size_t at = HEADER_BYTES;
    bool in_damage = false;
    *good_end = HEADER_BYTES;
    while (at < text.len) {
        struct record r;
        bool good = read_record((struct str){text.p + at, text.len - at}, j->next_lsn, &r);
        if (!good) {
            in_damage = true;
            at++;
            continue;
        }
        if (in_damage) j->stats.damaged++;
        in_damage = false;
        int rc = replay ? replay(arg, r.type, r.lsn, r.payload) : 0;
        if (rc) return rc;
        j->next_lsn = r.lsn + 1;
        j->stats.records++;
        at += r.size;
        *good_end = at;
    }
    return 0;
}

static int start_empty(struct journal *j)
{
    char header[HEADER_BYTES];
    put_header(header);
    int rc = env_replace_file(j->env, j->path, header, sizeof header);
    j->end = HEADER_BYTES;
    return rc;
}

/* A file that is not a journal of ours is kept aside, never overwritten. */
static int set_aside(struct journal *j)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.damaged-%lld", j->path, (long long)env_now_ms(j->env));
    log_error("journal is damaged", "path=%s action=\"moved to %s, starting empty\"", j->path,
              name);
    j->stats.damaged++;
    return j->env->io->rename(j->env, j->path, name);
}

static int load(struct journal *j, journal_replay_fn *replay, void *arg)
{
    char *text = NULL;
    size_t len = 0, good_end = HEADER_BYTES;
    int rc = env_read_file(j->env, j->path, FILE_MAX, &text, &len);
    if (rc == -ENOENT) return start_empty(j);
    if (rc) return rc;
    bool ours =
        len >= HEADER_BYTES && !memcmp(text, magic, sizeof magic) && get_le(text + 8, 4) == VERSION;
    if (!ours) {
        rc = len ? set_aside(j) : 0;
        if (!rc) rc = start_empty(j);
    } else {
        rc = replay_all(j, (struct str){text, len}, replay, arg, &good_end);
        j->end = (int64_t)good_end;
        j->stats.cut_bytes = len - good_end;
    }
    mem_free(text);
    return rc;
}

int journal_open(struct journal **out, struct env *env, const char *path, journal_replay_fn *replay,
                 void *arg, struct errmsg *err)
{
    *out = NULL;
    struct journal *j = mem_zalloc(sizeof *j);
    if (!j) return errmsg_set(err, -ENOMEM, "out of memory");
    j->env = env;
    j->fd = -1;
    j->next_lsn = 1;
    j->path = mem_strndup(path, strlen(path));
    buf_init(&j->pending, PENDING_MAX);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->synced, NULL);
    int rc = j->path ? load(j, replay, arg) : -ENOMEM;
    if (!rc) {
        j->fd = env->io->open(env, path, O_RDWR, 0);
        rc = j->fd < 0 ? j->fd : 0;
    }
    if (!rc && j->stats.cut_bytes) rc = env->io->ftruncate(env, j->fd, j->end);
    if (rc) {
        errmsg_set(err, rc, "cannot open %s: %s", path, err_text(rc));
        if (j->fd >= 0) env->io->close(env, j->fd);
        j->fd = -1;
        (void)!journal_close(j);
        return rc;
    }
    j->durable_lsn = j->next_lsn - 1;
    j->stats.bytes = (uint64_t)j->end;
    *out = j;
    return 0;
}

int journal_close(struct journal *j)
{
    int rc = 0;
    if (!j) return 0;
    if (j->fd >= 0) {
        rc = journal_sync(j, UINT64_MAX);
        int closed = j->env->io->close(j->env, j->fd);
        if (!rc) rc = closed;
    }
    buf_release(&j->pending);
    pthread_cond_destroy(&j->synced);
    pthread_mutex_destroy(&j->lock);
    mem_free(j->path);
    mem_free(j);
    return rc;
}

/* --- appending and syncing --- */

int journal_append(struct journal *j, uint8_t type, struct str payload, uint64_t *lsn)
{
    if (payload.len > PAYLOAD_MAX) return E_TOO_BIG;
    if (j->rewrite) { /* the stand-in: one thread, no lock */
        int rc = add_record(j->rewrite, type, j->next_lsn, payload);
        if (lsn) *lsn = j->next_lsn;
        j->next_lsn += !rc;
        j->stats.records += !rc;
        return rc;
    }
    pthread_mutex_lock(&j->lock);
    int rc = add_record(&j->pending, type, j->next_lsn, payload);
    if (!rc) {
        if (lsn) *lsn = j->next_lsn;
        j->next_lsn++;
        j->stats.records++;
    }
    pthread_mutex_unlock(&j->lock);
    return rc == E_TOO_BIG ? E_UNAVAILABLE : rc;
}

/* Copies the good part of the file and the unsynced batch into a new file and takes its place: a
 * failed fsync may have dropped pages of the old one, and would claim success the next time. */
static int move_to_new_file(struct journal *j, struct str batch)
{
    char *good = NULL;
    size_t len = 0;
    struct buf all = BUF_INIT((size_t)FILE_MAX + PENDING_MAX);
    int rc = env_read_file(j->env, j->path, FILE_MAX, &good, &len);
    if (!rc) rc = buf_add(&all, good, MIN(len, (size_t)j->end));
    if (!rc) rc = buf_add(&all, batch.p, batch.len);
    if (!rc) rc = env_replace_file(j->env, j->path, all.p, all.len);
    int fd = rc ? rc : j->env->io->open(j->env, j->path, O_RDWR, 0);
    if (fd >= 0) {
        j->env->io->close(j->env, j->fd);
        j->fd = fd;
    }
    mem_free(good);
    buf_release(&all);
    return fd < 0 ? fd : 0;
}

static int write_batch(struct journal *j, struct str batch)
{
    int rc = env_pwrite_all(j->env, j->fd, batch.p, batch.len, j->end);
    if (!rc) rc = j->env->io->fdatasync(j->env, j->fd);
    int64_t now_ns = env_mono_ns(j->env);
    if (!rc) {
        complain_over(&j->complaint, now_ns, "journal is written again");
        return 0;
    }
    complain(&j->complaint, now_ns, "journal write failed",
             "path=%s err=\"%s\" action=\"rewriting into a new file\"", j->path, err_text(rc));
    return move_to_new_file(j, batch);
}

/* Puts a batch that could not be written back in front of what came since. */
static void give_back(struct journal *j, struct buf *batch)
{
    if (!buf_add(batch, j->pending.p, j->pending.len)) {
        buf_release(&j->pending);
        j->pending = *batch;
    } else {
        log_error("journal lost records", "path=%s reason=\"out of memory\"", j->path);
        buf_release(batch);
    }
}

/* Called with the lock; writes and syncs all that is pending. */
static int sync_pending(struct journal *j)
{
    struct buf batch = j->pending;
    uint64_t upto = j->next_lsn - 1;
    buf_init(&j->pending, PENDING_MAX);
    j->busy = true;
    pthread_mutex_unlock(&j->lock);
    int rc = batch.len ? write_batch(j, (struct str){batch.p, batch.len}) : 0;
    pthread_mutex_lock(&j->lock);
    j->busy = false;
    if (rc) {
        give_back(j, &batch);
    } else {
        j->end += (int64_t)batch.len;
        j->stats.bytes = (uint64_t)j->end;
        j->durable_lsn = upto;
        buf_release(&batch);
    }
    pthread_cond_broadcast(&j->synced);
    return rc;
}

int journal_sync(struct journal *j, uint64_t lsn)
{
    pthread_mutex_lock(&j->lock);
    if (lsn >= j->next_lsn) lsn = j->next_lsn - 1;
    int rc = 0;
    while (!rc && j->durable_lsn < lsn) {
        if (j->busy)
            pthread_cond_wait(&j->synced, &j->lock);
        else
            rc = sync_pending(j);
    }
    pthread_mutex_unlock(&j->lock);
    return rc;
}

int journal_rewrite(struct journal *j, int (*write)(void *arg, struct journal *j), void *arg)
{
    char header[HEADER_BYTES];
    struct buf all = BUF_INIT(FILE_MAX);
    put_header(header);
    pthread_mutex_lock(&j->lock);
    while (j->busy)
        pthread_cond_wait(&j->synced, &j->lock);
    struct journal stand_in = {.rewrite = &all, .next_lsn = j->next_lsn};
    int rc = buf_add(&all, header, sizeof header);
    if (!rc) rc = write(arg, &stand_in);
    if (!rc) rc = env_replace_file(j->env, j->path, all.p, all.len);
    int fd = rc ? rc : j->env->io->open(j->env, j->path, O_RDWR, 0);
    if (fd >= 0) {
        j->env->io->close(j->env, j->fd);
        j->fd = fd;
        j->end = (int64_t)all.len;
        j->next_lsn = stand_in.next_lsn; /* lsns go on rising: waiters compare with them */
        j->durable_lsn = j->next_lsn - 1;
        j->stats.records = stand_in.stats.records;
        j->stats.bytes = (uint64_t)j->end;
        buf_reset(&j->pending); /* the snapshot stands for everything appended before it */
        pthread_cond_broadcast(&j->synced);
    }
    pthread_mutex_unlock(&j->lock);
    buf_release(&all);
    return fd < 0 ? fd : 0;
}

void journal_stats(struct journal *j, struct journal_stats *out)
{
    pthread_mutex_lock(&j->lock);
    *out = j->stats;
    pthread_mutex_unlock(&j->lock);
}
