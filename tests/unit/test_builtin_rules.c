/* test_builtin_rules.c -- the built-in rule sets: they load, say what they mean, stay silent on a
 * healthy machine and speak up on a sick one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "rules/builtin.h"
#include "rules/rule_int.h"
#include "tsdb/memstore.h"

static struct rule_set *load_all(void)
{
    struct rule_set *s;
    struct diags d;
    struct builtin_rules b;
    diags_init(&d);
    assert_int_equal(rule_set_new(&s), 0);
    for (size_t i = 0; builtin_rules_at(i, &b); i++)
        if (rule_set_add(s, b.file, b.text, 15000, &d) < 0)
            fail_msg("%s:%d:%d: %s", b.file, d.first->line, d.first->column, d.first->text);
    assert_int_equal(d.warnings, 0);
    diags_release(&d);
    return s;
}

static struct str text_of(struct rule_texts t, const char *name)
{
    for (size_t i = 0; i < t.count; i++)
        if (str_eq(t.v[i].name, str_of(name))) return t.v[i].value;
    return (struct str){"", 0};
}

static void every_rule_is_told_well(void **state)
{
    struct rule_set *s = load_all();
    UNUSED(state);
    assert_true(s->rule_count >= 20);
    for (const struct rule_group *g = s->groups; g; g = g->next) {
        for (const struct rule *r = g->rules; r; r = r->next) {
            assert_true(r->is_alert);
            struct str severity = text_of(r->labels, "severity");
            assert_true(str_eq(severity, STR("warning")) || str_eq(severity, STR("critical")));
            assert_true(memmem(text_of(r->annotations, "summary").p,
                               text_of(r->annotations, "summary").len, "$labels.instance", 16));
            assert_true(text_of(r->annotations, "description").len > 20);
        }
    }
    rule_set_free(s);
}

/* A series of one value a minute for eight hours: from + slope for each minute; in the last ten
 * minutes `to` where it turns. */
struct feed {
    const char *metric;
    double from, slope;
    double to; /* from: no turn */
};

enum { MINUTES = 480 };

static void store(struct memstore *m, const struct feed *f)
{
    struct arena a;
    struct labels ls;
    struct errmsg err;
    arena_init(&a, 1 << 20);
    assert_int_equal(promql_parse_metric(str_of(f->metric), &a, &ls, &err), 0);
    for (int i = 0; i <= MINUTES; i++) {
        double v = f->to != f->from && i > MINUTES - 10 ? f->to : f->from + f->slope * i;
        assert_int_equal(memstore_add(m, ls, i * INT64_C(60000), v), 0);
    }
    arena_release(&a);
}

/* The names of alerts whose expression gives something at the end of the feeds. */
static void alerts_of(const struct feed *feeds, size_t count, char *out, size_t size)
{
    struct memstore *m;
    struct rule_set *s = load_all();
    size_t n = 0;
    assert_int_equal(memstore_new(&m), 0);
    for (size_t i = 0; i < count; i++)
        store(m, &feeds[i]);
    out[0] = '\0';
    for (const struct rule_group *g = s->groups; g; g = g->next) {
        for (const struct rule *r = g->rules; r; r = r->next) {
            struct arena a;
            struct promql_result res;
            struct errmsg err = {0};
            arena_init(&a, 64 << 20);
            struct promql_query q = {.querier = memstore_querier(m),
                                     .env = env_system(),
                                     .start_ms = MINUTES * INT64_C(60000),
                                     .end_ms = MINUTES * INT64_C(60000),
                                     .arena = &a};
            if (promql_eval(r->expr, &q, &res, &err) < 0) fail_msg("%s: %s", r->name, err.text);
            if (res.series_count > 0) n += (size_t)snprintf(out + n, size - n, "%s;", r->name);
            arena_release(&a);
        }
    }
    memstore_free(m);
    rule_set_free(s);
}

#define N  "{job=\"node\",instance=\"a\""
#define FS N ",device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"}"

static const struct feed healthy[] = {
    {"up{job=\"node\",instance=\"a\"}",                           1,     0,     1    },
    {"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"idle\"}",      0,     20,    0    },
    {"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"user\"}",      0,     38,    0    },
    {"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"iowait\"}",    0,     1,     0    },
    {"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"steal\"}",     0,     1,     0    },
    {"node_load15" N "}",                                         2,     0,     2    },
    {"node_memory_MemAvailable_bytes" N "}",                      4e9,   0,     4e9  },
    {"node_memory_MemTotal_bytes" N "}",                          16e9,  0,     16e9 },
    {"node_vmstat_pswpin" N "}",                                  0,     10,    0    },
    {"node_vmstat_pswpout" N "}",                                 0,     60000, 0    },
    {"node_vmstat_oom_kill" N "}",                                3,     0,     3    },
    {"node_pressure_memory_stalled_seconds_total" N "}",          0,     1,     0    },
    {"node_pressure_io_stalled_seconds_total" N "}",              0,     20,    0    },
    {"node_network_receive_errs_total" N ",device=\"eth0\"}",     0,     0,     0    },
    {"node_network_receive_packets_total" N ",device=\"eth0\"}",  0,     60000, 0    },
    {"node_network_transmit_errs_total" N ",device=\"eth0\"}",    0,     1,     0    },
    {"node_network_transmit_packets_total" N ",device=\"eth0\"}", 0,     60000, 0    },
    {"node_filesystem_avail_bytes" FS,                            50e9,  -1e7,  50e9 },
    {"node_filesystem_size_bytes" FS,                             100e9, 0,     100e9},
    {"node_filesystem_files" FS,                                  1e6,   0,     1e6  },
    {"node_filesystem_files_free" FS,                             5e5,   0,     5e5  },
    {"node_filesystem_readonly" FS,                               0,     0,     0    },
    {"node_filesystem_device_error" FS,                           0,     0,     0    },
    {"tocsin_tsdb_writable" N "}",                                1,     0,     1    },
    {"tocsin_tsdb_wal_failures_total" N "}",                      2,     0,     2    },
    {"tocsin_collector_slots_total" N "}",                        0,     60,    0    },
    {"tocsin_collector_slots_lost_total" N "}",                   0,     0,     0    },
    {"tocsin_collector_slots_skipped_total" N "}",                0,     1,     0    },
    {"tocsin_collector_up" N ",collector=\"cpu\"}",               1,     0,     1    },
    {"tocsin_collector_up" N ",collector=\"zfs\"}",               0,     0,     0    },
    {"tocsin_rules_evaluation_failures_total" N "}",              1,     0,     1    },
    {"tocsin_rules_missed_slots_total" N "}",                     1,     0,     1    },
    {"tocsin_notify_outbox_oldest_age_seconds" N "}",             20,    0,     20   },
    {"tocsin_notify_dead_letters_total" N "}",                    1,     0,     1    },
    {"tocsin_config_last_reload_successful" N "}",                1,     0,     1    },
};

static void a_healthy_machine_is_silent(void **state)
{
    char got[1000];
    UNUSED(state);
    alerts_of(healthy, COUNT(healthy), got, sizeof got);
    assert_string_equal(got, "");
}

/* One thing goes wrong at a time: the feed that replaces the healthy one, the alert it raises. */
static const struct {
    struct feed feed;
    const char *alert;
} ills[] = {
    {{"up{job=\"node\",instance=\"a\"}", 0, 0, 0},                          "TargetDown;"                },
    {{"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"idle\"}", 0, 1, 0},     "HostCpuSaturated;"          },
    {{"node_cpu_seconds_total" N ",cpu=\"0\",mode=\"steal\"}", 0, 15, 0},   "HostCpuStolen;"             },
    {{"node_load15" N "}", 5, 0, 5},                                        "HostLoadHigh;"              },
    {{"node_memory_MemAvailable_bytes" N "}", 5e8, 0, 5e8},                 "HostMemoryLow;"             },
    {{"node_vmstat_pswpin" N "}", 0, 60000, 0},                             "HostSwapThrashing;"         },
    {{"node_pressure_memory_stalled_seconds_total" N "}", 0, 10, 0},        "HostMemoryPressure;"        },
    {{"node_pressure_io_stalled_seconds_total" N "}", 0, 50, 0},            "HostIoPressure;"            },
    {{"node_vmstat_oom_kill" N "}", 0, 0.05, 0},                            "HostOomKill;"               },
    {{"node_network_receive_errs_total" N ",device=\"eth0\"}", 0, 1000, 0}, "HostNetworkErrors;"         },
    {{"node_filesystem_avail_bytes" FS, 64e9, -1e8, 64e9},                  "HostDiskFilling;"           },
    {{"node_filesystem_avail_bytes" FS, 4e9, 0, 4e9},                       "HostDiskFull;"              },
    {{"node_filesystem_files_free" FS, 4e4, 0, 4e4},                        "HostInodesLow;"             },
    {{"tocsin_tsdb_writable" N "}", 0, 0, 0},                               "TocsinNotWritable;"         },
    {{"tocsin_tsdb_wal_failures_total" N "}", 0, 1, 0},                     "TocsinLogSyncFailing;"      },
    {{"tocsin_collector_slots_lost_total" N "}", 0, 10, 0},                 "TocsinSamplesLost;"         },
    {{"tocsin_rules_evaluation_failures_total" N "}", 0, 1, 0},             "TocsinRuleFailing;"         },
    {{"tocsin_rules_missed_slots_total" N "}", 0, 6, 0},                    "TocsinRulesLate;"           },
    {{"tocsin_notify_outbox_oldest_age_seconds" N "}", 400, 0, 400},        "TocsinNotDelivering;"       },
    {{"tocsin_notify_dead_letters_total" N "}", 0, 1, 0},                   "TocsinNotificationsGivenUp;"},
    {{"tocsin_config_last_reload_successful" N "}", 0, 0, 0},               "TocsinReloadFailed;"        },
    {{"node_filesystem_readonly" FS, 0, 0, 1},                              "HostFilesystemReadOnly;"    },
    {{"node_filesystem_readonly" FS, 1, 0, 1},                              ""                           },
    {{"node_filesystem_device_error" FS, 0, 0, 1},                          "HostFilesystemError;"       },
    {{"tocsin_collector_up" N ",collector=\"cpu\"}", 1, 0, 0},              "TocsinCollectorFailing;"    },
};

static void each_ill_raises_its_alert(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(ills); i++) {
        struct feed feeds[COUNT(healthy)];
        char got[1000];
        size_t replaced = 0;
        memcpy(feeds, healthy, sizeof feeds);
        for (size_t k = 0; k < COUNT(feeds); k++) {
            if (strcmp(feeds[k].metric, ills[i].feed.metric) != 0) continue;
            feeds[k] = ills[i].feed;
            replaced++;
        }
        assert_int_equal(replaced, 1);
        alerts_of(feeds, COUNT(feeds), got, sizeof got);
        if (strcmp(got, ills[i].alert) != 0) print_message("%s\n", ills[i].feed.metric);
        assert_string_equal(got, ills[i].alert);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_told_well),
        cmocka_unit_test(a_healthy_machine_is_silent),
        cmocka_unit_test(each_ill_raises_its_alert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
