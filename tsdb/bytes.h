/* bytes.h -- fixed-width and variable-length integers in and out of stored bytes.
 *
 * Values are little-endian, keys big-endian. A varint is LEB128 (7 bits a byte, low bits first, at
 * most 10 bytes); a svarint is the varint of the zigzag form. Reading goes through a cursor that
 * never passes its end: the first read that would sets bad, and from then on every read gives 0, so
 * a decoder may look at bad once at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_BYTES_H
#define TOCSIN_TSDB_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/buf.h"

static inline void put_le16(uint8_t *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static inline uint16_t get_le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static inline uint32_t get_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t get_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline uint32_t get_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}

/* --- writing ------------------------------------------------------------------------------------
 */

static inline void out_varint(struct buf *b, uint64_t v)
{
    uint8_t tmp[10];
    size_t n = 0;
    while (v >= 0x80) {
        tmp[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    tmp[n++] = (uint8_t)v;
    buf_add(b, tmp, n);
}

static inline void out_svarint(struct buf *b, int64_t v)
{
    out_varint(b, zigzag(v));
}

static inline void out_u8(struct buf *b, uint8_t v)
{
    buf_add(b, &v, 1);
}

static inline void out_le64(struct buf *b, uint64_t v)
{
    uint8_t tmp[8];
    put_le64(tmp, v);
    buf_add(b, tmp, sizeof tmp);
}

static inline unsigned varint_size(uint64_t v)
{
    unsigned n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct in {
    const uint8_t *p, *end;
    bool bad;
};

static inline size_t in_left(const struct in *in)
{
    return (size_t)(in->end - in->p);
}

/* n bytes, or NULL (and bad) when fewer are left. */
static inline const uint8_t *in_bytes(struct in *in, size_t n)
{
    if (in->bad || n > in_left(in)) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *p = in->p;
    in->p += n;
    return p;
}

static inline uint8_t in_u8(struct in *in)
{
    const uint8_t *p = in_bytes(in, 1);
    return p ? *p : 0;
}

static inline uint64_t in_le64(struct in *in)
{
    const uint8_t *p = in_bytes(in, 8);
    return p ? get_le64(p) : 0;
}

static inline uint64_t in_varint(struct in *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b = in_u8(in);
        if (shift == 63 && b > 1) break; /* over 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
    in->bad = true;
    return 0;
}

static inline int64_t in_svarint(struct in *in)
{
    return unzigzag(in_varint(in));
}

#endif
