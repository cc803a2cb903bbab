/* ops.c -- binary operators, aggregations and value types: what they are called and how they bind.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/ops.h"

#include "core/err.h"

static const struct op_row ops[] = {
    [OP_ADD] = {"+",      OP_ARITHMETIC, BIND_SUM,     false},
    [OP_SUB] = {"-",      OP_ARITHMETIC, BIND_SUM,     false},
    [OP_MUL] = {"*",      OP_ARITHMETIC, BIND_PRODUCT, false},
    [OP_DIV] = {"/",      OP_ARITHMETIC, BIND_PRODUCT, false},
    [OP_MOD] = {"%",      OP_ARITHMETIC, BIND_PRODUCT, false},
    [OP_POW] = {"^",      OP_ARITHMETIC, BIND_POWER,   true },
    [OP_ATAN2] = {"atan2",  OP_ARITHMETIC, BIND_PRODUCT, false},
    [OP_EQ] = {"==",     OP_COMPARISON, BIND_COMPARE, false},
    [OP_NE] = {"!=",     OP_COMPARISON, BIND_COMPARE, false},
    [OP_GT] = {">",      OP_COMPARISON, BIND_COMPARE, false},
    [OP_LT] = {"<",      OP_COMPARISON, BIND_COMPARE, false},
    [OP_GE] = {">=",     OP_COMPARISON, BIND_COMPARE, false},
    [OP_LE] = {"<=",     OP_COMPARISON, BIND_COMPARE, false},
    [OP_AND] = {"and",    OP_SET,        BIND_AND,     false},
    [OP_OR] = {"or",     OP_SET,        BIND_OR,      false},
    [OP_UNLESS] = {"unless", OP_SET,        BIND_AND,     false},
    [OP_TRIM_UPPER] = {"</",     OP_TRIM,       BIND_COMPARE, false},
    [OP_TRIM_LOWER] = {">/",     OP_TRIM,       BIND_COMPARE, false},
};

static const struct aggr_row aggrs[] = {
    [AGGR_SUM] = {"sum",          T_NONE,   false},
    [AGGR_AVG] = {"avg",          T_NONE,   false},
    [AGGR_MIN] = {"min",          T_NONE,   false},
    [AGGR_MAX] = {"max",          T_NONE,   false},
    [AGGR_COUNT] = {"count",        T_NONE,   false},
    [AGGR_GROUP] = {"group",        T_NONE,   false},
    [AGGR_STDDEV] = {"stddev",       T_NONE,   false},
    [AGGR_STDVAR] = {"stdvar",       T_NONE,   false},
    [AGGR_TOPK] = {"topk",         T_SCALAR, false},
    [AGGR_BOTTOMK] = {"bottomk",      T_SCALAR, false},
    [AGGR_COUNT_VALUES] = {"count_values", T_STRING, false},
    [AGGR_QUANTILE] = {"quantile",     T_SCALAR, false},
    [AGGR_LIMITK] = {"limitk",       T_SCALAR, true },
    [AGGR_LIMIT_RATIO] = {"limit_ratio",  T_SCALAR, true },
};

static const char *const type_names[] = {
    [T_NONE] = "none",           [T_SCALAR] = "scalar", [T_VECTOR] = "instant vector",
    [T_MATRIX] = "range vector", [T_STRING] = "string",
};

const struct op_row *op_row(enum binary_op op)
{
    return &ops[op];
}

const struct aggr_row *aggr_row(enum aggr_op op)
{
    return &aggrs[op];
}

const char *aggr_nearest(struct str word)
{
    const char *names[COUNT(aggrs)];
    for (size_t i = 0; i < COUNT(aggrs); i++)
        names[i] = aggrs[i].text;
    return str_nearest(word, names, COUNT(aggrs));
}

const char *value_type_name(enum value_type t)
{
    return type_names[t];
}

const char *binary_op_text(enum binary_op op)
{
    return ops[op].text;
}

const char *aggr_op_text(enum aggr_op op)
{
    return aggrs[op].text;
}
