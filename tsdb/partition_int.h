/* partition_int.h -- what the files behind partition.h share.
 *
 * Threads: the flusher alone appends, and alone touches `known`; `state`, `dir` and `complaint` are
 * under `lock`, held for memory work only, never across a commit. `lsn` is read without it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PARTITION_INT_H
#define TOCSIN_TSDB_PARTITION_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/log.h"
#include "tsdb/group.h"
#include "tsdb/kv.h"
#include "tsdb/partition.h"
#include "tsdb/seriesblock.h"

enum partition_db { DB_META, DB_GROUPS, DB_SERIES, DB_COUNT };

/* --- which groups there are (partition_dir.c) ---------------------------------------------------
 */

enum { GROUP_KEY_SIZE = 24, SERIES_KEY_SIZE = 8 };

/* A group's key says the same as its header, so that opening reads no group. */
void group_key_put(const struct group_info *g, uint8_t key[GROUP_KEY_SIZE]);
int group_key_get(struct kv_slice key, struct group_info *out) MUST_CHECK;
bool group_info_eq(const struct group_info *a, const struct group_info *b);

/* The groups of one append, neighbours in dir.groups. */
struct dir_turn {
    size_t first; /* index of the first group; the next turn's first ends it */
    uint32_t min_id, max_id, min_ms, max_ms;
    uint64_t txn_id; /* of the commit; 0: was there at open */
};

/* What reading found out about a group; kept until the file is closed. */
enum group_status { GROUP_UNCHECKED, GROUP_GOOD, GROUP_DAMAGED };

struct group_dir {
    struct group_info *groups;
    _Atomic uint8_t *status; /* of each group; readers may set it under a read lock */
    size_t count, cap, status_cap;
    struct dir_turn *turns;
    size_t turn_count, turn_cap;
};

int group_dir_reserve(struct group_dir *d, size_t groups) MUST_CHECK;
/* Cannot fail after a reserve of as many; groups of one cycle are one turn. */
void group_dir_add(struct group_dir *d, const struct group_info *g, uint64_t txn_id);
void group_dir_release(struct group_dir *d);

/* Walks the groups that may hold samples of an id in a time range. */
struct dir_search {
    uint32_t id, start_ms, end_ms;
    uint64_t txn_id;    /* turns committed later are invisible */
    size_t turn_limit;  /* so are turns added later */
    size_t turn, group; /* where to go on; group 0: at the turn's start */
};
struct dir_match {
    size_t index;
    enum group_status status;
    struct group_info info;
};
/* Up to max matches; fewer when the walk is over. */
size_t group_dir_search(const struct group_dir *d, struct dir_search *s, struct dir_match *out,
                        size_t max);

/* A set of ids, 4,096 to a chunk. */
struct id_chunk {
    uint32_t base;
    uint64_t bits[64];
};
struct id_set {
    struct id_chunk *chunks; /* sorted */
    size_t count, cap;
};
bool id_set_has(const struct id_set *s, uint32_t id);
int id_set_add(struct id_set *s, uint32_t id) MUST_CHECK;
void id_set_remove(struct id_set *s, uint32_t id);
void id_set_release(struct id_set *s);

/* --- the file -----------------------------------------------------------------------------------
 */

#define PARTITION_MAGIC       UINT32_C(0x59414474) /* "tDAY" in the file */
#define PARTITION_STATE_MAGIC UINT32_C(0x41545374) /* "tSTA" */
enum {
    PARTITION_VERSION = 1,
    PARTITION_HEADER_SIZE = 40,
    PARTITION_STATE_SIZE = 56 + 8 * SLICE_COUNT
};
#define PARTITION_MAP_BYTES ((size_t)256 << 30)

/* What every append rewrites. */
struct partition_state {
    uint32_t next_cycle;
    uint64_t samples, groups, series;
    int64_t min_ms, max_ms;
    uint64_t lsn[SLICE_COUNT];
};
void partition_state_put(const struct partition_state *s, uint8_t bytes[PARTITION_STATE_SIZE]);
int partition_state_read(struct kv_txn *txn, struct partition_state *out) MUST_CHECK;
int partition_header_read(struct kv_txn *txn, int64_t *day_ms, int64_t *created_ms,
                          struct errmsg *err) MUST_CHECK;
int partition_header_write(struct kv_txn *txn, int64_t day_ms, int64_t created_ms,
                           size_t page_bytes) MUST_CHECK;
struct kv_slice partition_state_key(void);

struct partition {
    struct env *env;
    char *path;
    struct kv *kv;
    int64_t day_ms, created_ms;
    struct id_set known;
    pthread_rwlock_t lock;
    struct partition_state state;
    struct group_dir dir;
    struct complaint complaint;
    _Atomic uint64_t lsn[SLICE_COUNT];
};

/* partition_open with another size of address space: tests fill a small one. */
int partition_open_sized(struct partition **out, struct env *env, const char *path, int64_t day_ms,
                         bool create, size_t map_bytes, struct errmsg *err) MUST_CHECK;
void partition_complain(struct partition *p, const char *what, uint32_t first_id, uint32_t last_id);

#endif
