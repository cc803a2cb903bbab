/* target_metadata.h -- what a target's last body said about its metrics: HELP, TYPE and UNIT.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_TARGET_METADATA_H
#define TOCSIN_COLLECTOR_TARGET_METADATA_H

#include "collector/engine.h"

/* One entry a metric, by name; texts live in the arena. During the visit of t only. */
int target_metadata(const struct target_status *t, struct arena *a, struct metric_metadata **out,
                    size_t *count) MUST_CHECK;

#endif
