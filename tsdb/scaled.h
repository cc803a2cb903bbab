/* scaled.h -- doubles as decimal integers: value = n / 10^scale.
 *
 * Division of an integer below 2^53 by a power of ten up to 10^22 is correctly rounded, so every
 * decimal of up to 15 digits comes back bit for bit; whatever does not is left to the caller.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_SCALED_H
#define TOCSIN_TSDB_SCALED_H

#include <stdbool.h>
#include <stdint.h>

#include "tsdb/querier.h"

enum { SCALE_MAX = 15 };

double scaled_value(int64_t n, unsigned scale); /* scale <= SCALE_MAX */
/* Whether v is exactly n / 10^scale for some |n| < 2^53; -0, NaN and infinities never are. */
bool scaled_at(double v, unsigned scale, int64_t *n);
/* Tries *scale, then every other from 0 up; *scale is the one that fitted. */
bool scaled_find(double v, unsigned *scale, int64_t *n);

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

enum { VARINT_MAX = 10 };

/* Writes at most VARINT_MAX bytes, returns the end. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

/* The position after the number, or NULL when it is cut off or longer than 64 bits. */
static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
    uint64_t r = 0;
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t b = *p++;
        if (shift == 63 && b > 1) return NULL;
        r |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *v = r;
            return p;
        }
    }
    return NULL;
}

#endif
