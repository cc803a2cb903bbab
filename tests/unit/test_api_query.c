/* test_api_query.c -- the endpoints that read: whole answers over a small store in memory, at a
 * time that stands still.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/memstore.h"

enum { ANSWER_MAX = 1 << 20, NOW_MS = 100500, MONO_NS = 1000000000 };

static int64_t still_ms(struct env *e)
{
    (void)e;
    return NOW_MS;
}

static int64_t still_ns(struct env *e)
{
    (void)e;
    return MONO_NS;
}

static const struct timesource still = {.now_ms = still_ms, .mono_ns = still_ns};

struct fixture {
    struct env env;
    struct memstore *store;
    struct app app;
    struct arena arena;
    struct request r;
    struct response p;
};

static void add(struct fixture *f, const char *name, const char *label, const char *value,
                int64_t from_s, int64_t to_s)
{
    struct label v[] = {
        {STR("__name__"), str_of(name) },
        {str_of(label),   str_of(value)},
    };
    for (int64_t t = from_s; t <= to_s; t += 10)
        assert_int_equal(memstore_add(f->store, (struct labels){v, 2}, t * 1000, (double)t), 0);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.env = {.time = &still}};
    struct app_settings s = {.scopes = SCOPE_BIT(SCOPE_READ),
                             .query_timeout_ms = 30000,
                             .lookback_ms = 300000,
                             .query_samples = 100000,
                             .query_series = 1000,
                             .query_memory = 16 << 20,
                             .body_bytes = 1 << 20,
                             .decoded_bytes = 1 << 20};
    if (memstore_new(&f.store) < 0) return -1;
    app_init(&f.app, &f.env);
    app_set_settings(&f.app, &s);
    f.app.querier = memstore_querier(f.store);
    f.app.ready = 1;
    add(&f, "a", "x", "1", 0, 100);
    add(&f, "a", "x", "2", 0, 50);
    add(&f, "b", "caf\xc3\xa9", "y", 90, 100);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    memstore_free(f->store);
    app_release(&f->app);
    return 0;
}

/* One request through the routes; the answer lives until the next. */
static const char *ask(struct fixture *f, enum http_method method, const char *target,
                       const char *form)
{
    struct errmsg err = {0};
    arena_init(&f->arena, 8 << 20);
    f->r = (struct request){.arena = &f->arena,
                            .method = method,
                            .id = "id",
                            .start_mono_ns = MONO_NS,
                            .body = str_of(form ? form : "")};
    f->r.header[HDR_CONTENT_TYPE] = form ? "application/x-www-form-urlencoded" : NULL;
    assert_int_equal(request_set_target(&f->r, str_of(target), &err), 0);
    response_init(&f->p, ANSWER_MAX);
    route_answer(&f->app, &f->r, &f->p);
    return f->p.body.p ? f->p.body.p : "";
}

static void done(struct fixture *f)
{
    response_release(&f->p);
    arena_release(&f->arena);
}

struct case_row {
    const char *target;
    int status;
    const char *body; /* one that ends in * is a beginning */
};

static void check_rows(struct fixture *f, const struct case_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *body = ask(f, HTTP_GET, rows[i].target, NULL);
        size_t len = strlen(rows[i].body);
        bool prefix = rows[i].body[len - 1] == '*';
        bool same =
            prefix ? strncmp(body, rows[i].body, len - 1) == 0 : strcmp(body, rows[i].body) == 0;
        if (!same || f->p.status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].target, f->p.status, body);
        assert_string_equal(f->p.content_type, "application/json");
        done(f);
    }
}

#define OK(data)  "{\"status\":\"success\",\"data\":" data "}"
#define BAD(text) "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"" text "\"}"
#define TRUNCATED(data)                                                                            \
    "{\"status\":\"success\",\"data\":" data ",\"warnings\":[\"results truncated due to limit\"]}"
#define VECTOR(items) "{\"resultType\":\"vector\",\"result\":[" items "]}"
#define MATRIX(items) "{\"resultType\":\"matrix\",\"result\":[" items "]}"
#define A1            "{\"__name__\":\"a\",\"x\":\"1\"}"
#define A2            "{\"__name__\":\"a\",\"x\":\"2\"}"

static void instant_queries(void **state)
{
    static const struct case_row rows[] = {
        {"/api/v1/query?query=time()",                            200,
         OK("{\"resultType\":\"scalar\",\"result\":[100.500,\"100.5\"]}")                        },
        {"/api/v1/query?query=1%2B1&time=4",                      200,
         OK("{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}")                                  },
        {"/api/v1/query?query=%22x%22&time=4.5",                  200,
         OK("{\"resultType\":\"string\",\"result\":[4.500,\"x\"]}")                              },
        {"/api/v1/query?query=a&time=20",                         200,
         OK(VECTOR("{\"metric\":" A1 ",\"value\":[20,\"20\"]},{\"metric\":" A2
                   ",\"value\":[20,\"20\"]}"))                                                   },
        {"/api/v1/query?query=a&time=20&limit=1",                 200,
         TRUNCATED(VECTOR("{\"metric\":" A1 ",\"value\":[20,\"20\"]}"))                          },
        {"/api/v1/query?query=a&time=20&limit=2&nonsense=1",      200,
         "{\"status\":\"success\",\"data\":{*"                                                   },
        {"/api/v1/query?query=a&time=80&lookback_delta=20s",      200,
         OK(VECTOR("{\"metric\":" A1 ",\"value\":[80,\"80\"]}"))                                 },
        {"/api/v1/query?query=a%7Bx=%221%22%7D%5B15s%5D&time=20", 200,
         OK(MATRIX("{\"metric\":" A1 ",\"values\":[[10,\"10\"],[20,\"20\"]]}"))                  },
        {"/api/v1/query?query=none",                              200, OK(VECTOR(""))            },
        {"/api/v1/query?query=1&timeout=1h",                      200,
         OK("{\"resultType\":\"scalar\",\"result\":[100.500,\"1\"]}")                            },
        {"/api/v1/query?query=1&timeout=0",                       503,
         "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out in "
         "expression evaluation\"}"                                                              },
        {"/api/v1/query?query=a%2Bon(y)a&time=20",                422,
         "{\"status\":\"error\",\"errorType\":\"execution\",*"                                   },
        {"/api/v1/query",                                         400,
         BAD("invalid parameter \\\"query\\\": unknown position: parse error: no expression found "
             "in input")                                                                         },
        {"/api/v1/query?query=sum(",                              400,
         BAD("invalid parameter \\\"query\\\": 1:5: parse error: unclosed left parenthesis")     },
        {"/api/v1/query?query=(&time=x&limit=y",                  400,
         BAD("invalid parameter \\\"limit\\\": strconv.Atoi: parsing \\\"y\\\": invalid syntax") },
        {"/api/v1/query?query=(&time=x&timeout=y",                400,
         BAD("invalid parameter \\\"time\\\": invalid time value for 'time': cannot parse "
             "\\\"x\\\" to a valid timestamp")                                                   },
        {"/api/v1/query?query=(&timeout=y&lookback_delta=z",      400,
         BAD("invalid parameter \\\"timeout\\\": cannot parse \\\"y\\\" to a valid duration")    },
        {"/api/v1/query?query=(&lookback_delta=z",                400,
         BAD("error parsing lookback delta duration: cannot parse \\\"z\\\" to a valid duration")},
        {"/api/v1/query?query=a%5Bstep()%5D",                     400,
         BAD("invalid parameter \\\"query\\\": duration must be greater than 0")                 },
    };
    check_rows(*state, rows, COUNT(rows));
}

static void range_queries(void **state)
{
    static const struct case_row rows[] = {
        {"/api/v1/query_range?query=a%7Bx=%222%22%7D&start=40&end=61.5&step=10s&lookback_delta=1s",
         200,                                                                                            OK(MATRIX("{\"metric\":" A2 ",\"values\":[[40,\"40\"],[50,\"50\"]]}"))},
        {"/api/v1/query_range?query=2&start=1&end=2.5&step=0.75",                                   200,
         OK(MATRIX("{\"metric\":{},\"values\":[[1,\"2\"],[1.750,\"2\"],[2.500,\"2\"]]}"))                                                                                      },
        {"/api/v1/query_range?query=a&start=0&end=0&step=1&limit=1",                                200,
         TRUNCATED(MATRIX("{\"metric\":" A1 ",\"values\":[[0,\"0\"]]}"))                                                                                                       },
        {"/api/v1/query_range?query=none&start=0&end=11000&step=1",                                 200, OK(MATRIX(""))                                                        },
        {"/api/v1/query_range?query=none&start=0&end=11001&step=1",                                 400,
         BAD("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
             "query resolution "
             "(?step=XX)")                                                                                                                                                     },
        {"/api/v1/query_range?query=(&start=x&end=y&step=z",                                        400,
         BAD("invalid parameter \\\"start\\\": cannot parse \\\"x\\\" to a valid timestamp")                                                                                   },
        {"/api/v1/query_range?query=(&start=2&end=y&step=z",                                        400,
         BAD("invalid parameter \\\"end\\\": cannot parse \\\"y\\\" to a valid timestamp")                                                                                     },
        {"/api/v1/query_range?query=(&start=2&end=1&step=z",                                        400,
         BAD("invalid parameter \\\"end\\\": end timestamp must not be before start time")                                                                                     },
        {"/api/v1/query_range?query=(&start=1&end=2",                                               400,
         BAD("invalid parameter \\\"step\\\": cannot parse \\\"\\\" to a valid duration")                                                                                      },
        {"/api/v1/query_range?query=(&start=1&end=2&step=-1s",                                      400,
         BAD("invalid parameter \\\"step\\\": cannot parse \\\"-1s\\\" to a valid duration")                                                                                   },
        {"/api/v1/query_range?query=(&start=1&end=2&step=-1",                                       400,
         BAD("invalid parameter \\\"step\\\": zero or negative query resolution step widths are "
             "not accepted. Try a "
             "positive integer")                                                                                                                                               },
        {"/api/v1/query_range?query=(&start=1&end=2&step=1&timeout=x",                              400,
         BAD("invalid parameter \\\"timeout\\\": cannot parse \\\"x\\\" to a valid duration")                                                                                  },
        {"/api/v1/query_range?query=(&start=1&end=2&step=1",                                        400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",*"                                                                                                                  },
        {"/api/v1/query_range?query=a%5B1m%5D&start=1&end=2&step=1",                                400,
         BAD("invalid parameter \\\"query\\\": invalid expression type \\\"range vector\\\" for "
             "range query, must be "
             "Scalar or instant Vector")                                                                                                                                       },
        {"/api/v1/query_range?query=%22x%22&start=1&end=2&step=1",                                  400,
         BAD("invalid parameter \\\"query\\\": invalid expression type \\\"string\\\" for range "
             "query, must be Scalar "
             "or instant Vector")                                                                                                                                              },
    };
    check_rows(*state, rows, COUNT(rows));
}

static void lookups(void **state)
{
    static const struct case_row rows[] = {
        {"/api/v1/labels",                                            200, OK("[\"__name__\",\"caf\xc3\xa9\",\"x\"]")},
        {"/api/v1/labels?limit=1",                                    200, TRUNCATED("[\"__name__\"]")               },
        {"/api/v1/labels?match%5B%5D=a&limit=2",                      200, OK("[\"__name__\",\"x\"]")                },
        {"/api/v1/labels?end=80",                                     200, OK("[\"__name__\",\"x\"]")                },
        {"/api/v1/labels?start=101",                                  200, OK("[]")                                  },
        {"/api/v1/labels?match[]=%7B",                                400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:2: parse error: *"                          },
        {"/api/v1/labels?match[]=%7Bx=~%22.*%22%7D",                  400,
         BAD("match[] must contain at least one non-empty matcher")                                                  },
        {"/api/v1/labels?limit=-1",                                   400,
         BAD("invalid parameter \\\"limit\\\": limit must be non-negative")                                          },
        {"/api/v1/label/x/values",                                    200, OK("[\"1\",\"2\"]")                       },
        {"/api/v1/label/x/values?start=60",                           200, OK("[\"1\"]")                             },
        {"/api/v1/label/x/values?match[]=b&match[]=a%7Bx=%222%22%7D", 200, OK("[\"2\"]")                             },
        {"/api/v1/label/caf%C3%A9/values",                            200, OK("[\"y\"]")                             },
        {"/api/v1/label/U__caf_e9_/values",                           200, OK("[\"y\"]")                             },
        {"/api/v1/label/U__caf_E9_/values",                           200, OK("[\"y\"]")                             },
        {"/api/v1/label/U______name____/values",                      200, OK("[\"a\",\"b\"]")                       },
        {"/api/v1/label/U__caf_0000e9_/values",                       200, OK("[]")                                  },
        {"/api/v1/label/U__caf_d800_/values",                         200, OK("[]")                                  },
        {"/api/v1/label/U__caf_e9/values",                            200, OK("[]")                                  },
        {"/api/v1/label/U__caf_/values",                              200, OK("[]")                                  },
        {"/api/v1/label/U__/values",                                  400, BAD("invalid label name: \\\"\\\"")       },
        {"/api/v1/label/%FF/values",                                  400, BAD("invalid label name: \\\"\\\\xff\\\"")},
        {"/api/v1/series?match[]=a&match[]=%7Bx=%221%22%7D",          200, OK("[" A1 "," A2 "]")                     },
        {"/api/v1/series?match[]=a&limit=1",                          200, TRUNCATED("[" A1 "]")                     },
        {"/api/v1/series?match[]=a&start=51&end=59",                  200, OK("[]")                                  },
        {"/api/v1/series?match[]=a&start=60&end=60",                  200, OK("[" A1 "]")                            },
        {"/api/v1/series?match[]=a&start=60&end=50",                  200, OK("[]")                                  },
        {"/api/v1/series?limit=x",                                    400, BAD("no match[] parameter provided")      },
        {"/api/v1/series?match[]=%7B&start=x",                        400,
         BAD("invalid parameter \\\"start\\\": invalid time value for 'start': cannot parse "
             "\\\"x\\\" to a valid timestamp")                                                                       },
        {"/api/v1/series?match[]=%7B%7D&match[]=%7B",                 400,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"match[]\\\": 1:2: parse error: *"                                                                      },
        {"/api/v1/series?match[]=%7B%7D",                             400,
         BAD("invalid parameter \\\"match[]\\\": match[] must contain at least one non-empty "
             "matcher")                                                                                              },
    };
    check_rows(*state, rows, COUNT(rows));
}

/* The same parameters by GET and as a form; a form's win over the query string's. */
static void forms_and_query_strings_agree(void **state)
{
    static const struct {
        const char *path, *form;
    } rows[] = {
        {"/api/v1/query",        "query=sum(a)&time=20"                  },
        {"/api/v1/query",        "query=sum("                            },
        {"/api/v1/query_range",  "query=a&start=0&end=20&step=10&limit=1"},
        {"/api/v1/labels",       "match[]=a"                             },
        {"/api/v1/series",       "match%5B%5D=a&match%5B%5D=b&start=95"  },
        {"/api/v1/format_query", "query=sum(a)by(x)"                     },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char target[256], got[4096];
        snprintf(target, sizeof target, "%s?%s", rows[i].path, rows[i].form);
        snprintf(got, sizeof got, "%s", ask(f, HTTP_GET, target, NULL));
        done(f);
        assert_string_equal(ask(f, HTTP_POST, rows[i].path, rows[i].form), got);
        done(f);
    }
    assert_non_null(
        strstr(ask(f, HTTP_POST, "/api/v1/query?query=1&time=7", "query=2"), "[7,\"2\"]"));
    done(f);
}

static void annotations_point_into_the_query(void **state)
{
    struct fixture *f = *state;
    const char *body =
        ask(f, HTTP_GET, "/api/v1/query?query=%0A%20rate(a%0A%5B1m%5D)&time=50", NULL);
    assert_non_null(strstr(body, "\"infos\":["));
    assert_non_null(strstr(body, "(2:7)\""));
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(instant_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(range_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(lookups, setup, teardown),
        cmocka_unit_test_setup_teardown(forms_and_query_strings_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(annotations_point_into_the_query, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
