/* api_remote_write.c -- what Prometheus' remote write sends: a protobuf message in a snappy block.
 *
 * Answers are the specification's: 204 once all is on disk; 400 when something of the message can
 * never be stored, with what, and the rest is stored; 415 for another type or coding; 503 with
 * Retry-After when a later try could succeed. Never 429, which Prometheus retries only when told
 * to.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <snappy-c.h>

#include "agent/api.h"
#include "core/mem.h"

/* The version that Content-Type asks for. False: not remote write. Nothing at all means 1.0, whose
 * first senders said nothing. */
static bool version_of(const struct request *r, enum remote_write *out)
{
    static const struct {
        const char *message;
        enum remote_write version;
    } messages[] = {
        {"prometheus.WriteRequest",        REMOTE_WRITE_1},
        {"io.prometheus.write.v2.Request", REMOTE_WRITE_2},
    };
    struct str rest = str_of(r->header[HDR_CONTENT_TYPE]);
    *out = REMOTE_WRITE_1;
    if (rest.len == 0) return true;
    struct str type = str_trim(str_split(&rest, ';'));
    if (!str_eq_nocase(type, STR("application/x-protobuf"))) return false;
    while (rest.p && rest.len) {
        struct str value = str_trim(str_split(&rest, ';'));
        struct str name = str_trim(str_split(&value, '='));
        if (!str_eq_nocase(name, STR("proto"))) continue;
        for (size_t i = 0; i < COUNT(messages); i++)
            if (str_eq(str_trim(value), str_of(messages[i].message))) {
                *out = messages[i].version;
                return true;
            }
        return false;
    }
    return true;
}

static bool is_snappy(const struct request *r)
{
    struct str coding = str_trim(str_of(r->header[HDR_CONTENT_ENCODING]));
    return coding.len == 0 || str_eq_nocase(coding, STR("snappy"));
}

/* A block says its length first, so that nothing is allocated for a lie: 64 bytes out for 3 in is
 * the most that snappy's copies can do. */
enum { RATIO_MAX = 22, RATIO_FREE_BYTES = 1024 };

static int refuse_block(const struct request *r, struct response *p)
{
    bool framed = str_starts(r->body, STR("\xff\x06\0\0sNaPpY"));
    response_fail(p, "bad_data", "the body is not a snappy block%s",
                  framed ? ": it is framed, and remote write uses the block format" : "");
    return E_CORRUPT;
}

/* The message into *out, for mem_free. 0, or < 0 with the response filled. */
static int decompress(const struct request *r, size_t max_bytes, char **out, size_t *len,
                      struct response *p)
{
    struct str body = r->body;
    *out = NULL;
    if (body.len == 0 || snappy_uncompressed_length(body.p, body.len, len) != SNAPPY_OK ||
        *len / RATIO_MAX > body.len + RATIO_FREE_BYTES)
        return refuse_block(r, p);
    if (*len > max_bytes) {
        response_error(p, 413, "bad_data", "the decoded body is larger than %zu bytes", max_bytes);
        return E_TOO_BIG;
    }
    *out = mem_alloc(*len ? *len : 1);
    if (!*out) {
        api_unavailable(p, "out of memory");
        return -ENOMEM;
    }
    if (snappy_uncompress(body.p, body.len, *out, len) == SNAPPY_OK) return 0;
    mem_free(*out);
    *out = NULL;
    return refuse_block(r, p);
}

/* 2.0 wants to hear what was written, also when it is nothing. */
static void say_written(struct request *r, struct response *p, const struct push_result *res)
{
    response_header(p, "X-Prometheus-Remote-Write-Samples-Written",
                    arena_printf(r->arena, "%zu", res->samples));
    response_header(p, "X-Prometheus-Remote-Write-Histograms-Written", "0");
    response_header(p, "X-Prometheus-Remote-Write-Exemplars-Written", "0");
}

void api_remote_write(struct app *a, struct request *r, struct response *p)
{
    struct push_result res = {0};
    struct app_settings s;
    enum remote_write version;
    char *message = NULL;
    size_t len = 0;
    app_settings(a, &s);
    if (!s.remote_write) {
        response_fail(p, "not_found", "ingest.remote_write is off");
        return;
    }
    if (!version_of(r, &version)) {
        response_error(p, 415, "bad_data",
                       "Content-Type must be application/x-protobuf, with proto="
                       "prometheus.WriteRequest or io.prometheus.write.v2.Request");
        return;
    }
    if (!is_snappy(r)) {
        response_error(p, 415, "bad_data", "Content-Encoding must be snappy");
    } else if (decompress(r, s.decoded_bytes, &message, &len, p) == 0) {
        int rc = push_remote(a->pusher, (struct str){message, len}, version, &res);
        api_answer_push(a, p, rc, &res, "series");
        mem_free(message);
    }
    if (version == REMOTE_WRITE_2) say_written(r, p, &res);
}
