/* journal.h -- an append-only file of checksummed records: rule state, outbox, audit.
 *
 * Record: u32 length, u32 crc32c over (type, lsn, payload), u64 lsn, u8 type, payload;
 * little-endian; file header of 16 bytes with magic and version (docs/FORMAT.md). At open every
 * record is replayed to the caller; a torn tail is cut at the last good record; damage in the
 * middle is skipped to the next valid record and counted. Appends are buffered until
 * journal_sync, which writes and fdatasyncs (group commit: concurrent callers share one sync).
 * A failed sync poisons the file: what was not acknowledged is rewritten into a new file, and a
 * sync is never retried on the old one. Compaction (journal_rewrite) writes a new file from the
 * caller's snapshot and renames it over.
 *
 * Thread-safe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_JOURNAL_H
#define TOCSIN_CORE_JOURNAL_H

#include <stdint.h>

#include "core/env.h"
#include "core/err.h"
#include "core/str.h"

struct journal;

struct journal_stats {
    uint64_t records, bytes; /* in the file now */
    uint64_t damaged;        /* regions skipped at open */
    uint64_t cut_bytes;      /* torn tail removed at open */
};

/* Called for each record in order at open; a non-zero return ends the open with that code. */
typedef int journal_replay_fn(void *arg, uint8_t type, uint64_t lsn, struct str payload);

int journal_open(struct journal **out, struct env *env, const char *path, journal_replay_fn *replay,
                 void *arg, struct errmsg *err) MUST_CHECK;
/* Flushes, syncs and closes. */
int journal_close(struct journal *j) MUST_CHECK;
/* Adds a record to the buffer; *lsn (may be NULL) names it. Not durable yet. */
int journal_append(struct journal *j, uint8_t type, struct str payload, uint64_t *lsn) MUST_CHECK;
/* Returns when every record up to lsn is on disk (UINT64_MAX: everything appended so far). */
int journal_sync(struct journal *j, uint64_t lsn) MUST_CHECK;
/* Replaces the contents: write calls journal_append on the (locked) new file. */
int journal_rewrite(struct journal *j, int (*write)(void *arg, struct journal *j),
                    void *arg) MUST_CHECK;
void journal_stats(struct journal *j, struct journal_stats *out);

#endif
