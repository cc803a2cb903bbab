/* cmd_test.c -- tocsin test promql, tocsin test collectors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmds.h"
#include "collector/engine.h"
#include "core/mem.h"
#include "tsdb/promql/script.h"

enum { OUTPUT_MAX = 256 << 20 };

int run_test_promql(const struct cmd *c)
{
    size_t passed = 0, failed = 0;
    int code = EXIT_OK;
    for (int i = 0; i < c->arg_count; i++) {
        struct buf out = BUF_INIT(OUTPUT_MAX);
        int rc = promql_script_run(c->args[i], &out, &passed, &failed);
        if (cmd_output(&out, EXIT_OK) != EXIT_OK) code = EXIT_FAILED;
        if (rc < 0) code = cmd_fail(EXIT_FAILED, "cannot run %s: %s", c->args[i], err_text(rc));
        buf_release(&out);
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    if (fflush(stdout) != 0) code = EXIT_FAILED;
    return failed ? EXIT_FAILED : code;
}

// clang-format off
const struct cmd_option test_collectors_options[] = {
    {.name = "--host-root", .arg = "DIR", .dflt = "",
     .help = "where the host's /proc and /sys are mounted"},
    {.name = "--proc-root", .arg = "DIR", .dflt = "",
     .help = "where procfs is, over --host-root"},
    {.name = "--sys-root", .arg = "DIR", .dflt = "", .help = "where sysfs is, over --host-root"},
    {0},
};
// clang-format on

int run_test_collectors(const struct cmd *c)
{
    struct collector_config config = {
        .enabled = true,
        .interval_ms = 1000,
        .slow_interval_ms = 15000,
        .job = "node",
        .instance = "localhost",
        .host_root = cmd_value(c, "--host-root"),
        .proc_path = cmd_value(c, "--proc-root"),
        .sys_path = cmd_value(c, "--sys-root"),
    };
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct errmsg err = {0};
    const char **names = mem_array((size_t)c->arg_count + 1, sizeof *names);
    if (!names) return cmd_fail(EXIT_FAILED, "out of memory");
    for (int i = 0; i < c->arg_count; i++)
        names[i] = c->args[i];
    int rc = collector_print(&config, c->arg_count ? names : NULL, env_system(), &out, &err);
    int code = cmd_output(&out, EXIT_OK);
    if (rc < 0)
        code = cmd_fail(EXIT_FAILED, "%s%s%s", err.text[0] ? err.text : err_text(rc),
                        err.hint[0] ? ", " : "", err.hint);
    mem_free(names);
    buf_release(&out);
    return code;
}
