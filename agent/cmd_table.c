/* cmd_table.c -- the table of subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

#define CHECK_EXITS "1 errors, 3 warnings under --strict"

const struct command commands[] = {
    {
     .name = "query",
     .synopsis = "EXPR",
     .purpose = "ask a running daemon: an instant, or a range with --since",
     .examples = {"tocsin query 'avg(rate(node_cpu_seconds_total{mode=\"idle\"}[1m]))'",
                     "tocsin query node_load1 --since 1h --step 15s -o csv"},
     .exits = "1 the query failed, 4 daemon unreachable, 5 not permitted",
     .options = query_options,
     .min_args = 1,
     .max_args = 1,
     .run = run_query,
     },
    {
     .name = "test promql",
     .synopsis = "FILE...",
     .purpose = "run PromQL test scripts on an in-memory store",
     .examples = {"tocsin test promql tests/promql/*.test", "tocsin test promql my.test"},
     .exits = "1 a case failed",
     .min_args = 1,
     .max_args = -1,
     .run = run_test_promql,
     },
    {
     .name = "version",
     .synopsis = "",
     .purpose = "print the version",
     .examples = {"tocsin version", "tocsin --version"},
     .run = run_version,
     },
};
const size_t command_count = COUNT(commands);
