/* conns.h -- the open connections: who may have one, who is too slow, whose client has gone.
 *
 * libmicrohttpd's own timeout counts silence alone, and it does not look at a connection while its
 * request is being worked on. So one thread here looks at every socket once a second and shuts down
 * those that trickle (slowloris) or do not read, and watches the sockets of requests in work: when
 * the client hangs up, the request's cancel flag is set. Shutting down is all this does to a
 * socket; the server's loop sees the end and closes it.
 *
 * When the table is full, a new connection takes the place of the one that has waited longest
 * without a whole request, so that a crowd of idle or trickling clients cannot lock others out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CONNS_H
#define TOCSIN_AGENT_CONNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/env.h"
#include "core/err.h"

enum conn_state {
    CONN_IDLE, /* between requests, or before the first */
    CONN_HEAD, /* the request line is here */
    CONN_BODY, /* the headers are here */
    CONN_WORK, /* the request is complete */
    CONN_SEND, /* the response is being written */
};

struct conn_limits {
    size_t max_connections;
    size_t max_per_address; /* addresses outside loopback */
    int64_t header_ns;      /* a request's headers must be complete within */
    int64_t window_ns;      /* rates are taken over this */
    uint64_t min_bytes;     /* a body, or a reader of a response, must move this much a window */
};

/* --- the judgement, pure --- */

struct conn_sample {
    enum conn_state state;
    uint32_t turn; /* counts state changes */
    uint64_t bytes_in, bytes_acked;
    uint32_t unsent; /* bytes in the socket's send queue */
};
struct conn_record { /* what the judge remembers of a connection; zeroed at the start */
    uint32_t turn;
    bool seen;
    int64_t head_ns;   /* since when bytes of a request head have been coming; 0: none */
    int64_t window_ns; /* start of the slice being measured */
    unsigned slow_slices;
    uint64_t idle_in, window_in, window_acked;
};
/* Whether the connection is too slow to keep. now_ns only grows. */
bool conn_too_slow(struct conn_record *r, const struct conn_sample *s, const struct conn_limits *l,
                   int64_t now_ns);

/* --- the table --- */

struct conns;
struct conn;

int conns_new(struct conns **out, const struct conn_limits *l, struct env *env) MUST_CHECK;
void conns_free(struct conns *t); /* every connection was closed before */

/* NULL: too many from this address, all others at work (fd is then shut down), or no memory. */
struct conn *conns_open(struct conns *t, int fd, const struct sockaddr *peer);
void conns_close(struct conns *t, struct conn *c); /* before the descriptor is closed */
void conn_enter(struct conn *c, enum conn_state state);
/* From now until conns_unwatch the flag of conn_cancel_flag is set when the client hangs up. */
void conns_watch(struct conns *t, struct conn *c);
void conns_unwatch(struct conns *t, struct conn *c);
const int *conn_cancel_flag(const struct conn *c);
/* Sets the cancel flag of everything in work (at shutdown). */
void conns_cancel_all(struct conns *t);

struct conns_stats {
    uint64_t open, accepted, refused, reaped, evicted, hangups;
};
void conns_stats(struct conns *t, struct conns_stats *out);

#endif
