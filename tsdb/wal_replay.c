/* wal_replay.c -- reading the log after a start.
 *
 * Segments are read one after the other through a window; whatever is not a good record is skipped
 * byte by byte until the next one. Damage is a bad stretch with a good record behind it; a bad end
 * is only the tail a crash tore off.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/wal_int.h"

enum { WINDOW = 2 * (WAL_PAYLOAD_MAX + WAL_RECORD_HEADER), ZEROS = 8, TRIM_MIN = 4096 };

struct window {
    struct env *env;
    int fd;
    uint8_t *p;
    size_t at, len;
    int64_t offset; /* in the file of the byte after the window */
    bool end;
};

/* Makes more bytes follow the current position. */
static int refill(struct window *w)
{
    memmove(w->p, w->p + w->at, w->len - w->at);
    w->len -= w->at;
    w->at = 0;
    ssize_t n = env_pread_all(w->env, w->fd, w->p + w->len, WINDOW - w->len, w->offset);
    if (n < 0) return (int)n;
    w->end = w->len + (size_t)n < WINDOW;
    w->len += (size_t)n;
    w->offset += n;
    return 0;
}

/* Steps over a byte that starts no record, and over the zeros of a preallocated tail. */
static void skip_bad(struct window *w)
{
    static const uint8_t zeros[ZEROS] = {0};
    w->at++;
    while (w->at + WAL_RECORD_HEADER + ZEROS < w->len &&
           memcmp(w->p + w->at + WAL_RECORD_HEADER - ZEROS, zeros, ZEROS) == 0 &&
           memcmp(w->p + w->at + WAL_RECORD_HEADER, zeros, ZEROS) == 0)
        w->at += ZEROS;
}

static int deliver(const struct wal_record *r, const struct wal_replay *to)
{
    struct label labels[LABELS_MAX];
    struct labels ls;
    uint32_t id = 0;
    if (r->type == WAL_SAMPLES) return wal_get_samples(r, to->sample, to->arg);
    if (r->type != WAL_SERIES) return 0; /* a later version's: not ours to judge */
    int rc = wal_get_series(r, &id, labels, &ls);
    return rc < 0 ? rc : to->series(to->arg, id, ls);
}

struct scan {
    const struct wal_replay *to;
    struct wal_replay_result *total;
    struct wal_segment segment;
    int64_t good_end; /* offset behind the last good record, or the header */
};

static int scan_records(struct window *w, struct scan *s)
{
    bool bad = false;
    for (;;) {
        struct wal_record r;
        int64_t n = wal_record_parse(w->p + w->at, w->len - w->at, s->segment.id, &r);
        if (n == 0 && !w->end) {
            int rc = refill(w);
            if (rc < 0) return rc;
            continue;
        }
        if (n <= 0) {
            if (w->at >= w->len) return 0;
            bad = true;
            skip_bad(w);
            continue;
        }
        int rc = deliver(&r, s->to);
        if (rc == E_CORRUPT)
            bad = true;
        else if (rc < 0)
            return rc;
        s->total->damaged += bad;
        s->segment.damaged |= bad;
        bad = false;
        s->total->records++;
        s->segment.last_lsn = MAX(s->segment.last_lsn, r.lsn);
        w->at += (size_t)n;
        s->good_end = w->offset - (int64_t)(w->len - w->at);
    }
}

/* Whether nothing but zeros follows an offset: preallocated, never written. */
static bool only_zeros(struct window *w, int64_t offset)
{
    for (;;) {
        ssize_t n = env_pread_all(w->env, w->fd, w->p, WINDOW, offset);
        if (n <= 0) return n == 0;
        for (ssize_t i = 0; i < n; i++)
            if (w->p[i]) return false;
        offset += n;
    }
}

/* Gives the preallocated tail of a segment that a killed process left back to the disk. */
static void trim_tail(struct window *w, struct scan *s, const char *path)
{
    int64_t tail = s->segment.bytes - s->good_end;
    if (!s->good_end || s->segment.damaged || tail < TRIM_MIN || !only_zeros(w, s->good_end))
        return;
    int fd = w->env->io->open(w->env, path, O_WRONLY, 0);
    int rc = fd < 0 ? fd : w->env->io->ftruncate(w->env, fd, s->good_end);
    if (fd >= 0) w->env->io->close(w->env, fd);
    if (rc == 0)
        s->segment.bytes = s->good_end;
    else
        log_debug("log segment not trimmed", "segment=%08" PRIx32 " err=\"%s\"", s->segment.id,
                  err_text(rc));
}

/* Reads one file; its header may be lost, its records are still known by the segment id. */
static int scan_file(struct wal *w, uint32_t id, struct scan *s)
{
    char path[WAL_PATH_MAX];
    struct window win = {.env = w->env};
    struct wal_segment_info info = {0};
    wal_segment_path(w, id, path);
    win.fd = w->env->io->open(w->env, path, O_RDONLY, 0);
    if (win.fd < 0) return win.fd;
    win.p = mem_alloc(WINDOW);
    int rc = win.p ? refill(&win) : -ENOMEM;
    s->segment = (struct wal_segment){.id = id, .bytes = win.offset};
    s->good_end = 0;
    if (rc == 0 && wal_segment_parse(win.p, win.len, &info) == 0 && info.segment == id) {
        s->segment.epoch = info.epoch;
        s->segment.last_lsn = info.first_lsn ? info.first_lsn - 1 : 0;
        win.at = WAL_SEGMENT_HEADER;
        s->good_end = WAL_SEGMENT_HEADER;
    } else {
        s->segment.epoch = s->total->last_epoch + 1;
    }
    if (rc == 0) rc = scan_records(&win, s);
    s->segment.bytes = win.offset;
    if (rc == 0) trim_tail(&win, s, path);
    mem_free(win.p);
    w->env->io->close(w->env, win.fd);
    return rc;
}

struct id_list {
    uint32_t *v;
    size_t count, cap;
};

static int add_id(void *arg, const char *name)
{
    struct id_list *l = arg;
    char *end = NULL;
    unsigned long id = strtoul(name, &end, 16);
    void *v = l->v;
    if (end != name + 8 || strcmp(end, ".wal") != 0 || id == 0 || id > UINT32_MAX) return 0;
    int rc = mem_grow(&v, &l->cap, l->count + 1, 1 << 20, sizeof *l->v);
    l->v = v;
    if (rc == 0) l->v[l->count++] = (uint32_t)id;
    return rc;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int replay_segment(struct wal *w, uint32_t id, struct scan *s)
{
    int rc = scan_file(w, id, s);
    if (rc == -ENOMEM) return rc;
    if (rc < 0) {
        log_error("log segment unreadable", "segment=%08" PRIx32 " err=\"%s\"", id, err_text(rc));
        s->segment.damaged = true;
        s->total->damaged++;
    } else if (s->segment.damaged) {
        log_error("log segment damaged", "segment=%08" PRIx32 " next=\"good records used\"", id);
    }
    s->total->last_lsn = MAX(s->total->last_lsn, s->segment.last_lsn);
    s->total->last_epoch = MAX(s->total->last_epoch, s->segment.epoch);
    if (!s->total->first_segment) s->total->first_segment = id;
    s->total->last_segment = id;
    return wal_add_segment(w, s->segment);
}

int wal_replay(struct wal *w, const struct wal_replay *to, struct wal_replay_result *out)
{
    struct id_list ids = {0};
    struct scan s = {.to = to, .total = out};
    *out = (struct wal_replay_result){0};
    int rc = w->env->io->list(w->env, w->dir, add_id, &ids);
    if (ids.count) qsort(ids.v, ids.count, sizeof *ids.v, by_id);
    for (size_t i = 0; rc == 0 && i < ids.count; i++)
        rc = replay_segment(w, ids.v[i], &s);
    mem_free(ids.v);
    w->last_lsn = out->last_lsn;
    w->epoch = out->last_epoch;
    w->segment = out->last_segment;
    return rc;
}
