/* test_stream.c -- sample streams: bit-exact round trips, sizes, restarts, damaged bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tsdb/scaled.h"
#include "tsdb/stream.h"

enum { SAMPLES_MAX = 5000 };

struct encoded {
    struct stream s;
    uint8_t bytes[SAMPLES_MAX * STREAM_SAMPLE_MAX];
    size_t len, count;
    int64_t t[SAMPLES_MAX];
    double v[SAMPLES_MAX];
};

static void put(struct encoded *e, int64_t t, double v)
{
    size_t n = stream_put(&e->s, t, v, e->bytes + e->len);
    assert_in_range(n, 0, STREAM_SAMPLE_MAX);
    e->len += n;
    e->t[e->count] = t;
    e->v[e->count++] = v;
}

static void assert_reads_back(const struct encoded *e)
{
    struct stream_reader r;
    int64_t t = 0;
    double v = 0;
    stream_reader_init(&r, e->bytes, e->len);
    for (size_t i = 0; i < e->count; i++) {
        assert_int_equal(stream_next(&r, &t, &v), 1);
        assert_true(t == e->t[i]);
        assert_true(double_bits(v) == double_bits(e->v[i]));
    }
    assert_int_equal(stream_next(&r, &t, &v), 0);
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 31;
}

static const uint64_t odd_bits[] = {
    0,
    UINT64_C(0x8000000000000000), /* -0 */
    NORMAL_NAN_BITS,
    STALE_NAN_BITS,
    UINT64_C(0xfff8000000abcdef), /* a NaN with payload and sign */
    UINT64_C(0x7ff0000000000000), /* Inf */
    UINT64_C(0xfff0000000000000),
    1, /* the smallest subnormal */
    UINT64_C(0x7fefffffffffffff),
    UINT64_C(0x4340000000000000), /* 2^53 */
    UINT64_C(0x433fffffffffffff),
    UINT64_C(0xc33fffffffffffff),
    UINT64_C(0x3fb999999999999a), /* 0.1 */
    UINT64_C(0x3fb999999999999b),
};

static void odd_values_survive_in_every_order(void **state)
{
    static struct encoded e;
    UNUSED(state);
    for (size_t a = 0; a < COUNT(odd_bits); a++)
        for (size_t b = 0; b < COUNT(odd_bits); b++) {
            e = (struct encoded){.len = 0};
            put(&e, 0, double_of_bits(odd_bits[a]));
            put(&e, 1000, double_of_bits(odd_bits[b]));
            put(&e, 2000, double_of_bits(odd_bits[b]));
            put(&e, 3000, double_of_bits(odd_bits[a]));
            put(&e, 4500, double_of_bits(odd_bits[a]));
            assert_reads_back(&e);
        }
}

static void odd_times_survive(void **state)
{
    static struct encoded e;
    static const int64_t times[] = {INT64_MIN,
                                    INT64_MIN + 1,
                                    -5,
                                    0,
                                    1,
                                    2,
                                    4,
                                    5,
                                    1000,
                                    2000,
                                    3001,
                                    4001,
                                    5002,
                                    INT64_C(1) << 31,
                                    INT64_C(1) << 33,
                                    INT64_MAX - 1,
                                    INT64_MAX};
    UNUSED(state);
    e = (struct encoded){.len = 0};
    for (size_t i = 0; i < COUNT(times); i++)
        put(&e, times[i], (double)(i / 3));
    assert_reads_back(&e);
}

static void random_streams_survive(void **state)
{
    static struct encoded e;
    uint64_t seed = 7;
    UNUSED(state);
    for (int round = 0; round < 60; round++) {
        int64_t t = (int64_t)(next_random(&seed) >> 20);
        e = (struct encoded){.len = 0};
        for (int i = 0; i < 1000; i++) {
            uint64_t x = next_random(&seed);
            double v = round % 4 == 0   ? (double)(int64_t)(x >> 40) / 1000
                       : round % 4 == 1 ? (double)(i / 20)
                       : round % 4 == 2 ? double_of_bits(next_random(&seed))
                                        : double_of_bits(odd_bits[x % COUNT(odd_bits)]);
            t += x % 16 ? 1000 : (int64_t)(x >> 8 & 0xffff) + 1;
            put(&e, t, v);
            if (x % 97 == 0) stream_restart(&e.s);
        }
        assert_reads_back(&e);
    }
}

static void a_restart_needs_nothing_before_it(void **state)
{
    static struct encoded e;
    UNUSED(state);
    e = (struct encoded){.len = 0};
    for (int i = 0; i < 10; i++)
        put(&e, i * 1000, i * 1.5);
    stream_restart(&e.s);
    e.len = e.count = 0;
    for (int i = 10; i < 20; i++)
        put(&e, i * 1000, i * 1.5);
    assert_reads_back(&e);
}

static void constants_and_counters_are_small(void **state)
{
    static struct encoded e;
    UNUSED(state);
    e = (struct encoded){.len = 0};
    for (int i = 0; i < 1000; i++)
        put(&e, i * 1000, 0.25);
    assert_in_range(e.len, 1, 40);
    e = (struct encoded){.len = 0};
    for (int i = 0; i < 1000; i++)
        put(&e, i * 1000, 123456.78 + i * 0.01);
    assert_reads_back(&e);
    e = (struct encoded){.len = 0};
    for (int i = 0; i < 1000; i++)
        put(&e, i * 1000, 1e6 + i * 3);
    assert_in_range(e.len, 1000, 1030);
}

static void damaged_bytes_end_in_an_error(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\x7a\1\2\3",                                     4 }, /* a time cut off */
        {"\x7a\0\0\0\0\0\0\0\0",                           9 }, /* no value */
        {"\x7a\0\0\0\0\0\0\0\0\x02",                       10}, /* a change without scale */
        {"\x7a\0\0\0\0\0\0\0\0\x71\x10\x02",               12}, /* scale 16 */
        {"\x7a\0\0\0\0\0\0\0\0\x72\1\2",                   12}, /* a raw double cut off */
        {"\x7a\0\0\0\0\0\0\0\0\xc0",                       10}, /* no such token */
        {"\x79\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x73", 12}, /* an interval of centuries */
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stream_reader r;
        int64_t t;
        double v;
        stream_reader_init(&r, (const uint8_t *)cases[i].bytes, cases[i].len);
        assert_int_equal(stream_next(&r, &t, &v), E_CORRUPT);
        assert_int_equal(stream_next(&r, &t, &v), 0);
    }
}

static void scales_are_the_smallest_that_fit(void **state)
{
    static const struct {
        double v;
        int scale;
        int64_t n;
    } cases[] = {
        {0,                0,  0               },
        {1,                0,  1               },
        {-7,               0,  -7              },
        {0.5,              1,  5               },
        {0.001,            3,  1               },
        {1e15,             0,  1000000000000000},
        {123.456,          3,  123456          },
        {1.0 / 3,          -1, 0               },
        {1e300,            -1, 0               },
        {-0.0,             -1, 0               },
        {0.1 + 0.2,        -1, 0               },
        {9007199254740992, -1, 0               },
        {9007199254740991, 0,  9007199254740991},
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned scale = 0;
        int64_t n = 0;
        bool found = scaled_find(cases[i].v, &scale, &n);
        assert_int_equal(found, cases[i].scale >= 0);
        if (!found) continue;
        assert_int_equal(scale, cases[i].scale);
        assert_true(n == cases[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_values_survive_in_every_order),
        cmocka_unit_test(odd_times_survive),
        cmocka_unit_test(random_streams_survive),
        cmocka_unit_test(a_restart_needs_nothing_before_it),
        cmocka_unit_test(constants_and_counters_are_small),
        cmocka_unit_test(damaged_bytes_end_in_an_error),
        cmocka_unit_test(scales_are_the_smallest_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
