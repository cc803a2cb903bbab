/* test_codec.c -- blocks of values and times: what goes in comes out, bit for bit, and small.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/codec.h"
#include "tsdb/querier.h"

#define STALE double_of_bits(STALE_NAN_BITS)

/* A plain generator, so that every run sees the same numbers. */
static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Encodes, decodes from an exact copy, compares bits. Gives the size. */
static size_t round_trip(const double *v, size_t count)
{
    struct buf b = BUF_INIT(1 << 20);
    double back[CODEC_BLOCK_MAX];
    assert_int_equal(codec_encode_values(v, count, &b), 0);
    assert_true(b.len <= 2 + 8 * count + 10);
    uint8_t *exact = mem_dup(b.p, b.len);
    assert_non_null(exact);
    assert_int_equal(codec_decode_values(exact, b.len, back, count), 0);
    assert_memory_equal(back, v, count * sizeof *v);
    mem_free(exact);
    size_t len = b.len;
    buf_release(&b);
    return len;
}

static size_t round_trip_times(const int64_t *t, size_t count)
{
    struct buf b = BUF_INIT(1 << 20);
    int64_t back[CODEC_BLOCK_MAX];
    assert_int_equal(codec_encode_times(t, count, &b), 0);
    assert_int_equal(codec_decode_times((uint8_t *)b.p, b.len, back, count), 0);
    assert_memory_equal(back, t, count * sizeof *t);
    size_t len = b.len;
    buf_release(&b);
    return len;
}

/* --- values that hurt ---------------------------------------------------------------------------
 */

static void nasty_values_survive(void **state)
{
    UNUSED(state);
    const double nasty[] = {
        0.0,
        -0.0,
        1,
        -1,
        0.1,
        -0.1,
        0.1 + 0.2,
        1.0 / 3,
        1e-300,
        1e300,
        DBL_MIN,
        DBL_MAX,
        -DBL_MAX,
        DBL_EPSILON,
        5e-324,
        -5e-324,
        HUGE_VAL,
        -HUGE_VAL,
        STALE,
        double_of_bits(NORMAL_NAN_BITS),
        double_of_bits(UINT64_C(0xfff8000000000000)),
        double_of_bits(UINT64_C(0x7ff0000000000001)),
        double_of_bits(UINT64_C(0xffffffffffffffff)),
        9007199254740991,
        9007199254740992,
        9007199254740994,
        -9007199254740992,
        1e15,
        1e16,
        1e22,
        1e23,
        123456789012345,
        0.123456789012345,
        12345.6789,
        1e-15,
        1e-16,
        4.35,
        2.675,
        999999999999999.9,
        1.7976931348623157e308,
        4503599627370496.5,
        1795308183.536,
    };
    double v[CODEC_BLOCK_MAX];
    for (size_t i = 0; i < COUNT(nasty); i++) {
        round_trip(&nasty[i], 1);
        for (size_t k = 0; k < COUNT(nasty); k++) { /* every pair, and one among tame neighbours */
            v[0] = nasty[i];
            v[1] = nasty[k];
            round_trip(v, 2);
        }
        for (size_t at = 0; at < 300; at += 149) {
            for (size_t k = 0; k < 300; k++)
                v[k] = 0.25 * (double)k;
            v[at] = nasty[i];
            round_trip(v, 300);
        }
        for (size_t k = 0; k < CODEC_BLOCK_MAX; k++)
            v[k] = nasty[i];
        assert_in_range(round_trip(v, CODEC_BLOCK_MAX), 1, 2 * CODEC_BLOCK_MAX);
    }
    round_trip(nasty, COUNT(nasty));
}

static void every_length_survives(void **state)
{
    UNUSED(state);
    double v[CODEC_BLOCK_MAX];
    for (size_t k = 0; k < CODEC_BLOCK_MAX; k++)
        v[k] = (double)(k * k % 1000) / 10;
    for (size_t n = 1; n <= 400; n++)
        round_trip(v, n);
    static const size_t more[] = {511, 512, 513, 1439, 1440, 2047, 2048};
    for (size_t i = 0; i < COUNT(more); i++)
        round_trip(v, more[i]);
}

/* Blocks drawn from mixtures: integers of each width, decimals, bits, specials, runs. */
static double draw(uint64_t *seed, unsigned kind, double last)
{
    uint64_t r = next_random(seed);
    switch (kind) {
    case 0:
        return (double)(int64_t)(r >> (r % 60));
    case 1:
        return (double)(r % 100000) / 100;
    case 2:
        return double_of_bits(r);
    case 3:
        return r % 8 ? last : STALE;
    case 4:
        return last + (double)(r % 16) * 4096;
    case 5:
        return (double)(float)(r % 1000) / 7;
    default:
        return r % 50 ? last : last + 1;
    }
}

static void random_blocks_survive(void **state)
{
    UNUSED(state);
    uint64_t seed = 42;
    double v[CODEC_BLOCK_MAX];
    for (int round = 0; round < 400; round++) {
        size_t n = 1 + next_random(&seed) % 700;
        unsigned kinds = (unsigned)(next_random(&seed) % 128) | 1;
        double last = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned kind = (unsigned)(next_random(&seed) % 7);
            while (!(kinds >> kind & 1))
                kind = (kind + 1) % 7;
            v[i] = last = draw(&seed, kind, last);
        }
        round_trip(v, n);
    }
}

/* --- the format ---------------------------------------------------------------------------------
 */

/* Format version 1 as docs/FORMAT.md draws it: these bytes never change. */
static void bytes_are_those_of_version_1(void **state)
{
    UNUSED(state);
    const struct {
        double v[4];
        size_t count;
        const char *hex;
    } rows[] = {
        {{0},                     1, "010000"                      },
        {{42.5, 42.5},            2, "0101d206"                    },
        {{1, 2, 3, 4},            4, "02000202"                    },
        {{0, 10, 30, 40},         4, "0400000a010202"              },
        {{1, STALE, HUGE_VAL, 1}, 4, "0180020203000000000000f07f02"},
        {{1.0 / 3},               1, "01800101555555555555d53f00"  },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b = BUF_INIT(1024);
        char hex[2048];
        assert_int_equal(codec_encode_values(rows[i].v, rows[i].count, &b), 0);
        hex_encode(b.p, b.len, hex);
        assert_string_equal(hex, rows[i].hex);
        buf_release(&b);
    }
}

/* --- sizes --------------------------------------------------------------------------------------
 */

static double shape(unsigned row, size_t i, uint64_t *seed)
{
    switch (row) {
    case 0:
        return 8232652800.0;
    case 1:
        return (double)(120457 + i) / 100;
    case 2:
        return (double)(1000000 + i * 250 + next_random(seed) % 8);
    case 3:
        return 4096.0 * (double)(50000 + next_random(seed) % 4);
    case 4:
        return i % 400 == 399 ? STALE : 17;
    case 5:
        return (double)(i / 100);
    default:
        return double_of_bits(next_random(seed) >> 2 | UINT64_C(1) << 61);
    }
}

static void blocks_are_small(void **state)
{
    UNUSED(state);
    static const size_t most[] = {
        10,   /* a constant */
        12,   /* a decimal that climbs evenly */
        960,  /* a counter with 3 bits of jitter: 4 bits a sample */
        510,  /* pages of memory: the divisor goes, 2 bits stay */
        16,   /* a constant with staleness markers */
        110,  /* steps now and then */
        14402 /* noise: never more than the bits themselves */
    };
    double v[1800];
    uint64_t seed = 7;
    for (unsigned row = 0; row < COUNT(most); row++) {
        for (size_t i = 0; i < COUNT(v); i++)
            v[i] = shape(row, i, &seed);
        assert_in_range(round_trip(v, COUNT(v)), 2, most[row]);
    }
}

/* --- times --------------------------------------------------------------------------------------
 */

static void times_survive_and_are_small(void **state)
{
    UNUSED(state);
    int64_t t[1800];
    uint64_t seed = 3;
    for (size_t i = 0; i < COUNT(t); i++)
        t[i] = 43200000 + (int64_t)i * 1000;
    assert_in_range(round_trip_times(t, COUNT(t)), 1, 10);
    for (size_t i = 700; i < COUNT(t); i++)
        t[i] += 5000; /* a gap */
    assert_in_range(round_trip_times(t, COUNT(t)), 1, 70);
    for (size_t i = 0; i < COUNT(t); i++)
        t[i] = (int64_t)(i * 1000 + next_random(&seed) % 4);
    assert_in_range(round_trip_times(t, COUNT(t)), 1, 900);
    for (size_t n = 1; n < 20; n++)
        round_trip_times(t, n);
    static const int64_t far[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    round_trip_times(far, COUNT(far));
}

/* --- bytes that no encoder wrote ----------------------------------------------------------------
 */

static void bad_bytes_are_refused(void **state)
{
    UNUSED(state);
    static const struct {
        const char *bytes;
        size_t len, count;
    } rows[] = {
        {"",                                                 0,  1                  }, /* nothing */
        {"\x01",                                             1,  1                  }, /* no domain */
        {"\x01\x00",                                         2,  1                  }, /* no number */
        {"\x00\x00\x02",                                     3,  1                  }, /* id 0 */
        {"\x07\x00\x02",                                     3,  1                  }, /* an id of the future */
        {"\x01\x10\x02",                                     3,  1                  }, /* scale 16 */
        {"\x01\x00\x02\x00",                                 4,  1                  }, /* a byte too many */
        {"\x01\x00\x02",                                     3,  0                  }, /* no samples */
        {"\x01\x00\x02",                                     3,  CODEC_BLOCK_MAX + 1}, /* too many */
        {"\x01\x80\x00\x02",                                 4,  1                  }, /* specials, but none */
        {"\x01\x80\x01\x02\x02",                             5,  1                  }, /* special behind the end */
        {"\x01\x80\x02\x00\x00\x02",                         6,  2                  }, /* the same special twice */
        {"\x01\x80\x01\x01\x00\x00\x02",                     7,  1                  }, /* its bits cut off */
        {"\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 12, 1                  }, /* a varint of 65 bits */
        {"\x04\x00\x00\x01\x41\x00",                         6,  2                  }, /* a width of 65 */
        {"\x04\x00\x00\x01\x80\x02\x00",                     7,  2                  }, /* more exceptions than numbers */
        {"\x04\x00\x00\x01\x80\x01\x00\x05\x00",             9,  2                  }, /* one outside the frame */
        {"\x04\x00\x00\x01\x08\x00",                         6,  2                  }, /* packed bytes cut off */
        {"\x05\x00\x00\x01\x00",                             5,  2                  }, /* second differences of two numbers */
        {"\x06\x00\x01\x02\x03",                             5,  1                  }, /* half a raw number */
    };
    double v[CODEC_BLOCK_MAX];
    for (size_t i = 0; i < COUNT(rows); i++) {
        const uint8_t *p = (const uint8_t *)rows[i].bytes;
        assert_int_equal(codec_decode_values(p, rows[i].len, v, rows[i].count), E_CORRUPT);
    }
    int64_t t[3];
    assert_int_equal(codec_decode_times((const uint8_t *)"\x01\x04", 2, t, 1), 0);
    assert_int_equal(codec_decode_times((const uint8_t *)"\x01\x04", 2, t, 2), E_CORRUPT);
    assert_int_equal(codec_decode_times((const uint8_t *)"\x02\x04\x01", 3, t, 3), E_CORRUPT);
}

/* Whatever is cut off or flipped: an answer, never a crash; and a short block is never whole. */
static void damaged_blocks_are_harmless(void **state)
{
    UNUSED(state);
    struct buf b = BUF_INIT(1 << 20);
    double v[300], back[300];
    uint64_t seed = 9;
    for (size_t i = 0; i < COUNT(v); i++)
        v[i] = i % 60 == 59 ? STALE : (double)(next_random(&seed) % 3000) / 10;
    assert_int_equal(codec_encode_values(v, COUNT(v), &b), 0);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = mem_dup(b.p, len ? len : 1);
        assert_int_equal(codec_decode_values(cut, len, back, COUNT(v)), E_CORRUPT);
        mem_free(cut);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        uint8_t *bent = mem_dup(b.p, b.len);
        bent[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = codec_decode_values(bent, b.len, back, COUNT(v));
        assert_true(rc == 0 || rc == E_CORRUPT);
        mem_free(bent);
    }
    buf_release(&b);
}

static void full_buffer_is_an_error(void **state)
{
    UNUSED(state);
    double v[100];
    for (size_t i = 0; i < COUNT(v); i++)
        v[i] = sin((double)i);
    for (size_t max = 0; max < 600; max += 7) {
        struct buf b = BUF_INIT(max);
        assert_int_equal(codec_encode_values(v, COUNT(v), &b), E_TOO_BIG);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nasty_values_survive),    cmocka_unit_test(every_length_survives),
        cmocka_unit_test(random_blocks_survive),   cmocka_unit_test(bytes_are_those_of_version_1),
        cmocka_unit_test(blocks_are_small),        cmocka_unit_test(times_survive_and_are_small),
        cmocka_unit_test(bad_bytes_are_refused),   cmocka_unit_test(damaged_blocks_are_harmless),
        cmocka_unit_test(full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
