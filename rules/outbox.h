/* outbox.h -- messages that must arrive: a durable queue (the in-memory side).
 *
 * An entry is in the journal before its first attempt and leaves it after a 2xx or when it is given
 * up; delivery is at least once. Entries of one lane (receiver, integration, group) go out one
 * after another, lanes are independent. Pure but for memory: every call takes the time.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_OUTBOX_H
#define TOCSIN_RULES_OUTBOX_H

#include "core/buf.h"
#include "core/env.h"
#include "core/str.h"

struct outbox_entry {
    struct outbox_entry *next;
    uint64_t seq;
    char id[33]; /* webhook-id and Idempotency-Key */
    char *receiver, *group_key;
    size_t integration;
    char *body;
    size_t body_len;
    int64_t created_ms, next_attempt_ms;
    uint64_t attempts;
    bool in_flight;
    bool first_of_lane;
    uint64_t lsn; /* of its journal record: not sent before that is durable */
};

struct outbox {
    struct outbox_entry *first, **last; /* by seq */
    size_t depth;
    uint64_t next_seq;
};

enum { OUTBOX_MAX = 100000 }; /* entries; more are refused (E_LIMIT) */

void outbox_init(struct outbox *o);
void outbox_release(struct outbox *o);
/* Copies texts; seq is given when it is 0. E_LIMIT, -ENOMEM. An entry with a known id is taken for
 * the one already there (*out). */
int outbox_add(struct outbox *o, const struct outbox_entry *e,
               struct outbox_entry **out) MUST_CHECK;
void outbox_remove(struct outbox *o, struct outbox_entry *e);
struct outbox_entry *outbox_find(struct outbox *o, uint64_t seq);
/* The next entry that may be sent now: the first of its lane, not in flight, durable, due. */
struct outbox_entry *outbox_due(struct outbox *o, int64_t now_ms, uint64_t durable_lsn);
/* When outbox_due should be asked again; INT64_MAX when nothing waits. */
int64_t outbox_next_ms(const struct outbox *o);

/* What a failed attempt means (alerting-and-scaling.md §5). */
struct retry_policy {
    int64_t base_ms, cap_ms, max_age_ms;
};
extern const struct retry_policy retry_people, retry_machines;
enum delivery { DELIVERY_DONE, DELIVERY_RETRY, DELIVERY_DEAD };
/* rc of the transport, HTTP status when rc is 0. */
enum delivery delivery_of(int rc, int status);
/* Sets the time of the next attempt: min(cap, base * 2^(n-1)) * U(0.5, 1.5), or Retry-After.
 * random: 64 uniform bits. False when the entry has grown too old. */
bool outbox_retry(struct outbox_entry *e, const struct retry_policy *p, int64_t now_ms,
                  int64_t retry_after_ms, uint64_t random);

void outbox_pack(const struct outbox_entry *e, struct buf *out);
int outbox_unpack(struct outbox *o, struct str record) MUST_CHECK;

#endif
