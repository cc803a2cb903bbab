/* fuzz_codec.c -- the block codec: hostile bytes, and samples drawn from the input there and back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tsdb/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_hostile(const uint8_t *p, size_t len, size_t count)
{
    double v[CODEC_BLOCK_MAX];
    int64_t t[CODEC_BLOCK_MAX];
    if (codec_decode_values(p, len, v, count) == 0) {
        struct buf b = BUF_INIT(1 << 20); /* what decodes can be encoded */
        double back[CODEC_BLOCK_MAX];
        if (codec_encode_values(v, count, &b) != 0) abort();
        if (codec_decode_values((uint8_t *)b.p, b.len, back, count) != 0) abort();
        if (memcmp(v, back, count * sizeof *v) != 0) abort();
        buf_release(&b);
    }
    if (codec_decode_times(p, len, t, count) == 0)
        for (size_t i = 1; i < count; i++)
            if (t[i] <= t[i - 1]) abort();
}

/* Eight bytes a sample; the first byte chooses what they mean. */
static double draw(const uint8_t *p, unsigned kind)
{
    double v;
    int64_t i;
    memcpy(&v, p, 8);
    memcpy(&i, p, 8);
    switch (kind % 4) {
    case 0:
        return v;
    case 1:
        return (double)(i >> (p[0] % 64));
    case 2:
        return (double)(i % 1000000) / 100;
    default:
        return (double)p[7];
    }
}

static void round_trip(const uint8_t *p, size_t len)
{
    double v[CODEC_BLOCK_MAX], back[CODEC_BLOCK_MAX];
    size_t count = 0;
    for (unsigned kind = p[0]; len - 1 >= (count + 1) * 8 && count < CODEC_BLOCK_MAX; count++)
        v[count] = draw(p + 1 + count * 8, kind & 0x80 ? kind + (unsigned)count : kind);
    if (count == 0) return;
    struct buf b = BUF_INIT(1 << 20);
    if (codec_encode_values(v, count, &b) != 0) abort();
    if (codec_decode_values((uint8_t *)b.p, b.len, back, count) != 0) abort();
    if (memcmp(v, back, count * sizeof *v) != 0) abort();
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    size_t count = data[0] | (size_t)(data[1] & 0xf) << 8;
    decode_hostile(data + 2, size - 2, count);
    round_trip(data + 2, size - 2);
    return 0;
}
