/* codec.h -- one block of samples to bytes and back, lossless bit for bit.
 *
 * A block is up to CODEC_BLOCK_MAX samples of one series. Timestamps are encoded apart from values,
 * because the series of one source share them (group.h). Values that are short decimals become
 * integers (value = integer / 10^scale, exact for 15 digits); all others keep their IEEE bits.
 * NaNs, infinities, -0 and staleness markers inside a decimal block are listed apart. The first
 * byte is the codec's id; ids are additive and never reused (docs/FORMAT.md).
 *
 * Pure: no I/O, no clock, no memory of earlier blocks. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_CODEC_H
#define TOCSIN_TSDB_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "tsdb/ints.h"

enum { CODEC_BLOCK_MAX = INTS_MAX };

/* Appends the encoded block of 1..CODEC_BLOCK_MAX values; never more than 2 + 8 * count bytes. */
int codec_encode_values(const double *v, size_t count, struct buf *out) MUST_CHECK;
/* The inverse; count comes from the directory. Every byte must be used: else E_CORRUPT. */
int codec_decode_values(const uint8_t *p, size_t len, double *v, size_t count) MUST_CHECK;

/* The same for timestamps; decoding also insists that they ascend strictly. */
int codec_encode_times(const int64_t *t, size_t count, struct buf *out) MUST_CHECK;
int codec_decode_times(const uint8_t *p, size_t len, int64_t *t, size_t count) MUST_CHECK;
/* What can be told of timestamps without decoding them. */
struct codec_span {
    int64_t first;
    int64_t step; /* between neighbours, when regular */
    bool regular;
};
int codec_times_span(const uint8_t *p, size_t len, struct codec_span *out) MUST_CHECK;

#endif
