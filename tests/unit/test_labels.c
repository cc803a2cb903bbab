/* test_labels.c -- label sets, the builder, names, printing and matchers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/labels.h"

#define LABELS(...)                                                                                \
    ((struct labels){(struct label[]){__VA_ARGS__},                                                \
                     sizeof((struct label[]){__VA_ARGS__}) / sizeof(struct label)})
#define L(name, value)                                                                             \
    {                                                                                              \
        STR(name), STR(value)                                                                      \
    }

static void get_finds_values(void **state)
{
    UNUSED(state);
    struct labels ls = LABELS(L("__name__", "up"), L("job", "node"));
    assert_true(str_eq(labels_metric(ls), STR("up")));
    assert_true(str_eq(labels_get(ls, STR("job")), STR("node")));
    assert_null(labels_get(ls, STR("jo")).p);
    assert_null(labels_get((struct labels){NULL, 0}, STR("a")).p);
}

static void order_is_name_then_value_then_length(void **state)
{
    UNUSED(state);
    const struct labels sorted[] = {
        {NULL, 0},
        LABELS(L("a", "1")),
        LABELS(L("a", "1"), L("b", "1")),
        LABELS(L("a", "1"), L("c", "0")),
        LABELS(L("a", "10")),
        LABELS(L("a", "2")),
        LABELS(L("b", "")),
    };
    for (size_t i = 0; i < COUNT(sorted); i++)
        for (size_t j = 0; j < COUNT(sorted); j++) {
            int c = labels_cmp(sorted[i], sorted[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
            assert_int_equal(labels_eq(sorted[i], sorted[j]), i == j);
            assert_int_equal(labels_hash(sorted[i]) == labels_hash(sorted[j]), i == j);
        }
}

static void hash_of_long_sets_is_over_the_same_bytes(void **state)
{
    UNUSED(state);
    static char text[5000];
    memset(text, 'x', sizeof text);
    struct label a[] =
        {
            {STR("a"), {text, 5000}}
    },
                 b[] = {{STR("a"), {text, 4999}}};
    assert_true(labels_hash((struct labels){a, 1}) == labels_hash((struct labels){a, 1}));
    assert_true(labels_hash((struct labels){a, 1}) != labels_hash((struct labels){b, 1}));
}

static void fingerprint_is_alertmanagers(void **state)
{
    UNUSED(state);
    /* FNV-1a 64 of nothing, and of a 0xFF b 0xFF worked out by hand from the definition */
    assert_true(labels_fingerprint((struct labels){NULL, 0}) == UINT64_C(0xcbf29ce484222325));
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = "a\xff"
                         "b\xff";
         *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    assert_true(labels_fingerprint(LABELS(L("a", "b"))) == h);
}

static void dup_and_copy_are_deep(void **state)
{
    UNUSED(state);
    char name[] = "job", value[] = "node";
    struct label v[] = {
        {{name, 3}, {value, 4}}
    };
    struct labels ls = {v, 1}, dup, copy;
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(labels_dup(ls, &dup), 0);
    assert_int_equal(labels_copy(&a, ls, &copy), 0);
    memset(name, 'z', 3);
    memset(value, 'z', 4);
    assert_true(labels_eq(dup, LABELS(L("job", "node"))));
    assert_true(labels_eq(copy, LABELS(L("job", "node"))));
    labels_free_dup(&dup);
    assert_null(dup.v);
    arena_release(&a);
}

static void printing(void **state)
{
    UNUSED(state);
    // clang-format off
    const struct {
        struct labels ls;
        bool with_name;
        const char *text;
    } cases[] = {
        {{NULL, 0}, true, "{}"},
        {LABELS(L("__name__", "up")), true, "up"},
        {LABELS(L("__name__", "up")), false, "{}"},
        {LABELS(L("__name__", "up"), L("a", "b"), L("c", "d")), true, "up{a=\"b\", c=\"d\"}"},
        {LABELS(L("__name__", "up"), L("a", "b"), L("c", "d")), false, "{a=\"b\", c=\"d\"}"},
        {LABELS(L("__name__", "a.b"), L("c.d", "e")), true, "{\"a.b\", \"c.d\"=\"e\"}"},
        {LABELS(L("a", "q\"b\\n\nt\t\x01\x7f")), true, "{a=\"q\\\"b\\\\n\\nt\\t\\x01\\x7f\"}"},
        {LABELS(L("a", "gr\xc3\xbc\xc3\x9f")), true, "{a=\"gr\xc3\xbc\xc3\x9f\"}"},
        {LABELS(L("a", "\xc3")), true, "{a=\"\\xc3\"}"},
    };
    // clang-format on
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b = BUF_INIT(4096);
        assert_int_equal(labels_print(cases[i].ls, cases[i].with_name, &b), 0);
        assert_string_equal(b.p, cases[i].text);
        buf_release(&b);
    }
}

static void builder_sets_replaces_and_removes(void **state)
{
    UNUSED(state);
    static struct label_builder b;
    label_builder_init(&b, LABELS(L("__name__", "up"), L("job", "node")));
    label_builder_set(&b, STR("zone"), STR("a"));
    label_builder_set(&b, STR("instance"), STR("i"));
    label_builder_set(&b, STR("job"), STR("other"));
    label_builder_set(&b, STR("zone"), STR(""));
    label_builder_del(&b, STR("absent"));
    assert_true(str_eq(label_builder_get(&b, STR("job")), STR("other")));
    struct labels want = LABELS(L("__name__", "up"), L("instance", "i"), L("job", "other"));
    assert_true(labels_eq(label_builder_view(&b), want));
    struct arena a;
    struct labels built;
    arena_init(&a, 1 << 20);
    assert_int_equal(label_builder_build(&b, &a, &built), 0);
    assert_true(labels_eq(built, want));
    arena_release(&a);
}

static void builder_has_a_ceiling(void **state)
{
    UNUSED(state);
    static struct label_builder b;
    static char names[LABELS_MAX + 1][8];
    struct arena a;
    struct labels built;
    label_builder_init(&b, (struct labels){NULL, 0});
    for (size_t i = 0; i <= LABELS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "l%zu", i);
        label_builder_set(&b, str_of(names[i]), STR("v"));
        assert_int_equal(b.err, i == LABELS_MAX ? E_TOO_BIG : 0);
    }
    arena_init(&a, 1 << 20);
    assert_int_equal(label_builder_build(&b, &a, &built), E_TOO_BIG);
    arena_release(&a);
}

static void names(void **state)
{
    UNUSED(state);
    static const struct {
        struct str s;
        bool metric_legacy, label_legacy, valid;
    } cases[] = {
        {STR("node_load1"),         true,  true,  true },
        {STR("job:rate:5m"),        true,  false, true },
        {STR("_"),                  true,  true,  true },
        {STR("9lives"),             false, false, true },
        {STR("a.b"),                false, false, true },
        {STR("gr\xc3\xbc\xc3\x9f"), false, false, true },
        {STR(""),                   false, false, false},
        {STR("\xff"),               false, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(metric_name_is_legacy(cases[i].s), cases[i].metric_legacy);
        assert_int_equal(label_name_is_legacy(cases[i].s), cases[i].label_legacy);
        assert_int_equal(metric_name_is_valid(cases[i].s), cases[i].valid);
        assert_int_equal(label_name_is_valid(cases[i].s), cases[i].valid);
    }
}

static void matchers_of_all_kinds(void **state)
{
    UNUSED(state);
    static const struct {
        enum matcher_type type;
        const char *value, *text;
        int want;
    } cases[] = {
        {MATCH_EQ,  "node",   "node",    1},
        {MATCH_EQ,  "node",   "nod",     0},
        {MATCH_EQ,  "",       "",        1},
        {MATCH_NE,  "node",   "node",    0},
        {MATCH_NE,  "node",   "",        1},
        {MATCH_RE,  "no.*|x", "node",    1},
        {MATCH_RE,  "no",     "node",    0},
        {MATCH_RE,  ".+",     "",        0},
        {MATCH_RE,  ".*",     "",        1},
        {MATCH_NRE, "no.*",   "node",    0},
        {MATCH_NRE, "no.*",   "x\nnode", 1},
        {MATCH_NRE, "",       "",        0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct matcher m;
        struct errmsg err = {0};
        assert_int_equal(matcher_init(&m, cases[i].type, STR("l"), str_of(cases[i].value), &err),
                         0);
        assert_int_equal(matcher_test(&m, str_of(cases[i].text)), cases[i].want);
        matcher_release(&m);
    }
}

static void bad_patterns_are_told(void **state)
{
    UNUSED(state);
    struct matcher m;
    struct errmsg err = {0};
    assert_true(matcher_init(&m, MATCH_RE, STR("l"), STR("a("), &err) < 0);
    assert_true(err.text[0] != '\0');
    matcher_release(&m);
}

static void missing_labels_match_as_empty(void **state)
{
    UNUSED(state);
    struct matcher m[2];
    struct labels with = LABELS(L("__name__", "up"), L("job", "a"));
    struct labels without = LABELS(L("__name__", "up"));
    assert_int_equal(matcher_init(&m[0], MATCH_EQ, STR("__name__"), STR("up"), NULL), 0);
    assert_int_equal(matcher_init(&m[1], MATCH_EQ, STR("job"), STR(""), NULL), 0);
    assert_int_equal(matchers_test(m, 2, with), 0);
    assert_int_equal(matchers_test(m, 2, without), 1);
    assert_int_equal(matchers_test(m, 0, without), 1);
    assert_string_equal(matcher_op(MATCH_NRE), "!~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_finds_values),
        cmocka_unit_test(order_is_name_then_value_then_length),
        cmocka_unit_test(hash_of_long_sets_is_over_the_same_bytes),
        cmocka_unit_test(fingerprint_is_alertmanagers),
        cmocka_unit_test(dup_and_copy_are_deep),
        cmocka_unit_test(printing),
        cmocka_unit_test(builder_sets_replaces_and_removes),
        cmocka_unit_test(builder_has_a_ceiling),
        cmocka_unit_test(names),
        cmocka_unit_test(matchers_of_all_kinds),
        cmocka_unit_test(bad_patterns_are_told),
        cmocka_unit_test(missing_labels_match_as_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
