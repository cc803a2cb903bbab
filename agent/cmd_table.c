/* cmd_table.c -- the table of subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

#define CHECK_EXITS "1 errors, 3 warnings under --strict"

// clang-format off
const struct command commands[] = {
    {
        .name = "run",
        .synopsis = "",
        .purpose = "the daemon: collects, stores, answers, alerts",
        .examples = {"tocsin run",
                     "tocsin run --config tocsin.yaml --data ./data --listen [::1]:0"},
        .exits = "1 it could not start",
        .options = run_options,
        .run = run_daemon,
    },
    {
        .name = "check config",
        .synopsis = "FILE...",
        .purpose = "check configuration files, all problems in one go; contacts nothing",
        .examples = {"tocsin check config /etc/tocsin/tocsin.yaml",
                     "tocsin check config --json tocsin.yaml"},
        .exits = CHECK_EXITS,
        .options = check_options,
        .min_args = 1,
        .max_args = -1,
        .run = run_check_config,
    },
    {
        .name = "check rules",
        .synopsis = "FILE...",
        .purpose = "check rule files, all problems in one go; contacts nothing",
        .examples = {"tocsin check rules rules/*.yaml", "tocsin check rules --strict host.yaml"},
        .exits = CHECK_EXITS,
        .options = check_options,
        .min_args = 1,
        .max_args = -1,
        .run = run_check_rules,
    },
    {
        .name = "check metrics",
        .synopsis = "[FILE]",
        .purpose = "check an exposition, from FILE or standard input; contacts nothing",
        .examples = {"curl -s http://127.0.0.1:8080/metrics | tocsin check metrics",
                     "tocsin check metrics --strict metrics.om"},
        .exits = "1 not readable in its format, 3 findings of style",
        .options = check_metrics_options,
        .max_args = 1,
        .run = run_check_metrics,
    },
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
        .name = "test collectors",
        .synopsis = "[NAME...]",
        .purpose = "one collection to standard output, nothing stored",
        .examples = {"tocsin test collectors", "tocsin test collectors cpu meminfo"},
        .exits = "1 a collector failed",
        .options = test_collectors_options,
        .max_args = -1,
        .run = run_test_collectors,
    },
    {
        .name = "config default",
        .synopsis = "",
        .purpose = "print a commented configuration file with every default",
        .examples = {"tocsin config default", "tocsin config default > tocsin.yaml"},
        .run = run_config_default,
    },
    {
        .name = "config effective",
        .synopsis = "",
        .purpose = "print every option with the value in force; secrets hidden",
        .examples = {"tocsin config effective",
                     "tocsin config effective --config /etc/tocsin/tocsin.yaml"},
        .exits = "1 the file is not right",
        .options = config_effective_options,
        .run = run_config_effective,
    },
    {
        .name = "version",
        .synopsis = "",
        .purpose = "print the version",
        .examples = {"tocsin version", "tocsin --version"},
        .run = run_version,
    },
};
// clang-format on
const size_t command_count = COUNT(commands);
