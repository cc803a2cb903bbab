/* cmds.h -- the functions and option lists behind the table of subcommands (cmd_table.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMDS_H
#define TOCSIN_AGENT_CMDS_H

#include "agent/cmd.h"

int run_version(const struct cmd *c);

#endif
