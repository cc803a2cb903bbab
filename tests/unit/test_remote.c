/* test_remote.c -- the remote querier against an engine of one thread, helpful or hostile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/tiny_server.h"
#include "tsdb/promql/promql.h"

#define OK          "{\"status\":\"success\","
#define EMPTY       OK "\"data\":{\"resultType\":\"vector\",\"result\":[]}}"
#define MEMORY      ((size_t)1 << 20)
#define SECOND_NS   INT64_C(1000000000)
#define UP          "{\"metric\":{\"__name__\":\"up\"},\"value\":[1700000000.123,\"1\"]}"
#define VECTOR_OF_1 OK "\"data\":{\"resultType\":\"vector\",\"result\":[" UP "]}}"

enum mode { ANSWER, CLOSE_AFTER, HANG, HANG_AND_CANCEL, BLANKS, GZIP, CUT };

/* What the engine does; under the server's lock. */
struct script {
    enum mode mode;
    const char *status; /* "200 OK" */
    const char *bodies[8];
    int next, count; /* of bodies: the last one stays */
    int cancel;      /* atomic */
};

struct fixture {
    struct tiny_server server;
    struct script script;
    struct remote_counters counters;
    struct remote *remote;
    struct arena arena;
    char url[64];
};

static void send_gzip(int fd, const char *body)
{
    unsigned char out[4096];
    char head[256];
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    z.next_in = (unsigned char *)(uintptr_t)body;
    z.avail_in = (unsigned)strlen(body);
    z.next_out = out;
    z.avail_out = sizeof out;
    deflate(&z, Z_FINISH);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n",
                     z.total_out);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) > 0)
        (void)!send(fd, out, z.total_out, MSG_NOSIGNAL);
    deflateEnd(&z);
}

/* JSON may have blanks without end. */
static void send_blanks(int fd)
{
    char block[16384];
    memset(block, ' ', sizeof block);
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n{";
    if (send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0) return;
    while (send(fd, block, sizeof block, MSG_NOSIGNAL) > 0)
        continue;
}

static void send_cut(int fd, const char *body)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    if (send(fd, head, sizeof head - 1, MSG_NOSIGNAL) > 0)
        (void)!send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static int serve(struct tiny_server *s, int fd, const char *request)
{
    struct script *script = s->arg;
    UNUSED(request);
    pthread_mutex_lock(&s->lock);
    enum mode mode = script->mode;
    const char *status = script->status, *body = script->bodies[script->next];
    if (script->next + 1 < script->count) script->next++;
    pthread_mutex_unlock(&s->lock);
    switch (mode) {
    case ANSWER:
    case CLOSE_AFTER:
        tiny_answer(fd, status, "application/json", body);
        return mode == ANSWER;
    case HANG_AND_CANCEL:
        __atomic_store_n(&script->cancel, 1, __ATOMIC_RELAXED);
        return 1;
    case HANG:
        return 1;
    case BLANKS:
        send_blanks(fd);
        return 0;
    case GZIP:
        send_gzip(fd, body);
        return 1;
    case CUT:
        send_cut(fd, body);
        return 0;
    }
    return 0;
}

static void play_bodies(struct fixture *f, enum mode mode, const char *status,
                        const char *const *bodies, int count)
{
    pthread_mutex_lock(&f->server.lock);
    f->script.mode = mode;
    f->script.status = status;
    memcpy(f->script.bodies, bodies, (size_t)count * sizeof *bodies);
    f->script.next = 0;
    f->script.count = count;
    pthread_mutex_unlock(&f->server.lock);
}

static void play(struct fixture *f, enum mode mode, const char *status, const char *body)
{
    play_bodies(f, mode, status, &body, 1);
}

static struct remote *remote_of(struct fixture *f, struct remote_options o)
{
    struct remote *r = NULL;
    struct errmsg err = {0};
    if (!o.url) o.url = f->url;
    if (!o.timeout_ms) o.timeout_ms = 10000;
    if (remote_new(&r, &o, env_system(), &f->counters, &err)) fail_msg("%s", err.text);
    return r;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f || tiny_start_with(&f->server, serve, &f->script)) return -1;
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/prefix/", f->server.port);
    f->remote = remote_of(f, (struct remote_options){0});
    arena_init(&f->arena, MEMORY);
    play(f, ANSWER, "200 OK", EMPTY);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    remote_free(f->remote);
    arena_release(&f->arena);
    tiny_stop(&f->server);
    free(f);
    return 0;
}

/* The last request: its head and its form. */
static void last_request(struct fixture *f, char out[TINY_REQUEST_MAX])
{
    pthread_mutex_lock(&f->server.lock);
    memcpy(out, f->server.last_request, TINY_REQUEST_MAX);
    pthread_mutex_unlock(&f->server.lock);
}

static void sent(struct fixture *f, const char *what)
{
    char request[TINY_REQUEST_MAX];
    last_request(f, request);
    if (!strstr(request, what)) fail_msg("no \"%s\" in:\n%s", what, request);
}

static struct promql_query query_at(struct fixture *f, int64_t start_ms, int64_t end_ms,
                                    int64_t step_ms)
{
    return (struct promql_query){.querier = remote_querier(f->remote),
                                 .env = env_system(),
                                 .start_ms = start_ms,
                                 .end_ms = end_ms,
                                 .step_ms = step_ms,
                                 .lookback_ms = 300000,
                                 .arena = &f->arena};
}

static int eval(struct fixture *f, const char *text, struct promql_query *q,
                struct promql_result *res, struct errmsg *err)
{
    struct arena parsed;
    struct expr *e = NULL;
    arena_init(&parsed, MEMORY);
    assert_int_equal(promql_parse(str_of(text), PROMQL_ALL, &parsed, &e, err), 0);
    int rc = promql_eval(e, q, res, err);
    promql_expr_release(e);
    arena_release(&parsed);
    UNUSED(f);
    return rc;
}

static int eval_instant(struct fixture *f, const char *text, struct promql_result *res,
                        struct errmsg *err)
{
    struct promql_query q = query_at(f, 1700000000123, 1700000000123, 0);
    *err = (struct errmsg){0};
    return eval(f, text, &q, res, err);
}

/* --- queries --- */

static void an_instant_query_is_pushed_whole(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    play(f, ANSWER, "200 OK", VECTOR_OF_1);
    assert_int_equal(eval_instant(f, "sum  by(a) (up{x=~\"a b|\\u00e9\"}) > 0", &res, &err), 0);
    sent(f, "POST /prefix/api/v1/query HTTP/1.1\r\n");
    sent(f, "Content-Type: application/x-www-form-urlencoded\r\n");
    sent(f, "\r\n\r\nquery=sum%20by%20%28a%29%20%28up%7Bx%3D~%22a%20b%7C%C3%A9%22%7D%29%20%3E%200&"
            "time=1700000000.123&timeout=10.000&lookback_delta=300.000&step=300.000&nocache=1");
    assert_int_equal(res.type, T_VECTOR);
    assert_int_equal(res.series_count, 1);
    assert_int_equal(res.series[0].points[0].t_ms, 1700000000123);
    assert_int_equal(res.samples, 1);
    assert_int_equal(f->counters.codes[0], 1);
}

static void a_range_query_is_pushed_whole(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err = {0};
    struct promql_query q = query_at(f, -1500, 60000, 15001);
    play(f, ANSWER, "200 OK",
         OK
         "\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[-1.5,\"1\"]"
         ",[13.501,\"2\"]]}]}}");
    assert_int_equal(eval(f, "time()", &q, &res, &err), 0);
    sent(f, "POST /prefix/api/v1/query_range HTTP/1.1\r\n");
    sent(f, "query=time%28%29&start=-1.500&end=60.000&step=15.001&timeout=10.000&lookback_delta="
            "300.000&max_lookback=300.000&nocache=1");
    assert_int_equal(res.type, T_MATRIX);
    assert_int_equal(res.series[0].count, 2);
    assert_int_equal(res.series[0].points[0].t_ms, -1500);
}

#define DATA(members) OK "\"data\":{" members "}}"
#define SCALAR        DATA("\"resultType\":\"scalar\",\"result\":[1,\"2\"]")
#define VECTOR        DATA("\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"2\"]}]")
#define NO_MATRIX     DATA("\"resultType\":\"matrix\",\"result\":[]")

static void results_take_the_form_of_the_expression(void **state)
{
    static const struct {
        const char *expr, *body;
        enum value_type type; /* T_NONE: refused */
        double scalar;
    } rows[] = {
        {"1+1",       SCALAR,    T_SCALAR, 2},
        {"1+1",       VECTOR,    T_SCALAR, 2},
        {"1+1",       NO_MATRIX, T_NONE,   0},
        {"vector(1)", SCALAR,    T_VECTOR, 0},
        {"up",        EMPTY,     T_VECTOR, 0},
        {"up",        NO_MATRIX, T_NONE,   0},
        {"up[5m]",    NO_MATRIX, T_MATRIX, 0},
        {"up[5m]",    EMPTY,     T_NONE,   0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct promql_result res;
        struct errmsg err;
        play(f, ANSWER, "200 OK", rows[i].body);
        int rc = eval_instant(f, rows[i].expr, &res, &err);
        assert_int_equal(rc, rows[i].type == T_NONE ? E_UNAVAILABLE : 0);
        if (rc == 0) assert_int_equal(res.type, rows[i].type);
        if (rows[i].type == T_SCALAR) assert_true(res.scalar == rows[i].scalar);
    }
}

static void a_string_needs_no_engine(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    assert_int_equal(eval_instant(f, "(\"a b\")", &res, &err), 0);
    assert_int_equal(res.type, T_STRING);
    assert_true(str_eq(res.string, STR("a b")));
    assert_int_equal(f->server.requests, 0);
}

static void annotations_lose_positions_in_another_text(void **state)
{
    static const char body[] =
        OK "\"data\":{\"resultType\":\"vector\",\"result\":[]},\"infos\":["
           "\"is it a counter: \\\"x\\\" (1:6)\",\"(1:6)\",\"no place (a:b)\"]}";
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err = {0};
    struct promql_query q = query_at(f, 0, 0, 0);
    play(f, ANSWER, "200 OK", body);
    assert_int_equal(eval(f, "rate( x[300s] )", &q, &res, &err), 0);
    assert_string_equal(res.annotations[0].text, "is it a counter: \"x\"");
    assert_string_equal(res.annotations[1].text, "(1:6)");
    assert_string_equal(res.annotations[2].text, "no place (a:b)");
    q.text = STR("rate(x[5m])");
    assert_int_equal(eval(f, "rate(x[5m])", &q, &res, &err), 0);
    assert_string_equal(res.annotations[0].text, "is it a counter: \"x\" (1:6)");
}

/* --- failures --- */

static void failures_say_who_and_what(void **state)
{
    static const struct {
        const char *status, *body;
        int rc;
        const char *what, *advice;
    } rows[] = {
        {"400 Bad Request",
         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:1: no\"}",                                       E_EXEC,
         "/prefix/api/v1/query: bad_data: 1:1: no",                                                                                                                          ""},
        {"422 No",                       "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"many-to-many\"}",
         E_EXEC,                                                                                                                         "execution: many-to-many",          ""},
        {"422 No",                       "{\"status\":\"error\",\"errorType\":\"422\",\"error\":\"cannot\"}",             E_EXEC,
         "422: cannot",                                                                                                                                                      ""},
        {"503 No",                       "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"slow\"}",           E_TIMEOUT,
         "timeout: slow",                                                                                                                                                    ""},
        {"503 No",                       "{\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"stopping\"}",
         E_UNAVAILABLE,                                                                                                                  "canceled: stopping",               ""},
        {"500 No",
         "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"a\\nb\\u0007\\tc\"}",                              E_UNAVAILABLE, "internal: a b c",                  ""},
        {"429 No",                       "{\"status\":\"error\",\"errorType\":\"too_many_requests\",\"error\":\"x\"}",
         E_UNAVAILABLE,                                                                                                                  "too_many_requests: x",             ""},
        {"429 Slow down",                "too many",                                                                      E_UNAVAILABLE, "HTTP 429: \"too many\"",           ""},
        {"401 Unauthorized",             "Unauthorized\n",                                                                E_UNAVAILABLE, "HTTP 401: \"Unauthorized\"",
         "check query.remote.basic_auth or query.remote.bearer"                                                                                                                },
        {"403 Forbidden",                "",                                                                              E_UNAVAILABLE, "HTTP 403: \"\"",
         "check query.remote.basic_auth or query.remote.bearer"                                                                                                                },
        {"404 Not Found",                "404 page not found\n",                                                          E_UNAVAILABLE, "HTTP 404: \"404 page not found\"",
         "check the path in query.remote.url: /api/v1/query is appended to it"                                                                                                 },
        {"302 Found\r\nLocation: /else", "",                                                                              E_UNAVAILABLE, "HTTP 302",
         "redirects are not followed: write the final address into query.remote.url"                                                                                           },
        {"502 Bad Gateway",              "<html>\r\n<h1>502\x1b[31m</h1>",                                                E_UNAVAILABLE,
         "HTTP 502: \"<html> <h1>502 [31m</h1>\"",                                                                                                                           ""},
        {"200 OK",                       "<html>login</html>",                                                            E_UNAVAILABLE,
         "HTTP 200, but no answer of a Prometheus-compatible engine: no value at byte 0: \"<html>"
         "login</html>\"",                                                                                                                                                   ""},
        {"200 OK",                       "{}",                                                                            E_UNAVAILABLE, "it does not say success: \"{}\"",  ""},
        {"200 OK",                       "",                                                                              E_UNAVAILABLE, "it ends too early",                ""},
        {"500 Oops",                     EMPTY,                                                                           E_UNAVAILABLE, "HTTP 500",                         ""},
        {"200 OK",                       OK "\"data\":{\"resultType\":\"vector\",\"result\":7}}",                         E_UNAVAILABLE,
         "\"result\" is a number",                                                                                                                                           ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct promql_result res;
        struct errmsg err;
        play(f, ANSWER, rows[i].status, rows[i].body);
        int rc = eval_instant(f, "up", &res, &err);
        if (rc != rows[i].rc) fail_msg("row %zu: %d, %s", i, rc, err.text);
        if (!strstr(err.text, "http://127.0.0.1:") || !strstr(err.text, rows[i].what))
            fail_msg("row %zu: %s", i, err.text);
        if (!strstr(err.text, rows[i].advice)) fail_msg("row %zu: %s", i, err.text);
    }
    assert_true(f->counters.failures == 15);
    assert_int_equal(f->server.connections, 1);
}

static void only_the_start_of_what_came_is_told(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    static char body[4001];
    memset(body, 'x', sizeof body - 1);
    play(f, ANSWER, "500 Oops", body);
    assert_int_equal(eval_instant(f, "up", &res, &err), E_UNAVAILABLE);
    const char *quoted = strchr(err.text, '"');
    assert_non_null(quoted);
    assert_int_equal(strspn(quoted + 1, "x"), 200);
    assert_non_null(strstr(err.text, "HTTP 500"));
}

static void nobody_there_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct tiny_server gone;
    struct promql_result res;
    struct errmsg err;
    char url[64];
    assert_int_equal(tiny_start_with(&gone, serve, &f->script), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", gone.port);
    tiny_stop(&gone);
    remote_free(f->remote);
    f->remote = remote_of(f, (struct remote_options){.url = url});
    assert_int_equal(eval_instant(f, "up", &res, &err), E_UNAVAILABLE);
    assert_true(strncmp(err.text, url, strlen(url)) == 0);
    assert_int_equal(f->counters.failures, 1);
}

static void an_answer_cut_short_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    play(f, CUT, "200 OK", EMPTY);
    assert_int_equal(eval_instant(f, "up", &res, &err), E_UNAVAILABLE);
}

static void endless_answers_end_at_a_limit(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    play(f, BLANKS, "200 OK", "");
    assert_int_equal(eval_instant(f, "up", &res, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "longer than 4 MiB"));
}

static void a_cancelled_query_ends_at_once(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err = {0};
    struct promql_query q = query_at(f, 0, 0, 0);
    q.budget.cancel = &f->script.cancel;
    play(f, HANG_AND_CANCEL, "", "");
    int64_t began_ns = env_mono_ns(env_system());
    assert_int_equal(eval(f, "up", &q, &res, &err), E_CANCELED);
    assert_true(env_mono_ns(env_system()) - began_ns < 5 * SECOND_NS);
    assert_int_equal(f->counters.failures, 0);
}

static void the_deadline_is_kept(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err = {0};
    struct promql_query q = query_at(f, 0, 0, 0);
    int64_t began_ns = env_mono_ns(env_system());
    q.budget.deadline_mono_ns = began_ns + SECOND_NS / 10;
    play(f, HANG, "", "");
    assert_int_equal(eval(f, "up", &q, &res, &err), E_TIMEOUT);
    assert_non_null(strstr(err.text, "no answer within"));
    assert_true(env_mono_ns(env_system()) - began_ns < 5 * SECOND_NS);
    assert_int_equal(f->counters.failures, 1);
    q.budget.deadline_mono_ns = 1; /* long past: nothing is asked */
    int asked = f->server.requests;
    assert_int_equal(eval(f, "up", &q, &res, &err), E_TIMEOUT);
    assert_int_equal(f->server.requests, asked);
}

/* --- connections --- */

static void a_connection_is_kept(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    for (int i = 0; i < 5; i++)
        assert_int_equal(eval_instant(f, "up", &res, &err), 0);
    assert_int_equal(f->server.connections, 1);
    assert_int_equal(f->server.requests, 5);
}

static void a_connection_closed_while_idle_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    play(f, CLOSE_AFTER, "200 OK", EMPTY);
    for (int i = 0; i < 3; i++)
        if (eval_instant(f, "up", &res, &err)) fail_msg("%s", err.text);
    assert_int_equal(f->server.connections, 3);
    assert_int_equal(f->server.requests, 3);
}

static void gzip_is_asked_for_and_read(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    play(f, GZIP, "200 OK", VECTOR_OF_1);
    assert_int_equal(eval_instant(f, "up", &res, &err), 0);
    sent(f, "Accept-Encoding: gzip\r\n");
    assert_int_equal(res.series_count, 1);
}

static void headers_and_credentials_are_sent(void **state)
{
    struct fixture *f = *state;
    struct promql_result res;
    struct errmsg err;
    const struct label headers[] = {
        {STR("X-Scope-OrgID"), STR("team a")},
    };
    remote_free(f->remote);
    f->remote =
        remote_of(f, (struct remote_options){
                         .headers = headers, .header_count = 1, .username = "u", .password = "p"});
    assert_int_equal(eval_instant(f, "up", &res, &err), 0);
    sent(f, "\r\nX-Scope-OrgID: team a\r\n");
    sent(f, "\r\nAuthorization: Basic dTpw\r\n");
    remote_free(f->remote);
    f->remote = remote_of(f, (struct remote_options){.bearer = "t0ken"});
    assert_int_equal(eval_instant(f, "up", &res, &err), 0);
    sent(f, "\r\nAuthorization: Bearer t0ken\r\n");
}

static void *ask_often(void *arg)
{
    struct fixture *f = arg;
    struct arena arena;
    arena_init(&arena, MEMORY);
    uintptr_t bad = 0;
    for (int i = 0; i < 20; i++) {
        struct promql_result res;
        struct errmsg err = {0};
        struct promql_query q = query_at(f, 0, 0, 0);
        q.arena = &arena;
        bad += eval(f, "up", &q, &res, &err) != 0 || res.series_count != 1;
        arena_reset(&arena);
    }
    arena_release(&arena);
    return (void *)bad;
}

static void many_threads_share_a_querier(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    play(f, ANSWER, "200 OK", VECTOR_OF_1);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, f), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *bad = NULL;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(f->server.requests, 80);
    assert_true(f->server.connections <= 4);
}

/* --- lookups --- */

static int add_text(void *arg, struct str s)
{
    struct buf *out = arg;
    buf_add(out, s.p, s.len);
    return buf_addch(out, ';');
}

static int add_labels(void *arg, struct labels ls)
{
    struct buf *out = arg;
    labels_print(ls, true, out);
    return buf_addch(out, ';');
}

static struct select_request request_of(struct fixture *f, const struct matcher *m, size_t count)
{
    return (struct select_request){.matchers = m,
                                   .matcher_count = count,
                                   .start_ms = 1000,
                                   .end_ms = 2500,
                                   .func = "",
                                   .arena = &f->arena};
}

static void lookups_are_passed_on(void **state)
{
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct matcher m[] = {
        {.type = MATCH_NE, .name = STR("a.b"),       .value = STR("x\"")},
        {.type = MATCH_EQ, .name = STR(METRIC_NAME), .value = STR("up") }
    };
    struct select_request r = request_of(f, m, 2);
    struct buf out = BUF_INIT(4096);
    struct errmsg err = {0};
    r.limit = 10;
    play(f, ANSWER, "200 OK", OK "\"data\":[\"b\",\"a\"]}");
    assert_int_equal(q->ops->label_names(q, &r, add_text, &out, &err), 0);
    sent(f, "POST /prefix/api/v1/labels HTTP/1.1\r\n");
    sent(f, "match%5B%5D=");
    assert_string_equal(out.p, "a;b;");
    buf_reset(&out);
    assert_int_equal(q->ops->label_values(q, STR("job"), &r, add_text, &out, &err), 0);
    sent(f, "GET /prefix/api/v1/label/job/values?match");
    assert_string_equal(out.p, "a;b;");
    play(f, ANSWER, "200 OK", OK "\"data\":[{\"__name__\":\"up\"}]}");
    buf_reset(&out);
    assert_int_equal(q->ops->series(q, &r, add_labels, &out, &err), 0);
    sent(f, "POST /prefix/api/v1/series HTTP/1.1\r\n");
    sent(f, "match%5B%5D=%7B%22a.b%22%21%3D%22x%5C%22%22%2C__name__%3D%22up%22%7D&start=1.000&end="
            "2.500&"
            "limit=11");
    assert_string_equal(out.p, "up;");
    buf_release(&out);
}

static void names_that_a_path_cannot_hold_are_escaped(void **state)
{
    static const struct {
        const char *name, *path;
    } rows[] = {
        {"job",                "/label/job/values "                     },
        {"a.b \303\251",       "/label/a.b%20%C3%A9/values "            },
        {"k8s.io/a_b\303\251", "/label/U__k8s_2E_io_2F_a__b_E9_/values "},
    };
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct select_request r = request_of(f, NULL, 0);
    r.start_ms = INT64_MIN / 4;
    r.end_ms = INT64_MAX / 4;
    play(f, ANSWER, "200 OK", OK "\"data\":[]}");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = BUF_INIT(64);
        struct errmsg err = {0};
        assert_int_equal(q->ops->label_values(q, str_of(rows[i].name), &r, add_text, &out, &err),
                         0);
        sent(f, rows[i].path);
        buf_release(&out);
    }
}

static void series_without_selectors_ask_for_all(void **state)
{
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct select_request r = request_of(f, NULL, 0);
    struct buf out = BUF_INIT(64);
    struct errmsg err = {0};
    play(f, ANSWER, "200 OK", OK "\"data\":[]}");
    assert_int_equal(q->ops->series(q, &r, add_labels, &out, &err), 0);
    sent(f, "match%5B%5D=%7B__name__%21%3D%22%22%7D&");
    buf_release(&out);
}

static int add_metadata(void *arg, const struct metric_metadata *m)
{
    buf_addf(arg, "%.*s:%s:%.*s;", (int)m->name.len, m->name.p, metric_type_name(m->type),
             (int)m->help.len, m->help.p);
    return 0;
}

static void metadata_is_asked_for(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(256);
    struct errmsg err = {0};
    play(f, ANSWER, "200 OK", OK "\"data\":{\"up\":[{\"type\":\"gauge\",\"help\":\"H\"}]}}");
    assert_int_equal(remote_metadata(f->remote, "up", NULL, &f->arena, add_metadata, &out, &err),
                     0);
    sent(f, "GET /prefix/api/v1/metadata?metric=up HTTP/1.1\r\n");
    assert_string_equal(out.p, "up:gauge:H;");
    assert_int_equal(remote_metadata(f->remote, NULL, NULL, &f->arena, add_metadata, &out, &err),
                     0);
    sent(f, "GET /prefix/api/v1/metadata HTTP/1.1\r\n");
    buf_release(&out);
}

/* --- raw samples --- */

#define MATRIX(series) OK "\"data\":{\"resultType\":\"matrix\",\"result\":[" series "]}}"
#define DAY            INT64_C(86400000)

static void raw_samples_are_merged_over_spans(void **state)
{
    static const char *const spans[] = {
        MATRIX(
            "{\"metric\":{\"a\":\"1\"},\"values\":[[-0.001,\"9\"],[0,\"1\"],[86399.999,\"2\"]]}"),
        MATRIX("{\"metric\":{\"a\":\"2\"},\"values\":[[90000,\"5\"]]},"
               "{\"metric\":{\"a\":\"1\"},\"values\":[[86399.999,\"2\"],[86400,\"3\"]]},"
               "{\"metric\":{\"a\":\"0\"},\"values\":[[999999,\"1\"]]}"),
        MATRIX("{\"metric\":{\"a\":\"1\"},\"values\":[[172800,\"4\"]]}"),
    };
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct matcher m = {.type = MATCH_EQ, .name = STR("a"), .value = STR("b")};
    struct select_request r = request_of(f, &m, 1);
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    r.start_ms = 0;
    r.end_ms = 3 * DAY - 1;
    play_bodies(f, ANSWER, "200 OK", spans, COUNT(spans));
    assert_int_equal(q->ops->select(q, &r, &set, &err), 0);
    assert_int_equal(f->server.requests, 3);
    sent(f, "query=%7Ba%3D%22b%22%7D%5B86400000ms%5D&time=259199.999&nocache=1");
    assert_int_equal(set->ops->next(set, &v, &err), 1);
    assert_true(str_eq(labels_get(v.labels, STR("a")), STR("1")));
    const int64_t times[] = {0, 86399999, 86400000, 172800000};
    assert_int_equal(v.count, COUNT(times));
    for (size_t i = 0; i < COUNT(times); i++) {
        assert_int_equal(v.t[i], times[i]);
        assert_true(v.v[i] == (double)(i + 1));
    }
    assert_int_equal(set->ops->next(set, &v, &err), 1);
    assert_true(str_eq(labels_get(v.labels, STR("a")), STR("2")));
    assert_int_equal(v.count, 1);
    assert_int_equal(set->ops->next(set, &v, &err), 0);
    set->ops->free(set);
}

static void long_times_are_asked_in_few_spans(void **state)
{
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct select_request r = request_of(f, NULL, 0);
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    r.start_ms = INT64_MIN / 4;
    r.end_ms = INT64_MAX / 4;
    play(f, ANSWER, "200 OK", MATRIX(""));
    assert_int_equal(q->ops->select(q, &r, &set, &err), 0);
    assert_in_range(f->server.requests, 1, 64);
    assert_int_equal(set->ops->next(set, &v, &err), 0);
    set->ops->free(set);
}

static void raw_samples_fail_as_queries_do(void **state)
{
    struct fixture *f = *state;
    struct querier *q = remote_querier(f->remote);
    struct select_request r = request_of(f, NULL, 0);
    struct series_set *set = NULL;
    struct errmsg err = {0};
    play(f, ANSWER, "503 No", "no");
    assert_int_equal(q->ops->select(q, &r, &set, &err), E_UNAVAILABLE);
    assert_null(set);
    play(f, ANSWER, "200 OK", EMPTY);
    assert_int_equal(q->ops->select(q, &r, &set, &err), E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "no samples for a range vector"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_instant_query_is_pushed_whole),
        CASE(a_range_query_is_pushed_whole),
        CASE(results_take_the_form_of_the_expression),
        CASE(a_string_needs_no_engine),
        CASE(annotations_lose_positions_in_another_text),
        CASE(failures_say_who_and_what),
        CASE(only_the_start_of_what_came_is_told),
        CASE(nobody_there_is_unavailable),
        CASE(an_answer_cut_short_is_unavailable),
        CASE(endless_answers_end_at_a_limit),
        CASE(a_cancelled_query_ends_at_once),
        CASE(the_deadline_is_kept),
        CASE(a_connection_is_kept),
        CASE(a_connection_closed_while_idle_is_replaced),
        CASE(gzip_is_asked_for_and_read),
        CASE(headers_and_credentials_are_sent),
        CASE(many_threads_share_a_querier),
        CASE(lookups_are_passed_on),
        CASE(names_that_a_path_cannot_hold_are_escaped),
        CASE(series_without_selectors_ask_for_all),
        CASE(metadata_is_asked_for),
        CASE(raw_samples_are_merged_over_spans),
        CASE(long_times_are_asked_in_few_spans),
        CASE(raw_samples_fail_as_queries_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
