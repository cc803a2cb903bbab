/* ints.c -- integer sequences in frames of 128, bit-packed with patched exceptions.
 *
 * Numbers v[0..n) become u[i] = (v[i] - v[0]) / g, where g divides every difference (byte counters
 * that move in pages lose ten bits here). u[0] is always 0 and never stored. The residuals are
 *
 *     FRAMES  r[i] = u[i]                                   i = 1..n-1
 *     DELTA   r[i] = u[i] - u[i-1]                          i = 1..n-1
 *     DELTA2  r[i] = (u[i] - u[i-1]) - (u[i-1] - u[i-2])    i = 2..n-1, u[1] stored before
 *
 * and every 128 of them make a frame: reference, width, and the few that do not fit as exceptions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/ints.h"

#include <assert.h>
#include <string.h>

enum { WIDTH_MASK = 0x7f, HAS_EXCEPTIONS = 0x80 };

static unsigned bit_length(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

static int64_t wrap_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* --- packing ------------------------------------------------------------------------------------
 */

static size_t packed_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* dst has 16 bytes more than packed_size, all zero. */
static void pack(uint8_t *dst, const uint64_t *v, size_t count, unsigned width)
{
    size_t bit = 0;
    for (size_t i = 0; i < count; i++, bit += width) {
        uint8_t *p = dst + bit / 8;
        unsigned shift = bit % 8;
        put_le64(p, get_le64(p) | v[i] << shift);
        if (shift && shift + width > 64) p[8] = (uint8_t)(v[i] >> (64 - shift));
    }
}

/* src has 16 readable bytes more than packed_size. */
static void unpack(const uint8_t *src, int64_t *v, size_t count, unsigned width, int64_t ref)
{
    const uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    size_t bit = 0;
    for (size_t i = 0; i < count; i++, bit += width) {
        const uint8_t *p = src + bit / 8;
        unsigned shift = bit % 8;
        uint64_t u = get_le64(p) >> shift;
        if (shift + width > 64) u |= (uint64_t)p[8] << (64 - shift);
        v[i] = (int64_t)((u & mask) + (uint64_t)ref);
    }
}

/* --- one frame ----------------------------------------------------------------------------------
 */

struct frame_plan {
    int64_t ref;
    unsigned width;
};

static void sort_numbers(int64_t *v, size_t count)
{
    static const size_t gaps[] = {57, 23, 10, 4, 1}; /* Ciura's, for a frame's size */
    for (size_t g = 0; g < COUNT(gaps); g++) {
        for (size_t i = gaps[g]; i < count; i++) {
            int64_t x = v[i];
            size_t j = i;
            for (; j >= gaps[g] && v[j - gaps[g]] > x; j -= gaps[g])
                v[j] = v[j - gaps[g]];
            v[j] = x;
        }
    }
}

/* The most numbers that lie in one window of 2^width, and where it starts. */
static size_t widest_window(const int64_t *sorted, size_t count, unsigned width, int64_t *ref)
{
    const uint64_t span = width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    size_t best = 0, lo = 0;
    for (size_t hi = 0; hi < count; hi++) {
        while ((uint64_t)sorted[hi] - (uint64_t)sorted[lo] > span)
            lo++;
        if (hi - lo + 1 > best) {
            best = hi - lo + 1;
            *ref = sorted[lo];
        }
    }
    return best;
}

/* Chooses reference and width: narrow frames with a few exceptions, or wide ones with none. */
static struct frame_plan plan_frame(const int64_t *r, size_t count)
{
    int64_t sorted[INTS_FRAME];
    memcpy(sorted, r, count * sizeof *r);
    bool flat = true;
    for (size_t i = 1; i < count && flat; i++)
        flat = r[i] == r[0];
    if (flat) return (struct frame_plan){r[0], 0};

    sort_numbers(sorted, count);
    unsigned full = bit_length((uint64_t)sorted[count - 1] - (uint64_t)sorted[0]);
    size_t exception_size = 1 + (full + 1 + 6) / 7;
    struct frame_plan best = {sorted[0], full};
    size_t best_size = packed_size(count, full);
    for (unsigned w = 0; w < full && packed_size(count, w) < best_size; w++) {
        int64_t ref = 0;
        size_t outside = count - widest_window(sorted, count, w, &ref);
        size_t size = packed_size(count, w) + 1 + outside * exception_size;
        if (size < best_size) {
            best = (struct frame_plan){ref, w};
            best_size = size;
        }
    }
    return best;
}

static void encode_frame(const int64_t *r, size_t count, struct buf *out)
{
    struct frame_plan plan = plan_frame(r, count);
    uint64_t offsets[INTS_FRAME];
    uint8_t where[INTS_FRAME], packed[INTS_FRAME * 8 + 16] = {0};
    size_t exceptions = 0;
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (uint64_t)r[i] - (uint64_t)plan.ref;
        if (bit_length(offsets[i]) > plan.width) {
            where[exceptions++] = (uint8_t)i;
            offsets[i] = 0;
        }
    }
    out_u8(out, (uint8_t)(plan.width | (exceptions ? HAS_EXCEPTIONS : 0)));
    if (exceptions) out_u8(out, (uint8_t)exceptions);
    out_svarint(out, plan.ref);
    if (plan.width) {
        pack(packed, offsets, count, plan.width);
        buf_add(out, packed, packed_size(count, plan.width));
    }
    for (size_t i = 0; i < exceptions; i++) {
        out_u8(out, where[i]);
        out_svarint(out, wrap_sub(r[where[i]], plan.ref));
    }
}

static int decode_frame(struct in *in, int64_t *r, size_t count)
{
    uint8_t head = in_u8(in);
    unsigned width = head & WIDTH_MASK;
    size_t exceptions = head & HAS_EXCEPTIONS ? in_u8(in) : 0;
    int64_t ref = in_svarint(in);
    if (in->bad || width > 64 || exceptions > count) return E_CORRUPT;
    if (width) {
        size_t size = packed_size(count, width);
        uint8_t padded[INTS_FRAME * 8 + 16];
        const uint8_t *p = in_bytes(in, size);
        if (!p) return E_CORRUPT;
        if (in_left(in) < 16) {
            memcpy(padded, p, size);
            memset(padded + size, 0, 16);
            p = padded;
        }
        unpack(p, r, count, width, ref);
    } else {
        for (size_t i = 0; i < count; i++)
            r[i] = ref;
    }
    for (size_t i = 0; i < exceptions; i++) {
        size_t at = in_u8(in);
        int64_t offset = in_svarint(in);
        if (in->bad || at >= count) return E_CORRUPT;
        r[at] = (int64_t)((uint64_t)ref + (uint64_t)offset);
    }
    return 0;
}

/* --- residuals ----------------------------------------------------------------------------------
 */

static void residuals(const int64_t *u, size_t count, uint8_t shape, int64_t *r)
{
    size_t i = 0;
    switch (shape) {
    case INTS_FRAMES:
        for (i = 1; i < count; i++)
            r[i - 1] = u[i];
        break;
    case INTS_DELTA:
        for (i = 1; i < count; i++)
            r[i - 1] = wrap_sub(u[i], u[i - 1]);
        break;
    default: /* INTS_DELTA2 */
        for (i = 2; i < count; i++)
            r[i - 2] = wrap_sub(wrap_sub(u[i], u[i - 1]), wrap_sub(u[i - 1], u[i - 2]));
    }
}

static size_t residual_count(size_t count, uint8_t shape)
{
    return count - (shape == INTS_DELTA2 ? 2 : 1);
}

/* About how many bits the frames would take, each against its first number. */
static uint64_t estimate(const int64_t *r, size_t count)
{
    uint64_t bits = 0;
    int64_t ref = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % INTS_FRAME == 0) ref = r[i];
        bits += bit_length(zigzag(wrap_sub(r[i], ref)));
    }
    return bits;
}

static uint8_t best_order(const int64_t *u, size_t count)
{
    static const uint8_t orders[] = {INTS_DELTA, INTS_FRAMES, INTS_DELTA2};
    int64_t r[INTS_MAX];
    uint8_t best = INTS_DELTA;
    uint64_t best_bits = UINT64_MAX;
    for (size_t i = 0; i < COUNT(orders); i++) {
        if (orders[i] == INTS_DELTA2 && count < 4) continue;
        residuals(u, count, orders[i], r);
        uint64_t bits = estimate(r, residual_count(count, orders[i]));
        if (bits < best_bits) {
            best = orders[i];
            best_bits = bits;
        }
    }
    return best;
}

static void encode_residuals(const int64_t *u, size_t count, uint8_t shape, struct buf *out)
{
    int64_t r[INTS_MAX];
    residuals(u, count, shape, r);
    if (shape == INTS_DELTA2) out_svarint(out, u[1]);
    size_t n = residual_count(count, shape);
    for (size_t i = 0; i < n; i += INTS_FRAME)
        encode_frame(r + i, MIN(n - i, (size_t)INTS_FRAME), out);
}

static void encode_raw(const int64_t *v, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        out_le64(out, (uint64_t)v[i]);
}

int ints_encode(const int64_t *v, size_t count, struct buf *out, uint8_t *shape)
{
    assert(count > 0 && count <= INTS_MAX);
    int64_t u[INTS_MAX];
    uint64_t divisor = 0;
    for (size_t i = 0; i < count; i++) {
        u[i] = wrap_sub(v[i], v[0]);
        if (divisor != 1) divisor = gcd(divisor, u[i] < 0 ? 0 - (uint64_t)u[i] : (uint64_t)u[i]);
    }
    if (divisor == 0) {
        *shape = INTS_CONSTANT;
        out_svarint(out, v[0]);
        return out->err;
    }
    if (divisor > INT64_MAX) divisor = 1; /* only INT64_MIN against 0: not worth a case */
    bool linear = true;
    int64_t step = u[1];
    for (size_t i = 0; i < count; i++) {
        linear = linear && (uint64_t)u[i] == (uint64_t)step * i;
        if (divisor > 1) u[i] /= (int64_t)divisor;
    }
    if (linear) {
        *shape = INTS_LINEAR;
        out_svarint(out, v[0]);
        out_svarint(out, step);
        return out->err;
    }
    size_t start = out->len;
    *shape = best_order(u, count);
    out_svarint(out, v[0]);
    out_varint(out, divisor);
    encode_residuals(u, count, *shape, out);
    if (!out->err && out->len - start > count * 8) {
        buf_truncate(out, start);
        *shape = INTS_RAW;
        encode_raw(v, count, out);
    }
    return out->err;
}

/* --- decoding -----------------------------------------------------------------------------------
 */

/* Sums residuals back up to u[], in place: v[0] is 0, the residuals lie at v[skip..]. */
static void integrate(int64_t *v, size_t count, uint8_t shape)
{
    uint64_t sum = 0, delta = 0;
    if (shape == INTS_DELTA) {
        for (size_t i = 1; i < count; i++)
            v[i] = (int64_t)(sum += (uint64_t)v[i]);
    } else if (shape == INTS_DELTA2) {
        sum = delta = (uint64_t)v[1];
        for (size_t i = 2; i < count; i++) {
            delta += (uint64_t)v[i];
            v[i] = (int64_t)(sum += delta);
        }
    }
}

static int decode_residuals(struct in *in, uint8_t shape, int64_t *v, size_t count)
{
    size_t skip = shape == INTS_DELTA2 ? 2 : 1;
    int64_t base = in_svarint(in);
    uint64_t divisor = in_varint(in);
    if (count < skip + 1) return E_CORRUPT;
    v[0] = 0;
    if (skip == 2) v[1] = in_svarint(in);
    for (size_t i = skip; i < count; i += INTS_FRAME) {
        int rc = decode_frame(in, v + i, MIN(count - i, (size_t)INTS_FRAME));
        if (rc < 0) return rc;
    }
    integrate(v, count, shape);
    for (size_t i = 0; i < count; i++)
        v[i] = (int64_t)((uint64_t)base + divisor * (uint64_t)v[i]);
    return 0;
}

static void decode_linear(struct in *in, int64_t *v, size_t count)
{
    uint64_t base = (uint64_t)in_svarint(in), step = (uint64_t)in_svarint(in);
    for (size_t i = 0; i < count; i++)
        v[i] = (int64_t)(base + step * i);
}

int ints_decode(struct in *in, uint8_t shape, int64_t *v, size_t count)
{
    if (count == 0 || count > INTS_MAX) return E_CORRUPT;
    int rc = 0;
    int64_t base = 0;
    switch (shape) {
    case INTS_CONSTANT:
        base = in_svarint(in);
        for (size_t i = 0; i < count; i++)
            v[i] = base;
        break;
    case INTS_LINEAR:
        decode_linear(in, v, count);
        break;
    case INTS_FRAMES:
    case INTS_DELTA:
    case INTS_DELTA2:
        rc = decode_residuals(in, shape, v, count);
        break;
    case INTS_RAW:
        for (size_t i = 0; i < count; i++)
            v[i] = (int64_t)in_le64(in);
        break;
    default:
        return E_CORRUPT;
    }
    return rc < 0 ? rc : in->bad ? E_CORRUPT : 0;
}
