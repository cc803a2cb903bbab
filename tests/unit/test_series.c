/* test_series.c -- the series of a collector: predicted by order, found by hash, gone with markers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/collect_int.h"
#include "core/mem.h"

static const struct metric a = {"a_total", "A.", METRIC_COUNTER, UNIT_NONE, false};
static const struct metric b = {"b", "B.", METRIC_GAUGE, UNIT_NONE, false};

static void put(struct series_table *t, const struct metric *m, double v, const char *device)
{
    const char *const pairs[] = {"device", device, NULL};
    series_emit(t, m, (struct str){0}, NULL, m->type, v, device ? pairs : NULL);
}

static void put_named(struct series_table *t, const char *name, double v)
{
    series_emit(t, NULL, str_of(name), "Named.", METRIC_GAUGE, v, NULL);
}

struct gone {
    size_t count;
    char last[64];
};

static void note_gone(void *arg, struct series *s)
{
    struct gone *g = arg;
    g->count++;
    snprintf(g->last, sizeof g->last, "%.*s", (int)s->name.len, s->name.p);
}

struct wanted {
    const char *name, *device;
    double v;
    bool found;
};

static int look(void *arg, const struct local_sample *s)
{
    struct wanted *w = arg;
    struct str device = labels_get(s->labels, STR("device"));
    if (strcmp(s->name, w->name) == 0 && str_eq(device, str_of(w->device ? w->device : ""))) {
        w->found = true;
        w->v = s->v;
    }
    return 0;
}

/* The published value, or -1. */
static double value(struct series_table *t, const char *name, const char *device)
{
    struct wanted w = {.name = name, .device = device};
    struct latest l;
    latest_init(&l);
    latest_add(&l, t);
    assert_int_equal(latest_visit(&l, look, &w), 0);
    latest_release(&l);
    return w.found ? w.v : -1;
}

static void values_show_when_published(void **state)
{
    UNUSED(state);
    struct series_table t;
    series_table_init(&t);
    series_begin(&t);
    put(&t, &a, 1, "x");
    assert_true(value(&t, "a_total", "x") == -1);
    series_publish(&t, NULL, NULL);
    assert_true(value(&t, "a_total", "x") == 1);
    series_begin(&t);
    put(&t, &a, 2, "x");
    assert_true(value(&t, "a_total", "x") == 1);
    series_publish(&t, NULL, NULL);
    assert_true(value(&t, "a_total", "x") == 2);
    series_table_release(&t);
}

static void order_may_change_devices_come_and_go(void **state)
{
    UNUSED(state);
    /* One cycle a row: the devices it lists, and how many series it ends. */
    static const struct {
        const char *devices;
        size_t gone;
    } cycles[] = {
        {"abcdef", 0},
        {"abcdef", 0},
        {"abdef",  1},
        {"abdef",  0},
        {"abcdef", 0},
        {"fedcba", 0},
        {"f",      5},
        {"abcdef", 0},
        {"",       6},
        {"a",      0},
        {"ba",     0},
        {"ab",     0},
    };
    struct series_table t;
    series_table_init(&t);
    double v = 0;
    for (size_t i = 0; i < COUNT(cycles); i++) {
        struct gone gone = {0};
        series_begin(&t);
        for (const char *d = cycles[i].devices; *d; d++)
            put(&t, &a, ++v, (const char[]){*d, '\0'});
        series_publish(&t, note_gone, &gone);
        assert_int_equal(gone.count, cycles[i].gone);
        assert_int_equal(t.live, strlen(cycles[i].devices));
        double w = v - (double)strlen(cycles[i].devices);
        for (const char *d = cycles[i].devices; *d; d++)
            assert_true(value(&t, "a_total", (const char[]){*d, '\0'}) == ++w);
    }
    assert_int_equal(t.dropped, 0);
    series_table_release(&t);
}

static void like_keys_are_told_apart(void **state)
{
    UNUSED(state);
    struct series_table t;
    series_table_init(&t);
    for (int i = 0; i < 3; i++) {
        series_begin(&t);
        put(&t, &a, 1, NULL);
        put(&t, &a, 2, "");
        put(&t, &a, 3, "x");
        put(&t, &b, 4, "x");
        put_named(&t, "b", 5);
        put_named(&t, "bb", 6);
        series_emit(&t, &a, (struct str){0}, NULL, a.type, 7,
                    (const char *const[]){"device", "x", "mode", "y", NULL});
        series_publish(&t, NULL, NULL);
        assert_int_equal(t.live, 7);
        assert_int_equal(t.dropped, 0);
    }
    series_table_release(&t);
}

static void second_emit_of_a_series_is_dropped(void **state)
{
    UNUSED(state);
    struct series_table t;
    series_table_init(&t);
    for (int i = 0; i < 2; i++) {
        series_begin(&t);
        put(&t, &a, 1, "x");
        put(&t, &a, 2, "x");
        put(&t, &a, 3, "y");
        series_publish(&t, NULL, NULL);
    }
    assert_int_equal(t.dropped, 2);
    assert_true(value(&t, "a_total", "x") == 1);
    assert_true(value(&t, "a_total", "y") == 3);
    series_table_release(&t);
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
    UNUSED(state);
    static const struct {
        const char *raw, *shown;
    } cases[] = {
        {"plain",          "plain"                },
        {"caf\xc3\xa9",    "caf\xc3\xa9"          },
        {"\xff",           "\xef\xbf\xbd"         },
        {"a\xff\xfe"
         "b",     "a\xef\xbf\xbd"
         "b"                },
        {"a\xff"
         "b\xff", "a\xef\xbf\xbd"
         "b\xef\xbf\xbd"},
        {"cut\xc3",        "cut\xef\xbf\xbd"      },
        {"\xed\xa0\x80",   "\xef\xbf\xbd"         },
    };
    struct series_table t;
    series_table_init(&t);
    for (int turn = 0; turn < 2; turn++) {
        series_begin(&t);
        for (size_t i = 0; i < COUNT(cases); i++)
            put(&t, &a, (double)i, cases[i].raw);
        series_publish(&t, NULL, NULL);
        assert_int_equal(t.live, COUNT(cases));
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str shown = t.v[t.order[t.current].v[i]].labels[0].value;
        assert_true(str_eq(shown, str_of(cases[i].shown)));
    }
    series_table_release(&t);
}

static void thousands_of_series_stay_cheap(void **state)
{
    UNUSED(state);
    enum { MANY = 5000 };
    struct series_table t;
    series_table_init(&t);
    uint64_t allocations = 0;
    for (int cycle = 0; cycle < 4; cycle++) {
        series_begin(&t);
        for (int i = 0; i < MANY; i++) {
            char device[16];
            snprintf(device, sizeof device, "d%d", i);
            put(&t, &a, i, device);
        }
        series_publish(&t, NULL, NULL);
        if (cycle == 1) allocations = mem_allocations();
    }
    assert_int_equal(t.live, MANY);
    assert_int_equal(mem_allocations(), allocations);
    series_table_release(&t);
}

static void too_much_is_dropped_and_counted(void **state)
{
    UNUSED(state);
    static char text[EMIT_TEXT_MAX + 10];
    const char *pairs[2 * (EMIT_PAIRS_MAX + 1) + 1];
    struct series_table t;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i + 1 < COUNT(pairs); i++)
        pairs[i] = "n";
    pairs[COUNT(pairs) - 1] = NULL;
    series_table_init(&t);
    series_begin(&t);
    put(&t, &a, 1, text);
    series_emit(&t, &a, (struct str){0}, NULL, a.type, 1, pairs);
    series_publish(&t, NULL, NULL);
    assert_int_equal(t.dropped, 2);
    assert_int_equal(t.live, 0);
    series_table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_show_when_published),
        cmocka_unit_test(order_may_change_devices_come_and_go),
        cmocka_unit_test(like_keys_are_told_apart),
        cmocka_unit_test(second_emit_of_a_series_is_dropped),
        cmocka_unit_test(bytes_that_are_no_text_become_replacement_characters),
        cmocka_unit_test(thousands_of_series_stay_cheap),
        cmocka_unit_test(too_much_is_dropped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
