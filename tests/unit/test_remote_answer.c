/* test_remote_answer.c -- answers of engines, proper and hostile, cut anywhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/remote_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define OK "{\"status\":\"success\","

enum { MEMORY = 1 << 20 };

static void show_series(const struct promql_result *r, struct buf *out)
{
    for (size_t i = 0; i < r->series_count; i++) {
        labels_print(r->series[i].labels, true, out);
        for (size_t k = 0; k < r->series[i].count; k++) {
            buf_addf(out, " %lld=", (long long)r->series[i].points[k].t_ms);
            buf_adddouble(out, r->series[i].points[k].v);
        }
        buf_addstr(out, ";");
    }
}

/* What was read, on one line. */
static void show(const struct remote_reply *reply, struct buf *out)
{
    const struct promql_result *r = &reply->result;
    if (!reply->success) buf_addf(out, "%s: %s", reply->error_type, reply->error);
    if (r->type == T_VECTOR) buf_addstr(out, "vector ");
    if (r->type == T_MATRIX) buf_addstr(out, "matrix ");
    show_series(r, out);
    if (r->type == T_SCALAR) {
        buf_addstr(out, "scalar ");
        buf_adddouble(out, r->scalar);
    }
    if (r->type == T_STRING) buf_addf(out, "string %.*s", (int)r->string.len, r->string.p);
    for (size_t i = 0; i < reply->name_count; i++)
        buf_addf(out, "%.*s;", (int)reply->names[i].len, reply->names[i].p);
    for (size_t i = 0; i < reply->set_count; i++) {
        labels_print(reply->sets[i], true, out);
        buf_addch(out, ';');
    }
    for (size_t i = 0; i < reply->metadata_count; i++) {
        const struct metric_metadata *m = &reply->metadata[i];
        buf_addf(out, "%.*s %s \"%.*s\" \"%.*s\";", (int)m->name.len, m->name.p,
                 metric_type_name(m->type), (int)m->help.len, m->help.p, (int)m->unit.len,
                 m->unit.p);
    }
    for (size_t i = 0; i < r->annotation_count; i++)
        buf_addf(out, " %s:%s", r->annotations[i].warning ? "warning" : "info",
                 r->annotations[i].text);
    buf_addstr(out, "");
}

static int read_in(enum remote_kind kind, struct str text, size_t cut, size_t memory,
                   struct query_budget *budget, struct buf *out, struct errmsg *err)
{
    struct arena arena;
    struct remote_answer *a = NULL;
    struct remote_reply reply;
    arena_init(&arena, memory);
    assert_int_equal(remote_answer_new(&a, kind, &arena, budget), 0);
    int rc = remote_answer_feed(a, (struct str){text.p, cut}, err);
    if (rc == 0) rc = remote_answer_feed(a, (struct str){text.p + cut, text.len - cut}, err);
    if (rc == 0) rc = remote_answer_end(a, &reply, err);
    if (rc == 0) show(&reply, out);
    remote_answer_free(a);
    arena_release(&arena);
    return rc;
}

static void good_answers_are_read(void **state)
{
    static const struct {
        enum remote_kind kind;
        const char *text, *want;
    } rows[] = {
        {REMOTE_QUERY,
         OK
         "\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"b\":"
         "\"2\",\"a\":\"1\",\"c\":\"\"},\"value\":[1.5,\"0.25\"]},{\"metric\":{},\"value\":[1.5,"
         "\"NaN\"]}]}}",                                                                           "vector up{a=\"1\", b=\"2\"} 1500=0.25;{} 1500=NaN;"                            },
        {REMOTE_QUERY,
         OK
         "\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"z\":\"1\"},\"values\":[["
         "1,\"1\"],[2.001,\"+Inf\"]]},{\"metric\":{\"a\":\"1\"},\"values\":[[1,\"-inf\"]]}]}}",    "matrix {a=\"1\"} 1000=-Inf;{z=\"1\"} 1000=1 2001=+Inf;"                        },
        {REMOTE_QUERY,    OK "\"data\":{\"result\":[1,\"7\"],\"resultType\":\"scalar\"}}",         "scalar 7"                                                                      },
        {REMOTE_QUERY,    OK "\"data\":{\"resultType\":\"string\",\"result\":[1,\"a b\"]}}",
         "string a b"                                                                                                                                                              },
        {REMOTE_QUERY,
         OK "\"isPartial\":true,\"trace\":{\"x\":[1,{\"data\":[]}]},\"stats\":null,\"data\":{"
            "\"resultType\":\"vector\",\"result\":[],\"extra\":1},\"warnings\":[\"w\"],\"infos\":["
            "\"i\"]}",                                                                             "vector  warning:the engine says that its answer is partial warning:w info:i"   },
        {REMOTE_QUERY,
         OK
         "\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"h\"},\"histograms\":"
         "[[1,{\"count\":\"3\",\"buckets\":[[0,\"1\",\"2\",\"3\"]]}]]},{\"metric\":{\"a\":\"f\"},"
         "\"values\":[[1,\"1\"]],\"histograms\":[]}]}}",                                           "matrix {a=\"f\"} 1000=1; warning:native histograms in the answer were left out"},
        {REMOTE_QUERY,
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse "
         "error\",\"data\":null}",                                                                 "bad_data: parse error"                                                         },
        {REMOTE_NAMES,    OK "\"data\":[\"b\",\"a\",\"b\"]}",                                      "a;b;"                                                                          },
        {REMOTE_NAMES,    OK "\"data\":[],\"warnings\":null}",                                     ""                                                                              },
        {REMOTE_SERIES,
         OK "\"data\":[{\"b\":\"1\"},{\"a\":\"2\",\"__name__\":\"m\"},{\"b\":\"1\"}]}",
         "m{a=\"2\"};{b=\"1\"};"                                                                                                                                                   },
        {REMOTE_METADATA,
         OK
         "\"data\":{\"up\":[{\"type\":\"gauge\",\"help\":\"Is up.\",\"unit\":\"\"}],\"a\":[{"
         "\"type\":\"counter\"},{\"type\":\"counter\"}],\"c\":[{\"type\":\"odd\",\"more\":[]}]}}", "a counter \"\" \"\";c unknown \"\" \"\";up gauge \"Is up.\" \"\";"             },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str text = str_of(rows[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct buf out = BUF_INIT(4096);
            struct errmsg err = {0};
            int rc = read_in(rows[i].kind, text, cut, MEMORY, NULL, &out, &err);
            if (rc) fail_msg("row %zu cut at %zu: %s", i, cut, err.text);
            assert_string_equal(out.p ? out.p : "", rows[i].want);
            buf_release(&out);
        }
    }
}

#define VECTOR(series) OK "\"data\":{\"resultType\":\"vector\",\"result\":[" series "]}}"
#define MATRIX(series) OK "\"data\":{\"resultType\":\"matrix\",\"result\":[" series "]}}"

static void bad_answers_are_refused(void **state)
{
    static const struct {
        enum remote_kind kind;
        const char *text, *why;
    } rows[] = {
        {REMOTE_QUERY,    "<html><body>Bad gateway</body></html>",                                "no value at byte 0"    },
        {REMOTE_QUERY,    "[]",                                                                   "a list stands where"   },
        {REMOTE_QUERY,    "\"success\"",                                                          "a text stands where"   },
        {REMOTE_QUERY,    "{\"status\":1}",                                                       "\"status\" is a number"},
        {REMOTE_QUERY,    OK "\"data\":[]}",                                                      "\"data\" is a list"    },
        {REMOTE_NAMES,    OK "\"data\":{}}",                                                      "\"data\" is an object" },
        {REMOTE_NAMES,    OK "\"data\":[null]}",                                                  "null stands where"     },
        {REMOTE_NAMES,    OK "\"data\":[1]}",                                                     "a number stands where" },
        {REMOTE_SERIES,   OK "\"data\":[{\"a\":1}]}",                                             "\"a\" is a number"     },
        {REMOTE_QUERY,    OK "\"data\":{\"result\":[]}}",                                         "no resultType"         },
        {REMOTE_QUERY,    OK "\"data\":null}",                                                    "no resultType"         },
        {REMOTE_QUERY,    OK "\"data\":{\"resultType\":\"streams\",\"result\":[]}}",              "\"streams\""           },
        {REMOTE_QUERY,    OK "\"data\":{\"resultType\":\"scalar\",\"result\":[]}}",               "do not agree"          },
        {REMOTE_QUERY,    OK "\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"x\"]}}",
         "\"x\" is not a value"                                                                                           },
        {REMOTE_QUERY,    OK "\"data\":{\"resultType\":\"vector\",\"result\":[1,\"1\"]}}",
         "do not agree"                                                                                                   },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1,1]}"),                              "[time, \"value\"]"     },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1]}"),                                "[time, \"value\"]"     },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1,\"1\",\"2\"]}"),                    "[time, \"value\"]"     },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[\"1\",\"1\"]}"),                      "[time, \"value\"]"     },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1,\"one\"]}"),                        "\"one\" is not a value"},
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1,\"\"]}"),                           "is not a value"        },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"value\":[1e300,\"1\"]}"),                      "out of range"          },
        {REMOTE_QUERY,    VECTOR("{\"metric\":[],\"value\":[1,\"1\"]}"),                          "\"metric\" is a list"  },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{\"\":\"x\"},\"value\":[1,\"1\"]}"),
         "a label without a name"                                                                                         },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{\"a\":\"1\",\"a\":\"2\"},\"value\":[1,\"1\"]}"),
         "label \"a\" twice"                                                                                              },
        {REMOTE_QUERY,
         VECTOR("{\"metric\":{\"a\":\"1\"},\"value\":[1,\"1\"]},{\"metric\":{\"a\":\"1\"},"
                "\"value\":[1,\"2\"]}"),
         "same series stands in the answer twice"                                                                         },
        {REMOTE_QUERY,
         MATRIX("{\"metric\":{},\"values\":[[1,\"1\"]]},{\"metric\":{},\"values\":[[1,\"2\"]]}"),
         "same series stands in the answer twice"                                                                         },
        {REMOTE_QUERY,    VECTOR("{\"metric\":{},\"values\":[[1,\"1\"],[2,\"1\"]]}"),             "has 2 samples"         },
        {REMOTE_QUERY,    MATRIX("{\"metric\":{},\"values\":[[2,\"1\"],[1,\"1\"]]}"),
         "not in time order"                                                                                              },
        {REMOTE_QUERY,    MATRIX("{\"metric\":{},\"values\":[[2,\"1\"],[2,\"1\"]]}"),
         "not in time order"                                                                                              },
        {REMOTE_QUERY,    MATRIX("{\"metric\":{},\"values\":[2,\"1\"]}"),                         "a number stands where" },
        {REMOTE_QUERY,    MATRIX("{\"metric\":{\"a\":\"\\u0000\xff\"},\"values\":[]}"),           "UTF-8"                 },
        {REMOTE_METADATA, OK "\"data\":{\"up\":{\"type\":\"gauge\"}}}",                           "\"up\" is an object"   },
        {REMOTE_QUERY,    OK "\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",                           "more than 32 levels"   },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str text = str_of(rows[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct buf out = BUF_INIT(4096);
            struct errmsg err = {0};
            int rc = read_in(rows[i].kind, text, cut, MEMORY, NULL, &out, &err);
            if (rc != E_PARSE) fail_msg("row %zu (%s): %d", i, rows[i].why, rc);
            if (!strstr(err.text, rows[i].why)) fail_msg("row %zu: %s", i, err.text);
            buf_release(&out);
        }
    }
}

/* n series of one sample each. */
static void put_vector(struct buf *b, int n)
{
    buf_addstr(b, OK "\"data\":{\"resultType\":\"vector\",\"result\":[");
    for (int i = 0; i < n; i++)
        buf_addf(b, "%s{\"metric\":{\"i\":\"%d\"},\"value\":[1,\"1\"]}", i ? "," : "", i);
    buf_addstr(b, "]}}");
}

static void memory_and_budget_bound_an_answer(void **state)
{
    struct buf text = BUF_INIT(8 << 20), out = BUF_INIT(8 << 20);
    struct query_budget series = {.max_series = 10}, samples = {.max_samples = 10};
    struct errmsg err = {0};
    (void)state;
    put_vector(&text, 10);
    struct str small = {text.p, text.len};
    assert_int_equal(read_in(REMOTE_QUERY, small, 0, MEMORY, &series, &out, &err), 0);
    assert_int_equal(series.used_series, 10);
    buf_reset(&text);
    put_vector(&text, 20000);
    struct str large = {text.p, text.len};
    series.used_series = 0;
    assert_int_equal(read_in(REMOTE_QUERY, large, 0, MEMORY, &series, &out, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "10 series"));
    assert_int_equal(read_in(REMOTE_QUERY, large, 0, MEMORY, &samples, &out, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "10 samples"));
    assert_int_equal(read_in(REMOTE_QUERY, large, 0, MEMORY, NULL, &out, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "1 MiB"));
    assert_int_equal(read_in(REMOTE_QUERY, large, 0, 64 << 20, NULL, &out, &err), 0);
    buf_release(&text);
    buf_release(&out);
}

static void too_many_labels_and_notes_are_cut(void **state)
{
    struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    (void)state;
    buf_addstr(&text, OK "\"data\":[{\"l\":\"1\"");
    for (int i = 0; i < LABELS_MAX; i++)
        buf_addf(&text, ",\"l%d\":\"1\"", i);
    buf_addstr(&text, "}]}");
    assert_int_equal(
        read_in(REMOTE_SERIES, (struct str){text.p, text.len}, 0, MEMORY, NULL, &out, &err),
        E_PARSE);
    assert_non_null(strstr(err.text, "more than 512 labels"));
    buf_reset(&text);
    buf_addstr(&text, OK "\"data\":[],\"warnings\":[\"w\"");
    for (int i = 0; i < 1000; i++)
        buf_addstr(&text, ",\"w\"");
    buf_addstr(&text, "]}");
    assert_int_equal(
        read_in(REMOTE_NAMES, (struct str){text.p, text.len}, 0, MEMORY, NULL, &out, &err), 0);
    assert_int_equal(out.len, 100 * strlen(" warning:w"));
    buf_release(&text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answers_are_read),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(memory_and_budget_bound_an_answer),
        cmocka_unit_test(too_many_labels_and_notes_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
