/* test_scrape_loop.c -- the scrape thread against a server that behaves and misbehaves.
 *
 * Real time, since the HTTP client lives in it: every wait ends with the condition it waits for,
 * or fails the test after some seconds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "collector/scrape_loop.h"
#include "core/log.h"
#include "core/mem.h"
#include "tests/unit/fake_tsdb.h"
#include "tests/unit/tiny_server.h"

/* The longer timeout is for machines that are busy: a scrape that works takes a millisecond. */
enum { WAIT_MS = 20000, INTERVAL_MS = 50, BUSY_INTERVAL_MS = 250 };

struct fixture {
    struct tsdb db;
    struct tiny_server server;
    struct scrape_loop *loop;
    char address[32];
    const char *addresses[1];
    struct scrape_static statics;
};

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    fake_init(&f->db);
    if (tiny_start(&f->server) != 0) return -1;
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", f->server.port);
    f->addresses[0] = f->address;
    f->statics.targets = (struct conf_strings){.count = 1, .v = f->addresses};
    log_set_level(LOG_LEVEL_OFF);
    *state = f;
    return scrape_loop_new(&f->loop, &f->db, env_system(), "tocsin/test", NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scrape_loop_free(f->loop);
    tiny_stop(&f->server);
    fake_release(&f->db);
    mem_free(f);
    return 0;
}

static struct scrape_config config(struct fixture *f, const char *path)
{
    return (struct scrape_config){
        .job_name = "j",
        .scheme = "http",
        .metrics_path = path,
        .interval_ms = INTERVAL_MS,
        .timeout_ms = INTERVAL_MS,
        .honor_timestamps = true,
        .enable_compression = true,
        .static_configs = {1, &f->statics},
    };
}

static void apply(struct fixture *f, struct scrape_config c)
{
    assert_int_equal(scrape_loop_apply(f->loop, &c, 1, (struct labels){NULL, 0}, NULL), 0);
}

typedef bool condition_fn(struct fixture *f, const void *arg);

static void wait_for(struct fixture *f, condition_fn *condition, const void *arg)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < WAIT_MS / 2; i++) {
        if (condition(f, arg)) return;
        nanosleep(&pause, NULL);
    }
    fail_msg("what was waited for did not come");
}

struct last_value {
    const char *name; /* of the series; labels instance and job follow */
    double v;
};

static bool has_last_value(struct fixture *f, const void *arg)
{
    const struct last_value *want = arg;
    char series[128];
    struct fake_sample last = {0};
    snprintf(series, sizeof series, "%s{instance=\"%s\", job=\"j\"}", want->name, f->address);
    return fake_samples(&f->db, series, &last) > 0 && double_bits(last.v) == double_bits(want->v);
}

static void wait_for_value(struct fixture *f, const char *name, double v)
{
    struct last_value want = {name, v};
    wait_for(f, has_last_value, &want);
}

struct error_search {
    const char *text;
    bool found;
};

static int find_error(void *arg, const struct target_status *t)
{
    struct error_search *s = arg;
    s->found = strstr(t->last_error, s->text) != NULL && strcmp(t->health, "down") == 0;
    return 0;
}

static bool has_error(struct fixture *f, const void *arg)
{
    struct error_search s = {.text = arg};
    assert_int_equal(scrape_loop_targets(f->loop, find_error, &s), 0);
    return s.found;
}

static bool has_scrapes(struct fixture *f, const void *arg)
{
    struct scrape_stats s;
    scrape_loop_stats(f->loop, &s);
    return s.scrapes >= *(const uint64_t *)arg;
}

static int check_up(void *arg, const struct target_status *t)
{
    struct fixture *f = arg;
    char url[64];
    snprintf(url, sizeof url, "http://%s/ok", f->address);
    assert_string_equal(t->url, url);
    assert_string_equal(t->job, "j");
    assert_string_equal(t->scrape_pool, "j");
    assert_string_equal(t->health, "up");
    assert_string_equal(t->last_error, "");
    assert_true(t->last_scrape_ms > 0);
    assert_int_equal(t->interval_ms, BUSY_INTERVAL_MS);
    assert_int_equal(t->samples, 2);
    assert_true(str_eq(labels_get(t->labels, STR("instance")), str_of(f->address)));
    assert_true(str_eq(labels_get(t->discovered_labels, STR("__address__")), str_of(f->address)));
    return 0;
}

static void a_target_is_scraped_on_its_slots(void **state)
{
    struct fixture *f = *state;
    const uint64_t some = 4;
    struct scrape_config c = config(f, "/ok");
    c.interval_ms = c.timeout_ms = BUSY_INTERVAL_MS;
    apply(f, c);
    wait_for(f, has_scrapes, &some);
    wait_for_value(f, "a", 1);
    wait_for_value(f, "up", 1);
    wait_for_value(f, "scrape_samples_scraped", 2);
    wait_for_value(f, "scrape_samples_post_metric_relabeling", 2);
    wait_for_value(f, "scrape_series_added", 0);
    wait_for_value(f, "scrape_body_size_bytes", 30);
    assert_int_equal(scrape_loop_targets(f->loop, check_up, f), 0);
    /* one kept connection, slots a whole interval apart */
    assert_int_equal(atomic_load(&f->server.connections), 1);
    char series[128];
    size_t up;
    snprintf(series, sizeof series, "up{instance=\"%s\", job=\"j\"}", f->address);
    assert_true(fake_find(&f->db, series, &up));
    int64_t last = 0;
    pthread_mutex_lock(&f->db.lock);
    for (size_t i = 0; i < f->db.sample_count; i++) {
        if (f->db.samples[i].series != up) continue;
        if (last) assert_int_equal((f->db.samples[i].t_ms - last) % BUSY_INTERVAL_MS, 0);
        last = f->db.samples[i].t_ms;
    }
    pthread_mutex_unlock(&f->db.lock);
    struct scrape_stats s;
    scrape_loop_stats(f->loop, &s);
    assert_int_equal(s.targets, 1);
    assert_int_equal(s.targets_up, 1);
    assert_int_equal(s.failures, 0);
    assert_true(s.samples >= 6);
}

static void the_request_is_as_agreed(void **state)
{
    struct fixture *f = *state;
    apply(f, config(f, "/ok"));
    wait_for_value(f, "up", 1);
    pthread_mutex_lock(&f->server.lock);
    const char *r = f->server.last_request;
    assert_non_null(strstr(r, "Accept: text/plain;version=0.0.4;q=1,"));
    assert_non_null(strstr(r, "User-Agent: tocsin/test\r\n"));
    assert_non_null(strstr(r, "X-Prometheus-Scrape-Timeout-Seconds: 0.05\r\n"));
    assert_null(strstr(r, "Accept-Encoding")); /* loopback: compression costs more than it saves */
    pthread_mutex_unlock(&f->server.lock);
}

static void series_that_vanish_are_marked_stale(void **state)
{
    struct fixture *f = *state;
    const double stale = double_of_bits(STALE_NAN_BITS);
    apply(f, config(f, "/phased"));
    wait_for_value(f, "b", 1);
    atomic_store(&f->server.phase, 1);
    wait_for_value(f, "b", stale);
    wait_for_value(f, "a", 1);
    atomic_store(&f->server.phase, 2);
    wait_for_value(f, "a", stale);
    wait_for_value(f, "up", 0);
    atomic_store(&f->server.phase, 0);
    wait_for_value(f, "b", 1);
    wait_for_value(f, "up", 1);
}

static void targets_that_leave_are_marked_stale(void **state)
{
    struct fixture *f = *state;
    const double stale = double_of_bits(STALE_NAN_BITS);
    apply(f, config(f, "/ok"));
    wait_for_value(f, "a", 1);
    wait_for_value(f, "up", 1);
    assert_int_equal(scrape_loop_apply(f->loop, NULL, 0, (struct labels){NULL, 0}, NULL), 0);
    wait_for_value(f, "a", stale);
    wait_for_value(f, "up", stale);
}

static size_t count_stale(struct fixture *f)
{
    size_t n = 0;
    pthread_mutex_lock(&f->db.lock);
    for (size_t i = 0; i < f->db.sample_count; i++)
        n += is_stale(f->db.samples[i].v);
    pthread_mutex_unlock(&f->db.lock);
    return n;
}

static void a_reload_keeps_what_has_not_changed(void **state)
{
    struct fixture *f = *state;
    struct scrape_stats before, after;
    struct scrape_config c = config(f, "/ok");
    c.interval_ms = c.timeout_ms = BUSY_INTERVAL_MS;
    apply(f, c);
    wait_for_value(f, "up", 1);
    scrape_loop_stats(f->loop, &before);
    apply(f, c);
    scrape_loop_stats(f->loop, &after);
    assert_int_equal(after.series, before.series);
    /* another interval: the same series go on */
    c.interval_ms += 10;
    apply(f, c);
    const uint64_t more = after.scrapes + 3;
    wait_for(f, has_scrapes, &more);
    scrape_loop_stats(f->loop, &after);
    assert_int_equal(after.series, before.series);
    assert_int_equal(count_stale(f), 0);
}

static void failures_are_told_by_kind(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *error;
        int64_t body_limit, sample_limit, timeout_ms;
    } rows[] = {
        {"/hang",    "no answer within 50 ms",                          0,     0, 50},
        {"/none",    "server returned HTTP status 404",                 0,     0, 0 },
        {"/garbage", "line 1: expected a valid start token",            0,     0, 0 },
        {"/cut",     "transfer closed with",                            0,     0, 0 },
        {"/flood",   "body_size_limit exceeded: more than 65536 bytes", 65536, 0, 0 },
        {"/ok",      "sample_limit exceeded: 2 samples, 1 allowed",     0,     1, 0 },
        {"/auth",    "server returned HTTP status 401",                 0,     0, 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scrape_config c = config(f, rows[i].path);
        c.interval_ms = rows[i].timeout_ms ? INTERVAL_MS : 200;
        c.timeout_ms = rows[i].timeout_ms ? rows[i].timeout_ms : 200;
        c.body_size_limit = rows[i].body_limit;
        c.sample_limit = rows[i].sample_limit;
        apply(f, c);
        wait_for(f, has_error, rows[i].error);
        wait_for_value(f, "up", 0);
        struct last_value a = {"a", 1};
        assert_false(has_last_value(f, &a));
    }
}

static void a_target_that_refuses_connections_is_down(void **state)
{
    struct fixture *f = *state;
    /* a port that was free a moment ago */
    struct tiny_server gone;
    assert_int_equal(tiny_start(&gone), 0);
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", gone.port);
    tiny_stop(&gone);
    apply(f, config(f, "/ok"));
    wait_for_value(f, "up", 0);
    wait_for_value(f, "scrape_samples_scraped", 0);
}

static void a_hanging_target_holds_up_no_other(void **state)
{
    struct fixture *f = *state;
    struct scrape_config c[2] = {config(f, "/hang"), config(f, "/ok")};
    c[0].job_name = "hang";
    c[0].interval_ms = c[0].timeout_ms = 200;
    assert_int_equal(scrape_loop_apply(f->loop, c, 2, (struct labels){NULL, 0}, NULL), 0);
    const uint64_t some = 12;
    wait_for(f, has_scrapes, &some);
    wait_for_value(f, "up", 1);
    wait_for_value(f, "a", 1);
}

static void the_content_type_chooses_the_format(void **state)
{
    struct fixture *f = *state;
    apply(f, config(f, "/openmetrics"));
    wait_for_value(f, "up", 1);
    wait_for_value(f, "a", 1);
}

static void tokens_are_sent(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/tocsin-test-token-XXXXXX";
    struct scrape_config c = config(f, "/auth");
    c.auth_type = "Bearer";
    c.bearer_token = "s3cret";
    apply(f, c);
    wait_for_value(f, "up", 1);
    c.bearer_token = "wrong";
    c.hash++;
    apply(f, c);
    wait_for_value(f, "up", 0);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);
    c.bearer_token = "";
    c.bearer_token_file = path;
    c.hash++;
    apply(f, c);
    wait_for_value(f, "up", 1);
    unlink(path);
    wait_for(f, has_error, "cannot read /tmp/tocsin-test-token-");
}

static void node_labels_fill_gaps(void **state)
{
    struct fixture *f = *state;
    static const struct label extra[] = {
        {{"job", 3},  {"node", 4}},
        {{"zone", 4}, {"z1", 2}  }
    };
    struct scrape_config c = config(f, "/ok");
    assert_int_equal(scrape_loop_apply(f->loop, &c, 1, (struct labels){extra, 2}, NULL), 0);
    char series[128];
    snprintf(series, sizeof series, "a{instance=\"%s\", job=\"j\", zone=\"z1\"}", f->address);
    const uint64_t some = 3;
    size_t at;
    wait_for(f, has_scrapes, &some);
    assert_true(fake_find(&f->db, series, &at));
}

static void wrong_configurations_leave_the_old_targets(void **state)
{
    struct fixture *f = *state;
    struct errmsg err = {0};
    struct scrape_config c[2] = {config(f, "/ok"), config(f, "/ok")};
    apply(f, c[0]);
    assert_int_equal(scrape_loop_apply(f->loop, c, 2, (struct labels){NULL, 0}, &err), E_INVALID);
    assert_string_equal(err.text, "two scrape configs have the job_name \"j\"");
    wait_for_value(f, "up", 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_target_is_scraped_on_its_slots),
        CASE(the_request_is_as_agreed),
        CASE(series_that_vanish_are_marked_stale),
        CASE(targets_that_leave_are_marked_stale),
        CASE(a_reload_keeps_what_has_not_changed),
        CASE(failures_are_told_by_kind),
        CASE(a_target_that_refuses_connections_is_down),
        CASE(a_hanging_target_holds_up_no_other),
        CASE(the_content_type_chooses_the_format),
        CASE(tokens_are_sent),
        CASE(node_labels_fill_gaps),
        CASE(wrong_configurations_leave_the_old_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
