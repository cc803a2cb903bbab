/* test_api_parse.c -- the syntax tree as JSON, and the endpoints that only parse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 1 << 20 };

/* A vector selector without modifiers. */
#define SELECTOR(name)                                                                             \
    "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"" name    \
    "\"}],\"name\":\"" name "\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,"              \
    "\"startOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelector\"}"
#define NUMBER(text) "{\"type\":\"numberLiteral\",\"val\":\"" text "\"}"
#define DURATION(text, written)                                                                    \
    "{\"duration\":" written ",\"type\":\"numberLiteral\",\"val\":\"" text "\"}"
#define DURATION_EXPR(op, lhs, rhs, wrapped)                                                       \
    "{\"lhs\":" lhs ",\"op\":\"" op "\",\"rhs\":" rhs                                              \
    ",\"type\":\"durationExpr\",\"wrapped\":" wrapped "}"
#define NO_FILL "\"fillValues\":{\"lhs\":null,\"rhs\":null}"

static void trees(void **state)
{
    static const struct {
        const char *query, *tree;
    } rows[] = {
        {"up",                                                    SELECTOR("up")                                                     },
        {"1e3",                                                   NUMBER("1000")                                                     },
        {"-Inf",                                                  NUMBER("-Inf")                                                     },
        {"5m",                                                    NUMBER("300")                                                      },
        {"'x\"'",                                                 "{\"type\":\"stringLiteral\",\"val\":\"x\\\"\"}"                   },
        {"-up",                                                   "{\"expr\":" SELECTOR("up") ",\"op\":\"-\",\"type\":\"unaryExpr\"}"},
        {"(up)",                                                  "{\"expr\":" SELECTOR("up") ",\"type\":\"parenExpr\"}"             },
        {"up{a=\"b\",c!~\"d|e\"} offset 5m @ 1.5",
         "{\"anchored\":false,\"matchers\":[{\"name\":\"a\",\"type\":\"=\",\"value\":\"b\"},"
         "{\"name\":\"c\",\"type\":\"!~\",\"value\":\"d|e\"},"
         "{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"up\"}],\"name\":\"up\","
         "\"offset\":300000,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":null,"
         "\"timestamp\":1500,\"type\":\"vectorSelector\"}"                                                                           },
        {"{__name__=\"x\"} @ end()",
         "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"x\"}]"
         ","
         "\"name\":\"\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":\"end\","
         "\"timestamp\":null,\"type\":\"vectorSelector\"}"                                                                           },
        {"up[5m] offset -1m",
         "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"up\"}"
         "],"
         "\"name\":\"up\",\"offset\":-60000,\"offsetExpr\":null,\"range\":300000,"
         "\"rangeExpr\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,"
         "\"type\":\"matrixSelector\"}"                                                                                              },
        {"up[1h:5m] @ start()",
         "{\"expr\":" SELECTOR(
             "up") ",\"offset\":0,\"offsetExpr\":null,\"range\":3600000,"
                   "\"rangeExpr\":null,\"startOrEnd\":\"start\",\"step\":300000,\"stepExpr\":null,"
                   "\"timestamp\":null,\"type\":\"subquery\"}"                                                                       },
        {"up[4s+4s:1s*2] offset (5s-8)",
         "{\"expr\":" SELECTOR("up") ",\"offset\":0,\"offsetExpr\":" DURATION_EXPR(
             "-",                                                                                                                      DURATION("5", "true"), DURATION("8", "false"),
         "true") ",\"range\":0,\"rangeExpr\":" DURATION_EXPR("+", DURATION("4", "true"),
         DURATION("4", "true"),
         "false") ",\"startOrEnd\":null,"
                                                                          "\"step\":0,"
                                                                          "\"stepExpr\""
                                                                          ":" DURATION_EXPR(
                                                                              "*", DURATION("1", "true"),
         DURATION("2",
         "false"),
         "false") ",\"timestam"
                                                                                       "p\":null,"
                                                                                       "\"type\":"
                                                                                       "\"subquery"
                                                                                       "\"}"},
        {"up offset -min_of(5s,step()+8s)",
         "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"up\"}"
         "],"
         "\"name\":\"up\",\"offset\":0,\"offsetExpr\":" DURATION_EXPR(
             "-",                                                                                                       "null",
         DURATION_EXPR("min_of", DURATION("5", "true"),
         DURATION_EXPR("+", DURATION_EXPR("step", "null", "null", "false"),
         DURATION("8", "true"), "false"),
         "false"),
         "false") ",\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,"
                      "\"type\":\"vectorSelector\"}"},
        {"round(up, 5)",
         "{\"args\":[" SELECTOR("up") "," NUMBER(
             "5") "],\"func\":{\"argTypes\":[\"vector\",\"scalar\"],\"name\":\"round\","
                  "\"returnType\":\"vector\",\"variadic\":1},\"type\":\"call\"}"                                                       },
        {"time()",                                            "{\"args\":[],\"func\":{\"argTypes\":[],\"name\":\"time\",\"returnType\":"
                   "\"scalar\",\"variadic\":0},\"type\":\"call\"}"                                                                                                       },
        {"sum(up)",                                           "{\"expr\":" SELECTOR("up") ",\"grouping\":[],\"op\":\"sum\",\"param\":null,"
                                                "\"type\":\"aggregation\",\"without\":false}"                                                                                                      },
        {"topk without (a, b) (2, up)",
         "{\"expr\":" SELECTOR("up") ",\"grouping\":[\"a\",\"b\"],\"op\":\"topk\","
                                     "\"param\":" NUMBER(
                                         "2") ",\"type\":\"aggregation\",\"without\":true}"                                         },
        {"a > bool 1",                       "{\"bool\":true,\"lhs\":" SELECTOR("a") ",\"matching\":null,\"op\":\">\","
                                                               "\"rhs\":" NUMBER("1") ",\"type\":"
                                                                                      "\"binaryExpr"
                                                                                      "\"}"                                                                                                                     },
        {"a + b",
         "{\"bool\":false,\"lhs\":" SELECTOR(
             "a") ",\"matching\":{\"card\":\"one-to-one\"," NO_FILL
                  ",\"include\":[],\"labels\":[],\"on\":false},\"op\":\"+\",\"rhs\":" SELECTOR(
                      "b") ",\"type\":\"binaryExpr\"}"                                                                                        },
        {"a * on (x) group_right (y) b",
         "{\"bool\":false,\"lhs\":" SELECTOR("a") ",\"matching\":{\"card\":\"one-to-many\"," NO_FILL
                                                  ",\"include\":[\"y\"],\"labels\":[\"x\"],"
                                                  "\"on\":true},\"op\":\"*\",\"rhs\":" SELECTOR(
                                                      "b") ",\"type\":\"binaryExpr\"}"                                                                                     },
        {"a unless b",                                                 "{\"bool\":false,\"lhs\":" SELECTOR(
                           "a") ",\"matching\":{\"card\":\"many-to-many\"," NO_FILL
                                ",\"include\":[],\"labels\":[],\"on\":false},\"op\":\"unless\","
                                "\"rhs\":" SELECTOR("b") ",\"type\":\"binaryExpr\"}"                                                                                                           },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;
        struct errmsg err = {0};
        struct expr *e = NULL;
        struct buf out = BUF_INIT(OUT_MAX);
        struct json j;
        arena_init(&arena, OUT_MAX);
        int rc = promql_parse(str_of(rows[i].query), PROMQL_DEFAULT, &arena, &e, &err);
        if (rc < 0) fail_msg("%s: %s", rows[i].query, err.text);
        json_init(&j, &out);
        api_ast(&j, e);
        assert_string_equal(out.p, rows[i].tree);
        promql_expr_release(e);
        buf_release(&out);
        arena_release(&arena);
    }
}

struct fixture {
    struct app app;
    struct arena arena;
    struct request r;
    struct response p;
};

static void begin(struct fixture *f, const char *form)
{
    struct errmsg err = {0};
    *f = (struct fixture){0};
    app_init(&f->app, env_system());
    arena_init(&f->arena, OUT_MAX);
    f->r.arena = &f->arena;
    response_init(&f->p, OUT_MAX);
    assert_int_equal(request_add_form(&f->r, str_of(form), &err), 0);
}

static void end(struct fixture *f)
{
    app_release(&f->app);
    response_release(&f->p);
    arena_release(&f->arena);
}

static void endpoints_that_parse(void **state)
{
    static const struct {
        route_fn *answer;
        const char *form;
        int status;
        const char *body;
    } rows[] = {
        {api_format_query,    "query=sum(  x )",        200, "{\"status\":\"success\",\"data\":\"sum(x)\"}"     },
        {api_format_query,    "",                       400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"query\\\": unknown position: parse error: no expression found in input\"}"                        },
        {api_parse_query,     "query=1",                200, "{\"status\":\"success\",\"data\":" NUMBER("1") "}"},
        {api_parse_query,     "query=sum(",             400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"query\\\": 1:5: parse error: unclosed left parenthesis\"}"                                        },
        {api_query_exemplars, "query=up&start=1&end=2", 200,
         "{\"status\":\"success\",\"data\":[]}"                                                                 },
        {api_query_exemplars, "query=up&start=3&end=2", 400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"end timestamp must not be "
         "before start timestamp\"}"                                                                            },
        {api_query_exemplars, "query=up&start=x",       400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"start\\\": invalid time value for 'start': cannot parse \\\"x\\\" to a valid "
         "timestamp\"}"                                                                                         },
        {api_query_exemplars, "query=sum(",             400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:5: parse error: unclosed "
         "left parenthesis\"}"                                                                                  },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        begin(&f, rows[i].form);
        rows[i].answer(&f.app, &f.r, &f.p);
        assert_string_equal(f.p.body.p, rows[i].body);
        assert_int_equal(f.p.status, rows[i].status);
        end(&f);
    }
}

static void the_deepest_expression_has_a_tree(void **state)
{
    struct fixture f;
    struct buf form = BUF_INIT(OUT_MAX);
    (void)state;
    buf_addstr(&form, "query=");
    for (int i = 0; i < 200; i++)
        buf_addstr(&form, "abs(");
    buf_addstr(&form, "x");
    for (int i = 0; i < 200; i++)
        buf_addstr(&form, ")");
    begin(&f, form.p);
    api_parse_query(&f.app, &f.r, &f.p);
    assert_int_equal(f.p.status, 200);
    assert_non_null(strstr(f.p.body.p, "\"vectorSelector\"}],\"func\""));
    end(&f);
    buf_release(&form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),
        cmocka_unit_test(endpoints_that_parse),
        cmocka_unit_test(the_deepest_expression_has_a_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
