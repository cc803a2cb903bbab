/* wal.h -- the write-ahead log: a buffer that appenders fill and a syncer that gets it to disk.
 *
 * Appenders hold the log's mutex for one batch (wal_lock .. wal_unlock) and never touch the disk.
 * The syncer writes the buffer and syncs it: at once when somebody waits (tsdb_wait), else within
 * 100 ms to the kernel and within a second to the disk. A failed write or sync poisons the segment:
 * everything since the last good sync, which is still in memory, goes to a new one. While that
 * fails, the disk is too full, or the backlog is over its bound, appends are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_WAL_H
#define TOCSIN_TSDB_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/env.h"
#include "core/err.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal_record.h"

struct wal;

struct wal_options {
    const char *dir, *quarantine; /* existing folders; copied */
    enum tsdb_durability durability;
    int64_t min_free_permille;
    int64_t segment_bytes;
    size_t backlog_bytes;
    bool threads; /* false: wal_wait and wal_sync do the work themselves (tests) */
};

/* What is in the folder, told in order of segments. */
struct wal_replay {
    int (*series)(void *arg, uint32_t id, struct labels ls);
    wal_sample_fn *sample;
    void *arg;
};
struct wal_replay_result {
    uint64_t last_lsn;
    uint32_t first_segment, last_segment, last_epoch;
    uint64_t records, damaged; /* damaged stretches before a good record */
};

/* In this order: open, replay what is there, start with LSNs from first_lsn on (and above all
 * replayed ones), ..., stop, free. */
int wal_open(struct wal **out, const struct wal_options *o, struct env *env) MUST_CHECK;
int wal_replay(struct wal *w, const struct wal_replay *to,
               struct wal_replay_result *out) MUST_CHECK;
int wal_start(struct wal *w, uint64_t first_lsn) MUST_CHECK;
/* Writes and syncs what is left, unless discard, and ends the syncer. */
void wal_stop(struct wal *w, bool discard);
void wal_free(struct wal *w);

/* Appending. wal_lock answers E_UNAVAILABLE without holding the lock. */
int wal_lock(struct wal *w) MUST_CHECK;
uint64_t wal_next_lsn(const struct wal *w);
uint32_t wal_epoch(const struct wal *w); /* a series not yet defined in it needs wal_add_series */
int wal_add_series(struct wal *w, uint32_t id, struct labels ls) MUST_CHECK;
int wal_begin_samples(struct wal *w, struct wal_samples *s, int64_t base_ms,
                      size_t count) MUST_CHECK;
/* The record's LSN; a record without samples is taken back and the last LSN returned. */
uint64_t wal_end_samples(struct wal *w, struct wal_samples *s);
void wal_unlock(struct wal *w);

uint64_t wal_last_lsn(struct wal *w); /* assigned */
int wal_wait(struct wal *w, uint64_t lsn) MUST_CHECK;
/* Everything appended so far to the disk, in every mode. */
int wal_sync(struct wal *w) MUST_CHECK;
/* Ends the segment being written; the next record starts another. */
int wal_rotate(struct wal *w) MUST_CHECK;
/* Removes the segments, the one being written excepted, of epochs that hold nothing above lsn. */
void wal_truncate(struct wal *w, uint64_t lsn);

struct wal_stats {
    uint64_t bytes, syncs, sync_ns, failures, segments;
    bool writable;
};
void wal_stats(struct wal *w, struct wal_stats *out);

#endif
