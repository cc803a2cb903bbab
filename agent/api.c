/* api.c -- errors and encodings of the HTTP API, as Prometheus has them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

/* --- errors --- */

const char *api_parse_error(const struct errmsg *err, char out[API_PARSE_ERROR_MAX])
{
    if (err->line > 0)
        snprintf(out, API_PARSE_ERROR_MAX, "%d:%d: parse error: %s", err->line, err->column,
                 err->text);
    else
        snprintf(out, API_PARSE_ERROR_MAX, "unknown position: parse error: %s", err->text);
    return out;
}

const char *api_exec_error(int rc, const struct errmsg *err, const char **text)
{
    static const struct {
        int rc;
        const char *type, *text;
    } kinds[] = {
        {E_TIMEOUT,     "timeout",     NULL                                         },
        {E_CANCELED,    "canceled",    "query was canceled in expression evaluation"},
        {E_EXEC,        "execution",   NULL                                         },
        {E_LIMIT,       "execution",   NULL                                         },
        {E_UNSUPPORTED, "execution",   NULL                                         },
        {E_INVALID,     "execution",   NULL                                         },
        {E_PARSE,       "bad_data",    NULL                                         },
        {E_UNAVAILABLE, "unavailable", NULL                                         },
    };
    *text = err->text[0] ? err->text : err_text(rc);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].rc == rc) {
            if (kinds[i].text) *text = kinds[i].text;
            return kinds[i].type;
        }
    return "internal";
}

void api_fail_exec(struct response *p, int rc, const struct errmsg *err)
{
    const char *text;
    const char *type = api_exec_error(rc, err, &text);
    response_fail(p, type, "%s", text);
}

/* --- encodings --- */

/* Decimal digits of v without a sign, at least so many; returns the end. */
static char *put_digits(char *out, uint64_t v, int least)
{
    char digits[20];
    int n = 0;
    for (; v || n < least; v /= 10)
        digits[n++] = (char)('0' + v % 10);
    while (n)
        *out++ = digits[--n];
    return out;
}

size_t api_format_time(int64_t t_ms, char out[32])
{
    uint64_t magnitude = t_ms < 0 ? -(uint64_t)t_ms : (uint64_t)t_ms;
    char *end = out;
    if (t_ms < 0) *end++ = '-';
    end = put_digits(end, magnitude / 1000, 1);
    if (magnitude % 1000) {
        *end++ = '.';
        end = put_digits(end, magnitude % 1000, 3);
    }
    *end = '\0';
    return (size_t)(end - out);
}

size_t api_format_sample(int64_t t_ms, double v, char out[API_SAMPLE_MAX])
{
    size_t n = 0;
    out[n++] = '[';
    n += api_format_time(t_ms, out + n);
    out[n++] = ',';
    out[n++] = '"';
    n += str_from_double(v, out + n);
    out[n++] = '"';
    out[n++] = ']';
    out[n] = '\0';
    return n;
}

void api_sample(struct json *j, int64_t t_ms, double v)
{
    char text[API_SAMPLE_MAX];
    json_raw(j, (struct str){text, api_format_sample(t_ms, v, text)});
}

void api_rfc3339(struct json *j, int64_t t_ms)
{
    char text[40];
    if (t_ms == 0) {
        json_cstr(j, "0001-01-01T00:00:00Z");
        return;
    }
    json_str(j, (struct str){text, str_from_time(t_ms, text)});
}

void api_labels(struct json *j, struct labels ls)
{
    json_obj(j);
    for (size_t i = 0; i < ls.count; i++) {
        json_key_str(j, ls.v[i].name);
        json_str(j, ls.v[i].value);
    }
    json_end(j);
}

static void put_series(struct json *j, const struct promql_series_result *s, bool many)
{
    json_obj(j);
    json_key(j, "metric");
    api_labels(j, s->labels);
    json_key(j, many ? "values" : "value");
    if (many) json_arr(j);
    for (size_t i = 0; i < s->count; i++)
        api_sample(j, s->points[i].t_ms, s->points[i].v);
    if (many) json_end(j);
    json_end(j);
}

const char *api_type_name(enum value_type type)
{
    static const char *const names[] = {
        [T_NONE] = "none",     [T_SCALAR] = "scalar", [T_VECTOR] = "vector",
        [T_MATRIX] = "matrix", [T_STRING] = "string",
    };
    return names[type];
}

void api_result(struct json *j, const struct promql_result *res, int64_t t_ms, bool range)
{
    enum value_type type = range ? T_MATRIX : res->type;
    json_kv_cstr(j, "resultType", api_type_name(type));
    json_key(j, "result");
    if (type == T_SCALAR) {
        api_sample(j, t_ms, res->scalar);
        return;
    }
    if (type == T_STRING) {
        char time[32];
        size_t len = api_format_time(t_ms, time);
        json_arr(j);
        json_raw(j, (struct str){time, len});
        json_str(j, res->string);
        json_end(j);
        return;
    }
    json_arr(j);
    for (size_t i = 0; i < res->series_count; i++)
        if (res->series[i].count) put_series(j, &res->series[i], type == T_MATRIX);
    json_end(j);
}

void api_begin(struct response *p, struct json *j)
{
    p->status = 200;
    p->content_type = "application/json";
    buf_reset(&p->body);
    json_init(j, &p->body);
    json_obj(j);
    json_kv_cstr(j, "status", "success");
    json_key(j, "data");
}

static int look_while_writing(struct json_watch *watch)
{
    struct api_writing *w = (struct api_writing *)watch;
    return budget_check(w->budget.budget, w->budget.env, &w->err);
}

enum { BODY_LEAST = 64 << 10 }; /* for errors and small answers */

void api_write_within(struct json *j, struct response *p, struct api_writing *w,
                      const struct query_budget *b, struct env *env, size_t used, size_t memory)
{
    size_t left = memory > used ? memory - used : 0;
    *w = (struct api_writing){
        .watch.look = look_while_writing, .budget = {.budget = b, .env = env},
             .memory = memory
    };
    p->body.max = MIN(p->body.max, MAX(left, (size_t)BODY_LEAST));
    j->watch = &w->watch;
}

/* The body was not finished. */
static void fail_body(struct response *p, const struct json *j)
{
    struct api_writing *w = (struct api_writing *)j->watch;
    int rc = p->body.err;
    if (rc == E_TOO_BIG && w) rc = budget_memory(w->budget.budget, w->memory, &w->err);
    if (rc == E_TOO_BIG)
        response_fail(p, "execution", "the response is too large, narrow the query");
    else if (rc == -ENOMEM)
        response_fail(p, "unavailable", "out of memory for the response");
    else
        api_fail_exec(p, rc, &w->err);
}

struct note_list {
    struct json *j;
    const char *key;
    size_t shown;
};

static void put_note(struct note_list *l, const char *text)
{
    if (l->shown++ == 0) json_kv_arr(l->j, l->key);
    json_cstr(l->j, text);
}

/* Ten of a kind at most, and how many more there are, as Prometheus. */
static void put_annotations(struct json *j, const struct promql_result *res, bool warning,
                            bool truncated)
{
    struct note_list l = {.j = j, .key = warning ? "warnings" : "infos"};
    size_t more = 0;
    char text[64];
    for (size_t i = 0; res && i < res->annotation_count; i++) {
        if (res->annotations[i].warning != warning) continue;
        if (l.shown < API_WARNINGS_MAX)
            put_note(&l, res->annotations[i].text);
        else
            more++;
    }
    if (truncated && warning) put_note(&l, "results truncated due to limit");
    snprintf(text, sizeof text, "%zu more %s annotations omitted", more,
             warning ? "warning" : "info");
    if (more) put_note(&l, text);
    if (l.shown) json_end(j);
}

void api_annotations(struct json *j, const struct promql_result *res, bool truncated)
{
    put_annotations(j, res, true, truncated);
    put_annotations(j, res, false, truncated);
}

void api_end(struct response *p, struct json *j, const struct promql_result *annotations,
             bool truncated)
{
    api_annotations(j, annotations, truncated);
    json_end(j);
    if (p->body.err) fail_body(p, j);
}

/* --- decimation --- */

size_t api_decimate(struct promql_point *v, size_t count, int64_t start_ms, int64_t end_ms,
                    size_t max_points)
{
    if (max_points < 2 || count <= max_points || end_ms <= start_ms) return count;
    size_t pairs = max_points / 2;
    double spans = (double)pairs, width = ((double)end_ms - (double)start_ms) / spans;
    size_t out = 0;
    for (size_t i = 0; i < count;) {
        double span = floor(((double)v[i].t_ms - (double)start_ms) / width);
        if (span >= spans) span = spans - 1; /* the end itself */
        double limit = span + 1 >= spans ? (double)INFINITY : (double)start_ms + (span + 1) * width;
        size_t low = i, high = i, next = i + 1;
        while (next < count && (double)v[next].t_ms < limit) {
            if (v[next].v < v[low].v || isnan(v[low].v)) low = next;
            if (v[next].v > v[high].v || isnan(v[high].v)) high = next;
            next++;
        }
        struct promql_point a = v[MIN(low, high)], b = v[MAX(low, high)];
        v[out++] = a;
        if (low != high) v[out++] = b;
        i = next;
    }
    return out;
}
