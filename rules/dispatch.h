/* dispatch.h -- grouping and deduplication: which message is due, and when (pure).
 *
 * Reads no clock and does no I/O: every call takes the time. A group gathers the alerts that one
 * route sends together. Its first message goes out group_wait after its first alert, later ones
 * group_interval apart and only if Alertmanager's rules ask for one (compliance fact sheet
 * "Grouping and timing"): something new fires, everything resolved, something newly resolved, or
 * repeat_interval has passed. group_interval 0 means at once.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_DISPATCH_H
#define TOCSIN_RULES_DISPATCH_H

#include "rules/alerting_config.h"
#include "rules/notify.h"

struct group_alert {
    uint64_t fingerprint;
    struct labels labels, annotations; /* labels_dup */
    char *generator_url;
    int64_t starts_ms, ends_ms; /* ends_ms 0: firing */
    int64_t updated_ms;
    double value;
};

struct fingerprint_set {
    uint64_t *v; /* sorted */
    size_t count, cap;
};

/* What the last message of an integration said. */
struct dedup_entry {
    struct fingerprint_set firing, resolved;
    int64_t sent_ms; /* 0: never */
};

struct alert_group {
    struct alert_group *next; /* in its bucket */
    const struct route *route;
    struct labels labels; /* of group_by */
    char *key;            /* Alertmanager's group key */
    char *receiver;       /* the name the state belongs to */
    struct group_alert *alerts;
    size_t alert_count, alert_cap;
    struct dedup_entry *dedup; /* one an integration */
    size_t dedup_count;
    int64_t next_flush_ms; /* INT64_MAX: nothing to do */
    int64_t flushed_ms;    /* 0: never */
    uint64_t flush_seq;
    bool dirty; /* changed since it was last written to the journal */
};

enum { GROUP_BUCKETS = 1024 };
struct dispatch {
    const struct alerting_config *config;
    struct alert_group *buckets[GROUP_BUCKETS];
    size_t group_count;
};

void dispatch_init(struct dispatch *d);
void dispatch_release(struct dispatch *d);
/* Takes another configuration; groups whose route or receiver is gone are dropped. */
void dispatch_configure(struct dispatch *d, const struct alerting_config *c);

int dispatch_put(struct dispatch *d, const struct alert *a, int64_t now_ms) MUST_CHECK;

/* A message that is due: everything borrowed from the group, for the call. */
struct notification {
    const struct alert_group *group;
    const struct webhook_config *webhook;
    size_t integration;                      /* index in the receiver */
    const struct group_alert *const *alerts; /* sorted by job, instance, remaining labels */
    size_t alert_count;
    bool firing;        /* any of them */
    const char *reason; /* "first notification", ... */
};
typedef int notification_fn(void *arg, const struct notification *n);
/* Calls each() for every message due now, then flushed() for the group it came from, whose state
 * already counts them as sent. Firing alerts that nobody has confirmed for resolve_timeout count
 * as resolved. */
typedef int flushed_fn(void *arg, struct alert_group *g);
int dispatch_flush(struct dispatch *d, int64_t now_ms, notification_fn *each, flushed_fn *flushed,
                   void *arg) MUST_CHECK;
/* When dispatch_flush should run next; INT64_MAX: not before the next put. */
int64_t dispatch_next_ms(const struct dispatch *d);

/* --- persistence: a group to a journal record and back --- */
void dispatch_pack_group(const struct alert_group *g, struct buf *out);
/* Adds or replaces the group; its route is found by the next dispatch_configure. E_CORRUPT. */
int dispatch_unpack_group(struct dispatch *d, struct str record) MUST_CHECK;
void dispatch_free_group(struct alert_group *g); /* not linked; NULL is fine */
/* Takes g in place of the group of the same key and receiver; an empty one only removes it. */
void dispatch_replace_group(struct dispatch *d, struct alert_group *g);
/* Visits all; each() may not change the set. */
int dispatch_groups(struct dispatch *d, flushed_fn *each, void *arg);

#endif
