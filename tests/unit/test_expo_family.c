/* test_expo_family.c -- expositions judged to the letter: what is refused where, what families are
 * left, and the findings of style.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/expo_family.h"
#include "core/mem.h"

enum { ARENA = 64 << 20 };

typedef int read_fn(struct families *f, const struct expo_input *in);

struct judged {
    struct families f;
    struct diags diags;
    int rc;
};

static void judge(struct judged *j, read_fn *read, struct str text, bool lint)
{
    struct expo_input in = {.text = text, .file = "t", .diags = &j->diags};
    families_init(&j->f, ARENA);
    diags_init(&j->diags);
    j->rc = read(&j->f, &in);
    if (j->rc == 0 && lint) j->rc = families_lint(&j->f, &in);
}

static void judged_release(struct judged *j)
{
    families_release(&j->f);
    diags_release(&j->diags);
}

/* One text and its first problem: "LINE:COLUMN text", or "" when it is good. */
struct row {
    const char *text, *problem;
};

static void check_rows(read_fn *read, bool lint, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct judged j;
        char said[400] = "";
        judge(&j, read, str_of(rows[i].text), lint);
        const struct diag *d = j.diags.first;
        if (d) snprintf(said, sizeof said, "%d:%d %s", d->line, d->column, d->text);
        if (strcmp(said, rows[i].problem) != 0)
            fail_msg("%s\n  said: %s\n  want: %s", rows[i].text, said, rows[i].problem);
        assert_int_equal(j.rc, d && d->level == DIAG_ERROR ? E_PARSE : 0);
        judged_release(&j);
    }
}

/* --- OpenMetrics ------------------------------------------------------------------------------ */

static void strict_takes_what_is_right(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"# EOF",                                                                                   ""},
        {"# EOF\n",                                                                                 ""},
        {"a 1\nb{} 2\n# EOF\n",                                                                     ""},
        {"# TYPE a counter\n# UNIT a \n# HELP a \n# EOF\n",                                         ""},
        {"# TYPE a_s counter\n# UNIT a_s s\na_s_total 1\na_s_created 5\n# EOF\n",                   ""},
        {"# TYPE a counter\na_total 1 2 # {x=\"y\"} 3 4\n# EOF\n",                                  ""},
        {"# TYPE a histogram\na_bucket{le=\"1\"} 0 # {} 1\na_bucket{le=\"+Inf\"} 2\n"
         "a_count 2\na_sum 3\na_created 4\n# EOF\n",                                       ""},
        {"# TYPE a histogram\na_bucket{le=\"-1\"} 0\na_bucket{le=\"+Inf\"} 2\n# EOF\n",             ""},
        {"# TYPE a gaugehistogram\na_bucket{le=\"-1\"} 0\na_bucket{le=\"+Inf\"} 2\na_gcount 2\n"
         "a_gsum -3\n# EOF\n",                                                             ""},
        {"# TYPE a summary\na{quantile=\"0\"} NaN\na{quantile=\"1\"} 2\na_count 1\na_sum 2\n# "
         "EOF\n",                                                                          ""},
        {"# TYPE a info\na_info{x=\"1\"} 1 2\na_info{x=\"2\"} 1 1\n# EOF\n",                        ""},
        {"# TYPE a stateset\na{a=\"x\"} 1\na{a=\"y\"} 0\na{a=\"x\",b=\"2\"} 1\n# EOF\n",            ""},
        {"# TYPE a gauge\na{x=\"1\"} 1 0\na{x=\"1\"} 2 0\na{x=\"1\"} 3 1\na{x=\"2\"} 1 0\n# EOF\n",
         ""                                                                                           },
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 1\na_bucket{le=\"+Inf\"} 0 2\n# EOF\n",       ""},
        {"# TYPE a gauge\na{x=\"# {\"} 1\na{x=\",}\\\"\"} 2\n# EOF\n",                              ""},
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

static void strict_refuses_lines(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"",                              "1:1 data does not end with # EOF"               },
        {"a 1\n",                         "1:1 data does not end with # EOF"               },
        {"a 1\n\n# EOF\n",                "2:1 expected a valid start token at end of line"},
        {"a{x=\"1\",} 1\n# EOF\n",        "1:8 a comma after the last label"               },
        {"{\"a\"} 1\n# EOF\n",            "1:3 OpenMetrics 1.0 has no names in quotes"     },
        {"a{\"x\"=\"1\"} 1\n# EOF\n",     "1:4 OpenMetrics 1.0 has no names in quotes"     },
        {"# TYPE \"a\" gauge\n# EOF\n",   "1:9 OpenMetrics 1.0 has no names in quotes"     },
        {"a{x=\"1\",x=\"2\"} 1\n# EOF\n", "1:1 label name is not unique, got \"}\""        },
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

static void strict_knows_the_order(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"# TYPE a gauge\na 1\n# HELP a x\n# EOF\n",                            "3:8 metadata of \"a\" after its samples"     },
        {"# HELP a x\n# HELP a x\n# EOF\n",                                     "2:8 second HELP line for \"a\""              },
        {"# TYPE a gauge\n# TYPE a gauge\n# EOF\n",                             "2:8 second TYPE line for \"a\""              },
        {"# UNIT a_s s\n# UNIT a_s s\n# EOF\n",                                 "2:8 second UNIT line for \"a_s\""            },
        {"# TYPE a_s info\n# UNIT a_s s\n# EOF\n",                              "1:8 a family of type info has no unit"       },
        {"# TYPE a_s stateset\n# UNIT a_s s\n# EOF\n",                          "1:8 a family of type stateset has no unit"   },
        {"a 1\nb 1\na{x=\"2\"} 1\n# EOF\n",                                     "3:1 the name \"a\" belongs to a family above"},
        {"# TYPE a counter\n# TYPE b gauge\n# HELP a x\n# EOF\n",
         "3:8 the name \"a\" belongs to a family above"                                                                       },
        {"# TYPE a_total gauge\n# TYPE a counter\n# EOF\n",
         "2:8 the name \"a_total\" belongs to a family above"                                                                 },
        {"# TYPE a_created gauge\n# TYPE a summary\n# EOF\n",
         "2:8 the name \"a_created\" belongs to a family above"                                                               },
        {"# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"1\"} 1 2\n# EOF\n",
         "4:1 the lines of this metric do not stand together"                                                                 },
        {"# TYPE a gauge\na 1\na 2\n# EOF\n",                                   "3:1 this series is there already"            },
        {"# TYPE a gauge\na 1 2\na 2 1\n# EOF\n",                               "3:5 timestamps of a metric must not go back" },
        {"# TYPE a gauge\na 1 0.0000000002\na 2 0.0000000001\n# EOF\n",
         "3:5 timestamps of a metric must not go back"                                                                        },
        {"# TYPE a summary\na_count 1\na_sum 1 5\n# EOF\n",
         "3:9 a metric has timestamps on all of its lines or on none"                                                         },
        {"# TYPE a summary\na_count 1 5\na_sum 1\n# EOF\n",
         "3:7 a metric has timestamps on all of its lines or on none"                                                         },
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

static void strict_knows_the_types(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"# TYPE a counter\na 1\n# EOF\n",
         "2:1 \"a\" is no sample of a counter: its name needs a suffix"                                           },
        {"# TYPE a counter\na_total NaN\n# EOF\n",                 "2:9 a_total of a counter must not be NaN"     },
        {"# TYPE a counter\na_total -1\n# EOF\n",                  "2:9 a_total of a counter must not be negative"},
        {"# TYPE a counter\na_created NaN\n# EOF\n",
         "2:11 a_created of a counter must be a time, in seconds"                                                 },
        {"# TYPE a info\na_info 2\n# EOF\n",                       "2:8 a_info of a info must be 1"               },
        {"# TYPE a stateset\na{a=\"x\"} 2\n# EOF\n",               "2:10 a of a stateset must be 0 or 1"          },
        {"# TYPE a stateset\na{b=\"x\"} 1\n# EOF\n",               "2:1 a state of a stateset needs the label a"  },
        {"# TYPE a summary\na 1\n# EOF\n",                         "2:1 a needs the label quantile"               },
        {"# TYPE a summary\na{quantile=\"x\"} 1\n# EOF\n",         "2:1 quantile=\"x\" is not a number"           },
        {"# TYPE a summary\na{quantile=\"0x1p-3\"} 1\n# EOF\n",
         "2:1 quantile=\"0x1p-3\" is not a number"                                                                },
        {"# TYPE a summary\na{quantile=\"1.1\"} 1\n# EOF\n",
         "2:1 quantile=\"1.1\" is not between 0 and 1"                                                            },
        {"# TYPE a summary\na{quantile=\"1\"} -1\n# EOF\n",
         "2:17 a of a summary must not be negative"                                                               },
        {"# TYPE a summary\na_count 1.5\n# EOF\n",
         "2:9 a_count of a summary must be a whole number"                                                        },
        {"# TYPE a histogram\na_bucket 1\n# EOF\n",                "2:1 a_bucket needs the label le"              },
        {"# TYPE a histogram\na_bucket{le=\"NaN\"} 1\n# EOF\n",    "2:1 le=\"NaN\" is not a number"               },
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1.5\n# EOF\n",
         "2:21 a_bucket of a histogram must be a whole number"                                                    },
        {"# TYPE a histogram\na_gcount 1\n# EOF\n",                ""                                             },
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

static void strict_knows_histograms(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"# TYPE a histogram\na_sum 1\n# EOF\n",
         "2:1 a histogram needs a bucket with le=\"+Inf\", its last"                                                                                        },
        {"# TYPE a histogram\na_bucket{le=\"-Inf\"} 1\n# EOF\n",
         "2:1 a histogram needs a bucket with le=\"+Inf\", its last"                                                                                        },
        {"# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\n# EOF\n",
         "3:1 buckets are not in order: le=\"1\""                                                                                                           },
        {"# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"2\"} 1\na_bucket{le=\"+Inf\"} "
         "2\n# EOF\n",                                                              "3:18 buckets are cumulative: this one has fewer than the last"},
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n# EOF\n",
         "2:1 _count is not what the bucket with le=\"+Inf\" says"                                                                                          },
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n# EOF\n",
         "2:1 _count needs _sum beside it"                                                                                                                  },
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\n# EOF\n",
         "2:1 _sum needs _count beside it"                                                                                                                  },
        {"# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gsum 1\n# EOF\n",
         "2:1 _gsum needs _gcount beside it"                                                                                                                },
        {"# TYPE a histogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum "
         "1\n# EOF\n",                                                              "2:1 a histogram with negative bounds has no _sum"             },
        {"# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 1\na_gsum -1\n# EOF\n",
         "2:1 _gsum is negative, though no bound is"                                                                                                        },
        {"# TYPE a histogram\na_bucket{x=\"1\",le=\"+Inf\"} 1\na_bucket{x=\"2\",le=\"1\"} 1\n# "
         "EOF\n",                                                                   "3:1 a histogram needs a bucket with le=\"+Inf\", its last"    },
 /* a line that cannot be read is the only problem of its family */
        {"# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} x\n# EOF\n",
         "3:22 unsupported character in float at end of line"                                                                                               },
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

#define X8   "12345678"
#define X126 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 X8 "123456"

static void strict_knows_exemplars(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"# TYPE a gauge\na 1 # {} 1\n# EOF\n",
         "2:5 only buckets and the totals of counters have exemplars"        },
        {"# TYPE a counter\na_created 1 # {} 1\n# EOF\n",
         "2:13 only buckets and the totals of counters have exemplars"       },
        {"# TYPE a counter\na_total 1 # {x=\"1\",x=\"2\"} 1\n# EOF\n",
         "2:20 label name \"x\" is not unique"                               },
        {"# TYPE a counter\na_total 1 # {x=\"1\",} 1\n# EOF\n",
         "2:19 a comma after the last label"                                 },
        {"# TYPE a counter\na_total 1 # {xy=\"" X126 "\"} 1\n# EOF\n",    "" },
        {"# TYPE a counter\na_total 1 # {xy=\"\\n" X126 "\"} 1\n# EOF\n",
         "2:11 the labels of an exemplar are longer than 128 characters: 129"},
    };
    check_rows(families_read_strict, false, rows, COUNT(rows));
}

/* What Prometheus 3 writes for names in UTF-8, when that is allowed. */
static void names_may_be_quoted(void **state)
{
    UNUSED(state);
    struct str text =
        STR("# TYPE \"a.\\\"b\" counter\n{\"a.\\\"b_total\",\"l.x\"=\"y\"} 1\n# EOF\n");
    struct diags diags;
    struct families f;
    struct expo_input in = {.text = text, .file = "t", .diags = &diags, .quoted_names = true};
    diags_init(&diags);
    families_init(&f, ARENA);
    assert_int_equal(families_read_strict(&f, &in), 0);
    assert_int_equal(f.count, 1);
    assert_true(str_eq(f.first->name, STR("a.\"b")));
    assert_true(str_eq(f.first->samples->name, STR("a.\"b_total")));
    families_release(&f);
    in.quoted_names = false;
    families_init(&f, ARENA);
    assert_int_equal(families_read_strict(&f, &in), E_PARSE);
    families_release(&f);
    diags_release(&diags);
}

/* All problems of a text, not only the first. */
static void strict_goes_on(void **state)
{
    UNUSED(state);
    static const int lines[] = {2, 3, 5};
    struct judged j;
    size_t n = 0;
    judge(&j, families_read_strict,
          STR("# TYPE a counter\na_total -1\nbad\n# TYPE b counter\nb_total NaN\n# EOF\n"), false);
    for (const struct diag *d = j.diags.first; d; d = d->next)
        assert_int_equal(d->line, lines[n++]);
    assert_int_equal(n, COUNT(lines));
    judged_release(&j);
}

/* --- text --- */

static void text_is_read_as_expfmt_reads_it(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {"",                                                                 ""                                                                  },
        {"\n \t\n",                                                          ""                                                                  },
        {"  \t",                                                             ""                                                                  },
        {"# a comment\n#\n# TYPE\n# HELP a\n",                               ""                                                                  },
        {"a 1\n# TYPE b COUNTER\nb 1 2\n",                                   ""                                                                  },
        {"# TYPE a summary\na_count 1\na_sum 2\na{quantile=\"1\"} 3\na 4\n", ""                                                                  },
        {"a{b=\"c\",} 1\n",                                                  ""                                                                  },
        {"{ \"a.b\" , c = \"d\" } 1\n",                                      ""                                                                  },
        {"a 1",                                                              "1:4 unexpected end of input stream: the last line has no line feed"},
        {"# c",                                                              "1:4 unexpected end of input stream: the last line has no line feed"},
        {"a 1\r\n",                                                          "1:3 expected float as value, got \"1\r\""                          },
        {"a 1 2 \n",                                                         "1:6 spurious string after timestamp: \" \""                        },
        {"a{b=\"c\"d=\"e\"} 1\n",                                            "1:8 unexpected end of label value \"c\""                           },
        {"a{b=\"\\q\"} 1\n",                                                 "1:6 invalid escape sequence: use \\\\, \\n or \\\""                },
        {"# HELP a \\q\n",                                                   "1:10 invalid escape sequence: use \\\\, \\n or \\\""               },
        {"a{=\"c\"} 1\n",                                                    "1:3 invalid label name for metric \"a\""                           },
        {"a{b} 1\n",                                                         "1:4 expected '=' after label name"                                 },
        {"a{b=c} 1\n",                                                       "1:5 expected '\"' at start of label value"                         },
        {"# TYPE met-ric gauge\n",                                           "1:11 invalid metric name in comment"                               },
        {"# TYPE a info\n",                                                  "1:10 unknown metric type \"info\""                                 },
        {"# TYPE a gauge \n",                                                "1:10 unknown metric type \"gauge \""                               },
        {"# TYPE a gauge\n# TYPE a gauge\n",
         "2:10 second TYPE line for metric name \"a\", or TYPE reported after samples"                                                           },
        {"# TYPE a histogram\na_count -1\n",                                 "2:11 negative count for histogram \"a\""                           },
        {"a 1e999\n",                                                        "1:3 expected float as value, got \"1e999\""                        },
        {"a 1_0\n",                                                          "1:3 expected float as value, got \"1_0\""                          },
    };
    check_rows(families_read_text, false, rows, COUNT(rows));
}

static void families_hold_what_was_written(void **state)
{
    UNUSED(state);
    struct judged j;
    judge(
        &j, families_read_text,
        STR("# HELP h two\\nlines\n# TYPE h histogram\nh_bucket{le=\"+Inf\",x=\"\"} 3\nh_sum 4 5\n"
            "{\"q.x\"} 1\n{\"q.x\",a=\"b\\\\\"} 2\n"),
        false);
    assert_int_equal(j.rc, 0);
    const struct family *h = families_find(&j.f, STR("h")), *q = families_find(&j.f, STR("q.x"));
    assert_non_null(h);
    assert_non_null(q);
    assert_int_equal(j.f.count, 2);
    assert_int_equal(h->type, METRIC_HISTOGRAM);
    assert_true(str_eq(h->help, STR("two\nlines")));
    assert_int_equal(h->sample_count, 2);
    assert_true(str_eq(h->samples->name, STR("h_bucket")));
    assert_int_equal(h->samples->labels.count, 2);
    assert_true(labels_get(h->samples->labels, STR("x")).len == 0);
    assert_true(h->samples->next->has_timestamp && h->samples->next->timestamp_ms == 5);
    assert_int_equal(q->sample_count, 2);
    assert_true(str_eq(labels_get(q->samples->next->labels, STR("a")), STR("b\\")));
    judged_release(&j);
}

/* --- style --- */

#define H(name)           "# HELP " name " x\n"
#define T(name, type)     H(name) "# TYPE " name " " type "\n"
#define PLAIN(name, type) T(name, type) name " 1\n"

static void findings_are_promtools(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {PLAIN("a_total",                                                                        "counter"), ""                   },
        {PLAIN("a_seconds",                                                                      "gauge"),   ""                   },
        {H("a"),                                                                                 ""        }, /* no samples, no family */
        {"a 1\n",                                                                 "1:1 a: no help text"          },
        {PLAIN("a",                                "counter"),                                          "1:8 a: counter metrics should have \"_total\" suffix"                     },
        {PLAIN("a_total",                   "gauge"),
         "1:8 a_total: non-counter metrics should not have \"_total\" suffix"             },
        {PLAIN("a_bucket",               "gauge"),
         "1:8 a_bucket: non-histogram metrics should not have \"_bucket\" suffix"},
        {PLAIN("a_count", "gauge"),
         "1:8 a_count: non-histogram and non-summary metrics should not have \"_count\" suffix"                     },
        {PLAIN("a_sum",     "gauge"),
         "1:8 a_sum: non-histogram and non-summary metrics should not have \"_sum\" suffix"                                             },
        {PLAIN("a_count",                                                                                    "untyped"),                                                                                              ""},
        {PLAIN("a_milliseconds",            "gauge"),
         "1:8 a_milliseconds: use base unit \"seconds\" instead of \"milliseconds\""},
        {PLAIN("a_minutes_x",                    "gauge"),
         "1:8 a_minutes_x: use base unit \"seconds\" instead of \"minutes\""  },
        {PLAIN("a_kilobits",                      "gauge"),
         "1:8 a_kilobits: use base unit \"bytes\" instead of \"kilobits\""                                                },
        {PLAIN("thermometers",                                                                                    "gauge"),                                                                                              ""                               },
        {PLAIN("a_gauge_x",                          "gauge"),                                    "1:8 a_gauge_x: metric name should not include type 'gauge'"},
        {PLAIN("job:a",                                      "gauge"),                                                "1:8 job:a: metric names should not contain ':'"},
        {PLAIN("aB",               "gauge"),
         "1:8 aB: metric names should be written in 'snake_case' not 'camelCase'"                        },
        {PLAIN("a_ms",                         "gauge"),                                   "1:8 a_ms: metric names should not contain abbreviated units"                                      },
        {T("a",                            "gauge") "a{le=\"1\"} 1\n",
         "3:1 a: non-histogram metrics should not have \"le\" label"          },
        {T("a",                        "gauge") "a{quantile=\"1\"} 1\n",
         "3:1 a: non-summary metrics should not have \"quantile\" label"},
        {T("a",                 "gauge") "a{bC=\"1\"} 1\n",
         "3:1 a: label names should be written in 'snake_case' not 'camelCase'"                                            },
        {T("a",                                               "gauge") "a{__b=\"1\"} 1\n",                                                         "3:1 a: label name \"__b\" is reserved"                                                                       },
        {T("a",                                                            "gauge") "a{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 2\n",                                                                      "5:1 a: metric not unique"},
        {H("a_count") "a_count 1\n" T("a",                    "summary") "a_sum 1\n",
         "1:8 a_count: the name collides with a sample of the summary \"a\""},
    };
    check_rows(families_read_text, true, rows, COUNT(rows));
}

static void openmetrics_counters_have_their_suffix(void **state)
{
    UNUSED(state);
    static const struct row rows[] = {
        {T("a",  "counter") "a_total 1\n# EOF\n",  ""                            },
        {T("a",  "gauge") "a 1 1\na 2 2\n# EOF\n", ""                            },
        {T("aB", "gauge") "aB 1\n# EOF\n",
         "1:8 aB: metric names should be written in 'snake_case' not 'camelCase'"},
    };
    check_rows(families_read_strict, true, rows, COUNT(rows));
    assert_true(expo_is_openmetrics(STR("# EOF")));
    assert_true(expo_is_openmetrics(STR("a 1\n# EOF\n")));
    assert_false(expo_is_openmetrics(STR("a 1\nx# EOF\n")));
    assert_false(expo_is_openmetrics(STR("# EOF\na 1\n")));
    assert_false(expo_is_openmetrics(STR("")));
}

/* --- memory --- */

static void memory_has_a_ceiling(void **state)
{
    UNUSED(state);
    struct buf text = BUF_INIT(1 << 20);
    struct diags diags;
    struct families f;
    for (int i = 0; i < 2000; i++)
        buf_addf(&text, "m%d{a=\"b\"} 1\n", i);
    buf_addstr(&text, "# EOF\n");
    struct expo_input in = {
        .text = {text.p, text.len},
          .file = "t", .diags = &diags
    };
    read_fn *const readers[] = {families_read_text, families_read_strict};
    for (size_t i = 0; i < COUNT(readers); i++) {
        diags_init(&diags);
        families_init(&f, 100000);
        assert_int_equal(readers[i](&f, &in), E_LIMIT);
        families_release(&f);
        families_init(&f, ARENA);
        mem_fail_at(3, 1);
        assert_int_equal(readers[i](&f, &in), -ENOMEM);
        mem_fail_at(0, 0);
        families_release(&f);
        diags_release(&diags);
    }
    buf_release(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_takes_what_is_right),
        cmocka_unit_test(strict_refuses_lines),
        cmocka_unit_test(strict_knows_the_order),
        cmocka_unit_test(strict_knows_the_types),
        cmocka_unit_test(strict_knows_histograms),
        cmocka_unit_test(strict_knows_exemplars),
        cmocka_unit_test(names_may_be_quoted),
        cmocka_unit_test(strict_goes_on),
        cmocka_unit_test(text_is_read_as_expfmt_reads_it),
        cmocka_unit_test(families_hold_what_was_written),
        cmocka_unit_test(findings_are_promtools),
        cmocka_unit_test(openmetrics_counters_have_their_suffix),
        cmocka_unit_test(memory_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
