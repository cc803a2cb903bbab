/* scaled.c -- doubles as decimal integers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/scaled.h"

static const double powers[SCALE_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
static const double limit = 9007199254740992.0; /* 2^53 */

double scaled_value(int64_t n, unsigned scale)
{
    return scale ? (double)n / powers[scale] : (double)n;
}

bool scaled_at(double v, unsigned scale, int64_t *n)
{
    double x = v * powers[scale];
    if (!(x > -limit && x < limit)) return false;
    double half = x > -limit / 2 && x < limit / 2 ? 0.5 : 0; /* larger ones have no fraction */
    *n = (int64_t)(x < 0 ? x - half : x + half);
    return double_bits(scaled_value(*n, scale)) == double_bits(v);
}

bool scaled_find(double v, unsigned *scale, int64_t *n)
{
    if (scaled_at(v, *scale, n)) return true;
    for (unsigned s = 0; s <= SCALE_MAX; s++) {
        double x = v * powers[s];
        if (!(x > -limit && x < limit)) return false;
        if (!scaled_at(v, s, n)) continue;
        *scale = s;
        return true;
    }
    return false;
}
