/* partition.c -- opening one day's file, its header and state, and its series definitions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/partition.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/kvcheck.h"
#include "tsdb/partition_int.h"

static const char *const db_names[DB_COUNT] = {
    [DB_META] = "meta",
    [DB_GROUPS] = "g",
    [DB_SERIES] = "s",
};

static const struct kv_slice header_key = {"header", 6}, state_key = {"state", 5};

/* Features this code understands; a file with others set in its must-understand word is refused. */
#define KNOWN_FEATURES UINT32_C(0)

struct kv_slice partition_state_key(void)
{
    return state_key;
}

/* --- header and state ---------------------------------------------------------------------------
 */

static void header_put(int64_t day_ms, int64_t created_ms, size_t page_bytes,
                       uint8_t h[PARTITION_HEADER_SIZE])
{
    memset(h, 0, PARTITION_HEADER_SIZE);
    put_le32(h, PARTITION_MAGIC);
    put_le16(h + 8, PARTITION_VERSION);
    put_le32(h + 12, KNOWN_FEATURES); /* must understand */
    put_le32(h + 16, 0);              /* may ignore */
    put_le32(h + 20, (uint32_t)page_bytes);
    put_le64(h + 24, (uint64_t)day_ms);
    put_le64(h + 32, (uint64_t)created_ms);
    put_le32(h + 4, crc32c(0, h + 8, PARTITION_HEADER_SIZE - 8));
}

int partition_header_write(struct kv_txn *txn, int64_t day_ms, int64_t created_ms,
                           size_t page_bytes)
{
    uint8_t header[PARTITION_HEADER_SIZE];
    header_put(day_ms, created_ms, page_bytes, header);
    return kv_put(txn, DB_META, header_key, (struct kv_slice){header, sizeof header});
}

int partition_header_read(struct kv_txn *txn, int64_t *day_ms, int64_t *created_ms,
                          struct errmsg *err)
{
    struct kv_slice v;
    int rc = kv_get(txn, DB_META, header_key, &v);
    if (rc < 0) return rc;
    const uint8_t *h = v.p;
    if (v.len < PARTITION_HEADER_SIZE || get_le32(h) != PARTITION_MAGIC)
        return errmsg_set(err, E_CORRUPT, "not a partition: the header has no magic");
    if (get_le32(h + 4) != crc32c(0, h + 8, v.len - 8))
        return errmsg_set(err, E_CORRUPT, "the header fails its checksum");
    unsigned version = get_le16(h + 8);
    uint32_t features = get_le32(h + 12);
    if (version != PARTITION_VERSION || features & ~KNOWN_FEATURES)
        return errmsg_set(err, E_CORRUPT, "format version %u with features 0x%x is newer than %d",
                          version, (unsigned)features, PARTITION_VERSION);
    *day_ms = (int64_t)get_le64(h + 24);
    *created_ms = (int64_t)get_le64(h + 32);
    return 0;
}

void partition_state_put(const struct partition_state *s, uint8_t b[PARTITION_STATE_SIZE])
{
    memset(b, 0, PARTITION_STATE_SIZE);
    put_le32(b, PARTITION_STATE_MAGIC);
    put_le32(b + 8, PARTITION_VERSION);
    put_le32(b + 12, s->next_cycle);
    put_le64(b + 16, s->samples);
    put_le64(b + 24, s->groups);
    put_le64(b + 32, s->series);
    put_le64(b + 40, (uint64_t)s->min_ms);
    put_le64(b + 48, (uint64_t)s->max_ms);
    for (size_t i = 0; i < SLICE_COUNT; i++)
        put_le64(b + 56 + 8 * i, s->lsn[i]);
    put_le32(b + 4, crc32c(0, b + 8, PARTITION_STATE_SIZE - 8));
}

int partition_state_read(struct kv_txn *txn, struct partition_state *out)
{
    struct kv_slice v;
    int rc = kv_get(txn, DB_META, state_key, &v);
    if (rc < 0) return E_CORRUPT;
    const uint8_t *b = v.p;
    if (v.len != PARTITION_STATE_SIZE || get_le32(b) != PARTITION_STATE_MAGIC ||
        get_le32(b + 8) != PARTITION_VERSION || get_le32(b + 4) != crc32c(0, b + 8, v.len - 8))
        return E_CORRUPT;
    *out = (struct partition_state){
        .next_cycle = get_le32(b + 12),
        .samples = get_le64(b + 16),
        .groups = get_le64(b + 24),
        .series = get_le64(b + 32),
        .min_ms = (int64_t)get_le64(b + 40),
        .max_ms = (int64_t)get_le64(b + 48),
    };
    for (size_t i = 0; i < SLICE_COUNT; i++)
        out->lsn[i] = get_le64(b + 56 + 8 * i);
    return 0;
}

/* --- series definitions -------------------------------------------------------------------------
 */

struct open_block {
    struct series_block *block;
    struct series_def def; /* not handed out yet */
};

/* Blocks whose id ranges overlap; usually one. */
struct merge {
    struct open_block *open;
    size_t count, cap;
};

static void merge_release(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++)
        series_block_free(m->open[i].block);
    mem_free(m->open);
}

/* Moves block i on; a finished or damaged one leaves. */
static int merge_advance(struct partition *p, struct merge *m, size_t i)
{
    uint32_t last = m->open[i].def.id;
    int rc = series_block_next(m->open[i].block, &m->open[i].def);
    if (rc == 0) return 0;
    series_block_free(m->open[i].block);
    m->open[i] = m->open[--m->count];
    if (rc < 0 && rc != E_CORRUPT) return rc;
    if (rc < 0) partition_complain(p, "series definitions", last, last);
    return 0;
}

static int merge_add(struct partition *p, struct merge *m, struct kv_slice value)
{
    void *array = m->open;
    int rc = mem_grow(&array, &m->cap, m->count + 1, UINT32_MAX, sizeof *m->open);
    m->open = array;
    if (rc < 0) return rc;
    struct series_block_info info = {0};
    struct open_block *b = &m->open[m->count];
    rc = series_block_open(&b->block, value.p, value.len, &info);
    if (rc == E_CORRUPT) partition_complain(p, "series definitions", info.first_id, info.last_id);
    if (rc < 0) return rc == E_CORRUPT ? 0 : rc;
    b->def = (struct series_def){.id = info.first_id};
    m->count++;
    return merge_advance(p, m, m->count - 1);
}

/* Hands out the definitions of open blocks with ids below limit, smallest first. */
static int merge_drain(struct partition *p, struct merge *m, uint64_t limit,
                       partition_series_fn *each, void *arg)
{
    while (m->count) {
        size_t first = 0;
        for (size_t i = 1; i < m->count; i++)
            if (m->open[i].def.id < m->open[first].def.id) first = i;
        struct series_def *d = &m->open[first].def;
        if (d->id >= limit) return 0;
        int rc = each(arg, d->id, d->labels);
        if (rc == 0) rc = merge_advance(p, m, first);
        if (rc != 0) return rc;
    }
    return 0;
}

int partition_series(struct partition *p, partition_series_fn *each, void *arg)
{
    struct kv_txn *txn = NULL;
    struct kv_cursor *c = NULL;
    struct kv_slice key, value;
    struct merge m = {0};
    int rc = kv_begin(p->kv, false, &txn);
    if (rc == 0) rc = kv_cursor_new(txn, DB_SERIES, &c);
    while (rc == 0 && (rc = kv_cursor_next(c, &key, &value)) == 0) {
        if (key.len != SERIES_KEY_SIZE) {
            partition_complain(p, "series definitions", 0, 0);
            continue;
        }
        /* Keys begin with a block's first id: what lies below it is complete. */
        rc = merge_drain(p, &m, get_be32(key.p), each, arg);
        if (rc == 0) rc = merge_add(p, &m, value);
    }
    if (rc == 1) rc = merge_drain(p, &m, UINT64_MAX, each, arg);
    merge_release(&m);
    kv_cursor_free(c);
    kv_abort(txn);
    return rc;
}

/* --- open ---------------------------------------------------------------------------------------
 */

static int write_fresh(struct partition *p)
{
    struct kv_txn *txn = NULL;
    struct kv_info info;
    uint8_t state[PARTITION_STATE_SIZE];
    struct partition_state fresh = {.next_cycle = 1, .min_ms = INT64_MAX, .max_ms = INT64_MIN};
    kv_info(p->kv, &info);
    p->created_ms = env_now_ms(p->env);
    partition_state_put(&fresh, state);
    int rc = kv_begin(p->kv, true, &txn);
    if (rc < 0) return rc;
    rc = partition_header_write(txn, p->day_ms, p->created_ms, info.page_bytes);
    if (rc == 0) rc = kv_put(txn, DB_META, state_key, (struct kv_slice){state, sizeof state});
    if (rc == 0) return kv_commit(txn);
    kv_abort(txn);
    return rc;
}

static int read_header(struct partition *p, bool *missing, struct errmsg *err)
{
    struct kv_txn *txn = NULL;
    uint64_t entries = 0;
    int64_t day_ms = 0;
    *missing = false;
    int rc = kv_begin(p->kv, false, &txn);
    if (rc < 0) return rc;
    rc = partition_header_read(txn, &day_ms, &p->created_ms, err);
    if (rc == E_NOT_FOUND) { /* killed between making the file and its first commit? */
        rc = kv_count(txn, DB_GROUPS, &entries);
        *missing = rc == 0 && entries == 0;
        if (rc == 0 && entries) rc = errmsg_set(err, E_CORRUPT, "groups, but no header");
    } else if (rc == 0 && day_ms != p->day_ms) {
        rc = errmsg_set(err, E_CORRUPT, "holds the day that starts at %lld, not %lld",
                        (long long)day_ms, (long long)p->day_ms);
    }
    kv_abort(txn);
    return rc;
}

static int load_groups(struct partition *p, struct kv_txn *txn, struct errmsg *err)
{
    struct kv_cursor *c = NULL;
    struct kv_slice key, value;
    int rc = kv_cursor_new(txn, DB_GROUPS, &c);
    while (rc == 0 && (rc = kv_cursor_next(c, &key, &value)) == 0) {
        struct group_info g;
        rc = group_key_get(key, &g);
        if (rc == 0 && g.cycle >= p->state.next_cycle) rc = E_CORRUPT;
        if (rc < 0) {
            errmsg_set(err, rc, "group %zu has a key that makes no sense", p->dir.count);
            break;
        }
        rc = group_dir_reserve(&p->dir, 1);
        if (rc == 0) group_dir_add(&p->dir, &g, 0);
    }
    kv_cursor_free(c);
    return rc == 1 ? 0 : rc;
}

static int note_id(void *arg, uint32_t id, struct labels ls)
{
    struct partition *p = arg;
    UNUSED(ls);
    return id_set_add(&p->known, id);
}

static int load(struct partition *p, struct errmsg *err)
{
    struct kv_txn *txn = NULL;
    int rc = kv_begin(p->kv, false, &txn);
    if (rc < 0) return rc;
    rc = partition_state_read(txn, &p->state);
    if (rc == E_CORRUPT) errmsg_set(err, rc, "the state record is damaged");
    if (rc == 0) rc = load_groups(p, txn, err);
    kv_abort(txn);
    if (rc == 0) rc = partition_series(p, note_id, p);
    for (size_t i = 0; i < SLICE_COUNT; i++)
        atomic_store(&p->lsn[i], p->state.lsn[i]);
    return rc;
}

/* The file's name is on disk, too, once the first append answers. */
static int sync_parent(struct partition *p)
{
    const char *slash = strrchr(p->path, '/');
    if (!slash) return p->env->io->sync_dir(p->env, ".");
    char *dir = mem_strndup(p->path, slash == p->path ? 1 : (size_t)(slash - p->path));
    if (!dir) return -ENOMEM;
    int rc = p->env->io->sync_dir(p->env, dir);
    mem_free(dir);
    return rc;
}

static int unfinished(struct errmsg *err)
{
    return errmsg_set(err, E_NOT_FOUND, "it was never finished, nothing was stored in it");
}

/* LMDB believes what it maps, so the trees are looked at first. A file that is not there, or empty
 * (killed while it was made), is for `create` to fill. */
static int check_pages(struct partition *p, bool create, struct errmsg *err)
{
    struct io_stat st = {0};
    int rc = p->env->io->stat(p->env, p->path, &st);
    if (create && (rc == -ENOENT || (rc == 0 && st.size_bytes == 0))) return 0;
    if (rc == 0 && st.size_bytes == 0) return unfinished(err);
    return kvcheck_file(p->env, p->path, 0, err);
}

/* A file without header: the second commit makes it. */
static int make_header(struct partition *p, bool create, struct errmsg *err)
{
    struct kv_info info;
    kv_info(p->kv, &info);
    if (!create)
        return info.txn_id <= 1 ? unfinished(err)
                                : errmsg_set(err, E_CORRUPT, "there is no header");
    int rc = write_fresh(p);
    return rc == 0 ? sync_parent(p) : rc;
}

static int open_kv(struct partition *p, bool create, size_t map_bytes, struct errmsg *err)
{
    struct kv_options o = {
        .path = p->path,
        .dbs = db_names,
        .db_count = DB_COUNT,
        .map_bytes = map_bytes,
        .create = create,
    };
    int rc = check_pages(p, create, err);
    if (rc == 0) rc = kv_open(&p->kv, &o, err);
    if (rc < 0) return rc;
    bool missing;
    struct errmsg why = {0};
    rc = read_header(p, &missing, &why);
    if (rc == 0 && missing) rc = make_header(p, create, &why);
    if (rc == 0) rc = load(p, &why);
    if (rc < 0) errmsg_set(err, rc, "%s: %s", p->path, why.text[0] ? why.text : err_text(rc));
    return rc;
}

int partition_open_sized(struct partition **out, struct env *env, const char *path, int64_t day_ms,
                         bool create, size_t map_bytes, struct errmsg *err)
{
    *out = NULL;
    struct partition *p = mem_zalloc(sizeof *p);
    if (!p) return errmsg_set(err, -ENOMEM, "%s: out of memory", path);
    p->env = env;
    p->day_ms = day_ms;
    int rc = -pthread_rwlock_init(&p->lock, NULL);
    if (rc < 0) {
        mem_free(p);
        return errmsg_set(err, rc, "%s: %s", path, err_text(rc));
    }
    p->path = mem_strndup(path, strlen(path));
    rc = p->path ? open_kv(p, create, map_bytes, err)
                 : errmsg_set(err, -ENOMEM, "%s: out of memory", path);
    if (rc < 0) {
        partition_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

int partition_open(struct partition **out, struct env *env, const char *path, int64_t day_ms,
                   bool create, struct errmsg *err)
{
    return partition_open_sized(out, env, path, day_ms, create, PARTITION_MAP_BYTES, err);
}

void partition_close(struct partition *p)
{
    if (!p) return;
    kv_close(p->kv);
    group_dir_release(&p->dir);
    id_set_release(&p->known);
    pthread_rwlock_destroy(&p->lock);
    mem_free(p->path);
    mem_free(p);
}

/* --- small questions ----------------------------------------------------------------------------
 */

uint64_t partition_slice_lsn(const struct partition *p, uint32_t slice)
{
    return slice < SLICE_COUNT ? atomic_load(&p->lsn[slice]) : 0;
}

void partition_range(struct partition *p, int64_t *min_ms, int64_t *max_ms)
{
    pthread_rwlock_rdlock(&p->lock);
    *min_ms = p->state.min_ms;
    *max_ms = p->state.max_ms;
    pthread_rwlock_unlock(&p->lock);
}

void partition_info(struct partition *p, struct partition_info *out)
{
    struct io_stat st = {0};
    if (p->env->io->stat(p->env, p->path, &st) < 0) st.size_bytes = 0;
    pthread_rwlock_rdlock(&p->lock);
    *out = (struct partition_info){
        .day_ms = p->day_ms,
        .min_ms = p->state.min_ms,
        .max_ms = p->state.max_ms,
        .series = p->state.series,
        .groups = p->state.groups,
        .samples = p->state.samples,
        .file_bytes = (uint64_t)st.size_bytes,
        .created_ms = p->created_ms,
        .cycles = p->state.next_cycle,
    };
    pthread_rwlock_unlock(&p->lock);
}

void partition_complain(struct partition *p, const char *what, uint32_t first_id, uint32_t last_id)
{
    pthread_rwlock_wrlock(&p->lock);
    complain(&p->complaint, env_mono_ns(p->env), "damaged data skipped",
             "file=\"%s\" what=\"%s\" ids=%u-%u next=\"reading goes on without it\"", p->path, what,
             (unsigned)first_id, (unsigned)last_id);
    pthread_rwlock_unlock(&p->lock);
}
