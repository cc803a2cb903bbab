/* test_sources.c -- the host collectors over small trees of /proc and /sys: a whole one against its
 * expected exposition, and broken ones, which must fail one collector and harm nobody else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_sink.h"

#define FIXTURES "tests/fixtures/host"

typedef __typeof__(*((struct conf_map *)NULL)->v) option_row; /* a type without a name there */

/* Options as the configuration would give them. */
static struct host_collector_options with(const char *name, size_t count, option_row *rows)
{
    return (struct host_collector_options){
        .name = name, .enabled = true, .options = {.count = count, .v = rows}
    };
}

static char *print(const struct collector_config *c, const char *const *names)
{
    struct buf out = BUF_INIT(4 << 20);
    struct errmsg err = {0};
    assert_int_equal(collector_print(c, names, env_system(), &out, &err), 0);
    buf_addstr(&out, "");
    return buf_take(&out);
}

/* Drops the families that tell of the run itself. */
static void keep_host_families(char *text)
{
    char *to = text;
    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        const char *name = line[0] == '#' ? line + strlen("# HELP ") : line;
        if (strncmp(name, "tocsin_", 7) == 0 || strncmp(name, "node_scrape_", 12) == 0) continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
}

static void compare_lines(const char *got, const char *want)
{
    int line = 1;
    while (*got || *want) {
        size_t g = strcspn(got, "\n"), w = strcspn(want, "\n");
        if (g != w || memcmp(got, want, g) != 0)
            fail_msg("line %d: %.*s\n expected: %.*s", line, (int)g, got, (int)w, want);
        got += g + (got[g] == '\n');
        want += w + (want[w] == '\n');
        line++;
    }
}

static void whole_tree_gives_the_expected_exposition(void **state)
{
    UNUSED(state);
    static const char *const names[] = {"cpu",        "stat",     "meminfo", "vmstat",
                                        "loadavg",    "pressure", "netstat", "diskstats",
                                        "netdev",     "sockstat", "softnet", "netclass",
                                        "filesystem", "cpu_info", NULL};
    option_row udev[] = {
        {STR("udev_path"), STR(FIXTURES "/plain/udev"), NULL, NULL}
    };
    option_row speed[] = {
        {STR("ignore_invalid_speed"), STR("true"), NULL, NULL}
    };
    option_row softirqs[] = {
        {STR("softirqs"), STR("true"), NULL, NULL}
    };
    option_row types[] = {
        {STR("exclude_types"), STR("nfs, tmpfs"), NULL, NULL}
    };
    option_row cpu[] = {
        {STR("info"),  STR("true"),  NULL, NULL},
        {STR("flags"), STR("^a"),    NULL, NULL},
        {STR("bugs"),  STR("^mds$"), NULL, NULL}
    };
    struct host_collector_options host[] = {with("cpu_info", 3, cpu), with("diskstats", 1, udev),
                                            with("netclass", 1, speed), with("stat", 1, softirqs),
                                            with("filesystem", 1, types)};
    struct collector_config c = {.enabled = true,
                                 .host_root = "/nonexistent",
                                 .proc_path = FIXTURES "/plain/proc",
                                 .sys_path = FIXTURES "/plain/sys",
                                 .host = host,
                                 .host_count = COUNT(host)};
    char *want = NULL;
    size_t len;
    char *got = print(&c, names);
    keep_host_families(got);
    assert_int_equal(env_read_file(env_system(), FIXTURES "/plain.prom", 1 << 20, &want, &len), 0);
    compare_lines(got, want);
    mem_free(got);
    mem_free(want);
}

/* Every file a collector cannot do without, and texts it must refuse. */
static const struct {
    const char *collector, *path, *text;
} refused[] = {
    {"cpu",       "proc/stat",             ""                                                 },
    {"cpu",       "proc/stat",             "cpu0\n"                                           },
    {"cpu",       "proc/stat",             "cpu0 1 2 3\n"                                     },
    {"cpu",       "proc/stat",             "cpuX 1 2 3 4\n"                                   },
    {"stat",      "proc/stat",             "cpu0 1 2 3 4\n"                                   },
    {"stat",      "proc/stat",             "intr x\nctxt\n"                                   },
    {"meminfo",   "proc/meminfo",          "MemTotal 12 kB\n"                                 },
    {"meminfo",   "proc/meminfo",          "MemTotal: lots kB\n"                              },
    {"vmstat",    "proc/vmstat",           "pgpgin\n"                                         },
    {"vmstat",    "proc/vmstat",           "nr_free_pages 1\n"                                },
    {"loadavg",   "proc/loadavg",          "1.0 2.0"                                          },
    {"pressure",  "proc/pressure/cpu",     "some avg10=0.00\n"                                },
    {"pressure",  "proc/pressure/cpu",     "some total=99999999999999999999999\n"             },
    {"diskstats", "proc/diskstats",        "8 0 sda 1 2 3\n"                                  },
    {"diskstats", "proc/diskstats",        "8 x sda 1 2 3 4 5 6 7 8 9 10 11\n"                },
    {"netdev",    "proc/net/dev",          "only a header\n"                                  },
    {"netdev",    "proc/net/dev",          "\n\neth0: 1 2 3\n"                                },
    {"netdev",    "proc/net/dev",          "\n\neth0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"},
    {"netstat",   "proc/net/netstat",      "TcpExt: ListenDrops\nIpExt: 1\n"                  },
    {"netstat",   "proc/net/netstat",      "TcpExt: ListenDrops ListenOverflows\nTcpExt: 1\n" },
    {"netstat",   "proc/net/netstat",      "no colon\nnone here\n"                            },
    {"sockstat",  "proc/net/sockstat",     "TCP inuse 4\n"                                    },
    {"sockstat",  "proc/net/sockstat",     "TCP: inuse\n"                                     },
    {"softnet",   "proc/net/softnet_stat", ""                                                 },
    {"softnet",   "proc/net/softnet_stat", "00000001 xyz\n"                                   },
    {"softnet",   "proc/net/softnet_stat", "00000001 00000002\n"                              },
};

static void broken_texts_are_refused(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct tree tree;
        char proc[96], failure[96];
        tree_new(&tree);
        tree_puts(&tree, refused[i].path, refused[i].text);
        snprintf(proc, sizeof proc, "%s/proc", tree.root);
        snprintf(failure, sizeof failure, "node_scrape_collector_success{collector=\"%s\"} 0\n",
                 refused[i].collector);
        struct collector_config c = {.enabled = true, .proc_path = proc, .sys_path = tree.root};
        char *text = print(&c, (const char *const[]){refused[i].collector, NULL});
        if (!strstr(text, failure)) fail_msg("case %zu (%s) was accepted", i, refused[i].collector);
        mem_free(text);
        tree_free(&tree);
    }
}

static void absent_sources_fail_without_noise(void **state)
{
    UNUSED(state);
    struct tree tree;
    tree_new(&tree);
    struct collector_config c = {.enabled = true, .proc_path = tree.root, .sys_path = tree.root};
    char *text = print(&c, NULL);
    assert_null(strstr(text, "\nnode_cpu"));
    assert_non_null(strstr(text, "node_scrape_collector_success{collector=\"cpu\"} 0\n"));
    assert_non_null(strstr(text, "node_scrape_collector_success{collector=\"pressure\"} 0\n"));
    assert_non_null(strstr(text, "node_scrape_collector_success{collector=\"uname\"} 1\n"));
    mem_free(text);
    tree_free(&tree);
}

static void unreadable_file_is_no_crash(void **state)
{
    UNUSED(state);
    struct tree tree;
    char path[128];
    tree_new(&tree);
    snprintf(path, sizeof path, "%s/stat", tree.root);
    assert_int_equal(mkdir(path, 0755), 0); /* a folder where a file should be: EISDIR */
    struct collector_config c = {.enabled = true, .proc_path = tree.root, .sys_path = tree.root};
    char *text = print(&c, (const char *const[]){"cpu", "stat", NULL});
    assert_non_null(strstr(text, "node_scrape_collector_success{collector=\"stat\"} 0\n"));
    mem_free(text);
    tree_free(&tree);
}

static void truncated_files_never_read_past_their_end(void **state)
{
    UNUSED(state);
    static const char *const files[] = {
        "stat",          "meminfo",          "vmstat",       "loadavg",     "diskstats",
        "net/dev",       "net/netstat",      "net/snmp",     "net/snmp6",   "net/sockstat",
        "net/sockstat6", "net/softnet_stat", "pressure/cpu", "1/mountinfo",
    };
    struct tree tree;
    tree_new(&tree);
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[128], to[128], *whole = NULL;
        size_t len;
        snprintf(path, sizeof path, FIXTURES "/plain/proc/%s", files[i]);
        snprintf(to, sizeof to, "proc/%s", files[i]);
        assert_int_equal(env_read_file(env_system(), path, 1 << 20, &whole, &len), 0);
        tree_put(&tree, to, whole, len);
        struct collector_config c = {.enabled = true, .host_root = tree.root, .sys_path = "/none"};
        for (size_t cut = 0; cut < len; cut += 1 + len / 40) {
            tree_put(&tree, to, whole, cut);
            mem_free(print(&c, NULL));
        }
        tree_put(&tree, to, whole, len);
        mem_free(whole);
    }
    tree_free(&tree);
}

static void unknown_names_get_a_hint(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    struct collector_config c = {.enabled = true};
    const char *const names[] = {"loadavgg", NULL};
    assert_int_equal(collector_print(&c, names, env_system(), &out, &err), E_INVALID);
    assert_non_null(strstr(err.text, "loadavgg"));
    assert_non_null(strstr(err.hint, "loadavg"));
    buf_release(&out);
}

static void names_may_bring_options(void **state)
{
    UNUSED(state);
    struct collector_config c = {.enabled = true, .proc_path = FIXTURES "/plain/proc"};
    const char *const names[] = {"netdev:device_include=^a;device_exclude=z", "stat:softirqs=true",
                                 NULL};
    char *text = print(&c, names);
    assert_non_null(strstr(text, "{device=\"a:b\"}"));
    assert_null(strstr(text, "{device=\"lan0\"}"));
    assert_non_null(strstr(text, "\nnode_softirqs_total{"));
    assert_null(strstr(text, "\nnode_load1"));
    mem_free(text);
    struct buf out = BUF_INIT(1 << 20);
    struct errmsg err = {0};
    const char *const bad[] = {"netdev:device_include", NULL};
    assert_int_equal(collector_print(&c, bad, env_system(), &out, &err), E_INVALID);
    buf_release(&out);
}

static void below_a_host_root_the_network_is_process_ones(void **state)
{
    UNUSED(state);
    struct tree tree;
    tree_new(&tree);
    tree_puts(&tree, "proc/net/sockstat", "TCP: inuse 1\n");
    tree_puts(&tree, "proc/1/net/sockstat", "TCP: inuse 2\n");
    struct collector_config c = {.enabled = true, .host_root = tree.root};
    char *text = print(&c, (const char *const[]){"sockstat", NULL});
    assert_non_null(strstr(text, "\nnode_sockstat_TCP_inuse 2\n"));
    mem_free(text);
    tree_free(&tree);
}

/* --- names ----------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    return str_ends(str_of(s), str_of(end));
}

static void check_name(const struct metric *m)
{
    static const char *const unit[] = {
        [UNIT_SECONDS] = "_seconds", [UNIT_BYTES] = "_bytes", [UNIT_RATIO] = "_ratio",
        [UNIT_CELSIUS] = "_celsius", [UNIT_BITS] = "_bits",   [UNIT_HERTZ] = "_hertz",
    };
    size_t help = strlen(m->help);
    if (strncmp(m->name, "tocsin_", 7) != 0) fail_msg("%s: not tocsin_*", m->name);
    if (strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(m->name))
        fail_msg("%s: not snake case", m->name);
    if ((m->type == METRIC_COUNTER) != ends_with(m->name, "_total"))
        fail_msg("%s: counters, and no others, end in _total", m->name);
    if (m->unit != UNIT_NONE && !strstr(m->name, unit[m->unit]))
        fail_msg("%s: does not say its unit", m->name);
    if (help < 10 || m->help[help - 1] != '.' || m->help[0] < 'A' || m->help[0] > 'Z')
        fail_msg("%s: help is no sentence: %s", m->name, m->help);
}

static void check_rows(const struct metric *rows, size_t count, size_t *checked)
{
    for (size_t i = 0; i < count; i++) {
        assert_non_null(rows[i].name);
        assert_true(metric_name_is_legacy(str_of(rows[i].name)));
        if (rows[i].foreign) continue;
        check_name(&rows[i]);
        ++*checked;
    }
}

static void own_metrics_are_named_by_the_rules(void **state)
{
    UNUSED(state);
    size_t checked = 0;
    for (size_t i = 0; i < collector_count; i++) {
        assert_true(strlen(collectors[i]->help) > 10);
        check_rows(collectors[i]->metrics, collectors[i]->metric_count, &checked);
    }
    check_rows(collector_self.metrics, collector_self.metric_count, &checked);
    check_rows(collector_metrics, collector_metric_count, &checked);
    assert_true(checked >= 10);
}

int main(void)
{
    log_set_level(LOG_LEVEL_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tree_gives_the_expected_exposition),
        cmocka_unit_test(broken_texts_are_refused),
        cmocka_unit_test(absent_sources_fail_without_noise),
        cmocka_unit_test(unreadable_file_is_no_crash),
        cmocka_unit_test(truncated_files_never_read_past_their_end),
        cmocka_unit_test(unknown_names_get_a_hint),
        cmocka_unit_test(names_may_bring_options),
        cmocka_unit_test(below_a_host_root_the_network_is_process_ones),
        cmocka_unit_test(own_metrics_are_named_by_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
