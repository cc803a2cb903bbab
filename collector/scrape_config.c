/* scrape_config.c -- one entry of scrape_configs, in Prometheus' own keys.
 *
 * Nested blocks that fill fields of struct scrape_config itself (basic_auth, authorization,
 * tls_config) are tables of size 0 at offset 0: their rows' offsets are the parent's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/scrape.h"

#include "core/hash.h"
#include "tsdb/labels.h"

#define FIELD(name) offsetof(struct scrape_config, name)

/* --- what Prometheus knows and we do not build yet -----------------------------------------------
 */

#define UNSUPPORTED_KEYS(X)                                                                        \
    X(relabel_configs)                                                                             \
    X(metric_relabel_configs)                                                                      \
    X(file_sd_configs)                                                                             \
    X(dns_sd_configs)                                                                              \
    X(http_sd_configs)                                                                             \
    X(docker_sd_configs)                                                                           \
    X(dockerswarm_sd_configs)                                                                      \
    X(kubernetes_sd_configs)                                                                       \
    X(consul_sd_configs)                                                                           \
    X(ec2_sd_configs)                                                                              \
    X(gce_sd_configs)                                                                              \
    X(azure_sd_configs)                                                                            \
    X(openstack_sd_configs)                                                                        \
    X(digitalocean_sd_configs)                                                                     \
    X(hetzner_sd_configs)                                                                          \
    X(linode_sd_configs)                                                                           \
    X(marathon_sd_configs)                                                                         \
    X(nomad_sd_configs)                                                                            \
    X(eureka_sd_configs)                                                                           \
    X(serverset_sd_configs)                                                                        \
    X(nerve_sd_configs)                                                                            \
    X(triton_sd_configs)                                                                           \
    X(uyuni_sd_configs)                                                                            \
    X(lightsail_sd_configs)                                                                        \
    X(ionos_sd_configs)                                                                            \
    X(kuma_sd_configs)                                                                             \
    X(ovhcloud_sd_configs)                                                                         \
    X(puppetdb_sd_configs)                                                                         \
    X(scaleway_sd_configs)                                                                         \
    X(vultr_sd_configs)                                                                            \
    X(stackit_sd_configs)                                                                          \
    X(oauth2)                                                                                      \
    X(http_headers)                                                                                \
    X(no_proxy)                                                                                    \
    X(proxy_from_environment)                                                                      \
    X(proxy_connect_header)                                                                        \
    X(series_limit)                                                                                \
    X(preset)

static int refuse(struct conf_ctx *c, const struct ynode *n, const char *key)
{
    if (ynode_is_null(n) || (n->kind != YNODE_SCALAR && n->count == 0)) return 0;
    return ynode_error(c->doc, n, c->diags, "remove it; static_configs is what works today",
                       "%s is not supported yet", key);
}

#define REFUSE(key)                                                                                \
    static int refuse_##key(struct conf_ctx *c, const struct ynode *n, void *out)                  \
    {                                                                                              \
        UNUSED(out);                                                                               \
        return refuse(c, n, #key);                                                                 \
    }
UNSUPPORTED_KEYS(REFUSE)
#undef REFUSE

/* Keys that change nothing here. */
static int accept_any(struct conf_ctx *c, const struct ynode *n, void *out)
{
    UNUSED(c);
    UNUSED(n);
    UNUSED(out);
    return 0;
}

/* --- blocks --------------------------------------------------------------------------------------
 */

static const struct conf_option basic_auth_options[] = {
    {.key = "username", .type = CONF_STRING, .offset = FIELD(basic_username), .required = true},
    {.key = "password",                 .type = CONF_STRING,                    .offset = FIELD(basic_password)               },
    {.key = "password_file",                 .type = CONF_STRING,               .offset = FIELD(basic_password_file)},
};
static const struct conf_table basic_auth_table = {
    .name = "basic_auth",
    .options = basic_auth_options,
    .count = COUNT(basic_auth_options),
};

static const struct conf_option authorization_options[] = {
    {.key = "type", .type = CONF_STRING, .offset = FIELD(auth_type), .dflt = "Bearer"},
    {.key = "credentials",             .type = CONF_STRING,             .offset = FIELD(bearer_token)       },
    {.key = "credentials_file",             .type = CONF_STRING,        .offset = FIELD(bearer_token_file)},
};
static const struct conf_table authorization_table = {
    .name = "authorization",
    .options = authorization_options,
    .count = COUNT(authorization_options),
};

static const struct conf_option tls_options[] = {
    {.key = "ca_file",              .type = CONF_STRING, .offset = FIELD(tls.ca_file)             },
    {.key = "cert_file",            .type = CONF_STRING, .offset = FIELD(tls.cert_file)           },
    {.key = "key_file",             .type = CONF_STRING, .offset = FIELD(tls.key_file)            },
    {.key = "server_name",          .type = CONF_STRING, .offset = FIELD(tls.server_name)         },
    {.key = "insecure_skip_verify", .type = CONF_BOOL,   .offset = FIELD(tls.insecure_skip_verify)},
    {.key = "min_version",          .type = CONF_CUSTOM, .custom = accept_any                     },
    {.key = "max_version",          .type = CONF_CUSTOM, .custom = accept_any                     },
};

static int validate_tls(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct scrape_config *s = out;
    s->has_tls = true;
    if ((s->tls.cert_file[0] != '\0') != (s->tls.key_file[0] != '\0'))
        return ynode_error(c->doc, n, c->diags, NULL, "cert_file and key_file go together");
    return 0;
}
static const struct conf_table tls_table = {
    .name = "tls_config",
    .options = tls_options,
    .count = COUNT(tls_options),
    .validate = validate_tls,
};

/* params: name -> list of values. A name with two values becomes two entries. */
static int decode_params(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct conf_map *map = out;
    size_t count = 0;
    if (ynode_is_null(n)) return 0;
    if (n->kind != YNODE_MAPPING)
        return ynode_error(c->doc, n, c->diags, NULL, "params must be a mapping of lists");
    for (size_t i = 0; i < n->count; i++)
        count += n->pairs[i].value->kind == YNODE_SEQUENCE ? n->pairs[i].value->count : 1;
    map->v = arena_array(c->arena, count, sizeof map->v[0]);
    if (!map->v) return c->arena->err;
    for (size_t i = 0; i < n->count; i++) {
        struct ynode *value = n->pairs[i].value;
        bool list = value->kind == YNODE_SEQUENCE;
        for (size_t k = 0; k < (list ? value->count : 1); k++) {
            const struct ynode *item = list ? value->items[k] : value;
            if (item->kind != YNODE_SCALAR)
                return ynode_error(c->doc, item, c->diags, NULL, "a parameter must be a text");
            map->v[map->count].key = n->pairs[i].key->value;
            map->v[map->count].value = item->value;
            map->v[map->count].key_node = n->pairs[i].key;
            map->v[map->count++].value_node = item;
        }
    }
    return 0;
}

static const struct conf_option static_options[] = {
    {.key = "targets",
     .type = CONF_STRINGS,
     .offset = offsetof(struct scrape_static, targets),
     .help = "host:port"                             },
    {.key = "labels",
     .type = CONF_MAP,
     .offset = offsetof(struct scrape_static, labels),
     .help = "added to every sample of these targets"},
};

static int validate_static(struct conf_ctx *c, const struct ynode *n, void *out)
{
    const struct scrape_static *s = out;
    int rc = 0;
    UNUSED(n);
    for (size_t i = 0; i < s->targets.count; i++) {
        const char *target = s->targets.v[i];
        if (*target && !strpbrk(target, "/ ?#@")) continue;
        rc = ynode_error(c->doc, s->targets.nodes[i], c->diags,
                         "write host:port; scheme and metrics_path are keys of their own",
                         "\"%s\" is not a valid target", target);
    }
    for (size_t i = 0; i < s->labels.count; i++) {
        struct str name = s->labels.v[i].key;
        if (label_name_is_valid(name) && !str_eq(name, STR(METRIC_NAME))) continue;
        rc = ynode_error(c->doc, s->labels.v[i].key_node, c->diags, NULL,
                         "\"%.*s\" is not a valid label name", (int)MIN(name.len, 100), name.p);
    }
    return rc;
}
static const struct conf_table static_table = {
    .name = "static_configs",
    .size = sizeof(struct scrape_static),
    .options = static_options,
    .count = COUNT(static_options),
    .validate = validate_static,
};

/* --- the entry -----------------------------------------------------------------------------------
 */

// clang-format off
static const struct conf_option options[] = {
    {.key = "job_name", .type = CONF_STRING, .offset = FIELD(job_name), .required = true,
     .help = "The job label of these targets."},
    {.key = "scrape_interval", .type = CONF_DURATION, .offset = FIELD(interval_ms), .min = 10,
     .max = INT64_C(86400000), .help = "Time between scrapes; unset: the global one."},
    {.key = "scrape_timeout", .type = CONF_DURATION, .offset = FIELD(timeout_ms), .min = 1,
     .max = INT64_C(86400000), .help = "A scrape that takes longer fails."},
    {.key = "metrics_path", .type = CONF_STRING, .offset = FIELD(metrics_path), .dflt = "/metrics",
     .help = "Path on the target."},
    {.key = "scheme", .type = CONF_STRING, .offset = FIELD(scheme), .dflt = "http",
     .help = "http or https."},
    {.key = "params", .type = CONF_CUSTOM, .offset = FIELD(params), .custom = decode_params,
     .help = "Query parameters, each a list of values."},
    {.key = "honor_labels", .type = CONF_BOOL, .offset = FIELD(honor_labels), .dflt = "false",
     .help = "Scraped labels win over the target's; else they become exported_NAME."},
    {.key = "honor_timestamps", .type = CONF_BOOL, .offset = FIELD(honor_timestamps),
     .dflt = "true", .help = "Use the timestamps that the target gives."},
    {.key = "track_timestamps_staleness", .type = CONF_BOOL,
     .offset = FIELD(track_timestamps_staleness), .dflt = "false",
     .help = "Mark series with timestamps of their own as stale, too."},
    {.key = "body_size_limit", .type = CONF_SIZE, .offset = FIELD(body_size_limit), .dflt = "0",
     .help = "Larger bodies fail the scrape; 0: 64 MiB."},
    {.key = "sample_limit", .type = CONF_INT, .offset = FIELD(sample_limit), .dflt = "0",
     .min = 0, .max = INT64_C(1) << 40, .help = "More samples fail the scrape; 0: no limit."},
    {.key = "label_limit", .type = CONF_INT, .offset = FIELD(label_limit), .dflt = "0",
     .min = 0, .max = 512, .help = "Labels of a series; more fail the scrape; 0: 512."},
    {.key = "label_name_length_limit", .type = CONF_INT, .offset = FIELD(label_name_length_limit),
     .dflt = "0", .min = 0, .max = INT64_C(1) << 30, .help = "Longer names fail the scrape."},
    {.key = "label_value_length_limit", .type = CONF_INT,
     .offset = FIELD(label_value_length_limit), .dflt = "0", .min = 0, .max = INT64_C(1) << 30,
     .help = "Longer values fail the scrape."},
    {.key = "target_limit", .type = CONF_INT, .offset = FIELD(target_limit), .dflt = "0",
     .min = 0, .max = INT64_C(1) << 20, .help = "More targets fail the whole job."},
    {.key = "static_configs", .type = CONF_LIST, .offset = FIELD(static_configs),
     .sub = &static_table, .help = "Targets by name."},
    {.key = "basic_auth", .type = CONF_SUB, .sub = &basic_auth_table},
    {.key = "authorization", .type = CONF_SUB, .sub = &authorization_table},
    {.key = "bearer_token", .type = CONF_STRING, .offset = FIELD(bearer_token)},
    {.key = "bearer_token_file", .type = CONF_STRING, .offset = FIELD(bearer_token_file)},
    {.key = "tls_config", .type = CONF_SUB, .sub = &tls_table},
    {.key = "proxy_url", .type = CONF_STRING, .offset = FIELD(proxy_url)},
    {.key = "enable_compression", .type = CONF_BOOL, .offset = FIELD(enable_compression),
     .dflt = "true", .help = "Ask for gzip; never done on loopback."},
    {.key = "follow_redirects", .type = CONF_CUSTOM, .custom = accept_any,
     .help = "Accepted; redirects are never followed."},
    {.key = "enable_http2", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "scrape_protocols", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "fallback_scrape_protocol", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "keep_dropped_targets", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "scrape_native_histograms", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "scrape_classic_histograms", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "always_scrape_classic_histograms", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "convert_classic_histograms_to_nhcb", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "native_histogram_bucket_limit", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "native_histogram_min_bucket_factor", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "metric_name_validation_scheme", .type = CONF_CUSTOM, .custom = accept_any},
    {.key = "metric_name_escaping_scheme", .type = CONF_CUSTOM, .custom = accept_any},
#define ROW(name) {.key = #name, .type = CONF_CUSTOM, .custom = refuse_##name},
    UNSUPPORTED_KEYS(ROW)
#undef ROW
};
// clang-format on

/* Every text, kind and count of a tree, in order. */
static uint64_t hash_node(uint64_t h, const struct ynode *n)
{
    unsigned char kind = (unsigned char)n->kind;
    h = fnv1a64(h, &kind, 1);
    h = fnv1a64(h, &n->count, sizeof n->count);
    if (n->kind == YNODE_SCALAR) h = fnv1a64(h, n->value.p, n->value.len + 1);
    for (size_t i = 0; i < n->count; i++) {
        if (n->kind == YNODE_SEQUENCE) h = hash_node(h, n->items[i]);
        if (n->kind != YNODE_MAPPING) continue;
        h = hash_node(h, n->pairs[i].key);
        h = hash_node(h, n->pairs[i].value);
    }
    return h;
}

static int one_of_each(struct conf_ctx *c, const struct ynode *n, const struct scrape_config *s)
{
    static const char *const ways[] = {"basic_auth", "authorization", "bearer_token",
                                       "bearer_token_file"};
    int given = 0, rc = 0;
    for (size_t i = 0; i < COUNT(ways); i++)
        given += !ynode_is_null(ynode_get(n, ways[i]));
    if (given > 1)
        rc = ynode_error(c->doc, n, c->diags, NULL,
                         "at most one of basic_auth, authorization, bearer_token and "
                         "bearer_token_file may be given");
    if (*s->basic_password && *s->basic_password_file)
        rc = ynode_error(c->doc, n, c->diags, NULL, "give password or password_file, not both");
    if (*s->bearer_token && *s->bearer_token_file)
        rc = ynode_error(c->doc, n, c->diags, NULL,
                         "give credentials or credentials_file, not both");
    return rc;
}

static int validate(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct scrape_config *s = out;
    int rc = one_of_each(c, n, s);
    s->hash = hash_node(FNV1A64_INIT, n);
    if (strcmp(s->scheme, "http") != 0 && strcmp(s->scheme, "https") != 0)
        rc = ynode_error(c->doc, ynode_get(n, "scheme"), c->diags, "use http or https",
                         "scheme \"%s\" is not known", s->scheme);
    if (s->metrics_path[0] != '/')
        rc = ynode_error(c->doc, ynode_get(n, "metrics_path"), c->diags, NULL,
                         "metrics_path must start with \"/\"");
    if (s->interval_ms && s->timeout_ms > s->interval_ms)
        rc = ynode_error(c->doc, ynode_get(n, "scrape_timeout"), c->diags, NULL,
                         "scrape_timeout is longer than scrape_interval");
    return rc;
}

const struct conf_table scrape_config_table = {
    .name = "scrape config",
    .size = sizeof(struct scrape_config),
    .options = options,
    .count = COUNT(options),
    .validate = validate,
};
