/* remote_int.h -- the parts of a remote querier.
 *
 *     remote.c         the querier: queries, lookups, metadata
 *     remote_select.c  raw samples, read in spans of time
 *     remote_http.c    one request: connection, waiting, what its failures are called
 *     remote_answer.c  reading an answer (remote_answer_int.h)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_REMOTE_INT_H
#define TOCSIN_TSDB_PROMQL_REMOTE_INT_H

#include <pthread.h>

#include "tsdb/promql/remote.h"
#include "tsdb/promql/remote_answer.h"

enum { REMOTE_IDLE_MAX = 16, REMOTE_FORM_MAX = 4 << 20, REMOTE_ARENA_MAX = 1 << 20 };

struct remote {
    struct querier querier; /* first: the querier is the remote */
    struct env *env;
    struct remote_counters *counters;
    struct arena arena;         /* of what follows */
    const char *url;            /* without a slash at its end */
    struct httpc_request model; /* what all requests have in common */
    int64_t timeout_ms;
    pthread_mutex_t lock; /* of the clients that wait for work */
    struct httpc *idle[REMOTE_IDLE_MAX];
    size_t idle_count;
};

/* One request. */
struct remote_call {
    const char *path; /* "/api/v1/query" */
    struct str form;  /* name=value&... */
    bool get;         /* the form goes into the URL */
    enum remote_kind kind;
    struct arena *arena;         /* of the answer; its ceiling bounds the answer's bytes, too */
    struct query_budget *budget; /* may be NULL */
};
/* Asks and reads the answer: 0 and a successful *out, or an error as remote.h lists them. */
int remote_ask(struct remote *r, const struct remote_call *c, struct remote_reply *out,
               struct errmsg *err) MUST_CHECK;

/* Forms: &name=value, escaped. Failures stay in the buffer. */
void remote_form_text(struct buf *form, const char *name, struct str value);
void remote_form_seconds(struct buf *form, const char *name, int64_t ms);
/* {a="b",...} as PromQL has it. Never a selector that matches the empty set, which engines refuse.
 */
int remote_print_matchers(const struct matcher *m, size_t count, struct buf *out) MUST_CHECK;

/* querier_ops.select */
int remote_select(struct querier *q, const struct select_request *r, struct series_set **out,
                  struct errmsg *err) MUST_CHECK;

#endif
