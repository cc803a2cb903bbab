/* cmd_version.c -- tocsin version.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

#ifdef __clang__
#    define COMPILER "clang " __clang_version__
#else
#    define COMPILER "gcc " __VERSION__
#endif

int run_version(const struct cmd *c)
{
    struct buf out = BUF_INIT(4096);
    struct str compiler = str_trim(STR(COMPILER)); /* clang's ends with a blank */
    UNUSED(c);
    buf_addf(&out, "tocsin %s, built with %.*s\n", TOCSIN_VERSION, (int)compiler.len, compiler.p);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}
