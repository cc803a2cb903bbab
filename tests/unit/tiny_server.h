/* tiny_server.h -- an HTTP server of one thread on a loopback port, for tests of clients: each path
 * is a behaviour, from proper to hostile.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_TINY_SERVER_H
#define TOCSIN_TESTS_TINY_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TINY_CONNECTIONS = 16, TINY_REQUEST_MAX = 16384 };

struct tiny_server;
/* Answers one request on fd; 0 closes the connection. */
typedef int tiny_serve_fn(struct tiny_server *s, int fd, const char *request);

struct tiny_server {
    int listener, port;
    tiny_serve_fn *serve;
    void *arg; /* of serve */
    pthread_t thread;
    _Atomic int stop;
    _Atomic int requests, connections;
    _Atomic int phase; /* of /phased: 0 has two series, 1 has one, 2 answers 500 */
    pthread_mutex_t lock;
    char last_request[TINY_REQUEST_MAX];
};

static inline void tiny_answer(int fd, const char *status, const char *type, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status, type,
                     strlen(body));
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) < 0) return;
    (void)!send(fd, body, strlen(body), MSG_NOSIGNAL);
}

/* A gigabyte, as far as the peer takes it. */
static inline void tiny_flood(int fd)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 1073741824\r\n\r\n";
    static const char block[16384] = {'#'};
    if (send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0) return;
    for (int i = 0; i < 65536; i++)
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0) return;
}

/* False: close the connection. */
static inline int tiny_serve(struct tiny_server *s, int fd, const char *request)
{
    static const char text[] = "text/plain; version=0.0.4";
    static const char *const phased[] = {"a 1\nb 1\n", "a 1\n"};
    int phase = atomic_load(&s->phase);
    if (strncmp(request, "GET /ok", 7) == 0) {
        tiny_answer(fd, "200 OK", text, "# TYPE a gauge\na 1\nb{x=\"y\"} 2\n");
    } else if (strncmp(request, "GET /phased", 11) == 0) {
        if (phase < 2)
            tiny_answer(fd, "200 OK", text, phased[phase]);
        else
            tiny_answer(fd, "500 Oops", text, "no");
    } else if (strncmp(request, "GET /auth", 9) == 0) {
        int good = strstr(request, "Authorization: Bearer s3cret\r\n") != NULL;
        tiny_answer(fd, good ? "200 OK" : "401 No", text, "a 1\n");
    } else if (strncmp(request, "GET /openmetrics", 16) == 0) {
        tiny_answer(fd, "200 OK", "application/openmetrics-text; version=1.0.0", "a 1\n# EOF\n");
    } else if (strncmp(request, "GET /garbage", 12) == 0) {
        tiny_answer(fd, "200 OK", "text/html", "<html><body>no metrics</body></html>\n");
    } else if (strncmp(request, "GET /cut", 8) == 0) {
        static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na 1\nb";
        (void)!send(fd, cut, sizeof cut - 1, MSG_NOSIGNAL);
        return 0;
    } else if (strncmp(request, "GET /flood", 10) == 0) {
        tiny_flood(fd);
        return 0;
    } else if (strncmp(request, "GET /hang", 9) != 0) {
        tiny_answer(fd, "404 Not Found", text, "");
    }
    return 1;
}

/* Whether head and declared body are there. */
static int tiny_whole(const char *request, size_t len)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
    if (!end) return 0;
    size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return len - (size_t)(end + 4 - request) >= body;
}

/* One readable connection: requests are small and come without long breaks. */
static int tiny_read(struct tiny_server *s, int fd)
{
    char request[TINY_REQUEST_MAX];
    size_t len = 0;
    do {
        ssize_t n = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (n <= 0) return 0;
        len += (size_t)n;
        request[len] = '\0';
    } while (!tiny_whole(request, len));
    pthread_mutex_lock(&s->lock);
    memcpy(s->last_request, request, len + 1);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->requests, 1);
    return s->serve(s, fd, request);
}

static void *tiny_run(void *arg)
{
    struct tiny_server *s = arg;
    struct pollfd fds[TINY_CONNECTIONS + 1] = {
        {.fd = s->listener, .events = POLLIN}
    };
    nfds_t count = 1;
    while (!atomic_load(&s->stop)) {
        if (poll(fds, count, 20) <= 0) continue;
        for (nfds_t i = count; i-- > 1;) {
            if (!fds[i].revents || tiny_read(s, fds[i].fd)) continue;
            close(fds[i].fd);
            fds[i] = fds[--count];
        }
        if (!fds[0].revents || count > TINY_CONNECTIONS) continue;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) continue;
        atomic_fetch_add(&s->connections, 1);
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    while (count > 1)
        close(fds[--count].fd);
    return NULL;
}

static int tiny_start_with(struct tiny_server *s, tiny_serve_fn *serve, void *arg)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (struct tiny_server){
        .listener = socket(AF_INET, SOCK_STREAM, 0), .serve = serve, .arg = arg};
    pthread_mutex_init(&s->lock, NULL);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, len) < 0) return -1;
    if (listen(s->listener, 64) < 0) return -1;
    if (getsockname(s->listener, (struct sockaddr *)&a, &len) < 0) return -1;
    s->port = ntohs(a.sin_port);
    return pthread_create(&s->thread, NULL, tiny_run, s);
}

static inline int tiny_start(struct tiny_server *s)
{
    return tiny_start_with(s, tiny_serve, NULL);
}

static void tiny_stop(struct tiny_server *s)
{
    atomic_store(&s->stop, 1);
    pthread_join(s->thread, NULL);
    close(s->listener);
    pthread_mutex_destroy(&s->lock);
}

#endif
