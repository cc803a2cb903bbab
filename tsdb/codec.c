/* codec.c -- doubles to integers to bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/codec.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "tsdb/bytes.h"
#include "tsdb/querier.h"

/* The second byte of a value block: how integers become doubles. */
enum {
    DOMAIN_SCALE_MAX = 15, /* 0..15: integer / 10^n */
    DOMAIN_BITS = 31,      /* IEEE bits, mapped so that their order is the doubles' order */
    DOMAIN_MASK = 0x1f,
    DOMAIN_SPECIALS = 0x80, /* a list of values that are no such integer follows */
};

/* A special is a staleness marker or any 64 bits. */
enum { SPECIAL_STALE = 0, SPECIAL_BITS = 1 };

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static const double power_of_ten[DOMAIN_SCALE_MAX + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
};

/* --- values as scaled integers ------------------------------------------------------------------
 */

/* Whether v is exactly *out / 10^scale, bit for bit. An integer below 2^53 divided by a power of
 * ten up to 10^22 is rounded correctly, so the decoder's division gives the same bits. */
static bool to_scaled(double v, unsigned scale, int64_t *out)
{
    double x = v * power_of_ten[scale];
    if (!(x > -EXACT_MAX && x < EXACT_MAX)) return false; /* NaN, too */
    int64_t i = (int64_t)(x + (x < 0 ? -0.5 : 0.5));
    if (i == 0 && double_bits(v) != 0) return false; /* -0 and tiny values */
    *out = i;
    return (double)i / power_of_ten[scale] == v;
}

/* The smallest scale from `from` on that holds v, or -1. */
static int find_scale(double v, unsigned from)
{
    int64_t i;
    for (unsigned s = from; s <= DOMAIN_SCALE_MAX; s++)
        if (to_scaled(v, s, &i)) return (int)s;
    return -1;
}

static size_t special_limit(size_t count)
{
    return count / 8 + 1;
}

/* One scale for the block: the largest any value needs; -1 when too many have none. */
static int common_scale(const double *v, size_t count)
{
    int64_t i;
    unsigned scale = 0;
    size_t none = 0;
    for (size_t k = 0; k < count; k++) {
        if (is_stale(v[k]) || to_scaled(v[k], scale, &i)) continue;
        if (k > 0 && double_bits(v[k]) == double_bits(v[k - 1])) continue;
        int s = find_scale(v[k], scale + 1);
        if (s >= 0)
            scale = (unsigned)s;
        else if (++none > special_limit(count))
            return -1;
    }
    return (int)scale;
}

struct specials {
    uint16_t at[CODEC_BLOCK_MAX];
    size_t count;
};

/* Specials repeat the number before them, so that they cost nothing in the integer sequence. */
static void scale_values(const double *v, size_t count, unsigned scale, int64_t *ints,
                         struct specials *sp)
{
    int64_t last = 0;
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        int64_t x;
        if (to_scaled(v[i], scale, &x)) {
            for (size_t k = 0; first && k < i; k++)
                ints[k] = x; /* leading specials take the first real number */
            first = false;
            last = x;
        } else {
            sp->at[sp->count++] = (uint16_t)i;
        }
        ints[i] = last;
    }
}

/* IEEE bits as integers in the order of the doubles. */
static int64_t ordered_bits(double v)
{
    int64_t i = (int64_t)double_bits(v);
    return i ^ ((i >> 63) & INT64_MAX);
}

static double from_ordered_bits(int64_t i)
{
    return double_of_bits((uint64_t)(i ^ ((i >> 63) & INT64_MAX)));
}

/* --- encoding -----------------------------------------------------------------------------------
 */

static void put_specials(const double *v, const struct specials *sp, struct buf *out)
{
    size_t last = 0;
    out_varint(out, sp->count);
    for (size_t i = 0; i < sp->count; i++) {
        size_t at = sp->at[i];
        bool stale = is_stale(v[at]);
        out_varint(out, (uint64_t)(at - last) << 1 | (stale ? SPECIAL_STALE : SPECIAL_BITS));
        if (!stale) out_le64(out, double_bits(v[at]));
        last = at;
    }
}

static int encode_domain(const double *v, size_t count, const int64_t *ints, unsigned domain,
                         const struct specials *sp, struct buf *out)
{
    size_t start = out->len;
    uint8_t shape = 0;
    out_u8(out, 0); /* the id, filled in below */
    out_u8(out, (uint8_t)(domain | (sp->count ? DOMAIN_SPECIALS : 0)));
    if (sp->count) put_specials(v, sp, out);
    int rc = ints_encode(ints, count, out, &shape);
    if (rc == 0) out->p[start] = (char)shape;
    return rc;
}

static int encode_bits(const double *v, size_t count, struct buf *out)
{
    int64_t ints[CODEC_BLOCK_MAX];
    struct specials none;
    none.count = 0;
    for (size_t i = 0; i < count; i++)
        ints[i] = ordered_bits(v[i]);
    return encode_domain(v, count, ints, DOMAIN_BITS, &none, out);
}

int codec_encode_values(const double *v, size_t count, struct buf *out)
{
    assert(count > 0 && count <= CODEC_BLOCK_MAX);
    int scale = common_scale(v, count);
    if (scale < 0) return encode_bits(v, count, out);

    int64_t ints[CODEC_BLOCK_MAX];
    struct specials sp;
    sp.count = 0;
    scale_values(v, count, (unsigned)scale, ints, &sp);
    size_t start = out->len;
    int rc = encode_domain(v, count, ints, (unsigned)scale, &sp, out);
    size_t size = out->len - start;
    bool suspect = size >= count * 5 || sp.count > special_limit(count);
    if (rc < 0 || size <= 16 || !suspect) return rc;

    /* Long decimals or many specials: the bits may be shorter. */
    rc = encode_bits(v, count, out);
    if (rc < 0) return rc;
    size_t bits_size = out->len - start - size;
    if (bits_size < size) {
        memmove(out->p + start, out->p + start + size, bits_size);
        size = bits_size;
    }
    buf_truncate(out, start + size);
    return 0;
}

int codec_encode_times(const int64_t *t, size_t count, struct buf *out)
{
    assert(count > 0 && count <= CODEC_BLOCK_MAX);
    size_t start = out->len;
    uint8_t shape = 0;
    out_u8(out, 0);
    int rc = ints_encode(t, count, out, &shape);
    if (rc == 0) out->p[start] = (char)shape;
    return rc;
}

/* --- decoding -----------------------------------------------------------------------------------
 */

static int get_specials(struct in *in, double *v, size_t count)
{
    uint64_t n = in_varint(in);
    size_t at = 0;
    if (in->bad || n == 0 || n > count) return E_CORRUPT;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t code = in_varint(in), gap = code >> 1;
        if (in->bad || gap >= count - at || (i > 0 && gap == 0)) return E_CORRUPT;
        at += (size_t)gap;
        bool stale = (code & 1) == SPECIAL_STALE;
        v[at] = double_of_bits(stale ? STALE_NAN_BITS : in_le64(in));
    }
    return in->bad ? E_CORRUPT : 0;
}

static int to_doubles(const int64_t *ints, unsigned domain, double *v, size_t count)
{
    if (domain == DOMAIN_BITS) {
        for (size_t i = 0; i < count; i++)
            v[i] = from_ordered_bits(ints[i]);
        return 0;
    }
    if (domain > DOMAIN_SCALE_MAX) return E_CORRUPT;
    const double power = power_of_ten[domain];
    if (domain == 0)
        for (size_t i = 0; i < count; i++)
            v[i] = (double)ints[i];
    else
        for (size_t i = 0; i < count; i++)
            v[i] = (double)ints[i] / power;
    return 0;
}

int codec_decode_values(const uint8_t *p, size_t len, double *v, size_t count)
{
    struct in in = {p, p + len, false};
    int64_t ints[CODEC_BLOCK_MAX];
    uint8_t shape = in_u8(&in), domain = in_u8(&in);
    struct in specials = in;
    if (count == 0 || count > CODEC_BLOCK_MAX) return E_CORRUPT;
    if (domain & DOMAIN_SPECIALS) { /* step over them; they are written last */
        int rc = get_specials(&in, v, count);
        if (rc < 0) return rc;
    }
    size_t distinct = shape == INTS_CONSTANT ? 1 : count; /* two thirds of a host's series */
    int rc = ints_decode(&in, shape, ints, distinct);
    if (rc < 0 || in_left(&in)) return E_CORRUPT;
    rc = to_doubles(ints, domain & DOMAIN_MASK, v, distinct);
    for (size_t i = distinct; i < count; i++)
        v[i] = v[0];
    if (rc == 0 && domain & DOMAIN_SPECIALS) rc = get_specials(&specials, v, count);
    return rc;
}

int codec_decode_times(const uint8_t *p, size_t len, int64_t *t, size_t count)
{
    struct in in = {p, p + len, false};
    uint8_t shape = in_u8(&in);
    int rc = ints_decode(&in, shape, t, count);
    if (rc < 0 || in_left(&in)) return E_CORRUPT;
    for (size_t i = 1; i < count; i++)
        if (t[i] <= t[i - 1]) return E_CORRUPT;
    return 0;
}

int codec_times_span(const uint8_t *p, size_t len, struct codec_span *out)
{
    struct in in = {p, p + len, false};
    uint8_t shape = in_u8(&in);
    *out = (struct codec_span){.regular = shape == INTS_LINEAR};
    out->first = shape == INTS_RAW ? (int64_t)in_le64(&in) : in_svarint(&in);
    if (out->regular) out->step = in_svarint(&in);
    return in.bad || out->step < 0 ? E_CORRUPT : 0;
}
