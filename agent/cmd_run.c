/* cmd_run.c -- tocsin run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"
#include "agent/daemon.h"
#include "agent/http.h"

// clang-format off
const struct cmd_option run_options[] = {
    {.name = "--config", .letter = 'c', .arg = "FILE",
     .help = "configuration file; without one everything has its default"},
    {.name = "--data", .arg = "DIR", .help = "data directory, over storage.path"},
    {.name = "--listen", .arg = "HOST:PORT",
     .help = "address to serve, over http.listen; port 0: a free one"},
    {.name = "--host-root", .arg = "DIR", .help = "where the host's /, /proc and /sys are mounted"},
    {.name = "--log-level", .arg = "debug|info|warn|error|off", .help = "over log.level"},
    {0},
};
// clang-format on

int run_daemon(const struct cmd *c)
{
    struct config_overrides o = {
        .data = cmd_value(c, "--data"),
        .listen = cmd_value(c, "--listen"),
        .host_root = cmd_value(c, "--host-root"),
        .log_level = cmd_value(c, "--log-level"),
    };
    struct errmsg err = {0};
    bool loopback;
    if (o.listen && http_listen_check(o.listen, &loopback, &err) < 0)
        return cmd_fail(EXIT_USAGE,
                        "--listen: %s; write HOST:PORT with an IP address, as in 127.0.0.1:7788",
                        err.text);
    return daemon_run(cmd_value(c, "--config"), &o);
}
