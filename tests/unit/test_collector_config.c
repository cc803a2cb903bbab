/* test_collector_config.c -- the collectors: block: defaults, collectors by name, what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/engine.h"
#include "core/mem.h"

struct decoded {
    struct arena arena;
    struct diags diags;
    struct ydoc doc;
    struct collector_config config;
    int rc;
};

static struct decoded *decode(const char *yaml)
{
    struct decoded *d = mem_zalloc(sizeof *d);
    assert_non_null(d);
    arena_init(&d->arena, 4 << 20);
    diags_init(&d->diags);
    struct conf_ctx ctx = {.doc = &d->doc, .arena = &d->arena, .diags = &d->diags};
    d->rc = ydoc_parse(&d->doc, "test.yaml", str_of(yaml), 1 << 20, &d->arena, &d->diags);
    assert_int_equal(d->rc, 0);
    d->rc = conf_decode(&collector_config_table, d->doc.root, &d->config, &ctx);
    return d;
}

static void decoded_free(struct decoded *d)
{
    diags_release(&d->diags);
    arena_release(&d->arena);
    mem_free(d);
}

static void empty_block_means_defaults(void **state)
{
    struct decoded *d = *state = decode("");
    assert_int_equal(d->rc, 0);
    assert_true(d->config.enabled);
    assert_int_equal(d->config.interval_ms, 1000);
    assert_int_equal(d->config.slow_interval_ms, 15000);
    assert_string_equal(d->config.job, "node");
    assert_string_equal(d->config.proc_path, "");
    assert_int_equal(d->config.host_count, 0);
    decoded_free(d);
}

static void collectors_are_on_off_or_have_options(void **state)
{
    struct decoded *d = *state =
        decode("interval: 5s\n"
               "slow_interval: 1m\n"
               "job: node-exporter\n"
               "host:\n"
               "  cpu: true\n"
               "  stat: false\n"
               "  loadavg:\n"
               "  filesystem: {exclude_types: [tmpfs, nfs], fs_types_exclude: '^x$'}\n");
    assert_int_equal(d->rc, 0);
    assert_int_equal(d->config.interval_ms, 5000);
    assert_string_equal(d->config.job, "node-exporter");
    assert_int_equal(d->config.host_count, 4);
    const struct host_collector_options *h = d->config.host;
    assert_true(h[0].enabled);
    assert_false(h[1].enabled);
    assert_true(h[2].enabled);
    assert_string_equal(h[3].name, "filesystem");
    assert_int_equal(h[3].options.count, 2);
    assert_true(str_eq(h[3].options.v[0].key, STR("exclude_types")));
    assert_true(str_eq(h[3].options.v[0].value, STR("tmpfs,nfs")));
    assert_true(str_eq(h[3].options.v[1].value, STR("^x$")));
    decoded_free(d);
}

static void mistakes_are_told_with_their_place(void **state)
{
    static const struct {
        const char *yaml;
        int line;
        const char *text, *hint;
    } cases[] = {
        {"host: {memifno: true}",                       1, "unknown collector \"memifno\"",     "meminfo" },
        {"host:\n  cpu: maybe",                         2, "expected true, false or a mapping", NULL      },
        {"host:\n  cpu: [1]",                           2, "expected true, false or a mapping", NULL      },
        {"host: [cpu]",                                 1, "expected a mapping",                NULL      },
        {"host:\n  netdev: {device_exclude: {a: b}}",   2, "expected a value",                  NULL      },
        {"host:\n  netdev: {device_exclude: [{a: b}]}", 2, "expected a plain value",            NULL      },
        {"interval: 30s",                               1, "slow_interval is shorter",          NULL      },
        {"intervall: 1s",                               1, "intervall",                         "interval"},
        {"interval: 1ms",                               1, "interval",                          NULL      },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decoded *d = *state = decode(cases[i].yaml);
        const struct diag *first = d->diags.first;
        if (d->rc != E_INVALID || !first) fail_msg("case %zu was accepted", i);
        assert_int_equal(first->line, cases[i].line);
        if (!strstr(first->text, cases[i].text)) fail_msg("case %zu: %s", i, first->text);
        if (cases[i].hint) assert_non_null(strstr(first->hint, cases[i].hint));
        decoded_free(d);
    }
}

static void all_problems_are_reported(void **state)
{
    struct decoded *d = *state = decode("host:\n  one: true\n  two: true\n  cpu: 3\n");
    assert_int_equal(d->rc, E_INVALID);
    assert_int_equal(d->diags.errors, 3);
    decoded_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_block_means_defaults),
        cmocka_unit_test(collectors_are_on_off_or_have_options),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(all_problems_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
