/* stream.h -- the head's sample streams: tokens of usually one byte a sample. Pure: bytes in, bytes
 * out.
 *
 *     0x00-0x6f  zigzag change of the scaled integer, at the expected interval
 *     0x70       varint zigzag change of the scaled integer
 *     0x71       u8 scale, varint zigzag integer: a new scale
 *     0x72       8 bytes: a raw double
 *     0x73       the staleness marker
 *     0x78       varint zigzag offset from the expected time of the next value, this once
 *     0x79       varint ms: the interval from here on
 *     0x7a       8 bytes: absolute time of the next value; forgets interval and scale
 *     0x80-0xbf  the previous value again, 1-64 times at the expected interval
 *
 * A stream starts with 0x7a. The last token of a stream may be a run that still grows in place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_STREAM_H
#define TOCSIN_TSDB_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "tsdb/querier.h"

enum { STREAM_SAMPLE_MAX = 32 }; /* bytes one sample may take */

/* What both ends know after a sample. All zero: nothing yet. */
struct stream {
    int64_t t_ms;
    uint64_t bits;     /* of the last value */
    int64_t n;         /* last scaled integer */
    uint32_t interval; /* ms; 0 = unknown */
    uint32_t last_gap; /* of the last sample that came off the interval */
    uint8_t scale;
    bool has_scale;
    uint8_t run;    /* length of the run that ends the stream, 0 = no run */
    uint8_t misses; /* values in a row without a scale */
};

/* The next sample will be written so that a decoder needs nothing before it. The last sample is
 * still known to the caller in t_ms and bits. */
void stream_restart(struct stream *s);

/* Appends a sample at end, which follows the stream's earlier bytes and has room for
 * STREAM_SAMPLE_MAX more. Returns the number of bytes added; 0 when the byte before end grew. */
size_t stream_put(struct stream *s, int64_t t_ms, double v, uint8_t *end);

/* The scale of the last value put (and its integer in *n), -1 when it was written raw. */
static inline int stream_scaled(const struct stream *s, int64_t *n)
{
    *n = s->n;
    return s->has_scale && !s->misses ? s->scale : -1;
}

struct stream_reader {
    const uint8_t *p, *end;
    struct stream at;
    uint32_t repeat; /* samples left of the run being read */
};
void stream_reader_init(struct stream_reader *r, const uint8_t *p, size_t len);
/* 1 and a sample, 0 at the end, E_CORRUPT. */
int stream_next(struct stream_reader *r, int64_t *t_ms, double *v) MUST_CHECK;

#endif
