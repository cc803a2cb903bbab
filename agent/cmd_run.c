/* cmd_run.c -- tocsin run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"
#include "agent/daemon.h"

const struct cmd_option run_options[] = {
    {"--config",                                                    'c', "FILE", NULL, "configuration file; without one everything has its default"},
    {"--data",                                                       0, "DIR", NULL, "data directory, over storage.path"},
    {"--listen", 0, "HOST:PORT", NULL, "address to serve, over http.listen; port 0: a free one"},
    {"--host-root",                                                      0, "DIR", NULL, "where the host's /, /proc and /sys are mounted"},
    {"--log-level",                                                        0, "LEVEL", NULL, "debug, info, warn, error or off, over log.level"},
    {0                         },
};

int run_daemon(const struct cmd *c)
{
    struct config_overrides o = {
        .data = cmd_value(c, "--data"),
        .listen = cmd_value(c, "--listen"),
        .host_root = cmd_value(c, "--host-root"),
        .log_level = cmd_value(c, "--log-level"),
    };
    return daemon_run(cmd_value(c, "--config"), &o);
}
