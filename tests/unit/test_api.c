/* test_api.c -- parameters, errors and encodings of the HTTP API.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void times(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t ms;
    } rows[] = {
        {"",                                    E_PARSE, 0                            },
        {"30s",                                 E_PARSE, 0                            },
        {"123",                                 0,       123000                       },
        {"2015-06-03T13:21:58.555Z",            0,       1433337718555                },
        {"2015-06-03T14:21:58.555+01:00",       0,       1433337718555                },
        {"1543578564.705",                      0,       1543578564705                },
        {"-1.5",                                0,       -1500                        },
        {"1e300",                               E_PARSE, 0                            },
        {"9e15",                                0,       INT64_C(9000000000000000000) },
        {"-292273086-05-16T16:47:06Z",          0,       INT64_C(-9223309901257974000)},
        {"292277025-08-18T07:12:54.999999999Z", 0,       INT64_C(9223309901257974999) },
        {"1_000",                               0,       1000000                      },
        {"0x_10p0",                             0,       16000                        },
        {"_1",                                  E_PARSE, 0                            },
        {"1_",                                  E_PARSE, 0                            },
        {"1__0",                                E_PARSE, 0                            },
        {"1_.5",                                E_PARSE, 0                            },
        {"2015-06-03t13:21:58Z",                E_PARSE, 0                            },
        {"abc",                                 E_PARSE, 0                            },
        {"123.123",                             0,       123123                       },
        {"now",                                 E_PARSE, 0                            },
        {"12 ",                                 E_PARSE, 0                            },
        {"NaN",                                 E_PARSE, 0                            },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 0;
        int rc = api_parse_time(str_of(rows[i].text), &ms);
        if (rc != rows[i].rc || (rc == 0 && ms != rows[i].ms))
            fail_msg("%s: rc %d, %lld", rows[i].text, rc, (long long)ms);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t ms;
    } rows[] = {
        {"abc",                      E_PARSE, 0                     },
        {"2015-06-03T13:21:58.555Z", E_PARSE, 0                     },
        {"148966367200.372",         -ERANGE, 0                     },
        {"-148966367200.372",        -ERANGE, 0                     },
        {"9223372036.854774",        0,       INT64_C(9223372036854)},
        {"123.333",                  0,       123333                },
        {"5m",                       0,       300000                },
        {"1_0",                      0,       10000                 },
        {"1e400",                    E_PARSE, 0                     },
        {"123",                      0,       123000                },
        {"0.25",                     0,       250                   },
        {"-5",                       0,       -5000                 },
        {"15s",                      0,       15000                 },
        {"1h30m",                    0,       5400000               },
        {"5mm",                      E_PARSE, 0                     },
        {"",                         E_PARSE, 0                     },
        {"Inf",                      -ERANGE, 0                     },
        {"NaN",                      0,       INT64_MIN / 1000000   },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 0;
        int rc = api_parse_duration(str_of(rows[i].text), &ms);
        if (rc != rows[i].rc || (rc == 0 && ms != rows[i].ms))
            fail_msg("%s: rc %d, %lld", rows[i].text, rc, (long long)ms);
    }
}

static void samples(void **state)
{
    static const struct {
        int64_t t_ms;
        double v;
        const char *text;
    } rows[] = {
        {0,                 0,                       "[0,\"0\"]"                       },
        {10,                20,                      "[0.010,\"20\"]"                  },
        {1001,              20,                      "[1.001,\"20\"]"                  },
        {1010,              20,                      "[1.010,\"20\"]"                  },
        {1500,              0.5,                     "[1.500,\"0.5\"]"                 },
        {-1,                1,                       "[-0.001,\"1\"]"                  },
        {-2000,             1,                       "[-2,\"1\"]"                      },
        {12345678123456555, 20,                      "[12345678123456.555,\"20\"]"     },
        {0,                 1234567.8,               "[0,\"1234567.8\"]"               },
        {0,                 1.2345678e-67,           "[0,\"1.2345678e-67\"]"           },
        {0,                 1e21,                    "[0,\"1e+21\"]"                   },
        {0,                 123456789012345680000.,  "[0,\"123456789012345680000\"]"   },
        {0,                 (double)INFINITY,        "[0,\"+Inf\"]"                    },
        {0,                 -(double)INFINITY,       "[0,\"-Inf\"]"                    },
        {0,                 (double)NAN,             "[0,\"NaN\"]"                     },
        {0,                 -1.7976931348623157e308, "[0,\"-1.7976931348623157e+308\"]"},
        {INT64_MIN,         0,                       "[-9223372036854775.808,\"0\"]"   },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[API_SAMPLE_MAX];
        size_t len = api_format_sample(rows[i].t_ms, rows[i].v, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(len, strlen(rows[i].text));
    }
}

static void parse_errors_have_their_place(void **state)
{
    char text[API_PARSE_ERROR_MAX];
    struct errmsg err = {.line = 1, .column = 5, .text = "unexpected end"};
    (void)state;
    assert_string_equal(api_parse_error(&err, text), "1:5: parse error: unexpected end");
    err.line = 0;
    assert_string_equal(api_parse_error(&err, text),
                        "unknown position: parse error: unexpected end");
}

static void values_are_quoted_as_go_does(void **state)
{
    static const struct {
        struct str text;
        const char *quoted;
    } rows[] = {
        {STR(""),                 "\"\""                 },
        {STR("a\"b\\"),           "\"a\\\"b\\\\\""       },
        {STR("\n\t\x01\x7f"),     "\"\\n\\t\\x01\\x7f\"" },
        {STR("caf\xc3\xa9 \xff"), "\"caf\xc3\xa9 \\xff\""},
        {STR("\xf0\x9f\x94\x94"), "\"\xf0\x9f\x94\x94\"" },
    };
    char out[API_QUOTE_MAX], long_text[5000];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(api_quote(rows[i].text, out), rows[i].quoted);
    memset(long_text, 1, sizeof long_text);
    assert_int_equal(strlen(api_quote((struct str){long_text, sizeof long_text}, out)), 802);
}

struct fixture {
    struct arena arena;
    struct request r;
    struct response p;
};

static void begin(struct fixture *f, const char *target)
{
    struct errmsg err = {0};
    *f = (struct fixture){0};
    arena_init(&f->arena, 1 << 20);
    f->r.arena = &f->arena;
    response_init(&f->p, 1 << 20);
    assert_int_equal(request_set_target(&f->r, str_of(target), &err), 0);
}

static void end(struct fixture *f)
{
    response_release(&f->p);
    arena_release(&f->arena);
}

/* What each reader says to a value it does not take. */
static int read_time_or(struct fixture *f)
{
    int64_t dflt = 5, v;
    return api_time(&f->r, &f->p, "x", &dflt, &v);
}

static int read_time(struct fixture *f)
{
    int64_t v;
    return api_time(&f->r, &f->p, "x", NULL, &v);
}

static int read_duration(struct fixture *f)
{
    int64_t v = 0;
    return api_duration(&f->r, &f->p, "x", &v);
}

static int read_lookback(struct fixture *f)
{
    int64_t v = 0;
    return api_lookback(&f->r, &f->p, &v);
}

static int read_limit(struct fixture *f)
{
    size_t v;
    return api_limit(&f->r, &f->p, "limit", &v);
}

static void complaints_are_prometheus_own(void **state)
{
    static const struct {
        int (*read)(struct fixture *f);
        const char *target, *text; /* NULL: taken */
    } rows[] = {
        {read_time_or,  "/",                            NULL                                                             },
        {read_time_or,  "/?x=1_5",                      NULL                                                             },
        {read_time_or,  "/?x=%22",
         "invalid parameter \"x\": invalid time value for 'x': cannot parse \"\\\"\" to a valid "
         "timestamp"                                                                                                     },
        {read_time,     "/",                            "invalid parameter \"x\": cannot parse \"\" to a valid timestamp"},
        {read_duration, "/",                            NULL                                                             },
        {read_duration, "/?x=1d",                       NULL                                                             },
        {read_duration, "/?x=1x",
         "invalid parameter \"x\": cannot parse \"1x\" to a valid duration"                                              },
        {read_duration, "/?x=1e12",
         "invalid parameter \"x\": cannot parse \"1e12\" to a valid duration. It overflows int64"                        },
        {read_lookback, "/?lookback_delta=1x",
         "error parsing lookback delta duration: cannot parse \"1x\" to a valid duration"                                },
        {read_limit,    "/?limit=7",                    NULL                                                             },
        {read_limit,    "/?limit=x",
         "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax"                                      },
        {read_limit,    "/?limit=99999999999999999999",
         "invalid parameter \"limit\": strconv.Atoi: parsing \"99999999999999999999\": value out "
         "of range"                                                                                                      },
        {read_limit,    "/?limit=-1",                   "invalid parameter \"limit\": limit must be non-negative"        },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct buf want = BUF_INIT(4096);
        begin(&f, rows[i].target);
        int rc = rows[i].read(&f);
        assert_int_equal(rc < 0, rows[i].text != NULL);
        if (rows[i].text) {
            json_quote(&want, str_of(rows[i].text), false);
            if (!strstr(f.p.body.p, want.p)) fail_msg("%s: %s", rows[i].target, f.p.body.p);
            assert_int_equal(f.p.status, 400);
        }
        buf_release(&want);
        end(&f);
    }
}

static void times_are_held_in_range(void **state)
{
    static const struct {
        const char *target;
        int64_t ms;
    } rows[] = {
        {"/?x=9e15",  API_TIME_MAX},
        {"/?x=-9e15", API_TIME_MIN},
        {"/?x=1.5",   1500        },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        int64_t ms;
        begin(&f, rows[i].target);
        assert_int_equal(api_time(&f.r, &f.p, "x", NULL, &ms), 0);
        assert_int_equal(ms, rows[i].ms);
        end(&f);
    }
}

static void failures_of_evaluation_have_their_type(void **state)
{
    static const struct {
        int rc;
        const char *type;
    } rows[] = {
        {E_TIMEOUT,     "timeout"    },
        {E_CANCELED,    "canceled"   },
        {E_EXEC,        "execution"  },
        {E_LIMIT,       "execution"  },
        {E_UNAVAILABLE, "unavailable"},
        {E_CORRUPT,     "internal"   }
    };
    struct errmsg err = {.text = "why"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *text;
        assert_string_equal(api_exec_error(rows[i].rc, &err, &text), rows[i].type);
        assert_true(text[0] != '\0');
    }
}

static void a_result_is_printed_by_its_type(void **state)
{
    struct label up[] = {
        {STR("__name__"), STR("up")  },
        {STR("job"),      STR("a\"b")}
    };
    struct promql_point points[] = {
        {1000, 1},
        {2000, 2}
    };
    struct promql_series_result series = {
        {up, 2},
        points, 1
    };
    struct promql_result vector = {.type = T_VECTOR, .series = &series, .series_count = 1};
    struct promql_result scalar = {.type = T_SCALAR, .scalar = 2.5};
    struct promql_result string = {.type = T_STRING, .string = STR("x")};
    const struct {
        const struct promql_result *res;
        bool range;
        const char *text;
    } rows[] = {
        {&vector, false,
         "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
         "\"a\\\"b\"},"
         "\"value\":[1,\"1\"]}]}"                                            },
        {&vector, true,
         "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":"
         "\"a\\\"b\"},"
         "\"values\":[[1,\"1\"]]}]}"                                         },
        {&scalar, false, "{\"resultType\":\"scalar\",\"result\":[5,\"2.5\"]}"},
        {&string, false, "{\"resultType\":\"string\",\"result\":[5,\"x\"]}"  },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(1 << 16);
        struct json j;
        json_init(&j, &out);
        json_obj(&j);
        api_result(&j, rows[i].res, 5000, rows[i].range);
        json_end(&j);
        assert_string_equal(out.p, rows[i].text);
        buf_release(&out);
    }
}

static void annotations_and_truncation_are_told(void **state)
{
    struct promql_annotation notes[] = {
        {true,  "careful (1:1)"},
        {false, "note (1:2)"   }
    };
    struct promql_result res = {.annotations = notes, .annotation_count = 2};
    struct response p;
    struct json j;
    (void)state;
    response_init(&p, 1 << 16);
    api_begin(&p, &j);
    json_int(&j, 1);
    api_end(&p, &j, &res, true);
    assert_string_equal(
        p.body.p, "{\"status\":\"success\",\"data\":1,\"warnings\":[\"careful (1:1)\",\"results "
                  "truncated due to limit\"],\"infos\":[\"note (1:2)\"]}");
    response_release(&p);
}

static void many_annotations_are_counted(void **state)
{
    struct promql_annotation notes[25];
    struct response p;
    struct json j;
    (void)state;
    for (size_t i = 0; i < COUNT(notes); i++)
        notes[i] = (struct promql_annotation){i % 2 == 0, "n"};
    struct promql_result res = {.annotations = notes, .annotation_count = COUNT(notes)};
    response_init(&p, 1 << 16);
    api_begin(&p, &j);
    json_int(&j, 1);
    api_end(&p, &j, &res, false);
    assert_non_null(strstr(p.body.p, "\"n\",\"3 more warning annotations omitted\"]"));
    assert_non_null(strstr(p.body.p, "\"n\",\"2 more info annotations omitted\"]"));
    response_release(&p);
}

/* --- decimation --- */

static void decimation_keeps_least_and_greatest_of_each_span(void **state)
{
    enum { N = 1000 };
    struct promql_point v[N];
    (void)state;
    for (int i = 0; i < N; i++)
        v[i] = (struct promql_point){i * 1000, i == 333 ? 50 : i == 666 ? -50 : i % 3};
    size_t n = api_decimate(v, N, 0, (N - 1) * 1000, 20);
    bool top = false, bottom = false;
    assert_true(n <= 20 && n >= 10);
    for (size_t i = 0; i < n; i++) {
        if (i) assert_true(v[i].t_ms > v[i - 1].t_ms);
        top |= v[i].v == 50.0 && v[i].t_ms == 333000;
        bottom |= v[i].v == -50.0 && v[i].t_ms == 666000;
    }
    assert_true(top && bottom);
}

static void decimation_leaves_short_series_alone(void **state)
{
    struct promql_point v[] = {
        {0, 1},
        {1, 2},
        {2, 3}
    };
    (void)state;
    assert_int_equal(api_decimate(v, 3, 0, 2, 3), 3);
    assert_int_equal(api_decimate(v, 3, 0, 2, 0), 3);
    assert_int_equal(api_decimate(v, 3, 2, 2, 2), 3);
    assert_int_equal(api_decimate(v, 0, 0, 2, 2), 0);
}

static void decimation_survives_nan_and_odd_times(void **state)
{
    struct promql_point v[100];
    (void)state;
    for (int i = 0; i < 100; i++)
        v[i] = (struct promql_point){API_TIME_MIN + i, i % 2 ? (double)NAN : i};
    size_t n = api_decimate(v, 100, API_TIME_MIN, API_TIME_MAX, 10);
    assert_true(n >= 1 && n <= 10);
    struct promql_point out[] = {
        {-5,  1},
        {-4,  2},
        {50,  3},
        {900, 4},
        {901, 5}
    };
    n = api_decimate(out, 5, 0, 100, 4);
    assert_true(n >= 1 && n <= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(durations),
        cmocka_unit_test(samples),
        cmocka_unit_test(parse_errors_have_their_place),
        cmocka_unit_test(values_are_quoted_as_go_does),
        cmocka_unit_test(complaints_are_prometheus_own),
        cmocka_unit_test(times_are_held_in_range),
        cmocka_unit_test(failures_of_evaluation_have_their_type),
        cmocka_unit_test(a_result_is_printed_by_its_type),
        cmocka_unit_test(annotations_and_truncation_are_told),
        cmocka_unit_test(many_annotations_are_counted),
        cmocka_unit_test(decimation_keeps_least_and_greatest_of_each_span),
        cmocka_unit_test(decimation_leaves_short_series_alone),
        cmocka_unit_test(decimation_survives_nan_and_odd_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
