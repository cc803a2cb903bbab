/* cmd_unit.h -- in which unit an expression's values are, as far as names tell.
 *
 * Names of metrics end in their unit (_bytes, _seconds, _ratio; before _total, _sum, _bucket), and
 * functions keep it, turn it into one per second, or lose it. Anything doubtful has no unit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_UNIT_H
#define TOCSIN_AGENT_CMD_UNIT_H

#include "agent/chart.h"
#include "tsdb/promql/ast.h"

struct value_unit {
    enum chart_unit unit;
    bool per_second;
};

struct value_unit unit_of_expr(const struct expr *e);

#endif
