/* cmds.h -- the functions and option lists behind the table of subcommands (cmd_table.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMDS_H
#define TOCSIN_AGENT_CMDS_H

#include "agent/cmd.h"
#include "core/diag.h"

int run_help(const struct cmd *c);
int run_version(const struct cmd *c);
int run_daemon(const struct cmd *c);
int run_config_default(const struct cmd *c);
int run_config_effective(const struct cmd *c);
int run_check_config(const struct cmd *c);
int run_check_rules(const struct cmd *c);
int run_check_metrics(const struct cmd *c);
int run_query(const struct cmd *c);
int run_labels(const struct cmd *c);
int run_series(const struct cmd *c);
int run_cardinality(const struct cmd *c);
int run_test_promql(const struct cmd *c);
int run_test_collectors(const struct cmd *c);
int run_completion(const struct cmd *c);
int run_man(const struct cmd *c);

extern const struct cmd_option run_options[], config_effective_options[], check_options[],
    check_rules_options[], check_metrics_options[], query_options[], labels_options[],
    series_options[], cardinality_options[], test_collectors_options[], man_options[];
/* Of every command, and of those that ask a daemon. */
extern const struct cmd_option global_options[], client_options[];

/* Prints what a check found (--json, --strict) and returns the exit code. */
int cmd_report(const struct cmd *c, const struct diags *diags);

#endif
