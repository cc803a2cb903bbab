/* api_features.c -- /api/v1/features: what works here, in the categories and by the names of
 * Prometheus 3.14. The language's parts come from its tables, the rest is rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_status.h"
#include "rules/template.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"

/* With a route, on where that is in the table. */
struct feature {
    const char *name;
    bool on;
    const char *route;
};

static bool is_on(const struct feature *f)
{
    struct str arg;
    return f->on && (!f->route || route_find(str_of(f->route), &arg));
}

static const struct feature api[] = {
    {"admin",                       true,  "/api/v1/admin/tsdb/snapshot"},
    {"exclude_alerts",              true,  NULL                         },
    {"label_values_match",          true,  NULL                         },
    {"lifecycle",                   true,  "/-/reload"                  },
    {"openapi_3.1",                 true,  "/api/v1/openapi.yaml"       },
    {"openapi_3.2",                 false, NULL                         },
    {"otlp_write_receiver",         true,  "/api/v1/otlp/v1/metrics"    },
    {"query_stats",                 true,  NULL                         },
    {"query_warnings",              true,  NULL                         },
    {"remote_write_receiver",       true,  "/api/v1/write"              },
    {"search",                      true,  "/api/v1/search/metric_names"},
    {"search_fuzz_alg_jarowinkler", false, NULL                         },
    {"search_fuzz_alg_subsequence", false, NULL                         },
    {"time_range_labels",           true,  NULL                         },
    {"time_range_series",           true,  NULL                         },
};

static const struct feature otlp_receiver[] = {
    {"delta_conversion",       false, NULL},
    {"native_delta_ingestion", false, NULL},
};

static const struct feature prometheus[] = {
    {"agent_mode",         false, NULL},
    {"auto_reload_config", false, NULL},
    {"server_mode",        true,  NULL},
    {"stringlabels",       false, NULL},
};

static const struct feature promql[] = {
    {"anchored",                 false, NULL},
    {"at_modifier",              true,  NULL},
    {"bool",                     true,  NULL},
    {"by",                       true,  NULL},
    {"delayed_name_removal",     false, NULL},
    {"duration_expr",            true,  NULL},
    {"fill",                     false, NULL},
    {"fill_left",                false, NULL},
    {"fill_right",               false, NULL},
    {"group_left",               true,  NULL},
    {"group_right",              true,  NULL},
    {"ignoring",                 true,  NULL},
    {"negative_offset",          true,  NULL},
    {"offset",                   true,  NULL},
    {"on",                       true,  NULL},
    {"per_query_lookback_delta", true,  NULL},
    {"per_step_stats",           true,  NULL},
    {"smoothed",                 false, NULL},
    {"subqueries",               true,  NULL},
    {"type_and_unit_labels",     false, NULL},
    {"without",                  true,  NULL},
};

static const struct feature rules[] = {
    {"concurrent_rule_eval", false, NULL},
    {"keep_firing_for",      true,  NULL},
    {"query_offset",         true,  NULL},
};

static const struct feature scrape[] = {
    {"extra_scrape_metrics",           false, NULL},
    {"start_timestamp_zero_ingestion", false, NULL},
    {"type_and_unit_labels",           false, NULL},
};

static const struct feature discovery[] = {
    {"aws",          false, NULL},
    {"azure",        false, NULL},
    {"consul",       false, NULL},
    {"digitalocean", false, NULL},
    {"dns",          false, NULL},
    {"docker",       false, NULL},
    {"dockerswarm",  false, NULL},
    {"ec2",          false, NULL},
    {"ecs",          false, NULL},
    {"elasticache",  false, NULL},
    {"eureka",       false, NULL},
    {"file",         false, NULL},
    {"gce",          false, NULL},
    {"hetzner",      false, NULL},
    {"http",         false, NULL},
    {"ionos",        false, NULL},
    {"kubernetes",   false, NULL},
    {"kuma",         false, NULL},
    {"lightsail",    false, NULL},
    {"linode",       false, NULL},
    {"marathon",     false, NULL},
    {"msk",          false, NULL},
    {"nerve",        false, NULL},
    {"nomad",        false, NULL},
    {"oci",          false, NULL},
    {"openstack",    false, NULL},
    {"outscale",     false, NULL},
    {"ovhcloud",     false, NULL},
    {"puppetdb",     false, NULL},
    {"rds",          false, NULL},
    {"scaleway",     false, NULL},
    {"serverset",    false, NULL},
    {"stackit",      false, NULL},
    {"static",       true,  NULL},
    {"triton",       false, NULL},
    {"uyuni",        false, NULL},
    {"vultr",        false, NULL},
};

static const struct feature tsdb[] = {
    {"delayed_compaction",     false, NULL},
    {"exemplar_storage",       false, NULL},
    {"histograms_st_encoding", false, NULL},
    {"isolation",              false, NULL},
    {"native_histograms",      false, NULL},
    {"st_storage",             false, NULL},
    {"use_uncached_io",        false, NULL},
    {"xor2_encoding",          false, NULL},
};

static const struct feature ui[] = {
    {"ui_v2", false, NULL},
    {"ui_v3", false, NULL},
};

static const char *const template_functions[] = {
    "args",
    "externalURL",
    "first",
    "graphLink",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "label",
    "match",
    "now",
    "parseDuration",
    "pathPrefix",
    "query",
    "reReplaceAll",
    "safeHtml",
    "sortByLabel",
    "stripDomain",
    "stripPort",
    "strvalue",
    "tableLink",
    "title",
    "toDuration",
    "toLower",
    "toTime",
    "toUpper",
    "urlQueryEscape",
    "value",
};

static void put_functions(struct json *j, bool experimental)
{
    size_t count = 0;
    const struct promql_fn *fns = promql_fns(&count);
    json_kv_obj(j, "promql_functions");
    for (size_t i = 0; i < count; i++)
        json_kv_bool(j, fns[i].name,
                     (experimental || !fns[i].experimental) && fns[i].body.kind != PROMQL_FN_NONE);
    json_end(j);
}

/* Operators, and what Prometheus counts among them: matchers, @ and aggregations. */
static void put_operators(struct json *j, bool experimental)
{
    UNUSED(experimental); /* the experimental aggregations have no evaluation */
    static const char *const others[] = {"=~", "!~", "@"};
    json_kv_obj(j, "promql_operators");
    for (int op = 0; op <= OP_TRIM_LOWER; op++) {
        const struct op_row *row = op_row((enum binary_op)op);
        json_kv_bool(j, row->text, true);
    }
    for (size_t i = 0; i < COUNT(others); i++)
        json_kv_bool(j, others[i], true);
    for (int op = 0; op <= AGGR_LIMIT_RATIO; op++) {
        const struct aggr_row *row = aggr_row((enum aggr_op)op);
        json_kv_bool(j, row->text, !row->experimental);
    }
    json_end(j);
}

static void put_template_functions(struct json *j, bool experimental)
{
    UNUSED(experimental);
    json_kv_obj(j, "templating_functions");
    for (size_t i = 0; i < COUNT(template_functions); i++)
        json_kv_bool(j, template_functions[i],
                     template_has_function(str_of(template_functions[i])));
    json_end(j);
}

void api_features(struct app *a, struct request *r, struct response *p)
{
    static const struct {
        const char *name;
        const struct feature *v;
        size_t count;
        void (*put)(struct json *j, bool experimental); /* instead of rows */
    } categories[] = {
        {"api",                         api,           COUNT(api),           NULL                  },
        {"otlp_receiver",               otlp_receiver, COUNT(otlp_receiver), NULL                  },
        {"prometheus",                  prometheus,    COUNT(prometheus),    NULL                  },
        {"promql",                      promql,        COUNT(promql),        NULL                  },
        {"promql_functions",            NULL,          0,                    put_functions         },
        {"promql_operators",            NULL,          0,                    put_operators         },
        {"rules",                       rules,         COUNT(rules),         NULL                  },
        {"scrape",                      scrape,        COUNT(scrape),        NULL                  },
        {"service_discovery_providers", discovery,     COUNT(discovery),     NULL                  },
        {"templating_functions",        NULL,          0,                    put_template_functions},
        {"tsdb",                        tsdb,          COUNT(tsdb),          NULL                  },
        {"ui",                          ui,            COUNT(ui),            NULL                  },
    };
    struct json j;
    struct app_settings settings;
    UNUSED(r);
    app_settings(a, &settings);
    api_begin(p, &j);
    json_obj(&j);
    for (size_t i = 0; i < COUNT(categories); i++) {
        if (categories[i].put) {
            categories[i].put(&j, settings.experimental);
            continue;
        }
        json_kv_obj(&j, categories[i].name);
        for (size_t k = 0; k < categories[i].count; k++)
            json_kv_bool(&j, categories[i].v[k].name, is_on(&categories[i].v[k]));
        json_end(&j);
    }
    json_end(&j);
    api_end(p, &j, NULL, false);
}
