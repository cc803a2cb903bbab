/* httpc.h -- the HTTP client: libcurl's multi interface behind one file (httpc.c).
 *
 * An httpc belongs to one thread, which calls httpc_run with a deadline; requests are started from
 * that thread (or from a callback) and their callbacks run on it. Connections are kept and shared
 * per httpc. No redirects. Unix sockets through request.unix_socket.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_HTTPC_H
#define TOCSIN_CORE_HTTPC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/env.h"
#include "core/err.h"
#include "core/str.h"

struct httpc;

/* PEM files; "" or NULL: none. With ca_file only its certificates are trusted, not the system's.
 * server_name is asked for (SNI) and verified instead of the URL's host; the connection still goes
 * to that host, and the Host header names it. */
struct httpc_tls {
    const char *ca_file, *cert_file, *key_file, *server_name;
    bool insecure_skip_verify;
};

struct httpc_request {
    const char *method;         /* "GET", "POST", ... */
    const char *url;            /* http:// or https:// only */
    const char *unix_socket;    /* NULL, or the path to connect to */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;            /* copied */
    int64_t timeout_ms;         /* whole request */
    size_t max_body;            /* of the answer, decoded: more ends in E_TOO_BIG */
    bool accept_gzip;
    const char *username, *password; /* basic authentication; NULL for none */
    const char *proxy_url;           /* NULL: none */
    const struct httpc_tls *tls;     /* NULL: system defaults */
};

struct httpc_response {
    int rc;          /* 0, or E_TIMEOUT, E_TOO_BIG, E_UNAVAILABLE (connection failed), ... */
    int status;      /* HTTP status; 0 when none came. With rc < 0 the body is not whole. */
    struct str body; /* borrowed, until the callback returns */
    const char *content_type; /* "" when absent */
    int64_t retry_after_ms;   /* -1 when the answer has no Retry-After */
    int64_t elapsed_ns;
    char error[256]; /* for people, when rc < 0 */
};

typedef void httpc_done_fn(void *arg, const struct httpc_response *r);
/* Header lines and pieces of the body as they come, for streams; return non-zero to stop. */
typedef int httpc_data_fn(void *arg, struct str piece);

int httpc_new(struct httpc **out, struct env *env) MUST_CHECK;
void httpc_free(struct httpc *h); /* outstanding requests end with E_CANCELED */
/* Starts a request; done is called exactly once, from httpc_run, unless this fails. on_data may be
 * NULL: the body is then collected for done. *id names it for httpc_cancel; may be NULL. */
int httpc_start(struct httpc *h, const struct httpc_request *r, httpc_data_fn *on_data,
                httpc_done_fn *done, void *arg, uint64_t *id) MUST_CHECK;
void httpc_cancel(struct httpc *h, uint64_t id); /* done is called with E_CANCELED */
/* Drives everything until the monotonic deadline, or until httpc_wake, or until some callback has
 * run and nothing is in flight. Returns the number of callbacks that ran, or < 0. */
int httpc_run(struct httpc *h, int64_t deadline_mono_ns) MUST_CHECK;
void httpc_wake(struct httpc *h); /* from any thread */
size_t httpc_in_flight(const struct httpc *h);
/* One blocking request with its own httpc: for the command line. body is appended to. */
int httpc_fetch(struct env *env, const struct httpc_request *r, struct buf *body, int *status,
                struct errmsg *err) MUST_CHECK;

#endif
