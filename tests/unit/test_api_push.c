/* test_api_push.c -- what remote write and imports are answered, over a store that can refuse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "agent/api.h"
#include "core/log.h"
#include "core/mem.h"
#include "tests/unit/simenv.h"

struct fixture {
    struct simenv sim;
    struct app app;
    struct arena arena;
    struct request r;
    struct response p;
    char body[512], path[300];
};

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    struct tsdb_options o;
    log_set_level(LOG_LEVEL_OFF);
    if (simenv_init(&f->sim) < 0) return -1;
    f->sim.now_ms = 10;
    snprintf(f->path, sizeof f->path, "%s/data", f->sim.root);
    tsdb_options_default(&o);
    o.path = f->path;
    o.retention_ms = 0;
    o.min_free_permille = 0;
    app_init(&f->app, &f->sim.env);
    f->app.settings =
        (struct app_settings){.remote_write = true, .body_bytes = 1 << 20, .decoded_bytes = 4096};
    arena_init(&f->arena, 1 << 20);
    f->r = (struct request){.method = HTTP_POST, .arena = &f->arena};
    f->r.header[HDR_CONTENT_TYPE] = "application/x-protobuf";
    f->r.header[HDR_CONTENT_ENCODING] = "snappy";
    response_init(&f->p, 1 << 20);
    *state = f;
    if (tsdb_open(&f->app.db, &o, &f->sim.env, NULL) < 0) return -1;
    return pusher_new(&f->app.pusher, f->app.db, &f->sim.env, (struct labels){NULL, 0});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pusher_free(f->app.pusher);
    int rc = tsdb_close(f->app.db);
    app_release(&f->app);
    arena_release(&f->arena);
    response_release(&f->p);
    simenv_release(&f->sim);
    mem_free(f);
    return rc;
}

/* a 1 at 5 ms, by both versions */
#define SAMPLE "\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x05"
#define MESSAGE_1                                                                                  \
    "\x0a\x1c\x0a\x0d\x0a\x08__name__\x12\x01"                                                     \
    "a" SAMPLE
#define MESSAGE_2                                                                                  \
    "\x22\x00\x22\x08__name__\x22\x01"                                                             \
    "a"                                                                                            \
    "\x2a\x11\x0a\x02\x01\x02" SAMPLE
#define TYPE_2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static void set_body(struct fixture *f, struct str message)
{
    size_t len = sizeof f->body;
    assert_int_equal(snappy_compress(message.p, message.len, f->body, &len), SNAPPY_OK);
    f->r.body = (struct str){f->body, len};
}

static const char *header_of(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->p.header_count; i++)
        if (strcmp(f->p.headers[i].name, name) == 0) return f->p.headers[i].value;
    return "";
}

#define WRITTEN(kind) "X-Prometheus-Remote-Write-" kind "-Written"

static uint64_t stored(struct fixture *f)
{
    struct tsdb_stats stats;
    tsdb_stats(f->app.db, &stats);
    return stats.samples_appended;
}

static void stored_is_204(void **state)
{
    struct fixture *f = *state;
    set_body(f, STR(MESSAGE_1));
    api_remote_write(&f->app, &f->r, &f->p);
    if (f->p.status != 204) fail_msg("%s", f->p.body.p);
    assert_int_equal(stored(f), 1);
    assert_string_equal(header_of(f, WRITTEN("Samples")), "");
    f->r.header[HDR_CONTENT_TYPE] = TYPE_2;
    set_body(f, STR(MESSAGE_2));
    api_remote_write(&f->app, &f->r, &f->p);
    assert_int_equal(f->p.status, 204);
    assert_string_equal(header_of(f, WRITTEN("Samples")), "1");
    assert_string_equal(header_of(f, WRITTEN("Histograms")), "0");
    assert_string_equal(header_of(f, WRITTEN("Exemplars")), "0");
}

/* No sync works: what is sent may be in memory, and its sender is told to come again. */
static void a_disk_that_fails_is_503(void **state)
{
    struct fixture *f = *state;
    f->sim.fail_call = SIM_FDATASYNC;
    f->sim.fail_at = 1;
    f->sim.fail_sticky = true;
    for (int i = 0; i < 2; i++) {
        f->p.header_count = 0;
        set_body(f, STR(MESSAGE_1));
        api_remote_write(&f->app, &f->r, &f->p);
        assert_int_equal(f->p.status, 503);
        assert_string_equal(header_of(f, "Retry-After"), "5");
        f->p.header_count = 0;
        f->r.body = STR("b 1 5\n");
        api_import(&f->app, &f->r, &f->p);
        assert_int_equal(f->p.status, 503);
        assert_string_equal(header_of(f, "Retry-After"), "5");
    }
    simenv_reset(&f->sim);
}

static void what_is_no_remote_write_is_415(void **state)
{
    static const struct {
        const char *type, *coding;
        int status;
    } rows[] = {
        {"application/x-protobuf",                                 "snappy", 204},
        {"Application/X-Protobuf ; proto=prometheus.WriteRequest", "Snappy", 204},
        {"application/x-protobuf;charset=x",                       NULL,     204},
        {NULL,                                                     NULL,     204},
        {"application/x-protobuf;proto=prometheus.Other",          "snappy", 415},
        {"application/json",                                       "snappy", 415},
        {"text/plain",                                             "snappy", 415},
        {"application/x-protobuf",                                 "gzip",   415},
        {"application/x-protobuf",                                 "zstd",   415},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = *state;
        f->r.header[HDR_CONTENT_TYPE] = rows[i].type;
        f->r.header[HDR_CONTENT_ENCODING] = rows[i].coding;
        set_body(f, STR(MESSAGE_1));
        api_remote_write(&f->app, &f->r, &f->p);
        if (f->p.status != rows[i].status)
            fail_msg("%s, %s: %d", rows[i].type, rows[i].coding, f->p.status);
    }
}

static void lengths_are_checked_before_memory_is_taken(void **state)
{
    static const struct {
        struct str body;
        int status;
    } rows[] = {
        {{"", 0},                          400},
        {{"\x80", 1},                      400},
        {{"\xff\xff\xff\xff\x0f\x00x", 7}, 400}, /* 4 GiB of seven bytes */
        {{"\x81\x20\x00x", 4},             413}, /* 4,097 bytes: could be, but is over the limit */
        {{"\x80\x20\x00x", 4},             400}, /* 4,096: is not */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = *state;
        f->r.body = rows[i].body;
        api_remote_write(&f->app, &f->r, &f->p);
        if (f->p.status != rows[i].status) fail_msg("row %zu: %d %s", i, f->p.status, f->p.body.p);
    }
}

static void broken_messages_are_400(void **state)
{
    struct fixture *f = *state;
    set_body(f, STR(MESSAGE_1 "\x0a\x7f"));
    api_remote_write(&f->app, &f->r, &f->p);
    assert_int_equal(f->p.status, 400);
    assert_non_null(strstr(f->p.body.p, "it breaks off; 1 samples before it are stored"));
    assert_int_equal(stored(f), 1);
    f->app.settings.remote_write = false;
    api_remote_write(&f->app, &f->r, &f->p);
    assert_int_equal(f->p.status, 404);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(stored_is_204),
        CASE(a_disk_that_fails_is_503),
        CASE(what_is_no_remote_write_is_415),
        CASE(lengths_are_checked_before_memory_is_taken),
        CASE(broken_messages_are_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
