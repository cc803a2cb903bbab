/* test_wal.c -- log records: round trips, damage, and what a reader accepts. The log at work is
 * tested through the store (test_tsdb_faults.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tsdb/scaled.h"
#include "tsdb/wal_record.h"

enum { SEGMENT = 7 };

struct sample {
    uint32_t id;
    int64_t t;
    double v;
};

static const struct sample samples[] = {
    {1,          1000,      0         },
    {2,          1000,      1.5       },
    {3,          1000,      -2        },
    {100,        999,       1e300     },
    {99,         2000,      -0.0      },
    {UINT32_MAX, 5000,      0.1       },
    {0,          INT64_MIN, 1e15      },
    {1,          INT64_MAX, 3         },
    {2,          0,         1.0 / 3   },
    {3,          0,         123456.789},
};

static void put_samples(struct buf *b, uint64_t lsn, const struct sample *s, size_t count)
{
    struct wal_samples w;
    size_t at = b->len;
    assert_int_equal(wal_record_begin(b, WAL_SAMPLES, lsn), 0);
    assert_int_equal(wal_samples_begin(&w, b, s[0].t, count), 0);
    for (size_t i = 0; i < count; i++) {
        unsigned scale = 0;
        int64_t n = 0;
        bool found = scaled_find(s[i].v, &scale, &n);
        wal_samples_put(&w, s[i].id, s[i].t, s[i].v, found ? (int)scale : -1, n);
    }
    wal_samples_end(&w, b);
    wal_record_end(b, at);
    assert_int_equal(wal_record_seal((uint8_t *)b->p + at, SEGMENT), b->len - at);
}

struct expect {
    const struct sample *s;
    size_t at;
    uint64_t lsn;
};

static int expect_sample(void *arg, uint64_t lsn, uint32_t id, int64_t t, double v)
{
    struct expect *e = arg;
    const struct sample *s = &e->s[e->at++];
    assert_true(lsn == e->lsn);
    assert_int_equal(id, s->id);
    assert_true(t == s->t);
    assert_true(double_bits(v) == double_bits(s->v));
    return 0;
}

static void samples_round_trip(void **state)
{
    struct buf b = BUF_INIT(1 << 20);
    struct wal_record r;
    struct expect e = {.s = samples, .lsn = 42};
    UNUSED(state);
    put_samples(&b, 42, samples, COUNT(samples));
    assert_int_equal(wal_record_parse((uint8_t *)b.p, b.len, SEGMENT, &r), b.len);
    assert_true(r.lsn == 42);
    assert_int_equal(wal_get_samples(&r, expect_sample, &e), 0);
    assert_int_equal(e.at, COUNT(samples));
    buf_release(&b);
}

static void neighbours_cost_a_tag_and_a_number(void **state)
{
    struct buf b = BUF_INIT(1 << 20);
    struct sample many[100];
    UNUSED(state);
    for (uint32_t i = 0; i < COUNT(many); i++)
        many[i] = (struct sample){i + 1, 5000, i % 50};
    put_samples(&b, 1, many, COUNT(many));
    assert_int_equal(b.len, WAL_RECORD_HEADER + WAL_SAMPLES_HEADER + 2 * COUNT(many));
    buf_release(&b);
}

static void series_round_trip(void **state)
{
    struct buf b = BUF_INIT(1 << 20);
    struct label in[] =
        {
            {STR("__name__"), STR("up")   },
            {STR("job"),      STR("n\0de")}
    },
                 v[LABELS_MAX];
    struct labels out;
    struct wal_record r;
    uint32_t id = 0;
    UNUSED(state);
    assert_int_equal(wal_record_begin(&b, WAL_SERIES, 3), 0);
    assert_int_equal(wal_put_series(&b, 77, (struct labels){in, 2}), 0);
    wal_record_end(&b, 0);
    wal_record_seal((uint8_t *)b.p, SEGMENT);
    assert_int_equal(wal_record_parse((uint8_t *)b.p, b.len, SEGMENT, &r), b.len);
    assert_int_equal(wal_get_series(&r, &id, v, &out), 0);
    assert_int_equal(id, 77);
    assert_true(labels_eq(out, (struct labels){in, 2}));
    for (size_t cut = 0; cut < r.len; cut++) {
        struct wal_record part = r;
        part.len = cut;
        assert_int_equal(wal_get_series(&part, &id, v, &out), E_CORRUPT);
    }
    buf_release(&b);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct buf b = BUF_INIT(1 << 20);
    struct wal_record r;
    UNUSED(state);
    put_samples(&b, 42, samples, COUNT(samples));
    uint8_t *p = (uint8_t *)b.p;
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(wal_record_parse(p, b.len, SEGMENT, &r) <= 0);
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(wal_record_parse(p, len, SEGMENT, &r), 0);
    assert_int_equal(wal_record_parse(p, b.len, SEGMENT + 1, &r), E_CORRUPT);
    buf_release(&b);
}

static void segment_headers_round_trip(void **state)
{
    uint8_t h[WAL_SEGMENT_HEADER];
    struct wal_segment_info info;
    UNUSED(state);
    wal_segment_header(h, 5, 6, 789, INT64_C(1700000000000));
    assert_int_equal(wal_segment_parse(h, sizeof h, &info), 0);
    assert_int_equal(info.segment, 5);
    assert_int_equal(info.epoch, 6);
    assert_int_equal(info.first_lsn, 789);
    assert_true(info.created_ms == INT64_C(1700000000000));
    assert_int_equal(wal_segment_parse(h, sizeof h - 1, &info), E_CORRUPT);
    for (size_t i = 0; i < sizeof h; i++) {
        h[i] ^= 1;
        assert_true(wal_segment_parse(h, sizeof h, &info) < 0);
        h[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_round_trip),
        cmocka_unit_test(neighbours_cost_a_tag_and_a_number),
        cmocka_unit_test(series_round_trip),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(segment_headers_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
