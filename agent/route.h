/* route.h -- the table of routes: method, path, scope, where it runs, handler, documentation.
 *
 * A path is matched exactly after one decode; {name} stands for one segment and a final * for the
 * rest. What is not in the table is 404, a method that is not in the row is 405 with Allow.
 *
 * A new endpoint is one row in agent/route_table.c (and its parameters above the table). The row is
 * also what docs/HTTP.md and /api/v1/openapi.yaml are made of: after a change,
 * `build/tests/unit/test_http_doc update` rewrites the part of docs/HTTP.md between its two marks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_ROUTE_H
#define TOCSIN_AGENT_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/http.h"

struct app;

/* What a caller must be allowed to do. */
enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_WRITE, SCOPE_ALERTS, SCOPE_SCALE, SCOPE_ADMIN, SCOPES };
#define SCOPE_BIT(s) (1u << (s))
extern const char *const scope_names[SCOPES];

enum route_flag {
    ROUTE_FORM = 1 << 0,   /* a form body's parameters are merged with the query string's */
    ROUTE_BODY = 1 << 1,   /* takes a body up to limits.body_bytes, decoded for the handler */
    ROUTE_STORE = 1 << 2,  /* 503 until the store is open */
    ROUTE_INFLUX = 1 << 3, /* errors in InfluxDB's shape */
    ROUTE_STRICT = 1 << 4, /* our own: parameters that are not in the row are refused */
    ROUTE_RAW = 1 << 5,    /* the body as sent: the handler undoes its coding */
};

/* How a parameter's value is written. */
enum param_type {
    PARAM_TEXT,
    PARAM_EXPR,     /* a PromQL expression */
    PARAM_SELECTOR, /* a PromQL series selector */
    PARAM_TIME,     /* RFC 3339 or float seconds */
    PARAM_DURATION, /* 5m or float seconds */
    PARAM_NUMBER,   /* an integer */
    PARAM_BOOL,
    PARAM_TYPES,
};
extern const char *const param_type_names[PARAM_TYPES];

struct route_param {
    const char *name; /* one that ends in [] may be repeated */
    enum param_type type;
    bool required;
    const char *text; /* a phrase, without a full stop */
};

/* The chapters of the documentation. */
enum route_group {
    GROUP_PROMETHEUS,
    GROUP_INFLUX,
    GROUP_ALERTMANAGER,
    GROUP_OWN,
    GROUP_PROCESS, /* health, reload, own metrics, pages */
    ROUTE_GROUPS,
};
extern const char *const route_group_names[ROUTE_GROUPS];

typedef void route_fn(struct app *a, struct request *r, struct response *p);

struct route {
    unsigned methods; /* bits of enum http_method; GET includes HEAD */
    const char *path;
    enum scope scope;
    enum http_pool pool;
    unsigned flags;
    route_fn *answer;
    enum route_group group;
    const char *purpose; /* one sentence */
    const struct route_param *params;
    size_t param_count;
    const char *body_type; /* media types of a ROUTE_BODY's body */
    const char *sends;     /* media type of the answer; NULL: JSON */
};
extern const struct route routes[];
extern const size_t route_count;

/* The route of a path and what {name} stands for; NULL: none. */
const struct route *route_find(struct str path, struct str *arg);
/* "GET, HEAD, POST" into out (64 bytes). */
void route_allow(const struct route *route, char out[64]);

/* The server's handler: plan, answer, refused over a struct app. */
struct http_handler route_handler(struct app *a);
void route_answer(void *app, struct request *r, struct response *p);

/* Requests answered, by route and status. */
enum { ROUTE_CODES = 16 };
struct route_counters;
int route_counters_new(struct route_counters **out) MUST_CHECK;
void route_counters_free(struct route_counters *c);
typedef void route_count_fn(void *arg, const char *path, int status, uint64_t count);
typedef void route_time_fn(void *arg, const char *path, uint64_t count, double seconds);
void route_counters_visit(const struct route_counters *c, route_count_fn *each,
                          route_time_fn *each_time, void *arg);

#endif
