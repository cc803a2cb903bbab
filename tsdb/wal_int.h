/* wal_int.h -- the inside of the log, for wal*.c alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_WAL_INT_H
#define TOCSIN_TSDB_WAL_INT_H

#include <pthread.h>

#include "core/log.h"
#include "tsdb/wal.h"

enum {
    WAL_PATH_MAX = 1024,
    WAL_WRITE_AT = 1 << 20, /* bytes that are written without waiting further */
};
#define WAL_WRITE_NS INT64_C(100000000)  /* to the kernel at the latest after */
#define WAL_SYNC_NS  INT64_C(1000000000) /* to the disk at the latest after */
#define WAL_RETRY_NS INT64_C(500000000)  /* after a failure */

struct wal_segment {
    uint32_t id, epoch;
    uint64_t last_lsn;
    int64_t bytes;
    bool damaged; /* goes to quarantine instead of being removed */
};

struct wal {
    struct env *env;
    struct wal_options o;
    char dir[WAL_PATH_MAX], quarantine[WAL_PATH_MAX];
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything up to the next remark */
    pthread_cond_t work, done;
    struct buf pending;
    size_t pending_before;    /* length at wal_lock */
    size_t record_at;         /* of the samples record being written */
    int64_t pending_since_ns; /* mono time of the first byte */
    size_t out_bytes;         /* size of out, as appenders may know it */
    uint64_t last_lsn, written_lsn, durable_lsn, wanted_lsn;
    uint32_t epoch;
    int64_t epoch_bytes, definition_bytes; /* of this epoch */
    bool failed, low_space, sync_now, stop, running;
    struct wal_segment *segments; /* ascending ids; the last is being written while open is set */
    size_t segment_count, segment_cap;
    bool open;
    struct wal_stats stats;

    /* the syncer's own */
    struct buf out;     /* sealed records since the last good sync, then what is to be written */
    size_t out_written; /* bytes of out already in the segment */
    uint32_t out_epoch; /* of the first record of out */
    uint32_t segment;   /* id last used */
    int fd;             /* -1: open a segment before writing */
    int64_t offset, last_sync_ns, last_try_ns, last_space_ns;
    struct complaint complaint;
};

void wal_segment_path(const struct wal *w, uint32_t id, char out[WAL_PATH_MAX]);
int wal_add_segment(struct wal *w, struct wal_segment s) MUST_CHECK; /* lock held */
/* Takes what is pending and writes it; syncs when asked to or when a sync is due. The syncer's
 * thread only (or the caller's, without threads). */
int wal_cycle(struct wal *w, bool sync) MUST_CHECK;
void *wal_syncer(void *wal);
void wal_check_space(struct wal *w, int64_t now_ns);

#endif
