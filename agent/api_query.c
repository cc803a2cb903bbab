/* api_query.c -- /api/v1/query, query_range, query_exemplars.
 *
 * Parameters are checked in Prometheus' order, so that a request with two mistakes gets the same
 * answer from both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api.h"

/* --- running one --- */

/* A range query takes what has one value at each step. */
static int check_type(const struct expr *e, const struct api_query *q, struct errmsg *err)
{
    if (q->step_ms == 0 || e->type == T_SCALAR || e->type == T_VECTOR) return 0;
    return errmsg_set(err, E_INVALID,
                      "invalid expression type \"%s\" for range query, must be Scalar or instant "
                      "Vector",
                      value_type_name(e->type));
}

static const struct budget_names own_timeout = {
    .series = "limits.query.series",
    .samples = "limits.query.samples",
    .memory = "limits.query.memory",
    .timeout = "timeout",
};

void api_budget(const struct request *r, const struct app_settings *s, int64_t timeout_ms,
                struct query_budget *out)
{
    bool own = timeout_ms != 0 && timeout_ms < s->query_timeout_ms;
    if (!own) timeout_ms = s->query_timeout_ms;
    *out = (struct query_budget){
        .max_samples = s->query_samples,
        .max_series = s->query_series,
        .cancel = r->cancel,
        .deadline_mono_ns = r->start_mono_ns + timeout_ms * 1000000,
        .timeout_ms = timeout_ms,
        .names = own ? &own_timeout : NULL,
    };
}

static int evaluate(struct app *a, const struct expr *expr, struct promql_query *query,
                    struct promql_result *out, struct errmsg *err)
{
    int rc = budget_check(&query->budget, a->env, err);
    if (rc == 0) rc = promql_eval(expr, query, out, err);
    return rc == E_PARSE ? E_EXEC : rc; /* E_PARSE is told apart as the caller's text */
}

int api_run_query(struct app *a, const struct request *r, const struct app_settings *s,
                  const struct api_query *q, struct arena *arena, struct promql_result *out,
                  struct api_timing *timing, struct errmsg *err)
{
    struct expr *expr = NULL;
    struct api_timing unused;
    if (!timing) timing = &unused;
    timing->begun_ns = env_mono_ns(a->env);
    int rc = api_parse(q->text, api_promql_features(s), arena, &expr, err);
    if (rc < 0) return rc;
    struct promql_query query = {
        .querier = a->querier,
        .env = a->env,
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .lookback_ms = q->lookback_ms > 0 ? q->lookback_ms : s->lookback_ms,
        .arena = arena,
        .text = q->text,
        .explain = q->explain,
        .stats = q->stats,
    };
    api_budget(r, s, q->timeout_ms, &query.budget);
    rc = check_type(expr, q, err);
    timing->parsed_ns = env_mono_ns(a->env);
    if (rc == 0) rc = evaluate(a, expr, &query, out, err);
    timing->evaluated_ns = env_mono_ns(a->env);
    promql_expr_release(expr);
    return rc;
}

const char *api_query_error(int rc, const struct errmsg *err, char buffer[API_PARSE_ERROR_MAX],
                            const char **text)
{
    if (rc == E_PARSE) *text = api_parse_error(err, buffer);
    if (rc == E_INVALID) *text = err->text;
    return rc == E_PARSE || rc == E_INVALID ? "bad_data" : api_exec_error(rc, err, text);
}

void api_fail_query(struct response *p, int rc, const struct errmsg *err)
{
    char buffer[API_PARSE_ERROR_MAX];
    const char *text, *type = api_query_error(rc, err, buffer, &text);
    if (rc == E_PARSE || rc == E_INVALID)
        api_invalid(p, "query", "%s", text);
    else
        response_fail(p, type, "%s", text);
}

/* --- answering --- */

struct answer {
    const struct api_query *q;
    const struct app_settings *s;
    const struct arena *arena; /* of the result */
    struct promql_result *res;
    struct api_timing timing;
    size_t limit;
};

static void put_seconds(struct json *j, const char *key, int64_t ns)
{
    json_kv_double(j, key, (double)MAX(ns, 0) / 1e9);
}

/* [seconds, samples] for each step. */
static void put_samples_per_step(struct json *j, const struct answer *w)
{
    json_kv_arr(j, "totalQueryableSamplesPerStep");
    for (size_t i = 0; i < w->res->step_count; i++) {
        char time[32];
        size_t len = api_format_time(w->q->start_ms + (int64_t)i * w->q->step_ms, time);
        json_arr(j);
        json_raw(j, (struct str){time, len});
        json_uint(j, w->res->samples_per_step[i]);
        json_end(j);
    }
    json_end(j);
}

/* data.stats under Prometheus' names. What it sorts at the end we sort while evaluating. */
static void put_stats(struct app *a, const struct request *r, struct json *j,
                      const struct answer *w)
{
    const struct api_timing *t = &w->timing;
    int64_t now_ns = env_mono_ns(a->env);
    json_kv_obj(j, "stats");
    json_kv_obj(j, "timings");
    put_seconds(j, "evalTotalTime", t->evaluated_ns - t->begun_ns);
    put_seconds(j, "resultSortTime", 0);
    put_seconds(j, "queryPreparationTime", t->parsed_ns - t->begun_ns);
    put_seconds(j, "innerEvalTime", t->evaluated_ns - t->parsed_ns);
    put_seconds(j, "execQueueTime", t->begun_ns - r->start_mono_ns);
    put_seconds(j, "execTotalTime", now_ns - r->start_mono_ns);
    json_end(j);
    json_kv_obj(j, "samples");
    if (str_eq(request_param(r, "stats"), STR("all"))) put_samples_per_step(j, w);
    json_kv_uint(j, "totalQueryableSamples", w->res->queryable_samples);
    json_kv_uint(j, "samplesRead", w->res->samples);
    json_kv_uint(j, "peakSamples", w->res->peak_samples);
    json_end(j);
    json_end(j);
}

static void put_answer(struct app *a, const struct request *r, struct response *p, struct answer *w)
{
    struct json j;
    bool truncated = w->limit > 0 && w->res->series_count > w->limit;
    if (truncated) w->res->series_count = w->limit;
    struct api_writing writing;
    struct query_budget budget;
    api_budget(r, w->s, w->q->timeout_ms, &budget);
    api_begin(p, &j);
    api_write_within(&j, p, &writing, &budget, a->env, w->arena->used, w->s->query_memory);
    json_obj(&j);
    api_result(&j, w->res, w->q->start_ms, w->q->step_ms > 0);
    if (w->q->stats) put_stats(a, r, &j, w);
    if (w->q->explain) api_explain(&j, w->res);
    json_end(&j);
    api_end(p, &j, w->res, truncated);
}

static void run_and_answer(struct app *a, const struct request *r, struct response *p,
                           const struct api_query *q, size_t limit)
{
    struct app_settings s;
    struct arena arena;
    struct promql_result res = {0};
    struct errmsg err = {0};
    struct answer w = {.q = q, .s = &s, .arena = &arena, .res = &res, .limit = limit};
    app_settings(a, &s);
    arena_init(&arena, s.query_memory);
    int rc = api_run_query(a, r, &s, q, &arena, &res, &w.timing, &err);
    if (rc < 0)
        api_fail_query(p, rc, &err);
    else
        put_answer(a, r, p, &w);
    arena_release(&arena);
}

/* --- parameters --- */

static struct str query_text(const struct request *r)
{
    struct str text = request_param(r, "query");
    return text.p ? text : STR("");
}

/* timeout and lookback_delta, which come last in Prometheus too. */
static int read_options(const struct request *r, struct response *p, struct api_query *q)
{
    q->stats = request_param(r, "stats").len > 0;
    if (api_bool(r, p, "explain", &q->explain) < 0) return -1;
    bool given = request_param(r, "timeout").len > 0;
    if (api_duration(r, p, "timeout", &q->timeout_ms) < 0) return -1;
    if (given && q->timeout_ms <= 0) q->timeout_ms = -1;
    return api_lookback(r, p, &q->lookback_ms);
}

void api_query(struct app *a, struct request *r, struct response *p)
{
    struct api_query q = {.text = query_text(r)};
    size_t limit;
    int64_t now_ms = env_now_ms(a->env);
    if (api_limit(r, p, "limit", &limit) < 0 || api_time(r, p, "time", &now_ms, &q.start_ms) < 0 ||
        read_options(r, p, &q) < 0)
        return;
    q.end_ms = q.start_ms;
    run_and_answer(a, r, p, &q, limit);
}

static int read_step(const struct request *r, struct response *p, struct api_query *q)
{
    if (request_param(r, "step").len == 0)
        return api_invalid(p, "step", "cannot parse \"\" to a valid duration");
    if (api_duration(r, p, "step", &q->step_ms) < 0) return -1;
    if (q->step_ms <= 0)
        return api_invalid(p, "step",
                           "zero or negative query resolution step widths are not accepted. Try a "
                           "positive integer");
    if ((uint64_t)(q->end_ms - q->start_ms) / (uint64_t)q->step_ms <= API_MAX_POINTS) return 0;
    response_fail(p, "bad_data",
                  "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                  "the query resolution (?step=XX)");
    return -1;
}

void api_query_range(struct app *a, struct request *r, struct response *p)
{
    struct api_query q = {.text = query_text(r)};
    size_t limit;
    if (api_limit(r, p, "limit", &limit) < 0 || api_time(r, p, "start", NULL, &q.start_ms) < 0 ||
        api_time(r, p, "end", NULL, &q.end_ms) < 0)
        return;
    if (q.end_ms < q.start_ms) {
        api_invalid(p, "end", "end timestamp must not be before start time");
        return;
    }
    if (read_step(r, p, &q) < 0 || read_options(r, p, &q) < 0) return;
    run_and_answer(a, r, p, &q, limit);
}

/* There are no exemplars; Grafana asks before each panel. The request is checked all the same. */
void api_query_exemplars(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    int64_t start_ms = API_TIME_MIN, end_ms = API_TIME_MAX;
    if (api_time(r, p, "start", &start_ms, &start_ms) < 0 ||
        api_time(r, p, "end", &end_ms, &end_ms) < 0)
        return;
    if (end_ms < start_ms) {
        response_fail(p, "bad_data", "end timestamp must not be before start timestamp");
        return;
    }
    if (api_check_text(a, query_text(r), p) < 0) return;
    api_begin(p, &j);
    json_arr(&j);
    json_end(&j);
    api_end(p, &j, NULL, false);
}
