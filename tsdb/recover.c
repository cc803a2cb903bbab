/* recover.c -- what a start finds: series of recent day files, then the log.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

#define RECENT_MS INT64_C(3600000) /* day files with samples this young give their series */

/* Slots by id while the log is read; open addressing, id 0 = free. */
struct id_map {
    struct id_slot {
        uint32_t id, slot;
    } * cells;
    size_t size, used;
};

struct recovery {
    struct tsdb *db;
    struct id_map ids;
    int64_t flushed_ms; /* newest sample of any day file: nothing later was flushed */
    int64_t now_ms;
    int64_t day_ms;   /* of day */
    struct day *day;  /* of the last sample, pinned; NULL when it has no file */
    uint64_t unknown; /* samples without a definition */
};

static struct id_slot *map_cell(const struct id_map *m, uint32_t id)
{
    size_t mask = m->size - 1, i = id * UINT64_C(0x9e3779b97f4a7c15) >> 20 & mask;
    while (m->cells[i].id && m->cells[i].id != id)
        i = (i + 1) & mask;
    return &m->cells[i];
}

static int map_put(struct id_map *m, uint32_t id, uint32_t slot)
{
    if (2 * (m->used + 1) > m->size) {
        struct id_map next = {.size = m->size ? 2 * m->size : 1024, .used = m->used};
        next.cells = mem_array(next.size, sizeof *next.cells);
        if (!next.cells) return -ENOMEM;
        for (size_t i = 0; i < m->size; i++)
            if (m->cells[i].id) *map_cell(&next, m->cells[i].id) = m->cells[i];
        mem_free(m->cells);
        *m = next;
    }
    struct id_slot *cell = map_cell(m, id);
    m->used += !cell->id;
    *cell = (struct id_slot){id, slot};
    return 0;
}

static const struct id_slot *map_get(const struct id_map *m, uint32_t id)
{
    const struct id_slot *cell = m->size ? map_cell(m, id) : NULL;
    return cell && cell->id ? cell : NULL;
}

/* --- series ------------------------------------------------------------------------------------
 */

/* Learns that id is this label set. An id that is known keeps its first meaning; label sets with
 * several ids share the slot of the first. */
static int learn(struct recovery *r, uint32_t id, struct labels ls)
{
    struct head *h = &r->db->head;
    uint64_t hash = labels_hash(ls);
    uint32_t slot = 0;
    if (id == 0 || map_get(&r->ids, id)) return 0;
    int rc = index_find(h->index, ls, hash, &slot);
    if (rc < 0) rc = head_add(h, ls, hash, id, r->flushed_ms, &slot);
    if (rc == 0) rc = map_put(&r->ids, id, slot);
    if (rc == 0 && id >= h->next_id) h->next_id = id == UINT32_MAX ? id : id + 1;
    return rc;
}

static int learn_from_day(void *arg, uint32_t id, struct labels ls)
{
    return learn(arg, id, ls);
}

/* Whether some series of a loaded day has its slot under another id. */
static bool has_aliases(const struct recovery *r)
{
    return r->ids.used > index_count(r->db->head.index);
}

/* Loads the series of the days with young samples, newest day first, so that the newest id of a
 * label set is the one that goes on. */
static int load_series(struct recovery *r)
{
    struct tsdb *db = r->db;
    struct day **days = NULL;
    size_t count = 0;
    int rc = days_pin(db, INT64_MIN, INT64_MAX, &days, &count);
    for (size_t i = count; rc == 0 && i-- > 0;) {
        struct partition_info info;
        partition_info(days[i]->p, &info);
        if (info.min_ms > info.max_ms) continue;
        bool young = info.max_ms >= r->now_ms - RECENT_MS;
        if (young) rc = partition_series(days[i]->p, learn_from_day, r);
        if (rc == E_CORRUPT) {
            days_set_aside(db, days[i]);
            rc = 0;
        }
        if (!young || has_aliases(r)) db->head.floor_ms = MAX(db->head.floor_ms, info.max_ms);
    }
    days_unpin(db, days, count);
    return rc;
}

/* --- ids ---------------------------------------------------------------------------------------
 */

static int highest_id(void *arg, uint32_t id, struct labels ls)
{
    uint32_t *next = arg;
    UNUSED(ls);
    if (id >= *next) *next = id == UINT32_MAX ? id : id + 1;
    return 0;
}

/* The number in the file `ids`, or, without it, what all day files say. */
static int load_next_id(struct tsdb *db)
{
    char path[TSDB_PATH_MAX + 8], *text = NULL;
    size_t len = 0;
    uint32_t next = 0;
    snprintf(path, sizeof path, "%s/ids", db->path);
    int rc = env_read_file(db->env, path, 64, &text, &len);
    if (rc == -ENOMEM) return rc;
    if (rc == 0 && sscanf(text, "next %" SCNu32 "\n", &next) == 1 && next) {
        db->ids_reserved = next;
    } else {
        struct day **days = NULL;
        size_t count = 0;
        rc = days_pin(db, INT64_MIN, INT64_MAX, &days, &count);
        for (size_t i = 0; i < count; i++)
            if (partition_series(days[i]->p, highest_id, &next) < 0)
                log_error("series of a day unreadable", "path=%s", days[i]->path);
        days_unpin(db, days, count);
    }
    mem_free(text);
    db->head.next_id = MAX(db->head.next_id, next);
    return rc == -ENOMEM ? rc : 0;
}

/* --- the log -----------------------------------------------------------------------------------
 */

static int replay_series(void *arg, uint32_t id, struct labels ls)
{
    return learn(arg, id, ls);
}

/* Finds the day file of a time, if there is one. */
static int find_day(struct recovery *r, int64_t t_ms)
{
    struct day **v = NULL;
    size_t count = 0;
    int64_t day_ms = day_of(t_ms);
    if (day_ms == r->day_ms) return 0;
    if (r->day) days_unpin_one(r->db, r->day);
    r->day = NULL;
    r->day_ms = day_ms;
    int rc = days_pin(r->db, day_ms, day_ms, &v, &count);
    if (rc == 0 && count) r->day = v[0];
    mem_free(v);
    return rc;
}

static int replay_sample(void *arg, uint64_t lsn, uint32_t id, int64_t t_ms, double v)
{
    struct recovery *r = arg;
    struct head *h = &r->db->head;
    const struct id_slot *known = map_get(&r->ids, id);
    if (!known) {
        r->unknown++;
        h->next_id = MAX(h->next_id, id == UINT32_MAX ? id : id + 1);
        return 0;
    }
    if (r->db->o.retention_ms && t_ms < r->now_ms - r->db->o.retention_ms) return 0;
    int rc = find_day(r, t_ms);
    if (rc < 0) return rc;
    if (r->day && lsn <= partition_slice_lsn(r->day->p, slice_of(id))) return 0;
    struct series *s = head_series(h, known->slot);
    struct slice *slice = &h->slices[slice_of(s->id)];
    rc = head_append(h, s, t_ms, v);
    if (rc == -ENOMEM) return rc;
    if (rc < 0) return 0; /* too many late ones; as when it was first appended */
    if (!slice->dirty_lsn) slice->dirty_lsn = lsn;
    slice->min_ms = MIN(slice->min_ms, t_ms);
    slice->max_ms = MAX(slice->max_ms, t_ms);
    r->db->stats.wal_replayed_samples += rc != HEAD_DUPLICATE;
    return 0;
}

int recover(struct tsdb *db, struct wal_replay_result *out)
{
    struct recovery r = {.db = db, .day_ms = INT64_MIN, .now_ms = env_now_ms(db->env)};
    const struct wal_replay to = {replay_series, replay_sample, &r};
    r.flushed_ms = days_max_ms(db);
    int rc = load_next_id(db);
    if (rc == 0) rc = load_series(&r);
    if (rc == 0) rc = wal_replay(db->wal, &to, out);
    if (r.day) days_unpin_one(db, r.day);
    if (r.unknown)
        log_error("samples of unknown series in the log", "count=%" PRIu64 " next=\"skipped\"",
                  r.unknown);
    db->stats.wal_damaged = out->damaged + (r.unknown > 0);
    mem_free(r.ids.cells);
    return rc;
}
