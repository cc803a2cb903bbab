/* test_scrape_store.c -- bodies into the store: labels, limits, staleness, the cache of lines.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/scrape_int.h"
#include "core/mem.h"
#include "tests/unit/fake_tsdb.h"

struct fixture {
    struct tsdb db;
    struct scrape_store store;
    struct scrape_target *t;
    struct scrape_counts counts;
    struct errmsg err;
};

/* A target a:1 of job j, with the given limits. */
static struct scrape_target *make_target(struct scrape_config c)
{
    static const char *address[] = {"a:1"};
    struct scrape_static s = {
        .targets = {.count = 1, .v = address}
    };
    struct scrape_target **v;
    size_t count;
    c.job_name = "j";
    c.scheme = "http";
    c.metrics_path = "/metrics";
    c.honor_timestamps = !c.honor_timestamps; /* on by default: a test says true to switch it off */
    c.static_configs = (struct conf_list){1, &s};
    assert_int_equal(scrape_targets_new(&c, 1, (struct labels){NULL, 0}, &v, &count, NULL), 0);
    assert_int_equal(count, 1);
    struct scrape_target *t = v[0];
    mem_free(v);
    return t;
}

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    fake_init(&f->db);
    scrape_store_init(&f->store, &f->db);
    f->t = make_target((struct scrape_config){0});
    *state = f;
    return 0;
}

static void configure(struct fixture *f, struct scrape_config c)
{
    scrape_target_free(f->t);
    f->t = make_target(c);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scrape_target_free(f->t);
    scrape_store_release(&f->store);
    fake_release(&f->db);
    mem_free(f);
    return 0;
}

static int scrape(struct fixture *f, int64_t t_ms, const char *body)
{
    f->t->slot_ms = t_ms;
    f->err = (struct errmsg){0};
    return scrape_store_body(&f->store, f->t, str_of(body), EXPO_TEXT, &f->counts, &f->err);
}

static void check_last(struct fixture *f, const char *series, size_t count, int64_t t_ms, double v)
{
    struct fake_sample last = {0};
    assert_int_equal(fake_samples(&f->db, series, &last), count);
    assert_int_equal(last.t_ms, t_ms);
    assert_true(double_bits(last.v) == double_bits(v));
}

static void check_stale(struct fixture *f, const char *series, size_t count, int64_t t_ms)
{
    check_last(f, series, count, t_ms, double_of_bits(STALE_NAN_BITS));
}

#define A1 "a{instance=\"a:1\", job=\"j\", x=\"1\"}"
#define A2 "a{instance=\"a:1\", job=\"j\", x=\"2\"}"

static void samples_get_job_and_instance(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 10, "# TYPE a gauge\na{x=\"1\"} 1.5\na{x=\"2\"} -2\n"), 0);
    check_last(f, A1, 1, 10, 1.5);
    check_last(f, A2, 1, 10, -2);
    assert_int_equal(f->counts.samples, 2);
    assert_int_equal(f->counts.post_relabel, 2);
    assert_int_equal(f->counts.added, 2);
}

static void a_steady_body_allocates_and_looks_up_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "# HELP a x\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n",
        "# HELP a x\n# TYPE a gauge\na{x=\"1\"} 3e5\na{x=\"2\"} -4.25\n",
    };
    for (int i = 0; i < 3; i++)
        assert_int_equal(scrape(f, i, bodies[0]), 0);
    size_t lookups = f->db.lookups;
    uint64_t allocations = mem_allocations(), misses = f->t->cache.misses;
    assert_int_equal(scrape(f, 10, bodies[1]), 0);
    assert_int_equal(mem_allocations() - allocations, 0);
    assert_int_equal(f->db.lookups, lookups);
    assert_int_equal(f->t->cache.misses, misses);
    assert_int_equal(f->counts.added, 0);
    check_last(f, A2, 4, 10, -4.25);
}

static void lines_that_come_and_go_cost_only_themselves(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 1, "a 1\nb 1\nc 1\nd 1\n"), 0);
    uint64_t misses = f->t->cache.misses;
    assert_int_equal(scrape(f, 2, "a 2\nnew 2\nb 2\nc 2\nd 2\n"), 0);
    assert_int_equal(f->t->cache.misses - misses, 1);
    assert_int_equal(f->counts.added, 1);
    assert_int_equal(scrape(f, 3, "a 3\nnew 3\nd 3\n"), 0);
    assert_int_equal(f->t->cache.misses - misses, 2);
    check_stale(f, "b{instance=\"a:1\", job=\"j\"}", 3, 3);
    check_stale(f, "c{instance=\"a:1\", job=\"j\"}", 3, 3);
    check_last(f, "d{instance=\"a:1\", job=\"j\"}", 3, 3, 3);
    assert_int_equal(scrape(f, 4, "d 4\nb 4\nnew 4\n"), 0);
    check_last(f, "b{instance=\"a:1\", job=\"j\"}", 4, 4, 4);
    check_stale(f, "a{instance=\"a:1\", job=\"j\"}", 4, 4);
}

static void odd_numbers_take_the_long_way(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "a 1\n", "a NaN\n", "a +Inf\n", "a  2\n", "a\t3\n", "a 4\r\n", "a 5",
    };
    static const double want[] = {1, 0, (double)INFINITY, 2, 3, 4, 5};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(scrape(f, (int64_t)i, bodies[i]), 0);
        check_last(f, "a{instance=\"a:1\", job=\"j\"}", i + 1, (int64_t)i,
                   i == 1 ? double_of_bits(NORMAL_NAN_BITS) : want[i]);
    }
}

static void a_failed_scrape_marks_everything_stale_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 1, "a{x=\"1\"} 1\na{x=\"2\"} 2\n"), 0);
    scrape_store_stale(&f->store, f->t, 2);
    check_stale(f, A1, 2, 2);
    check_stale(f, A2, 2, 2);
    scrape_store_stale(&f->store, f->t, 3);
    check_stale(f, A1, 2, 2);
    assert_int_equal(scrape(f, 4, "a{x=\"1\"} 4\n"), 0);
    check_last(f, A1, 3, 4, 4);
    check_stale(f, A2, 2, 2);
    assert_int_equal(f->counts.added, 0);
}

static void a_broken_body_stores_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "a 1\nb\n",      "a 1\na{x=\"1\",x=\"2\"} 1\n", "a 1\nb 1 2 3\n", "a 1\n<html>\n",
        "a 1\nb{c=\"\n",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(scrape(f, 1, bodies[i]), E_PARSE);
        assert_int_equal(f->err.line, 2);
        assert_int_equal(f->db.series_count, 0);
        assert_int_equal(f->t->cache.count, 0);
    }
}

static void the_sample_limit_refuses_the_whole_body(void **state)
{
    struct fixture *f = *state;
    configure(f, (struct scrape_config){.sample_limit = 2});
    assert_int_equal(scrape(f, 1, "a 1\nb 1\n"), 0);
    assert_int_equal(scrape(f, 2, "a 2\nb 2\nc 2\nd 2\n"), E_LIMIT);
    assert_string_equal(f->err.text, "sample_limit exceeded: 4 samples, 2 allowed");
    assert_int_equal(f->counts.samples, 4);
    assert_int_equal(f->db.series_count, 2);
    check_last(f, "a{instance=\"a:1\", job=\"j\"}", 1, 1, 1);
}

/* A million series that were never there before, against a limit: no memory for them. */
static void a_flood_of_new_series_costs_little(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT(64 << 20);
    configure(f, (struct scrape_config){.sample_limit = 1000});
    for (int i = 0; i < 1000000; i++)
        buf_addf(&body, "a{i=\"%d\"} 1\n", i);
    assert_int_equal(body.err, 0);
    uint64_t allocations = mem_allocations();
    f->t->slot_ms = 1;
    assert_int_equal(scrape_store_body(&f->store, f->t, (struct str){body.p, body.len}, EXPO_TEXT,
                                       &f->counts, &f->err),
                     E_LIMIT);
    assert_in_range(mem_allocations() - allocations, 0, 2000);
    assert_int_equal(f->counts.samples, 1000000);
    assert_int_equal(f->t->cache.count, 0);
    assert_int_equal(f->db.series_count, 0);
    buf_release(&body);
}

static void label_limits_refuse_the_whole_body(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct scrape_config c;
        const char *text;
    } rows[] = {
        {{.label_limit = 4},              "label_limit exceeded: 5 labels, 4 allowed"      },
        {{.label_name_length_limit = 8},  "label_name_length_limit exceeded: \"long_name\""},
        {{.label_value_length_limit = 9}, "label_value_length_limit exceeded: value of x"  },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        configure(f, rows[i].c);
        assert_int_equal(scrape(f, 1, "a 1\na{long_name=\"1\",x=\"long value\"} 1\n"), E_LIMIT);
        assert_string_equal(f->err.text, rows[i].text);
        assert_int_equal(f->db.sample_count, 0);
    }
}

static void labels_of_the_target_win_unless_honored(void **state)
{
    struct fixture *f = *state;
    const char *body = "a{job=\"other\",exported_job=\"x\",instance=\"\"} 1\n";
    assert_int_equal(scrape(f, 1, body), 0);
    check_last(
        f, "a{exported_exported_job=\"other\", exported_job=\"x\", instance=\"a:1\", job=\"j\"}", 1,
        1, 1);
    configure(f, (struct scrape_config){.honor_labels = true});
    assert_int_equal(scrape(f, 1, body), 0);
    check_last(f, "a{exported_job=\"x\", instance=\"a:1\", job=\"other\"}", 1, 1, 1);
}

static void own_timestamps_are_honored_and_not_tracked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 100, "a 1 50\nb 1\n"), 0);
    check_last(f, "a{instance=\"a:1\", job=\"j\"}", 1, 50, 1);
    assert_int_equal(scrape(f, 200, "b 1\n"), 0);
    check_last(f, "a{instance=\"a:1\", job=\"j\"}", 1, 50, 1);
    configure(f, (struct scrape_config){.track_timestamps_staleness = true});
    assert_int_equal(scrape(f, 300, "a 1 250\n"), 0);
    assert_int_equal(scrape(f, 400, "b 1\n"), 0);
    check_stale(f, "a{instance=\"a:1\", job=\"j\"}", 3, 400);
    configure(f, (struct scrape_config){.honor_timestamps = true /* means: off */});
    assert_int_equal(scrape(f, 500, "a 1 50\n"), 0);
    check_last(f, "a{instance=\"a:1\", job=\"j\"}", 4, 500, 1);
}

static void of_repeated_lines_the_first_counts(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i < 4; i++) {
        assert_int_equal(scrape(f, i, "a 1\na 2\nb 3\n"), 0);
        check_last(f, "a{instance=\"a:1\", job=\"j\"}", (size_t)i, i, 1);
        check_last(f, "b{instance=\"a:1\", job=\"j\"}", (size_t)i, i, 3);
        assert_int_equal(f->counts.samples, 3);
    }
}

static void a_changed_type_changes_labels(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 1, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"), 0);
    check_last(f, "h_bucket{instance=\"a:1\", job=\"j\", le=\"1.0\"}", 1, 1, 1);
    assert_int_equal(scrape(f, 2, "# TYPE h gauge\nh_bucket{le=\"1\"} 1\n"), 0);
    check_last(f, "h_bucket{instance=\"a:1\", job=\"j\", le=\"1\"}", 1, 2, 1);
    check_stale(f, "h_bucket{instance=\"a:1\", job=\"j\", le=\"1.0\"}", 2, 2);
}

static void metadata_is_kept_up(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scrape(f, 1, "# HELP a One\\ntwo.\n# TYPE a counter\na 1\n# TYPE b gauge\n"),
                     0);
    assert_int_equal(f->db.metadata_count, 2);
    assert_string_equal(f->db.metadata[0].name, "a");
    assert_string_equal(f->db.metadata[0].help, "One\ntwo.");
    assert_int_equal(f->db.metadata[0].type, METRIC_COUNTER);
    assert_int_equal(f->db.metadata[1].type, METRIC_GAUGE);
    assert_int_equal(scrape(f, 2, "# HELP a One\\ntwo.\n# TYPE a gauge\na 1\n# TYPE b gauge\n"), 0);
    assert_string_equal(f->db.metadata[0].help, "One\ntwo.");
    assert_int_equal(f->db.metadata[0].type, METRIC_GAUGE);
}

static void openmetrics_created_series_are_left_out(void **state)
{
    struct fixture *f = *state;
    f->t->slot_ms = 1;
    struct str body = STR("# TYPE a counter\na_total 1 # {t=\"x\"} 1\na_created 5\n# EOF\n");
    assert_int_equal(
        scrape_store_body(&f->store, f->t, body, EXPO_OPENMETRICS, &f->counts, &f->err), 0);
    assert_int_equal(f->db.series_count, 1);
    assert_int_equal(scrape_store_body(&f->store, f->t, STR("a_total 1\n"), EXPO_OPENMETRICS,
                                       &f->counts, &f->err),
                     E_PARSE);
}

static void stale_refs_are_looked_up_again(void **state)
{
    struct fixture *f = *state;
    static const double reports[REPORT_COUNT] = {[REPORT_UP] = 1};
    assert_int_equal(scrape(f, 1, "a{x=\"1\"} 1\na{x=\"2\"} 1\n"), 0);
    scrape_store_reports(&f->store, f->t, 1, reports);
    f->db.generation++;
    assert_int_equal(scrape(f, 2, "a{x=\"1\"} 2\n"), 0);
    scrape_store_reports(&f->store, f->t, 2, reports);
    check_last(f, A1, 2, 2, 2);
    check_stale(f, A2, 2, 2);
    check_last(f, "up{instance=\"a:1\", job=\"j\"}", 2, 2, 1);
}

static void series_that_the_store_refuses_are_dropped(void **state)
{
    struct fixture *f = *state;
    f->db.max_series = 1;
    assert_int_equal(scrape(f, 1, "a 1\nb 1\n"), 0);
    assert_int_equal(f->db.sample_count, 1);
    assert_int_equal(f->store.dropped, 1);
    f->db.append_rc = E_UNAVAILABLE;
    assert_int_equal(scrape(f, 2, "a 2\n"), E_UNAVAILABLE);
}

static void a_target_that_leaves_is_marked_stale(void **state)
{
    struct fixture *f = *state;
    static const double reports[REPORT_COUNT] = {[REPORT_UP] = 1};
    assert_int_equal(scrape(f, 1, "a{x=\"1\"} 1\n"), 0);
    scrape_store_reports(&f->store, f->t, 1, reports);
    scrape_store_leave(&f->store, f->t, 2);
    check_stale(f, A1, 2, 2);
    check_stale(f, "up{instance=\"a:1\", job=\"j\"}", 2, 2);
    check_stale(f, "scrape_series_added{instance=\"a:1\", job=\"j\"}", 2, 2);
}

/* Every line of NAME.stored, `series value`, is there, and nothing else. */
static void check_stored(struct fixture *f, struct str want)
{
    size_t lines = 0;
    while (want.p && want.len) {
        struct str line = str_split(&want, '\n');
        const char *blank = memrchr(line.p, ' ', line.len);
        char series[1024];
        double v;
        struct fake_sample last = {0};
        snprintf(series, sizeof series, "%.*s", (int)(blank - line.p), line.p);
        struct str number = {blank + 1, line.len - (size_t)(blank - line.p) - 1};
        assert_int_equal(str_to_double(number, &v), 0);
        if (fake_samples(&f->db, series, &last) != 1) fail_msg("%s is not there", series);
        assert_true(double_bits(last.v) == double_bits(v));
        lines++;
    }
    assert_int_equal(f->db.sample_count, lines);
    assert_int_equal(f->counts.samples, lines);
}

static void recorded_expositions_are_stored_sample_for_sample(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"node_exporter", "prometheus"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128], *body = NULL, *stored = NULL;
        size_t body_len = 0, stored_len = 0;
        snprintf(path, sizeof path, "tests/fixtures/exposition/%s.prom", names[i]);
        assert_int_equal(env_read_file(env_system(), path, 1 << 20, &body, &body_len), 0);
        snprintf(path, sizeof path, "tests/fixtures/exposition/%s.stored", names[i]);
        assert_int_equal(env_read_file(env_system(), path, 1 << 20, &stored, &stored_len), 0);
        /* once new, once known: the same samples */
        for (int round = 0; round < 2; round++) {
            assert_int_equal(scrape(f, round, body), 0);
            check_stored(f, (struct str){stored, stored_len});
            f->db.sample_count = 0;
        }
        fake_release(&f->db);
        fake_init(&f->db);
        configure(f, (struct scrape_config){0});
        mem_free(body);
        mem_free(stored);
    }
}

static void refused_memory_fails_the_scrape_cleanly(void **state)
{
    struct fixture *f = *state;
    int rc = -1;
    for (uint64_t n = 1; n < 200 && rc != 0; n++) {
        mem_fail_at(n, 0);
        rc = scrape(f, (int64_t)n, "# HELP a b\na{x=\"\\\\1\"} 1\na{x=\"2\"} 1\n");
        mem_fail_at(0, 0);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(samples_get_job_and_instance),
        CASE(a_steady_body_allocates_and_looks_up_nothing),
        CASE(lines_that_come_and_go_cost_only_themselves),
        CASE(odd_numbers_take_the_long_way),
        CASE(a_failed_scrape_marks_everything_stale_once),
        CASE(a_broken_body_stores_nothing),
        CASE(the_sample_limit_refuses_the_whole_body),
        CASE(a_flood_of_new_series_costs_little),
        CASE(label_limits_refuse_the_whole_body),
        CASE(labels_of_the_target_win_unless_honored),
        CASE(own_timestamps_are_honored_and_not_tracked),
        CASE(of_repeated_lines_the_first_counts),
        CASE(a_changed_type_changes_labels),
        CASE(metadata_is_kept_up),
        CASE(openmetrics_created_series_are_left_out),
        CASE(stale_refs_are_looked_up_again),
        CASE(series_that_the_store_refuses_are_dropped),
        CASE(a_target_that_leaves_is_marked_stale),
        CASE(recorded_expositions_are_stored_sample_for_sample),
        CASE(refused_memory_fails_the_scrape_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
