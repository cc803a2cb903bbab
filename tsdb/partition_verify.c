/* partition_verify.c -- reads every byte of a partition and checks every invariant.
 *
 *  P1  header and state record have magic, version and checksum; the header names this day
 *  P2  every series block passes its checksum; its labels are sorted, unique and not empty
 *  P3  no id is defined twice
 *  P4  every group passes its checksum and decodes to the last byte
 *  P5  a group's key says what its header says, and its day is the file's
 *  P6  the blocks of one id ascend in time inside a turn; every id has a definition
 *  P7  cycles lie below the state's next cycle
 *  P8  the state counts what is there: series, groups, samples, first and last time
 *  P9  every page of the trees is inside the file, well-formed, and has one owner
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/kvcheck.h"
#include "tsdb/partition_int.h"

struct verify {
    struct partition *p;
    struct kv_txn *txn;
    void (*each)(void *arg, const char *text);
    void *arg;
    uint64_t problems;
    struct id_set defined;
    struct partition_state found; /* counted here ... */
    uint32_t last_cycle, last_id; /* of the block before */
    int64_t last_ms;
    int64_t t[CODEC_BLOCK_MAX];
    double v[CODEC_BLOCK_MAX];
};

static void problem(struct verify *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void problem(struct verify *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->problems++;
    if (c->each) c->each(c->arg, text);
}

/* --- definitions: P2, P3 ------------------------------------------------------------------------
 */

static int verify_series_block(struct verify *c, struct kv_slice key, struct kv_slice value)
{
    struct series_block *b = NULL;
    struct series_block_info info;
    struct series_def def;
    int rc = series_block_open(&b, value.p, value.len, &info);
    uint32_t first = key.len == SERIES_KEY_SIZE ? get_be32(key.p) : 0;
    if (rc == 0 && (key.len != SERIES_KEY_SIZE || info.first_id != first)) rc = E_CORRUPT;
    while (rc == 0 && (rc = series_block_next(b, &def)) == 0) {
        c->found.series++;
        if (id_set_has(&c->defined, def.id)) problem(c, "series %u is defined twice", def.id);
        rc = id_set_add(&c->defined, def.id);
    }
    series_block_free(b);
    if (rc == E_CORRUPT) problem(c, "series block of id %u is damaged", first);
    return rc == 1 || rc == E_CORRUPT ? 0 : rc;
}

/* --- groups: P4 to P7 ---------------------------------------------------------------------------
 */

static void verify_block(struct verify *c, const struct group_view *g, const struct group_block *b)
{
    const struct group_info *in = &g->info;
    size_t count = 0;
    if (group_view_times(g, b->vector, c->t, &count) < 0 ||
        codec_decode_values(b->p, b->len, c->v, count) < 0) {
        problem(c, "group %u of cycle %u: the block of series %u does not decode", in->first_id,
                in->cycle, b->id);
        return;
    }
    if (!id_set_has(&c->defined, b->id)) problem(c, "series %u has no definition", b->id);
    if (c->last_cycle == in->cycle && c->last_id == b->id && c->t[0] <= c->last_ms)
        problem(c, "series %u goes back in time in cycle %u", b->id, in->cycle);
    c->last_cycle = in->cycle;
    c->last_id = b->id;
    c->last_ms = c->t[count - 1];
    c->found.samples += count;
    c->found.min_ms = MIN(c->found.min_ms, c->t[0]);
    c->found.max_ms = MAX(c->found.max_ms, c->t[count - 1]);
}

static int verify_group(struct verify *c, struct kv_slice key, struct kv_slice value)
{
    struct group_info info = {0};
    struct group_view g;
    struct group_block b;
    c->found.groups++;
    if (group_key_get(key, &info) < 0) {
        problem(c, "a group's key makes no sense");
        return 0;
    }
    if (info.cycle >= c->found.next_cycle) problem(c, "cycle %u is not below the next", info.cycle);
    if (group_view_open(&g, value.p, value.len, true) < 0) {
        problem(c, "group %u..%u of cycle %u fails its checksum", info.first_id, info.last_id,
                info.cycle);
        return 0;
    }
    if (!group_info_eq(&g.info, &info) || g.day_ms != c->p->day_ms)
        problem(c, "group %u..%u of cycle %u: key and header differ", info.first_id, info.last_id,
                info.cycle);
    for (unsigned i = 0; i < g.blocks; i++)
        if (group_view_block(&g, i, &b) == 0) verify_block(c, &g, &b);
    return 0;
}

static int verify_db(struct verify *c, enum partition_db db,
                     int (*each)(struct verify *, struct kv_slice, struct kv_slice))
{
    struct kv_cursor *cursor = NULL;
    struct kv_slice key, value;
    int rc = kv_cursor_new(c->txn, db, &cursor);
    while (rc == 0 && (rc = kv_cursor_next(cursor, &key, &value)) == 0)
        rc = each(c, key, value);
    kv_cursor_free(cursor);
    if (rc == E_CORRUPT) problem(c, "the tree of database %d is damaged", (int)db);
    return rc == 1 || rc == E_CORRUPT ? 0 : rc;
}

/* --- state: P1, P8 ------------------------------------------------------------------------------
 */

static void compare_counts(struct verify *c, const struct partition_state *s)
{
    const struct {
        const char *what;
        uint64_t found, stated;
    } rows[] = {
        {"series",     c->found.series,           s->series          },
        {"groups",     c->found.groups,           s->groups          },
        {"samples",    c->found.samples,          s->samples         },
        {"first time", (uint64_t)c->found.min_ms, (uint64_t)s->min_ms},
        {"last time",  (uint64_t)c->found.max_ms, (uint64_t)s->max_ms},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].found != rows[i].stated)
            problem(c, "%s: the state says %lld, the file has %lld", rows[i].what,
                    (long long)rows[i].stated, (long long)rows[i].found);
}

/* P9. The trees of a commit stay while a reader holds it, its meta page only until the next but
 * one; E_STALE then. */
static int verify_pages(struct verify *c)
{
    struct errmsg err = {0};
    int rc = E_STALE;
    for (int tries = 0; rc == E_STALE && tries < 5; tries++) {
        struct kv_txn *txn = NULL;
        rc = kv_begin(c->p->kv, false, &txn);
        if (rc < 0) return rc;
        rc = kvcheck_file(c->p->env, c->p->path, kv_txn_id(txn), &err);
        kv_abort(txn);
    }
    if (rc == E_CORRUPT) problem(c, "%s", err.text);
    return rc == E_CORRUPT ? 0 : rc;
}

static int verify_all(struct verify *c)
{
    struct errmsg err = {0};
    struct partition_state state;
    int64_t day_ms = 0, created_ms = 0;
    if (partition_header_read(c->txn, &day_ms, &created_ms, &err) < 0)
        problem(c, "header: %s", err.text);
    else if (day_ms != c->p->day_ms)
        problem(c, "the header names another day");
    bool have_state = partition_state_read(c->txn, &state) == 0;
    if (!have_state) problem(c, "the state record is damaged");
    c->found = (struct partition_state){
        .next_cycle = have_state ? state.next_cycle : UINT32_MAX,
        .min_ms = INT64_MAX,
        .max_ms = INT64_MIN,
    };
    int rc = verify_db(c, DB_SERIES, verify_series_block);
    if (rc == 0) rc = verify_db(c, DB_GROUPS, verify_group);
    if (rc == 0 && have_state) compare_counts(c, &state);
    return rc;
}

int partition_verify(struct partition *p, void (*each)(void *arg, const char *text), void *arg)
{
    struct verify *c = mem_zalloc(sizeof *c);
    if (!c) return -ENOMEM;
    c->p = p;
    c->each = each;
    c->arg = arg;
    int rc = kv_begin(p->kv, false, &c->txn);
    if (rc == 0) rc = verify_pages(c);
    if (rc == 0) rc = verify_all(c);
    if (rc == 0 && c->problems) rc = E_CORRUPT;
    kv_abort(c->txn);
    id_set_release(&c->defined);
    mem_free(c);
    return rc;
}
