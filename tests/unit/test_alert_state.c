/* test_alert_state.c -- the alert life cycle, told as tables: at each time, which elements the
 * query returned, and the alerts afterwards.
 *
 * An alert prints as NAME:PHASE with + started, ! fired, - ended in this step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "rules/alert_state.h"

struct step {
    int64_t s;            /* seconds */
    const char *elements; /* a letter an element */
    const char *want;
};

static struct label letters[26][2];

static struct labels labels_of(char c)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
    struct label *l = letters[c - 'a'];
    l[0] = (struct label){STR("alertname"), STR("A")};
    l[1] = (struct label){
        STR("x"), {alphabet + (c - 'a'), 1}
    };
    return (struct labels){l, 2};
}

static void print_state(const struct alert_state *s, char *out, size_t size)
{
    static const char marks[] = {
        [ALERT_UNCHANGED] = 0, [ALERT_STARTED] = '+', [ALERT_FIRED] = '!', [ALERT_ENDED] = '-'};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->count; i++) {
        const struct alert_item *a = s->v[i];
        char mark[2] = {marks[a->change], '\0'};
        n += (size_t)snprintf(out + n, size - n, "%s%c:%s%s", i ? " " : "",
                              labels_get(a->labels, STR("x")).p[0], alert_phase_name(a->phase),
                              mark);
    }
}

static int step_state(struct alert_state *s, const struct alert_params *p, int64_t now_ms,
                      const char *elements, bool *changed)
{
    struct alert_element e[26];
    struct errmsg err = {0};
    size_t n = strlen(elements);
    /* backwards: the order of a result does not matter */
    for (size_t i = 0; i < n; i++)
        e[i] = (struct alert_element){.labels = labels_of(elements[n - 1 - i]), .value = (double)i};
    return alert_step(s, p, now_ms, e, n, changed, &err);
}

static void run_steps(struct alert_params p, const struct step *steps, size_t count)
{
    struct alert_state s = {0};
    for (size_t i = 0; i < count; i++) {
        char got[500];
        bool changed;
        int rc = step_state(&s, &p, steps[i].s * 1000, steps[i].elements, &changed);
        print_state(&s, got, sizeof got);
        if (rc == E_LIMIT) snprintf(got + strlen(got), sizeof got - strlen(got), " LIMIT");
        if (strcmp(got, steps[i].want) != 0)
            print_message("step %zu at %d s\n", i, (int)steps[i].s);
        assert_string_equal(got, steps[i].want);
    }
    alert_state_release(&s);
}

#define RUN(params, ...)                                                                           \
    do {                                                                                           \
        static const struct step steps[] = __VA_ARGS__;                                            \
        run_steps((struct alert_params)params, steps, COUNT(steps));                               \
    } while (0)
#define P(...)                                                                                     \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

// clang-format off
static void fires_at_once_without_for(void **state)
{
    UNUSED(state);
    RUN(P(0), {
        {0,   "",  ""},
        {10,  "a", "a:firing!"},
        {20,  "a", "a:firing"},
        {30,  "",  "a:resolved-"},
        {40,  "",  "a:resolved"},
        {50,  "a", "a:firing!"},
    });
}

static void waits_for_its_time(void **state)
{
    UNUSED(state);
    RUN(P(.for_ms = 30000), {
        {0,   "a",  "a:pending+"},
        {10,  "ab", "a:pending b:pending+"},
        {29,  "ab", "a:pending b:pending"},
        {30,  "ab", "a:firing! b:pending"},
        {35,  "b",  "a:resolved- b:pending"},
        {40,  "",   "a:resolved"},
        {45,  "b",  "a:resolved b:pending+"},
        {75,  "ab", "a:pending+ b:firing!"},
    });
}

static void keeps_firing(void **state)
{
    UNUSED(state);
    RUN(P(.for_ms = 10000, .keep_firing_for_ms = 60000), {
        {0,   "a", "a:pending+"},
        {5,   "",  ""},
        {10,  "a", "a:pending+"},
        {20,  "a", "a:firing!"},
        {30,  "",  "a:firing"},
        {89,  "",  "a:firing"},
        {90,  "a", "a:firing"},
        {100, "",  "a:firing"},
        {159, "",  "a:firing"},
        {160, "",  "a:resolved-"},
        {170, "a", "a:pending+"},
    });
}

static void forgets_the_resolved(void **state)
{
    UNUSED(state);
    RUN(P(0), {
        {0,   "a", "a:firing!"},
        {10,  "",  "a:resolved-"},
        {910, "",  "a:resolved"},
        {911, "",  ""},
    });
}

static void breaks_the_limit(void **state)
{
    UNUSED(state);
    RUN(P(.limit = 2), {
        {0,  "ab",  "a:firing! b:firing!"},
        {10, "abc", " LIMIT"},
        {20, "abc", " LIMIT"},
    });
}

static void holds_after_a_clock_step(void **state)
{
    UNUSED(state);
    RUN(P(.for_ms = 10000, .hold_missing = true), {
        {0,  "ab", "a:pending+ b:pending+"},
        {10, "a",  "a:firing! b:pending"},
        {60, "",   "a:firing b:pending"},
        {61, "b",  "a:firing b:firing!"},
    });
}
// clang-format on

/* The limit drops alerts nobody has heard of; those told before end. */
static void limit_ends_what_was_told(void **state)
{
    struct alert_state s = {0};
    struct alert_params p = {.limit = 1};
    bool changed;
    char got[200];
    UNUSED(state);
    assert_int_equal(step_state(&s, &p, 0, "a", &changed), 0);
    s.v[0]->sent_ms = 0;
    assert_int_equal(step_state(&s, &p, 1000, "ab", &changed), E_LIMIT);
    print_state(&s, got, sizeof got);
    assert_string_equal(got, "a:resolved-");
    assert_true(changed);
    assert_int_equal(s.firing + s.pending, 0);
    alert_state_release(&s);
}

static void equal_labels_are_refused(void **state)
{
    struct alert_state s = {0};
    struct alert_params p = {0};
    bool changed;
    char got[200];
    UNUSED(state);
    assert_int_equal(step_state(&s, &p, 0, "a", &changed), 0);
    assert_int_equal(step_state(&s, &p, 1000, "aba", &changed), E_INVALID);
    print_state(&s, got, sizeof got);
    assert_string_equal(got, "a:firing!"); /* untouched */
    alert_state_release(&s);
}

static void values_and_annotations_follow(void **state)
{
    static const struct label first[] = {
        {{"summary", 7}, {"one", 3}}
    };
    static const struct label second[] = {
        {{"summary", 7}, {"two", 3}}
    };
    struct alert_state s = {0};
    struct alert_params p = {0};
    struct errmsg err;
    bool changed;
    struct alert_element e = {
        labels_of('a'), {first, 1},
         1
    };
    UNUSED(state);
    assert_int_equal(alert_step(&s, &p, 0, &e, 1, &changed, &err), 0);
    assert_true(changed);
    assert_true(str_eq(s.v[0]->annotations.v[0].value, STR("one")));
    e = (struct alert_element){
        labels_of('a'), {second, 1},
         2
    };
    assert_int_equal(alert_step(&s, &p, 1000, &e, 1, &changed, &err), 0);
    assert_false(changed);
    assert_true(str_eq(s.v[0]->annotations.v[0].value, STR("two")));
    assert_true(s.v[0]->value == 2 && s.v[0]->active_ms == 0 && s.v[0]->fired_ms == 0);
    alert_state_release(&s);
}

static void restores_what_was_saved(void **state)
{
    struct alert_state s = {0}, t = {0};
    struct alert_params p = {.for_ms = 20000};
    bool changed;
    char got[200];
    UNUSED(state);
    assert_int_equal(step_state(&s, &p, 0, "bca", &changed), 0);
    for (size_t i = s.count; i-- > 0;)
        assert_int_equal(alert_state_restore(&t, s.v[i]), 0);
    assert_int_equal(alert_state_restore(&t, s.v[0]), E_EXISTS);
    assert_int_equal(t.pending, 3);
    assert_int_equal(step_state(&t, &p, 20000, "ab", &changed), 0);
    print_state(&t, got, sizeof got);
    assert_string_equal(got, "a:firing! b:firing!");
    alert_state_release(&s);
    alert_state_release(&t);
}

static void sending_is_told_again(void **state)
{
    struct alert_item a = {
        .phase = ALERT_PENDING, .sent_ms = ALERT_NEVER, .resolved_ms = ALERT_NEVER};
    UNUSED(state);
    assert_false(alert_wants_sending(&a, 5000, 60000));
    a.phase = ALERT_FIRING;
    assert_true(alert_wants_sending(&a, 5000, 60000));
    a.sent_ms = 5000;
    assert_false(alert_wants_sending(&a, 64999, 60000));
    assert_true(alert_wants_sending(&a, 65000, 60000));
    a.phase = ALERT_RESOLVED;
    a.resolved_ms = 5001;
    assert_true(alert_wants_sending(&a, 5001, 60000));
}

/* A refused allocation leaves the state as it was. */
static void survives_refused_memory(void **state)
{
    struct alert_params p = {0};
    UNUSED(state);
    for (uint64_t n = 1; n < 30; n++) {
        struct alert_state s = {0};
        bool changed;
        char before[200], after[200];
        assert_int_equal(step_state(&s, &p, 0, "abc", &changed), 0);
        print_state(&s, before, sizeof before);
        mem_fail_at(n, 1);
        int rc = step_state(&s, &p, 1000, "bcdef", &changed);
        mem_fail_at(0, 0);
        print_state(&s, after, sizeof after);
        if (rc < 0) assert_string_equal(after, before);
        if (rc == 0)
            assert_string_equal(after,
                                "a:resolved- b:firing c:firing d:firing! e:firing! f:firing!");
        alert_state_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_once_without_for),
        cmocka_unit_test(waits_for_its_time),
        cmocka_unit_test(keeps_firing),
        cmocka_unit_test(forgets_the_resolved),
        cmocka_unit_test(breaks_the_limit),
        cmocka_unit_test(holds_after_a_clock_step),
        cmocka_unit_test(limit_ends_what_was_told),
        cmocka_unit_test(equal_labels_are_refused),
        cmocka_unit_test(values_and_annotations_follow),
        cmocka_unit_test(restores_what_was_saved),
        cmocka_unit_test(sending_is_told_again),
        cmocka_unit_test(survives_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
