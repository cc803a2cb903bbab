/* notify.h -- from alerts to delivered notifications: route, group, wait, dedup, outbox, send.
 *
 * Rules hand over every pending-to-firing and firing-to-resolved change; the notifier groups them
 * by the route tree (Alertmanager's configuration and defaults), writes each due message to the
 * durable outbox before the first attempt, and delivers at least once, in order per group, with a
 * stable id, across restarts. The grouping core (rules/dispatch.c) is pure: step(state, inputs,
 * now) -> effects.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_NOTIFY_H
#define TOCSIN_RULES_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/env.h"
#include "core/json.h"
#include "tsdb/labels.h"

/* One alert as the pipeline sees it. Texts are borrowed for the call. */
struct alert {
    struct labels labels, annotations;
    int64_t starts_ms; /* began to fire */
    int64_t ends_ms;   /* resolved at; 0 while firing */
    const char *generator_url;
    double value;
};

/* alerting: of the configuration, Alertmanager's keys. An empty block has no receiver. */
struct alerting_config;
int alerting_config_decode(struct conf_ctx *c, const struct ynode *n,
                           struct alerting_config **out) MUST_CHECK; /* lives in c->arena */
/* Frees its compiled patterns; call before the arena goes. NULL is fine. */
void alerting_config_release(struct alerting_config *c);

struct notifier;
struct notifier_options {
    const char *state_dir;    /* journal of groups, dedup entries, outbox */
    const char *external_url; /* our own, in payloads */
    const char *version;      /* for User-Agent */
};
/* Replays the journal; sends what was unsent. */
int notifier_open(struct notifier **out, struct env *env, const struct notifier_options *o,
                  struct errmsg *err) MUST_CHECK;
/* Swaps the configuration; groups of unchanged routes keep their state. Borrowed until the next
 * call or notifier_close. */
int notifier_apply(struct notifier *n, const struct alerting_config *c,
                   struct errmsg *err) MUST_CHECK;
/* Stops sending, syncs, closes. */
void notifier_close(struct notifier *n);

/* Takes the current firing and just-resolved alerts of a rule; idempotent by fingerprint. They are
 * in the journal moments later; whoever calls says them again after a restart. Never blocks on the
 * disk or a receiver. Any thread. */
int notifier_put(struct notifier *n, const struct alert *alerts, size_t count) MUST_CHECK;
/* Every restored rule was evaluated once: groups may flush (warm start). */
void notifier_ready(struct notifier *n);

struct notifier_stats {
    uint64_t groups, outbox_depth, attempts, delivered, failed_attempts, dead_letters,
        journal_bytes;
    int64_t outbox_oldest_ms; /* created time of the oldest undelivered; 0 = empty */
};
void notifier_stats(struct notifier *n, struct notifier_stats *out);
/* The receivers' names and last results as JSON, for status pages. */
void notifier_print(struct notifier *n, struct json *j);

#endif
