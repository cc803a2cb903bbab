/* api_write.c -- what InfluxDB's clients speak: /write, /api/v2/write, /ping, and of /query the
 * statements that clients send before they write.
 *
 * A write is answered 204 only when tsdb_wait says that it is on disk. Any other outcome that a
 * later try could mend is 503 with Retry-After: Telegraf drops its metrics on every 4xx. There is
 * one store; a database's name is remembered so that SHOW DATABASES lists it, and means nothing
 * else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api.h"

#define INFLUX_VERSION "1.8.10"

static void remember_database(struct app *a, struct str name)
{
    if (name.len == 0 || name.len >= APP_DATABASE_NAME_MAX || !str_is_utf8(name)) return;
    pthread_mutex_lock(&a->lock);
    size_t i = 0;
    while (i < a->database_count && !str_eq(str_of(a->databases[i]), name))
        i++;
    if (i == a->database_count && i < APP_DATABASES_MAX) {
        memcpy(a->databases[i], name.p, name.len);
        a->databases[i][name.len] = '\0';
        a->database_count++;
    }
    pthread_mutex_unlock(&a->lock);
}

/* What stood in the way of the first line or series that was not taken. */
static void refuse_part(struct response *p, const struct push_result *res, const char *unit)
{
    const struct errmsg *e = &res->first_error;
    size_t dropped = res->bad_lines + res->dropped_samples + res->dropped_histograms;
    if (e->line > 0)
        response_fail(p, "bad_data", "partial write: %s %d: %s dropped=%zu", unit, e->line, e->text,
                      dropped);
    else
        response_fail(p, "bad_data", "partial write: %s dropped=%zu", e->text, dropped);
}

void api_unavailable(struct response *p, const char *why)
{
    response_fail(p, "unavailable", "%s", why);
    response_header(p, "Retry-After", "5");
}

void api_answer_push(struct app *a, struct response *p, int rc, const struct push_result *res,
                     const char *unit)
{
    bool malformed = rc == E_PARSE;
    if (rc == 0 || malformed) rc = res->samples ? tsdb_wait(a->db, res->lsn) : 0;
    if (rc < 0)
        api_unavailable(p, rc == E_UNAVAILABLE ? "the store takes no writes now, try again"
                                               : err_text(rc));
    else if (malformed)
        response_fail(p, "bad_data", "%s %d: %s; %zu samples before it are stored", unit,
                      res->first_error.line, res->first_error.text, res->samples);
    else if (res->bad_lines || res->dropped_samples || res->dropped_histograms)
        refuse_part(p, res, unit);
    else
        p->status = 204;
}

static void write_lines(struct app *a, struct request *r, struct response *p)
{
    struct push_result res = {0};
    struct app_settings s;
    enum influx_precision precision = INFLUX_NS;
    struct str given = request_param(r, "precision");
    app_settings(a, &s);
    if (!s.influx) {
        response_fail(p, "not_found", "ingest.influx is off");
        return;
    }
    if (given.len && influx_precision_of(given, &precision) < 0) {
        response_fail(p, "bad_data", "invalid precision \"%.*s\": use ns, us, ms, s, m or h",
                      (int)MIN(given.len, 20), given.p);
        return;
    }
    int rc = push_influx(a->pusher, r->body, precision, &res);
    api_answer_push(a, p, rc, &res, "line");
    response_header(p, "X-Influxdb-Version", INFLUX_VERSION);
}

void api_influx_write(struct app *a, struct request *r, struct response *p)
{
    remember_database(a, request_param(r, "db"));
    write_lines(a, r, p);
}

void api_influx_write2(struct app *a, struct request *r, struct response *p)
{
    struct str bucket = request_param(r, "bucket");
    if (bucket.p) remember_database(a, str_split(&bucket, '/'));
    write_lines(a, r, p);
}

void api_influx_ping(struct app *a, struct request *r, struct response *p)
{
    struct str verbose = request_param(r, "verbose");
    UNUSED(a);
    response_header(p, "X-Influxdb-Version", INFLUX_VERSION);
    response_header(p, "X-Influxdb-Build", "OSS");
    p->status = 204;
    if (!verbose.len || str_eq(verbose, STR("false")) || str_eq(verbose, STR("0"))) return;
    p->status = 200;
    p->content_type = "application/json";
    buf_addstr(&p->body, "{\"version\":\"" INFLUX_VERSION "\"}");
}

/* --- /query --- */

/* The next word or quoted name of a statement, which moves past it. */
static struct str next_word(struct str *rest)
{
    *rest = str_trim(*rest);
    if (rest->len == 0) return (struct str){NULL, 0};
    char quote = rest->p[0] == '"' || rest->p[0] == '\'' ? rest->p[0] : '\0';
    size_t from = quote ? 1 : 0, end = from;
    while (end < rest->len &&
           (quote ? rest->p[end] != quote
                  : rest->p[end] != ' ' && rest->p[end] != '\n' && rest->p[end] != '\t'))
        end++;
    struct str word = {rest->p + from, end - from};
    size_t past = end + (quote && end < rest->len);
    *rest = (struct str){rest->p + past, rest->len - past};
    return word;
}

static void open_series(struct json *j, const char *name)
{
    json_key(j, "series");
    json_arr(j);
    json_obj(j);
    json_key(j, "name");
    json_cstr(j, name);
    json_key(j, "columns");
    json_arr(j);
    json_cstr(j, "name");
    json_end(j);
    json_key(j, "values");
    json_arr(j);
}

static void close_series(struct json *j)
{
    json_end(j);
    json_end(j);
    json_end(j);
}

static int put_row(void *arg, struct str s)
{
    struct json *j = arg;
    json_arr(j);
    json_str(j, s);
    json_end(j);
    return 0;
}

static int show_databases(struct app *a, const struct request *r, struct json *j,
                          struct errmsg *err)
{
    UNUSED(r);
    UNUSED(err);
    open_series(j, "databases");
    put_row(j, STR("_internal"));
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->database_count; i++)
        put_row(j, str_of(a->databases[i]));
    pthread_mutex_unlock(&a->lock);
    close_series(j);
    return 0;
}

static int show_measurements(struct app *a, const struct request *r, struct json *j,
                             struct errmsg *err)
{
    struct app_settings s;
    struct arena arena;
    app_settings(a, &s);
    arena_init(&arena, s.query_memory);
    struct query_budget budget = {
        .cancel = r->cancel, .deadline_mono_ns = r->start_mono_ns + s.query_timeout_ms * 1000000};
    struct select_request select = {.start_ms = API_TIME_MIN,
                                    .end_ms = API_TIME_MAX,
                                    .func = "",
                                    .budget = &budget,
                                    .arena = &arena};
    open_series(j, "measurements");
    int rc = a->querier->ops->label_values(a->querier, STR(METRIC_NAME), &select, put_row, j, err);
    close_series(j);
    arena_release(&arena);
    return rc;
}

static int create_database(struct app *a, const struct request *r, struct str rest,
                           struct errmsg *err)
{
    struct str name = next_word(&rest);
    if (r->method != HTTP_POST)
        return errmsg_set(err, E_PARSE, "CREATE DATABASE changes state: send it by POST");
    if (name.len == 0)
        return errmsg_set(err, E_PARSE, "error parsing query: found EOF, expected identifier");
    remember_database(a, name);
    return 0;
}

/* One statement. 0, E_PARSE, or a failure of the store. */
static int run_statement(struct app *a, const struct request *r, struct str text, struct json *j,
                         struct errmsg *err)
{
    static const struct {
        const char *verb, *object;
        int (*show)(struct app *a, const struct request *r, struct json *j, struct errmsg *err);
    } statements[] = {
        {"SHOW",   "DATABASES",    show_databases   },
        {"SHOW",   "MEASUREMENTS", show_measurements},
        {"CREATE", "DATABASE",     NULL             },
    };
    struct str rest = text, verb = next_word(&rest), object = next_word(&rest);
    for (size_t i = 0; i < COUNT(statements); i++) {
        if (!str_eq_nocase(verb, str_of(statements[i].verb)) ||
            !str_eq_nocase(object, str_of(statements[i].object)))
            continue;
        if (statements[i].show) return statements[i].show(a, r, j, err);
        return create_database(a, r, rest, err);
    }
    return errmsg_set(err, E_PARSE,
                      "error parsing query: only SHOW DATABASES, SHOW MEASUREMENTS and CREATE "
                      "DATABASE are supported; query with PromQL at /api/v1/query");
}

void api_influx_query(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct errmsg err = {0};
    struct str rest = str_trim(request_param(r, "q"));
    int64_t id = 0;
    if (rest.len == 0) {
        response_fail(p, "bad_data", "missing required parameter \"q\"");
        return;
    }
    response_header(p, "X-Influxdb-Version", INFLUX_VERSION);
    p->content_type = "application/json";
    json_init(&j, &p->body);
    json_obj(&j);
    json_key(&j, "results");
    json_arr(&j);
    while (rest.p && rest.len) {
        struct str text = str_trim(str_split(&rest, ';'));
        if (text.len == 0) continue;
        json_obj(&j);
        json_key(&j, "statement_id");
        json_int(&j, id++);
        int rc = run_statement(a, r, text, &j, &err);
        if (rc == E_PARSE) {
            response_fail(p, "bad_data", "%s", err.text);
            return;
        }
        if (rc < 0) {
            json_key(&j, "error");
            json_cstr(&j, err.text[0] ? err.text : err_text(rc));
        }
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    buf_addch(&p->body, '\n');
}
