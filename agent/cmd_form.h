/* cmd_form.h -- what a question to a daemon is written in: forms, times, names in paths.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_FORM_H
#define TOCSIN_AGENT_CMD_FORM_H

#include "agent/cmd.h"

/* name=value, percent-encoded, & between. */
void form_add(struct buf *form, const char *name, struct str value);
void form_seconds(struct buf *form, const char *name, int64_t ms); /* 1700000000.250 */
void form_uint(struct buf *form, const char *name, uint64_t v);
/* A label's name as the path of its values holds it: U__ before one with odd characters, which
 * stand as _HEX_, and _ as __ (Prometheus' escaping of values). */
void form_label(struct buf *path, struct str name);

/* --time, --since, --start, --end, as far as a command has them, made one range. */
struct time_range {
    bool given; /* else start_ms and end_ms are the one time asked about */
    int64_t start_ms, end_ms;
};
int cmd_range(const struct cmd *c, int64_t now_ms, struct time_range *out) MUST_CHECK;
/* start and end, when given. */
void form_range(struct buf *form, const struct time_range *r);

#endif
