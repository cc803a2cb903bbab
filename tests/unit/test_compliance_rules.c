/* test_compliance_rules.c -- runs the rule-file and template corpora of a folder laid out like the
 * project's conformance folder and prints a count for each; without a folder it checks itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/env.h"
#include "core/mem.h"
#include "rules/rules.h"
#include "rules/template_int.h"

enum { PATH_MAX_BYTES = 1024 };

struct tally {
    int passed, failed;
};

static void note(struct tally *t, bool ok, const char *what, const char *why)
{
    if (ok) {
        t->passed++;
        return;
    }
    t->failed++;
    fprintf(stderr, "    failed %s: %s\n", what, why);
}

static void print_tally(const char *corpus, const struct tally *t)
{
    printf("%s: %d passed, %d failed\n", corpus, t->passed, t->failed);
}

/* --- rule files --- */

struct loaded {
    int rc;
    size_t rules;
    char problem[600];
};

static struct loaded load_text(const char *name, struct str text, bool legacy)
{
    struct rule_set *s = NULL;
    struct diags d;
    struct loaded l = {0};
    diags_init(&d);
    l.rc = rule_set_new(&s);
    if (l.rc == 0) {
        rule_set_legacy_names(s, legacy);
        l.rc = rule_set_add(s, name, text, 15000, &d);
        l.rules = rule_set_rules(s);
    }
    if (d.first)
        snprintf(l.problem, sizeof l.problem, "%d:%d: %s", d.first->line, d.first->column,
                 d.first->text);
    rule_set_free(s);
    diags_release(&d);
    return l;
}

static struct loaded load_file(const char *path, bool legacy)
{
    char *text = NULL;
    size_t len = 0;
    struct loaded l = {.rc = env_read_file(env_system(), path, 16 << 20, &text, &len)};
    if (l.rc < 0) {
        snprintf(l.problem, sizeof l.problem, "%s", err_text(l.rc));
        return l;
    }
    l = load_text(path, (struct str){text, len}, legacy);
    mem_free(text);
    return l;
}

static bool is_yaml(const char *name)
{
    struct str s = str_of(name);
    return str_ends(s, STR(".yml")) || str_ends(s, STR(".yaml"));
}

/* Rules the index says a file has; -1 without one. */
static long expected_rules(const char *dir, const char *name)
{
    char path[2 * PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/index.json", dir);
    json_t *index = json_load_file(path, 0, NULL);
    json_t *entry = json_object_get(index, name);
    long n = entry ? (long)(json_integer_value(json_object_get(entry, "alerts")) +
                            json_integer_value(json_object_get(entry, "records")))
                   : -1;
    json_decref(index);
    return n;
}

/* Every file of the folder loads, with as many rules as the index says. */
static void run_folder(const char *root, const char *corpus)
{
    char dir[PATH_MAX_BYTES], path[2 * PATH_MAX_BYTES], why[700];
    struct tally t = {0};
    struct dirent **names = NULL;
    snprintf(dir, sizeof dir, "%s/%s", root, corpus);
    int count = scandir(dir, &names, NULL, alphasort);
    if (count < 0) {
        printf("%s: skipped, not there\n", corpus);
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (is_yaml(name)) {
            snprintf(path, sizeof path, "%s/%s", dir, name);
            struct loaded l = load_file(path, false);
            long want = expected_rules(dir, name);
            bool right = want < 0 || (size_t)want == l.rules;
            snprintf(why, sizeof why, "%s (%zu rules, %ld expected)", l.problem, l.rules, want);
            note(&t, l.rc == 0 && right, name, why);
        }
        free(names[i]);
    }
    free(names);
    print_tally(corpus, &t);
}

/* Reads DIR/STEM.json or DIR/STEM.<infix>.json. */
static json_t *load_json(const char *root, const char *folder, const char *stem)
{
    char dir[PATH_MAX_BYTES], path[2 * PATH_MAX_BYTES];
    snprintf(dir, sizeof dir, "%s/%s", root, folder);
    DIR *d = opendir(dir);
    json_t *found = NULL;
    size_t n = strlen(stem);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        if (name.len <= n || memcmp(name.p, stem, n) != 0 || name.p[n] != '.') continue;
        if (!str_ends(name, STR(".json"))) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        found = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
    }
    if (d) closedir(d);
    return found;
}

static void run_rulefmt(const char *root)
{
    struct tally t = {0};
    json_t *index = load_json(root, "rules/rulefmt", "index"), *entry;
    size_t i;
    if (!index) {
        printf("rules/rulefmt: skipped, not there\n");
        return;
    }
    json_array_foreach(index, i, entry)
    {
        char path[PATH_MAX_BYTES];
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *scheme = json_string_value(json_object_get(entry, "name_validation_scheme"));
        const char *says = json_string_value(json_object_get(entry, "error_contains"));
        bool valid = json_is_true(json_object_get(entry, "valid"));
        snprintf(path, sizeof path, "%s/rules/rulefmt/%s", root, file);
        struct loaded l = load_file(path, scheme && strcmp(scheme, "legacy") == 0);
        bool said = !says || strstr(l.problem, says);
        note(&t, valid ? l.rc == 0 : l.rc < 0 && said, file, l.problem);
    }
    json_decref(index);
    print_tally("rules/rulefmt", &t);
}

static void run_rule_templates(const char *root)
{
    struct tally t = {0};
    json_t *list = load_json(root, "alerting", "rule-templates"), *entry;
    size_t i;
    if (!list) {
        printf("alerting/rule-templates: skipped, not there\n");
        return;
    }
    json_array_foreach(list, i, entry)
    {
        const char *text = json_string_value(json_object_get(entry, "rules"));
        bool valid = json_is_true(json_object_get(entry, "valid"));
        struct loaded l = load_text("case.yml", str_of(text), false);
        char name[32];
        snprintf(name, sizeof name, "case %zu", i);
        note(&t, (l.rc == 0) == valid, name, l.problem);
    }
    json_decref(list);
    print_tally("alerting/rule-templates", &t);
}

/* --- templates --- */

/* The case's query_result as a vector. */
static int canned_query(void *arg, struct str expr, int64_t t_ms, struct arena *a,
                        struct promql_result *out, struct errmsg *err)
{
    json_t *list = arg, *item, *value;
    size_t i;
    UNUSED(expr);
    *out = (struct promql_result){.type = T_VECTOR, .series_count = json_array_size(list)};
    out->series = arena_array(a, out->series_count + 1, sizeof *out->series);
    if (!out->series) return errmsg_set(err, -ENOMEM, "out of memory");
    json_array_foreach(list, i, item)
    {
        json_t *labels = json_object_get(item, "labels");
        const char *name;
        struct label_builder *b = arena_zalloc(a, sizeof *b);
        struct promql_point *p = arena_zalloc(a, sizeof *p);
        if (!b || !p) return errmsg_set(err, -ENOMEM, "out of memory");
        label_builder_init(b, (struct labels){0});
        json_object_foreach(labels, name, value)
            label_builder_set(b, str_of(name), str_of(json_string_value(value)));
        int rc = label_builder_build(b, a, &out->series[i].labels);
        if (rc < 0) return errmsg_set(err, rc, "bad labels");
        *p = (struct promql_point){t_ms, json_number_value(json_object_get(item, "value"))};
        out->series[i].points = p;
        out->series[i].count = 1;
    }
    return 0;
}

static double number_of(const json_t *v)
{
    double d = json_number_value(v);
    if (json_is_string(v) && str_to_double(str_of(json_string_value(v)), &d) < 0) d = (double)NAN;
    return d;
}

static struct tval input_item(const json_t *v, const char *type)
{
    double d = number_of(v);
    if (strcmp(type, "string") == 0) return tval_string(str_of(json_string_value(v)));
    if (strncmp(type, "uint", 4) == 0)
        return (struct tval){.kind = TV_UINT, .u = d >= 0x1p64 ? UINT64_MAX : (uint64_t)d};
    if (strncmp(type, "int", 3) == 0)
        return tval_int(d >= 0x1p63 ? INT64_MAX : d <= -0x1p63 ? INT64_MIN : (int64_t)d);
    return tval_float(d);
}

/* The dot of a case: its input list, or nothing. */
static struct tval input_of(const json_t *c, struct arena *a)
{
    const json_t *input = json_object_get(c, "input"), *item;
    const char *type = json_string_value(json_object_get(c, "input_type"));
    size_t i;
    if (!input || !type) return (struct tval){.kind = TV_NIL};
    struct tlist *l = arena_zalloc(a, sizeof *l);
    if (!l) return (struct tval){.kind = TV_NIL};
    l->type = "[]interface {}";
    l->count = json_array_size(input);
    l->v = arena_array(a, l->count + 1, sizeof *l->v);
    json_array_foreach(input, i, item) if (l->v) l->v[i] = input_item(item, type);
    return (struct tval){.kind = TV_LIST, .list = l};
}

static bool has_option(const json_t *c, const char *option)
{
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(c, "options"), i,
                       v) if (strcmp(json_string_value(v), option) == 0) return true;
    return false;
}

static void run_template_case(struct tally *t, json_t *c)
{
    const char *text = json_string_value(json_object_get(c, "template"));
    const char *want = json_string_value(json_object_get(c, "output"));
    struct arena a;
    struct buf out = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    struct template *tmpl;
    struct template_data d = {.external_url = "http://testhost:9090/path/prefix",
                              .now_ms = INT64_C(1353755652000),
                              .query = canned_query,
                              .query_arg = json_object_get(c, "query_result")};
    arena_init(&a, 16 << 20);
    struct template_run *run = arena_zalloc(&a, sizeof *run);
    int rc = run ? template_parse(str_of(text), "test", &a, &tmpl, &err) : -ENOMEM;
    if (rc == 0) {
        run->html = json_is_true(json_object_get(c, "html"));
        run->missing_is_error = has_option(c, "missingkey=error");
        rc = template_execute(run, tmpl, input_of(c, &a), &d, &a, &out, &err);
    }
    const char *got = rc < 0 ? err.text : out.p ? out.p : "";
    note(t, want ? rc == 0 && strcmp(got, want) == 0 : rc < 0, text, got);
    buf_release(&out);
    arena_release(&a);
}

static void run_templates(const char *root)
{
    struct tally t = {0};
    json_t *list = load_json(root, "alerting", "templates"), *c;
    size_t i;
    if (!list) {
        printf("alerting/templates: skipped, not there\n");
        return;
    }
    json_array_foreach(list, i, c) run_template_case(&t, c);
    json_decref(list);
    print_tally("alerting/templates", &t);
}

/* --- the program --- */

static void a_broken_file_is_noticed(void **state)
{
    UNUSED(state);
    struct loaded good =
        load_text("a.yml", STR("groups: [{name: g, rules: [{record: a, expr: up}]}]"), false);
    struct loaded bad = load_text("a.yml", STR("groups: [{name: g, rules: [{record: a}]}]"), false);
    assert_int_equal(good.rc, 0);
    assert_int_equal(good.rules, 1);
    assert_int_equal(bad.rc, E_INVALID);
    assert_non_null(strstr(bad.problem, "field 'expr' must be set in rule"));
}

static void a_wrong_template_output_is_noticed(void **state)
{
    UNUSED(state);
    struct tally t = {0};
    json_t *c = json_pack("{s:s, s:s}", "template", "{{ 1 | humanize }}", "output", "1");
    run_template_case(&t, c);
    assert_int_equal(t.passed, 1);
    json_object_set_new(c, "output", json_string("2"));
    run_template_case(&t, c);
    assert_int_equal(t.failed, 1);
    json_object_del(c, "output");
    run_template_case(&t, c);
    assert_int_equal(t.failed, 2);
    json_decref(c);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        run_folder(argv[1], "rules/awesome");
        run_folder(argv[1], "rules/kube-prometheus");
        run_rulefmt(argv[1]);
        run_templates(argv[1]);
        run_rule_templates(argv[1]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_file_is_noticed),
        cmocka_unit_test(a_wrong_template_output_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
