/* cmd_version.c -- tocsin version.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

int run_version(const struct cmd *c)
{
    struct buf out = BUF_INIT(4096);
    UNUSED(c);
    buf_addf(&out, "tocsin %s (%s)\n", TOCSIN_VERSION, __VERSION__);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}
