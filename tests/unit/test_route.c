/* test_route.c -- the table of routes: matching, methods, scopes, and what a browser may not do.
 *
 * No store is open, so a request that passes every check ends at "starting": 503.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct app app;
    struct arena arena;
    struct request r;
    struct response p;
};

static void begin(struct fixture *f, enum http_method method, const char *target, unsigned scopes)
{
    struct errmsg err = {0};
    struct app_settings s = {.scopes = scopes,
                             .check_host = true,
                             .external_host = "mon.example.org",
                             .body_bytes = 1 << 20,
                             .decoded_bytes = 1 << 20};
    app_init(&f->app, env_system());
    assert_int_equal(route_counters_new(&f->app.counters), 0);
    app_set_settings(&f->app, &s);
    arena_init(&f->arena, 1 << 20);
    f->r = (struct request){.arena = &f->arena, .method = method, .id = "id"};
    assert_int_equal(request_set_target(&f->r, str_of(target), &err), 0);
    response_init(&f->p, 1 << 20);
}

static void end(struct fixture *f)
{
    response_release(&f->p);
    arena_release(&f->arena);
    app_release(&f->app);
}

/* One request with up to two headers, and the status of its answer. */
static int status_of(enum http_method method, const char *target, unsigned scopes,
                     enum http_header h1, const char *v1, enum http_header h2, const char *v2)
{
    struct fixture f;
    begin(&f, method, target, scopes);
    if (v1) f.r.header[h1] = v1;
    if (v2) f.r.header[h2] = v2;
    route_answer(&f.app, &f.r, &f.p);
    int status = f.p.status;
    end(&f);
    return status;
}

static int plain(enum http_method method, const char *target, unsigned scopes)
{
    return status_of(method, target, scopes, HDR_HOST, NULL, HDR_HOST, NULL);
}

enum { ALL = (1 << SCOPES) - 1, METHODS = 6 };

static void every_route_has_a_scope_and_a_handler(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        assert_true(routes[i].scope < SCOPES);
        assert_non_null(routes[i].answer);
        assert_true(routes[i].methods != 0);
        assert_int_equal(routes[i].path[0], '/');
        assert_int_equal(!(routes[i].methods & HTTP_GET), !(routes[i].methods & HTTP_HEAD));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(routes[i].path, routes[k].path);
    }
}

/* The path of a row with its wildcards filled in. */
static const char *example_of(const struct route *route, char out[256])
{
    const char *open = strchr(route->path, '{');
    int plain = (int)strcspn(route->path, "{*");
    snprintf(out, 256, "%.*s%s%s", plain, route->path, route->path[plain] ? "job" : "",
             open ? strchr(open, '}') + 1 : "");
    return out;
}

static void without_its_scope_a_route_is_401(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (int m = 0; m < METHODS; m++) {
            enum http_method method = (enum http_method)(1u << m);
            unsigned others = ALL & ~SCOPE_BIT(routes[i].scope);
            char path[256];
            int status = plain(method, example_of(&routes[i], path), others);
            if (!(routes[i].methods & method))
                assert_int_equal(status, 405);
            else if (routes[i].scope == SCOPE_NONE)
                assert_int_not_equal(status, 401);
            else
                assert_int_equal(status, 401);
        }
}

static void with_its_scope_alone_a_route_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (int m = 0; m < METHODS; m++) {
            enum http_method method = (enum http_method)(1u << m);
            if (!(routes[i].methods & method) || routes[i].scope == SCOPE_ADMIN) continue;
            char path[256];
            int status = plain(method, example_of(&routes[i], path), SCOPE_BIT(routes[i].scope));
            if (routes[i].flags & ROUTE_STORE)
                assert_int_equal(status, 503);
            else
                assert_true(status != 401 && status != 403 && status != 405);
        }
}

static void paths_match_exactly(void **state)
{
    static const struct {
        const char *path, *route, *arg;
    } rows[] = {
        {"/api/v1/query",            "/api/v1/query",               NULL },
        {"/api/v1/query/",           NULL,                          NULL },
        {"/API/v1/query",            NULL,                          NULL },
        {"//api/v1/query",           NULL,                          NULL },
        {"/api/v1/./query",          NULL,                          NULL },
        {"/api/v1/label/job/values", "/api/v1/label/{name}/values", "job"},
        {"/api/v1/label//values",    NULL,                          NULL },
        {"/api/v1/label/a/b/values", NULL,                          NULL },
        {"/api/v1/label/values",     NULL,                          NULL },
        {"/ui/host.js",              "/ui/*",                       NULL },
        {"/ui/",                     NULL,                          NULL },
        {"/",                        "/",                           NULL },
        {"",                         NULL,                          NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str arg;
        const struct route *route = route_find(str_of(rows[i].path), &arg);
        if (!rows[i].route) {
            if (route) fail_msg("%s matches %s", rows[i].path, route->path);
            continue;
        }
        assert_non_null(route);
        assert_string_equal(route->path, rows[i].route);
        assert_int_equal(arg.p != NULL, rows[i].arg != NULL);
        if (arg.p) assert_true(str_eq(arg, str_of(rows[i].arg)));
    }
}

static void a_wrong_method_is_405_with_allow(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, HTTP_PUT, "/api/v1/query", ALL);
    route_answer(&f.app, &f.r, &f.p);
    assert_int_equal(f.p.status, 405);
    assert_int_equal(f.p.header_count, 1);
    assert_string_equal(f.p.headers[0].name, "Allow");
    assert_string_equal(f.p.headers[0].value, "GET, HEAD, POST");
    end(&f);
}

static void strangers_hosts_are_refused_on_loopback(void **state)
{
    static const struct {
        const char *host;
        int status;
    } rows[] = {
        {"127.0.0.1:7788",               200},
        {"localhost",                    200},
        {"LOCALHOST:1",                  200},
        {"[::1]:7788",                   200},
        {"192.0.2.7",                    200},
        {"mon.example.org:80",           200},
        {"evil.example",                 403},
        {"localhost.evil.example",       403},
        {"127.0.0.1.nip.io",             403},
        {"",                             403},
        {"[::1",                         403},
        {"mon.example.org.evil.example", 403},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = status_of(HTTP_GET, "/-/healthy", ALL, HDR_HOST, rows[i].host, HDR_HOST, NULL);
        if (status != rows[i].status) fail_msg("%s: %d", rows[i].host, status);
    }
    /* the authority of an absolute target outranks Host */
    assert_int_equal(status_of(HTTP_GET, "http://evil.example/-/healthy", ALL, HDR_HOST,
                               "127.0.0.1", HDR_HOST, NULL),
                     403);
    assert_int_equal(status_of(HTTP_GET, "http://127.0.0.1:1/-/healthy", ALL, HDR_HOST,
                               "evil.example", HDR_HOST, NULL),
                     200);
}

static void other_sites_change_nothing(void **state)
{
    static const struct {
        enum http_method method;
        enum http_header header;
        const char *value;
        int status;
    } rows[] = {
        {HTTP_POST, HDR_ORIGIN,         NULL,                    503},
        {HTTP_POST, HDR_ORIGIN,         "http://127.0.0.1:7788", 503},
        {HTTP_POST, HDR_ORIGIN,         "http://127.0.0.1:9999", 403},
        {HTTP_POST, HDR_ORIGIN,         "http://evil.example",   403},
        {HTTP_POST, HDR_ORIGIN,         "null",                  403},
        {HTTP_POST, HDR_SEC_FETCH_SITE, "same-origin",           503},
        {HTTP_POST, HDR_SEC_FETCH_SITE, "none",                  503},
        {HTTP_POST, HDR_SEC_FETCH_SITE, "same-site",             403},
        {HTTP_POST, HDR_SEC_FETCH_SITE, "cross-site",            403},
    };
    static const char *const targets[] = {"/write", "/-/reload", "/api/v1/query"};
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < COUNT(targets); k++) {
            int status = status_of(rows[i].method, targets[k], ALL, HDR_HOST, "127.0.0.1:7788",
                                   rows[i].header, rows[i].value);
            if (status != rows[i].status)
                fail_msg("%s %s: %d", targets[k], rows[i].value ? rows[i].value : "-", status);
        }
}

static void our_own_endpoints_refuse_unknown_parameters(void **state)
{
    struct fixture f;
    struct str arg;
    const struct route *own = route_find(STR("/api/v1/query_batch"), &arg);
    (void)state;
    assert_non_null(own);
    assert_true(own->flags & ROUTE_STRICT);
    begin(&f, HTTP_POST, "/api/v1/query_batch?stepp=1", ALL);
    __atomic_store_n(&f.app.ready, 1, __ATOMIC_RELEASE);
    route_answer(&f.app, &f.r, &f.p);
    assert_int_equal(f.p.status, 400);
    assert_non_null(strstr(f.p.body.p, "unknown parameter \\\"stepp\\\""));
    end(&f);
    begin(&f, HTTP_GET, "/api/v1/format_query?query=1&nonsense=1", ALL);
    route_answer(&f.app, &f.r, &f.p);
    assert_int_equal(f.p.status, 200);
    end(&f);
}

static void a_refused_write_has_influx_shape(void **state)
{
    static const struct {
        const char *path, *body;
    } rows[] = {
        {"/write",        "{\"error\":\"the body is larger than 5 bytes\"}"                },
        {"/api/v2/write",
         "{\"code\":\"request too large\",\"message\":\"the body is larger than 5 bytes\"}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        begin(&f, HTTP_POST, rows[i].path, ALL);
        struct http_handler h = route_handler(&f.app);
        response_error(&f.p, 413, "bad_data", "the body is larger than %d bytes", 5);
        h.refused(h.arg, &f.r, &f.p);
        assert_string_equal(f.p.body.p, rows[i].body);
        end(&f);
    }
}

static void traversal_finds_nothing(void **state)
{
    static const char *const pieces[] = {"..",     "%2e%2e",     "%252e%252e", ".",
                                         "//",     "\\..",       "%5c..",      "..%2f",
                                         "%c0%ae", "etc/passwd", "ui"};
    (void)state;
    for (size_t a = 0; a < COUNT(pieces); a++)
        for (size_t b = 0; b < COUNT(pieces); b++)
            for (size_t c = 0; c < COUNT(pieces); c++) {
                struct buf target = BUF_INIT(1024);
                buf_addf(&target, "/ui/%s/%s/%s", pieces[a], pieces[b], pieces[c]);
                assert_int_equal(plain(HTTP_GET, target.p, ALL), 404);
                buf_release(&target);
            }
}

static void influx_routes_have_influx_errors(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, HTTP_POST, "/write", 0);
    route_answer(&f.app, &f.r, &f.p);
    assert_non_null(strstr(f.p.body.p, "{\"error\":\"needs the scope write"));
    end(&f);
    begin(&f, HTTP_POST, "/api/v2/write", ALL);
    route_answer(&f.app, &f.r, &f.p);
    assert_string_equal(
        f.p.body.p,
        "{\"code\":\"unavailable\",\"message\":\"starting: the store is being opened\"}");
    end(&f);
}

static void count_into(void *arg, const char *path, int status, uint64_t count)
{
    uint64_t *sum = arg;
    if (strcmp(path, "/-/healthy") == 0 && status == 200) *sum += count;
    if (strcmp(path, "other") == 0 && status == 404) *sum += count * 100;
}

static void answers_are_counted_by_route_and_status(void **state)
{
    struct fixture f;
    uint64_t sum = 0;
    struct errmsg err = {0};
    (void)state;
    begin(&f, HTTP_GET, "/-/healthy", ALL);
    route_answer(&f.app, &f.r, &f.p);
    route_answer(&f.app, &f.r, &f.p);
    assert_int_equal(request_set_target(&f.r, STR("/no/such"), &err), 0);
    route_answer(&f.app, &f.r, &f.p);
    route_counters_visit(f.app.counters, count_into, NULL, &sum);
    assert_int_equal(sum, 102);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_a_scope_and_a_handler),
        cmocka_unit_test(without_its_scope_a_route_is_401),
        cmocka_unit_test(with_its_scope_alone_a_route_answers),
        cmocka_unit_test(paths_match_exactly),
        cmocka_unit_test(a_wrong_method_is_405_with_allow),
        cmocka_unit_test(strangers_hosts_are_refused_on_loopback),
        cmocka_unit_test(other_sites_change_nothing),
        cmocka_unit_test(our_own_endpoints_refuse_unknown_parameters),
        cmocka_unit_test(a_refused_write_has_influx_shape),
        cmocka_unit_test(traversal_finds_nothing),
        cmocka_unit_test(influx_routes_have_influx_errors),
        cmocka_unit_test(answers_are_counted_by_route_and_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
