/* template_time.c -- times and durations as Go's time package prints them, UTC only.
 *
 * A layout is the reference time "Mon Jan 2 15:04:05 MST 2006" written the way it should look; each
 * of its parts is a row of the table below, longer ones before those they start with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "rules/template_int.h"

#define NS_PER_S INT64_C(1000000000)

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

struct moment {
    struct tm tm;
    int ns;
};

static struct moment moment_of(int64_t ns)
{
    struct moment m = {0};
    int64_t s = ns / NS_PER_S, rest = ns % NS_PER_S;
    if (rest < 0) rest += NS_PER_S, s--;
    time_t t = (time_t)s;
    if (!gmtime_r(&t, &m.tm)) m.tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    m.ns = (int)rest;
    return m;
}

/* The fraction without trailing zeros, with its dot; nothing when it is zero. */
static void print_fraction(int ns, struct buf *out)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, ".%09d", ns);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (n > 1) buf_add(out, digits, (size_t)n);
}

enum part {
    YEAR4,
    YEAR2,
    MONTH_LONG,
    MONTH_SHORT,
    MONTH2,
    MONTH1,
    DAY_LONG,
    DAY_SHORT,
    YEARDAY3,
    DAY2,
    DAY_BLANK,
    DAY1,
    HOUR24,
    HOUR12_2,
    HOUR12_1,
    MINUTE2,
    MINUTE1,
    SECOND2,
    SECOND1,
    AMPM,
    AMPM_LOW,
    ZONE_NAME,
    ZONE_Z_COLON,
    ZONE_Z,
    ZONE_COLON,
    ZONE,
    ZONE_HOUR,
};

// clang-format off
static const struct {
    const char *text;
    enum part part;
} layout_parts[] = {
    {"January", MONTH_LONG}, {"Jan", MONTH_SHORT}, {"Monday", DAY_LONG}, {"Mon", DAY_SHORT},
    {"MST", ZONE_NAME}, {"2006", YEAR4}, {"__2", YEARDAY3}, {"002", YEARDAY3}, {"_2", DAY_BLANK},
    {"01", MONTH2}, {"02", DAY2}, {"03", HOUR12_2}, {"04", MINUTE2}, {"05", SECOND2}, {"06", YEAR2},
    {"15", HOUR24}, {"1", MONTH1}, {"2", DAY1}, {"3", HOUR12_1}, {"4", MINUTE1}, {"5", SECOND1},
    {"PM", AMPM}, {"pm", AMPM_LOW}, {"Z07:00", ZONE_Z_COLON}, {"Z0700", ZONE_Z},
    {"-07:00", ZONE_COLON}, {"-0700", ZONE}, {"-07", ZONE_HOUR},
};
// clang-format on

static void print_part(const struct moment *m, enum part part, struct buf *out)
{
    const struct tm *t = &m->tm;
    int hour12 = t->tm_hour % 12 == 0 ? 12 : t->tm_hour % 12;
    const char *am = t->tm_hour < 12 ? "AM" : "PM", *am_low = t->tm_hour < 12 ? "am" : "pm";
    // clang-format off
    switch (part) {
    case YEAR4:        buf_addf(out, "%04d", t->tm_year + 1900); break;
    case YEAR2:        buf_addf(out, "%02d", (t->tm_year + 1900) % 100); break;
    case MONTH_LONG:   buf_addstr(out, months[t->tm_mon]); break;
    case MONTH_SHORT:  buf_add(out, months[t->tm_mon], 3); break;
    case MONTH2:       buf_addf(out, "%02d", t->tm_mon + 1); break;
    case MONTH1:       buf_addint(out, t->tm_mon + 1); break;
    case DAY_LONG:     buf_addstr(out, days[t->tm_wday]); break;
    case DAY_SHORT:    buf_add(out, days[t->tm_wday], 3); break;
    case YEARDAY3:     buf_addf(out, "%03d", t->tm_yday + 1); break;
    case DAY2:         buf_addf(out, "%02d", t->tm_mday); break;
    case DAY_BLANK:    buf_addf(out, "%2d", t->tm_mday); break;
    case DAY1:         buf_addint(out, t->tm_mday); break;
    case HOUR24:       buf_addf(out, "%02d", t->tm_hour); break;
    case HOUR12_2:     buf_addf(out, "%02d", hour12); break;
    case HOUR12_1:     buf_addint(out, hour12); break;
    case MINUTE2:      buf_addf(out, "%02d", t->tm_min); break;
    case MINUTE1:      buf_addint(out, t->tm_min); break;
    case SECOND2:      buf_addf(out, "%02d", t->tm_sec); break;
    case SECOND1:      buf_addint(out, t->tm_sec); break;
    case AMPM:         buf_addstr(out, am); break;
    case AMPM_LOW:     buf_addstr(out, am_low); break;
    case ZONE_NAME:    buf_addstr(out, "UTC"); break;
    case ZONE_Z_COLON:
    case ZONE_Z:       buf_addch(out, 'Z'); break;
    case ZONE_COLON:   buf_addstr(out, "+00:00"); break;
    case ZONE:         buf_addstr(out, "+0000"); break;
    case ZONE_HOUR:    buf_addstr(out, "+00"); break;
    }
    // clang-format on
}

/* ".000" keeps its zeros, ".999" drops them; both only where no further digit follows. */
static size_t fraction_part(const struct moment *m, struct str s, struct buf *out)
{
    char c = s.len > 1 ? s.p[1] : '\0';
    if ((s.p[0] != '.' && s.p[0] != ',') || (c != '0' && c != '9')) return 0;
    size_t n = 1;
    while (n < s.len && s.p[n] == c)
        n++;
    if (n > 10 || (n < s.len && s.p[n] >= '0' && s.p[n] <= '9')) return 0;
    char digits[16];
    snprintf(digits, sizeof digits, "%c%09d", s.p[0], m->ns);
    size_t len = n;
    if (c == '9') {
        while (len > 1 && digits[len - 1] == '0')
            len--;
        if (len == 1) len = 0;
    }
    buf_add(out, digits, len);
    return n;
}

void template_format_time(int64_t ns, struct str layout, struct buf *out)
{
    struct moment m = moment_of(ns);
    while (layout.len > 0) {
        size_t used = fraction_part(&m, layout, out);
        for (size_t i = 0; used == 0 && i < COUNT(layout_parts); i++) {
            if (!str_starts(layout, str_of(layout_parts[i].text))) continue;
            print_part(&m, layout_parts[i].part, out);
            used = strlen(layout_parts[i].text);
        }
        if (used == 0) {
            buf_addch(out, layout.p[0]);
            used = 1;
        }
        layout.p += used;
        layout.len -= used;
    }
}

void template_print_time(int64_t ns, struct buf *out)
{
    struct moment m = moment_of(ns);
    buf_addf(out, "%04d-%02d-%02d %02d:%02d:%02d", m.tm.tm_year + 1900, m.tm.tm_mon + 1,
             m.tm.tm_mday, m.tm.tm_hour, m.tm.tm_min, m.tm.tm_sec);
    print_fraction(m.ns, out);
    buf_addstr(out, " +0000 UTC");
}

/* v / unit with as many decimals as it takes. */
static void print_decimal(uint64_t v, uint64_t unit, const char *name, struct buf *out)
{
    char digits[32];
    buf_adduint(out, v / unit);
    uint64_t rest = v % unit;
    int n = 0;
    for (uint64_t u = unit; u > 1 && rest > 0; u /= 10) {
        digits[n++] = (char)('0' + rest * 10 / unit);
        rest = rest * 10 % unit;
    }
    if (n > 0) {
        buf_addch(out, '.');
        buf_add(out, digits, (size_t)n);
    }
    buf_addstr(out, name);
}

void template_print_duration(int64_t ns, struct buf *out)
{
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (v == 0) {
        buf_addstr(out, "0s");
        return;
    }
    if (ns < 0) buf_addch(out, '-');
    if (v < 1000) return print_decimal(v, 1, "ns", out);
    if (v < 1000000) return print_decimal(v, 1000, "\u00b5s", out);
    if (v < NS_PER_S) return print_decimal(v, 1000000, "ms", out);
    uint64_t minutes = v / NS_PER_S / 60;
    if (minutes >= 60) buf_addf(out, "%lluh", (unsigned long long)(minutes / 60));
    if (minutes > 0) buf_addf(out, "%llum", (unsigned long long)(minutes % 60));
    print_decimal(v - minutes * 60 * NS_PER_S, NS_PER_S, "s", out);
}
