/* template_human.h -- Prometheus' formatting helpers, each appending to a buffer: what templates
 * call and what the rest of rules/ needs of it (links).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_TEMPLATE_HUMAN_H
#define TOCSIN_RULES_TEMPLATE_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

void humanize(double v, struct buf *out);            /* 1.235M */
void humanize1024(double v, struct buf *out);        /* 1.177Mi */
void humanize_percentage(double v, struct buf *out); /* of a ratio */
void humanize_duration(double seconds, struct buf *out);
/* Seconds since the epoch to nanoseconds, in whole milliseconds. E_INVALID: not finite, too far. */
int float_to_time(double v, int64_t *ns, struct errmsg *err) MUST_CHECK;

struct str strip_port(struct str s);
void strip_domain(struct str s, struct buf *out);
void url_query_escape(struct str s, struct buf *out); /* application/x-www-form-urlencoded */
/* /graph?g0.expr=...&g0.tab=N */
void expression_link(struct str expr, int tab, struct buf *out);

#endif
