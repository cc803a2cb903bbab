/* test_promql_print.c -- print, parse, print again: the same text, over a table and over random
 * expressions; and the layout of promql_pretty.
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
#include "tsdb/promql/fns.h"
#include "tsdb/promql/promql.h"

enum { ARENA_MAX = 4 << 20, TEXT_MAX = 1 << 20 };

/* Parses and prints into out; fails the test when the text is refused. */
static void reprint(const char *text, size_t max_line, struct buf *out)
{
    struct arena a;
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, ARENA_MAX);
    if (promql_parse(str_of(text), PROMQL_ALL, &a, &e, &err) < 0)
        fail_msg("%s: at %zu: %s", text, err.offset, err.text);
    int rc = max_line ? promql_pretty(e, max_line, out) : promql_print(e, out);
    assert_int_equal(rc, 0);
    promql_expr_release(e);
    arena_release(&a);
}

/* The printed text, and its pretty form, print as themselves. */
static void assert_fixpoint(const char *text)
{
    struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
    struct buf pretty = BUF_INIT(TEXT_MAX), again = BUF_INIT(TEXT_MAX);
    reprint(text, 0, &once);
    reprint(once.p, 0, &twice);
    assert_string_equal(once.p, twice.p);
    reprint(text, 20, &pretty);
    reprint(pretty.p, 0, &again);
    assert_string_equal(once.p, again.p);
    buf_release(&once);
    buf_release(&twice);
    buf_release(&pretty);
    buf_release(&again);
}

static void every_kind_of_expression_has_one_text(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {"1e3",                                                "1000"                              },
        {"0x10",                                               "16"                                },
        {".00001",                                             "0.00001"                           },
        {"-nan",                                               "NaN"                               },
        {"inf",                                                "+Inf"                              },
        {"Inf ^ 2 + Inf",                                      "Inf ^ 2 + +Inf"                    },
        {"aaaaaaaaaaaaaaaa + inf ^ bbbbbbbbbbbbbbbbbbbbbbbbb",
         "aaaaaaaaaaaaaaaa + Inf ^ bbbbbbbbbbbbbbbbbbbbbbbbb"                                      },
        {"1d",                                                 "1d"                                },
        {"-90s",                                               "-1m30s"                            },
        {"'a\"b\\n\\x01'",                                     "\"a\\\"b\\n\\x01\""                },
        {"`\\d`",                                              "\"\\\\d\""                         },
        {"'\xc3\xa4'",                                         "\"\xc3\xa4\""                      },
        {"'\\xff'",                                            "\"\\xff\""                         },
        {"a{c='d',b=~\"e\"}",                                  "a{b=~\"e\",c=\"d\"}"               },
        {"{'a.b',c!='d'}",                                     "{__name__=\"a.b\",c!=\"d\"}"       },
        {"a{'b.c'!~'d'}",                                      "a{\"b.c\"!~\"d\"}"                 },
        {"a[300]",                                             "a[5m]"                             },
        {"a offset 0s",                                        "a"                                 },
        {"a offset -1h @ -1.5",                                "a @ -1.500 offset -1h"             },
        {"a @ 2m",                                             "a @ 120.000"                       },
        {"a @ start()",                                        "a @ start()"                       },
        {"a[1h:]",                                             "a[1h:]"                            },
        {"a[5m:] @ end() offset 1m",                           "a[5m:] @ end() offset 1m"          },
        {"a[ (1m+2)*step() ]",                                 "a[(1m + 2) * step()]"              },
        {"a[max_of(range(),1m):1m*2]",                         "a[max_of(range(), 1m):1m * 2]"     },
        {"SUM(a)BY(b)",                                        "sum by (b) (a)"                    },
        {"topk without('x y')(3,a)",                           "topk without (\"x y\") (3, a)"     },
        {"a==bool on()group_left b",                           "a == bool on () group_left () b"   },
        {"a*ignoring(x,y)b",                                   "a * ignoring (x, y) b"             },
        {"a+fill(1)b",                                         "a + fill (1) b"                    },
        {"a+fill_right(1)fill_left(2)b",                       "a + fill_left (2) fill_right (1) b"},
        {"+a",                                                 "+a"                                },
        {"- -1",                                               "1"                                 },
        {"-(-1)",                                              "-(-1)"                             },
        {"time()",                                             "time()"                            },
        {"a[5m]smoothed",                                      "a[5m] smoothed"                    },
        {"a # comment\n or b",                                 "a or b"                            },
        {"info(a,{})",                                         "info(a, {})"                       },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b = BUF_INIT(TEXT_MAX);
        reprint(rows[i].text, 0, &b);
        assert_string_equal(b.p, rows[i].printed);
        buf_release(&b);
        assert_fixpoint(rows[i].text);
    }
}

/* --- random expressions --- */

struct random {
    uint64_t state;
    struct buf out;
};

static unsigned pick(struct random *r, unsigned n)
{
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(r->state >> 33) % n;
}

#define ONE_OF(r, ...)                                                                             \
    buf_addstr(&(r)->out,                                                                          \
               ((const char *const[]){                                                             \
                   __VA_ARGS__})[pick((r), COUNT(((const char *const[]){__VA_ARGS__})))])

static void random_duration(struct random *r, unsigned depth)
{
    unsigned kind = depth ? pick(r, 6) : 0;
    if (kind < 3) {
        ONE_OF(r, "5m", "1h30m", "90", "1.5", "2w", "step()", "range()");
    } else if (kind == 3) {
        buf_addstr(&r->out, "(");
        random_duration(r, depth - 1);
        buf_addstr(&r->out, ")");
    } else if (kind == 4) {
        random_duration(r, depth - 1);
        ONE_OF(r, " + ", "*", " ^ ");
        random_duration(r, depth - 1);
    } else {
        ONE_OF(r, "min_of(", "-max_of(");
        random_duration(r, depth - 1);
        buf_addstr(&r->out, ",");
        random_duration(r, depth - 1);
        buf_addstr(&r->out, ")");
    }
}

static void random_modifiers(struct random *r)
{
    if (pick(r, 4) == 0) ONE_OF(r, " @ 12.5", " @ start()", " @ end()");
    if (pick(r, 4) == 0) ONE_OF(r, " offset 5m", " offset -(1m*2)", " offset step()");
}

static void random_selector(struct random *r, bool range)
{
    ONE_OF(r, "a", "b:c", "sum", "offset", "start");
    if (pick(r, 2)) ONE_OF(r, "{x='y'}", "{b!='c',a=~'d|e'}", "{'q.r'='s\\n'}", "{}");
    if (range) {
        buf_addstr(&r->out, "[");
        random_duration(r, 2);
        buf_addstr(&r->out, "]");
        if (pick(r, 4) == 0) ONE_OF(r, " anchored", " smoothed");
    }
    random_modifiers(r);
}

static void random_vector(struct random *r, unsigned depth);

static void random_matrix(struct random *r, unsigned depth)
{
    if (depth == 0 || pick(r, 2)) {
        random_selector(r, true);
        return;
    }
    buf_addstr(&r->out, "(");
    random_vector(r, depth - 1);
    buf_addstr(&r->out, ")[");
    random_duration(r, 1);
    buf_addstr(&r->out, ":");
    if (pick(r, 2)) random_duration(r, 1);
    buf_addstr(&r->out, "]");
    random_modifiers(r);
}

static void random_binary(struct random *r, unsigned depth)
{
    random_vector(r, depth - 1);
    switch (pick(r, 4)) {
    case 0:
        ONE_OF(r, " and ", " or ", " unless on(a) ", " and ignoring(b) ");
        break;
    case 1:
        ONE_OF(r, " == bool ", " > ", " <= on(a,'b c') ", " != bool ignoring() ", "</", ">/");
        break;
    case 2:
        ONE_OF(r, " + on(x) group_left(y) ", "/ignoring(x) group_right() ", "-fill(0) ",
               "*fill_left(1)");
        break;
    default:
        ONE_OF(r, "+", "-", "*", "/", "%", "^", " atan2 ");
    }
    random_vector(r, depth - 1);
}

static void random_vector(struct random *r, unsigned depth)
{
    switch (depth ? pick(r, 7) : 0) {
    case 0:
        random_selector(r, false);
        break;
    case 1:
        ONE_OF(r, "rate(", "increase(", "max_over_time(", "mad_over_time(");
        random_matrix(r, depth - 1);
        buf_addstr(&r->out, ")");
        break;
    case 2:
        ONE_OF(r, "sum(", "avg by(x)(", "topk without('y z')(3,", "count_values('v',", "limitk(2,");
        random_vector(r, depth - 1);
        buf_addstr(&r->out, ")");
        break;
    case 3:
        buf_addstr(&r->out, "(");
        random_vector(r, depth - 1);
        buf_addstr(&r->out, ")");
        break;
    case 4:
        ONE_OF(r, "(-", "(+", "(2 ^ -", "(1.5e-7 * ");
        random_vector(r, depth - 1);
        buf_addstr(&r->out, ")");
        break;
    case 5:
        buf_addstr(&r->out, "label_replace(");
        random_vector(r, depth - 1);
        buf_addstr(&r->out, ",'a','$1',\"b\",`(.*)`)");
        break;
    default:
        random_binary(r, depth);
    }
}

static void random_expressions_print_as_themselves(void **state)
{
    UNUSED(state);
    struct random r = {.state = 20260102, .out = BUF_INIT(TEXT_MAX)};
    for (int i = 0; i < 2000; i++) {
        buf_reset(&r.out);
        random_vector(&r, 1 + pick(&r, 5));
        assert_int_equal(r.out.err, 0);
        assert_fixpoint(r.out.p);
    }
    buf_release(&r.out);
}

/* --- failures --- */

static void a_full_buffer_is_an_error(void **state)
{
    UNUSED(state);
    struct arena a;
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, ARENA_MAX);
    assert_int_equal(promql_parse(STR("sum(rate(a{b='c'}[5m]))"), 0, &a, &e, &err), 0);
    for (size_t max = 1; max < 20; max++) {
        struct buf b = BUF_INIT(max);
        assert_int_equal(promql_print(e, &b), E_TOO_BIG);
        buf_release(&b);
        buf_init(&b, max);
        assert_int_equal(promql_pretty(e, 10, &b), E_TOO_BIG);
        buf_release(&b);
    }
    promql_expr_release(e);
    arena_release(&a);
}

static void running_out_of_memory_is_an_error(void **state)
{
    UNUSED(state);
    struct arena a;
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, ARENA_MAX);
    assert_int_equal(promql_parse(STR("sum(rate(a{b='c'}[5m])) - -(x)"), 0, &a, &e, &err), 0);
    size_t refused = 0;
    for (uint64_t n = 1; n < 40; n++) {
        struct buf b = BUF_INIT(TEXT_MAX);
        mem_fail_at(n, 0);
        int rc = promql_pretty(e, 8, &b);
        mem_fail_at(0, 0);
        refused += rc == -ENOMEM;
        assert_true(rc == 0 || rc == -ENOMEM);
        buf_release(&b);
    }
    assert_true(refused > 10);
    promql_expr_release(e);
    arena_release(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_expression_has_one_text),
        cmocka_unit_test(random_expressions_print_as_themselves),
        cmocka_unit_test(a_full_buffer_is_an_error),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
