/* test_group.c -- groups and blocks of series definitions: packing, reading, damage.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/group.h"
#include "tsdb/partition.h"
#include "tsdb/seriesblock.h"

#define DAY INT64_C(1795305600000)
enum { N = 500, SERIES = 300 };

struct data {
    int64_t t[2][N]; /* two sources */
    double v[SERIES][N];
};

static struct data *make_data(void)
{
    struct data *d = xzalloc(sizeof *d);
    for (int k = 0; k < N; k++) {
        d->t[0][k] = DAY + k * 1000;
        d->t[1][k] = DAY + k * 1000 + 123;
        for (int i = 0; i < SERIES; i++)
            d->v[i][k] = i % 3 == 0 ? i : i % 3 == 1 ? k * i : sin(k * 0.1 + i);
    }
    return d;
}

static struct group_packer *pack_all(const struct data *d)
{
    struct group_packer *g;
    assert_int_equal(group_packer_new(&g, DAY), 0);
    for (uint32_t i = 0; i < SERIES; i++)
        assert_int_equal(group_packer_add(g, 10 + i * 2, d->t[i % 2], d->v[i], N), 0);
    return g;
}

/* Every block of a group against the data; gives how many. */
static unsigned expect_blocks(const struct buf *b, const struct group_info *info,
                              const struct data *d)
{
    struct group_view g;
    assert_int_equal(group_view_open(&g, b->p, b->len, true), 0);
    assert_memory_equal(&g.info, info, sizeof *info);
    assert_int_equal(g.day_ms, DAY);
    for (unsigned i = 0; i < g.blocks; i++) {
        struct group_block block;
        int64_t t[CODEC_BLOCK_MAX];
        double v[CODEC_BLOCK_MAX];
        size_t count;
        assert_int_equal(group_view_block(&g, i, &block), 0);
        assert_int_equal(group_view_find(&g, block.id), i);
        assert_int_equal(group_view_find(&g, block.id - 1), i); /* odd ids are not there */
        assert_int_equal(group_view_times(&g, block.vector, t, &count), 0);
        assert_int_equal(count, N);
        assert_int_equal(codec_decode_values(block.p, block.len, v, count), 0);
        uint32_t series = (block.id - 10) / 2;
        assert_memory_equal(t, d->t[series % 2], sizeof d->t[0]);
        assert_memory_equal(v, d->v[series], sizeof d->v[0]);
    }
    assert_int_equal(group_view_find(&g, g.info.last_id + 1), g.blocks);
    assert_int_equal(g.vectors, 2);
    return g.blocks;
}

static void groups_hold_what_was_added(void **state)
{
    UNUSED(state);
    struct data *d = make_data();
    struct group_packer *g = pack_all(d);
    struct buf b = BUF_INIT(GROUP_MAX);
    struct group_info info = {.cycle = 5, .slice = 3, .flags = GROUP_LATE};
    unsigned blocks = 0;
    size_t groups = 0, bytes = 0, pages = 0;
    uint32_t last_id = 0;
    while (group_packer_cut(g, &info, &b) == 1) {
        assert_true(info.first_id > last_id);
        last_id = info.last_id;
        assert_in_range(b.len, 1, GROUP_LIMIT);
        blocks += expect_blocks(&b, &info, d);
        groups++;
        bytes += b.len;
        pages += (b.len + 16 + 4095) / 4096;
    }
    assert_int_equal(blocks, SERIES);
    assert_true(groups > 5);
    assert_true(pages * 4096 < bytes * 108 / 100 + 4096); /* page space is used */
    group_packer_free(g);
    buf_release(&b);
    mem_free(d);
}

static void distant_ids_are_apart(void **state)
{
    UNUSED(state);
    static const uint32_t ids[] = {0, 65535, 65536, 131071, 131072, UINT32_MAX};
    static const uint32_t firsts[] = {0, 65536, 131072, UINT32_MAX};
    struct group_packer *g;
    struct buf b = BUF_INIT(GROUP_MAX);
    struct group_info info = {0};
    int64_t t = DAY;
    double v = 1;
    assert_int_equal(group_packer_new(&g, DAY), 0);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(group_packer_add(g, ids[i], &t, &v, 1), 0);
    for (size_t i = 0; i < COUNT(firsts); i++) {
        assert_int_equal(group_packer_cut(g, &info, &b), 1);
        assert_int_equal(info.first_id, firsts[i]);
    }
    assert_int_equal(group_packer_cut(g, &info, &b), 0);
    group_packer_free(g);
    buf_release(&b);
}

/* Format version 1 as docs/FORMAT.md draws it: these bytes never change. */
static void bytes_are_those_of_version_1(void **state)
{
    UNUSED(state);
    static const int64_t t[] = {DAY + 1000, DAY + 2000, DAY + 3000};
    static const double a[] = {7, 7, 7}, b[] = {0.5, 1, 1.5};
    struct group_packer *g;
    struct buf out = BUF_INIT(GROUP_MAX);
    struct group_info info = {.cycle = 5, .slice = 3, .flags = GROUP_LATE};
    char hex[512];
    assert_int_equal(group_packer_new(&g, DAY), 0);
    assert_int_equal(group_packer_add(g, 258, t, a, 3), 0);
    assert_int_equal(group_packer_add(g, 260, t, b, 3), 0);
    assert_int_equal(group_packer_cut(g, &info, &out), 1);
    hex_encode(out.p, out.len, hex);
    assert_string_equal(hex, "74475250116756f3540000000100010000748d00a2010000"     /* to the day */
                             "050000000201000004010000e8030000b80b0000030001000200" /* counts */
                             "00001c000000"
                             "48000300"                 /* the vector */
                             "00004d000000020050000000" /* the blocks */
                             "02d00fd00f"               /* 1000, 2000, 3000 */
                             "01000e"                   /* 7, 7, 7 */
                             "02010a0a" /* 5, 10, 15 tenths */);

    struct label label = {STR("__name__"), STR("up")};
    struct series_def def = {
        258, {&label, 1}
    };
    size_t taken;
    assert_int_equal(series_block_encode(&def, 1, &out, &taken), 0);
    hex_encode(out.p, out.len, hex);
    assert_string_equal(hex, "7453455279864e3333000000010000000201000002010000" /* to last id */
                             "0100000000000000"
                             "0200085f5f6e616d655f5f00027570"
                             "00010001");
    group_packer_free(g);
    buf_release(&out);
}

/* Every bit of a group matters. */
static void every_flipped_bit_is_seen(void **state)
{
    UNUSED(state);
    struct data *d = make_data();
    struct group_packer *g = pack_all(d);
    struct buf b = BUF_INIT(GROUP_MAX);
    struct group_info info = {0};
    struct group_view view;
    assert_int_equal(group_packer_cut(g, &info, &b), 1);
    for (size_t i = 0; i < b.len; i++) {
        b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
        assert_int_equal(group_view_open(&view, b.p, b.len, true), E_CORRUPT);
        b.p[i] = (char)(b.p[i] ^ 1 << i % 8);
    }
    for (size_t len = 0; len < b.len; len += 37)
        assert_int_equal(group_view_open(&view, b.p, len, true), E_CORRUPT);
    assert_int_equal(group_view_open(&view, b.p, b.len, true), 0);
    group_packer_free(g);
    buf_release(&b);
    mem_free(d);
}

/* Directory fields that lie under a right checksum. */
static void lying_headers_are_refused(void **state)
{
    UNUSED(state);
    static const struct {
        size_t at;
        uint16_t value;
    } rows[] = {
        {12, 2     }, /* version */
        {13, 1     }, /* compression */
        {30, 99    }, /* first id beyond the last */
        {34, 99    }, /* ids too far apart */
        {38, 0xffff}, /* beyond midnight */
        {42, 0xffff},
        {44, 64    }, /* slice */
        {46, 0     },
        {46, 9999  },
        {48, 0     },
        {48, 9999  },
        {52, 0     },
        {56, 3     },
        {56, 65000 },
        {64, 7     }, /* first block's id */
        {66, 60    },
        {68, 2     },
    };
    struct data *d = make_data();
    struct group_packer *g = pack_all(d);
    struct buf b = BUF_INIT(GROUP_MAX);
    struct group_info info = {0};
    struct group_view view;
    assert_int_equal(group_packer_cut(g, &info, &b), 1);
    uint8_t *p = (uint8_t *)b.p;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint16_t was = get_le16(p + rows[i].at);
        put_le16(p + rows[i].at, rows[i].value);
        put_le32(p + 4, crc32c(0, p + 8, b.len - 8));
        assert_int_equal(group_view_open(&view, p, b.len, true), E_CORRUPT);
        put_le16(p + rows[i].at, was);
    }
    group_packer_free(g);
    buf_release(&b);
    mem_free(d);
}

/* --- series blocks ------------------------------------------------------------------------------
 */

enum { DEFS = 1300 };

struct defs {
    struct series_def v[DEFS];
    struct label labels[DEFS][4];
    char text[DEFS][48];
};

static struct defs *make_defs(void)
{
    struct defs *d = xzalloc(sizeof *d);
    for (unsigned i = 0; i < DEFS; i++) {
        snprintf(d->text[i], sizeof d->text[i], "node_thing_%u_sé\x01\"\\\n", i);
        d->labels[i][0] = (struct label){STR("__name__"), str_of(d->text[i])};
        d->labels[i][1] = (struct label){STR("instance"), STR("node-1:9100")};
        d->labels[i][2] = (struct label){STR("job"), STR("node")};
        d->labels[i][3] = (struct label){STR("mode"), STR("instance")};
        d->v[i] = (struct series_def){
            i * 3, {d->labels[i], i % 5}
        };
    }
    return d;
}

static void definitions_survive(void **state)
{
    UNUSED(state);
    struct defs *d = make_defs();
    struct buf b = BUF_INIT(SERIES_BLOCK_MAX + 1);
    size_t bytes = 0;
    for (size_t done = 0, taken; done < DEFS; done += taken) {
        struct series_block *block;
        struct series_block_info info;
        struct series_def def;
        assert_int_equal(series_block_encode(d->v + done, DEFS - done, &b, &taken), 0);
        assert_in_range(taken, 1, SERIES_BLOCK_SERIES);
        bytes += b.len;
        assert_int_equal(series_block_open(&block, b.p, b.len, &info), 0);
        assert_int_equal(info.count, taken);
        assert_int_equal(info.first_id, d->v[done].id);
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(series_block_next(block, &def), 0);
            assert_int_equal(def.id, d->v[done + i].id);
            assert_int_equal(def.labels.count, d->v[done + i].labels.count);
            for (size_t k = 0; k < def.labels.count; k++) {
                assert_true(str_eq(def.labels.v[k].name, d->v[done + i].labels.v[k].name));
                assert_true(str_eq(def.labels.v[k].value, d->v[done + i].labels.v[k].value));
            }
        }
        assert_int_equal(series_block_next(block, &def), 1);
        series_block_free(block);
    }
    assert_true(bytes < DEFS * 26);
    buf_release(&b);
    mem_free(d);
}

static void hostile_label_sets_are_refused(void **state)
{
    UNUSED(state);
    static char big[SERIES_BLOCK_MAX / 2 + 1];
    static struct label many[LABELS_MAX + 1];
    memset(big, 'x', sizeof big);
    static char names[LABELS_MAX + 1][8];
    for (int i = 0; i <= LABELS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "l%04d", i);
        many[i] = (struct label){
            {names[i], 5},
            STR("v")
        };
    }
    struct label unsorted[] =
        {
            {STR("b"), STR("1")},
            {STR("a"), STR("1")}
    },
                 twice[] = {{STR("a"), STR("1")}, {STR("a"), STR("2")}},
                 empty[] = {{STR("a"), STR("")}}, nameless[] = {{STR(""), STR("a")}},
                 huge[] = {{STR("a"), {big, sizeof big}}};
    const struct {
        struct labels ls;
        int rc;
    } rows[] = {
        {{unsorted, 2},          E_INVALID},
        {{twice, 2},             E_INVALID},
        {{empty, 1},             E_INVALID},
        {{nameless, 1},          E_INVALID},
        {{huge, 1},              E_TOO_BIG},
        {{many, LABELS_MAX + 1}, E_TOO_BIG},
        {{many, LABELS_MAX},     0        },
    };
    struct buf b = BUF_INIT(SERIES_BLOCK_MAX + 1);
    size_t taken;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct series_def def = {1, rows[i].ls};
        assert_int_equal(series_block_encode(&def, 1, &b, &taken), rows[i].rc);
    }
    struct series_def twins[] = {
        {1, {0}},
        {1, {0}}
    };
    assert_int_equal(series_block_encode(twins, 2, &b, &taken), E_INVALID);
    buf_release(&b);
}

static int walk_block(const void *p, size_t len)
{
    struct series_block *block = NULL;
    struct series_block_info info;
    struct series_def def;
    int rc = series_block_open(&block, p, len, &info);
    while (rc == 0)
        rc = series_block_next(block, &def);
    series_block_free(block);
    return rc;
}

static void damaged_definitions_are_seen(void **state)
{
    UNUSED(state);
    struct defs *d = make_defs();
    struct buf b = BUF_INIT(SERIES_BLOCK_MAX + 1);
    size_t taken;
    assert_int_equal(series_block_encode(d->v, 60, &b, &taken), 0);
    uint8_t *p = (uint8_t *)b.p;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t was = p[i];
        p[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(walk_block(p, b.len), E_CORRUPT);
        if (i >= 8) { /* even when somebody made the checksum fit */
            uint8_t crc[4];
            memcpy(crc, p + 4, 4);
            put_le32(p + 4, crc32c(0, p + 8, b.len - 8));
            int rc = walk_block(p, b.len);
            assert_true(rc == 1 || rc == E_CORRUPT);
            memcpy(p + 4, crc, 4);
        }
        p[i] = was;
    }
    assert_int_equal(walk_block(p, b.len), 1);
    buf_release(&b);
    mem_free(d);
}

/* --- sample vectors -----------------------------------------------------------------------------
 */

static void samples_are_sorted_and_the_last_stays(void **state)
{
    UNUSED(state);
    static const int64_t in_t[] = {5, 6, 7, 3, 6, 9, 3, 5};
    static const double in_v[] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int64_t want_t[] = {3, 5, 6, 7, 9};
    static const double want_v[] = {7, 8, 5, 3, 6};
    struct sample_vec s = {0};
    assert_int_equal(sample_vec_normalize(&s), 0);
    for (size_t i = 0; i < COUNT(in_t); i++)
        assert_int_equal(sample_vec_add(&s, in_t[i], in_v[i]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sample_vec_normalize(&s), 0);
        assert_int_equal(s.count, COUNT(want_t));
        assert_memory_equal(s.t, want_t, sizeof want_t);
        assert_memory_equal(s.v, want_v, sizeof want_v);
    }
    assert_int_equal(sample_vec_reserve(&s, SIZE_MAX), -12 /* ENOMEM */);
    assert_int_equal(s.count, COUNT(want_t));
    sample_vec_release(&s);
    assert_int_equal(s.cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_hold_what_was_added),
        cmocka_unit_test(distant_ids_are_apart),
        cmocka_unit_test(bytes_are_those_of_version_1),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(definitions_survive),
        cmocka_unit_test(hostile_label_sets_are_refused),
        cmocka_unit_test(damaged_definitions_are_seen),
        cmocka_unit_test(samples_are_sorted_and_the_last_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
