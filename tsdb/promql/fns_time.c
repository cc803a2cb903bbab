/* fns_time.c -- the evaluation time, the query's bounds, and parts of dates (UTC).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/fns_int.h"

/* --- dates --- */

struct date {
    int64_t year;
    int month, day, day_of_year, day_of_week; /* from 1, from 1, from 1, Sunday is 0 */
    int hour, minute;
};

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Gregorian calendar from days since 1970-01-01, by whole eras of 400 years that start in March. */
static void date_of_days(int64_t days, struct date *d)
{
    d->day_of_week = (int)(((days % 7) + 11) % 7);
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day = z - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    d->day = (int)(of_year - (153 * month + 2) / 5) + 1;
    d->month = (int)(month < 10 ? month + 3 : month - 9);
    d->year = year + era * 400 + (d->month <= 2);
    d->day_of_year = d->day;
    for (int m = 1; m < d->month; m++)
        d->day_of_year += month_days(d->year, m);
}

/* Days from the earliest date that is told apart, in the year -292277022400, to 1970-01-01. */
#define EARLIEST_DAYS INT64_C(106751991073400)

/* What no calendar reaches, NaN and the infinities too, is what Prometheus makes of them on its
 * usual machines: the smallest integer, from where its calendar wraps around to 292277026596. */
static struct date date_of(double seconds)
{
    int64_t s =
        seconds >= (double)INT64_MIN && seconds < -(double)INT64_MIN ? (int64_t)seconds : INT64_MIN;
    uint64_t from_earliest = (uint64_t)s + (uint64_t)EARLIEST_DAYS * 86400;
    int64_t days = (int64_t)(from_earliest / 86400) - EARLIEST_DAYS;
    int64_t rest = (int64_t)(from_earliest % 86400);
    struct date d = {.hour = (int)(rest / 3600), .minute = (int)(rest / 60 % 60)};
    date_of_days(days, &d);
    return d;
}

double fn_minute(double v)
{
    return date_of(v).minute;
}

double fn_hour(double v)
{
    return date_of(v).hour;
}

double fn_day_of_week(double v)
{
    return date_of(v).day_of_week;
}

double fn_day_of_month(double v)
{
    return date_of(v).day;
}

double fn_day_of_year(double v)
{
    return date_of(v).day_of_year;
}

double fn_days_in_month(double v)
{
    struct date d = date_of(v);
    return month_days(d.year, d.month);
}

double fn_month(double v)
{
    return date_of(v).month;
}

double fn_year(double v)
{
    return (double)date_of(v).year;
}

/* --- the clock of the query --- */

static int constant(struct eval *ev, double *out, int64_t ms)
{
    for (size_t i = 0; i < ev->steps; i++)
        out[i] = (double)ms / 1000;
    return 0;
}

int fn_time(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    for (size_t i = 0; i < ev->steps; i++)
        out[i] = (double)eval_time(ev, i) / 1000;
    return 0;
}

int fn_start(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    return constant(ev, out, ev->run->q->start_ms);
}

int fn_end(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    return constant(ev, out, ev->run->q->end_ms);
}

int fn_range(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    return constant(ev, out, ev->run->q->end_ms - ev->run->q->start_ms);
}

int fn_step(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    return constant(ev, out, ev->run->q->step_ms);
}

/* --- timestamp() --- */

struct stamper {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
    bool stamped; /* values are timestamps already */
};

static int stamper_put(struct sink *s, struct row *row)
{
    struct stamper *st = (struct stamper *)s;
    for (size_t i = 0; i < st->ev->steps && !st->stamped; i++)
        if (!is_absent(row->v[i])) row->v[i] = (double)eval_time(st->ev, i) / 1000;
    int rc = eval_drop_name(st->ev, row);
    return rc ? rc : st->out->put(st->out, row);
}

/* Of a selector the time of the sample, of anything else the evaluation time. */
int fn_timestamp(struct eval *ev, const struct expr *call, struct sink *out)
{
    const struct expr *arg = eval_unwrap(call->call.args[0]);
    struct stamper s = {.sink.put = stamper_put, .ev = ev, .out = out};
    s.stamped = arg->kind == EXPR_SELECTOR;
    return s.stamped ? eval_selector(ev, arg, true, &s.sink) : eval_rows(ev, arg, &s.sink);
}
