/* config.h -- the configuration file: one table of options, read whole, checked whole.
 *
 * Everything decoded lives in the struct's own arena; a daemon swaps a whole struct config for
 * another at reload and frees the old one afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CONFIG_H
#define TOCSIN_AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/engine.h"
#include "collector/scrape.h"
#include "core/arena.h"
#include "core/conf.h"
#include "core/diag.h"
#include "core/httpc.h"
#include "rules/notify.h"
#include "rules/rules.h"
#include "tsdb/tsdb.h"

struct config_node {
    const char *name; /* "": uname's */
    struct conf_map labels;
};
struct config_storage {
    const char *path;
    int64_t retention_ms, max_bytes, min_free_permille, flush_ms;
    int durability; /* enum tsdb_durability */
};
struct config_query_limits {
    int64_t timeout_ms, concurrency, queue, samples, series, memory;
};
struct config_limits {
    int64_t series, series_per_metric, labels, label_value_bytes, body_bytes, decoded_bytes;
    struct config_query_limits query;
};
struct config_http {
    const char *listen, *external_url;
    unsigned anonymous; /* SCOPE_BITs; 0: the defaults of the listener */
    const struct ynode *anonymous_node;
    int64_t max_connections, max_connections_per_address;
};
struct config_global {
    int64_t scrape_interval_ms, scrape_timeout_ms, evaluation_interval_ms;
    struct conf_map external_labels;
};
struct config_query_remote {
    const char *url, *username, *password, *password_file, *bearer, *bearer_file, *proxy_url;
    int64_t timeout_ms;
    struct conf_map headers;
    struct httpc_tls tls;
};
enum { QUERY_LOCAL, QUERY_REMOTE };
struct config_query {
    int64_t lookback_ms;
    int backend; /* QUERY_LOCAL, QUERY_REMOTE */
    bool experimental;
    struct config_query_remote remote;
};
struct config_ingest {
    bool influx, remote_write;
};
struct config_log {
    int level, format; /* enum log_level; 1: JSON */
};

struct config {
    struct arena arena;
    const char *file; /* "" when there is none */
    struct config_node node;
    struct config_storage storage;
    struct config_limits limits;
    struct config_http http;
    struct config_global global;
    struct config_query query;
    struct config_ingest ingest;
    struct config_log log;
    struct collector_config collectors;
    struct conf_list scrape_configs; /* struct scrape_config */
    struct rules_config rules;
    struct alerting_config *alerting; /* NULL when absent */
};

/* What the command line says, over the file. NULL: nothing. */
struct config_overrides {
    const char *data, *listen, *host_root, *log_level;
};

enum { CONFIG_BYTES_MAX = 1 << 20 };
extern const struct conf_table config_table;       /* of the whole file */
extern const struct conf_table config_query_table; /* of query: */

/* Reads path (NULL: defaults alone). Everything wrong is in d; then E_INVALID. */
int config_load(struct config **out, const char *path, const struct config_overrides *o,
                struct env *env, struct diags *d) MUST_CHECK;
/* The same from a text; file is what messages show. */
int config_parse(struct config **out, const char *file, struct str text,
                 const struct config_overrides *o, struct diags *d) MUST_CHECK;
void config_free(struct config *c);
void config_print_default(struct buf *out);
/* Every option with the value in force; secrets hidden. */
void config_print_effective(const struct config *c, struct buf *out);
/* The store's options. */
void config_tsdb_options(const struct config *c, struct tsdb_options *o);

#endif
