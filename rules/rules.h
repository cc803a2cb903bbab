/* rules.h -- Prometheus rule files: loading, evaluating each group at its slots, alert states.
 *
 * The state machine (rules/alert_state.c) is pure: step(state, result, now) -> (state, effects).
 * Groups run on a small pool of threads, rules of a group in order; results are appended to the
 * store before the next rule reads. State survives restarts through a journal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_RULES_H
#define TOCSIN_RULES_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/diag.h"
#include "core/env.h"
#include "rules/notify.h"
#include "tsdb/tsdb.h"

struct rules_config {            /* the rules: block, and what it needs from others */
    struct conf_strings files;   /* globs, relative to the configuration file's folder */
    struct conf_strings builtin; /* names of built-in sets: host, self */
    int64_t interval_ms;         /* 15 s */
    const char *base_dir;        /* folder of the configuration file, or "." */
    struct conf_map external_labels;
    const char *external_url;
    int64_t lookback_ms; /* query.lookback; 0: 5 minutes */
    bool experimental;   /* query.experimental: every feature of the language */
};
extern const struct conf_table rules_config_table; /* files, builtin, interval */

/* A loaded set of groups; everything in its own arena. */
struct rule_set;
/* Reads one text (file is what messages and the API show). Adds to the set; problems to d with
 * file, line and column inside the file, also for expressions and templates. */
int rule_set_new(struct rule_set **out) MUST_CHECK;
void rule_set_free(struct rule_set *s);
int rule_set_add(struct rule_set *s, const char *file, struct str text, int64_t default_interval_ms,
                 struct diags *d) MUST_CHECK;
/* Names of labels and metrics in ASCII only, as before Prometheus 3; off at first. */
void rule_set_legacy_names(struct rule_set *s, bool legacy);
/* Rules added from now on remember where in the file each selector of their expression stands. */
void rule_set_mark_selectors(struct rule_set *s);
/* Every feature of the language rather than PROMQL_DEFAULT; off at first. */
void rule_set_experimental(struct rule_set *s, bool experimental);
size_t rule_set_rules(const struct rule_set *s);
struct rule_place {
    int line, column; /* from 1, column in bytes */
};
/* Every rule: for check rules and tests. expr is NULL never; labels/annotations as written. */
struct rule_view {
    const char *file, *group;
    const char *name; /* of alert or recorded metric */
    bool is_alert;
    const struct expr *expr;
    int line;
    const struct rule_place *places; /* of promql_selectors' visits, in order; NULL: not marked */
};
typedef int rule_visit_fn(void *arg, const struct rule_view *r);
int rule_set_visit(const struct rule_set *s, rule_visit_fn *each, void *arg);

struct rules_engine;
struct rules_deps {
    struct env *env;
    struct tsdb *db;           /* results are appended here */
    struct querier *querier;   /* expressions read here */
    struct notifier *notifier; /* may be NULL */
    const char *state_dir;     /* of the journal; NULL: nothing is saved */
    bool manual;               /* no threads: rules_engine_run_due does the work (tests, replay) */
};
int rules_engine_new(struct rules_engine **out, const struct rules_deps *d,
                     struct errmsg *err) MUST_CHECK;
/* Loads files and built-in sets of c, then swaps; unchanged rules (same group, name, labels,
 * expression) keep their state; alerts of removed ones end. Any error in d: nothing changes,
 * E_INVALID. The first call starts the threads. One thread at a time. */
int rules_engine_apply(struct rules_engine *e, const struct rules_config *c,
                       struct diags *d) MUST_CHECK;
/* Before the store, querier and notifier are closed: saves states, tells what is left to tell. */
void rules_engine_free(struct rules_engine *e);
/* In manual mode: evaluates every group that is due now, saves states, hands alerts over. Returns
 * the milliseconds until the next slot. */
int64_t rules_engine_run_due(struct rules_engine *e);

/* For /api/v1/rules and /api/v1/alerts; texts valid during the visit. */
struct alert_status {
    struct labels labels, annotations;
    const char *state; /* "pending", "firing" */
    int64_t active_ms;
    int64_t keep_firing_since_ms; /* 0: not in that phase */
    double value;
};
struct rule_status {
    const char *name, *query, *type; /* type "alerting" or "recording" */
    const char *state;               /* alerting: "inactive", "pending", "firing" */
    const char *health, *last_error; /* "ok", "err", "unknown" */
    int64_t for_ms, keep_firing_for_ms;
    struct labels labels, annotations;
    const struct alert_status *alerts;
    size_t alert_count;
    int64_t last_evaluation_ms;
    double evaluation_seconds;
};
struct group_status {
    const char *name, *file;
    int64_t interval_ms, limit, last_evaluation_ms;
    double evaluation_seconds;
    const struct rule_status *rules;
    size_t rule_count;
};
typedef int group_visit_fn(void *arg, const struct group_status *g);
/* Groups by file, then by name. */
int rules_engine_visit(struct rules_engine *e, group_visit_fn *each, void *arg);

struct rules_stats {
    uint64_t groups, rules, evaluations, evaluation_failures, missed_slots, samples, alerts_pending,
        alerts_firing;
    uint64_t evaluation_ns;
};
void rules_engine_stats(struct rules_engine *e, struct rules_stats *out);

#endif
