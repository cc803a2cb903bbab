/* http.h -- the HTTP server: libmicrohttpd behind one file (http.c).
 *
 * Requests arrive on a few loop threads. The handler first plans a request by its headers (how much
 * body, which pool), then answers it: on the loop thread when the plan says so, else on a worker of
 * the planned pool while the connection is suspended. The handler knows routes, this file knows
 * sockets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_HTTP_H
#define TOCSIN_AGENT_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/conns.h"
#include "agent/pool.h"
#include "agent/request.h"
#include "core/env.h"

/* Where an answer is made. A handler on HTTP_LOOP must not block. */
enum http_pool {
    HTTP_LOOP,
    HTTP_STATUS, /* takes locks of other parts for a moment */
    HTTP_QUERY,  /* reads the store; cancelled when the client goes */
    HTTP_WRITE,  /* waits for the disk */
    HTTP_POOLS,
};

struct http_plan {
    enum http_pool pool;
    size_t max_body; /* bytes on the wire; more is 413 */
};

struct http_handler {
    void *arg;
    /* Called when the headers are complete, on a loop thread. */
    void (*plan)(void *arg, const struct request *r, struct http_plan *out);
    /* Called when the body is complete. */
    void (*answer)(void *arg, struct request *r, struct response *p);
    /* The planned pool is full, or the body too big: p already says so, and may be reshaped. */
    void (*refused)(void *arg, struct request *r, struct response *p);
};

struct http_options {
    const char *listen;          /* "127.0.0.1:7788", "[::1]:0", "localhost:7788", ":7788" */
    size_t max_connections;      /* 512 */
    size_t max_per_address;      /* 64, outside loopback */
    size_t loop_threads;         /* 2 */
    int64_t header_timeout_ms;   /* 10 s */
    int64_t rate_window_ms;      /* 10 s */
    uint64_t min_bytes_a_second; /* 1 KiB */
    int64_t idle_timeout_ms;     /* 75 s */
    size_t max_response;         /* 256 MiB */
    struct {
        size_t threads, queue;
    } pools[HTTP_POOLS]; /* of HTTP_LOOP: unused */
};

void http_options_default(struct http_options *o);

struct http_server;

/* Binds and listens; E_EXISTS when the port is in use. o is copied, o->listen borrowed for the
 * call; handler is copied. */
int http_server_new(struct http_server **out, const struct http_options *o,
                    const struct http_handler *handler, struct env *env,
                    struct errmsg *err) MUST_CHECK;
/* Stops accepting, lets what is in work end until grace_ms have passed, then cancels it. No handler
 * runs after this; statistics can still be read. s may be NULL. */
void http_server_stop(struct http_server *s, int64_t grace_ms);
void http_server_free(struct http_server *s); /* stops first, if nobody has */

/* "127.0.0.1:43210": the address really bound. */
const char *http_server_address(const struct http_server *s);
bool http_server_is_loopback(const struct http_server *s);

struct http_stats {
    struct conns_stats conns;
    uint64_t requests, refused; /* refused: pool full */
    struct pool_stats pools[HTTP_POOLS];
};
void http_server_stats(struct http_server *s, struct http_stats *out);

/* Whether listen names loopback alone; E_INVALID with a message when it is no address. */
int http_listen_check(const char *listen, bool *loopback, struct errmsg *err) MUST_CHECK;

#endif
