/* engine_int.h -- the running side of rules/: groups being evaluated, their states, the thread that
 * makes them durable and tells the notifier.
 *
 *     engine.c      threads, schedule, apply, visits
 *     evaluate.c    one rule once: query, labels, templates, state, samples
 *     series.c      samples of a rule into the store, staleness markers
 *     publish.c     state to the journal, then alerts to the notifier
 *     state_file.c  an alert state as a journal record and back
 *
 * Locks, outermost first: engine.lock (schedule), engine.shape (the array of groups), group.lock
 * (states and results), publisher.lock (queue).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_ENGINE_INT_H
#define TOCSIN_RULES_ENGINE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/journal.h"
#include "core/log.h"
#include "rules/alert_state.h"
#include "rules/rule_int.h"
#include "rules/slot.h"

#define ALERT_RESEND_MS  INT64_C(60000)
#define QUERY_TIMEOUT_NS INT64_C(30000000000)
enum { EVALUATION_MEMORY_MAX = 128 << 20, QUERY_SAMPLES_MAX = 50000000, TEXT_MAX = 1 << 20 };

/* --- samples of a rule --- */

/* Series a rule wrote at its last evaluation, by their handles, sorted. */
struct rule_series {
    tsdb_ref *v;
    size_t count, cap;
};
struct rule_sample {
    struct labels labels;
    double value;
};
void rule_series_release(struct rule_series *s);
/* Stores samples at t_ms and a staleness marker for each series of last time that is not among
 * them. E_INVALID: two samples have equal labels; nothing was stored. */
int rule_series_write(struct rule_series *s, struct tsdb *db, int64_t t_ms,
                      const struct rule_sample *samples, size_t count,
                      struct errmsg *err) MUST_CHECK;

/* --- live rules --- */

enum rule_health { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_ERR };

struct live_rule {
    const struct rule *rule;
    struct rule_series series; /* evaluating thread only */
    struct complaint complaint;
    /* under the group's lock */
    struct alert_state alerts;
    enum rule_health health;
    char error[480];
    int64_t evaluated_ms; /* wall; 0: never */
    int64_t evaluation_ns;
    bool dirty; /* alerts changed since they were written to the journal */
};

struct live_group {
    const struct rule_group *group;
    pthread_mutex_t lock;
    struct live_rule *rules;
    size_t count;
    int64_t evaluated_ms, evaluation_ns; /* under lock */
    /* under the engine's lock */
    struct schedule schedule;
    int64_t hold_until_ns; /* monotonic: alerts missing from a result stay until then */
    bool running, evaluated;
    bool restored; /* has alerts from the journal */
};

/* --- evaluation --- */

struct rule_counters {
    atomic_uint_fast64_t evaluations, failures, missed, samples, ns;
};

/* How expressions are read: what query: of the configuration says. */
struct query_settings {
    int64_t lookback_ms;
    bool experimental;
};

struct publisher;
struct evaluation {
    const struct rules_deps *deps;
    struct rule_counters *counters;
    struct publisher *publisher;
    struct arena *arena;
    struct labels external_labels;
    const char *external_url;
    struct query_settings query;
    int64_t slot_ms;    /* timestamp of the evaluation */
    int64_t query_ms;   /* slot less the group's query_offset */
    int64_t stepped_ms; /* wall time less steady time */
    bool hold_missing;  /* samples of the last while may be lacking: see alert_params */
    const int *cancel;
};
/* Evaluates the group's rules in order and records what came of each. */
void evaluate_group(struct evaluation *e, struct live_group *g);

/* --- state records --- */

enum { STATE_RECORD_RULE = 1, STATE_RECORD_VERSION = 1, STATE_RECORD_MAX = 64 << 20 };

/* A rule's saved alerts; times are steady ones. */
struct saved_rule {
    uint64_t key;
    struct alert_state alerts;
    bool claimed; /* its rule is loaded */
};
/* Appends the record's payload. stepped_ms makes wall times of the alerts' steady ones. */
void state_encode(uint64_t key, const struct alert_state *s, int64_t stepped_ms, struct buf *out);
/* E_CORRUPT when the payload makes no sense; else *out is to be released. */
int state_decode(struct str payload, struct saved_rule *out) MUST_CHECK;

/* --- publishing --- */

struct rules_engine;
int publisher_open(struct publisher **out, struct rules_engine *e, struct errmsg *err) MUST_CHECK;
int publisher_start(struct publisher *p) MUST_CHECK;
/* Stops the thread, publishes what is left, closes the journal. */
void publisher_close(struct publisher *p);
/* Copies an alert into the queue. external: labels added where the alert lacks them. */
int publisher_add(struct publisher *p, const struct alert_item *a, struct labels external,
                  const char *generator_url, int64_t stepped_ms) MUST_CHECK;
/* There is something to write or to tell. */
void publisher_wake(struct publisher *p);
/* Tells the notifier that it may flush, once everything queued so far has been told. */
void publisher_ready(struct publisher *p);
/* Writes the states that changed, syncs, hands the queue to the notifier; the thread's own step. */
void publisher_flush(struct publisher *p);
/* Takes the saved alerts of a rule; false when there are none. The caller releases *out. */
bool publisher_claim(struct publisher *p, uint64_t key, struct alert_state *out);
/* Saved states nobody claimed: rules that are gone. Each is given to each(), then dropped. */
void publisher_orphans(struct publisher *p,
                       void (*each)(void *arg, uint64_t key, struct alert_state *alerts),
                       void *arg);
/* Records that a rule has no state any more. */
void publisher_forget(struct publisher *p, uint64_t key);

/* --- the engine, as publish.c sees it --- */

struct engine_groups {
    struct live_group **v;
    size_t count;
};
struct rules_engine {
    struct rules_deps deps;
    struct env *env;
    int stop; /* atomic */
    struct publisher *publisher;
    struct rule_counters counters;
    pthread_rwlock_t shape;
    struct engine_groups groups; /* under shape */
    struct rule_set *set;        /* what groups point into */
    struct arena settings;       /* of external labels and URL */
    struct labels external_labels;
    const char *external_url;
    struct query_settings query;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    /* under lock */
    struct steady_clock clock;
    size_t running;
    bool paused, ready_told, started;

    atomic_int_fast64_t stepped_ms; /* clock.stepped_ms, for any thread */
    pthread_t workers[2];
    size_t worker_count;
};
static inline int64_t engine_stepped_ms(struct rules_engine *e)
{
    return atomic_load(&e->stepped_ms);
}

#endif
