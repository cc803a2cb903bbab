/* test_rule_file.c -- rule files: what loads, and where each problem of a broken one is said to be.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "rules/rule_int.h"

static const char good[] = "groups:\n"
                           "- name: serving\n"
                           "  interval: 250ms\n"
                           "  query_offset: 1s\n"
                           "  limit: 5\n"
                           "  labels: {team: ml, severity: info}\n"
                           "  rules:\n"
                           "  - record: svc:rps\n"
                           "    expr: sum by (svc) (rate(requests_total[1m]))\n"
                           "    labels: {unit: rps}\n"
                           "  - alert: Slow\n"
                           "    expr: |\n"
                           "      svc:latency > 0.5\n"
                           "        and on (svc) svc:rps > 1\n"
                           "    for: 15s\n"
                           "    keep_firing_for: 1m\n"
                           "    labels: {severity: page}\n"
                           "    annotations:\n"
                           "      summary: \"{{ $labels.svc }} {{ $value | humanize }}\"\n"
                           "- name: empty\n";

static struct str text_of(struct rule_texts t, const char *name)
{
    for (size_t i = 0; i < t.count; i++)
        if (str_eq(t.v[i].name, str_of(name))) return t.v[i].value;
    return (struct str){NULL, 0};
}

static void loads_everything_a_file_says(void **state)
{
    struct rule_set *s;
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_add(s, "good.yml", str_of(good), 15000, &d), 0);
    assert_int_equal(d.errors + d.warnings, 0);
    assert_int_equal(rule_set_rules(s), 2);
    const struct rule_group *g = s->groups;
    assert_string_equal(g->name, "serving");
    assert_int_equal(g->interval_ms, 250);
    assert_int_equal(g->query_offset_ms, 1000);
    assert_int_equal(g->limit, 5);
    const struct rule *record = g->rules, *alert = record->next;
    assert_false(record->is_alert);
    assert_string_equal(record->query, "sum by (svc) (rate(requests_total[1m]))");
    assert_true(str_eq(text_of(record->labels, "team"), STR("ml")));
    assert_true(str_eq(text_of(record->labels, "unit"), STR("rps")));
    assert_true(alert->is_alert);
    assert_string_equal(alert->query, "svc:latency > 0.5 and on (svc) svc:rps > 1");
    assert_int_equal(alert->for_ms, 15000);
    assert_int_equal(alert->keep_firing_for_ms, 60000);
    assert_true(str_eq(text_of(alert->labels, "severity"), STR("page")));
    assert_true(str_eq(text_of(alert->labels, "team"), STR("ml")));
    assert_int_equal(alert->annotations.count, 1);
    assert_int_equal(alert->line, 11);
    assert_string_equal(g->next->name, "empty");
    assert_int_equal(g->next->interval_ms, 15000);
    rule_set_free(s);
    diags_release(&d);
}

static int compare_places(void *arg, const struct rule_view *r)
{
    static const struct rule_place want[] = {
        {5,  24},
        {10, 15},
        {11, 13},
        {11, 17}
    };
    size_t *seen = arg;
    size_t count = r->is_alert ? 3 : 1;
    assert_non_null(r->places);
    for (size_t i = 0; i < count; i++, ++*seen) {
        assert_int_equal(r->places[i].line, want[*seen].line);
        assert_int_equal(r->places[i].column, want[*seen].column);
    }
    return 0;
}

static int count_unmarked(void *arg, const struct rule_view *r)
{
    *(size_t *)arg += r->places == NULL;
    return 0;
}

static void selectors_are_marked_where_they_stand(void **state)
{
    static const char text[] = "groups:\n"
                               "- name: g\n"
                               "  rules:\n"
                               "  - record: a:b\n"
                               "    expr: 'sum(rate(   c[5m]))'\n"
                               "  - alert: A\n"
                               "    labels: {x: y}\n"
                               "    expr: |\n"
                               "      # a comment\n"
                               "      absent( d{e=\"f\"})\n"
                               "        or (g + h)\n";
    struct rule_set *s;
    struct diags d;
    size_t seen = 0, unmarked = 0;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    rule_set_mark_selectors(s);
    assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), 0);
    assert_int_equal(rule_set_visit(s, compare_places, &seen), 0);
    assert_int_equal(seen, 4);
    rule_set_free(s);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), 0);
    assert_int_equal(rule_set_visit(s, count_unmarked, &unmarked), 0);
    assert_int_equal(unmarked, 2);
    rule_set_free(s);
    diags_release(&d);
}

static void equal_rules_have_keys_of_their_own(void **state)
{
    static const char text[] = "groups:\n- name: g\n  rules:\n"
                               "  - {alert: A, expr: up}\n  - {alert: A, expr: up}\n"
                               "  - {alert: A, expr: up == 0}\n";
    struct rule_set *s, *again;
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_new(&again), 0);
    assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), 0);
    assert_int_equal(rule_set_add(again, "a.yml", str_of(text), 1000, &d), 0);
    const struct rule *a = s->groups->rules, *b = a->next, *c = b->next;
    assert_true(a->key != b->key && b->key != c->key && a->key != c->key);
    assert_true(again->groups->rules->key == a->key);
    assert_true(again->groups->rules->next->key == b->key);
    rule_set_free(s);
    rule_set_free(again);
    diags_release(&d);
}

static void aliases_and_merges_work(void **state)
{
    static const char text[] = "groups:\n- name: g\n  rules:\n"
                               "  - &a\n    alert: A\n    expr: &e |\n      up ==\n        0\n"
                               "    for: 5m\n    labels: {severity: &s warning}\n"
                               "  - <<: *a\n    alert: B\n"
                               "  - {record: r, expr: *e, labels: {x: *s}}\n";
    struct rule_set *s;
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), 0);
    const struct rule *b = s->groups->rules->next;
    assert_string_equal(b->name, "B");
    assert_string_equal(b->query, "up == 0");
    assert_int_equal(b->for_ms, 300000);
    assert_true(str_eq(text_of(b->next->labels, "x"), STR("warning")));
    rule_set_free(s);
    diags_release(&d);
}

#define G "groups:\n- name: g\n  rules:\n"

/* Broken files: the first problem's place and part of its text. */
// clang-format off
static const struct {
    const char *text;
    int line, column;
    const char *says;
} broken[] = {
    {"groups: [\n", 2, 1, ""},
    {"- a\n", 1, 1, "rule file must be a mapping"},
    {"groups: 5\n", 1, 9, "\"groups\" must be a list"},
    {"group: []\n", 1, 1, "unknown key \"group\" in rule file"},
    {"slos: []\n", 1, 1, "\"slos\" is not supported yet"},
    {"groups:\n- 5\n", 2, 3, "group must be a mapping"},
    {"groups:\n- rules: []\n", 2, 3, "groupname must not be empty"},
    {"groups:\n- name: ''\n", 2, 3, "groupname must not be empty"},
    {"groups:\n- name: a\n- name: a\n", 3, 9, "groupname: \"a\" is repeated in the same file"},
    {"groups:\n- name: a\n  intervall: 5s\n", 3, 3, "unknown key \"intervall\" in group"},
    {"groups:\n- name: a\n  interval: 5x\n", 3, 13, "5x"},
    {"groups:\n- name: a\n  interval: 50ms\n", 3, 13, "interval is too short"},
    {"groups:\n- name: a\n  interval: [5s]\n", 3, 13, "\"interval\" must be a single value"},
    {"groups:\n- name: a\n  limit: many\n", 3, 10, "limit must be a whole number"},
    {"groups:\n- name: a\n  limit: -1\n", 3, 10, "limit must be a whole number"},
    {"groups:\n- name: a\n  query_offset: -5m\n", 3, 17, "-5m"},
    {"groups:\n- name: a\n  align: true\n", 3, 3, "\"align\" is not supported yet"},
    {"groups:\n- name: a\n  labels: [x]\n", 3, 11, "\"labels\" must be a mapping"},
    {"groups:\n- name: a\n  labels: {__name__: x}\n", 3, 12, "invalid label name: __name__"},
    {"groups:\n- name: a\n  rules: {}\n", 3, 10, "\"rules\" must be a list"},
    {"groups:\n- name: a\n  name: b\n", 3, 3, "duplicate key \"name\""},
    {G "  - up\n", 4, 5, "rule must be a mapping"},
    {G "  - expr: up\n", 4, 5, "one of 'record' or 'alert' must be set"},
    {G "  - alert:\n    expr: up\n", 4, 5, "one of 'record' or 'alert' must be set"},
    {G "  - alert: A\n    record: b\n    expr: up\n", 4, 5, "only one of 'record' and 'alert'"},
    {G "  - alert: [A]\n    expr: up\n", 4, 12, "\"alert\" must be a single value"},
    {G "  - record: a\n", 4, 13, "field 'expr' must be set in rule"},
    {G "  - record: a\n    expr: ''\n", 5, 5, "field 'expr' must be set in rule"},
    {G "  - record: a\n    expr: {a: b}\n", 5, 11, "\"expr\" must be a single value"},
    {G "  - record: a{x=\"y\"}\n    expr: up\n", 4, 13, "braces present in the recording rule name"},
    {G "  - record: a\n    expr: up\n    for: 1m\n", 6, 5, "invalid field 'for' in recording rule"},
    {G "  - record: a\n    expr: up\n    keep_firing_for: 1m\n", 6, 5, "invalid field 'keep_firing_for'"},
    {G "  - record: a\n    expr: up\n    annotations: {a: b}\n", 6, 5, "invalid field 'annotations'"},
    {G "  - alert: A\n    expr: up\n    for: 5mm\n", 6, 10, "5mm"},
    {G "  - alert: A\n    expr: up\n    fro: 5m\n", 6, 5, "unknown key \"fro\" in rule"},
    {G "  - alert: A\n    expr: up\n    labels: {\"\": x}\n", 6, 14, "invalid label name: "},
    {G "  - alert: A\n    expr: up\n    labels:\n      a: [b]\n", 7, 10, "\"label\" must be a single value"},
    {G "  - alert: A\n    expr: up\n    eval: ingest\n", 6, 5, "\"eval\" is not supported yet"},
    {G "  - alert: A\n    expr: up\n    no_data: keep\n", 6, 5, "\"no_data\" is not supported yet"},
    /* positions inside expressions, in every scalar style */
    {G "  - record: a\n    expr: sum(rate(up))\n", 5, 20, "parse error"},
    {G "  - record: a\n    expr: \"up + foo(\\\"x\\\")\"\n", 5, 17, "parse error"},
    {G "  - record: a\n    expr: 'up{a=''b''} + foo(1)'\n", 5, 26, "parse error"},
    {G "  - record: a\n    expr: |\n      up\n        +\n        foo(1)\n", 8, 9, "parse error"},
    {G "  - record: a\n    expr: >-\n      up +\n\n      (\n      foo(1))\n", 9, 7, "parse error"},
    {G "  - record: a\n    expr: up +\n      foo(1)\n", 6, 7, "parse error"},
    {G "  - record: a\n    expr: &x !!str\n      foo(1)\n", 6, 7, "parse error"},
    {G "  - record: a\n    expr: |\n      sum(up\n", 6, 13, "parse error"},
    {G "  - record: a\n    expr: \"up{a=\\\"\u00e9\\u00e9\\\"} + foo(1)\"\n", 5, 33, "parse error"},
    /* and inside templates */
    {G "  - alert: A\n    expr: up\n    labels:\n      a: '{{ $label.x }}'\n", 7, 14, "undefined variable \"$label\""},
    {G "  - alert: A\n    expr: up\n    annotations:\n      a: |\n        ok\n        {{ foo }}\n", 9, 12, "function \"foo\" not defined"},
    {G "  - alert: A\n    expr: up\n    annotations:\n      a: \"x\\n{{ $labels.a * 2 }}\"\n", 7, 27, "unrecognized character"},
    {G "  - alert: A\n    expr: up\n    annotations:\n      a: >\n        one\n        two {{ end }}\n", 9, 20, "unexpected {{end}}"},
};
// clang-format on

static void broken_files_are_told_where(void **state)
{
    int wrong = 0;
    UNUSED(state);
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct rule_set *s;
        struct diags d;
        diags_init(&d);
        assert_int_equal(rule_set_new(&s), 0);
        int rc = rule_set_add(s, "broken.yml", str_of(broken[i].text), 15000, &d);
        const struct diag *p = d.first;
        if (rc == 0 || !p || p->line != broken[i].line || p->column != broken[i].column ||
            !strstr(p->text, broken[i].says) || p->level != DIAG_ERROR || !p->file[0]) {
            wrong++;
            print_message("file %zu: want %d:%d %s, got %d:%d %s\n%s", i, broken[i].line,
                          broken[i].column, broken[i].says, p ? p->line : 0, p ? p->column : 0,
                          p ? p->text : "nothing", broken[i].text);
        }
        rule_set_free(s);
        diags_release(&d);
    }
    assert_int_equal(wrong, 0);
}

static void nearly_every_problem_has_a_hint(void **state)
{
    size_t hints = 0;
    UNUSED(state);
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct rule_set *s;
        struct diags d;
        diags_init(&d);
        assert_int_equal(rule_set_new(&s), 0);
        assert_true(rule_set_add(s, "broken.yml", str_of(broken[i].text), 15000, &d) < 0);
        hints += d.first && d.first->hint[0];
        rule_set_free(s);
        diags_release(&d);
    }
    assert_true(hints * 10 >= COUNT(broken) * 9);
}

static void all_problems_are_told_at_once(void **state)
{
    static const char text[] = "groups:\n- name: g\n  interval: 1x\n  rules:\n"
                               "  - {record: a, expr: up +}\n"
                               "  - {alert: B, expr: up, for: x, labels: {a: '{{'}}\n";
    struct rule_set *s;
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), E_INVALID);
    assert_int_equal(d.errors, 4);
    rule_set_free(s);
    diags_release(&d);
}

static void a_range_vector_is_only_warned_of(void **state)
{
    struct rule_set *s;
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    assert_int_equal(rule_set_add(s, "a.yml", STR(G "  - {record: a, expr: 'up[5m]'}\n"), 1000, &d),
                     0);
    assert_int_equal(d.warnings, 1);
    assert_int_equal(d.first->line, 4);
    assert_int_equal(d.first->column, 24);
    rule_set_free(s);
    diags_release(&d);
}

static void legacy_names_refuse_utf8(void **state)
{
    static const char text[] = G "  - {alert: A, expr: up, annotations: {in-tance: x}}\n";
    struct diags d;
    UNUSED(state);
    diags_init(&d);
    for (int legacy = 0; legacy < 2; legacy++) {
        struct rule_set *s;
        assert_int_equal(rule_set_new(&s), 0);
        rule_set_legacy_names(s, legacy);
        assert_int_equal(rule_set_add(s, "a.yml", str_of(text), 1000, &d), legacy ? E_INVALID : 0);
        rule_set_free(s);
    }
    diags_release(&d);
}

static int count_view(void *arg, const struct rule_view *r)
{
    assert_non_null(r->expr);
    assert_non_null(r->name);
    ++*(int *)arg;
    return 0;
}

static void survives_refused_memory(void **state)
{
    UNUSED(state);
    for (uint64_t n = 1; n < 60; n++) {
        struct rule_set *s = NULL;
        struct diags d;
        int seen = 0;
        diags_init(&d);
        mem_fail_at(n, 1);
        int rc = rule_set_new(&s);
        if (rc == 0) rc = rule_set_add(s, "good.yml", str_of(good), 15000, &d);
        mem_fail_at(0, 0);
        if (rc == 0) {
            assert_int_equal(rule_set_visit(s, count_view, &seen), 0);
            assert_int_equal(seen, 2);
        }
        rule_set_free(s);
        diags_release(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_everything_a_file_says),
        cmocka_unit_test(selectors_are_marked_where_they_stand),
        cmocka_unit_test(equal_rules_have_keys_of_their_own),
        cmocka_unit_test(aliases_and_merges_work),
        cmocka_unit_test(broken_files_are_told_where),
        cmocka_unit_test(nearly_every_problem_has_a_hint),
        cmocka_unit_test(all_problems_are_told_at_once),
        cmocka_unit_test(a_range_vector_is_only_warned_of),
        cmocka_unit_test(legacy_names_refuse_utf8),
        cmocka_unit_test(survives_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
