/* cmd_look.h -- what labels, series and cardinality share: matchers, a time range, a limit, and
 * the format.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_LOOK_H
#define TOCSIN_AGENT_CMD_LOOK_H

#include "agent/cmd_client.h"
#include "agent/cmd_term.h"
#include "agent/sheet.h"

struct look {
    const struct cmd *cmd;
    struct client *client;
    struct term term;
    bool json;
    enum sheet_format format; /* when not JSON */
    struct time_range range;
    uint64_t limit; /* UINT64_MAX: none was given */
};

/* The options they share, for their lists. */
// clang-format off
#define LOOK_OPTIONS                                                                                \
    {.name = "--since", .arg = "DURATION", .help = "what had samples in the last DURATION"},        \
    {.name = "--start", .arg = "TIME", .help = "what had samples from this time on, RFC 3339 or "   \
                                               "seconds"},                                          \
    {.name = "--end", .arg = "TIME", .help = "the end of --since and --start; without it: now"}
#define LOOK_OUTPUT                                                                                 \
    {.name = "--output", .letter = 'o', .arg = "table|json|csv", .dflt = "table",                   \
     .help = "table is tab-separated off a terminal"}
// clang-format on

/* Reads the options and opens the client. Release with look_close also after a failure. */
int look_open(struct look *l, const struct cmd *c) MUST_CHECK;
void look_close(struct look *l);
/* start, end and limit, as far as given. */
void look_form(const struct look *l, struct buf *form);
#endif
