/* api.h -- what the API's handlers share: parameters in, the JSON envelope out.
 *
 * A parameter reader answers the request itself when the value is bad and returns < 0; the handler
 * then just returns. Messages are Prometheus' own, since its clients show them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_API_H
#define TOCSIN_AGENT_API_H

#include "agent/app.h"
#include "agent/request.h"
#include "core/json.h"
#include "tsdb/promql/promql.h"

/* RFC 3339 or float seconds; dflt when absent and dflt is not NULL. */
int api_time(const struct request *r, struct response *p, const char *name, const int64_t *dflt,
             int64_t *out) MUST_CHECK;
/* "5m" or float seconds; *out is left alone when absent. */
int api_duration(const struct request *r, struct response *p, const char *name,
                 int64_t *out) MUST_CHECK;
/* limit: 0 = none. */
int api_limit(const struct request *r, struct response *p, const char *name,
              size_t *out) MUST_CHECK;
/* Times are held within these, so that adding or subtracting any duration cannot overflow. */
#define API_TIME_MAX (INT64_C(1) << 60)
#define API_TIME_MIN (-API_TIME_MAX)
/* The pure readers behind them: 0 or E_PARSE. */
int api_parse_time(struct str s, int64_t *out_ms) MUST_CHECK;
int api_parse_duration(struct str s, int64_t *out_ms) MUST_CHECK;

/* Answers with bad_data: invalid parameter "NAME": TEXT. Returns -1. */
int api_invalid(struct response *p, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What a failed parse of an expression says: "1:5: parse error: ...". */
void api_parse_error(const struct errmsg *err, char *out, size_t size);
/* The errorType of a failed evaluation and its text. */
const char *api_exec_error(int rc, const struct errmsg *err, const char **text);
void api_fail_exec(struct response *p, int rc, const struct errmsg *err);

/* {"status":"success","data": ... then the value ... and api_end. */
void api_begin(struct response *p, struct json *j);
enum { API_WARNINGS_MAX = 10 };
/* Closes the envelope; annotations may be NULL. truncated adds the warning about limit. */
void api_end(struct response *p, struct json *j, const struct promql_result *annotations,
             bool truncated);
/* warnings and infos of a result, where an object is open. */
void api_annotations(struct json *j, const struct promql_result *res, bool truncated);

/* {"name":"value",...} */
void api_labels(struct json *j, struct labels ls);
/* [seconds,"value"] */
enum { API_SAMPLE_MAX = 512 };
size_t api_format_sample(int64_t t_ms, double v, char out[API_SAMPLE_MAX]);
void api_sample(struct json *j, int64_t t_ms, double v);
size_t api_format_time(int64_t t_ms, char out[32]); /* seconds, three decimals only if any */
void api_rfc3339(struct json *j, int64_t t_ms);     /* as a string; 0 is Go's zero time */
/* The result value of a query: {"resultType":...,"result":...} members, object open. */
void api_result(struct json *j, const struct promql_result *res, int64_t t_ms, bool range);

/* Each series keeps at most max_points: the least and the greatest of each of max_points / 2 equal
 * spans of [start, end]. Pure, in place; returns the new count. */
size_t api_decimate(struct promql_point *v, size_t count, int64_t start_ms, int64_t end_ms,
                    size_t max_points);

/* One query against the store under the settings' limits. */
struct api_query {
    struct str text;
    int64_t start_ms, end_ms, step_ms; /* step 0: instant */
    int64_t timeout_ms, lookback_ms;   /* 0: the server's */
};
/* E_PARSE when text does not parse, else as promql_eval. The result lives in the arena. */
int api_run_query(struct app *a, const struct request *r, const struct app_settings *s,
                  const struct api_query *q, struct arena *arena, struct promql_result *out,
                  struct errmsg *err) MUST_CHECK;

enum { API_MAX_POINTS = 11000 };

route_fn api_query, api_query_range, api_query_batch, api_query_exemplars, api_format_query;
route_fn api_label_names, api_label_values, api_series, api_metadata;
route_fn api_targets, api_rules, api_alerts, api_alertmanagers;
route_fn api_buildinfo, api_runtimeinfo, api_tsdb_status, api_flags;
route_fn api_healthy, api_ready, api_reload, api_influx_health;
route_fn api_metrics, api_metrics_host, api_page;
route_fn api_influx_write, api_influx_write2, api_influx_ping, api_influx_query;

#endif
