/* dice.h -- choices: from a seed, the same each time, or from the bytes of a fuzzer.
 *
 * Out of bytes, every choice is the first one, so that generators which put the plain cases first
 * come to an end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_DICE_H
#define TOCSIN_TESTS_DIFFERENTIAL_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct dice {
    uint64_t state;
    const uint8_t *p; /* NULL: from the seed */
    size_t len;
};

static inline struct dice dice_of_seed(uint64_t seed)
{
    return (struct dice){.state = seed};
}

static inline struct dice dice_of_bytes(const uint8_t *p, size_t len)
{
    return (struct dice){.p = p, .len = len};
}

/* splitmix64 */
static inline uint64_t dice_bits(struct dice *d)
{
    uint64_t x = d->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* 0 .. sides - 1; sides at most 65536 */
static inline unsigned dice_roll(struct dice *d, unsigned sides)
{
    if (!d->p) return (unsigned)(dice_bits(d) >> 32) % sides;
    unsigned v = 0;
    for (unsigned reach = 1; reach < sides && d->len; reach <<= 8) {
        v = v << 8 | *d->p++;
        d->len--;
    }
    return v % sides;
}

/* True in percent of all cases; false when the bytes are used up. */
static inline bool dice_chance(struct dice *d, unsigned percent)
{
    return dice_roll(d, 100) >= 100 - percent;
}

#define DICE_PICK(d, array) ((array)[dice_roll((d), (unsigned)COUNT(array))])

#endif
