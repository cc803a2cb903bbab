/* http.c -- HTTP served by libmicrohttpd, the one file that includes microhttpd.h.
 *
 * The life of a request ("exchange"):
 *
 *     on_target     the request line is here: the exchange begins
 *     on_request    first call, headers: plan it (never answer here: that would drop keep-alive)
 *     on_request    body pieces, collected up to the plan's limit
 *     on_request    the end: answer now, or suspend the connection and hand it to a pool
 *     run_job       (pool thread) answer, compress, resume the connection
 *     on_request    called again after the resume: queue the response
 *     on_completed  the exchange ends, however it went
 *
 * An exchange belongs to its loop thread, except between suspend and resume, when it belongs to the
 * pool's. A declared body far over the limit is answered at the first call, at the price of the
 * connection; one only a little over is read and thrown away, so that the client sees the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

/* libmicrohttpd keeps a request's head in one piece of memory for each connection: the target, a
 * record of 56 bytes for each parameter (which we read ourselves), the headers, and later the head
 * of the answer. What does not fit it refuses in HTML; so there is room for a bit more than we
 * take, and the refusal is ours. A connection that is kept after its first request holds all of it.
 */
enum {
    TARGET_MAX = 64 << 10,
    HEADERS_MAX = 16 << 10,
    CONNECTION_MEMORY = TARGET_MAX + HEADERS_MAX + REQUEST_PARAMS_MAX * 56 + (8 << 10),
};

enum {
    LOOP_STACK_BYTES = 256 << 10,
    EXCHANGE_ARENA_MAX = 8 << 20,
    DRAIN_MAX = 64 << 20,
    ADDRESS_MAX = 128,
    BACKLOG = 512,
    HEADROOM = 128, /* connections that are ending while others take their place */
    POLL_NS = 5000000,
    FLUSH_NS = 200000000, /* for responses being written, at the end */
    QUERY_NICE = 5,       /* queries step back behind those who bring data and evaluate rules */
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_options options;
    struct http_handler handler;
    struct env *env;
    struct conns *conns;
    struct pool *pools[HTTP_POOLS];
    uint64_t requests, refused; /* atomic */
    int64_t in_flight;          /* exchanges begun and not completed; atomic */
    bool loopback;
    char address[ADDRESS_MAX];
};

struct exchange {
    struct pool_job job; /* first: run_job gets back from it */
    struct http_server *server;
    struct MHD_Connection *connection;
    struct conn *conn;
    struct arena arena;
    struct request request;
    struct response response;
    struct http_plan plan;
    struct buf body;
    uint64_t received;
    bool planned, answered, too_big;
};

void http_options_default(struct http_options *o)
{
    *o = (struct http_options){
        .listen = "127.0.0.1:7788",
        .max_connections = 512,
        .max_per_address = 64,
        .loop_threads = 2,
        .header_timeout_ms = 10000,
        .rate_window_ms = 10000,
        .min_bytes_a_second = 1024,
        .idle_timeout_ms = 75000,
        .max_response = (size_t)256 << 20,
        .pools = {[HTTP_STATUS] = {2, 64}, [HTTP_QUERY] = {4, 32}, [HTTP_WRITE] = {16, 256}},
    };
}

/* --- exchanges --- */

static struct exchange *exchange_new(struct http_server *s, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!info || !info->socket_context) return NULL;
    struct exchange *x = mem_zalloc(sizeof *x);
    if (!x) return NULL;
    x->server = s;
    x->connection = connection;
    x->conn = info->socket_context;
    arena_init(&x->arena, EXCHANGE_ARENA_MAX);
    response_init(&x->response, s->options.max_response);
    x->request.arena = &x->arena;
    x->request.start_mono_ns = env_mono_ns(s->env);
    conn_enter(x->conn, CONN_HEAD);
    __atomic_add_fetch(&s->requests, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&s->in_flight, 1, __ATOMIC_RELAXED);
    return x;
}

static void exchange_free(struct exchange *x)
{
    conn_enter(x->conn, CONN_IDLE);
    __atomic_sub_fetch(&x->server->in_flight, 1, __ATOMIC_RELEASE);
    response_release(&x->response);
    buf_release(&x->body);
    arena_release(&x->arena);
    mem_free(x);
}

static void *on_target(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = exchange_new(cls, connection);
    if (!x) return NULL;
    struct errmsg err = {0};
    struct str target = str_of(uri);
    int rc = target.len > TARGET_MAX
                 ? errmsg_set(&err, E_TOO_BIG,
                              "the URL is longer than %d bytes: send a form by POST", TARGET_MAX)
                 : request_set_target(&x->request, target, &err);
    if (rc < 0) {
        x->answered = true;
        response_error(&x->response, rc == E_TOO_BIG ? 414 : 400, "bad_data", "%s", err.text);
    }
    return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    UNUSED(cls);
    UNUSED(connection);
    UNUSED(code);
    if (*context) exchange_free(*context);
    *context = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        conns_close(s->conns, *context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *context = fd ? conns_open(s->conns, fd->connect_fd, peer ? peer->client_addr : NULL) : NULL;
}

/* --- responses --- */

static void free_body(void *p)
{
    mem_free(p);
}

static struct MHD_Response *make_response(struct exchange *x)
{
    struct response *p = &x->response;
    if (p->body.err) {
        int rc = p->body.err;
        response_fail(p, "internal", "the response does not fit: %s", err_text(rc));
    }
    if (p->fixed) {
        void *bytes = (void *)(uintptr_t)p->fixed; /* libmicrohttpd does not write to it */
        return MHD_create_response_from_buffer(p->fixed_len, bytes, MHD_RESPMEM_PERSISTENT);
    }
    if (p->body.len == 0)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    size_t len = p->body.len;
    char *bytes = buf_take(&p->body);
    struct MHD_Response *r =
        MHD_create_response_from_buffer_with_free_callback(len, bytes, free_body);
    if (!r) mem_free(bytes);
    return r;
}

static int add_headers(struct MHD_Response *r, const struct exchange *x)
{
    const struct response *p = &x->response;
    const struct {
        const char *name, *value;
    } common[] = {
        {"Content-Type",           p->content_type                   },
        {"Content-Encoding",       p->encoding                       },
        {"Vary",                   p->vary ? "Accept-Encoding" : NULL},
        {"X-Content-Type-Options", "nosniff"                         },
        {"X-Request-Id",           x->request.id                     },
        {"Connection",             p->close ? "close" : NULL         },
    };
    int ok = MHD_YES;
    for (size_t i = 0; i < COUNT(common); i++)
        if (common[i].value) ok &= MHD_add_response_header(r, common[i].name, common[i].value);
    for (size_t i = 0; i < p->header_count; i++)
        ok &= MHD_add_response_header(r, p->headers[i].name, p->headers[i].value);
    return ok == MHD_YES ? 0 : -ENOMEM;
}

static enum MHD_Result send_response(struct exchange *x)
{
    conn_enter(x->conn, CONN_SEND);
    struct MHD_Response *r = make_response(x);
    if (!r) return MHD_NO;
    enum MHD_Result result = MHD_NO;
    if (add_headers(r, x) == 0)
        result = MHD_queue_response(x->connection, (unsigned)x->response.status, r);
    MHD_destroy_response(r);
    return result;
}

static void refuse(struct exchange *x)
{
    struct http_server *s = x->server;
    x->answered = true;
    s->handler.refused(s->handler.arg, &x->request, &x->response);
}

/* --- requests --- */

static void run_job(struct pool_job *job)
{
    struct exchange *x = (struct exchange *)job;
    struct http_server *s = x->server;
    s->handler.answer(s->handler.arg, &x->request, &x->response);
    response_encode(&x->response, &x->request);
    x->answered = true;
    conns_unwatch(s->conns, x->conn);
    MHD_resume_connection(x->connection);
}

static void too_many(struct exchange *x)
{
    const struct http_options *o = &x->server->options;
    if (x->plan.pool == HTTP_QUERY)
        response_fail(&x->response, "unavailable",
                      "limits.query.concurrency = %zu queries are at work and limits.query.queue = "
                      "%zu wait, try again",
                      o->pools[HTTP_QUERY].threads, o->pools[HTTP_QUERY].queue);
    else
        response_fail(&x->response, "unavailable", "too many requests at once, try again");
}

/* The request is complete. */
static enum MHD_Result answer(struct exchange *x)
{
    struct http_server *s = x->server;
    conn_enter(x->conn, CONN_WORK);
    x->request.body = (struct str){x->body.p ? x->body.p : "", x->body.len};
    if (x->plan.pool == HTTP_LOOP) {
        s->handler.answer(s->handler.arg, &x->request, &x->response);
        response_encode(&x->response, &x->request);
        x->answered = true;
        return send_response(x);
    }
    MHD_suspend_connection(x->connection);
    conns_watch(s->conns, x->conn);
    x->request.cancel = conn_cancel_flag(x->conn);
    x->job.run = run_job;
    if (pool_submit(s->pools[x->plan.pool], &x->job) == 0) return MHD_YES;
    conns_unwatch(s->conns, x->conn);
    __atomic_add_fetch(&s->refused, 1, __ATOMIC_RELAXED);
    too_many(x);
    response_header(&x->response, "Retry-After", "1");
    refuse(x);
    MHD_resume_connection(x->connection);
    return MHD_YES;
}

static void body_too_big(struct exchange *x)
{
    x->too_big = true;
    buf_release(&x->body);
    response_error(&x->response, 413, "bad_data", "the body is larger than %zu bytes",
                   x->plan.max_body);
    refuse(x);
}

/* What the headers say about themselves. */
struct head {
    size_t bytes;
    const char *length, *host, *coding; /* Content-Length, Host, Transfer-Encoding */
    bool two_lengths, two_hosts;
};

/* Keeps a header of which a request may have one; whether this is another one, and different. */
static bool note_single(const char **kept, const char *value)
{
    bool differs = *kept && strcmp(*kept, value) != 0;
    *kept = value;
    return differs;
}

static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct head *h = cls;
    UNUSED(kind);
    if (!value) value = "";
    h->bytes += strlen(name) + strlen(value) + sizeof ": \r\n" - 1;
    if (strcasecmp(name, "Transfer-Encoding") == 0) h->coding = value;
    if (strcasecmp(name, "Content-Length") == 0) h->two_lengths |= note_single(&h->length, value);
    if (strcasecmp(name, "Host") == 0) h->two_hosts |= note_single(&h->host, value);
    return MHD_YES;
}

/* Two lengths are a way to smuggle a request past a proxy (RFC 9112, 6.3), two hosts past a check
 * of one (3.2): refused, and the connection with it. libmicrohttpd knows no transfer coding but
 * chunked and would wait for the end of any other. Whether the head is fit to be read on. */
static bool check_head(struct exchange *x)
{
    struct head h = {0};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, note_header, &h);
    if (h.two_lengths || (h.coding && h.length))
        response_error(&x->response, 400, "bad_data",
                       "the request says its length twice, and not the same");
    else if (h.two_hosts)
        response_error(&x->response, 400, "bad_data", "the request names two hosts");
    else if (h.coding && strcasecmp(h.coding, "chunked") != 0)
        response_error(&x->response, 501, "bad_data",
                       "transfer coding \"%.100s\" is not supported, only chunked", h.coding);
    else if (h.bytes > HEADERS_MAX)
        response_error(&x->response, 431, "bad_data", "the headers are larger than %d bytes",
                       HEADERS_MAX);
    else
        return true;
    x->response.close = true;
    refuse(x);
    return false;
}

/* The first call: headers are complete. */
static enum MHD_Result begin(struct exchange *x, const char *method)
{
    struct http_server *s = x->server;
    struct request *r = &x->request;
    x->planned = true;
    conn_enter(x->conn, CONN_BODY);
    r->method = http_method_of(method);
    for (int i = 0; i < HDR_COUNT; i++)
        r->header[i] =
            MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, http_header_names[i]);
    request_set_id(r, env_random(s->env));
    if (x->answered) return MHD_YES; /* the target was bad */
    s->handler.plan(s->handler.arg, r, &x->plan);
    if (!check_head(x)) return send_response(x);
    uint64_t declared = 0;
    const char *length = r->header[HDR_CONTENT_LENGTH];
    if (length && str_to_u64(str_of(length), &declared) < 0) declared = UINT64_MAX;
    buf_init(&x->body, x->plan.max_body);
    if (declared > x->plan.max_body) {
        body_too_big(x);
        if (declared - x->plan.max_body > DRAIN_MAX) {
            x->response.close = true;
            return send_response(x);
        }
    } else if (declared && buf_reserve(&x->body, declared) < 0) {
        return MHD_NO;
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *p, size_t len)
{
    x->received += len;
    if (x->answered) return x->received > x->plan.max_body + DRAIN_MAX ? MHD_NO : MHD_YES;
    if (buf_add(&x->body, p, len) == 0) return MHD_YES;
    if (x->body.err != E_TOO_BIG) return MHD_NO;
    body_too_big(x);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context)
{
    UNUSED(cls);
    UNUSED(connection);
    UNUSED(url);
    UNUSED(version);
    struct exchange *x = *context;
    if (!x) return MHD_NO; /* no memory at the start */
    if (!x->planned) return begin(x, method);
    if (*data_len) {
        enum MHD_Result result = take_body(x, data, *data_len);
        *data_len = 0;
        return result;
    }
    return x->answered ? send_response(x) : answer(x);
}

/* --- listening --- */

static int split_listen(const char *listen, char host[ADDRESS_MAX], char port[16],
                        struct errmsg *err)
{
    const char *colon = strrchr(listen, ':');
    int64_t number = -1;
    if (!colon || str_to_i64(str_of(colon + 1), &number) < 0 || number < 0 || number > 65535)
        return errmsg_set(err, E_INVALID, "listen address \"%s\" is not HOST:PORT", listen);
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    }
    if (len >= ADDRESS_MAX)
        return errmsg_set(err, E_INVALID, "listen address \"%s\" is too long", listen);
    memcpy(host, listen, len);
    host[len] = '\0';
    snprintf(port, 16, "%d", (int)number);
    return 0;
}

static bool address_is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    }
    if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

/* Resolves without asking DNS servers for anything but "localhost". */
static int resolve(const char *listen, struct sockaddr_storage *out, socklen_t *len,
                   struct errmsg *err)
{
    char host[ADDRESS_MAX] = "", port[16] = "";
    int rc = split_listen(listen, host, port, err);
    if (rc < 0) return rc;
    const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (getaddrinfo(*name ? name : NULL, port, &hints, &list) != 0 || !list)
        return errmsg_set(err, E_INVALID, "listen address \"%s\": \"%s\" is no IP address", listen,
                          host);
    memcpy(out, list->ai_addr, list->ai_addrlen);
    *len = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

int http_listen_check(const char *listen, bool *loopback, struct errmsg *err)
{
    struct sockaddr_storage a = {0};
    socklen_t len = 0;
    int rc = resolve(listen, &a, &len, err);
    if (rc == 0) *loopback = address_is_loopback((const struct sockaddr *)&a);
    return rc;
}

static int note_address(struct http_server *s, int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    char host[64] = "", port[16] = "";
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0) return -errno;
    if (getnameinfo((const struct sockaddr *)&a, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    snprintf(s->address, sizeof s->address, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             port);
    s->loopback = address_is_loopback((const struct sockaddr *)&a);
    return 0;
}

static int open_listener(struct http_server *s, const char *listen_text, int *out,
                         struct errmsg *err)
{
    struct sockaddr_storage a = {0};
    socklen_t len = 0;
    int rc = resolve(listen_text, &a, &len, err);
    if (rc < 0) return rc;
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errmsg_set(err, -errno, "cannot listen on %s: %m", listen_text);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&a, len) < 0 || listen(fd, BACKLOG) < 0) {
        rc = errno == EADDRINUSE ? E_EXISTS : -errno;
        errmsg_set(err, rc, "cannot listen on %s: %m", listen_text);
        if (rc == E_EXISTS)
            errmsg_hint(err, "another tocsin may be running; choose another port with --listen");
        close(fd);
        return rc;
    }
    rc = note_address(s, fd);
    if (rc < 0) close(fd);
    *out = fd;
    return rc;
}

static void log_library(void *cls, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void log_library(void *cls, const char *fmt, va_list ap)
{
    UNUSED(cls);
    char text[256];
    if (!log_enabled(LOG_LEVEL_DEBUG)) return;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    while (n > 0 && (size_t)n < sizeof text && text[n - 1] == '\n')
        text[--n] = '\0';
    log_debug("http", "err=\"%s\"", text);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
    UNUSED(cls);
    UNUSED(connection);
    return strlen(s); /* request.c decodes, once */
}

static int start_daemon(struct http_server *s, int fd, struct errmsg *err)
{
    const struct http_options *o = &s->options;
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_EXTERNAL_LOGGER,         (intptr_t)log_library,                               NULL},
        {MHD_OPTION_LISTEN_SOCKET,           fd,                                                  NULL},
        {MHD_OPTION_CONNECTION_LIMIT,        (intptr_t)(o->max_connections + HEADROOM),           NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,                                   NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT,      (intptr_t)((o->idle_timeout_ms + 999) / 1000),       NULL},
        {MHD_OPTION_THREAD_POOL_SIZE,        o->loop_threads > 1 ? (intptr_t)o->loop_threads : 0, NULL},
        {MHD_OPTION_THREAD_STACK_SIZE,       LOOP_STACK_BYTES,                                    NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT,       1,                                                   NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK,       (intptr_t)keep_escapes,                              NULL},
        {MHD_OPTION_URI_LOG_CALLBACK,        (intptr_t)on_target,                                 s   },
        {MHD_OPTION_NOTIFY_COMPLETED,        (intptr_t)on_completed,                              s   },
        {MHD_OPTION_NOTIFY_CONNECTION,       (intptr_t)on_connection,                             s   },
        {MHD_OPTION_END,                     0,                                                   NULL},
    };
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_ARRAY, items,
                                 MHD_OPTION_END);
    if (s->daemon) return 0;
    return errmsg_set(err, E_UNAVAILABLE, "cannot start the HTTP server on %s", s->address);
}

static int make_pools(struct http_server *s)
{
    static const char *const names[HTTP_POOLS] = {
        [HTTP_STATUS] = "http-status", [HTTP_QUERY] = "http-query", [HTTP_WRITE] = "http-write"};
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++) {
        int rc = pool_new(&s->pools[i], names[i], s->options.pools[i].threads,
                          s->options.pools[i].queue);
        if (rc < 0) return rc;
    }
    pool_set_nice(s->pools[HTTP_QUERY], QUERY_NICE);
    return 0;
}

int http_server_new(struct http_server **out, const struct http_options *o,
                    const struct http_handler *handler, struct env *env, struct errmsg *err)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    if (!s) return errmsg_set(err, -ENOMEM, "out of memory");
    s->options = *o;
    s->handler = *handler;
    s->env = env;
    struct conn_limits limits = {
        .max_connections = o->max_connections,
        .max_per_address = o->max_per_address,
        .header_ns = o->header_timeout_ms * 1000000,
        .window_ns = o->rate_window_ms * 1000000,
        .min_bytes = o->min_bytes_a_second * (uint64_t)o->rate_window_ms / 1000,
    };
    int fd = -1;
    int rc = open_listener(s, o->listen, &fd, err);
    if (rc == 0) rc = make_pools(s);
    if (rc == 0) rc = conns_new(&s->conns, &limits, env);
    if (rc == 0) rc = start_daemon(s, fd, err);
    if (rc < 0) {
        if (fd >= 0) close(fd);
        if (err && !err->text[0]) errmsg_set(err, rc, "cannot serve HTTP: %s", err_text(rc));
        http_server_free(s);
        return rc;
    }
    s->options.listen = s->address;
    *out = s;
    return 0;
}

/* Waits until no exchange is left or the time has come. */
static void wait_idle(struct http_server *s, int64_t until_ns)
{
    while (__atomic_load_n(&s->in_flight, __ATOMIC_ACQUIRE) > 0) {
        int64_t now_ns = env_mono_ns(s->env);
        if (now_ns >= until_ns) return;
        int rc = s->env->time->sleep_until(s->env, MIN(now_ns + POLL_NS, until_ns), NULL);
        if (rc < 0) return;
    }
}

void http_server_stop(struct http_server *s, int64_t grace_ms)
{
    if (!s || !s->daemon) return;
    int listener = MHD_quiesce_daemon(s->daemon);
    wait_idle(s, env_mono_ns(s->env) + grace_ms * 1000000);
    conns_cancel_all(s->conns);
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++)
        pool_stop(s->pools[i]);
    /* nothing is suspended any more: libmicrohttpd insists */
    wait_idle(s, env_mono_ns(s->env) + FLUSH_NS);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    if (listener >= 0) close(listener);
}

void http_server_free(struct http_server *s)
{
    if (!s) return;
    http_server_stop(s, 0);
    for (int i = 0; i < HTTP_POOLS; i++)
        pool_free(s->pools[i]);
    conns_free(s->conns);
    mem_free(s);
}

const char *http_server_address(const struct http_server *s)
{
    return s->address;
}

bool http_server_is_loopback(const struct http_server *s)
{
    return s->loopback;
}

void http_server_stats(struct http_server *s, struct http_stats *out)
{
    *out = (struct http_stats){
        .requests = __atomic_load_n(&s->requests, __ATOMIC_RELAXED),
        .refused = __atomic_load_n(&s->refused, __ATOMIC_RELAXED),
    };
    conns_stats(s->conns, &out->conns);
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++)
        pool_stats(s->pools[i], &out->pools[i]);
}
