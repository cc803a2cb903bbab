/* main.c -- the one program: picks the subcommand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd.h"

int main(int argc, char **argv)
{
    return cmd_main(argc, argv);
}
