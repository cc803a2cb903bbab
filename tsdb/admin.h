/* admin.h -- what an operator asks of a store: numbers by label, deleting, cleaning, snapshots.
 *
 * One of the four tasks below runs at a time, the next waits. They may take minutes; appending and
 * reading go on meanwhile. Where there is a cancel (may be NULL), setting it atomically to non-zero
 * ends the task with E_CANCELED; what is done by then stays done, files half made are removed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_ADMIN_H
#define TOCSIN_TSDB_ADMIN_H

#include "tsdb/tsdb.h"

enum { TSDB_TASKS_MAX = 4 }; /* at work or waiting; more: E_UNAVAILABLE */

/* --- deleting -----------------------------------------------------------------------------------
 */

enum { TSDB_DELETIONS_MAX = 4096 };

/* Deletes the samples in [start, end] (both included) of the series that match, as they are now:
 * what is appended later stays, whatever its time. In force for every read that begins after the
 * return, and durable by then. The head is flushed first, so that all samples meant are in files.
 * E_LIMIT: more than TSDB_DELETIONS_MAX wait to be cleaned; otherwise the disk's errors, and then
 * nothing is deleted. */
int tsdb_delete(struct tsdb *db, const struct matcher *m, size_t count, int64_t start_ms,
                int64_t end_ms, struct errmsg *err) MUST_CHECK;

struct tsdb_rewritten {
    uint64_t days;                      /* rewritten */
    uint64_t damaged;                   /* left as they are, for what is good in them */
    uint64_t bytes_before, bytes_after; /* of the days rewritten */
};

/* Rewrites the day files that have something deleted, one after the other, so that the space comes
 * back; needs room for a second copy of the largest. -ENOSPC and other errors of the disk end it;
 * every file is then either as before or done. */
int tsdb_clean(struct tsdb *db, const int *cancel, struct tsdb_rewritten *out,
               struct errmsg *err) MUST_CHECK;

/* Flushes the head, cleans, and also rewrites past days whose groups are many and small (thirty or
 * more flushes make one day), which then take less space and fewer reads. */
int tsdb_compact(struct tsdb *db, const int *cancel, struct tsdb_rewritten *out,
                 struct errmsg *err) MUST_CHECK;

/* --- snapshots ----------------------------------------------------------------------------------
 */

enum { TSDB_SNAPSHOT_NAME = 48 };

/* Copies the store to <path>/snapshots/<name>, from where tsdb_open takes it as it is: everything
 * appended before the call, unless skip_head leaves out what was not flushed yet. It is there whole
 * or not at all. */
int tsdb_snapshot(struct tsdb *db, bool skip_head, const int *cancel, char name[TSDB_SNAPSHOT_NAME],
                  struct errmsg *err) MUST_CHECK;

/* --- numbers ------------------------------------------------------------------------------------
 */

enum tsdb_ranking {
    TSDB_SERIES_BY_METRIC,
    TSDB_VALUES_BY_LABEL,
    TSDB_BYTES_BY_LABEL, /* of the index: values, postings, references of series */
    TSDB_SERIES_BY_PAIR,
    TSDB_RANKINGS,
};
struct tsdb_rank {
    struct str name, value; /* a metric or label name; value: of a pair, else empty */
    uint64_t count;
};
struct tsdb_cardinality {
    uint64_t series, label_pairs, chunks; /* of the head */
    struct {
        struct tsdb_rank *v; /* greatest first, equal ones by name */
        size_t count;
    } rankings[TSDB_RANKINGS];
};
/* Counts every series in memory; rankings of at most limit rows live in the arena. */
int tsdb_cardinality(struct tsdb *db, size_t limit, struct arena *a,
                     struct tsdb_cardinality *out) MUST_CHECK;

/* Visits the names of all metrics that may have samples in [start, end], in no order, some more
 * than once; without looking at series. Texts are borrowed during the visit. */
int tsdb_metric_names(struct tsdb *db, int64_t start_ms, int64_t end_ms, str_visit_fn *each,
                      void *arg) MUST_CHECK;

#endif
