/* pack.c -- packing values into journal records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pack.h"

void pack_u64(struct buf *b, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    buf_add(b, bytes, n);
}

void pack_i64(struct buf *b, int64_t v)
{
    pack_u64(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void pack_double(struct buf *b, double v)
{
    uint64_t bits;
    char bytes[8];
    memcpy(&bits, &v, sizeof bits);
    for (size_t i = 0; i < sizeof bytes; i++, bits >>= 8)
        bytes[i] = (char)(bits & 0xff);
    buf_add(b, bytes, sizeof bytes);
}

void pack_str(struct buf *b, struct str s)
{
    pack_u64(b, s.len);
    buf_add(b, s.p, s.len);
}

static void fail(struct unpack *u)
{
    u->bad = true;
    u->rest = (struct str){"", 0};
}

uint64_t unpack_u64(struct unpack *u)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && u->rest.len; shift += 7) {
        unsigned char byte = (unsigned char)*u->rest.p++;
        u->rest.len--;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return v;
    }
    fail(u);
    return 0;
}

int64_t unpack_i64(struct unpack *u)
{
    uint64_t v = unpack_u64(u);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

double unpack_double(struct unpack *u)
{
    uint64_t bits = 0;
    double v;
    if (u->rest.len < sizeof bits) {
        fail(u);
        return 0;
    }
    for (size_t i = sizeof bits; i-- > 0;)
        bits = bits << 8 | (unsigned char)u->rest.p[i];
    u->rest.p += sizeof bits;
    u->rest.len -= sizeof bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

struct str unpack_str(struct unpack *u)
{
    uint64_t len = unpack_u64(u);
    if (len > u->rest.len) {
        fail(u);
        return (struct str){"", 0};
    }
    struct str s = {u->rest.p, (size_t)len};
    u->rest.p += len;
    u->rest.len -= (size_t)len;
    return s;
}

size_t unpack_count(struct unpack *u)
{
    uint64_t n = unpack_u64(u);
    if (n <= u->rest.len) return (size_t)n;
    fail(u);
    return 0;
}
