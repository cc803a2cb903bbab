/* app.h -- what the routes work on: the parts of the running daemon.
 *
 * Built by daemon.c, read by handlers on many threads. The pointers are set before `ready` and stay
 * until the server has stopped; what a reload may change is read as a copy by app_settings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_APP_H
#define TOCSIN_AGENT_APP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/http.h"
#include "agent/route.h"
#include "collector/engine.h"
#include "collector/push.h"
#include "core/env.h"
#include "rules/rules.h"
#include "tsdb/tsdb.h"

/* The configuration's values that handlers look at. */
struct app_settings {
    unsigned scopes;         /* bit per enum scope: open without credentials */
    bool check_host;         /* loopback listener: names in Host are checked */
    char external_host[128]; /* of http.external_url; "" when unset */
    int64_t query_timeout_ms, lookback_ms;
    uint64_t query_samples, query_series;
    size_t query_memory, body_bytes, decoded_bytes;
    bool influx, remote_write;
    bool experimental; /* every feature of PromQL */
};

struct config;
typedef int app_config_fn(void *arg, const struct config *c);

enum { APP_DATABASES_MAX = 64, APP_DATABASE_NAME_MAX = 64 };

struct app {
    struct env *env;
    struct http_server *server;
    struct tsdb *db;
    struct backend *backend; /* who answers queries: the store, or a remote engine */
    struct querier *querier; /* the backend's */
    struct collector_engine *engine;
    struct pusher *pusher;
    struct rules_engine *rules; /* NULL until rules run */
    struct notifier *notifier;
    /* Validates and swaps the configuration; what is wrong goes to out as text. */
    int (*reload)(struct app *a, struct buf *out);
    void *daemon; /* of reload and with_config */
    /* Calls use() with the configuration in force, which lasts until it returns; its answer. */
    int (*with_config)(struct app *a, app_config_fn *use, void *arg);
    int ready;    /* atomic: the store is open and replayed */
    int stopping; /* atomic */
    int64_t start_ms;
    pthread_mutex_t lock; /* of what follows */
    struct app_settings settings;
    char databases[APP_DATABASES_MAX][APP_DATABASE_NAME_MAX]; /* seen by the Influx routes */
    size_t database_count;
    int64_t reload_ms, reload_failed_ms; /* the last good one, the last bad one */
    bool reload_ok;
    char reload_error[512];
    struct route_counters *counters;
};

void app_init(struct app *a, struct env *env);
void app_release(struct app *a);
static inline bool app_ready(const struct app *a)
{
    return __atomic_load_n(&a->ready, __ATOMIC_ACQUIRE) != 0;
}
void app_settings(struct app *a, struct app_settings *out);
void app_set_settings(struct app *a, const struct app_settings *s);

#endif
