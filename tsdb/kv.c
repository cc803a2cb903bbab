/* kv.c -- LMDB behind our verbs and our error codes.
 *
 * MDB_NOSUBDIR: the path is the file. MDB_NOTLS: readers belong to transactions, not to threads,
 * and no thread key is used up per file. Never MDB_WRITEMAP: it would grow the file to the size of
 * the map and turn a full disk into SIGBUS.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/kv.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

enum { MAX_READERS = 512 };
#define MAP_BYTES_MIN ((size_t)1 << 20)

struct kv {
    MDB_env *env;
    MDB_dbi dbs[KV_MAX_DBS];
    size_t db_count, map_bytes;
};

struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
};

struct kv_cursor {
    MDB_cursor *cursor;
};

static int kv_error(int rc)
{
    static const struct {
        int lmdb, ours;
    } map[] = {
        {MDB_SUCCESS,          0            },
        {MDB_NOTFOUND,         E_NOT_FOUND  },
        {MDB_KEYEXIST,         E_EXISTS     },
        {MDB_MAP_FULL,         -ENOSPC      },
        {MDB_MAP_RESIZED,      -ENOSPC      },
        {MDB_TXN_FULL,         E_TOO_BIG    },
        {MDB_BAD_VALSIZE,      E_TOO_BIG    },
        {MDB_READERS_FULL,     E_UNAVAILABLE},
        {MDB_PANIC,            -EIO         },
        {MDB_INVALID,          E_CORRUPT    },
        {MDB_CORRUPTED,        E_CORRUPT    },
        {MDB_PAGE_NOTFOUND,    E_CORRUPT    },
        {MDB_VERSION_MISMATCH, E_CORRUPT    },
        {MDB_INCOMPATIBLE,     E_CORRUPT    },
        {EFBIG,                -ENOSPC      },
        {EDQUOT,               -ENOSPC      },
        {ENOENT,               E_NOT_FOUND  },
    };
    for (size_t i = 0; i < COUNT(map); i++)
        if (map[i].lmdb == rc) return map[i].ours;
    return rc > 0 ? -rc : E_CORRUPT; /* what is left of LMDB's own means a broken file or handle */
}

static MDB_val to_val(struct kv_slice s)
{
    /* LMDB does not write through the pointers of a key or of a value to be put. */
    union {
        const void *in;
        void *out;
    } p = {s.p};
    return (MDB_val){s.len, p.out};
}

/* --- open and close -----------------------------------------------------------------------------
 */

static int open_env(struct kv *kv, const struct kv_options *o, size_t map_bytes)
{
    int rc = mdb_env_create(&kv->env);
    if (rc) return rc;
    if ((rc = mdb_env_set_mapsize(kv->env, map_bytes)) ||
        (rc = mdb_env_set_maxdbs(kv->env, KV_MAX_DBS)) ||
        (rc = mdb_env_set_maxreaders(kv->env, MAX_READERS)))
        return rc;
    return mdb_env_open(kv->env, o->path, MDB_NOSUBDIR | MDB_NOTLS, 0640);
}

/* Address space may be scarce (ulimit -v, sanitizers): be content with less. */
static int open_env_smaller(struct kv *kv, const struct kv_options *o)
{
    int rc = ENOMEM;
    for (size_t bytes = o->map_bytes; rc == ENOMEM && bytes >= MAP_BYTES_MIN; bytes /= 2) {
        rc = open_env(kv, o, bytes);
        kv->map_bytes = bytes;
        if (rc == 0) return 0;
        mdb_env_close(kv->env); /* required after a failed open, too */
        kv->env = NULL;
    }
    return rc;
}

static int open_dbs(struct kv *kv, const struct kv_options *o)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(kv->env, NULL, o->create ? 0 : MDB_RDONLY, &txn);
    if (rc) return rc;
    for (size_t i = 0; rc == 0 && i < o->db_count; i++)
        rc = mdb_dbi_open(txn, o->dbs[i], o->create ? MDB_CREATE : 0, &kv->dbs[i]);
    if (rc == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
}

int kv_open(struct kv **out, const struct kv_options *o, struct errmsg *err)
{
    assert(o->db_count <= KV_MAX_DBS);
    *out = NULL;
    if (!o->create && access(o->path, F_OK) < 0)
        return errmsg_set(err, errno == ENOENT ? E_NOT_FOUND : -errno, "%s: %s", o->path,
                          err_text(-errno));
    struct kv *kv = mem_zalloc(sizeof *kv);
    if (!kv) return errmsg_set(err, -ENOMEM, "%s: out of memory", o->path);
    kv->db_count = o->db_count;
    int rc = open_env_smaller(kv, o);
    if (rc) goto out;
    /* The tree is looked at only once the file is known to be long enough: a page beyond its end
     * would be SIGBUS. */
    struct kv_info info;
    mdb_filehandle_t fd;
    kv_info(kv, &info);
    rc = mdb_env_get_fd(kv->env, &fd);
    if (rc) goto out;
    off_t size = lseek(fd, 0, SEEK_END);
    uint64_t page_bytes = info.page_bytes, need = info.pages * page_bytes;
    if (size < 0)
        rc = errno;
    else if ((uint64_t)size < need) {
        kv_close(kv);
        return errmsg_set(err, E_CORRUPT, "%s: %lld bytes long, but its pages need %llu", o->path,
                          (long long)size, (unsigned long long)need);
    }
    if (rc == 0) rc = open_dbs(kv, o);
    if (rc == MDB_INVALID && info.txn_id == 0) {
        kv_close(kv);
        return errmsg_set(err, E_NOT_FOUND, "%s: nothing was ever committed to it", o->path);
    }
out:
    if (rc) {
        kv_close(kv);
        return errmsg_set(err, kv_error(rc), "%s: %s", o->path, mdb_strerror(rc));
    }
    *out = kv;
    return 0;
}

void kv_close(struct kv *kv)
{
    if (!kv) return;
    if (kv->env) mdb_env_close(kv->env);
    mem_free(kv);
}

int kv_copy(struct kv *kv, const char *path)
{
    return kv_error(mdb_env_copy2(kv->env, path, 0));
}

void kv_info(struct kv *kv, struct kv_info *out)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    *out = (struct kv_info){0};
    if (mdb_env_info(kv->env, &info) || mdb_env_stat(kv->env, &stat)) return;
    *out = (struct kv_info){
        .page_bytes = stat.ms_psize,
        .pages = info.me_last_pgno + 1,
        .map_bytes = info.me_mapsize,
        .txn_id = info.me_last_txnid,
    };
}

/* --- transactions -------------------------------------------------------------------------------
 */

int kv_begin(struct kv *kv, bool write, struct kv_txn **out)
{
    struct kv_txn *t = mem_zalloc(sizeof *t);
    *out = NULL;
    if (!t) return -ENOMEM;
    t->kv = kv;
    int rc = mdb_txn_begin(kv->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
    if (rc) {
        mem_free(t);
        return kv_error(rc);
    }
    *out = t;
    return 0;
}

int kv_commit(struct kv_txn *txn)
{
    int rc = mdb_txn_commit(txn->txn); /* frees it in every case */
    mem_free(txn);
    return kv_error(rc);
}

void kv_abort(struct kv_txn *txn)
{
    if (!txn) return;
    mdb_txn_abort(txn->txn);
    mem_free(txn);
}

uint64_t kv_txn_id(const struct kv_txn *txn)
{
    return mdb_txn_id(txn->txn);
}

/* --- entries ------------------------------------------------------------------------------------
 */

int kv_get(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice *value)
{
    MDB_val k = to_val(key), v = {0};
    assert(db < txn->kv->db_count);
    int rc = mdb_get(txn->txn, txn->kv->dbs[db], &k, &v);
    if (rc == 0) *value = (struct kv_slice){v.mv_data, v.mv_size};
    return kv_error(rc);
}

static int put(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice value,
               unsigned flags)
{
    MDB_val k = to_val(key), v = to_val(value);
    assert(db < txn->kv->db_count);
    return kv_error(mdb_put(txn->txn, txn->kv->dbs[db], &k, &v, flags));
}

int kv_put(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice value)
{
    return put(txn, db, key, value, 0);
}

int kv_append(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice value)
{
    return put(txn, db, key, value, MDB_APPEND);
}

int kv_count(struct kv_txn *txn, size_t db, uint64_t *out)
{
    MDB_stat stat = {0};
    int rc = mdb_stat(txn->txn, txn->kv->dbs[db], &stat);
    *out = stat.ms_entries;
    return kv_error(rc);
}

int kv_cursor_new(struct kv_txn *txn, size_t db, struct kv_cursor **out)
{
    struct kv_cursor *c = mem_zalloc(sizeof *c);
    *out = NULL;
    if (!c) return -ENOMEM;
    int rc = mdb_cursor_open(txn->txn, txn->kv->dbs[db], &c->cursor);
    if (rc) {
        mem_free(c);
        return kv_error(rc);
    }
    *out = c;
    return 0;
}

int kv_cursor_next(struct kv_cursor *c, struct kv_slice *key, struct kv_slice *value)
{
    MDB_val k = {0}, v = {0};
    int rc = mdb_cursor_get(c->cursor, &k, &v, MDB_NEXT); /* MDB_FIRST on a fresh cursor */
    if (rc == MDB_NOTFOUND) return 1;
    *key = (struct kv_slice){k.mv_data, k.mv_size};
    *value = (struct kv_slice){v.mv_data, v.mv_size};
    return kv_error(rc);
}

void kv_cursor_free(struct kv_cursor *c)
{
    if (!c) return;
    mdb_cursor_close(c->cursor);
    mem_free(c);
}
