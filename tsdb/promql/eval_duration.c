/* eval_duration.c -- durations: literals, and expressions such as 5m + step() * 2, which have one
 * value for the whole query.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/eval_int.h"

/* Far beyond any use, and small enough for sums of durations and times. */
#define MAX_DURATION_MS (INT64_C(1) << 60)

static int seconds_of(struct eval *ev, const struct expr *e, double *out);

static int call_seconds(struct eval *ev, const struct expr *e, double *out)
{
    const struct promql_query *q = ev->run->q;
    struct str name = str_of(e->call.fn->name);
    if (str_eq(name, STR("step"))) {
        *out = (double)q->step_ms / 1000;
        return 0;
    }
    if (str_eq(name, STR("range"))) {
        *out = (double)(q->end_ms - q->start_ms) / 1000;
        return 0;
    }
    bool max = str_eq(name, STR("max_of"));
    if ((!max && !str_eq(name, STR("min_of"))) || e->call.count != 2)
        return errmsg_set(ev->run->err, E_INVALID, "%s() cannot be part of a duration",
                          e->call.fn->name);
    double l = 0, r = 0;
    int rc = seconds_of(ev, e->call.args[0], &l);
    if (rc == 0) rc = seconds_of(ev, e->call.args[1], &r);
    if (rc == 0) *out = max ? greater(l, r) : lesser(l, r);
    return rc;
}

static int binary_seconds(struct eval *ev, const struct expr *e, double *out)
{
    double l = 0, r = 0;
    bool keep;
    int rc = seconds_of(ev, e->binary.lhs, &l);
    if (rc == 0) rc = seconds_of(ev, e->binary.rhs, &r);
    if (rc) return rc;
    if (r == 0 && e->binary.op == OP_DIV)
        return errmsg_set(ev->run->err, E_INVALID, "division by zero in duration expression");
    if (r == 0 && e->binary.op == OP_MOD)
        return errmsg_set(ev->run->err, E_INVALID, "modulo by zero in duration expression");
    *out = binary_value(e->binary.op, l, r, &keep);
    return 0;
}

static int seconds_of(struct eval *ev, const struct expr *e, double *out)
{
    e = eval_unwrap(e);
    int rc;
    *out = 0;
    switch (e->kind) {
    case EXPR_NUMBER:
        *out = e->number;
        return 0;
    case EXPR_UNARY:
        rc = seconds_of(ev, e->unary.expr, out);
        if (rc == 0 && e->unary.negative) *out = -*out;
        return rc;
    case EXPR_BINARY:
        return binary_seconds(ev, e, out);
    case EXPR_CALL:
        return call_seconds(ev, e, out);
    default:
        return errmsg_set(ev->run->err, E_INVALID, "this cannot be part of a duration");
    }
}

int eval_duration(struct eval *ev, const struct duration *d, int64_t *out_ms)
{
    *out_ms = d->ms;
    if (d->expr) {
        double s = 0;
        int rc = seconds_of(ev, d->expr, &s);
        if (rc) return rc;
        if (!(fabs(s) < (double)MAX_DURATION_MS / 1000))
            return errmsg_set(ev->run->err, E_INVALID, "duration out of range");
        *out_ms = (int64_t)(s * 1000); /* what is less than a millisecond is cut off */
    }
    if (*out_ms > MAX_DURATION_MS || *out_ms < -MAX_DURATION_MS)
        return errmsg_set(ev->run->err, E_INVALID, "duration out of range");
    return 0;
}
