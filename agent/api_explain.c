/* api_explain.c -- data.explain of a query with explain=true: what each node of the expression did.
 *
 *     {"depth":1,"expr":"rate(x[5m])","kind":"call","series":100,"samples":0,"points":24100,
 *      "selfTimeMs":0.7,"totalTimeMs":2.4}
 *
 * Pre-order: a node's operands follow it, one deeper. samples are those it read from storage
 * itself; series and points are what it gave.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

static void put_node(struct json *j, const struct promql_node *n)
{
    json_obj(j);
    json_key(j, "depth");
    json_uint(j, n->depth);
    json_key(j, "expr");
    json_str(j, n->expr);
    json_key(j, "kind");
    json_cstr(j, n->kind);
    json_key(j, "series");
    json_uint(j, n->rows);
    json_key(j, "samples");
    json_uint(j, n->samples);
    json_key(j, "points");
    json_uint(j, n->points);
    json_key(j, "selfTimeMs");
    json_double(j, (double)n->self_ns / 1e6);
    json_key(j, "totalTimeMs");
    json_double(j, (double)n->total_ns / 1e6);
    json_end(j);
}

void api_explain(struct json *j, const struct promql_result *res)
{
    json_key(j, "explain");
    json_arr(j);
    for (size_t i = 0; i < res->node_count; i++)
        put_node(j, &res->nodes[i]);
    json_end(j);
}
