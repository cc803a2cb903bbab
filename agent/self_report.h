/* self_report.h -- the daemon's own counters as metrics.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_SELF_REPORT_H
#define TOCSIN_AGENT_SELF_REPORT_H

#include "agent/app.h"

/* Registers what the agent, the store, the push path, rules and notifications report about
 * themselves; collected each second with everything else. */
void self_report_register(struct app *a);
/* Every row, for the test of names and help. */
extern const struct metric self_report_metrics[];
extern const size_t self_report_metric_count;

#endif
