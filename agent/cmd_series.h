/* cmd_series.h -- series as the HTTP API's answers name them: an object of labels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_SERIES_H
#define TOCSIN_AGENT_CMD_SERIES_H

#include <jansson.h>

#include "core/buf.h"

/* name{a="b",c="d"}, as a selector that finds it; {} without labels. Names that PromQL does not
 * take bare stand in quotes. */
void series_put_name(struct buf *out, json_t *metric);
/* The same of those labels alone in which the series of a list are not all alike; of a list of one
 * the whole name. */
void series_put_legend(struct buf *out, json_t *metric, json_t *const *list, size_t count);

#endif
