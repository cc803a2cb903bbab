/* test_compliance.c -- runs the conformance corpora that are JSON or whole files.
 *
 *     test_compliance DIR [CORPUS]
 *
 * prints `name: N passed, N failed` for each corpus found in DIR and `name: skipped (why)` for the
 * others; the first 20 failures of each go to stderr. Without arguments it tests itself: every row
 * of the table holds one case that must pass and the same case altered, which must fail, so that no
 * corpus passes by not looking. PromQL scripts and rule files are run by tests/compliance.sh
 * through the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/compliance_data.h"
#include "tests/unit/compliance_families.h"
#include "tests/unit/compliance_ingest.h"
#include "tests/unit/compliance_parser.h"
#include "tests/unit/compliance_rules.h"

typedef bool case_fn(struct trial *t, const json_t *c);
typedef json_t *load_fn(const char *path);

static load_fn load_list, load_refusals, load_features, load_openmetrics, load_sample,
    load_rule_file, load_rule_index;

struct corpus {
    const char *name, *pattern; /* of the files, below DIR */
    load_fn *load;              /* a file's cases, as a list */
    case_fn *run;
    const char *good, *altered; /* one case of our own, and one whose expectation is wrong */
};

/* clang-format off */
#define RULE_FILE(expr)                                                                            \
    "{'file': 'a.yaml', 'valid': true, 'input':"                                                   \
    " 'groups:\\n- name: g\\n  rules:\\n  - record: a\\n    expr: " expr "\\n'}"

static const struct corpus corpora[] = {
    {"promql-parser/expressions", "promql-parser/expressions*.json", load_list, case_expression,
     "{'expr': '1 + 2', 'valid': true, 'node': 'BinaryExpr'}",
     "{'expr': '1 + 2', 'valid': true, 'node': 'Call'}"},
    {"promql-parser/refusals", "promql-parser/expressions*.json", load_refusals, case_refusal,
     "{'expr': '1+', 'errors': [{'message': 'unexpected end of input', 'start': 2}]}",
     "{'expr': '1+', 'errors': [{'message': 'unexpected end of input', 'start': 1}]}"},
    {"promql-parser/series", "promql-parser/series*.json", load_list, case_series,
     "{'series': 'a{b=`c`} 1+1x1 _', 'valid': true, 'labels': {'__name__': 'a', 'b': 'c'}, 'values': [1, 2, '_']}",
     "{'series': 'a{b=`c`} 1+1x1 _', 'valid': true, 'labels': {'__name__': 'a', 'b': 'c'}, 'values': [1, 2, 3]}"},
    {"promql-parser/printer", "promql-parser/printer*.json", load_list, case_printed,
     "{'expr': 'a+b', 'printed': 'a + b'}",
     "{'expr': 'a+b', 'printed': 'a+b'}"},
    {"promql-parser/pretty", "promql-parser/pretty*.json", load_list, case_printed,
     "{'expr': 'sum(aa)', 'max_line': 4, 'pretty': 'sum(\\n  aa\\n)'}",
     "{'expr': 'sum(aa)', 'max_line': 4, 'pretty': 'sum(aa)'}"},
    {"promql/features", "promql/features*.json", load_features, case_feature,
     "{'feature': 'abs', 'function': true, 'on': true}",
     "{'feature': 'abs', 'function': true, 'on': false}"},
    {"labels/matchers", "labels/matchers*.json", load_list, case_matcher,
     "{'op': '!=', 'pattern': 'a', 'value': 'b', 'match': true}",
     "{'op': '!=', 'pattern': 'a', 'value': 'a', 'match': true}"},
    {"labels/regex", "labels/regex*.json", load_list, case_regex,
     "{'pattern': 'a+', 'matches': ['aa'], 'does_not_match': ['ab']}",
     "{'pattern': 'a+', 'matches': ['aa', 'ab'], 'does_not_match': []}"},
    {"model/durations", "model/durations*.json", load_list, case_duration,
     "{'input': '90s', 'valid': true, 'milliseconds': 90000, 'canonical': '1m30s'}",
     "{'input': '90s', 'valid': true, 'milliseconds': 90000, 'canonical': '90s'}"},
    {"model/fingerprints", "model/fingerprints*.json", load_list, case_fingerprint,
     "{'labels': {}, 'fingerprint': 'cbf29ce484222325'}",
     "{'labels': {'a': 'b'}, 'fingerprint': 'cbf29ce484222325'}"},
    {"model/name-escaping", "model/name-escaping*.json", load_list, case_escaping,
     "{'name': 'a.b_c', 'underscores': 'a_b_c', 'dots': 'a_dot_b__c', 'dots_then_unescaped': 'a.b_c', 'values': 'U__a_2e_b__c'}",
     "{'name': 'a.b_c', 'underscores': 'a_b_c', 'dots': 'a_dot_b_c', 'dots_then_unescaped': 'a.b_c', 'values': 'U__a_2e_b__c'}"},
    {"exposition/text-families", "exposition/text-families*.json", load_list, case_families,
     "{'input': '# HELP a b\\n# TYPE a counter\\na{c=\\u0022d\\u0022} 1 5\\n', 'families': [{'name': 'a', 'help': 'b', 'type': 'counter', 'metrics': [{'labels': {'c': 'd'}, 'counter': {'value': 1}, 'timestamp_ms': 5}]}]}",
     "{'input': '# HELP a b\\n# TYPE a counter\\na{c=\\u0022d\\u0022} 1 5\\n', 'families': [{'name': 'a', 'help': 'b', 'type': 'gauge', 'metrics': [{'labels': {'c': 'd'}, 'gauge': {'value': 1}, 'timestamp_ms': 5}]}]}"},
    {"exposition/text-errors", "exposition/text-errors*.json", load_list, case_text,
     "{'input': 'a{', 'valid': false}",
     "{'input': 'a 1\\n', 'valid': false}"},
    {"exposition/openmetrics-errors", "exposition/openmetrics-errors*.json", load_list, case_openmetrics,
     "{'input': 'a 1\\n', 'valid': false}",
     "{'input': 'a 1\\n# EOF\\n', 'valid': false}"},
    {"exposition/openmetrics", "exposition/openmetrics/*/test.json", load_openmetrics, case_strict,
     "{'input': '# TYPE a counter\\na_total -1\\n# EOF\\n', 'valid': false}",
     "{'input': '# TYPE a counter\\na_total 1\\n# EOF\\n', 'valid': false}"},
    {"exposition/entries", "exposition/entries*.json", load_list, case_entries,
     "{'format': 'text', 'input': '# HELP a b\\na 1\\n', 'entries': [{'metric': 'a', 'help': 'b'}, {'metric': 'a', 'value': 1, 'labels': {'__name__': 'a'}}]}",
     "{'format': 'text', 'input': '# HELP a b\\na 1\\n', 'entries': [{'metric': 'a', 'help': 'b'}, {'metric': 'a', 'value': 2, 'labels': {'__name__': 'a'}}]}"},
    {"exposition/samples", "exposition/samples/*", load_sample, case_sample_file,
     "{'input': '# TYPE a gauge\\na 1\\n', 'valid': true, 'type_lines': 1}",
     "{'input': '# TYPE a gauge\\na 1\\n', 'valid': true, 'type_lines': 2}"},
    {"influx/decode", "influx/decode*.json", load_list, case_influx_decode,
     "{'input': {'text': 'm,t=u f=1i 7', 'defaultTime': 0, 'precision': '1ns'}, 'output': {'result': [{'name': 'm', 'time': 7, 'tags': [{'key': 't', 'value': 'u'}], 'fields': [{'key': 'f', 'value': {'int': 1}}]}]}}",
     "{'input': {'text': 'm,t=u f=1i 7', 'defaultTime': 0, 'precision': '1ns'}, 'output': {'result': [{'name': 'm', 'time': 7, 'tags': [{'key': 't', 'value': 'u'}], 'fields': [{'key': 'f', 'value': {'float': 1}}]}]}}"},
    {"influx/encode", "influx/encode*.json", load_list, case_influx_encode,
     "{'input': {'point': {'name': 'm', 'time': 7, 'tags': [], 'fields': [{'key': 'f', 'value': {'int': 1}}]}, 'precision': '1ns'}, 'output': {'result': 'm f=1i 7'}}",
     "{'input': {'point': {'name': 'm', 'time': 7, 'tags': [], 'fields': [{'key': 'f', 'value': {'int': 1}}]}, 'precision': '1ns'}, 'output': {'result': 'm f=1 7'}}"},
    {"rules/awesome", "rules/awesome/*.y*ml", load_rule_file, case_rule_file, RULE_FILE("sum(a) > 1"), RULE_FILE("sum(a) >")},
    {"rules/kube-prometheus", "rules/kube-prometheus/*.y*ml", load_rule_file, case_rule_file, RULE_FILE("a"), RULE_FILE("a(")},
    {"rules/rulefmt", "rules/rulefmt/index*.json", load_rule_index, case_rule_file, RULE_FILE("a"), RULE_FILE("{}")},
    {"http-api/parameters", "http-api/parameters*.json", load_list, case_parameter,
     "{'parameter': 'duration', 'input': '1m', 'valid': true, 'milliseconds': 60000}",
     "{'parameter': 'duration', 'input': '1m', 'valid': true, 'milliseconds': 6000}"},
    {"http-api/sample-json", "http-api/sample-json*.json", load_list, case_sample_json,
     "{'timestamp_ms': 1500, 'value': 0.5, 'json': '[1.500,\\\"0.5\\\"]'}",
     "{'timestamp_ms': 1500, 'value': 0.5, 'json': '[1.5,\\\"0.5\\\"]'}"},
};

/* Corpora this project has no code for yet, and why. */
static const struct {
    const char *name, *why;
} absent[] = {
    {"relabel/relabel", "relabelling is not built"},
    {"relabel/validate", "relabelling is not built"},
};
/* clang-format on */

/* --- loading --- */

/* A file of at most 8 MiB; the caller frees. */
static char *read_file(const char *path, size_t *len)
{
    enum { MAX_FILE = 8 << 20 };
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(MAX_FILE) : NULL;
    *len = text ? fread(text, 1, MAX_FILE, f) : 0;
    if (f) fclose(f);
    return text;
}

/* Integers over 2^63, which jansson does not read, become strings. Works on a copy. */
static void quote_big_integers(const char *text, size_t len, struct buf *out)
{
    bool in_string = false;
    for (size_t i = 0; i < len;) {
        size_t used = 0;
        int64_t v;
        while (!in_string && i + used < len && text[i + used] &&
               strchr("+-.0123456789eE", text[i + used]))
            used++;
        struct str number = {text + i, used};
        bool big = used > 18 && !memchr(number.p, '.', used) && !memchr(number.p, 'e', used) &&
                   str_to_i64(number, &v) < 0;
        if (used == 0) {
            used = in_string && text[i] == '\\' ? 2 : 1;
            if (text[i] == '"') in_string = !in_string;
        }
        if (big) buf_addch(out, '"');
        buf_add(out, text + i, MIN(used, len - i));
        if (big) buf_addch(out, '"');
        i += used;
    }
}

static json_t *load_list(const char *path)
{
    json_error_t why;
    size_t len;
    char *text = read_file(path, &len);
    struct buf b = BUF_INIT(16 << 20);
    if (text) quote_big_integers(text, len, &b);
    json_t *list = json_loadb(b.p ? b.p : "", b.len, JSON_ALLOW_NUL, &why);
    if (!list) fprintf(stderr, "%s:%d: %s\n", path, why.line, why.text);
    buf_release(&b);
    free(text);
    return list;
}

/* The expressions that are wrong in a place that is told. */
static json_t *load_refusals(const char *path)
{
    json_t *all = load_list(path), *wrong = json_array(), *c;
    size_t i;
    json_array_foreach(all, i, c) if (json_array_size(json_object_get(c, "errors")))
        json_array_append(wrong, c);
    json_decref(all);
    return wrong;
}

/* Objects of name: on by default; those of the language become a list. */
static json_t *load_features(const char *path)
{
    static const char *const groups[] = {"promql", "promql_functions", "promql_operators"};
    json_t *all = json_load_file(path, 0, NULL), *cases = json_array(), *on;
    const char *name;
    for (size_t i = 0; i < COUNT(groups); i++)
        json_object_foreach(json_object_get(all, groups[i]), name, on) json_array_append_new(
            cases, json_pack("{s:s, s:b, s:b}", "feature", name, "function",
                             strcmp(groups[i], "promql_functions") == 0, "on", json_is_true(on)));
    json_decref(all);
    return cases;
}

static json_t *load_text(const char *path)
{
    size_t len;
    char *text = read_file(path, &len);
    json_t *s = text ? json_stringn_nocheck(text, len) : NULL;
    free(text);
    return s;
}

/* test.json says whether the file metrics beside it parses. */
static json_t *load_openmetrics(const char *path)
{
    char beside[4096];
    json_t *test = load_list(path);
    int folder = (int)(strlen(path) - strlen("test.json"));
    snprintf(beside, sizeof beside, "%.*smetrics", folder, path);
    json_t *c = json_pack("[{s:o?, s:b}]", "input", load_text(beside), "valid",
                          json_is_true(json_object_get(test, "shouldParse")));
    json_decref(test);
    return c;
}

/* alltypes.237mfs.prom.txt: the number of families is part of the name. */
static json_t *load_sample(const char *path)
{
    int families = 0;
    const char *name = strrchr(path, '/');
    const char *number = name ? strpbrk(name, "0123456789") : NULL;
    if (number && strstr(number, "mfs")) families = (int)strtol(number, NULL, 10);
    return json_pack("[{s:o?, s:b, s:b, s:i}]", "input", load_text(path), "valid", 1, "openmetrics",
                     strstr(path, ".om.") != NULL, "type_lines", families);
}

static json_t *rule_case(const char *path, bool valid)
{
    return json_pack("{s:s, s:o?, s:b}", "file", path, "input", load_text(path), "valid", valid);
}

/* An index.json beside it may say how many rules the file holds. */
static json_t *load_rule_file(const char *path)
{
    char beside[4096];
    const char *name = strrchr(path, '/') + 1;
    json_t *c = rule_case(path, true);
    snprintf(beside, sizeof beside, "%.*sindex.json", (int)(name - path), path);
    json_t *index = json_load_file(beside, 0, NULL), *row = json_object_get(index, name);
    if (row)
        json_object_set_new(c, "rules",
                            json_integer(json_integer_value(json_object_get(row, "alerts")) +
                                         json_integer_value(json_object_get(row, "records"))));
    json_decref(index);
    return json_pack("[o]", c);
}

/* index.json lists files beside it, and whether each is valid. */
static json_t *load_rule_index(const char *path)
{
    char beside[4096];
    json_t *index = load_list(path), *cases = json_array();
    size_t i;
    json_t *row;
    int folder = (int)(strrchr(path, '/') - path);
    json_array_foreach(index, i, row)
    {
        const char *file = json_string_value(json_object_get(row, "file"));
        snprintf(beside, sizeof beside, "%.*s/%s", folder, path, file ? file : "");
        json_array_append_new(cases, rule_case(beside, flag_of(row, "valid")));
    }
    json_decref(index);
    return cases;
}

/* --- running --- */

struct score {
    size_t passed, failed;
};

static void complain(const struct corpus *k, const json_t *c, const char *why, size_t failed)
{
    enum { SHOWN = 20 };
    if (failed > SHOWN) return;
    char *text = json_dumps(c, JSON_COMPACT | JSON_ENCODE_ANY);
    fprintf(stderr, "%s: %s: %.300s\n", k->name, why, text ? text : "");
    free(text);
}

static void run_case(const struct corpus *k, const json_t *c, struct score *s)
{
    struct trial t = {.why = "differs"};
    arena_init(&t.arena, TRIAL_ARENA);
    if (k->run(&t, c)) {
        s->passed++;
    } else {
        s->failed++;
        complain(k, c, t.why, s->failed);
    }
    arena_release(&t.arena);
}

static void run_file(const struct corpus *k, const char *path, struct score *s)
{
    json_t *list = k->load(path);
    size_t i;
    json_t *c;
    if (!json_is_array(list)) {
        fprintf(stderr, "%s: %s: not a list of cases\n", k->name, path);
        s->failed++;
    }
    json_array_foreach(list, i, c) run_case(k, c, s);
    json_decref(list);
}

static void run_corpus(const struct corpus *k, const char *dir)
{
    char pattern[4096];
    struct score s = {0};
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/%s", dir, k->pattern);
    if (glob(pattern, 0, NULL, &found) != 0) {
        printf("%s: skipped (no %s)\n", k->name, k->pattern);
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        run_file(k, found.gl_pathv[i], &s);
    globfree(&found);
    printf("%s: %zu passed, %zu failed\n", k->name, s.passed, s.failed);
    fflush(stdout);
}

static int run_all(const char *dir, const char *only)
{
    for (size_t i = 0; i < COUNT(corpora); i++)
        if (!only || strcmp(only, corpora[i].name) == 0) run_corpus(&corpora[i], dir);
    for (size_t i = 0; i < COUNT(absent); i++)
        if (!only || strcmp(only, absent[i].name) == 0)
            printf("%s: skipped (%s)\n", absent[i].name, absent[i].why);
    return 0;
}

/* --- testing itself --- */

/* Verdict on a case written with ' for ". */
static bool verdict(const struct corpus *k, const char *text)
{
    char quoted[2048];
    size_t len = 0;
    for (; text[len] && len + 1 < sizeof quoted; len++)
        quoted[len] = text[len] == '\'' ? '"' : text[len];
    quoted[len] = '\0';
    json_error_t why;
    json_t *c = json_loads(quoted, 0, &why);
    struct trial t = {0};
    if (!c) fail_msg("%s: %s: %s", k->name, why.text, quoted);
    arena_init(&t.arena, TRIAL_ARENA);
    bool passed = k->run(&t, c);
    if (*t.why && passed) fail_msg("%s: passed with a complaint: %s", k->name, t.why);
    arena_release(&t.arena);
    json_decref(c);
    return passed;
}

static void good_cases_pass(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(corpora); i++)
        if (!verdict(&corpora[i], corpora[i].good)) fail_msg("%s", corpora[i].name);
}

static void altered_cases_fail(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(corpora); i++)
        if (verdict(&corpora[i], corpora[i].altered)) fail_msg("%s", corpora[i].name);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_cases_pass),
        cmocka_unit_test(altered_cases_fail),
    };
    if (argc > 1) return run_all(argv[1], argc > 2 ? argv[2] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
