/* test_index.c -- label sets by number and by matchers, against matchers_test on every set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/index.h"

enum { SETS = 600 };

/* Set i: a metric of 5, an instance of its own, sometimes a zone of 3. */
struct set {
    struct label v[3];
    char text[3][24];
};

static struct labels labels_of(struct set *s, int i)
{
    size_t n = 2;
    snprintf(s->text[0], sizeof s->text[0], "m%d", i % 5);
    snprintf(s->text[1], sizeof s->text[1], "i-%d", i);
    snprintf(s->text[2], sizeof s->text[2], "z%d", i % 3);
    s->v[0] = (struct label){STR("__name__"), str_of(s->text[0])};
    s->v[1] = (struct label){STR("instance"), str_of(s->text[1])};
    if (i % 4) s->v[n++] = (struct label){STR("zone"), str_of(s->text[2])};
    return (struct labels){s->v, n};
}

static struct index *filled(void)
{
    struct index *x = NULL;
    struct set s;
    assert_int_equal(index_new(&x), 0);
    for (int i = 0; i < SETS; i++) {
        uint32_t ordinal = 0;
        struct labels ls = labels_of(&s, i);
        assert_int_equal(index_find(x, ls, labels_hash(ls), &ordinal), E_NOT_FOUND);
        assert_int_equal(index_add(x, ls, labels_hash(ls), 1000 + (uint32_t)i, &ordinal), 0);
        assert_int_equal(ordinal, i);
    }
    return x;
}

static void finds_what_was_added(void **state)
{
    struct index *x = filled();
    struct label v[LABELS_MAX];
    struct set s;
    UNUSED(state);
    assert_int_equal(index_count(x), SETS);
    for (int i = 0; i < SETS; i++) {
        uint32_t ordinal = 0;
        struct labels ls = labels_of(&s, i);
        assert_int_equal(index_find(x, ls, labels_hash(ls), &ordinal), 0);
        assert_int_equal(ordinal, i);
        assert_int_equal(index_id(x, ordinal), 1000 + i);
        assert_true(index_hash(x, ordinal) == labels_hash(ls));
        assert_true(labels_eq(index_labels(x, ordinal, v), ls));
    }
    assert_int_equal(index_pair_count(x, STR("__name__"), STR("m3")), SETS / 5);
    assert_int_equal(index_pair_count(x, STR("instance"), STR("i-3")), 1);
    assert_int_equal(index_pair_count(x, STR("instance"), STR("m3")), 0);
    assert_in_range(index_bytes(x), 1000, 400 * SETS);
    index_free(x);
}

static const struct {
    enum matcher_type type;
    const char *name, *value;
} cases[] = {
    {MATCH_EQ,  "__name__", "m1"         },
    {MATCH_EQ,  "zone",     ""           },
    {MATCH_EQ,  "zone",     "z1"         },
    {MATCH_EQ,  "nowhere",  "x"          },
    {MATCH_NE,  "zone",     ""           },
    {MATCH_NE,  "zone",     "z2"         },
    {MATCH_NE,  "__name__", "m0"         },
    {MATCH_RE,  "instance", "i-1.*"      },
    {MATCH_RE,  "instance", "i-7|i-8|i-7"},
    {MATCH_RE,  "zone",     "z1|"        },
    {MATCH_RE,  "zone",     ".+"         },
    {MATCH_RE,  "nowhere",  ".*"         },
    {MATCH_NRE, "instance", ".*[02468]"  },
    {MATCH_NRE, "zone",     "z.|"        },
    {MATCH_NRE, "nowhere",  ".+"         },
};

static void check(const struct index *x, const struct matcher *m, size_t count)
{
    struct ordinals got = {0};
    size_t at = 0;
    struct set s;
    assert_int_equal(index_select(x, m, count, &got), 0);
    for (uint32_t i = 0; i < SETS; i++) {
        if (!matchers_test(m, count, labels_of(&s, (int)i))) continue;
        assert_true(at < got.count);
        assert_int_equal(got.v[at++], i);
    }
    assert_int_equal(at, got.count);
    ordinals_release(&got);
}

static void selects_what_matchers_accept(void **state)
{
    struct index *x = filled();
    UNUSED(state);
    check(x, NULL, 0);
    for (size_t a = 0; a < COUNT(cases); a++)
        for (size_t b = 0; b < COUNT(cases); b++) {
            struct matcher m[2];
            assert_int_equal(matcher_init(&m[0], cases[a].type, str_of(cases[a].name),
                                          str_of(cases[a].value), NULL),
                             0);
            assert_int_equal(matcher_init(&m[1], cases[b].type, str_of(cases[b].name),
                                          str_of(cases[b].value), NULL),
                             0);
            check(x, m, 1);
            check(x, m, 2);
            matcher_release(&m[0]);
            matcher_release(&m[1]);
        }
    index_free(x);
}

static void an_empty_index_answers(void **state)
{
    struct index *x = NULL;
    struct ordinals got = {0};
    uint32_t ordinal;
    UNUSED(state);
    assert_int_equal(index_new(&x), 0);
    assert_int_equal(index_find(x, (struct labels){NULL, 0}, 0, &ordinal), E_NOT_FOUND);
    assert_int_equal(index_select(x, NULL, 0, &got), 0);
    assert_int_equal(got.count, 0);
    ordinals_release(&got);
    index_free(x);
}

/* Adding fails at every allocation in turn; what was there stays right, and the set can be added
 * later. */
static void survives_refused_memory(void **state)
{
    struct set s;
    UNUSED(state);
    for (uint64_t n = 1; n < 40; n++) {
        struct index *x = NULL;
        uint32_t ordinal = 0;
        assert_int_equal(index_new(&x), 0);
        mem_fail_at(n, 0);
        for (int i = 0; i < SETS; i++) {
            struct labels ls = labels_of(&s, i);
            int rc = index_add(x, ls, labels_hash(ls), 1000 + (uint32_t)i, &ordinal);
            if (rc < 0) rc = index_add(x, ls, labels_hash(ls), 1000 + (uint32_t)i, &ordinal);
            assert_int_equal(rc, 0);
            assert_int_equal(ordinal, i);
        }
        mem_fail_at(0, 0);
        check(x, NULL, 0);
        index_free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(selects_what_matchers_accept),
        cmocka_unit_test(an_empty_index_answers),
        cmocka_unit_test(survives_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
