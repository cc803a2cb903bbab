/* test_memory.c -- buffers, arenas, packing, and what they do when memory is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/pack.h"

static void buffer_stops_at_its_ceiling(void **state)
{
    struct buf b = BUF_INIT(10);
    UNUSED(state);
    assert_int_equal(buf_addstr(&b, "0123456789"), 0);
    assert_int_equal(buf_addch(&b, 'x'), E_TOO_BIG);
    assert_int_equal(buf_addstr(&b, ""), E_TOO_BIG); /* the first failure stays */
    assert_string_equal(b.p, "0123456789");
    buf_reset(&b);
    assert_int_equal(buf_addf(&b, "%d-%s", 42, "ab"), 0);
    assert_string_equal(b.p, "42-ab");
    buf_consume(&b, 3);
    assert_string_equal(b.p, "ab");
    buf_release(&b);
}

static void buffer_prints_integers(void **state)
{
    struct buf b = BUF_INIT(100);
    UNUSED(state);
    buf_addint(&b, INT64_MIN);
    buf_addch(&b, ' ');
    buf_adduint(&b, UINT64_MAX);
    buf_addch(&b, ' ');
    buf_addint(&b, 0);
    assert_string_equal(b.p, "-9223372036854775808 18446744073709551615 0");
    buf_release(&b);
}

static void refused_memory_is_reported(void **state)
{
    struct buf b = BUF_INIT(1000);
    struct arena a;
    UNUSED(state);
    mem_fail_at(1, 0);
    assert_int_equal(buf_addstr(&b, "x"), -ENOMEM);
    buf_release(&b);
    arena_init(&a, 1000);
    mem_fail_at(1, 1);
    assert_null(arena_alloc(&a, 10));
    assert_int_equal(a.err, -ENOMEM);
    assert_null(mem_alloc(1));
    mem_fail_at(0, 0);
    arena_release(&a);
}

static void arena_counts_and_rewinds(void **state)
{
    struct arena a;
    UNUSED(state);
    arena_init(&a, 100000);
    assert_non_null(arena_alloc(&a, 1));
    assert_int_equal(a.used, 16);
    struct arena_mark m = arena_mark(&a);
    for (int i = 0; i < 50; i++)
        assert_non_null(arena_zalloc(&a, 1000));
    arena_rewind(&a, m);
    assert_int_equal(a.used, 16);
    char *p = arena_alloc(&a, 90000);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    memset(p, 1, 90000);
    assert_null(arena_alloc(&a, 20000));
    assert_int_equal(a.err, E_LIMIT);
    assert_null(arena_array(&a, SIZE_MAX / 2, 8));
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_string_equal(arena_printf(&a, "%s %d", "n", 5), "n 5");
    arena_release(&a);
}

static void growing_doubles_up_to_its_maximum(void **state)
{
    void *v = NULL;
    size_t cap = 0;
    UNUSED(state);
    assert_int_equal(mem_grow(&v, &cap, 9, 20, 4), 0);
    assert_int_equal(cap, 16);
    assert_int_equal(mem_grow(&v, &cap, 17, 20, 4), 0);
    assert_int_equal(cap, 20);
    assert_int_equal(mem_grow(&v, &cap, 21, 20, 4), E_TOO_BIG);
    mem_free(v);
}

static void packed_values_come_back(void **state)
{
    static const int64_t signed_values[] = {0, -1, 1, 63, -64, 64, INT64_MAX, INT64_MIN};
    struct buf b = BUF_INIT(1000);
    UNUSED(state);
    for (size_t i = 0; i < COUNT(signed_values); i++)
        pack_i64(&b, signed_values[i]);
    pack_u64(&b, UINT64_MAX);
    pack_double(&b, -0.0);
    pack_str(&b, STR("text"));
    struct unpack u = {
        .rest = {b.p, b.len}
    };
    for (size_t i = 0; i < COUNT(signed_values); i++)
        assert_true(unpack_i64(&u) == signed_values[i]);
    assert_true(unpack_u64(&u) == UINT64_MAX);
    assert_true(signbit(unpack_double(&u)));
    assert_true(str_eq(unpack_str(&u), STR("text")));
    assert_false(u.bad);
    assert_int_equal(u.rest.len, 0);
    unpack_u64(&u);
    assert_true(u.bad);
    buf_release(&b);
}

static void unpacking_trusts_nothing(void **state)
{
    static const char endless[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    struct unpack u = {
        .rest = {endless, sizeof endless - 1}
    };
    UNUSED(state);
    assert_int_equal(unpack_u64(&u), 0);
    assert_true(u.bad);
    u = (struct unpack){.rest = STR("\x7f"
                                    "ab")};
    assert_int_equal(unpack_str(&u).len, 0);
    assert_true(u.bad);
    u = (struct unpack){.rest = STR("\x7f"
                                    "ab")};
    assert_int_equal(unpack_count(&u), 0);
    assert_true(u.bad);
}

static void json_is_written_as_go_writes_it(void **state)
{
    struct buf b = BUF_INIT(1000);
    struct json j;
    UNUSED(state);
    json_init(&j, &b);
    json_obj(&j);
    json_key(&j, "a\"b");
    json_arr(&j);
    json_int(&j, -1);
    json_double(&j, 0.5);
    json_nil(&j);
    json_bool(&j, true);
    json_end(&j);
    json_key(&j, "s");
    json_str(&j, STR("x\n\x01\xff<é"));
    json_key(&j, "e");
    json_obj(&j);
    json_end(&j);
    json_end(&j);
    assert_string_equal(b.p,
                        "{\"a\\\"b\":[-1,0.5,null,true],\"s\":\"x\\n\\u0001\\ufffd<é\",\"e\":{}}");
    buf_reset(&b);
    json_quote(&b, STR("<&>\xe2\x80\xa8"), true);
    assert_string_equal(b.p, "\"\\u003c\\u0026\\u003e\\u2028\"");
    buf_release(&b);
}

static void json_members_and_deep_levels(void **state)
{
    struct buf b = BUF_INIT(1 << 16);
    struct json j;
    UNUSED(state);
    json_init(&j, &b);
    json_obj(&j);
    json_kv_cstr(&j, "a", "x");
    json_kv_int(&j, "b", -1);
    json_kv_arr(&j, "c");
    json_uint(&j, 2);
    json_end(&j);
    json_kv_obj(&j, "d");
    json_kv_nil(&j, "e");
    json_kv_bool(&j, "f", false);
    json_end(&j);
    json_kv_double(&j, "g", 0.25);
    json_end(&j);
    assert_string_equal(b.p, "{\"a\":\"x\",\"b\":-1,\"c\":[2],\"d\":{\"e\":null,\"f\":false},"
                             "\"g\":0.25}");
    buf_reset(&b);
    json_init(&j, &b);
    for (int i = 0; i < JSON_DEPTH_MAX / 2; i++)
        json_arr(&j);
    json_int(&j, 1);
    json_int(&j, 2);
    for (int i = 0; i < JSON_DEPTH_MAX / 2; i++) {
        json_end(&j);
        if (i == 100) json_int(&j, 3);
    }
    assert_non_null(strstr(b.p, "[[1,2]]"));
    assert_non_null(strstr(b.p, "],3]"));
    assert_int_equal(b.len, JSON_DEPTH_MAX + 5);
    buf_release(&b);
}

static void hashes_match_published_vectors(void **state)
{
    char hex[65];
    uint8_t digest[32];
    UNUSED(state);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    assert_true(fnv1a64(FNV1A64_INIT, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    sha256("abc", 3, digest);
    hex_encode(digest, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    static const struct {
        const char *plain, *coded;
    } rows[] = {
        {"",     ""        },
        {"f",    "Zg=="    },
        {"fo",   "Zm8="    },
        {"foo",  "Zm9v"    },
        {"foob", "Zm9vYg=="}
    };
    for (size_t i = 0; i < COUNT(rows); i++) { /* RFC 4648, section 10 */
        char out[16];
        uint8_t back[16];
        base64_encode(rows[i].plain, strlen(rows[i].plain), out);
        assert_string_equal(out, rows[i].coded);
        assert_int_equal(base64_decode(out, strlen(out), back), strlen(rows[i].plain));
        assert_memory_equal(back, rows[i].plain, strlen(rows[i].plain));
    }
    assert_true(base64_decode("a$b=", 4, digest) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_stops_at_its_ceiling),
        cmocka_unit_test(buffer_prints_integers),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(arena_counts_and_rewinds),
        cmocka_unit_test(growing_doubles_up_to_its_maximum),
        cmocka_unit_test(packed_values_come_back),
        cmocka_unit_test(unpacking_trusts_nothing),
        cmocka_unit_test(json_is_written_as_go_writes_it),
        cmocka_unit_test(json_members_and_deep_levels),
        cmocka_unit_test(hashes_match_published_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
