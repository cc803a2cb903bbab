/* fuzz_request.c -- request targets, forms, compressed bodies, and the values of parameters: times,
 * durations, limits, selectors, expressions.
 *
 * The first byte says how the rest is read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_target(struct request *r, struct str text)
{
    struct errmsg err = {0};
    if (request_set_target(r, text, &err) == 0) {
        if (r->path.p[0] != '/') abort();
        for (size_t i = 0; i < r->path.len; i++)
            if ((unsigned char)r->path.p[i] < 0x20) abort();
        if (r->param_count > REQUEST_PARAMS_MAX) abort();
    } else if (!err.text[0]) {
        abort();
    }
}

static void read_form(struct request *r, struct str text)
{
    struct errmsg err = {0};
    if (request_add_form(r, text, &err) == 0) (void)request_param(r, "query");
}

static void read_body(struct request *r, struct str text)
{
    struct buf out = BUF_INIT(1 << 20);
    struct str decoded;
    r->body = text;
    r->header[HDR_CONTENT_ENCODING] = "gzip";
    if (request_decode_body(r, &out, &decoded) == 0 && decoded.len > 1 << 20) abort();
    buf_release(&out);
}

static void read_numbers(struct request *r, struct str text)
{
    int64_t t = 0, d = 0;
    char out[API_SAMPLE_MAX], shown[API_QUOTE_MAX];
    UNUSED(r);
    if (api_parse_time(text, &t) == 0) {
        int64_t held = api_clamp_time(t);
        if (held > API_TIME_MAX || held < API_TIME_MIN) abort();
    }
    if (api_parse_duration(text, &d) == 0) api_format_sample(d, (double)t, out);
    if (strlen(api_quote(text, shown)) >= API_QUOTE_MAX) abort();
}

/* A query string whose values go through every reader of parameters; each takes or complains. */
static void read_params(struct request *r, struct str text)
{
    struct errmsg err = {0};
    struct response p;
    int64_t t = 0, d = 0, zero = 0;
    size_t limit = 0;
    response_init(&p, 1 << 16);
    if (request_add_form(r, text, &err) == 0) {
        int rc = api_time(r, &p, "start", &zero, &t) | api_time(r, &p, "time", NULL, &t) |
                 api_duration(r, &p, "step", &d) | api_lookback(r, &p, &d) |
                 api_limit(r, &p, "limit", &limit);
        if (t > API_TIME_MAX || t < API_TIME_MIN) abort();
        if (rc < 0 && p.status != 400) abort();
    }
    response_release(&p);
}

static void read_selectors(struct request *r, struct str text)
{
    struct matcher *v = NULL;
    size_t count = 0;
    struct errmsg err = {0};
    char why[API_PARSE_ERROR_MAX];
    if (promql_parse_selector(text, r->arena, &v, &count, &err) < 0) {
        if (strlen(api_parse_error(&err, why)) >= API_PARSE_ERROR_MAX) abort();
        return;
    }
    for (size_t i = 0; i < count; i++)
        matcher_release(&v[i]);
}

/* An expression's tree as JSON: what parses can be written. */
static void read_tree(struct request *r, struct str text)
{
    struct expr *e = NULL;
    struct errmsg err = {0};
    struct buf out = BUF_INIT((size_t)16 << 20);
    struct json j;
    if (promql_parse(text, PROMQL_ALL, r->arena, &e, &err) == 0) {
        json_init(&j, &out);
        api_ast(&j, e);
        if (j.depth != 0) abort();
        promql_expr_release(e);
    }
    buf_release(&out);
}

static void read_accept(struct request *r, struct str text)
{
    struct response p;
    char *header = arena_strndup(r->arena, text.p, text.len);
    response_init(&p, 1 << 16);
    p.content_type = "text/plain";
    while (p.body.len < 2000)
        buf_addstr(&p.body, "text ");
    r->header[HDR_ACCEPT_ENCODING] = header;
    r->header[HDR_REQUEST_ID] = header;
    request_set_id(r, 1);
    response_encode(&p, r);
    response_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct request * r, struct str text) = {
        read_target, read_form,   read_body,      read_numbers,
        read_accept, read_params, read_selectors, read_tree,
    };
    struct arena arena;
    struct request r = {.arena = &arena};
    if (size == 0 || size > 1 << 16) return 0;
    arena_init(&arena, 8 << 20);
    struct str text = {(const char *)data + 1, size - 1};
    readers[data[0] % COUNT(readers)](&r, text);
    arena_release(&arena);
    return 0;
}
