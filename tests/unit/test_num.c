/* test_num.c -- numbers, durations, sizes and times in and out of text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/str.h"

static double from_bits(uint64_t u)
{
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static void doubles_are_printed_as_go_does(void **state)
{
    static const struct {
        double v;
        const char *api, *g, *f;
    } rows[] = {
        {0,                      "0",                       "0",                       "0"                     },
        {-0.0,                   "-0",                      "-0",                      "-0"                    },
        {0.1,                    "0.1",                     "0.1",                     "0.1"                   },
        {1e21,                   "1e+21",                   "1e+21",                   "1000000000000000000000"},
        {1e20,                   "100000000000000000000",   "1e+20",                   "100000000000000000000" },
        {1e-7,                   "1e-07",                   "1e-07",                   "0.0000001"             },
        {1e-6,                   "0.000001",                "1e-06",                   "0.000001"              },
        {1234567.8,              "1234567.8",               "1.2345678e+06",           "1234567.8"             },
        {123456,                 "123456",                  "123456",                  "123456"                },
        {5e-324,                 "5e-324",                  "5e-324",                  NULL                    },
        {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308", NULL                    },
        {9007199254740993.0,     "9007199254740992",        "9.007199254740992e+15",   "9007199254740992"      },
        {1.0 / 3,                "0.3333333333333333",      "0.3333333333333333",      "0.3333333333333333"    },
        {HUGE_VAL,               "+Inf",                    "+Inf",                    "+Inf"                  },
        {-HUGE_VAL,              "-Inf",                    "-Inf",                    "-Inf"                  },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[STR_DOUBLE_MAX];
        assert_int_equal(str_from_double(rows[i].v, out), strlen(rows[i].api));
        assert_string_equal(out, rows[i].api);
        str_from_double_g(rows[i].v, out);
        assert_string_equal(out, rows[i].g);
        str_from_double_f(rows[i].v, out);
        if (rows[i].f) assert_string_equal(out, rows[i].f);
    }
    char out[STR_DOUBLE_MAX];
    str_from_double(from_bits(UINT64_C(0x7ff8000000000001)), out);
    assert_string_equal(out, "NaN");
}

static void random_doubles_survive_print_and_read(void **state)
{
    uint64_t x = 88172645463325252u; /* xorshift64 */
    UNUSED(state);
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v = i % 2 ? from_bits(x) : (double)(x % 1000000000) / pow(10, (double)(x >> 60));
        if (!isfinite(v)) continue;
        char out[STR_DOUBLE_MAX];
        double back;
        size_t len = str_from_double(v, out);
        assert_int_equal(str_to_double((struct str){out, len}, &back), 0);
        assert_memory_equal(&back, &v, sizeof v);
        assert_true(strtod(out, NULL) == v); /* another reader agrees */
    }
}

/* The digits of %.*e with so many of them, without sign, point and exponent. */
static size_t digits_of(double v, int count, char out[32])
{
    char text[64];
    size_t n = 0;
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    for (const char *c = text; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9') out[n++] = *c;
    while (n > 1 && out[n - 1] == '0')
        n--;
    out[n] = '\0';
    return n;
}

/* As printf knows it: the fewest digits that read back, rounded correctly. */
static void printed_doubles_are_shortest(void **state)
{
    UNUSED(state);
    uint64_t x = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v = ldexp((double)(x >> 11 | 1), (int)(x % 75) - 70 - (int)(i % 3) * 5);
        char out[STR_DOUBLE_MAX], got[STR_DOUBLE_MAX], want[32];
        int count = 1;
        while (digits_of(v, count, want), snprintf(out, sizeof out, "%.*e", count - 1, v),
               strtod(out, NULL) != v)
            count++;
        size_t n = 0, len = str_from_double(v, out);
        for (size_t k = 0; k < len && out[k] != 'e'; k++)
            if (out[k] >= '0' && out[k] <= '9' && (n || out[k] != '0')) got[n++] = out[k];
        while (n > 1 && got[n - 1] == '0')
            n--;
        got[n] = '\0';
        if (strcmp(got, want) != 0) fail_msg("%.17g: %s, not %s", v, got, want);
    }
}

static void doubles_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        int rc;
        double v;
    } rows[] = {
        {"1",                              0,       1                               },
        {"+1.5e3",                         0,       1500                            },
        {".5",                             0,       .5                              },
        {"5.",                             0,       5                               },
        {"0x1p-2",                         0,       .25                             },
        {"0x1.8p1",                        0,       3                               },
        {"inf",                            0,       HUGE_VAL                        },
        {"-Infinity",                      0,       -HUGE_VAL                       },
        {"1e999",                          -ERANGE, HUGE_VAL                        },
        {"123456789012345678901234567890", 0,       123456789012345678901234567890.0},
        {"0.1e-400",                       0,       0                               },
        {"",                               E_PARSE, 0                               },
        {NULL,                             E_PARSE, 0                               },
        {".",                              E_PARSE, 0                               },
        {"-",                              E_PARSE, 0                               },
        {"1e",                             E_PARSE, 0                               },
        {"1 ",                             E_PARSE, 0                               },
        {"1,5",                            E_PARSE, 0                               },
        {"0x",                             E_PARSE, 0                               },
        {"0x10",                           E_PARSE, 0                               },
        {"+nan",                           E_PARSE, 0                               },
        {"1_000",                          E_PARSE, 0                               },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        double v = 0;
        assert_int_equal(str_to_double(str_of(rows[i].text), &v), rows[i].rc);
        if (rows[i].rc != E_PARSE) assert_true(v == rows[i].v);
    }
}

static void integers_know_their_limits(void **state)
{
    int64_t i = 0;
    uint64_t u = 0;
    UNUSED(state);
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &i), -ERANGE);
    assert_int_equal(str_to_i64(STR("+7"), &i), 0);
    assert_int_equal(i, 7);
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_u64(STR("18446744073709551616"), &u), -ERANGE);
    assert_int_equal(str_to_u64(STR("-1"), &u), E_PARSE);
    assert_int_equal(str_to_u64(STR(""), &u), E_PARSE);
}

static void durations_follow_prometheus(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *printed;
    } rows[] = {
        {"0",             0,           "0s"         },
        {"1h30m",         5400000,     "1h30m"      },
        {"250ms",         250,         "250ms"      },
        {"14d",           1209600000,  "2w"         },
        {"1y",            31536000000, "1y"         },
        {"36h",           129600000,   "36h"        },
        {"90m",           5400000,     "1h30m"      },
        {"1w2d3h4m5s6ms", 788645006,   "219h4m5s6ms"},
    };
    static const char *const bad[] = {"",    "1",    "5mm",  "1m1m", "1s1m",
                                      "-5m", "1.5d", "294y", "ms",   "99999999999999999999s"};
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        char out[64];
        assert_int_equal(str_to_duration(str_of(rows[i].text), &ms, NULL), 0);
        assert_int_equal(ms, rows[i].ms);
        str_from_duration(ms, out);
        assert_string_equal(out, rows[i].printed);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct errmsg e = {0};
        int64_t ms;
        assert_true(str_to_duration(str_of(bad[i]), &ms, &e) < 0);
        assert_true(e.text[0]);
    }
}

static void sizes_have_units(void **state)
{
    int64_t n = 0;
    UNUSED(state);
    assert_int_equal(str_to_size(STR("10GiB"), &n, NULL), 0);
    assert_true(n == INT64_C(10) << 30);
    assert_int_equal(str_to_size(STR("512"), &n, NULL), 0);
    assert_int_equal(n, 512);
    assert_int_equal(str_to_size(STR("64KB"), &n, NULL), 0);
    assert_int_equal(n, 65536);
    assert_true(str_to_size(STR("10Gib"), &n, NULL) < 0);
    assert_true(str_to_size(STR("GiB"), &n, NULL) < 0);
    assert_true(str_to_size(STR("99999999999TiB"), &n, NULL) < 0);
}

static void times_are_rfc3339_or_seconds(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0",                                   0                            },
        {"1.5",                                 1500                         },
        {"-1",                                  -1000                        },
        {"1970-01-01T00:00:00Z",                0                            },
        {"2026-01-02T03:04:05.678Z",            INT64_C(1767323045678)       },
        {"2026-01-02T3:04:05Z",                 INT64_C(1767323045000)       },
        {"2026-01-02T03:04:05,25Z",             INT64_C(1767323045250)       },
        {"2026-01-02T03:04:05.9999Z",           INT64_C(1767323045999)       },
        {"2026-01-03T03:04:05+24:00",           INT64_C(1767323045000)       },
        {"0.0005",                              1                            },
        {"-0.0005",                             -1                           },
        {"1543578564.7054",                     INT64_C(1543578564705)       },
        {"9223309901257974",                    INT64_C(9223309901257974000) },
        {"-292273086-05-16T16:47:06Z",          INT64_C(-9223309901257974000)},
        {"292277025-08-18T07:12:54.999999999Z", INT64_C(9223309901257974999) },
        {"2026-01-02T05:04:05+02:00",           INT64_C(1767323045000)       },
        {"2024-02-29T00:00:00Z",                INT64_C(1709164800000)       },
    };
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "NaN",
                                      "2026-01-02",
                                      "2026-01-02t03:04:05z",
                                      "2026-01-02T03:04:60Z",
                                      "2026-01-02T03:04:05+24:61",
                                      "9300000000000000",
                                      "292277025-08-18T07:12:54Z",
                                      "2026-13-01T00:00:00Z",
                                      "2025-02-29T00:00:00Z",
                                      "2026-01-02T03:04:05",
                                      "2026-01-02T25:04:05Z",
                                      "2026-01-02T03:04:05.Z"};
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = -1;
        assert_int_equal(str_to_time(str_of(rows[i].text), &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        assert_true(str_to_time(str_of(bad[i]), &ms) < 0);
    }
    char out[40];
    str_from_time(INT64_C(1767323045670), out);
    assert_string_equal(out, "2026-01-02T03:04:05.67Z");
    str_from_time(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void near_words_are_found(void **state)
{
    static const char *const names[] = {"scrape_timeout", "scrape_interval", "job_name"};
    UNUSED(state);
    assert_string_equal(str_nearest(STR("scrape_intervall"), names, 3), "scrape_interval");
    assert_string_equal(str_nearest(STR("jobname"), names, 3), "job_name");
    assert_null(str_nearest(STR("banana"), names, 3));
    assert_int_equal(str_distance(STR("ab"), STR("ba")), 1);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
}

static void utf8_is_checked_strictly(void **state)
{
    static const char *const good[] = {"", "abc", "é", "€", "😀", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf8", "\xe2\x82", "a\xff"};
    UNUSED(state);
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(str_is_utf8(str_of(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(str_is_utf8(str_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_printed_as_go_does),
        cmocka_unit_test(random_doubles_survive_print_and_read),
        cmocka_unit_test(printed_doubles_are_shortest),
        cmocka_unit_test(doubles_are_read_whole_or_not_at_all),
        cmocka_unit_test(integers_know_their_limits),
        cmocka_unit_test(durations_follow_prometheus),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(times_are_rfc3339_or_seconds),
        cmocka_unit_test(near_words_are_found),
        cmocka_unit_test(utf8_is_checked_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
