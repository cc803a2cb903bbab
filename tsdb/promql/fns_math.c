/* fns_math.c -- functions of one number and a few parameters. What the C library has (abs, ceil,
 * ln, ...) fns.c names directly.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/fns_int.h"

double fn_sgn(double v)
{
    return v > 0 ? 1 : v < 0 ? -1 : v;
}

double fn_deg(double v)
{
    return v * 180 / M_PI;
}

double fn_rad(double v)
{
    return v * M_PI / 180;
}

/* --- with parameters by step --- */

struct formula {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
    double *a, *b; /* parameters by step */
    double (*value)(double v, double a, double b);
};

static int formula_put(struct sink *s, struct row *row)
{
    struct formula *f = (struct formula *)s;
    for (size_t i = 0; i < f->ev->steps; i++)
        row->v[i] = is_float(row->v[i]) ? f->value(row->v[i], f->a[i], f->b[i]) : ABSENT;
    int rc = eval_drop_name(f->ev, row);
    return rc ? rc : f->out->put(f->out, row);
}

/* The parameters are scalars number 1 and 2 of the call, or fallback where there is none. */
static int apply(struct eval *ev, const struct expr *e, struct sink *out, double fallback,
                 double (*value)(double v, double a, double b))
{
    struct formula f = {.sink.put = formula_put, .ev = ev, .out = out, .value = value};
    double **params[] = {&f.a, &f.b};
    for (size_t p = 0; p < COUNT(params); p++) {
        double *v = eval_values(ev);
        if (!v) return eval_nomem(ev);
        *params[p] = v;
        for (size_t i = 0; i < ev->steps; i++)
            v[i] = fallback;
        if (p + 1 >= e->call.count) continue;
        int rc = eval_scalar(ev, e->call.args[p + 1], v);
        if (rc) return rc;
    }
    return eval_rows(ev, e->call.args[0], &f.sink);
}

static double clamp(double v, double min, double max)
{
    return max < min ? ABSENT : greater(min, lesser(max, v));
}

static double clamp_max(double v, double max, double unused)
{
    UNUSED(unused);
    return lesser(max, v);
}

static double clamp_min(double v, double min, double unused)
{
    UNUSED(unused);
    return greater(min, v);
}

static double round_to(double v, double to, double unused)
{
    UNUSED(unused);
    double inverse = 1 / to;
    return floor(v * inverse + 0.5) / inverse;
}

int fn_clamp(struct eval *ev, const struct expr *call, struct sink *out)
{
    return apply(ev, call, out, 0, clamp);
}

int fn_clamp_max(struct eval *ev, const struct expr *call, struct sink *out)
{
    return apply(ev, call, out, 0, clamp_max);
}

int fn_clamp_min(struct eval *ev, const struct expr *call, struct sink *out)
{
    return apply(ev, call, out, 0, clamp_min);
}

int fn_round(struct eval *ev, const struct expr *call, struct sink *out)
{
    return apply(ev, call, out, 1, round_to);
}

/* --- scalars --- */

int fn_pi(struct eval *ev, const struct expr *call, double *out)
{
    UNUSED(call);
    for (size_t i = 0; i < ev->steps; i++)
        out[i] = M_PI;
    return 0;
}

static int two_scalars(struct eval *ev, const struct expr *call, double *out,
                       double (*choose)(double, double))
{
    double *other;
    int rc = eval_scalar(ev, call->call.args[0], out);
    if (rc == 0) rc = eval_scalar_new(ev, call->call.args[1], &other);
    for (size_t i = 0; i < ev->steps && rc == 0; i++)
        out[i] = choose(out[i], other[i]);
    return rc;
}

int fn_max_of(struct eval *ev, const struct expr *call, double *out)
{
    return two_scalars(ev, call, out, greater);
}

int fn_min_of(struct eval *ev, const struct expr *call, double *out)
{
    return two_scalars(ev, call, out, lesser);
}
