/* main.c -- the one program: picks the subcommand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/cmd.h"
#include "agent/daemon.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "run") == 0) daemon_block_signals();
    return cmd_main(argc, argv);
}
