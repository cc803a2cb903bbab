/* scrape.h -- scraping Prometheus targets: configuration, and the loop behind engine.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_SCRAPE_H
#define TOCSIN_COLLECTOR_SCRAPE_H

#include "core/conf.h"
#include "core/httpc.h"

struct scrape_static {
    struct conf_strings targets;
    struct conf_map labels;
};

/* One entry of scrape_configs, in Prometheus' own keys. Unset intervals take the global ones. */
struct scrape_config {
    const char *job_name, *metrics_path, *scheme;
    int64_t interval_ms, timeout_ms;
    struct conf_map params;
    bool honor_labels, honor_timestamps, track_timestamps_staleness;
    int64_t body_size_limit, sample_limit, label_limit, label_name_length_limit,
        label_value_length_limit;
    struct conf_list static_configs; /* struct scrape_static */
    const char *basic_username, *basic_password, *bearer_token;
    /* files are read at every scrape; "" when not given. auth_type goes before bearer_token. */
    const char *basic_password_file, *bearer_token_file, *auth_type;
    const char *proxy_url;
    int64_t target_limit;
    bool enable_compression;
    struct httpc_tls tls;
    bool has_tls;
    uint64_t hash; /* of the entry's YAML tree, to keep unchanged targets over a reload */
};
/* Decoder of one entry of scrape_configs. Keys that Prometheus knows and we do not yet
 * (relabelling, discovery, ...) are refused by name, not ignored; keys without meaning here
 * (scrape_protocols, native histograms, ...) are accepted. */
extern const struct conf_table scrape_config_table;

#endif
