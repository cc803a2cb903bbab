/* cmd_unit.c -- in which unit an expression's values are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_unit.h"

#include "tsdb/promql/fns.h"

static const struct value_unit plain = {CHART_NUMBER, false};

static struct value_unit of_selector(const struct expr *e)
{
    static const struct str dropped[] = {STR("_total"), STR("_sum"), STR("_bucket")};
    static const struct {
        struct str suffix;
        enum chart_unit unit;
    } units[] = {
        {STR("_bytes"),   CHART_BYTES  },
        {STR("_seconds"), CHART_SECONDS},
        {STR("_ratio"),   CHART_RATIO  },
    };
    struct str name = e->selector.name;
    for (size_t i = 0; i < COUNT(dropped); i++)
        if (str_ends(name, dropped[i])) name.len -= dropped[i].len;
    if (str_ends(name, STR("_time_seconds")) || str_ends(name, STR("_timestamp_seconds")))
        return plain; /* since 1970: no duration to read in days */
    for (size_t i = 0; i < COUNT(units); i++)
        if (str_ends(name, units[i].suffix)) return (struct value_unit){units[i].unit, false};
    return plain;
}

/* Functions whose result is in the unit of their last range or vector argument. */
static const char *const keeping[] = {
    "abs",
    "avg_over_time",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "delta",
    "floor",
    "histogram_quantile",
    "idelta",
    "increase",
    "label_join",
    "label_replace",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "predict_linear",
    "round",
    "quantile_over_time",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "stddev_over_time",
    "sum_over_time",
    "scalar",
    "vector",
};
static const char *const dividing[] = {"rate", "irate", "deriv"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* The argument that carries the data: the first vector or range. */
static const struct expr *data_argument(const struct expr *e)
{
    for (size_t i = 0; i < e->call.count; i++) {
        enum value_type t = e->call.args[i]->type;
        if (t == T_VECTOR || t == T_MATRIX) return e->call.args[i];
    }
    return e->call.count ? e->call.args[0] : NULL;
}

static struct value_unit of_call(const struct expr *e)
{
    const struct expr *arg = data_argument(e);
    const char *name = e->call.fn->name;
    if (!arg) return plain;
    struct value_unit u = unit_of_expr(arg);
    if (is_among(name, keeping, COUNT(keeping))) return u;
    if (!is_among(name, dividing, COUNT(dividing)) || u.per_second) return plain;
    /* seconds per second are a number */
    return u.unit == CHART_SECONDS ? plain : (struct value_unit){u.unit, true};
}

static struct value_unit of_aggregate(const struct expr *e)
{
    switch (e->aggregate.op) {
    case AGGR_COUNT:
    case AGGR_GROUP:
    case AGGR_COUNT_VALUES:
    case AGGR_STDVAR:
        return plain;
    default:
        return unit_of_expr(e->aggregate.expr);
    }
}

static struct value_unit of_binary(const struct expr *e)
{
    struct value_unit l = unit_of_expr(e->binary.lhs), r = unit_of_expr(e->binary.rhs);
    bool same = l.unit == r.unit && l.per_second == r.per_second;
    switch (e->binary.op) {
    case OP_ADD:
    case OP_SUB:
        return same ? l : plain;
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
    case OP_POW:
    case OP_ATAN2:
        return plain; /* * 8 makes bits of bytes, / makes a ratio of anything */
    case OP_OR:
        return same ? l : plain;
    default: /* comparisons and sets keep what stands on the left */
        return e->binary.return_bool ? plain : l;
    }
}

struct value_unit unit_of_expr(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_SELECTOR:
        return of_selector(e);
    case EXPR_SUBQUERY:
        return unit_of_expr(e->subquery.expr);
    case EXPR_CALL:
        return of_call(e);
    case EXPR_AGGREGATE:
        return of_aggregate(e);
    case EXPR_BINARY:
        return of_binary(e);
    case EXPR_UNARY:
        return unit_of_expr(e->unary.expr);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return unit_of_expr(e->wrap.expr);
    case EXPR_NUMBER:
    case EXPR_STRING:
        return plain;
    }
    return plain;
}
