/* wal_record.h -- the bytes of log records (docs/WAL.md). Pure: bytes in, bytes out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_WAL_RECORD_H
#define TOCSIN_TSDB_WAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "tsdb/labels.h"

enum {
    WAL_SEGMENT_HEADER = 64,
    WAL_RECORD_HEADER = 21,
    WAL_PAYLOAD_MAX = 1 << 20,
    WAL_SAMPLES_HEADER = 8 + 5,
    WAL_SAMPLE_MAX = 1 + 10 + 10 + 10,
    WAL_BATCH_MAX = 1024, /* samples of one record as we write them */
};

enum wal_type {
    WAL_SERIES = 1,
    WAL_SAMPLES = 2,
    WAL_BREAK = 255, /* never on disk: a new epoch starts here, the LSN is its number */
};

/* --- writing -----------------------------------------------------------------------------------
 */

/* Appends the header of a record whose length, checksum and segment come later. */
int wal_record_begin(struct buf *b, enum wal_type type, uint64_t lsn);
/* Fills in the length of the record that starts at offset at. */
void wal_record_end(struct buf *b, size_t at);
/* Fills in segment and checksum of the finished record at p; returns its whole size. */
size_t wal_record_seal(uint8_t *p, uint32_t segment);
size_t wal_record_size(const uint8_t *p); /* of a finished record, header included */
uint64_t wal_record_lsn(const uint8_t *p);

int wal_put_series(struct buf *b, uint32_t id, struct labels ls);

/* Samples of one record: begin reserves room for count of them, so that puts cannot fail. */
struct wal_samples {
    uint8_t *count_at, *p;
    uint32_t id;
    int64_t t_ms;
    uint32_t count;
};
int wal_samples_begin(struct wal_samples *w, struct buf *b, int64_t base_ms,
                      size_t count) MUST_CHECK;
/* scale and n as scaled_find gave them for v; scale < 0: a raw double. */
void wal_samples_put(struct wal_samples *w, uint32_t id, int64_t t_ms, double v, int scale,
                     int64_t n);
void wal_samples_end(struct wal_samples *w, struct buf *b);

void wal_segment_header(uint8_t out[WAL_SEGMENT_HEADER], uint32_t segment, uint32_t epoch,
                        uint64_t first_lsn, int64_t now_ms);

/* --- reading -----------------------------------------------------------------------------------
 */

struct wal_segment_info {
    uint32_t segment, epoch;
    uint64_t first_lsn;
    int64_t created_ms;
};
int wal_segment_parse(const uint8_t *p, size_t len, struct wal_segment_info *out) MUST_CHECK;

struct wal_record {
    uint64_t lsn;
    uint8_t type;
    const uint8_t *payload;
    size_t len;
};
/* Looks at the bytes at p: > 0 the size of the valid record there, 0 when more than len bytes would
 * be needed to tell, E_CORRUPT when there is none. */
int64_t wal_record_parse(const uint8_t *p, size_t len, uint32_t segment, struct wal_record *out);

/* labels borrow the payload and the array v. */
int wal_get_series(const struct wal_record *r, uint32_t *id, struct label v[LABELS_MAX],
                   struct labels *out) MUST_CHECK;
typedef int wal_sample_fn(void *arg, uint64_t lsn, uint32_t id, int64_t t_ms, double v);
/* each() for every sample; E_CORRUPT, or what each returned. */
int wal_get_samples(const struct wal_record *r, wal_sample_fn *each, void *arg) MUST_CHECK;

#endif
