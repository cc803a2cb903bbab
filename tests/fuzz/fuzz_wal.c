/* fuzz_wal.c -- any bytes as a log: records, series definitions, samples, the segment header.
 *
 * The first byte chooses whether checksums are made right first, so that the decoders behind them
 * are reached.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "tsdb/wal_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ignore_sample(void *arg, uint64_t lsn, uint32_t id, int64_t t_ms, double v)
{
    uint64_t *sum = arg;
    *sum += lsn + id + (uint64_t)t_ms + (v > 0);
    return 0;
}

static void read_record(const struct wal_record *r)
{
    struct label v[LABELS_MAX];
    struct labels ls = {NULL, 0};
    uint32_t id = 0;
    uint64_t sum = 0;
    if (wal_get_series(r, &id, v, &ls) == 0 && ls.count > LABELS_MAX) abort();
    if (wal_get_samples(r, ignore_sample, &sum) > 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_segment_info info;
    struct wal_record r;
    if (size < 1) return 0;
    uint8_t *p = mem_dup(data + 1, size - 1);
    size_t len = size - 1, at = 0;
    if (!p) return 0;
    (void)!wal_segment_parse(p, len, &info);
    while (at < len) {
        bool whole = len - at >= WAL_RECORD_HEADER && wal_record_size(p + at) <= len - at &&
                     wal_record_size(p + at) <= WAL_PAYLOAD_MAX;
        if (data[0] & 1 && whole) wal_record_seal(p + at, 1);
        int64_t n = wal_record_parse(p + at, len - at, 1, &r);
        if (n > 0) read_record(&r);
        at += n > 0 ? (size_t)n : 1;
    }
    r = (struct wal_record){1, WAL_SAMPLES, p, len};
    read_record(&r);
    mem_free(p);
    return 0;
}
