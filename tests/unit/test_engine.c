/* test_engine.c -- the collector engine: cycles, staleness, reload, failures of store and sources.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_sink.h"

#define INSTANCE "{instance=\"n1\", job=\"node\"}"

struct fixture {
    struct tree tree;
    struct fake_sink *sink;
    struct fake_env env;
    char proc[96];
    struct collector_config config;
    struct collector_engine *engine;
    int64_t t;
};

static const char stat_text[] = "cpu  30 0 0 100 0 0 0 0 0 0\n"
                                "cpu0 10 0 0 40 0 0 0 0 0 0\n"
                                "cpu1 20 0 0 60 0 0 0 0 0 0\n"
                                "intr 77 1 2 3\nctxt 88\nbtime 1700000000\nprocesses 99\n"
                                "procs_running 2\nprocs_blocked 1\nsoftirq 5 1 2 2\n";

static struct fixture *fixture_new(bool threads)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    tree_new(&f->tree);
    tree_puts(&f->tree, "proc/stat", stat_text);
    tree_puts(&f->tree, "proc/loadavg", "0.25 0.50 0.75 1/100 4242\n");
    tree_puts(&f->tree, "proc/meminfo",
              "MemTotal:  1000 kB\nActive(anon): 4 kB\nHugePages_Free: 3\n");
    snprintf(f->proc, sizeof f->proc, "%s/proc", f->tree.root);
    f->sink = fake_sink_new();
    f->env = fake_env(1700000000000);
    f->t = f->env.now_ms;
    f->config = (struct collector_config){.enabled = true,
                                          .interval_ms = 1000,
                                          .slow_interval_ms = 15000,
                                          .host_root = "",
                                          .proc_path = f->proc,
                                          .sys_path = f->tree.root,
                                          .job = "node",
                                          .instance = "n1"};
    assert_int_equal(
        collector_engine_new_sink(&f->engine, fake_sink(f->sink), &f->env.env, threads), 0);
    return f;
}

static void apply(struct fixture *f)
{
    struct errmsg err = {0};
    assert_int_equal(collector_engine_apply(f->engine, &f->config, NULL, 0, &err), 0);
}

static void ticks(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        f->t += 1000;
        f->env.now_ms = f->t;
        collector_engine_tick(f->engine, f->t, 0);
    }
}

static void fixture_free(struct fixture *f)
{
    collector_engine_free(f->engine);
    fake_sink_free(f->sink);
    tree_free(&f->tree);
    free(f);
}

static double success(struct fixture *f, const char *collector)
{
    char labels[200];
    snprintf(labels, sizeof labels,
             "node_scrape_collector_success{collector=\"%s\", instance=\"n1\", job=\"node\"}",
             collector);
    return fake_value(f->sink, labels);
}

static void samples_carry_job_and_instance(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 1);
    assert_true(fake_value(f->sink, "node_load1" INSTANCE) == 0.25);
    assert_true(fake_value(f->sink, "node_memory_Active_anon_bytes" INSTANCE) == 4096);
    assert_true(fake_value(f->sink, "node_memory_HugePages_Free" INSTANCE) == 3);
    assert_true(fake_value(f->sink,
                           "node_cpu_seconds_total{cpu=\"1\", instance=\"n1\", job=\"node\", "
                           "mode=\"idle\"}") > 0);
    assert_true(fake_value(f->sink, "node_procs_blocked" INSTANCE) == 1);
    assert_int_equal(f->sink->series[fake_find(f->sink, "node_load1" INSTANCE)].t_ms, f->t);
    assert_true(success(f, "loadavg") == 1);
    fixture_free(f);
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void steady_cycle_allocates_and_opens_nothing(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 70);
    uint64_t allocations = mem_allocations();
    size_t fds = open_descriptors();
    size_t appends = f->sink->appends;
    ticks(f, 130); /* descriptors are renewed twice meanwhile */
    assert_int_equal(mem_allocations(), allocations);
    assert_int_equal(open_descriptors(), fds);
    assert_int_equal(f->sink->appends - appends, 130);
    fixture_free(f);
}

/* The same of every collector there is, the slow ones included. */
static void whole_host_set_allocates_nothing_either(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    f->config.proc_path = "tests/fixtures/host/plain/proc";
    f->config.sys_path = "tests/fixtures/host/plain/sys";
    apply(f);
    ticks(f, 70);
    uint64_t allocations = mem_allocations();
    size_t fds = open_descriptors(), series = f->sink->count;
    ticks(f, 130);
    assert_int_equal(mem_allocations(), allocations);
    assert_int_equal(open_descriptors(), fds);
    assert_int_equal(f->sink->count, series);
    assert_true(success(f, "netclass") == 1);
    assert_true(success(f, "diskstats") == 1);
    assert_true(success(f, "netstat") == 1);
    fixture_free(f);
}

static void vanished_file_is_a_failure_until_it_is_back(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 2);
    tree_remove(&f->tree, "proc/loadavg");
    ticks(f, 61); /* a kept descriptor is renewed once a minute */
    assert_true(success(f, "loadavg") == 0);
    int i = fake_find(f->sink, "node_load1" INSTANCE);
    assert_true(is_stale(f->sink->series[i].v));
    assert_int_equal(f->sink->series[i].stale_markers, 1);
    tree_puts(&f->tree, "proc/loadavg", "4 5 6 1/1 1\n");
    ticks(f, 1);
    assert_true(success(f, "loadavg") == 1);
    assert_true(fake_value(f->sink, "node_load1" INSTANCE) == 4);
    fixture_free(f);
}

static void broken_text_fails_one_collector_alone(void **state)
{
    static const char *const texts[] = {"", "\n", "x y z\n", "0.1 0.2", "\xff\xfe"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fixture *f = *state = fixture_new(false);
        tree_puts(&f->tree, "proc/loadavg", texts[i]);
        apply(f);
        ticks(f, 2);
        assert_true(success(f, "loadavg") == 0);
        assert_true(success(f, "cpu") == 1);
        assert_int_equal(fake_find(f->sink, "node_load15" INSTANCE), -1);
        fixture_free(f);
    }
}

static void cpu_that_goes_away_gets_a_marker_once(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 2);
    tree_puts(&f->tree, "proc/stat", "cpu  1 0 0 1\ncpu0 11 0 0 41 0 0 0 0 0 0\nctxt 1\n");
    ticks(f, 3);
    int gone = fake_find(
        f->sink, "node_cpu_seconds_total{cpu=\"1\", instance=\"n1\", job=\"node\", mode=\"user\"}");
    assert_true(is_stale(f->sink->series[gone].v));
    assert_int_equal(f->sink->series[gone].points, 3);
    assert_int_equal(f->sink->series[gone].stale_markers, 1);
    assert_true(is_stale(fake_value(f->sink, "node_forks_total" INSTANCE)));
    assert_true(fake_value(f->sink, "node_context_switches_total" INSTANCE) == 1);
    fixture_free(f);
}

static void cpu_counters_never_go_backwards(void **state)
{
    static const char idle[] =
        "node_cpu_seconds_total{cpu=\"0\", instance=\"n1\", job=\"node\", mode=\"idle\"}";
    struct fixture *f = *state = fixture_new(false);
    double hz = (double)sysconf(_SC_CLK_TCK);
    apply(f);
    tree_puts(&f->tree, "proc/stat", "cpu0 10 0 0 4000 7\nctxt 1\n");
    ticks(f, 1);
    tree_puts(&f->tree, "proc/stat", "cpu0 10 0 0 3990 6\nctxt 1\n");
    ticks(f, 1);
    assert_true(fake_value(f->sink, idle) == 4000 / hz);
    tree_puts(&f->tree, "proc/stat", "cpu0 1 0 0 50 0\nctxt 1\n"); /* unplugged and back */
    ticks(f, 1);
    assert_true(fake_value(f->sink, idle) == 50 / hz);
    fixture_free(f);
}

static void refusing_store_costs_slots_and_nothing_else(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 1);
    f->sink->refuse_append = E_UNAVAILABLE;
    ticks(f, 3);
    f->sink->refuse_append = 0;
    ticks(f, 1);
    assert_true(fake_value(f->sink, "tocsin_collector_slots_lost_total" INSTANCE) == 3);
    assert_true(fake_value(f->sink, "tocsin_collector_slots_total" INSTANCE) == 5);
    assert_int_equal(f->sink->series[fake_find(f->sink, "node_load1" INSTANCE)].points, 2);
    fixture_free(f);
}

static void refused_series_are_asked_for_again(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    f->sink->refuse_series = E_UNAVAILABLE;
    ticks(f, 2);
    assert_int_equal(f->sink->count, 0);
    f->sink->refuse_series = E_LIMIT;
    ticks(f, 1);
    f->sink->refuse_series = 0;
    ticks(f, 58);
    assert_int_equal(fake_find(f->sink, "node_load1" INSTANCE), -1);
    ticks(f, 3);
    assert_true(fake_value(f->sink, "node_load1" INSTANCE) == 0.25);
    fixture_free(f);
}

static void closed_handles_are_looked_up_again(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 2);
    int i = fake_find(f->sink, "node_load5" INSTANCE),
        j = fake_find(f->sink, "node_intr_total" INSTANCE);
    f->sink->series[i].closed = f->sink->series[j].closed = true;
    ticks(f, 1);
    assert_int_equal(f->sink->series[i].points, 3);
    assert_int_equal(f->sink->series[j].points, 3);
    assert_int_equal(f->sink->series[i].t_ms, f->t);
    fixture_free(f);
}

static void reload_keeps_what_is_unchanged(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    struct host_collector_options off = {.name = "loadavg", .enabled = false};
    apply(f);
    ticks(f, 2);
    struct collect *cpu = f->engine->v[0];
    f->config.host = &off;
    f->config.host_count = 1;
    apply(f);
    assert_ptr_equal(f->engine->v[0], cpu);
    assert_true(is_stale(fake_value(f->sink, "node_load1" INSTANCE)));
    ticks(f, 1);
    assert_true(fake_value(f->sink, "node_context_switches_total" INSTANCE) == 88);
    fixture_free(f);
}

static void changed_labels_end_the_old_series(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 2);
    f->config.job = "node-exporter";
    apply(f);
    assert_true(is_stale(fake_value(f->sink, "node_load1" INSTANCE)));
    ticks(f, 1);
    assert_true(fake_value(f->sink, "node_load1{instance=\"n1\", job=\"node-exporter\"}") == 0.25);
    assert_true(is_stale(fake_value(f->sink, "node_load1" INSTANCE)));
    fixture_free(f);
}

static void other_roots_restart_everything(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 1);
    tree_puts(&f->tree, "other/loadavg", "7 8 9\n");
    snprintf(f->proc, sizeof f->proc, "%s/other", f->tree.root);
    apply(f);
    ticks(f, 1);
    assert_true(fake_value(f->sink, "node_load1" INSTANCE) == 7);
    assert_true(success(f, "cpu") == 0);
    fixture_free(f);
}

struct seen {
    size_t count, families;
    char last[128];
    bool sorted, unlabelled;
};

static int see(void *arg, const struct local_sample *s)
{
    struct seen *seen = arg;
    seen->count++;
    int order = strcmp(seen->last, s->name);
    if (order > 0) seen->sorted = false;
    if (order) seen->families++;
    snprintf(seen->last, sizeof seen->last, "%s", s->name);
    if (labels_get(s->labels, STR("job")).p || labels_get(s->labels, STR("instance")).p)
        seen->unlabelled = false;
    return 0;
}

static void latest_values_come_grouped_by_metric(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    struct seen seen = {.sorted = true, .unlabelled = true};
    apply(f);
    ticks(f, 2);
    assert_int_equal(collector_engine_latest(f->engine, see, &seen), 0);
    assert_true(seen.sorted);
    assert_true(seen.unlabelled);
    assert_in_range(seen.families, 20, 200);
    assert_in_range(seen.count, 50, 2000);
    fixture_free(f);
}

static void report_own(void *arg, struct collect *c)
{
    static const struct metric row = {"tocsin_test_value", "A value of this test.", METRIC_GAUGE,
                                      UNIT_NONE, false};
    emit(c, &row, *(const double *)arg);
}

static void own_metrics_of_modules_are_collected(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    double value = 42;
    collector_engine_self(f->engine, report_own, &value);
    apply(f);
    ticks(f, 1);
    assert_true(fake_value(f->sink, "tocsin_test_value" INSTANCE) == 42);
    fixture_free(f);
}

static void slots_stand_on_multiples_and_late_ones_are_counted(void **state)
{
    UNUSED(state);
    static const struct {
        int64_t last, now, mono_ms, next;
        uint64_t missed;
    } cases[] = {
        {0,       5300,    0,    6000,    0},
        {6000,    6000,    0,    7000,    0},
        {6000,    6999,    999,  7000,    0},
        {6000,    5999,    0,    7000,    0}, /* woken a moment early */
        {6000,    7001,    1001, 8000,    1}, /* 7000 has passed */
        {6000,    9500,    3500, 10000,   3},
        {6000,    3606500, 500,  3607000, 0}, /* the clock was set
  forward */
        {6000,    4500,    400,  7000,    0}, /* set back a little */
        {3600000, 6500,    400,  7000,    0}, /* set back a lot: follow */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t missed = 99;
        int64_t next = engine_next_slot(1000, cases[i].last, cases[i].now,
                                        cases[i].mono_ms * 1000000, &missed);
        if (next != cases[i].next || missed != cases[i].missed)
            fail_msg("case %zu: next %lld missed %llu", i, (long long)next,
                     (unsigned long long)missed);
    }
}

static void costly_collectors_run_less_often(void **state)
{
    UNUSED(state);
    static const struct {
        unsigned stride;
        int64_t cpu_ms, interval_ms;
        unsigned want;
    } cases[] = {
        {1,  1,    1000, 1 },
        {1,  10,   1000, 1 },
        {1,  11,   1000, 2 },
        {2,  11,   1000, 2 },
        {2,  21,   1000, 4 },
        {4,  11,   1000, 4 },
        {4,  9,    1000, 2 },
        {2,  1,    1000, 1 },
        {1,  2,    100,  2 },
        {64, 1,    1000, 32},
        {64, 9999, 1000, 64},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned got =
            engine_guard_stride(cases[i].stride, cases[i].cpu_ms * 1000000, cases[i].interval_ms);
        if (got != cases[i].want) fail_msg("case %zu: %u", i, got);
    }
}

static void long_strides_leave_cycles_out(void **state)
{
    struct fixture *f = *state = fixture_new(false);
    apply(f);
    ticks(f, 1);
    f->engine->v[0]->stride = 4;
    ticks(f, 12);
    assert_int_equal(f->engine->v[0]->settling, 1 + 12 / 4);
    int i = fake_find(f->sink, "node_cpu_seconds_total{cpu=\"0\", instance=\"n1\", job=\"node\", "
                               "mode=\"user\"}");
    assert_int_equal(f->sink->series[i].points, 1 + 12 / 4);
    assert_int_equal(f->sink->series[i].stale_markers, 0);
    fixture_free(f);
}

static void threads_collect_until_they_are_stopped(void **state)
{
    struct fixture *f = *state = fixture_new(true);
    apply(f);
    pthread_mutex_lock(&f->sink->lock);
    while (f->sink->appends < 40)
        pthread_cond_wait(&f->sink->changed, &f->sink->lock);
    pthread_mutex_unlock(&f->sink->lock);
    struct seen seen = {.sorted = true};
    assert_int_equal(collector_engine_latest(f->engine, see, &seen), 0);
    apply(f);
    fixture_free(f);
}

static void failing_allocations_end_in_errors(void **state)
{
    for (uint64_t n = 1; n < 60; n++) {
        struct fixture *f = *state = fixture_new(false);
        struct errmsg err = {0};
        mem_fail_at(n, 0);
        int rc = collector_engine_apply(f->engine, &f->config, NULL, 0, &err);
        if (rc == 0) collector_engine_tick(f->engine, f->t + 1000, 0);
        mem_fail_at(0, 0);
        assert_true(rc == 0 || rc == -ENOMEM);
        f->t += 1000;
        apply(f);
        ticks(f, 62);
        assert_true(fake_value(f->sink, "node_load15" INSTANCE) == 0.75);
        fixture_free(f);
    }
}

int main(void)
{
    log_set_level(LOG_LEVEL_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_carry_job_and_instance),
        cmocka_unit_test(steady_cycle_allocates_and_opens_nothing),
        cmocka_unit_test(whole_host_set_allocates_nothing_either),
        cmocka_unit_test(vanished_file_is_a_failure_until_it_is_back),
        cmocka_unit_test(broken_text_fails_one_collector_alone),
        cmocka_unit_test(cpu_that_goes_away_gets_a_marker_once),
        cmocka_unit_test(cpu_counters_never_go_backwards),
        cmocka_unit_test(refusing_store_costs_slots_and_nothing_else),
        cmocka_unit_test(refused_series_are_asked_for_again),
        cmocka_unit_test(closed_handles_are_looked_up_again),
        cmocka_unit_test(reload_keeps_what_is_unchanged),
        cmocka_unit_test(changed_labels_end_the_old_series),
        cmocka_unit_test(other_roots_restart_everything),
        cmocka_unit_test(latest_values_come_grouped_by_metric),
        cmocka_unit_test(own_metrics_of_modules_are_collected),
        cmocka_unit_test(slots_stand_on_multiples_and_late_ones_are_counted),
        cmocka_unit_test(costly_collectors_run_less_often),
        cmocka_unit_test(long_strides_leave_cycles_out),
        cmocka_unit_test(threads_collect_until_they_are_stopped),
        cmocka_unit_test(failing_allocations_end_in_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
