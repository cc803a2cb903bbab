/* request.c -- request targets, forms, bodies and responses; pure but for memory.
 *
 * Everything here reads bytes an outsider sent: sizes are checked before memory is taken, and a
 * text that does not decode is refused, never guessed at. Paths are decoded exactly once and then
 * compared with the route table, so an escaped slash or dot cannot mean something else later.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <zlib.h>

#include "core/json.h"

const char *const http_header_names[HDR_COUNT] = {
    [HDR_HOST] = "Host",
    [HDR_ORIGIN] = "Origin",
    [HDR_SEC_FETCH_SITE] = "Sec-Fetch-Site",
    [HDR_ACCEPT] = "Accept",
    [HDR_ACCEPT_ENCODING] = "Accept-Encoding",
    [HDR_CONTENT_TYPE] = "Content-Type",
    [HDR_CONTENT_ENCODING] = "Content-Encoding",
    [HDR_CONTENT_LENGTH] = "Content-Length",
    [HDR_IF_NONE_MATCH] = "If-None-Match",
    [HDR_REQUEST_ID] = "X-Request-Id",
};

enum {
    COMPRESS_MIN_BYTES = 1024,
    RATIO_MAX = 200,
    RATIO_FREE_BYTES = 1 << 20,
    GZIP_WINDOW = 15 + 16, /* zlib: gzip wrapper */
    AUTO_WINDOW = 15 + 32, /* zlib: gzip or zlib wrapper, as it comes */
    ZLIB_WINDOW = 15,
};

enum http_method http_method_of(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET",    HTTP_GET   },
        {"HEAD",   HTTP_HEAD  },
        {"POST",   HTTP_POST  },
        {"PUT",    HTTP_PUT   },
        {"DELETE", HTTP_DELETE},
    };
    for (size_t i = 0; i < COUNT(methods); i++)
        if (strcmp(name, methods[i].name) == 0) return methods[i].method;
    return HTTP_OTHER;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int url_decode(struct str s, bool form, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.len - i < 3) return -1;
            int high = hex_value(s.p[i + 1]), low = hex_value(s.p[i + 2]);
            if (high < 0 || low < 0) return -1;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        out[n++] = c;
    }
    *len = n;
    return 0;
}

/* Decodes into the arena, NUL-terminated. */
static int decode_to_arena(struct arena *a, struct str s, bool form, struct str *out)
{
    char *p = arena_alloc(a, s.len + 1);
    if (!p) return a->err;
    size_t len;
    if (url_decode(s, form, p, &len) < 0) return E_INVALID;
    p[len] = '\0';
    *out = (struct str){p, len};
    return 0;
}

int request_add_form(struct request *r, struct str form, struct errmsg *err)
{
    size_t count = 0;
    for (struct str rest = form, pair; rest.p && rest.len;) {
        pair = str_split(&rest, '&');
        if (pair.len) count++;
    }
    if (count == 0) return 0;
    if (count + r->param_count > REQUEST_PARAMS_MAX)
        return errmsg_set(err, E_TOO_BIG, "more than %d parameters", REQUEST_PARAMS_MAX);
    struct http_param *params = arena_array(r->arena, r->param_count + count, sizeof *params);
    if (!params) return errmsg_set(err, r->arena->err, "request too large");
    size_t at = 0;
    for (struct str rest = form; rest.p && rest.len;) {
        struct str pair = str_split(&rest, '&');
        if (!pair.len) continue;
        struct str value = pair, name = str_split(&value, '=');
        if (!value.p) value = STR("");
        struct http_param *p = &params[at++];
        int rc = decode_to_arena(r->arena, name, true, &p->name);
        if (rc == 0) rc = decode_to_arena(r->arena, value, true, &p->value);
        if (rc == E_INVALID) return errmsg_set(err, rc, "invalid URL escape in the parameters");
        if (rc < 0) return errmsg_set(err, rc, "request too large");
    }
    if (r->param_count) memcpy(params + at, r->params, r->param_count * sizeof *params);
    r->params = params;
    r->param_count += at;
    return 0;
}

/* "http://host/path" is allowed in a request line too: takes apart what is before the path. */
static struct str strip_authority(struct str target, struct str *authority)
{
    struct str schemes[] = {STR("http://"), STR("https://")};
    for (size_t i = 0; i < COUNT(schemes); i++) {
        if (!str_starts(target, schemes[i])) continue;
        const char *from = target.p + schemes[i].len;
        size_t left = target.len - schemes[i].len;
        const char *slash = memchr(from, '/', left);
        *authority = (struct str){from, slash ? (size_t)(slash - from) : left};
        if (!slash) return STR("/");
        return (struct str){slash, (size_t)(target.p + target.len - slash)};
    }
    return target;
}

int request_set_target(struct request *r, struct str target, struct errmsg *err)
{
    struct str query = strip_authority(target, &r->authority);
    struct str path = str_split(&query, '?');
    if (path.len == 0 || path.p[0] != '/')
        return errmsg_set(err, E_INVALID, "the request target is not a path");
    int rc = decode_to_arena(r->arena, path, false, &r->path);
    if (rc == E_INVALID) return errmsg_set(err, rc, "invalid URL escape in the path");
    if (rc < 0) return errmsg_set(err, rc, "request too large");
    for (size_t i = 0; i < r->path.len; i++)
        if ((unsigned char)r->path.p[i] < 0x20 || r->path.p[i] == 0x7f)
            return errmsg_set(err, E_INVALID, "control characters in the path");
    return query.p ? request_add_form(r, query, err) : 0;
}

void request_set_id(struct request *r, uint64_t random)
{
    const char *given = r->header[HDR_REQUEST_ID];
    size_t len = given ? strlen(given) : 0;
    bool good = len > 0 && len <= REQUEST_ID_MAX;
    for (size_t i = 0; good && i < len; i++)
        good = given[i] > ' ' && given[i] < 0x7f;
    if (good) {
        r->id = given;
        return;
    }
    r->id = arena_printf(r->arena, "%016llx", (unsigned long long)random);
    if (!r->id) r->id = "-";
}

struct str request_param_at(const struct request *r, const char *name, size_t i)
{
    struct str want = str_of(name);
    for (size_t k = 0; k < r->param_count; k++)
        if (str_eq(r->params[k].name, want) && i-- == 0) return r->params[k].value;
    return (struct str){NULL, 0};
}

struct str request_param(const struct request *r, const char *name)
{
    return request_param_at(r, name, 0);
}

bool request_is_type(const struct request *r, const char *type)
{
    struct str given = str_of(r->header[HDR_CONTENT_TYPE]);
    if (!given.p) return false;
    return str_eq_nocase(str_trim(str_split(&given, ';')), str_of(type));
}

/* --- bodies --- */

/* Inflates in into out (whose ceiling holds), window telling zlib which wrapper to expect. */
static int inflate_into(struct str in, int window, struct buf *out)
{
    z_stream z = {0};
    if (inflateInit2(&z, window) != Z_OK) return -ENOMEM;
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.len;
    int rc = 0;
    for (;;) {
        unsigned char piece[16384];
        z.next_out = piece;
        z.avail_out = sizeof piece;
        int zrc = inflate(&z, Z_NO_FLUSH);
        if (zrc != Z_OK && zrc != Z_STREAM_END) {
            rc = zrc == Z_MEM_ERROR ? -ENOMEM : E_CORRUPT;
            break;
        }
        size_t got = sizeof piece - z.avail_out;
        buf_add(out, piece, got);
        if (!out->err && out->len > RATIO_FREE_BYTES && out->len / RATIO_MAX > in.len)
            rc = E_TOO_BIG;
        if (out->err) rc = out->err;
        if (rc < 0) break;
        if (zrc == Z_STREAM_END) {
            if (z.avail_in == 0) break;
            if (inflateReset(&z) != Z_OK) { /* a further gzip member */
                rc = E_CORRUPT;
                break;
            }
        } else if (z.avail_in == 0 && got < sizeof piece) {
            rc = E_CORRUPT; /* cut short */
            break;
        }
    }
    inflateEnd(&z);
    return rc;
}

int request_decode_body(const struct request *r, struct buf *out, struct str *decoded)
{
    struct str coding = str_trim(str_of(r->header[HDR_CONTENT_ENCODING]));
    *decoded = r->body;
    if (coding.len == 0 || str_eq_nocase(coding, STR("identity"))) return 0;
    bool gzip = str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip"));
    if (!gzip && !str_eq_nocase(coding, STR("deflate"))) return E_UNSUPPORTED;
    if (r->body.len == 0) return 0;
    int rc = inflate_into(r->body, AUTO_WINDOW, out);
    if (rc == 0) *decoded = (struct str){out->p ? out->p : "", out->len};
    return rc;
}

/* --- responses --- */

void response_init(struct response *p, size_t max_body)
{
    *p = (struct response){.status = 200};
    buf_init(&p->body, max_body);
}

void response_release(struct response *p)
{
    buf_release(&p->body);
}

void response_header(struct response *p, const char *name, const char *value)
{
    if (p->header_count == RESPONSE_HEADERS_MAX || !value) return;
    p->headers[p->header_count].name = name;
    p->headers[p->header_count++].value = value;
}

static void put_position(struct json *j, const struct errmsg *err)
{
    json_kv_obj(j, "position");
    json_kv_int(j, "line", err->line);
    json_kv_int(j, "column", err->column);
    json_kv_uint(j, "offset", err->offset);
    json_end(j);
}

void response_error_members(struct json *j, const char *error_type, struct str text,
                            const struct errmsg *err)
{
    json_kv_cstr(j, "status", "error");
    json_kv_cstr(j, "errorType", error_type);
    json_kv_str(j, "error", text);
    if (err && err->line > 0) put_position(j, err);
    if (err && err->hint[0]) json_kv_cstr(j, "hint", err->hint);
}

static void put_error(struct response *p, int status, const char *error_type, struct str text,
                      const struct errmsg *err)
{
    struct json j;
    p->fixed = NULL;
    p->encoding = NULL;
    p->status = status;
    p->content_type = "application/json";
    buf_reset(&p->body);
    json_init(&j, &p->body);
    json_obj(&j);
    response_error_members(&j, error_type, text, err);
    json_end(&j);
}

static void envelope(struct response *p, int status, const char *error_type, const char *fmt,
                     va_list ap) PRINTF_LIKE(4, 0);

static void envelope(struct response *p, int status, const char *error_type, const char *fmt,
                     va_list ap)
{
    char text[1024];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : MIN((size_t)n, sizeof text - 1);
    put_error(p, status, error_type, (struct str){text, len}, NULL);
}

void response_error(struct response *p, int status, const char *error_type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    envelope(p, status, error_type, fmt, ap);
    va_end(ap);
}

static int status_of(const char *error_type)
{
    static const struct {
        const char *type;
        int status;
    } types[] = {
        {"bad_data",       400},
        {"execution",      422},
        {"timeout",        503},
        {"unavailable",    503},
        {"canceled",       499},
        {"not_found",      404},
        {"internal",       500},
        {"not_acceptable", 406},
    };
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(types[i].type, error_type) == 0) return types[i].status;
    return 500;
}

void response_fail(struct response *p, const char *error_type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    envelope(p, status_of(error_type), error_type, fmt, ap);
    va_end(ap);
}

void response_problem(struct response *p, const char *error_type, const struct errmsg *err)
{
    put_error(p, status_of(error_type), error_type, str_of(err->text), err);
}

void response_text(struct response *p, int status, const char *text)
{
    p->status = status;
    p->content_type = "text/plain; charset=utf-8";
    buf_reset(&p->body);
    buf_addstr(&p->body, text);
}

/* Whether Accept-Encoding takes coding: named, or "*", and not with a quality of zero. */
static bool accepts(const struct request *r, struct str coding)
{
    struct str rest = str_of(r->header[HDR_ACCEPT_ENCODING]);
    bool any = false;
    while (rest.p && rest.len) {
        struct str item = str_split(&rest, ',');
        struct str name = str_trim(str_split(&item, ';'));
        struct str q = item.p ? str_trim(item) : STR("");
        double quality = 1;
        if (q.len > 2 && (q.p[0] == 'q' || q.p[0] == 'Q') && q.p[1] == '=' &&
            str_scan_double((struct str){q.p + 2, q.len - 2}, &quality) == 0)
            quality = 0;
        if (str_eq_nocase(name, coding)) return quality > 0;
        if (str_eq(name, STR("*"))) any = quality > 0;
    }
    return any;
}

enum { DEFLATE_SLICE = 1 << 20 }; /* some ten milliseconds of work */

/* E_CANCELED when the client goes away meanwhile. */
static int deflate_into(struct str in, int window, const int *cancel, struct buf *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, 1, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) return -ENOMEM;
    size_t bound = deflateBound(&z, in.len);
    int rc = buf_reserve(out, bound), state = Z_OK;
    if (rc == 0) {
        z.next_out = (Bytef *)out->p;
        z.avail_out = (uInt)bound;
    }
    while (rc == 0 && state == Z_OK) {
        size_t slice = MIN(in.len, (size_t)DEFLATE_SLICE);
        z.next_in = (Bytef *)(uintptr_t)in.p;
        z.avail_in = (uInt)slice;
        in.p += slice;
        in.len -= slice;
        state = deflate(&z, in.len ? Z_NO_FLUSH : Z_FINISH);
        if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED)) rc = E_CANCELED;
    }
    if (rc == 0 && state != Z_STREAM_END) rc = E_CORRUPT;
    out->len = rc == 0 ? bound - z.avail_out : 0;
    deflateEnd(&z);
    return rc;
}

static void encode_body(struct response *p, const struct request *r)
{
    static const struct {
        const char *name;
        int window;
    } codings[] = {
        {"gzip",    GZIP_WINDOW},
        {"deflate", ZLIB_WINDOW}
    };
    p->vary = true;
    for (size_t i = 0; i < COUNT(codings); i++) {
        if (!accepts(r, str_of(codings[i].name))) continue;
        struct buf packed = BUF_INIT(p->body.len + p->body.len / 8 + 1024);
        struct str in = {p->body.p, p->body.len};
        if (deflate_into(in, codings[i].window, r->cancel, &packed) < 0) {
            buf_release(&packed);
            return;
        }
        buf_release(&p->body);
        p->body = packed;
        p->encoding = codings[i].name;
        return;
    }
}

void response_encode(struct response *p, const struct request *r)
{
    if (p->encoding) { /* a page, stored compressed */
        p->vary = true;
        if (!p->fixed || accepts(r, str_of(p->encoding))) return;
        struct str in = {p->fixed, p->fixed_len};
        buf_reset(&p->body);
        if (inflate_into(in, AUTO_WINDOW, &p->body) < 0) return;
        p->fixed = NULL;
        p->encoding = NULL;
        return;
    }
    if (!p->fixed && !p->body.err && p->body.len > COMPRESS_MIN_BYTES && p->content_type)
        encode_body(p, r);
}
