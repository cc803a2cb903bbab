/* backend.h -- who answers queries: the local store, or a remote engine. A reload switches.
 *
 * Routes and rules hold one querier for good; each call goes to whom the configuration in force
 * names. Calls under way when it is switched end where they began.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_BACKEND_H
#define TOCSIN_AGENT_BACKEND_H

#include "agent/config.h"
#include "tsdb/promql/remote.h"
#include "tsdb/tsdb.h"

struct backend;
/* Answers from db until it is switched; db outlives it. */
int backend_new(struct backend **out, struct tsdb *db, struct env *env) MUST_CHECK;
void backend_free(struct backend *b);               /* when no call is under way */
struct querier *backend_querier(struct backend *b); /* borrowed, the same for good */
bool backend_is_local(struct backend *b);           /* the store answers at this moment */

/* Reads what the configuration names (files of secrets) and makes *out ready; contacts nobody. */
struct backend_choice;
int backend_prepare(struct backend *b, const struct config_query *c, struct backend_choice **out,
                    struct errmsg *err) MUST_CHECK;
void backend_switch(struct backend *b, struct backend_choice *choice); /* takes it */
void backend_choice_free(struct backend_choice *choice); /* one that was not switched to */

/* Metadata of metrics, of the store or the engine; metric may be NULL. The arena holds what the
 * engine says. */
int backend_metadata(struct backend *b, const char *metric, struct query_budget *budget,
                     struct arena *arena, metadata_visit_fn *each, void *arg, struct errmsg *err);

/* Requests to engines since the start; thread-safe to read. */
const struct remote_counters *backend_counters(const struct backend *b);

#endif
