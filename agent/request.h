/* request.h -- a parsed HTTP request and the response to it, without a socket.
 *
 * The server (http.h) fills a struct request; a route reads its parameters and fills a struct
 * response. Both live for one exchange, belong to one thread at a time, and are built by tests
 * just as well.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_REQUEST_H
#define TOCSIN_AGENT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

struct json;

enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_DELETE = 1 << 4,
    HTTP_OTHER = 1 << 5,
};
enum http_method http_method_of(const char *name);

/* The request headers that routes may look at. */
enum http_header {
    HDR_HOST,
    HDR_ORIGIN,
    HDR_SEC_FETCH_SITE,
    HDR_ACCEPT,
    HDR_ACCEPT_ENCODING,
    HDR_CONTENT_TYPE,
    HDR_CONTENT_ENCODING,
    HDR_CONTENT_LENGTH,
    HDR_IF_NONE_MATCH,
    HDR_REQUEST_ID,
    HDR_COUNT,
};
extern const char *const http_header_names[HDR_COUNT];

struct http_param {
    struct str name, value; /* decoded */
};

enum { REQUEST_PARAMS_MAX = 1000, REQUEST_ID_MAX = 128 };

struct request {
    enum http_method method;
    struct str path;           /* decoded once, NUL-terminated */
    struct str authority;      /* of a target in absolute form, where it outranks Host; else {0} */
    struct http_param *params; /* of the form, then of the query string, as Go's FormValue */
    size_t param_count;
    const char *header[HDR_COUNT]; /* NULL when absent */
    struct str body;
    struct str path_arg;   /* what {name} of the route's path stands for */
    const char *id;        /* the client's X-Request-Id, or one of ours */
    struct arena *arena;   /* small things of this exchange */
    const int *cancel;     /* non-zero once the client has gone; may be NULL */
    int64_t start_mono_ns; /* when the headers were complete */
};

/* Splits target ("/path?a=b", or absolute form) into path and parameters. E_INVALID: bad escapes,
 * control characters, a path that does not start with '/'; E_TOO_BIG: too many parameters. */
int request_set_target(struct request *r, struct str target, struct errmsg *err) MUST_CHECK;
/* Puts the parameters of an application/x-www-form-urlencoded text before those already there. */
int request_add_form(struct request *r, struct str form, struct errmsg *err) MUST_CHECK;
/* Sets r->id from the header when that is short and printable, else from random. */
void request_set_id(struct request *r, uint64_t random);

/* The first value of a parameter, or {NULL, 0}. */
struct str request_param(const struct request *r, const char *name);
/* The i-th value (from 0) of a parameter that may be repeated; p is NULL past the last. */
struct str request_param_at(const struct request *r, const char *name, size_t i);
/* Whether the media type of Content-Type is type (parameters and case ignored). */
bool request_is_type(const struct request *r, const char *type);

/* Undoes Content-Encoding gzip, deflate or identity from body into out, whose ceiling is the limit
 * of decoded bytes. E_TOO_BIG past it or past ratio 200:1 (beyond the first MiB); E_UNSUPPORTED:
 * another coding; E_CORRUPT. out is untouched for identity: use *decoded. */
int request_decode_body(const struct request *r, struct buf *out, struct str *decoded) MUST_CHECK;

/* %XX (and, in forms, '+') decoded into out, which has room for s.len bytes; -1 for bad escapes. */
int url_decode(struct str s, bool form, char *out, size_t *len) MUST_CHECK;

/* --- responses --- */

enum { RESPONSE_HEADERS_MAX = 16 };

struct response {
    int status;
    const char *content_type; /* static text; NULL with an empty body */
    struct buf body;
    const void *fixed; /* bytes that outlive the server instead of body, or NULL */
    size_t fixed_len;
    const char *encoding; /* Content-Encoding of what stands in body or fixed */
    bool vary;            /* depends on Accept-Encoding */
    struct {
        const char *name, *value; /* static, or in the request's arena */
    } headers[RESPONSE_HEADERS_MAX];
    size_t header_count;
    bool close; /* end the connection afterwards */
};

void response_init(struct response *p, size_t max_body);
void response_release(struct response *p);
void response_header(struct response *p, const char *name, const char *value);
/* Drops what is there and answers with the JSON error envelope of interfaces.md §3.1. */
void response_error(struct response *p, int status, const char *error_type, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The same by its errorType ("bad_data", ...), which decides the status. */
void response_fail(struct response *p, const char *error_type, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same with what our own endpoints add: the position of the problem and what to do about it,
 * as far as err has them. */
void response_problem(struct response *p, const char *error_type, const struct errmsg *err);
/* The members of an error, where an object is open: status, errorType, error; and with err (which
 * may be NULL) its position {line, column, offset} and its hint. */
void response_error_members(struct json *j, const char *error_type, struct str text,
                            const struct errmsg *err);
void response_text(struct response *p, int status, const char *text);
/* Compresses body for a client that accepts it when that pays; a compressed body is undone for a
 * client that does not. Leaves the response as it is when memory is short. */
void response_encode(struct response *p, const struct request *r);

#endif
