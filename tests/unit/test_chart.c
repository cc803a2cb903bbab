/* test_chart.c -- charts as they are drawn, compared with tests/fixtures/chart/NAME.txt; the
 * argument print writes those files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/chart.h"

#define FOLDER "tests/fixtures/chart/"

enum { POINTS = 121, SERIES = 30, TEXT_MAX = 1 << 20 };
static const int64_t NOON_MS = INT64_C(1767268800000); /* 2026-01-01T12:00:00Z */

struct sketch {
    struct chart chart;
    struct chart_series series[SERIES];
    struct chart_point points[SERIES][POINTS];
    char names[SERIES][64];
};

/* --- the values drawn: of a series, at a step --- */

static double wave(size_t series, int i)
{
    return 1e8 * (1 + 0.8 * sin(i / 12.0 + (double)series * 1.5));
}
static double slope(size_t series, int i)
{
    return (double)(series + 1) * i / 2.0;
}
static double with_gap(size_t series, int i)
{
    UNUSED(series);
    return i > 40 && i < 70 ? (double)NAN : 0.25 + 0.2 * cos(i / 20.0);
}
static double odd(size_t series, int i)
{
    UNUSED(series);
    if (i % 40 == 10) return (double)INFINITY;
    if (i % 40 == 20) return -(double)INFINITY;
    return i % 40 == 30 ? (double)NAN : i * 0.001;
}
static double constant(size_t series, int i)
{
    UNUSED(series);
    UNUSED(i);
    return 42;
}
static double zero(size_t series, int i)
{
    UNUSED(series);
    UNUSED(i);
    return 0;
}
static double below_zero(size_t series, int i)
{
    UNUSED(series);
    return -3000 + 50.0 * i;
}
static double nothing(size_t series, int i)
{
    UNUSED(series);
    UNUSED(i);
    return (double)NAN;
}
static double widest(size_t series, int i)
{
    UNUSED(series);
    return i % 2 ? 1.7e308 : -1.7e308;
}
static double close_together(size_t series, int i)
{
    UNUSED(series);
    return 1e9 + i * 0.001;
}
static double steps(size_t series, int i)
{
    return (double)series + (i / 30) % 2;
}

static int plus_half_past_five(int64_t t_s)
{
    UNUSED(t_s);
    return 19800;
}
/* An hour more from 13:00 UTC on, as when summer time begins. */
static int leaping(int64_t t_s)
{
    return t_s * 1000 < NOON_MS + 3600000 ? 3600 : 7200;
}

struct row {
    const char *name;
    double (*value)(size_t series, int i);
    size_t count;
    int points;
    int64_t span_ms;
    enum chart_unit unit;
    bool per_second, utf8, colour;
    int columns, lines;
    int (*utc_offset_s)(int64_t t_s);
};

static const struct row rows[] = {
    {"bytes",            wave,           1,  POINTS, 3600000,               CHART_BYTES,   false, true,  false, 80,  16, NULL   },
    {"bytes_per_second", wave,           2,  POINTS, 3600000,               CHART_BYTES,   true,  true,  true,  80,  16, NULL   },
    {"no_colour",        slope,          3,  POINTS, 600000,                CHART_NUMBER,  false, true,  false, 80,  14, NULL   },
    {"ascii",            slope,          3,  POINTS, 600000,                CHART_NUMBER,  true,  false, false, 80,  14, NULL   },
    {"ascii_colour",     slope,          3,  POINTS, 600000,                CHART_SECONDS, false, false, true,  60,  14, NULL   },
    {"gap",              with_gap,       1,  POINTS, 21600000,              CHART_RATIO,   false, true,  false, 80,  14, NULL   },
    {"odd_values",       odd,            1,  POINTS, 120000,                CHART_SECONDS, false, true,  false, 80,  14, NULL   },
    {"one_point",        constant,       1,  1,      0,                     CHART_NUMBER,  false, true,  false, 60,  10, NULL   },
    {"constant",         constant,       1,  POINTS, 86400000,              CHART_NUMBER,  false, true,  false, 60,  12, NULL   },
    {"zero",             zero,           1,  POINTS, 86400000,              CHART_SECONDS, false, true,  false, 60,  12, NULL   },
    {"below_zero",       below_zero,     1,  POINTS, 7200000,               CHART_NUMBER,  false, true,  false, 80,  16, NULL   },
    {"nothing",          nothing,        1,  POINTS, 3600000,               CHART_NUMBER,  false, true,  false, 60,  10, NULL   },
    {"no_series",        nothing,        0,  0,      3600000,               CHART_NUMBER,  false, true,  false, 60,  10, NULL   },
    {"widest",           widest,         1,  9,      3600000,               CHART_NUMBER,  false, true,  false, 60,  10, NULL   },
    {"close",            close_together, 1,  POINTS, 1000,                  CHART_NUMBER,  false, true,  false, 80,  12, NULL   },
    {"many",             steps,          30, POINTS, 3600000,               CHART_NUMBER,  false, true,  true,  80,  20, NULL   },
    {"small",            wave,           2,  POINTS, 3600000,               CHART_BYTES,   false, true,  true,  10,  2,  NULL   },
    {"zone",             slope,          1,  POINTS, 3600000,               CHART_NUMBER,  false, true,  false, 80,  12,
     plus_half_past_five                                                                                                        },
    {"summer",           slope,          1,  POINTS, 7200000,               CHART_NUMBER,  false, true,  false, 100, 12, leaping},
    {"midnight",         slope,          1,  POINTS, 86400000,              CHART_NUMBER,  false, true,  false, 100, 12, NULL   },
    {"month",            slope,          1,  POINTS, INT64_C(2592000000),   CHART_BYTES,   false, true,  false, 100, 12,
     NULL                                                                                                                       },
    {"decade",           slope,          1,  POINTS, INT64_C(315360000000), CHART_NUMBER,  false, true,  false, 100, 12,
     NULL                                                                                                                       },
    {"hours",            wave,           1,  POINTS, 3600000,               CHART_SECONDS, false, true,  false, 80,  12, NULL   },
};

static void make(struct sketch *s, const struct row *r)
{
    int64_t step_ms = r->points > 1 ? r->span_ms / (r->points - 1) : 1000;
    memset(s, 0, sizeof *s);
    for (size_t k = 0; k < r->count; k++) {
        for (int i = 0; i < r->points; i++)
            s->points[k][i] = (struct chart_point){NOON_MS + i * step_ms, r->value(k, i)};
        snprintf(s->names[k], sizeof s->names[k], "{mode=\"%s\",cpu=\"%zu\"}",
                 k % 2 ? "\xc3\xbc" : "idle", k);
        s->series[k] = (struct chart_series){s->names[k], s->points[k], (size_t)r->points};
    }
    s->chart = (struct chart){.series = s->series,
                              .count = r->count,
                              .start_ms = NOON_MS,
                              .end_ms = NOON_MS + r->span_ms,
                              .step_ms = step_ms,
                              .unit = r->unit,
                              .per_second = r->per_second,
                              .columns = r->columns,
                              .lines = r->lines,
                              .utf8 = r->utf8,
                              .colour = r->colour,
                              .utc_offset_s = r->utc_offset_s};
}

static void path_of(const struct row *r, char path[128])
{
    snprintf(path, 128, FOLDER "%s.txt", r->name);
}

static void charts_look_as_they_did(void **state)
{
    static struct sketch s;
    static char want[TEXT_MAX];
    char path[128];
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(TEXT_MAX);
        make(&s, &rows[i]);
        assert_int_equal(chart_draw(&s.chart, &out), 0);
        path_of(&rows[i], path);
        FILE *f = fopen(path, "rb");
        if (!f) fail_msg("%s is missing", path);
        size_t len = fread(want, 1, sizeof want - 1, f);
        fclose(f);
        want[len] = '\0';
        if (strcmp(out.p, want) != 0) fail_msg("%s is now:\n%s", path, out.p);
        buf_release(&out);
    }
}

/* --- whatever comes in --- */

static uint64_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *x >> 16;
}

/* Columns of a line of a terminal: characters, without colours. */
static int columns_of(const char *line, size_t len)
{
    int columns = 0;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\033')
            while (i < len && line[i] != 'm')
                i++;
        else
            columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return columns;
}

static void check_fits(const struct chart *c, const char *text)
{
    int lines = 0, columns = c->columns < 40 ? 40 : c->columns;
    for (const char *p = text; *p; lines++) {
        const char *end = strchr(p, '\n');
        assert_non_null(end);
        if (columns_of(p, (size_t)(end - p)) > columns)
            fail_msg("wider than %d columns:\n%s", columns, text);
        p = end + 1;
    }
    if (lines > (c->lines < 8 ? 8 : c->lines)) fail_msg("more than %d lines:\n%s", c->lines, text);
}

static double any_value(uint64_t *x)
{
    uint64_t bits = next_random(x) << 20 ^ next_random(x);
    double v;
    switch (next_random(x) % 4) {
    case 0: /* any double at all */
        memcpy(&v, &bits, sizeof v);
        return v;
    case 1:
        return (double)(bits % 1000) / 7;
    case 2:
        return -(double)(bits % 1000000);
    default:
        return 5e9 + (double)(bits % 100);
    }
}

static void any_values_fit_the_size_asked_for(void **state)
{
    static struct sketch s;
    uint64_t x = 7;
    UNUSED(state);
    for (int round = 0; round < 2000; round++) {
        int64_t span_ms = (int64_t)(next_random(&x) % (UINT64_C(1) << next_random(&x) % 40));
        struct row r = {"any",
                        zero,
                        next_random(&x) % SERIES,
                        (int)(next_random(&x) % POINTS),
                        span_ms,
                        (enum chart_unit)(next_random(&x) % 4),
                        next_random(&x) % 2,
                        next_random(&x) % 2,
                        next_random(&x) % 2,
                        (int)(next_random(&x) % 200),
                        (int)(next_random(&x) % 60),
                        next_random(&x) % 2 ? leaping : NULL};
        struct buf out = BUF_INIT(TEXT_MAX);
        make(&s, &r);
        for (size_t k = 0; k < r.count; k++)
            for (int i = 0; i < r.points; i++)
                s.points[k][i].v = any_value(&x);
        assert_int_equal(chart_draw(&s.chart, &out), 0);
        check_fits(&s.chart, out.p);
        buf_release(&out);
    }
}

static void values_are_told_with_their_unit(void **state)
{
    static const struct {
        enum chart_unit unit;
        bool per_second, utf8;
        double v;
        const char *text;
    } cases[] = {
        {CHART_NUMBER,  false, true,  0,                 "0"           },
        {CHART_NUMBER,  false, true,  12345,             "12.35 k"     },
        {CHART_NUMBER,  true,  true,  0.0005,            "0.0005 /s"   },
        {CHART_NUMBER,  false, true,  -2.5e6,            "-2.5 M"      },
        {CHART_NUMBER,  false, true,  1e30,              "1e+30"       },
        {CHART_BYTES,   false, true,  1536,              "1.5 KiB"     },
        {CHART_BYTES,   true,  true,  1048576,           "1 MiB/s"     },
        {CHART_BYTES,   false, true,  12,                "12 B"        },
        {CHART_SECONDS, false, true,  0,                 "0 s"         },
        {CHART_SECONDS, false, true,  0.25,              "250 ms"      },
        {CHART_SECONDS, false, true,  2.5e-5,            "25 \xc2\xb5s"},
        {CHART_SECONDS, false, false, 2.5e-5,            "25 us"       },
        {CHART_SECONDS, false, true,  5400,              "1.5 h"       },
        {CHART_SECONDS, false, true,  172800,            "2 d"         },
        {CHART_RATIO,   false, true,  0.125,             "12.5 %"      },
        {CHART_BYTES,   false, true,  (double)NAN,       "NaN"         },
        {CHART_BYTES,   false, true,  (double)INFINITY,  "+Inf"        },
        {CHART_BYTES,   false, true,  -(double)INFINITY, "-Inf"        },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = BUF_INIT(256);
        chart_value(cases[i].unit, cases[i].per_second, cases[i].utf8, cases[i].v, &out);
        assert_string_equal(out.p, cases[i].text);
        buf_release(&out);
    }
}

static void memory_that_is_refused_is_an_error(void **state)
{
    static struct sketch s;
    UNUSED(state);
    make(&s, &rows[0]);
    struct buf out = BUF_INIT(100);
    assert_int_equal(chart_draw(&s.chart, &out), E_TOO_BIG);
    buf_release(&out);
}

static int print_all(void)
{
    static struct sketch s;
    char path[128];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(TEXT_MAX);
        make(&s, &rows[i]);
        path_of(&rows[i], path);
        FILE *f = chart_draw(&s.chart, &out) == 0 ? fopen(path, "wb") : NULL;
        if (!f) return 1;
        fputs(out.p, f);
        fclose(f);
        buf_release(&out);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(charts_look_as_they_did),
        cmocka_unit_test(any_values_fit_the_size_asked_for),
        cmocka_unit_test(values_are_told_with_their_unit),
        cmocka_unit_test(memory_that_is_refused_is_an_error),
    };
    if (argc > 1 && strcmp(argv[1], "print") == 0) return print_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
