/* partition.h -- one UTC day of stored samples in one LMDB file.
 *
 * A partition holds series definitions (id -> labels) and groups: about 16 KiB of encoded samples
 * of neighbouring series, appended in one transaction together with the log position (LSN) of the
 * head slice they came from, so that a crash neither loses nor repeats a sample. Bytes are drawn
 * in docs/FORMAT.md. Ids are the head's slots; they mean the same series in every partition of one
 * run and are never reused inside a file.
 *
 * One writer at a time (the flusher), any number of readers from any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PARTITION_H
#define TOCSIN_TSDB_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/env.h"
#include "core/err.h"
#include "tsdb/labels.h"

enum { SLICE_COUNT = 64 };
#define DAY_MS INT64_C(86400000)

struct partition;

/* Opens path (created when create is set) and checks header and size: E_CORRUPT with a message
 * when the file is not sound; the caller quarantines it. E_NOT_FOUND: it is not there, or whoever
 * made it was killed before it was finished (create finishes it): nothing was ever stored in it.
 * day_ms is the UTC midnight it starts at. */
int partition_open(struct partition **out, struct env *env, const char *path, int64_t day_ms,
                   bool create, struct errmsg *err) MUST_CHECK;
void partition_close(struct partition *p); /* NULL is fine; no reader may be left */

struct partition_block {
    uint32_t id;
    struct labels labels; /* used when the file does not know the id yet */
    const int64_t *t;     /* ascending, unique, inside the day */
    const double *v;
    size_t count;
};

/* What one turn writes: series in ascending id order, all of one slice. Everything commits in one
 * synchronous transaction; afterwards partition_slice_lsn says lsn. late marks groups that may
 * overlap earlier ones in time. -ENOSPC and -EIO leave the file as it was. */
struct partition_write {
    uint32_t slice; /* < SLICE_COUNT */
    uint64_t lsn;
    const struct partition_block *blocks;
    size_t count;
    bool late;
};
int partition_append(struct partition *p, const struct partition_write *w,
                     struct errmsg *err) MUST_CHECK;
uint64_t partition_slice_lsn(const struct partition *p, uint32_t slice); /* 0: never flushed */

/* Series definitions in id order; each() gets borrowed labels valid during the call. */
typedef int partition_series_fn(void *arg, uint32_t id, struct labels ls);
int partition_series(struct partition *p, partition_series_fn *each, void *arg) MUST_CHECK;

/* A read transaction with a cache of the group decoded last; keep it short (≤ 1 s). */
struct partition_reader;
int partition_reader_new(struct partition *p, struct partition_reader **out) MUST_CHECK;
void partition_reader_free(struct partition_reader *r);

/* Growing arrays of samples, kept by the caller across calls. */
struct sample_vec {
    int64_t *t;
    double *v;
    size_t count, cap;
    size_t max; /* more are E_LIMIT; 0: no such limit */
};
void sample_vec_release(struct sample_vec *s);
int sample_vec_reserve(struct sample_vec *s, size_t extra) MUST_CHECK;
int sample_vec_add(struct sample_vec *s, int64_t t_ms, double v) MUST_CHECK;
/* Sorts by time and drops repeated timestamps; of equal ones the last added stays. Already sorted
 * input costs one pass. */
int sample_vec_normalize(struct sample_vec *s) MUST_CHECK;

/* Samples in [start, end] of groups of cycles below `cycle`: deleted ones. */
struct partition_cut {
    int64_t start_ms, end_ms;
    uint32_t cycle;
};
/* What partition_read leaves out from now on; borrowed until the next call. */
void partition_reader_cut(struct partition_reader *r, const struct partition_cut *v, size_t count);

/* Appends the samples of one id in [start, end] (both included). Damaged groups are skipped,
 * counted in *damaged (may be NULL) and logged; E_CORRUPT is not returned for them. */
int partition_read(struct partition_reader *r, uint32_t id, int64_t start_ms, int64_t end_ms,
                   struct sample_vec *out, uint64_t *damaged) MUST_CHECK;

/* 1 when the id has samples in [start, end], 0 when not; cuts are not looked at. */
int partition_has(struct partition_reader *r, uint32_t id, int64_t start_ms,
                  int64_t end_ms) MUST_CHECK;

struct partition_info {
    int64_t day_ms, min_ms, max_ms; /* of samples; min > max when empty */
    uint64_t series, groups, samples, file_bytes;
    int64_t created_ms; /* of the file; with the day, its identity: a file rewritten has another */
    uint64_t cycles;    /* the next append that writes groups gets this number */
};
void partition_info(struct partition *p, struct partition_info *out);
/* Of the samples, which is all most readers want to know: no look at the disk. */
void partition_range(struct partition *p, int64_t *min_ms, int64_t *max_ms);
/* Makes a new file at path, which must not exist, of what p holds and cuts_of does not leave out:
 * same ids, same log positions, groups as large as they come. cuts_of gives the cuts of one id,
 * borrowed until its next call. No append meanwhile. E_CORRUPT when a group of p is damaged: what
 * is left of it is better kept. On failure nothing is left at path. */
typedef int partition_cuts_fn(void *arg, uint32_t id, const struct partition_cut **v,
                              size_t *count);
int partition_rewrite(struct partition *p, const char *path, partition_cuts_fn *cuts_of, void *arg,
                      struct errmsg *err) MUST_CHECK;
/* Copies the file as its last commit left it; path must not exist. Appends go on meanwhile. */
int partition_copy(struct partition *p, const char *path, struct errmsg *err) MUST_CHECK;
/* Reads every byte and checks every checksum and invariant; problems go to each(). */
int partition_verify(struct partition *p, void (*each)(void *arg, const char *text),
                     void *arg) MUST_CHECK;

#endif
