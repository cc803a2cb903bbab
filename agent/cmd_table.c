/* cmd_table.c -- the table of subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

#define CHECK_EXITS "1 errors, 3 warnings under --strict"

const struct command commands[] = {
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
const size_t command_count = COUNT(commands);
