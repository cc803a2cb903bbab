/* route_table.c -- the table of routes: an endpoint is one row here and one function in an api_*.c.
 *
 * The parameters stand above the table. They are documentation, and for a ROUTE_STRICT row they are
 * also the law: any other parameter is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"
#include "agent/api_status.h"
#include "agent/route.h"

const char *const scope_names[SCOPES] = {
    [SCOPE_NONE] = "none",     [SCOPE_READ] = "read",   [SCOPE_WRITE] = "write",
    [SCOPE_ALERTS] = "alerts", [SCOPE_SCALE] = "scale", [SCOPE_ADMIN] = "admin",
};

const char *const param_type_names[PARAM_TYPES] = {
    [PARAM_TEXT] = "text", [PARAM_EXPR] = "PromQL",       [PARAM_SELECTOR] = "selector",
    [PARAM_TIME] = "time", [PARAM_DURATION] = "duration", [PARAM_NUMBER] = "number",
    [PARAM_BOOL] = "bool",
};

const char *const route_group_names[ROUTE_GROUPS] = {
    [GROUP_PROMETHEUS] = "Prometheus-compatible",     [GROUP_INFLUX] = "InfluxDB-compatible",
    [GROUP_ALERTMANAGER] = "Alertmanager-compatible", [GROUP_OWN] = "Our own",
    [GROUP_PROCESS] = "Health, metrics, pages",
};

enum { G = HTTP_GET | HTTP_HEAD, P = HTTP_POST, GP = HTTP_GET | HTTP_HEAD | HTTP_POST };
enum { U = HTTP_POST | HTTP_PUT };
enum { FORM = ROUTE_FORM, BODY = ROUTE_BODY, STORE = ROUTE_STORE, INFLUX = ROUTE_INFLUX };
enum { STRICT = ROUTE_STRICT, RAW = ROUTE_RAW };
enum { NEEDED = true, MAYBE = false };

#define PARAMS(list) .params = (list), .param_count = COUNT(list)
#define NO_PARAMS    .params = NULL, .param_count = 0
#define TEXT_PLAIN   "text/plain"

// clang-format off

/* --- parameters: name, type, required, what it means --- */

#define P_QUERY   {"query", PARAM_EXPR, NEEDED, "the expression"}
#define P_TIMEOUT {"timeout", PARAM_DURATION, MAYBE, "lowers the server's limit, never raises it"}
#define P_SERIES  {"limit", PARAM_NUMBER, MAYBE, "at most so many series; 0 is no limit"}
#define P_LOOK    {"lookback_delta", PARAM_DURATION, MAYBE, "how far back an instant looks for its sample"}
#define P_STATS   {"stats", PARAM_TEXT, MAYBE, "adds `data.stats`; `all` also counts per step"}
#define P_EXPLAIN {"explain", PARAM_BOOL, MAYBE, "adds `data.explain`: what each node of the expression did, and its cost"}
#define P_START   {"start", PARAM_TIME, MAYBE, "only what has samples from here on"}
#define P_END     {"end", PARAM_TIME, MAYBE, "only what has samples up to here"}
#define P_LIMIT   {"limit", PARAM_NUMBER, MAYBE, "at most so many items; 0 is no limit"}
#define P_MATCH   {"match[]", PARAM_SELECTOR, MAYBE, "only series that one of the selectors finds"}

static const struct route_param query_params[] = {
    P_QUERY,
    {"time", PARAM_TIME, MAYBE, "when; now if absent"},
    P_TIMEOUT, P_SERIES, P_LOOK, P_STATS, P_EXPLAIN,
};
static const struct route_param range_params[] = {
    P_QUERY,
    {"start", PARAM_TIME, NEEDED, "the first step"},
    {"end", PARAM_TIME, NEEDED, "no step is later"},
    {"step", PARAM_DURATION, NEEDED, "from one step to the next; at most 11,000 steps"},
    P_TIMEOUT, P_SERIES, P_LOOK, P_STATS, P_EXPLAIN,
};
static const struct route_param exemplar_params[] = {
    P_QUERY,
    {"start", PARAM_TIME, MAYBE, "exemplars from here on"},
    {"end", PARAM_TIME, MAYBE, "exemplars up to here"},
};
static const struct route_param text_params[] = {P_QUERY};
static const struct route_param find_params[] = {P_MATCH, P_START, P_END, P_LIMIT};
static const struct route_param series_params[] = {
    {"match[]", PARAM_SELECTOR, NEEDED, "series that one of the selectors finds"},
    P_START, P_END, P_LIMIT,
};
static const struct route_param metadata_params[] = {
    {"metric", PARAM_TEXT, MAYBE, "of this metric alone"},
    {"limit", PARAM_NUMBER, MAYBE, "at most so many metrics"},
    {"limit_per_metric", PARAM_NUMBER, MAYBE, "at most so many entries for each metric"},
};
static const struct route_param targets_params[] = {
    {"state", PARAM_TEXT, MAYBE, "`active`, `dropped` or `any`"},
    {"scrapePool", PARAM_TEXT, MAYBE, "of this scrape pool alone"},
};
static const struct route_param rules_params[] = {
    {"type", PARAM_TEXT, MAYBE, "`alert` or `record`"},
    {"rule_name[]", PARAM_TEXT, MAYBE, "rules with one of these names"},
    {"rule_group[]", PARAM_TEXT, MAYBE, "groups with one of these names"},
    {"file[]", PARAM_TEXT, MAYBE, "groups of one of these files"},
    {"match[]", PARAM_SELECTOR, MAYBE, "rules whose labels one of the selectors finds"},
    {"exclude_alerts", PARAM_BOOL, MAYBE, "leaves the active alerts out"},
    {"group_limit", PARAM_NUMBER, MAYBE, "at most so many groups, with `groupNextToken` when there are more"},
    {"group_next_token", PARAM_TEXT, MAYBE, "the group to start at"},
};
static const struct route_param target_metadata_params[] = {
    {"match_target", PARAM_SELECTOR, MAYBE, "only targets with such labels; all if absent"},
    {"metric", PARAM_TEXT, MAYBE, "of this metric alone"},
    {"limit", PARAM_NUMBER, MAYBE, "no further target once there are so many entries"},
};
static const struct route_param tsdb_params[] = {
    {"limit", PARAM_NUMBER, MAYBE, "rows of each list; 10 if absent"},
};
static const struct route_param federate_params[] = {
    {"match[]", PARAM_SELECTOR, MAYBE, "series that one of the selectors finds; none if absent"},
};
static const struct route_param delete_params[] = {
    {"match[]", PARAM_SELECTOR, NEEDED, "series that one of the selectors finds"},
    {"start", PARAM_TIME, MAYBE, "only samples from here on"},
    {"end", PARAM_TIME, MAYBE, "only samples up to here"},
};
static const struct route_param snapshot_params[] = {
    {"skip_head", PARAM_BOOL, MAYBE, "leaves out what is not flushed yet"},
};
#define P_DB        {"db", PARAM_TEXT, MAYBE, "any name; remembered, and means nothing else"}
#define P_PRECISION {"precision", PARAM_TEXT, MAYBE, "of the timestamps: `ns` `us` `ms` `s` `m` `h`"}
static const struct route_param write_params[] = {P_DB, P_PRECISION};
static const struct route_param write2_params[] = {
    {"bucket", PARAM_TEXT, MAYBE, "`db` or `db/rp`; remembered, and means nothing else"},
    P_PRECISION,
};
static const struct route_param import_params[] = {
    {"extra_label", PARAM_TEXT, MAYBE, "`name=value`, put on every sample; may be repeated"},
    {"timestamp", PARAM_NUMBER, MAYBE, "of samples without one, in ms; now if absent"},
};
static const struct route_param ping_params[] = {
    {"verbose", PARAM_BOOL, MAYBE, "200 with the version instead of 204"},
};
static const struct route_param influx_query_params[] = {
    {"q", PARAM_TEXT, NEEDED, "`SHOW DATABASES`, `SHOW MEASUREMENTS`; `CREATE DATABASE` by POST"},
    P_DB,
};

/* --- routes --- */

const struct route routes[] = {
    {GP, "/api/v1/query", SCOPE_READ, HTTP_QUERY, FORM | STORE, api_query, GROUP_PROMETHEUS,
     "Evaluates an expression at one time.", PARAMS(query_params)},
    {GP, "/api/v1/query_range", SCOPE_READ, HTTP_QUERY, FORM | STORE, api_query_range, GROUP_PROMETHEUS,
     "Evaluates an expression at every step of a range.", PARAMS(range_params)},
    {GP, "/api/v1/query_exemplars", SCOPE_READ, HTTP_STATUS, FORM, api_query_exemplars, GROUP_PROMETHEUS,
     "Answers an empty list: exemplars are not stored.", PARAMS(exemplar_params)},
    {GP, "/api/v1/format_query", SCOPE_READ, HTTP_STATUS, FORM, api_format_query, GROUP_PROMETHEUS,
     "Formats an expression.", PARAMS(text_params)},
    {GP, "/api/v1/parse_query", SCOPE_READ, HTTP_STATUS, FORM, api_parse_query, GROUP_PROMETHEUS,
     "Parses an expression into its syntax tree.", PARAMS(text_params)},
    {GP, "/api/v1/labels", SCOPE_READ, HTTP_QUERY, FORM | STORE, api_label_names, GROUP_PROMETHEUS,
     "Lists label names.", PARAMS(find_params)},
    {G, "/api/v1/label/{name}/values", SCOPE_READ, HTTP_QUERY, STORE, api_label_values, GROUP_PROMETHEUS,
     "Lists the values of a label; the name may be `U__` escaped.", PARAMS(find_params)},
    {GP, "/api/v1/series", SCOPE_READ, HTTP_QUERY, FORM | STORE, api_series, GROUP_PROMETHEUS,
     "Lists series by their labels.", PARAMS(series_params)},
    {G, "/api/v1/metadata", SCOPE_READ, HTTP_STATUS, STORE, api_metadata, GROUP_PROMETHEUS,
     "Lists type, unit and help of metrics.", PARAMS(metadata_params)},
    {G, "/api/v1/targets", SCOPE_READ, HTTP_STATUS, STORE, api_targets, GROUP_PROMETHEUS,
     "Lists the scrape targets and how they are.", PARAMS(targets_params)},
    {G, "/api/v1/targets/metadata", SCOPE_READ, HTTP_STATUS, STORE, api_target_metadata, GROUP_PROMETHEUS,
     "Lists type, unit and help of metrics by the target that told them.", PARAMS(target_metadata_params)},
    {G, "/api/v1/scrape_pools", SCOPE_READ, HTTP_STATUS, STORE, api_scrape_pools, GROUP_PROMETHEUS,
     "Lists the names of the scrape configurations.", NO_PARAMS},
    {G, "/api/v1/rules", SCOPE_READ, HTTP_STATUS, STORE, api_rules, GROUP_PROMETHEUS,
     "Lists rule groups, their rules and active alerts.", PARAMS(rules_params)},
    {G, "/api/v1/alerts", SCOPE_READ, HTTP_STATUS, STORE, api_alerts, GROUP_PROMETHEUS,
     "Lists the active alerts.", NO_PARAMS},
    {G, "/api/v1/alertmanagers", SCOPE_READ, HTTP_LOOP, 0, api_alertmanagers, GROUP_PROMETHEUS,
     "Answers empty lists: notifications are sent from here.", NO_PARAMS},
    {G, "/api/v1/notifications", SCOPE_READ, HTTP_STATUS, 0, api_notifications, GROUP_PROMETHEUS,
     "Lists what an operator should know: a failed reload, a full disk.", NO_PARAMS},
    {G, "/api/v1/notifications/live", SCOPE_READ, HTTP_LOOP, 0, api_notifications_live, GROUP_PROMETHEUS,
     "Answers 204, upon which an event source asks no more: poll the list.", NO_PARAMS},
    {G, "/api/v1/features", SCOPE_READ, HTTP_LOOP, 0, api_features, GROUP_PROMETHEUS,
     "Tells by Prometheus' names what works here.", NO_PARAMS},
    {G, "/api/v1/status/buildinfo", SCOPE_READ, HTTP_LOOP, 0, api_buildinfo, GROUP_PROMETHEUS,
     "Tells the version of the API in `version`, ours in `tocsinVersion`.", NO_PARAMS},
    {G, "/api/v1/status/runtimeinfo", SCOPE_READ, HTTP_STATUS, STORE, api_runtimeinfo, GROUP_PROMETHEUS,
     "Tells start time, last reload and the like.", NO_PARAMS},
    {G, "/api/v1/status/tsdb", SCOPE_READ, HTTP_STATUS, STORE, api_tsdb_status, GROUP_PROMETHEUS,
     "Tells what the store holds, and which metrics, labels and pairs have the most series.", PARAMS(tsdb_params)},
    {G, "/api/v1/status/config", SCOPE_READ, HTTP_STATUS, STORE, api_status_config, GROUP_PROMETHEUS,
     "Tells the configuration in force as YAML, without secrets.", NO_PARAMS},
    {G, "/api/v1/status/walreplay", SCOPE_READ, HTTP_STATUS, 0, api_walreplay, GROUP_PROMETHEUS,
     "Tells which segments of the log the start replayed.", NO_PARAMS},
    {G, "/api/v1/status/flags", SCOPE_READ, HTTP_STATUS, STORE, api_flags, GROUP_PROMETHEUS,
     "Tells settings under Prometheus' names.", NO_PARAMS},
    {G, "/api/v1/openapi.yaml", SCOPE_READ, HTTP_STATUS, 0, api_openapi, GROUP_PROMETHEUS,
     "Describes this API as OpenAPI 3.1.", NO_PARAMS, .sends = "application/yaml"},
    {P, "/api/v1/write", SCOPE_WRITE, HTTP_WRITE, BODY | RAW | STORE, api_remote_write, GROUP_PROMETHEUS,
     "Stores samples: remote write 1.0 and 2.0.", NO_PARAMS, .body_type = "application/x-protobuf"},
    {P, "/api/v1/import/prometheus", SCOPE_WRITE, HTTP_WRITE, BODY | STORE, api_import, GROUP_PROMETHEUS,
     "Stores the samples of an exposition.", PARAMS(import_params), .body_type = TEXT_PLAIN},

    {GP, "/federate", SCOPE_READ, HTTP_QUERY, FORM | STORE, api_federate, GROUP_PROMETHEUS,
     "Exposes the newest sample of every selected series, with its time.", PARAMS(federate_params), .sends = TEXT_PLAIN},
    {U, "/api/v1/admin/tsdb/delete_series", SCOPE_ADMIN, HTTP_WRITE, FORM | STORE, api_admin_delete, GROUP_PROMETHEUS,
     "Deletes samples of the selected series; 204 when that is in force and on disk.", PARAMS(delete_params)},
    {U, "/api/v1/admin/tsdb/clean_tombstones", SCOPE_ADMIN, HTTP_WRITE, FORM | STORE, api_admin_clean, GROUP_PROMETHEUS,
     "Rewrites the day files that have something deleted, so that the space comes back; 204.", NO_PARAMS},
    {U, "/api/v1/admin/tsdb/snapshot", SCOPE_ADMIN, HTTP_WRITE, FORM | STORE, api_admin_snapshot, GROUP_PROMETHEUS,
     "Copies the store to a folder below `snapshots`, whose name it answers.", PARAMS(snapshot_params)},
    {U, "/api/v1/admin/tsdb/compact", SCOPE_ADMIN, HTTP_WRITE, FORM | STORE | STRICT, api_admin_compact, GROUP_PROMETHEUS,
     "Flushes the head, cleans, and rewrites past days that lie in many small pieces.", NO_PARAMS},

    {P, "/write", SCOPE_WRITE, HTTP_WRITE, BODY | STORE | INFLUX, api_influx_write, GROUP_INFLUX,
     "Stores points.", PARAMS(write_params), .body_type = TEXT_PLAIN},
    {P, "/api/v2/write", SCOPE_WRITE, HTTP_WRITE, BODY | STORE | INFLUX, api_influx_write2, GROUP_INFLUX,
     "Stores points; errors are those of InfluxDB 2.", PARAMS(write2_params), .body_type = TEXT_PLAIN},
    {G, "/ping", SCOPE_NONE, HTTP_LOOP, INFLUX, api_influx_ping, GROUP_INFLUX,
     "Answers 204 when alive.", PARAMS(ping_params)},
    {GP, "/query", SCOPE_READ, HTTP_QUERY, FORM | STORE | INFLUX, api_influx_query, GROUP_INFLUX,
     "Runs the statements that clients send before they write.", PARAMS(influx_query_params)},
    {G, "/health", SCOPE_NONE, HTTP_LOOP, 0, api_influx_health, GROUP_INFLUX,
     "Answers `pass` when ready.", NO_PARAMS},

    {P, "/api/v1/query_batch", SCOPE_READ, HTTP_QUERY, BODY | STORE | STRICT, api_query_batch, GROUP_OWN,
     "Evaluates up to 64 range queries, each with its own answer.", NO_PARAMS, .body_type = "application/json"},

    {G, "/-/healthy", SCOPE_NONE, HTTP_LOOP, 0, api_healthy, GROUP_PROCESS,
     "Answers 200 while the process serves.", NO_PARAMS, .sends = TEXT_PLAIN},
    {G, "/-/ready", SCOPE_NONE, HTTP_LOOP, 0, api_ready, GROUP_PROCESS,
     "Answers 200 when the store is open, 503 before and while stopping.", NO_PARAMS, .sends = TEXT_PLAIN},
    {P, "/-/reload", SCOPE_ADMIN, HTTP_STATUS, 0, api_reload, GROUP_PROCESS,
     "Reloads the configuration; 400 lists every problem of the file.", NO_PARAMS, .sends = TEXT_PLAIN},
    {G, "/metrics", SCOPE_READ, HTTP_STATUS, STORE, api_metrics, GROUP_PROCESS,
     "Exposes own counters and every locally collected metric, without `job` and `instance`.",
     NO_PARAMS, .sends = TEXT_PLAIN},
    {G, "/metrics/host", SCOPE_READ, HTTP_STATUS, STORE, api_metrics_host, GROUP_PROCESS,
     "Exposes the locally collected metrics alone.", NO_PARAMS, .sends = TEXT_PLAIN},
    {G, "/", SCOPE_READ, HTTP_LOOP, 0, api_page, GROUP_PROCESS,
     "Serves the page.", NO_PARAMS, .sends = "text/html"},
    {G, "/ui/*", SCOPE_READ, HTTP_LOOP, 0, api_page, GROUP_PROCESS,
     "What the page loads, from a table inside the binary.", NO_PARAMS, .sends = "*/*"},
};
// clang-format on
const size_t route_count = COUNT(routes);
