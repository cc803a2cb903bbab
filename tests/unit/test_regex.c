/* test_regex.c -- RE2 syntax on PCRE2: what passes the gate, and what it then means.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/regex.h"

static int match(const char *pattern, int flags, const char *text)
{
    struct regex *r = NULL;
    assert_int_equal(regex_new(&r, str_of(pattern), flags, NULL), 0);
    int rc = regex_match(r, str_of(text));
    regex_free(r);
    return rc;
}

static void anchored_patterns_match_whole_texts(void **state)
{
    static const struct {
        const char *pattern, *text;
        int want;
    } rows[] = {
        {"foo",               "foo",          1},
        {"foo",               "foobar",       0},
        {"a|b",               "b",            1},
        {"a|b",               "ab",           0},
        {"",                  "",             1},
        {".*",                "a\nb",         1},
        {"a.b",               "a\nb",         1},
        {"foo$",              "foo\n",        0},
        {"(?i)k",             "\xe2\x84\xaa", 1}, /* the Kelvin sign folds to k */
        {"\\d+",              "\xd9\xa3",     0}, /* an Arabic digit is no \d in RE2 */
        {"\\w+",              "\xc3\xa9",     0},
        {"\\s",               "\v",           0},
        {"\\v",               "\v",           1},
        {"[[:space:]]",       "\v",           1},
        {"\\pL+",             "\xc3\xa9",     1},
        {"\\p{Greek}",        "\xce\xb1",     1},
        {"\\p{^Greek}",       "a",            1},
        {"[^\\S]",            " ",            1},
        {"\\Qa.b\\E",         "a.b",          1},
        {"\\Qa.b\\E",         "axb",          0},
        {"\\x41\\x{42}\\103", "ABC",          1},
        {"x{,3}",             "x{,3}",        1},
        {"a{2,3}",            "aaa",          1},
        {"[]a]+",             "]a",           1},
        {"[a-]+",             "a-",           1},
        {"(?P<n>a)(b)?",      "a",            1},
        {"(?:a|(?i:b))c",     "Bc",           1},
        {"\\Aa\\z",           "a",            1},
        {"(?m)a$\\n^b",       "a\nb",         1},
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(match(rows[i].pattern, REGEX_ANCHORED, rows[i].text), rows[i].want);
    assert_int_equal(match("b", 0, "abc"), 1);
    assert_int_equal(match("a.c", 0, "a\nc"), 0);
}

static void what_re2_refuses_is_refused(void **state)
{
    static const char *const bad[] = {
        "a**",         "a++",        "*a",        "a|*",
        "(?=a)",       "(?!a)",      "(?<=a)",    "(?<!a)",
        "(?>a)",       "\\1",        "(a)\\1",    "\\k<n>",
        "(?R)",        "(*ANY)",     "(?x)a",     "\\h",
        "\\R",         "\\K",        "\\X",       "\\C",
        "\\G",         "\\Z",        "(",         ")",
        "[a",          "[b-a]",      "a{1001}",   "(a{50}){50}",
        "x{2,1}",      "\\8",        "\\",        "(?P<n>a)(?P<n>b)",
        "(?P<>a)",     "(?P<a-b>c)", "\\p{Nope}", "[[:nope:]]",
        "\\x{110000}", "\\xg",       "\xff",      "(?i-)a",
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct regex *r = NULL;
        struct errmsg e = {0};
        assert_true(regex_new(&r, str_of(bad[i]), REGEX_ANCHORED, &e) < 0);
        assert_null(r);
        assert_true(e.text[0]);
    }
    struct regex *r;
    char deep[2000];
    memset(deep, '(', 1000);
    memset(deep + 1000, ')', 999);
    deep[1999] = '\0';
    assert_true(regex_new(&r, str_of(deep), 0, NULL) < 0);
}

static void hostile_pattern_ends_in_an_error(void **state)
{
    struct regex *r;
    char text[64];
    UNUSED(state);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    assert_int_equal(regex_new(&r, STR("(a+a*)+(a+)+c"), REGEX_ANCHORED, NULL), 0);
    int rc = regex_match(r, (struct str){text, sizeof text});
    assert_true(rc == 0 || rc == E_LIMIT);
    regex_free(r);
}

static void invalid_text_is_searched_all_the_same(void **state)
{
    UNUSED(state);
    assert_int_equal(match("b", 0,
                           "\xff"
                           "b"),
                     1);
    assert_int_equal(match("a.*", REGEX_ANCHORED, "\xff"), 0);
}

static void literals_and_prefixes_are_seen(void **state)
{
    static const struct {
        const char *pattern;
        size_t literals;
        const char *prefix;
    } rows[] = {
        {"a|b|c",       3, ""   },
        {"foo",         1, "foo"},
        {"foo\\.bar|x", 2, ""   },
        {"foo.*",       0, "foo"},
        {"fo+",         0, "f"  },
        {"(?i)foo",     0, ""   },
        {"a|b.*",       0, ""   },
        {"(a|b)",       2, ""   },
        {"(a|b)|c",     0, ""   },
        {"(a)|(b)",     0, ""   },
        {"(?:a|b)",     0, ""   },
        {"(a|b\\))",    2, ""   },
        {"\\Qx.y\\E",   1, "x.y"},
        {"",            1, ""   },
        {"a|",          2, ""   },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct regex *r;
        const struct str *v;
        assert_int_equal(regex_new(&r, str_of(rows[i].pattern), REGEX_ANCHORED, NULL), 0);
        assert_int_equal(regex_literals(r, &v), rows[i].literals);
        assert_true(str_eq(regex_prefix(r), str_of(rows[i].prefix)));
        regex_free(r);
    }
}

/* As Grafana writes a variable with many values. */
static void large_sets_of_literals_are_looked_up(void **state)
{
    struct buf set = BUF_INIT(1 << 20), other = BUF_INIT(1 << 20);
    struct regex *r;
    struct errmsg err = {0};
    struct buf out = BUF_INIT(100);
    UNUSED(state);
    buf_addch(&set, '(');
    for (int i = 0; i < 2000; i++)
        buf_addf(&set, "%snode-%d\\.example", i ? "|" : "", i * 7 % 2000);
    buf_addch(&set, ')');
    assert_int_equal(regex_new(&r, (struct str){set.p, set.len}, REGEX_ANCHORED, &err), 0);
    assert_int_equal(regex_match(r, STR("node-0.example")), 1);
    assert_int_equal(regex_match(r, STR("node-1999.example")), 1);
    assert_int_equal(regex_match(r, STR("node-2000.example")), 0);
    assert_int_equal(regex_match(r, STR("node-1xexample")), 0);
    assert_int_equal(regex_match(r, STR("node-1.example\n")), 0);
    assert_int_equal(regex_match(r, (struct str){NULL, 0}), 0);
    assert_int_equal(regex_expand(r, STR("node-5.example"), STR("<$1|$0|$2>"), &out), 1);
    assert_string_equal(out.p, "<node-5.example|node-5.example|>");
    assert_int_equal(regex_expand(r, STR("x"), STR("$1"), &out), 0);
    regex_free(r);
    buf_addstr(&set, "|x.*"); /* no set any more, and too large for a pattern */
    assert_int_equal(regex_new(&r, (struct str){set.p, set.len}, REGEX_ANCHORED, &err), E_TOO_BIG);
    for (int i = 0; i < 5000; i++)
        buf_addstr(&other, "a|");
    assert_int_equal(regex_new(&r, (struct str){other.p, other.len}, 0, &err), E_TOO_BIG);
    while (other.len <= 64 << 10)
        buf_addstr(&other, "|");
    assert_int_equal(regex_new(&r, (struct str){other.p, other.len}, REGEX_ANCHORED, &err),
                     E_TOO_BIG);
    assert_int_equal(regex_new(&r, (struct str){other.p, 64 << 10}, REGEX_ANCHORED, &err), 0);
    assert_int_equal(regex_match(r, (struct str){NULL, 0}), 1);
    regex_free(r);
    buf_release(&set);
    buf_release(&other);
    buf_release(&out);
}

static void templates_expand_as_in_go(void **state)
{
    static const struct {
        const char *pattern, *text, *template, *want;
    } rows[] = {
        {"(.*)-(.*)", "a-b", "$2-$1",  "b-a"   },
        {"(?P<x>.*)", "a",   "${x}!",  "a!"    },
        {"(a)",       "a",   "$1x",    ""      },
        {"(a)",       "a",   "${1}x",  "ax"    },
        {"(a)(b)?",   "a",   "[$2]",   "[]"    },
        {"a",         "a",   "$$1",    "$1"    },
        {"a",         "a",   "cost $", "cost $"},
        {"a",         "a",   "${",     "${"    },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct regex *r;
        struct buf out = BUF_INIT(100);
        assert_int_equal(regex_new(&r, str_of(rows[i].pattern), REGEX_ANCHORED, NULL), 0);
        assert_int_equal(regex_expand(r, str_of(rows[i].text), str_of(rows[i].template), &out), 1);
        assert_string_equal(out.p ? out.p : "", rows[i].want);
        buf_release(&out);
        regex_free(r);
    }
}

static void every_match_is_replaced(void **state)
{
    static const struct {
        const char *pattern, *text, *template, *want;
    } rows[] = {
        {"a(x*)b", "-ab-axxb-", "${1}W", "-W-xxW-"},
        {"x*",     "abxd",      "-",     "-a-b-d-"},
        {"é",     "éé",      "e",     "ee"     },
        {"z",      "abc",       "-",     "abc"    },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct regex *r;
        struct buf out = BUF_INIT(100);
        assert_int_equal(regex_new(&r, str_of(rows[i].pattern), 0, NULL), 0);
        assert_int_equal(regex_replace_all(r, str_of(rows[i].text), str_of(rows[i].template), &out),
                         0);
        assert_string_equal(out.p, rows[i].want);
        buf_release(&out);
        regex_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchored_patterns_match_whole_texts),
        cmocka_unit_test(what_re2_refuses_is_refused),
        cmocka_unit_test(hostile_pattern_ends_in_an_error),
        cmocka_unit_test(invalid_text_is_searched_all_the_same),
        cmocka_unit_test(literals_and_prefixes_are_seen),
        cmocka_unit_test(large_sets_of_literals_are_looked_up),
        cmocka_unit_test(templates_expand_as_in_go),
        cmocka_unit_test(every_match_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
