/* test_config.c -- the configuration file: defaults, what is refused and where it is told.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/route.h"
#include "core/log.h"

/* Parses text; the printed problems go to problems when it fails. */
static struct config *parse(const char *text, const struct config_overrides *o,
                            struct buf *problems)
{
    struct config *c = NULL;
    struct diags d;
    diags_init(&d);
    int rc = config_parse(&c, "t.yaml", str_of(text), o, &d);
    assert_int_equal(rc != 0, c == NULL);
    assert_int_equal(rc != 0, d.errors != 0);
    if (problems) diags_print(&d, problems);
    diags_release(&d);
    return c;
}

static void an_empty_file_has_every_default(void **state)
{
    struct config *c = parse("", NULL, NULL);
    (void)state;
    assert_non_null(c);
    assert_string_equal(c->storage.path, "/var/lib/tocsin");
    assert_int_equal(c->storage.retention_ms, INT64_C(15) * 86400000);
    assert_int_equal(c->storage.max_bytes, INT64_C(10) << 30);
    assert_int_equal(c->storage.min_free_permille, 50);
    assert_int_equal(c->storage.durability, TSDB_DURABILITY_SYNC);
    assert_string_equal(c->http.listen, "127.0.0.1:7788");
    assert_int_equal(c->limits.query.timeout_ms, 30000);
    assert_int_equal(c->limits.body_bytes, 16 << 20);
    assert_int_equal(c->global.evaluation_interval_ms, 15000);
    assert_true(c->collectors.enabled);
    assert_int_equal(c->collectors.interval_ms, 1000);
    assert_true(c->node.name[0] != '\0');
    assert_ptr_equal(c->collectors.instance, c->node.name);
    assert_int_equal(c->log.level, LOG_LEVEL_INFO);
    config_free(c);
}

static void the_command_line_wins(void **state)
{
    struct config_overrides o = {
        .data = "/d", .listen = "127.0.0.1:1", .host_root = "/h", .log_level = "debug"};
    struct config *c = parse("storage: {path: /x}\nhttp: {listen: '127.0.0.1:2'}\n", &o, NULL);
    (void)state;
    assert_non_null(c);
    assert_string_equal(c->storage.path, "/d");
    assert_string_equal(c->http.listen, "127.0.0.1:1");
    assert_string_equal(c->collectors.host_root, "/h");
    assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
    config_free(c);
}

static void an_unknown_log_level_is_refused(void **state)
{
    struct config_overrides o = {.log_level = "loud"};
    struct buf problems = BUF_INIT(1 << 16);
    (void)state;
    assert_null(parse("", &o, &problems));
    assert_non_null(strstr(problems.p, "--log-level loud"));
    buf_release(&problems);
}

static void options_are_taken(void **state)
{
    struct config *c =
        parse("node: {name: web1, labels: {site: a}}\n"
              "storage: {durability: interval, min_free: 2.5%, retention: {raw: 3650d}}\n"
              "http: {anonymous: [read, write, admin]}\n"
              "collectors: {enabled: false}\n"
              "global: {scrape_interval: 5s}\n"
              "scrape_configs:\n"
              "  - job_name: a\n"
              "    static_configs: [{targets: ['127.0.0.1:1']}]\n"
              "log: {level: warn, format: json}\n",
              NULL, NULL);
    (void)state;
    assert_non_null(c);
    assert_string_equal(c->collectors.instance, "web1");
    assert_int_equal(c->collectors.labels.count, 1);
    assert_int_equal(c->storage.durability, TSDB_DURABILITY_INTERVAL);
    assert_int_equal(c->storage.min_free_permille, 25);
    assert_int_equal(c->http.anonymous,
                     SCOPE_BIT(SCOPE_READ) | SCOPE_BIT(SCOPE_WRITE) | SCOPE_BIT(SCOPE_ADMIN));
    assert_false(c->collectors.enabled);
    assert_int_equal(c->scrape_configs.count, 1);
    const struct scrape_config *s = c->scrape_configs.v;
    assert_int_equal(s->interval_ms, 5000);
    assert_int_equal(s->timeout_ms, 5000);
    assert_int_equal(c->log.format, 1);
    config_free(c);
}

static void a_list_replaces_its_default(void **state)
{
    struct config *c = parse("rules: {builtin: []}\n", NULL, NULL);
    (void)state;
    assert_non_null(c);
    assert_int_equal(c->rules.builtin.count, 0);
    config_free(c);
    c = parse("rules: {builtin: [host]}\nglobal: {evaluation_interval: 5s}\n", NULL, NULL);
    assert_non_null(c);
    assert_int_equal(c->rules.builtin.count, 1);
    assert_string_equal(c->rules.builtin.v[0], "host");
    assert_int_equal(c->rules.interval_ms, 5000);
    config_free(c);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *place, *what;
    } rows[] = {
        {"storag: {}\n",                                         "t.yaml:1:1",  "did you mean \"storage\"?"   },
        {"storage:\n  durabilty: sync\n",                        "t.yaml:2:3",  "did you mean \"durability\"?"},
        {"storage: {durability: never}\n",                       "t.yaml:1:23", "sync, interval"              },
        {"storage: {retention: {raw: 5mm}}\n",                   "t.yaml:1:28", "mm"                          },
        {"storage: {retention: {5m: 1d}}\n",                     "t.yaml:1:27", "not supported yet"           },
        {"storage: {min_free: 5}\n",                             "t.yaml:1:21", "percentage"                  },
        {"storage: {min_free: 95%}\n",                           "t.yaml:1:21", "percentage"                  },
        {"limits: {series: lots}\n",                             "t.yaml:1:18", "whole number"                },
        {"limits: {query: {concurrency: 0}}\n",                  "t.yaml:1:31", "out of range"                },
        {"role: hub\n",                                          "t.yaml:1:7",  "not supported yet"           },
        {"forward: []\n",                                        "t.yaml:1:10", "not supported yet"           },
        {"scaling: []\n",                                        "t.yaml:1:10", "not supported yet"           },
        {"http: {auth: {}}\n",                                   "t.yaml:1:14", "not supported yet"           },
        {"http: {anonymous: [root]}\n",                          "t.yaml:1:20", "no such scope"               },
        {"http: {listen: here}\n",                               "t.yaml:1:16", "HOST:PORT"                   },
        {"http: {listen: '0.0.0.0:1'}\n",                        "t.yaml:1:16", "anonymous: [read]"           },
        {"http: {listen: '[::]:1', anonymous: [read, admin]}\n", "t.yaml:1:37",
         "only the scope read"                                                                                },
        {"log: {level: loud}\n",                                 "t.yaml:1:14", "debug"                       },
        {"a: 1\na: 2\n",                                         "t.yaml:",     "a"                           },
        {"a: [1, 2\n",                                           "t.yaml:",     ""                            },
        {"- 1\n",                                                "t.yaml:1:1",  "mapping"                     },
        {"\tx: 1\n",                                             "t.yaml:1",    ""                            },
        {"node: {name: '${TOCSIN_TEST_UNSET_VARIABLE}'}\n",      "t.yaml:1:14", "not set"                     },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf problems = BUF_INIT(1 << 16);
        struct config *c = parse(rows[i].text, NULL, &problems);
        assert_null(c);
        assert_non_null(problems.p);
        if (!strstr(problems.p, rows[i].place) || !strstr(problems.p, rows[i].what))
            fail_msg("%s: %s", rows[i].text, problems.p);
        buf_release(&problems);
    }
}

static void every_problem_is_told(void **state)
{
    struct buf problems = BUF_INIT(1 << 16);
    (void)state;
    assert_null(parse("one: 1\nlog: {level: loud}\nlimits: {labels: 1}\n", NULL, &problems));
    assert_non_null(strstr(problems.p, "3 errors in 1 file"));
    buf_release(&problems);
}

static void beyond_loopback_read_may_be_open(void **state)
{
    struct config *c = parse("http: {listen: '0.0.0.0:1', anonymous: [read]}\n", NULL, NULL);
    struct config_overrides o = {.listen = "0.0.0.0:1"};
    struct buf problems = BUF_INIT(1 << 16);
    (void)state;
    assert_non_null(c);
    config_free(c);
    assert_null(parse("", &o, &problems));
    assert_non_null(strstr(problems.p, "--listen 0.0.0.0:1"));
    buf_release(&problems);
}

static void the_environment_expands(void **state)
{
    (void)state;
    assert_int_equal(setenv("TOCSIN_TEST_NAME", "from: {env}", 1), 0);
    struct config *c = parse("node: {name: '${TOCSIN_TEST_NAME}'}\n"
                             "storage: {path: '${TOCSIN_TEST_UNSET_VARIABLE:-/there}'}\n",
                             NULL, NULL);
    assert_non_null(c);
    assert_string_equal(c->node.name, "from: {env}");
    assert_string_equal(c->storage.path, "/there");
    config_free(c);
}

static void the_printed_default_is_a_good_file(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    config_print_default(&text);
    struct buf problems = BUF_INIT(1 << 16);
    struct config *c = parse(text.p, NULL, &problems);
    if (!c) fail_msg("%s", problems.p);
    config_free(c);
    buf_release(&problems);
    buf_release(&text);
}

static void the_printed_effective_file_hides_secrets(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct config *c = parse("scrape_configs:\n  - job_name: a\n"
                             "    basic_auth: {username: u, password: hunter2}\n"
                             "    static_configs: [{targets: ['127.0.0.1:1']}]\n",
                             NULL, NULL);
    (void)state;
    assert_non_null(c);
    config_print_effective(c, &text);
    assert_null(strstr(text.p, "hunter2"));
    assert_non_null(strstr(text.p, "job_name: \"a\""));
    assert_non_null(strstr(text.p, "evaluation_interval: 15s"));
    buf_release(&text);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_every_default),
        cmocka_unit_test(the_command_line_wins),
        cmocka_unit_test(an_unknown_log_level_is_refused),
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(a_list_replaces_its_default),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(every_problem_is_told),
        cmocka_unit_test(beyond_loopback_read_may_be_open),
        cmocka_unit_test(the_environment_expands),
        cmocka_unit_test(the_printed_default_is_a_good_file),
        cmocka_unit_test(the_printed_effective_file_hides_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
