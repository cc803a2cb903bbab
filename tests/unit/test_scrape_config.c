/* test_scrape_config.c -- scrape_configs entries: what is taken, what is refused and how.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/scrape.h"

struct decoded {
    struct arena arena;
    struct diags diags;
    struct ydoc doc;
    struct scrape_config c;
    int rc;
};

static void decode(struct decoded *d, const char *yaml)
{
    arena_init(&d->arena, 1 << 22);
    diags_init(&d->diags);
    assert_int_equal(ydoc_parse(&d->doc, "t.yaml", str_of(yaml), 0, &d->arena, &d->diags), 0);
    struct conf_ctx ctx = {.doc = &d->doc, .arena = &d->arena, .diags = &d->diags};
    d->rc = conf_decode(&scrape_config_table, d->doc.root, &d->c, &ctx);
}

static void done(struct decoded *d)
{
    diags_release(&d->diags);
    arena_release(&d->arena);
}

static void defaults_are_those_of_prometheus(void **state)
{
    UNUSED(state);
    struct decoded d;
    decode(&d, "job_name: a\n");
    assert_int_equal(d.rc, 0);
    assert_string_equal(d.c.job_name, "a");
    assert_string_equal(d.c.metrics_path, "/metrics");
    assert_string_equal(d.c.scheme, "http");
    assert_string_equal(d.c.auth_type, "Bearer");
    assert_true(d.c.honor_timestamps);
    assert_false(d.c.honor_labels);
    assert_true(d.c.enable_compression);
    assert_int_equal(d.c.interval_ms, 0);
    assert_int_equal(d.c.sample_limit, 0);
    assert_false(d.c.has_tls);
    done(&d);
}

static void every_block_is_read(void **state)
{
    UNUSED(state);
    struct decoded d;
    decode(&d, "job_name: models\n"
               "scrape_interval: 1s\n"
               "scrape_timeout: 500ms\n"
               "metrics_path: /m\n"
               "scheme: https\n"
               "params: {module: [http_2xx, tcp], x: [y]}\n"
               "basic_auth: {username: u, password: p}\n"
               "tls_config: {ca_file: /ca, insecure_skip_verify: true}\n"
               "body_size_limit: 10MiB\n"
               "sample_limit: 1000\n"
               "scrape_protocols: [PrometheusText0.0.4]\n"
               "relabel_configs: []\n"
               "static_configs:\n"
               "  - targets: ['a:1', 'b:2']\n"
               "    labels: {env: prod}\n"
               "  - targets: ['[::1]:9100']\n");
    assert_int_equal(d.rc, 0);
    assert_int_equal(d.c.interval_ms, 1000);
    assert_int_equal(d.c.timeout_ms, 500);
    assert_int_equal(d.c.params.count, 3);
    assert_true(str_eq(d.c.params.v[1].key, STR("module")));
    assert_true(str_eq(d.c.params.v[1].value, STR("tcp")));
    assert_string_equal(d.c.basic_username, "u");
    assert_string_equal(d.c.basic_password, "p");
    assert_true(d.c.has_tls);
    assert_true(d.c.tls.insecure_skip_verify);
    assert_string_equal(d.c.tls.ca_file, "/ca");
    assert_int_equal(d.c.body_size_limit, 10 << 20);
    assert_int_equal(d.c.static_configs.count, 2);
    const struct scrape_static *s = d.c.static_configs.v;
    assert_int_equal(s[0].targets.count, 2);
    assert_string_equal(s[1].targets.v[0], "[::1]:9100");
    assert_true(str_eq(s[0].labels.v[0].value, STR("prod")));
    done(&d);
}

static void authorization_is_read(void **state)
{
    UNUSED(state);
    struct decoded d;
    decode(&d, "job_name: a\nauthorization: {type: Token, credentials_file: /t}\n");
    assert_int_equal(d.rc, 0);
    assert_string_equal(d.c.auth_type, "Token");
    assert_string_equal(d.c.bearer_token_file, "/t");
    done(&d);
    decode(&d, "job_name: a\nbearer_token: t\n");
    assert_int_equal(d.rc, 0);
    assert_string_equal(d.c.auth_type, "Bearer");
    assert_string_equal(d.c.bearer_token, "t");
    done(&d);
}

static void mistakes_are_refused_with_their_place(void **state)
{
    UNUSED(state);
    static const struct {
        const char *yaml, *text;
        int line;
    } rows[] = {
        {"scheme: http\n",                                                         "scrape config needs \"job_name\"",                  1},
        {"job_name: a\nrelabel_configs:\n  - action: keep\n",
         "relabel_configs is not supported yet",                                                                                        3},
        {"job_name: a\nfile_sd_configs:\n  - files: [x]\n",                        "file_sd_configs is not supported yet",
         3                                                                                                                               },
        {"job_name: a\nkubernetes_sd_configs: [{role: pod}]\n",
         "kubernetes_sd_configs is not supported yet",                                                                                  2},
        {"job_name: a\npreset: vllm\n",                                            "preset is not supported yet",                       2},
        {"job_name: a\nscrape_intervall: 1s\n",                                    "unknown key \"scrape_intervall\" in scrape config",
         2                                                                                                                               },
        {"job_name: a\nscheme: ftp\n",                                             "scheme \"ftp\" is not known",                       2},
        {"job_name: a\nmetrics_path: m\n",                                         "metrics_path must start with \"/\"",                2},
        {"job_name: a\nscrape_interval: 1s\nscrape_timeout: 2s\n",
         "scrape_timeout is longer than scrape_interval",                                                                               3},
        {"job_name: a\nstatic_configs: [{targets: ['http://a:1/m']}]\n",
         "\"http://a:1/m\" is not a valid target",                                                                                      2},
        {"job_name: a\nstatic_configs: [{targets: [a], labels: {__name__: x}}]\n",
         "\"__name__\" is not a valid label name",                                                                                      2},
        {"job_name: a\nbearer_token: x\nbasic_auth: {username: u}\n",
         "at most one of basic_auth, authorization, bearer_token and bearer_token_file may be "
         "given",                                                                                                                       1},
        {"job_name: a\nbasic_auth: {password: u}\n",                               "basic_auth needs \"username\"",                     2},
        {"job_name: a\ntls_config: {cert_file: x}\n",                              "cert_file and key_file go together",                2},
        {"job_name: a\nparams: [x]\n",                                             "params must be a mapping of lists",                 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decoded d;
        decode(&d, rows[i].yaml);
        assert_int_equal(d.rc, E_INVALID);
        assert_non_null(d.diags.first);
        assert_string_equal(d.diags.first->text, rows[i].text);
        assert_int_equal(d.diags.first->line, rows[i].line);
        done(&d);
    }
}

static void the_hash_follows_the_content(void **state)
{
    UNUSED(state);
    struct decoded a, b, c;
    decode(&a, "job_name: a\nstatic_configs: [{targets: ['x:1']}]\n");
    decode(&b,
           "# the same, written otherwise\njob_name: \"a\"\nstatic_configs:\n- targets: [x:1]\n");
    decode(&c, "job_name: a\nstatic_configs: [{targets: ['x:2']}]\n");
    assert_true(a.c.hash == b.c.hash);
    assert_true(a.c.hash != c.c.hash);
    done(&a);
    done(&b);
    done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_prometheus),
        cmocka_unit_test(every_block_is_read),
        cmocka_unit_test(authorization_is_read),
        cmocka_unit_test(mistakes_are_refused_with_their_place),
        cmocka_unit_test(the_hash_follows_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
