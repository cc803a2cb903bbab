/* units.c -- durations, sizes and times in and out of text (str.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

struct unit {
    struct str name;
    int64_t factor;
};

/* Prometheus' order: largest first, each at most once. */
static const struct unit duration_units[] = {
    {STR("y"),  INT64_C(31536000000)},
    {STR("w"),  604800000           },
    {STR("d"),  86400000            },
    {STR("h"),  3600000             },
    {STR("m"),  60000               },
    {STR("s"),  1000                },
    {STR("ms"), 1                   },
};

/* Splits "15ms..." into 15 and "ms", moving s past both. */
static int scan_part(struct str *s, uint64_t *number, struct str *unit)
{
    size_t i = 0;
    while (i < s->len && s->p[i] >= '0' && s->p[i] <= '9')
        i++;
    if (!i) return E_PARSE;
    int rc = str_to_u64((struct str){s->p, i}, number);
    if (rc) return rc;
    size_t j = i;
    while (j < s->len && !(s->p[j] >= '0' && s->p[j] <= '9'))
        j++;
    *unit = (struct str){s->p + i, j - i};
    s->p += j;
    s->len -= j;
    return 0;
}

static int add_part(int64_t *total, uint64_t number, int64_t factor)
{
    int64_t ms;
    if (number > INT64_MAX || __builtin_mul_overflow((int64_t)number, factor, &ms)) return -ERANGE;
    if (__builtin_add_overflow(*total, ms, total)) return -ERANGE;
    /* Prometheus holds durations in int64 nanoseconds */
    return *total > INT64_MAX / 1000000 ? -ERANGE : 0;
}

static int duration_error(struct errmsg *err, struct str whole, struct str unit, int rc)
{
    if (rc == -ERANGE)
        return errmsg_set(err, rc, "duration \"%.*s\" is out of range", (int)whole.len, whole.p);
    if (!whole.len) return errmsg_set(err, E_PARSE, "empty duration string");
    if (unit.len)
        errmsg_set(err, rc, "duration \"%.*s\" has no unit \"%.*s\"", (int)whole.len, whole.p,
                   (int)unit.len, unit.p);
    else
        errmsg_set(err, rc, "not a valid duration string: \"%.*s\"", (int)whole.len, whole.p);
    errmsg_hint(err, "use ms, s, m, h, d, w or y, as in 5m");
    return rc;
}

int str_to_duration(struct str s, int64_t *out_ms, struct errmsg *err)
{
    struct str whole = s, unit = {NULL, 0};
    int64_t total = 0;
    size_t next = 0; /* the first unit that may still follow */
    if (!s.len) return duration_error(err, whole, unit, E_PARSE);
    if (s.len == 1 && s.p[0] == '0') {
        *out_ms = 0;
        return 0;
    }
    while (s.len) {
        uint64_t number;
        int rc = scan_part(&s, &number, &unit);
        if (rc) return duration_error(err, whole, (struct str){NULL, 0}, rc);
        size_t i = next;
        while (i < COUNT(duration_units) && !str_eq(unit, duration_units[i].name))
            i++;
        if (i == COUNT(duration_units)) {
            for (size_t j = 0; j < next; j++) /* a known unit, but repeated or out of order */
                if (str_eq(unit, duration_units[j].name)) unit = (struct str){NULL, 0};
            return duration_error(err, whole, unit, E_PARSE);
        }
        next = i + 1;
        rc = add_part(&total, number, duration_units[i].factor);
        if (rc) return duration_error(err, whole, unit, rc);
    }
    *out_ms = total;
    return 0;
}

/* Prometheus' model.Duration.String: years, weeks and days only when they divide exactly. */
size_t str_from_duration(int64_t ms, char out[64])
{
    size_t n = 0;
    if (ms == 0) return (size_t)snprintf(out, 64, "0s");
    if (ms < 0) out[n++] = '-';
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    for (size_t i = 0; i < COUNT(duration_units); i++) {
        const struct unit *u = &duration_units[i];
        uint64_t factor = (uint64_t)u->factor, count = rest / factor;
        bool whole_only = i < 3;
        if (!count || (whole_only && rest % factor)) continue;
        n += (size_t)snprintf(out + n, 64 - n, "%llu%s", (unsigned long long)count, u->name.p);
        rest %= factor;
    }
    return n;
}

static const struct unit size_units[] = {
    {STR(""),    1               },
    {STR("B"),   1               },
    {STR("K"),   1 << 10         },
    {STR("M"),   1 << 20         },
    {STR("G"),   1 << 30         },
    {STR("T"),   INT64_C(1) << 40},
    {STR("KB"),  1 << 10         },
    {STR("MB"),  1 << 20         },
    {STR("GB"),  1 << 30         },
    {STR("TB"),  INT64_C(1) << 40},
    {STR("KiB"), 1 << 10         },
    {STR("MiB"), 1 << 20         },
    {STR("GiB"), 1 << 30         },
    {STR("TiB"), INT64_C(1) << 40},
};

int str_to_size(struct str s, int64_t *out, struct errmsg *err)
{
    struct str whole = s, unit;
    uint64_t number = 0;
    int rc = scan_part(&s, &number, &unit);
    if (rc || s.len || number > INT64_MAX) {
        errmsg_set(err, E_PARSE, "not a valid size: \"%.*s\"", (int)whole.len, whole.p);
        errmsg_hint(err, "use B, KiB, MiB, GiB or TiB, as in 512MiB");
        return E_PARSE;
    }
    for (size_t i = 0; i < COUNT(size_units); i++) {
        if (!str_eq(unit, size_units[i].name)) continue;
        if (!__builtin_mul_overflow((int64_t)number, size_units[i].factor, out)) return 0;
        return errmsg_set(err, -ERANGE, "size \"%.*s\" is out of range", (int)whole.len, whole.p);
    }
    errmsg_set(err, E_PARSE, "size \"%.*s\" has no unit \"%.*s\"", (int)whole.len, whole.p,
               (int)unit.len, unit.p);
    errmsg_hint(err, "use B, KiB, MiB, GiB or TiB, as in 512MiB");
    return E_PARSE;
}

/* --- times --- */

/* Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, days_from_civil). */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool take_number(struct str *s, size_t digits, int *out)
{
    *out = 0;
    if (s->len < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') return false;
        *out = *out * 10 + (s->p[i] - '0');
    }
    s->p += digits;
    s->len -= digits;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (!s->len || s->p[0] != c) return false;
    s->p++;
    s->len--;
    return true;
}

/* Go takes one digit of an hour as well as two. */
static bool take_hour(struct str *s, int *out)
{
    return take_number(s, 2, out) || take_number(s, 1, out);
}

/* ".5" or ",5"; a sign without a digit after it is left for what follows, and fails there. */
static void take_fraction_ms(struct str *s, int *ms)
{
    *ms = 0;
    if (s->len < 2 || (s->p[0] != '.' && s->p[0] != ',') || s->p[1] < '0' || s->p[1] > '9') return;
    int factor = 100;
    for (s->p++, s->len--; s->len && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->len--) {
        *ms += (s->p[0] - '0') * factor;
        factor /= 10;
    }
}

static bool take_zone(struct str *s, int *offset_minutes)
{
    *offset_minutes = 0;
    if (take_char(s, 'Z')) return true;
    int sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    int hours, minutes;
    if (!sign || !take_number(s, 2, &hours) || !take_char(s, ':') || !take_number(s, 2, &minutes))
        return false;
    if (hours > 24 || minutes > 60) return false; /* some write 24 hours, says Go */
    *offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_time_of_day(int hour, int minute, int second)
{
    return hour <= 23 && minute <= 59 && second <= 59;
}

/* What Go's time.Parse takes for RFC 3339. */
static int rfc3339(struct str s, int64_t *out_ms)
{
    int year, month, day, hour, minute, second, ms, zone;
    if (!take_number(&s, 4, &year) || !take_char(&s, '-') || !take_number(&s, 2, &month) ||
        !take_char(&s, '-') || !take_number(&s, 2, &day) || !take_char(&s, 'T'))
        return E_PARSE;
    if (!take_hour(&s, &hour) || !take_char(&s, ':') || !take_number(&s, 2, &minute) ||
        !take_char(&s, ':') || !take_number(&s, 2, &second))
        return E_PARSE;
    take_fraction_ms(&s, &ms);
    if (!take_zone(&s, &zone) || s.len) return E_PARSE;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        !is_time_of_day(hour, minute, second))
        return E_PARSE;
    int64_t minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - zone;
    *out_ms = (minutes * 60 + second) * 1000 + ms;
    return 0;
}

/* How Prometheus' clients write "since ever" and "for ever": the years have more than four
 * digits. */
static int boundary_time(struct str s, int64_t *out_ms)
{
    static const struct {
        struct str text;
        int64_t ms;
    } bounds[] = {
        {STR("-292273086-05-16T16:47:06Z"),          INT64_C(-9223309901257974000)},
        {STR("292277025-08-18T07:12:54.999999999Z"), INT64_C(9223309901257974999) },
    };
    for (size_t i = 0; i < COUNT(bounds); i++)
        if (str_eq(s, bounds[i].text)) {
            *out_ms = bounds[i].ms;
            return 0;
        }
    return E_PARSE;
}

int str_to_time(struct str s, int64_t *out_ms)
{
    double value, seconds;
    if (!str_to_double(s, &value)) {
        if (!(fabs(value) < 9223372036854775.0)) return E_PARSE;
        double fraction = modf(value, &seconds);
        *out_ms = (int64_t)seconds * 1000 + (int64_t)round(fraction * 1000);
        return 0;
    }
    return rfc3339(s, out_ms) == 0 ? 0 : boundary_time(s, out_ms);
}

size_t str_from_time(int64_t ms, char out[40])
{
    int64_t seconds = ms / 1000 - (ms % 1000 < 0);
    int fraction = (int)(ms - seconds * 1000);
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm)) tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    int n = snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (fraction) {
        n += snprintf(out + n, (size_t)(40 - n), ".%03d", fraction);
        while (out[n - 1] == '0')
            n--;
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return (size_t)n;
}
