/* naive_call.c -- functions over instant vectors and scalars of the naive evaluator.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "tests/differential/naive_int.h"
#include "tests/differential/tree.h"

static bool is_called(const struct expr *e, const char *name)
{
    return str_eq(str_of(e->call.fn->name), str_of(name));
}

/* --- value by value --- */

static double sign(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double degrees(double v)
{
    return v * 180 / M_PI;
}

static double radians(double v)
{
    return v * M_PI / 180;
}

/* Parts of a date, UTC. */
static double date_part(double v, int part(const struct tm *))
{
    struct tm tm;
    time_t t = (time_t)v;
    return gmtime_r(&t, &tm) ? (double)part(&tm) : (double)NAN;
}

static int minute_part(const struct tm *tm)
{
    return tm->tm_min;
}

static int hour_part(const struct tm *tm)
{
    return tm->tm_hour;
}

static int day_part(const struct tm *tm)
{
    return tm->tm_mday;
}

static int weekday_part(const struct tm *tm)
{
    return tm->tm_wday;
}

static int yearday_part(const struct tm *tm)
{
    return tm->tm_yday + 1;
}

static int month_part(const struct tm *tm)
{
    return tm->tm_mon + 1;
}

static int year_part(const struct tm *tm)
{
    return tm->tm_year + 1900;
}

/* The last day of a month is the one before the first of the next. */
static int month_days(const struct tm *tm)
{
    struct tm next = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon + 1, .tm_mday = 1};
    time_t t = timegm(&next) - 1;
    return gmtime_r(&t, &next) ? next.tm_mday : 0;
}

static const struct {
    const char *name;
    double (*fn)(double);
} maps[] = {
    {"abs",   fabs   },
    {"acos",  acos   },
    {"acosh", acosh  },
    {"asin",  asin   },
    {"asinh", asinh  },
    {"atan",  atan   },
    {"atanh", atanh  },
    {"ceil",  ceil   },
    {"cos",   cos    },
    {"cosh",  cosh   },
    {"deg",   degrees},
    {"exp",   exp    },
    {"floor", floor  },
    {"ln",    log    },
    {"log10", log10  },
    {"log2",  log2   },
    {"rad",   radians},
    {"sgn",   sign   },
    {"sin",   sin    },
    {"sinh",  sinh   },
    {"sqrt",  sqrt   },
    {"tan",   tan    },
    {"tanh",  tanh   },
};

static const struct {
    const char *name;
    int (*part)(const struct tm *);
} dates[] = {
    {"day_of_month",  day_part    },
    {"day_of_week",   weekday_part},
    {"day_of_year",   yearday_part},
    {"days_in_month", month_days  },
    {"hour",          hour_part   },
    {"minute",        minute_part },
    {"month",         month_part  },
    {"year",          year_part   },
};

static struct naive_vector mapped(struct naive_at at, const struct expr *e, double fn(double))
{
    struct naive_vector out = {0}, in = naive_vector_of(at, e->call.args[0]);
    bool turns = fn == sin || fn == cos || fn == tan, rough = tree_is_rough(e->call.args[0]);
    for (size_t i = 0; i < in.count; i++) {
        double v = in.v[i].v;
        if (turns && rough && fabs(v) > 1e3) at.n->out->ambiguous = true; /* its last bits decide */
        naive_push(at.n, &out, naive_nameless(at.n, in.v[i].labels), fn(v));
    }
    return out;
}

static struct naive_vector dated(struct naive_at at, const struct expr *e,
                                 int part(const struct tm *))
{
    struct naive_vector out = {0}, in;
    if (e->call.count == 0) {
        naive_push(at.n, &out, (struct labels){0}, date_part((double)at.t_ms / 1000, part));
        return out;
    }
    in = naive_vector_of(at, e->call.args[0]);
    for (size_t i = 0; i < in.count; i++) {
        double v = in.v[i].v;
        if (!(fabs(v) < 1e14)) {
            at.n->out->ambiguous = true; /* beyond what calendars agree on */
            v = 0;
        }
        naive_push(at.n, &out, naive_nameless(at.n, in.v[i].labels), date_part(v, part));
    }
    return out;
}

/* --- bounds --- */

/* Go's math.Max and math.Min: an infinity beats NaN, NaN beats the rest. */
static double larger(double a, double b)
{
    if (a == (double)INFINITY || b == (double)INFINITY) return (double)INFINITY;
    if (isnan(a) || isnan(b)) return (double)NAN;
    if (a == 0 && b == 0) return signbit(a) ? b : a;
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return -larger(-a, -b);
}

static struct naive_vector clamped(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0}, in = naive_vector_of(at, e->call.args[0]);
    double a = naive_scalar_of(at, e->call.args[1]), b = a;
    if (is_called(e, "clamp")) b = naive_scalar_of(at, e->call.args[2]);
    if (b < a) return out;
    for (size_t i = 0; i < in.count; i++) {
        double v = in.v[i].v;
        if (is_called(e, "clamp_min"))
            v = larger(a, v);
        else if (is_called(e, "clamp_max"))
            v = smaller(a, v);
        else
            v = larger(a, smaller(b, v));
        naive_push(at.n, &out, naive_nameless(at.n, in.v[i].labels), v);
    }
    return out;
}

static struct naive_vector rounded(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0}, in = naive_vector_of(at, e->call.args[0]);
    double inverse = 1 / (e->call.count > 1 ? naive_scalar_of(at, e->call.args[1]) : 1);
    for (size_t i = 0; i < in.count; i++)
        naive_push(at.n, &out, naive_nameless(at.n, in.v[i].labels),
                   floor(in.v[i].v * inverse + 0.5) / inverse);
    return out;
}

/* --- the rest --- */

static struct naive_vector timestamped(struct naive_at at, const struct expr *e)
{
    const struct expr *arg = naive_bare(e->call.args[0]);
    bool own = arg->kind == EXPR_SELECTOR;
    struct naive_vector out = {0};
    struct naive_vector in = own ? naive_select(at, arg, true) : naive_vector_of(at, arg);
    for (size_t i = 0; i < in.count; i++)
        naive_push(at.n, &out, naive_nameless(at.n, in.v[i].labels),
                   own ? in.v[i].v : (double)at.t_ms / 1000);
    return out;
}

static int ascending(const void *a, const void *b)
{
    double l = ((const struct naive_sample *)a)->v, r = ((const struct naive_sample *)b)->v;
    if (isnan(l) || isnan(r)) return (isnan(l) ? 1 : 0) - (isnan(r) ? 1 : 0);
    return (l > r) - (l < r);
}

static int descending(const void *a, const void *b)
{
    double l = ((const struct naive_sample *)a)->v, r = ((const struct naive_sample *)b)->v;
    if (isnan(l) || isnan(r)) return (isnan(l) ? 1 : 0) - (isnan(r) ? 1 : 0);
    return (l < r) - (l > r);
}

static struct naive_vector sorted(struct naive_at at, const struct expr *e)
{
    struct naive_vector v = naive_vector_of(at, e->call.args[0]);
    const struct naive_query *q = at.n->q;
    bool steps = at.first_ms != at.last_ms && !tree_is_invariant(e);
    if (steps || (q->step_ms && q->end_ms - q->start_ms >= q->step_ms))
        at.n->out->warned = true; /* of no use over several steps */
    if (v.count) qsort(v.v, v.count, sizeof v.v[0], is_called(e, "sort") ? ascending : descending);
    return v;
}

static struct naive_vector vector(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0};
    naive_push(at.n, &out, (struct labels){0}, naive_scalar_of(at, e->call.args[0]));
    return out;
}

/* There are no native histograms among float samples. */
static struct naive_vector nothing(struct naive_at at, const struct expr *e)
{
    naive_vector_of(at, e->call.args[0]);
    return (struct naive_vector){0};
}

static const struct {
    const char *name;
    naive_call_fn *fn;
} calls[] = {
    {"absent",             naive_absent            },
    {"absent_over_time",   naive_absent_over_time  },
    {"clamp",              clamped                 },
    {"clamp_max",          clamped                 },
    {"clamp_min",          clamped                 },
    {"histogram_avg",      nothing                 },
    {"histogram_count",    nothing                 },
    {"histogram_fraction", naive_histogram_fraction},
    {"histogram_quantile", naive_histogram_quantile},
    {"histogram_stddev",   nothing                 },
    {"histogram_stdvar",   nothing                 },
    {"histogram_sum",      nothing                 },
    {"label_join",         naive_label_join        },
    {"label_replace",      naive_label_replace     },
    {"round",              rounded                 },
    {"sort",               sorted                  },
    {"sort_desc",          sorted                  },
    {"timestamp",          timestamped             },
    {"vector",             vector                  },
};

struct naive_vector naive_call(struct naive_at at, const struct expr *e)
{
    if (naive_is_range_call(e)) return naive_range_call(at, e);
    for (size_t i = 0; i < COUNT(calls); i++)
        if (is_called(e, calls[i].name)) return calls[i].fn(at, e);
    for (size_t i = 0; i < COUNT(maps); i++)
        if (is_called(e, maps[i].name)) return mapped(at, e, maps[i].fn);
    for (size_t i = 0; i < COUNT(dates); i++)
        if (is_called(e, dates[i].name)) return dated(at, e, dates[i].part);
    naive_fail(at.n, E_UNSUPPORTED, "%s()", e->call.fn->name);
    return (struct naive_vector){0};
}

double naive_call_scalar(struct naive_at at, const struct expr *e)
{
    if (is_called(e, "pi")) return M_PI;
    if (is_called(e, "time")) return (double)at.t_ms / 1000;
    if (is_called(e, "scalar")) {
        struct naive_vector v = naive_vector_of(at, e->call.args[0]);
        return v.count == 1 ? v.v[0].v : (double)NAN;
    }
    naive_fail(at.n, E_UNSUPPORTED, "%s()", e->call.fn->name);
    return (double)NAN;
}
