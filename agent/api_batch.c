/* api_batch.c -- POST /api/v1/query_batch: all charts of a page in one request.
 *
 *     {"start": 1700000000, "end": 1700003600, "step": 15, "max_points": 800,
 *      "queries": [{"id": "cpu", "query": "rate(x[1m])"}, {"query": "up", "step": "1m"}]}
 *
 * start, end, step and max_points of a query win over those of the batch. Times and durations are
 * numbers of seconds or the strings of /api/v1/query_range. Each query answers for itself, so one
 * mistake does not blank a page. With max_points, a series keeps the least and the greatest value
 * of each of max_points / 2 spans: what a chart that wide can show. The endpoint is ours alone, so
 * unknown members are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>

#include "agent/api.h"

enum { QUERIES_MAX = 64 };

struct batch_query {
    struct api_query q;
    const char *id; /* NULL: its index */
    size_t max_points;
};

/* Reads one member; 0, or E_INVALID with err. */
typedef int member_fn(const json_t *v, struct batch_query *q, struct errmsg *err);

/* A number of seconds, or a string given to parse. */
static int read_time(const json_t *v, int (*parse)(struct str, int64_t *), int64_t *out,
                     const char *name, struct errmsg *err)
{
    char number[64];
    struct str text = STR("");
    if (json_is_number(v)) {
        snprintf(number, sizeof number, "%.3f", json_number_value(v));
        text = str_of(number);
    } else if (json_is_string(v)) {
        text = (struct str){json_string_value(v), json_string_length(v)};
    }
    if (parse(text, out) < 0)
        return errmsg_set(err, E_INVALID, "\"%s\" is neither seconds nor a valid text", name);
    *out = api_clamp_time(*out);
    return 0;
}

static int read_start(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    return read_time(v, api_parse_time, &q->q.start_ms, "start", err);
}

static int read_end(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    return read_time(v, api_parse_time, &q->q.end_ms, "end", err);
}

static int read_step(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    return read_time(v, api_parse_duration, &q->q.step_ms, "step", err);
}

static int read_max_points(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 2 || n > API_MAX_POINTS)
        return errmsg_set(err, E_INVALID, "\"max_points\" is not an integer from 2 to %d",
                          API_MAX_POINTS);
    q->max_points = (size_t)n;
    return 0;
}

static int read_query(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    if (!json_is_string(v)) return errmsg_set(err, E_INVALID, "\"query\" is not a string");
    q->q.text = (struct str){json_string_value(v), json_string_length(v)};
    return 0;
}

static int read_id(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    if (!json_is_string(v)) return errmsg_set(err, E_INVALID, "\"id\" is not a string");
    q->id = json_string_value(v);
    return 0;
}

static int read_queries(const json_t *v, struct batch_query *q, struct errmsg *err)
{
    UNUSED(q);
    if (json_is_array(v)) return 0;
    return errmsg_set(err, E_INVALID, "\"queries\" is not a list");
}

static const struct {
    const char *name;
    member_fn *read;
    bool in_batch, in_query;
} members[] = {
    {"start",      read_start,      true,  true },
    {"end",        read_end,        true,  true },
    {"step",       read_step,       true,  true },
    {"max_points", read_max_points, true,  true },
    {"queries",    read_queries,    true,  false},
    {"query",      read_query,      false, true },
    {"id",         read_id,         false, true },
};

static int read_member(const char *name, const json_t *v, bool in_batch, struct batch_query *q,
                       struct errmsg *err)
{
    for (size_t i = 0; i < COUNT(members); i++)
        if (strcmp(members[i].name, name) == 0 &&
            (in_batch ? members[i].in_batch : members[i].in_query))
            return members[i].read(v, q, err);
    return errmsg_set(err, E_INVALID, "unknown member \"%.60s\"", name);
}

static int read_members(json_t *object, bool in_batch, struct batch_query *q, struct errmsg *err)
{
    const char *name;
    json_t *v;
    if (!json_is_object(object)) return errmsg_set(err, E_INVALID, "not an object");
    json_object_foreach(object, name, v)
    {
        int rc = read_member(name, v, in_batch, q, err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int check_range(const struct batch_query *b, struct errmsg *err)
{
    const struct api_query *q = &b->q;
    if (q->text.len == 0) return errmsg_set(err, E_INVALID, "\"query\" is missing");
    if (q->step_ms <= 0) return errmsg_set(err, E_INVALID, "\"step\" is missing or not positive");
    if (q->end_ms < q->start_ms) return errmsg_set(err, E_INVALID, "\"end\" is before \"start\"");
    if ((uint64_t)(q->end_ms - q->start_ms) / (uint64_t)q->step_ms > API_MAX_POINTS)
        return errmsg_set(err, E_INVALID, "more than 11,000 points per series, try a longer step");
    return 0;
}

static void put_failure(struct json *j, int rc, const struct errmsg *err)
{
    char buffer[API_PARSE_ERROR_MAX];
    const char *text, *type = api_query_error(rc, err, buffer, &text);
    response_error_members(j, type, str_of(text), rc == E_PARSE ? err : NULL);
}

static void put_success(struct json *j, const struct batch_query *b, struct promql_result *res)
{
    for (size_t i = 0; b->max_points && i < res->series_count; i++)
        res->series[i].count = api_decimate(res->series[i].points, res->series[i].count,
                                            b->q.start_ms, b->q.end_ms, b->max_points);
    json_kv_cstr(j, "status", "success");
    json_kv_obj(j, "data");
    api_result(j, res, b->q.start_ms, true);
    json_end(j);
    api_annotations(j, res, false);
}

static void answer_one(struct app *a, const struct request *r, const struct app_settings *s,
                       const struct batch_query *b, int rc, struct errmsg *err, struct json *j)
{
    struct arena arena;
    struct promql_result res = {0};
    arena_init(&arena, s->query_memory);
    if (rc == 0) rc = check_range(b, err);
    if (rc == 0) rc = api_run_query(a, r, s, &b->q, &arena, &res, NULL, err);
    if (rc < 0)
        put_failure(j, rc, err);
    else
        put_success(j, b, &res);
    arena_release(&arena);
}

static void answer_batch(struct app *a, const struct request *r, struct response *p,
                         const json_t *queries, const struct batch_query *common)
{
    struct app_settings s;
    struct json j;
    struct api_writing writing;
    struct query_budget budget;
    app_settings(a, &s);
    api_budget(r, &s, 0, &budget);
    api_begin(p, &j);
    api_write_within(&j, p, &writing, &budget, a->env, 0, s.query_memory);
    json_obj(&j);
    json_kv_arr(&j, "results");
    for (size_t i = 0; i < json_array_size(queries); i++) {
        struct batch_query b = *common;
        struct errmsg err = {0};
        int rc = read_members(json_array_get(queries, i), false, &b, &err);
        json_obj(&j);
        json_key(&j, "id");
        if (b.id)
            json_cstr(&j, b.id);
        else
            json_uint(&j, i);
        answer_one(a, r, &s, &b, rc, &err, &j);
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

/* What is wrong with the whole batch goes to err. */
static int read_batch(json_t *body, struct batch_query *common, struct errmsg *err)
{
    const json_t *queries = json_object_get(body, "queries");
    int rc = read_members(body, true, common, err);
    if (rc < 0) return rc;
    if (!queries || json_array_size(queries) == 0)
        return errmsg_set(err, E_INVALID, "\"queries\" is missing or empty");
    if (json_array_size(queries) > QUERIES_MAX)
        return errmsg_set(err, E_INVALID, "more than %d queries", QUERIES_MAX);
    return 0;
}

static int parse_body(struct str text, json_t **out, struct errmsg *err)
{
    json_error_t e;
    *out = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &e);
    if (*out) return 0;
    int rc = errmsg_at(err, E_PARSE, MAX(e.line, 1), MAX(e.column, 1), "%s", e.text);
    err->offset = (size_t)MAX(e.position - 1, 0); /* jansson tells how many bytes it has read */
    return rc;
}

void api_query_batch(struct app *a, struct request *r, struct response *p)
{
    struct errmsg err = {0};
    struct batch_query common = {0};
    json_t *body = NULL;
    int rc = parse_body(r->body, &body, &err);
    if (rc == 0) rc = read_batch(body, &common, &err);
    if (rc < 0)
        response_problem(p, "bad_data", &err);
    else
        answer_batch(a, r, p, json_object_get(body, "queries"), &common);
    json_decref(body);
}
