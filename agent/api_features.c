/* api_features.c -- /api/v1/features: what works here, in the categories and by the names of
 * Prometheus 3.14. The language's parts come from its tables, the rest is rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_status.h"
#include "rules/template.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"

struct feature {
    const char *name;
    bool on;
};

static const struct feature api[] = {
    {"admin",                       true },
    {"exclude_alerts",              true },
    {"label_values_match",          true },
    {"lifecycle",                   true },
    {"openapi_3.1",                 false},
    {"openapi_3.2",                 false},
    {"otlp_write_receiver",         false},
    {"query_stats",                 true },
    {"query_warnings",              true },
    {"remote_write_receiver",       false},
    {"search",                      false},
    {"search_fuzz_alg_jarowinkler", false},
    {"search_fuzz_alg_subsequence", false},
    {"time_range_labels",           true },
    {"time_range_series",           true },
};

static const struct feature otlp_receiver[] = {
    {"delta_conversion",       false},
    {"native_delta_ingestion", false},
};

static const struct feature prometheus[] = {
    {"agent_mode",         false},
    {"auto_reload_config", false},
    {"server_mode",        true },
    {"stringlabels",       false},
};

static const struct feature promql[] = {
    {"anchored",                 false},
    {"at_modifier",              true },
    {"bool",                     true },
    {"by",                       true },
    {"delayed_name_removal",     false},
    {"duration_expr",            true },
    {"fill",                     false},
    {"fill_left",                false},
    {"fill_right",               false},
    {"group_left",               true },
    {"group_right",              true },
    {"ignoring",                 true },
    {"negative_offset",          true },
    {"offset",                   true },
    {"on",                       true },
    {"per_query_lookback_delta", true },
    {"per_step_stats",           false},
    {"smoothed",                 false},
    {"subqueries",               true },
    {"type_and_unit_labels",     false},
    {"without",                  true },
};

static const struct feature rules[] = {
    {"concurrent_rule_eval", false},
    {"keep_firing_for",      true },
    {"query_offset",         true },
};

static const struct feature scrape[] = {
    {"extra_scrape_metrics",           false},
    {"start_timestamp_zero_ingestion", false},
    {"type_and_unit_labels",           false},
};

static const struct feature discovery[] = {
    {"aws",          false},
    {"azure",        false},
    {"consul",       false},
    {"digitalocean", false},
    {"dns",          false},
    {"docker",       false},
    {"dockerswarm",  false},
    {"ec2",          false},
    {"ecs",          false},
    {"elasticache",  false},
    {"eureka",       false},
    {"file",         false},
    {"gce",          false},
    {"hetzner",      false},
    {"http",         false},
    {"ionos",        false},
    {"kubernetes",   false},
    {"kuma",         false},
    {"lightsail",    false},
    {"linode",       false},
    {"marathon",     false},
    {"msk",          false},
    {"nerve",        false},
    {"nomad",        false},
    {"oci",          false},
    {"openstack",    false},
    {"outscale",     false},
    {"ovhcloud",     false},
    {"puppetdb",     false},
    {"rds",          false},
    {"scaleway",     false},
    {"serverset",    false},
    {"stackit",      false},
    {"static",       true },
    {"triton",       false},
    {"uyuni",        false},
    {"vultr",        false},
};

static const struct feature tsdb[] = {
    {"delayed_compaction",     false},
    {"exemplar_storage",       false},
    {"histograms_st_encoding", false},
    {"isolation",              false},
    {"native_histograms",      false},
    {"st_storage",             false},
    {"use_uncached_io",        false},
    {"xor2_encoding",          false},
};

static const struct feature ui[] = {
    {"ui_v2", false},
    {"ui_v3", false},
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

static void put(struct json *j, const char *name, bool on)
{
    json_key(j, name);
    json_bool(j, on);
}

static void open_category(struct json *j, const char *name)
{
    json_key(j, name);
    json_obj(j);
}

static void put_functions(struct json *j)
{
    size_t count = 0;
    const struct promql_fn *fns = promql_fns(&count);
    open_category(j, "promql_functions");
    for (size_t i = 0; i < count; i++)
        put(j, fns[i].name, !fns[i].experimental && fns[i].body.kind != PROMQL_FN_NONE);
    json_end(j);
}

/* Operators, and what Prometheus counts among them: matchers, @ and aggregations. */
static void put_operators(struct json *j)
{
    static const char *const others[] = {"=~", "!~", "@"};
    open_category(j, "promql_operators");
    for (int op = 0; op <= OP_TRIM_LOWER; op++) {
        const struct op_row *row = op_row((enum binary_op)op);
        put(j, row->text, row->class != OP_TRIM); /* which is for native histograms */
    }
    for (size_t i = 0; i < COUNT(others); i++)
        put(j, others[i], true);
    for (int op = 0; op <= AGGR_LIMIT_RATIO; op++) {
        const struct aggr_row *row = aggr_row((enum aggr_op)op);
        put(j, row->text, !row->experimental);
    }
    json_end(j);
}

static void put_template_functions(struct json *j)
{
    open_category(j, "templating_functions");
    for (size_t i = 0; i < COUNT(template_functions); i++)
        put(j, template_functions[i], template_has_function(str_of(template_functions[i])));
    json_end(j);
}

void api_features(struct app *a, struct request *r, struct response *p)
{
    static const struct {
        const char *name;
        const struct feature *v;
        size_t count;
        void (*put)(struct json *j); /* instead of rows */
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
    UNUSED(a);
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    for (size_t i = 0; i < COUNT(categories); i++) {
        if (categories[i].put) {
            categories[i].put(&j);
            continue;
        }
        open_category(&j, categories[i].name);
        for (size_t k = 0; k < categories[i].count; k++)
            put(&j, categories[i].v[k].name, categories[i].v[k].on);
        json_end(&j);
    }
    json_end(&j);
    api_end(p, &j, NULL, false);
}
