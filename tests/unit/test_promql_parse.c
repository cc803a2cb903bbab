/* test_promql_parse.c -- trees, types, features, limits and messages of the parser; selectors,
 * metrics and series descriptions on their own; excerpts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/mem.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/promql.h"

enum { ARENA_MAX = 1 << 20 };

static struct expr *parsed(struct arena *a, const char *text)
{
    struct errmsg err = {0};
    struct expr *e = NULL;
    if (promql_parse(str_of(text), PROMQL_ALL, a, &e, &err) < 0) fail_msg("%s: %s", text, err.text);
    return e;
}

/* --- trees: every operator in parentheses shows what binds to what --- */

static void shape(const struct expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_BINARY:
        buf_addch(out, '(');
        shape(e->binary.lhs, out);
        buf_addf(out, " %s ", binary_op_text(e->binary.op));
        shape(e->binary.rhs, out);
        buf_addch(out, ')');
        break;
    case EXPR_UNARY:
        buf_addch(out, e->unary.negative ? '-' : '+');
        buf_addch(out, '(');
        shape(e->unary.expr, out);
        buf_addch(out, ')');
        break;
    case EXPR_PAREN:
        shape(e->wrap.expr, out);
        break;
    default:
        promql_print(e, out);
    }
}

static void operators_bind_as_the_table_says(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *shape;
    } rows[] = {
        {"a + b * c",        "(a + (b * c))"         },
        {"a * b + c",        "((a * b) + c)"         },
        {"a - b - c",        "((a - b) - c)"         },
        {"a ^ b ^ c",        "(a ^ (b ^ c))"         },
        {"-a ^ b",           "-((a ^ b))"            },
        {"-a * b",           "(-(a) * b)"            },
        {"a ^ -b * c",       "((a ^ -(b)) * c)"      },
        {"-1 ^ 2",           "-((1 ^ 2))"            },
        {"-1 * 2",           "(-1 * 2)"              },
        {"a or b and c",     "(a or (b and c))"      },
        {"a and b unless c", "((a and b) unless c)"  },
        {"a > b + c",        "(a > (b + c))"         },
        {"a and b > 1 or c", "((a and (b > 1)) or c)"},
        {"a atan2 b % c",    "((a atan2 b) % c)"     },
        {"a </ 1 + 1",       "(a </ (1 + 1))"        },
        {"a offset 5m ^ 2",  "(a offset 5m ^ 2)"     },
        {"(a + b) * c",      "((a + b) * c)"         },
        {"a offset 100 + 2", "(a offset 1m40s + 2)"  },
        {"a offset -2 ^ 2",  "(a offset -2s ^ 2)"    },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct buf b = BUF_INIT(4096);
        arena_init(&a, ARENA_MAX);
        struct expr *e = parsed(&a, rows[i].text);
        shape(e, &b);
        if (strcmp(b.p, rows[i].shape) != 0) fail_msg("%s: %s", rows[i].text, b.p);
        promql_expr_release(e);
        buf_release(&b);
        arena_release(&a);
    }
}

static void words_with_a_meaning_can_name_metrics_and_labels(void **state)
{
    UNUSED(state);
    static const char *const rows[] = {
        "sum",
        "sum{a='b'}",
        "sum + avg",
        "offset offset 5m",
        "by{on='x'}",
        "start",
        "end[5m]",
        "step{step='x'}",
        "and and and",
        "or or or",
        "fill + fill",
        "a + fill_left",
        "anchored",
        "smoothed[5m] smoothed",
        "sum(sum) by (by, on, sum, and, offset, bool, atan2)",
        "count(count)",
        "min_of{a='b'}",
        "foo:bar",
        "a / on(group_left) b",
        "{sum='x'}",
        "BY",
        "{'a b'='c'}",
        "sum by ('a b') (x)",
        "{'a.b'}",
        "{'a.b', c='d'}",
        "a{b='c',}",
        "{__name__='x'}",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        arena_init(&a, ARENA_MAX);
        promql_expr_release(parsed(&a, rows[i]));
        arena_release(&a);
    }
}

static void types_and_ranges_are_set(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        enum value_type type;
        uint32_t start, end;
    } rows[] = {
        {"1",                  T_SCALAR, 0, 1 },
        {" 'x' ",              T_STRING, 1, 4 },
        {"a",                  T_VECTOR, 0, 1 },
        {"a{b='c'} offset 5m", T_VECTOR, 0, 18},
        {"a[5m] @ 1",          T_MATRIX, 0, 9 },
        {"a[5m:1m]",           T_MATRIX, 0, 8 },
        {"1 + 2",              T_SCALAR, 0, 5 },
        {"1 + a",              T_VECTOR, 0, 5 },
        {"(a)",                T_VECTOR, 0, 3 },
        {"-1",                 T_SCALAR, 0, 2 },
        {"-a",                 T_VECTOR, 0, 2 },
        {"rate(a[5m])",        T_VECTOR, 0, 11},
        {"scalar(a)",          T_SCALAR, 0, 9 },
        {"sum by (x) (a)",     T_VECTOR, 0, 14},
        {"sum(a) by (x) ",     T_VECTOR, 0, 13},
        {"time()",             T_SCALAR, 0, 6 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        arena_init(&a, ARENA_MAX);
        struct expr *e = parsed(&a, rows[i].text);
        if (e->type != rows[i].type || e->start != rows[i].start || e->end != rows[i].end)
            fail_msg("%s: %s at %u to %u", rows[i].text, value_type_name(e->type), e->start,
                     e->end);
        promql_expr_release(e);
        arena_release(&a);
    }
}

static void a_selector_holds_all_it_was_given(void **state)
{
    UNUSED(state);
    struct arena a;
    arena_init(&a, ARENA_MAX);
    struct expr *e = parsed(&a, "m{a=~'b+',c!='d'}[90s] @ 1.5 offset -1h");
    assert_int_equal(e->kind, EXPR_SELECTOR);
    assert_true(str_eq(e->selector.name, STR("m")));
    assert_int_equal(e->selector.matcher_count, 3);
    assert_int_equal(e->selector.matchers[0].type, MATCH_RE);
    assert_int_equal(e->selector.matchers[1].type, MATCH_NE);
    assert_true(str_eq(e->selector.matchers[2].name, STR("__name__")));
    assert_true(e->selector.is_range);
    assert_int_equal(e->selector.range.ms, 90000);
    assert_int_equal(e->selector.mod.at, AT_TIME);
    assert_int_equal(e->selector.mod.at_ms, 1500);
    assert_int_equal(e->selector.mod.offset.ms, -3600000);
    promql_expr_release(e);
    arena_release(&a);
}

static void matching_holds_all_it_was_given(void **state)
{
    UNUSED(state);
    struct arena a;
    arena_init(&a, ARENA_MAX);
    struct expr *e = parsed(&a, "x > bool on(a,b) group_right(c) fill_left(-1) y");
    const struct vector_matching *m = &e->binary.matching;
    assert_true(e->binary.has_matching && e->binary.return_bool && m->on);
    assert_int_equal(m->card, CARD_ONE_TO_MANY);
    assert_int_equal(m->labels.count, 2);
    assert_true(str_eq(m->include.v[0], STR("c")));
    assert_true(m->fill_left && *m->fill_left == -1 && !m->fill_right);
    e = parsed(&a, "x and y");
    assert_int_equal(e->binary.matching.card, CARD_MANY_TO_MANY);
    e = parsed(&a, "x * 2");
    assert_false(e->binary.has_matching);
    arena_release(&a);
}

/* --- refusals --- */

static void problems_have_a_place_a_text_and_a_hint(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        int line, column;
        const char *message, *hint;
    } rows[] = {
        {"",                      1, 1,  "no expression found in input",                                        ""                                            },
        {"a +\n  * b",            2, 3,  "unexpected <op:*>",                                                   ""                                            },
        {"a = b",                 1, 3,  "unexpected \"=\"",                                                    "did you mean \"==\"?"                        },
        {"1 == 1",                1, 3,  "comparisons between scalars must use BOOL modifier",                  "write == bool"                               },
        {"raet(a[5m])",           1, 1,  "unknown function with name \"raet\"",                                 "did you mean \"rate\"?"                      },
        {"summ by (x) (a)",       1, 6,  "unexpected <by>",                                                     "did you mean \"sum\"?"                       },
        {"rate(a)",               1, 6,
         "expected type range vector in call to function \"rate\", got instant vector",                         "add a range, as in [5m]"                     },
        {"rate(sum(a))",          1, 6,
         "expected type range vector in call to function \"rate\", got instant vector",                         "a subquery gives a range vector, as in [5m:]"},
        {"a{b=c}",                1, 5,  "unexpected identifier \"c\" in label matching, expected string",
         "put the value in quotes"                                                                                                                            },
        {"a[5mm]",                1, 3,  "bad number or duration syntax: \"5mm\"",
         "use ms, s, m, h, d, w or y, as in 5m"                                                                                                               },
        {"a & b",                 1, 3,  "unexpected character: '&'",                                           "write and"                                   },
        {"a[1h1h]",               1, 3,  "not a valid duration string: \"1h1h\"",                               NULL                                          },
        {"a{b=~'('}",             1, 3,  NULL,                                                                  NULL                                          },
        {"round(a, 1, 2)",        1, 1,  "expected at most 2 argument(s) in call to \"round\", got 3",          ""                                            },
        {"label_join(a)",         1, 1,  "expected at least 3 argument(s) in call to \"label_join\", got 1",
         ""                                                                                                                                                   },
        {"a + 'x'",               1, 5,  "binary expression must contain only scalar and instant vector types",
         ""                                                                                                                                                   },
        {"sum(a[5m])",            1, 5,
         "expected type instant vector in aggregation expression, got range vector",                            ""                                            },
        {"info(a, b)",            1, 9,  "expected label selectors only, got vector selector instead",          ""                                            },
        {"a + fill(1) fill(2) b", 1, 13, "fill may not be set multiple times",                                  ""                                            },
        {"1 + fill(1) b",         1, 1,  "vector matching only allowed between instant vectors",                ""                                            },
        {"a and fill(1) b",       1, 1,  "no fill allowed for \"and\" operation",                               ""                                            },
        {"a anchored smoothed",   1, 1,  "anchored and smoothed may not be set multiple times",                 ""                                            },
        {"sum(a) anchored",       1, 1,  "anchored and smoothed modifiers must be preceded by a selector",
         ""                                                                                                                                                   },
        {"sum by ('') (a)",       1, 9,  "invalid label name for grouping: \"\"",                               ""                                            },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct errmsg err = {0};
        struct expr *e = NULL;
        arena_init(&a, ARENA_MAX);
        int rc = promql_parse(str_of(rows[i].text), PROMQL_ALL, &a, &e, &err);
        if (rc != E_PARSE) fail_msg("%s: %d %s", rows[i].text, rc, err.text);
        if (err.line != rows[i].line || err.column != rows[i].column ||
            (rows[i].message && strcmp(err.text, rows[i].message) != 0) ||
            (rows[i].hint && strcmp(err.hint, rows[i].hint) != 0))
            fail_msg("%s: %d:%d: %s (%s)", rows[i].text, err.line, err.column, err.text, err.hint);
        assert_null(e);
        arena_release(&a);
    }
}

static void features_are_off_until_asked_for(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        unsigned needs;
    } rows[] = {
        {"mad_over_time(a[5m])", PROMQL_EXPERIMENTAL_FUNCTIONS},
        {"limitk(1, a)",         PROMQL_EXPERIMENTAL_FUNCTIONS},
        {"a[5m * 2]",            PROMQL_DURATION_EXPRESSIONS  },
        {"a offset (5m)",        PROMQL_DURATION_EXPRESSIONS  },
        {"a[5m] anchored",       PROMQL_EXTENDED_RANGE        },
        {"a + fill(0) b",        PROMQL_FILL                  },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct errmsg err = {0};
        struct expr *e = NULL;
        arena_init(&a, ARENA_MAX);
        assert_int_equal(
            promql_parse(str_of(rows[i].text), PROMQL_ALL & ~rows[i].needs, &a, &e, &err), E_PARSE);
        assert_non_null(strstr(err.text, "not enabled"));
        assert_int_equal(promql_parse(str_of(rows[i].text), rows[i].needs, &a, &e, &err), 0);
        promql_expr_release(e);
        arena_release(&a);
    }
}

/* count times the text in, around a, then out */
static int parse_nested(const char *in, const char *out, int count)
{
    struct arena a;
    struct buf b = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, 16 << 20);
    for (int i = 0; i < count; i++)
        buf_addstr(&b, in);
    buf_addch(&b, 'a');
    for (int i = 0; i < count; i++)
        buf_addstr(&b, out);
    int rc = promql_parse((struct str){b.p, b.len}, PROMQL_ALL, &a, &e, &err);
    if (rc == 0) promql_expr_release(e);
    if (rc < 0) assert_true(err.text[0] && err.line == 1);
    buf_release(&b);
    arena_release(&a);
    return rc;
}

static void depth_has_a_limit(void **state)
{
    UNUSED(state);
    static const struct {
        const char *in, *out;
        int shallow, deep;
    } rows[] = {
        {"(",    ")",       0,       E_TOO_BIG},
        {"-",    "",        0,       E_TOO_BIG},
        {"abs(", ")",       0,       E_TOO_BIG},
        {"sum(", ")",       0,       E_TOO_BIG},
        {"",     " + a",    0,       E_TOO_BIG},
        {"",     " ^ a",    0,       E_TOO_BIG},
        {"",     "[5m:1m]", E_PARSE, E_TOO_BIG},
        {"b[",   "]",       E_PARSE, E_PARSE  },
        {"b[(",  ")]",      E_PARSE, E_PARSE  },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(parse_nested(rows[i].in, rows[i].out, 200), rows[i].shallow);
        assert_int_equal(parse_nested(rows[i].in, rows[i].out, 20000), rows[i].deep);
    }
}

static void durations_have_the_same_limit(void **state)
{
    UNUSED(state);
    struct arena a;
    struct buf b = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, 16 << 20);
    buf_addstr(&b, "a[");
    for (int i = 0; i < 20000; i++)
        buf_addch(&b, '(');
    assert_int_equal(promql_parse((struct str){b.p, b.len}, PROMQL_ALL, &a, &e, &err), E_TOO_BIG);
    buf_truncate(&b, 2);
    for (int i = 0; i < 20000; i++)
        buf_addstr(&b, "1+");
    buf_addstr(&b, "1]");
    assert_int_equal(promql_parse((struct str){b.p, b.len}, PROMQL_ALL, &a, &e, &err), E_TOO_BIG);
    buf_release(&b);
    arena_release(&a);
}

static void texts_have_a_limit(void **state)
{
    UNUSED(state);
    size_t len = (1 << 20) + 1;
    char *text = malloc(len);
    struct arena a;
    struct errmsg err = {0};
    struct expr *e = NULL;
    assert_non_null(text);
    memset(text, ' ', len);
    arena_init(&a, ARENA_MAX);
    assert_int_equal(promql_parse((struct str){text, len}, 0, &a, &e, &err), E_TOO_BIG);
    arena_release(&a);
    free(text);
}

static void running_out_of_memory_is_an_error(void **state)
{
    UNUSED(state);
    static const char text[] = "sum by (a, 'b') (rate(x{c=~'d.*'}[5m * 2])) / on(a) group_left(e) "
                               "fill(1) (y > bool -1) or topk(3, z @ end() offset 1h)";
    for (size_t max = 64;; max += 64) {
        struct arena a;
        struct expr *e = NULL;
        struct errmsg err = {0};
        arena_init(&a, max);
        int rc = promql_parse(STR(text), PROMQL_ALL, &a, &e, &err);
        promql_expr_release(e);
        arena_release(&a);
        if (rc == 0) break;
        assert_int_equal(rc, E_LIMIT);
    }
    for (uint64_t n = 1;; n++) {
        struct arena a;
        struct expr *e = NULL;
        struct errmsg err = {0};
        arena_init(&a, ARENA_MAX);
        mem_fail_at(n, 0);
        int rc = promql_parse(STR(text), PROMQL_ALL, &a, &e, &err);
        mem_fail_at(0, 0);
        promql_expr_release(e);
        arena_release(&a);
        if (rc == 0 && n > 50) break;
    }
}

/* --- parts on their own --- */

static int count_selector(void *arg, const struct expr *e)
{
    struct buf *b = arg;
    buf_addf(b, "%.*s ", (int)e->selector.name.len, e->selector.name.p);
    return b->len > 6 ? 7 : 0;
}

static void selectors_are_visited_in_order(void **state)
{
    UNUSED(state);
    struct arena a;
    struct buf b = BUF_INIT(100);
    arena_init(&a, ARENA_MAX);
    struct expr *e = parsed(&a, "topk(scalar(a), -b) + rate((rate(c[5m])[1h:]))");
    assert_int_equal(promql_selectors(e, count_selector, &b), 0);
    assert_string_equal(b.p, "a b c ");
    e = parsed(&a, "a + b + c + d + e");
    assert_int_equal(promql_selectors(e, count_selector, &b), 7);
    buf_release(&b);
    arena_release(&a);
}

static void selectors_stand_alone(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        size_t count;
        const char *message;
    } rows[] = {
        {"a",             1, NULL                                                         },
        {"{a='b'}",       1, NULL                                                         },
        {"a{b=~'c'}",     2, NULL                                                         },
        {"sum{a='b'}",    2, NULL                                                         },
        {"{'a.b'}",       1, NULL                                                         },
        {"",              0, "unexpected end of input"                                    },
        {"{}",            0, "vector selector must contain at least one non-empty matcher"},
        {"a[5m]",         0, "unexpected \"[\""                                           },
        {"a offset 5m",   0, "unexpected <offset>"                                        },
        {"1",             0, "unexpected number \"1\", expected vector selector"          },
        {"a{b=~'c'} + a", 0, "unexpected <op:+>"                                          },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct matcher *m = NULL;
        size_t count = 0;
        struct errmsg err = {0};
        arena_init(&a, ARENA_MAX);
        int rc = promql_parse_selector(str_of(rows[i].text), &a, &m, &count, &err);
        bool finds_all = strcmp(rows[i].text, "{}") == 0;
        assert_int_equal(rc, finds_all ? E_INVALID : rows[i].message ? E_PARSE : 0);
        assert_int_equal(count, rows[i].count);
        if (rows[i].message) assert_string_equal(err.text, rows[i].message);
        for (size_t k = 0; k < count; k++)
            matcher_release(&m[k]);
        arena_release(&a);
    }
}

static void excerpts_point_at_the_problem(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *excerpt;
    } rows[] = {
        {"rate(abc)",      "1 | rate(abc)\n  |      ^^^ add a range, as in [5m]\n"},
        {"a +\n\t(b !! c", "2 | \t(b !! c\n  | \t   ^\n"                          },
        {"1 +",            "1 | 1 +\n  |    ^\n"                                  },
        {"'\xc3\xa4' + a", "1 | '\xc3\xa4' + a\n  | ^^^\n"                        },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena a;
        struct buf b = BUF_INIT(4096);
        struct errmsg err = {0};
        struct expr *e = NULL;
        arena_init(&a, ARENA_MAX);
        assert_int_equal(promql_parse(str_of(rows[i].text), 0, &a, &e, &err), E_PARSE);
        promql_excerpt(str_of(rows[i].text), &err, &b);
        assert_string_equal(b.p, rows[i].excerpt);
        buf_release(&b);
        arena_release(&a);
    }
}

static void the_function_table_is_sorted_and_sound(void **state)
{
    UNUSED(state);
    size_t count;
    const struct promql_fn *fns = promql_fns(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(promql_fn_find(str_of(fns[i].name)), &fns[i]);
        if (i) assert_true(strcmp(fns[i - 1].name, fns[i].name) < 0);
        assert_true(fns[i].max_args == PROMQL_FN_VARIADIC || fns[i].max_args >= fns[i].min_args);
        assert_true(fns[i].max_args == 0 || fns[i].args[0] != T_NONE);
        assert_true(fns[i].result == T_SCALAR || fns[i].result == T_VECTOR);
    }
    assert_null(promql_fn_find(STR("Rate")));
    assert_int_equal(promql_fn_arg(promql_fn_find(STR("label_join")), 9), T_STRING);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_the_table_says),
        cmocka_unit_test(words_with_a_meaning_can_name_metrics_and_labels),
        cmocka_unit_test(types_and_ranges_are_set),
        cmocka_unit_test(a_selector_holds_all_it_was_given),
        cmocka_unit_test(matching_holds_all_it_was_given),
        cmocka_unit_test(problems_have_a_place_a_text_and_a_hint),
        cmocka_unit_test(features_are_off_until_asked_for),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(durations_have_the_same_limit),
        cmocka_unit_test(texts_have_a_limit),
        cmocka_unit_test(running_out_of_memory_is_an_error),
        cmocka_unit_test(selectors_are_visited_in_order),
        cmocka_unit_test(selectors_stand_alone),
        cmocka_unit_test(excerpts_point_at_the_problem),
        cmocka_unit_test(the_function_table_is_sorted_and_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
