/* api_query.c -- /api/v1/query, query_range, query_exemplars, format_query.
 *
 * Parameters are checked in Prometheus' order, so that a request with two mistakes gets the same
 * answer from both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api.h"

enum { FORMAT_COLUMNS = 100, PARSE_ARENA_MAX = 32 << 20 };

int api_run_query(struct app *a, const struct request *r, const struct app_settings *s,
                  const struct api_query *q, struct arena *arena, struct promql_result *out,
                  struct errmsg *err)
{
    struct expr *expr = NULL;
    int rc = promql_parse(q->text, PROMQL_DEFAULT, arena, &expr, err);
    if (rc < 0) return rc == E_TOO_BIG ? E_PARSE : rc;
    int64_t timeout_ms = s->query_timeout_ms;
    if (q->timeout_ms > 0 && q->timeout_ms < timeout_ms) timeout_ms = q->timeout_ms;
    struct promql_query query = {
        .querier = a->querier,
        .env = a->env,
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .lookback_ms = q->lookback_ms > 0 ? q->lookback_ms : s->lookback_ms,
        .budget = {.max_samples = s->query_samples,
                   .max_series = s->query_series,
                   .cancel = r->cancel,
                   .deadline_mono_ns = r->start_mono_ns + timeout_ms * 1000000},
        .arena = arena,
    };
    rc = promql_eval(expr, &query, out, err);
    promql_expr_release(expr);
    return rc == E_PARSE ? E_EXEC : rc; /* E_PARSE is told apart as the caller's text */
}

/* Answers for a failed api_run_query. */
static void fail_query(struct response *p, int rc, const struct errmsg *err)
{
    char text[sizeof err->text + 64];
    if (rc != E_PARSE) {
        api_fail_exec(p, rc, err);
        return;
    }
    api_parse_error(err, text, sizeof text);
    api_invalid(p, "query", "%s", text);
}

/* data.stats, of which we know the part about samples and the whole time. */
static void put_stats(struct app *a, const struct request *r, struct json *j,
                      const struct promql_result *res)
{
    double seconds = (double)(env_mono_ns(a->env) - r->start_mono_ns) / 1e9;
    json_key(j, "stats");
    json_obj(j);
    json_key(j, "timings");
    json_obj(j);
    json_key(j, "evalTotalTime");
    json_double(j, seconds);
    json_key(j, "execTotalTime");
    json_double(j, seconds);
    json_end(j);
    json_key(j, "samples");
    json_obj(j);
    json_key(j, "totalQueryableSamples");
    json_uint(j, res->samples);
    json_end(j);
    json_end(j);
}

static void put_answer(struct app *a, const struct request *r, struct response *p,
                       struct promql_result *res, int64_t t_ms, bool range, size_t limit)
{
    struct json j;
    bool truncated = limit > 0 && res->series_count > limit;
    if (truncated) res->series_count = limit;
    api_begin(p, &j);
    json_obj(&j);
    api_result(&j, res, t_ms, range);
    if (request_param(r, "stats").len) put_stats(a, r, &j, res);
    json_end(&j);
    api_end(p, &j, res, truncated);
}

static void run_and_answer(struct app *a, const struct request *r, struct response *p,
                           const struct api_query *q, size_t limit)
{
    struct app_settings s;
    struct arena arena;
    struct promql_result res = {0};
    struct errmsg err = {0};
    app_settings(a, &s);
    arena_init(&arena, s.query_memory);
    int rc = api_run_query(a, r, &s, q, &arena, &res, &err);
    if (rc < 0)
        fail_query(p, rc, &err);
    else
        put_answer(a, r, p, &res, q->start_ms, q->step_ms > 0, limit);
    arena_release(&arena);
}

void api_query(struct app *a, struct request *r, struct response *p)
{
    struct api_query q = {.text = request_param(r, "query")};
    size_t limit;
    int64_t now_ms = env_now_ms(a->env);
    if (!q.text.p) q.text = STR("");
    if (api_limit(r, p, "limit", &limit) < 0 || api_time(r, p, "time", &now_ms, &q.start_ms) < 0 ||
        api_duration(r, p, "timeout", &q.timeout_ms) < 0 ||
        api_duration(r, p, "lookback_delta", &q.lookback_ms) < 0)
        return;
    q.end_ms = q.start_ms;
    run_and_answer(a, r, p, &q, limit);
}

void api_query_range(struct app *a, struct request *r, struct response *p)
{
    struct api_query q = {.text = request_param(r, "query")};
    size_t limit;
    if (!q.text.p) q.text = STR("");
    if (api_limit(r, p, "limit", &limit) < 0 || api_time(r, p, "start", NULL, &q.start_ms) < 0 ||
        api_time(r, p, "end", NULL, &q.end_ms) < 0)
        return;
    if (q.end_ms < q.start_ms) {
        api_invalid(p, "end", "end timestamp must not be before start time");
        return;
    }
    if (request_param(r, "step").len == 0) {
        api_invalid(p, "step", "cannot parse \"\" to a valid duration");
        return;
    }
    if (api_duration(r, p, "step", &q.step_ms) < 0) return;
    if (q.step_ms <= 0) {
        api_invalid(p, "step",
                    "zero or negative query resolution step widths are not accepted. Try a "
                    "positive integer");
        return;
    }
    if ((uint64_t)(q.end_ms - q.start_ms) / (uint64_t)q.step_ms > API_MAX_POINTS) {
        response_fail(p, "bad_data",
                      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                      "the query resolution (?step=XX)");
        return;
    }
    if (api_duration(r, p, "timeout", &q.timeout_ms) < 0 ||
        api_duration(r, p, "lookback_delta", &q.lookback_ms) < 0)
        return;
    run_and_answer(a, r, p, &q, limit);
}

/* There are no exemplars; Grafana asks before each panel. */
void api_query_exemplars(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    UNUSED(a);
    UNUSED(r);
    api_begin(p, &j);
    json_arr(&j);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

void api_format_query(struct app *a, struct request *r, struct response *p)
{
    UNUSED(a);
    struct arena arena;
    struct errmsg err = {0};
    struct expr *expr = NULL;
    struct str text = request_param(r, "query");
    if (!text.p) text = STR("");
    arena_init(&arena, PARSE_ARENA_MAX);
    int rc = promql_parse(text, PROMQL_DEFAULT, &arena, &expr, &err);
    if (rc < 0) {
        fail_query(p, rc == E_TOO_BIG ? E_PARSE : rc, &err);
    } else {
        struct buf pretty = BUF_INIT((size_t)4 << 20);
        struct json j;
        promql_pretty(expr, FORMAT_COLUMNS, &pretty);
        api_begin(p, &j);
        json_str(&j, (struct str){pretty.p, pretty.len});
        api_end(p, &j, NULL, false);
        buf_release(&pretty);
        promql_expr_release(expr);
    }
    arena_release(&arena);
}
