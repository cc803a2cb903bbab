/* partition_append.c -- one slice of the head into one transaction.
 *
 * Everything is encoded before the transaction begins and memory for the directory is reserved
 * before it commits, so that after the commit nothing can fail.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/partition_int.h"

/* Less free space than this after an EIO: LMDB tells a short write so, and the disk is full. */
#define LOW_SPACE ((int64_t)1 << 20)

struct append {
    struct partition *p;
    const struct partition_write *w;
    struct kv_txn *txn;
    struct partition_state state; /* as it will be */
    struct series_def *defs;      /* of ids the file does not know yet */
    size_t def_count, defs_noted; /* noted: in p->known already */
    struct group_info *groups;    /* as written */
    size_t group_count, group_cap;
    struct buf bytes;
};

static int count_samples(struct append *a)
{
    const struct partition_write *w = a->w;
    struct partition_state *s = &a->state;
    if (w->slice >= SLICE_COUNT) return E_INVALID;
    for (size_t i = 0; i < w->count; i++) {
        const struct partition_block *b = &w->blocks[i];
        if (i > 0 && b->id <= b[-1].id) return E_INVALID;
        if (b->count == 0) continue;
        s->samples += b->count;
        s->min_ms = MIN(s->min_ms, b->t[0]);
        s->max_ms = MAX(s->max_ms, b->t[b->count - 1]);
    }
    s->lsn[w->slice] = w->lsn;
    return 0;
}

/* --- groups -------------------------------------------------------------------------------------
 */

static int put_group(struct append *a, const struct group_info *info)
{
    void *array = a->groups;
    int rc = mem_grow(&array, &a->group_cap, a->group_count + 1, 1 << 24, sizeof *a->groups);
    a->groups = array;
    if (rc < 0) return rc;
    uint8_t key[GROUP_KEY_SIZE];
    group_key_put(info, key);
    a->groups[a->group_count++] = *info;
    return kv_append(a->txn, DB_GROUPS, (struct kv_slice){key, sizeof key},
                     (struct kv_slice){a->bytes.p, a->bytes.len});
}

static int put_groups(struct append *a, struct group_packer *packer)
{
    struct group_info info = {
        .cycle = a->state.next_cycle,
        .slice = a->w->slice,
        .flags = a->w->late ? GROUP_LATE : 0,
    };
    int rc;
    while ((rc = group_packer_cut(packer, &info, &a->bytes)) == 1) {
        rc = put_group(a, &info);
        if (rc < 0) return rc;
    }
    a->state.groups += a->group_count;
    if (a->group_count) a->state.next_cycle++;
    return rc;
}

static int pack(struct append *a, struct group_packer *packer)
{
    for (size_t i = 0; i < a->w->count; i++) {
        const struct partition_block *b = &a->w->blocks[i];
        if (b->count == 0) continue;
        int rc = group_packer_add(packer, b->id, b->t, b->v, b->count);
        if (rc < 0) return rc;
    }
    return 0;
}

/* --- definitions --------------------------------------------------------------------------------
 */

static int collect_defs(struct append *a)
{
    a->defs = mem_array(a->w->count + 1, sizeof *a->defs);
    if (!a->defs) return -ENOMEM;
    for (size_t i = 0; i < a->w->count; i++) {
        const struct partition_block *b = &a->w->blocks[i];
        if (b->count && !id_set_has(&a->p->known, b->id))
            a->defs[a->def_count++] = (struct series_def){b->id, b->labels};
    }
    for (; a->defs_noted < a->def_count; a->defs_noted++) {
        int rc = id_set_add(&a->p->known, a->defs[a->defs_noted].id);
        if (rc < 0) return rc;
    }
    a->state.series += a->def_count;
    return 0;
}

static int put_defs(struct append *a)
{
    for (size_t done = 0, taken = 0; done < a->def_count; done += taken) {
        int rc = series_block_encode(a->defs + done, a->def_count - done, &a->bytes, &taken);
        if (rc < 0) return rc;
        uint8_t key[SERIES_KEY_SIZE];
        put_be32(key, a->defs[done].id);
        put_be32(key + 4, a->state.next_cycle);
        rc = kv_put(a->txn, DB_SERIES, (struct kv_slice){key, sizeof key},
                    (struct kv_slice){a->bytes.p, a->bytes.len});
        if (rc < 0) return rc;
    }
    return 0;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static int put_state(struct append *a)
{
    uint8_t bytes[PARTITION_STATE_SIZE];
    partition_state_put(&a->state, bytes);
    return kv_put(a->txn, DB_META, partition_state_key(), (struct kv_slice){bytes, sizeof bytes});
}

static int reserve_dir(struct append *a)
{
    pthread_rwlock_wrlock(&a->p->lock);
    int rc = group_dir_reserve(&a->p->dir, a->group_count);
    pthread_rwlock_unlock(&a->p->lock);
    return rc;
}

static void publish(struct append *a, uint64_t txn_id)
{
    struct partition *p = a->p;
    pthread_rwlock_wrlock(&p->lock);
    for (size_t i = 0; i < a->group_count; i++)
        group_dir_add(&p->dir, &a->groups[i], txn_id);
    p->state = a->state;
    pthread_rwlock_unlock(&p->lock);
    atomic_store(&p->lsn[a->w->slice], a->w->lsn);
}

static int write_all(struct append *a, struct group_packer *packer)
{
    int rc = kv_begin(a->p->kv, true, &a->txn);
    if (rc == 0) rc = put_defs(a);
    if (rc == 0) rc = put_groups(a, packer);
    if (rc == 0) rc = put_state(a);
    if (rc == 0) rc = reserve_dir(a);
    if (rc < 0) {
        kv_abort(a->txn);
        return rc;
    }
    uint64_t txn_id = kv_txn_id(a->txn);
    rc = kv_commit(a->txn);
    if (rc == 0) publish(a, txn_id);
    return rc;
}

static int tell(struct partition *p, int rc, struct errmsg *err)
{
    int64_t free_bytes = 0, total_bytes = 0;
    if (rc == -EIO && p->env->io->space(p->env, p->path, &free_bytes, &total_bytes) == 0 &&
        free_bytes < LOW_SPACE)
        rc = -ENOSPC;
    return errmsg_set(err, rc, "%s: cannot append: %s", p->path, err_text(rc));
}

int partition_append(struct partition *p, const struct partition_write *w, struct errmsg *err)
{
    struct group_packer *packer = NULL;
    struct append a = {.p = p, .w = w, .state = p->state}; /* only this thread changes it */
    buf_init(&a.bytes, SERIES_BLOCK_MAX + 1);
    int rc = count_samples(&a);
    if (rc == 0) rc = group_packer_new(&packer, p->day_ms);
    if (rc == 0) rc = pack(&a, packer);
    if (rc == 0) rc = collect_defs(&a);
    if (rc == 0) rc = write_all(&a, packer);
    for (size_t i = 0; rc < 0 && i < a.defs_noted; i++)
        id_set_remove(&p->known, a.defs[i].id);
    group_packer_free(packer);
    buf_release(&a.bytes);
    mem_free(a.groups);
    mem_free(a.defs);
    return rc < 0 ? tell(p, rc, err) : 0;
}
