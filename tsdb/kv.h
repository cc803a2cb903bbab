/* kv.h -- the few things we ask of LMDB; kv.c is the only file that includes lmdb.h.
 *
 * One file holds up to KV_MAX_DBS named databases of byte keys in byte order. One write transaction
 * at a time, any number of reads; a read sees the file as it was when it began. Values read are
 * borrowed from the mapped file until their transaction ends. Errors are ours: -ENOSPC when the map
 * or the disk is full, -EIO and other -errno from the disk, E_CORRUPT for what LMDB finds broken,
 * E_NOT_FOUND, E_EXISTS.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_KV_H
#define TOCSIN_TSDB_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct kv;
struct kv_txn;
struct kv_cursor;

enum { KV_MAX_DBS = 8 };

struct kv_slice {
    const void *p;
    size_t len;
};

struct kv_options {
    const char *path;
    const char *const *dbs; /* names; a database's number is its index here */
    size_t db_count;
    size_t map_bytes; /* address space wanted; halved while the system refuses it */
    bool create;      /* make the file and its databases; commits are synchronous */
};

/* E_NOT_FOUND: no such file, or one that nothing was ever committed to (both without create). The
 * file's directory must exist. */
int kv_open(struct kv **out, const struct kv_options *o, struct errmsg *err) MUST_CHECK;
void kv_close(struct kv *kv); /* NULL is fine; every transaction must have ended */

/* Copies the file as of its last commit to path, which must not exist; synced by the caller. */
int kv_copy(struct kv *kv, const char *path) MUST_CHECK;

struct kv_info {
    size_t page_bytes;
    uint64_t pages; /* used: the file must be at least pages * page_bytes long */
    size_t map_bytes;
    uint64_t txn_id; /* of the last commit */
};
void kv_info(struct kv *kv, struct kv_info *out);

int kv_begin(struct kv *kv, bool write, struct kv_txn **out) MUST_CHECK;
/* Ends the transaction whatever the answer; on failure the file is as it was before. */
int kv_commit(struct kv_txn *txn) MUST_CHECK;
void kv_abort(struct kv_txn *txn); /* NULL is fine */
/* Which commit the transaction sees (reads) or will be (writes). */
uint64_t kv_txn_id(const struct kv_txn *txn);

int kv_get(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice *value) MUST_CHECK;
int kv_put(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice value) MUST_CHECK;
/* The same at the end of the database: E_EXISTS unless the key is greater than all there. */
int kv_append(struct kv_txn *txn, size_t db, struct kv_slice key, struct kv_slice value) MUST_CHECK;
int kv_count(struct kv_txn *txn, size_t db, uint64_t *out) MUST_CHECK;

/* Walks a database in key order: 0 and an entry, 1 at the end, or an error. */
int kv_cursor_new(struct kv_txn *txn, size_t db, struct kv_cursor **out) MUST_CHECK;
int kv_cursor_next(struct kv_cursor *c, struct kv_slice *key, struct kv_slice *value) MUST_CHECK;
void kv_cursor_free(struct kv_cursor *c); /* before its transaction ends */

#endif
