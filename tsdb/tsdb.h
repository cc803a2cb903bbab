/* tsdb.h -- the embedded time-series store.
 *
 * Samples go to an in-memory head and a write-ahead log; slices of the head are packed into groups
 * and appended to one LMDB file per UTC day (design: tsdb.md; bytes: docs/FORMAT.md). Any thread
 * may append and select. Storage is lossless, bit for bit, staleness markers included.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_TSDB_H
#define TOCSIN_TSDB_TSDB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/env.h"
#include "core/err.h"
#include "tsdb/labels.h"
#include "tsdb/querier.h"

struct tsdb;

enum tsdb_durability { TSDB_DURABILITY_SYNC, TSDB_DURABILITY_INTERVAL };

struct tsdb_options {
    const char *path;              /* data directory, created if missing */
    int64_t retention_ms;          /* by age; 0 = for ever */
    int64_t max_bytes;             /* by size, all files counted; 0 = none */
    int64_t min_free_permille;     /* below: E_UNAVAILABLE for writes; of the file system */
    int64_t max_series;            /* active series; more: new ones are refused, known ones go on */
    int64_t max_series_per_metric; /* 0 = none */
    int64_t max_labels, max_label_value_bytes;
    int64_t future_limit_ms;         /* samples further ahead of now are refused (10 min) */
    int64_t flush_turn_ms;           /* a full turn over the head (30 min) */
    enum tsdb_durability durability; /* of pushed data */
};

/* The documented defaults (interfaces.md §5), path excepted. */
void tsdb_options_default(struct tsdb_options *o);

/* Opens or creates the store, replays the log, starts the flusher and the syncer. Never fails
 * because of damaged data: what is damaged goes to quarantine/ and is logged. E_EXISTS: another
 * process has it open (the message names its pid). */
int tsdb_open(struct tsdb **out, const struct tsdb_options *o, struct env *env,
              struct errmsg *err) MUST_CHECK;
/* Flushes the head, syncs, closes; the next start replays nothing. */
int tsdb_close(struct tsdb *db) MUST_CHECK;

/* A handle of one series: valid until the store is closed, or until tsdb_append answers E_STALE
 * for it (its run was closed): then look it up again. 0 is never a valid ref. */
typedef uint64_t tsdb_ref;

/* Finds or creates. Labels must be sorted and unique; empty values are not allowed. E_INVALID
 * (names, UTF-8, no metric name), E_LIMIT (a new series over a limit), E_UNAVAILABLE. */
int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err) MUST_CHECK;

/* The same for series of our own: host collectors, reports of scrapes, rule results. They may go so
 * many beyond max_series, so that nobody who pushes or is scraped can take the watching away. */
enum { TSDB_OWN_RESERVE = 20000 };
int tsdb_series_own(struct tsdb *db, struct labels ls, tsdb_ref *out,
                    struct errmsg *err) MUST_CHECK;

struct tsdb_point {
    tsdb_ref ref;
    int64_t t_ms;
    double v;
};

struct tsdb_append_result {
    size_t stored;
    size_t duplicates; /* same time, same bits: dropped */
    size_t too_old;    /* beyond retention or the out-of-order window */
    size_t too_new;    /* beyond future_limit_ms */
    size_t stale_refs; /* ref no longer valid; first_stale is the index of the first */
    size_t first_stale;
    uint64_t lsn; /* for tsdb_wait */
};

/* Appends a batch. It is in the head (visible to select) and in the WAL buffer when this returns;
 * wait for the disk with tsdb_wait where the caller acknowledges to somebody. Points of one series
 * should be in time order; late ones go to the out-of-order path. E_UNAVAILABLE: disk full or WAL
 * being rewritten; nothing was stored (of more than 1,024 points: only the r->stored first ones;
 * appending the whole batch again drops those as duplicates). Never blocks on the disk. */
int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r) MUST_CHECK;
/* Returns when everything up to lsn is as durable as the mode promises (sync: after fdatasync,
 * shared with other waiters; interval: after write to the kernel). */
int tsdb_wait(struct tsdb *db, uint64_t lsn) MUST_CHECK;

/* Reads go here; borrowed, valid until tsdb_close. */
struct querier *tsdb_querier(struct tsdb *db);

/* Packs the whole head into partition files now, syncs, recycles the log. */
int tsdb_flush(struct tsdb *db, struct errmsg *err) MUST_CHECK;

struct tsdb_stats {
    uint64_t head_series, head_bytes;
    int64_t head_min_ms, head_max_ms; /* INT64_MAX/MIN when empty */
    uint64_t samples_appended, duplicates, out_of_order, too_old, too_new, series_created,
        series_refused;
    uint64_t wal_bytes, wal_syncs, wal_sync_ns, wal_failures, wal_replayed_samples, wal_damaged;
    uint64_t partitions, partition_bytes, flushes, flush_ns, groups_written, quarantined;
    int64_t oldest_ms; /* of anything stored; INT64_MAX when empty */
    bool writable;
    int64_t newest_ms;                            /* of anything stored; INT64_MIN when empty */
    uint64_t future_partitions;                   /* with samples beyond future_limit_ms */
    uint64_t deletions;                           /* waiting to be cleaned */
    uint32_t wal_first_segment, wal_last_segment; /* replayed at the start; 0: none */
};
void tsdb_stats(struct tsdb *db, struct tsdb_stats *out);

/* Metadata of metrics, in memory, last writer wins: what HELP and TYPE said. */
enum metric_type {
    METRIC_UNKNOWN,
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
    METRIC_GAUGE_HISTOGRAM,
    METRIC_INFO,
    METRIC_STATESET,
};
const char *metric_type_name(enum metric_type t); /* "counter", ...; "unknown" */
struct metric_metadata {
    struct str name, help, unit; /* borrowed during the visit */
    enum metric_type type;
};
int tsdb_metadata_set(struct tsdb *db, const struct metric_metadata *m) MUST_CHECK;
typedef int metadata_visit_fn(void *arg, const struct metric_metadata *m);
/* Visits all in name order, or the one called name. */
int tsdb_metadata(struct tsdb *db, const char *name, metadata_visit_fn *each, void *arg);

#endif
