/* cmd_table.c -- the table of subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

const struct command commands[] = {
    {
     .name = "version",
     .synopsis = "",
     .purpose = "print the version",
     .examples = {"tocsin version", "tocsin --version"},
     .run = run_version,
     },
};
const size_t command_count = COUNT(commands);
