/* test_expo.c -- the exposition reader: what it sees, what it refuses, where it points.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/expo.h"

/* Everything a reader sees, as text: a line an entry. */
static void print_entry(const struct expo_entry *e, enum expo_format format, struct buf *out)
{
    static const char *const kinds[] = {
        [EXPO_TYPE] = "type", [EXPO_HELP] = "help",       [EXPO_UNIT] = "unit",
        [EXPO_EOF] = "eof",   [EXPO_COMMENT] = "comment",
    };
    static const char *const types[] = {
        [METRIC_UNKNOWN] = "unknown",     [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
    };
    struct label_builder b;
    struct buf scratch = BUF_INIT(1 << 16);
    if (e->kind != EXPO_SERIES) {
        buf_addf(out, "%s %.*s ", kinds[e->kind], (int)e->name.len, e->name.p);
        if (e->kind == EXPO_TYPE)
            buf_addstr(out, types[e->type]);
        else
            expo_unescape(e->text, out);
    } else if (expo_labels(e, format, &b, &scratch, NULL) < 0) {
        buf_addstr(out, "bad labels");
    } else {
        labels_print(label_builder_view(&b), true, out);
        buf_addch(out, ' ');
        buf_adddouble(out, e->value);
        if (e->has_timestamp) buf_addf(out, " @%lld", (long long)e->timestamp_ms);
        if (e->is_created) buf_addstr(out, " created");
    }
    buf_addch(out, '\n');
    buf_release(&scratch);
}

/* The text that struct read_all leaves when all went well, or "error LINE:COLUMN". */
static void check_reads(enum expo_format format, const char *input, const char *want)
{
    struct buf out = BUF_INIT(1 << 20);
    struct expo x;
    struct expo_entry e;
    struct errmsg err = {0};
    int rc;
    expo_init(&x, str_of(input), format);
    while ((rc = expo_next(&x, &e, &err)) == 1)
        print_entry(&e, format, &out);
    if (rc < 0) buf_addf(&out, "error %d:%d\n", err.line, err.column);
    assert_int_equal(out.err, 0);
    assert_string_equal(out.p ? out.p : "", want);
    buf_release(&out);
}

struct reading {
    const char *input, *want;
};

static void text_is_read(void **state)
{
    UNUSED(state);
    static const struct reading rows[] = {
        {"a 1\n",                                                                  "a 1\n"                                            },
        {"a 1",                                                                    "a 1\n"                                            },
        {"",                                                                       ""                                                 },
        {"\n\n  \n",                                                               ""                                                 },
        {"a{b=\"c\"} 1\r\nd 2\r\n",                                                "a{b=\"c\"} 1\nd 2\n"                              },
        {":tf:x{} 1\n",                                                            ":tf:x 1\n"                                        },
        {"a{b=\"c\",} 1\n",                                                        "a{b=\"c\"} 1\n"                                   },
        {"a { b = \"c\" d = \"e\" , }-Inf\n",                                      "a{b=\"c\", d=\"e\"} -Inf\n"                       },
        {"a\t1 \t-5 \n",                                                           "a 1 @-5\n"                                        },
        {"a{b=\"\\\\\\\"\\n\\x\"} 1\n",                                            "a{b=\"\\\\\\\"\\n\\\\x\"} 1\n"                    },
        {"{\"my.metric\",\"l.x\"=\"v\"} 1\n",                                      "{\"my.metric\", \"l.x\"=\"v\"} 1\n"               },
        {"{a=\"b\",\"m\"} 1\n",                                                    "m{a=\"b\"} 1\n"                                   },
        {"a{b=\"\"} 1\n",                                                          "a 1\n"                                            },
        {"a NaN\na +Inf\na 1e3\n",                                                 "a NaN\na +Inf\na 1000\n"                          },
        {"# HELP a Some \\\\ help\\n.\n# TYPE a counter\n",
         "help a Some \\ help\n.\ntype a counter\n"                                                                                   },
        {"#\tTYPE a untyped\n",                                                    "type a unknown\n"                                 },
        {"# HELP \"a.b\" x\n# HELP c\n",                                           "help a.b x\nhelp c \n"                            },
        {"# EOF\n#\n# HELPER x\n",                                                 "comment  # EOF\ncomment  #\ncomment  # HELPER x\n"},
        {"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1048576\"} 1\n",
         "type h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"1.048576e+06\"} 1\n"                                                },
        {"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"0.00001\"} "
         "1\nh_bucket{le=\"x\"} "
         "1\n",                                                           "type h histogram\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"1e-05\"} 1\nh_bucket{le=\"x\"} "
         "1\n"                                                                                                },
        {"# TYPE s summary\ns{quantile=\"0.50\"} 1\ns{le=\"1\"} 1\n",
         "type s summary\ns{quantile=\"0.5\"} 1\ns{le=\"1\"} 1\n"                                                                     },
        {"h_bucket{le=\"1\"} 1\n",                                                 "h_bucket{le=\"1\"} 1\n"                           },
 /* what goes wrong, and where */
        {"a\n",                                                                    "error 1:2\n"                                      },
        {"ok 1\na one\n",                                                          "ok 1\nerror 2:6\n"                                },
        {"a 1_0\n",                                                                "error 1:6\n"                                      },
        {"a 0x1\n",                                                                "error 1:6\n"                                      },
        {"a 1e999\n",                                                              "error 1:8\n"                                      },
        {"a 1 1.5\n",                                                              "error 1:8\n"                                      },
        {"a 1 2 3\n",                                                              "error 1:7\n"                                      },
        {"a{b='c'} 1\n",                                                           "error 1:5\n"                                      },
        {"a{b=\"c} 1\n",                                                           "error 1:5\n"                                      },
        {"a{b=\"c\n\"} 1\n",                                                       "error 1:5\n"                                      },
        {"a{b=\"\xff\"} 1\n",                                                      "error 1:8\n"                                      },
        {"a{=\"c\"} 1\n",                                                          "error 1:3\n"                                      },
        {"{a=\"b\"} 1\n",                                                          "error 1:8\n"                                      },
        {"{\"a\",\"b\"} 1\n",                                                      "error 1:9\n"                                      },
        {"1a 1\n",                                                                 "error 1:1\n"                                      },
        {"# TYPE a nonsense\n",                                                    "error 1:10\n"                                     },
        {"a{b=\"1\",b=\"2\"} 1\n",                                                 "bad labels\n"                                     },
        {"a{__name__=\"b\"} 1\n",                                                  "bad labels\n"                                     },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_reads(EXPO_TEXT, rows[i].input, rows[i].want);
}

static void openmetrics_is_read(void **state)
{
    UNUSED(state);
    static const struct reading rows[] = {
        {"# EOF",                                                           "eof  \n"                           },
        {"# EOF\n",                                                         "eof  \n"                           },
        {"a 1 1.5\n# EOF\n",                                                "a 1 @1500\neof  \n"                },
        {"a 1 # {t=\"x\"} 2\nb 1 3 # {} 4 5.5\n# EOF\n",                    "a 1\nb 1 @3000\neof  \n"           },
        {"# TYPE a counter\n# UNIT a_s s\na_total 1\na_created 2\n# EOF\n",
         "type a counter\nunit a_s s\na_total 1\na_created 2 created\neof  \n"                                  },
        {"# TYPE a gauge\na_created 2\n# EOF\n",                            "type a gauge\na_created 2\neof  \n"},
        {"a 1\n",                                                           "error 1:0\n"                       },
        {"",                                                                "error 1:0\n"                       },
        {"\n# EOF\n",                                                       "error 1:1\n"                       },
        {"# EOF\n\n",                                                       "error 1:3\n"                       },
        {"# a comment\n# EOF\n",                                            "error 1:1\n"                       },
        {"a  1\n# EOF\n",                                                   "error 1:2\n"                       },
        {"a\t1\n# EOF\n",                                                   "error 1:2\n"                       },
        {"a 1 \n# EOF\n",                                                   "error 1:4\n"                       },
        {"a{b=\"c\", d=\"e\"} 1\n# EOF\n",                                  "error 1:9\n"                       },
        {"a 1 # {t=\"x\"}\n# EOF\n",                                        "error 1:14\n"                      },
        {"a 1 NaN\n# EOF\n",                                                "error 1:8\n"                       },
        {"# UNIT a s\n# EOF\n",                                             "error 1:10\n"                      },
        {"# TYPE a untyped\n# EOF\n",                                       "error 1:10\n"                      },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_reads(EXPO_OPENMETRICS, rows[i].input, rows[i].want);
}

static void nan_is_the_normal_one(void **state)
{
    UNUSED(state);
    struct expo x;
    struct expo_entry e;
    expo_init(&x, STR("a -NaN\n"), EXPO_TEXT);
    if (expo_next(&x, &e, NULL) == 1) assert_true(double_bits(e.value) == NORMAL_NAN_BITS);
    expo_init(&x, STR("a nan\n"), EXPO_TEXT);
    assert_int_equal(expo_next(&x, &e, NULL), 1);
    assert_true(double_bits(e.value) == NORMAL_NAN_BITS);
}

static void content_type_chooses_the_format(void **state)
{
    UNUSED(state);
    static const struct {
        const char *type;
        enum expo_format want;
    } rows[] = {
        {"",                                            EXPO_TEXT       },
        {"text/plain; version=0.0.4; charset=utf-8",    EXPO_TEXT       },
        {"application/openmetrics-text; version=1.0.0", EXPO_OPENMETRICS},
        {"Application/OpenMetrics-Text",                EXPO_OPENMETRICS},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(expo_format_of(rows[i].type), rows[i].want);
}

static void too_many_labels_are_refused(void **state)
{
    UNUSED(state);
    struct buf in = BUF_INIT(1 << 20), scratch = BUF_INIT(1 << 20);
    struct label_builder b;
    struct expo x;
    struct expo_entry e;
    buf_addstr(&in, "a{");
    for (int i = 0; i < LABELS_MAX; i++)
        buf_addf(&in, "l%d=\"x\",", i);
    buf_addstr(&in, "} 1\n");
    expo_init(&x, (struct str){in.p, in.len}, EXPO_TEXT);
    assert_int_equal(expo_next(&x, &e, NULL), 1);
    assert_int_equal(expo_labels(&e, EXPO_TEXT, &b, &scratch, NULL), E_TOO_BIG);
    buf_release(&in);
    buf_release(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read),
        cmocka_unit_test(openmetrics_is_read),
        cmocka_unit_test(nan_is_the_normal_one),
        cmocka_unit_test(content_type_chooses_the_format),
        cmocka_unit_test(too_many_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
