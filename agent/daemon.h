/* daemon.h -- `tocsin run`: starts the parts in order, reloads, stops them in the reverse order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_DAEMON_H
#define TOCSIN_AGENT_DAEMON_H

#include "agent/config.h"

/* Blocks SIGHUP, SIGTERM and SIGINT for this thread and all it starts, so that none is lost or
 * kills before daemon_run reads them; the first thing main does for `run`. */
void daemon_block_signals(void);
/* Runs until SIGTERM or SIGINT. config_path may be NULL. Returns an exit code. */
int daemon_run(const char *config_path, const struct config_overrides *o);

#endif
