/* cmd_live.h -- check rules --live: selectors of rules that match no series of a daemon.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_LIVE_H
#define TOCSIN_AGENT_CMD_LIVE_H

#include "agent/cmd_client.h"
#include "core/diag.h"
#include "rules/rules.h"

struct live_file {
    const char *path;
    char *text; /* for excerpts */
    size_t len;
    struct rule_set *set; /* with marked selectors */
};

/* Adds a finding for every selector that selects nothing there within --within: an error where a
 * name or a value is unknown; a warning where all are known but never together, or where the
 * selector stands in absent(). Recording rules of the files count as existing, and so do ALERTS and
 * ALERTS_FOR_STATE. EXIT_OK, or what ended it (told). */
int check_live(const struct cmd *c, const struct live_file *files, size_t count,
               struct diags *diags) MUST_CHECK;

/* --- cmd_verdict.c: one selector against the daemon --- */

enum verdict_kind { VERDICT_FOUND, VERDICT_UNKNOWN, VERDICT_APART };
struct verdict {
    const char *selector; /* canonical text without range and offset */
    enum verdict_kind kind;
    const char *hint; /* what is near; in the arena of the judge */
};

struct words {
    const char **v; /* in the judge's arena */
    size_t count, cap;
};

struct judge {
    struct client *client;
    struct arena arena;
    int64_t start_ms, end_ms;
    struct words metrics; /* every name of a metric, once asked for */
    bool has_metrics;
    struct verdict *verdicts; /* so that a selector is asked about once */
    size_t count, cap;
    struct words *answer; /* where words of the answer under way go */
    size_t seen;
};

void judge_init(struct judge *j, struct client *client, int64_t start_ms, int64_t end_ms);
void judge_release(struct judge *j);
/* EXIT_OK and *out, borrowed until the next call; or an exit code, told. */
int judge_selector(struct judge *j, const struct expr *selector,
                   const struct verdict **out) MUST_CHECK;

#endif
