/* test_request.c -- request targets, forms, bodies and responses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

struct fixture {
    struct arena arena;
    struct request r;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    arena_init(&f->arena, 1 << 20);
    f->r.arena = &f->arena;
}

static void end(struct fixture *f)
{
    arena_release(&f->arena);
}

static void targets(void **state)
{
    static const struct {
        const char *target;
        int rc;
        const char *path;
        size_t params;
    } rows[] = {
        {"/",                   0,         "/",            0},
        {"/a/b?",               0,         "/a/b",         0},
        {"/a?x=1&y=2",          0,         "/a",           2},
        {"/a?x=1&&y",           0,         "/a",           2},
        {"/a%2Fb",              0,         "/a/b",         0},
        {"/a%252Fb",            0,         "/a%2Fb",       0},
        {"/a+b",                0,         "/a+b",         0},
        {"http://host:1/p?q=1", 0,         "/p",           1},
        {"http://host",         0,         "/",            0},
        {"/caf%C3%A9",          0,         "/caf\xc3\xa9", 0},
        {"/%00",                E_INVALID, NULL,           0},
        {"/%0a",                E_INVALID, NULL,           0},
        {"/%7f",                E_INVALID, NULL,           0},
        {"/%",                  E_INVALID, NULL,           0},
        {"/%2",                 E_INVALID, NULL,           0},
        {"/%g0",                E_INVALID, NULL,           0},
        {"/a?x=%zz",            E_INVALID, NULL,           0},
        {"",                    E_INVALID, NULL,           0},
        {"*",                   E_INVALID, NULL,           0},
        {"?a=b",                E_INVALID, NULL,           0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct errmsg err = {0};
        begin(&f);
        int rc = request_set_target(&f.r, str_of(rows[i].target), &err);
        if (rc != rows[i].rc) fail_msg("%s: rc %d", rows[i].target, rc);
        if (rc == 0) {
            assert_string_equal(f.r.path.p, rows[i].path);
            assert_int_equal(f.r.param_count, rows[i].params);
        }
        end(&f);
    }
}

static void a_form_comes_before_the_query_string(void **state)
{
    struct fixture f;
    struct errmsg err = {0};
    (void)state;
    begin(&f);
    assert_int_equal(request_set_target(&f.r, STR("/q?match[]=up&x=1"), &err), 0);
    assert_int_equal(request_add_form(&f.r, STR("match%5B%5D=a%2Bb&query=sum+(x)&e="), &err), 0);
    assert_true(str_eq(request_param(&f.r, "match[]"), STR("a+b")));
    assert_true(str_eq(request_param_at(&f.r, "match[]", 1), STR("up")));
    assert_true(str_eq(request_param(&f.r, "x"), STR("1")));
    assert_null(request_param_at(&f.r, "match[]", 2).p);
    assert_true(str_eq(request_param(&f.r, "query"), STR("sum (x)")));
    assert_true(request_param(&f.r, "e").p && request_param(&f.r, "e").len == 0);
    assert_null(request_param(&f.r, "absent").p);
    end(&f);
}

static void too_many_parameters_are_refused(void **state)
{
    struct fixture f;
    struct errmsg err = {0};
    struct buf form = BUF_INIT(1 << 20);
    (void)state;
    begin(&f);
    for (int i = 0; i < REQUEST_PARAMS_MAX; i++)
        buf_addstr(&form, "a=1&");
    assert_int_equal(request_add_form(&f.r, (struct str){form.p, form.len}, &err), 0);
    assert_int_equal(request_add_form(&f.r, STR("b=1"), &err), E_TOO_BIG);
    buf_release(&form);
    end(&f);
}

static void request_ids_are_kept_only_when_printable(void **state)
{
    static const struct {
        const char *given;
        bool kept;
    } rows[] = {
        {"abc-123", true },
        {"",        false},
        {"a b",     false},
        {"a\nb",    false},
        {"\x80",    false}
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        begin(&f);
        f.r.header[HDR_REQUEST_ID] = rows[i].given;
        request_set_id(&f.r, 0xabc);
        assert_string_equal(f.r.id, rows[i].kept ? rows[i].given : "0000000000000abc");
        end(&f);
    }
}

static void content_types(void **state)
{
    struct request r = {0};
    (void)state;
    assert_false(request_is_type(&r, "text/plain"));
    r.header[HDR_CONTENT_TYPE] = "Text/Plain ; charset=utf-8";
    assert_true(request_is_type(&r, "text/plain"));
    r.header[HDR_CONTENT_TYPE] = "text/plainer";
    assert_false(request_is_type(&r, "text/plain"));
}

/* Packs text with zlib; window 31 is gzip, 15 zlib. */
static size_t pack(const char *text, size_t len, int window, unsigned char *out, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

static int decode(const char *coding, const void *p, size_t len, size_t max, char *out, size_t *n)
{
    struct request r = {
        .body = {p, len}
    };
    struct buf b = BUF_INIT(max);
    struct str s;
    r.header[HDR_CONTENT_ENCODING] = coding;
    int rc = request_decode_body(&r, &b, &s);
    *n = rc == 0 ? s.len : 0;
    if (rc == 0 && out) memcpy(out, s.p, s.len);
    buf_release(&b);
    return rc;
}

static void bodies_are_decoded_by_their_coding(void **state)
{
    unsigned char packed[4096];
    char out[4096];
    size_t n;
    (void)state;
    size_t gz = pack("hello hello hello", 17, 31, packed, sizeof packed);
    assert_int_equal(decode("gzip", packed, gz, 100, out, &n), 0);
    assert_int_equal(n, 17);
    assert_memory_equal(out, "hello hello hello", 17);
    size_t twice = gz + pack("!", 1, 31, packed + gz, sizeof packed - gz);
    assert_int_equal(decode("x-gzip", packed, twice, 100, out, &n), 0);
    assert_int_equal(n, 18);
    size_t zl = pack("abc", 3, 15, packed, sizeof packed);
    assert_int_equal(decode(" Deflate ", packed, zl, 100, out, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(decode(NULL, "plain", 5, 100, out, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(decode("identity", "plain", 5, 100, out, &n), 0);
    assert_int_equal(decode("br", "plain", 5, 100, out, &n), E_UNSUPPORTED);
}

static void bad_bodies_are_refused(void **state)
{
    unsigned char packed[4096];
    size_t n;
    (void)state;
    size_t gz = pack("hello hello hello", 17, 31, packed, sizeof packed);
    assert_int_equal(decode("gzip", packed, gz - 1, 100, NULL, &n), E_CORRUPT);
    assert_int_equal(decode("gzip", packed, gz - 9, 100, NULL, &n), E_CORRUPT);
    assert_int_equal(decode("gzip", "not gzip", 8, 100, NULL, &n), E_CORRUPT);
    assert_int_equal(decode("gzip", packed, gz, 16, NULL, &n), E_TOO_BIG);
    assert_int_equal(decode("gzip", packed, gz, 17, NULL, &n), 0);
}

static void a_bomb_stops_at_its_ratio(void **state)
{
    enum { ZEROS = 16 << 20, PACKED = 64 << 10 };
    char *zeros = calloc(1, ZEROS);
    unsigned char *packed = malloc(PACKED);
    size_t n;
    (void)state;
    size_t len = pack(zeros, ZEROS, 31, packed, PACKED);
    assert_int_equal(decode("gzip", packed, len, (size_t)1 << 30, NULL, &n), E_TOO_BIG);
    free(packed);
    free(zeros);
}

static void answers_are_compressed_by_accept_encoding(void **state)
{
    static const struct {
        const char *accept;
        size_t bytes;
        const char *encoding;
        bool vary;
    } rows[] = {
        {"gzip",                5000, "gzip",    true },
        {"deflate, gzip;q=0.5", 5000, "gzip",    true },
        {"deflate",             5000, "deflate", true },
        {"*",                   5000, "gzip",    true },
        {"gzip;q=0",            5000, NULL,      true },
        {"gzip;q=0, deflate",   5000, "deflate", true },
        {"br",                  5000, NULL,      true },
        {NULL,                  5000, NULL,      true },
        {"gzip",                1000, NULL,      false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request r = {0};
        struct response p;
        response_init(&p, 1 << 20);
        p.content_type = "text/plain";
        for (size_t k = 0; k < rows[i].bytes; k++)
            buf_addch(&p.body, 'a');
        r.header[HDR_ACCEPT_ENCODING] = rows[i].accept;
        response_encode(&p, &r);
        if (rows[i].encoding)
            assert_string_equal(p.encoding, rows[i].encoding);
        else
            assert_null(p.encoding);
        assert_int_equal(p.vary, rows[i].vary);
        assert_true(rows[i].encoding ? p.body.len < 200 : p.body.len == rows[i].bytes);
        response_release(&p);
    }
}

static void a_stored_page_is_inflated_for_who_takes_no_gzip(void **state)
{
    unsigned char packed[4096];
    struct request r = {0};
    struct response p;
    (void)state;
    response_init(&p, 1 << 20);
    p.fixed = packed;
    p.fixed_len = pack("<html>", 6, 31, packed, sizeof packed);
    p.encoding = "gzip";
    response_encode(&p, &r);
    assert_null(p.fixed);
    assert_null(p.encoding);
    assert_int_equal(p.body.len, 6);
    assert_memory_equal(p.body.p, "<html>", 6);
    assert_true(p.vary);
    response_release(&p);
}

static void errors_take_the_status_of_their_type(void **state)
{
    static const struct {
        const char *type;
        int status;
    } rows[] = {
        {"bad_data",    400},
        {"execution",   422},
        {"timeout",     503},
        {"unavailable", 503},
        {"canceled",    499},
        {"not_found",   404},
        {"internal",    500},
        {"?",           500}
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct response p;
        response_init(&p, 1 << 16);
        response_fail(&p, rows[i].type, "a \"%s\"", "word");
        assert_int_equal(p.status, rows[i].status);
        assert_non_null(strstr(p.body.p, "\"error\":\"a \\\"word\\\"\""));
        assert_string_equal(p.content_type, "application/json");
        response_release(&p);
    }
}

static void a_problem_has_its_place_and_cure(void **state)
{
    struct response p;
    struct errmsg err = {.line = 2, .column = 3, .offset = 9, .text = "bad", .hint = "good"};
    (void)state;
    response_init(&p, 1 << 16);
    response_problem(&p, "bad_data", &err);
    assert_int_equal(p.status, 400);
    assert_string_equal(p.body.p,
                        "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"bad\","
                        "\"position\":{\"line\":2,\"column\":3,\"offset\":9},\"hint\":\"good\"}");
    err = (struct errmsg){.text = "bad"};
    response_problem(&p, "execution", &err);
    assert_int_equal(p.status, 422);
    assert_string_equal(p.body.p,
                        "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"bad\"}");
    response_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(a_form_comes_before_the_query_string),
        cmocka_unit_test(too_many_parameters_are_refused),
        cmocka_unit_test(request_ids_are_kept_only_when_printable),
        cmocka_unit_test(content_types),
        cmocka_unit_test(bodies_are_decoded_by_their_coding),
        cmocka_unit_test(bad_bodies_are_refused),
        cmocka_unit_test(a_bomb_stops_at_its_ratio),
        cmocka_unit_test(answers_are_compressed_by_accept_encoding),
        cmocka_unit_test(a_stored_page_is_inflated_for_who_takes_no_gzip),
        cmocka_unit_test(errors_take_the_status_of_their_type),
        cmocka_unit_test(a_problem_has_its_place_and_cure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
