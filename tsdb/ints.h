/* ints.h -- sequences of 64-bit integers, small: the shapes under the block codec.
 *
 * An encoder subtracts the first number, divides by the common divisor, and writes the smallest of
 * a few shapes: constant, linear, or residuals of order 0, 1 or 2 in frames of 128, bit-packed with
 * patched exceptions (docs/FORMAT.md draws them). All arithmetic wraps modulo 2^64, so every input
 * comes back exactly. Pure: bytes in, bytes out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_INTS_H
#define TOCSIN_TSDB_INTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "tsdb/bytes.h"

/* Stored; never renumber. 0 is never written. */
enum ints_shape {
    INTS_CONSTANT = 1,
    INTS_LINEAR = 2,
    INTS_FRAMES = 3, /* residuals against the first number */
    INTS_DELTA = 4,
    INTS_DELTA2 = 5,
    INTS_RAW = 6, /* 8 bytes each */
};

enum { INTS_MAX = 2048, INTS_FRAME = 128 };

/* Appends the body of 1..INTS_MAX numbers and gives the shape that was chosen. 0 or buf's error. */
int ints_encode(const int64_t *v, size_t count, struct buf *out, uint8_t *shape) MUST_CHECK;
/* Reads exactly count numbers of a shape from in; E_CORRUPT for bytes that no encoder wrote. */
int ints_decode(struct in *in, uint8_t shape, int64_t *v, size_t count) MUST_CHECK;

#endif
