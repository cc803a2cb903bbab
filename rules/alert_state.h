/* alert_state.h -- the life of one rule's alerts, as a pure function of results and time.
 *
 * alert_step(state, parameters, now, elements) moves every alert along Prometheus' life cycle:
 * pending, firing, kept firing, resolved. It reads no clock and does no I/O; what changed stands in
 * each item until the next step. Times are the caller's: milliseconds that only need to be steady.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_ALERT_STATE_H
#define TOCSIN_RULES_ALERT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "tsdb/labels.h"

/* A resolved alert stays this long, so that its end is told more than once if need be. */
#define ALERT_RESOLVED_KEPT_MS INT64_C(900000)
#define ALERT_NEVER            INT64_MIN

enum alert_phase { ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED };
const char *alert_phase_name(enum alert_phase p); /* "pending", "firing", "resolved" */

/* What the last step did to an alert. */
enum alert_change { ALERT_UNCHANGED, ALERT_STARTED, ALERT_FIRED, ALERT_ENDED };

struct alert_item {
    struct labels labels, annotations; /* heap copies of the item */
    double value;
    enum alert_phase phase;
    enum alert_change change;
    int64_t active_ms;     /* became pending */
    int64_t fired_ms;      /* began to fire; ALERT_NEVER */
    int64_t resolved_ms;   /* ALERT_NEVER while active */
    int64_t keep_since_ms; /* first evaluation without it while it keeps firing; ALERT_NEVER */
    int64_t sent_ms;       /* last handed to the notifier; ALERT_NEVER */
};

struct alert_state {
    struct alert_item **v; /* sorted by labels */
    size_t count;
    size_t pending, firing;
};

struct alert_params {
    int64_t for_ms, keep_firing_for_ms;
    int64_t limit;     /* of pending and firing together; 0: none */
    bool hold_missing; /* alerts missing from the result stay as they are, timers included */
};

/* One element of the rule's result: labels as the alert has them. */
struct alert_element {
    struct labels labels, annotations;
    double value;
};

void alert_state_release(struct alert_state *s);
/* Sorts elements. *changed: an alert started, fired, was missed, ended or dropped. E_INVALID: two
 * elements have equal labels. E_LIMIT: over the limit; every firing alert has ended, every other is
 * gone. -ENOMEM. Except for E_LIMIT the state is as before on failure. */
int alert_step(struct alert_state *s, const struct alert_params *p, int64_t now_ms,
               struct alert_element *elements, size_t count, bool *changed,
               struct errmsg *err) MUST_CHECK;
/* Puts a saved item back, copying labels and annotations; E_EXISTS when one is there. */
int alert_state_restore(struct alert_state *s, const struct alert_item *saved) MUST_CHECK;
/* Ends every firing alert and drops pending ones, as when their rule is removed. */
void alert_state_end(struct alert_state *s, int64_t now_ms);
/* True when a firing or resolved alert has news, or was last sent resend_ms ago. */
bool alert_wants_sending(const struct alert_item *a, int64_t now_ms, int64_t resend_ms);

#endif
