/* cmd_query.c -- tocsin query: asks a daemon over HTTP and prints the answer.
 *
 * The expression is parsed here first, so that a mistake is shown with its place before anything
 * is sent.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>

#include "agent/cmds.h"
#include "core/httpc.h"
#include "tsdb/promql/promql.h"

enum { ANSWER_MAX = 256 << 20, PARSE_MAX = 32 << 20, OUTPUT_MAX = 256 << 20 };

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUTS };
static const char *const output_names[OUTPUTS] = {"table", "json", "csv"};

const struct cmd_option query_options[] = {
    {"--url",                                                      0, "URL", "http://127.0.0.1:7788", "the daemon to ask"},
    {"--time",                                                       0, "TIME", NULL, "evaluate at this time (RFC 3339 or seconds); default: now"},
    {"--since",                                         0, "DURATION", NULL, "a range query over the last DURATION"},
    {"--step",                                                     0, "DURATION", NULL, "distance of a range's points; default: a 240th of --since"},
    {"--output",                                                      'o', "FORMAT", "table", "table (tab-separated), json or csv"},
    {"--timeout", 0, "DURATION", "30s", "give up after this long"},
    {0                                                   },
};

struct question {
    struct str expr;
    int64_t now_ms, since_ms, step_ms, timeout_ms; /* since 0: instant */
    enum output output;
};

/* --- arguments --- */

static int read_duration(const struct cmd *c, const char *name, int64_t *out)
{
    struct errmsg err = {0};
    const char *text = cmd_value(c, name);
    if (!text) return EXIT_OK;
    if (str_to_duration(str_of(text), out, &err) < 0 || *out <= 0)
        return cmd_fail(EXIT_USAGE, "%s: %s", name,
                        err.text[0] ? err.text : "must be longer than nothing");
    return EXIT_OK;
}

static int read_question(const struct cmd *c, struct question *q)
{
    const char *time = cmd_value(c, "--time"), *format = cmd_value(c, "--output");
    *q = (struct question){.expr = str_of(c->args[0]), .now_ms = env_now_ms(env_system())};
    if (time && str_to_time(str_of(time), &q->now_ms) < 0)
        return cmd_fail(EXIT_USAGE, "--time: \"%s\" is neither RFC 3339 nor seconds", time);
    int code = read_duration(c, "--since", &q->since_ms);
    if (code == EXIT_OK) code = read_duration(c, "--step", &q->step_ms);
    if (code == EXIT_OK) code = read_duration(c, "--timeout", &q->timeout_ms);
    if (code != EXIT_OK) return code;
    if (q->step_ms && !q->since_ms) return cmd_fail(EXIT_USAGE, "--step needs --since");
    if (q->since_ms && !q->step_ms) q->step_ms = MAX(q->since_ms / 240, 1000);
    for (int i = 0; i < OUTPUTS; i++)
        if (strcmp(format, output_names[i]) == 0) {
            q->output = (enum output)i;
            return EXIT_OK;
        }
    return cmd_fail(EXIT_USAGE, "--output: \"%s\" is not table, json or csv", format);
}

/* Shows what is wrong with the expression, below it. */
static int check_expression(struct str text)
{
    struct arena arena;
    struct errmsg err = {0};
    struct expr *expr = NULL;
    arena_init(&arena, PARSE_MAX);
    int rc = promql_parse(text, PROMQL_DEFAULT, &arena, &expr, &err);
    if (rc == 0) {
        promql_expr_release(expr);
    } else {
        struct buf excerpt = BUF_INIT(PARSE_MAX);
        promql_excerpt(text, &err, &excerpt);
        cmd_fail(EXIT_FAILED, "%s", err.text);
        if (excerpt.p)
            fprintf(stderr, "%s%s", excerpt.p, excerpt.p[excerpt.len - 1] == '\n' ? "" : "\n");
        if (err.hint[0]) fprintf(stderr, "hint: %s\n", err.hint);
        buf_release(&excerpt);
    }
    arena_release(&arena);
    return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

/* --- asking --- */

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_addf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
}

static void put_seconds(struct buf *out, const char *name, int64_t ms)
{
    buf_addf(out, "&%s=%lld.%03d", name, (long long)(ms / 1000), (int)(ms % 1000));
}

static int ask(const struct cmd *c, const struct question *q, struct buf *answer, int *status)
{
    struct errmsg err = {0};
    struct buf url = BUF_INIT(8192), form = BUF_INIT(8 << 20);
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    const char *base = cmd_value(c, "--url");
    size_t len = strlen(base);
    while (len && base[len - 1] == '/')
        len--;
    buf_addf(&url, "%.*s/api/v1/%s", (int)len, base, q->since_ms ? "query_range" : "query");
    buf_addstr(&form, "query=");
    put_escaped(&form, q->expr);
    if (q->since_ms) {
        put_seconds(&form, "start", q->now_ms - q->since_ms);
        put_seconds(&form, "end", q->now_ms);
        put_seconds(&form, "step", q->step_ms);
    } else {
        put_seconds(&form, "time", q->now_ms);
    }
    struct httpc_request r = {
        .method = "POST",
        .url = url.p,
        .headers = headers,
        .body = {form.p, form.len},
        .timeout_ms = q->timeout_ms,
        .max_body = ANSWER_MAX,
        .accept_gzip = true,
    };
    int rc = url.err || form.err ? E_TOO_BIG : httpc_fetch(env_system(), &r, answer, status, &err);
    if (rc < 0)
        cmd_fail(EXIT_UNREACHABLE, "cannot ask %s: %s", base,
                 err.text[0] ? err.text : err_text(rc));
    buf_release(&url);
    buf_release(&form);
    return rc < 0 ? EXIT_UNREACHABLE : EXIT_OK;
}

/* --- printing --- */

static void put_csv(struct buf *out, const char *text)
{
    buf_addch(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"') buf_addch(out, '"');
        buf_addch(out, *p);
    }
    buf_addch(out, '"');
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_addch(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') buf_addch(out, '\\');
        if ((unsigned char)*p < 0x20)
            buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            buf_addch(out, *p);
    }
    buf_addch(out, '"');
}

/* name{a="b",...} */
static void put_series_name(struct buf *out, json_t *metric)
{
    const char *key, *name = json_string_value(json_object_get(metric, "__name__"));
    json_t *v;
    bool first = true;
    if (name) buf_addstr(out, name);
    json_object_foreach(metric, key, v)
    {
        if (strcmp(key, "__name__") == 0) continue;
        buf_addf(out, "%s%s=", first ? "{" : ",", key);
        put_quoted(out, json_string_value(v) ? json_string_value(v) : "");
        first = false;
    }
    if (!first)
        buf_addch(out, '}');
    else if (!name)
        buf_addstr(out, "{}");
}

static void put_row(struct buf *out, enum output output, const char *series, const json_t *sample,
                    bool with_time)
{
    const char *value = json_string_value(json_array_get(sample, 1));
    char time[40];
    size_t len =
        str_from_time((int64_t)(json_number_value(json_array_get(sample, 0)) * 1000 + 0.5), time);
    time[len] = '\0';
    if (!value) value = "";
    if (output == OUTPUT_CSV) {
        put_csv(out, series);
        buf_addf(out, ",%s,%s\n", time, value);
    } else if (with_time) {
        buf_addf(out, "%s\t%s\t%s\n", series, time, value);
    } else {
        buf_addf(out, "%s\t%s\n", series, value);
    }
}

static void put_vector(struct buf *out, enum output output, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *item = json_array_get(result, i);
        const json_t *values = json_object_get(item, "values");
        struct buf name = BUF_INIT(1 << 20);
        put_series_name(&name, json_object_get(item, "metric"));
        const char *series = name.p ? name.p : "{}";
        if (!values) put_row(out, output, series, json_object_get(item, "value"), false);
        for (size_t k = 0; k < json_array_size(values); k++)
            put_row(out, output, series, json_array_get(values, k), true);
        buf_release(&name);
    }
}

static void put_warnings(const json_t *answer)
{
    static const char *const kinds[] = {"warnings", "infos"};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        const json_t *list = json_object_get(answer, kinds[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *text = json_string_value(json_array_get(list, i));
            fprintf(stderr, "%s: %s\n", k == 0 ? "warning" : "info", text ? text : "");
        }
    }
}

static int print_result(const struct question *q, const json_t *answer)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    const json_t *data = json_object_get(answer, "data");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    const json_t *result = json_object_get(data, "result");
    put_warnings(answer);
    if (q->output == OUTPUT_CSV) buf_addstr(&out, "series,time,value\n");
    if (q->output == OUTPUT_JSON) {
        char *text = json_dumps(data, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        if (text) buf_addf(&out, "%s\n", text);
        free(text);
    } else if (type && (strcmp(type, "scalar") == 0 || strcmp(type, "string") == 0)) {
        put_row(&out, q->output, type, result, false);
    } else {
        put_vector(&out, q->output, result);
    }
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}

static int print_answer(const struct question *q, const struct buf *body, int status)
{
    json_error_t err;
    json_t *answer = json_loadb(body->p ? body->p : "", body->len, 0, &err);
    int code = EXIT_FAILED;
    const char *text = json_string_value(json_object_get(answer, "error"));
    if (status == 200 && answer)
        code = print_result(q, answer);
    else if (status == 401 || status == 403)
        code = cmd_fail(EXIT_REFUSED, "%s", text ? text : "not permitted");
    else if (!answer)
        code = cmd_fail(EXIT_UNREACHABLE, "the answer (status %d) is no JSON: is it a tocsin?",
                        status);
    else
        code = cmd_fail(EXIT_FAILED, "%s", text ? text : "the query failed");
    json_decref(answer);
    return code;
}

int run_query(const struct cmd *c)
{
    struct question q;
    struct buf answer = BUF_INIT(ANSWER_MAX);
    int status = 0;
    int code = read_question(c, &q);
    if (code == EXIT_OK) code = check_expression(q.expr);
    if (code == EXIT_OK) code = ask(c, &q, &answer, &status);
    if (code == EXIT_OK) code = print_answer(&q, &answer, status);
    buf_release(&answer);
    return code;
}
