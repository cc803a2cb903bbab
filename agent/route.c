/* route.c -- finding a route, and what happens before its handler runs. The table is in
 * route_table.c.
 *
 * The order of checks: path (404), method (405), Host (403), cross-site (403), scope (401), store
 * (503), body (413, 415, 400), parameters of a strict route (400). Only then does a handler see the
 * request. Paths that are not in the table do not exist; nothing here reaches the file system.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/route.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "agent/api.h"
#include "agent/app.h"
#include "core/log.h"
#include "core/mem.h"

enum { PLAIN_BODY_MAX = 1 << 20, FORM_BODY_MAX = 2 << 20 };

/* --- matching --- */

static bool match(const char *pattern, struct str path, struct str *arg)
{
    struct str want = str_of(pattern);
    const char *open = strchr(pattern, '{');
    if (want.p[want.len - 1] == '*') {
        want.len--;
        return str_starts(path, want) && path.len > want.len;
    }
    if (!open) return str_eq(want, path);
    struct str head = {pattern, (size_t)(open - pattern)}, tail = str_of(strchr(open, '}') + 1);
    if (path.len <= head.len + tail.len || !str_starts(path, head) || !str_ends(path, tail))
        return false;
    *arg = (struct str){path.p + head.len, path.len - head.len - tail.len};
    return memchr(arg->p, '/', arg->len) == NULL;
}

const struct route *route_find(struct str path, struct str *arg)
{
    *arg = (struct str){NULL, 0};
    for (size_t i = 0; i < route_count; i++)
        if (match(routes[i].path, path, arg)) return &routes[i];
    *arg = (struct str){NULL, 0};
    return NULL;
}

void route_allow(const struct route *route, char out[64])
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {
        {HTTP_GET,    "GET"   },
        {HTTP_HEAD,   "HEAD"  },
        {HTTP_POST,   "POST"  },
        {HTTP_PUT,    "PUT"   },
        {HTTP_DELETE, "DELETE"}
    };
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < COUNT(names); i++)
        if (route->methods & names[i].method)
            len += (size_t)snprintf(out + len, 64 - len, "%s%s", len ? ", " : "", names[i].name);
}

/* --- who may --- */

/* The host of "host:port" or "[v6]:port", without brackets. */
static struct str host_of(struct str authority)
{
    if (authority.len && authority.p[0] == '[') {
        const char *close = memchr(authority.p, ']', authority.len);
        if (!close) return (struct str){NULL, 0};
        return (struct str){authority.p + 1, (size_t)(close - authority.p - 1)};
    }
    return str_split(&authority, ':');
}

static bool is_ip_literal(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr scratch;
    if (host.len == 0 || host.len >= sizeof text) return false;
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &scratch) == 1 || inet_pton(AF_INET6, text, &scratch) == 1;
}

/* DNS rebinding turns a stranger's name into 127.0.0.1; an address or one of our names cannot be
 * a stranger's. */
static bool host_is_ours(const struct request *r, const struct app_settings *s)
{
    if (!s->check_host || (!r->authority.p && !r->header[HDR_HOST])) return true;
    struct str host = host_of(r->authority.p ? r->authority : str_of(r->header[HDR_HOST]));
    if (is_ip_literal(host) || str_eq_nocase(host, STR("localhost"))) return true;
    return s->external_host[0] && str_eq_nocase(host, str_of(s->external_host));
}

/* A browser says where a request comes from; other clients send neither header. */
static bool is_cross_site(const struct request *r)
{
    const char *site = r->header[HDR_SEC_FETCH_SITE], *origin = r->header[HDR_ORIGIN];
    if (site) return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    if (!origin) return false;
    struct str host = str_of(r->header[HDR_HOST]);
    const char *authority = strstr(origin, "://");
    if (!authority || !host.p) return true; /* "null" */
    authority += 3;
    return !str_eq_nocase(str_of(authority), host);
}

/* 0, or < 0 with the response filled. */
static int check_access(const struct route *route, const struct request *r,
                        const struct app_settings *s, struct response *p)
{
    char allow[64];
    if (!(route->methods & r->method)) {
        route_allow(route, allow);
        response_error(p, 405, "bad_data", "method not allowed, use %s", allow);
        response_header(p, "Allow", arena_strndup(r->arena, allow, strlen(allow)));
        return -1;
    }
    if (!host_is_ours(r, s)) {
        response_error(p, 403, "forbidden",
                       "the Host header names neither this machine nor http.external_url");
        return -1;
    }
    bool changes = !(r->method & (HTTP_GET | HTTP_HEAD));
    if (changes && is_cross_site(r)) {
        response_error(p, 403, "forbidden", "cross-site requests may not change anything");
        return -1;
    }
    if (route->scope != SCOPE_NONE && !(s->scopes & SCOPE_BIT(route->scope))) {
        response_error(p, 401, "unauthorized", "needs the scope %s, which is not open here",
                       scope_names[route->scope]);
        return -1;
    }
    return 0;
}

/* --- counting --- */

struct route_counters {
    size_t rows;
    struct {
        uint64_t codes[ROUTE_CODES]; /* atomic, by code_list */
        uint64_t count, ns;          /* atomic */
    } v[];                           /* by row; the last: no route */
};

static const int code_list[ROUTE_CODES] = {200, 204, 304, 400, 401, 403, 404, 405,
                                           413, 414, 415, 422, 499, 500, 503, 0};

int route_counters_new(struct route_counters **out)
{
    struct route_counters *c = mem_zalloc(sizeof *c + (route_count + 1) * sizeof c->v[0]);
    if (!c) return -ENOMEM;
    c->rows = route_count;
    *out = c;
    return 0;
}

void route_counters_free(struct route_counters *c)
{
    mem_free(c);
}

static void count_answer(struct route_counters *c, const struct route *route, int status,
                         int64_t ns)
{
    if (!c) return;
    size_t i = route ? (size_t)(route - routes) : c->rows, code = 0;
    while (code < ROUTE_CODES - 1 && code_list[code] != status)
        code++;
    __atomic_add_fetch(&c->v[i].codes[code], 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->v[i].count, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->v[i].ns, (uint64_t)MAX(ns, 0), __ATOMIC_RELAXED);
}

void route_counters_visit(const struct route_counters *c, route_count_fn *each,
                          route_time_fn *each_time, void *arg)
{
    for (size_t i = 0; i <= c->rows; i++) {
        const char *path = i < c->rows ? routes[i].path : "other";
        for (size_t k = 0; k < ROUTE_CODES; k++) {
            uint64_t n = __atomic_load_n(&c->v[i].codes[k], __ATOMIC_RELAXED);
            if (n && each) each(arg, path, code_list[k], n);
        }
        uint64_t count = __atomic_load_n(&c->v[i].count, __ATOMIC_RELAXED);
        uint64_t ns = __atomic_load_n(&c->v[i].ns, __ATOMIC_RELAXED);
        if (count && each_time) each_time(arg, path, count, (double)ns / 1e9);
    }
}

/* --- the handler --- */

static void plan(void *arg, const struct request *r, struct http_plan *out)
{
    struct app *a = arg;
    struct app_settings s;
    struct str path_arg;
    const struct route *route = route_find(r->path, &path_arg);
    *out = (struct http_plan){.pool = HTTP_LOOP, .max_body = PLAIN_BODY_MAX};
    if (!route || !(route->methods & r->method)) return;
    app_settings(a, &s);
    if (route->flags & ROUTE_FORM) out->max_body = MIN((size_t)FORM_BODY_MAX, s.body_bytes);
    if (route->flags & ROUTE_BODY) out->max_body = s.body_bytes;
    if (!(route->flags & ROUTE_STORE) || app_ready(a)) out->pool = route->pool;
}

/* Decodes the body and merges a form. 0, or < 0 with the response filled. */
static int read_body(const struct route *route, struct request *r, const struct app_settings *s,
                     struct buf *decoded, struct response *p)
{
    struct errmsg err = {0};
    if (!(route->flags & (ROUTE_FORM | ROUTE_BODY)) || r->body.len == 0) return 0;
    if (route->flags & ROUTE_RAW) return 0;
    int rc = request_decode_body(r, decoded, &r->body);
    if (rc == E_UNSUPPORTED) {
        response_error(p, 415, "bad_data", "Content-Encoding must be gzip, deflate or identity");
    } else if (rc == E_TOO_BIG) {
        response_error(p, 413, "bad_data",
                       "the decoded body is larger than %zu bytes, or compressed too well",
                       s->decoded_bytes);
    } else if (rc == -ENOMEM) {
        response_fail(p, "unavailable", "out of memory");
        response_header(p, "Retry-After", "5");
    } else if (rc < 0) {
        response_fail(p, "bad_data", "the body is not what Content-Encoding says");
    }
    if (rc < 0) return rc;
    if (!(route->flags & ROUTE_FORM) || r->method != HTTP_POST) return 0;
    if (r->header[HDR_CONTENT_TYPE] && !request_is_type(r, "application/x-www-form-urlencoded"))
        return 0;
    rc = request_add_form(r, r->body, &err);
    if (rc < 0) response_fail(p, "bad_data", "%s", err.text);
    return rc;
}

enum { PARAMS_MAX = 32 };

/* What a misspelt parameter of a strict route may have been meant to be; NULL: no idea. */
static const char *nearest_param(const struct route *route, struct str name)
{
    const char *names[PARAMS_MAX];
    size_t count = MIN(route->param_count, (size_t)PARAMS_MAX);
    for (size_t i = 0; i < count; i++)
        names[i] = route->params[i].name;
    return str_nearest(name, names, count);
}

static bool has_param(const struct route *route, struct str name)
{
    for (size_t i = 0; i < route->param_count; i++)
        if (str_eq(name, str_of(route->params[i].name))) return true;
    return false;
}

/* 0, or < 0 with the response filled. */
static int check_params(const struct route *route, const struct request *r, struct response *p)
{
    if (!(route->flags & ROUTE_STRICT)) return 0;
    for (size_t i = 0; i < r->param_count; i++) {
        struct errmsg err = {0};
        struct str name = r->params[i].name;
        if (has_param(route, name)) continue;
        const char *near = nearest_param(route, name);
        errmsg_set(&err, E_INVALID, "unknown parameter \"%.*s\"", (int)MIN(name.len, 100), name.p);
        if (near) errmsg_hint(&err, "did you mean \"%s\"?", near);
        response_problem(p, "bad_data", &err);
        return -1;
    }
    return 0;
}

static void answer_route(struct app *a, const struct route *route, struct request *r,
                         struct response *p)
{
    struct app_settings s;
    app_settings(a, &s);
    struct buf decoded = BUF_INIT(s.decoded_bytes);
    if (check_access(route, r, &s, p) < 0) return;
    if ((route->flags & ROUTE_STORE) && !app_ready(a)) {
        response_fail(p, "unavailable", "starting: the store is being opened");
        response_header(p, "Retry-After", "1");
        return;
    }
    if (read_body(route, r, &s, &decoded, p) == 0 && check_params(route, r, p) == 0)
        route->answer(a, r, p);
    buf_release(&decoded);
}

/* How InfluxDB 2 calls a status. */
static const char *influx_code(int status)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {401, "unauthorized"          },
        {403, "forbidden"             },
        {404, "not found"             },
        {405, "method not allowed"    },
        {413, "request too large"     },
        {415, "unsupported media type"},
        {500, "internal error"        },
        {503, "unavailable"           },
    };
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].status == status) return codes[i].code;
    return "invalid";
}

/* InfluxDB's clients read {"error": ...} on its routes, of version 2 {"code": ..., "message": ...}.
 */
static void influx_shape(const struct route *route, struct request *r, struct response *p)
{
    static const char key[] = "\"error\":";
    if (!route || !(route->flags & ROUTE_INFLUX)) return;
    const char *at = p->status >= 400 && p->body.p ? strstr(p->body.p, key) : NULL;
    if (!at) return;
    const char *text = arena_strndup(r->arena, at + sizeof key - 1, strlen(at + sizeof key - 1));
    if (!text) return;
    buf_reset(&p->body);
    if (str_eq(r->path, STR("/api/v2/write")))
        buf_addf(&p->body, "{\"code\":\"%s\",\"message\":%s", influx_code(p->status), text);
    else
        buf_addf(&p->body, "{\"error\":%s", text);
}

void route_answer(void *app, struct request *r, struct response *p)
{
    struct app *a = app;
    const struct route *route = route_find(r->path, &r->path_arg);
    if (route)
        answer_route(a, route, r, p);
    else
        response_fail(p, "not_found", "no such path");
    influx_shape(route, r, p);
    int64_t ns = env_mono_ns(a->env) - r->start_mono_ns;
    count_answer(a->counters, route, p->status, ns);
    log_debug("request", "path=\"%s\" status=%d ms=%lld id=%s", r->path.p, p->status,
              (long long)(ns / 1000000), r->id);
}

static void refused(void *arg, struct request *r, struct response *p)
{
    struct app *a = arg;
    struct str path_arg;
    const struct route *route = route_find(r->path, &path_arg);
    influx_shape(route, r, p);
    count_answer(a->counters, route, p->status, env_mono_ns(a->env) - r->start_mono_ns);
}

struct http_handler route_handler(struct app *a)
{
    return (struct http_handler){
        .arg = a, .plan = plan, .answer = route_answer, .refused = refused};
}
