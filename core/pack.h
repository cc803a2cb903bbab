/* pack.h -- packing values into journal records, and taking them out again without trust.
 *
 * Integers are LEB128 varints (signed ones zigzag), doubles eight bytes little-endian, texts a
 * length and their bytes. A struct unpack that runs past its end, or over a limit, sets bad and
 * yields zeros from then on: look at it once at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_PACK_H
#define TOCSIN_CORE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

void pack_u64(struct buf *b, uint64_t v);
void pack_i64(struct buf *b, int64_t v);
void pack_double(struct buf *b, double v);
void pack_str(struct buf *b, struct str s);

struct unpack {
    struct str rest;
    bool bad;
};

uint64_t unpack_u64(struct unpack *u);
int64_t unpack_i64(struct unpack *u);
double unpack_double(struct unpack *u);
struct str unpack_str(struct unpack *u); /* borrows the record */
/* A count that a loop may trust: bad when more items than bytes are left are promised. */
size_t unpack_count(struct unpack *u);

#endif
