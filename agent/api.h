/* api.h -- what the API's handlers share: parameters in, the JSON envelope out.
 *
 * A handler that answers JSON:
 *
 *     struct json j;
 *     api_begin(p, &j);                {"status":"success","data":
 *     json_obj(&j);                    the value
 *     json_kv_cstr(&j, "name", name);
 *     json_end(&j);
 *     api_end(p, &j, NULL, false);     }
 *
 * Errors are response_fail (request.h), and for our own endpoints response_problem, which adds
 * position and hint. A parameter reader answers the request itself when the value is bad and
 * returns < 0; the handler then just returns. Messages are Prometheus' own, since its clients show
 * them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_API_H
#define TOCSIN_AGENT_API_H

#include "agent/app.h"
#include "agent/request.h"
#include "core/json.h"
#include "tsdb/budget.h"
#include "tsdb/promql/promql.h"

/* RFC 3339 or float seconds; dflt when absent and dflt is not NULL. Held within API_TIME_MIN and
 * API_TIME_MAX. */
int api_time(const struct request *r, struct response *p, const char *name, const int64_t *dflt,
             int64_t *out) MUST_CHECK;
/* "5m" or float seconds; *out is left alone when absent. */
int api_duration(const struct request *r, struct response *p, const char *name,
                 int64_t *out) MUST_CHECK;
/* lookback_delta, whose complaint has its own words. */
int api_lookback(const struct request *r, struct response *p, int64_t *out) MUST_CHECK;
/* What Go's ParseBool takes; *out is left alone when absent. */
int api_bool(const struct request *r, struct response *p, const char *name, bool *out) MUST_CHECK;
/* limit: 0 = none. */
int api_limit(const struct request *r, struct response *p, const char *name,
              size_t *out) MUST_CHECK;
/* Times are held within these, so that adding or subtracting any duration cannot overflow. */
#define API_TIME_MAX (INT64_C(1) << 60)
#define API_TIME_MIN (-API_TIME_MAX)
int64_t api_clamp_time(int64_t t_ms);
/* The pure readers behind them, exact: 0 or E_PARSE; -ERANGE for seconds past int64 nanoseconds. */
int api_parse_time(struct str s, int64_t *out_ms) MUST_CHECK;
int api_parse_duration(struct str s, int64_t *out_ms) MUST_CHECK;
/* A value as Go's %q shows it, the first 200 bytes. Returns out. */
enum { API_QUOTE_MAX = 840 };
const char *api_quote(struct str s, char out[API_QUOTE_MAX]);

/* Answers with bad_data: invalid parameter "NAME": TEXT. Returns -1. */
int api_invalid(struct response *p, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What a failed parse of an expression says: "1:5: parse error: ...". */
enum { API_PARSE_ERROR_MAX = 560 };
const char *api_parse_error(const struct errmsg *err, char out[API_PARSE_ERROR_MAX]);
/* The errorType of a failed evaluation and its text. */
const char *api_exec_error(int rc, const struct errmsg *err, const char **text);
void api_fail_exec(struct response *p, int rc, const struct errmsg *err);

/* Writing an answer belongs to the query: it ends with its client and its deadline, and what it
 * takes counts as the query's memory. Lives until api_end. */
struct api_writing {
    struct json_watch watch; /* first */
    struct budget_watch budget;
    struct errmsg err;
    size_t memory; /* the limit */
};
/* After api_begin; used: bytes of memory that the result takes. */
void api_write_within(struct json *j, struct response *p, struct api_writing *w,
                      const struct query_budget *b, struct env *env, size_t used, size_t memory);
/* {"status":"success","data": ... then the value ... and api_end. */
void api_begin(struct response *p, struct json *j);
enum { API_WARNINGS_MAX = 10 };
/* Closes the envelope; annotations may be NULL. truncated adds the warning about limit. */
void api_end(struct response *p, struct json *j, const struct promql_result *annotations,
             bool truncated);
/* warnings and infos of a result, where an object is open: ten of each, and how many more. */
void api_annotations(struct json *j, const struct promql_result *res, bool truncated);

/* promql_parse with the API's features; every complaint about the text is E_PARSE. */
int api_parse(struct str text, unsigned features, struct arena *a, struct expr **out,
              struct errmsg *err) MUST_CHECK;
static inline unsigned api_promql_features(const struct app_settings *s)
{
    return s->experimental ? PROMQL_ALL : PROMQL_DEFAULT;
}
/* Answers with bad_data and returns < 0 when text is no expression. */
int api_check_text(struct app *a, struct str text, struct response *p) MUST_CHECK;
/* The syntax tree of an expression, as Prometheus' parse_query writes it. */
void api_ast(struct json *j, const struct expr *e);

/* {"name":"value",...} */
void api_labels(struct json *j, struct labels ls);
/* [seconds,"value"] */
enum { API_SAMPLE_MAX = 512 };
size_t api_format_sample(int64_t t_ms, double v, char out[API_SAMPLE_MAX]);
void api_sample(struct json *j, int64_t t_ms, double v);
size_t api_format_time(int64_t t_ms, char out[32]); /* seconds, three decimals only if any */
void api_rfc3339(struct json *j, int64_t t_ms);     /* as a string; 0 is Go's zero time */
const char *api_type_name(enum value_type type);    /* "vector", "matrix", ... */
/* The result value of a query: {"resultType":...,"result":...} members, object open. */
void api_result(struct json *j, const struct promql_result *res, int64_t t_ms, bool range);

/* "explain": [...] where an object is open; api_explain.c says what is in it. */
void api_explain(struct json *j, const struct promql_result *res);

/* Each series keeps at most max_points: the least and the greatest of each of max_points / 2 equal
 * spans of [start, end]. Pure, in place; returns the new count. */
size_t api_decimate(struct promql_point *v, size_t count, int64_t start_ms, int64_t end_ms,
                    size_t max_points);

/* What one request may use; timeout_ms is the request's own, 0: none. */
void api_budget(const struct request *r, const struct app_settings *s, int64_t timeout_ms,
                struct query_budget *out);

/* One query against the store under the settings' limits. */
struct api_query {
    struct str text;
    int64_t start_ms, end_ms, step_ms; /* step 0: instant */
    int64_t timeout_ms;                /* 0: the server's; < 0: over before it began */
    int64_t lookback_ms;               /* 0: the server's */
    bool explain, stats;               /* see struct promql_query */
};
/* When the steps of a query were done, on the monotonic clock. */
struct api_timing {
    int64_t begun_ns, parsed_ns, evaluated_ns;
};
/* E_PARSE when text does not parse, E_INVALID when it is no expression for this kind of query (err
 * says why: api_fail_query answers both), else as promql_eval. The result lives in the arena.
 * timing may be NULL. */
int api_run_query(struct app *a, const struct request *r, const struct app_settings *s,
                  const struct api_query *q, struct arena *arena, struct promql_result *out,
                  struct api_timing *timing, struct errmsg *err) MUST_CHECK;
/* The errorType and the text of a failed api_run_query; the text lives in buffer, err or for ever.
 */
const char *api_query_error(int rc, const struct errmsg *err, char buffer[API_PARSE_ERROR_MAX],
                            const char **text);
void api_fail_query(struct response *p, int rc, const struct errmsg *err);

/* Answers for pushed data: 204 once it is on disk, 400 with what could not be taken and where
 * (unit: what its positions count), 503 when a later try could mend it. */
void api_answer_push(struct app *a, struct response *p, int rc, const struct push_result *res,
                     const char *unit);
void api_unavailable(struct response *p, const char *why);

enum { API_MAX_POINTS = 11000 };

route_fn api_query, api_query_range, api_query_batch, api_query_exemplars;
route_fn api_format_query, api_parse_query, api_openapi;
route_fn api_label_names, api_label_values, api_series, api_metadata;
route_fn api_targets, api_rules, api_alerts, api_alertmanagers;
route_fn api_buildinfo, api_runtimeinfo, api_tsdb_status, api_flags;
route_fn api_healthy, api_ready, api_reload, api_influx_health;
route_fn api_metrics, api_metrics_host, api_page;
route_fn api_influx_write, api_influx_write2, api_influx_ping, api_influx_query;
route_fn api_remote_write, api_import;

#endif
