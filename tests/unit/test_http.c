/* test_http.c -- the HTTP server over real sockets, with a handler of the test's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000, TEXT_MAX = 1 << 16 };

struct fixture {
    struct http_server *server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int working, cancelled, refused;
    bool release;
};

/* /slow runs until its client goes or the test lets it; /echo answers the body on a pool. */
static void plan(void *arg, const struct request *r, struct http_plan *out)
{
    (void)arg;
    *out = (struct http_plan){.pool = HTTP_LOOP, .max_body = 1000};
    if (str_eq(r->path, STR("/slow"))) out->pool = HTTP_QUERY;
    if (str_eq(r->path, STR("/echo"))) out->pool = HTTP_WRITE;
}

static void slow(struct fixture *f, struct request *r, struct response *p)
{
    pthread_mutex_lock(&f->lock);
    f->working++;
    pthread_cond_broadcast(&f->changed);
    while (!f->release && !__atomic_load_n(r->cancel, __ATOMIC_ACQUIRE)) {
        pthread_mutex_unlock(&f->lock);
        poll(NULL, 0, 1);
        pthread_mutex_lock(&f->lock);
    }
    bool released = f->release;
    if (!released) f->cancelled++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    response_text(p, released ? 200 : 499, "slow");
}

static void answer(void *arg, struct request *r, struct response *p)
{
    struct fixture *f = arg;
    if (str_eq(r->path, STR("/slow"))) {
        slow(f, r, p);
    } else if (str_eq(r->path, STR("/echo"))) {
        p->content_type = "text/plain";
        buf_add(&p->body, r->body.p, r->body.len);
    } else if (str_eq(r->path, STR("/big"))) {
        p->content_type = "text/plain";
        for (int i = 0; i < 5000; i++)
            buf_addstr(&p->body, "all work and no play\n");
    } else {
        response_text(p, 200, "hello");
    }
}

static void refused(void *arg, struct request *r, struct response *p)
{
    struct fixture *f = arg;
    (void)r;
    (void)p;
    __atomic_add_fetch(&f->refused, 1, __ATOMIC_RELAXED);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_options o;
    struct errmsg err = {0};
    http_options_default(&o);
    o.listen = "127.0.0.1:0";
    o.pools[HTTP_QUERY].threads = 1;
    o.pools[HTTP_QUERY].queue = 1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    struct http_handler h = {.arg = f, .plan = plan, .answer = answer, .refused = refused};
    assert_int_equal(http_server_new(&f->server, &o, &h, env_system(), &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pthread_mutex_lock(&f->lock);
    f->release = true;
    pthread_mutex_unlock(&f->lock);
    http_server_stop(f->server, 1000);
    http_server_free(f->server);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    const char *address = http_server_address(f->server);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port =
                                 htons((uint16_t)strtol(strchr(address, ':') + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads one response (with Content-Length) into out; returns its length, 0 at the end. */
static size_t hear(int fd, char *out)
{
    size_t len = 0, want = TEXT_MAX;
    while (len < want) {
        ssize_t n = recv(fd, out + len, TEXT_MAX - 1 - len, 0);
        if (n <= 0) break;
        len += (size_t)n;
        out[len] = '\0';
        const char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "Content-Length: ");
        if (end && length && length < end)
            want = (size_t)(end + 4 - out) + (size_t)strtol(length + 16, NULL, 10);
        else if (end)
            want = (size_t)(end + 4 - out);
    }
    out[len] = '\0';
    return len;
}

static void a_request_gets_its_answer(void **state)
{
    char text[TEXT_MAX];
    int fd = dial(*state);
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n");
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 200 "));
    assert_non_null(strstr(text, "X-Request-Id: abc-1\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    close(fd);
}

static void a_connection_serves_many_requests(void **state)
{
    char text[TEXT_MAX];
    int fd = dial(*state);
    for (int i = 0; i < 50; i++) {
        say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping");
        assert_true(hear(fd, text) > 0);
        assert_non_null(strstr(text, "\r\n\r\nping"));
        say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(hear(fd, text) > 0);
        assert_non_null(strstr(text, "hello"));
    }
    close(fd);
}

static void a_long_answer_is_compressed_for_who_takes_it(void **state)
{
    char text[TEXT_MAX];
    int fd = dial(*state);
    say(fd, "GET /big HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    size_t len = hear(fd, text);
    assert_true(len > 0 && len < 20000);
    assert_non_null(strstr(text, "Content-Encoding: gzip\r\n"));
    assert_non_null(strstr(text, "Vary: Accept-Encoding\r\n"));
    close(fd);
}

static void a_body_over_the_limit_is_413_and_the_connection_lives(void **state)
{
    char text[TEXT_MAX], body[2001];
    int fd = dial(*state);
    memset(body, 'x', 2000);
    body[2000] = '\0';
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    say(fd, body);
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    assert_non_null(strstr(text, "\"errorType\":\"bad_data\""));
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "hello"));
    close(fd);
}

static void a_chunked_body_over_the_limit_is_413(void **state)
{
    char text[TEXT_MAX], body[2001];
    struct fixture *f = *state;
    int fd = dial(f);
    memset(body, 'x', 2000);
    body[2000] = '\0';
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
    say(fd, body);
    say(fd, "\r\n0\r\n\r\n");
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    assert_int_equal(__atomic_load_n(&f->refused, __ATOMIC_RELAXED), 1);
    close(fd);
}

static void a_declared_body_far_over_the_limit_is_answered_at_once(void **state)
{
    char text[TEXT_MAX];
    int fd = dial(*state);
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    close(fd);
}

static void a_bad_escape_is_400(void **state)
{
    char text[TEXT_MAX];
    int fd = dial(*state);
    say(fd, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(fd, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 400 "));
    close(fd);
}

/* Sends "GET /" followed by target bytes and headers, and returns the status of the answer. */
static int status_of_head(struct fixture *f, const struct buf *target, const char *headers,
                          char *text)
{
    struct buf head = BUF_INIT(1 << 20);
    int fd = dial(f);
    buf_addstr(&head, "GET /");
    buf_add(&head, target->p, target->len);
    buf_addf(&head, " HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
    say(fd, head.p);
    assert_true(hear(fd, text) > 12);
    close(fd);
    buf_release(&head);
    return (int)strtol(text + 9, NULL, 10);
}

static void long_targets_are_answered(void **state)
{
    static const struct {
        const char *piece;
        size_t bytes;
        int status;
    } rows[] = {
        {"?q=",      20 << 10, 200},
        {"?q=",      64000,    200},
        {"?q=",      66000,    414},
        {"?q=",      100000,   414},
        {"?a=1",     1000 * 4, 200},
        {"?a=1",     1001 * 4, 414},
        {"?query=x", 64 * 8,   200},
    };
    char text[TEXT_MAX];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf target = BUF_INIT(1 << 20);
        buf_addstr(&target, rows[i].piece);
        while (target.len < rows[i].bytes)
            if (strlen(rows[i].piece) == 3)
                buf_addch(&target, 'x');
            else
                buf_addf(&target, "&%s", rows[i].piece + 1);
        int status = status_of_head(*state, &target, "", text);
        if (status != rows[i].status)
            fail_msg("%s, %zu bytes: %d", rows[i].piece, rows[i].bytes, status);
        if (status == 414) assert_non_null(strstr(text, "{\"status\":\"error\""));
        buf_release(&target);
    }
}

static void huge_headers_are_431(void **state)
{
    char text[TEXT_MAX];
    struct buf none = BUF_INIT(1), headers = BUF_INIT(1 << 20);
    for (int i = 0; headers.len < 20 << 10; i++)
        buf_addf(&headers, "X-Header-%d: 0123456789012345678901234567890123456789\r\n", i);
    assert_int_equal(status_of_head(*state, &none, headers.p, text), 431);
    assert_non_null(strstr(text, "{\"status\":\"error\",\"errorType\":\"bad_data\""));
    buf_release(&headers);
}

static void heads_that_contradict_themselves_are_refused(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } rows[] = {
        {"Content-Length: 2\r\nContent-Length: 3",          400},
        {"Content-Length: 3\r\nContent-Length: 2",          400},
        {"Content-Length: 2\r\nTransfer-Encoding: chunked", 400},
        {"Content-Length: 2\r\nContent-Length: 2",          200},
        {"Content-Length: 2\r\nHost: y",                    400},
        {"Content-Length: 2\r\nHost: x",                    200},
        {"Transfer-Encoding: gzip, chunked",                501},
        {"Transfer-Encoding: xchunked",                     501},
    };
    char text[TEXT_MAX], head[256];
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = dial(*state);
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\n%s\r\n\r\nhi",
                 rows[i].headers);
        say(fd, head);
        assert_true(hear(fd, text) > 12);
        int status = (int)strtol(text + 9, NULL, 10);
        if (status != rows[i].status) fail_msg("%s: %d", rows[i].headers, status);
        if (status != 200) {
            assert_non_null(strstr(text, "\"errorType\":\"bad_data\""));
            assert_int_equal(hear(fd, text), 0);
        }
        close(fd);
    }
}

static void wait_for(struct fixture *f, const int *counter, int value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&f->lock);
    while (*counter < value)
        assert_int_equal(pthread_cond_timedwait(&f->changed, &f->lock, &until), 0);
    pthread_mutex_unlock(&f->lock);
}

static void a_client_that_hangs_up_cancels_its_query(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(f, &f->working, 1);
    close(fd);
    wait_for(f, &f->cancelled, 1);
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    char text[TEXT_MAX];
    struct fixture *f = *state;
    int running = dial(f), waiting = dial(f), third = dial(f);
    say(running, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(f, &f->working, 1);
    struct http_stats s = {0};
    say(waiting, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < WAIT_MS && s.pools[HTTP_QUERY].queued == 0; i++) {
        http_server_stats(f->server, &s);
        poll(NULL, 0, 1);
    }
    say(third, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(third, text) > 0);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "Retry-After: 1\r\n"));
    close(running);
    close(waiting);
    close(third);
}

static void a_port_in_use_is_told(void **state)
{
    struct fixture *f = *state;
    struct http_server *second = NULL;
    struct http_options o;
    struct errmsg err = {0};
    struct http_handler h = {.arg = f, .plan = plan, .answer = answer, .refused = refused};
    http_options_default(&o);
    o.listen = http_server_address(f->server);
    assert_int_equal(http_server_new(&second, &o, &h, env_system(), &err), E_EXISTS);
    assert_non_null(strstr(err.text, "Address already in use"));
}

static void listen_addresses(void **state)
{
    static const struct {
        const char *text;
        int rc;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:7788",  0,         true },
        {"127.9.9.9:0",     0,         true },
        {"[::1]:80",        0,         true },
        {"localhost:1",     0,         true },
        {"0.0.0.0:7788",    0,         false},
        {":7788",           0,         false},
        {"[::]:7788",       0,         false},
        {"192.0.2.1:80",    0,         false},
        {"7788",            E_INVALID, false},
        {"127.0.0.1",       E_INVALID, false},
        {"127.0.0.1:",      E_INVALID, false},
        {"127.0.0.1:65536", E_INVALID, false},
        {"127.0.0.1:-1",    E_INVALID, false},
        {"example.org:80",  E_INVALID, false},
        {"",                E_INVALID, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct errmsg err = {0};
        bool loopback = false;
        int rc = http_listen_check(rows[i].text, &loopback, &err);
        if (rc != rows[i].rc || loopback != rows[i].loopback)
            fail_msg("%s: rc %d loopback %d", rows[i].text, rc, loopback);
        assert_int_equal(rc != 0, err.text[0] != '\0');
    }
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SERVED(a_request_gets_its_answer),
        SERVED(a_connection_serves_many_requests),
        SERVED(a_long_answer_is_compressed_for_who_takes_it),
        SERVED(a_body_over_the_limit_is_413_and_the_connection_lives),
        SERVED(a_chunked_body_over_the_limit_is_413),
        SERVED(a_declared_body_far_over_the_limit_is_answered_at_once),
        SERVED(a_bad_escape_is_400),
        SERVED(long_targets_are_answered),
        SERVED(huge_headers_are_431),
        SERVED(heads_that_contradict_themselves_are_refused),
        SERVED(a_client_that_hangs_up_cancels_its_query),
        SERVED(a_full_queue_is_503_with_retry_after),
        SERVED(a_port_in_use_is_told),
        cmocka_unit_test(listen_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
