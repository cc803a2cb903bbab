/* chart_axis.c -- where the ticks of an axis stand, and what they say.
 *
 * Values: steps of 1, 2 or 5 times a power of ten; of a power of two for bytes; of whole minutes,
 * hours and days for long times. One prefix serves all ticks, so that they can be compared at a
 * glance. Time: steps a clock shows, in local time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/chart_int.h"

enum { FEW_DIGITS = 2 };

/* --- prefixes --- */

struct prefix {
    double factor;
    const char *text, *ascii; /* ascii NULL: the same */
};

static const struct prefix of_numbers[] = {
    {1e18, "E", NULL},
    {1e15, "P", NULL},
    {1e12, "T", NULL},
    {1e9,  "G", NULL},
    {1e6,  "M", NULL},
    {1e3,  "k", NULL},
    {1,    "",  NULL},
};
static const struct prefix of_bytes[] = {
    {0x1p60, "EiB", NULL},
    {0x1p50, "PiB", NULL},
    {0x1p40, "TiB", NULL},
    {0x1p30, "GiB", NULL},
    {0x1p20, "MiB", NULL},
    {0x1p10, "KiB", NULL},
    {1,      "B",   NULL},
};
static const struct prefix of_seconds[] = {
    {86400, "d",         NULL},
    {3600,  "h",         NULL},
    {60,    "min",       NULL},
    {1,     "s",         NULL},
    {1e-3,  "ms",        NULL},
    {1e-6,  "\xc2\xb5s", "us"}, /* U+00B5, the micro sign */
    {1e-9,  "ns",        NULL},
};
static const struct prefix of_ratios[] = {
    {0.01, "%", NULL},
};

static const struct {
    const struct prefix *v;
    size_t count;
} prefixes[] = {
    [CHART_NUMBER] = {of_numbers, COUNT(of_numbers)},
    [CHART_BYTES] = {of_bytes,   COUNT(of_bytes)  },
    [CHART_SECONDS] = {of_seconds, COUNT(of_seconds)},
    [CHART_RATIO] = {of_ratios,  COUNT(of_ratios) },
};

static const struct prefix *prefix_for(enum chart_unit unit, double largest)
{
    const struct prefix *v = prefixes[unit].v;
    size_t last = prefixes[unit].count - 1, i = 0;
    bool beyond = largest >= v[0].factor * 1e6; /* no prefix makes it short */
    if (largest == 0 || beyond) largest = 1;
    while (i < last && largest < v[i].factor)
        i++;
    return &v[i];
}

static void put_unit(const struct prefix *p, bool per_second, bool utf8, struct buf *out)
{
    const char *text = p->ascii && !utf8 ? p->ascii : p->text;
    if (text[0] || per_second) buf_addf(out, " %s%s", text, per_second ? "/s" : "");
}

void chart_value(enum chart_unit unit, bool per_second, bool utf8, double v, struct buf *out)
{
    if (!isfinite(v)) {
        buf_addstr(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    const struct prefix *p = prefix_for(unit, fabs(v));
    buf_addf(out, "%.4g", v / p->factor);
    put_unit(p, per_second, utf8, out);
}

/* --- values --- */

/* The smallest round step that is at least least. */
static long double round_step(enum chart_unit unit, long double least)
{
    static const long double clock[] = {60,   120,   300,   600,   900,   1800,   3600,
                                        7200, 10800, 21600, 43200, 86400, 172800, 604800};
    if (unit == CHART_SECONDS && least > 30 && least <= clock[COUNT(clock) - 1])
        for (size_t i = 0; i < COUNT(clock); i++)
            if (least <= clock[i]) return clock[i];
    if (unit == CHART_SECONDS && least > clock[COUNT(clock) - 1])
        return 86400 * round_step(CHART_NUMBER, least / 86400);
    if (unit == CHART_BYTES && least >= 1) return exp2l(ceill(log2l(least)));
    long double power = powl(10, floorl(log10l(least)));
    long double lead = least / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

/* Digits after the point that tell neighbouring ticks apart; < 0: too many, give significant ones.
 */
static int decimals_of(long double step)
{
    for (int digits = 0; digits <= 9; digits++) {
        long double scaled = step * powl(10, digits);
        if (scaled >= 1 && fabsl(scaled - roundl(scaled)) < scaled * 1e-6L) return digits;
    }
    return -1;
}

static void label_value(const struct chart *c, const struct prefix *p, long double step,
                        struct axis_tick *t)
{
    struct buf text = BUF_INIT(256);
    double v = t->at / p->factor;
    int digits = decimals_of(step / (long double)p->factor);
    if (digits < 0 || fabs(v) >= 1e16)
        buf_addf(&text, "%.6g", v);
    else
        buf_addf(&text, "%.*f", digits, v);
    put_unit(p, c->per_second, c->utf8, &text);
    snprintf(t->label, sizeof t->label, "%s", text.p ? text.p : "");
    buf_release(&text);
}

/* Down from the prefix of the largest value until a step takes few digits. */
static const struct prefix *prefix_of_axis(enum chart_unit unit, double largest, long double step)
{
    const struct prefix *p = prefix_for(unit, largest);
    const struct prefix *last = &prefixes[unit].v[prefixes[unit].count - 1];
    for (; p < last; p++) {
        int digits = decimals_of(step / (long double)p->factor);
        if (digits >= 0 && digits <= FEW_DIGITS) break;
    }
    return p;
}

/* Nothing, or one value alone, still needs an axis around it. */
static void widen(const struct chart *c, long double *low, long double *high)
{
    if (*low < *high && (*high - *low) > fabsl(*high) * 1e-13L) return;
    long double by = fabsl(*low) * 0.1L;
    if (*low == 0) by = c->unit == CHART_RATIO ? 0.01L : 1;
    *low -= *low == 0 ? 0 : by;
    *high += by;
}

void axis_of_values(struct axis *a, const struct chart *c, double low, double high, int want)
{
    *a = (struct axis){.low = (long double)low, .high = (long double)high};
    widen(c, &a->low, &a->high);
    long double step = round_step(c->unit, (a->high - a->low) / MAX(want, 1));
    long double first = floorl(a->low / step), last = ceill(a->high / step);
    if (last - first >= AXIS_TICKS_MAX) last = first + AXIS_TICKS_MAX - 1;
    a->low = first * step;
    a->high = last * step;
    double largest = (double)fmaxl(fabsl(a->low), fabsl(a->high));
    const struct prefix *p = prefix_of_axis(c->unit, largest, step);
    for (long double k = first; k <= last && a->count < AXIS_TICKS_MAX; k++) {
        struct axis_tick *t = &a->ticks[a->count];
        long double at = k * step;
        if (!isfinite((double)at)) continue; /* just past the largest double */
        t->at = (double)at;
        label_value(c, p, step, t);
        a->count++;
    }
}

/* --- time --- */

static const int64_t time_steps_ms[] = {
    1,        2,        5,        10,        20,        50,         100,        200,
    500,      1000,     2000,     5000,      10000,     15000,      30000,      60000,
    120000,   300000,   600000,   900000,    1800000,   3600000,    7200000,    10800000,
    21600000, 43200000, 86400000, 172800000, 604800000, 1209600000, 2592000000, 7776000000,
};
enum { DAY_MS = 86400000, LABEL_GAP = 4 };
static const int64_t YEAR_MS = INT64_C(31536000000);

static int64_t offset_ms(const struct chart *c, int64_t t_ms)
{
    return c->utc_offset_s ? (int64_t)c->utc_offset_s(t_ms / 1000) * 1000 : 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* What a label of this step needs to say; the first one says the date as well. */
static void label_time(const struct chart *c, int64_t step_ms, bool with_date, struct axis_tick *t)
{
    int64_t local_ms = (int64_t)t->at + offset_ms(c, (int64_t)t->at);
    time_t seconds = (time_t)floor_div(local_ms, 1000);
    struct tm tm = {0};
    char date[16] = "", clock[16] = "";
    gmtime_r(&seconds, &tm);
    bool midnight = floor_div(local_ms, DAY_MS) * DAY_MS == local_ms;
    bool has_clock = step_ms < DAY_MS && (with_date || !midnight);
    if (step_ms >= YEAR_MS)
        strftime(date, sizeof date, "%Y-%m", &tm);
    else if (with_date || !has_clock)
        strftime(date, sizeof date, "%b %d", &tm);
    if (has_clock) strftime(clock, sizeof clock, step_ms < 60000 ? "%H:%M:%S" : "%H:%M", &tm);
    int n =
        snprintf(t->label, sizeof t->label, "%s%s%s", date, date[0] && clock[0] ? " " : "", clock);
    if (step_ms < 1000 && n > 0 && (size_t)n < sizeof t->label)
        snprintf(t->label + n, sizeof t->label - (size_t)n, ".%03d",
                 (int)(local_ms - floor_div(local_ms, 1000) * 1000));
}

static int64_t time_step(int64_t least_ms)
{
    for (size_t i = 0; i < COUNT(time_steps_ms); i++)
        if (least_ms <= time_steps_ms[i]) return time_steps_ms[i];
    int64_t step = YEAR_MS;
    while (step < least_ms && step < INT64_MAX / 4)
        step *= 2;
    return step;
}

/* Columns that a label of this step takes. */
static int time_label_width(int64_t step_ms)
{
    return step_ms < 1000 ? 12 : step_ms < 60000 ? 8 : step_ms < DAY_MS ? 6 : 7;
}

void axis_of_time(struct axis *a, const struct chart *c, int columns)
{
    int64_t span_ms = MAX(c->end_ms - c->start_ms, (int64_t)0), step_ms = 1;
    *a = (struct axis){.low = c->start_ms, .high = MAX(c->end_ms, c->start_ms + 1)};
    for (int pass = 0; pass < 2; pass++) { /* the labels' width depends on the step */
        int64_t want = MAX(columns / (time_label_width(step_ms) + LABEL_GAP), 1);
        step_ms = time_step(span_ms / want + 1);
    }
    int64_t local_ms = c->start_ms + offset_ms(c, c->start_ms);
    int64_t t_ms = floor_div(local_ms + step_ms - 1, step_ms) * step_ms - local_ms + c->start_ms;
    for (; t_ms <= c->end_ms && a->count < AXIS_TICKS_MAX; t_ms += step_ms) {
        struct axis_tick *t = &a->ticks[a->count++];
        t->at = (double)t_ms;
        label_time(c, step_ms, a->count == 1, t);
    }
    if (a->count) return;
    a->ticks[a->count++].at = (double)c->start_ms; /* no round time within: the start itself */
    label_time(c, span_ms < 60000 ? 1000 : 60000, true, &a->ticks[0]);
}

void axis_zone(const struct chart *c, char out[AXIS_LABEL_MAX])
{
    int64_t minutes = offset_ms(c, c->start_ms) / 60000;
    int64_t size = minutes < 0 ? -minutes : minutes;
    if (minutes == 0)
        snprintf(out, AXIS_LABEL_MAX, "UTC");
    else if (size % 60 == 0)
        snprintf(out, AXIS_LABEL_MAX, "UTC%c%d", minutes < 0 ? '-' : '+', (int)(size / 60));
    else
        snprintf(out, AXIS_LABEL_MAX, "UTC%c%02d:%02d", minutes < 0 ? '-' : '+', (int)(size / 60),
                 (int)(size % 60));
}
