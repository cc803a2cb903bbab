/* cmd_query.h -- tocsin query, between the file that asks and those that print.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_QUERY_H
#define TOCSIN_AGENT_CMD_QUERY_H

#include <jansson.h>

#include "agent/cmd_client.h"
#include "agent/cmd_term.h"
#include "agent/sheet.h"

enum { CHART_SERIES_MAX = 20 }; /* more than that nobody can tell apart */

struct query;
/* How an answer is shown: series by series as they come, then the rest of the answer. */
struct query_printer {
    const char *name;                                    /* of -o */
    int (*element)(struct query *q, struct str element); /* as json_element_fn */
    int (*finish)(struct query *q, json_t *answer);      /* an exit code */
    void (*release)(struct query *q);                    /* may be NULL */
};
extern const struct query_printer query_table, query_json, query_csv, query_chart;
/* For --explain; -o chart has none. */
extern const struct query_printer explain_table, explain_json, explain_csv;

struct query {
    const struct cmd *cmd;
    struct client *client;
    const struct query_printer *printer;
    struct term term;
    struct buf expr;
    int64_t time_ms;         /* of an instant query */
    struct time_range range; /* given: a range query */
    int64_t step_ms;
    uint64_t limit; /* series shown; UINT64_MAX: all */
    size_t seen;    /* series that came */
    /* of the printers */
    struct sheet sheet;
    bool begun;
    struct buf text;
    json_t *kept[CHART_SERIES_MAX]; /* series of a chart; the two halves of a scalar */
    size_t kept_count;
};

#endif
