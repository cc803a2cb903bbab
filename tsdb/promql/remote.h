/* remote.h -- a querier over HTTP: any engine that answers Prometheus' API.
 *
 * Whole expressions are pushed to the engine (querier_ops.eval), printed canonically; label lookups
 * and raw samples are asked for by the same API. Calls wait for the answer and end within 50 ms of
 * the budget's cancel flag, and at its deadline or the options' timeout, whichever is first.
 *
 * Errors: E_EXEC (the engine says that the query is wrong or failed), E_LIMIT (the answer is over
 * the budget or the arena's ceiling), E_TIMEOUT, E_CANCELED (by the budget's flag), E_UNAVAILABLE
 * (all else: not reached, refused, not an answer). Messages name the URL and what came from it.
 *
 * Thread-safe; a connection per call under way is kept for the next.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_REMOTE_H
#define TOCSIN_TSDB_PROMQL_REMOTE_H

#include <stdatomic.h>

#include "core/httpc.h"
#include "tsdb/querier.h"
#include "tsdb/tsdb.h"

/* Texts are copied by remote_new. "" or NULL: not given. */
struct remote_options {
    const char *url; /* http or https; "/api/v1/..." is appended */
    int64_t timeout_ms;
    const struct label *headers; /* sent with every request */
    size_t header_count;
    const char *username, *password, *bearer, *proxy_url;
    struct httpc_tls tls;
};

/* What was asked and what became of it; owned by the caller, who may keep it over many remotes. */
enum { REMOTE_CODES = 18 };
struct remote_counters {
    atomic_uint_fast64_t codes[REMOTE_CODES]; /* requests by HTTP status */
    atomic_uint_fast64_t failures;            /* requests without a usable answer */
    atomic_uint_fast64_t ns;                  /* time requests took, summed */
};
/* The label of a slot of codes: "200", ..., "none" (no status came), "other"; NULL past the end. */
const char *remote_code_name(size_t slot);

struct remote;
/* Contacts nobody. */
int remote_new(struct remote **out, const struct remote_options *o, struct env *env,
               struct remote_counters *counters, struct errmsg *err) MUST_CHECK;
void remote_free(struct remote *r);               /* when no call is under way */
struct querier *remote_querier(struct remote *r); /* borrowed */
/* As tsdb_metadata, of the engine; metric may be NULL. What comes lives in the arena. */
int remote_metadata(struct remote *r, const char *metric, struct query_budget *budget,
                    struct arena *arena, metadata_visit_fn *each, void *arg, struct errmsg *err);

#endif
