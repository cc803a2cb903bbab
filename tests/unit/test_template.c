/* test_template.c -- templates: what they print, what they refuse and where.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "rules/template.h"

static const struct label alert_labels[] = {
    {{"__name__", 8}, {"node_load1", 10}        },
    {{"instance", 8}, {"a.example.com:9100", 18}},
    {{"job", 3},      {"node", 4}               },
};
static const struct label external[] = {
    {{"site", 4}, {"lab", 3}}
};

/* up -> two samples; "missing" -> none; anything else fails. */
static int fake_query(void *arg, struct str expr, int64_t t_ms, struct arena *a,
                      struct promql_result *out, struct errmsg *err)
{
    static const struct label first[] = {
        {{"__name__", 8}, {"up", 2}},
        {{"node", 4},     {"b", 1} }
    };
    static const struct label second[] = {
        {{"__name__", 8}, {"up", 2}},
        {{"node", 4},     {"a", 1} }
    };
    assert_null(arg);
    *out = (struct promql_result){.type = T_VECTOR};
    if (str_eq(expr, STR("missing"))) return 0;
    if (!str_eq(expr, STR("up"))) return errmsg_set(err, E_EXEC, "no such query");
    out->series = arena_array(a, 2, sizeof *out->series);
    out->series_count = 2;
    for (size_t i = 0; i < 2; i++) {
        out->series[i].labels = (struct labels){i ? second : first, 2};
        out->series[i].count = 1;
        out->series[i].points = arena_array(a, 1, sizeof(struct promql_point));
        out->series[i].points[0] = (struct promql_point){t_ms, i ? 0 : 1};
    }
    return 0;
}

/* Parses and expands; the code, with the text or the message in out. */
static int expand(const char *text, char out[1024], struct errmsg *err)
{
    struct arena a;
    arena_init(&a, 4 << 20);
    struct buf b = BUF_INIT(1 << 20);
    struct template *t;
    struct template_data data = {
        .labels = {alert_labels, COUNT(alert_labels)},
        .external_labels = {external,     COUNT(external)    },
        .external_url = "http://mon:7788/tocsin",
        .value = 0.91537,
        .now_ms = 1700000000000,
        .query = fake_query,
    };
    *err = (struct errmsg){0};
    int rc = template_parse(str_of(text), "test", &a, &t, err);
    if (rc == 0) rc = template_expand(t, &data, &a, &b, err);
    snprintf(out, 1024, "%s", rc == 0 ? (b.p ? b.p : "") : err->text);
    if (rc < 0) assert_int_equal(b.len, 0);
    buf_release(&b);
    arena_release(&a);
    return rc;
}

static void check(const char *text, const char *want)
{
    char got[1024];
    struct errmsg err;
    int rc = expand(text, got, &err);
    if (rc < 0) print_message("%s: %s\n", text, got);
    assert_int_equal(rc, 0);
    assert_string_equal(got, want);
}

struct row {
    const char *text, *want;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(rows[i].text, rows[i].want);
}

// clang-format off
static void prints_what_alerts_use(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"plain { text } }}", "plain { text } }}"},
        {"{{ $labels.instance }} is down", "a.example.com:9100 is down"},
        {"{{$labels.__name__}}/{{ .Labels.job }}/{{ $.Labels.job }}", "node_load1/node/node"},
        {"{{ $labels.nothing }}|{{ .Labels.nothing }}", "|"},
        {"{{ $value }} {{ .Value }}", "0.91537 0.91537"},
        {"{{ $value | humanizePercentage }}", "91.54%"},
        {"{{ printf \"%.2f\" $value }} {{ $value | printf \"%6.1f%%\" }}", "0.92    0.9%"},
        {"{{ $externalLabels.site }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
         "lab http://mon:7788/tocsin http://mon:7788/tocsin /tocsin"},
        {"{{ reReplaceAll \":.*\" \"\" $labels.instance }}", "a.example.com"},
        {"{{ $labels.instance | stripPort | toUpper }}", "A.EXAMPLE.COM"},
        {"{{ $labels.instance | stripDomain }}", "a:9100"},
        {"{{ with query \"up\" }}{{ . | first | value | humanize }}{{ end }}", "1"},
        {"{{ with query \"missing\" }}x{{ else }}none{{ end }}", "none"},
        {"{{ range query \"up\" | sortByLabel \"node\" }}{{ .Labels.node }}={{ .Value }} {{ end }}", "a=0 b=1 "},
        {"{{ query \"up\" | first | label \"node\" }}", "b"},
        {"{{ $labels }}", "map[__name__:node_load1 instance:a.example.com:9100 job:node]"},
        {"{{ now | humanizeTimestamp }}", "2023-11-14 22:13:20 +0000 UTC"},
        {"{{ (now | toTime).Format \"Jan _2 15:04:05.000 Mon\" }}", "Nov 14 22:13:20.000 Tue"},
        {"{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"},
        {"{{ title \"disk full\" }} {{ toLower \"ABC\" }}", "Disk Full abc"},
        {"{{ parseDuration \"1h30m\" | humanizeDuration }}", "1h 30m 0s"},
        {"{{ (1800 | toDuration).String }} {{ toDuration 0.0015 }}", "30m0s 1.5ms"},
    };
    UNUSED(state);
    check_rows(rows, COUNT(rows));
}

static void follows_go(void **state)
{
    static const struct row rows[] = {
        {"a  {{- 1 -}}  b", "a1b"},
        {"a {{- /* gone */ -}} b", "ab"},
        {"a {{/* gone */}} b", "a  b"},
        {"{{ 1 }} {{ -2 }} {{ 0x10 }} {{ 1e3 }} {{ 1_000 }} {{ 'a' }} {{ .5 }}", "1 -2 16 1000 1000 97 0.5"},
        {"{{ 1e6 }} {{ 123456.0 }} {{ 0.00001 }}", "1e+06 123456 1e-05"},
        {"{{ \"a\\n\\\"\\u00e9\\x41\" }} {{ `raw\\n` }}", "a\n\"\u00e9A raw\\n"},
        {"{{ if true }}a{{ else }}b{{ end }}{{ if 0 }}a{{ else if \"x\" }}c{{ else }}b{{ end }}", "ac"},
        {"{{ with $x := 5 }}{{ $x }}{{ . }}{{ end }}", "55"},
        {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
        {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"},
        {"{{ range $i, $s := query \"up\" }}{{ $i }}{{ $s.Labels.node }} {{ end }}", "0b 1a "},
        {"{{ range $k, $v := $labels }}{{ $k }};{{ end }}", "__name__;instance;job;"},
        {"{{ range 3 }}{{ . }}{{ end }}", "012"},
        {"{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}", "02"},
        {"{{ range query \"missing\" }}x{{ else }}none{{ end }}", "none"},
        {"{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" 1 }}{{ template \"t\" \"x\" }}", "<1><x>"},
        {"{{ block \"b\" 7 }}[{{ . }}]{{ end }}", "[7]"},
        {"{{ define \"two\" }}{{ .arg0 }}+{{ .arg1 }}{{ end }}{{ template \"two\" (args 1 \"2\") }}", "1+2"},
        {"{{ eq 1 1 }} {{ eq 3 1 2 3 }} {{ ne \"a\" \"b\" }} {{ lt 1.5 2.5 }} {{ ge 2 3 }}", "true true true true false"},
        {"{{ and 1 0 5 }} {{ or 0 \"\" 3 }} {{ not 0 }}", "0 3 true"},
        {"{{ or 1 (query \"fails\") }}", "1"},
        {"{{ len \"abc\" }} {{ len $labels }} {{ index $labels \"job\" }} {{ slice \"abcdef\" 1 3 }}", "3 3 node bc"},
        {"{{ print 1 2 \"a\" \"b\" 3 4 }}|{{ println 1 \"a\" }}", "1 2ab3 4|1 a\n"},
        {"{{ html \"<a>\" }} {{ urlquery \"a b&c\" }} {{ js \"it's\" }}", "&lt;a&gt; a+b%26c it\\'s"},
        {"{{ (index (query \"up\") 1).Value }}", "0"},
        {"{{ match \"a+\" \"baa\" }} {{ match \"^a+$\" \"baa\" }}", "true false"},
    };
    UNUSED(state);
    check_rows(rows, COUNT(rows));
}

static void formats_as_go(void **state)
{
    static const struct row rows[] = {
        {"{{ printf \"%v %v %v\" 1 2.5 \"x\" }}", "1 2.5 x"},
        {"{{ printf \"%5d|%-5d|%05d|%+d|%x|%X|%o|%b\" 42 42 42 42 255 255 8 5 }}", "   42|42   |00042|+42|ff|FF|10|101"},
        {"{{ printf \"%8.3f|%-8.2f|%08.2f|%e|%g|%.3g\" 3.14159 2.5 -2.5 1234.5 1e7 1234.5 }}", "   3.142|2.50    |-0002.50|1.234500e+03|1e+07|1.23e+03"},
        {"{{ printf \"%s|%5s|%-5s|%.2s|%q\" \"abc\" \"abc\" \"abc\" \"abc\" \"a\\\"b\" }}", "abc|  abc|abc  |ab|\"a\\\"b\""},
        {"{{ printf \"%t %c %U %T %T\" true 65 233 1.5 \"a\" }}", "true A U+00E9 float64 string"},
        {"{{ printf \"%d\" 1.5 }} {{ printf \"%d\" \"hi\" }} {{ printf \"%f\" 1 }}", "%!d(float64=1.5) %!d(string=hi) %!f(int=1)"},
        {"{{ printf \"%d %d\" 1 }}|{{ printf \"a\" 1 \"b\" }}|{{ printf \"50%\" }}", "1 %!d(MISSING)|a%!(EXTRA int=1, string=b)|50%!(NOVERB)"},
        {"{{ printf \"%*d|%.*f\" 4 7 1 2.55 }}", "   7|2.5"},
        {"{{ printf \"%.2f %s\" $value $labels.job }}", "0.92 node"},
    };
    UNUSED(state);
    check_rows(rows, COUNT(rows));
}
// clang-format on

static void refuses_with_position(void **state)
{
    static const struct {
        const char *text;
        int line, column;
        const char *says;
    } rows[] = {
        {"{{ $label.x }}",                             1, 4,  "undefined variable \"$label\""               },
        {"{{ foo 1 }}",                                1, 4,  "function \"foo\" not defined"                },
        {"{{ }}",                                      1, 4,  "missing value for command"                   },
        {"{{$labels.quantile * 100}}",                 1, 20, "unrecognized character in action: U+002A '*'"},
        {"a\n{{ if true }}",                           2, 14, "unexpected EOF"                              },
        {"{{ end }}",                                  1, 8,  "unexpected {{end}}"                          },
        {"{{ $x := }}",                                1, 10, "missing value for command"                   },
        {"{{ 1 | 2 }}",                                1, 8,  "non executable command in pipeline stage 2"  },
        {"{{ (1 }}",                                   1, 7,  "unclosed left paren"                         },
        {"{{ 1) }}",                                   1, 5,  "unexpected right paren"                      },
        {"{{ \"abc }}",                                1, 4,  "unterminated quoted string"                  },
        {"x {{ $labels.a",                             1, 15, "unclosed action"                             },
        {"{{/* a }}",                                  1, 3,  "unclosed comment"                            },
        {"{{ break }}",                                1, 4,  "{{break}} outside {{range}}"                 },
        {"{{ template \"x\" }}{{ define \"x\" }}",     1, 35, "unexpected EOF"                              },
        {"{{ 12abc }}",                                1, 4,  "bad number syntax"                           },
        {"{{ define \"d\" }}{{ $labels.x }}{{ end }}", 1, 20, "undefined variable \"$labels\""              },
        {"{{ 1.x }}",                                  1, 4,  "bad number syntax"                           },
        {"{{ if true }}{{ else }}{{ else }}{{ end }}", 1, 27, "expected end; found {{else}}"                },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[1024];
        struct errmsg err;
        int rc = expand(rows[i].text, got, &err);
        if (!strstr(got, rows[i].says) || err.line != rows[i].line || err.column != rows[i].column)
            print_message("%s: %d:%d %s\n", rows[i].text, err.line, err.column, got);
        assert_int_equal(rc, E_PARSE);
        assert_non_null(strstr(got, rows[i].says));
        assert_int_equal(err.line, rows[i].line);
        assert_int_equal(err.column, rows[i].column);
    }
}

static void fails_when_run(void **state)
{
    static const struct row rows[] = {
        {"{{ query \"missing\" | first }}",
         "executing \"test\" at <first>: error calling first: first() called on vector"                                                       },
        {"{{ query \"nope\" }}",                                                "error calling query: no such query"                          },
        {"{{ humanize \"one\" }}",                                              "strconv.ParseFloat: parsing \"one\": invalid syntax"         },
        {"{{ .Nope }}",                                                         "can't evaluate field Nope in type template.AlertTemplateData"},
        {"{{ (query \"up\").banana }}",                                         "can't evaluate field banana in type template.queryResult"    },
        {"{{ toUpper 1 }}",                                                     "wrong type for value; expected string; got int"              },
        {"{{ toUpper }}",                                                       "wrong number of args for toUpper: want 1 got 0"              },
        {"{{ eq 1 1.0 }}",                                                      "incompatible types for comparison"                           },
        {"{{ template \"x\" }}",                                                "template \"x\" not defined"                                  },
        {"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
         "exceeded maximum template depth"                                                                                                    },
        {"{{ range 1000000 }}{{ end }}",                                        "too many steps"                                              },
        {"{{ range 1000 }}{{ printf \"%200d\" . }}{{ end }}",                   "output is too long"                                          },
        {"{{ reReplaceAll \"(\" \"\" \"x\" }}",                                 "error calling reReplaceAll"                                  },
        {"{{ index (query \"up\") 9 }}",                                        "index out of range: 9"                                       },
        {"{{ range 1.5 }}{{ end }}",                                            "range can't iterate over a float64"                          },
        {"{{ humanizeTimestamp 1e30 }}",                                        "overflows int64"                                             },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[1024];
        struct errmsg err;
        int rc = expand(rows[i].text, got, &err);
        if (rc == 0 || !strstr(got, rows[i].want)) print_message("%s: %s\n", rows[i].text, got);
        assert_true(rc < 0);
        assert_non_null(strstr(got, rows[i].want));
    }
}

static void nesting_is_bounded(void **state)
{
    char text[4096], got[1024];
    struct errmsg err;
    UNUSED(state);
    size_t n = 0;
    n += (size_t)snprintf(text, sizeof text, "{{ ");
    for (int i = 0; i < 500; i++)
        text[n++] = '(';
    text[n] = '\0';
    assert_int_equal(expand(text, got, &err), E_PARSE);
    assert_non_null(strstr(got, "nested too deeply"));
    n = 0;
    for (int i = 0; i < 200; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "{{if true}}");
    assert_int_equal(expand(text, got, &err), E_PARSE);
    assert_non_null(strstr(got, "nested too deeply"));
}

/* The n-th refused allocation gives an error, never a crash or half an output. */
static void survives_refused_memory(void **state)
{
    static const char text[] = "{{ range query \"up\" | sortByLabel \"node\" }}"
                               "{{ printf \"%s %.1f\" .Labels.node .Value }}{{ end }}";
    UNUSED(state);
    for (uint64_t n = 1; n < 40; n++) {
        char got[1024];
        struct errmsg err;
        mem_fail_at(n, 1);
        int rc = expand(text, got, &err);
        mem_fail_at(0, 0);
        if (rc == 0) assert_string_equal(got, "a 0.0b 1.0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_alerts_use),  cmocka_unit_test(follows_go),
        cmocka_unit_test(formats_as_go),           cmocka_unit_test(refuses_with_position),
        cmocka_unit_test(fails_when_run),          cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(survives_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
